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
BEND: Final = 0.5  # of a row's NLL, from end to middle to end
SHRINKAGES: Final = 40
STENCIL: Final = ((-2, 1 / 12), (-1, -2 / 3), (1, 2 / 3), (2, -1 / 12))


def _moved(eta: Array, j: int, by: Array) -> Array:
    moved = eta.copy()
    moved[j] = moved[j] + by
    return moved


def lengths(nll: Callable[[Array, Array], Array], y: Array, eta: Array) -> Array:
    """How far each score can move, (k, ...), before the NLL of a row bends by about one: its natural unit.

    A location far from zero may have a small scale, and a log of a scale a large shape beside it, so neither one nor
    the score's own size will do as a unit. Each trial is made at three steps, for a wide one can miss a narrow dip.
    """
    result = np.maximum(1.0, np.abs(eta))
    with np.errstate(all="ignore"):
        here = nll(y, eta)
        for j in range(eta.shape[0]):
            length = result[j]
            for _ in range(SHRINKAGES):
                bent = np.zeros(length.shape, dtype=bool)
                for part in (1.0, 0.35, 0.12):
                    step = part * length
                    bend = np.abs(nll(y, _moved(eta, j, step)) - 2 * here + nll(y, _moved(eta, j, -step)))
                    if length.shape[-1] == 1:
                        finite = np.isfinite(bend)
                        count = np.maximum(finite.sum(axis=-1, keepdims=True), 1)
                        bend = np.where(finite, bend, 0.0).sum(axis=-1, keepdims=True) / count
                    bent |= bend > BEND
                if not bent.any():
                    break
                length = np.where(bent, length / 4, length)
            result[j] = length
    return np.asarray(result)


def gradient(nll: Callable[[Array, Array], Array], y: Array, eta: Array, units: Array | None = None) -> Array:
    """d nll / d eta, shape (k, ...). `units` are the `lengths`, where they are known."""
    eta = np.asarray(eta, dtype=float)
    units = lengths(nll, y, eta) if units is None else units
    parts = []
    for j in range(eta.shape[0]):
        h = FIRST * units[j]
        parts.append(sum((c * nll(y, _moved(eta, j, s * h)) for s, c in STENCIL), np.zeros(())) / h)
    return np.stack(np.broadcast_arrays(*parts)) if parts else np.zeros((0, *np.shape(nll(y, eta))))


def hessian(family: Family, y: Array, eta: Array) -> Array:
    """d2 nll / d eta2, shape (k, k, ...): differences of the gradient, made symmetric.

    A gradient that is itself a difference is differenced with a wider step, since its rounding error is divided
    by that step once more.
    """
    from mlefit.families.base import Family

    eta = np.asarray(eta, dtype=float)
    units = lengths(family.nll, y, eta)
    exact = type(family).gradient is not Family.gradient
    width = FIRST if exact else SECOND

    def slope(at: Array) -> Array:
        return family.gradient(y, at) if exact else gradient(family.nll, y, at, units)

    columns = []
    for j in range(eta.shape[0]):
        h = width * units[j]
        columns.append(sum((c * slope(_moved(eta, j, s * h)) for s, c in STENCIL), np.zeros(())) / h)
    result = np.stack(columns)
    return np.asarray((result + np.swapaxes(result, 0, 1)) / 2)
