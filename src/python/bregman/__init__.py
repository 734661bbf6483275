"""Bregman neural networks: layers whose skip connection runs through the dual space of their activation.

For tables of numbers there are scikit-learn estimators:

>>> from bregman import BregmanClassifier
>>> BregmanClassifier(hidden_layer_sizes=(64, 64), random_state=0).fit(X, y).predict(X)

and the engine itself takes NumPy arrays:

>>> from bregman import Dataset, Model, Optimizer, Trainer
>>> train, test = Dataset.classification(x, labels).split(0.8)
>>> model = Model.input(2).bregman(16).bregman(16).classes(2).build()
>>> trained = Trainer(model, optimizer=Optimizer.adam(0.01), epochs=50).fit(train, test)
>>> trained.predict(x)

`compare` trains kinds of networks over many seeds, `fit_many` one network with many settings, `sweep` tiny
networks by the thousand. scikit-learn, pandas and PyTorch are loaded when something needs them.
"""

from typing import TYPE_CHECKING

from ._native import (
    VERSION as __version__,
    Cnn,
    Dataset,
    Interrupted,
    Model,
    ModelBuilder,
    Optimizer,
    RateSchedule,
    Trained,
    Trainer,
    adapters,
    selftest,
    spirals,
    sweep,
)
from ._runs import Comparison, Runs, compare, fit_many

if TYPE_CHECKING:
    from ._estimators import BregmanClassifier, BregmanRegressor, BregmanTransformer

_ESTIMATORS = ("BregmanClassifier", "BregmanRegressor", "BregmanTransformer")

__all__ = [
    "BregmanClassifier",
    "BregmanRegressor",
    "BregmanTransformer",
    "Cnn",
    "Comparison",
    "Dataset",
    "Interrupted",
    "Model",
    "ModelBuilder",
    "Optimizer",
    "RateSchedule",
    "Runs",
    "Trained",
    "Trainer",
    "adapters",
    "compare",
    "fit_many",
    "from_torch",
    "progress",
    "selftest",
    "spirals",
    "sweep",
]


def __getattr__(name):
    # scikit-learn takes a second to load, so it is loaded at the first use of an estimator.
    if name in _ESTIMATORS:
        from . import _estimators

        return getattr(_estimators, name)
    raise AttributeError(f"module 'bregman' has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *_ESTIMATORS])


def from_torch(source, model=None, *, regression=False):
    """The network of a PyTorch module or of its `state_dict()`, as a `Trained`.

    A module that `Trained.to_torch` or `bregman.pytorch.load` made says what network it is; for a
    `state_dict` alone, `model` does. Names and shapes are those of `Trained.parameters`. Each row of an M
    (`layers.0.mix`) must still be on the probability simplex. `regression` says whether a network that
    minimises a squared error predicts values.
    """
    from . import pytorch

    state = source if isinstance(source, dict) else source.state_dict()
    arrays = {name: tensor.detach().cpu().float().numpy() for name, tensor in state.items()}
    if model is not None:
        return Trained.from_parameters(model, arrays, regression=regression)
    meta = getattr(source, "meta", None)
    if meta is None:
        raise ValueError("model: a state_dict does not say what network it is of; pass its Model")
    return Trained.from_bytes(pytorch.pack(meta, arrays), regression=regression)


def progress(epochs):
    """A callback for `Trainer(on_epoch=…)` that shows a bar: tqdm's where tqdm is installed, else a line
    of text that is written over."""
    from ._display import Progress

    return Progress(epochs)
