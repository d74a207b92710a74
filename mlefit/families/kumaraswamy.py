"""Fractions; with t = a log(y): nll = log(y) - t - log(a) - log(b) - (b - 1) log(1 - exp(t))."""

from __future__ import annotations

from math import log as ln
from typing import Final

import numpy as np

from mlefit.families.base import Derivatives, Family, Parameter, Rows, stack, symmetric
from mlefit.families.inversion import bisect
from mlefit.families.links import Array, log
from mlefit.families.support import unit
from mlefit.families.tails import log1mexp

# log S(upper quartile) / log S(lower quartile), the same for all parameters.
RATIO: Final = ln(0.25) / ln(0.75)


class Kumaraswamy(Family):
    """Distribution function 1 - (1 - y^a)^b (Kumaraswamy 1980; Jones 2009)."""

    name = "kumaraswamy"
    summary = "fractions between 0 and 1, beta-like with a closed distribution function"
    aliases = ("kumar",)
    parameters = (Parameter("a", log, "power of y near 0"), Parameter("b", log, "power of 1 - y near 1"))
    support = unit

    def nll(self, y: Array, eta: Array) -> Array:
        logs = np.log(y)
        t = np.exp(eta[0]) * logs
        return logs - t - eta[0] - eta[1] + (np.exp(eta[1]) - 1) * np.log1p(1 / np.expm1(-t))

    def gradient(self, y: Array, eta: Array) -> Array:
        return self.derivatives(y, eta)[1]

    def hessian(self, y: Array, eta: Array) -> Array:
        return self.derivatives(y, eta)[2]

    def derivatives(self, y: Array, eta: Array) -> Derivatives:
        logs = np.log(y)
        t = np.exp(eta[0]) * logs
        b = np.exp(eta[1])
        odds = 1 / np.expm1(-t)  # y^a / (1 - y^a); its derivative with respect to t is odds + odds^2
        rest = -np.log1p(odds)  # log(1 - y^a)
        pull = odds * t
        gradient = stack((b - 1) * pull - t - 1, -b * rest - 1)
        curve = (b - 1) * pull * (1 + t + pull) - t
        return logs - t - eta[0] - eta[1] - (b - 1) * rest, gradient, symmetric(curve, b * pull, -b * rest)

    def start(self, rows: Rows) -> Array:
        """a from the two quartiles, then b in closed form given a."""
        low, high = (np.log(rows.quantile(rows.y, q)) for q in (0.25, 0.75))

        def excess(score: Array) -> Array:
            a = np.exp(score)
            return log1mexp(a * high) / log1mexp(a * low) - RATIO

        with np.errstate(all="ignore"):
            score = bisect(excess, np.full(low.shape, -7.0), np.full(low.shape, 12.0))
            rest = log1mexp(rows.spread(np.exp(score)) * np.log(rows.y))
        return np.stack([score, log.forward(-1 / rows.mean(rest))])

    def log_cdf(self, y: Array, eta: Array) -> Array:
        t = self._score(y, eta)
        # Near zero the cdf is b y^a, which may underflow.
        return np.where((t < -40) & (t + eta[1] < -40), t + eta[1], log1mexp(np.exp(eta[1]) * log1mexp(t)))

    def log_sf(self, y: Array, eta: Array) -> Array:
        return np.exp(eta[1]) * log1mexp(self._score(y, eta))

    def _score(self, y: Array, eta: Array) -> Array:
        with np.errstate(divide="ignore"):
            return np.exp(eta[0]) * np.log(np.clip(y, 0.0, 1.0))

    def quantile(self, q: Array, eta: Array) -> Array:
        with np.errstate(divide="ignore"):
            return np.exp(np.exp(-eta[0]) * log1mexp(np.log1p(-np.asarray(q)) * np.exp(-eta[1])))

    def mean(self, eta: Array) -> Array:
        return _moment(eta, 1)

    def variance(self, eta: Array) -> Array:
        return _moment(eta, 2) - _moment(eta, 1) ** 2

    def sample(self, generator: np.random.Generator, eta: Array, n: int) -> Array:
        return np.exp(np.exp(-eta[0]) * log1mexp(-generator.standard_exponential(n) * np.exp(-eta[1])))


def _moment(eta: Array, r: int) -> Array:
    """E Y^r = b B(1 + r/a, b)."""
    from scipy.special import betaln

    return np.asarray(np.exp(eta[1] + betaln(1 + r * np.exp(-eta[0]), np.exp(eta[1]))))
