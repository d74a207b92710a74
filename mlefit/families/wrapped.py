"""A family seen through another: the same parameters and scores, other columns or another likelihood."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from mlefit.errors import LackingError
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
        self.lumped = family.lumped
        self.sizes = Family.sizes if family.irregular else family.sizes  # a search has squares
        self.support = family.support
        self.parameters = family.parameters
        self.irregular = family.irregular
        self.band = family.band
        # Irregular parameters that are no less informed about than regular ones, such as a median.
        core = family
        while hasattr(core, "base"):
            core = core.base
        self.informative: frozenset[str] = core.informative & (family.irregular | family.kinked)
        self.kinked = family.kinked
        self.irregular_note = _note(family.irregular, self.informative)
        if family.irregular:
            self.start_method = "search over the data"
        self.fixed = family.fixed
        self.remainder = family.remainder

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

    def along(self, names: Iterable[str]) -> Family:
        moved = self.base.along(names)
        return self if moved is self.base else self.around(moved)

    @abstractmethod
    def around(self, family: Family) -> Family:
        """The same done to the rows of another family of the same data."""

    def unbounded(self, eta: Array, low: Array, high: Array) -> Sequence[str]:
        return self.base.unbounded(eta, low, high)

    def certainties(self, eta: Array) -> Sequence[str]:
        return self.base.certainties(eta)

    def cautions(self, eta: Array) -> Sequence[str]:
        return self.base.cautions(eta)

    def numbers(self, y: Array) -> Array:
        """What stands in the rows, (m, n): where the likelihood of an irregular family can end or bend."""
        return y[:1]

    def softened(self, width: Array, side: int = 0) -> Family:
        return self.around(self.base.softened(width, side))

    def bend(self, name: str, y: Array, eta: Array) -> tuple[Array, Array, Array]:
        raise LackingError(
            f"{name} of {self.name} has its estimate at an end or a kink of the likelihood, and with rows that are "
            f"censored or truncated no way to a regression is known; hold {name} by --fix, or take another family"
        )

    def informed(self, found: Derivatives, rows: NDArray[np.bool_], own: Derivatives | None = None) -> Derivatives:
        """Derivatives whose Hessian has products of the gradient in place of curvatures of informative parameters.

        Where the likelihood has kinks its curvature is no measure of information, but the products have the Fisher
        information as their mean (Berndt, Hall, Hall and Hausman 1974; van der Vaart 1998, theorem 7.2).

        Args:
            found: of all rows.
            rows: (n,) those that have no information of their own.
            own: what is a part of `found` and has, for at a kink itself its gradient is none of its slopes.
        """
        if not self.informative:
            return found
        nll, gradient, hessian = found
        shape = np.shape(nll)
        hessian = np.array(np.broadcast_to(hessian, (*hessian.shape[:2], *shape)))
        for j, name in enumerate(self.names):
            if name in self.informative:
                product = gradient[j] * gradient
                if own is not None:
                    product[j] += own[2][j, j] - own[1][j] ** 2
                hessian[j] = hessian[:, j] = np.where(rows, product, hessian[j])
        return nll, gradient, hessian

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


def _note(irregular: frozenset[str], informative: frozenset[str]) -> str:
    """What the table says of parameters that are found by search."""
    if not irregular:
        return ""
    names = " and ".join(sorted(irregular))
    found = f"{names} {'was' if len(irregular) == 1 else 'were'} found by search over the values and between them"
    if informative:
        return f"{found}; standard errors are from the Fisher information (products of the gradient)"
    return f"{found}; where the likelihood ends or bends there is no standard error"
