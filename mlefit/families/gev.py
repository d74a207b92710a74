"""Largest values; with z = (y - loc)/scale, l = log(1 + xi z)/xi: nll = log(scale) + (1 + xi) l + exp(-l).

For xi below -1 the likelihood grows without bound as the upper endpoint nears the largest value (Smith 1985), so
the NLL is infinite for xi <= -1: no estimate is ever found there.
"""

from __future__ import annotations

from math import log as ln
from math import pi
from types import MappingProxyType
from typing import Final

import numpy as np

from mlefit.families.base import Derivatives, JointFamily, Parameter, Rows, stack, symmetric
from mlefit.families.drifts import Drift, of_location_scale
from mlefit.families.gumbel import log_tail
from mlefit.families.inversion import bisect
from mlefit.families.links import Array, identity, log
from mlefit.families.ratios import exp_quotient, log_quotient, log_ratio
from mlefit.families.support import real

# -log(-log q), the standard Gumbel quantiles that the start is built on.
LOWER, MIDDLE, UPPER = (-ln(-ln(q)) for q in (0.1, 0.5, 0.9))
# zeta(k) (2^k - 2) / k for k = 2, 3 ...: the series of log Gamma(1 - 2x) - 2 log Gamma(1 - x).
GAMMA_SERIES: Final = [
    z * (2.0**k - 2) / k
    for k, z in enumerate(
        (
            pi**2 / 6,
            1.2020569031595942,
            pi**4 / 90,
            1.0369277551433699,
            pi**6 / 945,
            1.0083492773819228,
            pi**8 / 9450,
            1.0020083928260822,
        ),
        start=2,
    )
]


class GEV(JointFamily):
    """Distribution function exp(-(1 + xi z)^(-1/xi)), Gumbel's at xi = 0 (Coles 2001, equation 3.2)."""

    name = "gev"
    summary = "block maxima with any kind of tail"
    # scipy's genextreme has the opposite sign of the shape, so its name is no alias.
    aliases = ("generalized-extreme-value",)
    parameters = (
        Parameter("loc", identity, "location"),
        Parameter("scale", log, "scale"),
        Parameter("shape", identity, "xi (scipy's c is -xi): above 0 a heavy tail, below 0 a finite end"),
    )
    cliffs = MappingProxyType({"shape": -1.0})  # Smith (1985)
    # With e the lower end, nll nears n log(xi) + sum log(y - e) + n: falling without end for y_1 - e = exp(-xi).
    summits = MappingProxyType({"shape": "the lower end of its support closes in on the smallest value"})
    support = real

    def derivatives(self, y: Array, eta: Array) -> Derivatives:
        inverse = np.exp(-eta[1])
        z = (y - eta[0]) * inverse
        xi = eta[2]
        w = xi * z
        rest = 1 / (1 + w)
        value, first, second = log_ratio(w)
        square = z * z
        reduced, d, dd = z * value, square * first, square * z * second  # l and its derivatives with respect to xi
        rate = np.exp(-reduced)
        nll = np.where((w > -1) & (xi > -1), eta[1] + (1 + xi) * reduced + rate, np.inf)
        slope = 1 + xi - rate  # d nll / d l
        loc, scale = -rest * inverse, -z * rest  # dl / d loc and dl / d log(scale)
        bend = slope * rest * rest
        gradient = stack(slope * loc, 1 + slope * scale, reduced + slope * d)
        hessian = symmetric(
            rate * loc * loc - xi * bend * inverse**2,
            rate * loc * scale + bend * inverse,
            rate * scale * scale + bend * z,
            (1 + rate * d) * loc + bend * z * inverse,
            (1 + rate * d) * scale + bend * square,
            (2 + rate * d) * d + slope * dd,
        )
        return nll, gradient, hessian

    def starts(self, rows: Rows) -> list[Array]:
        """Three quantiles solved for the three parameters; and Gumbel's moments."""
        y = rows.y
        low, middle, high = (rows.quantile(y, q) for q in (0.1, 0.5, 0.9))
        spread = np.sqrt(rows.variance(y))
        width = np.where(high > low, high - low, np.maximum(spread, 1e-300))
        below = np.maximum(middle - low, 1e-9 * width)
        target = np.maximum(high - middle, 1e-9 * width) / below

        def excess(xi: Array) -> Array:
            return np.exp(MIDDLE * xi) * _span(xi, UPPER - MIDDLE) - target * np.exp(LOWER * xi) * _span(
                xi, MIDDLE - LOWER
            )

        with np.errstate(all="ignore"):
            xi = bisect(excess, np.full(middle.shape, -0.7), np.full(middle.shape, 20.0))
            scale = below / (np.exp(LOWER * xi) * _span(xi, MIDDLE - LOWER))
            loc = middle - scale * _span(xi, MIDDLE)
            reach = np.where(xi < 0, -xi * (rows.maximum(y) - loc), xi * (loc - rows.minimum(y)))
            scale = np.maximum(scale, 1.05 * reach)
            flat = np.sqrt(6) * spread / pi
            return [
                np.stack([loc, log.forward(scale), xi]),
                np.stack([rows.mean(y) - np.euler_gamma * flat, log.forward(flat), np.zeros_like(xi)]),
            ]

    def start(self, rows: Rows) -> Array:
        return self.starts(rows)[0]

    def _reduced(self, y: Array, eta: Array) -> Array:
        """l; infinite beyond the end of the support."""
        z = (y - eta[0]) * np.exp(-eta[1])
        with np.errstate(all="ignore"):
            return np.where(eta[2] * z > -1, z * log_quotient(eta[2] * z), np.where(eta[2] > 0, -np.inf, np.inf))

    def log_cdf(self, y: Array, eta: Array) -> Array:
        with np.errstate(over="ignore"):
            return -np.exp(-self._reduced(y, eta))

    def log_sf(self, y: Array, eta: Array) -> Array:
        return log_tail(self._reduced(y, eta))

    def drift(self, y: Array, eta: Array) -> Drift:
        return of_location_scale(y, eta)

    def quantile(self, q: Array, eta: Array) -> Array:
        with np.errstate(divide="ignore"):
            return self._outward(-np.log(-np.log(q)), eta)

    def _outward(self, x: Array, eta: Array) -> Array:
        """loc + scale (exp(xi x) - 1)/xi for a standard Gumbel x."""
        with np.errstate(all="ignore"):
            ends = np.where(
                x > 0, np.where(eta[2] < 0, -1 / eta[2], np.inf), np.where(eta[2] > 0, -1 / eta[2], -np.inf)
            )
            z = np.where(np.isinf(x), ends, _span(eta[2], x))
        return eta[0] + np.exp(eta[1]) * z

    def mean(self, eta: Array) -> Array:
        """loc + scale (Gamma(1 - xi) - 1)/xi."""
        from scipy.special import gammaln

        inside = np.where((eta[2] < 1) & (np.abs(eta[2]) > 1e-12), eta[2], 0.5)
        ratio = np.where(np.abs(eta[2]) > 1e-12, np.expm1(gammaln(1 - inside)) / inside, np.euler_gamma)
        return np.where(eta[2] < 1, eta[0] + np.exp(eta[1]) * ratio, np.inf)

    def variance(self, eta: Array) -> Array:
        """scale^2 (Gamma(1 - 2 xi) - Gamma(1 - xi)^2) / xi^2."""
        from scipy.special import gammaln

        xi = np.where(eta[2] < 0.5, eta[2], 0.0)
        far = np.abs(xi) > 0.01
        safe = np.where(far, xi, 0.1)
        series = np.zeros_like(xi)
        for c in reversed(GAMMA_SERIES):
            series = series * xi + c
        gap = np.where(far, gammaln(1 - 2 * safe) - 2 * gammaln(1 - safe), series * xi * xi)
        ratio = np.where(far, np.expm1(gap) / safe**2, series * exp_quotient(gap))
        return np.where(eta[2] < 0.5, np.exp(2 * eta[1] + 2 * gammaln(1 - xi)) * ratio, np.inf)

    def sample(self, generator: np.random.Generator, eta: Array, n: int) -> Array:
        return self._outward(-np.log(generator.standard_exponential(n)), eta)


def _span(xi: Array, x: Array | float) -> Array:
    """(exp(xi x) - 1)/xi."""
    return x * exp_quotient(xi * x)
