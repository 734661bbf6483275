"""The engine's interface: networks, data, training and its results."""

import copy
import io
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path

import bregman
import numpy as np
from bregman import Cnn, Dataset, Interrupted, Model, Optimizer, RateSchedule, Trained, Trainer

# A process that a shell has put in the background ignores SIGINT, and so would all that it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)


def rings(samples=240, seed=0):
    """Points of the plane, and whether each is within a circle."""
    x = np.random.default_rng(seed).uniform(-1, 1, (samples, 2)).astype(np.float32)
    return x, (np.hypot(*x.T) < 0.7).astype(np.int64)


def network(width=12, kind="bregman"):
    return Model.input(2).layer(kind, width).layer(kind, width).classes(2).build()


def trained(epochs=10, **settings):
    x, y = rings()
    settings = {"optimizer": Optimizer.adam(0.01), "epochs": epochs, "device": "cpu", **settings}
    return Trainer(network(), **settings).fit(Dataset.classification(x, y))


class Models(unittest.TestCase):
    def test_a_builder_describes_each_layer(self):
        builder = Model.input(8).standard(6).activation("softplus").bregman(5).dual_passage()
        model = builder.form("primal").bregman(4).outputs(3).build()
        self.assertEqual([layer["width"] for layer in model.layers], [6, 5, 4])
        self.assertEqual([layer["activation"] for layer in model.layers], ["tanh", "softplus", "softplus"])
        self.assertEqual([layer["form"] for layer in model.layers], ["dual", "dual", "primal"])
        self.assertEqual((model.inputs, model.outputs, model.loss), (8, 3, "mse"))
        self.assertIn("softplus primal", repr(model))
        self.assertIn("<table>", model._repr_html_())

    def test_a_builder_is_not_changed(self):
        begun = Model.input(2).bregman(3)
        begun.bregman(4)
        self.assertEqual(len(begun.classes(2).build().layers), 1)

    def test_models_are_pickled(self):
        cnn = Cnn((1, 6, 6), [{"filters": 2, "padding": 1, "pool": (2, 2)}])
        with_cnn = Model.input(36).convolutions(cnn).bregman(4).classes(2).build()
        for model in [network(), with_cnn]:
            again = pickle.loads(pickle.dumps(model))
            self.assertEqual(repr(again), repr(model))

    def test_faults_of_a_description(self):
        cases = [
            (lambda: Model.input(2).bregman(3).build(), "classes"),
            (lambda: Model.input(2).bregman(0).classes(2).build(), "width"),
            (lambda: Model.input(2).bregman(-3), "width"),
            (lambda: Model.input(2).layer("dense", 3), "standard, euclidean, bregman"),
            (lambda: Model.input(2).activation("mish"), "tanh"),
            (lambda: Model.input(2).bregman(3).activation("softplus").bregman(3).outputs(1).build(), "dual_passage"),
            (lambda: Cnn((1, 6, 6), [{"filter": 2}]), "filters"),
        ]
        for make, word in cases:
            with self.subTest(word), self.assertRaisesRegex((ValueError, TypeError), word):
                make()


class Data(unittest.TestCase):
    def test_arrays_come_back(self):
        x, y = rings()
        data = Dataset.classification(x, y, classes=3)
        np.testing.assert_array_equal(data.features, x)
        np.testing.assert_array_equal(data.targets, y)
        self.assertEqual((len(data), data.classes, data.is_regression), (240, 3, False))
        pixels = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
        images = Dataset.classification(pixels, [0, 1])
        np.testing.assert_array_equal(images.features, pixels.reshape(2, 12))
        self.assertIn("1 × 3 × 4", repr(images))
        values = np.array([[0.5, 1.5], [2.5, 3.5]])
        data = Dataset.regression(x[:2], values)
        np.testing.assert_array_equal(data.targets, values)
        first, rest = Dataset.classification(x, y).split(0.75, 1)
        self.assertEqual((len(first), len(rest)), (180, 60))

    def test_every_layout_of_an_array_is_the_same_data(self):
        x, y = rings()
        wide = np.zeros((480, 4), np.float32)
        wide[::2, 1:3] = x
        layouts = {
            "float64": x.astype(np.float64),
            "longdouble": x.astype(np.longdouble),
            "Fortran order": np.asfortranarray(x),
            "every other": wide[::2, 1:3],
            "backwards": x[::-1].copy()[::-1],
            "big-endian": x.astype(">f4"),
            "a list": x.tolist(),
            "read-only": np.frombuffer(x.tobytes(), np.float32).reshape(x.shape),
        }
        for name, layout in layouts.items():
            with self.subTest(name):
                np.testing.assert_array_equal(Dataset.classification(layout, y).features, x)
        half = x.astype(np.float16)
        np.testing.assert_array_equal(Dataset.classification(half, y).features, half.astype(np.float32))
        for dtype in [np.int8, np.uint8, np.uint64, ">i8", bool]:
            np.testing.assert_array_equal(Dataset.classification(x, y.astype(dtype)).targets, y)

    def test_faults_of_data(self):
        x, y = rings(6)
        bad = x.copy()
        bad[4, 1] = np.nan
        cases = [
            (lambda: Dataset.classification(bad, y), ValueError, "sample 4"),
            (lambda: Dataset.classification(x * np.float64(1e300), y), ValueError, "finite"),
            (lambda: Dataset.classification(x, y[:4]), ValueError, "4 of them for 6 samples"),
            (lambda: Dataset.classification(x, y - 1), ValueError, "-1"),
            (lambda: Dataset.classification(x, y.astype(float)), TypeError, "Dataset.regression"),
            (lambda: Dataset.classification(x, [["a"]] * 6), TypeError, "labels"),
            (lambda: Dataset.classification(x.astype(object), y), TypeError, "object"),
            (lambda: Dataset.classification(x.astype(complex), y), TypeError, "complex"),
            (lambda: Dataset.classification(x[0], y), ValueError, "reshape"),
            (lambda: Dataset.classification(x[:0], y[:0]), ValueError, "shape"),
            (lambda: Dataset.classification(np.zeros((2, 1, 1, 1, 1)), [0, 1]), ValueError, "dimensions"),
            (lambda: Dataset.classification(x, y, classes=1), ValueError, "classes"),
            (lambda: Dataset.regression(x, np.full(6, np.inf)), ValueError, "finite"),
        ]
        for make, kind, word in cases:
            with self.subTest(word), np.errstate(over="ignore"), self.assertRaisesRegex(kind, word):
                make()

    def test_sparse_matrices_are_refused_with_the_way_out(self):
        try:
            from scipy.sparse import csr_matrix
        except ImportError:
            self.skipTest("scipy is not installed")
        x, y = rings(6)
        with self.assertRaisesRegex(TypeError, "toarray"):
            Dataset.classification(csr_matrix(x), y)


class Training(unittest.TestCase):
    def test_a_network_learns_and_is_scored(self):
        x, y = rings()
        data, test = Dataset.classification(x, y).split(0.8)
        result = Trainer(network(), optimizer=Optimizer.adam(0.02), epochs=80, device="cpu").fit(data, test)
        self.assertGreater(result.history[-1]["test_accuracy"], 0.9)
        self.assertEqual(len(result.history), 80)
        score = result.evaluate(test)
        self.assertEqual(score["accuracy"], result.history[-1]["test_accuracy"])
        np.testing.assert_array_equal(result.predict(test.features), result.probabilities(test.features).argmax(1))
        self.assertIn("test accuracy", repr(result))
        self.assertIn("<svg", result._repr_html_())

    def test_without_a_test_set_there_are_no_test_metrics(self):
        result = trained(2)
        self.assertNotIn("test_loss", result.history[0])
        self.assertNotIn("test_accuracy", result.results()[0])

    def test_values_are_predicted(self):
        x, _ = rings()
        model = Model.input(2).bregman(16).bregman(16).outputs(2).build()
        values = np.stack([x[:, 0] * x[:, 1], x[:, 0] ** 2], 1)
        data = Dataset.regression(x, values)
        result = Trainer(model, optimizer=Optimizer.adam(0.01), epochs=150, device="cpu").fit(data)
        self.assertGreater(result.evaluate(data)["r2"], 0.9)
        self.assertEqual(result.logits(x).shape, (240, 2))
        with self.assertRaisesRegex(ValueError, "regression"):
            result.predict(x)

    def test_bits_do_not_depend_on_threads_nor_on_company(self):
        alone, pair = trained(threads=1, seed=5), trained(threads=2, runs=[{"seed": 4}, {"seed": 5}])
        for one, other in zip(alone.parameters().values(), pair.parameters(1).values()):
            np.testing.assert_array_equal(one, other)
        self.assertEqual(len(pair), 2)
        self.assertEqual([row["seed"] for row in pair.results()], [4, 5])

    def test_predictions_do_not_depend_on_the_other_samples(self):
        x, _ = rings(300)
        result = trained(2)
        every = result.logits(x)
        each = np.concatenate([result.logits(x[i : i + 1]) for i in range(len(x))])
        np.testing.assert_array_equal(every, each)

    def test_the_representation_leads_to_the_logits(self):
        x, _ = rings()
        result = trained(2)
        p = result.parameters()
        for layer in (1, -1):
            z = result.representation(x, layer)
            np.testing.assert_allclose(z @ p["head.weight"].T + p["head.bias"], result.logits(x), atol=1e-5)
        self.assertFalse(np.array_equal(result.representation(x, 0), result.representation(x, 1)))
        for layer in (2, -3):
            with self.assertRaisesRegex(ValueError, "2 hidden layers"):
                result.representation(x, layer)

    def test_training_goes_on_from_a_network(self):
        first = trained(3, optimizer=Optimizer.sgd(0.1))
        more = trained(1, optimizer=Optimizer.sgd(0.1), initial=first)
        self.assertLess(more.history[0]["train_loss"], first.history[0]["train_loss"])

    def test_patience_and_validation(self):
        x, y = rings()
        data, held_out = Dataset.classification(x, y).split(0.7)
        trainer = Trainer(network(), epochs=500, validation=held_out, patience=3, device="cpu")
        result = trainer.fit(data)
        row = result.results()[0]
        self.assertLess(len(result.history), 500)
        losses = [epoch["val_loss"] for epoch in result.history]
        self.assertEqual(row["kept_epoch"], 1 + int(np.argmin(losses)))
        self.assertEqual(result.best, 0)

    def test_faults_of_settings(self):
        x, y = rings(20)
        data = Dataset.classification(x, y)
        cases = [
            ({"epochs": 0}, "epochs"),
            ({"epochs": -1}, "epochs"),
            ({"epochs": 2**40}, "epochs"),
            ({"seed": -1}, "seed"),
            ({"runs": [{"seed": -1}]}, "seed"),
            ({"realizations": 0}, "realizations"),
            ({"batch_size": 0}, "batch_size"),
            ({"threads": 0}, "threads"),
            ({"optimizer": Optimizer.sgd(-1.0)}, "learning_rate"),
            ({"optimizer": Optimizer.sgd(0.1, nesterov=True)}, "momentum"),
            ({"schedule": RateSchedule.step(0, 0.5)}, "schedule"),
            ({"init": "zero"}, "random"),
            ({"device": "tpu"}, "auto, cpu, gpu"),
            ({"device": "cpu", "storage": "f16"}, "storage"),
            ({"keep": "best"}, "validation"),
            ({"realizations": 2, "runs": [{}]}, "realizations"),
            ({"runs": [{"rate": 0.1}]}, "learning_rate"),
            ({"initial": trained(1, realizations=2)}, "shape"),
        ]
        for settings, word in cases:
            with self.subTest(word), self.assertRaisesRegex((ValueError, TypeError), word):
                Trainer(network(), **{"device": "cpu", **settings}).fit(data)
        with self.assertRaisesRegex(RuntimeError, "diverged"):
            Trainer(network(), optimizer=Optimizer.sgd(1e6), device="cpu").fit(data)
        with self.assertRaisesRegex(ValueError, "range"):
            Trainer(network(), device="cpu").fit(Dataset.classification(x * 3, y))
        with self.assertRaisesRegex(MemoryError, "MiB"):
            Trainer(network(), realizations=10**12, device="cpu").fit(data)
        with self.assertRaises(OSError):
            Trainer(network(), device="cpu", checkpoint=(Path(__file__) / "run", 1)).fit(data)

    def test_callbacks_stop_and_their_exceptions_pass(self):
        seen = []
        result = trained(50, on_epoch=lambda m: seen.append((m["epoch"], threading.get_ident())) or m["epoch"] == 4)
        self.assertEqual([epoch for epoch, _ in seen], [1, 2, 3, 4])
        # A callback runs on the thread that called `fit`.
        self.assertEqual({thread for _, thread in seen}, {threading.get_ident()})
        self.assertTrue(result.stopped)

        def fails(metrics):
            raise LookupError(f"epoch {metrics['epoch']}")

        with self.assertRaisesRegex(LookupError, "epoch 1"):
            trained(50, on_epoch=fails)

    def test_samples_of_another_width_are_refused(self):
        network = trained(1)
        for shape in [(4, 4), (3, 1), (2, 2, 2)]:
            for ask in [network.predict, network.logits, network.representation]:
                with self.subTest(shape=shape), self.assertRaisesRegex(ValueError, "the network has 2 inputs"):
                    ask(np.zeros(shape, np.float32))

    def test_a_callback_computes(self):
        # On as many threads as the training that waits for it.
        network, (x, y), seen = trained(1), rings(), []

        def compute(metrics):
            seen.append(network.predict(x))
            seen.append(network.evaluate(Dataset.classification(x, y)))

        trained(2, threads=1, on_epoch=compute)
        self.assertEqual(len(seen), 4)

    def test_arrays_that_are_not_aligned(self):
        network, (x, _) = trained(1), rings(3)
        buffer = b"." + x.tobytes()
        unaligned = np.frombuffer(buffer, np.float32, offset=1).reshape(3, 2)
        np.testing.assert_array_equal(network.logits(unaligned), network.logits(x))

    def test_progress_is_shown(self):
        err, sys.stderr = sys.stderr, io.StringIO()
        try:
            trained(3, on_epoch=bregman.progress(3))
            shown = sys.stderr.getvalue()
        finally:
            sys.stderr = err
        self.assertIn("3", shown)

    def test_other_threads_run_meanwhile(self):
        ticks = []
        stop = threading.Event()

        def tick():
            while not stop.is_set():
                ticks.append(time.perf_counter())
                time.sleep(0.005)

        thread = threading.Thread(target=tick)
        thread.start()
        start = time.perf_counter()
        trained(3000)
        end = time.perf_counter()
        stop.set()
        thread.join()
        within = [t for t in ticks if start <= t <= end]
        self.assertGreater(len(within), (end - start) / 0.1, "Python stood still while a network was trained")

    def test_fits_of_several_threads(self):
        results = [None] * 4

        def fit(i):
            results[i] = trained(20, seed=i % 2)

        threads = [threading.Thread(target=fit, args=(i,)) for i in range(4)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        self.assertEqual(results[0].to_bytes(), results[2].to_bytes())
        self.assertNotEqual(results[0].to_bytes(), results[1].to_bytes())

    def test_a_forked_process_trains(self):
        if not hasattr(os, "fork"):
            self.skipTest("this system has no fork")
        expected = trained(3).to_bytes()
        script = (
            "import os, sys; sys.path.insert(0, sys.argv[1]); import test_engine as t\n"
            "first = t.trained(3).to_bytes()\n"
            "child = os.fork()\n"
            "if child == 0: os._exit(0 if t.trained(3).to_bytes() == first else 1)\n"
            "sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
        )
        done = subprocess.run([sys.executable, "-W", "ignore", "-c", script, str(Path(__file__).parent)], timeout=60)
        self.assertEqual(done.returncode, 0)
        self.assertEqual(trained(3).to_bytes(), expected)

    def test_ctrl_c_stops_and_saves(self):
        x, y = rings(2000)
        data = Dataset.classification(x, y)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "run.safetensors"
            settings = {"epochs": 1_000_000, "device": "cpu", "optimizer": Optimizer.sgd(0.05)}
            timer = threading.Timer(0.5, signal.raise_signal, [signal.SIGINT])
            timer.start()
            start = time.perf_counter()
            with self.assertRaises(Interrupted) as stop:
                Trainer(network(), checkpoint=(path, 10**6), **settings).fit(data)
            self.assertLess(time.perf_counter() - start, 5.0)
            stopped = stop.exception.trained
            self.assertTrue(stopped.stopped)
            done = len(stopped.history)
            self.assertGreater(done, 0)
            self.assertIsInstance(stop.exception, KeyboardInterrupt)
            settings["epochs"] = done + 1
            resumed = Trainer(network(), resume=path, **settings).fit(data)
            whole = Trainer(network(), **settings).fit(data)
            self.assertEqual(resumed.to_bytes(), whole.to_bytes())

    def test_a_thousand_fits_leak_nothing(self):
        if not os.path.exists("/proc/self/statm"):
            self.skipTest("this system does not tell the memory of a process")
        x, y = rings(64)
        data = Dataset.classification(x, y)
        trainer = Trainer(network(), epochs=2, device="cpu", on_epoch=lambda metrics: None)

        def memory():
            return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")

        def fits(count):
            for _ in range(count):
                result = trainer.fit(data)
                result.predict(x)
                pickle.loads(pickle.dumps(result))

        fits(200)
        before = memory()
        fits(1000)
        grown = memory() - before
        self.assertLess(grown, 1 << 20, f"a thousand fits took {grown} bytes")


class Keeping(unittest.TestCase):
    def test_networks_are_saved_and_loaded(self):
        x, _ = rings()
        result = trained(3)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "x.safetensors"
            self.assertEqual(list(map(str, result.save(path))), [str(path)])
            self.assertEqual(path.read_bytes(), result.to_bytes())
            np.testing.assert_array_equal(Trained.load(path).logits(x), result.logits(x))
            two = trained(2, realizations=2)
            self.assertEqual(len(two.save(path)), 2)
            with self.assertRaises(FileNotFoundError):
                Trained.load(Path(folder) / "none.safetensors")
            path.write_bytes(b"no network")
            with self.assertRaisesRegex(ValueError, "safetensors"):
                Trained.load(path)
        np.testing.assert_array_equal(Trained.from_bytes(result.to_bytes()).logits(x), result.logits(x))
        again = Trained.from_parameters(result.model, result.parameters())
        self.assertEqual(again.parameters().keys(), result.parameters().keys())
        np.testing.assert_array_equal(again.logits(x), result.logits(x))

    def test_faults_of_parameters(self):
        result = trained(1)
        p = result.parameters()
        missing = {name: p[name] for name in list(p)[1:]}
        for parameters, word in [
            ({**p, "head.bias": np.zeros(3)}, "head.bias"),
            ({**p, "tail.bias": np.zeros(3)}, "tail.bias"),
            ({**p, "head.bias": np.full(2, np.nan)}, "head.bias"),
            (missing, "missing"),
        ]:
            with self.subTest(word), self.assertRaisesRegex((ValueError, TypeError), word):
                Trained.from_parameters(result.model, parameters)

    def test_pickle_brings_the_very_bits_back(self):
        x, y = rings()
        data, held_out = Dataset.classification(x, y).split(0.7)
        trainer = Trainer(network(), epochs=5, realizations=2, validation=held_out, patience=2, device="cpu")
        result = trainer.fit(data, held_out)
        for again in [pickle.loads(pickle.dumps(result)), copy.deepcopy(result)]:
            np.testing.assert_array_equal(again.logits(x), result.logits(x))
            self.assertEqual(again.history, result.history)
            self.assertEqual(again.results(), result.results())
            self.assertEqual(repr(again), repr(result))
            for r in range(2):
                for one, other in zip(again.parameters(r).values(), result.parameters(r).values()):
                    np.testing.assert_array_equal(one, other)

    def test_onnx(self):
        result = trained(1)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "x.onnx"
            self.assertEqual(result.to_onnx(path), path.read_bytes())

    def test_pytorch(self):
        try:
            import torch
        except ImportError:
            self.skipTest("PyTorch is not installed")
        x, _ = rings()
        cnn = Cnn((1, 6, 6), [{"filters": 2, "padding": 1, "pool": (2, 2)}])
        images = np.random.default_rng(0).integers(0, 256, (30, 1, 6, 6), np.uint8)
        builders = [
            Model.input(36).convolutions(cnn).bregman(5),
            Model.input(36).standard(7).activation("softplus").bregman(5).dual_passage().euclidean(5),
            Model.input(36).activation("sin").form("primal").bregman(36).bregman(4),
        ]
        for builder in builders:
            model = builder.classes(2).build()
            data = Dataset.classification(images, np.arange(30) % 2)
            result = Trainer(model, epochs=2, device="cpu").fit(data)
            module = result.to_torch()
            with torch.no_grad():
                logits = module(torch.from_numpy(images).flatten(1).float() / 255)
            np.testing.assert_allclose(logits, result.logits(images), atol=1e-4)
            for again in [bregman.from_torch(module), bregman.from_torch(module.state_dict(), model)]:
                np.testing.assert_array_equal(again.logits(images), result.logits(images))
        numbers = trained(2)
        with torch.no_grad():
            logits = numbers.to_torch().logits(torch.from_numpy(x))
        np.testing.assert_allclose(logits, numbers.logits(x), atol=1e-4)
        with self.assertRaisesRegex(ValueError, "Model"):
            bregman.from_torch(numbers.to_torch().state_dict())


class Many(unittest.TestCase):
    def test_runs_have_settings_of_their_own(self):
        x, y = rings()
        data, test = Dataset.classification(x, y).split(0.8)
        runs = [{"seed": s, "learning_rate": rate} for s in range(2) for rate in (0.05, 0.5)]
        found = bregman.fit_many(network(), data, test, runs=runs, epochs=4, device="cpu", batch_size=16)
        self.assertEqual(len(found), 4)
        self.assertEqual([row["learning_rate"] for row in found.results], [0.05, 0.5, 0.05, 0.5])
        one = Trainer(network(), epochs=4, batch_size=16, seed=1, optimizer=Optimizer.sgd(0.5), device="cpu")
        self.assertEqual(found[3].to_bytes(), one.fit(data, test).to_bytes())
        losses = [row["train_loss"] for row in found.results]
        self.assertEqual(found.best, int(np.argmin(losses)))
        self.assertIn("<table>", found._repr_html_())
        with self.assertRaises(IndexError):
            found[4]

    def test_a_run_that_diverges_is_told(self):
        x, y = rings()
        data = Dataset.classification(x, y)
        found = bregman.fit_many(
            network(), data, runs=[{"learning_rate": 0.1}, {"learning_rate": 1e9}], epochs=3, device="cpu"
        )
        self.assertIsNone(found.results[0]["diverged_at_step"])
        self.assertIsNotNone(found.results[1]["diverged_at_step"])
        self.assertEqual(found.best, 0)
        with self.assertRaisesRegex(ValueError, "diverged"):
            found[1]

    def test_kinds_are_compared_with_intervals(self):
        x, y = rings()
        data, test = Dataset.classification(x, y).split(0.8)
        models = {kind: network(8, kind) for kind in ("standard", "bregman")}
        found = bregman.compare(models, data, test, seeds=8, epochs=6, device="cpu")
        for row in found.results:
            self.assertEqual((row["runs"], row["diverged"]), (8, 0))
            values = np.array([run["test_accuracy"] for run in found.runs[row["name"]].results])
            self.assertAlmostEqual(row["mean"], values.mean())
            half = 2.3646 * values.std(ddof=1) / np.sqrt(8)
            self.assertAlmostEqual(row["high"] - row["mean"], half, places=5)
        self.assertIn("95% intervals", repr(found))
        with self.assertRaisesRegex(ValueError, "seeds"):
            bregman.compare(models, data, test, seeds=1)

    def test_the_quantiles_of_student(self):
        from bregman._runs import _student

        # NIST/SEMATECH e-Handbook of Statistical Methods, table of the t distribution.
        for freedom, expected in [(1, 12.706), (2, 4.303), (3, 3.182), (4, 2.776), (9, 2.262), (99, 1.984)]:
            self.assertAlmostEqual(_student(0.975, freedom), expected, delta=0.005)

    def test_sweeps(self):
        points, labels = bregman.spirals(50, seed=0)
        seeds, rates = [3] * 20, [0.05] * 10 + [0.5] * 10
        found = bregman.sweep(
            points, labels, seeds=seeds, learning_rates=rates, epochs=20, record_every=5, layers=3
        )
        np.testing.assert_array_equal(found["epochs"], [5, 10, 15, 20])
        self.assertEqual(found["loss"].shape, (20, 4))
        self.assertEqual(found["parameters"].shape, (20, 21))
        self.assertTrue((found["loss"][:10] == found["loss"][0]).all())
        self.assertFalse((found["loss"][10] == found["loss"][0]).all())
        for change, word in [
            ({"points": points * 3}, "range"),
            ({"labels": labels * 5}, "2"),
            ({"learning_rates": [0.1]}, "1 of them for 20"),
            ({"layers": 0}, "layer"),
            ({"epochs": 0}, "epochs"),
        ]:
            given = {"points": points, "labels": labels, "seeds": seeds, "learning_rates": rates, **change}
            with self.subTest(word), self.assertRaisesRegex(ValueError, word):
                bregman.sweep(**given)


class Machine(unittest.TestCase):
    def test_adapters_are_listed(self):
        for adapter in bregman.adapters():
            self.assertEqual(set(adapter), {"name", "backend", "driver", "software"})

    def test_an_adapter_that_is_not_there(self):
        x, y = rings(20)
        with self.assertRaisesRegex((ValueError, RuntimeError), "no such adapter|adapter"):
            Trainer(network(), device="gpu", adapter="no such adapter").fit(Dataset.classification(x, y))

    def test_the_command(self):
        for command in (["-m", "bregman"], ["-c", "import bregman._command as c; c.main()"]):
            done = subprocess.run([sys.executable, *command, "--version"], capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stdout.split()[0]), (0, "bregman"), done.stderr)
        done = subprocess.run([sys.executable, "-m", "bregman", "train", "--epochs", "0"], capture_output=True)
        self.assertEqual(done.returncode, 2, done.stderr)
        script = Path(sys.executable).with_name("bregman")
        if script.exists():
            done = subprocess.run([script, "adapters", "--help"], capture_output=True, text=True)
            self.assertEqual((done.returncode, "bregman adapters" in done.stdout), (0, True), done.stderr)

    @unittest.skipIf(os.name == "nt", "Windows sends no SIGINT to one process")
    def test_ctrl_c_stops_the_command(self):
        with tempfile.TemporaryDirectory() as folder:
            words = ["train", "--dataset", "digits", "--epochs", "1000", "--device", "cpu", "--out-dir", folder]
            command = [sys.executable, "-m", "bregman", *words]
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            first = ""
            while "network:" not in first:
                first = process.stdout.readline()
                self.assertNotEqual(first, "", "the command ended before it trained")
            time.sleep(1)
            process.send_signal(signal.SIGINT)
            said, _ = process.communicate(timeout=30)
            self.assertEqual(process.returncode, 130, said)
            self.assertIn("resume", said)

    def test_importing_is_quick_and_loads_no_scikit_learn(self):
        script = (
            "import sys, time, numpy; t = time.perf_counter(); import bregman\n"
            "print(time.perf_counter() - t, 'sklearn' in sys.modules, 'torch' in sys.modules)"
        )
        seconds = []
        for _ in range(5):
            done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
            took, *loaded = done.stdout.split()
            self.assertEqual(loaded, ["False", "False"])
            seconds.append(float(took))
        self.assertLess(min(seconds), 0.05)


if __name__ == "__main__":
    unittest.main()
