"""Irregular scores of a regression where no single linear programme places them: rows known in part, and the like.

The likelihood of a row is smooth in the score but for kinks, and walls, at the numbers that stand in the row
(`numbers`). These are hyperplanes of the coefficients, all of which, those of regular scores too, are sought together
by `active_set`. Of a log-concave density with one scale the likelihood is log-concave in (coefficients/scale, 1/scale),
whatever is censored (Burridge 1981; Prekopa 1973): where no direction descends is then the maximum. Otherwise there can
be others, so that several starts are made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mlefit.errors import DataError
from mlefit.families.base import Family
from mlefit.families.links import Array
from mlefit.families.reparameterised import native_rows, root
from mlefit.families.wrapped import Wrapped
from mlefit.inference.linear_model import Problem
from mlefit.solvers.active_set import Local, Minimum, minimised
from mlefit.solvers.linear_programme import check_functions, reached

EPSILON: Final = float(np.finfo(float).eps)
TOUCH: Final = 64 * EPSILON  # relative; a score this near to a number is there
ASIDE: Final = 256 * EPSILON  # relative; just beside it
SMOOTH: Final = 1e-9  # relative change of a slope that is rounding
WITHIN: Final = 1e-2  # of the distance at which slopes are told; what is nearer is on the number
ROUGH: Final = 1e-4  # the same of differences
WIDER: Final = (0.0, 4.0, 32.0, 256.0, 4096.0, 65536.0)  # roundings by which walls are left
CONCAVE: Final = frozenset({"laplace", "uniform"})  # families with a log-concave density and a scale
STARTS: Final = 4  # scattered ones of a round, where there can be several maxima
MANY: Final = 2_000  # rows, above which one is
APART: Final = (3.0, 3.0, 1.0)  # standard errors between those of each round
WIDENINGS: Final = 60
LEVEL: Final = 1e-9
DISTANT: Final = 1e3  # times the data's size; what is as likely out there is so everywhere


@dataclass(frozen=True, eq=False)
class Found:
    """Coefficients where no direction makes the rows likelier.

    Attributes:
        theta: (p,) all coordinates of the problem.
        excess, steps: see `Minimum`.
        level: parameters some other coefficients of which are as good.
        firm: whether the likelihood falls in every direction.
        far: (p,) the direction in which coordinates can go on without end while the likelihood does not fall, or 0.
        open: whether the likelihood rises up to where rows become impossible, without a maximum.
        certain: whether there can be no higher maximum elsewhere.
    """

    theta: Array
    excess: float
    steps: int
    level: tuple[str, ...]
    firm: bool
    far: Array
    open: bool
    certain: bool


def searched(problem: Problem, start: Array) -> Found:
    """The maximum near `start` (p,), coefficients of constants, and other starts.

    Raises:
        DataError: no start gives every row a likelihood.
    """
    family, rows = problem.family, _rows(problem)
    certain = concave(problem)
    best: Minimum | None = None
    with np.errstate(all="ignore"):
        own = rows.inward(start)
        starts = _possible(rows, [_fitted(problem, rows, own), own])
        if not starts and family.band:
            starts = _possible(rows, [_narrowest(problem, own)])
        if not starts:
            names = " and ".join(b.parameter for b in problem.blocks if b.parameter in family.irregular)
            raise DataError(
                f"no coefficients of {names} were found that leave every row possible under {family.name}: "
                "add an intercept"
            )
        steps = 0
        for turn in range(1 if certain else 1 + len(APART)):
            for first in _scattered(rows, best.x, turn) if best else starts[: 1 if certain else None]:
                found = minimised(rows, first, rows.unit(first))
                steps += found.steps
                if best is None or found.value < best.value - 1e-10 * (1 + abs(best.value)):
                    best = found
        assert best is not None, "there is a start"
        theta = rows.outward(_withdrawn(problem, rows, best.x))
        level, far = _level(rows, best), _far(rows, best.x)
    return Found(theta, best.excess, steps, level, best.bent, far, best.open, certain)


def concave(problem: Problem) -> bool:
    """Whether every maximum is the highest."""
    family = problem.family
    scales = [b for b, p in zip(problem.blocks, family.parameters, strict=True) if p.name in ("scale", "width")]
    known = root(family).name in CONCAVE and not family.truncated
    return known and all(b.constant and b.base is None for b in scales)


# -- the likelihood in its own coordinates ------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Rows:
    """Scores that are linear in coordinates x (q,): score j is matrices[j] x + bases[j].

    Attributes:
        family: whose scores they are.
        y, weight: as of `Sample`.
        matrices: (n, q) each.
        bases: (n,) each.
        knots: by irregular score, (m, n): where the likelihood of a row may bend or end; infinite for nowhere.
        names: of the parameters that the coordinates belong to, (q,).
        width, column: the coordinate that is the width itself, if any, and the number in its column of the problem.
        gap: the least distance beside a number at which slopes are told.
    """

    problem: Problem
    family: Family
    y: Array
    weight: Array
    matrices: tuple[Array, ...]
    bases: tuple[Array, ...]
    knots: dict[int, Array]
    names: tuple[str, ...]
    width: int | None = None
    column: float = 1.0
    gap: float = 0.0

    def inward(self, theta: Array) -> Array:
        """Coordinates of the problem to x."""
        x = theta.copy()
        if self.width is not None:
            x[self.width] = np.exp(self.column * theta[self.width])
        return x

    def outward(self, x: Array) -> Array:
        theta = x.copy()
        if self.width is not None:
            theta[self.width] = np.log(x[self.width]) / self.column
        return theta

    def unit(self, x: Array) -> Array:
        """What standard errors are like, (q,)."""
        problem, theta = self.problem, self.outward(x)
        zero = np.zeros(1, dtype=np.intp)
        known = np.diag(problem.objective.sums(theta[None], zero).hessian[0])
        rough = np.zeros(x.size)
        for j, matrix in enumerate(self.matrices):
            size = np.sqrt(np.maximum(self.weight @ matrix**2, 0.0))
            spread = 1.0
            if j in self.knots and not np.isfinite(self.family.parameters[j].link.step):
                spread = float(np.std(self.family.central(self.y))) or 1.0
                spread = x[self.width] if self.width is not None else spread
            with np.errstate(all="ignore"):
                rough = np.where(size > 0, spread / size, rough)
        regular = (problem.irregular <= ~problem.uninformed) & np.isfinite(known) & (known > 0)
        return np.where(regular, 1 / np.sqrt(np.where(regular, known, 1.0)), np.where(rough > 0, rough, 1.0))

    def _scores(self, x: Array) -> tuple[Array, dict[int, tuple[Array, Array]]]:
        """Scores (k, n), those near a number on it; and for the irregular ones the distances to their numbers, (m, n),
        0 where they are touched, with what counts as rounding, (n,)."""
        eta = np.stack([m @ x + b for m, b in zip(self.matrices, self.bases, strict=True)])
        away: dict[int, tuple[Array, Array]] = {}
        for j, knots in self.knots.items():
            size = np.abs(self.matrices[j]) @ np.abs(x) + np.abs(self.bases[j])
            if np.isfinite(self.family.parameters[j].link.step):  # what rounds a logarithm is not its size
                size = np.maximum(size, 1.0)
            rest = np.where(np.isfinite(knots), knots - eta[j], np.inf)
            touched = np.isfinite(knots) & (
                np.abs(rest) <= np.maximum(TOUCH * (size + np.abs(knots)), WITHIN * self.gap)
            )
            rest[touched] = 0.0
            for row in range(len(knots)):
                eta[j] = np.where(touched[row], knots[row], eta[j])
            away[j] = rest, size
        return eta, away

    def scores(self, x: Array) -> Array:
        """(k, n)."""
        return self._scores(x)[0]

    def each(self, eta: Array) -> Array:
        """nll of every row, (n,)."""
        return np.broadcast_to(self.family.nll(self.y, eta), self.weight.shape)

    def value(self, x: Array) -> float:
        if self.width is not None and not x[self.width] > 0:
            return np.inf
        with np.errstate(all="ignore"):
            total = float(self.family.nll(self.y, self._scores(x)[0]) @ self.weight)
        return total if np.isfinite(total) else np.inf

    def local(self, x: Array, box: Array, other: bool = False) -> Local:
        """See `Kinked`."""
        eta, away = self._scores(x)
        value = float(self.family.nll(self.y, eta) @ self.weight)
        beside = eta.copy()
        parts = []
        for j, (rest, size) in away.items():
            reach = np.abs(self.matrices[j]) @ box
            which, index = np.nonzero(np.abs(rest) <= reach)
            if not index.size:
                continue
            knot, distance = self.knots[j][which, index], rest[which, index]
            below, above = (self._slope(j, index, knot, eta, size[index], side) for side in (-1.0, 1.0))
            with np.errstate(all="ignore"):
                change = above - below
                change[np.abs(change) <= (ROUGH if self.gap else SMOOTH) * (np.abs(above) + np.abs(below))] = 0.0
            # Where it is touched the slope is that of the possible side, below it unless that is the impossible one.
            up = np.where(distance == 0, np.isfinite(below), distance > 0).astype(bool)
            if other:
                up &= ~((distance == 0) & (change < 0))
            change = np.where(np.isfinite(below) & np.isfinite(above), change, np.inf)
            at = distance == 0
            beside[j, index[at]] = self._moved(knot[at], size[index[at]], np.where(up[at], -1.0, 1.0))
            # Where the likelihood falls to 0 on its way to a wall, its slope keeps off the wall.
            on = self._at(j, index, knot, eta)
            keep = (change != 0) & np.isfinite(on)
            # The two ends of an exact row are one number.
            rank = np.unique(np.stack([index[keep].astype(float), knot[keep]]), axis=1, return_index=True)[1]
            chosen = np.flatnonzero(keep)[rank]
            parts.append((
                self.matrices[j][index[chosen]], distance[chosen], up[chosen],
                change[chosen] * np.where(np.isfinite(change[chosen]), self.weight[index[chosen]], 1.0),
            ))  # fmt: skip
        _, gradient, hessian = self.family.beside(self.y, beside)
        n, q = self.y.shape[-1], x.size
        if self.gap and (moved := np.flatnonzero((beside != eta).any(axis=0))).size:
            regular = np.array([j not in self.knots for j in range(len(eta))])
            own = self.family.beside(self.y, eta)[1]
            gradient = np.array(np.broadcast_to(gradient, (len(eta), n)))
            gradient[np.ix_(regular, moved)] = own[np.ix_(regular, moved)]  # of the others at the number itself
        gradient = np.broadcast_to(gradient, (len(eta), n)) * self.weight
        hessian = np.broadcast_to(hessian, (len(eta), len(eta), n)) * self.weight
        slope, curve = np.zeros(q), np.zeros((q, q))
        for i, left in enumerate(self.matrices):
            slope += gradient[i] @ left
            for j, right in enumerate(self.matrices):
                curve += (left * hessian[i, j][:, None]).T @ right
        if not parts:
            none = np.zeros(0)
            return Local(value, slope, curve, np.zeros((0, q)), none, none.astype(bool), none)
        normal, distance, up, rise = (np.concatenate(column) for column in zip(*parts, strict=True))
        return Local(value, slope, curve, normal, distance, up, rise)

    def _moved(self, knot: Array, size: Array, side: Array | float) -> Array:
        """Scores just beside numbers."""
        away = ASIDE * np.maximum(np.maximum(np.abs(knot), size), 1e-300)
        return np.asarray(knot + side * np.maximum(away, self.gap))

    def _at(self, j: int, index: NDArray[np.intp], knot: Array, eta: Array) -> Array:
        """nll of some rows at a number."""
        moved = eta[:, index]
        moved[j] = knot
        return self.family.nll(self.y[..., index], moved)

    def _slope(self, j: int, index: NDArray[np.intp], knot: Array, eta: Array, size: Array, side: float) -> Array:
        """d nll / d score j of some rows just beside a number; infinite where a row is impossible."""
        if self.gap:  # differences, whose steps are told by all rows
            moved = eta.copy()
            moved[j, index] = self._moved(knot, size, side)
            nll, gradient, _ = self.family.beside(self.y, moved)
            return np.where(np.isfinite(nll[index]), gradient[j, index], np.inf)
        moved = eta[:, index]
        moved[j] = self._moved(knot, size, side)
        nll, gradient, _ = self.family.beside(self.y[..., index], moved)
        return np.where(np.isfinite(nll), np.broadcast_to(gradient[j], index.shape), np.inf)


def _rows(problem: Problem) -> _Rows:
    family, sample = problem.family, problem.sample
    weight = np.ones(sample.n) if sample.weight is None else sample.weight
    zero = np.zeros(sample.n)
    size = problem.step.size
    names = [b.parameter for b, design in zip(problem.blocks, problem.designs, strict=True) for _ in design.z.T]
    matrices, bases = [], []
    for block, part, design in zip(problem.blocks, problem.slices, problem.designs, strict=True):
        matrix = np.zeros((sample.n, size))
        matrix[:, part] = design.z
        matrices.append(matrix)
        bases.append(zero if block.base is None else block.base)
    if not family.band:
        chosen = [j for j, name in enumerate(family.names) if name in family.irregular]
        links = {j: family.parameters[j].link for j in chosen}
        numbers = family.numbers(sample.y) if isinstance(family, Wrapped) else sample.y.reshape(-1, sample.n)[:1]
        with np.errstate(all="ignore"):
            knots = {
                j: link.forward(np.where((numbers > link.lower) & (numbers < link.upper), numbers, np.nan))
                for j, link in links.items()
            }
        gap = (root(family).aside or 0.0) * (float(np.std(family.central(sample.y))) or 1.0)
        return _Rows(problem, family, sample.y, weight, tuple(matrices), tuple(bases), knots, tuple(names), gap=gap)
    centre, width = family.band
    middle = np.zeros((sample.n, size)), np.full(sample.n, family.fixed.get(centre, 0.0))
    half = np.zeros((sample.n, size)), np.full(sample.n, family.fixed.get(width, 0.0) / 2)
    place, column = None, 1.0
    for matrix, base, block, part in zip(matrices, bases, problem.blocks, problem.slices, strict=True):
        if block.parameter == centre:
            middle = matrix, base
        else:
            place, column = part.start, float(matrix[0, part.start])
            half[0][:, place] = 0.5
    inner = native_rows(family)
    numbers = inner.numbers(sample.y) if isinstance(inner, Wrapped) else sample.y.reshape(-1, sample.n)[:1]
    return _Rows(
        problem, inner, sample.y, weight, (middle[0] - half[0], middle[0] + half[0]),
        (middle[1] - half[1], middle[1] + half[1]), {0: numbers, 1: numbers}, tuple(names), place, column,
    )  # fmt: skip


# -- starts and ends ----------------------------------------------------------------------------------------------


def _fitted(problem: Problem, rows: _Rows, x: Array) -> Array:
    """Least squares of the middles of the rows, and the spread about them, beside the other coordinates of `x`."""
    family, sample = problem.family, problem.sample
    y, result = family.central(sample.y), x.copy()
    main = next((j for j, b in enumerate(problem.blocks) if b.parameter in ("loc", "mean")), None)
    if main is None or np.isfinite(family.parameters[main].link.step):
        return result
    z, block, part = problem.designs[main].z, problem.blocks[main], problem.slices[main]
    base = 0.0 if block.base is None else block.base
    root_weight = np.sqrt(rows.weight)
    if z.shape[1]:
        result[part] = np.linalg.lstsq(z * root_weight[:, None], (y - base) * root_weight, rcond=None)[0]
    rest = np.abs(y - base - z @ result[part])
    if rows.width is not None:
        result[rows.width] = 2.2 * float(rest.max()) or 1.0
    for own, slot in zip(problem.blocks, problem.slices, strict=True):
        if own.parameter == "scale" and own.constant and own.base is None and slot.stop > slot.start:
            spread = float(rest @ rows.weight / rows.weight.sum()) or 1.0
            score = family.parameters[family.names.index("scale")].link.forward(np.asarray(spread))
            result[slot] = float(score) / float(problem.designs[problem.blocks.index(own)].z[0, 0])
    return result


def _narrowest(problem: Problem, x: Array) -> Array:
    """The middle of the narrowest band that every row's interval reaches into, the width being held.

    Raises:
        DataError: it is wider than that.
    """
    family, sample = problem.family, problem.sample
    assert family.band is not None, "asked of families with a band only"
    centre, width = family.band
    held = family.fixed.get(width, np.inf)
    if centre not in family.names:
        return x
    low, high = np.atleast_2d(sample.y)[[0, 1]] if family.censored else np.atleast_2d(sample.y)[[0, 0]]
    block = problem.blocks[family.names.index(centre)]
    base = 0.0 if block.base is None else block.base
    beta, half = reached(problem.designs[family.names.index(centre)].z, low - base, high - base)
    if not 2 * half < held:
        raise DataError(
            f"with {width} = {held:g} held some rows are impossible: the narrowest band that reaches them all is "
            f"{2 * half:.10g} wide"
        )
    result = x.copy()
    result[problem.slices[family.names.index(centre)]] = beta
    return result


def _possible(rows: _Rows, starts: Sequence[Array]) -> list[Array]:
    """Those at which every row has a likelihood, a width made wider until it does."""
    found = []
    for x in starts:
        trial = x.copy()
        for _ in range(WIDENINGS):
            if np.isfinite(rows.value(trial)):
                found.append(trial)
                break
            if rows.width is None:
                break
            trial[rows.width] *= 1.5
    return found


def _scattered(rows: _Rows, x: Array, turn: int) -> list[Array]:
    """Further starts about the best maximum yet, where there can be several; `turn` counts from 1."""
    generator = np.random.default_rng(turn)
    unit = rows.unit(x)
    moves = generator.normal(size=(STARTS if rows.weight.size <= MANY else 1, x.size)) * APART[turn - 1] * unit
    return _possible(rows, [x + move for move in moves])


def _withdrawn(problem: Problem, rows: _Rows, x: Array) -> Array:
    """Coordinates moved off the walls that they touch by as many roundings as leave every row possible."""
    here = rows.local(x, np.zeros(x.size))
    walls = (here.distance == 0) & np.isinf(here.rise)
    if not walls.any():
        return x
    normal = here.normal[walls]
    inward = np.linalg.lstsq(normal, np.where(here.up[walls], -1.0, 1.0), rcond=None)[0]
    size = max(float((np.abs(m) @ np.abs(x) + np.abs(b)).max()) for m, b in zip(rows.matrices, rows.bases, strict=True))
    zero = np.zeros(1, dtype=np.intp)
    for steps in WIDER:
        trial = x + steps * EPSILON * size * inward
        theta = rows.outward(trial)
        if np.isfinite(problem.objective.value(theta[None], zero)[0]) and holds(problem, theta):
            return np.asarray(trial)
    return x


def holds(problem: Problem, theta: Array) -> bool:
    """Whether every row is possible, by the columns solved with and by those of the formula."""
    family, sample = problem.family, problem.sample
    beta = np.asarray(problem.back @ theta, dtype=float)
    own = np.stack([block.x @ beta[part] for block, part in zip(problem.blocks, problem.slices, strict=True)])
    if sample.base is not None:
        own = own + sample.base
    scores = problem.objective.predictor.scores(theta[None], sample)[:, 0]
    with np.errstate(all="ignore"):
        return bool(all(np.isfinite(family.nll(sample.y, eta)).all() for eta in (own, scores)))


def _level(rows: _Rows, found: Minimum) -> tuple[str, ...]:
    """Parameters with coefficients along which the likelihood stays as it is for some way."""
    names: dict[str, None] = {}
    for direction in found.level.T:
        ends = [rows.value(found.x + side * 1e-3 * direction) for side in (-1.0, 1.0)]
        if min(ends) <= found.value + 1e-12 * (1 + abs(found.value)):
            moved = np.abs(direction) > 1e-6 * np.abs(direction).max()
            names |= dict.fromkeys(name for name, move in zip(rows.names, moved, strict=True) if move)
    return tuple(names)


def _far(rows: _Rows, x: Array) -> Array:
    """The direction (q,) in which coordinates can go on without end while no row becomes less likely; 0 for none.

    A linear programme over the rows that allow it: those that are known on one side only, or not at all.
    """
    result = np.zeros(x.size)
    able = np.array([name in rows.problem.family.irregular for name in rows.names], dtype=bool)
    if rows.width is not None:
        able[rows.width] = False
    if not able.any():
        return result
    eta = rows.scores(x)
    first = next(iter(rows.knots))
    spread = np.ptp(rows.family.central(rows.y)) + np.abs(eta[first]).max() + 1.0
    here, ways = rows.each(eta), []
    for side in (-1.0, 1.0):
        away = eta.copy()
        for j in rows.knots:
            away[j] += side * DISTANT * spread
        ways.append(rows.each(away) <= here + LEVEL)
    down, up = ways
    moves = rows.matrices[first][:, able]
    held = moves[~(down | up)]
    values, vectors = np.linalg.eigh(held.T @ held)
    free = vectors[:, values <= 1e-12 * max(float(values.max()), 1.0)]
    if not free.shape[1]:
        return result
    some = down | up
    moves, down, up = moves[some] @ free, down[some], up[some]
    size, none = free.shape[1], np.zeros(len(moves))
    box, wall = np.eye(size), np.full(size, np.inf)
    way = check_functions(
        np.concatenate([moves, box, box]), np.concatenate([none, np.ones(size), -np.ones(size)]),
        np.concatenate([np.where(down, 0.0, np.inf), np.zeros(size), wall]),
        np.concatenate([np.where(up, 0.0, np.inf), wall, np.zeros(size)]), (up.astype(float) - down) @ moves,
    )  # fmt: skip
    if way is not None and np.abs(way).max() > LEVEL:
        moved = free @ way
        share = np.abs(moved) / rows.unit(x)[able]
        result[able] = np.where(share > 1e-6 * share.max(), moved, 0.0)
    return result
