"""Many networks in one call: one network with many settings, and kinds of networks over many seeds."""

import math

from ._native import Trainer


def _frame(rows):
    try:
        import pandas
    except ImportError as error:
        raise ImportError("frame: pandas is not installed; `results` has the same rows as dicts") from error
    return pandas.DataFrame(rows)


class Runs:
    """Networks that were trained side by side, and what came of each.

    `results` is a list of dicts, one for each run: its settings, the epoch that was kept, its losses and
    accuracies, and the step in which it diverged. `frame()` is the same as a pandas frame; `runs[i]` is the
    network of run i as a `Trained`; `trained` has them all.
    """

    def __init__(self, trained):
        self.trained = trained
        self.results = trained.results()

    def frame(self):
        """The results as a pandas frame."""
        return _frame(self.results)

    @property
    def best(self):
        """The number of the run with the lowest validation loss, or, without a validation set, the lowest
        training loss. The test set is not used for it."""
        chosen = self.trained.best
        if chosen is not None:
            return chosen
        losses = {row["run"]: row["train_loss"] for row in self.results if row["train_loss"] is not None}
        return min(losses, key=losses.get)

    def __len__(self):
        return len(self.results)

    def __getitem__(self, run):
        if not -len(self) <= run < len(self):
            raise IndexError(f"run {run}: there are {len(self)}")
        return self.trained.realization(run % len(self))

    def __repr__(self):
        return f"Runs({len(self)} runs, the best is {self.best}: {self.results[self.best]})"

    def _repr_html_(self):
        from . import _display

        return _display.trained(self.trained)


def fit_many(model, train, test=None, *, runs, **settings):
    """Trains `model` once for each dict of `runs`, side by side and without Python in between: a `Runs`.

    A dict has any of `seed`, `learning_rate`, `momentum` and `weight_decay`; what it leaves out is the
    optimizer's, or the seed of `settings`. The other `settings` are those of `Trainer`, the same for all.
    A network has the same bits alone and beside others.
    """
    return Runs(Trainer(model, runs=list(runs), **settings).fit(train, test))


class Comparison:
    """Means over seeds with their intervals. `results` is a list of dicts, one for each model: `name`, `mean`,
    `low`, `high`, `deviation` (of single runs), `runs`, and `diverged`, the number of runs that did, which
    the mean leaves out. `runs[name]` are the networks."""

    def __init__(self, metric, confidence, results, runs):
        self.metric, self.confidence, self.results, self.runs = metric, confidence, results, runs

    def frame(self):
        """The results as a pandas frame."""
        return _frame(self.results)

    def __repr__(self):
        lines = [
            f"{row['name']}: {row['mean']:.4f} [{row['low']:.4f}, {row['high']:.4f}] over {row['runs']} runs"
            for row in self.results
        ]
        return f"{self.metric}, {self.confidence:.0%} intervals of the mean\n" + "\n".join(lines)

    def _repr_html_(self):
        from . import _display

        caption = f"{self.metric}, {self.confidence:.0%} intervals of the mean"
        return _display.table(self.results, list(self.results[0]), caption)


def compare(models, train, test, *, seeds=200, confidence=0.95, metric=None, **settings):
    """Trains each of `models`, a dict of names and `Model`s, with each of `seeds` (a number of seeds from 0, or
    a list), and compares their means over the seeds: a `Comparison`.

    `metric` is a column of `Runs.results`, by default the test accuracy, or the test loss of values. The
    interval of a mean is Student's at `confidence`: seeds stand for themselves, while data are the same in
    all runs. `settings` are those of `Trainer`.
    """
    seeds = list(range(seeds)) if isinstance(seeds, int) else list(seeds)
    if len(seeds) < 2:
        raise ValueError(f"seeds: an interval needs at least 2, not {len(seeds)}")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence: it is between 0 and 1, not {confidence}")
    metric = metric or ("test_loss" if train.is_regression else "test_accuracy")
    results, runs = [], {}
    for name, model in models.items():
        runs[name] = fit_many(model, train, test, runs=[{"seed": seed} for seed in seeds], **settings)
        values = [row[metric] for row in runs[name].results]
        values = [value for value in values if value is not None]
        results.append({"name": name, **_interval(values, confidence), "diverged": len(seeds) - len(values)})
    return Comparison(metric, confidence, results, runs)


def _interval(values, confidence):
    """Mean, Student's interval of the mean, and the standard deviation of single values."""
    count = len(values)
    mean = math.fsum(values) / count if count else math.nan
    deviation = math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (count - 1)) if count > 1 else math.nan
    half = _student((1 + confidence) / 2, count - 1) * deviation / math.sqrt(count) if count > 1 else math.nan
    return {"mean": mean, "low": mean - half, "high": mean + half, "deviation": deviation, "runs": count}


def _student(p, freedom):
    """The quantile of Student's t distribution: exact for one and two degrees of freedom, else the series of
    Abramowitz and Stegun, 26.7.5, which is right to three digits at p = 0.975."""
    if freedom == 1:
        return math.tan(math.pi * (p - 0.5))
    if freedom == 2:
        return (2 * p - 1) * math.sqrt(2 / (4 * p * (1 - p)))
    # It takes a while to load.
    from statistics import NormalDist

    z, v = NormalDist().inv_cdf(p), freedom
    terms = [
        z,
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    ]
    return sum(term / v**power for power, term in enumerate(terms))
