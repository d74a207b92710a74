"""Sums of df squared normal errors: gamma of shape df/2 and rate 1/2.

nll = (df/2) log(2) + lgamma(df/2) - (df/2 - 1) log(y) + y/2.
"""

from __future__ import annotations

from math import log as ln
from typing import Final

import numpy as np

from mlefit.families.base import Derivatives, ExponentialFamily, Parameter, Rows, stack
from mlefit.families.gamma import Gamma
from mlefit.families.links import Array, log
from mlefit.families.support import positive

LN2: Final = ln(2)


class ChiSquared(ExponentialFamily):
    """Degrees of freedom df, any positive number (Johnson, Kotz and Balakrishnan 1994, chapter 18)."""

    name = "chi-squared"
    summary = "sums of squared normal errors, sample variances"
    aliases = ("chi2", "chisq", "chisquare")
    parameters = (Parameter("df", log, "degrees of freedom, the mean"),)
    support = positive
    _centre_size = 1
    _gamma: Final = Gamma()

    def _scores(self, eta: Array) -> Array:
        """The gamma's: df = 2 shape, so both shapes have the same derivative with respect to their score."""
        return stack(eta[0] - LN2, -LN2)

    def centre(self, rows: Rows) -> Array:
        return self._gamma.centre(rows)

    def statistics(self, y: Array, centre: Array) -> Array:
        return self._gamma.statistics(y, centre)

    def total(self, sums: Array, centre: Array, eta: Array) -> Derivatives:
        nll, gradient, hessian = self._gamma.total(sums, centre, self._scores(eta))
        return nll, gradient[:1], hessian[:1, :1]

    def derivatives(self, y: Array, eta: Array) -> Derivatives:
        nll, gradient, hessian = self._gamma.derivatives(y, self._scores(eta))
        return nll, gradient[:1], hessian[:1, :1]

    def start_from(self, sums: Array, centre: Array) -> Array:
        """digamma(df/2) = mean log(y/2), inverted by Minka's (2000, appendix C) approximation."""
        target = sums[3] / sums[0] - LN2
        return log.forward(2 * np.where(target >= -2.22, np.exp(target) + 0.5, -1 / (target + np.euler_gamma)))[None]

    def log_cdf(self, y: Array, eta: Array) -> Array:
        return self._gamma.log_cdf(y, self._scores(eta))

    def log_sf(self, y: Array, eta: Array) -> Array:
        return self._gamma.log_sf(y, self._scores(eta))

    def quantile(self, q: Array, eta: Array) -> Array:
        return self._gamma.quantile(q, self._scores(eta))

    def mean(self, eta: Array) -> Array:
        return np.exp(eta[0])

    def variance(self, eta: Array) -> Array:
        return 2 * np.exp(eta[0])

    def sample(self, generator: np.random.Generator, eta: Array, n: int) -> Array:
        return self._gamma.sample(generator, self._scores(eta), n)
