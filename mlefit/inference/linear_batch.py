"""Regressions of the same shape solved as one batch, as the groups of `--by` are; a single one is a batch of one.

Every step is taken for all problems at once: the starts, the predictors with a formula, the constants beside them, then
everything together, and the models of constants that the fits are compared with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from mlefit.families.base import Family
from mlefit.families.links import Array
from mlefit.families.reparameterised import Reparameterised
from mlefit.inference.deviance import deviances
from mlefit.inference.fit import solve
from mlefit.inference.linear_model import Block, Problem, make
from mlefit.objective import RowObjective, objective
from mlefit.predictors.constant import Constant
from mlefit.predictors.linear import Linear
from mlefit.sample import Sample
from mlefit.solvers.newton import NOISE, newton
from mlefit.solvers.solution import Solution, Sums

THIN: Final = 16_384  # rows of a large problem that are solved first
PER: Final = 50  # so many of them a coefficient, or there is no telling where all rows lead
ROWS: Final = 2_000  # of a problem, above which its own matrix products are faster than those of a batch


@dataclass(frozen=True, eq=False)
class Solved:
    """What the solver found for one problem.

    Attributes:
        last: the solution.
        first: that with the constants held at their start, or `last` where there are none.
        null: NLL of the model of constants (and the offset).
        constant: (k,) scores of that model, without the offset.
        deviance, null_deviance: as of generalized linear models, NaN where there is none.
    """

    last: Solution
    first: Solution
    null: float
    constant: Array
    deviance: float
    null_deviance: float


@dataclass(frozen=True, eq=False)
class _Batch:
    """Problems of one family whose scores have as many columns each; problem i is group i of the sample."""

    problems: Sequence[Problem]
    sample: Sample
    target: RowObjective

    @property
    def family(self) -> Family:
        return self.problems[0].family

    def scores(self, theta: Array) -> Array:
        """(k, n)."""
        with np.errstate(all="ignore"):
            eta = self.target.predictor.scores(theta, self.sample)
        return eta[:, 0] if eta.ndim == 3 else eta


def solved(problems: Sequence[Problem]) -> list[Solved]:
    """Solve every problem; a solution may have no finite value."""
    found: dict[int, Solved] = {}
    for places in _alike(problems):
        batch = _joined([problems[i] for i in places])
        last, first = _solve(batch)
        if batch.sample.base is None and not batch.family.name.startswith("ordinal"):
            null, constant, scores = _constant_models(batch)
        else:
            null, constant, scores = _intercepts(batch)
        residual, null_residual = deviances(batch.family, batch.sample, batch.scores(last.theta), scores)
        for g, i in enumerate(places):
            one = _single(last, g)
            found[i] = Solved(
                one, one if first is last else _single(first, g), float(null[g]), constant[:, g], float(residual[g]),
                float(null_residual[g]),
            )  # fmt: skip
    return [found[i] for i in range(len(problems))]


def _alike(problems: Sequence[Problem]) -> list[list[int]]:
    """Which problems make a batch, by place; one with many rows is its own."""
    kinds: dict[tuple[object, ...], list[int]] = {}
    for i, problem in enumerate(problems):
        sample = problem.sample
        shape = tuple((z.shape[1], b.plain) for z, b in zip(sample.x, problem.blocks, strict=True))
        alone = i if sample.n > ROWS else -1
        key = (id(problem.family), shape, sample.weight is None, sample.base is None, alone)
        kinds.setdefault(key, []).append(i)
    return list(kinds.values())


def _joined(problems: Sequence[Problem]) -> _Batch:
    first = problems[0]
    whole, sample = first.objective, first.sample
    if len(problems) > 1:
        samples = [problem.sample for problem in problems]
        weights = [s.weight for s in samples if s.weight is not None]
        bases = [s.base for s in samples if s.base is not None]
        sample = Sample(
            np.concatenate([s.y for s in samples], axis=-1),
            np.concatenate(weights) if weights else None,
            np.concatenate([[0], np.cumsum([s.n for s in samples])]).astype(np.intp),
            tuple(np.concatenate(parts) for parts in zip(*(s.x for s in samples), strict=True)),
            np.concatenate(bases, axis=1) if bases else None,
        )
    kinds = first.family.kinds(sample.y)
    if kinds is not None:
        sample = sample.arranged(kinds)
    if sample is first.sample:
        return _Batch(problems, sample, whole)
    return _Batch(problems, sample, RowObjective(whole.family, whole.predictor, sample, whole.engine))


def _single(solution: Solution, g: int) -> Solution:
    part, sums = slice(g, g + 1), solution.sums
    return Solution(
        solution.theta[part], Sums(sums.value[part], sums.gradient[part], sums.hessian[part]),
        solution.decrement[part], solution.iterations[part], solution.solver,
    )  # fmt: skip


def _solve(batch: _Batch) -> tuple[Solution, Solution]:
    """From the constant model: first the predictors with a formula, then everything together; (last, first).

    Of many rows a part is solved first, from whose solution one or two passes over all of them are enough.
    """
    family, sample, target, one = batch.family, batch.sample, batch.target, batch.problems[0]
    every = np.arange(sample.groups, dtype=np.intp)
    rows = sample
    with np.errstate(all="ignore"):
        if sample.counts.max() > 4 * THIN:
            rows = sample.thin(THIN)
        starts = [_lifted(batch, eta) for eta in family.starts(Sample(rows.y, rows.weight, rows.offsets))]
    start = starts[0]
    if len(starts) > 1:
        values = np.stack([target.value(s, every) for s in starts])
        start = np.stack(starts)[np.argmin(np.where(np.isfinite(values), values, np.inf), axis=0), every]
    if rows is not sample and PER * start.shape[1] < THIN:
        part = RowObjective(family, target.predictor, rows, target.engine)
        rough, _ = _in_turn(_Batch(batch.problems, rows, part), start)
        last = newton(target, rough.theta, step=one.step)
        if (last.decrement <= NOISE).all() and (last.sums.value <= target.value(start, every)).all():
            return last, last
    return _in_turn(batch, start)


def _in_turn(batch: _Batch, start: Array) -> tuple[Solution, Solution]:
    """From coefficients (G, p): the predictors with a formula while the constants are held, then everything."""
    target, one = batch.target, batch.problems[0]
    plain, first = one.plain, None
    if plain.any() and not plain.all():
        first = newton(target, start, held=plain, step=one.step, max_iterations=30)
        moved = first.theta.copy()
        moved[:, plain] = _constants(batch, moved)
        start = np.where(np.isfinite(first.sums.value)[:, None], moved, start)
    last = newton(target, start, step=one.step)
    return last, first or last


def _constants(batch: _Batch, theta: Array) -> Array:
    """The plain parameters given the scores of the others, which are known additions here: no pass over the columns."""
    sample, one = batch.sample, batch.problems[0]
    plain = [b.plain for b in one.blocks]
    known = np.where(np.array(plain)[:, None], 0.0 if sample.base is None else sample.base, batch.scores(theta))
    x = tuple(z if p else z[:, :0] for z, p in zip(sample.x, plain, strict=True))
    rows = Sample(sample.y, sample.weight, sample.offsets, x, known)
    target = RowObjective(batch.family, Linear([z.shape[1] for z in x]), rows, batch.target.engine)
    solution = newton(target, theta[:, one.plain], step=one.step[one.plain], max_iterations=30)
    return np.where(np.isfinite(solution.sums.value)[:, None], solution.theta, theta[:, one.plain])


def _lifted(batch: _Batch, eta: Array) -> Array:
    """Coefficients (G, p) whose scores come nearest to constants (k, G)."""
    eta = np.nan_to_num(eta, posinf=20.0, neginf=-20.0)
    return np.stack([_nearest(problem, eta[:, g]) for g, problem in enumerate(batch.problems)])


def _nearest(problem: Problem, eta: Array) -> Array:
    parts = []
    for block, matrix, score in zip(problem.blocks, problem.designs, eta, strict=True):
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


def _constant_models(batch: _Batch) -> tuple[Array, Array, Array]:
    """Without an offset: what `estimate` fits, in the form in which it is quickest.

    Returns NLL (G,), scores (k, G), and scores of every row, (k, n) or (k, 1) where there is one problem.
    """
    family, sample = batch.family, batch.sample
    rows = Sample(sample.y, sample.weight, sample.offsets)
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
    return solution.sums.value, eta, sample.spread(eta)


def _intercepts(batch: _Batch) -> tuple[Array, Array, Array]:
    """With an offset, or for ordered labels: regressions on a column of ones, or on none. Returns the same."""
    models = []
    for problem in batch.problems:
        n = problem.sample.n
        blocks = [
            Block(b.parameter, (), np.zeros((n, 0)), base=b.base) if b.parameter == "location" else
            Block(b.parameter, ("Intercept",), np.ones((n, 1)), base=b.base) for b in problem.blocks
        ]  # fmt: skip
        models.append(make(problem.family, problem.sample.y, problem.sample.weight, blocks))
    null = _joined(models)
    solution = _solve(null)[0]
    scores = null.scores(solution.theta)
    bare = scores if null.sample.base is None else scores - null.sample.base
    return solution.sums.value, bare[:, null.sample.offsets[:-1]], scores
