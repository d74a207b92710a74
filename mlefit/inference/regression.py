"""Linear predictors of any family's scores, fitted by maximum likelihood; the frozen result.

Newton's method works on well-conditioned columns (see `design`); coefficients, errors and limits are those of the
columns as the formula gives them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from mlefit.engines.serial import Serial
from mlefit.errors import DataError
from mlefit.families.base import Family
from mlefit.families.links import Array
from mlefit.inference import deviance as deviances
from mlefit.inference.certificate import FLAT, GRADIENT, Certificate
from mlefit.inference.design import Design, design
from mlefit.inference.fit import Interval, WeightKind, number, solve
from mlefit.inference.formula import Encoded
from mlefit.inference.intervals import normal_quantile, profile
from mlefit.inference.scorer import LinearScorer
from mlefit.objective import RowObjective, objective
from mlefit.predictors.constant import Constant
from mlefit.predictors.linear import Linear
from mlefit.sample import Sample
from mlefit.solvers.newton import newton
from mlefit.solvers.solution import Index, Solution, Sums

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console, ConsoleOptions, RenderResult

__all__ = ["Block", "Errors", "LinearScorer", "Options", "Regression", "fit_regression"]

Errors = Literal["information", "robust", "cluster"]

REFINED: Final = 200_000  # cells of the design up to which the estimate is polished in extended precision
FAR: Final = 30.0  # change of a log or logit score that no data could tell from infinity
FAINT: Final = 1e-4  # information in a direction, relative to the largest, that asks for a closer look


@dataclass(frozen=True)
class Options:
    """How to fit and what to report.

    Attributes:
        level, interval: of the confidence limits.
        weight_kind: frequency, or importance (errors are then robust and n is the number of rows).
        errors: from the observed information, or a sandwich, by rows or by clusters.
        exponentiate: report exp(coefficient) too: odds, rate and hazard ratios.
    """

    level: float = 0.95
    interval: Interval = "wald"
    weight_kind: WeightKind = "frequency"
    errors: Errors = "information"
    exponentiate: bool = False


@dataclass(frozen=True, eq=False)
class Block:
    """The columns of one score.

    Attributes:
        parameter: the score's name.
        names: of the columns.
        x: (n, p).
        plain: a constant without a formula, reported on the parameter's own scale.
        encoded: what builds the columns from data, None where plain.
        base: (n,) known addition to the score, or None.
    """

    parameter: str
    names: tuple[str, ...]
    x: Array
    plain: bool = False
    encoded: Encoded | None = None
    base: Array | None = None


@dataclass(frozen=True, eq=False)
class Regression:
    """A fitted regression. Shapes: K coefficients and plain parameters, in the order of `names`.

    Attributes:
        family: as modelled, with its links and fixed parameters.
        formula: as given; `formulas` the right side for every parameter that has one.
        column: the response.
        names: mu[Intercept], mu[x] ... and sigma for a parameter without a formula.
        terms: parameter and column of each name; the column is "" for a plain parameter.
        coefficients: (K,); plain parameters on their own scale; infinite where there is separation.
        covariance: (K, K); NaN where there is no standard error.
        lower, upper: (K,) confidence limits.
        null_log_likelihood: of the model of constants (and the offset).
        deviance, null_deviance: as of generalized linear models, NaN where there is none.
        errors: how the covariance was made, with the number of clusters and the factor used.
    """

    family: Family
    formula: str
    formulas: Mapping[str, str]
    column: str
    group: Mapping[str, Any] | None
    n: int
    dropped: int
    weight: float
    names: tuple[str, ...]
    terms: tuple[tuple[str, str], ...]
    coefficients: Array
    covariance: Array
    lower: Array
    upper: Array
    log_likelihood: float
    null_log_likelihood: float
    deviance: float
    null_deviance: float
    level: float
    interval_method: str
    errors: Mapping[str, Any]
    exponentiate: bool
    solver: str
    iterations: int
    certificate: Certificate
    converged: bool
    warnings: tuple[str, ...]
    effective_n: float
    scorer: LinearScorer = field(repr=False)
    constant: Array = field(repr=False)  # native scores of the model of constants

    @property
    def estimates(self) -> dict[str, float]:
        """Every coefficient and plain parameter."""
        return dict(zip(self.names, self.coefficients.tolist(), strict=True))

    @property
    def std_errors(self) -> dict[str, float]:
        """Their standard errors; NaN where none exists."""
        return dict(zip(self.names, np.sqrt(np.diag(self.covariance)).tolist(), strict=True))

    @property
    def z(self) -> Array:
        """Estimate over standard error, (K,); NaN for plain parameters, of which zero is no question."""
        with np.errstate(all="ignore"):
            values = self.coefficients / np.sqrt(np.diag(self.covariance))
        return np.where([bool(column) for _, column in self.terms], values, np.nan)

    @property
    def p(self) -> Array:
        """Two-sided p-values of `z` under the normal distribution, (K,)."""
        from math import erfc, sqrt

        return np.array([erfc(abs(v) / sqrt(2)) if np.isfinite(v) else np.nan for v in self.z])

    @property
    def nll(self) -> float:
        return -self.log_likelihood

    @property
    def parameters_count(self) -> int:
        """Free parameters."""
        return len(self.names)

    @property
    def aic(self) -> float:
        """Akaike's criterion, 2k - 2 log L (Akaike 1974)."""
        return 2 * self.parameters_count - 2 * self.log_likelihood

    @property
    def aicc(self) -> float:
        """AIC with the small-sample term 2k(k+1)/(n-k-1) (Hurvich and Tsai 1989); NaN for n <= k + 1."""
        k, n = self.parameters_count, self.effective_n
        return self.aic + 2 * k * (k + 1) / (n - k - 1) if n > k + 1 else float("nan")

    @property
    def bic(self) -> float:
        """Schwarz's criterion, k log n - 2 log L (Schwarz 1978)."""
        return self.parameters_count * float(np.log(self.effective_n)) - 2 * self.log_likelihood

    def to_dict(self) -> dict[str, Any]:
        """As in the JSON contract: the object of `estimate`, its parameters keyed by name."""
        result: dict[str, Any] = {"family": self.family.name, "formula": self.formula, "column": self.column}
        if self.group is not None:
            result["group"] = dict(self.group)
        result |= {
            "formulas": dict(self.formulas),
            "links": {p.name: p.link.name for p in self.family.parameters},
            "n": self.n,
            "dropped": self.dropped,
            "weight": self.weight,
            "parameters": {row.pop("parameter"): row for row in self._rows()},
        }
        fixed = getattr(self.family, "fixed", None)
        if fixed:
            result["fixed"] = dict(fixed)
        return result | {
            "interval": {"level": self.level, "method": self.interval_method},
            "errors": dict(self.errors),
            "log_likelihood": number(self.log_likelihood),
            "nll": number(self.nll),
            "nll_per_observation": number(self.nll / self.weight),
            "null_log_likelihood": number(self.null_log_likelihood),
            "deviance": number(self.deviance),
            "null_deviance": number(self.null_deviance),
            "aic": number(self.aic),
            "aicc": number(self.aicc),
            "bic": number(self.bic),
            "covariance": [[number(v) for v in row] for row in self.covariance],
            "solver": self.solver,
            "iterations": self.iterations,
            "converged": self.converged,
            "certificate": self.certificate.to_dict(),
            "warnings": list(self.warnings),
        }

    def _rows(self) -> list[dict[str, Any]]:
        errors = np.sqrt(np.diag(self.covariance))
        rows = []
        for j, (name, (_, column)) in enumerate(zip(self.names, self.terms, strict=True)):
            row: dict[str, Any] = {
                "parameter": name,
                "estimate": number(self.coefficients[j]),
                "std_error": number(errors[j]),
                "z": number(self.z[j]),
                "p": number(self.p[j]),
                "ci_lower": number(self.lower[j]),
                "ci_upper": number(self.upper[j]),
            }
            if self.exponentiate and column:
                with np.errstate(over="ignore"):
                    row |= {
                        "ratio": number(np.exp(self.coefficients[j])),
                        "ratio_lower": number(np.exp(self.lower[j])),
                        "ratio_upper": number(np.exp(self.upper[j])),
                    }
            rows.append(row)
        return rows

    def rows(self) -> list[dict[str, Any]]:
        """The tidy rows of csv and `to_frame`; None for what does not exist."""
        head = {**(self.group or {}), "column": self.column, "family": self.family.name}
        return [{**head, **row} for row in self._rows()]

    def to_frame(self) -> pd.DataFrame:
        """One row a coefficient: group columns, column, family, parameter, estimate, std_error, z, p, limits."""
        import pandas as pd

        return pd.DataFrame(self.rows())

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from mlefit.report.regressions import regression_table

        yield regression_table(self)


@dataclass(frozen=True, eq=False)
class _Turned:
    """An objective in coordinates u with theta = u @ turn, so that a coefficient is a coordinate of its own."""

    objective: RowObjective
    turn: Array

    def value(self, theta: Array, which: Index) -> Array:
        return self.objective.value(theta @ self.turn, which)

    def sums(self, theta: Array, which: Index) -> Sums:
        found = self.objective.sums(theta @ self.turn, which)
        return Sums(found.value, found.gradient @ self.turn.T, self.turn @ found.hessian @ self.turn.T)


@dataclass(frozen=True, eq=False)
class _Problem:
    """Everything the steps of a fit share. `back` is block-diagonal: coefficients are back @ theta."""

    family: Family
    blocks: tuple[Block, ...]
    designs: tuple[Design, ...]
    sample: Sample
    objective: RowObjective
    step: Array  # (p,) largest changes in one iteration

    @property
    def slices(self) -> tuple[slice, ...]:
        return self.objective.predictor.blocks  # type: ignore[attr-defined]

    @property
    def plain(self) -> NDArray[np.bool_]:
        """(p,) which coordinates are constants without a formula."""
        parts = zip(self.slices, self.blocks, strict=True)
        return np.concatenate([np.full(s.stop - s.start, b.plain) for s, b in parts])

    @property
    def back(self) -> NDArray[np.longdouble]:
        size = self.slices[-1].stop
        result = np.zeros((size, size), np.longdouble)
        for part, matrix in zip(self.slices, self.designs, strict=True):
            result[part, part] = matrix.back
        return result


def score_names(family: Family) -> tuple[str, ...]:
    """What the scores are called: as the parameters, or for labels as those after the first."""
    return family.names if family.size == len(family.parameters) else family.names[1:]


def links_bounded(family: Family) -> tuple[bool, ...]:
    """For every score whether its link is one whose large values mean a boundary (log, logit ...)."""
    if family.size != len(family.parameters):
        return (True,) * family.size
    return tuple(bool(np.isfinite(p.link.step)) or p.name == "location" for p in family.parameters)


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
    problem = _problem(family, y, weight, blocks)
    solution, first = _solve(problem)
    null, constant, null_eta = _null(problem)
    beta, covariance = _refined(problem, solution)
    total = float(n if weight is None else weight.sum())
    verdict = _judge(problem, solution, total)
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
    names, terms = _names(problem)
    value = float(solution.sums.value[0])
    theta, spread = _own_scale(problem, beta, np.asarray(back @ covariance @ back.T, dtype=float))
    lost, direction = verdict.lost, verdict.direction
    variance = np.where(lost | unbounded | ~(np.diag(spread) >= 0), np.nan, np.diag(spread))
    std = np.sqrt(variance)
    gone = np.isnan(variance)
    spread = np.where(gone[:, None] | gone[None, :], np.nan, spread)
    lower, upper = _limits(problem, options, solution, beta, std, lost)
    theta = np.where(lost, np.where(direction > 0, np.inf, -np.inf), theta)
    theta = _at_ends(problem, theta, lost, direction)
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


def _problem(family: Family, y: Array, weight: Array | None, blocks: Sequence[Block]) -> _Problem:
    known: dict[int, Design] = {}
    designs = []
    for block in blocks:
        if id(block.x) not in known:  # the scores of a categorical share their columns
            several = len({id(b.x) for b in blocks if not b.plain}) > 1
            known[id(block.x)] = design(block.x, block.names, f" (of {block.parameter})" if several else "")
        designs.append(known[id(block.x)])
    base = None
    if any(block.base is not None for block in blocks):
        base = np.stack([np.zeros(y.shape[-1]) if b.base is None else b.base for b in blocks])
    sample = Sample(y, weight, x=tuple(d.z for d in designs), base=base)
    predictor = Linear([d.z.shape[1] for d in designs])
    steps = [np.full(d.z.shape[1], s) for d, s in zip(designs, family.step, strict=True)]
    return _Problem(
        family, tuple(blocks), tuple(designs), sample, RowObjective(family, predictor, sample, Serial()),
        np.concatenate(steps) if steps else np.zeros(0),
    )  # fmt: skip


def _null(problem: _Problem) -> tuple[float, Array, Array]:
    """Of the model of constants: NLL, scores (k,) without the offset, and with it, (k, 1) or (k, n)."""
    family, sample = problem.family, problem.sample
    if sample.base is None and not family.name.startswith("ordinal"):
        rows = Sample(sample.y, sample.weight)
        rows = rows.collapse() if family.discrete else rows
        with np.errstate(all="ignore"):
            solution = solve(family, rows, objective(family, Constant(), rows))
        return float(solution.sums.value[0]), solution.theta[0], solution.theta.T
    ones, empty = np.ones((sample.n, 1)), np.zeros((sample.n, 0))
    blocks = [
        Block(b.parameter, (), empty, base=b.base) if b.parameter == "location" else
        Block(b.parameter, ("Intercept",), ones, base=b.base) for b in problem.blocks
    ]  # fmt: skip
    null = _problem(family, sample.y, sample.weight, blocks)
    solution = _solve(null)[0]
    scores = null.objective.predictor.scores(solution.theta, null.sample)[:, 0]
    bare = scores if sample.base is None else scores - sample.base
    return float(solution.sums.value[0]), bare[:, 0], scores


def _solve(problem: _Problem) -> tuple[Solution, Solution]:
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


def _constants(problem: _Problem, theta: Array) -> Array:
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


def _lifted(problem: _Problem, eta: Array) -> Array:
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
    problem: _Problem, solution: Solution, held: NDArray[np.bool_] | None = None
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


@dataclass(frozen=True, eq=False)
class _Verdict:
    certificate: Certificate
    warnings: tuple[str, ...]
    lost: NDArray[np.bool_]  # (K,) coefficients that run off
    direction: Array  # (K,) which way


def _judge(problem: _Problem, solution: Solution, total: float) -> _Verdict:
    """Whether the point is a maximum; what runs off, by name."""
    family, hessian = problem.family, solution.sums.hessian[0]
    size = hessian.shape[0]
    lost, direction = np.zeros(size, dtype=bool), np.zeros(size)
    decrement = float(solution.decrement[0])
    if not size:
        return _Verdict(Certificate(0.0, True, None), (), lost, direction)
    diagonal = np.diag(hessian)
    scale = 1 / np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
    values = np.linalg.eigvalsh(np.nan_to_num(hessian * scale[:, None] * scale))
    positive = bool((diagonal > 0).all() and values[0] > FLAT)
    condition = float(values[-1] / values[0]) if values[0] > 0 else None
    spike = False
    if not family.discrete:
        centre = family.central(problem.sample.y)
        wide = float(np.abs(centre).max()) or 1.0
        height = -float(solution.sums.value[0]) / total + np.log(wide)
        spike = bool(height > 25)
    if spike:
        problem_text = (
            f"the likelihood of {family.name} is unbounded: the predictors fit every row exactly, so its spread runs to "
            "0; no maximum-likelihood estimate exists"
        )
        return _Verdict(Certificate(number(decrement), False, None, (), problem_text), (problem_text,), lost, direction)
    said: list[str] = []
    edge: list[str] = []
    trouble = ""
    for runaway in _runaways(problem, solution):
        sentence, fatal, names = _said(problem, runaway, solution)
        lost |= runaway.lost
        direction = np.where(runaway.lost, runaway.change, direction)
        said.append(sentence)
        edge += [name for name in names if name not in edge]
        trouble = trouble or (sentence if fatal else "")
    if not trouble and not positive and not lost.any():
        trouble = (
            "the observed information is not positive definite: the likelihood is flat along a ridge, so the "
            "coefficients are not identified by these data"
        )
        said.append(trouble)
    elif not trouble and not lost.any() and not decrement <= GRADIENT:
        trouble = "the solver stopped before the gradient vanished: the estimates are not a maximum"
        said.append(trouble)
    certificate = Certificate(number(decrement), positive and not lost.any(), condition, tuple(edge), trouble)
    return _Verdict(certificate, tuple(said), lost, direction)


@dataclass(frozen=True, eq=False)
class _Runaway:
    """A direction in which the likelihood never falls: which coefficients move, and how the scores of rows do."""

    lost: NDArray[np.bool_]
    change: Array  # (K,) of the coefficients
    shift: Array  # (k, n) of the scores


def _runaways(problem: _Problem, solution: Solution) -> list[_Runaway]:
    """Directions of little information along which the NLL goes on falling, out to where scores mean a boundary."""
    hessian, theta = solution.sums.hessian[0], solution.theta[0]
    size = theta.size
    gram = np.zeros((size, size))
    for part, matrix in zip(problem.slices, problem.designs, strict=True):
        gram[part, part] = matrix.gram
    root_gram = np.linalg.cholesky(gram)
    half = np.linalg.inv(root_gram)
    with np.errstate(all="ignore"):
        values, vectors = np.linalg.eigh(np.nan_to_num(half @ hessian @ half.T))
    weight = problem.sample.total_weight[0]
    limit = FAINT * max(float(np.abs(values).max()), float(weight))
    bounded = links_bounded(problem.family)
    found: list[_Runaway] = []
    zero = np.zeros(1, dtype=np.intp)
    level = float(solution.sums.value[0])
    for value, vector in zip(values, vectors.T, strict=True):
        if value > limit:
            break
        move = half.T @ vector
        move[np.abs(move) < 1e-7 * np.abs(move).max()] = 0
        shift = problem.objective.predictor.scores(move[None], Sample(problem.sample.y, x=problem.sample.x))[:, 0]
        reach = max((float(np.abs(s).max()) for s, b in zip(shift, bounded, strict=True) if b), default=0.0)
        if reach < 1e-8 * float(np.abs(shift).max()) or reach == 0:
            continue
        steps = np.array([-FAR, FAR]) / reach
        ends = [float(problem.objective.value((theta + t * move)[None], zero)[0]) for t in steps]
        slack = 1e-6 + 1e-12 * abs(level)
        side = int(np.argmin(np.where(np.isfinite(ends), ends, np.inf)))
        if not np.isfinite(ends[side]) or ends[side] > level + slack:
            continue
        change = np.asarray(problem.back @ (move * steps[side]), dtype=float)
        shift = shift * steps[side]
        moved = np.zeros(size, dtype=bool)
        for part, matrix in zip(problem.slices, problem.designs, strict=True):
            share = np.abs(change[part]) * np.sqrt(np.mean(matrix.x**2, axis=0))
            moved[part] = share > 1e-3 * FAR / 10
        found.append(_Runaway(moved, change, shift))
    return found


def _said(problem: _Problem, runaway: _Runaway, solution: Solution) -> tuple[str, bool, list[str]]:
    """The sentence, whether there is no maximum because of it, and the names it concerns."""
    family = problem.family
    names, terms = _names(problem)
    moved = [j for j in range(len(names)) if runaway.lost[j]]
    plain = [j for j in moved if not terms[j][1]]
    if plain and len(plain) == len(moved) and family.size == len(family.parameters) and family.name[:7] != "ordinal":
        j = plain[0]
        parameter = family.parameters[family.names.index(terms[j][0])]
        up = runaway.change[j] > 0
        limit = parameter.limit if up else parameter.limit_below
        end = parameter.link.upper if up else parameter.link.lower
        what = f", where {family.name} becomes {limit}" if limit else ""
        if np.isinf(end):
            advice = f"; fit {limit} instead" if limit else ""
            return (
                f"{parameter.name} runs off to infinity{what}: the likelihood has no maximum in {parameter.name}"
                f"{advice}",
                True, [parameter.name],
            )  # fmt: skip
        return (
            f"{parameter.name} = {end:g} lies on the boundary{what}: no standard error exists", False, [parameter.name]
        )  # fmt: skip
    columns = [terms[j][1] for j in moved if terms[j][1] not in ("", "Intercept")] or [
        terms[j][1] or names[j] for j in moved
    ]
    columns = list(dict.fromkeys(columns))
    shown = ", ".join(columns[:6]) + (f" and {len(columns) - 6} more" if len(columns) > 6 else "")
    separated = int((np.abs(runaway.shift).max(axis=0) > 1e-3 * FAR).sum())
    whole = separated == problem.sample.n
    kind = "complete separation" if whole else f"quasi-complete separation: {separated} of {problem.sample.n} rows"
    many = len(columns) > 1
    return (
        f"{shown} predict{'' if many else 's'} some outcomes perfectly ({kind}), so the coefficient"
        f"{'s run' if many else ' runs'} off to infinity: no maximum-likelihood estimate exists; leave "
        f"{'one of them' if many else 'it'} out or merge levels",
        True, [names[j] for j in moved],
    )  # fmt: skip


def _scatter(problem: _Problem, theta: Array, clusters: Index | None) -> tuple[Array, dict[str, Any]]:
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


def _own_scale(problem: _Problem, beta: NDArray[np.longdouble], covariance: Array) -> tuple[Array, Array]:
    """Plain parameters from their scores to themselves, by the delta method."""
    theta = np.asarray(beta, dtype=float)
    slope = np.ones(theta.size)
    family = problem.family
    if family.size == len(family.parameters):
        for part, block, parameter in zip(problem.slices, problem.blocks, family.parameters, strict=True):
            if block.plain:
                with np.errstate(all="ignore"):
                    slope[part] = parameter.link.derivative(theta[part])
                    theta[part] = parameter.link.inverse(np.asarray(beta[part], dtype=float))
    return theta, covariance * slope[:, None] * slope


def _at_ends(problem: _Problem, theta: Array, lost: NDArray[np.bool_], direction: Array) -> Array:
    """A plain parameter that has run off is at the end of its domain."""
    family = problem.family
    if family.size == len(family.parameters):
        for part, block, parameter in zip(problem.slices, problem.blocks, family.parameters, strict=True):
            if block.plain and lost[part].any():
                theta[part] = parameter.link.upper if direction[part][0] > 0 else parameter.link.lower
    return theta


def _limits(
    problem: _Problem,
    options: Options,
    solution: Solution,
    beta: NDArray[np.longdouble],
    std: Array,
    lost: NDArray[np.bool_],
) -> tuple[Array, Array]:
    """Limits (K,); those of plain parameters are made on the link's scale."""
    size = std.size
    empty = np.full(size, np.nan)
    if options.interval == "none":
        return empty, empty.copy()
    scores = np.asarray(beta, dtype=float)
    family = problem.family
    links = [None] * size
    if family.size == len(family.parameters):
        for part, block, parameter in zip(problem.slices, problem.blocks, family.parameters, strict=True):
            if block.plain:
                links[part] = [parameter.link]  # type: ignore[list-item]
    if options.interval == "profile":
        low, high = _profiled(problem, options, solution, lost)
    else:
        slope = np.array(
            [
                1.0 if link is None else float(link.derivative(np.asarray(s)))
                for link, s in zip(links, scores, strict=True)
            ]
        )
        with np.errstate(all="ignore"):
            width = normal_quantile(options.level) * std / np.abs(slope)
        low, high = scores - width, scores + width
    for j, link in enumerate(links):
        if link is not None:
            with np.errstate(all="ignore"):
                ends = [float(link.inverse(np.asarray(v))) if np.isfinite(v) else v for v in (low[j], high[j])]
            infinite = [link.lower if v == -np.inf else link.upper if v == np.inf else v for v in ends]
            low[j], high[j] = (np.nan, np.nan) if np.isnan(infinite).any() else (min(infinite), max(infinite))
    if options.interval == "wald":
        low[lost] = high[lost] = np.nan
    return low, high


def _profiled(problem: _Problem, options: Options, solution: Solution, lost: NDArray[np.bool_]) -> tuple[Array, Array]:
    """Profile limits of every coefficient: each in turn a coordinate of its own, the others turned away from it."""
    back = np.asarray(problem.back, dtype=float)
    size = back.shape[0]
    low, high = np.full(size, np.nan), np.full(size, np.nan)
    zero = np.zeros(1, dtype=np.intp)
    for j in range(size):
        row = back[j]
        length = float(np.sqrt(row @ row))
        part = next(s for s in problem.slices if s.start <= j < s.stop)
        unit = row / length
        # Householder's reflection that takes the unit vector along the coefficient to the first coordinate.
        axis = unit.copy()
        axis[part.start] += 1.0 if unit[part.start] >= 0 else -1.0
        turn = np.eye(size) - 2 * np.outer(axis, axis) / (axis @ axis)
        sign = float(turn[part.start] @ unit)
        start = solution.theta @ turn.T
        step = problem.step.copy()
        if not problem.blocks[problem.slices.index(part)].plain:
            step[part] = np.inf
        below, above = profile(
            _Turned(problem.objective, turn), start, solution.sums.value, part.start,
            level=options.level, which=zero, step=step,
        )  # fmt: skip
        ends = sorted((float(below[0]) * sign * length, float(above[0]) * sign * length))
        low[j], high[j] = ends
    return low, high


def _names(problem: _Problem) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    names: list[str] = []
    terms: list[tuple[str, str]] = []
    for block in problem.blocks:
        for name in block.names:
            names.append(block.parameter if block.plain else f"{block.parameter}[{name}]")
            terms.append((block.parameter, "" if block.plain else name))
    return tuple(names), tuple(terms)


def _by_block(problem: _Problem, beta: NDArray[np.longdouble]) -> list[Array]:
    return [np.asarray(beta[part], dtype=float) for part in problem.slices]
