"""The length of a vector of three normal errors; nll = 3 log(scale) + log(pi/2)/2 - 2 log(y) + (y/scale)^2/2."""

from __future__ import annotations

from mlefit.families.chi import ScaledChi
from mlefit.families.support import positive


class Maxwell(ScaledChi):
    """The chi distribution of three degrees of freedom; scale^2-hat is a third of the mean of y^2."""

    name = "maxwell"
    summary = "speeds of molecules, radial errors in space"
    support = positive
    degrees = 3
