"""Largest values of light-tailed data; with z = (y - loc)/scale: nll = log(scale) + z + exp(-z)."""

from __future__ import annotations

from math import pi, sqrt

import numpy as np

from mlefit.families.base import Derivatives, Parameter, Rows
from mlefit.families.drifts import Drift, of_location_scale
from mlefit.families.links import Array, identity, log
from mlefit.families.location_scale import LocationScale
from mlefit.families.support import real
from mlefit.families.tails import log1mexp


class Gumbel(LocationScale):
    """Distribution function exp(-exp(-z)) (Johnson, Kotz and Balakrishnan 1995, chapter 22)."""

    name = "gumbel"
    summary = "yearly maxima: floods, winds, loads"
    aliases = ("gumbel-r", "extreme-value")
    parameters = (Parameter("loc", identity, "mode"), Parameter("scale", log, "scale"))
    support = real

    def nll(self, y: Array, eta: Array) -> Array:
        z = (y - eta[0]) * np.exp(-eta[1])
        return eta[1] + z + np.exp(-z)

    def standard(self, z: Array) -> Derivatives:
        rate = np.exp(-z)
        return z + rate, 1 - rate, rate

    def start(self, rows: Rows) -> Array:
        """Moments: the mean is loc + 0.5772 scale, the variance pi^2 scale^2 / 6."""
        scale = np.sqrt(6 * rows.variance(rows.y)) / pi
        return np.stack([rows.mean(rows.y) - np.euler_gamma * scale, log.forward(scale)])

    def log_cdf(self, y: Array, eta: Array) -> Array:
        with np.errstate(over="ignore"):
            return -np.exp((eta[0] - y) * np.exp(-eta[1]))

    def log_sf(self, y: Array, eta: Array) -> Array:
        return log_tail((y - eta[0]) * np.exp(-eta[1]))

    def drift(self, y: Array, eta: Array) -> Drift:
        return of_location_scale(y, eta)

    def quantile(self, q: Array, eta: Array) -> Array:
        with np.errstate(divide="ignore"):
            return eta[0] - np.exp(eta[1]) * np.log(-np.log(q))

    def mean(self, eta: Array) -> Array:
        return eta[0] + np.euler_gamma * np.exp(eta[1])

    def variance(self, eta: Array) -> Array:
        return np.exp(2 * eta[1]) * (pi / sqrt(6)) ** 2

    def sample(self, generator: np.random.Generator, eta: Array, n: int) -> Array:
        return eta[0] - np.exp(eta[1]) * np.log(generator.standard_exponential(n))


def log_tail(z: Array) -> Array:
    """log(1 - exp(-exp(-z))), also where exp(-z) underflows."""
    with np.errstate(over="ignore"):
        rate = np.exp(-z)
        return np.where(rate < 1e-15, -z, log1mexp(-np.maximum(rate, 1e-300)))
