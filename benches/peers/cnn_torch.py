"""Training samples a second of the small CNN in PyTorch (eager), to compare with train_mnist --cnn.

    python benches/peers/cnn_torch.py [--device cpu|cuda] [--batch 32] [--layer bregman] [--steps 100]

The same network and batch as `train_mnist --cnn` on 28 × 28 grey images: convolution 3 × 3 to 32
channels, ReLU, pooling 2, convolution to 64, ReLU, pooling 3, one hidden layer of 1024 tanh units,
a linear layer, cross-entropy, plain SGD; the images are noise.
"""
import argparse, time

import torch
from torch import nn


class Layer(nn.Module):
    def __init__(self, kind, width):
        super().__init__()
        self.kind, self.linear = kind, nn.Linear(width, width)

    def forward(self, features):
        z = torch.tanh(features)
        skip = {"standard": 0, "euclidean": z, "bregman": features}[self.kind]
        return torch.tanh(skip + self.linear(z))


parser = argparse.ArgumentParser()
parser.add_argument("--device", default="cpu")
parser.add_argument("--batch", type=int, default=32)
parser.add_argument("--layer", default="bregman", choices=["standard", "euclidean", "bregman"])
parser.add_argument("--steps", type=int, default=100)
parser.add_argument("--threads", type=int, default=torch.get_num_threads())
args = parser.parse_args()
torch.set_num_threads(args.threads)
device = torch.device(args.device)
model = nn.Sequential(
    nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
    nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3),
    nn.Flatten(), Layer(args.layer, 1024), nn.Linear(1024, 10),
).to(device)
sgd = torch.optim.SGD(model.parameters(), lr=0.1)
x = torch.rand(args.batch, 1, 28, 28, device=device)
labels = torch.randint(10, (args.batch,), device=device)


def steps(count):
    start = time.perf_counter()
    for _ in range(count):
        sgd.zero_grad()
        nn.functional.cross_entropy(model(x), labels).backward()
        sgd.step()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


steps(10)
runs = [args.batch * args.steps / steps(args.steps) for _ in range(3)]
print(f"PyTorch {torch.__version__}, {args.device}, {args.threads} threads: "
      + ", ".join(f"{rate:.0f}" for rate in runs) + " samples/s")
