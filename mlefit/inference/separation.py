"""Whether a regression has a maximum: separation, parameters that run off, exact fits, each said by name.

A direction of little information is followed out to where scores mean a boundary. Where the likelihood has not fallen
by then it never will: the columns that make up the direction separate the outcomes (Albert and Anderson 1984).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mlefit.families.links import BOUND, Array
from mlefit.families.reparameterised import modelled, root
from mlefit.inference.certificate import (
    BEYOND,
    CERTAINTY,
    EVENTLESS,
    FLAT,
    GRADIENT,
    SPIKE,
    Certificate,
    beyond_all,
    over_cliff,
)
from mlefit.inference.linear_ends import Placed, short
from mlefit.inference.linear_model import Problem, links_bounded, spiked, term_names
from mlefit.inference.recession import undetermined
from mlefit.inference.result import number
from mlefit.sample import Sample
from mlefit.solvers.solution import Solution

FAR: Final = 30.0  # change of a log or logit score that no data could tell from infinity
SHARED: Final = 1e-9  # NLL per row that is 0: one distribution gives every row its whole probability
CERTAIN: Final = 1e-3  # NLL per row that is on its way to 0
NEAR: Final = 0.05  # of the mean distance from the end of a domain, the least one that is at the end
PLACES: Final = ("loc", "mu", "mean", "scale", "rate")  # parameters that say where values lie
SLACK: Final = 1e-4  # of the NLL, by which it may differ where a parameter comes to its limit as fast as 1/parameter
FAINT: Final = 1e-4  # information in a direction, relative to the largest, that asks for a closer look


@dataclass(frozen=True, eq=False)
class Verdict:
    certificate: Certificate
    warnings: tuple[str, ...]
    lost: NDArray[np.bool_]  # (K,) coefficients that run off
    direction: Array  # (K,) which way; NaN where a coefficient is not determined
    steep: bool = False  # a parameter runs off to a limit at which the likelihood of the others has ends
    blind: bool = False  # whether there is a maximum, but no information to tell errors by


def judge(problem: Problem, solution: Solution, total: float, placed: Placed | None = None) -> Verdict:
    """Whether the point is a maximum; what runs off, by name. `placed` are scores at ends and kinks."""
    family, hessian = problem.family, _informed(problem, solution)
    size = hessian.shape[0]
    lost, direction = np.zeros(size, dtype=bool), np.zeros(size)
    decrement = max(float(solution.decrement[0]), placed.excess if placed else 0.0)
    if not size:
        return Verdict(Certificate(0.0, True, None), (), lost, direction)
    diagonal = np.diag(hessian)
    scale = 1 / np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
    with np.errstate(all="ignore"):
        scaled = np.clip(np.nan_to_num(hessian * scale[:, None] * scale), -1e6, 1e6)
    values = np.linalg.eigvalsh(scaled)
    positive = bool((diagonal > 0).all() and values[0] > FLAT)
    blind = False
    if placed and placed.firm is not None:  # the likelihood's own curvature is known, beside kinks that have none
        blind, positive = not positive, placed.firm
    condition = float(values[-1] / values[0]) if values[0] > 0 else None
    spike = False
    if reason := spiked(problem, solution.theta[0]):
        sentence = f"the likelihood of {family.name} is unbounded: {reason}; no maximum-likelihood estimate exists"
        return Verdict(Certificate(number(decrement), False, None, (), sentence), (sentence,), lost, direction)
    if not family.discrete:
        centre = family.central(problem.sample.y)
        wide = float(np.abs(centre).max()) or 1.0
        height = -float(solution.sums.value[0]) / total + np.log(wide)
        spike = bool(height > SPIKE)
    if spike:
        sentence = (
            f"the likelihood of {family.name} is unbounded: the predictors fit every row exactly, so its spread runs "
            "to 0; no maximum-likelihood estimate exists"
        )
        return Verdict(Certificate(number(decrement), False, None, (), sentence), (sentence,), lost, direction)
    if family.cliffs:
        scores = problem.objective.predictor.scores(solution.theta, problem.sample)[:, 0]
        if over := over_cliff(family, scores):
            return Verdict(Certificate(number(decrement), False, None, (), over), (over,), lost, direction)
    if placed and placed.far is not None and (verdict := _without_end(problem, solution, placed, total)):
        return verdict
    said: list[str] = []
    edge: list[str] = []
    trouble = ""
    runaways = _merged(problem, _runaways(problem, solution))
    away = [] if runaways else _limits(problem, solution, positive and decrement <= GRADIENT)
    for runaway in [*runaways, *away]:
        sentence, fatal, names = _said(problem, runaway, solution)
        lost |= runaway.lost
        direction = np.where(runaway.lost, runaway.change, direction)
        said += [sentence] if sentence not in said else []
        edge += [name for name in names if name not in edge]
        trouble = trouble or (sentence if fatal else "")
    if placed and not trouble and (fallen := short(problem, solution.theta[0])):
        said, trouble = [*said, fallen], fallen
    moving = bool(placed and placed.joint) and not decrement <= GRADIENT  # then its curvature says nothing
    if not trouble and not positive and not moving and not lost.any():
        trouble = (
            "the observed information is not positive definite: the likelihood is flat along a ridge, so the "
            "coefficients are not identified by these data"
        )
        said.append(trouble)
    elif not trouble and not lost.any() and not decrement <= GRADIENT:
        trouble = _stopped(problem, solution)
        if placed and placed.open:
            trouble = (
                f"the likelihood of {family.name} rises up to coefficients at which some rows are impossible, as rows "
                "that are known to lie within their limits only can be: no maximum-likelihood estimate exists"
            )
        said.append(trouble)
    if (trouble or edge) and beyond_all(family, problem.sample.y).all():
        said, trouble = [EVENTLESS], EVENTLESS
    none = np.zeros(size, dtype=bool)
    bounded = np.repeat(links_bounded(family), [part.stop - part.start for part in problem.slices])
    if trouble and lost.any() and bounded[lost].all():
        none, signs = undetermined(problem, solution.theta[0], lost)
        lost |= none | (signs != 0)
        direction = np.where(none, np.nan, np.where(signs != 0, signs, direction))
        said += [_free(problem, none)] if none.any() else []
    certificate = Certificate(number(decrement), positive and not lost.any(), condition, tuple(edge), trouble)
    if blind and not trouble:
        said.append(
            "the products of the gradient, which stand for the information where the likelihood has kinks, are "
            "singular in these rows: no standard errors; ask for --interval profile"
        )
    return Verdict(certificate, tuple(said), lost, direction, bool(away), blind)


def _without_end(problem: Problem, solution: Solution, placed: Placed, total: float) -> Verdict | None:
    """Where irregular scores can go on without end while the likelihood does not fall; None where they cannot."""
    family, size = problem.family, problem.step.size
    assert placed.far is not None, "asked of scores that were sought together"
    known = family.exact(problem.sample.y).any()  # the density of a value can be any number
    if family.censored and not family.truncated and not known and float(solution.sums.value[0]) < SHARED * total:
        unseen = beyond_all(family, problem.sample.y).all()
        gone, sentence = np.ones(size, dtype=bool), EVENTLESS if unseen else CERTAINTY
    elif placed.far.any():
        gone = np.zeros(size, dtype=bool)
        for part, matrix in zip(problem.slices, problem.designs, strict=True):
            back = np.asarray(matrix.back, dtype=float)
            moved, most = np.abs(back @ placed.far[part]), np.abs(back) @ np.abs(placed.far[part])
            gone[part] = moved > np.maximum(1e-6 * most, 1e-9 * max(float(moved.max(initial=0.0)), 1e-300))
        names = [name for name, lost in zip(term_names(problem)[0], gone, strict=True) if lost]
        shown = ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
        sentence = (
            f"the likelihood of {family.name} does not fall, however far {shown} go{'es' if len(names) == 1 else ''}: "
            "some rows, such as those of a level without any event, do not tell where they lie, so no maximum-"
            "likelihood estimate exists; leave the term out or merge levels"
        )
    else:
        return None
    certificate = Certificate(number(float(solution.decrement[0])), False, None, (), sentence)
    return Verdict(certificate, (sentence,), gone, np.where(gone, np.nan, 0.0))


def _gram(problem: Problem) -> Array:
    gram = np.zeros((problem.step.size, problem.step.size))
    for part, matrix in zip(problem.slices, problem.designs, strict=True):
        gram[part, part] = matrix.gram
    return gram


def _informed(problem: Problem, solution: Solution) -> Array:
    """The Hessian (p, p), with an ordinary one for ends of the likelihood, which have none and are none to worry of."""
    hessian, ends = solution.sums.hessian[0], problem.uninformed
    if not ends.any():
        return hessian
    weight = problem.sample.total_weight[0]
    return np.where(ends[:, None] & ends, weight * _gram(problem), np.where(ends[:, None] | ends, 0.0, hessian))


def _free(problem: Problem, none: NDArray[np.bool_]) -> str:
    """What to say of coefficients that are not determined."""
    names = [name for name, free in zip(term_names(problem)[0], none, strict=True) if free]
    shown = ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
    are, each = ("is", "it") if len(names) == 1 else ("are", "each")
    return f"{shown} {are} not determined: beside what runs off, {each} can have any value at the same likelihood"


def _stopped(problem: Problem, solution: Solution) -> str:
    """Why the solver stopped: a link that does not keep a parameter in its domain, or no reason known."""
    family = problem.family
    if family.size == len(family.parameters):
        own = {parameter.name: parameter.link for parameter in modelled(root(family)).parameters}
        with np.errstate(all="ignore"):
            scores = problem.objective.predictor.scores(solution.theta, problem.sample)[:, 0]
            values = [np.asarray(p.link.inverse(s)) for p, s in zip(family.parameters, scores, strict=True)]
        for parameter, value in zip(family.parameters, values, strict=True):
            name, link, native = parameter.name, parameter.link, own[parameter.name]
            for end, side, free in ((native.lower, 1, link.lower), (native.upper, -1, link.upper)):
                slack = side * (value - end)
                if np.isfinite(end) and free != end and slack.min() < NEAR * slack.mean():
                    return (
                        f"{name} comes to {end:g} in some rows, the end of what {family.name} allows, and the "
                        f"{link.name} link does not keep it {'above' if side > 0 else 'below'}: the solver stopped "
                        f"there, and the estimates are not a maximum; use --link {name}={native.name} or other terms"
                    )
    return "the solver stopped before the gradient vanished: the estimates are not a maximum"


@dataclass(frozen=True, eq=False)
class _Runaway:
    """A direction in which the likelihood never falls: which coefficients move, and how the scores of rows do."""

    lost: NDArray[np.bool_]
    change: Array  # (K,) of the coefficients
    shift: Array  # (k, n) of the scores


def _runaways(problem: Problem, solution: Solution) -> list[_Runaway]:
    """Directions of little information along which the NLL goes on falling, out to where scores mean a boundary."""
    hessian, theta = _informed(problem, solution), solution.theta[0]
    size = theta.size
    weight = problem.sample.total_weight[0]
    half = np.linalg.inv(np.linalg.cholesky(_gram(problem)))
    far, unit = _lengths(problem, half, hessian)
    for part, one in zip(problem.slices, unit, strict=True):
        half[part] *= one
    with np.errstate(all="ignore"):
        values, vectors = np.linalg.eigh(np.nan_to_num(half @ hessian @ half.T))
    limit = FAINT * max(float(np.abs(values).max()), float(weight))
    found: list[_Runaway] = []
    zero = np.zeros(1, dtype=np.intp)
    level = float(solution.sums.value[0])
    for value, vector in zip(values, vectors.T, strict=True):
        if value > limit:
            break
        move = half.T @ vector
        move[np.abs(move) < 1e-7 * np.abs(move).max()] = 0
        shift = problem.objective.predictor.scores(move[None], Sample(problem.sample.y, x=problem.sample.x))[:, 0]
        shift = np.stack([row / one for row, one in zip(shift, unit, strict=True)])
        reach = max((float(np.abs(s).max()) for s, counts in zip(shift, far, strict=True) if counts), default=0.0)
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
        for part, matrix, one in zip(problem.slices, problem.designs, unit, strict=True):
            share = np.abs(change[part]) / one * np.sqrt(np.mean(matrix.x**2, axis=0))
            moved[part] = share > 1e-3 * FAR / 10
        found.append(_Runaway(moved, change, shift))
    return found


def _lengths(problem: Problem, half: Array, hessian: Array) -> tuple[list[bool], list[float]]:
    """Of every score, whether a long way along it is a boundary, and a length that data can tell from none.

    Of logarithms and logits that is 1. Of a location it is what one row knows it to: the further it goes, the surer is
    a row that is censored or truncated on that side.
    """
    far, unit = list(links_bounded(problem.family)), [1.0] * len(problem.slices)
    if problem.family.size != len(problem.family.parameters):
        return far, unit
    weight = float(problem.sample.total_weight[0])
    for j, (part, parameter) in enumerate(zip(problem.slices, problem.family.parameters, strict=True)):
        if far[j] or parameter.name not in PLACES or problem.irregular[part].any() or part.start == part.stop:
            continue
        block = half[part, part] @ hessian[part, part] @ half[part, part].T
        with np.errstate(all="ignore"):
            most = float(np.abs(np.linalg.eigvalsh(np.nan_to_num(block))).max())
        if most > 0:
            far[j], unit[j] = True, float(np.sqrt(weight / most))
    return far, unit


def _limits(problem: Problem, solution: Solution, sound: bool) -> list[_Runaway]:
    """Constants that have gone to where the family is its limit, as no direction of little information shows.

    A shape that is no logarithm comes to its limit as slowly as 1/shape. A logarithm may run along a curved ridge with
    others, which is no maximum only where the fit is not `sound`.
    """
    family, theta = problem.family, solution.theta[0]
    if family.size != len(family.parameters):
        return []
    found: list[_Runaway] = []
    level = float(solution.sums.value[0])
    for part, block, parameter, bounded in zip(
        problem.slices, problem.blocks, family.parameters, links_bounded(family), strict=True
    ):
        j = part.start
        if not block.plain or not (parameter.limit if theta[j] > 0 else parameter.limit_below):
            continue
        if abs(theta[j]) < (BEYOND if bounded else BOUND) or (bounded and sound):
            continue
        further = theta.copy()
        further[j] *= 10
        ahead = float(problem.objective.value(further[None], np.zeros(1, dtype=np.intp))[0])
        if bounded or ahead <= level + SLACK * abs(level):
            moved = np.arange(theta.size) == j
            found.append(_Runaway(moved, moved * theta[j], np.zeros((family.size, 1))))
    return found


def _columns(problem: Problem, runaway: _Runaway) -> list[str]:
    """The columns that make up a direction, by name; what has none by its parameter's."""
    names, terms = term_names(problem)
    moved = np.flatnonzero(runaway.lost)
    columns = [terms[j][1] for j in moved if terms[j][1] not in ("", "Intercept")]
    return list(dict.fromkeys(columns or [terms[j][1] or names[j] for j in moved]))


def _merged(problem: Problem, runaways: list[_Runaway]) -> list[_Runaway]:
    """Directions of the same columns as one, such as those of several labels."""
    found: dict[tuple[str, ...], _Runaway] = {}
    for one in runaways:
        key = tuple(sorted(_columns(problem, one)))
        if key in found:
            other = found[key]
            change = np.where(other.lost, other.change, one.change)
            one = _Runaway(other.lost | one.lost, change, np.maximum(np.abs(other.shift), np.abs(one.shift)))
        found[key] = one
    return list(found.values())


def _limit(problem: Problem, name: str, up: bool) -> str:
    """What the family becomes where a parameter runs off, "" where nothing in particular."""
    parameter = problem.family.parameters[problem.family.names.index(name)]
    return parameter.limit if up else parameter.limit_below


def _said(problem: Problem, runaway: _Runaway, solution: Solution) -> tuple[str, bool, list[str]]:
    """The sentence, whether there is no maximum because of it, and the names it concerns."""
    family = problem.family
    names, terms = term_names(problem)
    moved = [j for j in range(len(names)) if runaway.lost[j]]
    plain = [j for j in moved if not terms[j][1]]
    own = family.size == len(family.parameters) and family.name[:7] != "ordinal"
    if own and len(plain) < len(moved) and all(terms[j][1] in ("", "Intercept") for j in moved):
        # A shape comes to its limit and takes the level of another parameter along, as in lomax.
        ends = [j for j in plain if _limit(problem, terms[j][0], runaway.change[j] > 0)]
        plain, moved = (ends, ends) if ends else (plain, moved)
    if plain and len(plain) == len(moved) and own:
        j = plain[0]
        parameter = family.parameters[family.names.index(terms[j][0])]
        up = runaway.change[j] > 0
        limit = _limit(problem, parameter.name, up)
        end = parameter.link.upper if up else parameter.link.lower
        what = f", where {family.name} becomes {limit}" if limit else ""
        if np.isinf(end):
            advice = f"; fit {limit} instead" if limit and not limit.startswith("a ") else ""
            away = "infinity" if up else "minus infinity"
            return (
                f"{parameter.name} runs off to {away}{what}: the likelihood has no maximum in {parameter.name}{advice}",
                True, [parameter.name],
            )  # fmt: skip
        return (
            f"{parameter.name} = {end:g} lies on the boundary{what}: no standard error exists", False, [parameter.name]
        )  # fmt: skip
    y = family.central(problem.sample.y)
    if family.discrete and (y == y[0]).all():
        return (
            f"the response is {y[0]:g} in every row, so the intercept runs off to infinity: no maximum-likelihood "
            "estimate exists",
            True,
            [names[j] for j in moved],
        )
    columns = _columns(problem, runaway)
    shown = ", ".join(columns[:6]) + (f" and {len(columns) - 6} more" if len(columns) > 6 else "")
    separated = int((np.abs(runaway.shift).max(axis=0) > 1e-3 * FAR).sum())
    n, weight = problem.sample.n, float(problem.sample.total_weight[0])
    kind = f"quasi-complete separation: {separated} of {n} rows"
    if separated == n:  # every row is moved, but only where all become certain are all told apart
        certain = float(solution.sums.value[0]) < CERTAIN * weight
        kind = "complete separation" if certain else "quasi-complete separation"
    many = len(columns) > 1
    off, leave = "s run" if many else " runs", f"leave {'one of them' if many else 'it'} out or merge levels"
    if family.truncated:
        sentence = (
            f"under truncation the likelihood of {family.name} keeps rising as the coefficient{'s' * many} of {shown} "
            f"run{'s' * (not many)} off to infinity: what was seen of the distribution does not tell where its middle "
            "lies, so no maximum-likelihood estimate exists"
        )
    elif family.censored and not family.discrete and separated < n:
        sentence = (
            f"the {separated} of {n} rows that {shown} concern{'s' * (not many)} are all censored on one side, so the "
            f"coefficient{off} off to infinity: no maximum-likelihood estimate exists; {leave}"
        )
    else:
        sentence = (
            f"{shown} predict{'' if many else 's'} some outcomes perfectly ({kind}), so the coefficient{off} off to "
            f"infinity: no maximum-likelihood estimate exists; {leave}"
        )
    return sentence, True, [names[j] for j in moved]
