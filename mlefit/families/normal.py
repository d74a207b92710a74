"""The normal distribution; nll = log(sigma) + log(2 pi)/2 + z^2/2, z = (y - mu)/sigma. Losses: mse, gaussian-nll."""

from __future__ import annotations

from math import log as ln
from math import pi, tau
from typing import Final

import numpy as np

from mlefit.families.base import Derivatives, ExponentialFamily, Parameter, Rows, stack, symmetric
from mlefit.families.links import Array, identity, log
from mlefit.families.support import real

HALF_LOG_TAU: Final = ln(tau) / 2


class Normal(ExponentialFamily):
    """Mean mu and standard deviation sigma; both estimates are closed forms (divisor n)."""

    name = "normal"
    summary = "sums of many small effects, measurement error"
    aliases = ("gaussian", "norm")
    parameters = (
        Parameter("mu", identity, "mean"),
        Parameter("sigma", log, "standard deviation"),
    )
    support = real
    losses = ("mse", "gaussian-nll")
    _centre_size = 1

    def centre(self, rows: Rows) -> Array:
        return rows.mean(rows.y)[None]

    def statistics(self, y: Array, centre: Array) -> Array:
        deviation = y - centre[0]
        return stack(1.0, deviation, deviation**2)

    def total(self, sums: Array, centre: Array, eta: Array) -> Derivatives:
        ones, first, second = sums
        shift = eta[0] - centre[0]
        precision = np.exp(-2 * eta[1])
        residual = shift * ones - first
        square = (second - 2 * shift * first + shift**2 * ones) * precision
        nll = ones * (HALF_LOG_TAU + eta[1]) + square / 2
        gradient = stack(residual * precision, ones - square)
        return nll, gradient, symmetric(ones * precision, -2 * residual * precision, 2 * square)

    def start_from(self, sums: Array, centre: Array) -> Array:
        ones, first, second = sums
        shift = first / ones
        return np.stack([centre[0] + shift, log.forward(np.maximum(second / ones - shift**2, 0.0)) / 2])

    def nll(self, y: Array, eta: Array) -> Array:
        z = (y - eta[0]) * np.exp(-eta[1])
        return HALF_LOG_TAU + eta[1] + z * z / 2

    def gradient(self, y: Array, eta: Array) -> Array:
        inverse = np.exp(-eta[1])
        z = (y - eta[0]) * inverse
        return stack(-z * inverse, 1 - z * z)

    def derivatives(self, y: Array, eta: Array) -> Derivatives:
        inverse = np.exp(-eta[1])
        z = (y - eta[0]) * inverse
        square = z * z
        gradient = stack(-z * inverse, 1 - square)
        return HALF_LOG_TAU + eta[1] + square / 2, gradient, symmetric(inverse**2, 2 * z * inverse, 2 * square)

    def log_cdf(self, y: Array, eta: Array) -> Array:
        from scipy.special import log_ndtr

        return np.asarray(log_ndtr((y - eta[0]) * np.exp(-eta[1])))

    def log_sf(self, y: Array, eta: Array) -> Array:
        from scipy.special import log_ndtr

        return np.asarray(log_ndtr((eta[0] - y) * np.exp(-eta[1])))

    def log_sf_derivatives(self, y: Array, eta: Array) -> Derivatives:
        from mlefit.families.mills import deficit, ratio

        inverse = np.exp(-eta[1])
        z = (y - eta[0]) * inverse
        mills = ratio(z)
        hazard = 1 / mills
        with np.errstate(invalid="ignore"):
            curve = np.where(np.isinf(mills), 0.0, hazard * deficit(z, mills) / mills)
        bend = hazard + z * curve
        return (
            self.log_sf(y, eta),
            stack(hazard * inverse, z * hazard),
            symmetric(-curve * inverse**2, -bend * inverse, -z * bend),
        )

    def quantile(self, q: Array, eta: Array) -> Array:
        from scipy.special import ndtri

        return np.asarray(eta[0] + np.exp(eta[1]) * ndtri(q))

    def mean(self, eta: Array) -> Array:
        return eta[0]

    def variance(self, eta: Array) -> Array:
        return np.exp(2 * eta[1])

    def sample(self, generator: np.random.Generator, eta: Array, n: int) -> Array:
        return eta[0] + np.exp(eta[1]) * generator.standard_normal(n)

    def crps(self, y: Array, eta: Array) -> Array:
        """Continuous ranked probability score (Gneiting and Raftery 2007, equation 21)."""
        from scipy.special import ndtr

        z = (y - eta[0]) * np.exp(-eta[1])
        density = np.exp(-z * z / 2) / np.sqrt(tau)
        return np.asarray(np.exp(eta[1]) * (z * (2 * ndtr(z) - 1) + 2 * density - 1 / np.sqrt(pi)))
