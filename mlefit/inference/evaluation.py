"""How good predicted distributions are on rows with known outcomes."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mlefit.families.base import Family

Array = NDArray[np.float64]

COVERAGES: Final = (0.5, 0.8, 0.9, 0.95)
BINS: Final = 10
# Nodes of the quadrature that gives the CRPS of any family with quantiles.
NODES: Final = 64


@dataclass(frozen=True)
class Bin:
    """Predicted against observed: of `n` rows with a predicted share in one bin, or the coverage of an interval.

    `low` and `high` bound the predicted share; for an interval both are its nominal level.
    """

    low: float
    high: float
    n: int
    predicted: float
    observed: float


@dataclass(frozen=True)
class Evaluation:
    """Predictions measured on n rows.

    Attributes:
        n, weight: rows and the sum of their weights.
        dropped: rows left out since they missed a value.
        refused: rows left out since the model can say nothing of them, such as those of a level never seen.
        nll: NLL per unit of weight, every constant included.
        constant_nll: the same for the constant model of the training rows.
        scores: accuracy and brier of labels; rmse and crps of numbers.
        calibration: bins of predicted probability, or central intervals.
        labels: whether the calibration is one of labels.
    """

    n: int
    dropped: int
    weight: float
    nll: float
    constant_nll: float
    scores: Mapping[str, float]
    calibration: tuple[Bin, ...]
    labels: bool
    refused: int = 0
    notes: tuple[str, ...] = ()

    @property
    def gain(self) -> float:
        """Nats per row that the model saves over the constant model."""
        return self.constant_nll - self.nll

    def to_dict(self) -> dict[str, Any]:
        """As in the JSON contract; None for what does not exist."""
        return {
            "n": self.n,
            "dropped": self.dropped,
            "refused": self.refused,
            "weight": self.weight,
            "nll_per_observation": finite(self.nll),
            "constant_nll_per_observation": finite(self.constant_nll),
            "gain_nats": finite(self.gain),
            "gain_bits": finite(self.gain / np.log(2)),
            **{name: finite(value) for name, value in self.scores.items()},
            "calibration": [
                {
                    "lower": b.low,
                    "upper": b.high,
                    "n": b.n,
                    "predicted": finite(b.predicted),
                    "observed": finite(b.observed),
                }
                for b in self.calibration
            ],
        }


def measures(family: Family, y: Array, weight: Array | None, eta: Array) -> dict[str, float]:
    """Accuracy and Brier score for labels; RMSE and CRPS for numbers, as far as the family has them.

    The Brier score is the mean over rows of sum_k (p_k - 1[y = k])^2, halved for two labels so that it is Brier's
    (p - y)^2 (Gneiting and Raftery 2007, section 3.1).
    """
    with np.errstate(all="ignore"):
        if is_labelled(family):
            p = probabilities(family, eta)
            hit = p.argmax(axis=0) == y
            wrong = ((p - (np.arange(p.shape[0])[:, None] == y)) ** 2).sum(axis=0)
            return {
                "accuracy": average(hit.astype(float), weight),
                "brier": average(wrong / (2 if p.shape[0] == 2 else 1), weight),
            }
        if y.ndim > 1:
            return {}
        found: dict[str, float] = {}
        with suppress(NotImplementedError):
            found["rmse"] = float(np.sqrt(average((y - family.mean(eta)) ** 2, weight)))
        value = crps(family, y, eta)
        if value is not None:
            found["crps"] = average(value, weight)
        return found


def crps(family: Family, y: Array, eta: Array) -> Array | None:
    """Continuous ranked probability score of each row; None where the family has no quantiles.

    Its own closed form where the family has one; else twice the integral of the quantile score over all levels
    (Gneiting and Raftery 2007, equations 20 and 25), by Gauss and Legendre's rule on t with level = t^3 (10 - 15 t
    + 6 t^2), which is flat at both ends, where quantiles run off.
    """
    own = getattr(family, "crps", None)
    if own is not None:
        return np.asarray(own(y, eta))
    nodes, shares = np.polynomial.legendre.leggauss(NODES)
    t = (nodes + 1) / 2
    levels = t**3 * (10 - 15 * t + 6 * t * t)
    density = 30 * (t * (1 - t)) ** 2
    result = np.zeros(y.shape[-1])
    try:
        for level, slope, share in zip(levels, density, shares / 2, strict=True):
            q = family.quantile(np.full(y.shape[-1], level), eta)
            result += 2 * share * slope * (q - y) * ((y <= q) - level)
    except NotImplementedError:
        return None
    return result


def calibration(family: Family, y: Array, weight: Array | None, eta: Array) -> tuple[Bin, ...]:
    """Predicted probability against observed frequency in ten bins (all labels pooled; for two the second), or the
    coverage of central intervals; empty where the family has no quantiles."""
    with np.errstate(all="ignore"):
        if is_labelled(family):
            p = probabilities(family, eta)
            kept = p[1:] if p.shape[0] == 2 else p
            first = 1 if p.shape[0] == 2 else 0
            happened = np.arange(first, p.shape[0])[:, None] == y
            return _reliability(kept.ravel(), happened.ravel(), None if weight is None else np.tile(weight, len(kept)))
        if y.ndim > 1:
            return ()
        return _coverage(family, y, weight, eta)


def _reliability(p: Array, happened: NDArray[np.bool_], weight: Array | None) -> tuple[Bin, ...]:
    place = np.minimum((p * BINS).astype(int), BINS - 1)
    bins = []
    for i in range(BINS):
        inside = place == i
        if inside.any():
            share = None if weight is None else weight[inside]
            bins.append(
                Bin(i / BINS, (i + 1) / BINS, int(inside.sum()), average(p[inside], share),
                    average(happened[inside].astype(float), share))
            )  # fmt: skip
    return tuple(bins)


def _coverage(family: Family, y: Array, weight: Array | None, eta: Array) -> tuple[Bin, ...]:
    bins = []
    for level in COVERAGES:
        try:
            low = family.quantile(np.full(y.size, (1 - level) / 2), eta)
            high = family.quantile(np.full(y.size, (1 + level) / 2), eta)
        except NotImplementedError:
            return ()
        inside = (low <= y) & (y <= high)
        bins.append(Bin(level, level, int(y.size), level, average(inside.astype(float), weight)))
    return tuple(bins)


def is_labelled(family: Family) -> bool:
    """Whether the outcomes are labels."""
    return family.labels or family.name == "bernoulli"


def probabilities(family: Family, eta: Array) -> Array:
    """The probability of every label, (K, n): its own of a family whose parameters are others, as of ordered labels."""
    own = getattr(family, "probabilities", None)
    if own is not None:
        return np.asarray(own(eta))
    p = family.inverse(eta)
    return np.concatenate([1 - p, p]) if family.name == "bernoulli" else p


def average(values: Array, weight: Array | None) -> float:
    """Weighted mean."""
    return float(values.mean() if weight is None else np.average(values, weights=weight))


def finite(value: float) -> float | None:
    """A float for JSON: None for NaN and infinities."""
    return float(value) if np.isfinite(value) else None
