"""Regressions of the same shape solved as one batch, as the groups of `--by` are; a single one is a batch of one.

Every step is taken for all problems at once: the starts, the predictors with a formula, the constants beside them, then
everything together, and the models of constants that the fits are compared with. Scores at ends and kinks of the
likelihood are placed in turn with the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mlefit.errors import DataError
from mlefit.families.base import Family
from mlefit.families.links import Array, identity, log
from mlefit.families.reparameterised import Form, Reparameterised, native_rows, root
from mlefit.families.wrapped import Wrapped
from mlefit.inference.certificate import EDGE, GRADIENT, curved
from mlefit.inference.deviance import deviances
from mlefit.inference.fit import FEW, condensed, solve
from mlefit.inference.kinks import minimised
from mlefit.inference.linear_ends import Placed, check, place, predicted, sought, together
from mlefit.inference.linear_model import Block, Problem, constants, make, spiked
from mlefit.objective import RowObjective, objective
from mlefit.predictors.constant import Constant
from mlefit.predictors.linear import Linear
from mlefit.sample import Sample
from mlefit.solvers.newton import MOST, NOISE
from mlefit.solvers.solution import Index, Solution, Sums

THIN: Final = 16_384  # rows of a large problem that are solved first
PER: Final = 50  # so many of them a coefficient, or there is no telling where all rows lead
ASIDE: Final = (-0.7, 0.7)  # of a coefficient of a column of unit spread, to another start
ALIKE: Final = 1e-10
ENOUGH: Final = 60  # steps of a second try
TURNS: Final = 200  # of scores at ends and kinks, and the others
ROWS: Final = 2_000  # of a problem, above which its own matrix products are faster than those of a batch


# A batch's last solution and that with the constants held, see `Solved`; where irregular scores are, if any.
Found = tuple[Solution, Solution, list[Placed]]


@dataclass(frozen=True, eq=False)
class Solved:
    """What the solver found for one problem.

    Attributes:
        last: the solution.
        first: that with the constants held at their start, or `last` where there are none.
        null: NLL of the model of constants (and the offset).
        constant: (k,) scores of that model, without the offset.
        deviance, null_deviance: as of generalized linear models, NaN where there is none.
        placed: where scores at ends and kinks of the likelihood are, None without such.
    """

    last: Solution
    first: Solution
    null: float
    constant: Array
    deviance: float
    null_deviance: float
    placed: Placed | None = None


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
        last, first, placed = _solve(batch)
        if batch.sample.base is None and not batch.family.name.startswith("ordinal") and not _centred(batch.family):
            null, constant, scores = _constant_models(batch)
        else:
            null, constant, scores = _intercepts(batch)
        if not placed and not _mixture(batch.family):  # of a mixture the highest might be a spike
            last, first = _from_constants(batch, (last, first), null, constant)
        residual, null_residual = deviances(
            batch.family, batch.sample, batch.scores(last.theta), scores, constants(batch.problems[0].blocks)
        )
        for g, i in enumerate(places):
            one = _single(last, g)
            found[i] = Solved(
                one, one if first is last else _single(first, g), float(null[g]), constant[:, g], float(residual[g]),
                float(null_residual[g]), placed[g] if placed else None,
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


def solution_of(problem: Problem) -> Solution:
    """Of one problem, without what it is compared with."""
    return _solve(_joined([problem]))[0]


def _solve(batch: _Batch) -> Found:
    """From the constant model: first the predictors with a formula, then everything together.

    Of many rows a part is solved first, from whose solution one or two passes over all of them are enough. Irregular
    scores need them all, and are solved for in turn with the others.

    Raises:
        UsageError, DataError: irregular scores that cannot be solved for; see `linear_ends`.
    """
    family, sample, target, one = batch.family, batch.sample, batch.target, batch.problems[0]
    every = np.arange(sample.groups, dtype=np.intp)
    rows, steps = sample, np.zeros(sample.groups, dtype=np.intp)
    check(one)
    with np.errstate(all="ignore"):
        if sample.counts.max() > 4 * THIN and not one.irregular.any():
            rows = sample.thin(THIN)
        inner, forms = _inner(family)
        begun = inner.starts(Sample(rows.y, rows.weight, rows.offsets))
        starts = [_lifted(batch, _outer(forms, eta)) for eta in begun]
    start = starts[0]
    if len(starts) > 1:
        values = np.stack([target.value(s, every) for s in starts])
        start = np.stack(starts)[np.argmin(np.where(np.isfinite(values), values, np.inf), axis=0), every]
    if one.irregular.any():
        check(one)  # the start may have found more of them
        if together(one):
            return _sought(batch, start)
        found = _alternated(batch, start)
        for other in _elsewhere(batch, found[0].theta):
            found = _better(found, _alternated(batch, other))
        return found
    if len(starts) > 1 and _mixture(family):
        start, steps = _off_spikes(batch, rows, starts)
    if rows is not sample and PER * start.shape[1] < THIN:
        part = RowObjective(family, target.predictor, rows, target.engine)
        rough, _ = _in_turn(_Batch(batch.problems, rows, part), start)
        last = minimised(target, rough.theta, step=one.step)
        if (last.decrement <= NOISE).all() and (last.sums.value <= target.value(start, every)).all():
            return last, last, []
    last, first = _in_turn(batch, start)
    whole = replace(last, iterations=last.iterations + steps)
    return whole, whole if first is last else first, []


def _mixture(family: Family) -> bool:
    return hasattr(root(family), "components")


def _off_spikes(batch: _Batch, rows: Sample, starts: Sequence[Array]) -> tuple[Array, Index]:
    """Where a mixture ends that starts at one of several (G, p): the highest maximum away from spikes, and the steps.

    At a spike, a component on a few values that is no wider than they are, the likelihood has no bound (McLachlan and
    Peel 2000, section 3.10). Only where every start leads to one is the result there.
    """
    family, target = batch.family, batch.target
    part = _Batch(batch.problems, rows, RowObjective(family, target.predictor, rows, target.engine))
    ends = [_in_turn(part, start, FEW)[0] for start in starts]
    values = []
    for end in ends:
        spikes = [bool(spiked(problem, one)) for problem, one in zip(batch.problems, end.theta, strict=True)]
        value = np.where(np.isfinite(end.sums.value), end.sums.value, np.inf)
        # Those that have not arrived come after those that have, and spikes come last.
        rank = np.select([np.array(spikes), ~(end.decrement <= NOISE)], [2, 1], 0)
        values.append(np.stack([np.where(np.isfinite(value), rank, 3), value]))
    order = np.lexsort(np.stack(values, axis=1)[::-1], axis=0)
    best = order[0]
    chosen = [(ends[i], g) for g, i in enumerate(best.tolist())]
    return np.stack([end.theta[g] for end, g in chosen]), np.array([end.iterations[g] for end, g in chosen])


def _from_constants(
    batch: _Batch, found: tuple[Solution, Solution], null: Array, constant: Array
) -> tuple[Solution, Solution]:
    """The solutions, solved again from models of constants where they did not arrive or are below such a model.

    Steps from the start of a family with several parameters of shape can pass the maximum by, and run off along a ridge
    or over a cliff. The models are that of the rows, and that of the rows without what their predictors explain.

    Args:
        found: last and first solution.
        null: NLL of the models of constants, (G,).
        constant: their scores without the offset, (k, G).
    """
    family, last, first = batch.family, *found
    value = last.sums.value
    lost = ~_sound(batch, last) | ~(value <= null + ALIKE * (1 + np.abs(null)))
    places = np.flatnonzero(lost & np.isfinite(constant).all(axis=0))
    if not places.size:
        return found
    part = _joined([batch.problems[g] for g in places.tolist()])
    bases = [problem.sample.base for problem in part.problems]
    added = np.stack([np.zeros(len(constant)) if base is None else base.mean(axis=1) for base in bases], axis=1)
    starts = [_lifted(part, constant[:, places] + added), *_without_predictors(part, last.theta[places])]
    where, inside = np.zeros(lost.size, dtype=np.intp), np.zeros(lost.size, dtype=bool)
    where[places], inside[places] = np.arange(places.size), True
    for start in starts:
        again = minimised(part.target, start, step=part.problems[0].step, max_iterations=ENOUGH)
        before, after = last.sums.value[places], again.sums.value
        better = np.isfinite(after) & ~(before <= after + ALIKE * (1 + np.abs(after)))
        if family.cliffs:  # the maximum is the highest one away from there
            was, now = _sound(batch, last)[places], _sound(part, again)
            better = np.where(was == now, better, now)
        if better.any():
            chosen = inside & better[where]
            spread = Solution(
                again.theta[where], Sums(after[where], again.sums.gradient[where], again.sums.hessian[where]),
                again.decrement[where], again.iterations[where], again.solver,
            )  # fmt: skip
            last, first = _mixed(last, spread, chosen), _mixed(first, spread, chosen)
    return last, last if found[1] is found[0] else first


def _without_predictors(batch: _Batch, theta: Array) -> list[Array]:
    """A start (G, p) at the model of constants of the rows less what the predictor of their place explains.

    None where no parameter moves the rows along or stretches them.
    """
    family, sample, one = batch.family, batch.sample, batch.problems[0]
    if family.size != len(family.parameters) or family.discrete:
        return []
    shifts = [j for j, p in enumerate(family.parameters) if p.name == "loc" and p.link is identity]
    scales = [j for j, p in enumerate(family.parameters) if p.name in ("scale", "mean") and p.link is log]
    if not (chosen := shifts or scales) or not np.isfinite(theta).all():
        return []
    j = chosen[0]
    scores = batch.scores(theta)[j]
    middle = np.array([scores[a:b].mean() for a, b in pairwise(sample.offsets)])
    change = scores - np.repeat(middle, sample.counts)
    with np.errstate(all="ignore"):
        y = sample.y - change if shifts else sample.y * np.exp(-change)
        rows = Sample(y, sample.weight, sample.offsets)
        if not family.inside(y).all():
            return []
        eta = solve(family, rows, objective(family, Constant(), rows)).theta.T
    if not np.isfinite(eta).all():
        return []
    start, block = _lifted(batch, eta), one.slices[j]
    if any(problem.designs[j].intercept is None for problem in batch.problems):
        return []
    for g, problem in enumerate(batch.problems):
        start[g, block] = theta[g, block]
        start[g, block.start + int(problem.designs[j].intercept or 0)] += eta[j, g] - middle[g]
    return [start]


def _sound(batch: _Batch, solution: Solution) -> NDArray[np.bool_]:
    """(G,) which solutions are at a maximum, away from the cliffs of the likelihood."""
    hessian = solution.sums.hessian
    found = (solution.decrement <= GRADIENT) & np.isfinite(hessian).all(axis=(1, 2)) & curved(hessian)
    for name, cliff in batch.family.cliffs.items():
        j = batch.family.names.index(name)
        values = batch.family.parameters[j].link.inverse(batch.scores(solution.theta)[j])
        starts = batch.sample.offsets[:-1]
        found &= np.minimum.reduceat(np.broadcast_to(values, batch.sample.n), starts) > cliff + EDGE
    return np.asarray(found)


def _alternated(batch: _Batch, start: Array) -> Found:
    """Irregular scores and the others in turn, until neither moves."""
    family, one = batch.family, batch.problems[0]
    before: Sequence[Placed | None] = [None] * len(batch.problems)
    theta, newton_steps = start, np.zeros(len(batch.problems), dtype=np.intp)
    for _ in range(TURNS):
        placed = [place(*each) for each in zip(batch.problems, theta, before, strict=True)]
        if not any(each.moved for each in placed):
            break
        last, first = _in_turn(batch, np.stack([each.theta for each in placed]))
        theta, before, newton_steps = last.theta, placed, newton_steps + last.iterations
    steps = newton_steps + np.array([each.steps for each in placed], dtype=np.intp)
    solver = "linear programme" if predicted(one) else last.solver if steps.any() else family.start_method
    return replace(last, solver=solver, iterations=steps), first, placed


def _sought(batch: _Batch, start: Array) -> Found:
    """Irregular scores and the others together, problem by problem."""
    placed = [sought(problem, theta) for problem, theta in zip(batch.problems, start, strict=True)]
    theta = np.stack([each.theta for each in placed])
    sums = batch.target.sums(theta, np.arange(len(placed), dtype=np.intp))
    excess, steps = np.array([each.excess for each in placed]), np.array([each.steps for each in placed])
    last = Solution(theta, sums, excess, steps.astype(np.intp), "active set")
    return last, last, placed


def _elsewhere(batch: _Batch, theta: Array) -> list[Array]:
    """Further starts (G, p): where the other scores have predictors too there can be several maxima, in few rows."""
    one = batch.problems[0]
    varying = np.concatenate(
        [np.full(part.stop - part.start, not b.constant) for part, b in zip(one.slices, one.blocks, strict=True)]
    )
    others = np.flatnonzero(varying & ~one.irregular)
    if not predicted(one) or batch.sample.counts.max() > ROWS:
        return []
    return [theta + side * np.eye(varying.size)[j] for j in others for side in ASIDE]


def _better(one: Found, other: Found) -> Found:
    """Of each problem the solution with the lower NLL, the first one where they are alike."""
    before, after = one[0].sums.value, other[0].sums.value
    lower = np.isfinite(after) & ~(before <= after + ALIKE * (1 + np.abs(after)))
    if not lower.any():
        return one
    placed = [b if low else a for a, b, low in zip(one[2], other[2], lower, strict=True)]
    return _mixed(one[0], other[0], lower), _mixed(one[1], other[1], lower), placed


def _mixed(one: Solution, other: Solution, which: NDArray[np.bool_]) -> Solution:
    """`one`, with those problems that the mask names as the other has them."""

    def each(a: Any, b: Any) -> Any:
        return np.where(which.reshape(-1, *[1] * (a.ndim - 1)), b, a)

    sums = [each(getattr(one.sums, n), getattr(other.sums, n)) for n in ("value", "gradient", "hessian")]
    rest = {n: each(getattr(one, n), getattr(other, n)) for n in ("theta", "decrement", "iterations")}
    return replace(one, sums=Sums(*sums), **rest)


def _in_turn(batch: _Batch, start: Array, most: int = MOST) -> tuple[Solution, Solution]:
    """From coefficients (G, p): the predictors with a formula while the constants are held, then everything.

    Irregular scores stay where they are. `most` is the number of steps of the last part.
    """
    target, one = batch.target, batch.problems[0]
    held, first = one.irregular, None
    plain = one.plain & ~held
    if plain.any() and not (plain | held).all():
        first = minimised(target, start, held=plain | held, step=one.step, max_iterations=30)
        moved = first.theta.copy()
        moved[:, plain] = _constants(batch, moved, plain)
        start = np.where(np.isfinite(first.sums.value)[:, None], moved, start)
    last = minimised(target, start, held=held if held.any() else None, step=one.step, max_iterations=most)
    return last, first or last


def _constants(batch: _Batch, theta: Array, chosen: NDArray[np.bool_]) -> Array:
    """The plain parameters given the scores of the others, which are known additions here: no pass over the columns."""
    sample, one = batch.sample, batch.problems[0]
    plain = [b.plain and bool(chosen[part].all()) for b, part in zip(one.blocks, one.slices, strict=True)]
    known = np.where(np.array(plain)[:, None], 0.0 if sample.base is None else sample.base, batch.scores(theta))
    x = tuple(z if p else z[:, :0] for z, p in zip(sample.x, plain, strict=True))
    rows = Sample(sample.y, sample.weight, sample.offsets, x, known)
    target = RowObjective(batch.family, Linear([z.shape[1] for z in x]), rows, batch.target.engine)
    solution = minimised(target, theta[:, chosen], step=one.step[chosen], max_iterations=30)
    return np.where(np.isfinite(solution.sums.value)[:, None], solution.theta, theta[:, chosen])


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
    with np.errstate(invalid="ignore"):  # columns of no limit at all
        rows = condensed(family, rows)
    inner, forms = _inner(family)
    with np.errstate(all="ignore"):
        solution = solve(inner, rows, objective(inner, Constant(), rows))
        eta = _outer(forms, solution.theta.T)
    return solution.sums.value, eta, sample.spread(eta)


def _inner(family: Family) -> tuple[Family, list[Form]]:
    """The family in the form in which its constants are found, and the forms around it; constants are the same in each.

    The ends of rows known in part are along the axes of the ends themselves, not of a middle and a width.
    """
    inner, forms = family, []
    while isinstance(inner, Reparameterised):
        forms.append(inner.form)
        inner = inner.base
    if isinstance(inner, Wrapped) and inner.band and not inner.fixed:
        core: Family = inner
        while isinstance(core, Wrapped):
            core = core.base
        inner, forms = native_rows(inner), [*forms, *_inner(core)[1]]
    return inner, forms


def _outer(forms: Sequence[Form], eta: Array) -> Array:
    for form in reversed(forms):
        eta = form.back(eta)
    return eta


def _centred(family: Family) -> bool:
    """Whether the middle of equally likely values is known, so that their extremes do not tell their width."""
    if family.band is None:
        return False
    return family.band[0] in family.fixed or (isinstance(family, Wrapped) and family.band[1] in family.fixed)


def _intercepts(batch: _Batch) -> tuple[Array, Array, Array]:
    """With an offset, for ordered labels, or a known middle: regressions on ones, or on none. Returns the same."""
    models = []
    for problem in batch.problems:
        n = problem.sample.n
        blocks = [
            Block(b.parameter, (), np.zeros((n, 0)), base=b.base) if b.parameter == "location" else
            Block(b.parameter, ("Intercept",), np.ones((n, 1)), base=b.base) for b in problem.blocks
        ]  # fmt: skip
        models.append(make(problem.family, problem.sample.y, problem.sample.weight, blocks))
    null = _joined(models)
    try:
        solution = _solve(null)[0]
    except DataError:  # a held width that no constant middle goes with
        value = np.full(len(models), np.inf)
        eta = np.zeros((batch.family.size, len(models)))
        return value, eta, batch.sample.spread(eta)
    scores = null.scores(solution.theta)
    bare = scores if null.sample.base is None else scores - null.sample.base
    return solution.sums.value, bare[:, null.sample.offsets[:-1]], scores
