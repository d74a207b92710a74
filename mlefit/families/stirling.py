"""log Gamma and its derivatives with the leading Stirling terms taken out.

lgamma(a) - a log(a) + a and its like are small differences of large numbers: for a = 1e10 the plain formula has
no correct digit left. Above `LARGE` the asymptotic series (Abramowitz and Stegun 1964, 6.1.41, 6.3.18, 6.4.12)
gives full precision; below it the plain formula loses at most two digits.
"""

from __future__ import annotations

from math import tau
from typing import Final

import numpy as np
from scipy.special import digamma, gammaln, zeta

from mlefit.families.links import Array

LARGE: Final = 16.0


def log_gamma_excess(a: Array) -> Array:
    """lgamma(a) - a log(a) + a, elementwise for a > 0."""
    a = np.asarray(a, dtype=float)
    large = np.maximum(a, LARGE)
    r = 1 / large
    s = r * r
    series = r * (1 / 12 - s * (1 / 360 - s * (1 / 1260 - s * (1 / 1680 - s * (1 / 1188 - s * 691 / 360360)))))
    small = np.minimum(a, LARGE)
    plain = gammaln(small) - small * np.log(small) + small
    return np.asarray(np.where(a > LARGE, series + 0.5 * np.log(tau * r), plain))


def digamma_excess(a: Array) -> Array:
    """digamma(a) - log(a): the derivative of `log_gamma_excess`."""
    a = np.asarray(a, dtype=float)
    large = np.maximum(a, LARGE)
    r = 1 / large
    s = r * r
    series = -r / 2 - s * (1 / 12 - s * (1 / 120 - s * (1 / 252 - s * (1 / 240 - s * (1 / 132 - s * 691 / 32760)))))
    small = np.minimum(a, LARGE)
    return np.asarray(np.where(a > LARGE, series, digamma(small) - np.log(small)))


def trigamma_excess(a: Array) -> Array:
    """trigamma(a) - 1/a: the derivative of `digamma_excess`."""
    a = np.asarray(a, dtype=float)
    large = np.maximum(a, LARGE)
    r = 1 / large
    s = r * r
    series = s / 2 + r * s * (1 / 6 - s * (1 / 30 - s * (1 / 42 - s * (1 / 30 - s * (5 / 66 - s * 691 / 2730)))))
    small = np.minimum(a, LARGE)
    return np.asarray(np.where(a > LARGE, series, zeta(2.0, small) - 1 / small))
