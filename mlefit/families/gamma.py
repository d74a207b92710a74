"""Waiting times and positive sizes; nll = lgamma(a) - a log(b) - (a - 1) log(y) + b y, a = shape, b = rate.

All is written about u = y/c for a centre c, with v = u - 1, D = v - log(u) and delta = log(c b / a), so that
nll = [lgamma(a) - a log(a) + a] + a [expm1(delta) (1 + v) - delta + D] + log(y): terms that stay small for any
shape, where those of the plain formula cancel.
"""

from __future__ import annotations

import numpy as np

from mlefit.families import special
from mlefit.families.base import Derivatives, ExponentialFamily, Parameter, Rows, stack, symmetric
from mlefit.families.drifts import Drift, of_scale
from mlefit.families.links import Array, log
from mlefit.families.stirling import digamma_excess, log_gamma_excess, trigamma_excess
from mlefit.families.support import positive


class Gamma(ExponentialFamily):
    """Density b^a y^(a-1) exp(-b y) / Gamma(a) (Johnson, Kotz and Balakrishnan 1994, chapter 17)."""

    name = "gamma"
    summary = "positive and right-skewed: amounts, waiting times"
    parameters = (Parameter("shape", log, "shape"), Parameter("rate", log, "rate, 1/scale"))
    support = positive
    _centre_size = 1

    def centre(self, rows: Rows) -> Array:
        return rows.mean(rows.y)[None]

    def statistics(self, y: Array, centre: Array) -> Array:
        deviation = (y - centre[0]) / centre[0]
        logs = np.log(y)
        # Far below the centre 1 + deviation has lost the digits of y.
        relative = np.where(deviation < -0.5, logs - np.log(centre[0]), np.log1p(deviation))
        return stack(1.0, deviation, deviation - relative, logs)

    def total(self, sums: Array, centre: Array, eta: Array) -> Derivatives:
        ones, first, second, logs = sums
        a = np.exp(eta[0])
        delta = np.log(centre[0]) + eta[1] - eta[0]
        u = ones + first
        value = a * (np.expm1(delta) * u - delta * ones + second)
        slope = a * (np.expm1(delta) * u + first)
        curve = a * np.exp(delta) * u
        shape = ones * a * digamma_excess(a)
        nll = ones * log_gamma_excess(a) + value + logs
        gradient = stack(shape + value - slope, slope)
        corner = shape + ones * a * a * trigamma_excess(a) + value - 2 * slope + curve
        return nll, gradient, symmetric(corner, slope - curve, curve)

    def derivatives(self, y: Array, eta: Array) -> Derivatives:
        return self.total(self.statistics(y, y[None]), y[None], eta)

    def start_from(self, sums: Array, centre: Array) -> Array:
        """Minka's (2002) approximation for the shape; the rate is then exact."""
        mean = centre[0] * (1 + sums[1] / sums[0])
        s = np.maximum(sums[2] / sums[0] - (sums[1] / sums[0] - np.log1p(sums[1] / sums[0])), 1e-300)
        shape = (3 - s + np.sqrt((s - 3) ** 2 + 24 * s)) / (12 * s)
        return log.forward(np.stack([shape, shape / mean]))

    def log_cdf(self, y: Array, eta: Array) -> Array:
        from mlefit.families.incomplete import log_gamma_cdf

        return log_gamma_cdf(np.exp(eta[0]), y * np.exp(eta[1]))

    def log_sf(self, y: Array, eta: Array) -> Array:
        from mlefit.families.incomplete import log_gamma_sf

        return log_gamma_sf(np.exp(eta[0]), y * np.exp(eta[1]))

    def drift(self, y: Array, eta: Array) -> Drift:
        return of_scale(y, 2, 1, -1.0)

    def quantile(self, q: Array, eta: Array) -> Array:
        return np.asarray(special.gammaincinv(np.exp(eta[0]), q) * np.exp(-eta[1]))

    def mean(self, eta: Array) -> Array:
        return np.exp(eta[0] - eta[1])

    def variance(self, eta: Array) -> Array:
        return np.exp(eta[0] - 2 * eta[1])

    def sample(self, generator: np.random.Generator, eta: Array, n: int) -> Array:
        return generator.standard_gamma(np.exp(eta[0]), n) * np.exp(-eta[1])
