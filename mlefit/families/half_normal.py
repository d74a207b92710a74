"""The absolute value of a normal error; nll = log(scale) + log(pi/2)/2 + (y/scale)^2/2."""

from __future__ import annotations

import numpy as np

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

    def quantile(self, q: Array, eta: Array) -> Array:
        from scipy.special import erfinv

        return np.asarray(np.exp(eta[0]) * np.sqrt(2) * erfinv(q))
