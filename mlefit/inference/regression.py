"""Linear predictors of any family's scores, fitted by maximum likelihood.

Newton's method works on well-conditioned columns (see `design`); coefficients, errors and limits are those of the
columns as the formula gives them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mlefit.errors import DataError, UsageError
from mlefit.families.base import Family
from mlefit.families.links import Array
from mlefit.inference.certificate import GRADIENT
from mlefit.inference.coefficient_limits import at_ends, limits, own_scale
from mlefit.inference.fit import limited
from mlefit.inference.linear_batch import Solved, solved
from mlefit.inference.linear_ends import notes, predicted
from mlefit.inference.linear_model import Block, Errors, Options, Problem, make, score_names, term_names
from mlefit.inference.regression_result import Regression
from mlefit.inference.scorer import LinearScorer
from mlefit.inference.separation import FAR, judge
from mlefit.solvers.solution import Index, Solution

__all__ = [
    "Block", "Case", "Errors", "LinearScorer", "Options", "Regression", "fit_regression", "fit_regressions",
    "score_names", "within",
]  # fmt: skip

DOUBTED: Final = 100  # rows at which it is asked whether the family is sound there
# Clusters below which errors by cluster are biased downwards; "few" ends somewhere between 20 and 50 (Cameron and
# Miller 2015, A practitioner's guide to cluster-robust inference, section VI).
FEW: Final = 20
ROUNDING: Final = 1e-6  # standard errors, of those from the information, that come of rounding alone
REFINED: Final = 200_000  # cells of the design up to which the estimate is polished in extended precision


@dataclass(frozen=True, eq=False)
class Case:
    """The rows of one regression.

    Attributes:
        family: as modelled: linked, pinned, bound, censored or truncated already.
        y: (n,) or (d, n).
        blocks: one a score, in order.
        weight: (n,) positive, or None.
        clusters: (n,) codes of clusters, for errors by cluster.
        group, dropped, scorer: for the result.
    """

    family: Family
    y: Array
    blocks: Sequence[Block]
    weight: Array | None = None
    clusters: Index | None = None
    group: Mapping[str, Any] | None = None
    dropped: int = 0
    scorer: LinearScorer | None = None


def fit_regression(
    family: Family,
    y: Array,
    blocks: Sequence[Block],
    options: Options | None = None,
    *,
    weight: Array | None = None,
    clusters: Index | None = None,
    formula: str = "",
    column: str = "y",
) -> Regression:
    """Fit linear predictors of a family's scores; arguments as of `Case` and `fit_regressions`."""
    return fit_regressions([Case(family, y, blocks, weight, clusters)], options, formula=formula, column=column)[0]


def fit_regressions(
    cases: Sequence[Case], options: Options | None = None, *, formula: str = "", column: str = "y"
) -> list[Regression]:
    """Fit linear predictors of a family's scores; cases of the same family object and shape as one batch.

    Args:
        cases: the rows of each.
        options: how.
        formula, column: for the results.

    Raises:
        DataError: dependent columns, more columns than rows, no start with a finite likelihood; it names the group. Or
            a family took longer than it may.
    """
    with limited(cases[0].family):
        return _fitted(cases, options or Options(), formula, column)


def _fitted(cases: Sequence[Case], options: Options, formula: str, column: str) -> list[Regression]:
    problems: list[Problem] = []
    for case in cases:
        with within(case.group):
            if not case.y.shape[-1]:
                raise DataError(f"{column} has no values to fit")
            problems.append(make(case.family, case.y, case.weight, case.blocks))
    for problem in problems[:1] if options.errors != "information" else []:
        if names := predicted(problem) or sorted(problem.family.kinked):
            raise UsageError(
                f"errors from a sandwich need a likelihood with curvature, and that of {problem.family.name} has kinks "
                f"or ends along {' and '.join(names)}; leave --robust and --cluster out"
            )
    solutions = solved(problems)
    for case, solution in zip(cases, solutions, strict=True):
        if not np.isfinite(solution.last.sums.value[0]):
            with within(case.group):
                raise DataError(
                    f"the likelihood of {case.family.name} is not finite at any start: the link or the offset puts "
                    "some rows outside what the family allows; try another --link"
                )
    results = []
    for case, problem, solution in zip(cases, problems, solutions, strict=True):
        with within(case.group):
            results.append(_reported(case, problem, solution, options, formula, column))
    return results


@contextmanager
def within(group: Mapping[str, Any] | None) -> Iterator[None]:
    """Errors in the data of a group say which."""
    try:
        yield
    except DataError as error:
        if group is None:
            raise
        shown = ", ".join(f"{name} = {value}" for name, value in group.items())
        raise DataError(f"where {shown}: {error}") from error


# -- the steps ------------------------------------------------------------------------------------------------------


def _noted(problem: Problem, found: Solved, unbounded: bool, blind: bool) -> tuple[str, ...]:
    family = problem.family
    if family.kinked and not unbounded:
        names = " and ".join(name for name in family.names if name in family.kinked)
        return (
            f"the likelihood has kinks along {names}, and its maximum may lie on some of them; standard errors of "
            f"{names} are from the Fisher information (products of the gradient)",
        )
    return notes(problem, found.placed, blind) if found.placed and not unbounded else ()


def _constant(case: Case) -> bool:
    """Whether the model without predictors fits every row exactly, too."""
    y = case.family.central(case.y)
    return bool(not case.family.discrete and (y == y[0]).all())


def _doubts(problem: Problem, theta: Array, sound: bool) -> tuple[str, ...]:
    """What a user must know of the family at some of the rows, and of `sound` estimates; of each the first sentence."""
    with np.errstate(all="ignore"):
        eta = problem.objective.predictor.scores(theta, problem.sample)[:, 0]
        some = eta[:, :: max(1, eta.shape[1] // DOUBTED)]
        every = (problem.family.cautions(some) if sound else (), problem.family.doubts(some))
    return tuple(next(filter(None, said)) for said in every if any(said))


def _reported(case: Case, problem: Problem, found: Solved, options: Options, formula: str, column: str) -> Regression:
    """The result of a solution: certificate, coefficients of the columns as given, errors, limits."""
    family, blocks, weight = case.family, case.blocks, case.weight
    solution, first = found.last, found.first
    n = int(case.y.shape[-1])
    beta, covariance = _refined(problem, solution)
    total = float(n if weight is None else weight.sum())
    verdict = judge(problem, solution, total, found.placed)
    unbounded = "unbounded" in verdict.certificate.problem
    if (ran := verdict.lost & problem.plain).any():  # the others no longer depend on where it is
        covariance = _refined(problem, solution, ran)[1]
    if unbounded:  # while the spread ran to 0 the coefficients lost their digits
        beta = np.where(problem.plain, beta, _refined(problem, first, problem.plain)[0])
        far = problem.plain & (np.abs(np.asarray(beta, dtype=float)) > FAR)
        verdict.lost[far], verdict.direction[far] = True, np.sign(np.asarray(beta, dtype=float))[far]
    bread = covariance
    errors: dict[str, Any] = {"kind": options.errors}
    if options.weight_kind == "importance" and options.errors == "information":
        errors["kind"] = "robust"
    if errors["kind"] != "information":
        clusters = case.clusters if errors["kind"] == "cluster" else None
        covariance = np.where(problem.uninformed[:, None] | problem.uninformed, 0.0, covariance)
        scatter, extra = _scatter(problem, solution.theta, clusters, options.weight_kind == "frequency")
        covariance = covariance @ scatter @ covariance
        errors |= extra
    back = problem.back
    names, terms = term_names(problem)
    value = float(solution.sums.value[0])
    theta, spread = own_scale(problem, beta, np.asarray(back @ covariance @ back.T, dtype=float))
    if errors["kind"] == "cluster":
        informed = own_scale(problem, beta, np.asarray(back @ bread @ back.T, dtype=float))[1]
        spread, said = _by_cluster(names, spread, informed, errors["clusters"])
        verdict = replace(verdict, warnings=(*verdict.warnings, *said))
    lost, direction = verdict.lost, verdict.direction
    blind = lost | unbounded | verdict.steep | verdict.blind | problem.uninformed
    variance = np.where(blind | ~(np.diag(spread) >= 0), np.nan, np.diag(spread))
    std = np.sqrt(variance)
    gone = np.isnan(variance)
    spread = np.where(gone[:, None] | gone[None, :], np.nan, spread)
    lower, upper = limits(problem, options, solution, beta, std, lost) if not verdict.steep else (std, std)
    theta = np.where(lost, np.where(direction > 0, np.inf, -np.inf), theta)
    theta = np.where(np.isnan(direction), np.nan, at_ends(problem, theta, lost, direction))
    chosen = case.scorer or LinearScorer.bare(family)
    doubts = _doubts(problem, solution.theta, not verdict.certificate.problem)
    return Regression(
        family=family,
        formula=formula,
        formulas={b.parameter: b.encoded.terms.text for b in blocks if b.encoded is not None},
        column=column,
        group=case.group,
        n=n,
        censored=int((np.asarray(family.kinds(case.y)) != 0).sum()) if family.censored else None,
        dropped=case.dropped,
        weight=total,
        names=names,
        terms=terms,
        coefficients=theta,
        covariance=spread,
        lower=lower,
        upper=upper,
        log_likelihood=float("nan") if unbounded else 0.0 - value,
        null_log_likelihood=float("nan") if unbounded and _constant(case) else 0.0 - found.null,
        deviance=found.deviance,
        null_deviance=found.null_deviance,
        level=options.level,
        interval_method=options.interval,
        errors=errors,
        exponentiate=options.exponentiate,
        solver=solution.solver,
        iterations=int(solution.iterations[0]) + (0 if first is solution else int(first.iterations[0])),
        certificate=verdict.certificate,
        converged=not verdict.certificate.problem,
        warnings=verdict.warnings + _noted(problem, found, unbounded, verdict.blind) + doubts,
        effective_n=float(n) if options.weight_kind == "importance" else total,
        scorer=chosen.fitted(_by_block(problem, beta)),
        constant=found.constant,
    )


def _refined(
    problem: Problem, solution: Solution, held: NDArray[np.bool_] | None = None
) -> tuple[NDArray[np.longdouble], Array]:
    """Coefficients (K,) in extended precision and the covariance of theta.

    Newton steps with the gradient in extended precision, where the family's formulas can be computed in it; double
    precision loses digits where columns are close to dependent.
    """
    hessian = solution.sums.hessian[0]
    held = problem.irregular if held is None else held | problem.irregular
    free = (~held).astype(float)
    known = np.where(problem.irregular, ~problem.uninformed, ~held).astype(float)
    covariance = _inverse(hessian * known[:, None] * known + np.diag(1 - known))
    beta = problem.back @ solution.theta[0].astype(np.longdouble)
    cells = sum(b.x.size for b in problem.blocks)
    if solution.decrement[0] > GRADIENT:  # no maximum to come closer to
        return beta, covariance
    if cells > (50 if any(d.close for d in problem.designs) else 1) * REFINED or not np.isfinite(covariance).all():
        return beta, covariance
    y = problem.sample.y.astype(np.longdouble)
    weight = problem.sample.weight
    x = [b.x.astype(np.longdouble) for b in problem.blocks]
    back = problem.back
    best = max(float(solution.decrement[0]), 1e-3)
    for _ in range(4):
        eta = np.stack([m @ beta[s] for m, s in zip(x, problem.slices, strict=True)])
        if problem.sample.base is not None:
            eta = eta + problem.sample.base
        try:
            with np.errstate(all="ignore"):
                gradient = problem.family.gradient(y, eta)  # type: ignore[arg-type]
        except (TypeError, ValueError):
            return beta, covariance
        if gradient.dtype != np.longdouble or not np.isfinite(gradient).all():
            return beta, covariance
        gradient = np.broadcast_to(gradient, eta.shape) * (1 if weight is None else weight)
        slope = np.concatenate([m.T @ g for m, g in zip(x, gradient, strict=True)])
        step = free * covariance @ (free * np.asarray(back.T @ slope, dtype=float))
        size = float(np.sqrt(max(step @ hessian @ step, 0.0)))
        if not np.isfinite(size) or size > best:
            break
        beta = beta - back @ step.astype(np.longdouble)
        if not size:
            break
        best = size
    return beta, covariance


def _inverse(hessian: Array) -> Array:
    """Inverse information; NaN where it has none."""
    diagonal = np.diag(hessian)
    if not hessian.size:
        return hessian
    if not np.isfinite(hessian).all() or (diagonal <= 0).any():
        return np.full_like(hessian, np.nan)
    scale = 1 / np.sqrt(diagonal)
    values, vectors = np.linalg.eigh(hessian * scale[:, None] * scale)
    values = np.where(np.abs(values) > 1e-300, values, 1e-300)
    return np.asarray((vectors / values) @ vectors.T * scale[:, None] * scale)


def _scatter(problem: Problem, theta: Array, clusters: Index | None, repeated: bool) -> tuple[Array, dict[str, Any]]:
    """The middle of the sandwich, (p, p), and what was done; `repeated`: a weight says how many rows there are."""
    objective = problem.objective
    if clusters is None:
        return objective.outer(theta, repeated=repeated)[0], {"factor": 1.0}
    sample = problem.sample
    with np.errstate(all="ignore"):
        eta = objective.predictor.scores(theta, sample)
        gradient = np.broadcast_to(problem.family.gradient(sample.y, eta), eta.shape)
        rows = objective.predictor.rows(sample, gradient)[0]  # type: ignore[attr-defined]
    count = int(clusters.max()) + 1
    if count < 2:
        raise DataError("there is one cluster only; errors by cluster need several")
    totals = np.zeros((count, rows.shape[1]))
    np.add.at(totals, clusters, rows)
    factor = count / (count - 1)
    return factor * totals.T @ totals, {"clusters": count, "factor": factor}


def _by_cluster(names: Sequence[str], spread: Array, informed: Array, clusters: int) -> tuple[Array, tuple[str, ...]]:
    """The covariance (K, K) over clusters, NaN where it is zero but for rounding, and what to say of it.

    Args:
        names: of the K coefficients.
        spread, informed: covariances, from the sandwich and from the observed information.
        clusters: how many.
    """
    said = []
    none = np.diag(spread) <= ROUNDING**2 * np.diag(informed)
    if none.any():
        which = [name for name, gone in zip(names, none, strict=True) if gone]
        shown = ", ".join(which[:6]) + (f" and {len(which) - 6} more" if len(which) > 6 else "")
        said.append(
            f"{shown} {'have no errors' if len(which) > 1 else 'has no error'} by cluster: the scores sum to zero in "
            "every cluster, as they do where the clusters themselves are terms of the formula"
        )
    if clusters <= len(names):
        said.append(
            f"{clusters} clusters are no more than the {len(names)} coefficients, so the sandwich is singular: it "
            "gives no joint test of them all"
        )
    if clusters < FEW:
        said.append(
            f"{clusters} clusters are few: errors by cluster are too small, and their limits and p-values optimistic, "
            f"below about {FEW} to 50 of them (Cameron and Miller 2015)"
        )
    return np.where(none[:, None] | none, np.nan, spread), tuple(said)


def _by_block(problem: Problem, beta: NDArray[np.longdouble]) -> list[Array]:
    return [np.asarray(beta[part], dtype=float) for part in problem.slices]
