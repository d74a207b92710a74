"""Integrals of smooth functions over one panel, elementwise for many panels at once."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Final

import numpy as np

from mlefit.families.links import Array

NODES: Final = 48
TOGETHER: Final = 2**14  # evaluations of a function in one call


def integral(function: Callable[[Array], Array], width: Array) -> Array:
    """Gauss-Legendre integrals of `function` from 0 to `width`.

    The function's arguments have the nodes, or some of them, before the axes of `width`, as its results may have more
    axes before those.
    """
    nodes, weights = _rule()
    at = ((1 + nodes) / 2).reshape(-1, *[1] * width.ndim)
    step = max(1, TOGETHER // max(1, width.size))
    total: Array | float = 0.0
    for begin in range(0, NODES, step):  # few panels take one call, and many stay in a core's cache
        values = function(width * at[begin : begin + step])
        total = total + np.moveaxis(values, values.ndim - width.ndim - 1, -1) @ weights[begin : begin + step]
    return np.asarray(total * (width / 2))


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
