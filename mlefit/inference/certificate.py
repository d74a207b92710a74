"""What can be said of the point where a solver stopped, checked rather than assumed.

A maximum of the likelihood has a zero gradient and a positive definite observed information. Where it has not,
the reason is named: a parameter on its boundary or running off, an unbounded likelihood, a flat ridge.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mlefit.families.base import Family
from mlefit.families.irregular import astray
from mlefit.families.links import BOUND, Array
from mlefit.families.registry import BUILT_IN
from mlefit.solvers.newton import MOST
from mlefit.solvers.solution import Objective, Solution

GRADIENT: Final = 1e-5  # standard errors from the estimate to the minimum of the local quadratic
ROUNDED: Final = 1e-2  # the same, at most, where the scores themselves cannot be told apart more closely
AWAY: Final = 6.0  # a change of a score after which the likelihood has fallen if the parameter does not run off there
FALLEN: Final = 0.01  # by this much
LEVEL: Final = 1e-3  # and where it has not changed by this, it may well run off
BENT: Final = 0.005  # of the nll, where its curvature promises 0.5
WIDE: Final = 1e3  # a standard error of a logarithm that says nothing: the likelihood is flat on the way to its end
WIDE_STILL: Final = 20.0  # the same where all steps were used up on the way
FLAT: Final = 1e-11  # smallest eigenvalue, relative, of the information scaled to a unit diagonal
INFLATED: Final = 1e6  # a variance, relative to that with the others held, of a parameter on a ridge
RUNNING: Final = 0.05  # a Newton step this large at a vanishing decrement is a parameter still on its way
CERTAIN: Final = 1e-9  # of the total nll
CERTAINTY: Final = (
    "no event was observed, or the intervals of all rows share a value: the likelihood can be brought as near to 1 as "
    "one likes, so no maximum-likelihood estimate exists"
)
EVENTLESS: Final = (
    "no event was observed: every row is censored on the right, so no maximum-likelihood estimate exists; --event is "
    "to hold, or to be 1, where one was"
)
REMEDY: Final = " (see --interval profile)"
ASIDE: Final = 1e-7  # relative; a step of a score to see whether the likelihood ends there
AT_ONE: Final = 1e-6  # per unit of weight, the nll of counts whose likelihood comes to 1
SILENT: Final = 1e-9  # per unit of weight, a change of the NLL that is none
ELSEWHERE: Final = (-2.0, 0.5, 2.0)  # scores of shapes, logarithms and odds at which a silent one is tried
UNITS: Final = frozenset({"mu", "mean", "scale", "sigma", "rate"})  # parameters that change with the data's units
WIDTHS: Final = frozenset({"scale", "sigma"})  # parameters at whose zero nothing is left but one value
FAR: Final = 12.0  # a score that no ordinary data reach, beyond what their units add to it
BEYOND: Final = 18.0  # a score at which a family and its limit differ by less than the rounding of the total
EDGE: Final = 1e-3  # this near to a cliff of the likelihood is over it
STEEP: Final = 2.0  # a shape above this, short of a maximum, is on its way up
SPIKE: Final = 30.0  # log density times scale of the data: a peak narrower than doubles can resolve


@dataclass(frozen=True)
class Certificate:
    """The evidence that a fit is a maximum, or why it is not.

    Attributes:
        gradient_norm: sqrt(g' H^-1 g), the distance to the minimum in standard errors where it was last measured; one
            step towards it may have followed.
        hessian_positive: the observed information is positive definite.
        condition: its condition number, scaled to a unit diagonal; None where it does not exist.
        at_boundary: parameters whose estimate lies on the boundary of their domain.
        problem: why there is no maximum, "" where there is one.
    """

    gradient_norm: float | None
    hessian_positive: bool
    condition: float | None
    at_boundary: tuple[str, ...] = ()
    problem: str = ""

    def to_dict(self) -> dict[str, Any]:
        """As in the JSON contract."""
        return {
            "gradient_norm": self.gradient_norm,
            "hessian_positive": self.hessian_positive,
            "condition": self.condition,
            "at_boundary": list(self.at_boundary),
        }


@dataclass(frozen=True, eq=False)
class Verdict:
    """Certificates of G fits, and what they need to be built, as arrays.

    Attributes:
        certificates: one a fit.
        warnings: sentences for the user, one tuple a fit.
        converged: (G,).
        regular: (G, k) scores with a curvature to take standard errors from.
        covariance: (G, k, k) of the scores, NaN where not `regular`.
        edge: (G, k) -1 or +1 where a score has gone to that end of its range, else 0.
        silent: (G, k) scores that the likelihood does not depend on, as in `unheard`.
    """

    certificates: tuple[Certificate, ...]
    warnings: tuple[tuple[str, ...], ...]
    converged: NDArray[np.bool_]
    regular: NDArray[np.bool_]
    covariance: Array
    edge: NDArray[np.int8] = field(repr=False)
    silent: NDArray[np.bool_] = field(repr=False)


def certify(
    family: Family,
    solution: Solution,
    *,
    weight: Array,
    scale: Array,
    constant: NDArray[np.bool_],
    counts: NDArray[np.integer[Any]],
    spikes: Sequence[str] = (),
    silent: NDArray[np.bool_] | None = None,
    objective: Objective | None = None,
    walls: Sequence[str] = (),
) -> Verdict:
    """Judge a batch of fits.

    Args:
        family: what was fitted.
        solution: where the solver stopped, G problems.
        weight: (G,) total weight.
        scale: (G,) largest magnitude of the data.
        constant: (G,) all values are equal.
        counts: (G,) rows.
        spikes: why the likelihood is unbounded, "" where it is not, one a problem; see `Family.unbounded`.
        silent: (G, k) scores that the likelihood does not depend on; None for none.
        objective: what was minimised, to ask it where a parameter runs off to.
        walls: where the likelihood ends beside the last point, "" where it does not; see `walled`.
    """
    theta, hessian, gradient = solution.theta, solution.sums.hessian, solution.sums.gradient
    count, size = theta.shape
    own_scores = size == len(family.parameters)
    edge = np.zeros((count, size), dtype=np.int8)
    edge[theta >= BOUND] = 1
    edge[theta <= -BOUND] = -1
    silent = np.zeros((count, size), dtype=bool) if silent is None else silent
    edge[silent] = 0
    irregular = np.array([own_scores and p.name in family.irregular for p in family.parameters][:size], dtype=bool)
    if own_scores:
        bounded = np.array(
            [
                np.isfinite(p.link.step) or (bool(p.limit or p.limit_below) and p.name not in family.irregular)
                for p in family.parameters
            ],
            dtype=bool,
        )
        edge[:, ~bounded] = 0
    informative = np.array([own_scores and p.name in family.informative for p in family.parameters][:size], dtype=bool)
    uninformed = irregular & ~informative
    diagonal = np.einsum("ijj->ij", hessian)
    kinked = np.array([own_scores and p.name in family.kinked for p in family.parameters][:size], dtype=bool)
    cusped = kinked & np.isposinf(diagonal)  # infinitely steep on both sides
    with np.errstate(all="ignore"):
        regular = np.isfinite(diagonal) & (diagonal > 0) & (edge == 0) & ~silent
        # An end or a kink of the likelihood, unlike a maximum between two of them, has a slope and no information.
        sloping = np.abs(gradient) > GRADIENT * np.sqrt(np.maximum(diagonal, 0.0))
        regular &= ~(uninformed & (sloping | family.discrete))
        inverse, lowest, condition = _invert(hessian, regular)
        if own_scores:
            step = -np.einsum("ijk,ik->ij", inverse, np.where(regular & ~irregular, gradient, 0.0))
            small = solution.decrement[:, None] <= 1e-3
            running = small & bounded & ~irregular & (np.abs(step) > RUNNING * np.maximum(1.0, np.abs(theta) / 10))
            running |= bounded & ~irregular & (edge == 0) & ~silent & (diagonal <= 0) & (np.abs(theta) > 25)
            error = np.sqrt(np.einsum("ijj->ij", inverse) * np.minimum(weight, 1.0)[:, None])
            wide = np.where(solution.iterations >= MOST, WIDE_STILL, WIDE)[:, None]
            running |= small & bounded & ~irregular & regular & (error > wide) & (lowest > FLAT)[:, None]
            if running.any():
                side = _heading(family, theta, step, scale)
                edge = np.where(running, _falling(objective, solution, running, side), edge)
                regular &= edge == 0
                inverse, lowest, condition = _invert(hessian, regular)
            ridge = (solution.decrement > GRADIENT) | (lowest <= FLAT)
            beyond = ridge[:, None] & (edge == 0) & ~irregular & ~silent & _beyond(family, theta, scale)
            if beyond.any():
                edge = np.where(beyond, np.sign(theta).astype(np.int8), edge)
                regular &= edge == 0
                inverse, lowest, condition = _invert(hessian, regular)
    if informative.any():  # their part of the information is a mean, which in few rows need not be positive definite
        lowest = _invert(hessian, regular & ~informative)[1]
    needed = regular | (edge != 0) | irregular | cusped
    positive = needed.all(axis=1) & (lowest > FLAT)
    finite = np.isfinite(solution.sums.value) & np.isfinite(theta).all(axis=1)
    spike = np.zeros(count, dtype=bool)
    if not family.discrete:
        with np.errstate(all="ignore"):
            height = -solution.sums.value / weight + np.where(scale > 0, np.log(scale), 0.0)
            spike = (height > np.where(scale > 0, SPIKE, 100.0)) | (solution.sums.value == -np.inf)
    # A likelihood of 1 from intervals alone: they share a value, or nothing ever happened.
    certain = np.asarray(family.censored & finite & (np.abs(solution.sums.value) < CERTAIN))
    # A parameter on its boundary has a gradient that points outward and is none of the others' concern.
    decrement = solution.decrement
    if edge.any():
        with np.errstate(all="ignore"):
            inner = np.where(regular & ~irregular, gradient, 0.0)
            distance = np.sqrt(np.maximum(np.einsum("ij,ijk,ik->i", inner, inverse, inner), 0.0))
        decrement = np.where(edge.any(axis=1), distance, decrement)
    with np.errstate(all="ignore"):
        spacing = np.sqrt(np.where(regular, diagonal * (np.finfo(float).eps * theta) ** 2, 0.0).sum(axis=1))
    arrived = finite & (decrement <= np.clip(np.nan_to_num(spacing), max(GRADIENT, family.roughness), ROUNDED))
    if objective is not None and family.roughness:
        arrived &= ~_misjudged(objective, solution, regular & ~irregular)
    # A density may well be infinite at an end of its support: a sound interior maximum is no spike.
    sound = arrived & positive & (edge == 0).all(axis=1)
    spike &= ~sound
    certificates: list[Certificate] = []
    warnings: list[tuple[str, ...]] = []
    converged = np.zeros(count, dtype=bool)
    spiked = np.array([bool(reason) for reason in spikes] or [False] * count, dtype=bool)
    sure = [""] * count
    if family.discrete and own_scores:
        at_one = finite & (np.abs(solution.sums.value) < AT_ONE * weight) & (edge != 0).any(axis=1)
        sure = [said if one else "" for one, said in zip(at_one, family.certainties(theta.T), strict=True)]
        silent = silent | np.array([bool(said) for said in sure])[:, None]
        edge[silent] = 0
    lost_side = astray(family, theta.T, scale) if irregular.any() else np.zeros(theta.T.shape)
    plain = sound & ~certain & ~spiked & ~lost_side.any(axis=0)
    for i in range(count):
        if plain[i]:
            converged[i] = True
            certificates.append(Certificate(float(decrement[i]), True, _number(condition[i])))
            warnings.append(())
            continue
        edges = _edges(family, edge[i]) if own_scores else _no_edges(family, theta[i])
        if spiked[i]:
            problem = (
                f"the likelihood of {family.name} is unbounded: {spikes[i]}; no maximum-likelihood estimate exists"
            )
            certificates.append(Certificate(_number(solution.decrement[i]), False, None, (), problem))
            warnings.append((problem,))
            continue
        if sure[i]:
            certificates.append(Certificate(_number(decrement[i]), False, None, (), sure[i]))
            warnings.append((sure[i],))
            continue
        if certain[i]:
            certificates.append(Certificate(_number(decrement[i]), False, None, (), CERTAINTY))
            warnings.append((CERTAINTY,))
            continue
        fallen = (over_cliff(family, theta[i]) or _lost(family, lost_side[:, i])) if own_scores else ""
        if not fallen and own_scores and not (arrived[i] and positive[i]):
            fallen = _climbing(family, theta[i])
        if fallen:
            certificates.append(Certificate(_number(decrement[i]), False, None, (), fallen))
            warnings.append((fallen,))
            continue
        lost = spike[i] or (constant[i] and not family.discrete and not (arrived[i] and positive[i] and not edges))
        lost &= not silent[i].any()
        fallen = _stuck(family, edge[i], np.abs(gradient[i]) > GRADIENT * weight[i]) if own_scores and not lost else ""
        if fallen and not family.truncated:
            certificates.append(Certificate(_number(decrement[i]), False, None, (), fallen))
            warnings.append((fallen,))
            continue
        if silent[i].any():
            problem = _unidentified(family, silent[i], edges)
            names = tuple(name for name, _, _ in edges)
            certificates.append(Certificate(_number(decrement[i]), False, None, names, problem))
            warnings.append((problem,))
            continue
        cause = _cause(bool(lost), bool(constant[i]), float(scale[i]), int(counts[i]))
        problem, said = _explain(family, cause, bool(finite[i]), bool(arrived[i]), bool(positive[i]), edges)
        if problem and not cause and finite[i] and not edges and walls and walls[i]:
            problem, said = walls[i], (walls[i],)
        converged[i] = not problem
        certificates.append(
            Certificate(
                _number(decrement[i]),
                bool(positive[i] and not lost),
                _number(condition[i]),
                tuple(name for name, _, _ in edges),
                problem,
            )
        )
        warnings.append(said)
    # Two parameters that run off together leave a ridge behind: what is held of it makes the others look too certain.
    if own_scores and edge.any():
        open_ends = np.isinf(np.array([(p.link.lower, p.link.upper) for p in family.parameters]))
        gone = ((edge > 0) & open_ends[:, 1]) | ((edge < 0) & open_ends[:, 0])
        regular &= ~((gone.sum(axis=1) > np.where(arrived, 1, 0)) & ~converged)[:, None]
    regular &= ~silent.any(axis=1, keepdims=True)  # theirs would be at a value that stands for any other
    # Along a ridge the inverse information is rounding error: the parameters on it have no standard error.
    inflated = np.abs(np.einsum("ijj->ij", inverse) * diagonal) > INFLATED
    regular &= ~((~converged & (lowest <= FLAT))[:, None] & inflated)
    regular &= ~uninformed  # others may well vary with an end found between two values; it has no error of its own
    covariance = np.where(regular[:, :, None] & regular[:, None, :], inverse, np.nan)
    return Verdict(tuple(certificates), tuple(warnings), converged, regular, covariance, edge, silent)


def unheard(family: Family, objective: Objective, solution: Solution, weight: Array) -> NDArray[np.bool_]:
    """Scores (G, k) that the likelihood does not depend on at all where the others are, as the size of a count's
    distribution when its mean is 0. `weight` is (G,).
    """
    theta = solution.theta
    silent = np.zeros(theta.shape, dtype=bool)
    if theta.shape[1] != len(family.parameters):
        return silent
    least = SILENT * weight
    flat = np.abs(np.einsum("ijj->ij", solution.sums.hessian)) <= least[:, None]
    flat &= np.isfinite(solution.sums.value)[:, None]
    for j, parameter in enumerate(family.parameters):
        rows = np.flatnonzero(flat[:, j])
        if not rows.size or not np.isfinite(parameter.link.step) or parameter.name in family.irregular:
            continue
        # A parameter at its end is flat on the last stretch only: elsewhere it may matter.
        still = np.ones(rows.size, dtype=bool)
        for score in ELSEWHERE:
            trial = theta[rows].copy()
            trial[:, j] = score
            still &= np.abs(objective.value(trial, rows) - solution.sums.value[rows]) <= least[rows]
        silent[rows, j] = still
    return silent


def walled(family: Family, objective: Objective, solution: Solution) -> list[str]:
    """Of each problem that has no curvature at its end, or a slope, whether the likelihood ends there, and where."""
    theta = solution.theta
    said = [""] * len(theta)
    if theta.shape[1] != len(family.parameters) or family.name in BUILT_IN or ":" in family.name:
        return said
    diagonal = np.einsum("ijj->ij", solution.sums.hessian)
    doubted = ~(solution.decrement <= GRADIENT) | ~(np.isfinite(diagonal) & (diagonal > 0)).all(axis=1)
    rows = np.flatnonzero(doubted & np.isfinite(solution.sums.value) & np.isfinite(theta).all(axis=1))
    for j, parameter in enumerate(family.parameters if rows.size else ()):
        values = {}
        for side in (1, -1):
            trial = theta[rows].copy()
            trial[:, j] += side * ASIDE * np.maximum(1.0, np.abs(trial[:, j]))
            values[side] = objective.value(trial, rows)
        for side, beyond in ((1, "above"), (-1, "below")):
            wall = ~np.isfinite(values[side]) & (values[-side] > solution.sums.value[rows])
            for i in rows[wall].tolist():
                value = float(parameter.link.inverse(theta[i, j]))
                said[i] = said[i] or (
                    f"the likelihood ends at {parameter.name} = {value:.6g}: {beyond} it some rows are impossible, and "
                    "it rises up to there; such an end has no zero gradient to certify a maximum by, and no standard "
                    "error"
                )
    return said


def _unidentified(family: Family, silent: NDArray[np.bool_], edges: list[Edge]) -> str:
    """That some parameters have no effect, and where the others are that are the cause."""
    lost = [p.name for p, none in zip(family.parameters, silent, strict=True) if none]
    has, they = ("has", "it is") if len(lost) == 1 else ("have", "they are")
    effect = f"{' and '.join(lost)} {has} no effect on the likelihood: {they} not identified by these data"
    effect += "; fewer components fit them as well" if any(name.startswith("weight_") for name in family.names) else ""
    held = " and ".join(f"{name} = {value:g}" for name, value, _ in edges)
    return f"{held} {'lies' if len(edges) == 1 else 'lie'} on the boundary, where {effect}" if held else effect


def _heading(family: Family, theta: Array, step: Array, scale: Array) -> NDArray[np.int8]:
    """The end of its range that each score (G, k) runs off to, were it to run off: -1 or 1.

    Newton's step points there, but on a ridge it is mostly rounding error. A score that has come far, or a parameter
    with one limit only, tells it better.
    """
    limits = np.array([bool(p.limit) - bool(p.limit_below) for p in family.parameters], dtype=int)
    far = np.abs(theta) > FAR + _units(family, scale)
    side = np.where(limits != 0, limits, np.sign(np.where(step != 0, step, theta)))
    return np.where(far, np.sign(theta), side).astype(np.int8)


def _falling(
    objective: Objective | None, solution: Solution, running: NDArray[np.bool_], side: NDArray[np.int8]
) -> NDArray[np.int8]:
    """The sides (G, k) with those turned round where the nll rises and on the other side does not.

    Where the likelihood is flat for an end that is far away still, Newton's step is rounding error too.
    """
    side = side.copy()
    if objective is None:
        return side
    for j in range(side.shape[1]):
        rows = np.flatnonzero(running[:, j] & np.isfinite(solution.sums.value))
        if not rows.size:
            continue
        change = []
        for way in (1, -1):
            trial = solution.theta[rows].copy()
            trial[:, j] = np.clip(trial[:, j] + way * AWAY * side[rows, j], -BOUND, BOUND)
            change.append(objective.value(trial, rows) - solution.sums.value[rows])
        wrong = ~(change[0] < FALLEN) & (change[1] < LEVEL)
        side[rows[wrong], j] *= -1
    return side


def _misjudged(objective: Objective, solution: Solution, free: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Problems (G,) whose second differences are not those of the likelihood: it does not rise as they say.

    Differences taken across the edge of what can be computed are huge, and make any gradient look small. `free` (G, k)
    tells the scores to look at.
    """
    theta, sums = solution.theta, solution.sums
    lost = np.zeros(len(theta), dtype=bool)
    for j in range(theta.shape[1]):
        rows = np.flatnonzero(free[:, j] & np.isfinite(sums.value))
        for way in (1, -1) if rows.size else ():
            trial = theta[rows].copy()
            trial[:, j] += way / np.sqrt(sums.hessian[rows, j, j])
            lost[rows] |= np.abs(objective.value(trial, rows) - sums.value[rows]) < BENT
    return lost


def _beyond(family: Family, theta: Array, scale: Array) -> NDArray[np.bool_]:
    """Which scores (G, k) have come so far towards a limit of the family that it is indistinguishable from it."""
    above = np.array([bool(p.limit) and np.isfinite(p.link.step) for p in family.parameters], dtype=bool)
    below = np.array([bool(p.limit_below) and np.isfinite(p.link.step) for p in family.parameters], dtype=bool)
    return (np.abs(theta) > BEYOND + _units(family, scale)) & np.where(theta > 0, above, below)


def _units(family: Family, scale: Array) -> Array:
    """What the units of the data can add to a score, (G, k): nothing to a shape."""
    moved = np.array([p.name in UNITS for p in family.parameters], dtype=bool)
    return np.where(moved, np.abs(np.log(np.where((scale > 0) & np.isfinite(scale), scale, 1.0)))[:, None], 0.0)


Edge = tuple[str, float, str]  # parameter, the value at that end of its domain, what the family becomes there


def _edges(family: Family, edge: NDArray[np.int8]) -> list[Edge]:
    found = []
    for parameter, side in zip(family.parameters, edge, strict=True):
        if side > 0:
            found.append((parameter.name, parameter.link.upper, parameter.limit))
        elif side < 0:
            found.append((parameter.name, parameter.link.lower, parameter.limit_below))
    return found


def _no_edges(family: Family, theta: Array) -> list[Edge]:
    """Boundary parameters of a family whose parameters are not its scores, such as a label never seen."""
    values = family.inverse(theta[:, None])[:, 0]
    found: list[Edge] = []
    for parameter, value in zip(family.parameters, values, strict=True):
        if value < 1e-100 or value > 1 - 1e-15:
            found.append((parameter.name, float(round(value)), ""))
    return found


def interior(family: Family, solution: Solution, last: Array | float = 0.0) -> NDArray[np.bool_]:
    """Which problems ended at a maximum away from the cliffs of the likelihood, (P,); `last` as the solver had it."""
    theta, hessian = solution.theta, solution.sums.hessian
    found = np.isfinite(solution.sums.value) & (solution.decrement <= np.maximum(last, GRADIENT))
    for j, parameter in enumerate(family.parameters):
        if parameter.name in family.cliffs:
            found &= parameter.link.inverse(theta[:, j]) > family.cliffs[parameter.name] + EDGE
    return np.asarray(found & curved(hessian))


def curved(hessian: Array) -> NDArray[np.bool_]:
    """(P,) whether an information (P, p, p) is positive definite, scaled to a unit diagonal."""
    diagonal = np.einsum("ijj->ij", hessian)
    positive = diagonal > 0
    with np.errstate(all="ignore"):
        scale = np.where(positive, 1 / np.sqrt(np.where(positive, diagonal, 1.0)), 1.0)
        scaled = hessian * scale[:, :, None] * scale[:, None, :]
    lowest = np.linalg.eigvalsh(np.where(np.isfinite(scaled), scaled, 0.0)).min(axis=1, initial=np.inf)
    return np.asarray(positive.all(axis=1) & (lowest > FLAT))


def beyond_all(family: Family, y: Array) -> NDArray[np.bool_]:
    """Which rows (n,) are known to lie above a value and no more: where all do, nothing happened that was seen."""
    if not family.censored:
        return np.zeros(y.shape[-1], dtype=bool)
    from mlefit.families.censored import OPEN_ABOVE

    return np.asarray(family.kinds(y) == OPEN_ABOVE)


def over_cliff(family: Family, scores: Array) -> str:
    """Why a fit whose scores (k,) or, of rows, (k, n) are at a cliff of the likelihood is none, "" elsewhere."""
    for parameter, score in zip(family.parameters, scores, strict=True):
        cliff = family.cliffs.get(parameter.name)
        if cliff is not None and np.min(parameter.link.inverse(score)) < cliff + EDGE:
            return (
                f"the likelihood of {family.name} is unbounded as {parameter.name} falls to {cliff:g}, and these data "
                "drive it there; no maximum-likelihood estimate exists"
            )
    return ""


def _climbing(family: Family, theta: Array) -> str:
    """Why a fit that has not arrived is on its way to an infinite likelihood, or out of the family, "" elsewhere."""
    core = family
    while hasattr(core, "base"):
        core = core.base
    for parameter, score in zip(family.parameters, theta, strict=True):
        if parameter.name in core.summits and score > STEEP:
            return (
                f"the likelihood of {family.name} is unbounded as {parameter.name} grows and "
                f"{core.summits[parameter.name]}, and these data drive it there; no maximum-likelihood estimate exists"
            )
        # Of rows known in part the likelihood may have a bound there, but the family ends all the same.
        end = core.cliffs.get(parameter.name)
        if family.censored and end is not None and parameter.link.inverse(score) < end + EDGE:
            return (
                f"{parameter.name} falls to {end:g}, the least that {family.name} takes, and the likelihood rises "
                "there still: no maximum was found; try another family"
            )
    return ""


def _stuck(family: Family, edge: NDArray[np.int8], rising: NDArray[np.bool_]) -> str:
    """Why the end of a parameter's range is none of the likelihood's maxima, "" where it may be.

    `edge` (k,) is -1 or 1 where a score has come to that end, `rising` (k,) tells where the likelihood changes still.
    """
    for parameter, side, more in zip(family.parameters, edge, rising, strict=True):
        end = parameter.link.upper if side > 0 else parameter.link.lower
        if not side or np.isinf(end):
            continue
        if more:
            return (
                f"{parameter.name} has come as near to {end:g} as can be computed, and the likelihood of "
                f"{family.name} rises there still: no maximum was found"
            )
        width = parameter.name.split("_")[0] in WIDTHS and not family.discrete
        if width and side < 0 and not parameter.limit_below:
            return (
                f"{parameter.name} falls to {end:g}, where nothing is left of {family.name} but a spike on one value; "
                "no maximum-likelihood estimate exists"
            )
    return ""


def _lost(family: Family, side: Array) -> str:
    """Why a search came to no end, "" where it did; `side` (k,) tells in which direction each score went."""
    for parameter, way in zip(family.parameters, side, strict=True):
        if way:
            end = parameter.link.upper if way > 0 else parameter.link.lower
            far = f"far {parameter.name} goes {'up' if way > 0 else 'down'}"
            where = f"near {parameter.name} comes to {end:g}" if np.isfinite(end) else far
            limit = parameter.limit if way > 0 else parameter.limit_below
            said = f"{parameter.name} has no estimate: the likelihood of {family.name} does not fall, however {where}"
            return f"{said}; there it becomes {limit}: fit that instead" if limit else said
    return ""


def _cause(lost: bool, constant: bool, scale: float, count: int) -> str:
    """What makes the likelihood unbounded, "" where it is not."""
    if not lost:
        return ""
    if count == 1:
        return "there is one value only"
    if not constant:
        return "the density has shrunk to a spike"
    return "all values are 0" if scale == 0 else "all values are equal"


def _explain(
    family: Family, cause: str, finite: bool, arrived: bool, positive: bool, edges: list[Edge]
) -> tuple[str, tuple[str, ...]]:
    """Why there is no maximum ("" where there is one), and the sentences to print."""
    if cause:
        problem = f"the likelihood of {family.name} is unbounded: {cause}; no maximum-likelihood estimate exists"
        return problem, (problem,)
    if not finite:
        problem = _nowhere(family)
        return problem, (problem,)
    said = []
    problem = ""
    for name, value, limit in edges:
        what = f", where {family.name} becomes {limit}" if limit else ""
        if np.isinf(value):
            end = "infinity" if value > 0 else "minus infinity"
            sentence = f"{name} runs off to {end}{what}: the likelihood has no maximum in {name}"
            sentence += f"; fit {limit} instead" if limit and not limit.startswith("a ") else ""
            problem = problem or sentence
            said.append(sentence)
        else:
            said.append(f"{name} = {value:g} lies on the boundary{what}: no standard error exists{REMEDY}")
    if not problem and family.truncated and (edges or not (positive and arrived)):
        problem = (
            f"under truncation the likelihood of {family.name} keeps rising as its parameters run off: what was seen "
            "of the distribution does not tell where its middle lies, so no maximum-likelihood estimate exists"
        )
        said.append(problem)
    elif not problem and not positive:
        problem = (
            "the observed information is not positive definite: the likelihood is flat along a ridge, "
            "so the parameters are not identified by these data"
        )
        said.append(problem)
    elif not problem and not arrived:
        problem = "the solver stopped before the gradient vanished: the estimates are not a maximum"
        said.append(problem)
    return problem, tuple(said)


def _nowhere(family: Family) -> str:
    """What to say where no point has a likelihood; most often a parameter is held where the data cannot be."""
    held = " and ".join(f"{name} = {value:g}" for name, value in family.fixed.items())
    if not held:
        return f"the likelihood of {family.name} is not finite at any point the solver could reach"
    if not family.size:
        return f"with {held} these data are impossible under {family.name}: the likelihood is 0"
    return (
        f"with {held} held, no value of {' and '.join(family.names)} was found at which {family.name} gives these data "
        "any probability"
    )


def _invert(matrix: Array, regular: NDArray[np.bool_]) -> tuple[Array, Array, Array]:
    """Inverses (G, k, k) on the regular coordinates, smallest scaled eigenvalue and condition number (G,)."""
    count, size = regular.shape
    if size == 0:
        return np.zeros((count, 0, 0)), np.ones(count), np.ones(count)
    diagonal = np.einsum("ijj->ij", matrix)
    scale = np.where(regular, 1 / np.sqrt(np.where(regular, diagonal, 1.0)), 1.0)
    keep = regular[:, :, None] & regular[:, None, :]
    scaled = np.where(keep, matrix * scale[:, :, None] * scale[:, None, :], np.eye(size))
    scaled = np.where(np.isfinite(scaled), scaled, 0.0)
    values, vectors = np.linalg.eigh(scaled)
    safe = np.where(np.abs(values) > 1e-300, values, 1e-300)
    inverse = np.einsum("ijk,ik,ilk->ijl", vectors, 1 / safe, vectors) * scale[:, :, None] * scale[:, None, :]
    lowest = values[:, 0]
    return inverse, lowest, np.where(lowest > 0, values[:, -1] / np.where(lowest > 0, lowest, 1.0), np.nan)


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
