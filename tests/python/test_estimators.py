"""The estimators: scikit-learn's own checks, and what those do not check."""

import pickle
import signal
import tempfile
import threading
import time
import unittest
import warnings
from pathlib import Path

import joblib
import numpy as np
from bregman import BregmanClassifier, BregmanRegressor, BregmanTransformer, Interrupted
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_iris, make_classification
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError, SkipTestWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import check_estimator

# A process that a shell has put in the background ignores SIGINT, and so would all that it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)

ESTIMATORS = (BregmanClassifier, BregmanRegressor, BregmanTransformer)
IRIS = load_iris(return_X_y=True)
DIABETES = load_diabetes(return_X_y=True)


def small(kind=BregmanClassifier, **settings):
    common = {"hidden_layer_sizes": (8,), "learning_rate": 0.01, "max_iter": 5, "random_state": 0}
    return kind(**common | settings)


def fitted(kind=BregmanClassifier, **settings):
    return small(kind, **settings).fit(*(DIABETES if kind is BregmanRegressor else IRIS))


def answers(estimator, x):
    return estimator.transform(x) if hasattr(estimator, "transform") else estimator.predict(x)


class Checks(unittest.TestCase):
    def test_checks_of_scikit_learn(self):
        variants = [{}, {"layer": "standard"}, {"layer": "euclidean", "early_stopping": True}]
        for estimator in [kind(**variant) for kind in ESTIMATORS for variant in variants]:
            with self.subTest(estimator), warnings.catch_warnings():
                warnings.simplefilter("ignore", SkipTestWarning)
                results = check_estimator(estimator, on_skip=None, on_fail=None)
                count = {status: sum(r["status"] == status for r in results) for status in ("passed", "skipped")}
                print(f"{estimator!r}: {count['passed']} of {len(results)} checks passed, {count['skipped']} skipped")
                failed = [f"{r['check_name']}: {r['exception']!r}" for r in results if r["status"] not in count]
                self.assertEqual(failed, [])
                self.assertGreater(count["passed"], 40)


class Learning(unittest.TestCase):
    def test_classes_are_learned_whatever_they_are_called(self):
        x, y = IRIS
        names = np.array(["setosa", "versicolor", "virginica"])[y]
        found = small(max_iter=60).fit(x, names)
        self.assertGreater(found.score(x, names), 0.95)
        self.assertEqual(set(found.predict(x)), set(names))
        np.testing.assert_allclose(found.predict_proba(x).sum(1), 1)
        np.testing.assert_allclose(np.exp(found.predict_log_proba(x)), found.predict_proba(x))

    def test_values_are_learned_in_their_own_units(self):
        x, y = DIABETES
        for scale in (1.0, 1e6):
            found = small(BregmanRegressor, max_iter=40).fit(x, y * scale)
            self.assertGreater(found.score(x, y * scale), 0.5)
        two = small(BregmanRegressor, max_iter=40).fit(x, np.stack([y, -y], 1))
        self.assertEqual(two.predict(x).shape, (len(x), 2))
        self.assertGreater(two.score(x, np.stack([y, -y], 1)), 0.5)

    def test_every_activation_and_mixed_layers(self):
        x, y = IRIS
        names = ["tanh", "isru", "sigmoid", "softplus", "arctan", "scaled-arctan", "sin", "arcsinh", "identity"]
        for activation in names:
            with self.subTest(activation):
                found = small(max_iter=100, activation=activation, hidden_layer_sizes=(8, 6)).fit(x, y)
                self.assertGreater(found.score(x, y), 0.9)
        mixed = small(max_iter=60, layer=("standard", "bregman"), hidden_layer_sizes=(8, 6)).fit(x, y)
        self.assertEqual([layer["kind"] for layer in mixed.trained_.model.layers], ["standard", "bregman"])

    def test_outliers_and_constant_features(self):
        x, y = (a.copy() for a in IRIS)
        x[:, 1] = 7.0
        x[3, 0] = 1e9
        self.assertTrue(np.isfinite(fitted().fit(x, y).predict_proba(x * 1e3)).all())

    def test_early_stopping_ends_before_the_last_epoch(self):
        found = fitted(max_iter=2000, early_stopping=True, n_iter_no_change=3, learning_rate=0.03)
        self.assertLess(found.n_iter_, 2000)
        self.assertEqual(len(found.loss_curve_), found.n_iter_)

    def test_partial_fit_and_warm_start_go_on(self):
        x, y = IRIS
        online = small()
        for epoch in range(40):
            online.partial_fit(x, y, classes=[0, 1, 2] if epoch == 0 else None)
        self.assertGreater(online.score(x, y), 0.9)
        warm = small(warm_start=True).fit(x, y)
        first = warm.loss_curve_
        self.assertLess(warm.fit(x, y).loss_curve_[0], first[0])
        cold = small().fit(x, y)
        self.assertEqual(cold.fit(x, y).loss_curve_, first)
        with self.assertRaisesRegex(ValueError, "warm_start"):
            warm.fit(x[:100], y[:100])
        with self.assertRaisesRegex(ValueError, "classes"):
            small().partial_fit(x, y)
        with self.assertRaisesRegex(ValueError, "among the classes"):
            small().partial_fit(x, y, classes=[0, 1])

    def test_the_representation_serves_another_model(self):
        x, y = IRIS
        indicators = np.eye(3, dtype=int)[y]
        for name, target in {"classes": y, "values": x[:, 2:4], "indicators": indicators, "none": None}.items():
            with self.subTest(name):
                z = small(BregmanTransformer, hidden_layer_sizes=(6, 5), max_iter=40).fit(x, target).transform(x)
                self.assertEqual((z.shape, z.dtype), ((150, 5), np.float64))
                self.assertGreater(LogisticRegression(max_iter=1000).fit(z, y).score(z, y), 0.9)
        below = small(BregmanTransformer, hidden_layer_sizes=(6, 5), output_layer=0).fit(x, y)
        self.assertEqual(below.transform(x.astype(np.float32)).dtype, np.float32)
        self.assertEqual(list(below.get_feature_names_out())[:2], ["bregmantransformer0", "bregmantransformer1"])
        with self.assertRaisesRegex(ValueError, "output_layer"):
            small(BregmanTransformer, output_layer=1).fit(x, y)


class Company(unittest.TestCase):
    def test_pipelines_searches_and_folds(self):
        x, y = IRIS
        pipeline = make_pipeline(PCA(3), small(max_iter=30))
        self.assertGreater(cross_val_score(pipeline, x, y, cv=3).mean(), 0.85)
        grid = {"bregmanclassifier__layer": ["bregman", "standard"], "bregmanclassifier__learning_rate": [1e-5, 0.01]}
        search = GridSearchCV(pipeline, grid, cv=3, n_jobs=2).fit(x, y)
        self.assertEqual(search.best_params_["bregmanclassifier__learning_rate"], 0.01)
        chained = make_pipeline(small(BregmanTransformer, max_iter=30), LogisticRegression(max_iter=1000))
        self.assertGreater(chained.fit(x, y).score(x, y), 0.9)

    def test_pickle_and_joblib_bring_the_very_bits_back(self):
        for kind in ESTIMATORS:
            x = (DIABETES if kind is BregmanRegressor else IRIS)[0]
            one = fitted(kind)
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "x.joblib"
                joblib.dump(one, path)
                for again in (pickle.loads(pickle.dumps(one)), joblib.load(path)):
                    np.testing.assert_array_equal(answers(again, x), answers(one, x))
                    self.assertEqual(again.loss_curve_, one.loss_curve_)

    def test_threads_change_no_bit(self):
        for n_jobs in (1, 2, -1, None):
            self.assertEqual(fitted(n_jobs=n_jobs).trained_.to_bytes(), fitted().trained_.to_bytes())

    def test_random_states(self):
        self.assertEqual(fitted().trained_.to_bytes(), fitted().trained_.to_bytes())
        self.assertNotEqual(fitted(random_state=1).trained_.to_bytes(), fitted().trained_.to_bytes())
        state = np.random.RandomState(0)
        first, second = fitted(random_state=state), fitted(random_state=state)
        self.assertNotEqual(first.trained_.to_bytes(), second.trained_.to_bytes())

    def test_frames_with_names(self):
        x, y = IRIS
        for library in ("pandas", "polars"):
            try:
                frames = __import__(library)
            except ImportError:
                continue
            frame = frames.DataFrame({f"f{i}": x[:, i] for i in range(4)})
            found = small().fit(frame, y)
            self.assertEqual(list(found.feature_names_in_), ["f0", "f1", "f2", "f3"])
            np.testing.assert_array_equal(found.predict(frame), small().fit(x, y).predict(x))
            with self.assertRaisesRegex(ValueError, "feature names"):
                found.predict(frame[["f1", "f0", "f2", "f3"]])

    def test_ctrl_c_keeps_what_is_trained(self):
        timer = threading.Timer(0.5, signal.raise_signal, [signal.SIGINT])
        timer.start()
        found = small(max_iter=10**7)
        start = time.perf_counter()
        with self.assertRaises(Interrupted):
            found.fit(*IRIS)
        self.assertLess(time.perf_counter() - start, 5.0)
        self.assertEqual(found.predict(IRIS[0]).shape, (150,))
        self.assertGreater(found.n_iter_, 0)


class Faults(unittest.TestCase):
    def test_settings_that_cannot_work(self):
        cases = [
            ({"hidden_layer_sizes": (0,)}, "hidden_layer_sizes"),
            ({"hidden_layer_sizes": (2.5,)}, "hidden_layer_sizes"),
            ({"hidden_layer_sizes": ()}, "hidden layer"),
            ({"layer": "dense"}, "bregman"),
            ({"layer": ("bregman", "bregman")}, "layer"),
            ({"activation": "relu6"}, "tanh"),
            ({"optimizer": "lbfgs"}, "optimizer"),
            ({"learning_rate": 0.0}, "learning_rate"),
            ({"batch_size": 0}, "batch_size"),
            ({"max_iter": 0}, "max_iter"),
            ({"max_iter": 2.5}, "max_iter"),
            ({"early_stopping": True, "validation_fraction": 1.5}, "validation_fraction"),
            ({"n_jobs": 0}, "n_jobs"),
            ({"device": "tpu"}, "auto, cpu, gpu"),
        ]
        for settings, word in cases:
            with self.subTest(settings), self.assertRaisesRegex(ValueError, word):
                small(**settings).fit(*IRIS)

    def test_data_that_cannot_work(self):
        x, y = IRIS
        for kind in ESTIMATORS:
            with self.assertRaises(NotFittedError):
                answers(small(kind), x)
        missing = np.where(np.arange(600).reshape(150, 4) == 7, np.nan, x)
        for given, word in [((missing, y), "NaN"), ((x, np.zeros(150)), "one class"), ((x, y[:9]), "samples")]:
            with self.subTest(word), self.assertRaisesRegex(ValueError, word):
                small().fit(*given)
        with self.assertRaisesRegex(ValueError, "3 features"):
            fitted().predict(x[:, :3])
        wide, labels = make_classification(50, 300, n_informative=20, random_state=0)
        layouts = [np.asfortranarray(x), x.astype(">f8"), x.astype(object), x.tolist(), x[::-1][::-1]]
        for layout in layouts:
            np.testing.assert_array_equal(small().fit(layout, y).predict(layout), small().fit(x, y).predict(x))
        self.assertEqual(small(max_iter=60).fit(wide, labels).score(wide, labels), 1.0)
        for dtype in (np.float16, np.longdouble):
            self.assertEqual(small().fit(x.astype(dtype), y).predict(x.astype(dtype)).shape, (150,))

    def test_settings_after_a_fit_change_no_prediction(self):
        x, y = load_iris(return_X_y=True)
        classifier = BregmanClassifier(max_iter=3, random_state=0).fit(x, y)
        before = classifier.predict_proba(x)
        np.testing.assert_array_equal(classifier.set_params(activation="sigmoid").predict_proba(x), before)
        transformer = BregmanTransformer((5, 7), output_layer=0, max_iter=3, random_state=0).fit(x, y)
        self.assertEqual(transformer.set_params(output_layer=1).transform(x).shape, (150, 5))

    def test_a_failed_fit_leaves_no_network(self):
        x, y = load_iris(return_X_y=True)
        classifier = BregmanClassifier(max_iter=3, random_state=0).fit(x, y)
        with self.assertRaises(ValueError):
            classifier.set_params(learning_rate=-1.0).fit(1000 * x, y)
        with self.assertRaises(NotFittedError):
            classifier.predict(x)

    def test_clones_are_not_fitted(self):
        self.assertFalse(hasattr(clone(fitted()), "trained_"))


if __name__ == "__main__":
    unittest.main()
