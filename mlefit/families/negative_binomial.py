"""Over-dispersed counts, mean mu = exp(eta0), variance mu + mu^2/size, size = exp(eta1).

nll = lgamma(size) - lgamma(y + size) + log y! - y log(mu/(mu + size)) - size log(size/(mu + size)). It is written
with u = (y - mu)/(mu + size) as Stirling corrections and the half deviances of y from its posterior mean
y - size u and of size from size (1 + u): all stay accurate for large counts and on the way to the Poisson
distribution, size -> infinity.
"""

from __future__ import annotations

import numpy as np

from mlefit.families.base import Derivatives, Family, Parameter, Rows, stack, symmetric
from mlefit.families.deviance import deviance
from mlefit.families.integers import smallest
from mlefit.families.links import Array, expit, log
from mlefit.families.poisson import Poisson
from mlefit.families.stirling import (
    digamma_excess_change,
    log_factorial_excess,
    log_gamma_excess_change,
    trigamma_excess_change,
)
from mlefit.families.support import counts


class NegativeBinomial(Family):
    """A Poisson count whose mean is gamma distributed with shape `size` (Johnson, Kemp and Kotz 2005, chapter 5).

    The likelihood has a finite maximum in `size` just when the variance (divisor n) exceeds the mean (Levin and
    Reeds 1977, Annals of Statistics 5, 79-87); otherwise it rises towards the Poisson distribution.
    """

    name = "negative-binomial"
    summary = "counts more variable than Poisson's"
    aliases = ("nbinom", "negbin", "nb")
    parameters = (
        Parameter("mu", log, "mean count", closed=(0.0,)),
        Parameter("size", log, "dispersion: the variance is mu + mu^2/size", limit="poisson"),
    )
    support = counts
    discrete = True

    def nll(self, y: Array, eta: Array) -> Array:
        return self._nll(y, eta, *self._of_size(y, eta))

    def gradient(self, y: Array, eta: Array) -> Array:
        shift, of_size = self._of_size(y, eta)
        return stack(-shift, of_size - digamma_excess_change(np.exp(eta[1]), y))

    def hessian(self, y: Array, eta: Array) -> Array:
        return self.derivatives(y, eta)[2]

    def _of_size(self, y: Array, eta: Array) -> tuple[Array, Array]:
        """size u and the half deviance of size."""
        size, share = np.exp(eta[1]), expit(eta[1] - eta[0])
        shift = (y - np.exp(eta[0])) * share
        return shift, deviance(size, (y + size) * share, shift)

    def _nll(self, y: Array, eta: Array, shift: Array, of_size: Array) -> Array:
        size = np.exp(eta[1])
        of_count = deviance(y, (y + size) * expit(eta[0] - eta[1]), -shift)
        return log_factorial_excess(y) - log_gamma_excess_change(size, y) + of_count + of_size

    def derivatives(self, y: Array, eta: Array) -> Derivatives:
        shift, of_size = self._of_size(y, eta)
        size, share, rest = np.exp(eta[1]), expit(eta[1] - eta[0]), expit(eta[0] - eta[1])
        by_size = of_size - digamma_excess_change(size, y)
        return (
            self._nll(y, eta, shift, of_size),
            stack(-shift, by_size),
            symmetric(
                (y + size) * rest * share,
                -shift * rest,
                by_size - shift * shift / (y + size) - trigamma_excess_change(size, y),
            ),
        )

    def start(self, rows: Rows) -> Array:
        """The mean, which is its estimate, and the size by moments; near Poisson where that is not finite."""
        mean = rows.mean(rows.y)
        excess = np.maximum(rows.variance(rows.y) - mean, 0.0)
        near_poisson = 1e6 * (1 + mean)
        with np.errstate(divide="ignore", invalid="ignore"):
            size = np.where(excess * near_poisson > mean**2, mean**2 / excess, near_poisson)
        return log.forward(np.stack([mean, size]))

    def log_cdf(self, y: Array, eta: Array) -> Array:
        from mlefit.families.incomplete import log_beta_cdf

        size, whole, near = self._tail(y, eta)
        tail = log_beta_cdf(size, whole + 1, expit(eta[1] - eta[0]), expit(eta[0] - eta[1]))
        return np.where(y < 0, -np.inf, np.where(near, Poisson().log_cdf(whole, eta[:1]), tail))

    def log_sf(self, y: Array, eta: Array) -> Array:
        from mlefit.families.incomplete import log_beta_cdf

        size, whole, near = self._tail(y, eta)
        tail = log_beta_cdf(whole + 1, size, expit(eta[0] - eta[1]), expit(eta[1] - eta[0]))
        return np.where(y < 0, 0.0, np.where(near, Poisson().log_sf(whole, eta[:1]), tail))

    def _tail(self, y: Array, eta: Array) -> tuple[Array, Array, Array]:
        """size, y rounded down, and where the distribution is Poisson's to rounding error.

        The two densities differ by the factor 1 + [(y - mu)^2 - y]/(2 size) + O(1/size^2).
        """
        size, whole = np.exp(eta[1]), np.floor(np.maximum(y, 0.0))
        near = (whole + np.exp(eta[0]) + 1) ** 2 < 1e-14 * size
        return np.where(near, 1.0, size), whole, near

    def drift(self, y: Array, eta: Array) -> dict[int, tuple[Array, list[Array]]]:
        """dP(Y > y)/d log(mu) = (y + size) mu/(mu + size) P(Y = y), from the incomplete beta function."""
        size, part, rest = np.exp(eta[1]), expit(eta[0] - eta[1]), expit(eta[1] - eta[0])
        speed = (y + size) * part
        return {0: (speed, [speed * rest, size * part - speed * rest])}

    def quantile(self, q: Array, eta: Array) -> Array:
        return smallest(
            lambda y: self.log_cdf(y, eta),
            lambda y: self.log_sf(y, eta),
            q,
            self.mean(eta),
            np.sqrt(self.variance(eta)),
        )

    def mean(self, eta: Array) -> Array:
        return np.exp(eta[0])

    def variance(self, eta: Array) -> Array:
        return np.exp(eta[0]) * (1 + np.exp(eta[0] - eta[1]))

    def sample(self, generator: np.random.Generator, eta: Array, n: int) -> Array:
        """The gamma mixture itself: the generator's own method fails on the way to Poisson."""
        mu, size = np.exp(eta[0]), np.exp(eta[1])
        return generator.poisson(mu * (generator.standard_gamma(size, n) / size)).astype(float)
