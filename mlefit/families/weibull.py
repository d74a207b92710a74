"""Lifetimes; with z = shape (log y - log scale): nll = exp(z) - z - log(shape) + log(y)."""

from __future__ import annotations

from math import pi

import numpy as np

from mlefit.families.base import Derivatives, Parameter, Rows, stack, symmetric
from mlefit.families.links import Array, log
from mlefit.families.location_scale import ShapeScale
from mlefit.families.support import positive
from mlefit.families.tails import log1mexp


class Weibull(ShapeScale):
    """Survival function exp(-(y/scale)^shape) (Johnson, Kotz and Balakrishnan 1994, chapter 21)."""

    name = "weibull"
    summary = "lifetimes with a rising or falling hazard"
    aliases = ("weibull-min",)
    parameters = (
        Parameter("shape", log, "below 1 the hazard falls, above 1 it rises"),
        Parameter("scale", log, "characteristic life, the 63.2 % quantile"),
    )
    support = positive

    def nll(self, y: Array, eta: Array) -> Array:
        logs = np.log(y)
        z = np.exp(eta[0]) * (logs - eta[1])
        return np.exp(z) - z - eta[0] + logs

    def standard(self, z: Array) -> Derivatives:
        hazard = np.exp(z)
        return hazard - z, hazard - 1, hazard

    def start(self, rows: Rows) -> Array:
        """log y is a smallest-extreme-value variable with standard deviation pi / (shape sqrt(6))."""
        logs = np.log(rows.y)
        spread = np.maximum(np.sqrt(rows.variance(logs)), 1e-12)
        shape = pi / (np.sqrt(6) * spread)
        return np.stack([np.log(shape), rows.mean(logs) + np.euler_gamma / shape])

    def log_cdf(self, y: Array, eta: Array) -> Array:
        with np.errstate(divide="ignore", over="ignore"):
            z = np.exp(eta[0]) * (np.log(np.maximum(y, 0.0)) - eta[1])
            hazard = np.exp(z)
        return np.where(z < -30, z - hazard / 2, log1mexp(-hazard))

    def log_sf(self, y: Array, eta: Array) -> Array:
        return -((y * np.exp(-eta[1])) ** np.exp(eta[0]))

    def log_sf_derivatives(self, y: Array, eta: Array) -> Derivatives:
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            shape = np.exp(eta[0])
            z = shape * (np.log(y) - eta[1])
            hazard = np.exp(z)
            slope = z * hazard
            return (
                -hazard,
                stack(-slope, shape * hazard),
                symmetric(-slope * (1 + z), shape * (hazard + slope), -shape * shape * hazard),
            )

    def log_cdf_derivatives(self, y: Array, eta: Array) -> Derivatives:
        """With H = (y/scale)^shape and q = H/(exp(H) - 1), d log F/dz = q and d2 log F/dz2 = q (1 - H - q)."""
        with np.errstate(all="ignore"):
            shape = np.exp(eta[0])
            z = shape * (np.log(y) - eta[1])
            hazard = np.exp(z)
            # Where H is nothing beside 1, F is H; where exp(H) overflows, q is zero.
            share = np.where(hazard > 0, hazard / np.expm1(hazard), 1.0)
            share = np.where(hazard < np.inf, share, 0.0)
            curve = share * np.where(share > 0, 1 - hazard - share, 0.0)
            along = z * curve
            return (
                np.where(z < -30, z - hazard / 2, log1mexp(-hazard)),
                stack(z * share, -shape * share),
                symmetric(z * (share + along), -shape * (share + along), shape * shape * curve),
            )

    def log_interval_derivatives(self, left: Array, right: Array, eta: Array) -> Derivatives:
        """As in `interval`, with S = exp(-H), H = (y/scale)^shape, so that all is made of H at the two ends.

        Terms are made in place, in the arrays that are returned: a fit of intervals spends most of its time here.
        """
        with np.errstate(all="ignore"):
            shape = np.exp(eta[0])
            low, high = np.log(left) - eta[1], np.log(right) - eta[1]
            low *= shape
            high *= shape
            first, last = np.exp(low), np.exp(high)
            width = last - first
            ratio = np.expm1(width)
            np.reciprocal(ratio, out=ratio)
            # Beyond where exp(-H) underflows the right end is nothing: its terms, infinite times zero, must not count.
            if not ratio.all():
                none = ratio == 0
                width[none], last[none], high[none] = 0.0, 0.0, 0.0
            value = np.log1p(ratio)
            value += first
            gradient, hessian = np.empty((2, *low.shape)), np.empty((2, 2, *low.shape))
            turn, end = np.multiply(first, low), np.multiply(last, high, out=last)
            bend = np.multiply(turn, low, out=low)
            curve = np.multiply(end, high, out=high)
            curve -= bend
            curve *= ratio
            curve -= bend
            apart = np.subtract(end, turn, out=end)
            along, across = ratio * apart, np.multiply(ratio, width, out=ratio)
            slope, fall = np.subtract(along, turn, out=gradient[0]), np.subtract(first, across, out=first)
            np.multiply(shape, fall, out=gradient[1])
            apart += along
            apart *= along
            curve += slope
            np.subtract(curve, apart, out=hessian[0, 0])
            width += across
            along *= width
            along += fall
            along -= slope
            hessian[1, 0] = np.multiply(shape, along, out=hessian[0, 1])
            across *= width
            across += fall
            np.multiply(-shape * shape, across, out=hessian[1, 1])
            return np.negative(value, out=value), gradient, hessian

    def quantile(self, q: Array, eta: Array) -> Array:
        return np.asarray(np.exp(eta[1]) * (-np.log1p(-q)) ** np.exp(-eta[0]))

    def mean(self, eta: Array) -> Array:
        from scipy.special import gamma

        return np.asarray(np.exp(eta[1]) * gamma(1 + np.exp(-eta[0])))

    def variance(self, eta: Array) -> Array:
        from scipy.special import gamma

        inverse = np.exp(-eta[0])
        return np.asarray(np.exp(2 * eta[1]) * (gamma(1 + 2 * inverse) - gamma(1 + inverse) ** 2))

    def sample(self, generator: np.random.Generator, eta: Array, n: int) -> Array:
        return np.exp(eta[1]) * generator.standard_exponential(n) ** np.exp(-eta[0])
