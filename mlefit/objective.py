"""The total negative log-likelihood of a sample under a family and a predictor, ready for a solver."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol, TypeVar

import numpy as np

from mlefit.engines.serial import Serial
from mlefit.families.base import ExponentialFamily, Family, TermFamily
from mlefit.sample import Sample
from mlefit.solvers.solution import Array, Index, Sums

Part = TypeVar("Part")


class Predictor(Protocol):
    """What turns a parameter vector into scores, and per-row derivatives back into sums."""

    @property
    def statistics(self) -> bool: ...
    def scores(self, theta: Array, sample: Sample) -> Array: ...
    def value(self, sample: Sample, nll: Array) -> Array: ...
    def sums(self, sample: Sample, nll: Array, gradient: Array, hessian: Array) -> Sums: ...
    def outer(self, sample: Sample, gradient: Array) -> Array: ...


class Engine(Protocol):
    """What walks over the chunks of a sample."""

    def map(self, function: Callable[[slice, Sample], Part], sample: Sample, problems: int = 1) -> Iterator[Part]: ...


@dataclass(frozen=True, eq=False)
class RowObjective:
    """Sums over rows. Problem i is group i; with one group, every problem is about it."""

    family: Family
    predictor: Predictor
    sample: Sample
    engine: Engine

    def _part(self, which: Index) -> RowObjective:
        """The objective of the groups `which`, so that its problem i is group which[i]."""
        if self.sample.groups == 1 or (which.size == self.sample.groups and np.all(np.diff(which) == 1)):
            return self
        last = self.__dict__.get("_last")
        if last is None or not np.array_equal(last[0], which):
            last = (which, replace(self, sample=self.sample.take(which)))
            self.__dict__["_last"] = last  # line searches ask for the same groups again and again
        part: RowObjective = last[1]
        return part

    def value(self, theta: Array, which: Index) -> Array:
        """Total NLL of each problem, (P,)."""
        self = self._part(which)
        result = np.zeros(theta.shape[0])

        def one(groups: slice, part: Sample) -> tuple[slice, Array]:
            chosen = _chosen(groups, part, self.sample)
            eta = self.predictor.scores(theta[chosen], part)
            return chosen, self.predictor.value(part, self._full(self.family.nll(part.y, eta), eta, part))

        with np.errstate(all="ignore"):
            for groups, value in self.engine.map(one, self.sample, theta.shape[0]):
                result[groups] += value
        return result

    def sums(self, theta: Array, which: Index) -> Sums:
        """Total NLL (P,), gradient (P, p) and Hessian (P, p, p)."""
        self = self._part(which)
        if isinstance(self.family, TermFamily) and self.predictor.statistics:
            return self._assembled(self.family, theta)
        count, size = theta.shape
        value, gradient = np.zeros(count), np.zeros((count, size))
        hessian = np.zeros((count, size, size))

        def one(groups: slice, part: Sample) -> tuple[slice, Sums]:
            chosen = _chosen(groups, part, self.sample)
            eta = self.predictor.scores(theta[chosen], part)
            terms = (self._full(t, eta, part) for t in self.family.derivatives(part.y, eta))
            return chosen, self.predictor.sums(part, *terms)

        with np.errstate(all="ignore"):
            for groups, part in self.engine.map(one, self.sample, count):
                value[groups] += part.value
                gradient[groups] += part.gradient
                hessian[groups] += part.hessian
        return Sums(value, gradient, hessian)

    def _assembled(self, family: TermFamily, theta: Array) -> Sums:
        """The same from the summed terms of a family that has them."""
        totals: Array | None = None

        def one(groups: slice, part: Sample) -> tuple[slice, list[Array]]:
            chosen = _chosen(groups, part, self.sample)
            eta = self.predictor.scores(theta[chosen], part)
            return chosen, [self.predictor.value(part, self._full(t, eta, part)) for t in family.terms(part.y, eta)]

        with np.errstate(all="ignore"):
            for groups, terms in self.engine.map(one, self.sample, theta.shape[0]):
                if totals is None:
                    totals = np.zeros((len(terms), theta.shape[0]))
                totals[:, groups] += terms
            assert totals is not None, "a sample has rows"
            value, gradient, hessian = family.assemble(self.sample.total_weight, list(totals), theta.T)
        return Sums(value, np.ascontiguousarray(gradient.T), np.ascontiguousarray(np.moveaxis(hessian, -1, 0)))

    def corners(self, theta: Array, which: Index) -> Array:
        """The family's `corners`, (m, P, n) with one group, (m, 1, n) where every row belongs to one problem."""
        self = self._part(which)
        with np.errstate(all="ignore"):
            found = self.family.corners(self.sample.y, self.predictor.scores(theta, self.sample))
        return found if found.ndim == 3 else found[:, None]

    def outer(self, theta: Array, *, repeated: bool = False) -> Array:
        """Sums of squared weight times the outer product of each row's gradient, (P, p, p).

        With `repeated` a weight says how many equal rows there are: it is then not squared.
        """
        result = np.zeros((*theta.shape, theta.shape[1]))

        def one(groups: slice, part: Sample) -> tuple[slice, Array]:
            chosen = _chosen(groups, part, self.sample)
            eta = self.predictor.scores(theta[chosen], part)
            gradient = self._full(self.family.gradient(part.y, eta), eta, part)
            if repeated and part.weight is not None:
                gradient = gradient / np.sqrt(part.weight)
            return chosen, self.predictor.outer(part, gradient)

        with np.errstate(all="ignore"):
            for groups, part in self.engine.map(one, self.sample, theta.shape[0]):
                result[groups] += part
        return result

    def _full(self, values: Array, eta: Array, part: Sample) -> Array:
        """A term that does not depend on y comes with one column; grouped sums need one a row."""
        if part.groups > 1 and values.shape[-1] != part.n:
            return np.broadcast_to(values, (*values.shape[:-1], part.n))
        if part.groups == 1 and values.ndim and values.shape[-1] == 1 and part.n > 1 and eta.ndim < 3:
            return np.broadcast_to(values, (*values.shape[:-1], part.n))
        return values


def _chosen(groups: slice, part: Sample, whole: Sample) -> slice:
    """The problems a chunk takes part in: all of them where there is one group."""
    return slice(None) if whole.groups == 1 else groups


@dataclass(frozen=True, eq=False)
class StatisticObjective:
    """Sums from the summed statistics (m, G) of an exponential family about a centre (c, G); no rows needed."""

    family: ExponentialFamily
    totals: Array
    centre: Array

    def _totals(self, which: Index) -> tuple[Array, Array]:
        if self.totals.shape[1] == 1:  # every problem is about the one group
            return self.totals, self.centre
        return self.totals[:, which], self.centre[:, which]

    def value(self, theta: Array, which: Index) -> Array:
        return self.sums(theta, which).value

    def sums(self, theta: Array, which: Index) -> Sums:
        """Total NLL (P,), gradient (P, p) and Hessian (P, p, p)."""
        totals, centre = self._totals(which)
        with np.errstate(all="ignore"):
            nll, gradient, hessian = self.family.total(totals, centre, theta.T)
        count, size = theta.shape
        return Sums(
            np.broadcast_to(nll, (count,)),
            np.broadcast_to(gradient, (size, count)).T,
            np.moveaxis(np.broadcast_to(hessian, (size, size, count)), -1, 0),
        )

    @cached_property
    def start(self) -> Array:
        """Scores to start from, (G, k)."""
        with np.errstate(all="ignore"):
            return np.ascontiguousarray(self.family.start_from(self.totals, self.centre).T)


def objective(
    family: Family, predictor: Predictor, sample: Sample, engine: Engine | None = None
) -> RowObjective | StatisticObjective:
    """The cheapest objective: statistics where family and predictor allow, rows otherwise."""
    engine = engine or Serial()
    if isinstance(family, ExponentialFamily) and predictor.statistics:
        return _statistics(family, sample, engine)
    return RowObjective(family, predictor, sample, engine)


def _statistics(family: ExponentialFamily, sample: Sample, engine: Engine) -> StatisticObjective:
    with np.errstate(all="ignore"):
        centre = family.centre(sample)

        def one(groups: slice, part: Sample) -> tuple[slice, Array]:
            return groups, family.summed(part, centre[:, groups])

        totals: Array | None = None
        for groups, part in engine.map(one, sample):
            if totals is None:
                totals = np.zeros((part.shape[0], sample.groups))
            totals[:, groups] += part
    assert totals is not None, "a sample has rows"
    return StatisticObjective(family, totals, centre)
