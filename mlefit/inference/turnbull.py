"""The nonparametric maximum-likelihood estimate of a distribution from interval-censored rows."""

from __future__ import annotations

from typing import Final

import numpy as np

from mlefit.families.links import Array

ROUNDS: Final = 1000
TOLERANCE: Final = 1e-7  # of a probability, from one round to the next
MOST: Final = 200  # distinct ends; more are rounded to as many of their quantiles


def turnbull(left: Array, right: Array, weight: Array) -> tuple[Array, Array, Array]:
    """Intervals (left, right] that hold all of the probability, in order, and the probability of each.

    Turnbull (1976): the probability lies in the innermost intervals, which begin at the left end of some row and end at
    the right end of one without another end between; its shares are found by self-consistency. Where within such an
    interval it lies, the rows cannot tell. Equal ends are an exact value; ends may be infinite.
    """
    left, right = _rounded(left, right)
    left = np.where(left == right, np.nextafter(left, -np.inf), left)
    pairs, which = np.unique(np.stack([left, right]), axis=1, return_inverse=True)
    share = np.bincount(which.ravel(), weights=weight) / weight.sum()
    values = np.concatenate(list(pairs))
    begins = np.repeat([True, False], pairs.shape[1])
    order = np.lexsort((begins, values))  # an interval that ends where another begins does not meet it
    values, begins = values[order], begins[order]
    inner = np.flatnonzero(begins[:-1] & ~begins[1:])
    low, high = values[inner], values[inner + 1]
    holds = ((pairs[0][:, None] <= low) & (high <= pairs[1][:, None])).astype(float)
    p = np.full(inner.size, 1 / inner.size)
    for _ in range(ROUNDS):
        last, p = p, p * ((share / (holds @ p)) @ holds)
        if np.abs(p - last).max() < TOLERANCE:
            break
    return low, high, p


def _rounded(left: Array, right: Array) -> tuple[Array, Array]:
    ends = np.unique(np.concatenate([left, right]))
    ends = ends[np.isfinite(ends)]
    if ends.size <= MOST:
        return left, right
    kept = ends[np.linspace(0, ends.size - 1, MOST).round().astype(int)]

    def near(values: Array) -> Array:
        finite = np.isfinite(values)
        place = np.clip(np.searchsorted(kept, np.where(finite, values, kept[0])), 1, MOST - 1)
        nearest = np.where(values - kept[place - 1] < kept[place] - values, kept[place - 1], kept[place])
        return np.where(finite, nearest, values)

    with np.errstate(invalid="ignore"):
        return near(left), near(right)
