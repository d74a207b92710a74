"""Derivatives of a density of z = (y - loc)/scale, or of a probability, with respect to loc and log(scale)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mlefit.families.base import Derivatives, stack, symmetric
from mlefit.families.links import Array


def location_scale(eta: Array, z: Array, inverse: Array, value: Array, slope: Array, curve: Array) -> Derivatives:
    """nll = log(scale) + f(z), gradient and Hessian, from f, f' and f''; `inverse` is 1/scale."""
    moved = z * slope
    bend = slope + z * curve
    return (
        eta[1] + value,
        stack(-slope * inverse, 1 - moved),
        symmetric(curve * inverse**2, bend * inverse, z * bend),
    )


class Between(NamedTuple):
    """log P(low < Z <= high) of a standard distribution, with what moving or stretching both ends does to it.

    Attributes:
        value: the logarithm.
        shift: its derivative as both ends move alike.
        stretch: its derivative in the logarithm of a factor on both ends.
        shifts, mixed, stretches: derivatives of `shift` in the one and the other, and of `stretch` in the other.
    """

    value: Array
    shift: Array
    stretch: Array
    shifts: Array
    mixed: Array
    stretches: Array

    def of_location_scale(self, inverse: Array) -> Derivatives:
        """For z = (y - loc)/scale, in loc and log(scale); `inverse` is 1/scale."""
        gradient = stack(-inverse * self.shift, -self.stretch)
        cross = inverse * (self.shift + self.mixed)
        return self.value, gradient, symmetric(inverse**2 * self.shifts, cross, self.stretches)

    def of_shape_scale(self, shape: Array) -> Derivatives:
        """For z = shape (log y - log(scale)), in log(shape) and log(scale)."""
        gradient = stack(self.stretch, -shape * self.shift)
        cross = -shape * (self.shift + self.mixed)
        return self.value, gradient, symmetric(self.stretches, cross, shape**2 * self.shifts)


def mirrored(derivatives: Derivatives, score: int) -> Derivatives:
    """One tail of a symmetric distribution from the other, taken at minus y and minus the location, in place."""
    value, gradient, hessian = derivatives
    np.negative(gradient[score], out=gradient[score])
    np.negative(hessian[0, 1], out=hessian[0, 1])
    hessian[1, 0] = hessian[0, 1]
    return value, gradient, hessian
