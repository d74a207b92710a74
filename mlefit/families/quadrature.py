"""Integrals of smooth functions over one panel, elementwise for many panels at once."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Final

import numpy as np

from mlefit.families.links import Array

NODES: Final = 48


def integral(function: Callable[[Array], Array], width: Array) -> Array:
    """Gauss-Legendre integrals of `function` from 0 to `width`."""
    total = np.zeros_like(width)
    for node, weight in zip(*_rule(), strict=True):
        total += weight * function(width * ((1 + node) / 2))
    return total * (width / 2)


@cache
def _rule() -> tuple[Array, Array]:
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    return nodes, weights


def exponential_mean(function: Callable[[Array], Array]) -> Array:
    """E function(X) for X standard exponential, by the double-exponential rule x = exp(u - exp(-u)).

    (Takahasi and Mori 1974.) `function` gets one x at a time and may have a singularity at zero or below.
    """
    step = 1 / 16
    total: Array | float = 0.0
    for u in np.arange(-4.5, 5.0, step):
        x = np.exp(u - np.exp(-u))
        total = total + function(x) * (step * (1 + np.exp(-u)) * x * np.exp(-x))
    return np.asarray(total)
