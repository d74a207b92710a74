"""Products of many small effects: log y is normal, so nll is the normal's of log y, plus log y."""

from __future__ import annotations

from typing import Final

import numpy as np

from mlefit.families.base import Derivatives, ExponentialFamily, Parameter, Rows
from mlefit.families.links import Array, identity, log
from mlefit.families.normal import Normal
from mlefit.families.support import positive

NORMAL: Final = Normal()


class Lognormal(ExponentialFamily):
    """Mean mu and standard deviation sigma of log y; closed forms (Johnson, Kotz and Balakrishnan 1994, chapter 14)."""

    name = "lognormal"
    summary = "positive and right-skewed: products of many small effects"
    aliases = ("lognorm", "log-normal", "lnorm")
    parameters = (
        Parameter("mu", identity, "mean of log y"),
        Parameter("sigma", log, "standard deviation of log y"),
    )
    sizes = (0.0, np.inf)  # it knows the logarithms alone
    support = positive
    _centre_size = 1

    def centre(self, rows: Rows) -> Array:
        return rows.mean(np.log(rows.y))[None]

    def statistics(self, y: Array, centre: Array) -> Array:
        return NORMAL.statistics(np.log(y), centre)

    def total(self, sums: Array, centre: Array, eta: Array) -> Derivatives:
        nll, gradient, hessian = NORMAL.total(sums, centre, eta)
        return nll + sums[1] + centre[0] * sums[0], gradient, hessian

    def start_from(self, sums: Array, centre: Array) -> Array:
        return NORMAL.start_from(sums, centre)

    def nll(self, y: Array, eta: Array) -> Array:
        logs = np.log(y)
        return NORMAL.nll(logs, eta) + logs

    def gradient(self, y: Array, eta: Array) -> Array:
        return NORMAL.gradient(np.log(y), eta)

    def derivatives(self, y: Array, eta: Array) -> Derivatives:
        logs = np.log(y)
        nll, gradient, hessian = NORMAL.derivatives(logs, eta)
        return nll + logs, gradient, hessian

    def log_cdf(self, y: Array, eta: Array) -> Array:
        return NORMAL.log_cdf(_log(y), eta)

    def log_sf(self, y: Array, eta: Array) -> Array:
        return NORMAL.log_sf(_log(y), eta)

    def log_sf_derivatives(self, y: Array, eta: Array) -> Derivatives:
        return NORMAL.log_sf_derivatives(_log(y), eta)

    def log_cdf_derivatives(self, y: Array, eta: Array) -> Derivatives:
        return NORMAL.log_cdf_derivatives(_log(y), eta)

    def log_interval_derivatives(self, left: Array, right: Array, eta: Array) -> Derivatives:
        return NORMAL.log_interval_derivatives(_log(left), _log(right), eta)

    def quantile(self, q: Array, eta: Array) -> Array:
        return np.exp(NORMAL.quantile(q, eta))

    def mean(self, eta: Array) -> Array:
        return np.exp(eta[0] + NORMAL.variance(eta) / 2)

    def variance(self, eta: Array) -> Array:
        square = NORMAL.variance(eta)
        return np.expm1(square) * np.exp(2 * eta[0] + square)

    def sample(self, generator: np.random.Generator, eta: Array, n: int) -> Array:
        return np.exp(NORMAL.sample(generator, eta, n))

    def crps(self, y: Array, eta: Array) -> Array:
        """Continuous ranked probability score (Baran and Lerch 2015, equation 5)."""
        from scipy.special import ndtr

        sigma = np.exp(eta[1])
        z = (np.log(y) - eta[0]) / sigma
        return np.asarray(y * (2 * ndtr(z) - 1) - 2 * self.mean(eta) * (ndtr(z - sigma) + ndtr(sigma / np.sqrt(2)) - 1))


def _log(y: Array) -> Array:
    """log y, with all that is not positive at -inf."""
    with np.errstate(divide="ignore"):
        return np.log(np.maximum(y, 0.0))
