"""Plain parameters on their own scale, and confidence limits of coefficients: Wald's, and by profile likelihood.

The profile likelihood is followed by Newton's method; where scores are at ends or kinks of the likelihood, every point
of it is a regression of its own, with the coefficient known.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mlefit.errors import DataError
from mlefit.families.links import Array
from mlefit.inference.intervals import normal_quantile, profile
from mlefit.inference.linear_batch import solution_of
from mlefit.inference.linear_model import Options, Problem, make
from mlefit.objective import RowObjective
from mlefit.progress import steps
from mlefit.solvers.solution import Index, Solution, Sums

DOUBLINGS: Final = 30  # of a Wald limit's distance, within which a profile limit is looked for


def own_scale(problem: Problem, beta: NDArray[np.longdouble], covariance: Array) -> tuple[Array, Array]:
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


def at_ends(problem: Problem, theta: Array, lost: NDArray[np.bool_], direction: Array) -> Array:
    """A plain parameter that has run off is at the end of its domain."""
    family = problem.family
    if family.size == len(family.parameters):
        for part, block, parameter in zip(problem.slices, problem.blocks, family.parameters, strict=True):
            if block.plain and lost[part].any():
                theta[part] = parameter.link.upper if direction[part][0] > 0 else parameter.link.lower
    return theta


def limits(
    problem: Problem,
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
    slope = np.array(
        [1.0 if link is None else float(link.derivative(np.asarray(s))) for link, s in zip(links, scores, strict=True)]
    )
    with np.errstate(all="ignore"):
        width = normal_quantile(options.level) * std / np.abs(slope)
    if options.interval == "wald":
        low, high = scores - width, scores + width
    elif problem.irregular.any() or family.kinked:
        low, high = _solved_anew(problem, options, solution, width)
    else:
        low, high = _profiled(problem, options, solution, lost)
    for j, link in enumerate(links):
        if link is not None:
            with np.errstate(all="ignore"):
                ends = [float(link.inverse(np.asarray(v))) if np.isfinite(v) else v for v in (low[j], high[j])]
            infinite = [link.lower if v == -np.inf else link.upper if v == np.inf else v for v in ends]
            low[j], high[j] = (np.nan, np.nan) if np.isnan(infinite).any() else (min(infinite), max(infinite))
    if options.interval == "wald":
        low[lost] = high[lost] = np.nan
    return low, high


def _profiled(problem: Problem, options: Options, solution: Solution, lost: NDArray[np.bool_]) -> tuple[Array, Array]:
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


def _solved_anew(problem: Problem, options: Options, solution: Solution, width: Array) -> tuple[Array, Array]:
    """Profile limits where coefficients are at ends or kinks: NaN for those that have no standard errors either.

    `width` (p,) is what Wald's limits are from the estimate.
    """
    beta = np.asarray(problem.back @ solution.theta[0], dtype=float)
    level, z = float(solution.sums.value[0]), normal_quantile(options.level)
    low, high = np.full(beta.size, np.nan), np.full(beta.size, np.nan)
    for j in steps(list(range(beta.size)), "profile limits", beta.size, "coefficients"):
        if problem.uninformed[j]:
            continue
        reach = float(width[j]) if np.isfinite(width[j]) else max(1.0, abs(beta[j]))

        def root(t: float, j: int = j) -> float:
            value = _with_known(problem, j, t)
            return float(np.sqrt(2 * max(value - level, 0.0)) - z) if np.isfinite(value) else z

        low[j], high[j] = (_crossing(root, float(beta[j]), side * reach) for side in (-1.0, 1.0))
    return low, high


def _with_known(problem: Problem, j: int, value: float) -> float:
    """The least NLL with coefficient j at a value, infinite where there is none."""
    blocks = []
    for block, part in zip(problem.blocks, problem.slices, strict=True):
        if not part.start <= j < part.stop:
            blocks.append(block)
            continue
        own = j - part.start
        others = tuple(name for i, name in enumerate(block.names) if i != own)
        base = value * block.x[:, own] + (0.0 if block.base is None else block.base)
        blocks.append(replace(block, names=others, x=np.delete(block.x, own, axis=1), base=base))
    held = make(problem.family, problem.sample.y, problem.sample.weight, blocks)
    try:
        return float(solution_of(held).sums.value[0])
    except DataError:  # no other coefficients go with it
        return np.inf


def _crossing(root: Callable[[float], float], centre: float, step: float) -> float:
    """Where `root`, negative at the centre, is zero in the direction of `step`; infinite where it never is."""
    from scipy.optimize import toms748

    solve: Any = toms748
    near = 0.0
    for _ in range(DOUBLINGS):
        if root(centre + step) >= 0:
            break
        near, step = step, 2 * step
    else:
        return float(np.copysign(np.inf, step))
    ends = sorted((centre + near, centre + step))
    return float(solve(root, *ends, xtol=1e-10 * abs(step), rtol=1e-12))


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
