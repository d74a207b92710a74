"""The reciprocal of a gamma variable; nll = lgamma(a) - a log(b) + (a + 1) log(y) + b/y, a = shape, b = scale."""

from __future__ import annotations

import numpy as np

from mlefit.families.base import Derivatives, Parameter, Rows, stack
from mlefit.families.drifts import Drift, of_scale
from mlefit.families.gamma import Gamma
from mlefit.families.links import Array, log


class InverseGamma(Gamma):
    """1/Y is gamma with this shape and rate = scale; the Jacobian adds 2 log(y)."""

    name = "inverse-gamma"
    summary = "positive with a heavy right tail: priors of variances, first passages"
    aliases = ("invgamma",)
    parameters = (Parameter("shape", log, "shape, the index of the tail"), Parameter("scale", log, "scale"))

    def centre(self, rows: Rows) -> Array:
        """The harmonic mean."""
        return 1 / rows.mean(1 / rows.y)[None]

    def statistics(self, y: Array, centre: Array) -> Array:
        deviation = (centre[0] - y) / y
        logs = -np.log(y)
        relative = np.where(deviation < -0.5, logs + np.log(centre[0]), np.log1p(deviation))
        return stack(1.0, deviation, deviation - relative, logs)

    def total(self, sums: Array, centre: Array, eta: Array) -> Derivatives:
        nll, gradient, hessian = super().total(sums, 1 / centre, eta)
        return nll - 2 * sums[3], gradient, hessian

    def start_from(self, sums: Array, centre: Array) -> Array:
        return super().start_from(sums, 1 / centre)

    def log_cdf(self, y: Array, eta: Array) -> Array:
        with np.errstate(divide="ignore"):
            return super().log_sf(1 / np.maximum(y, 0.0), eta)

    def log_sf(self, y: Array, eta: Array) -> Array:
        with np.errstate(divide="ignore"):
            return super().log_cdf(1 / np.maximum(y, 0.0), eta)

    def drift(self, y: Array, eta: Array) -> Drift:
        return of_scale(y, 2, 1)

    def quantile(self, q: Array, eta: Array) -> Array:
        from scipy.special import gammainccinv

        with np.errstate(divide="ignore"):
            return np.asarray(np.exp(eta[1]) / gammainccinv(np.exp(eta[0]), q))

    def mean(self, eta: Array) -> Array:
        excess = np.expm1(eta[0])
        with np.errstate(divide="ignore"):
            return np.where(excess > 0, np.exp(eta[1]) / excess, np.inf)

    def variance(self, eta: Array) -> Array:
        shape = np.exp(eta[0])
        with np.errstate(divide="ignore"):
            return np.where(shape > 2, np.exp(2 * eta[1]) / ((shape - 1) ** 2 * (shape - 2)), np.inf)

    def sample(self, generator: np.random.Generator, eta: Array, n: int) -> Array:
        return 1 / super().sample(generator, eta, n)
