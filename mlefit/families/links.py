"""Links take a parameter to an unconstrained score and back.

Every family is written on scores, so that no solver ever meets a constraint.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from math import inf, sqrt, tau
from typing import Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Scores are kept where exp, expit and their squares stay finite; a score that reaches the bound is a
# parameter on its boundary.
BOUND: Final = 300.0


class Link(ABC):
    """A smooth increasing map between a parameter and its score `eta`."""

    name: str
    lower: float = -inf  # the parameter's open domain
    upper: float = inf
    # The largest change of the score in one solver step. A log or logit score that moves by more has left
    # the region where a quadratic model of the likelihood means anything.
    step: float = inf

    @abstractmethod
    def forward(self, theta: Array) -> Array:
        """Parameter to score."""

    @abstractmethod
    def inverse(self, eta: Array) -> Array:
        """Score to parameter."""

    @abstractmethod
    def derivative(self, eta: Array) -> Array:
        """The parameter's derivative with respect to its score."""

    @abstractmethod
    def curvature(self, eta: Array) -> Array:
        """The parameter's second derivative with respect to its score."""

    def through(self, native: Link, eta: Array) -> tuple[Array, Array, Array]:
        """This link's score as that of another link of the same parameter, with first and second derivative.

        NaN where the parameter would leave the other link's domain. Links that meet the logit override it, since a
        probability near one has lost the digits of its complement.
        """
        theta, first, second = self.inverse(eta), self.derivative(eta), self.curvature(eta)
        with np.errstate(all="ignore"):
            inside = (theta > native.lower) & (theta < native.upper)
            score = np.where(inside, native.forward(np.where(inside, theta, np.nan)), np.nan)
            slope = first / native.derivative(score)
            return score, slope, (second - native.curvature(score) * slope**2) / native.derivative(score)


class Identity(Link):
    """theta = eta."""

    name = "identity"

    def forward(self, theta: Array) -> Array:
        return np.asarray(theta, dtype=float)

    def inverse(self, eta: Array) -> Array:
        return np.asarray(eta, dtype=float)

    def derivative(self, eta: Array) -> Array:
        return np.ones_like(eta)

    def curvature(self, eta: Array) -> Array:
        return np.zeros_like(eta)


class Log(Link):
    """theta = exp(eta), for positive parameters."""

    name = "log"
    lower = 0.0
    step = 5.0

    def forward(self, theta: Array) -> Array:
        with np.errstate(divide="ignore"):
            return np.asarray(np.clip(np.log(theta), -BOUND, BOUND))

    def inverse(self, eta: Array) -> Array:
        return np.asarray(np.exp(np.clip(eta, -2 * BOUND, 2 * BOUND)))

    def derivative(self, eta: Array) -> Array:
        return self.inverse(eta)

    def curvature(self, eta: Array) -> Array:
        return self.inverse(eta)


class Logit(Link):
    """theta = 1 / (1 + exp(-eta)), for probabilities."""

    name = "logit"
    lower = 0.0
    upper = 1.0
    step = 5.0

    def forward(self, theta: Array) -> Array:
        with np.errstate(divide="ignore"):
            return np.asarray(np.clip(np.log(theta) - np.log1p(-np.asarray(theta)), -BOUND, BOUND))

    def inverse(self, eta: Array) -> Array:
        return expit(eta)

    def derivative(self, eta: Array) -> Array:
        return expit(eta) * expit(-np.asarray(eta))

    def curvature(self, eta: Array) -> Array:
        p = expit(eta)
        return p * (1 - p) * (1 - 2 * p)


class Probit(Link):
    """theta = Phi(eta), for probabilities (Bliss 1934)."""

    name = "probit"
    lower = 0.0
    upper = 1.0
    step = 3.0

    def forward(self, theta: Array) -> Array:
        from scipy.special import ndtri

        return np.asarray(np.clip(ndtri(theta), -20.0, 20.0))

    def inverse(self, eta: Array) -> Array:
        from scipy.special import ndtr

        return np.asarray(ndtr(eta))

    def derivative(self, eta: Array) -> Array:
        return np.exp(-np.square(eta) / 2) / sqrt(tau)

    def curvature(self, eta: Array) -> Array:
        return -np.asarray(eta) * self.derivative(eta)

    def through(self, native: Link, eta: Array) -> tuple[Array, Array, Array]:
        """log Phi(eta) - log Phi(-eta); its slope is the sum of the two tails' hazards."""
        if not isinstance(native, Logit):
            return super().through(native, eta)
        from scipy.special import log_ndtr

        from mlefit.families.mills import ratio

        with np.errstate(all="ignore"):
            rise, fall = 1 / ratio(-np.asarray(eta)), 1 / ratio(eta)
            # Each hazard h has h'(x) = h (h - x).
            bend = fall * (fall - eta) - rise * (rise + eta)
            return np.asarray(log_ndtr(eta) - log_ndtr(-np.asarray(eta))), rise + fall, bend


class Cloglog(Link):
    """theta = 1 - exp(-exp(eta)), for probabilities: the chance of at least one event of a Poisson count."""

    name = "cloglog"
    lower = 0.0
    upper = 1.0
    step = 3.0

    def forward(self, theta: Array) -> Array:
        with np.errstate(divide="ignore"):
            return np.asarray(np.clip(np.log(-np.log1p(-np.asarray(theta))), -BOUND, 6.5))

    def inverse(self, eta: Array) -> Array:
        return -np.expm1(-np.exp(eta))

    def derivative(self, eta: Array) -> Array:
        return np.exp(eta - np.exp(eta))

    def curvature(self, eta: Array) -> Array:
        return (1 - np.exp(eta)) * self.derivative(eta)

    def through(self, native: Link, eta: Array) -> tuple[Array, Array, Array]:
        """With h = exp(eta): log(expm1(h)), slope f = h / (1 - exp(-h)), curvature f (1 - h / expm1(h))."""
        if not isinstance(native, Logit):
            return super().through(native, eta)
        with np.errstate(all="ignore"):
            h = np.exp(eta)
            tail = -np.expm1(-h)
            slope = h / tail
            near = h < 1e-4
            excess = np.where(near, h / 2 * (1 - h / 6), 1 - h * np.exp(-h) / tail)
            return h + np.log(tail), slope, slope * excess


class Inverse(Link):
    """theta = 1 / eta, for positive parameters; falls as its score rises."""

    name = "inverse"
    lower = 0.0

    def forward(self, theta: Array) -> Array:
        with np.errstate(divide="ignore"):
            return np.asarray(1 / np.asarray(theta))

    def inverse(self, eta: Array) -> Array:
        with np.errstate(divide="ignore"):
            return np.asarray(1 / np.asarray(eta))

    def derivative(self, eta: Array) -> Array:
        with np.errstate(divide="ignore"):
            return -1 / np.square(eta)

    def curvature(self, eta: Array) -> Array:
        with np.errstate(divide="ignore"):
            return 2 / np.asarray(eta) ** 3


def softplus(eta: Array) -> Array:
    """log(1 + exp(eta)) without overflow or loss for large negative scores."""
    return np.asarray(np.maximum(eta, 0.0) + np.log1p(np.exp(-np.abs(eta))))


def expit(eta: Array) -> Array:
    """1 / (1 + exp(-eta)) with full relative precision in the lower tail."""
    small = np.exp(-np.abs(eta))
    return np.asarray(np.where(np.asarray(eta) >= 0, 1.0, small) / (1.0 + small))


identity: Final = Identity()
log: Final = Log()
logit: Final = Logit()
probit: Final = Probit()
cloglog: Final = Cloglog()
inverse: Final = Inverse()
LINKS: Final[dict[str, Link]] = {link.name: link for link in (logit, probit, cloglog, log, identity, inverse)}
