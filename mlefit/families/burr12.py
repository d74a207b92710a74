"""Heavy tails with a mode; with t = shape2 (log y - log scale), L = log(1 + exp(t)):
nll = (shape1 + 1) L - t - log(shape1) - log(shape2) + log(y).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log as ln

import numpy as np

from mlefit.families.base import Derivatives, Parameter, Rows, TermFamily, stack, symmetric
from mlefit.families.links import Array, expit, log, softplus
from mlefit.families.support import positive
from mlefit.families.tails import log1mexp


class Burr12(TermFamily):
    """Survival function (1 + (y/scale)^shape2)^-shape1 (Burr 1942, type XII; R's actuar).

    shape1 = 1 is the loglogistic, shape2 = 1 the Lomax. As shape1 and scale run off together it becomes the
    Weibull; as shape1 falls to zero and shape2 rises, the Pareto.
    """

    name = "burr12"
    summary = "heavy-tailed incomes, claims and lifetimes"
    aliases = ("burr", "singh-maddala")
    parameters = (
        Parameter("shape1", log, "the tail falls as y^-(shape1 shape2)", limit="weibull", limit_below="pareto"),
        Parameter("shape2", log, "power near zero", limit="pareto"),
        Parameter("scale", log, "scale", limit="weibull"),
    )
    support = positive

    def nll(self, y: Array, eta: Array) -> Array:
        logs = np.log(y)
        t = np.exp(eta[1]) * (logs - eta[2])
        return (np.exp(eta[0]) + 1) * softplus(t) - t - eta[0] - eta[1] + logs

    def terms(self, y: Array, eta: Array) -> Sequence[Array]:
        logs = np.log(y)
        t = np.exp(eta[1]) * (logs - eta[2])
        small = np.exp(-np.abs(t))
        rest = 1 / (1 + small)
        p = np.where(t > 0, rest, small * rest)  # exp(t) / (1 + exp(t))
        rise = np.maximum(t, 0.0) + np.log1p(small)
        curve = small * rest * rest
        moved = t * curve
        return logs - t, t, rise, p, t * p, curve, moved, t * moved

    def assemble(self, ones: Array | float, terms: Sequence[Array], eta: Array) -> Derivatives:
        first, t, rise, p, part, curve, moved, stretched = terms
        shape1, shape2 = np.exp(eta[0]), np.exp(eta[1])
        fall = shape1 * rise
        more = shape1 + 1
        slope = more * p - ones
        pull = more * part - t
        return (
            fall + rise + first - ones * (eta[0] + eta[1]),
            stack(fall - ones, pull - ones, -shape2 * slope),
            symmetric(
                fall,
                shape1 * part,
                pull + more * stretched,
                -shape2 * shape1 * p,
                -shape2 * (slope + more * moved),
                shape2**2 * more * curve,
            ),
        )

    def starts(self, rows: Rows) -> list[Array]:
        """The quartiles' own shape2 and scale for a tail as the loglogistic's, a heavier and a lighter one."""
        low, high = (np.log(rows.quantile(rows.y, q)) for q in (0.25, 0.75))
        width = np.maximum(high - low, 1e-10)
        result = []
        for shape1 in (1.0, 0.1, 20.0):
            below, above = (np.log(np.expm1(-ln(1 - q) / shape1)) for q in (0.25, 0.75))
            shape2 = (above - below) / width
            result.append(np.stack([np.full(low.shape, ln(shape1)), np.log(shape2), high - above / shape2]))
        return result

    def start(self, rows: Rows) -> Array:
        return self.starts(rows)[0]

    def log_cdf(self, y: Array, eta: Array) -> Array:
        t = self._score(y, eta)
        # Near zero the cdf is shape1 exp(t), which may underflow.
        return np.where((t < -40) & (t + eta[0] < -40), t + eta[0], log1mexp(-np.exp(eta[0]) * softplus(t)))

    def log_sf(self, y: Array, eta: Array) -> Array:
        return -np.exp(eta[0]) * softplus(self._score(y, eta))

    def _score(self, y: Array, eta: Array) -> Array:
        with np.errstate(divide="ignore"):
            return np.exp(eta[1]) * (np.log(np.maximum(y, 0.0)) - eta[2])

    def log_sf_derivatives(self, y: Array, eta: Array) -> Derivatives:
        z = self._score(y, eta)
        first, power = np.exp(eta[0]), np.exp(eta[1])
        value, below = -first * softplus(z), expit(z)
        with np.errstate(invalid="ignore"):
            slope = first * z * below
            bend = first * (below + z * below * expit(-z))
        fall = first * power * below
        return (
            value,
            stack(value, -slope, fall),
            symmetric(value, -slope, -z * bend, fall, power * bend, -power * fall * expit(-z)),
        )

    def quantile(self, q: Array, eta: Array) -> Array:
        with np.errstate(divide="ignore"):
            rise = -np.log1p(-np.asarray(q)) * np.exp(-eta[0])
            return np.exp(eta[2] + np.exp(-eta[1]) * (rise + log1mexp(-rise)))

    def mean(self, eta: Array) -> Array:
        return np.exp(eta[2]) * _moment(eta, 1)

    def variance(self, eta: Array) -> Array:
        with np.errstate(invalid="ignore"):
            first, second = _moment(eta, 1), _moment(eta, 2)
            return np.where(np.isfinite(second), np.exp(2 * eta[2]) * (second - first**2), np.inf)

    def sample(self, generator: np.random.Generator, eta: Array, n: int) -> Array:
        rise = generator.standard_exponential(n) * np.exp(-eta[0])
        return np.exp(eta[2] + np.exp(-eta[1]) * (rise + log1mexp(-rise)))


def _moment(eta: Array, r: int) -> Array:
    """E (Y/scale)^r = shape1 B(shape1 - r/shape2, 1 + r/shape2), infinite where the first argument is not positive."""
    from scipy.special import betaln

    shape1, part = np.exp(eta[0]), r * np.exp(-eta[1])
    inside = np.where(shape1 > part, shape1 - part, 1.0)
    return np.asarray(np.where(shape1 > part, np.exp(eta[0] + betaln(inside, 1 + part)), np.inf))
