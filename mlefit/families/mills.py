"""Mills' ratio of the normal distribution, R(x) = (1 - Phi(x)) / phi(x), and what it falls short of 1/x.

1 - x R(x) is a small difference of large numbers for large x, yet second derivatives of log Phi are made of it;
there it comes from the asymptotic series (Abramowitz and Stegun 1964, 26.2.12).
"""

from __future__ import annotations

from math import pi, sqrt, tau
from typing import Final

import numpy as np

from mlefit.families import special
from mlefit.families.links import Array

LARGE: Final = 12.0
# Up to here Phi and phi apart give the ratio to a few last digits, in an eighth of the time that erfcx takes.
APART: Final = 4.0
TERMS: Final = 13


def ratio(x: Array) -> Array:
    """R(x); infinite below about -37."""
    u = np.asarray(x, dtype=float, order="C") / sqrt(2)
    with np.errstate(over="ignore", invalid="ignore"):  # far out, where the other way serves
        result = np.asarray(sqrt(pi / 2) * np.exp(u * u) * special.erfc(u))
    far = np.flatnonzero(~(u <= APART / sqrt(2)))
    if far.size:
        result.ravel()[far] = sqrt(pi / 2) * special.erfcx(np.ravel(u)[far])
    return result


def deficit(x: Array, r: Array) -> Array:
    """1 - x R(x), given r = `ratio(x)`; -R'(x)."""
    x, r = np.broadcast_arrays(x, r)
    result = 1 - x * r
    large = x > LARGE
    if large.any():
        square = 1 / x[large] ** 2
        series = np.ones_like(square)
        for k in range(TERMS, 0, -1):
            series = 1 - (2 * k + 1) * square * series
        result[large] = square * series
    return result


def log_normal_cdf_derivatives(x: Array) -> tuple[Array, Array, Array]:
    """log Phi(x) to the last digit of one, its derivative, the inverse Mills' ratio phi/Phi, and minus its second."""
    x = np.asarray(x, dtype=float, order="C")
    with np.errstate(all="ignore"):  # far to the left, where the other way serves
        below = special.erfc(-x / sqrt(2)) / 2
        pull = np.exp(-x * x / 2) / (sqrt(tau) * below)
        value, bend = np.log(below), pull * (x + pull)
    far = np.flatnonzero(x < -APART)
    if far.size:
        u = x.ravel()[far]
        mills = ratio(-u)
        value.ravel()[far] = np.log(mills) - u * u / 2 - np.log(tau) / 2
        pull.ravel()[far] = 1 / mills
        bend.ravel()[far] = deficit(-u, mills) / mills**2
    return value, pull, bend
