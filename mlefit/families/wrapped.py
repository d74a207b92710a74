"""A family seen through another: the same parameters and scores, other columns or another likelihood."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mlefit.families.base import Derivatives, Family
from mlefit.families.links import Array


class Wrapped(Family):
    """What is the same whatever is done to the rows: names, links, and the distribution itself."""

    def __init__(self, family: Family) -> None:
        self.base = family
        self.name = family.name
        self.summary = family.summary
        self.aliases = family.aliases
        self.discrete = family.discrete
        self.support = family.support
        self.parameters = family.parameters
        self.irregular = family.irregular
        self.irregular_note = family.irregular_note
        self.fixed: Mapping[str, float] = getattr(family, "fixed", {})

    @property
    def size(self) -> int:
        return self.base.size

    @property
    def step(self) -> Array:
        return self.base.step

    def forward(self, theta: Array) -> Array:
        return self.base.forward(theta)

    def inverse(self, eta: Array) -> Array:
        return self.base.inverse(eta)

    def jacobian(self, eta: Array) -> Array:
        return self.base.jacobian(eta)

    def gradient(self, y: Array, eta: Array) -> Array:
        return self.derivatives(y, eta)[1]

    def hessian(self, y: Array, eta: Array) -> Array:
        return self.derivatives(y, eta)[2]

    def log_cdf(self, y: Array, eta: Array) -> Array:
        return self.base.log_cdf(y, eta)

    def log_sf(self, y: Array, eta: Array) -> Array:
        return self.base.log_sf(y, eta)

    def log_sf_derivatives(self, y: Array, eta: Array) -> Derivatives:
        return self.base.log_sf_derivatives(y, eta)

    def log_cdf_derivatives(self, y: Array, eta: Array) -> Derivatives:
        return self.base.log_cdf_derivatives(y, eta)

    def quantile(self, q: Array, eta: Array) -> Array:
        return self.base.quantile(q, eta)

    def mean(self, eta: Array) -> Array:
        return self.base.mean(eta)

    def variance(self, eta: Array) -> Array:
        return self.base.variance(eta)

    def sample(self, generator: np.random.Generator, eta: Array, n: int) -> Array:
        return self.base.sample(generator, eta, n)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.base!r})"
