"""Derivatives of a density of z = (y - loc)/scale with respect to loc and log(scale)."""

from __future__ import annotations

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
