"""Anywhere between two ends alike; nll = log(upper - lower). The estimates are the extremes of exact data."""

from __future__ import annotations

import numpy as np

from mlefit.families.base import Derivatives, Family, Parameter, Rows, stack, symmetric
from mlefit.families.links import Array, identity
from mlefit.families.support import real


class Uniform(Family):
    """Density 1/(upper - lower) on the closed interval."""

    name = "uniform"
    summary = "every value between two ends equally likely"
    aliases = ("unif", "rectangular")
    parameters = (Parameter("lower", identity, "least value"), Parameter("upper", identity, "greatest value"))
    sizes = (0.0, np.inf)
    support = real
    irregular = frozenset({"lower", "upper"})
    aside = 0.0
    irregular_note = (
        "the ends are the data's extremes; the likelihood has no zero gradient there, hence no standard errors"
    )

    def nll(self, y: Array, eta: Array) -> Array:
        lower, upper = eta
        inside = (y >= lower) & (y <= upper)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(inside, np.log(upper - lower), np.inf)

    def gradient(self, y: Array, eta: Array) -> Array:
        return self.derivatives(y, eta)[1]

    def hessian(self, y: Array, eta: Array) -> Array:
        return self.derivatives(y, eta)[2]

    def derivatives(self, y: Array, eta: Array) -> Derivatives:
        with np.errstate(divide="ignore"):
            slope = 1 / (eta[1] - eta[0]) + np.zeros_like(y)
        curve = slope * slope
        return self.nll(y, eta), stack(-slope, slope), symmetric(-curve, curve, -curve)

    def start(self, rows: Rows) -> Array:
        return np.stack([rows.minimum(rows.y), rows.maximum(rows.y)])

    def log_cdf(self, y: Array, eta: Array) -> Array:
        with np.errstate(divide="ignore"):
            return np.log(_fraction(y - eta[0], eta))

    def log_sf(self, y: Array, eta: Array) -> Array:
        with np.errstate(divide="ignore"):
            return np.log(_fraction(eta[1] - y, eta))

    def log_sf_derivatives(self, y: Array, eta: Array) -> Derivatives:
        return log_part(y, np.inf, eta[0], eta[1])

    def log_cdf_derivatives(self, y: Array, eta: Array) -> Derivatives:
        return log_part(-np.inf, y, eta[0], eta[1])

    def log_interval_derivatives(self, left: Array, right: Array, eta: Array) -> Derivatives:
        return log_part(left, right, eta[0], eta[1])

    def quantile(self, q: Array, eta: Array) -> Array:
        return eta[0] * (1 - np.asarray(q)) + eta[1] * q

    def mean(self, eta: Array) -> Array:
        return eta[0] + (eta[1] - eta[0]) / 2

    def variance(self, eta: Array) -> Array:
        return (eta[1] - eta[0]) ** 2 / 12

    def sample(self, generator: np.random.Generator, eta: Array, n: int) -> Array:
        return self.quantile(generator.random(n), eta)

    def crps(self, y: Array, eta: Array) -> Array:
        """Continuous ranked probability score (Jordan, Krueger and Lerch 2019, appendix A)."""
        below = _fraction(y - eta[0], eta)
        outside = np.maximum(eta[0] - y, 0.0) + np.maximum(y - eta[1], 0.0)
        return outside + (eta[1] - eta[0]) * (below * below - below + 1 / 3)


def _fraction(length: Array, eta: Array) -> Array:
    """A length as a part of the interval, between 0 and 1; NaN where there is no interval."""
    whole = eta[1] - eta[0]
    return np.clip(length / np.where(whole > 0, whole, np.nan), 0.0, 1.0)


def log_part(left: Array | float, right: Array | float, lower: Array, upper: Array) -> Derivatives:
    """log of the part of (lower, upper] that lies in (left, right], and its derivatives in lower and upper.

    At a bend, where lower is left or upper is right, they are those beyond it: the part does not change.
    """
    whole = upper - lower
    length = np.minimum(right, upper) - np.maximum(left, lower)
    with np.errstate(all="ignore"):
        value = np.where(length > 0, np.log(length) - np.log(whole), -np.inf)
        begin, end = np.where(lower > left, 1 / length, 0.0), np.where(upper < right, 1 / length, 0.0)
        slope = 1 / whole
        gradient = stack(slope - begin, end - slope)
        curve = slope * slope
        return value, gradient, symmetric(curve - begin * begin, begin * end - curve, curve - end * end)
