"""log Gamma and its derivatives with the leading Stirling terms taken out.

lgamma(a) - a log(a) + a and its like are small differences of large numbers: for a = 1e10 the plain formula has
no correct digit left. Above `LARGE` the asymptotic series (Abramowitz and Stegun 1964, 6.1.41, 6.3.18, 6.4.12)
gives full precision; below it the plain formula loses at most two digits.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from math import tau
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mlefit.families.links import Array

Where = NDArray[np.bool_]

LARGE: Final = 16.0
STEPS: Final = 16  # of the recurrence that takes what is below LARGE above it


def _once(function: Callable[[Array], Array]) -> Callable[[Array], Array]:
    """Elementwise, but equal values are computed once, as those of a shape that is the same for every row."""

    @wraps(function)
    def applied(a: Array) -> Array:
        a = np.asarray(a, dtype=float)
        if a.size > 1 and a.flat[0] == a.flat[-1] and (a == a.flat[0]).all():
            return np.full(a.shape, function(np.asarray(a.flat[0])))
        return function(a)

    return applied


@_once
def log_gamma_excess(a: Array) -> Array:
    """lgamma(a) - a log(a) + a, elementwise for a > 0."""
    a, above, near = _above(a)
    value = _series(above) + 0.5 * np.log(tau / above)
    if near.any():
        small = np.where(near, a, LARGE)
        ratio = np.ones_like(small)
        for i in range(STEPS):
            ratio *= (small + STEPS) / (small + i)
        value = np.where(near, value - STEPS + small * np.log1p(STEPS / small) + np.log(ratio), value)
    return np.asarray(value)


@_once
def digamma_excess(a: Array) -> Array:
    """digamma(a) - log(a): the derivative of `log_gamma_excess`."""
    a, above, near = _above(a)
    value = -0.5 / above - _slope(above)
    if near.any():
        small = np.where(near, a, LARGE)
        fall = (1 / np.add.outer(np.arange(STEPS), small)).sum(axis=0)
        value = np.where(near, value + np.log1p(STEPS / small) - fall, value)
    return np.asarray(value)


@_once
def trigamma_excess(a: Array) -> Array:
    """trigamma(a) - 1/a: the derivative of `digamma_excess`."""
    a, above, near = _above(a)
    value = 0.5 / above / above + _curve(above)
    if near.any():
        small = np.where(near, a, LARGE)
        # 1/x^2 less the fall of 1/x from x to x + 1 is 1/(x^2 (x + 1)): nothing cancels.
        x = np.add.outer(np.arange(STEPS), small)
        value = np.where(near, value + (1 / (x * x * (x + 1))).sum(axis=0), value)
    return np.asarray(value)


def _above(a: Array) -> tuple[Array, Array, Where]:
    """a as an array, a or a + STEPS where a is below LARGE, and where that is."""
    a = np.asarray(a, dtype=float)
    near = a < LARGE
    return a, np.where(near, a + STEPS, a), near


def log_gamma_excess_change(a: Array, y: Array) -> Array:
    """log_gamma_excess(a + y) - log_gamma_excess(a) for a > 0, y >= 0, to full relative precision when a >> y.

    With it log(Gamma(a + y)/Gamma(a)) = change + (a + y) log(1 + y/a) + y log(a) - y.
    """
    a, y = np.asarray(a, dtype=float), np.asarray(y, dtype=float)
    large = np.maximum(a, LARGE)
    change = _series(large + y) - _series(large) - 0.5 * np.log1p(y / large)
    return np.asarray(np.where(a > LARGE, change, log_gamma_excess(a + y) - log_gamma_excess(a)))


def digamma_excess_change(a: Array, y: Array) -> Array:
    """a [digamma_excess(a + y) - digamma_excess(a)], to full relative precision when a >> y."""
    a, y = np.asarray(a, dtype=float), np.asarray(y, dtype=float)
    large = np.maximum(a, LARGE)
    change = 0.5 * y / (large + y) - large * (_slope(large + y) - _slope(large))
    return np.asarray(np.where(a > LARGE, change, a * (digamma_excess(a + y) - digamma_excess(a))))


def trigamma_excess_change(a: Array, y: Array) -> Array:
    """a^2 [trigamma_excess(a + y) - trigamma_excess(a)], to full relative precision when a >> y."""
    a, y = np.asarray(a, dtype=float), np.asarray(y, dtype=float)
    large = np.maximum(a, LARGE)
    total = large + y
    change = large * large * (_curve(total) - _curve(large)) - 0.5 * (y / total) * ((large + total) / total)
    return np.asarray(np.where(a > LARGE, change, a * a * (trigamma_excess(a + y) - trigamma_excess(a))))


def log_factorial_excess(y: Array) -> Array:
    """log(y!) - y log(y) + y, elementwise for y >= 0; zero at zero."""
    y = np.asarray(y, dtype=float)
    inside = np.where(y > 0, y, 1.0)
    return np.asarray(np.where(y == 0, 0.0, log_gamma_excess(inside) + np.log(inside)))


def _series(a: Array) -> Array:
    """log_gamma_excess(a) - log(2 pi/a)/2, for a >= LARGE."""
    r = 1 / a
    s = r * r
    return r * (1 / 12 - s * (1 / 360 - s * (1 / 1260 - s * (1 / 1680 - s * (1 / 1188 - s * 691 / 360360)))))


def _slope(a: Array) -> Array:
    """Minus the derivative of `_series`."""
    s = 1 / a / a
    return s * (1 / 12 - s * (1 / 120 - s * (1 / 252 - s * (1 / 240 - s * (1 / 132 - s * 691 / 32760)))))


def _curve(a: Array) -> Array:
    """The second derivative of `_series`."""
    r = 1 / a
    s = r * r
    return r * s * (1 / 6 - s * (1 / 30 - s * (1 / 42 - s * (1 / 30 - s * (5 / 66 - s * 691 / 2730)))))
