"""Fitting a family to a sample, and the frozen result.

All groups are one batch from the first number to the last; a fit of one column is a batch of one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Literal, cast

import numpy as np
from numpy.typing import NDArray

from mlefit import deadline
from mlefit.engines.serial import Serial
from mlefit.errors import DataError, UsageError, no_level
from mlefit.families.base import NO_DISTRIBUTION, ExponentialFamily, Family, TermFamily
from mlefit.families.links import BOUND, Array, identity
from mlefit.families.nomenclature import no_parameter
from mlefit.families.wrapped import Wrapped
from mlefit.inference import intervals, kinks, result
from mlefit.inference.certificate import EVENTLESS, GRADIENT, REMEDY, beyond_all, certify, interior, unheard, walled
from mlefit.inference.rescue import rescued
from mlefit.inference.result import Record, Result
from mlefit.objective import Engine, RowObjective, StatisticObjective, objective
from mlefit.predictors.constant import Constant
from mlefit.sample import Sample
from mlefit.solvers.newton import MOST
from mlefit.solvers.solution import Index, Solution

if TYPE_CHECKING:
    from rich.console import RenderableType

    from mlefit.inference.bootstrap import Kind, Limits
    from mlefit.inference.derived import Derived
    from mlefit.inference.hypotheses import NullTests

Interval = Literal["wald", "profile", "none"]
WeightKind = Literal["frequency", "importance"]

# A solver that starts at the estimate of an evenly thinned sample needs one or two passes over all the rows.
THIN: Final = (2_048, 16_384)  # rows; the several starts of a family are told apart on the fewest
NEAR: Final = 1e-3  # a decrement above this has not arrived
FEW: Final = 40  # steps of several searches after which those that head for a spike are given up
ROUGH: Final = 0.05  # standard errors; a part of the rows need not be solved closer than it is to all of them
# A step of d standard errors changes the curvature by about d / sqrt(n) of itself, and leaves the square of d to go.
# Below this times sqrt(n) it is taken without another look at all the rows.
LAST: Final = 3e-8
SAME: Final = 1e-9  # relative; nll that differ by less are equal
SEVERAL: Final = 20  # groups; each of so many is given an adaptive family of its own
SHORT: Final = 12  # digits of a number that is not so by chance


@dataclass(frozen=True)
class Options:
    """How to fit and what to report.

    Attributes:
        level: of the confidence limits, in (0, 1).
        interval: kind of limits.
        weight_kind: frequency (a row of weight 3 is three rows) or importance (a row of weight 3 counts three
            times as much; errors are then robust, and n is the number of rows).
        start: parameters to start from.
    """

    level: float = 0.95
    interval: Interval = "wald"
    weight_kind: WeightKind = "frequency"
    start: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0 < self.level < 1:
            raise UsageError(no_level(self.level, "a confidence level"))
        if self.interval == "profile" and self.weight_kind == "importance":
            raise UsageError(
                "profile limits take a weight for so many rows, which importance weights are not; "
                "ask for wald limits, which follow from the robust standard errors"
            )


@dataclass(frozen=True)
class Estimate:
    """What is known of one parameter; NaN for what does not exist."""

    value: float
    std_error: float = float("nan")
    lower: float = float("nan")
    upper: float = float("nan")


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Fit(Result):
    """The maximum-likelihood fit of one family to one column or group: what every `Result` has, and the following.

    Shapes: K parameters, k scores.

    Attributes:
        eta: (k,) estimated scores.
        theta: (K,) estimated parameters, inf where one runs off.
        remainder: the parameter that these leave, such as the last weight of a mixture; see `Family.remainder`.
        covariance: (K, K) of the parameters, from the information or from bootstrap replicates, where the limits are
            the bootstrap's; NaN where there is no standard error.
        log_likelihood: with every constant; NaN where it is unbounded, minus infinity where all parameters are held
            and make the data impossible.
        objective, number: the likelihood of this fit and of those made with it, and its place among them.
        weight_kind: what the weights meant.
        interval_detail: what else made the limits, such as the replicates of a bootstrap.
        derived: formulas of the parameters and quantiles, where asked for.
        tests: of values of the parameters, where asked for.
        sample: the rows of this fit and of those made with it, this one's being group `number`; None where they
            were streamed.
    """

    eta: Array
    theta: Array
    objective: RowObjective | StatisticObjective
    number: int
    remainder: Estimate | None = None
    weight_kind: WeightKind = "frequency"
    interval_detail: Mapping[str, Any] = field(default_factory=dict)
    derived: tuple[Derived, ...] = ()
    tests: tuple[NullTests, ...] = ()
    sample: Sample | None = None

    @property
    def estimates(self) -> dict[str, float]:
        """Every parameter's estimate, those held last."""
        return self._told(self.theta, "value") | self.held

    @property
    def std_errors(self) -> dict[str, float]:
        """Every parameter's standard error; NaN where none exists."""
        return self._told(np.sqrt(np.diag(self.covariance)), "std_error") | dict.fromkeys(self.held, np.nan)

    @property
    def limits(self) -> dict[str, tuple[float, float]]:
        """Confidence limits of every parameter; NaN where there are none."""
        lower, upper = self._told(self.lower, "lower"), self._told(self.upper, "upper")
        return {name: (low, upper[name]) for name, low in lower.items()} | dict.fromkeys(self.held, (np.nan, np.nan))

    def _told(self, values: Array, what: str) -> dict[str, float]:
        """Numbers of the free parameters (K,) by name, and in its place that of the remainder."""
        found = {name: float(v) for name, v in self.family.told(values).items()}
        if self.remainder is not None and self.family.remainder is not None:
            found[self.family.remainder.name] = getattr(self.remainder, what)
        return {name: v for name, v in found.items() if name not in self.held}

    def parameters(self) -> dict[str, Record]:
        """Estimate, standard error and limits of every parameter; those held come last, `fixed`."""
        errors, limits, held = self.std_errors, self.limits, self._held()
        found = {name: result.parameter(value, errors[name], *limits[name]) for name, value in self.estimates.items()}
        return found | held

    def along(self, names: Iterable[str]) -> Fit:
        """The fit on scores among which each of the named parameters has its own; see `Family.along`."""
        family = self.family.along(names)
        if family is self.family:
            return self
        theta = np.array([self._told(self.theta, "value")[name] for name in family.names])
        chosen = np.stack([self._mixed()[name] for name in family.names])
        assert isinstance(self.objective, RowObjective), "what has statistics has its parameters' scores"
        return replace(
            self, family=family, objective=replace(self.objective, family=family), theta=theta, remainder=None,
            eta=family.forward(theta[:, None])[:, 0], covariance=chosen @ self.covariance @ chosen.T,
        )  # fmt: skip

    def _mixed(self) -> dict[str, Array]:
        """What every parameter that is not held takes of the free ones, to first order, (K,) each."""
        found = dict(zip(self.family.names, np.eye(self.theta.size), strict=True))
        left = self.family.remainder
        if left is not None and left.others:
            found[left.name] = -sum((found[name] for name in left.others), np.zeros(self.theta.size))
        return {name: found[name] for name in self._told(self.theta, "value")}

    def _covariance(self) -> Array:
        if self.remainder is None:
            return self.covariance
        return covariance_of(np.stack(list(self._mixed().values())), self.covariance)

    def interval(
        self,
        level: float | None = None,
        method: Interval | Literal["bootstrap"] | None = None,
        *,
        replicates: int | None = None,
        seed: int | None = None,
        bootstrap: Kind | None = None,
        bootstrap_limits: Limits | None = None,
    ) -> dict[str, tuple[float, float]]:
        """Confidence limits of every parameter.

        Args:
            level: in (0, 1); None for the fit's own.
            method: wald, profile, bootstrap or none; None for the fit's own, or wald where it has none.
            replicates, seed, bootstrap, bootstrap_limits: of the bootstrap, as in `mlefit.fit`; None for those of the
                fit's own bootstrap, or where it has none the defaults there.

        Raises:
            UsageError: a level outside (0, 1), an unknown method, profile limits with importance weights, or a
                bootstrap of rows that were streamed.
            DataError: no bootstrap replicate has a maximum.
        """
        level = self.level if level is None else level
        method = method or cast("Interval", "wald" if self.interval_method == "none" else self.interval_method)
        plan = {"replicates": replicates, "seed": seed, "kind": bootstrap, "limits": bootstrap_limits}
        if method == "bootstrap":
            return self._bootstrapped(level, {name: v for name, v in plan.items() if v is not None}).limits
        options = Options(level=level, interval=method, weight_kind=self.weight_kind)
        lower, upper, remainder = _limits(
            self.family,
            self.objective,
            self.eta[None],
            self.theta[:, None],
            self.covariance[None],
            np.array([-self.log_likelihood]),
            options,
            np.array([self.number], dtype=np.intp),
        )
        return replace(self, lower=lower[:, 0], upper=upper[:, 0], remainder=remainder[0]).limits

    def _bootstrapped(self, level: float, asked: dict[str, Any]) -> Fit:
        from mlefit.inference.bootstrap import Plan, bootstrap, with_limits

        own = dict(self.interval_detail)
        if own:
            own["kind"] = own.pop("bootstrap")
        plan = Plan(**(own | asked))
        if level == self.level and own and plan == Plan(**own):
            return self
        if self.sample is None:
            raise UsageError("the rows of a file so large are not kept; ask for bootstrap limits when you fit it")
        Options(level=level)
        if not self.converged:
            none = np.full_like(self.theta, np.nan)
            left = self.remainder
            return replace(self, lower=none, upper=none, remainder=left and Estimate(left.value, left.std_error))
        rows = self.sample if self.sample.groups == 1 else self.sample.take(np.array([self.number]))
        found = bootstrap(self, rows, plan, importance=self.weight_kind == "importance")
        return with_limits(replace(self, level=level), found)

    @property
    def parameters_count(self) -> int:
        """Free parameters."""
        return self.family.size

    def to_dict(self) -> dict[str, Any]:
        """The fit as in the JSON contract: plain values, None for what does not exist."""
        record: dict[str, Any] = {"family": self.family.name, "column": self.column}
        if self.group is not None:
            record["group"] = dict(self.group)
        record |= self._data()
        for key, kind in (("derived", "derived"), ("quantiles", "quantile")):
            if found := {one.name: one.to_dict() for one in self.derived if one.kind == kind}:
                record[key] = found
        if self.tests:
            record["tests"] = [test.to_dict() for test in self.tests]
        record["interval"] = {"level": self.level, "method": self.interval_method, **self.interval_detail}
        return record | self._likelihood() | self._evidence()

    def rows(self) -> list[dict[str, Any]]:
        """The tidy rows of csv and `to_frame`; None for what does not exist."""
        return super().rows() + [self._row(one.label, one.to_dict()) for one in self.derived]

    def remarks(self) -> list[str]:
        """As of any result, and that the tests are not among the rows."""
        if not self.tests:
            return super().remarks()
        nulls = "; ".join(", ".join(f"{name} = {value:g}" for name, value in test.null.items()) for test in self.tests)
        return [*super().remarks(), f"the tests of {nulls} are not among these rows: --format table or json has them"]

    def __rich__(self) -> RenderableType:
        from mlefit.report.tables import fit_table

        return fit_table(self)


# Data at the ends of the doubles overflow; what is then not finite is judged by the certificate.
@np.errstate(all="ignore")
def fit_sample(
    family: Family,
    sample: Sample,
    options: Options | None = None,
    *,
    column: str = "y",
    groups: Sequence[Mapping[str, Any]] | None = None,
    dropped: Sequence[int] | int = 0,
    engine: Engine | None = None,
    counts: Index | None = None,
) -> list[Fit]:
    """Fit `family` to every group of `sample`.

    Args:
        family: bound and pinned already.
        sample: rows sorted by group.
        options: how.
        column: the name of the data in the results.
        groups: labels of each group, (G,).
        dropped: rows left out, of each group or in all.
        engine: where the sums over rows are made.
        counts: rows of each group before equal ones were collapsed, where that has been done already.

    Raises:
        DataError: no rows, or values of a size that cannot be computed with.
        UsageError: a start that is no parameter or outside its domain.
    """
    options = options or Options()
    if sample.n == 0:
        raise DataError(f"{column} has no values to fit")
    with limited(family):
        return _fit_sample(family, sample, options, column, groups, dropped, engine, counts)


@contextmanager
def limited(family: Family) -> Iterator[None]:
    """Do what is inside in the time that a fit of the family may take.

    Raises:
        DataError: it took longer.
    """
    patience = _patience(family)
    if np.isinf(patience):
        yield
        return
    try:
        with deadline.within(patience):
            yield
    except TimeoutError:
        raise DataError(
            f"{family.name} was not fitted within {patience:g} seconds; scipy computes it slowly"
        ) from None


def _patience(family: Family) -> float:
    """Seconds that a fit may take: those of the most impatient family that it is made of."""
    parts = [*getattr(family, "components", ()), *filter(None, [getattr(family, "base", None)])]
    return min([family.patience, *map(_patience, parts)])


def _fit_sample(
    family: Family,
    sample: Sample,
    options: Options,
    column: str,
    groups: Sequence[Mapping[str, Any]] | None,
    dropped: Sequence[int] | int,
    engine: Engine | None,
    counts: Index | None,
) -> list[Fit]:
    counts = sample.counts if counts is None else counts
    weight = sample.total_weight
    whole = sample
    if family.adaptive and 1 < sample.groups <= SEVERAL:  # what is irregular may differ between the groups
        drops = [dropped] * sample.groups if isinstance(dropped, int) else dropped
        each = (np.array([g], dtype=np.intp) for g in range(sample.groups))
        return [
            _fit_sample(
                family, sample.take(g), options, column, None if groups is None else [groups[g[0]]], drops[g[0]],
                engine, counts[g],
            )[0]
            for g in each
        ]  # fmt: skip
    if family.adaptive:
        family = family.suited(sample)
    if options.weight_kind == "frequency":
        sample = condensed(family, sample)
    kinds = family.kinds(sample.y)
    if kinds is not None:
        sample = sample.arranged(kinds)
    target = objective(family, Constant(), sample, engine)
    solution = solve(family, sample, target, options.start)
    extremes = _extremes(family, sample)
    scatter = None
    if options.weight_kind == "importance":
        scatter = RowObjective(family, Constant(), sample, engine or Serial()).outer(solution.theta)
    return report(
        family,
        target,
        solution,
        options,
        counts=counts,
        weight=weight,
        extremes=extremes,
        scatter=scatter,
        column=column,
        groups=groups,
        dropped=dropped,
        sample=whole,
    )


def condensed(family: Family, sample: Sample) -> Sample:
    """The same rows with equal ones counted, where that makes a fit quicker: weights are taken for frequencies.

    Families that sum a few terms are done with their rows before they could be counted.
    """
    if family.discrete or (not isinstance(family, (ExponentialFamily, TermFamily)) and sample.repetitive):
        return sample.distinct
    return sample


def _censored(family: Family, sample: Sample | None, counts: Index) -> Index | None:
    """Rows of each group whose value is not known, (G,); None where there are none, or equal rows of some weight."""
    if not family.censored or sample is None:
        return None
    hidden = np.asarray(family.kinds(sample.y) != 0)
    if (sample.counts == counts).all():
        return np.asarray(np.add.reduceat(hidden, sample.offsets[:-1], dtype=np.intp))
    if (sample.total_weight == counts).all():
        return np.asarray(np.round(sample.sum(hidden.astype(float))), dtype=np.intp)
    return None


def report(
    family: Family,
    target: RowObjective | StatisticObjective,
    solution: Solution,
    options: Options,
    *,
    counts: Index,
    weight: Array,
    extremes: tuple[Array, Array],
    scatter: Array | None = None,
    column: str,
    groups: Sequence[Mapping[str, Any]] | None,
    dropped: Sequence[int] | int,
    sample: Sample | None = None,
) -> list[Fit]:
    """Fits from a solution: certificate, errors, limits.

    `extremes` are each group's smallest and largest y; `scatter` (G, k, k) is the middle of the robust sandwich;
    `sample` is kept with the fits.

    Raises:
        DataError: values of a size that cannot be computed with.
    """
    count = solution.theta.shape[0]
    scale = np.maximum(np.abs(extremes[0]), np.abs(extremes[1]))
    least, most = family.sizes
    for size in scale[((scale > most) | (scale < least)) & (scale > 0) & np.isfinite(scale)].tolist()[:1]:
        unit = f"1e{int(np.floor(np.log10(size)))}"
        raise DataError(
            f"the largest value of {column!r} is of size {size:g}, and sizes from {least:g} to {most:g} can be "
            f'fitted; take another unit, such as --column "{column} / {unit}"'
        )
    constant = np.asarray((extremes[0] == extremes[1]) & (np.asarray(family.columns) == "y").all())
    ends = extremes if sample is None else _extremes(family, sample, exact=True)
    spikes = family.unbounded(solution.theta.T, *ends)
    silent = unheard(family, target, solution, weight)
    verdict = certify(
        family, solution, weight=weight, scale=scale, constant=constant, counts=counts, spikes=spikes, silent=silent,
        objective=target,
        walls=walled(family, target, solution),
    )  # fmt: skip
    eta = solution.theta.T
    with np.errstate(all="ignore"):
        score_covariance = verdict.covariance
        if scatter is not None:
            bread = np.nan_to_num(score_covariance)
            robust = bread @ scatter @ bread
            score_covariance = np.where(np.isnan(score_covariance), np.nan, robust)
        jacobian = family.jacobian(eta)
        covariance = np.einsum("aig,gij,bjg->gab", jacobian, np.nan_to_num(score_covariance), jacobian)
        theta = family.inverse(eta)
    own_scores = family.size == len(family.parameters)
    for j, parameter in enumerate(family.parameters):
        if not own_scores or parameter.link is not identity:
            theta[j] = _settled(theta[j])
    lost = _lost(family, jacobian, score_covariance) if own_scores else np.zeros_like(covariance, dtype=bool)
    covariance = np.where(lost, np.nan, (covariance + covariance.swapaxes(1, 2)) / 2)
    for j, parameter in enumerate(family.parameters if own_scores else ()):
        theta[j] = np.where(verdict.edge[:, j] > 0, parameter.link.upper, theta[j])
        theta[j] = np.where(verdict.edge[:, j] < 0, parameter.link.lower, theta[j])
        theta[j] = np.where(verdict.silent[:, j], np.nan, theta[j])
    if not own_scores:
        at = np.array([[p.name in c.at_boundary for p in family.parameters] for c in verdict.certificates])
        theta = np.where(at.T, np.round(theta), theta)
        covariance = np.where(at[:, :, None] | at[:, None, :], np.nan, covariance)
    # At a boundary the scores stop short of infinity, so that a zero comes out as 1e-130.
    value = np.where(np.abs(solution.sums.value) < 1e-60, 0.0, solution.sums.value)
    nowhere = ~(np.isfinite(value) & np.isfinite(solution.theta).all(axis=1))
    unbounded = nowhere | np.array(["unbounded" in c.problem for c in verdict.certificates], dtype=bool)
    value[unbounded & ((family.size > 0) | ~nowhere)] = np.nan
    covariance[unbounded] = np.nan
    theta[:, nowhere] = np.nan
    if not family.size:  # nothing was estimated, such as the share of the only label
        covariance[:] = np.nan
    below = np.einsum("gaa->ga", covariance) < 0  # the information of a saddle
    covariance[below[:, :, None] | below[:, None, :]] = np.nan
    lower, upper, remainders = _limits(
        family, target, solution.theta, theta, covariance, value, options, np.arange(count, dtype=np.intp)
    )
    closed = solution.iterations == 0
    drops = [dropped] * count if isinstance(dropped, int) else dropped
    said = [
        tuple(text.replace(REMEDY, "") for text in texts) if options.interval == "profile" else texts
        for texts in verdict.warnings
    ]
    certificates = list(verdict.certificates)
    if family.censored and sample is not None and not verdict.converged.all():
        unseen = np.logical_and.reduceat(beyond_all(family, sample.y), sample.offsets[:-1])
        for i in np.flatnonzero(unseen & ~verdict.converged).tolist():
            certificates[i] = replace(certificates[i], problem=EVENTLESS)
            said[i] = (EVENTLESS,)
    cautions = [text if good else "" for good, text in zip(verdict.converged, family.cautions(eta), strict=True)]
    with np.errstate(all="ignore"):
        errors = np.sqrt(np.einsum("gaa->ga", covariance)) if own_scores else solution.theta * np.nan
    bent = kinks.remarks(target, solution.theta, errors)
    notes = [
        () if lost else tuple(filter(None, (family.irregular_note, said if sound else "")))
        for lost, sound, said in zip(unbounded.tolist(), verdict.converged.tolist(), bent, strict=True)
    ]
    doubts = family.doubts(eta)
    void = [text if text.endswith(NO_DISTRIBUTION) else "" for text in doubts]
    censored = _censored(family, sample, counts)
    effective = weight if options.weight_kind == "frequency" else counts.astype(float)
    return [
        Fit(
            family=family,
            column=column,
            group=None if groups is None else groups[i],
            n=int(counts[i]),
            dropped=int(drops[i]),
            weight=float(weight[i]),
            eta=eta[:, i],
            theta=theta[:, i],
            covariance=covariance[i],
            lower=lower[:, i],
            upper=upper[:, i],
            log_likelihood=0.0 - float(value[i]),
            level=options.level,
            interval_method=options.interval,
            solver=family.start_method if closed[i] else solution.solver,
            iterations=int(solution.iterations[i]),
            certificate=replace(certificates[i], problem=certificates[i].problem or void[i]),
            converged=bool(verdict.converged[i]) and not void[i],
            warnings=said[i] + notes[i] + tuple(filter(None, (cautions[i], doubts[i]))),
            effective_n=float(effective[i]),
            censored=None if censored is None else int(censored[i]),
            objective=target,
            number=i,
            remainder=remainders[i],
            weight_kind=options.weight_kind,
            sample=sample,
        )
        for i in range(count)
    ]


def _lost(family: Family, jacobian: Array, covariance: Array) -> NDArray[np.bool_]:
    """Which covariances (G, K, K) of the parameters do not exist: those of a parameter that moves with a score lost.

    A score that is an end of the support varies far less than the others (Smith 1985), and is none of those; but a
    parameter that moves with no other score has no covariance either. `jacobian` is (K, k, G), `covariance` (G, k, k).
    """
    known = ~np.isnan(np.einsum("gii->gi", covariance))
    ends = np.array([n in family.irregular - family.informative for n in family.names], dtype=bool)
    moves = np.moveaxis(jacobian, -1, 0) != 0
    gone = ~(moves & known[:, None]).any(axis=2) | (moves & ~(known | ends)[:, None]).any(axis=2)
    return np.asarray(gone[:, :, None] | gone[:, None, :])


def _settled(theta: Array) -> Array:
    """Estimates without what the way to their scores and back did to the last digits: 0.75 for 0.7499999999999999."""
    with np.errstate(all="ignore"):
        power = 10.0 ** (SHORT - 1 - np.floor(np.log10(np.abs(theta))))
        short = np.round(theta * power) / power
        # Powers of ten up to this are exact, so that the quotient is the double nearest to the short number.
        near = (power >= 1) & (power <= 1e22) & (np.abs(theta - short) <= 16 * np.finfo(float).eps * np.abs(theta))
        return np.where(near, short, theta)


def solve(
    family: Family,
    sample: Sample | None,
    target: RowObjective | StatisticObjective,
    start: Mapping[str, float] | None = None,
) -> Solution:
    """Minimise the NLL of every group, from every start the family proposes, keeping the best.

    A target of statistics needs no sample.
    """
    irregular = np.array([n in family.irregular for n in family.names], dtype=bool)
    held = irregular if irregular.any() else None
    if isinstance(target, StatisticObjective):
        known = _overridden(family, [target.start.T], start)
        return rescued(family, target, _best(family, target, known, held), held)
    assert sample is not None, "a target of rows has rows"
    levels = [size for size in THIN if sample.n > 4 * size * sample.groups and family.near is None]
    with np.errstate(all="ignore"):
        candidates: list[Array] = []
        for size in levels:
            rows = sample.thin(size)
            candidates = candidates or _overridden(family, family.starts(rows), start)
            if not irregular.all():
                rough = RowObjective(family, target.predictor, rows, target.engine)
                candidates = [_best(family, rough, candidates, held, ROUGH).theta.T]
        if levels and irregular.any():
            candidates = [np.where(irregular[:, None], family.start(sample), eta) for eta in candidates]
        last = np.minimum(LAST * np.sqrt(sample.counts), GRADIENT)
        solution = _best(family, target, candidates or _overridden(family, family.starts(sample), start), held, last)
        if levels and not (solution.decrement <= NEAR).all():
            # What was far from a part of the rows may be near to all of them.
            whole = [solution.theta.T, *_overridden(family, family.starts(sample), start)]
            solution = _best(family, target, whole, held, last)
    return _in_order(family, target, rescued(family, target, solution, held))


def _in_order(family: Family, target: RowObjective | StatisticObjective, solution: Solution) -> Solution:
    """The solution with parts that are alike, such as components of a mixture, in the family's order.

    A solver may have exchanged them on its way. Parts that the likelihood is no lower without are left out.
    """
    while isinstance(family, Wrapped):
        family = family.base
    which = np.arange(len(solution.theta), dtype=np.intp)
    with np.errstate(all="ignore"):
        theta = np.ascontiguousarray(family.ordered(solution.theta.T).T)
        emptied = np.ascontiguousarray(family.emptied(theta.T).T)
        if not np.array_equal(theta, emptied):
            value = solution.sums.value
            as_good = target.value(emptied, which) <= value + SAME * np.abs(value)
            theta = np.where(as_good[:, None], emptied, theta)
    if np.array_equal(theta, solution.theta):
        return solution
    return replace(solution, theta=theta, sums=target.sums(theta, which))


def _best(
    family: Family,
    target: RowObjective | StatisticObjective,
    candidates: list[Array],
    held: NDArray[np.bool_] | None,
    last: Array | float = 0.0,
) -> Solution:
    """Solve from all candidates, each (k, G), as one batch; the lowest value of each group. `last`, (G,): see `newton`.

    Where the likelihood is unbounded at a cliff or at a spike, its maximum is the highest one away from there (Grimshaw
    1993; McLachlan and Peel 2000, chapter 3).
    """
    step = family.step
    count = candidates[0].shape[1]
    start = np.concatenate([np.nan_to_num(eta, posinf=BOUND, neginf=-BOUND).T for eta in candidates])
    which = np.tile(np.arange(count, dtype=np.intp), len(candidates))
    last = np.broadcast_to(last, count)[which]
    most = MOST if len(candidates) == 1 else FEW
    solution = kinks.minimised(target, start, which=which, held=held, step=step, last=last, max_iterations=most)
    if not np.isfinite(solution.sums.value).all() and _make_feasible(target, start, which, held, solution):
        solution = kinks.minimised(target, start, which=which, held=held, step=step, last=last, max_iterations=most)
    if len(candidates) == 1:
        return solution
    solution = _resumed(target, solution, which, held, step, last, ~_spikes(family, target, solution, which))
    values = np.where(np.isfinite(solution.sums.value), solution.sums.value, np.inf).reshape(-1, count)
    spiked = _spikes(family, target, solution, which)
    if family.cliffs or spiked.any():
        sound = (interior(family, solution, last) & ~spiked).reshape(-1, count)
        judged = sound.any(axis=0) & (bool(family.cliffs) | spiked.reshape(-1, count).any(axis=0))
        values = np.where(sound | ~judged, values, np.inf)
    pick = np.argmin(values, axis=0) * count + np.arange(count)
    ending = np.zeros(which.size, dtype=bool)
    ending[pick] = spiked[pick]
    solution = _resumed(target, solution, which, held, step, last, ending)
    sums = solution.sums
    chosen = type(sums)(sums.value[pick], sums.gradient[pick], sums.hessian[pick])
    theta, decrement, iterations = solution.theta[pick], solution.decrement[pick], solution.iterations[pick]
    return Solution(theta, chosen, decrement, iterations, solution.solver)


def _resumed(
    target: RowObjective | StatisticObjective,
    solution: Solution,
    which: Index,
    held: NDArray[np.bool_] | None,
    step: Array,
    last: Array,
    wanted: NDArray[np.bool_],
) -> Solution:
    """The solution with those of the problems wanted that were stopped for their number of steps gone on with."""
    rest = np.flatnonzero(wanted & (solution.iterations >= FEW) & np.isfinite(solution.sums.value))
    if not rest.size:
        return solution
    found = kinks.minimised(target, solution.theta[rest], which=which[rest], held=held, step=step, last=last[rest])
    theta, decrement, iterations = solution.theta.copy(), solution.decrement.copy(), solution.iterations.copy()
    sums = replace(solution.sums)
    theta[rest], decrement[rest] = found.theta, found.decrement
    iterations[rest] += found.iterations
    for mine, its in zip((sums.value, sums.gradient, sums.hessian),
                         (found.sums.value, found.sums.gradient, found.sums.hessian), strict=True):  # fmt: skip
        mine[rest] = its
    return replace(solution, theta=theta, sums=sums, decrement=decrement, iterations=iterations)


def _spikes(
    family: Family, target: RowObjective | StatisticObjective, solution: Solution, which: Index
) -> NDArray[np.bool_]:
    """Which problems ended where the likelihood is unbounded, (P,); see `Family.unbounded`."""
    if isinstance(target, StatisticObjective):  # of an exponential family, which has no spikes among its distributions
        return np.zeros(which.size, dtype=bool)
    low, high = _extremes(family, target.sample, exact=True)
    reasons = family.unbounded(solution.theta.T, low[which], high[which])
    return np.array([bool(reason) for reason in reasons], dtype=bool)


def _make_feasible(
    target: RowObjective | StatisticObjective,
    start: Array,
    which: Index,
    held: NDArray[np.bool_] | None,
    solution: Solution,
) -> bool:
    """Move starts at which the data are impossible, in place, to the best of a few points around them.

    Holding one parameter can put the start of another outside what the data allow: an endpoint below the largest
    value, say. Returns whether any start was moved.
    """
    bad = np.flatnonzero(~np.isfinite(solution.sums.value) & (solution.iterations == 0))
    origin, best = start[bad].copy(), np.full(bad.size, np.inf)
    for j in range(start.shape[1] if bad.size else 0):
        if held is not None and held[j]:
            continue
        for move in (0.5, 1.0, 2.0, 4.0, 8.0):
            for side in (-move, move):
                trial = origin.copy()
                trial[:, j] += side * np.maximum(1.0, np.abs(trial[:, j]) / 4)
                value = target.value(trial, which[bad])
                better = np.isfinite(value) & (value < best)
                best[better] = value[better]
                start[bad[better]] = trial[better]
    return bool(np.isfinite(best).any())


def _overridden(family: Family, candidates: list[Array], start: Mapping[str, float] | None) -> list[Array]:
    """The starts, each (k, G), and one more: the best of them with the parameters that the user has set."""
    if not start:
        return candidates
    seen = family.along(start)
    for name, value in start.items():
        if name not in seen.names:
            raise UsageError(no_parameter(family.name, name, family.names, use=" to start from"))
        link = seen.parameters[seen.names.index(name)].link
        if not link.lower < value < link.upper:
            raise UsageError(f"the start {name}={value:g} is outside the domain {link.lower:g} to {link.upper:g}")
    with np.errstate(all="ignore"):
        eta = family.translated(candidates[0], seen)
        for name, value in start.items():
            if name not in family.irregular:  # found without a solver, which a start would only hinder
                j = seen.names.index(name)
                eta[j] = seen.parameters[j].link.forward(np.asarray(value, dtype=float))
        return [*candidates, seen.translated(eta, family)]


def _extremes(family: Family, sample: Sample, *, exact: bool = False) -> tuple[Array, Array]:
    """Smallest and largest y of each group, chunk by chunk; of its `exact` rows alone, inf and -inf without any."""
    low, high = np.full(sample.groups, np.inf), np.full(sample.groups, -np.inf)
    for groups, part in sample.chunks():
        y = family.central(part.y)
        known = family.exact(part.y) if exact else None
        for ends, best, last in ((low, part.minimum, np.inf), (high, part.maximum, -np.inf)):
            found = best(y if known is None else np.where(known, y, last))
            ends[groups] = np.minimum(ends[groups], found) if last > 0 else np.maximum(ends[groups], found)
    return low, high


def _limits(
    family: Family,
    target: RowObjective | StatisticObjective,
    scores: Array,
    theta: Array,
    covariance: Array,
    value: Array,
    options: Options,
    which: Index,
) -> tuple[Array, Array, list[Estimate | None]]:
    """Confidence limits (K, G) by the method asked for, and the remainder. `scores` (G, k), `covariance` (G, K, K)."""
    parameters, left = list(family.parameters), family.remainder
    variance = np.einsum("gaa->ag", covariance)
    size = len(parameters)
    if left is not None and left.others:
        parameters.append(left.parameter)
        theta = np.concatenate([theta, family.told(theta)[left.name][None]])
        taken = np.isin(family.names, left.others).astype(float)
        variance = np.concatenate([variance, covariance_of(taken[None], covariance)[:, 0].T])
    with np.errstate(all="ignore"):
        std_error = np.sqrt(variance)
    if options.interval == "none" or not family.size:
        lower, upper = np.full_like(theta, np.nan), np.full_like(theta, np.nan)
    elif options.interval == "wald":
        lower, upper = intervals.wald(parameters, theta, std_error, options.level)
    elif options.interval == "profile":
        lower, upper = intervals.profile_limits(family, target, scores, parameters, theta, value, options.level, which)
    else:
        raise UsageError(f"there is no interval called {options.interval!r}; choose wald, profile or none")
    rest = np.stack([theta, std_error, lower, upper])[:, size:].reshape(4, -1)
    remainders: list[Estimate | None] = [Estimate(*one) for one in rest.T.tolist()]
    return lower[:size], upper[:size], remainders or [None] * which.size


def covariance_of(weights: Array, covariance: Array) -> Array:
    """Of M sums of parameters with weights (M, K), (..., M, M); NaN where one is that a sum takes."""
    with np.errstate(all="ignore"):
        lost = np.isnan(covariance)
        found = weights @ np.where(lost, 0.0, covariance) @ weights.T
        taken = (weights != 0).astype(float)
        return np.where(taken @ lost @ taken.T > 0, np.nan, found)
