"""log(1 + w)/w and (exp(x) - 1)/x, alone or with their first two derivatives, smooth through zero.

Families whose shape parameter may pass through zero (generalized extreme value and Pareto, Gompertz) are made of
them. Near zero the second derivative is a power series and the others follow from it without cancellation.
"""

from __future__ import annotations

from collections.abc import Callable
from math import factorial
from typing import Final

import numpy as np

from mlefit.families.links import Array

Derivatives = tuple[Array, Array, Array]  # a function and its first two derivatives

# Inside these the far formulas lose digits. The series cost more the more rows they serve, so no further than that.
NEAR_LOG: Final = 0.05
LOG_SERIES: Final = [(-1) ** j * (j + 1) * (j + 2) / (j + 3) for j in range(13)]
NEAR_EXP: Final = 0.2
EXP_SERIES: Final = [1 / (factorial(j) * (j + 3)) for j in range(12)]


def _series(coefficients: list[float], x: Array) -> Array:
    result = np.full_like(x, coefficients[-1])
    for c in reversed(coefficients[:-1]):
        result *= x
        result += c
    return result


def log_quotient(w: Array) -> Array:
    """log(1 + w)/w, elementwise, 1 at zero: both parts keep all their digits near it, unlike the derivatives."""
    with np.errstate(all="ignore"):
        return np.asarray(np.where(w == 0, 1.0, np.log1p(w) / w))


def exp_quotient(x: Array) -> Array:
    """(exp(x) - 1)/x, elementwise, 1 at zero."""
    with np.errstate(all="ignore"):
        return np.asarray(np.where(x == 0, 1.0, np.expm1(x) / x))


def log_ratio(w: Array) -> Derivatives:
    """f(w) = log(1 + w)/w, f' and f'', elementwise; f(0) = 1."""
    return _pieced(w, NEAR_LOG, _log_near, _log_far)


def exp_ratio(x: Array) -> Derivatives:
    """f(x) = (exp(x) - 1)/x, f' and f'', elementwise; f(0) = 1. Integrals of t^j exp(x t) over (0, 1)."""
    return _pieced(x, NEAR_EXP, _exp_near, _exp_far)


def _pieced(
    x: Array, limit: float, near: Callable[[Array], Derivatives], far: Callable[[Array], Derivatives]
) -> Derivatives:
    """`near` where |x| is below `limit`, `far` elsewhere."""
    x = np.asarray(x, dtype=float, order="C")  # so that the results are, and their `ravel` is a view
    close = np.flatnonzero(np.abs(x) < limit)
    if close.size == x.size:
        return near(x)
    with np.errstate(all="ignore"):  # at zero, which is near
        results = far(x)
    if close.size:
        for result, part in zip(results, near(x.ravel()[close]), strict=True):
            result.ravel()[close] = part
    return results


def _log_near(w: Array) -> Derivatives:
    rest = 1 / (1 + w)
    second = _series(LOG_SERIES, w)
    first = -(rest * rest + w * second) / 2
    return rest - w * first, first, second


def _log_far(w: Array) -> Derivatives:
    rest = 1 / (1 + w)
    value = np.log1p(w) / w
    first = (rest - value) / w
    return value, first, -(rest * rest + 2 * first) / w


def _exp_near(x: Array) -> Derivatives:
    power = np.exp(x)
    second = _series(EXP_SERIES, x)
    first = (power - x * second) / 2
    return power - x * first, first, second


def _exp_far(x: Array) -> Derivatives:
    less = np.expm1(x)
    power = less + 1
    value = less / x
    first = (power - value) / x
    return value, first, (power - 2 * first) / x
