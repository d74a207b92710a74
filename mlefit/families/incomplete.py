"""Logarithms of the regularised incomplete gamma and beta functions, accurate however far in the tails.

scipy's functions serve while they are well above underflow. Below that the tail is its leading factor, whose
logarithm is written without cancellation, times a continued fraction that converges in a few steps just there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mlefit.families import special
from mlefit.families.links import Array
from mlefit.families.stirling import log_gamma_excess

SMALL: Final = 1e-200  # a tail below this is taken by its continued fraction
LIMIT: Final = 5_000  # steps of a continued fraction
CLOSE: Final = 0.75  # a probability above this is taken from its complement
DIGITS: Final = 0.1  # x below which 1 - x has lost digits of x that may matter
SERIES: Final = 0.4  # |v| below which log1p(v) - v is summed as a series
Where = NDArray[np.bool_]
Function = Callable[[Array, Array], Array]
# Denominator b_m and numerator a_m of a continued fraction, from m; a_0 is not used.
Step = Callable[[int], tuple[Array, Array]]


def log_gamma_cdf(a: Array, x: Array) -> Array:
    """log P(a, x), the log probability that a gamma variable of shape a and rate 1 is at most x.

    Elementwise and broadcast; -inf for x <= 0. Deep tail: x^a e^-x / Gamma(a) over the continued fraction
    a - x + x/(a + 1 - x + 2x/(a + 2 - x + ...)) (Jones and Thron 1980, the M-fraction of Kummer's M(1, a + 1, x)).
    """
    a, x = _arrays(a, x)
    with np.errstate(all="ignore"):
        result = _log_of(special.gammainc, special.gammaincc, a, x)
        deep = _deep(result, x > 0, x < a)
        if np.any(deep):
            s, t = a[deep], x[deep]
            fraction = _fraction(lambda m: (s - t + m, m * t))
            result[deep] = _log_gamma_factor(s, t) - np.log(fraction)
        result[(x <= 0) & (a > 0)] = -np.inf
    return result[()]


def log_gamma_sf(a: Array, x: Array) -> Array:
    """log Q(a, x), the log probability that a gamma variable of shape a and rate 1 exceeds x.

    Elementwise and broadcast; 0 for x <= 0. Deep tail: x^a e^-x / Gamma(a) over the continued fraction of
    DLMF 8.9.2, x + 1 - a + (a - 1)/(x + 3 - a + 2(a - 2)/(x + 5 - a + ...)).
    """
    a, x = _arrays(a, x)
    with np.errstate(all="ignore"):
        result = _log_of(special.gammaincc, special.gammainc, a, x)
        deep = _deep(result, x < np.inf, x > a)
        if np.any(deep):
            s, t = a[deep], x[deep]
            fraction = _fraction(lambda m: (t + 1 - s + 2 * m, m * (s - m)))
            result[deep] = _log_gamma_factor(s, t) - np.log(fraction)
        result[(x <= 0) & (a > 0)] = 0.0
    return result[()]


def log_beta_cdf(a: Array, b: Array, x: Array, y: Array | None = None) -> Array:
    """log I_x(a, b), the log probability that a beta variable is at most x; y = 1 - x where it has more digits.

    Elementwise and broadcast. Deep tail: x^a y^b / B(a, b) over the even part of the continued fraction of
    DLMF 8.17.22 (DiDonato and Morris 1992, equation 9).
    """
    a, b, x, y = _arrays(a, b, x, 1 - np.asarray(x) if y is None else y)
    x, y = np.clip(x, 0.0, 1.0), np.clip(y, 0.0, 1.0)
    with np.errstate(all="ignore"):
        left = x <= y
        argument, other = np.where(left, x, y), np.where(left, y, x)
        first, second = np.where(left, a, b), np.where(left, b, a)
        near = special.betainc(first, second, argument)
        result = np.where(left, np.log(near), np.log1p(-near))
        close = np.flatnonzero(near > CLOSE)
        if close.size:
            far = _far(*(v.ravel()[close] for v in (first, second, argument, other)))
            result.flat[close] = np.where(left.flat[close], np.log1p(-far), np.log(far))
        deep = _deep(result, x > 0, b * x < a * y)
        if np.any(deep):
            result[deep] = _deep_beta(a[deep], b[deep], x[deep], y[deep])
    return result[()]


def log_beta_sf(a: Array, b: Array, x: Array, y: Array | None = None) -> Array:
    """log(1 - I_x(a, b)), the log probability that a beta variable exceeds x; y = 1 - x where it has more digits."""
    return log_beta_cdf(b, a, 1 - np.asarray(x) if y is None else y, x)


def log1p_excess(v: Array) -> Array:
    """log(1 + v) - v, never positive, without cancellation for small v.

    With r = v/(2 + v), log(1 + v) = 2 artanh(r) (Abramowitz and Stegun 1964, 4.1.27).
    """
    v = np.asarray(v, dtype=float)
    small = np.where(np.abs(v) < SERIES, v, 0.0)
    r = small / (2 + small)
    square = r * r
    total = np.zeros_like(r)
    for k in range(25, 1, -2):
        total = total * square + 1 / k
    return np.where(np.abs(v) < SERIES, r * (2 * square * total - small), np.log1p(v) - v)


def _arrays(*values: Array) -> list[Array]:
    return [np.array(v) for v in np.broadcast_arrays(*(np.asarray(v, dtype=float) for v in values))]


def _log_of(probability: Function, complement: Function, a: Array, x: Array) -> Array:
    """log p, from 1 - p where p is close to one; only what is needed is computed."""
    p = np.atleast_1d(probability(a, x))
    result = np.log(p)
    close = np.flatnonzero(p > CLOSE)
    if close.size:
        result.flat[close] = np.log1p(-complement(a.ravel()[close], x.ravel()[close]))
    return result.reshape(np.shape(x))


def _far(a: Array, b: Array, x: Array, y: Array) -> Array:
    """1 - I_x(a, b); scipy's own complement is slow, and needed only where 1 - x = y has lost digits of x."""
    far = np.asarray(special.betainc(b, a, y))
    small = np.flatnonzero(x < DIGITS)
    far[small] = special.betaincc(a[small], b[small], x[small])
    return far


def _deep(log_p: Array, possible: Where, below: Where) -> Where:
    """Where a probability is too small for scipy though not zero."""
    return possible & below & ~(log_p > np.log(SMALL))


def _log_gamma_factor(a: Array, x: Array) -> Array:
    """log(x^a e^-x / Gamma(a))."""
    v = (x - a) / a
    ratio = x / a
    excess = np.where(v < -SERIES, np.log(x) - np.log(a) - (ratio - 1), log1p_excess(v))
    return a * excess - log_gamma_excess(a)


def _deep_beta(a: Array, b: Array, x: Array, y: Array) -> Array:
    n = a + b
    gap = a * y - b * x
    low, high = -gap / a, gap / b
    factor = a * np.where(low < -SERIES, np.log(x) + np.log(n / a) - low, log1p_excess(low))
    factor = factor + b * log1p_excess(high)
    factor = factor - (log_gamma_excess(a) + log_gamma_excess(b) - log_gamma_excess(n))

    def step(m: int) -> tuple[Array, Array]:
        denominator = m + (a + m) * (gap + 1 + m * (1 + y)) / (a + 2 * m + 1)
        if m == 0:
            return denominator, np.zeros_like(a)
        s = a + 2 * m - 1
        denominator = denominator + m * (b - m) * x / s
        return denominator, (a + m - 1) / s * ((n + m - 1) / s) * m * (b - m) * x * x

    return factor - np.log(_fraction(step))


def _fraction(step: Step) -> Array:
    """b_0 + a_1/(b_1 + a_2/(b_2 + ...)) by the modified Lentz method (Thompson and Barnett 1986)."""
    tiny = 1e-300
    value, _ = step(0)
    value = np.where(value == 0, tiny, value)
    c, d = value, np.zeros_like(value)
    for m in range(1, LIMIT):
        denominator, numerator = step(m)
        d = denominator + numerator * d
        d = 1 / np.where(d == 0, tiny, d)
        c = denominator + numerator / c
        c = np.where(c == 0, tiny, c)
        change = c * d
        value = value * change
        if np.all(~(np.abs(change - 1) > 1e-15)):
            break
    return value
