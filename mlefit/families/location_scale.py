"""Densities, and probabilities, of z = (y - loc)/scale or of z = shape (log y - log(scale)), and their derivatives."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from mlefit.families.base import Derivatives, TermFamily, stack, symmetric
from mlefit.families.links import Array

HUGE: Final = 1e150  # whose square is still finite


class Standardised(TermFamily):
    """A family of one standard density exp(-f(z)), moved and stretched."""

    @abstractmethod
    def standard(self, z: Array) -> Derivatives:
        """f(z), f'(z) and f''(z)."""

    def standard_terms(self, z: Array) -> list[Array]:
        """f, f', f'', z f', z f'' and z^2 f''."""
        value, slope, curve = self.standard(z)
        z = np.clip(z, -HUGE, HUGE)  # times a slope that dies away as 1/z, it is then still the limit
        moved = z * curve
        return [value, slope, curve, z * slope, moved, z * moved]


class LocationScale(Standardised):
    """nll = log(scale) + f(z), z = (y - loc)/scale, in the scores loc and log(scale)."""

    def terms(self, y: Array, eta: Array) -> Sequence[Array]:
        return self.standard_terms((y - eta[0]) * np.exp(-eta[1]))

    def assemble(self, ones: Array | float, terms: Sequence[Array], eta: Array) -> Derivatives:
        value, slope, curve, pull, moved, stretched = terms
        inverse = np.exp(-eta[1])
        return (
            ones * eta[1] + value,
            stack(-slope * inverse, ones - pull),
            symmetric(curve * inverse**2, (slope + moved) * inverse, pull + stretched),
        )


class ShapeScale(Standardised):
    """nll = log y - log(shape) + f(z), z = shape (log y - log(scale)), in the scores log(shape) and log(scale)."""

    def terms(self, y: Array, eta: Array) -> Sequence[Array]:
        logs = np.log(y)
        terms = self.standard_terms(np.exp(eta[0]) * (logs - eta[1]))
        terms[0] = terms[0] + logs
        return terms

    def assemble(self, ones: Array | float, terms: Sequence[Array], eta: Array) -> Derivatives:
        value, slope, curve, pull, moved, stretched = terms
        shape = np.exp(eta[0])
        return (
            value - ones * eta[0],
            stack(pull - ones, -shape * slope),
            symmetric(pull + stretched, -shape * (slope + moved), shape * shape * curve),
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
