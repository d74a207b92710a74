"""A normal distribution with a lean; with z = (y - loc)/scale:
nll = log(scale) + log(pi/2)/2 + z^2/2 - log Phi(shape z).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log as ln
from math import pi, sqrt
from typing import Final

import numpy as np

from mlefit.families import special
from mlefit.families.base import Derivatives, Parameter, Rows, TermFamily, stack, symmetric
from mlefit.families.drifts import Drift, of_location_scale
from mlefit.families.links import Array, identity, log
from mlefit.families.mills import deficit, log_normal_cdf_derivatives, ratio
from mlefit.families.support import real
from mlefit.families.tails import log1mexp

CONSTANT: Final = ln(pi / 2) / 2
MEAN: Final = sqrt(2 / pi)
STEEP: Final = 20.0  # a shape that is nearly a half-normal
LIMIT: Final = 1e4  # times the pull of the data: a shape that is one, but for a few thousandths of log-likelihood
# A tail is cut where the density has fallen by exp(-40) from its edge.
REACH: Final = 80.0
OWEN: Final = 8.0  # |z| up to which Owen's function has its digits


class SkewNormal(TermFamily):
    """Density 2 phi(z) Phi(shape z) / scale (Azzalini 1985).

    shape = 0 is a stationary point of every likelihood, with a singular Hessian: start away from it. Where all the
    data lean one way the estimate of shape is infinite, a half-normal from the smallest or largest value.
    """

    name = "skew-normal"
    summary = "nearly normal measurements with some skewness"
    aliases = ("skewnorm", "sn")
    parameters = (
        Parameter("loc", identity, "location"),
        Parameter("scale", log, "scale"),
        Parameter(
            "shape",
            identity,
            "alpha: above 0 leans right, 0 is normal",
            limit="a half-normal from its smallest value up",
            limit_below="a half-normal from its largest value down",
        ),
    )
    support = real

    def nll(self, y: Array, eta: Array) -> Array:
        z = (y - eta[0]) * np.exp(-eta[1])
        return CONSTANT + eta[1] + z * z / 2 - special.log_ndtr(eta[2] * z)

    def terms(self, y: Array, eta: Array) -> Sequence[Array]:
        z = (y - eta[0]) * np.exp(-eta[1])
        value, pull, bend = log_normal_cdf_derivatives(eta[2] * z)
        moved = z * bend
        return value, z, z * z, pull, z * pull, bend, moved, z * moved

    def assemble(self, ones: Array | float, terms: Sequence[Array], eta: Array) -> Derivatives:
        value, z, square, pull, pulled, bend, moved, stretched = terms
        inverse, shape = np.exp(-eta[1]), eta[2]
        slope, turned = z - shape * pull, square - shape * pulled
        return (
            ones * (CONSTANT + eta[1]) + square / 2 - value,
            stack(-slope * inverse, ones - turned, -pulled),
            symmetric(
                (ones + shape * shape * bend) * inverse**2,
                (slope + z + shape * shape * moved) * inverse,
                turned + square + shape * shape * stretched,
                (pull - shape * moved) * inverse,
                pulled - shape * stretched,
                stretched,
            ),
        )

    def starts(self, rows: Rows) -> list[Array]:
        """Moments, with the skewness bounded away from zero and its limit; a lean the other way; steep ends; the limit.

        The likelihood can have one maximum inside and a higher one at an infinite shape, the half-normal from
        whichever end is nearer. Close to it the best loc is that at which the slope of log Phi at the outermost value
        balances the pull of all the others.
        """
        y = rows.y
        mean, spread = rows.mean(y), np.maximum(np.sqrt(rows.variance(y)), 1e-300)
        skewness = rows.mean(((y - rows.spread(mean)) / rows.spread(spread)) ** 3)
        sign = np.where(skewness < 0, -1.0, 1.0)
        result = []
        for lean in (sign * np.clip(np.abs(skewness), 0.1, 0.95), -sign * 0.3):
            size = np.abs(lean) ** (2 / 3)
            delta = np.copysign(np.sqrt(pi / 2 * size / (size + ((4 - pi) / 2) ** (2 / 3))), lean)
            scale = spread / np.sqrt(1 - (MEAN * delta) ** 2)
            result.append(np.stack([mean - MEAN * delta * scale, log.forward(scale), delta / np.sqrt(1 - delta**2)]))
        ends = rows.minimum(y), rows.maximum(y)
        for end, shape in zip(ends, (STEEP, -STEEP), strict=True):
            scale = np.hypot(spread, mean - end)
            result.append(np.stack([end, log.forward(scale), np.full_like(mean, shape)]))
        end = np.where(mean - ends[0] <= ends[1] - mean, *ends)
        scale = np.hypot(spread, mean - end)
        moments = rows.mean(self.nll(y, np.stack([rows.spread(score) for score in result[0]])))
        if np.all(CONSTANT + np.log(np.maximum(scale, 1e-300)) + 0.5 > moments):
            return result  # no half-normal is as likely as the moments
        pull = rows.total_weight * (mean - end) / scale
        steep = LIMIT * np.copysign(np.maximum(np.abs(pull), 1.0), pull)
        edge = end - sqrt(2 * ln(LIMIT / sqrt(2 * pi))) * scale / steep
        return [*result, np.stack([edge, log.forward(scale), steep])]

    def start(self, rows: Rows) -> Array:
        return self.starts(rows)[0]

    def log_cdf(self, y: Array, eta: Array) -> Array:
        return _log_lower((y - eta[0]) * np.exp(-eta[1]), eta[2])

    def log_sf(self, y: Array, eta: Array) -> Array:
        return _log_lower((eta[0] - y) * np.exp(-eta[1]), -eta[2])

    def drift(self, y: Array, eta: Array) -> Drift:
        """For shape, dP(Y > y)/d shape = exp(-z^2 (1 + shape^2)/2) / (pi (1 + shape^2)), from Owen's T function."""
        scale, shape = np.exp(eta[1]), eta[2]
        z = (y - eta[0]) / scale
        mills = ratio(-shape * z)
        hazard = 1 / mills
        part = scale / (1 + shape * shape)
        with np.errstate(invalid="ignore"):
            bend = -np.where(np.isinf(mills), 0.0, part * hazard * deficit(-shape * z, mills) / mills)
        speed = part * hazard
        changes = [-shape / scale * bend, speed - shape * z * bend, z * bend - 2 * shape * speed * part / scale]
        return {**of_location_scale(y, eta), 2: (speed, changes)}

    def quantile(self, q: Array, eta: Array) -> Array:
        from mlefit.families.inversion import invert_real

        return invert_real(self, q, eta, self.mean(eta), np.sqrt(self.variance(eta)))

    def mean(self, eta: Array) -> Array:
        return eta[0] + np.exp(eta[1]) * MEAN * _delta(eta)

    def variance(self, eta: Array) -> Array:
        return np.exp(2 * eta[1]) * (1 - (MEAN * _delta(eta)) ** 2)

    def sample(self, generator: np.random.Generator, eta: Array, n: int) -> Array:
        first, second = generator.standard_normal((2, n))
        return eta[0] + np.exp(eta[1]) * (_delta(eta) * np.abs(first) + second / np.hypot(1.0, eta[2]))


def _delta(eta: Array) -> Array:
    return eta[2] / np.hypot(1.0, eta[2])


def _log_lower(z: Array, shape: Array) -> Array:
    """log P(Z <= z) from the tail on the side of z; no difference ever cancels.

    With shape >= 0 the lower tail is thin: an integral. The upper one is Phi(-z) + 2 T(z, shape), T being Owen's
    function, and farther out than `OWEN` 2 Phi(-z) less the thin tail at -z, which is never more than half of it. A
    negative shape is the mirror image. (Owen's T gives the thin tail as a difference that loses all its digits.)
    """
    z, shape = np.broadcast_arrays(np.asarray(z, dtype=float), shape)
    x, lean = np.asarray(np.abs(z)), np.asarray(np.abs(shape))
    with np.errstate(all="ignore"):
        tail = np.asarray(np.log(special.ndtr(-x) + 2 * special.owens_t(x, lean)))
        thin = np.asarray((z < 0) == (shape >= 0))
        rest = np.asarray(thin | ~(x < OWEN))
        if rest.any():
            narrow = _log_thin(x[rest], lean[rest])
            wide = special.log_ndtr(-x[rest]) + ln(2)
            tail[rest] = np.where(thin[rest], narrow, wide + np.log1p(-np.exp(narrow - wide)))
        tail = np.minimum(tail, 0.0)
        return np.where(z < 0, tail, log1mexp(tail))


def _log_thin(x: Array, shape: Array) -> Array:
    """log of the integral of 2 phi(u) Phi(-shape u) from x up, for x, shape >= 0.

    In s = b u with b = max(1, shape) the integrand falls at least as fast as a standard normal tail.
    """
    from mlefit.families.quadrature import integral

    b = np.maximum(1.0, shape)
    edge, lean = b * x, shape / b
    width = REACH / (np.sqrt(edge * edge + REACH) + edge)
    fall = (1 / b**2 + lean**2) / 2
    first = ratio(lean * edge)

    def falling(distance: Array) -> Array:
        """phi(s/b) Phi(-lean s), Phi(-s) being phi(s) times Mills' ratio, over its value at the edge."""
        return np.exp(-fall * distance * (2 * edge + distance)) * ratio(lean * (edge + distance)) / first

    return np.log(integral(falling, width) / b) + special.log_ndtr(-lean * edge) - x * x / 2 - CONSTANT
