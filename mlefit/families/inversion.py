"""Quantiles and starting values by solving an increasing function for its argument, elementwise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from mlefit.families.base import Family
from mlefit.families.links import Array

ITERATIONS: Final = 100
DOUBLINGS: Final = 1100
CLOSE: Final = 1e-9  # of the logarithm of the smaller tail
ROUNDING: Final = 4e-16


def bisect(function: Callable[[Array], Array], low: Array, high: Array, steps: int = 50) -> Array:
    """Where an increasing function changes sign between `low` and `high`; the nearer end where it does not."""
    for _ in range(steps):
        middle = (low + high) / 2
        below = function(middle) < 0
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return (low + high) / 2


def invert(family: Family, q: Array, eta: Array, low: Array, high: Array) -> Array:
    """The y between `low` and `high` with P(Y <= y) = q, for a continuous family that has the two tails.

    Newton's method on the logarithm of the smaller tail, by bisection where a step leaves the bracket.
    """
    return _solve(family, q, eta, low, high, lambda x: x, lambda x: np.zeros_like(x))


def invert_real(family: Family, q: Array, eta: Array, middle: Array, scale: Array) -> Array:
    """As `invert` on the whole line, from a bracket of 10 scales about a middle that is widened as needed."""
    q, middle, scale = np.broadcast_arrays(np.asarray(q, dtype=float), middle, scale)
    with np.errstate(all="ignore"):
        low, high = middle - 10 * scale, middle + 10 * scale
        for _ in range(DOUBLINGS):
            below, above = _excess(family, q, eta, low) > 0, _excess(family, q, eta, high) < 0
            if not (below | above).any():
                break
            low, high = np.where(below, 2 * low - middle, low), np.where(above, 2 * high - middle, high)
    result = invert(family, q, eta, low, high)
    return np.where(q <= 0, -np.inf, np.where(q >= 1, np.inf, result))


def invert_positive(family: Family, q: Array, eta: Array, middle: Array) -> Array:
    """As `invert` on the positive half-line, solved for log y."""
    q, middle = np.broadcast_arrays(np.asarray(q, dtype=float), middle)
    low, high = np.full(q.shape, -745.0), np.full(q.shape, 709.0)
    result = _solve(family, q, eta, low, high, np.exp, lambda x: x, np.log(middle))
    return np.where(q <= 0, 0.0, np.where(q >= 1, np.inf, result))


def _excess(family: Family, q: Array, eta: Array, y: Array) -> Array:
    """An increasing function of y that is zero at the quantile."""
    return _tail(family, q, eta, y)[0]


def _tail(family: Family, q: Array, eta: Array, y: Array) -> tuple[Array, Array]:
    """The log of the smaller tail against its target, signed so that it increases in y; and that log."""
    low = q < 0.5
    lower = family.log_cdf(y, eta) if low.any() else np.zeros(())
    upper = np.zeros(()) if low.all() else family.log_sf(y, eta)
    return np.where(low, lower - np.log(q), np.log1p(-q) - upper), np.where(low, lower, upper)


def _solve(
    family: Family,
    q: Array,
    eta: Array,
    low: Array,
    high: Array,
    outward: Callable[[Array], Array],
    log_slope: Callable[[Array], Array],
    first: Array | None = None,
) -> Array:
    """y = outward(x) by Newton steps in x; log_slope is log dy/dx."""
    q = np.asarray(q, dtype=float)
    inside = (q > 0) & (q < 1)
    q, low, high = np.broadcast_arrays(np.where(inside, q, 0.5), low, high)
    x = (low + high) / 2 if first is None else np.broadcast_to(first, q.shape)
    with np.errstate(all="ignore"):
        for _ in range(ITERATIONS):
            y = outward(x)
            excess, tail = _tail(family, q, eta, y)
            low, high = np.where(excess < 0, x, low), np.where(excess > 0, x, high)
            moved = x - excess * np.exp(tail + family.nll(y, eta) - log_slope(x))
            # Convergence is quadratic: after a step from so near nothing is left to gain.
            settled = (np.abs(excess) < CLOSE) & (moved >= low) & (moved <= high)
            newton = settled | ((moved > low) & (moved < high))
            x = np.where(excess == 0, x, np.where(newton, moved, (low + high) / 2))
            if (settled | (high - low <= ROUNDING * np.abs(x))).all():
                break
    return outward(x)
