"""The length of a vector of two normal errors; nll = 2 log(scale) - log(y) + (y/scale)^2/2."""

from __future__ import annotations

import numpy as np

from mlefit.families.chi import ScaledChi
from mlefit.families.links import Array
from mlefit.families.support import positive
from mlefit.families.tails import log1mexp


class Rayleigh(ScaledChi):
    """The chi distribution of two degrees of freedom, a Weibull of shape 2; scale^2-hat is half the mean of y^2."""

    name = "rayleigh"
    summary = "wind speeds, wave heights, radial errors in a plane"
    support = positive
    degrees = 2

    def log_cdf(self, y: Array, eta: Array) -> Array:
        return log1mexp(-self._half_square(y, eta))

    def log_sf(self, y: Array, eta: Array) -> Array:
        return -self._half_square(y, eta)

    def quantile(self, q: Array, eta: Array) -> Array:
        return np.exp(eta[0]) * np.sqrt(-2 * np.log1p(-np.asarray(q)))
