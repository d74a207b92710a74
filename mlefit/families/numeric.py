"""Derivatives by central differences, for families that give only their `nll`.

Fourth-order central differences: the error of a first derivative is h^4 f^(5) / 30 (Abramowitz and Stegun 1964,
25.3.6), so h = 1e-3 leaves about 1e-12 for a function of unit scale.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import numpy as np

from mlefit.families.links import Array

if TYPE_CHECKING:
    from mlefit.families.base import Family

FIRST: Final = 1e-3
SECOND: Final = 4e-3
STENCIL: Final = ((-2, 1 / 12), (-1, -2 / 3), (1, 2 / 3), (2, -1 / 12))


def _moved(eta: Array, j: int, by: Array) -> Array:
    moved = eta.copy()
    moved[j] = moved[j] + by
    return moved


def gradient(nll: Callable[[Array, Array], Array], y: Array, eta: Array) -> Array:
    """d nll / d eta, shape (k, ...)."""
    eta = np.asarray(eta, dtype=float)
    parts = []
    for j in range(eta.shape[0]):
        h = FIRST * np.maximum(1.0, np.abs(eta[j]))
        parts.append(sum((c * nll(y, _moved(eta, j, s * h)) for s, c in STENCIL), np.zeros(())) / h)
    return np.stack(np.broadcast_arrays(*parts)) if parts else np.zeros((0, *np.shape(nll(y, eta))))


def hessian(family: Family, y: Array, eta: Array) -> Array:
    """d2 nll / d eta2, shape (k, k, ...): differences of the gradient, made symmetric.

    A gradient that is itself a difference is differenced with a wider step, since its rounding error is divided
    by that step once more.
    """
    from mlefit.families.base import Family

    eta = np.asarray(eta, dtype=float)
    exact = type(family).gradient is not Family.gradient
    width = FIRST if exact else SECOND
    columns = []
    for j in range(eta.shape[0]):
        h = width * np.maximum(1.0, np.abs(eta[j]))
        columns.append(sum((c * family.gradient(y, _moved(eta, j, s * h)) for s, c in STENCIL), np.zeros(())) / h)
    result = np.stack(columns)
    return np.asarray((result + np.swapaxes(result, 0, 1)) / 2)
