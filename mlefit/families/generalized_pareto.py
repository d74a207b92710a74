"""Excesses over a threshold; with z = y/scale, l = log(1 + xi z)/xi: nll = log(scale) + (1 + xi) l.

For xi below -1 the likelihood grows without bound as the upper endpoint -scale/xi nears the largest value
(Smith 1985), so the NLL is infinite for xi <= -1: no estimate is ever found there.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType
from typing import Final

import numpy as np

from mlefit.families.base import Derivatives, Parameter, Rows, TermFamily, stack, symmetric
from mlefit.families.drifts import Drift, of_scale
from mlefit.families.links import Array, identity, log
from mlefit.families.ratios import exp_quotient, log_quotient, log_ratio
from mlefit.families.support import nonnegative
from mlefit.families.tails import log1mexp

TAILS: Final = (-0.5, 2.5)  # further shapes to start from: small samples have several maxima, or none inside


class GeneralizedPareto(TermFamily):
    """Survival function (1 + xi y/scale)^(-1/xi), exp(-y/scale) at xi = 0 (Coles 2001, equation 4.2)."""

    name = "generalized-pareto"
    summary = "excesses over a high threshold"
    aliases = ("gpd", "genpareto")
    parameters = (
        Parameter("scale", log, "scale"),
        Parameter("shape", identity, "xi: above 0 a heavy tail, below 0 a finite end; always above -1"),
    )
    cliffs = MappingProxyType({"shape": -1.0})  # Smith (1985)
    support = nonnegative

    def terms(self, y: Array, eta: Array) -> Sequence[Array]:
        z = y * np.exp(-eta[0])
        w = eta[1] * z
        rest = 1 / (1 + w)
        value, first, second = log_ratio(w)
        square = z * z
        part = z * rest
        bend = part * rest
        reduced = np.where(w > -1, z * value, np.inf)
        return reduced, part, square * first, bend, z * bend, square * z * second

    def nll(self, y: Array, eta: Array) -> Array:
        return np.where(eta[1] > -1, eta[0] + (1 + eta[1]) * self._reduced(y, eta), np.inf)

    def assemble(self, ones: Array | float, terms: Sequence[Array], eta: Array) -> Derivatives:
        reduced, part, first, bend, moved, second = terms
        more = 1 + eta[1]
        return (
            np.where(more > 0, ones * eta[0] + more * reduced, np.inf),
            stack(ones - more * part, reduced + more * first),
            symmetric(more * bend, more * moved - part, 2 * first + more * second),
        )

    def starts(self, rows: Rows) -> list[Array]:
        """From two quantiles (Pickands 1975, with zero as the lower end); the exponential; a light and a heavy tail."""
        first, median = tail_index(rows)
        result = []
        for xi in (first, np.zeros_like(first), *(np.full_like(first, tail) for tail in TAILS)):
            scale = median / (np.log(2) * exp_quotient(xi * np.log(2)))
            scale = np.maximum(scale, -1.05 * xi * rows.maximum(rows.y))
            result.append(np.stack([log.forward(scale), xi]))
        result[1][0] = log.forward(rows.mean(rows.y))
        return result

    def start(self, rows: Rows) -> Array:
        return self.starts(rows)[0]

    def _reduced(self, y: Array, eta: Array) -> Array:
        """-log of the survival function."""
        z = np.maximum(y, 0.0) * np.exp(-eta[0])
        with np.errstate(all="ignore"):
            w = eta[1] * z
            return np.where(w > -1, z * log_quotient(w), np.inf)

    def log_cdf(self, y: Array, eta: Array) -> Array:
        return log1mexp(-self._reduced(y, eta))

    def log_sf(self, y: Array, eta: Array) -> Array:
        return -self._reduced(y, eta)

    def drift(self, y: Array, eta: Array) -> Drift:
        return of_scale(y, 2, 0)

    def quantile(self, q: Array, eta: Array) -> Array:
        with np.errstate(all="ignore"):
            return _outward(-np.log1p(-np.asarray(q)), eta)

    def mean(self, eta: Array) -> Array:
        with np.errstate(divide="ignore"):
            return np.where(eta[1] < 1, np.exp(eta[0]) / (1 - eta[1]), np.inf)

    def variance(self, eta: Array) -> Array:
        with np.errstate(divide="ignore"):
            return np.where(eta[1] < 0.5, np.exp(2 * eta[0]) / ((1 - eta[1]) ** 2 * (1 - 2 * eta[1])), np.inf)

    def sample(self, generator: np.random.Generator, eta: Array, n: int) -> Array:
        return _outward(generator.standard_exponential(n), eta)


def _outward(hazard: Array, eta: Array) -> Array:
    """scale (exp(xi h) - 1)/xi; its end -scale/xi at h = inf."""
    with np.errstate(all="ignore"):
        w = eta[1] * hazard
        inner = np.where(w == 0, hazard, np.expm1(w) / np.where(eta[1] == 0, 1.0, eta[1]))
        return np.asarray(np.exp(eta[0]) * np.where(np.isinf(hazard) & (eta[1] == 0), np.inf, inner))


def tail_index(rows: Rows) -> tuple[Array, Array]:
    """A rough xi from the upper quartile against the median, and the median, (G,) each.

    For a generalized Pareto their ratio less one is 2^xi.
    """
    median, upper = rows.quantile(rows.y, 0.5), rows.quantile(rows.y, 0.75)
    with np.errstate(all="ignore"):
        xi = np.log2(upper / median - 1)
    return np.clip(np.where(np.isnan(xi), 0.0, xi), -0.35, 20.0), np.maximum(median, rows.mean(rows.y) * 1e-12)
