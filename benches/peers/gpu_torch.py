#!/usr/bin/env python3
"""Times the same training steps and matrix product in PyTorch: eager, as a CUDA graph, as one whose gradients
are new in each step (nothing is zeroed or added to), and compiled.

Needs Python with PyTorch, nothing else. Prints a line of JSON with all rows so far after each; what
takes long to compile comes last. A card works on each row until its clocks are up, as ours does. On a
machine without CUDA it runs the small size on the processor, which only shows that the script works.
"""

import json
import statistics
import time

import torch
from torch import nn

torch.backends.cuda.matmul.allow_tf32 = False
torch.backends.cudnn.allow_tf32 = False
torch.backends.cudnn.benchmark = True


class Bregman(nn.Module):
    """Three Bregman layers in dual form, tanh, and a linear head."""

    def __init__(self, width, layers=3, classes=10):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(layers))
        self.head = nn.Linear(width, classes)

    def forward(self, z):
        a = torch.atanh(z.clamp(-0.999999, 0.999999))
        for layer in self.layers:
            a = a + layer(z)
            z = torch.tanh(a)
        return self.head(z)


class Cnn(nn.Module):
    """The small CNN of `train_mnist --cnn` on images of 28 × 28, with a Bregman layer in dual form."""

    def __init__(self):
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3), nn.Flatten(),
        )
        self.layer = nn.Linear(1024, 1024)
        self.head = nn.Linear(1024, 10)

    def forward(self, x):
        features = self.convolutions(x)
        return self.head(torch.tanh(features + self.layer(torch.tanh(features))))


def training_step(model, x, y, new_gradients=False):
    """A function that does one step of plain SGD on a fixed batch; gradients are zeroed and added to, or new."""
    loss_of = nn.CrossEntropyLoss()
    parameters = list(model.parameters())
    optimizer = torch.optim.SGD(parameters, lr=1e-3, foreach=True)

    def step():
        optimizer.zero_grad(set_to_none=new_gradients)
        loss_of(model(x), y).backward()
        optimizer.step()

    for parameter in parameters:
        parameter.grad = torch.zeros_like(parameter)
    return step


def seconds(function, device, rounds=5):
    """Median wall time of a call, the device's last work included."""
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None

    def wall(times):
        wait()
        start = time.perf_counter()
        for _ in range(times):
            function()
        wait()
        return (time.perf_counter() - start) / times

    once = wall(3)
    start, before = time.perf_counter(), float("inf")
    # Until a window of a quarter of a second is hardly faster than the one before, three seconds at most.
    while device == "cuda" and time.perf_counter() - start < 3:
        window, best = time.perf_counter(), float("inf")
        while time.perf_counter() - window < 0.25:
            once = wall(max(1, min(1000, int(0.01 / once))))
            best = min(best, once)
        if best > 0.97 * before:
            break
        before = best
    times = max(1, min(1000, int(0.05 / wall(1))))
    return statistics.median(wall(times) for _ in range(rounds))


def graph_of(step):
    """The step as a CUDA graph's replay."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph.replay


def main():
    device = "cuda" if torch.cuda.is_available() else "cpu"
    sizes = [(32, 32), (128, 784), (512, 784), (4096, 784), (4096, 4096)] if device == "cuda" else [(32, 64)]
    where = torch.cuda.get_device_name() if device == "cuda" else "the processor"
    rows = []
    found = {"version": torch.__version__, "device": where, "rows": rows}

    def row(name, how, make):
        # One way that fails leaves the others standing.
        try:
            rows.append({"name": name, "how": how, "seconds": seconds(make(), device)})
        except Exception as error:  # noqa: BLE001
            rows.append({"name": name, "how": how, "failed": repr(error)[:300]})
        print(json.dumps(found), flush=True)

    def net(batch, width):
        torch.manual_seed(0)
        x = torch.rand(batch, width, device=device) * 1.8 - 0.9
        y = torch.randint(0, 10, (batch,), device=device)
        name = f"step bregman dual, batch {batch} × {width}, R = 1, fused"
        return name, lambda: Bregman(width).to(device), x, y

    def cnn():
        x = torch.rand(32, 1, 28, 28, device=device)
        y = torch.randint(0, 10, (32,), device=device)
        return "step cnn, batch 32, R = 1", lambda: Cnn().to(device), x, y

    def without_compiling(name, model, x, y):
        row(name, "eager", lambda: training_step(model(), x, y))
        if device == "cuda":
            row(name, "CUDA graph", lambda: graph_of(training_step(model(), x, y)))
            new = lambda: graph_of(training_step(model(), x, y, new_gradients=True))
            row(name, "CUDA graph, new gradients", new)

    for batch, width in sizes:
        without_compiling(*net(batch, width))
    without_compiling(*cnn())
    side = 4096 if device == "cuda" else 64
    a = torch.rand(side, side, device=device) - 0.5
    b = torch.rand(side, side, device=device) - 0.5
    row(f"matmul {side}³ large", "torch.matmul, no TF32", lambda: lambda: torch.matmul(a, b.T))
    for name, model, x, y in [net(*size) for size in sizes]:
        row(name, "torch.compile", lambda: training_step(torch.compile(model()), x, y))


if __name__ == "__main__":
    main()
