"""First passage times of a drifting diffusion; nll = log(2 pi y^3 / shape)/2 + shape (y - mean)^2 / (2 mean^2 y).

About a centre c, with v = y/c - 1, w = v^2 c/y and d = c/mean - 1, the square (y - mean)^2 c / (mean^2 y) is
w + d^2 (1 + v) + 2 d v: nothing cancels, whatever the offset of the data.
"""

from __future__ import annotations

from math import log as ln
from math import tau
from typing import Final

import numpy as np

from mlefit.families.base import Derivatives, ExponentialFamily, Parameter, Rows, stack, symmetric
from mlefit.families.links import Array, log
from mlefit.families.support import positive
from mlefit.families.tails import log1mexp

HALF_LOG_TAU: Final = ln(tau) / 2


class InverseGaussian(ExponentialFamily):
    """Both estimates are closed forms: the mean, and n / sum(1/y - 1/mean) (Tweedie 1957)."""

    name = "inverse-gaussian"
    summary = "first passage times, positive and heavily skewed"
    aliases = ("invgauss", "wald", "ig")
    parameters = (
        Parameter("mean", log, "mean"),
        Parameter("shape", log, "lambda: the variance is mean^3 / shape"),
    )
    support = positive
    _centre_size = 1

    def centre(self, rows: Rows) -> Array:
        return rows.mean(rows.y)[None]

    def statistics(self, y: Array, centre: Array) -> Array:
        deviation = (y - centre[0]) / centre[0]
        return stack(1.0, deviation, deviation**2 * (centre[0] / y), np.log(y))

    def total(self, sums: Array, centre: Array, eta: Array) -> Derivatives:
        ones, first, second, logs = sums
        log_centre = np.log(centre[0])
        inverse = np.exp(log_centre - eta[0])
        d = np.expm1(log_centre - eta[0])
        half = np.exp(eta[1] - log_centre) / 2
        u = ones + first
        square = half * (second + d * d * u + 2 * d * first)
        pull = half * inverse * (d * u + first)
        nll = ones * (HALF_LOG_TAU - eta[1] / 2) + 1.5 * logs + square
        gradient = stack(-2 * pull, square - ones / 2)
        return nll, gradient, symmetric(2 * pull + 2 * half * inverse**2 * u, -2 * pull, square)

    def derivatives(self, y: Array, eta: Array) -> Derivatives:
        return self.total(self.statistics(y, y[None]), y[None], eta)

    def start_from(self, sums: Array, centre: Array) -> Array:
        u = sums[0] + sums[1]
        spread = np.maximum(sums[2] - sums[1] ** 2 / u, 0.0)
        with np.errstate(divide="ignore"):
            return log.forward(np.stack([centre[0] * u / sums[0], centre[0] * sums[0] / spread]))

    def log_cdf(self, y: Array, eta: Array) -> Array:
        """Phi(a) + exp(2 shape/mean) Phi(-b) with a = r (y/mean - 1), b = r (y/mean + 1), r^2 = shape/y.

        exp(2 shape/mean) phi(b) equals phi(a), so that is phi(a) (R(-a) + R(b)), R being Mills' ratio.
        """
        with np.errstate(all="ignore"):
            lower = self._log_lower(y, eta)
            upper = self._log_upper(y, eta)
        low = y < np.exp(eta[0])
        return np.where(y > 0, np.where(low, lower, log1mexp(np.minimum(upper, 0.0))), -np.inf)

    def log_sf(self, y: Array, eta: Array) -> Array:
        """Phi(-a) - exp(2 shape/mean) Phi(-b) = phi(a) (R(a) - R(b)), as in `log_cdf`."""
        with np.errstate(all="ignore"):
            lower = self._log_lower(y, eta)
            upper = self._log_upper(y, eta)
        low = y < np.exp(eta[0])
        return np.where(y > 0, np.where(low, log1mexp(np.minimum(lower, 0.0)), upper), 0.0)

    def _ends(self, y: Array, eta: Array) -> tuple[Array, Array, Array]:
        root = np.exp(eta[1] / 2) / np.sqrt(y)
        a = root * (y * np.exp(-eta[0]) - 1)
        return a, a + 2 * root, root

    def _log_lower(self, y: Array, eta: Array) -> Array:
        from mlefit.families.mills import ratio

        a, b, _ = self._ends(y, eta)
        return -a * a / 2 - HALF_LOG_TAU + np.log(ratio(-a) + ratio(b))

    def _log_upper(self, y: Array, eta: Array) -> Array:
        from mlefit.families.mills import deficit, ratio

        a, b, root = self._ends(y, eta)
        # R(a) - R(b) by Taylor's series about the middle where a and b nearly agree: R' = -deficit,
        # R''' = 2 R' + x R'' and R'' = R + x R'.
        x, h = a + root, 2 * root
        r = ratio(x)
        first = deficit(x, r)
        third = np.where(x > 12, 6 / x**4 * (1 - 10 / x**2), 2 * first - x * (r - x * first))
        near = h * (first + h * h / 24 * third)
        difference = np.where(h < 1e-3 * np.maximum(x, 1.0), near, ratio(a) - ratio(b))
        return -a * a / 2 - HALF_LOG_TAU + np.log(difference)

    def quantile(self, q: Array, eta: Array) -> Array:
        from mlefit.families.inversion import invert_positive

        return invert_positive(self, q, eta, np.exp(eta[0]))

    def mean(self, eta: Array) -> Array:
        return np.exp(eta[0])

    def variance(self, eta: Array) -> Array:
        return np.exp(3 * eta[0] - eta[1])

    def sample(self, generator: np.random.Generator, eta: Array, n: int) -> Array:
        """Michael, Schucany and Haas (1976), with the smaller root free of cancellation."""
        mean = np.exp(eta[0])
        half = generator.standard_normal(n) ** 2 * np.exp(eta[0] - eta[1]) / 2
        root = 1 / (1 + half + np.sqrt(half * (half + 2)))
        return mean * np.where(generator.random(n) * (1 + root) <= 1, root, 1 / root)
