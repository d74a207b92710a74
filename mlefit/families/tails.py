"""The probability of one tail from that of the other, on the log scale."""

from __future__ import annotations

from math import log as ln

import numpy as np

from mlefit.families.links import Array


def log1mexp(x: Array) -> Array:
    """log(1 - exp(x)), elementwise for x <= 0; full relative precision at both ends (Maechler 2012, equation 7)."""
    x = np.asarray(x, dtype=float)
    with np.errstate(divide="ignore"):
        return np.asarray(np.where(x > -ln(2), np.log(-np.expm1(x)), np.log1p(-np.exp(x))))
