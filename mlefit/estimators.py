"""scikit-learn style estimators on arrays: a network that predicts a whole distribution.

They follow scikit-learn's conventions and need it only where its own tools ask them about themselves.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlefit.errors import DataError
from mlefit.families import losses
from mlefit.inference.encoding import Codes
from mlefit.inference.evaluation import probabilities
from mlefit.inference.learning import Table, prepare, response, train_table
from mlefit.inference.model import Model
from mlefit.inference.training import Settings, mean_nll

Array = NDArray[np.float64]


class _Estimator:
    """What regressor and classifier share. Parameters as in `training.Settings`; None leaves a choice to it."""

    _kind = ""
    _loss = ""  # where None is given

    def __init__(
        self,
        loss: str | None = None,
        *,
        hidden: tuple[int, ...] = (32, 32),
        activation: str = "relu",
        optimizer: str | None = None,
        learning_rate: float | None = None,
        epochs: int | None = None,
        batch_size: int | None = None,
        weight_decay: float | None = None,
        validation: float | None = None,
        patience: int | None = None,
        random_state: int | None = None,
    ) -> None:
        self.loss = loss
        self.hidden = hidden
        self.activation = activation
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.epochs = epochs
        self.batch_size = batch_size
        self.weight_decay = weight_decay
        self.validation = validation
        self.patience = patience
        self.random_state = random_state

    _names = (
        "loss", "hidden", "activation", "optimizer", "learning_rate", "epochs", "batch_size", "weight_decay",
        "validation", "patience", "random_state",
    )  # fmt: skip
    model_: Model
    n_features_in_: int

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The constructor's arguments by name."""
        return {name: getattr(self, name) for name in self._names}

    def set_params(self, **params: Any) -> Any:
        """Change arguments of the constructor.

        Raises:
            ValueError: there is no such argument.
        """
        for name, value in params.items():
            if name not in self._names:
                raise ValueError(f"Invalid parameter {name!r} for estimator {self!r}")
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        return f"{type(self).__name__}(loss={self.loss!r}, hidden={self.hidden!r})"

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "model_")

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import (  # type: ignore[import-untyped]
            ClassifierTags,
            RegressorTags,
            Tags,
            TargetTags,
        )

        return Tags(
            estimator_type=self._kind, target_tags=TargetTags(required=True),
            classifier_tags=ClassifierTags() if self._kind == "classifier" else None,
            regressor_tags=RegressorTags() if self._kind == "regressor" else None,
        )  # fmt: skip

    def _fit(self, x: Array, target: Any, weight: Array | None) -> None:
        seed = self.random_state
        settings = Settings(
            tuple(self.hidden), self.activation, self.optimizer, self.learning_rate, epochs=self.epochs,
            batch_size=self.batch_size, weight_decay=self.weight_decay, validation=self.validation,
            patience=self.patience, seed=int(seed) if isinstance(seed, (int, np.integer)) else 0,
        )  # fmt: skip
        if x.shape[0] == 1:
            raise ValueError("n_samples = 1: a distribution cannot be learnt from 1 sample")
        order, weight = _canonical(x, target.codes if isinstance(target, Codes) else target, weight)
        table = Table(self._columns(x), target, None).take(order)
        try:
            prepared = prepare(replace(table, weight=weight), losses.get(self.loss or self._loss), settings)
            self.model_ = train_table(prepared)
        except DataError as error:
            raise ValueError(str(error)) from error
        self.n_iter_ = int(self.model_.record["epochs"])

    def _columns(self, x: Array) -> dict[str, Array]:
        return {f"x{i}": np.ascontiguousarray(column) for i, column in enumerate(x.T)}

    def _scores(self, X: Any) -> Array:
        if not self.__sklearn_is_fitted__():
            from sklearn.exceptions import NotFittedError  # type: ignore[import-untyped]

            raise NotFittedError(f"this {type(self).__name__} is not fitted yet; call fit first")
        x = self._rows(X, reset=False)
        return self.model_.scorer.scores(self._columns(x), x.shape[0]).eta

    def _rows(self, X: Any, *, reset: bool) -> Array:
        """X as (n, d) finite numbers, its width and names remembered or compared.

        Raises:
            ValueError: not that.
        """
        names = _names_of(X)
        if hasattr(X, "toarray") or type(X).__module__.startswith("scipy.sparse"):
            raise TypeError("sparse data were passed, but dense data are needed; use X.toarray()")
        x = np.asarray(X)
        if x.dtype.kind == "c":
            raise ValueError("Complex data not supported")
        x = x.astype(float)
        if x.ndim != 2:
            raise ValueError(f"Expected 2D array, got {x.ndim}D array instead. Reshape your data.")
        if x.shape[0] == 0:
            raise ValueError(f"Found array with 0 sample(s) (shape={x.shape}) while a minimum of 1 is required.")
        if x.shape[1] == 0:
            raise ValueError(f"Found array with 0 feature(s) (shape={x.shape}) while a minimum of 1 is required.")
        if not np.isfinite(x).all():
            raise ValueError("Input X contains NaN or infinity")
        if reset:
            self.n_features_in_ = x.shape[1]
            if names is not None:
                self.feature_names_in_ = names
            elif hasattr(self, "feature_names_in_"):
                del self.feature_names_in_
        elif x.shape[1] != self.n_features_in_:
            raise ValueError(
                f"X has {x.shape[1]} features, but {type(self).__name__} is expecting {self.n_features_in_} features "
                "as input"
            )
        else:
            self._check_names(names)
        return x

    def _check_names(self, names: NDArray[Any] | None) -> None:
        import warnings

        known = getattr(self, "feature_names_in_", None)
        own = type(self).__name__
        if names is not None and known is None:
            warnings.warn(f"X has feature names, but {own} was fitted without feature names", stacklevel=4)
        elif names is None and known is not None:
            warnings.warn(f"X does not have valid feature names, but {own} was fitted with feature names", stacklevel=4)
        elif names is not None and known is not None and not np.array_equal(names, known):
            unexpected = [n for n in names if n not in set(known)]
            missing = [n for n in known if n not in set(names)]
            text = "The feature names should match those that were passed during fit.\n"
            if unexpected:
                text += "Feature names unseen at fit time:\n" + "".join(f"- {n}\n" for n in sorted(unexpected)[:5])
            if missing:
                text += "Feature names seen at fit time, yet now missing:\n" + "".join(
                    f"- {n}\n" for n in sorted(missing)[:5]
                )
            if not unexpected and not missing:
                text += "Feature names must be in the same order as they were in fit.\n"
            raise ValueError(text)


def _names_of(X: Any) -> NDArray[Any] | None:
    names = getattr(X, "columns", None)
    if names is None or not all(isinstance(name, str) for name in names):
        return None
    return np.asarray(names, dtype=object)


def _weights(weight: Any, n: int) -> Array | None:
    if weight is None:
        return None
    found = np.asarray(weight, dtype=float)
    if found.shape != (n,):
        raise ValueError(f"sample_weight.shape == {found.shape}, expected {(n,)}")
    if not (np.isfinite(found).all() and (found >= 0).all() and found.any()):
        raise ValueError("sample_weight must be finite, not negative, and not all zero")
    return found


def _canonical(x: Array, y: NDArray[Any], weight: Array | None) -> tuple[NDArray[np.intp], Array | None]:
    """Rows in an order that depends on nothing but their values, and what is left of their weights.

    A whole number as a weight is that many rows, so that weighting and repeating come to the same model.
    """
    n = y.size
    index = np.arange(n)
    if weight is not None:
        if (weight == np.floor(weight)).all() and weight.sum() <= 10 * n:
            index, weight = np.repeat(index, weight.astype(np.intp)), None
        else:
            index = np.flatnonzero(weight)
    order = index[np.lexsort([y[index], *x[index].T[::-1]])]
    return order, None if weight is None else weight[order]


def _outcomes(y: Any, n: int) -> NDArray[Any]:
    if y is None:
        raise ValueError("requires y to be passed, but the target y is None")
    values = np.asarray(y)
    if values.ndim == 2 and values.shape[1] == 1:
        _say_column_vector()
        values = values.ravel()
    if values.ndim != 1:
        raise ValueError(f"y should be a 1d array, got an array of shape {values.shape} instead.")
    if values.shape[0] != n:
        raise ValueError(f"Found input variables with inconsistent numbers of samples: [{n}, {values.shape[0]}]")
    return values


def _say_column_vector() -> None:
    import warnings

    category: type[Warning] = UserWarning
    try:
        from sklearn.exceptions import DataConversionWarning

        category = DataConversionWarning
    except ImportError:
        pass
    warnings.warn("A column-vector y was passed when a 1d array was expected.", category, stacklevel=4)


class NLLRegressor(_Estimator):
    """Numbers from features by maximum likelihood: any loss or family of numbers.

    Args:
        loss: gaussian-nll (the default), mse, mae, poisson, or a family's name.
        hidden: widths of the hidden layers.
        activation, optimizer, learning_rate, epochs, batch_size, weight_decay, validation, patience: see `train`.
        random_state: the seed.

    Attributes:
        model_: the trained `Model`.
        n_features_in_: columns of X.
    """

    _kind = "regressor"
    _loss = "gaussian-nll"

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> NLLRegressor:
        """Train on X (n, d) and y (n,)."""
        x = self._rows(X, reset=True)
        values = _outcomes(y, x.shape[0]).astype(float)
        if not np.isfinite(values).all():
            raise ValueError("Input y contains NaN or infinity")
        self._fit(x, values, _weights(sample_weight, x.shape[0]))
        return self

    def predict(self, X: Any) -> Array:
        """The mean of every row's distribution, (n,)."""
        eta = self._scores(X)
        return np.asarray(self.model_.family.mean(eta))

    def predict_quantile(self, X: Any, level: float) -> Array:
        """The quantile of every row's distribution, (n,)."""
        eta = self._scores(X)
        return np.asarray(self.model_.family.quantile(np.full(eta.shape[1], level), eta))

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """R squared, as of any regressor."""
        predicted = self.predict(X)
        y = _outcomes(y, predicted.size).astype(float)
        weight = _weights(sample_weight, y.size)
        rest = np.average((y - predicted) ** 2, weights=weight)
        spread = np.average((y - np.average(y, weights=weight)) ** 2, weights=weight)
        return float(1 - rest / spread) if spread > 0 else float(rest == 0)

    def nll(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """NLL per row with all constants."""
        eta = self._scores(X)
        y = _outcomes(y, eta.shape[1]).astype(float)
        return mean_nll(self.model_.family, y, _weights(sample_weight, y.size), eta)


class NLLClassifier(_Estimator):
    """Labels from features by maximum likelihood: bce for two labels, cross-entropy for more.

    Args:
        loss: cross-entropy (the default) or bce.
        hidden: widths of the hidden layers.
        activation, optimizer, learning_rate, epochs, batch_size, weight_decay, validation, patience: see `train`.
        random_state: the seed.

    Attributes:
        model_: the trained `Model`.
        classes_: the labels, in the order of `predict_proba`.
        n_features_in_: columns of X.
    """

    _kind = "classifier"
    _loss = "cross-entropy"
    classes_: NDArray[Any]

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> NLLClassifier:
        """Train on X (n, d) and labels y (n,)."""
        x = self._rows(X, reset=True)
        values = _outcomes(y, x.shape[0])
        if values.dtype.kind == "f":
            if not np.isfinite(values).all():
                raise ValueError("Input y contains NaN or infinity")
            if (values != np.floor(values)).any():
                raise ValueError(
                    "Unknown label type: continuous. Maybe you are trying to fit a classifier, which expects discrete "
                    "classes on a regression target with continuous values."
                )
        weight = _weights(sample_weight, x.shape[0])
        self.classes_, codes = np.unique(values, return_inverse=True)
        if np.unique(codes if weight is None else codes[weight > 0]).size == 1:
            raise ValueError("Classifier can't train when only one class is present.")
        levels = tuple(str(i) for i in range(self.classes_.size))
        self._fit(x, Codes(codes, levels), weight)
        return self

    def predict_proba(self, X: Any) -> Array:
        """Probability of every label, (n, K)."""
        eta = self._scores(X)
        known = [int(level) for level in self.model_.target.levels]
        p = np.zeros((eta.shape[1], self.classes_.size))
        p[:, known] = probabilities(self.model_.family, eta).T
        return p

    def predict(self, X: Any) -> NDArray[Any]:
        """The most probable label of every row, (n,)."""
        p = self.predict_proba(X)
        return self.classes_[p.argmax(axis=1)]

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Share of rows whose most probable label is the right one."""
        predicted = self.predict(X)
        y = _outcomes(y, predicted.size)
        return float(np.average(predicted == y, weights=_weights(sample_weight, y.size)))

    def nll(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """NLL per row: the cross-entropy in nats."""
        eta = self._scores(X)
        y = _outcomes(y, eta.shape[1])
        codes = np.searchsorted(self.classes_, y)
        table = Table({}, Codes(codes, tuple(str(i) for i in range(self.classes_.size))))
        found = response(self.model_.target, table, self.model_.family, self.model_.loss)
        return mean_nll(self.model_.family, found, _weights(sample_weight, y.size), eta)
