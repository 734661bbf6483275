"""Steps a second of the two spirals' network in PyTorch and JAX, beside ours: 3 layers of 2 neurons,
arctan, a linear head of one output, mean squared error, plain SGD, batches of 10, the dual form.

    cargo build --release --bin bregman
    python benches/peers/spirals.py [--seconds 5] [--runs 180]

Needs torch (the CPU build will do) and jax. Each rate is the best of three; every step does all of
its work: it takes ten other points, and the parameters are used after the last.
"""

import argparse
import json
import subprocess
import tempfile
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import torch

LAYERS, BATCH, RATE, POINTS = 3, 10, 0.1, 1000


def data(rng):
    theta = 2 * np.pi * np.sqrt(rng.random((2, POINTS // 2)))
    r = (2 * theta + np.pi) * np.array([[1.0], [-1.0]])
    x = np.stack([r * np.cos(theta), r * np.sin(theta)], -1) + rng.normal(size=(2, POINTS // 2, 2))
    x = (x / np.ceil(np.abs(x).max())).reshape(-1, 2).astype(np.float32)
    return x, np.repeat([0.0, 1.0], POINTS // 2).astype(np.float32)


def initial(rng, runs=None):
    shapes = [(2, 2), (2,)] * LAYERS + [(1, 2), (1,)]
    lead = () if runs is None else (runs,)
    bound = 1 / np.sqrt(2)
    return [rng.uniform(-bound, bound, lead + s).astype(np.float32) for s in shapes]


def best(f, seconds):
    """Steps a second: f(n) runs n steps and waits for them."""
    f(1)
    n, rates = 1, []
    while True:
        start = time.perf_counter()
        f(n)
        took = time.perf_counter() - start
        if took < seconds / 10:
            n *= 4
            continue
        rates.append(n / took)
        if len(rates) == 3:
            return max(rates)
        n = max(1, int(n * seconds / 3 / took))


def torch_eager(x, y, rng):
    x, y = torch.tensor(x), torch.tensor(y)
    p = [torch.tensor(v, requires_grad=True) for v in initial(rng)]

    def steps(n):
        order = torch.randperm(POINTS)
        for i in range(n):
            index = order[i * BATCH % POINTS :][:BATCH]
            z = x[index]
            a = torch.tan(z)
            for l in range(LAYERS):
                a = a + torch.nn.functional.linear(z, p[2 * l], p[2 * l + 1])
                z = torch.atan(a)
            out = torch.nn.functional.linear(z, p[-2], p[-1])[:, 0]
            loss = torch.nn.functional.mse_loss(out, y[index])
            gradients = torch.autograd.grad(loss, p)
            with torch.no_grad():
                for v, g in zip(p, gradients):
                    v -= RATE * g

    return steps


def jax_loss(p, x, y):
    z, a = x, jnp.tan(x)
    for l in range(LAYERS):
        a = a + z @ p[2 * l].T + p[2 * l + 1]
        z = jnp.arctan(a)
    return jnp.mean(((z @ p[-2].T + p[-1])[:, 0] - y) ** 2)


def jax_step(p, x, y, index):
    gradients = jax.grad(jax_loss)(p, x[index], y[index])
    return [v - RATE * g for v, g in zip(p, gradients)]


def jax_jit(x, y, rng):
    """One call of a compiled step a step."""
    x, y = jnp.array(x), jnp.array(y)
    step = jax.jit(jax_step, donate_argnums=0)
    order = [jnp.array(b) for b in rng.permutation(POINTS).reshape(-1, BATCH)]
    state = [[jnp.array(v) for v in initial(rng)]]

    def steps(n):
        p = state[0]
        for i in range(n):
            p = step(p, x, y, order[i % len(order)])
        state[0] = jax.block_until_ready(p)

    return steps


def jax_epoch(p, x, y, key):
    """One epoch inside the compiled program."""
    order = jax.random.permutation(key, POINTS).reshape(-1, BATCH)
    return jax.lax.scan(lambda p, index: (jax_step(p, x, y, index), None), p, order)[0]


def jax_scan(x, y, rng, runs=None):
    """Compiled epochs, of one run or (vmap) of many, each with its own order of the points."""
    x, y = jnp.array(x), jnp.array(y)
    epoch = jax_epoch if runs is None else jax.vmap(jax_epoch, (0, None, None, 0))
    epoch = jax.jit(epoch)
    state = [[jnp.array(v) for v in initial(rng, runs)], jax.random.key(0)]

    def steps(n):
        for _ in range(max(1, n * BATCH // POINTS)):
            state[1], key = jax.random.split(state[1])
            keys = key if runs is None else jax.random.split(key, runs)
            state[0] = epoch(state[0], x, y, keys)
        jax.block_until_ready(state[0])

    def rounded(n):
        steps(n * POINTS // BATCH)

    return rounded, POINTS // BATCH * (runs or 1)


def ours(options):
    with tempfile.TemporaryDirectory() as folder:
        program = Path(__file__).parents[2] / "target/release/bregman"
        command = [program, "spirals", "--device", "cpu", "--out-dir", folder, *options.split()]
        subprocess.run(command, check=True, capture_output=True)
        figures = json.loads((Path(folder) / "timing.json").read_text())
        return figures[-1]["steps_per_second"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--runs", type=int, default=180)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    x, y = data(rng)
    torch.set_num_threads(2)
    rates = {}
    one = f"--figure 4 --runs 1 --epochs {int(40000 * options.seconds / 5)}"
    rates["ours, one run"] = max(ours(one) for _ in range(3))
    full = "--figure 6-left --runs 10"
    rates["ours, Figure 6 left (180 runs)"] = ours(full)
    rates["JAX jit, a call a step"] = best(jax_jit(x, y, rng), options.seconds)
    steps, scale = jax_scan(x, y, rng)
    rates["JAX jit, a call an epoch (scan)"] = scale * best(steps, options.seconds)
    steps, scale = jax_scan(x, y, rng, options.runs)
    rates[f"JAX jit, vmap over {options.runs} runs (scan)"] = scale * best(steps, options.seconds)
    rates["PyTorch eager"] = best(torch_eager(x, y, rng), options.seconds)
    many = rates["ours, Figure 6 left (180 runs)"]
    print(f"torch {torch.__version__}, jax {jax.__version__}, numbers are steps/s of all runs together")
    for name, rate in rates.items():
        print(f"{name:40} {rate:14,.0f}   1 / {many / rate:,.1f} of ours, many runs")


if __name__ == "__main__":
    main()
