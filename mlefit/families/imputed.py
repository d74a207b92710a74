"""Rows whose values are known only to lie between two ends, made whole, so that a family's `start` can see them.

Each such row becomes a few rows of a fraction of its weight, at conditional quantiles under the present scores; the
family's own start on these is the next guess. A few rounds bring the start near the maximum (a quantile version of
the EM algorithm; Wei and Tanner 1990).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mlefit.families.base import Family, Rows
from mlefit.families.interval import with_columns
from mlefit.families.links import Array

COPIES: Final = 4
ROUNDS: Final = 12
GOLDEN: Final = 0.6180339887498949


@dataclass(frozen=True, eq=False)
class Copies:
    """`rows` several times over with values of their own, each of an equal share of the weight; see `Rows`.

    `y` is (m n,) or (d, m n): all rows of the first copy, then of the second.
    """

    rows: Rows
    y: Array

    @property
    def count(self) -> int:
        """The number m of copies."""
        return int(self.y.shape[-1] // self.rows.y.shape[-1])

    def _apart(self, values: Array) -> Array:
        return values.reshape(*values.shape[:-1], self.count, -1)

    @property
    def weight(self) -> Array | None:
        weight = self.rows.weight
        if self.count == 1:
            return weight
        return np.tile(np.ones(self.rows.y.shape[-1]) if weight is None else weight, self.count) / self.count

    @property
    def total_weight(self) -> Array:
        return self.rows.total_weight

    def sum(self, values: Array) -> Array:
        values = np.broadcast_to(values, (*np.shape(values)[:-1], self.y.shape[-1]))
        return np.asarray(self.rows.sum(self._apart(values)).mean(axis=-2))

    def mean(self, values: Array) -> Array:
        mean = self.sum(values) / self.total_weight
        return np.asarray(mean + self.sum(values - self.spread(mean)) / self.total_weight)

    def variance(self, values: Array) -> Array:
        return np.asarray(self.sum((values - self.spread(self.mean(values))) ** 2) / self.total_weight)

    def minimum(self, values: Array) -> Array:
        return np.asarray(np.min([self.rows.minimum(v) for v in self._apart(values)], axis=0))

    def maximum(self, values: Array) -> Array:
        return np.asarray(np.max([self.rows.maximum(v) for v in self._apart(values)], axis=0))

    def quantile(self, values: Array, q: float) -> Array:
        """The mean of the copies' quantiles: near enough for a start."""
        return np.asarray(np.mean([self.rows.quantile(v, q) for v in self._apart(values)], axis=0))

    def spread(self, group_values: Array) -> Array:
        found = self.rows.spread(group_values)
        return found if found.shape[-1] == 1 else np.tile(found, self.count)


def starts(
    family: Family, rows: Rows, exact: NDArray[np.bool_], left: Array, right: Array, others: Array
) -> list[Array]:
    """Scores to start from, each (k, G), where rows that are not `exact` lie in (left, right].

    An exact row has its value in `right`. `others` (d, n) are the family's columns after the first.
    """
    with np.errstate(all="ignore"):
        if exact.all():
            return family.starts(Copies(rows, with_columns(right, others)))
        guess = _first(family, rows, exact, left, right)
        whole = np.tile(others, COPIES)
        found = family.starts(Copies(rows, with_columns(guess.ravel(), whole)))
        best = found[0]
        for _ in range(ROUNDS):
            try:
                values = _conditional(family, rows, best, exact, left, right, others, guess)
            except NotImplementedError:  # no quantile function: the first guess is all there is
                return found
            again = family.again(Copies(rows, with_columns(values.ravel(), whole)), best)
            again = np.where(np.isfinite(again).all(axis=0), again, best)
            moved = np.max(np.abs(again - best) / np.maximum(1.0, np.abs(best)), initial=0.0)
            best = again
            if moved < 1e-2:
                return [best, *(eta for eta in found[1:] if np.isfinite(eta).all())]
        return [best, *(eta for eta in found if np.isfinite(eta).all())]


def _first(family: Family, rows: Rows, exact: NDArray[np.bool_], left: Array, right: Array) -> Array:
    """(m, n): even parts of an interval, and beyond an open end what a constant hazard would add."""
    support = family.support
    low, high = np.maximum(left, support.lower), np.minimum(right, support.upper)
    closed = np.isfinite(low) & np.isfinite(high)
    middle = np.where(closed, low + (high - low) / 2, np.where(np.isfinite(low), low, high))
    middle = np.where(exact, right, np.where(np.isfinite(middle), middle, 0.0))
    weight = rows.total_weight
    spread = np.sqrt(rows.variance(middle))
    spread = np.where(spread > 0, spread, np.maximum(np.abs(rows.mean(middle)), 1e-8))
    known = np.maximum(rows.sum(np.where(np.isfinite(right), 1.0, 0.0)), 0.5 * weight / np.maximum(weight, 1.0))
    if np.isfinite(support.lower):
        beyond = rows.sum(middle - support.lower) / known
    else:
        beyond = spread * np.sqrt(weight / known)
    parts = _parts(right.size)
    waits = -np.log1p(-parts)
    value = np.where(np.isfinite(high), high - rows.spread(spread) * waits, low + rows.spread(beyond) * waits)
    value = np.where(closed, low + (high - low) * parts, value)
    value = np.where(np.isfinite(value), value, middle)
    value = np.where(exact, middle, value)
    return np.asarray(np.round(value) if family.discrete else value)


def _parts(n: int) -> Array:
    """(m, n) evenly spread over (0, 1) down the copies and along the rows, so that no value is taken twice."""
    along = (np.arange(n) * GOLDEN + 0.5) % 1.0
    return (np.arange(COPIES)[:, None] + along) / COPIES


def _conditional(
    family: Family,
    rows: Rows,
    eta: Array,
    exact: NDArray[np.bool_],
    left: Array,
    right: Array,
    others: Array,
    guess: Array,
) -> Array:
    """(m, n): exact values, and for the others conditional quantiles."""
    known = np.flatnonzero(~exact)
    low, high = left[known], right[known]
    scores = rows.spread(eta)
    scores = scores if scores.shape[-1] == 1 else scores[:, known]
    rest = others[:, known]
    below = np.where(low > -np.inf, np.exp(family.log_cdf(with_columns(np.maximum(low, -1e300), rest), scores)), 0.0)
    above = np.where(high < np.inf, np.exp(family.log_cdf(with_columns(np.minimum(high, 1e300), rest), scores)), 1.0)
    values = guess.copy()
    family = family.given(*rest)
    parts = _parts(right.size)[:, known]
    for i in range(COPIES):
        q = below + (above - below) * parts[i]
        y = np.broadcast_to(family.quantile(np.clip(q, 1e-300, 1 - 1e-16), scores), q.shape)
        y = np.minimum(np.maximum(y, low + (1.0 if family.discrete else 0.0)), high)
        usable = np.isfinite(y) & (below < above) & family.support.contains(y)
        values[i, known] = np.where(usable, y, guess[i, known])
    return values
