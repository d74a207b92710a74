"""Waiting times without memory; rate = exp(eta); nll = rate*y - eta."""

from __future__ import annotations

import numpy as np

from mlefit.families.base import Derivatives, ExponentialFamily, Parameter, stack
from mlefit.families.links import Array, log
from mlefit.families.support import nonnegative


class Exponential(ExponentialFamily):
    """Survival function exp(-rate*y). Sufficient statistic: the sum of y; rate-hat is one over the mean."""

    name = "exponential"
    summary = "waiting times at a constant hazard"
    aliases = ("expon", "exp")
    parameters = (Parameter("rate", log, "hazard, 1/mean"),)
    support = nonnegative

    def statistics(self, y: Array, centre: Array) -> Array:
        return stack(1.0, y)

    def total(self, sums: Array, centre: Array, eta: Array) -> Derivatives:
        ones, first = sums
        hazard = first * np.exp(eta[0])
        return hazard - ones * eta[0], (hazard - ones)[None], hazard[None, None]

    def start_from(self, sums: Array, centre: Array) -> Array:
        return -log.forward(sums[1] / sums[0])[None]

    def derivatives(self, y: Array, eta: Array) -> Derivatives:
        hazard = y * np.exp(eta[0])
        return hazard - eta[0], (hazard - 1)[None], hazard[None, None]

    def log_cdf(self, y: Array, eta: Array) -> Array:
        hazard = np.maximum(y, 0.0) * np.exp(eta[0])
        with np.errstate(divide="ignore"):
            return np.where(hazard < 0.5, np.log(-np.expm1(-hazard)), np.log1p(-np.exp(-hazard)))

    def log_sf(self, y: Array, eta: Array) -> Array:
        return -np.maximum(y, 0.0) * np.exp(eta[0])

    def log_sf_derivatives(self, y: Array, eta: Array) -> Derivatives:
        value = self.log_sf(y, eta)
        return value, value[None], value[None, None]

    def quantile(self, q: Array, eta: Array) -> Array:
        with np.errstate(divide="ignore"):
            return -np.log1p(-np.asarray(q)) * np.exp(-eta[0])

    def mean(self, eta: Array) -> Array:
        return np.exp(-eta[0])

    def variance(self, eta: Array) -> Array:
        return np.exp(-2 * eta[0])

    def sample(self, generator: np.random.Generator, eta: Array, n: int) -> Array:
        return generator.standard_exponential(n) * np.exp(-eta[0])

    def crps(self, y: Array, eta: Array) -> Array:
        """Continuous ranked probability score (Jordan, Krueger and Lerch 2019, appendix A)."""
        scale = np.exp(-eta[0])
        return y + scale * (0.5 + 2 * np.expm1(-y / scale))
