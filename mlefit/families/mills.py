"""Mills' ratio of the normal distribution, R(x) = (1 - Phi(x)) / phi(x), and what it falls short of 1/x.

1 - x R(x) is a small difference of large numbers for large x, yet second derivatives of log Phi are made of it;
there it comes from the asymptotic series (Abramowitz and Stegun 1964, 26.2.12).
"""

from __future__ import annotations

from math import pi, sqrt
from typing import Final

import numpy as np

from mlefit.families import special
from mlefit.families.links import Array

LARGE: Final = 12.0
TERMS: Final = 13


def ratio(x: Array) -> Array:
    """R(x); infinite below about -37."""
    return np.asarray(sqrt(pi / 2) * special.erfcx(np.asarray(x) / sqrt(2)))


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
