"""Poisson counts; mu = exp(eta); nll = exp(eta) - y eta + log y!.

Written as [log y! - y log y + y] + [y log(y/mu) + mu - y]: Stirling's correction and half the deviance, neither
of which cancels for large counts.
"""

from __future__ import annotations

import numpy as np

from mlefit.families.base import Derivatives, ExponentialFamily, Parameter, Rows, stack
from mlefit.families.deviance import deviance, exp_excess
from mlefit.families.integers import smallest
from mlefit.families.links import Array, log
from mlefit.families.stirling import log_factorial_excess
from mlefit.families.support import counts


class Poisson(ExponentialFamily):
    """P(Y = y) = exp(-mu) mu^y / y! (Johnson, Kemp and Kotz 2005, chapter 4); mu-hat is the mean."""

    name = "poisson"
    summary = "counts of independent rare events"
    aliases = ("pois",)
    parameters = (Parameter("mu", log, "mean count", closed=(0.0,)),)
    support = counts
    discrete = True
    losses = ("poisson",)
    _centre_size = 1

    def centre(self, rows: Rows) -> Array:
        mean = rows.mean(rows.y)
        return np.where(mean > 0, mean, 1.0)[None]

    def statistics(self, y: Array, centre: Array) -> Array:
        return stack(1.0, y - centre[0], log_factorial_excess(y) + deviance(y, centre[0], centre[0] - y))

    def total(self, sums: Array, centre: Array, eta: Array) -> Derivatives:
        ones, first, saturated = sums
        delta = eta[0] - np.log(centre[0])
        nll = saturated + ones * centre[0] * exp_excess(delta) - first * delta
        gradient = ones * centre[0] * np.expm1(delta) - first
        return nll, gradient[None], (ones * np.exp(eta[0]))[None, None]

    def start_from(self, sums: Array, centre: Array) -> Array:
        return log.forward(np.maximum(centre[0] + sums[1] / sums[0], 0.0))[None]

    def nll(self, y: Array, eta: Array) -> Array:
        mu = np.exp(eta[0])
        return log_factorial_excess(y) + deviance(y, mu, mu - y)

    def gradient(self, y: Array, eta: Array) -> Array:
        return (np.exp(eta[0]) - y)[None]

    def hessian(self, y: Array, eta: Array) -> Array:
        return np.exp(eta[0])[None, None]

    def derivatives(self, y: Array, eta: Array) -> Derivatives:
        return self.nll(y, eta), self.gradient(y, eta), self.hessian(y, eta)

    def log_cdf(self, y: Array, eta: Array) -> Array:
        from mlefit.families.incomplete import log_gamma_sf

        return np.where(y < 0, -np.inf, log_gamma_sf(np.floor(np.maximum(y, 0.0)) + 1, np.exp(eta[0])))

    def log_sf(self, y: Array, eta: Array) -> Array:
        from mlefit.families.incomplete import log_gamma_cdf

        return np.where(y < 0, 0.0, log_gamma_cdf(np.floor(np.maximum(y, 0.0)) + 1, np.exp(eta[0])))

    def drift(self, y: Array, eta: Array) -> dict[int, tuple[Array, list[Array]]]:
        """dP(Y > y)/dmu = P(Y = y) (Johnson, Kemp and Kotz 2005, equation 4.38)."""
        mu = np.exp(eta[0])
        return {0: (mu, [mu])}

    def quantile(self, q: Array, eta: Array) -> Array:
        mu = np.exp(eta[0])
        return smallest(lambda y: self.log_cdf(y, eta), lambda y: self.log_sf(y, eta), q, mu, np.sqrt(mu))

    def mean(self, eta: Array) -> Array:
        return np.exp(eta[0])

    def variance(self, eta: Array) -> Array:
        return np.exp(eta[0])

    def sample(self, generator: np.random.Generator, eta: Array, n: int) -> Array:
        return generator.poisson(np.exp(eta[0]), n).astype(float)
