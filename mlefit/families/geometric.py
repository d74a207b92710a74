"""Failures before the first success, 0, 1, 2 ...; p = expit(eta); nll = log(1 + exp(-eta)) + y log(1 + exp(eta))."""

from __future__ import annotations

import numpy as np

from mlefit.families.base import Derivatives, ExponentialFamily, Parameter, stack
from mlefit.families.integers import smallest
from mlefit.families.links import BOUND, Array, expit, logit, softplus
from mlefit.families.support import counts
from mlefit.families.tails import log1mexp


class Geometric(ExponentialFamily):
    """P(Y = y) = p (1 - p)^y (Johnson, Kemp and Kotz 2005, section 5.2); p-hat is 1/(1 + mean)."""

    name = "geometric"
    summary = "failures before the first success"
    aliases = ("geom",)
    parameters = (Parameter("p", logit, "probability of success", closed=(1.0,)),)
    support = counts
    discrete = True

    def statistics(self, y: Array, centre: Array) -> Array:
        return stack(1.0, y)

    def total(self, sums: Array, centre: Array, eta: Array) -> Derivatives:
        successes, failures = sums
        p, q = expit(eta[0]), expit(-eta[0])
        nll = successes * softplus(-eta[0]) + failures * softplus(eta[0])
        return nll, (failures * p - successes * q)[None], ((successes + failures) * p * q)[None, None]

    def start_from(self, sums: Array, centre: Array) -> Array:
        with np.errstate(divide="ignore"):
            return np.clip(np.log(sums[0]) - np.log(sums[1]), -BOUND, BOUND)[None]

    def _log_sf(self, y: Array, eta: Array) -> Array:
        return -(np.floor(np.maximum(y, 0.0)) + 1) * softplus(eta[0])

    def log_cdf(self, y: Array, eta: Array) -> Array:
        return np.where(y < 0, -np.inf, log1mexp(self._log_sf(y, eta)))

    def log_sf(self, y: Array, eta: Array) -> Array:
        return np.where(y < 0, 0.0, self._log_sf(y, eta))

    def log_sf_derivatives(self, y: Array, eta: Array) -> Derivatives:
        ones = np.where(y < 0, 0.0, np.floor(y) + 1)
        p = expit(eta[0])
        return self.log_sf(y, eta), (-ones * p)[None], (-ones * p * expit(-eta[0]))[None, None]

    def quantile(self, q: Array, eta: Array) -> Array:
        with np.errstate(divide="ignore", invalid="ignore"):
            guess = -np.log1p(-np.asarray(q)) / softplus(eta[0]) - 1
        return smallest(lambda y: self.log_cdf(y, eta), lambda y: self.log_sf(y, eta), q, guess, np.ones(1))

    def mean(self, eta: Array) -> Array:
        return np.exp(-eta[0])

    def variance(self, eta: Array) -> Array:
        return np.exp(-eta[0]) * (1 + np.exp(-eta[0]))

    def sample(self, generator: np.random.Generator, eta: Array, n: int) -> Array:
        """The whole part of an exponential variable; unlike the generator's own, not limited to 64-bit integers."""
        return np.floor(generator.standard_exponential(n) / softplus(eta[0]))
