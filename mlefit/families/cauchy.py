"""Ratios of normal errors, tails without a mean; with z = (y - loc)/scale: nll = log(pi scale) + log(1 + z^2)."""

from __future__ import annotations

from math import log as ln
from math import pi
from typing import Final

import numpy as np

from mlefit.families.base import Derivatives, Parameter, Rows
from mlefit.families.drifts import Drift, of_location_scale
from mlefit.families.links import Array, identity, log
from mlefit.families.location_scale import HUGE, LocationScale
from mlefit.families.support import real

LOG_PI: Final = ln(pi)


class Cauchy(LocationScale):
    """Student's t with one degree of freedom (Johnson, Kotz and Balakrishnan 1994, chapter 16).

    With both parameters free the likelihood has one maximum (Copas 1975); with scale held it can have several.
    """

    name = "cauchy"
    summary = "very heavy tails: the median exists, the mean does not"
    aliases = ("lorentz",)
    parameters = (Parameter("loc", identity, "median"), Parameter("scale", log, "half the interquartile range"))
    support = real

    def nll(self, y: Array, eta: Array) -> Array:
        z = (y - eta[0]) * np.exp(-eta[1])
        return eta[1] + _value(z)

    def standard(self, z: Array) -> Derivatives:
        value = _value(z)
        z = np.clip(z, -HUGE, HUGE)
        rest = 1 / (1 + z * z)
        return value, 2 * z * rest, 2 * rest * (2 * rest - 1)

    def starts(self, rows: Rows) -> list[Array]:
        """Half the interquartile range about the median, then about values far to either side."""
        y = rows.y
        half = (rows.quantile(y, 0.75) - rows.quantile(y, 0.25)) / 2
        scale = log.forward(np.where(half > 0, half, 1e-3 * np.sqrt(rows.variance(y))))
        return [np.stack([rows.quantile(y, q), scale]) for q in (0.5, 0.1, 0.9)]

    def start(self, rows: Rows) -> Array:
        return self.starts(rows)[0]

    def log_cdf(self, y: Array, eta: Array) -> Array:
        return _log_lower((y - eta[0]) * np.exp(-eta[1]))

    def log_sf(self, y: Array, eta: Array) -> Array:
        return _log_lower((eta[0] - y) * np.exp(-eta[1]))

    def drift(self, y: Array, eta: Array) -> Drift:
        return of_location_scale(y, eta)

    def quantile(self, q: Array, eta: Array) -> Array:
        q = np.asarray(q, dtype=float)
        tail = np.minimum(q, 1 - q)
        with np.errstate(divide="ignore"):
            far = np.copysign(1 / np.tan(pi * tail), q - 0.5)
        return eta[0] + np.exp(eta[1]) * np.where(tail < 0.25, far, np.tan(pi * (q - 0.5)))

    def mean(self, eta: Array) -> Array:
        return np.full_like(eta[0], np.nan)

    def variance(self, eta: Array) -> Array:
        return np.full_like(eta[0], np.nan)

    def sample(self, generator: np.random.Generator, eta: Array, n: int) -> Array:
        return eta[0] + np.exp(eta[1]) * generator.standard_cauchy(n)


def _value(z: Array) -> Array:
    """log(pi (1 + z^2))."""
    size = np.abs(z)
    excess = size > HUGE
    value = LOG_PI + np.log1p(np.minimum(size, HUGE) ** 2)
    return value + 2 * np.log(np.where(excess, size / HUGE, 1.0)) if excess.any() else value


def _log_lower(z: Array) -> Array:
    """log(1/2 + arctan(z)/pi), from the smaller tail."""
    tail = np.arctan2(1.0, np.abs(z)) / pi
    return np.where(z < 0, np.log(tail), np.log1p(-tail))
