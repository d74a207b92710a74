"""Power-law tails above a minimum; nll = (shape + 1) log(y) - shape log(scale) - log(shape) for y >= scale."""

from __future__ import annotations

from typing import Final

import numpy as np

from mlefit.families.base import Derivatives, Family, Parameter, Rows, stack, symmetric
from mlefit.families.links import Array, log
from mlefit.families.support import positive
from mlefit.families.tails import log1mexp

# The minimum passes through a logarithm and back: within this it is still in the support.
ROUNDING: Final = 8 * np.finfo(float).eps


class Pareto(Family):
    """scale-hat is the smallest y, shape-hat is n / sum(log(y/scale)) (Johnson et al. 1994, chapter 20)."""

    name = "pareto"
    summary = "sizes above a known or estimated minimum: cities, claims, files"
    aliases = ("pareto1", "power-law")
    parameters = (Parameter("scale", log, "the minimum"), Parameter("shape", log, "index of the tail"))
    support = positive
    irregular = frozenset({"scale"})
    aside = 0.0
    irregular_note = "the likelihood rises with scale up to the smallest value, which is its estimate"

    def _excess(self, y: Array, eta: Array) -> tuple[Array, Array]:
        """log y and log(y/scale), the latter NaN below the scale."""
        logs = np.log(y)
        excess = logs - eta[0]
        slack = ROUNDING * np.maximum(1.0, np.abs(eta[0]))
        return logs, np.where(excess >= -slack, np.maximum(excess, 0.0), np.nan)

    def nll(self, y: Array, eta: Array) -> Array:
        logs, excess = self._excess(y, eta)
        return np.where(np.isnan(excess), np.inf, np.exp(eta[1]) * excess + logs - eta[1])

    def gradient(self, y: Array, eta: Array) -> Array:
        return self.derivatives(y, eta)[1]

    def hessian(self, y: Array, eta: Array) -> Array:
        return self.derivatives(y, eta)[2]

    def derivatives(self, y: Array, eta: Array) -> Derivatives:
        logs, excess = self._excess(y, eta)
        shape = np.exp(eta[1])
        fall = shape * excess
        nll = np.where(np.isnan(excess), np.inf, fall + logs - eta[1])
        return nll, stack(-shape, fall - 1), symmetric(0.0, -shape, fall)

    def start(self, rows: Rows) -> Array:
        logs = np.log(rows.y)
        least = rows.minimum(logs)
        with np.errstate(divide="ignore"):
            return np.stack([least, log.forward(1 / rows.mean(logs - rows.spread(least)))])

    def bend(self, name: str, y: Array, eta: Array) -> tuple[Array, Array, Array]:
        """log y - log scale is exponential with rate `shape`: a frontier that no row is below (Schmidt 1976)."""
        if name != "scale":
            return super().bend(name, y, eta)
        return np.log(y), np.broadcast_to(np.exp(eta[1]), y.shape), np.full(y.shape, np.inf)

    def log_cdf(self, y: Array, eta: Array) -> Array:
        return log1mexp(self.log_sf(y, eta))

    def log_sf(self, y: Array, eta: Array) -> Array:
        with np.errstate(divide="ignore"):
            return -np.exp(eta[1]) * np.maximum(np.log(np.maximum(y, 0.0)) - eta[0], 0.0)

    def log_sf_derivatives(self, y: Array, eta: Array) -> Derivatives:
        value = self.log_sf(y, eta)
        shape = np.where(value < 0, np.exp(eta[1]), 0.0)
        return value, stack(shape, value), symmetric(0.0 * value, shape, value)

    def quantile(self, q: Array, eta: Array) -> Array:
        with np.errstate(divide="ignore"):
            return np.exp(eta[0] - np.log1p(-np.asarray(q)) * np.exp(-eta[1]))

    def mean(self, eta: Array) -> Array:
        shape = np.exp(eta[1])
        with np.errstate(divide="ignore"):
            return np.where(shape > 1, np.exp(eta[0]) * shape / (shape - 1), np.inf)

    def variance(self, eta: Array) -> Array:
        shape = np.exp(eta[1])
        with np.errstate(divide="ignore"):
            return np.where(shape > 2, np.exp(2 * eta[0]) * shape / ((shape - 1) ** 2 * (shape - 2)), np.inf)

    def sample(self, generator: np.random.Generator, eta: Array, n: int) -> Array:
        return np.exp(eta[0] + generator.standard_exponential(n) * np.exp(-eta[1]))
