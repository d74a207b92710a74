"""A saved model: a family, what gives its scores from a row's columns, and the record of how it was made.

Constant models, regressions and networks differ only in their scorer, so that predicting, evaluating and comparing
are written once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from mlefit.errors import DataError, UsageError
from mlefit.families import registry
from mlefit.families.base import Family
from mlefit.inference import container
from mlefit.inference.encoding import Columns, Encoding, Text
from mlefit.inference.target import Target
from mlefit.predictors.network import Network
from mlefit.wording import in_python

if TYPE_CHECKING:
    from mlefit.inference.training import Epoch

Array = NDArray[np.float64]

# What loads the scorer of each kind of model, as module:class; each has a static `load(record, arrays)`.
KINDS: Final[dict[str, str]] = {
    "network": "mlefit.inference.model:NetworkScorer",
    "constant": "mlefit.inference.model:ConstantScorer",
    "linear": "mlefit.inference.regression:LinearScorer",
}

CHUNK: Final = 4096


@dataclass(frozen=True, eq=False)
class Scored:
    """Scores of n rows.

    Attributes:
        eta: (k, n).
        missing: (n,) which rows have no scores: a feature is missing or cannot be used.
        unseen: counts of the levels never seen in training, by column, in rows that miss no feature.
        undefined: counts of rows at which a term of a formula is not defined, by term.
        refused: how many rows have no scores for those two reasons alone.
    """

    eta: Array
    missing: NDArray[np.bool_]
    unseen: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    undefined: Mapping[str, int] = field(default_factory=dict)
    refused: int = 0


class Scorer(Protocol):
    """Gives the family's scores from columns, and knows how to write itself down."""

    kind: ClassVar[str]

    @property
    def features(self) -> tuple[str, ...]:
        """The columns it reads."""
        ...

    @property
    def labelled(self) -> tuple[str, ...]:
        """Those of them that are read as labels."""
        ...

    @property
    def parameters_count(self) -> int: ...
    def scores(self, columns: Columns, n: int) -> Scored:
        """Columns of length n to scores.

        Raises:
            DataError: a feature is absent or not of the kind it was learnt from.
        """
        ...

    def record(self) -> dict[str, Any]:
        """What `load` needs beside the arrays, as JSON."""
        ...

    def arrays(self) -> dict[str, NDArray[np.floating[Any]]]: ...


@dataclass(frozen=True, eq=False)
class ConstantScorer:
    """The same scores (k,) for every row."""

    eta: Array
    kind: ClassVar[str] = "constant"
    features: tuple[str, ...] = ()
    labelled: tuple[str, ...] = ()

    @property
    def parameters_count(self) -> int:
        return int(self.eta.size)

    def scores(self, columns: Columns, n: int) -> Scored:
        return Scored(np.repeat(self.eta[:, None], n, axis=1), np.zeros(n, dtype=bool))

    def record(self) -> dict[str, Any]:
        return {}

    def arrays(self) -> dict[str, NDArray[np.floating[Any]]]:
        return {"eta": self.eta}

    @staticmethod
    def load(record: Mapping[str, Any], arrays: container.Arrays) -> ConstantScorer:
        return ConstantScorer(np.asarray(arrays["eta"], dtype=float))


@dataclass(frozen=True, eq=False)
class NetworkScorer:
    """Encoded columns through a network; scores are start + scale * output where the network gives them.

    Attributes:
        encoding: columns to inputs.
        network: in float64, whatever precision it was trained in.
        start, scale: (k,).
        free: (k,) which scores the network gives; the others are `start` in every row.
    """

    encoding: Encoding
    network: Network
    start: Array
    scale: Array
    free: NDArray[np.bool_]
    kind: ClassVar[str] = "network"

    @property
    def features(self) -> tuple[str, ...]:
        return self.encoding.names

    @property
    def labelled(self) -> tuple[str, ...]:
        return tuple(c.name for c in self.encoding.columns if isinstance(c, Text))

    @property
    def parameters_count(self) -> int:
        """Weights, biases and shared parameters."""
        return int(self.network.theta.size + (~self.free).sum())

    def scores(self, columns: Columns, n: int) -> Scored:
        inputs = self.encoding.encode(columns, n)
        return Scored(self.of(inputs.x), inputs.missing, inputs.unseen)

    def of(self, x: NDArray[np.floating[Any]]) -> Array:
        """Encoded rows (n, width + 1) to scores (k, n)."""
        eta = np.empty((self.start.size, x.shape[0]))
        eta[:] = self.start[:, None]
        with np.errstate(all="ignore"):
            for low in range(0, x.shape[0], CHUNK):
                part = slice(low, min(low + CHUNK, x.shape[0]))
                eta[self.free, part] += self.scale[self.free, None] * self.network.forward(x[part])[0]
        return eta

    def record(self) -> dict[str, Any]:
        return {
            "columns": self.encoding.to_dict(),
            "hidden": list(self.network.hidden),
            "activation": self.network.activation,
            "free": self.free.tolist(),
        }

    def arrays(self) -> dict[str, NDArray[np.floating[Any]]]:
        return {"theta": self.network.theta, "start": self.start, "scale": self.scale}

    @staticmethod
    def load(record: Mapping[str, Any], arrays: container.Arrays) -> NetworkScorer:
        encoding = Encoding.from_dict(record["columns"])
        free = np.array([bool(v) for v in record["free"]])
        hidden = [int(v) for v in record["hidden"]]
        start, scale = (np.asarray(arrays[name], dtype=float) for name in ("start", "scale"))
        sizes = [encoding.width, *hidden, int(free.sum())]
        count = sum((a + 1) * b for a, b in pairwise(sizes))
        if not count == arrays["theta"].size or not start.shape == scale.shape == free.shape:
            raise ValueError("sizes disagree")
        network = Network(encoding.width, hidden, sizes[-1], str(record["activation"]))
        network.theta[:] = arrays["theta"]
        return NetworkScorer(encoding, network, start, scale, free)


@dataclass(frozen=True, eq=False)
class Model:
    """A family whose parameters a scorer gives from a row's columns.

    Attributes:
        family: bound to its labels, of k scores.
        loss: the name it was trained under; the family's own for other models.
        target: what it predicts.
        scorer: what gives the scores.
        constant: (k,) scores of the constant model of the training rows.
        record: how it was made, as JSON.
        history: epochs of the run that made it; empty once loaded.
        notes: sentences for the user about how it was made.
    """

    family: Family
    loss: str
    target: Target
    scorer: Scorer
    constant: Array
    record: Mapping[str, Any]
    history: tuple[Epoch, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def features(self) -> tuple[str, ...]:
        """The columns it reads."""
        return self.scorer.features

    @property
    def labelled(self) -> tuple[str, ...]:
        """Those of them that are read as labels."""
        return self.scorer.labelled

    def constants(self, columns: Columns, n: int) -> Array:
        """Scores (k, n) of the constant model, with the offset and exposure of rows where the model has them."""
        own = getattr(self.scorer, "constants", None)
        return np.repeat(self.constant[:, None], n, axis=1) if own is None else own(self.constant, columns, n)

    def to_dict(self) -> dict[str, Any]:
        """The training record, as in the JSON contract."""
        return dict(self.record)

    def save(self, path: str | Path) -> None:
        """Write the model to one file, atomically.

        Raises:
            DataError: the file cannot be written.
        """
        header = {
            "kind": self.scorer.kind,
            "family": registry.text(self.family),
            "fixed": dict(self.family.fixed),
            "loss": self.loss,
            "target": self.target.to_dict(),
            "scorer": self.scorer.record(),
            "record": dict(self.record),
        }
        container.save(path, "model", header, {**self.scorer.arrays(), "constant": self.constant})

    @in_python(quantile="quantiles")
    def predict(self, data: Any, *, quantiles: tuple[float, ...] = (), interval: float | None = None) -> Any:
        """Parameters, mean or most probable class, and quantiles of every row.

        Args:
            data: a DataFrame, a mapping of columns, or the path of a file.
            quantiles: levels in (0, 1).
            interval: level of a central interval.

        Returns:
            A DataFrame, a row a row; NaN where a feature is missing.

        Raises:
            DataError: a feature is absent.
            UsageError: a level outside (0, 1), or a family without quantiles.
        """
        from mlefit.predicting import predict

        return predict(self, data, quantiles, interval)

    @in_python(weight="weights")
    def evaluate(self, data: Any, *, weights: str | None = None) -> Any:
        """An `Evaluation` of the predictions on data that have the target column too.

        Raises:
            DataError: a column is absent, or the target's values do not fit.
        """
        from mlefit.predicting import evaluate

        return evaluate(self, data, weights)

    def __rich__(self) -> Any:
        from mlefit.report.models import training_table

        return training_table(self)


def load(path: str | Path) -> Model:
    """A model that `save` wrote. Nothing in the file is executed.

    Raises:
        DataError: there is no such file; it is something else, damaged, from a newer version, or its family is
            unknown here.
    """
    header, arrays = container.load(path, "model")
    try:
        target = Target.from_dict(header["target"])
        kind = header["kind"]
        if kind not in KINDS:
            raise DataError(f"{path} is a model of kind {kind!r}, which this mlefit does not know; upgrade mlefit")
        try:
            family = registry.get(header["family"])
        except UsageError as error:
            raise DataError(f"{path} holds a model of a family not known here: {error} (or give --plugin)") from error
        if target.levels and family.labels:
            family = family.bind(target.levels)
        if header["fixed"]:
            family = family.pin(header["fixed"])
        module, cls = KINDS[kind].split(":")
        read: Callable[..., Scorer] = getattr(import_module(module), cls).load
        constant = np.asarray(arrays.pop("constant"), dtype=float)
        if constant.shape != (family.size,):
            raise ValueError("sizes disagree")
        scorer = read(header["scorer"], arrays)
        return Model(family, str(header["loss"]), target, scorer, constant, dict(header["record"]))
    except (KeyError, TypeError, ValueError, AttributeError, UsageError) as error:
        raise DataError(f"{path} does not hold together as a model ({error}); make it again") from error
