"""Bootstrap replicates of a fit, solved as one batch, and confidence limits from them.

Replicates are the groups of one sample, so a thousand of them are fitted like a thousand groups. For an exponential
family a resample is nothing but multinomial weights on the rows' statistics: one matrix product gives the sums of all
replicates, and no row is looked at twice. Of any other family it gives the first step of all replicates, from the
derivatives of the rows at the estimate.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any, Final, Literal

import numpy as np

from mlefit.engines.serial import Serial
from mlefit.errors import DataError, UsageError
from mlefit.families.base import ExponentialFamily, Family
from mlefit.families.links import Array
from mlefit.inference.fit import Estimate, Fit, solve
from mlefit.inference.kinks import minimised
from mlefit.inference.mechanism import Mechanism
from mlefit.objective import RowObjective, StatisticObjective, objective
from mlefit.predictors.constant import Constant
from mlefit.progress import steps
from mlefit.sample import Sample
from mlefit.solvers.solution import Solution, Sums

Kind = Literal["nonparametric", "parametric"]
Limits = Literal["bca", "percentile"]

CELLS: Final = 2**19  # rows of replicates held at once
FEWEST: Final = 20  # replicates below which no limit can be read off
HUGE: Final = 1e300
ROWS: Final = 20_000  # drawn rows behind the acceleration of a parametric bootstrap
# Standard errors that a replicate may be away from its estimate: far less than the replicates leave of a limit unknown.
# A step of d standard errors leaves about d^2 / sqrt(n) to go, so that most replicates need two of them.
CLOSE: Final = 1e-6


@dataclass(frozen=True)
class Plan:
    """How to bootstrap.

    Attributes:
        replicates: how many.
        seed: of the random generator.
        kind: rows drawn again with replacement, or new rows drawn from the fitted distribution.
        limits: bias-corrected and accelerated, or plain percentiles.
    """

    replicates: int = 2000
    seed: int = 0
    kind: Kind = "nonparametric"
    limits: Limits = "bca"

    def __post_init__(self) -> None:
        if self.replicates < FEWEST:
            raise UsageError(f"a bootstrap needs at least {FEWEST} replicates; {self.replicates} are too few")
        if self.seed < 0:
            raise UsageError(f"a seed is 0 or more; {self.seed} is not")
        for value, choices in ((self.kind, ("nonparametric", "parametric")), (self.limits, ("bca", "percentile"))):
            if value not in choices:
                raise UsageError(f"{value!r} is no kind of bootstrap; choose {' or '.join(choices)}")


@dataclass(frozen=True, eq=False)
class Replicates:
    """Estimates of B replicates.

    Attributes:
        eta: (B, k) scores.
        theta: (B, K) parameters.
        failed: replicates without a finite likelihood, left out of the two.
        plan: how they were made.
        rows: of the data or drawn from the fit, one group, for BCa's acceleration.
        n: the size of the original sample.
    """

    eta: Array
    theta: Array
    failed: int
    plan: Plan
    rows: Sample
    n: float


def bootstrap(fit: Fit, sample: Sample, plan: Plan, *, importance: bool = False) -> Replicates:
    """Refit a fit's family to replicates of its rows.

    Args:
        fit: the original; replicates start from it.
        sample: its rows, one group.
        plan: how.
        importance: weights are not frequencies: rows are drawn equally often and carry their weights along.

    Raises:
        UsageError: a parametric bootstrap of a family that cannot be drawn from, or of rows censored between two ends.
        DataError: no replicate has a maximum.
    """
    generator = np.random.default_rng(plan.seed)
    family, start = fit.family, fit.eta
    rows = sample.distinct if (family.discrete or sample.repetitive) and not importance else sample
    if plan.kind == "parametric":
        parts = simulated(family, start, sample, plan.replicates, generator)
        fitted: Iterator[Solution] = (refit(family, part, start, CLOSE) for part in parts)
        some = 1 + ROWS // max(1, round(float(sample.total_weight[0])))
        rows = next(simulated(family, start, sample, some, np.random.default_rng(plan.seed)))
        rows = Sample(rows.y)
    else:
        fitted = _resampled_fits(family, start, rows, plan.replicates, generator, importance)
    solutions = list(steps(fitted, "bootstrap", plan.replicates, "replicates", lambda found: len(found.theta)))
    eta = np.concatenate([s.theta for s in solutions])
    good = np.isfinite(np.concatenate([s.sums.value for s in solutions]))
    if not good.any():
        raise DataError(f"no bootstrap replicate of {family.name} on {fit.column} has a maximum of its likelihood")
    with np.errstate(all="ignore"):
        theta = family.inverse(eta[good].T).T
    return Replicates(eta[good], theta, int((~good).sum()), plan, rows, fit.effective_n)


def refit(family: Family, sample: Sample, near: Array, close: float = 0.0, sums: Sums | None = None) -> Solution:
    """Estimates of every group of a sample whose estimates lie near the scores `near`, (k,).

    Args:
        family: whose.
        sample: the rows.
        near: where to start.
        close: about how many standard errors from the estimates will do; 0 for as near as can be.
        sums: those of every group at `near`, where they are known already.
    """
    target = objective(family, Constant(), sample)
    return _solved(family, target, sample, near, close, sums)


def simulated(family: Family, eta: Array, like: Sample, count: int, generator: np.random.Generator) -> Iterator[Sample]:
    """Samples of `count` groups in all, each drawn from the family at `eta` (k,) and as large as `like`.

    What is known of the rows of `like` besides the value (trials, limits, censoring times) is kept as `Mechanism`
    says; its weights are taken for frequencies.

    Raises:
        UsageError: the family cannot be drawn from, the weights are not whole numbers, or rows are censored between
            two ends.
    """
    rows = unweighted(like)
    n = rows.shape[-1]
    mechanism = Mechanism.of(family, rows)
    step = max(1, CELLS // n)
    for begin in range(0, count, step):
        groups = min(step, count - begin)
        offsets = np.arange(groups + 1, dtype=np.intp) * n
        yield Sample(mechanism.draw(generator, eta[:, None], groups), offsets=offsets)


def draw(family: Family, generator: np.random.Generator, eta: Array, n: int) -> Array:
    """n draws at scores (k, 1) or (k, n), in floating point: (n,), or (d, n) with the columns that were given.

    Raises:
        UsageError: the family cannot be drawn from.
    """
    try:
        with np.errstate(all="ignore"):
            return np.asarray(family.sample(generator, eta, n), dtype=float)
    except NotImplementedError:
        raise UsageError(f"{family.name} has no quantile function, so nothing can be drawn from it") from None


def unweighted(sample: Sample) -> Array:
    """The rows of one group with each repeated as often as its weight says, (n,) or (d, n).

    Raises:
        UsageError: weights that are not whole numbers.
    """
    if sample.weight is None:
        return sample.y
    times = np.round(sample.weight)
    if np.any(times != sample.weight):
        raise UsageError("rows can be drawn from a fitted distribution only as often as whole-number weights say")
    return np.repeat(sample.y, times.astype(np.intp), axis=-1)


def _resampled_fits(
    family: Family, near: Array, sample: Sample, count: int, generator: np.random.Generator, importance: bool
) -> Iterator[Solution]:
    n = sample.n
    step = max(1, CELLS // n)
    statistics = centre = None
    if isinstance(family, ExponentialFamily):
        with np.errstate(all="ignore"):
            centre = family.centre(sample)
            statistics = family.statistics(sample.y, centre)
    expansion = None if statistics is not None else _expansion(family, sample, near)
    for begin in range(0, count, step):
        groups = min(step, count - begin)
        times = _times(sample, groups, generator, importance)
        if statistics is not None and centre is not None:
            assert isinstance(family, ExponentialFamily)
            target = StatisticObjective(family, statistics @ times.T, np.repeat(centre, groups, axis=1))
            yield _solved(family, target, None, near)
        else:
            group, row = np.nonzero(times)
            offsets = np.concatenate([[0], np.cumsum((times > 0).sum(axis=1))]).astype(np.intp)
            sums = None if expansion is None else _expanded(expansion @ times.T, near.size)
            yield refit(family, Sample(sample.y[..., row], times[group, row], offsets), near, CLOSE, sums)


def _expansion(family: Family, sample: Sample, near: Array) -> Array | None:
    """Value, gradient and Hessian of every row at the scores `near`, (1 + k + k k, n): weighted sums are a resample's.

    None where a parameter's start depends on the rows, the steps go along hyperbolas, or a row has no derivatives.
    """
    if family.irregular or family.kinked:
        return None

    def one(_: slice, part: Sample) -> Array:
        terms = family.derivatives(part.y, near[:, None])
        return np.concatenate([np.broadcast_to(t, (*t.shape[:-1], part.n)).reshape(-1, part.n) for t in terms])

    with np.errstate(all="ignore"):
        found = np.concatenate(list(Serial().map(one, Sample(sample.y))), axis=1)
    return found if np.isfinite(found).all() else None


def _expanded(sums: Array, size: int) -> Sums:
    """The columns (1 + k + k k, G) of a product of `_expansion`."""
    return Sums(sums[0], sums[1 : 1 + size].T, sums[1 + size :].T.reshape(-1, size, size))


def _times(sample: Sample, groups: int, generator: np.random.Generator, importance: bool) -> Array:
    """The weight of each row in each resample, (groups, n)."""
    n = sample.n
    if sample.weight is None or importance:
        drawn = generator.integers(n, size=(groups, n)) + n * np.arange(groups)[:, None]
        times = np.bincount(drawn.ravel(), minlength=groups * n).reshape(groups, n).astype(float)
        return times if sample.weight is None else times * sample.weight
    share = sample.weight / sample.weight.sum()
    return generator.multinomial(max(1, round(float(sample.weight.sum()))), share, size=groups).astype(float)


def _solved(
    family: Family,
    target: RowObjective | StatisticObjective,
    sample: Sample | None,
    near: Array,
    close: float = 0.0,
    sums: Sums | None = None,
) -> Solution:
    irregular = np.array([name in family.irregular for name in family.names], dtype=bool)
    held = irregular if irregular.any() else None
    if isinstance(target, StatisticObjective):
        return minimised(target, target.start, held=held, step=family.step)
    assert sample is not None, "a target of rows has rows"
    start = np.repeat(near[None], sample.groups, axis=0)
    if irregular.any():
        with np.errstate(all="ignore"):
            start[:, irregular] = family.start(sample).T[:, irregular]
    last = np.sqrt(close * np.sqrt(sample.counts))
    found = minimised(target, start, held=held, step=family.step, last=last, sums=sums)
    lost = np.flatnonzero(~np.isfinite(found.sums.value))
    if lost.size:  # the estimate is impossible for these rows: begin as for a fit of their own
        part = sample.take(lost)
        again = solve(family, part, objective(family, Constant(), part))
        found.theta[lost], found.sums.value[lost] = again.theta, again.sums.value
    return found


# -- limits ---------------------------------------------------------------------------------------------------


def limits(theta: Array, estimate: float, level: float, acceleration: float | None = None) -> tuple[float, float]:
    """Limits of one parameter from replicates (B,): percentiles, or BCa where an acceleration is given.

    Percentiles are the (B + 1) p-th ordered replicates, interpolated (Davison and Hinkley 1997, section 5.2.1); BCa
    as in Efron (1987, equation 2.3) and Davison and Hinkley (1997, equation 5.21). NaN where the bias is so large
    that no replicate lies on one side of the estimate.
    """
    normal = NormalDist()
    levels = [(1 - level) / 2, (1 + level) / 2]
    if acceleration is not None:
        below = float((theta < estimate).mean() + (theta == estimate).mean() / 2)
        if not 0 < below < 1:
            return float("nan"), float("nan")
        bias = normal.inv_cdf(below)
        shifted = [bias + normal.inv_cdf(p) for p in levels]
        levels = [normal.cdf(bias + s / (1 - acceleration * s)) for s in shifted]
    low, high = np.quantile(np.clip(theta, -HUGE, HUGE), levels, method="weibull")
    return _open(low), _open(high)


def _open(value: float) -> float:
    return float(np.copysign(np.inf, value)) if abs(value) > HUGE / 10 else float(value)


def accelerations(family: Family, eta: Array, found: Replicates, slopes: Array) -> Array | None:
    """BCa's acceleration of numbers whose slopes in the scores are (M, k), (M,); None where percentiles are wanted.

    A sixth of the skewness of a row's influence, over sqrt(n); the influence of a row on the estimate is H^-1 times
    its gradient, taken to the number's own scale (Davison and Hinkley 1997, equation 5.23 and section 5.4.1). 0 where
    there is no influence function.
    """
    if found.plan.limits == "percentile":
        return None
    rows = found.rows
    with np.errstate(all="ignore"):
        terms = family.derivatives(rows.y, eta[:, None])
        gradient = np.broadcast_to(terms[1], (eta.size, rows.n))
        weight = np.ones(rows.n) if rows.weight is None else rows.weight
        hessian = (np.broadcast_to(terms[2], (eta.size, eta.size, rows.n)) * weight).sum(axis=-1)
        share = weight / weight.sum()
        if not np.isfinite(hessian).all():
            return np.zeros(len(slopes))
        influence = slopes @ np.linalg.pinv(hessian, hermitian=True) @ gradient
        # The gradient falls where the estimate rises, hence the sign.
        skewness = -((influence**3) @ share) / ((influence**2) @ share) ** 1.5
    return np.where(np.isfinite(skewness), skewness, 0.0) / (6 * np.sqrt(found.n))


def with_limits(fit: Fit, found: Replicates) -> Fit:
    """A fit with limits and a covariance from replicates in place of its own.

    NaN for endpoints, where the bootstrap is not valid, and in the covariance wherever the fit's own is.
    """
    family = fit.family
    bend = accelerations(family, fit.eta, found, family.jacobian(fit.eta[:, None])[..., 0])
    lower, upper = np.full_like(fit.theta, np.nan), np.full_like(fit.theta, np.nan)
    for j, name in enumerate(family.names):
        if name not in family.irregular or np.isfinite(fit.covariance[j, j]):
            own = None if bend is None else float(bend[j])
            lower[j], upper[j] = limits(found.theta[:, j], float(fit.theta[j]), fit.level, own)
    covariance = np.full_like(fit.covariance, np.nan)
    if len(found.theta) > 1:
        with np.errstate(all="ignore"):
            spread = np.atleast_2d(np.cov(found.theta, rowvar=False))
        covariance = np.where(np.isfinite(fit.covariance) & np.isfinite(spread), spread, np.nan)
    remainder, left = fit.remainder, family.remainder
    if remainder is not None and left is not None:
        taken = np.isin(family.names, left.others)
        drawn = left.total - found.theta[:, taken].sum(axis=1)
        slope = -family.jacobian(fit.eta[:, None])[taken, :, 0].sum(axis=0)
        own = None if (bend := accelerations(family, fit.eta, found, slope[None])) is None else float(bend[0])
        error = float(np.std(drawn, ddof=1)) if np.isfinite(remainder.std_error) and drawn.size > 1 else np.nan
        remainder = Estimate(remainder.value, error, *limits(drawn, remainder.value, fit.level, own))
    plan, warnings = found.plan, fit.warnings
    if found.failed:
        warnings += (f"{found.failed} of {plan.replicates} bootstrap replicates have no maximum and are left out",)
    detail: dict[str, Any] = {
        "bootstrap": plan.kind, "limits": plan.limits, "replicates": plan.replicates, "seed": plan.seed,
    }  # fmt: skip
    return replace(
        fit, covariance=covariance, lower=lower, upper=upper, interval_method="bootstrap", warnings=warnings,
        interval_detail=detail, remainder=remainder,
    )  # fmt: skip
