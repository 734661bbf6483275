"""scikit-learn estimators. `bregman` loads this file, and scikit-learn, at the first use of one of them.

Features are standardised, s = (x − mean) / deviation, with the mean and the deviation of the training set.
A first Bregman layer takes numbers within the range of its activation ρ only, where ρ⁻¹ is defined, so the
network gets z₀ = ρ(s): s is the dual variable that it starts from. Other kinds of layers get the same z₀, so
that kinds can be compared. The values of a regression are standardised too, and predictions are mapped back.
"""

from numbers import Integral, Real

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassifierMixin,
    ClassNamePrefixFeaturesOutMixin,
    RegressorMixin,
    TransformerMixin,
)
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets, type_of_target, unique_labels
from sklearn.utils.validation import check_is_fitted, validate_data

from ._native import Dataset, Interrupted, Model, Optimizer, Trainer, prepared

_PARAMETERS = """
    Parameters
    ----------
    hidden_layer_sizes : sequence of int
        Neurons of each hidden layer.
    layer : {"bregman", "euclidean", "standard"}, or a sequence of them
        The kind of all hidden layers, or of each.
    activation : str
        ρ of the hidden layers: "tanh", "isru", "sigmoid", "softplus", "arctan", "scaled-arctan", "sin",
        "arcsinh" or "identity".
    optimizer : {"adam", "adamw", "sgd"}
        How gradients change parameters, by PyTorch's definitions.
    learning_rate : float
        The learning rate.
    momentum : float
        The momentum of SGD.
    weight_decay : float
        The weight decay λ.
    batch_size : int
        Samples of a mini-batch.
    max_iter : int
        Epochs of `fit`.
    early_stopping : bool
        Whether a share of the training set is held out, training ends once the loss on it has had no new
        minimum for `n_iter_no_change` epochs, and the network of the best epoch is the result.
    validation_fraction : float
        That share.
    n_iter_no_change : int
        That number of epochs.
    warm_start : bool
        Whether `fit` continues from the network of the last `fit`, with its standardisation.
    random_state : int, RandomState or None
        The seed of the initial parameters, of the order of the samples and of what is held out.
    n_jobs : int or None
        Threads; None and -1 stand for all cores, except inside a joblib worker, where they
        stand for one thread. They change no bit of the result.
    device : {"cpu", "auto", "gpu"}
        Where to train. Predictions are computed on the processor.
    verbose : bool
        Whether each epoch is printed.

    Attributes
    ----------
    trained_ : bregman.Trained
        The network, which takes what `prepare` makes of X.
    mean_, scale_ : ndarray of shape (n_features_in_,)
        The standardisation.
    n_iter_ : int
        Epochs of the last `fit` or `partial_fit`.
    loss_curve_ : list of float
        The training loss of each epoch.
"""


def _threads(n_jobs):
    """The number of threads for `n_jobs`; None for all cores."""
    if n_jobs is None:
        from joblib.parallel import get_active_backend

        nested = getattr(get_active_backend()[0], "nesting_level", 0) or 0
        return 1 if nested > 0 else None
    if n_jobs == -1:
        return None
    if n_jobs < 1:
        from joblib import effective_n_jobs

        return effective_n_jobs(n_jobs)
    return n_jobs


def _standardisation(x):
    """Mean and deviation of each column of x, float64; the deviation of a constant column is 1."""
    mean = x.mean(axis=0, dtype=np.float64)
    scale = x.std(axis=0, dtype=np.float64)
    # Rounding may leave a constant column a deviation of some last digits.
    constant = scale <= 10 * np.finfo(x.dtype).eps * np.abs(mean)
    return mean, np.where(constant | (scale == 0) | ~np.isfinite(scale), 1.0, scale)


class _Network(BaseEstimator):
    """What the estimators have in common."""

    def __init__(
        self,
        hidden_layer_sizes=(64,),
        *,
        layer="bregman",
        activation="tanh",
        optimizer="adam",
        learning_rate=0.001,
        momentum=0.9,
        weight_decay=0.0,
        batch_size=32,
        max_iter=100,
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=10,
        warm_start=False,
        random_state=None,
        n_jobs=None,
        device="cpu",
        verbose=False,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.layer = layer
        self.activation = activation
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.warm_start = warm_start
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.device = device
        self.verbose = verbose

    def prepare(self, X):
        """The input of the network for X, (samples, features), float32: ρ((X − mean_) / scale_)."""
        check_is_fitted(self)
        return self._prepared(self._valid(X))

    def _valid(self, x):
        return validate_data(self, x, dtype=(np.float64, np.float32), reset=False)

    def __sklearn_is_fitted__(self):
        return hasattr(self, "trained_")

    def _prepared(self, x):
        return prepared(x, self.mean_, self.scale_, self._rho)

    def _optimizer(self):
        rate, decay = self.learning_rate, self.weight_decay
        if self.optimizer == "sgd":
            return Optimizer.sgd(rate, momentum=self.momentum, weight_decay=decay)
        makers = {"adam": Optimizer.adam, "adamw": Optimizer.adam_w}
        if self.optimizer not in makers:
            raise ValueError(f"optimizer: {self.optimizer!r} is not one of 'adam', 'adamw' and 'sgd'")
        return makers[self.optimizer](rate, weight_decay=decay)

    def _model(self, inputs, outputs, is_regression):
        sizes = np.atleast_1d(np.asarray(self.hidden_layer_sizes, dtype=object)).tolist()
        for size in sizes:
            if not isinstance(size, Integral) or size < 1:
                raise ValueError(f"hidden_layer_sizes: a layer has at least one neuron, not {size!r}")
        kinds = [self.layer] * len(sizes) if isinstance(self.layer, str) else list(self.layer)
        if len(kinds) != len(sizes):
            raise ValueError(f"layer: there are {len(kinds)} kinds for {len(sizes)} hidden layers")
        builder = Model.input(inputs).activation(self.activation)
        for kind, size in zip(kinds, sizes):
            builder = builder.layer(kind, int(size))
        return (builder.outputs(outputs) if is_regression else builder.classes(outputs)).build()

    def _check_settings(self):
        for name in ("batch_size", "max_iter", "n_iter_no_change"):
            value = getattr(self, name)
            if not isinstance(value, Integral) or value < 1:
                raise ValueError(f"{name}: it is a whole number of at least 1, not {value!r}")
        if not isinstance(self.validation_fraction, Real) or not 0 < self.validation_fraction < 1:
            raise ValueError(f"validation_fraction: it is between 0 and 1, not {self.validation_fraction!r}")

    def _print(self, metrics):
        held_out = metrics.get("val_loss")
        text = "" if held_out is None else f", held-out loss {held_out:.6f}"
        print(f"epoch {metrics['epoch']}: training loss {metrics['train_loss']:.6f}{text}")

    def _train(self, x, targets, outputs, *, is_regression, epochs, go_on):
        """Trains on x and its targets, from the current network if `go_on` is true."""
        self._check_settings()
        random = check_random_state(self.random_state)
        # Each call has an order of its own.
        calls = self._calls + 1 if go_on else 0
        seed = (int(random.randint(np.iinfo(np.int32).max)) + calls) % 2**32
        model = self._model(x.shape[1], outputs, is_regression)
        if not go_on:
            self.mean_, self.scale_ = _standardisation(x)
            self._rho = self.activation
        elif self._rho != self.activation:
            raise ValueError(f"activation: the network was begun with {self._rho!r}, not {self.activation!r}")
        make = Dataset.regression if is_regression else Dataset.classification
        options = {} if is_regression else {"classes": outputs}
        held_out = None
        held = np.arange(0)
        if self.early_stopping and epochs > 1:
            counts = np.bincount(targets) if not is_regression else np.array([0])
            fits = counts.min() >= 2 and self.validation_fraction * len(x) >= len(counts)
            rows, held = train_test_split(
                np.arange(len(x)),
                test_size=self.validation_fraction,
                random_state=random,
                stratify=targets if fits else None,
            )
            held_out = make(self._prepared(x[held]), targets[held], **options)
            x, targets = x[rows], targets[rows]
        trainer = Trainer(
            model,
            optimizer=self._optimizer(),
            batch_size=int(self.batch_size),
            epochs=int(epochs),
            seed=seed,
            initial=self.trained_ if go_on else None,
            # The steps of later calls continue from the moments of the last one.
            keep_moments=epochs == 1 or self.warm_start,
            validation=held_out,
            patience=int(self.n_iter_no_change) if held_out is not None else None,
            device=self.device,
            threads=_threads(self.n_jobs),
            on_epoch=self._print if self.verbose else None,
        )
        data = make(self._prepared(x), targets, **options)
        try:
            trained = trainer.fit(data)
        except Interrupted as stop:
            # What is trained until then is kept, and the loop around this fit ends all the same.
            self._keep(stop.trained, calls)
            raise
        except Exception:
            # A network of earlier data does not belong to the standardisation of these.
            if not go_on:
                self.__dict__.pop("trained_", None)
            raise
        self._keep(trained, calls)
        return self

    def _keep(self, trained, calls):
        self.trained_ = trained
        self._calls = calls
        history = trained.history
        self.loss_curve_ = [epoch["train_loss"] for epoch in history]
        self.n_iter_ = len(history)

    def _goes_on(self):
        """Whether `fit` continues from the current network."""
        return self.warm_start and hasattr(self, "trained_")

    def _first(self, x, y, reset, **options):
        """The checked data of a fit; with `reset` those of a first one."""
        return validate_data(self, x, y, dtype=(np.float64, np.float32), reset=reset, **options)


class BregmanClassifier(ClassifierMixin, _Network):
    __doc__ = f"""A network of Bregman, Euclidean or standard layers that classifies.
{_PARAMETERS}
    classes_ : ndarray of shape (n_classes,)
        The classes.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> BregmanClassifier(random_state=0).fit(X, y).score(X, y) > 0.95
    True
    """

    def fit(self, X, y):
        """Trains on X, (samples, features), and the class of each sample."""
        go_on = self._goes_on()
        X, y = self._first(X, y, reset=not go_on)
        check_classification_targets(y)
        classes = unique_labels(y)
        if go_on and not np.array_equal(classes, self.classes_):
            raise ValueError(f"warm_start: y has the classes {classes}, the network has {self.classes_}")
        return self._learn(X, y, classes, self.max_iter, go_on)

    def partial_fit(self, X, y, classes=None):
        """Trains for one epoch on X and y, from the current network. The first call takes all
        `classes` that will come; its samples give the standardisation."""
        go_on = hasattr(self, "trained_")
        if not go_on and classes is None:
            raise ValueError("classes: the first call of partial_fit needs all classes")
        X, y = self._first(X, y, reset=not go_on)
        check_classification_targets(y)
        known = self.classes_ if go_on else unique_labels(classes)
        if classes is not None and not np.array_equal(unique_labels(classes), known):
            raise ValueError(f"classes: {classes} are not the {known} of the first call of partial_fit")
        return self._learn(X, y, known, 1, go_on)

    def _learn(self, x, y, classes, epochs, go_on):
        if len(classes) < 2:
            raise ValueError(f"y: a classifier needs at least two classes, and there is one class: {classes}")
        unknown = np.setdiff1d(y, classes)
        if len(unknown):
            raise ValueError(f"y: {unknown} are not among the classes {classes}")
        labels = np.searchsorted(classes, y)
        self.classes_ = classes
        return self._train(x, labels, len(classes), is_regression=False, epochs=epochs, go_on=go_on)

    def predict(self, X):
        """The class of each sample."""
        z = self.prepare(X)
        return self.classes_[self.trained_.predict(z)]

    def predict_proba(self, X):
        """The probability of each class of `classes_`, (samples, classes)."""
        z = self.prepare(X)
        return self.trained_.probabilities(z)

    def predict_log_proba(self, X):
        """The logarithms of `predict_proba`."""
        return np.log(self.predict_proba(X))


class BregmanRegressor(RegressorMixin, _Network):
    __doc__ = f"""A network of Bregman, Euclidean or standard layers that predicts numbers, by squared error.
{_PARAMETERS}
    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> X, y = load_diabetes(return_X_y=True)
    >>> BregmanRegressor(random_state=0, early_stopping=True).fit(X, y).score(X, y) > 0.3
    True
    """

    def fit(self, X, y):
        """Trains on X, (samples, features), and y, (samples) or (samples, outputs)."""
        go_on = self._goes_on()
        return self._learn(X, y, self.max_iter, go_on)

    def partial_fit(self, X, y):
        """Trains for one epoch on X and y, from the current network. The samples of the first call give
        the standardisation."""
        return self._learn(X, y, 1, hasattr(self, "trained_"))

    def _learn(self, x, y, epochs, go_on):
        x, y = self._first(x, y, reset=not go_on, multi_output=True, y_numeric=True)
        y = np.asarray(y, dtype=np.float64)
        values = y.reshape(len(y), -1)
        if not go_on:
            self._y_mean, self._y_scale = _standardisation(values)
            self._one_output = y.ndim == 1
        elif values.shape[1] != len(self._y_mean):
            raise ValueError(f"y: it has {values.shape[1]} outputs, the network {len(self._y_mean)}")
        values = (values - self._y_mean) / self._y_scale
        return self._train(x, values, values.shape[1], is_regression=True, epochs=epochs, go_on=go_on)

    def predict(self, X):
        """The numbers predicted, of the shape of y."""
        z = self.prepare(X)
        values = self.trained_.logits(z) * self._y_scale + self._y_mean
        return values[:, 0] if self._one_output else values

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


class BregmanTransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, _Network):
    __doc__ = f"""The representation of samples after a hidden layer of a network.

    The network learns to classify if y has classes, to predict y if it has numbers, and, without y, to give
    back the standardised features.
{_PARAMETERS}
    output_layer : int
        The hidden layer, counted from 0, or from the last one as -1, -2, ….
    """

    def __init__(
        self,
        hidden_layer_sizes=(64,),
        *,
        output_layer=-1,
        layer="bregman",
        activation="tanh",
        optimizer="adam",
        learning_rate=0.001,
        momentum=0.9,
        weight_decay=0.0,
        batch_size=32,
        max_iter=100,
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=10,
        warm_start=False,
        random_state=None,
        n_jobs=None,
        device="cpu",
        verbose=False,
    ):
        super().__init__(
            hidden_layer_sizes,
            layer=layer,
            activation=activation,
            optimizer=optimizer,
            learning_rate=learning_rate,
            momentum=momentum,
            weight_decay=weight_decay,
            batch_size=batch_size,
            max_iter=max_iter,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            n_iter_no_change=n_iter_no_change,
            warm_start=warm_start,
            random_state=random_state,
            n_jobs=n_jobs,
            device=device,
            verbose=verbose,
        )
        self.output_layer = output_layer

    def fit(self, X, y=None):
        """Trains on X, (samples, features), and y: classes, numbers or None."""
        layers = np.size(np.asarray(self.hidden_layer_sizes, dtype=object))
        if not isinstance(self.output_layer, Integral) or not -layers <= self.output_layer < layers:
            raise ValueError(f"output_layer: {self.output_layer!r} is none of the {layers} hidden layers")
        go_on = self._goes_on()
        is_regression = y is None or type_of_target(y) in ("continuous", "continuous-multioutput", "multilabel-indicator")
        if y is None:
            X = validate_data(self, X, dtype=(np.float64, np.float32), reset=not go_on)
        else:
            X, y = self._first(X, y, reset=not go_on, multi_output=is_regression, y_numeric=is_regression)
        if is_regression:
            values = X if y is None else np.asarray(y, dtype=np.float64).reshape(len(X), -1)
            mean, scale = _standardisation(values)
            targets = (values - mean) / scale
            outputs = targets.shape[1]
        else:
            check_classification_targets(y)
            classes, targets = np.unique(y, return_inverse=True)
            outputs = max(len(classes), 2)
        self._train(X, targets, outputs, is_regression=is_regression, epochs=self.max_iter, go_on=go_on)
        self._layer = int(self.output_layer)
        self._n_features_out = self.trained_.model.layers[self._layer]["width"]
        return self

    def transform(self, X):
        """The representation of each sample, (samples, width), float32 for X of float32, else float64."""
        check_is_fitted(self)
        X = self._valid(X)
        return self.trained_.representation(self._prepared(X), self._layer).astype(X.dtype, copy=False)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
