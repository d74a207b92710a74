"""A family with some parameters held fixed: `--fix sigma=1`, and the mean squared error (sigma held)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mlefit.errors import UsageError
from mlefit.families.base import Derivatives, ExponentialFamily, Family, Remainder, Rows
from mlefit.families.links import Array

CERTAIN: Final = 1e-9  # relative; a log-probability that moves less with a score beyond all measure is its limit


class Pinned(Family):
    """`family` on its free scores alone. Shapes as in `Family`, k counting the free scores.

    Raises:
        UsageError: an unknown parameter, or a value outside its domain.
    """

    def __init__(self, family: Family, fixed: Mapping[str, float]) -> None:
        for name, value in fixed.items():
            if name not in family.names:
                from mlefit.families.nomenclature import no_parameter

                raise UsageError(no_parameter(family.name, name, family.names))
            parameter = family.parameters[family.names.index(name)]
            if not parameter.allows(value):
                raise UsageError(
                    f"{name}={value:g} is outside the domain of {family.name}, which has {parameter.domain}"
                )
        self.base = family
        self.fixed = dict(fixed)
        self.name = family.name
        self.summary = family.summary
        self.aliases = family.aliases
        self.discrete = family.discrete
        self.lumped = family.lumped
        self.sizes = family.sizes
        self.losses = family.losses
        self.columns = family.columns
        self.labels = family.labels
        self.support = family.support
        self.irregular = family.irregular - set(fixed)
        self.informative = family.informative - set(fixed)
        self.kinked = family.kinked - set(fixed)
        self.band = family.band
        self.cliffs = {name: value for name, value in family.cliffs.items() if name not in fixed}
        self.start_method = family.start_method
        self.irregular_note = family.irregular_note if self.irregular else ""
        self.parameters = tuple(p for p in family.parameters if p.name not in fixed)
        left = family.remainder
        if left is not None:
            others = tuple(name for name in left.others if name not in fixed)
            held = sum(fixed[name] for name in left.others if name in fixed)
            self.remainder = replace(left, others=others, total=round(left.total - held, 15))
            if self.remainder.total <= 0:
                raise UsageError(f"{_sum(left, fixed)} leave nothing of 1 for {' and '.join((*others, left.name))}")
        self.free = np.array([n not in fixed for n in family.names], dtype=bool)
        self._scores = np.array(
            [
                float(p.link.forward(np.asarray(fixed[p.name], dtype=float))) if p.name in fixed else 0.0
                for p in family.parameters
            ]
        )
        edge = [fixed.get(p.name) in p.closed for p in family.parameters]
        self._nearer = np.where(edge, 0.9 * self._scores, self._scores) if any(edge) else None

    def full(self, eta: Array, scores: Array | None = None) -> Array:
        """All scores of the family underneath, from the free ones."""
        eta, scores = np.asarray(eta), self._scores if scores is None else scores
        result = np.empty((self.free.size, *eta.shape[1:]), dtype=eta.dtype)
        result[...] = scores.reshape(-1, *([1] * (eta.ndim - 1)))
        result[self.free] = eta
        return result

    def _impossible(self, value: Array, probability: Callable[[Array], Array], eta: Array) -> Array:
        """`value`, a log-probability or its negative, infinite where a parameter at an end of its domain forbids it.

        The score of such a parameter stops short of infinity; what still depends on how far it went is impossible.
        """
        if self._nearer is None:
            return value
        with np.errstate(all="ignore"):
            gone = value - probability(self.full(eta, self._nearer))
            return np.where(np.abs(gone) > CERTAIN * (1 + np.abs(value)), np.sign(gone) * np.inf, value)

    def nll(self, y: Array, eta: Array) -> Array:
        value = self.base.nll(y, self.full(eta))
        return self._impossible(value, lambda scores: self.base.nll(y, scores), eta)

    def parts(self, y: Array, eta: Array) -> Array:
        return self.base.parts(y, self.full(eta))

    def gradient(self, y: Array, eta: Array) -> Array:
        return self.base.gradient(y, self.full(eta))[self.free]

    def hessian(self, y: Array, eta: Array) -> Array:
        return self.base.hessian(y, self.full(eta))[np.ix_(self.free, self.free)]

    def derivatives(self, y: Array, eta: Array) -> Derivatives:
        nll, gradient, hessian = self.base.derivatives(y, self.full(eta))
        nll = self._impossible(nll, lambda scores: self.base.nll(y, scores), eta)
        return nll, gradient[self.free], hessian[np.ix_(self.free, self.free)]

    def beside(self, y: Array, eta: Array) -> Derivatives:
        nll, gradient, hessian = self.base.beside(y, self.full(eta))
        return nll, gradient[self.free], hessian[np.ix_(self.free, self.free)]

    def forward(self, theta: Array) -> Array:
        whole = np.empty((self.free.size, *np.shape(theta)[1:]))
        for j, name in enumerate(self.base.names):
            whole[j] = self.fixed[name] if name in self.fixed else theta[self.names.index(name)]
        return self.base.forward(whole)[self.free]

    def inverse(self, eta: Array) -> Array:
        return self.base.inverse(self.full(eta))[self.free]

    def jacobian(self, eta: Array) -> Array:
        return self.base.jacobian(self.full(eta))[np.ix_(self.free, self.free)]

    def along(self, names: Iterable[str]) -> Family:
        moved = self.base.along([*self.fixed, *names])
        return self if moved is self.base else moved.pin(self.fixed)

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

    def corners(self, y: Array, eta: Array) -> Array:
        return self.base.corners(y, self.full(eta))

    def softened(self, width: Array, side: int = 0) -> Family:
        return Pinned(self.base.softened(width, side), self.fixed)

    def bend(self, name: str, y: Array, eta: Array) -> tuple[Array, Array, Array]:
        return self.base.bend(name, y, self.full(eta))

    def again(self, rows: Rows, eta: Array) -> Array:
        return self.base.again(rows, self.full(eta))[self.free]

    def unbounded(self, eta: Array, low: Array, high: Array) -> Sequence[str]:
        return self.base.unbounded(self.full(eta), low, high)

    def exact(self, y: Array) -> NDArray[np.bool_]:
        return self.base.exact(y)

    def cautions(self, eta: Array) -> Sequence[str]:
        return self.base.cautions(self.full(eta))

    def doubts(self, eta: Array) -> Sequence[str]:
        return self.base.doubts(self.full(eta))

    def pin(self, fixed: Mapping[str, float]) -> Family:
        return self.base.pin({**self.fixed, **fixed})

    def log_cdf(self, y: Array, eta: Array) -> Array:
        value = self.base.log_cdf(y, self.full(eta))
        return self._impossible(value, lambda scores: self.base.log_cdf(y, scores), eta)

    def log_sf(self, y: Array, eta: Array) -> Array:
        value = self.base.log_sf(y, self.full(eta))
        return self._impossible(value, lambda scores: self.base.log_sf(y, scores), eta)

    def log_sf_derivatives(self, y: Array, eta: Array) -> Derivatives:
        value, gradient, hessian = self.base.log_sf_derivatives(y, self.full(eta))
        value = self._impossible(value, lambda scores: self.base.log_sf(y, scores), eta)
        return value, gradient[self.free], hessian[np.ix_(self.free, self.free)]

    def log_interval(self, left: Array, right: Array, eta: Array) -> Array:
        value = self.base.log_interval(left, right, self.full(eta))
        return self._impossible(value, lambda scores: self.base.log_interval(left, right, scores), eta)

    def log_interval_derivatives(self, left: Array, right: Array, eta: Array) -> Derivatives:
        value, gradient, hessian = self.base.log_interval_derivatives(left, right, self.full(eta))
        value = self._impossible(value, lambda scores: self.base.log_interval_derivatives(left, right, scores)[0], eta)
        return value, gradient[self.free], hessian[np.ix_(self.free, self.free)]

    def log_cdf_derivatives(self, y: Array, eta: Array) -> Derivatives:
        value, gradient, hessian = self.base.log_cdf_derivatives(y, self.full(eta))
        value = self._impossible(value, lambda scores: self.base.log_cdf(y, scores), eta)
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


def _sum(left: Remainder, fixed: Mapping[str, float]) -> str:
    return " and ".join(f"{name}={fixed[name]:g}" for name in left.others if name in fixed)


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
        nll = self._impossible(nll, lambda scores: self.base.total(sums, centre, scores)[0], eta)
        return nll, gradient[self.free], hessian[np.ix_(self.free, self.free)]

    def start_from(self, sums: Array, centre: Array) -> Array:
        return self.base.start_from(sums, centre)[self.free]
