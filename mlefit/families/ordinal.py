"""Ordered labels; P(Y <= j) = F(cut_j - location), F logistic, normal or complementary log-log; nll = -log P(Y = y).

With the logistic F these are proportional odds (McCullagh 1980, Regression models for ordinal data). The likelihood is
log-concave in location and cuts together (Burridge 1981), so the cuts are scores as they stand: a step that would put
them out of order has an infinite NLL and is halved.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import pi
from typing import Final

import numpy as np

from mlefit.families.base import Derivatives, Family, Parameter, Rows, stack
from mlefit.families.links import LINKS, Array, expit, identity, softplus
from mlefit.families.support import Support
from mlefit.families.tails import log1mexp

# log F, log(1 - F), log f and the slope of log f.
Tails = tuple[Callable[[Array], Array], Callable[[Array], Array], Callable[[Array], Array], Callable[[Array], Array]]


def _normal() -> Tails:
    from scipy.special import log_ndtr

    return log_ndtr, lambda x: log_ndtr(-x), lambda x: -x * x / 2 - np.log(2 * pi) / 2, lambda x: -x


LATENT: Final[dict[str, Callable[[], Tails]]] = {
    "logit": lambda: (
        lambda x: -softplus(-x), lambda x: -softplus(x), lambda x: -softplus(x) - softplus(-x),
        lambda x: 1 - 2 * expit(x),
    ),
    "probit": _normal,
    "cloglog": lambda: (
        lambda x: log1mexp(-np.exp(x)), lambda x: -np.exp(x), lambda x: x - np.exp(x), lambda x: 1 - np.exp(x),
    ),
}  # fmt: skip


class Ordinal(Family):
    """K ordered labels, `y` their codes 0 ... K - 1; scores: the location, then the K - 1 cuts.

    Location and cuts move together, so a model needs a location without an intercept.
    """

    name = "ordinal"
    summary = "labels in an order, such as low, medium, high"
    aliases: tuple[str, ...] = ("ordered", "proportional-odds")
    discrete = True
    labels = True
    link = "logit"

    def __init__(self, levels: Sequence[str] = ()) -> None:
        self.levels = tuple(levels)
        pairs = list(zip(self.levels, self.levels[1:], strict=False)) or [("low", "high")]
        cuts = tuple(Parameter(f"cut[{a}|{b}]", identity, f"between {a} and {b}") for a, b in pairs)
        self.parameters = (Parameter("location", identity, "larger: higher labels are more likely"), *cuts)
        self.support = Support(0.0, float(len(cuts)), integer=True)

    def bind(self, levels: Sequence[str]) -> Ordinal:
        return type(self)(levels)

    def _ends(self, y: Array, eta: Array) -> tuple[Array, Array]:
        """Where the label's interval of the latent variable ends, taken from the location."""
        shape = np.broadcast_shapes(np.shape(y), eta.shape[1:])
        upper, lower = np.full(shape, np.inf), np.full(shape, -np.inf)
        for j in range(1, self.size):
            distance = eta[j] - eta[0]
            upper = np.where(y == j - 1, distance, upper)
            lower = np.where(y == j, distance, lower)
        return lower, upper

    def _log_probability(self, lower: Array, upper: Array, tails: Tails) -> Array:
        """log (F(upper) - F(lower)), from the smaller tail."""
        log_cdf, log_sf = tails[:2]
        with np.errstate(all="ignore"):
            left = ~(upper + lower > 0)
            high, low = np.where(left, log_cdf(upper), log_sf(lower)), np.where(left, log_cdf(lower), log_sf(upper))
            value = high + log1mexp(np.minimum(low - high, 0.0))
            return np.where(upper > lower, value, -np.inf)

    def nll(self, y: Array, eta: Array) -> Array:
        lower, upper = self._ends(y, eta)
        return -self._log_probability(lower, upper, LATENT[self.link]())

    def gradient(self, y: Array, eta: Array) -> Array:
        return self.derivatives(y, eta)[1]

    def hessian(self, y: Array, eta: Array) -> Array:
        return self.derivatives(y, eta)[2]

    def derivatives(self, y: Array, eta: Array) -> Derivatives:
        tails = LATENT[self.link]()
        lower, upper = self._ends(y, eta)
        value = self._log_probability(lower, upper, tails)

        def density(x: Array) -> tuple[Array, Array]:
            with np.errstate(all="ignore"):
                end = np.isfinite(x)
                inner = np.where(end, x, 0.0)
                share = np.where(end, np.exp(tails[2](inner) - value), 0.0)
                return share, share * tails[3](inner)

        (rise, rises), (fall, falls) = density(upper), density(lower)
        # Second derivatives of log P in (upper, lower).
        above, below, between = rises - rise**2, -falls - fall**2, rise * fall
        gradient = [rise - fall]
        hessian = np.zeros((self.size, self.size, *value.shape))
        hessian[0, 0] = -(above + 2 * between + below)
        for j in range(1, self.size):
            top, bottom = y == j - 1, y == j
            gradient.append(np.where(top, -rise, np.where(bottom, fall, 0.0)))
            hessian[j, j] = -np.where(top, above, np.where(bottom, below, 0.0))
            cross = np.where(top, above + between, np.where(bottom, below + between, 0.0))
            hessian[0, j] = hessian[j, 0] = cross
            if j > 1:
                hessian[j, j - 1] = hessian[j - 1, j] = np.where(top, -between, 0.0)
        return -value, stack(*gradient), hessian

    def start(self, rows: Rows) -> Array:
        """Location 0, and cuts where F has the share of labels so far."""
        shares = [np.clip(rows.mean((rows.y < j).astype(float)), 1e-6, 1 - 1e-6) for j in range(1, self.size)]
        steps = [LINKS[self.link].forward(s) + 1e-9 * j for j, s in enumerate(shares)]
        return np.stack([np.zeros_like(shares[0]), *steps])

    def probabilities(self, eta: Array) -> Array:
        """P of every label, (K, ...)."""
        codes = range(self.size)
        return np.stack([np.exp(-self.nll(np.full(eta.shape[1:], float(j)), eta)) for j in codes])

    def mean(self, eta: Array) -> Array:
        """The mean code."""
        p = self.probabilities(eta)
        return np.asarray((p * np.arange(self.size).reshape(-1, *([1] * (p.ndim - 1)))).sum(axis=0))

    def sample(self, generator: np.random.Generator, eta: Array, n: int) -> Array:
        """Codes of labels, (n,)."""
        steps = np.cumsum(self.probabilities(eta), axis=0)
        return np.asarray((steps <= generator.random(n)).sum(axis=0), dtype=float)


class OrdinalProbit(Ordinal):
    """The latent variable is normal (Aitchison and Silvey 1957)."""

    name = "ordinal-probit"
    aliases = ("ordered-probit",)
    link = "probit"


class OrdinalCloglog(Ordinal):
    """The latent variable has the complementary log-log distribution: proportional hazards in grouped time."""

    name = "ordinal-cloglog"
    aliases = ("ordered-cloglog",)
    link = "cloglog"
