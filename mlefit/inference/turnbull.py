"""The nonparametric maximum-likelihood estimate of a distribution from interval-censored rows."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from mlefit.families.links import Array

ROUNDS: Final = 2000
RISE: Final = 1e-8  # per unit of weight, the most that the log-likelihood may still rise
SHORTEST: Final = 1 / 1024  # of a step


def turnbull(left: Array, right: Array, weight: Array) -> tuple[Array, Array, Array]:
    """Intervals (left, right] that hold all of the probability, in order, and the probability of each.

    Turnbull (1976): the probability lies in the innermost intervals, which begin at the left end of some row and end at
    the right end of one without another end between. Where within such an interval it lies, the rows cannot tell.
    Equal ends are an exact value; ends may be infinite.

    Steps of self-consistency, which keep shares positive, and of isotonic regression on the cumulated shares, which
    move mass over many intervals at once, take turns (Wellner and Zhan 1997), until no direction rises: the
    log-likelihood per unit of weight is within `RISE` of its maximum (Gentleman and Geyer 1994, equation 3).
    """
    left = np.where(left == right, np.nextafter(left, -np.inf), left)
    low, high = _innermost(left, right)
    size = high.size
    rows = np.searchsorted(low, left) * (size + 1) + np.searchsorted(high, right, side="right")
    kinds, number = np.unique(rows, return_inverse=True)
    share = np.bincount(number.ravel(), weights=weight) / weight.sum()
    problem = _Problem(share, kinds // (size + 1), kinds % (size + 1), size)
    return low, high, problem.solved()


def _innermost(left: Array, right: Array) -> tuple[Array, Array]:
    left, right = np.unique(left), np.unique(right)
    values = np.concatenate([left, right])
    begins = np.repeat([True, False], [left.size, right.size])
    order = np.lexsort((begins, values))  # an interval that ends where another begins does not meet it
    values, begins = values[order], begins[order]
    inner = np.flatnonzero(begins[:-1] & ~begins[1:])
    return values[inner], values[inner + 1]


class _Problem:
    """Kinds of rows with their share (M,), each holding the innermost intervals from `first` until before `last`."""

    def __init__(self, share: Array, first: NDArray[np.intp], last: NDArray[np.intp], size: int) -> None:
        self.share, self.first, self.last, self.size = share, first, last, size

    def solved(self) -> Array:
        """The probability of each interval."""
        p = np.full(self.size, 1 / self.size)
        if self.size == 1:
            return p
        for _ in range(ROUNDS):
            rates = self.share / self._held(p)
            rise = np.cumsum(self._at(self.first, rates) - self._at(self.last, rates))[:-1]
            if rise.max() <= 1 + RISE:
                break
            p = self._pooled(p * rise)
        return p / p.sum()

    def _held(self, p: Array) -> Array:
        total = np.concatenate([[0.0], np.cumsum(p)])
        return np.asarray(total[self.last] - total[self.first])

    def _at(self, place: NDArray[np.intp], values: Array) -> Array:
        return np.asarray(np.bincount(place, weights=values, minlength=self.size + 1), dtype=float)

    def _pooled(self, p: Array) -> Array:
        """A step of Newton's on the cumulated shares, with the diagonal of the curvature, kept in order."""
        from scipy.optimize import isotonic_regression

        held = self._held(p)
        rates, bends = self.share / held, self.share / held**2
        slope = (self._at(self.last, rates) - self._at(self.first, rates))[1:-1]
        bend = (self._at(self.last, bends) + self._at(self.first, bends))[1:-1]
        total = np.cumsum(p)[:-1]
        aim = np.clip(isotonic_regression(total + slope / bend, weights=bend).x, 0.0, 1.0)
        move = np.diff(np.concatenate([[0.0], aim, [1.0]])) - p
        value, length = self.share @ np.log(held), 1.0
        while length >= SHORTEST:
            trial = np.maximum(p + length * move, 0.0)
            found = self._held(trial)
            if (found > 0).all() and self.share @ np.log(found) > value:
                return trial
            length /= 2
        return p
