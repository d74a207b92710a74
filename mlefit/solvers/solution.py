"""Where a solver stopped, for a batch of P problems at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Index = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Sums:
    """A total negative log-likelihood and its derivatives for P problems; parts of the data add.

    Attributes:
        value: (P,).
        gradient: (P, p).
        hessian: (P, p, p).
    """

    value: Array
    gradient: Array
    hessian: Array

    def __add__(self, other: Sums) -> Sums:
        return Sums(self.value + other.value, self.gradient + other.gradient, self.hessian + other.hessian)


class Objective(Protocol):
    """What a solver minimises: `sums` of `theta` (P, p) for the problems numbered `which` (P,)."""

    def sums(self, theta: Array, which: Index) -> Sums: ...
    def value(self, theta: Array, which: Index) -> Array: ...


@dataclass(frozen=True, eq=False)
class Solution:
    """The last point of a batch of problems and what is known of it.

    Attributes:
        theta: (P, p).
        sums: value, gradient and Hessian at `theta`.
        decrement: (P,) the Newton decrement sqrt(g' H^-1 g): how far, in standard errors, the minimum of the
            local quadratic model lies from `theta`.
        iterations: (P,) steps taken.
        solver: its name.
    """

    theta: Array
    sums: Sums
    decrement: Array
    iterations: Index
    solver: str
