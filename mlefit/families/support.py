"""The set of values a family gives probability to, and how to say it to a person."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isinf

import numpy as np
from numpy.typing import NDArray

from mlefit.families.links import Array


@dataclass(frozen=True)
class Support:
    """An interval of the real line, or the integers in it."""

    lower: float = -inf
    upper: float = inf
    lower_open: bool = False
    upper_open: bool = False
    integer: bool = False

    def contains(self, y: Array) -> NDArray[np.bool_]:
        """Which values lie in the support; NaN and infinities never do. Shape as `y`."""
        low = y > self.lower if self.lower_open else y >= self.lower
        high = y < self.upper if self.upper_open else y <= self.upper
        inside = low & high & np.isfinite(y)
        return inside & (y == np.floor(y)) if self.integer else inside

    def __str__(self) -> str:
        if self.integer:
            if isinf(self.lower) and isinf(self.upper):
                return "integers"
            if isinf(self.upper):
                return f"integers {self.lower:g}, {self.lower + 1:g}, {self.lower + 2:g} ..."
            return " or ".join(f"{v:g}" for v in np.arange(self.lower, self.upper + 1))
        if isinf(self.lower) and isinf(self.upper):
            return "all numbers"
        parts = []
        if not isinf(self.lower):
            parts.append(f"{self.lower:g} {'<' if self.lower_open else '<='} ")
        parts.append("y")
        if not isinf(self.upper):
            parts.append(f" {'<' if self.upper_open else '<='} {self.upper:g}")
        if isinf(self.upper):
            return f"y {'>' if self.lower_open else '>='} {self.lower:g}"
        return "".join(parts)


real = Support()
positive = Support(lower=0.0, lower_open=True)
nonnegative = Support(lower=0.0)
counts = Support(lower=0.0, integer=True)
unit = Support(lower=0.0, upper=1.0, lower_open=True, upper_open=True)
binary = Support(lower=0.0, upper=1.0, integer=True)
