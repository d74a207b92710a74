"""A family with some parameters held fixed: `--fix sigma=1`, and the mean squared error (sigma held)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from mlefit.errors import UsageError
from mlefit.families.base import Derivatives, ExponentialFamily, Family, Rows
from mlefit.families.interval import difference
from mlefit.families.links import Array


class Pinned(Family):
    """`family` on its free scores alone. Shapes as in `Family`, k counting the free scores.

    Raises:
        UsageError: an unknown parameter, or a value outside its domain.
    """

    def __init__(self, family: Family, fixed: Mapping[str, float]) -> None:
        for name, value in fixed.items():
            if name not in family.names:
                from difflib import get_close_matches

                near = get_close_matches(name, family.names, 1)
                hint = f"; did you mean {near[0]}?" if near else ""
                raise UsageError(
                    f"{family.name} has no parameter {name!r} (it has {', '.join(family.names)}){hint}"
                )
            link = family.parameters[family.names.index(name)].link
            if not link.lower <= value <= link.upper or not np.isfinite(value):
                raise UsageError(
                    f"{name}={value:g} is outside the domain of {family.name}'s {name} "
                    f"({link.lower:g} to {link.upper:g})"
                )
        self.base = family
        self.fixed = dict(fixed)
        self.name = family.name
        self.summary = family.summary
        self.aliases = family.aliases
        self.discrete = family.discrete
        self.losses = family.losses
        self.columns = family.columns
        self.labels = family.labels
        self.support = family.support
        self.irregular = family.irregular - set(fixed)
        self.cliffs = {name: value for name, value in family.cliffs.items() if name not in fixed}
        self.start_method = family.start_method
        self.irregular_note = family.irregular_note if self.irregular else ""
        self.parameters = tuple(p for p in family.parameters if p.name not in fixed)
        self.free = np.array([n not in fixed for n in family.names], dtype=bool)
        self._scores = np.array(
            [
                float(p.link.forward(np.asarray(fixed[p.name], dtype=float))) if p.name in fixed else 0.0
                for p in family.parameters
            ]
        )

    def full(self, eta: Array) -> Array:
        """All scores of the family underneath, from the free ones."""
        eta = np.asarray(eta)
        result = np.empty((self.free.size, *eta.shape[1:]), dtype=eta.dtype)
        result[...] = self._scores.reshape(-1, *([1] * (eta.ndim - 1)))
        result[self.free] = eta
        return result

    def nll(self, y: Array, eta: Array) -> Array:
        return self.base.nll(y, self.full(eta))

    def gradient(self, y: Array, eta: Array) -> Array:
        return self.base.gradient(y, self.full(eta))[self.free]

    def hessian(self, y: Array, eta: Array) -> Array:
        return self.base.hessian(y, self.full(eta))[np.ix_(self.free, self.free)]

    def derivatives(self, y: Array, eta: Array) -> Derivatives:
        nll, gradient, hessian = self.base.derivatives(y, self.full(eta))
        return nll, gradient[self.free], hessian[np.ix_(self.free, self.free)]

    def bind(self, levels: Sequence[str]) -> Family:
        return Pinned(self.base.bind(levels), self.fixed)

    def inside(self, y: Array) -> NDArray[np.bool_]:
        return self.base.inside(y)

    def central(self, y: Array) -> Array:
        return self.base.central(y)

    def given(self, *others: Array) -> Family:
        return self.base.given(*others).pin(self.fixed)

    def start(self, rows: Rows) -> Array:
        return self.base.start(rows)[self.free]

    def starts(self, rows: Rows) -> list[Array]:
        return [eta[self.free] for eta in self.base.starts(rows)]

    def doubts(self, eta: Array) -> Sequence[str]:
        return self.base.doubts(self.full(eta))

    def pin(self, fixed: Mapping[str, float]) -> Family:
        return self.base.pin({**self.fixed, **fixed})

    def log_cdf(self, y: Array, eta: Array) -> Array:
        return self.base.log_cdf(y, self.full(eta))

    def log_sf(self, y: Array, eta: Array) -> Array:
        return self.base.log_sf(y, self.full(eta))

    def log_sf_derivatives(self, y: Array, eta: Array) -> Derivatives:
        value, gradient, hessian = self.base.log_sf_derivatives(y, self.full(eta))
        return value, gradient[self.free], hessian[np.ix_(self.free, self.free)]

    def log_interval(self, left: Array, right: Array, eta: Array) -> Array:
        return difference(self.base, left, right, self.full(eta))

    def log_interval_derivatives(self, left: Array, right: Array, eta: Array) -> Derivatives:
        value, gradient, hessian = self.base.log_interval_derivatives(left, right, self.full(eta))
        return value, gradient[self.free], hessian[np.ix_(self.free, self.free)]

    def log_cdf_derivatives(self, y: Array, eta: Array) -> Derivatives:
        value, gradient, hessian = self.base.log_cdf_derivatives(y, self.full(eta))
        return value, gradient[self.free], hessian[np.ix_(self.free, self.free)]

    def quantile(self, q: Array, eta: Array) -> Array:
        return self.base.quantile(q, self.full(eta))

    def mean(self, eta: Array) -> Array:
        return self.base.mean(self.full(eta))

    def variance(self, eta: Array) -> Array:
        return self.base.variance(self.full(eta))

    def sample(self, generator: np.random.Generator, eta: Array, n: int) -> Array:
        return self.base.sample(generator, self.full(eta), n)

    def __repr__(self) -> str:
        held = ", ".join(f"{k}={v:g}" for k, v in self.fixed.items())
        return f"Pinned({self.base!r}, {held})"


class PinnedExponential(Pinned, ExponentialFamily):
    """The same for an exponential family, whose statistics pass through unchanged."""

    base: ExponentialFamily

    def centre(self, rows: Rows) -> Array:
        return self.base.centre(rows)

    def statistics(self, y: Array, centre: Array) -> Array:
        return self.base.statistics(y, centre)

    def summed(self, rows: Rows, centre: Array) -> Array:
        return self.base.summed(rows, centre)

    def total(self, sums: Array, centre: Array, eta: Array) -> Derivatives:
        nll, gradient, hessian = self.base.total(sums, centre, self.full(eta))
        return nll, gradient[self.free], hessian[np.ix_(self.free, self.free)]

    def start_from(self, sums: Array, centre: Array) -> Array:
        return self.base.start_from(sums, centre)[self.free]
