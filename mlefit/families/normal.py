"""The normal distribution; nll = log(sigma) + log(2 pi)/2 + z^2/2, z = (y - mu)/sigma. Losses: mse, gaussian-nll."""

from __future__ import annotations

from math import log as ln
from math import pi, sqrt, tau
from typing import Final

import numpy as np

from mlefit.families import special
from mlefit.families.base import Derivatives, ExponentialFamily, Parameter, Rows, stack, symmetric
from mlefit.families.links import Array, identity, log
from mlefit.families.location_scale import Between, mirrored
from mlefit.families.support import real
from mlefit.families.tail_derivatives import pick

HALF_LOG_TAU: Final = ln(tau) / 2
ROOT_TAU: Final = sqrt(tau)
FAR: Final = 10.0  # standard deviations


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

    def log_cdf_derivatives(self, y: Array, eta: Array) -> Derivatives:
        return mirrored(self.log_sf_derivatives(-np.asarray(y), stack(-eta[0], eta[1])), 0)

    def log_interval_derivatives(self, left: Array, right: Array, eta: Array) -> Derivatives:
        """From P = Phi(high) - Phi(low) itself; by way of Mills' ratio where both ends are too far out for that."""
        inverse = np.exp(-eta[1])
        low, high = (left - eta[0]) * inverse, (right - eta[0]) * inverse
        found = between(low, high).of_location_scale(inverse)
        far = (low > FAR) | (high < -FAR)
        if far.any():
            rows = (pick(end, eta, far) for end in (left, right))
            (left, eta), (right, _) = rows
            value, gradient, hessian = found
            value[far], gradient[:, far], hessian[:, :, far] = super().log_interval_derivatives(left, right, eta)
        return found

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


def between(low: Array, high: Array) -> Between:
    """Phi(high) - Phi(low), taken in the lower tail, where Phi keeps its digits; the ends not both beyond `FAR`."""
    with np.errstate(all="ignore"):
        side = -np.copysign(1.0, low + high)
        chance = np.abs(special.ndtr(side * high) - special.ndtr(side * low))
        low, high = np.maximum(low, -1e9), np.minimum(high, 1e9)
        first, last = low * low, high * high
        p, q = np.exp(-first / 2) / (ROOT_TAU * chance), np.exp(-last / 2) / (ROOT_TAU * chance)
        shift, rise, fall = q - p, high * q, low * p
        stretch = rise - fall
        return Between(
            np.log(chance),
            shift,
            stretch,
            -stretch - shift * shift,
            first * p - last * q - shift * stretch,
            stretch - last * rise + first * fall - stretch * stretch,
        )
