"""Links take a parameter to an unconstrained score and back.

Every family is written on scores, so that no solver ever meets a constraint.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from math import inf
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


def softplus(eta: Array) -> Array:
    """log(1 + exp(eta)) without overflow or loss for large negative scores."""
    return np.logaddexp(0.0, eta)


def expit(eta: Array) -> Array:
    """1 / (1 + exp(-eta)) with full relative precision in the lower tail."""
    small = np.exp(-np.abs(eta))
    return np.asarray(np.where(np.asarray(eta) >= 0, 1.0, small) / (1.0 + small))


identity: Final = Identity()
log: Final = Log()
logit: Final = Logit()
