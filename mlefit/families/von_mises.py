"""Directions, the circle's normal distribution; nll = log(2 pi I0(kappa)) - kappa cos(y - mu).

Written about the mean direction with 1 - cos = 2 sin^2(half) and the scaled Bessel functions, so that nothing
cancels however concentrated the angles are.
"""

from __future__ import annotations

from math import log as ln
from math import pi, tau
from typing import Final

import numpy as np

from mlefit.families import special
from mlefit.families.base import Derivatives, ExponentialFamily, Parameter, Rows, stack, symmetric
from mlefit.families.links import Array, identity, log
from mlefit.families.support import real
from mlefit.families.tail_derivatives import LOG_HALF, complement
from mlefit.families.tails import log1mexp

LARGE: Final = 60.0
# Coefficients of 1/kappa^j, j = 0, 1 ..., in kappa (1 - I1(kappa)/I0(kappa)).
SERIES: Final = (
    1 / 2,
    1 / 8,
    1 / 8,
    25 / 128,
    13 / 32,
    1073 / 1024,
    103 / 32,
    375733 / 32768,
    23797 / 512,
    55384775 / 262144,
)
REACH: Final = 40.0  # a tail is cut where the density has fallen by exp(-40) from its edge


class VonMises(ExponentialFamily):
    """Mean direction mu and concentration kappa, in radians (Mardia and Jupp 2000, section 3.5.4).

    Angles may be any numbers; they count modulo 2 pi. The distribution function begins at -pi. The mean is mu and
    the variance is the circular one, 1 - I1(kappa)/I0(kappa).
    """

    name = "von-mises"
    summary = "directions and times of day, in radians"
    aliases = ("vonmises", "circular-normal")
    parameters = (
        Parameter("mu", identity, "mean direction, between -pi and pi"),
        Parameter("kappa", log, "concentration; 0 is uniform", limit_below="uniform", closed=(0.0,)),
    )
    support = real
    _centre_size = 1

    def centre(self, rows: Rows) -> Array:
        return np.arctan2(rows.mean(np.sin(rows.y)), rows.mean(np.cos(rows.y)))[None]

    def statistics(self, y: Array, centre: Array) -> Array:
        deviation = y - centre[0]
        return stack(1.0, np.sin(deviation), 2 * np.sin(deviation / 2) ** 2)

    def total(self, sums: Array, centre: Array, eta: Array) -> Derivatives:
        ones, sine, versine = sums
        shift = eta[0] - centre[0]
        kappa = np.exp(eta[1])
        cosine = ones - versine
        spread = 2 * ones * np.sin(shift / 2) ** 2 + versine * np.cos(shift) - sine * np.sin(shift)
        pull = kappa * (cosine * np.sin(shift) - sine * np.cos(shift))
        short, slope = _resultant(kappa)
        nll = ones * (ln(tau) + np.log(special.i0e(kappa))) + kappa * spread
        gradient = stack(pull, kappa * spread - ones * short)
        curve = kappa * (cosine * np.cos(shift) + sine * np.sin(shift))
        return nll, gradient, symmetric(curve, pull, kappa * spread - ones * slope)

    def start_from(self, sums: Array, centre: Array) -> Array:
        """mu in closed form; kappa by Best and Fisher's (1981) approximation."""
        sine, cosine = sums[1] / sums[0], 1 - sums[2] / sums[0]
        length = np.hypot(sine, cosine)
        short = np.maximum((2 * sums[2] / sums[0] - (sums[2] / sums[0]) ** 2 - sine**2) / (1 + length), 0.0)
        with np.errstate(divide="ignore"):
            kappa = np.where(
                length < 0.53,
                2 * length + length**3 + 5 * length**5 / 6,
                np.where(length < 0.85, -0.4 + 1.39 * length + 0.43 / short, 1 / (short * length * (3 - length))),
            )
        mu = centre[0] + np.arctan2(sine, cosine)
        return np.stack([mu, log.forward(kappa)])

    def log_cdf(self, y: Array, eta: Array) -> Array:
        return _tail(y, eta, lower=True)

    def log_sf(self, y: Array, eta: Array) -> Array:
        return _tail(y, eta, lower=False)

    def log_cdf_derivatives(self, y: Array, eta: Array) -> Derivatives:
        return _tail_derivatives(y, eta, lower=True)

    def log_sf_derivatives(self, y: Array, eta: Array) -> Derivatives:
        return _tail_derivatives(y, eta, lower=False)

    def log_interval(self, left: Array, right: Array, eta: Array) -> Array:
        """log of the probability of the arc from `left` to `right`, wherever it lies on the circle."""
        return self.log_cdf(*_turned(left, right, eta))

    def log_interval_derivatives(self, left: Array, right: Array, eta: Array) -> Derivatives:
        return self.log_cdf_derivatives(*_turned(left, right, eta))

    def quantile(self, q: Array, eta: Array) -> Array:
        from mlefit.families.inversion import invert

        q = np.asarray(q, dtype=float)
        shape = np.broadcast_shapes(q.shape, eta.shape[1:])
        y = invert(self, q, eta, np.full(shape, -pi), np.full(shape, pi))
        return np.where(q <= 0, -pi, np.where(q >= 1, pi, y))

    def mean(self, eta: Array) -> Array:
        return eta[0]

    def variance(self, eta: Array) -> Array:
        kappa = np.exp(eta[1])
        return _resultant(kappa)[0] / kappa

    def sample(self, generator: np.random.Generator, eta: Array, n: int) -> Array:
        return generator.vonmises(_wrapped(eta[0]), np.exp(eta[1]), n)


def _turned(left: Array, right: Array, eta: Array) -> tuple[Array, Array]:
    """The end of an arc and the scores, turned so that the arc begins at -pi, where the distribution function does."""
    end = np.minimum(right - left, tau) - pi
    mu, kappa = np.broadcast_arrays(eta[0] - left - pi, eta[1])
    return end, stack(mu, kappa)


def _resultant(kappa: Array) -> tuple[Array, Array]:
    """kappa (1 - A) with A = I1/I0, and its derivative with respect to log(kappa)."""
    large = np.maximum(kappa, LARGE)
    inverse = 1 / large
    value, slope = np.zeros_like(large), np.zeros_like(large)
    for j in range(len(SERIES) - 1, -1, -1):
        value = value * inverse + SERIES[j]
        slope = slope * inverse - j * SERIES[j]
    small = np.minimum(kappa, LARGE)
    a = special.i1e(small) / special.i0e(small)
    plain = small * (1 - a)
    # A' = 1 - A/kappa - A^2, hence d (kappa (1 - A)) / d log(kappa) = kappa (1 - A) - kappa^2 A'.
    bend = plain - small * (plain * (1 + a) - a)
    return np.where(kappa > LARGE, value, plain), np.where(kappa > LARGE, slope, bend)


def _wrapped(angle: Array) -> Array:
    """The same direction between -pi and pi."""
    angle = np.asarray(angle, dtype=float)
    return np.where(np.abs(angle) <= pi, angle, angle - tau * np.round(angle / tau))


def _angles(y: Array, eta: Array) -> tuple[Array, Array, Array]:
    y, mu, kappa = np.broadcast_arrays(_wrapped(y), _wrapped(eta[0]), np.exp(eta[1]))
    return y, mu, kappa


def _tail(y: Array, eta: Array, *, lower: bool) -> Array:
    """log of the probability from -pi to y, or from y to pi; from that of the other side where it is the larger."""
    y, mu, kappa = _angles(y, eta)
    with np.errstate(all="ignore"):
        below, above = (-pi - mu, y + pi), (y - mu, pi - y)
        (start, length), (start_beyond, rest) = (below, above) if lower else (above, below)
        own = np.asarray(_arc(start, length, kappa)[0])
        large = own > LOG_HALF
        if large.any():
            beyond = _arc(start_beyond[large], rest[large], kappa[large])[0]
            own[large] = log1mexp(np.minimum(beyond, 0.0))
        return own


def _tail_derivatives(y: Array, eta: Array, *, lower: bool) -> Derivatives:
    """The same with its derivatives, those of the smaller side."""
    y, mu, kappa = _angles(y, eta)
    with np.errstate(all="ignore"):
        below, above = (-pi - mu, y + pi), (y - mu, pi - y)
        (start, length), (start_beyond, rest) = (below, above) if lower else (above, below)
        value, gradient, hessian = _arc_derivatives(start, length, kappa)
        large = value > LOG_HALF
        if large.any():
            beyond = _arc_derivatives(start_beyond[large], rest[large], kappa[large])
            value[large], gradient[:, large], hessian[:, :, large] = complement(*beyond)
        return value, gradient, hessian


def _arc_derivatives(start: Array, length: Array, kappa: Array) -> Derivatives:
    """log of the probability P of an arc from s to e, deviations from mu, and its derivatives in mu and log(kappa).

    With f the density and v = 1 - cos: the slopes are (f(s) - f(e))/P and kappa (1 - A) - kappa E(v | arc), A = I1/I0,
    and d kappa E(v)/d log(kappa) = kappa E(v) - kappa^2 Var(v).
    """
    value, mean, variance = _arc(start, length, kappa)
    short, slope = _resultant(kappa)
    ends = np.stack([start, start + length])
    versine = 2 * kappa * np.sin(ends / 2) ** 2
    density = np.exp(-versine - ln(tau) - np.log(special.i0e(kappa)) - value)
    # No probability, or all of it, whatever the scores.
    known = np.isfinite(value) & (length < tau)
    density = np.where(known, density, 0.0)
    turn = density[0] - density[1]
    first, last = density * kappa * np.sin(ends)
    gradient = stack(turn, np.where(known, short - mean, 0.0))
    bend = np.where(known, slope - mean + variance, 0.0)
    cross = density[1] * versine[1] - density[0] * versine[0] + turn * mean
    return value, gradient, symmetric(first - last - turn * turn, cross, bend)


def _arc(start: Array, length: Array, kappa: Array) -> tuple[Array, Array, Array]:
    """log P of an arc that begins `start` (from -2 pi on) away from the mode; kappa E(v), kappa^2 Var(v) within it.

    It is cut at the modes and antimodes: between them the density is monotone.
    """
    parts = []
    for k in range(-2, 2):
        low, high = np.maximum(start, k * pi), np.minimum(start + length, (k + 1) * pi)
        found = np.stack([np.full(start.shape, -np.inf), np.zeros(start.shape), np.zeros(start.shape)])
        some = high > low
        if some.any():
            # Distance from the mode of the end nearer to it.
            near = low[some] - k * pi if k % 2 == 0 else (k + 1) * pi - high[some]
            found[:, some] = _slope(np.clip(near, 0.0, pi), (high - low)[some], kappa[some])
        parts.append(found)
    value, mean, variance = np.stack(parts, axis=1)
    whole = np.logaddexp.reduce(value, axis=0)
    share = np.where(value > -np.inf, np.exp(value - whole), 0.0)
    centre = (share * mean).sum(axis=0)
    return whole, centre, (share * (variance + (mean - centre) ** 2)).sum(axis=0)


def _slope(near: Array, width: Array, kappa: Array) -> Array:
    """log P, kappa E(v) and kappa^2 Var(v) from `near` to `near + width`, both between mode and antimode, (3, m)."""
    from mlefit.families.quadrature import integral

    # Where kappa (cos(near) - cos(near + w)) = 40, from sin^2(half the angle).
    half = np.sin(near / 2) ** 2 + REACH / (2 * kappa)
    reach = np.where(half < 1, 2 * np.arcsin(np.sqrt(np.minimum(half, 1.0))) - near, pi)
    width = np.minimum(width, reach)

    def falling(distance: Array) -> Array:
        fall = 2 * kappa * np.sin(near + distance / 2) * np.sin(distance / 2)
        density = np.exp(-fall)
        return np.stack([density, density * fall, density * fall * fall])

    edge = 2 * kappa * np.sin(near / 2) ** 2
    whole, first, second = integral(falling, width)
    mean = first / whole
    value = np.log(whole) - edge - ln(tau) - np.log(special.i0e(kappa))
    return np.stack([value, edge + mean, np.maximum(second / whole - mean * mean, 0.0)])
