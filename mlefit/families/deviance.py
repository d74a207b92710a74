"""Half deviances of counts: what a likelihood loses when its mean moves away from the count.

Written from the difference of the two (Loader 2000, Fast and Accurate Computation of Binomial Probabilities), so
that nothing cancels however large they are: a Poisson log-density at y = mu = 1e10 keeps all its digits.
"""

from __future__ import annotations

import numpy as np

from mlefit.families.incomplete import SERIES, log1p_excess
from mlefit.families.links import Array


def deviance(x: Array, m: Array, difference: Array) -> Array:
    """x log(x/m) + m - x for x, m >= 0; `difference` is m - x where it is known to more digits."""
    with np.errstate(all="ignore"):
        positive = np.where(x > 0, x, 1.0)
        v = difference / positive
        near = np.abs(v) < SERIES
        far = difference + positive * (np.log(positive) - np.log(m))
        return np.where(x > 0, np.where(near, -positive * log1p_excess(np.where(near, v, 0.0)), far), m)


def exp_excess(d: Array) -> Array:
    """exp(d) - 1 - d, never negative, without cancellation for small d."""
    small = np.where(np.abs(d) < SERIES, d, 0.0)
    total = np.ones_like(small)
    for k in range(15, 2, -1):
        total = 1 + total * small / k
    return np.where(np.abs(d) < SERIES, small * small / 2 * total, np.expm1(d) - d)
