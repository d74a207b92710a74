"""Mortality that rises exponentially: hazard rate exp(shape y); with H = rate (exp(shape y) - 1)/shape:
nll = H - shape y - log(rate).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log as ln
from typing import Final

import numpy as np

from mlefit.families.base import Derivatives, Parameter, Rows, TermFamily, stack, symmetric
from mlefit.families.inversion import bisect
from mlefit.families.links import Array, identity, log
from mlefit.families.ratios import exp_quotient, exp_ratio
from mlefit.families.support import nonnegative
from mlefit.families.tails import log1mexp

# Cumulative hazard at the upper quartile over that at the lower one.
RATIO: Final = ln(0.25) / ln(0.75)


class Gompertz(TermFamily):
    """shape and rate as in R's flexsurv; at shape 0 the exponential.

    A negative shape leaves the probability exp(rate/shape) of never failing: there the mean is infinite and high
    quantiles are.
    """

    name = "gompertz"
    summary = "adult human mortality, lifetimes with an exponentially rising hazard"
    parameters = (
        Parameter("shape", identity, "relative increase of the hazard per unit of y; 0 is exponential"),
        Parameter("rate", log, "hazard at y = 0"),
    )
    support = nonnegative

    def nll(self, y: Array, eta: Array) -> Array:
        return -self.log_sf(y, eta) - eta[0] * y - eta[1]

    def terms(self, y: Array, eta: Array) -> Sequence[Array]:
        x = eta[0] * y
        value, first, second = exp_ratio(x)
        square = y * y
        return y * value, np.broadcast_to(y, x.shape), square * first, y * square * second

    def assemble(self, ones: Array | float, terms: Sequence[Array], eta: Array) -> Derivatives:
        rate = np.exp(eta[1])
        reduced, y, first, second = terms
        hazard, slope = rate * reduced, rate * first
        return (
            hazard - eta[0] * y - ones * eta[1],
            stack(slope - y, hazard - ones),
            symmetric(rate * second, slope, hazard),
        )

    def start(self, rows: Rows) -> Array:
        """shape from the two quartiles, then rate in closed form given shape."""
        low, high = (rows.quantile(rows.y, q) for q in (0.25, 0.75))
        # Bounds are in units of the upper quartile.
        unit = np.where(high > 0, high, 1.0)

        def excess(score: Array) -> Array:
            shape = np.sinh(score) / unit
            return high * exp_quotient(shape * high) - RATIO * low * exp_quotient(shape * low)

        with np.errstate(all="ignore"):
            shape = np.sinh(bisect(excess, np.full(low.shape, -1.0), np.full(low.shape, 6.0))) / unit
            total = rows.mean(rows.y * exp_quotient(rows.spread(shape) * rows.y))
            return np.stack([shape, log.forward(1 / total)])

    def log_cdf(self, y: Array, eta: Array) -> Array:
        return log1mexp(self.log_sf(y, eta))

    def log_sf(self, y: Array, eta: Array) -> Array:
        y = np.maximum(y, 0.0)
        x = eta[0] * y
        with np.errstate(over="ignore"):
            ratio = np.where(x == 0, y, np.expm1(x) / np.where(x == 0, 1.0, eta[0]))
            return -np.exp(eta[1]) * ratio

    def log_sf_derivatives(self, y: Array, eta: Array) -> Derivatives:
        y = np.maximum(y, 0.0)
        with np.errstate(over="ignore", invalid="ignore"):
            hazard = -y * np.exp(eta[1])
            value, first, second = (hazard * f for f in exp_ratio(eta[0] * y))
            return value, stack(y * first, value), symmetric(y * y * second, y * first, value)

    def quantile(self, q: Array, eta: Array) -> Array:
        with np.errstate(all="ignore"):
            return self._outward(-np.log1p(-np.asarray(q)), eta)

    def _outward(self, hazard: Array | float, eta: Array) -> Array:
        """y at a cumulative hazard; infinite beyond what a negative shape ever reaches."""
        h = hazard * np.exp(-eta[1])
        w = eta[0] * h
        with np.errstate(all="ignore"):
            inner = np.where(w == 0, h, np.log1p(w) / np.where(w == 0, 1.0, eta[0]))
            return np.where(w > -1, inner, np.inf)

    def mean(self, eta: Array) -> Array:
        from mlefit.families.quadrature import exponential_mean

        with np.errstate(invalid="ignore"):
            mean = exponential_mean(lambda x: self._outward(x, eta))
        return np.where(eta[0] < 0, np.inf, mean)

    def variance(self, eta: Array) -> Array:
        from mlefit.families.quadrature import exponential_mean

        mean = self.mean(eta)
        with np.errstate(invalid="ignore"):
            square = exponential_mean(lambda x: (self._outward(x, eta) - mean) ** 2)
        return np.where(eta[0] < 0, np.inf, square)

    def sample(self, generator: np.random.Generator, eta: Array, n: int) -> Array:
        return self._outward(generator.standard_exponential(n), eta)
