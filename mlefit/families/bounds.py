"""Links for parameters between any two bounds: theta > a, theta < b, a < theta < b."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isinf

import numpy as np

from mlefit.families.links import Array, Link, expit, identity, log, logit


@dataclass(frozen=True)
class Above(Link):
    """theta = lower + exp(eta)."""

    lower: float
    name = "log"
    step = 5.0

    def forward(self, theta: Array) -> Array:
        return log.forward(np.asarray(theta) - self.lower)

    def inverse(self, eta: Array) -> Array:
        return self.lower + log.inverse(eta)

    def derivative(self, eta: Array) -> Array:
        return log.inverse(eta)

    def curvature(self, eta: Array) -> Array:
        return log.inverse(eta)


@dataclass(frozen=True)
class Below(Link):
    """theta = upper - exp(-eta)."""

    upper: float
    name = "log"
    step = 5.0

    def forward(self, theta: Array) -> Array:
        return -log.forward(self.upper - np.asarray(theta))

    def inverse(self, eta: Array) -> Array:
        return self.upper - log.inverse(-np.asarray(eta))

    def derivative(self, eta: Array) -> Array:
        return log.inverse(-np.asarray(eta))

    def curvature(self, eta: Array) -> Array:
        return -log.inverse(-np.asarray(eta))


@dataclass(frozen=True)
class Between(Link):
    """theta = lower + (upper - lower) / (1 + exp(-eta))."""

    lower: float
    upper: float
    name = "logit"
    step = 5.0

    def forward(self, theta: Array) -> Array:
        return logit.forward((np.asarray(theta) - self.lower) / (self.upper - self.lower))

    def inverse(self, eta: Array) -> Array:
        return self.lower + (self.upper - self.lower) * expit(eta)

    def derivative(self, eta: Array) -> Array:
        return (self.upper - self.lower) * logit.derivative(eta)

    def curvature(self, eta: Array) -> Array:
        return (self.upper - self.lower) * logit.curvature(eta)


def link(lower: float = -inf, upper: float = inf) -> Link:
    """The link whose domain is the open interval from `lower` to `upper`."""
    if isinf(lower) and isinf(upper):
        return identity
    if isinf(upper):
        return log if lower == 0 else Above(lower)
    if isinf(lower):
        return Below(upper)
    return logit if (lower, upper) == (0, 1) else Between(lower, upper)
