"""Linear predictors of any family's scores, fitted by maximum likelihood.

Newton's method works on well-conditioned columns (see `design`); coefficients, errors and limits are those of the
columns as the formula gives them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mlefit.errors import DataError
from mlefit.families.base import Family
from mlefit.families.links import Array
from mlefit.families.reparameterised import Reparameterised
from mlefit.inference import deviance as deviances
from mlefit.inference.coefficient_limits import at_ends, limits, own_scale
from mlefit.inference.fit import solve
from mlefit.inference.linear_model import Block, Errors, Options, Problem, make, score_names, term_names
from mlefit.inference.regression_result import Regression
from mlefit.inference.scorer import LinearScorer
from mlefit.inference.separation import judge
from mlefit.objective import RowObjective, objective
from mlefit.predictors.constant import Constant
from mlefit.predictors.linear import Linear
from mlefit.sample import Sample
from mlefit.solvers.newton import newton
from mlefit.solvers.solution import Index, Solution

__all__ = ["Block", "Errors", "LinearScorer", "Options", "Regression", "fit_regression", "score_names"]

REFINED: Final = 200_000  # cells of the design up to which the estimate is polished in extended precision


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
    group: Mapping[str, Any] | None = None,
    dropped: int = 0,
    scorer: LinearScorer | None = None,
) -> Regression:
    """Fit linear predictors of a family's scores.

    Args:
        family: as modelled: linked, pinned, bound, censored or truncated already.
        y: (n,) or (d, n).
        blocks: one a score, in order.
        options: how.
        weight: (n,) positive.
        clusters: (n,) codes of clusters, for errors by cluster.
        formula, column, group, dropped, scorer: for the result.

    Raises:
        DataError: dependent columns, more columns than rows, no start with a finite likelihood.
    """
    options = options or Options()
    n = int(y.shape[-1])
    if n == 0:
        raise DataError(f"{column} has no values to fit")
    problem = make(family, y, weight, blocks)
    solution, first = _solve(problem)
    null, constant, null_eta = _null(problem)
    beta, covariance = _refined(problem, solution)
    total = float(n if weight is None else weight.sum())
    verdict = judge(problem, solution, total)
    unbounded = "unbounded" in verdict.certificate.problem
    if unbounded:  # while the spread ran to 0 the coefficients lost their digits
        beta = np.where(problem.plain, beta, _refined(problem, first, problem.plain)[0])
    errors: dict[str, Any] = {"kind": options.errors}
    if options.weight_kind == "importance" and options.errors == "information":
        errors["kind"] = "robust"
    if errors["kind"] != "information":
        scatter, extra = _scatter(problem, solution.theta, clusters if errors["kind"] == "cluster" else None)
        covariance = covariance @ scatter @ covariance
        errors |= extra
    back = problem.back
    names, terms = term_names(problem)
    value = float(solution.sums.value[0])
    theta, spread = own_scale(problem, beta, np.asarray(back @ covariance @ back.T, dtype=float))
    lost, direction = verdict.lost, verdict.direction
    variance = np.where(lost | unbounded | ~(np.diag(spread) >= 0), np.nan, np.diag(spread))
    std = np.sqrt(variance)
    gone = np.isnan(variance)
    spread = np.where(gone[:, None] | gone[None, :], np.nan, spread)
    lower, upper = limits(problem, options, solution, beta, std, lost)
    theta = np.where(lost, np.where(direction > 0, np.inf, -np.inf), theta)
    theta = at_ends(problem, theta, lost, direction)
    chosen = scorer or LinearScorer.bare(family)
    eta = problem.objective.predictor.scores(solution.theta, problem.sample)[:, 0]
    residual, null_residual = deviances.deviances(family, y, eta, null_eta, weight)
    return Regression(
        family=family,
        formula=formula,
        formulas={b.parameter: b.encoded.terms.text for b in blocks if b.encoded is not None},
        column=column,
        group=group,
        n=n,
        dropped=dropped,
        weight=total,
        names=names,
        terms=terms,
        coefficients=theta,
        covariance=spread,
        lower=lower,
        upper=upper,
        log_likelihood=float("nan") if unbounded else 0.0 - value,
        null_log_likelihood=0.0 - null,
        deviance=residual,
        null_deviance=null_residual,
        level=options.level,
        interval_method=options.interval,
        errors=errors,
        exponentiate=options.exponentiate,
        solver=solution.solver,
        iterations=int(solution.iterations[0]) + (0 if first is solution else int(first.iterations[0])),
        certificate=verdict.certificate,
        converged=not verdict.certificate.problem,
        warnings=verdict.warnings,
        effective_n=float(n) if options.weight_kind == "importance" else total,
        scorer=chosen.fitted(_by_block(problem, beta)),
        constant=constant,
    )


# -- the steps ------------------------------------------------------------------------------------------------------


def _null(problem: Problem) -> tuple[float, Array, Array]:
    """Of the model of constants: NLL, scores (k,) without the offset, and with it, (k, 1) or (k, n)."""
    family, sample = problem.family, problem.sample
    if sample.base is None and not family.name.startswith("ordinal"):
        rows = Sample(sample.y, sample.weight)
        rows = rows.collapse() if family.discrete else rows
        inner, forms = family, []
        while isinstance(inner, Reparameterised):  # constants are the same in every form
            forms.append(inner.form)
            inner = inner.base
        with np.errstate(all="ignore"):
            solution = solve(inner, rows, objective(inner, Constant(), rows))
            eta = solution.theta.T
            for form in reversed(forms):
                eta = form.back(eta)
        return float(solution.sums.value[0]), eta[:, 0], eta
    ones, empty = np.ones((sample.n, 1)), np.zeros((sample.n, 0))
    blocks = [
        Block(b.parameter, (), empty, base=b.base) if b.parameter == "location" else
        Block(b.parameter, ("Intercept",), ones, base=b.base) for b in problem.blocks
    ]  # fmt: skip
    null = make(family, sample.y, sample.weight, blocks)
    solution = _solve(null)[0]
    scores = null.objective.predictor.scores(solution.theta, null.sample)[:, 0]
    bare = scores if sample.base is None else scores - sample.base
    return float(solution.sums.value[0]), bare[:, 0], scores


def _solve(problem: Problem) -> tuple[Solution, Solution]:
    """From the constant model: first the predictors with a formula, then everything together; (last, first)."""
    family, sample = problem.family, problem.sample
    with np.errstate(all="ignore"):
        thin = sample.thin(16_384) if sample.n > 65_536 else sample
        starts = [_lifted(problem, eta[:, 0]) for eta in family.starts(Sample(thin.y, thin.weight))]
    zero = np.zeros(1, dtype=np.intp)
    if len(starts) > 1:
        values = [float(problem.objective.value(s[None], zero)[0]) for s in starts]
        start = starts[int(np.argmin(np.where(np.isfinite(values), values, np.inf)))]
    else:
        start = starts[0]
    plain, first = problem.plain, None
    if plain.any() and not plain.all():
        first = newton(problem.objective, start[None], held=plain, step=problem.step, max_iterations=30)
        if np.isfinite(first.sums.value[0]):
            start = first.theta[0].copy()
            start[plain] = _constants(problem, start)
    solution = newton(problem.objective, start[None], step=problem.step)
    if not np.isfinite(solution.sums.value[0]):
        raise DataError(
            f"the likelihood of {family.name} is not finite at any start: the link or the offset puts some rows "
            "outside what the family allows; try another --link"
        )
    return solution, first or solution


def _constants(problem: Problem, theta: Array) -> Array:
    """The plain parameters given the scores of the others, which are known additions here: no pass over the columns."""
    sample, predictor = problem.sample, problem.objective.predictor
    plain = [b.plain for b in problem.blocks]
    with np.errstate(all="ignore"):
        eta = predictor.scores(theta[None], sample)[:, 0]
    known = np.where(np.array(plain)[:, None], 0.0 if sample.base is None else sample.base, eta)
    x = tuple(z if p else z[:, :0] for z, p in zip(sample.x, plain, strict=True))
    rows = Sample(sample.y, sample.weight, x=x, base=known)
    target = RowObjective(problem.family, Linear([z.shape[1] for z in x]), rows, problem.objective.engine)
    solution = newton(target, theta[None, problem.plain], step=problem.step[problem.plain], max_iterations=30)
    return solution.theta[0] if np.isfinite(solution.sums.value[0]) else theta[problem.plain]


def _lifted(problem: Problem, eta: Array) -> Array:
    """Coefficients whose scores come nearest to constants (k,)."""
    parts = []
    for block, matrix, score in zip(
        problem.blocks, problem.designs, np.nan_to_num(eta, posinf=20.0, neginf=-20.0), strict=True
    ):
        z = matrix.z
        if not z.shape[1]:
            parts.append(np.zeros(0))
            continue
        base = 0.0 if block.base is None else block.base
        if matrix.intercept is not None and not matrix.close:
            gamma = np.zeros(z.shape[1])
            gamma[matrix.intercept] = score - float(np.mean(base))
        else:
            target = np.broadcast_to(score - base, z.shape[:1])
            gamma = np.linalg.lstsq(z.T @ z, z.T @ target, rcond=None)[0]
        parts.append(gamma)
    return np.concatenate(parts) if parts else np.zeros(0)


def _refined(
    problem: Problem, solution: Solution, held: NDArray[np.bool_] | None = None
) -> tuple[NDArray[np.longdouble], Array]:
    """Coefficients (K,) in extended precision and the covariance of theta.

    Newton steps with the gradient in extended precision, where the family's formulas can be computed in it; double
    precision loses digits where columns are close to dependent.
    """
    hessian = solution.sums.hessian[0]
    free = np.ones(hessian.shape[0]) if held is None else (~held).astype(float)
    covariance = _inverse(hessian * free[:, None] * free + np.diag(1 - free))
    beta = problem.back @ solution.theta[0].astype(np.longdouble)
    cells = sum(b.x.size for b in problem.blocks)
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
        step = covariance @ (free * np.asarray(back.T @ slope, dtype=float))
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


def _scatter(problem: Problem, theta: Array, clusters: Index | None) -> tuple[Array, dict[str, Any]]:
    """The middle of the sandwich, (p, p), and what was done."""
    objective = problem.objective
    if clusters is None:
        return objective.outer(theta)[0], {"factor": 1.0}
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


def _by_block(problem: Problem, beta: NDArray[np.longdouble]) -> list[Array]:
    return [np.asarray(beta[part], dtype=float) for part in problem.slices]
