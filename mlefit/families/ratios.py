"""log(1 + w)/w and (exp(x) - 1)/x with their first two derivatives, smooth through zero.

Families whose shape parameter may pass through zero (generalized extreme value and Pareto, Gompertz) are made of
them. Near zero the second derivative is a power series and the others follow from it without cancellation.
"""

from __future__ import annotations

from math import factorial
from typing import Final

import numpy as np

from mlefit.families.links import Array

NEAR_LOG: Final = 0.1
LOG_SERIES: Final = [(-1) ** j * (j + 1) * (j + 2) / (j + 3) for j in range(18)]
NEAR_EXP: Final = 0.5
EXP_SERIES: Final = [1 / (factorial(j) * (j + 3)) for j in range(14)]


def _series(coefficients: list[float], x: Array) -> Array:
    result = np.full_like(x, coefficients[-1])
    for c in reversed(coefficients[:-1]):
        result *= x
        result += c
    return result


def log_ratio(w: Array) -> tuple[Array, Array, Array]:
    """f(w) = log(1 + w)/w, f' and f'', elementwise; f(0) = 1."""
    w = np.asarray(w, dtype=float)
    rest = 1 / (1 + w)
    near = np.abs(w) < NEAR_LOG
    safe = np.where(near, 1.0, w)
    value = np.log1p(w) / safe
    first = (rest - value) / safe
    second = -(rest * rest + 2 * first) / safe
    if near.any():
        x, r = w[near], rest[near]
        second[near] = s = _series(LOG_SERIES, x)
        first[near] = f = -(r * r + x * s) / 2
        value[near] = r - x * f
    return value, first, second


def exp_ratio(x: Array) -> tuple[Array, Array, Array]:
    """f(x) = (exp(x) - 1)/x, f' and f'', elementwise; f(0) = 1. Integrals of t^j exp(x t) over (0, 1)."""
    x = np.asarray(x, dtype=float)
    power = np.exp(x)
    near = np.abs(x) < NEAR_EXP
    safe = np.where(near, 1.0, x)
    value = np.expm1(x) / safe
    first = (power - value) / safe
    second = (power - 2 * first) / safe
    if near.any():
        u, e = x[near], power[near]
        second[near] = s = _series(EXP_SERIES, u)
        first[near] = f = (e - u * s) / 2
        value[near] = e - u * f
    return value, first, second
