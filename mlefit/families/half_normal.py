"""The absolute value of a normal error; nll = log(scale) + log(pi/2)/2 + (y/scale)^2/2."""

from __future__ import annotations

from math import log as ln
from math import sqrt

import numpy as np

from mlefit.families import special
from mlefit.families.chi import ScaledChi
from mlefit.families.links import Array
from mlefit.families.support import nonnegative


class HalfNormal(ScaledChi):
    """|N(0, scale^2)|; scale^2-hat is the mean of y^2."""

    name = "half-normal"
    summary = "sizes of errors whose sign is unknown"
    aliases = ("halfnorm",)
    support = nonnegative
    degrees = 1

    def log_cdf(self, y: Array, eta: Array) -> Array:
        z = np.maximum(y, 0.0) * np.exp(-eta[0]) / sqrt(2)
        with np.errstate(divide="ignore"):
            return np.where(z < 0.5, np.log(special.erf(z)), np.log1p(-special.erfc(z)))

    def log_sf(self, y: Array, eta: Array) -> Array:
        z = np.maximum(y, 0.0) * np.exp(-eta[0]) / sqrt(2)
        with np.errstate(divide="ignore"):
            return np.where(z < 0.5, np.log1p(-special.erf(z)), ln(2) + special.log_ndtr(-sqrt(2) * z))

    def quantile(self, q: Array, eta: Array) -> Array:
        from scipy.special import erfinv

        return np.asarray(np.exp(eta[0]) * np.sqrt(2) * erfinv(q))
