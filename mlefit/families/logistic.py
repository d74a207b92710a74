"""The sech-square density; nll = log(scale) + z + 2 log(1 + exp(-z)), z = (y - loc)/scale."""

from __future__ import annotations

from math import pi
from typing import NamedTuple

import numpy as np

from mlefit.families.base import Derivatives, Parameter, Rows, stack, symmetric
from mlefit.families.links import Array, expit, identity, log, softplus
from mlefit.families.location_scale import Between, LocationScale, mirrored
from mlefit.families.support import real


class Logistic(LocationScale):
    """Distribution function 1/(1 + exp(-z)) (Johnson, Kotz and Balakrishnan 1995, chapter 23)."""

    name = "logistic"
    summary = "like the normal, with heavier tails and a closed distribution function"
    aliases = ("logis",)
    parameters = (Parameter("loc", identity, "mean and median"), Parameter("scale", log, "scale"))
    support = real

    def nll(self, y: Array, eta: Array) -> Array:
        distance = np.abs(y - eta[0]) * np.exp(-eta[1])
        return distance + 2 * np.log1p(np.exp(-distance)) + eta[1]

    def gradient(self, y: Array, eta: Array) -> Array:
        inverse = np.exp(-eta[1])
        z = (y - eta[0]) * inverse
        slope = np.tanh(z / 2)
        return stack(-slope * inverse, 1 - z * slope)

    def standard(self, z: Array) -> Derivatives:
        return standard(z)

    def start(self, rows: Rows) -> Array:
        """The moments: the standard deviation is pi scale / sqrt(3)."""
        spread = np.sqrt(rows.variance(rows.y))
        return np.stack([rows.mean(rows.y), log.forward(spread * np.sqrt(3) / pi)])

    def log_cdf(self, y: Array, eta: Array) -> Array:
        return -softplus((eta[0] - y) * np.exp(-eta[1]))

    def log_sf(self, y: Array, eta: Array) -> Array:
        return -softplus((y - eta[0]) * np.exp(-eta[1]))

    def log_sf_derivatives(self, y: Array, eta: Array) -> Derivatives:
        inverse = np.exp(-eta[1])
        z = (y - eta[0]) * inverse
        below = expit(z)
        curve = below * expit(-z)
        bend = below + z * curve
        return (
            -softplus(z),
            stack(below * inverse, z * below),
            symmetric(-curve * inverse**2, -bend * inverse, -z * bend),
        )

    def log_cdf_derivatives(self, y: Array, eta: Array) -> Derivatives:
        return mirrored(self.log_sf_derivatives(-np.asarray(y), stack(-eta[0], eta[1])), 0)

    def log_interval_derivatives(self, left: Array, right: Array, eta: Array) -> Derivatives:
        inverse = np.exp(-eta[1])
        return between((left - eta[0]) * inverse, (right - eta[0]) * inverse).of_location_scale(inverse)

    def quantile(self, q: Array, eta: Array) -> Array:
        q = np.asarray(q)
        with np.errstate(divide="ignore"):
            return eta[0] + np.exp(eta[1]) * (np.log(q) - np.log1p(-q))

    def mean(self, eta: Array) -> Array:
        return eta[0]

    def variance(self, eta: Array) -> Array:
        return np.exp(2 * eta[1]) * pi**2 / 3

    def sample(self, generator: np.random.Generator, eta: Array, n: int) -> Array:
        return eta[0] + np.exp(eta[1]) * generator.logistic(size=n)

    def crps(self, y: Array, eta: Array) -> Array:
        """Continuous ranked probability score (Jordan, Krueger and Lerch 2019, appendix A)."""
        distance = np.abs(y - eta[0]) * np.exp(-eta[1])
        return np.exp(eta[1]) * (distance + 2 * np.log1p(np.exp(-distance)) - 1)


def standard(z: Array) -> Derivatives:
    """f(z) = |z| + 2 log(1 + exp(-|z|)), its slope tanh(z/2), and the slope's."""
    size = np.abs(z)
    small = np.exp(-size)
    slope = np.copysign((1 - small) / (1 + small), z)
    return size + 2 * np.log1p(small), slope, 2 * small / (1 + small) ** 2


def between(low: Array, high: Array) -> Between:
    """P = F(high) - F(low) = (1 - exp(low - high)) F(high) S(low): a product, so that nothing cancels."""
    with np.errstate(all="ignore"):
        width = high - low
        ratio = 1 / np.expm1(width)
        above, below = _tail(high), _tail(-low)
        rise, fall = high * above.chance, low * below.chance
        swell, bend, dent = ratio * width, high * above.spread, low * below.spread
        stretch = swell + rise - fall
        return Between(
            -(np.log1p(ratio) + above.loss + below.loss),
            above.chance - below.chance,
            stretch,
            -(above.spread + below.spread),
            -(bend + dent),
            stretch - swell * (width + swell) - high * bend - low * dent,
        )


class _Tail(NamedTuple):
    """S(z), F(z) S(z) and -log F(z)."""

    chance: Array
    spread: Array
    loss: Array


def _tail(z: Array) -> _Tail:
    small = np.exp(-np.abs(z))
    large = 1 / (1 + small)
    lesser = small * large
    return _Tail(np.where(z > 0, lesser, large), lesser * large, np.log1p(small) - np.minimum(z, 0.0))
