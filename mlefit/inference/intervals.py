"""Confidence limits of parameters: Wald's on the link scale, and those of the profile likelihood."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mlefit.families.base import Family, Parameter
from mlefit.families.links import BOUND, Array
from mlefit.families.wrapped import Wrapped
from mlefit.inference.kinks import minimised
from mlefit.objective import RowObjective, StatisticObjective
from mlefit.progress import steps
from mlefit.solvers.newton import NOISE
from mlefit.solvers.solution import Index, Objective

ROUNDS: Final = 80
ENDLESS: Final = 200  # steps of one search for the other parameters
HOPELESS: Final = 3  # searches for the other parameters that came to no end, after which a limit is given up


def normal_quantile(level: float) -> float:
    """z with P(|Z| <= z) = level."""
    return NormalDist().inv_cdf((1 + level) / 2)


def wald(parameters: Sequence[Parameter], theta: Array, std_error: Array, level: float) -> tuple[Array, Array]:
    """Limits (K, G) built on each parameter's link, so that they stay inside its domain.

    `theta` and `std_error` are (K, G); NaN standard errors give NaN limits.
    """
    z = normal_quantile(level)
    lower, upper = np.full_like(theta, np.nan), np.full_like(theta, np.nan)
    with np.errstate(all="ignore"):
        for j, parameter in enumerate(parameters):
            link = parameter.link
            score = link.forward(theta[j])
            width = z * std_error[j] / link.derivative(score)
            lower[j], upper[j] = link.inverse(score - width), link.inverse(score + width)
    lower[np.isnan(std_error)] = upper[np.isnan(std_error)] = np.nan
    return lower, upper


def profile_limits(
    family: Family,
    objective: RowObjective | StatisticObjective,
    eta: Array,
    parameters: Sequence[Parameter],
    theta: Array,
    value: Array,
    level: float,
    which: Index,
) -> tuple[Array, Array]:
    """Profile-likelihood limits (K, G) of every parameter.

    `parameters` are those of the family and its remainder, if there is one. `eta` (G, k) and `theta` (K, G) are the
    estimates, `value` (G,) the NLL there, `which` (G,) the problems of the objective they belong to. Parameters with no
    smooth profile (an endpoint) get NaN.
    """
    lower, upper = np.full_like(theta, np.nan), np.full_like(theta, np.nan)
    sound = np.isfinite(value)
    held = np.array([parameter.name in family.irregular for parameter in parameters], dtype=bool)
    if family.size != len(family.parameters):
        assert isinstance(objective, StatisticObjective), "only such families have parameters that are not scores"
        for j, parameter in enumerate(family.parameters):
            base, totals, share = objective.family.margin(j, objective.totals)
            margin = StatisticObjective(base, totals, np.zeros((0, totals.shape[1])))
            start = margin.start[which]
            at = margin.value(start, which)
            low, high = profile(margin, start, at, 0, level=level, which=which, step=base.step)
            lower[j] = share * np.where(np.isinf(low), parameter.link.lower, parameter.link.inverse(low))
            upper[j] = share * np.where(np.isinf(high), parameter.link.upper, parameter.link.inverse(high))
        return lower, upper
    for j, parameter in steps(list(enumerate(parameters)), "profile limits", len(parameters), "parameters"):
        if held[j] and not _curved(objective, eta, which, j):
            continue
        if held.any() and isinstance(family, Wrapped):
            if parameter.name in family.irregular - family.informative:
                continue
            low, high = _searched(family, objective, eta, value, j, level, which)
            with np.errstate(all="ignore"):
                lower[j], upper[j] = parameter.link.inverse(low), parameter.link.inverse(high)
            lower[j, ~sound] = upper[j, ~sound] = np.nan
            continue
        seen, target, start = _along(family, objective, eta[sound], parameter.name)
        place = seen.names.index(parameter.name)
        still = held[: family.size] if held.any() else None
        low, high = profile(
            target, start, value[sound], place, level=level, which=which[sound], held=still, step=seen.step
        )
        ends = np.array([parameter.link.lower, parameter.link.upper])
        with np.errstate(all="ignore"):
            lower[j, sound] = np.where(np.isinf(low), ends[0], parameter.link.inverse(low))
            upper[j, sound] = np.where(np.isinf(high), ends[1], parameter.link.inverse(high))
    return lower, upper


def _along(family: Family, objective: Objective, eta: Array, name: str) -> tuple[Family, Objective, Array]:
    """Family, objective and scores (G, k) such that the named parameter has a score of its own."""
    seen = family.along([name])
    if seen is family:
        return family, objective, eta
    assert isinstance(objective, RowObjective), "what has statistics has its parameters' scores"
    with np.errstate(all="ignore"):
        start = np.ascontiguousarray(family.translated(eta.T, seen).T)
    return seen, replace(objective, family=seen), start


def _searched(
    family: Wrapped, objective: Objective, eta: Array, value: Array, j: int, level: float, which: Index
) -> tuple[Array, Array]:
    """Profile limits of score j, (G,) each, where what maximises the likelihood is found by search."""
    from mlefit.families.irregular import limits

    assert isinstance(objective, RowObjective), "families of rows that are known in part have no statistics"
    rows = objective.sample if objective.sample.groups == which.size else objective.sample.take(which)
    return limits(family, rows, eta.T, value, j, normal_quantile(level) ** 2 / 2)


def _curved(objective: Objective, eta: Array, which: Index, j: int) -> bool:
    """Whether an irregular parameter still has information, as a median has and an endpoint has not."""
    return bool(np.any(objective.sums(eta, which).hessian[:, j, j] > 0))


def profile(
    objective: Objective,
    eta: Array,
    value: Array,
    coordinate: int,
    *,
    level: float,
    which: Index,
    step: Array,
    held: NDArray[np.bool_] | None = None,
) -> tuple[Array, Array]:
    """Scores where twice the drop of the profile log-likelihood equals the chi-squared quantile.

    Venzon and Moolgavkar (1988); solved for all G fits and both sides at once, by safeguarded Newton steps on the
    signed root of the deviance, which is close to linear in the score.

    Args:
        objective: what was minimised.
        eta: (G, k) the estimates' scores.
        value: (G,) NLL there.
        coordinate: which score.
        level: of the interval.
        which: (G,) the objective's problem of each fit.
        step: (k,) the solver's largest steps.
        held: (k,) scores that never move.

    Returns:
        lower and upper scores, (G,); infinite where the likelihood never drops that far, NaN where the others run off
        and it cannot be told.
    """
    z = normal_quantile(level)
    count, size = eta.shape
    if not count:
        return np.zeros(0), np.zeros(0)
    held = np.zeros(size, dtype=bool) if held is None else held
    covariance = _covariance(objective.sums(eta, which).hessian, held)
    which = np.tile(which, 2)
    side = np.repeat([-1.0, 1.0], count)
    centre, base = np.tile(eta, (2, 1)), np.tile(value, 2)
    bounded = np.isfinite(step[coordinate])
    variance = covariance[:, coordinate, coordinate]
    with np.errstate(all="ignore"):
        known = np.isfinite(variance) & (variance > 0)
        slope = np.where(known[:, None], covariance[:, :, coordinate] / np.where(known, variance, 1.0)[:, None], 0.0)
        width = np.where(known, z * np.sqrt(np.where(known, variance, 1.0)), 1.0)
    slope = np.tile(np.where(np.isfinite(slope), slope, 0.0), (2, 1))
    width = np.tile(np.minimum(width, 5.0) if bounded else width, 2)
    near = centre.copy()  # the farthest constrained optimum known to lie within the limit
    far = np.full(2 * count, np.inf)  # the nearest distance known to lie beyond it
    distance, reach = np.zeros(2 * count), width.copy()
    result = np.full(2 * count, np.nan)
    mask = held.copy()
    mask[coordinate] = True
    live = np.arange(2 * count)
    trial = reach.copy()
    lost = np.zeros(2 * count, dtype=int)
    for _ in range(ROUNDS):
        at = centre[live, coordinate] + side[live] * trial[live]
        start = near[live] + slope[live] * (at - near[live, coordinate])[:, None]
        start[:, held] = near[live][:, held]
        start[:, coordinate] = at
        solved = minimised(objective, start, which=which[live], held=mask, step=step, max_iterations=ENDLESS)
        with np.errstate(all="ignore"):
            drop = 2 * (solved.sums.value - base[live])
            root = np.sqrt(np.maximum(drop, 0.0)) - z
            rate = side[live] * solved.sums.gradient[:, coordinate] / np.maximum(np.sqrt(np.maximum(drop, 0)), 1e-300)
            aim = trial[live] - root / rate
        good = np.isfinite(drop)
        inside = good & (root <= 0)
        hit = good & (np.abs(root) <= 1e-10)
        moved = live[inside]
        near[moved], distance[moved] = solved.theta[inside], trial[moved]
        outside = live[~inside]
        far[outside] = trial[outside]
        closed = far[live] - distance[live] <= 1e-13 * np.maximum(1e-3, np.abs(at))
        gone = inside & (np.abs(at) >= BOUND if bounded else trial[live] > 1e8 * width[live])
        result[live[hit]] = at[hit]
        result[live[closed & ~hit]] = near[live[closed & ~hit], coordinate]
        result[live[gone & ~hit]] = side[live[gone & ~hit]] * np.inf
        ok = np.isfinite(aim) & good & (rate > 0)
        lo, hi = distance[live], far[live]
        open_end = np.isinf(hi)
        grown = np.where(ok & (aim > lo), np.minimum(aim, 4 * np.maximum(trial[live], width[live])), 2 * trial[live])
        between = np.where(ok & (aim > lo) & (aim < hi), aim, (lo + np.where(open_end, lo, hi)) / 2)
        trial[live] = np.where(open_end, np.maximum(grown, lo * (1 + 1e-9)), between)
        lost[live] += (solved.iterations >= ENDLESS) & ~(solved.decrement <= NOISE)
        stay = ~(hit | closed | gone | (lost[live] >= HOPELESS))
        live = live[stay]
        if not live.size:
            break
    return result[:count], result[count:]


def _covariance(hessian: Array, held: NDArray[np.bool_]) -> Array:
    """Inverse information (G, k, k), to set the first step and the direction of the other scores."""
    diagonal = np.einsum("ijj->ij", hessian)
    with np.errstate(all="ignore"):
        usable = np.isfinite(diagonal) & (diagonal > 1e-290) & ~held
        scale = np.where(usable, 1 / np.sqrt(np.where(usable, diagonal, 1.0)), 0.0)
        scaled = hessian * scale[:, :, None] * scale[:, None, :]
        scaled = np.where(np.isfinite(scaled), scaled, 0.0)
        inverse = np.linalg.pinv(scaled, rcond=1e-12, hermitian=True)
        result = inverse * scale[:, :, None] * scale[:, None, :]
    return np.asarray(np.where(usable[:, :, None] & usable[:, None, :], result, np.nan))
