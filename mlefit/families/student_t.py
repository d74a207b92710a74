"""Heavy tails; nll = log(scale) + c(df) + (df + 1)/2 log(1 + z^2/df) + log(2 pi)/2, z = (y - loc)/scale.

c(df) = lgamma(df/2) - lgamma((df + 1)/2) + log(df/2)/2 and the other terms are written so that none cancels as df
grows, up to the normal distribution itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import tau
from typing import Final

import numpy as np

from mlefit.families import special
from mlefit.families.base import Derivatives, Parameter, Rows, TermFamily, stack, symmetric
from mlefit.families.drifts import Drift, of_location_scale
from mlefit.families.incomplete import log1p_excess, log_beta_cdf
from mlefit.families.links import Array, identity, log
from mlefit.families.support import real

HALF_LOG_TAU: Final = np.log(tau) / 2
# Above this df, log(1 + w) is no longer near enough to w/(1 + w) to be subtracted from it.
MANY: Final = 50.0
HUGE: Final = 1e280
SHIFT: Final = 10  # from here on the series of c is exact
# Coefficients of a^-1, a^-3 ... in the asymptotic series of c.
TERMS: Final = (1 / 8, -1 / 192, 1 / 640, -17 / 14336, 31 / 18432, -691 / 180224, 5461 / 425984)
NORMAL_DF: Final = 1e16  # where to start when the data have lighter tails than the normal


class StudentT(TermFamily):
    """The t distribution with df degrees of freedom, moved and stretched (Lange, Little and Taylor 1989)."""

    name = "student-t"
    summary = "like the normal with outliers"
    aliases = ("t", "studentt", "students-t", "student")
    parameters = (
        Parameter("df", log, "degrees of freedom: the fewer, the heavier the tails", limit="normal"),
        Parameter("loc", identity, "centre"),
        Parameter("scale", log, "scale; the standard deviation is larger"),
    )
    support = real

    def nll(self, y: Array, eta: Array) -> Array:
        df = np.exp(eta[0])
        z = (y - eta[1]) * np.exp(-eta[2])
        return (df + 1) / 2 * _logs(z, df)[1] + (eta[2] + HALF_LOG_TAU + _constants(df / 2)[0])

    def terms(self, y: Array, eta: Array) -> Sequence[Array]:
        df = np.exp(eta[0])
        z = (y - eta[1]) * np.exp(-eta[2])
        w, logs = _logs(z, df)
        rest = 1 / (1 + w)
        u = w * rest
        excess = log1p_excess(w) + w * u if np.any(df > MANY) else logs - u
        near = rest * rest
        pull = rest * z
        return logs, excess, u, u * u, u * rest, 2 * near - rest, pull, near * z

    def assemble(self, ones: Array | float, terms: Sequence[Array], eta: Array) -> Derivatives:
        logs, excess, u, square, mixed, curve, pull, near = terms
        df, inverse = np.exp(eta[0]), np.exp(-eta[2])
        constant, first, second = _constants(df / 2)
        more = 1 + 1 / df
        return (
            (df + 1) / 2 * logs + ones * (eta[2] + HALF_LOG_TAU + constant),
            stack((df * excess - u) / 2 + ones * first, -more * pull * inverse, ones - (df + 1) * u),
            symmetric(
                (df * (excess - square) + mixed) / 2 + ones * (first + second),
                (more * near - pull) * inverse,
                more * curve * inverse**2,
                mixed - df * square,
                2 * more * near * inverse,
                2 * (df + 1) * mixed,
            ),
        )

    def start(self, rows: Rows) -> Array:
        """The normal's estimates where the data have lighter tails than the normal, else robust ones.

        Of the log-likelihood at the normal's estimates, the derivative in 1/df is n (kurtosis - 3)/4.
        """
        robust = self._robust(rows)
        mean, variance = rows.mean(rows.y), rows.variance(rows.y)
        spread = np.sqrt(np.maximum(variance, 1e-300))
        square = ((rows.y - rows.spread(mean)) / rows.spread(spread)) ** 2
        light = (rows.mean(square * square) < 3) & (variance > 0)
        normal = np.stack([np.full_like(mean, np.log(NORMAL_DF)), mean, log.forward(spread)])
        return np.where(light, normal, robust)

    def starts(self, rows: Rows) -> list[Array]:
        """Besides the first, robust ones at the median and at the quartiles: heavy tails allow several modes."""
        robust = self._robust(rows)
        places = [np.stack([robust[0], rows.quantile(rows.y, q), robust[2]]) for q in (0.25, 0.75)]
        narrow = np.stack([np.zeros_like(robust[0]), robust[1], robust[2]])
        return [self.start(rows), narrow, *places]

    def _robust(self, rows: Rows) -> Array:
        """Median and median absolute deviation; df from how much larger the mean absolute deviation is.

        The ratio of the two is about 1.183 + 0.47/(df - 1.2), and the quartile of a standard t about
        0.6745 (1 + 0.4/df): fits good to 5 % for df from 1.5 to infinity.
        """
        median = rows.quantile(rows.y, 0.5)
        distance = np.abs(rows.y - rows.spread(median))
        middle, mean = rows.quantile(distance, 0.5), rows.mean(distance)
        middle = np.where(middle > 0, middle, mean)
        df = 1.2 + 0.47 / np.maximum(mean / np.maximum(middle, 1e-300) - 1.183, 5e-3)
        return np.stack([np.log(df), median, log.forward(middle / (0.6745 * (1 + 0.4 / df)))])

    def log_cdf(self, y: Array, eta: Array) -> Array:
        return _log_cdf((y - eta[1]) * np.exp(-eta[2]), np.exp(eta[0]))

    def log_sf(self, y: Array, eta: Array) -> Array:
        return _log_cdf((eta[1] - y) * np.exp(-eta[2]), np.exp(eta[0]))

    def drift(self, y: Array, eta: Array) -> Drift:
        return of_location_scale(y, eta, 1, 2)

    def quantile(self, q: Array, eta: Array) -> Array:
        return np.asarray(eta[1] + np.exp(eta[2]) * special.stdtrit(np.exp(eta[0]), q))

    def mean(self, eta: Array) -> Array:
        return np.where(eta[0] > 0, eta[1], np.nan)

    def variance(self, eta: Array) -> Array:
        df = np.exp(eta[0])
        with np.errstate(divide="ignore"):
            stretch = np.where(df > 2, 1 / np.abs(1 - 2 / df), np.where(df > 1, np.inf, np.nan))
        return stretch * np.exp(2 * eta[2])

    def sample(self, generator: np.random.Generator, eta: Array, n: int) -> Array:
        return eta[1] + np.exp(eta[2]) * generator.standard_t(np.exp(eta[0]), n)


def _logs(z: Array, df: Array) -> tuple[Array, Array]:
    """w = z^2/df, cut off at `HUGE`, and log(1 + w), not cut off."""
    w = z * z / df
    logs = np.log1p(w)
    beyond = w > HUGE
    if np.any(beyond):
        logs = np.where(beyond, 2 * np.log(np.abs(z)) - np.log(df), logs)
        w = np.minimum(w, HUGE)
    return w, logs


def _constants(a: Array) -> Derivatives:
    """`_constant` of every row; rows of one group follow each other and share it."""
    if a.ndim != 1 or a.size < 2:
        return _constant(a)
    first = np.flatnonzero(np.concatenate([[True], a[1:] != a[:-1]]))
    if 2 * first.size > a.size:
        return _constant(a)
    repeats = np.diff(first, append=a.size)
    value, slope, curve = (np.repeat(t, repeats) for t in _constant(a[first]))
    return value, slope, curve


def _constant(a: Array) -> Derivatives:
    """c = lgamma(a) - lgamma(a + 1/2) + log(a)/2, a dc/da and a^2 d2c/da2.

    For large a from DLMF 5.11.8, whose terms for h = 1/2 and h = 0 differ by (2 - 2^(1-k)) B_k / (k (k-1)) a^(1-k).
    Smaller ones are first raised by `SHIFT`, with c(x) - c(x + 1) = log(1 + 1/(4 x (x + 1)))/2: no term cancels.
    """
    a = np.asarray(a, dtype=float)
    near = a < SHIFT
    large = np.where(near, a + SHIFT, a)
    r = 1 / large
    s = r * r
    series = [np.zeros_like(r), np.zeros_like(r), np.zeros_like(r)]
    for j in range(len(TERMS) - 1, -1, -1):
        power = 2 * j + 1
        for i, factor in enumerate((1, -power, power * (power + 1))):
            series[i] = series[i] * s + factor * TERMS[j]
    ratio = a * r
    value, slope, curve = r * series[0], ratio * r * series[1], ratio * ratio * r * series[2]
    if near.any():
        x = np.minimum(a, SHIFT)
        product, first, second = np.ones_like(x), np.zeros_like(x), np.zeros_like(x)
        for _ in range(SHIFT):
            step = x * (x + 1)
            bend = 0.25 / ((x + 0.5) * step)
            product *= 1 + 0.25 / step
            first += bend
            second += bend * bend * (12 * step + 2)
            x = x + 1
        value = value + np.where(near, np.log(product) / 2, 0.0)
        slope = slope - np.where(near, a * first, 0.0)
        curve = curve + np.where(near, a * a * second, 0.0)
    return value, slope, curve


def _log_cdf(z: Array, df: Array) -> Array:
    """log P(T <= z), by P(T > |z|) = I_x(df/2, 1/2)/2 with x = df/(df + z^2); I_x is x^a/(a B(a, 1/2)) for x near 0."""
    a, half = df / 2, np.array(0.5)
    with np.errstate(all="ignore"):
        w, logs = _logs(z, df)
        x = 1 / (1 + w)
        tail = log_beta_cdf(a, half, x, w * x)
        tail = np.where(w < HUGE, tail, -a * logs - np.log(a) - special.betaln(a, half)) - np.log(2)
        return np.where(z > 0, np.log1p(-np.exp(tail)), tail)
