"""Two exponentials back to back; nll = log(2 scale) + |z|, z = (y - loc)/scale. As a loss: mean absolute error."""

from __future__ import annotations

from math import log as ln
from typing import Final

import numpy as np

from mlefit.families.base import Derivatives, Family, Parameter, Rows, stack, symmetric
from mlefit.families.drifts import Drift, of_location_scale
from mlefit.families.links import Array, identity, log
from mlefit.families.support import real

LOG_2: Final = ln(2)


class Laplace(Family):
    """loc-hat is the median, scale-hat the mean absolute deviation from it (Johnson, Kotz and Balakrishnan 1995,
    chapter 24).

    The nll has a kink at loc = y, so its second derivative there is no measure of information. The family is
    nevertheless differentiable in quadratic mean (van der Vaart 1998, example 5.40), with Fisher information
    1/scale^2 for loc and none shared with scale: `hessian` gives these for loc, so that the standard error
    scale/sqrt(n) that follows is the asymptotic one.
    """

    name = "laplace"
    summary = "errors with a sharp peak and heavier tails than the normal's"
    aliases = ("double-exponential", "laplacian")
    parameters = (Parameter("loc", identity, "median"), Parameter("scale", log, "mean absolute deviation"))
    support = real
    losses = ("mae",)
    irregular = frozenset({"loc"})
    aside = 0.0
    informative = frozenset({"loc"})
    irregular_note = "loc is the median, at a kink of the likelihood; its standard error is from the Fisher information"

    def nll(self, y: Array, eta: Array) -> Array:
        return np.abs(y - eta[0]) * np.exp(-eta[1]) + (LOG_2 + eta[1])

    def gradient(self, y: Array, eta: Array) -> Array:
        inverse = np.exp(-eta[1])
        deviation = y - eta[0]
        return stack(-np.sign(deviation) * inverse, 1 - np.abs(deviation) * inverse)

    def hessian(self, y: Array, eta: Array) -> Array:
        return self.derivatives(y, eta)[2]

    def derivatives(self, y: Array, eta: Array) -> Derivatives:
        inverse = np.exp(-eta[1])
        deviation = y - eta[0]
        distance = np.abs(deviation) * inverse
        gradient = stack(-np.sign(deviation) * inverse, 1 - distance)
        return distance + (LOG_2 + eta[1]), gradient, symmetric(inverse * inverse, 0.0, distance)

    def beside(self, y: Array, eta: Array) -> Derivatives:
        nll, gradient, hessian = self.derivatives(y, eta)
        return nll, gradient, symmetric(0.0 * gradient[0], -gradient[0], hessian[1, 1])

    def start(self, rows: Rows) -> Array:
        median = rows.quantile(rows.y, 0.5)
        return np.stack([median, log.forward(rows.mean(np.abs(rows.y - rows.spread(median))))])

    def bend(self, name: str, y: Array, eta: Array) -> tuple[Array, Array, Array]:
        """|y - loc| / scale: least absolute deviations (Koenker 2005, section 1.3)."""
        if name != "loc":
            return super().bend(name, y, eta)
        slope = np.broadcast_to(np.exp(-eta[1]), y.shape)
        return y, slope, slope

    def log_cdf(self, y: Array, eta: Array) -> Array:
        z = (y - eta[0]) * np.exp(-eta[1])
        return np.where(z < 0, np.minimum(z, 0.0) - LOG_2, np.log1p(-np.exp(-np.abs(z)) / 2))

    def log_sf(self, y: Array, eta: Array) -> Array:
        return self.log_cdf(-np.asarray(y), stack(-eta[0], eta[1]))

    def drift(self, y: Array, eta: Array) -> Drift:
        return of_location_scale(y, eta)

    def quantile(self, q: Array, eta: Array) -> Array:
        q = np.asarray(q)
        with np.errstate(divide="ignore"):
            return eta[0] + np.exp(eta[1]) * np.sign(q - 0.5) * -np.log(2 * np.minimum(q, 1 - q))

    def mean(self, eta: Array) -> Array:
        return eta[0]

    def variance(self, eta: Array) -> Array:
        return 2 * np.exp(2 * eta[1])

    def sample(self, generator: np.random.Generator, eta: Array, n: int) -> Array:
        return eta[0] + np.exp(eta[1]) * generator.laplace(size=n)

    def crps(self, y: Array, eta: Array) -> Array:
        """Continuous ranked probability score (Jordan, Krueger and Lerch 2019, appendix A)."""
        distance = np.abs(y - eta[0]) * np.exp(-eta[1])
        return np.exp(eta[1]) * (distance + np.exp(-distance) - 0.75)
