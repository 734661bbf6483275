"""The Python package against scikit-learn: samples a second in training, one row, and the import.

    pip install . scikit-learn && python benches/peers/python.py

Both train the same network (one hidden layer of 128, tanh) with Adam at the same batch size on 20,000 × 50
float32 numbers, in turns; a line gives the median over the turns and their range.
"""

import statistics
import subprocess
import sys
import time
import warnings

import bregman
import numpy as np
from bregman import BregmanClassifier, Dataset, Model, Trainer
from sklearn.neural_network import MLPClassifier

SAMPLES, FEATURES, WIDTH, EPOCHS, TURNS = 20_000, 50, 128, 10, 3


def line(name, values, unit):
    print(f"{name}: {statistics.median(values):.4g} {unit} ({min(values):.4g} to {max(values):.4g})")


def training():
    x = np.random.default_rng(0).standard_normal((SAMPLES, FEATURES)).astype(np.float32)
    y = (x[:, :10].sum(1) + x[:, 10] * x[:, 11] > 0).astype(int)
    for batch in (32, 200):
        common = {"hidden_layer_sizes": (WIDTH,), "activation": "tanh", "batch_size": batch, "max_iter": EPOCHS}
        ours = {kind: BregmanClassifier(layer=kind, random_state=0, **common) for kind in ("standard", "bregman")}
        peer = MLPClassifier(random_state=0, n_iter_no_change=EPOCHS, tol=0, **common)
        rates = {name: [] for name in [*ours, "MLPClassifier"]}
        for _ in range(TURNS):
            for name, estimator in [*ours.items(), ("MLPClassifier", peer)]:
                start = time.perf_counter()
                estimator.fit(x, y)
                rates[name].append(SAMPLES * EPOCHS / (time.perf_counter() - start))
        for name, values in rates.items():
            line(f"batch {batch}, {name}", values, "samples/s")
        for name in ours:
            ratios = [a / b for a, b in zip(rates[name], rates["MLPClassifier"])]
            line(f"batch {batch}, {name} over MLPClassifier", ratios, "times")


def many():
    x, y = np.random.default_rng(0).standard_normal((2000, 20)), np.arange(2000) % 2
    data = Dataset.classification(np.tanh(x), y)
    model = Model.input(20).bregman(32).classes(2).build()
    runs = [{"seed": seed, "learning_rate": 0.05} for seed in range(64)]
    together, apart = [], []
    for _ in range(TURNS):
        start = time.perf_counter()
        bregman.fit_many(model, data, runs=runs, epochs=3, device="cpu")
        together.append(time.perf_counter() - start)
        start = time.perf_counter()
        for run in runs:
            Trainer(model, runs=[run], epochs=3, device="cpu").fit(data)
        apart.append(time.perf_counter() - start)
    line("64 settings by fit_many over 64 fits", [a / b for a, b in zip(together, apart)], "times the time")


def row():
    x = np.random.default_rng(0).standard_normal((200, FEATURES)).astype(np.float32)
    classifier = BregmanClassifier((WIDTH,), max_iter=1, random_state=0).fit(x, np.arange(200) % 2)
    prepared, trained = classifier.prepare(x[:1]), classifier.trained_
    for name, call in [
        ("Trained.predict", lambda: trained.predict(prepared)),
        ("BregmanClassifier.predict", lambda: classifier.predict(x[:1])),
    ]:
        times = []
        for _ in range(20):
            start = time.perf_counter()
            for _ in range(200):
                call()
            times.append((time.perf_counter() - start) / 200 * 1e6)
        line(f"{name} of one row", times, "µs")


def importing():
    script = "import numpy, time; t = time.perf_counter(); import bregman; print(time.perf_counter() - t)"
    run = lambda: float(subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stdout)
    line("import bregman after NumPy", [run() * 1e3 for _ in range(10)], "ms")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    for part in (importing, row, many, training):
        part()
