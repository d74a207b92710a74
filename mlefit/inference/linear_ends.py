"""Irregular scores of a regression: those whose maximum is at kinks or ends of the likelihood, not at a zero gradient.

Given the other scores their best linear predictors are linear programmes, solved exactly: where the likelihood of a row
is linear on both sides of a number (`Family.bend`), least absolute deviations are the case of two equal slopes
(Koenker and Bassett 1978) and a frontier that of an end (Aigner and Chu 1968; Schmidt 1976); where rows are equally
likely within a band (`Family.band`), its middle is Chebyshev's line. Solving for these and for the regular scores in
turn comes to a point from which no direction rises, since the likelihood's directional derivatives add (Tseng 2001,
theorem 4.1).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from mlefit.errors import DataError, LackingError, UsageError
from mlefit.families import registry
from mlefit.families.links import Array
from mlefit.families.reparameterised import root
from mlefit.inference.linear_kinks import holds, searched
from mlefit.inference.linear_model import Problem
from mlefit.solvers.linear_programme import Vertex, least, narrowest

SAME: Final = 1e-12
WIDER: Final = (0.0, 2.0, 8.0, 32.0, 128.0, 512.0, 4096.0)  # roundings by which an end leaves the rows that it touches
LEAST: Final = 1e-19  # of the data's size, which stands for a width of 0

Bend = tuple[Array, Array, Array]


@dataclass(frozen=True, eq=False)
class Placed:
    """Irregular scores where they are best, given the others.

    Attributes:
        theta: (p,) all coordinates.
        moved: whether any of them is elsewhere than before.
        excess: see `Vertex`; the largest of all programmes.
        level: parameters some other coefficients of which are as good.
        steps: of the simplex method, since the first placing.
        slopes: what was solved for each parameter, (2, n).
        certain: False where another maximum may be higher.
        firm: whether the likelihood falls, or is level, in every direction; None where they were not sought together
            with the others.
        far: (p,) a direction in which the likelihood never falls, 0 for none; None where it was not looked for.
        open: whether the likelihood rises up to where rows become impossible, without a maximum.
    """

    theta: Array
    moved: bool = True
    excess: float = 0.0
    level: tuple[str, ...] = ()
    steps: int = 0
    slopes: dict[str, Array] = field(default_factory=dict)
    certain: bool = True
    firm: bool | None = None
    far: Array | None = None
    open: bool = False

    @property
    def joint(self) -> bool:
        """Whether they were sought together with the others."""
        return self.firm is not None


def check(problem: Problem) -> None:
    """Refuse an irregular parameter with a formula of which no programme finds the maximum.

    Raises:
        UsageError: it has one; the sentence says why, and what to do.
    """
    family = problem.family
    for j in irregular(problem):
        block, name = problem.blocks[j], family.names[j]
        if block.constant:
            continue
        if family.band and name == family.band[1]:
            raise UsageError(
                f"a {name} of {family.name} that varies from row to row leaves many local maxima, of which no method "
                f"is sure to find the highest; leave its formula out: one {name} for all rows"
            )
        if family.band or together(problem):
            continue
        if family.discrete and len(np.unique(block.x, axis=0)) > block.x.shape[1]:
            raise UsageError(
                f"{name} of {family.name} is a whole number, which a linear predictor gives only where every distinct "
                "row of its columns has a coefficient of its own, as C(group) gives each group one; take --dist uniform"
            )
        try:
            _bend(problem, np.zeros((family.size, problem.sample.n)), j)
        except LackingError as error:
            near = family.name.removeprefix("scipy:")
            other = f", or take --dist {near}" if near != family.name and near in registry.BUILT_IN else ""
            raise UsageError(f"{error}{other}") from error


def predicted(problem: Problem) -> list[str]:
    """The irregular parameters that have a linear predictor."""
    return [problem.family.names[j] for j in irregular(problem) if not problem.blocks[j].constant]


def irregular(problem: Problem) -> list[int]:
    """Which scores are irregular."""
    family = problem.family
    if family.size != len(family.parameters):
        return []
    return [j for j, name in enumerate(family.names) if name in family.irregular]


def together(problem: Problem) -> bool:
    """Whether all scores are to be sought together, for no programme places the irregular ones alone.

    Constants of rows known in part are those of `estimate`, where a middle and a width are free or both held.
    """
    family = problem.family
    if not irregular(problem) or root(family).aside is None:
        return False
    known_in_part = family.censored or family.truncated
    if root(family).aside:  # no programme knows its slopes, and it is too slow for rows known in part
        return not known_in_part
    if not known_in_part:
        return False
    if family.band and set(family.band) & set(family.fixed):
        return True
    return not all(block.constant and block.base is None for block in problem.blocks)


def sought(problem: Problem, theta: Array) -> Placed:
    """All scores where they are best, found together from those of constants, `theta` (p,).

    Raises:
        DataError: no coefficients give every row a likelihood.
    """
    found = searched(problem, theta)
    return Placed(
        found.theta, True, found.excess, found.level, found.steps,
        certain=found.certain, firm=found.firm, far=found.far, open=found.open,
    )  # fmt: skip


def place(problem: Problem, theta: Array, before: Placed | None = None) -> Placed:
    """The best irregular scores given the others in `theta` (p,); `before` is where they were placed last.

    Raises:
        DataError: no coefficients give every row a likelihood.
    """
    family, result = problem.family, theta.copy()
    excess, level, steps = 0.0, [], before.steps if before else 0
    slopes: dict[str, Array] = {}
    moved = before is None
    if family.band and (family.censored or family.truncated):  # constants, at their start
        return Placed(result, before is None)
    if family.band and set(family.band) & set(family.irregular):
        if before is not None:
            return Placed(theta, False, before.excess, before.level, before.steps)
        vertex, named = _banded(problem, result)
        return Placed(result, True, vertex.excess, named, vertex.iterations)
    for j in irregular(problem):
        block, part = problem.blocks[j], problem.slices[j]
        eta = problem.objective.predictor.scores(result[None], problem.sample)[:, 0]
        try:
            knot, below, above = _bend(problem, eta, j)
        except LackingError:  # a constant, at its start whatever the others are
            continue
        known = slopes[block.parameter] = _scaled(below, above)
        last = before.slopes.get(block.parameter) if before else None
        if before and last is not None and np.allclose(known, last, rtol=SAME, atol=0):
            excess = max(excess, before.excess)
            level += [block.parameter] if block.parameter in before.level else []
            continue
        vertex = least(problem.designs[j].z, knot, below, above)
        if not vertex.feasible:
            raise DataError(
                f"no coefficients of {block.parameter} leave every row possible under {family.name}: add an intercept"
            )
        steps += vertex.iterations
        excess = max(excess, vertex.excess)
        level += [] if vertex.unique else [block.parameter]
        if before is None or not np.allclose(vertex.beta, theta[part], rtol=SAME, atol=SAME):
            result[part], moved = vertex.beta, True
            if not np.isfinite(below + above).all():
                result[part] = _withdrawn(problem, result, j, knot, below, above)
    return Placed(result, moved, excess, tuple(level), steps, slopes)


def short(problem: Problem, theta: Array) -> str:
    """Why an irregular constant that no programme places is not at its best, "" where it is as far as a step tells."""
    zero = np.zeros(1, dtype=np.intp)
    level = float(problem.objective.value(theta[None], zero)[0])
    for j in irregular(problem):
        if problem.family.band:
            break
        try:
            _bend(problem, problem.objective.predictor.scores(theta[None], problem.sample)[:, 0], j)
        except LackingError:
            place = problem.slices[j].start
            for side in (-1.0, 1.0):
                trial = theta.copy()
                trial[place] += side * 1e-6 * max(1.0, abs(theta[place]))
                if problem.objective.value(trial[None], zero)[0] < level - SAME * max(1.0, abs(level)):
                    name = problem.blocks[j].parameter
                    return (
                        f"the likelihood of {problem.family.name} rises still with {name}, whose estimate at an end or "
                        f"a kink of it depends on the other coefficients: the estimates are not a maximum; hold {name} "
                        f"by --fix"
                    )
    return ""


def notes(problem: Problem, placed: Placed, blind: bool = False) -> tuple[str, ...]:
    """What a user must know of estimates at ends and kinks; `blind`: there is no information to tell errors by."""
    family = problem.family
    said: dict[str, None] = {}
    if placed.joint:
        names = predicted(problem) or [family.names[j] for j in irregular(problem)]
        said[
            f"{' and '.join(names)} {'was' if len(names) == 1 else 'were'} sought among the kinks and ends of the "
            "likelihood, and between them"
            + (
                ", hence no standard errors"
                if not set(names) & family.informative
                else ""
                if blind
                else "; standard errors are from the Fisher information (products of the gradient)"
            )
        ] = None
    if not placed.certain:
        said[
            "the likelihood can have several maxima: this is the highest from several starts, and no direction from it "
            "rises; that none is higher elsewhere is not proven"
        ] = None
    for j in irregular(problem):
        block = problem.blocks[j]
        name = block.parameter
        if placed.joint:
            break
        if block.constant or family.band:
            said[family.irregular_note] = None
        elif name in family.informative:
            said[
                f"{name} is fitted by least absolute deviations, at kinks of the likelihood; its standard errors are "
                "from the Fisher information"
            ] = None
        else:
            said[f"{name} is a frontier through rows at which the likelihood ends, hence no standard errors"] = None
    for name in placed.level if placed.far is None or not placed.far.any() else ():
        said[
            f"the maximum is not unique: other coefficients of {name} have the same likelihood, and these are "
            + ("some of them" if placed.joint else "the middle of them")
        ] = None
    return tuple(said)


# -- the steps ------------------------------------------------------------------------------------------------------


def _bend(problem: Problem, eta: Array, j: int) -> Bend:
    """As `Family.bend` of score j, less the known additions, weighted."""
    sample, block = problem.sample, problem.blocks[j]
    with np.errstate(all="ignore"):
        knot, below, above = problem.family.bend(block.parameter, sample.y, eta)
    if block.base is not None:
        knot = knot - block.base
    if sample.weight is not None:
        below, above = below * sample.weight, above * sample.weight
    return knot, below, above


def _scaled(below: Array, above: Array) -> Array:
    """Slopes as shares of their mean, which is all that the solution depends on."""
    both = np.stack([below, above])
    return np.asarray(both / (both[np.isfinite(both)].mean() or 1.0))


def _banded(problem: Problem, theta: Array) -> tuple[Vertex, tuple[str, ...]]:
    """The narrowest band, its centre and width put into `theta`; and what is not unique."""
    family = problem.family
    assert family.band is not None, "asked of families with a band only"
    centre, width = family.band
    y = family.central(problem.sample.y)
    size = float(np.abs(y).max()) or 1.0
    if centre in family.names:
        j = family.names.index(centre)
        block = problem.blocks[j]
        vertex = narrowest(problem.designs[j].z, y if block.base is None else y - block.base)
        theta[problem.slices[j]] = vertex.beta
    else:
        vertex = Vertex(np.zeros(0), float(np.abs(y - family.fixed[centre]).max()), 0.0, True, 0)
    level = () if vertex.unique else (centre,)
    if width not in family.names:
        held = family.fixed[width]
        if 2 * vertex.value > held * (1 + SAME):
            raise DataError(
                f"with {width} = {held:g} held some rows are impossible: the narrowest band that holds them all is "
                f"{2 * vertex.value:.10g} wide"
            )
        return vertex, level if 2 * vertex.value >= held * (1 - SAME) else (centre,)
    j = family.names.index(width)
    block, part = problem.blocks[j], problem.slices[j]
    if block.base is not None:
        raise UsageError(f"{width} of {family.name} takes neither --offset nor --exposure; leave it out")
    spacing = np.finfo(float).eps * (size + 2 * vertex.value)
    for steps in WIDER:
        score = np.log(max(2 * vertex.value + steps * spacing, LEAST * size))
        theta[part] = score / float(problem.designs[j].z[0, 0])
        if holds(problem, theta):
            break
    return vertex, level


def _withdrawn(problem: Problem, theta: Array, j: int, knot: Array, below: Array, above: Array) -> Array:
    """Coefficients of score j, moved off the rows they touch by as many roundings as leave these possible."""
    part, z = problem.slices[j], problem.designs[j].z
    beta = np.asarray(problem.back @ theta, dtype=float)[part]
    size = float((np.abs(problem.blocks[j].x) @ np.abs(beta) + np.abs(knot)).max())
    rest = knot - z @ theta[part]
    touched = (np.abs(rest) <= 1e-9 * size) & ~np.isfinite(below + above)
    inward = np.linalg.lstsq(z[touched], np.where(np.isinf(above), -1.0, 1.0)[touched], rcond=None)[0]
    trial = theta.copy()
    for steps in WIDER:
        trial[part] = theta[part] + steps * np.finfo(float).eps * size * inward
        if holds(problem, trial):
            return trial[part]
    return theta[part]
