"""A scale times a chi variable of known degrees of freedom m: half-normal (1), Rayleigh (2), Maxwell (3).

nll = m log(scale) - (m - 1) log(y) + (y/scale)^2 / 2 + log(2^(m/2 - 1) Gamma(m/2)).
"""

from __future__ import annotations

from math import exp, lgamma, sqrt
from math import log as ln
from typing import ClassVar

import numpy as np

from mlefit.families.base import Derivatives, ExponentialFamily, Parameter, Rows, stack
from mlefit.families.drifts import Drift, of_scale
from mlefit.families.links import Array, log


class ScaledChi(ExponentialFamily):
    """The length of a vector of m normal errors (Johnson, Kotz and Balakrishnan 1994, section 18.3)."""

    degrees: ClassVar[int]
    parameters = (Parameter("scale", log, "standard deviation of the normal errors underneath"),)
    _centre_size = 1

    def __init__(self) -> None:
        half = self.degrees / 2
        self._constant = (half - 1) * ln(2) + lgamma(half)
        self._mean = sqrt(2) * exp(lgamma(half + 0.5) - lgamma(half))

    def centre(self, rows: Rows) -> Array:
        """The mean: squares of y over it neither over- nor underflow."""
        mean = rows.mean(rows.y)
        return np.where(mean > 0, mean, 1.0)[None]

    def statistics(self, y: Array, centre: Array) -> Array:
        square = (y / centre[0]) ** 2
        return stack(1.0, square, np.log(y) if self.degrees > 1 else 0.0)

    def total(self, sums: Array, centre: Array, eta: Array) -> Derivatives:
        ones, second, logs = sums
        square = second * np.exp(2 * (np.log(centre[0]) - eta[0]))
        nll = ones * (self.degrees * eta[0] + self._constant) - (self.degrees - 1) * logs + square / 2
        return nll, (self.degrees * ones - square)[None], 2 * square[None, None]

    def derivatives(self, y: Array, eta: Array) -> Derivatives:
        unit = np.ones((1, 1))
        return self.total(self.statistics(y, unit), unit, eta)

    def start_from(self, sums: Array, centre: Array) -> Array:
        """Closed form: scale^2 = sum(y^2) / (m n)."""
        return log.forward(centre[0] * np.sqrt(sums[1] / (self.degrees * sums[0])))[None]

    def _half_square(self, y: Array, eta: Array) -> Array:
        return (np.maximum(y, 0.0) * np.exp(-eta[0])) ** 2 / 2

    def log_cdf(self, y: Array, eta: Array) -> Array:
        from mlefit.families.incomplete import log_gamma_cdf

        return log_gamma_cdf(np.array(self.degrees / 2), self._half_square(y, eta))

    def log_sf(self, y: Array, eta: Array) -> Array:
        from mlefit.families.incomplete import log_gamma_sf

        return log_gamma_sf(np.array(self.degrees / 2), self._half_square(y, eta))

    def drift(self, y: Array, eta: Array) -> Drift:
        return of_scale(y, 1)

    def quantile(self, q: Array, eta: Array) -> Array:
        from scipy.special import gammaincinv

        return np.asarray(np.exp(eta[0]) * np.sqrt(2 * gammaincinv(self.degrees / 2, q)))

    def mean(self, eta: Array) -> Array:
        return np.exp(eta[0]) * self._mean

    def variance(self, eta: Array) -> Array:
        return np.exp(2 * eta[0]) * (self.degrees - self._mean**2)

    def sample(self, generator: np.random.Generator, eta: Array, n: int) -> Array:
        return np.exp(eta[0]) * np.sqrt(2 * generator.standard_gamma(self.degrees / 2, n))
