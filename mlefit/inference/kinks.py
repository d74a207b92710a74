"""The minimum of an NLL with kinks, such as one with abs(y - m): on some of them, or between.

Hyperbolas take the place of the kinks, ever narrower ones, so that Newton's method follows a smooth path to the
minimum (Chen and Mangasarian 1996, on smoothing). What then lies on a kink is put there exactly. That the point is a
minimum is seen by the slopes on both sides: some mean of them, row by row, must be zero (Clarke 1983, section 2.3; for
sums of magnitudes Koenker 2005, theorem 2.1).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mlefit.families.base import Family
from mlefit.families.links import Array
from mlefit.objective import RowObjective
from mlefit.solvers.newton import MOST, newton
from mlefit.solvers.solution import Index, Objective, Solution, Sums

Truth = NDArray[np.bool_]

WIDTHS: Final = 10.0 ** -np.arange(0, 10)  # of the hyperbolas, in the mean magnitude of what has kinks
NEAR: Final = 1e3  # of the last widths; what is nearer to a kink is on it
STEPS: Final = 50  # at each width
LEVEL: Final = 1e-10  # a slope per unit of weight and of the mean magnitude of what has kinks
ROUNDS: Final = 4  # of putting what is on a kink there
SHIFT: Final = 1e-6  # of a coordinate, for differences
ALIKE: Final = 1e-9  # relative
ON: Final = 1e-9  # of the mean magnitude of what has kinks
STEEP: Final = 1e5  # per unit of weight and of the mean magnitude of what has kinks; steeper is a cusp
SAME: Final = 1e-7  # of the slopes; smaller singular values are rounding


def minimised(
    objective: Objective,
    start: Array,
    *,
    which: Index | None = None,
    held: Truth | None = None,
    step: Array | None = None,
    last: Array | float = 0.0,
    max_iterations: int = MOST,
    sums: Sums | None = None,
) -> Solution:
    """As `newton`, and on kinks where the likelihood has them.

    There the gradient of the solution is the shortest of those between the slopes on both sides, and the decrement is
    its length in standard errors; the Hessian is that of the family, with products of the gradient.
    """
    if not (isinstance(objective, RowObjective) and objective.family.kinked):
        return newton(
            objective, start, which=which, held=held, step=step, last=last, max_iterations=max_iterations, sums=sums
        )
    count, size = start.shape
    numbers = np.arange(count, dtype=np.intp) if which is None else which
    frozen = np.array(np.broadcast_to(np.zeros(size, dtype=bool) if held is None else held, start.shape))
    with np.errstate(all="ignore"):
        found = _Bent(objective, numbers, frozen, step).minimum(np.array(start, dtype=float))
    return found


@dataclass(frozen=True, eq=False)
class _Bent:
    """Problems `which` (P,) of an objective, with coordinates (P, p) that are held."""

    objective: RowObjective
    which: Index
    held: Truth
    step: Array | None

    def minimum(self, theta: Array) -> Solution:
        corners = self.objective.corners(theta, self.which)
        finite = np.isfinite(corners)
        mean = np.where(finite, np.abs(corners), 0.0).sum(axis=(1, 2)) / np.maximum(finite.sum(axis=(1, 2)), 1)
        scale = np.where(mean > 0, mean, 1.0)
        steps = np.zeros(len(theta), dtype=np.intp)
        for width in WIDTHS:
            found = self._newton(theta, self.held, width * scale)
            moved = np.isfinite(found.sums.value)
            theta, steps = np.where(moved[:, None], found.theta, theta), steps + found.iterations
        near = NEAR * WIDTHS[-1] * scale
        theta, slopes = self._placed(theta, near)
        return self._judged(theta, slopes, near, steps)

    def _newton(self, theta: Array, held: Truth, width: Array) -> Solution:
        soft = replace(self.objective, family=self.objective.family.softened(width))
        return newton(soft, theta, which=self.which, held=held, step=self.step, max_iterations=STEPS)

    def _placed(self, theta: Array, near: Array) -> tuple[Array, list[Array]]:
        """Scores with what is near to a kink on it, and of each problem the slopes of that (a, p)."""
        on = np.abs(self.objective.corners(theta, self.which)) <= near[:, None, None]
        best, slopes = theta, self._slopes(theta, on)
        before = self.objective.value(theta, self.which)
        moved = theta
        for _ in range(ROUNDS):
            gaps = self._of(self.objective.corners(moved, self.which), on)
            moved = moved + np.stack([_solved(s, -gap) for s, gap in zip(slopes, gaps, strict=True)])
        value = self.objective.value(moved, self.which)
        better = value <= before + ALIKE * np.abs(before)
        best = np.where(better[:, None], moved, theta)
        # Where the kinks determine some coordinates altogether, the others can be found without them.
        fixed = np.ones(theta.shape, dtype=bool)
        for i, s in enumerate(slopes):
            pinned = (s != 0).any(axis=0)
            if better[i] and _rank(s) == pinned.sum():
                fixed[i] = self.held[i] | pinned
        exact = self._newton(best, fixed, np.zeros(len(near)))
        lower = exact.sums.value <= np.minimum(value, before) + ALIKE * np.abs(before)
        best = np.where(lower[:, None], exact.theta, best)
        weight = self.objective._part(self.which).sample.total_weight[:, None]
        level = np.abs(exact.sums.gradient) * near.max() <= NEAR * WIDTHS[-1] * LEVEL * weight
        level &= (np.einsum("ijj->ij", exact.sums.hessian) == 0) & ~self.held
        level &= (np.array([not s.size for s in slopes]) & lower)[:, None]
        return self._levelled(best, exact, level), slopes

    def _levelled(self, theta: Array, exact: Solution, level: Truth) -> Array:
        """Coordinates along which the likelihood is level (P, p) between two kinks, in the middle of them."""
        for i, j in np.argwhere(level & (level.sum(axis=1, keepdims=True) == 1)).tolist():
            one = _Bent(self.objective, self.which[i : i + 1], self.held[i : i + 1], self.step)
            for _ in range(2):  # the slopes are differences: a second time the middle is exact
                here = theta[i : i + 1]
                corners = one.objective.corners(here, one.which)
                (slopes,) = one._slopes(here, np.isfinite(corners))
                (gaps,) = one._of(corners, np.isfinite(corners))
                ends = -gaps[slopes[:, j] != 0] / slopes[:, j][slopes[:, j] != 0]
                if not ((ends < 0).any() and (ends > 0).any()):
                    break
                moved = here.copy()
                moved[0, j] += (ends[ends < 0].max() + ends[ends > 0].min()) / 2
                value = one.objective.value(moved, one.which)[0]
                if value <= exact.sums.value[i] + ALIKE * abs(exact.sums.value[i]):
                    theta[i] = moved[0]
        return theta

    def _of(self, corners: Array, on: Truth) -> list[Array]:
        """Of each problem those numbers (m, P, n) that are on a kink."""
        if corners.shape[1] == len(self.held):
            return [corners[:, i][on[:, i]] for i in range(len(self.held))]
        offsets = self.objective._part(self.which).sample.offsets
        return [corners[:, 0, a:b][on[:, 0, a:b]] for a, b in pairwise(offsets)]

    def _slopes(self, theta: Array, on: Truth) -> list[Array]:
        """How what is on a kink moves with the coordinates, (a, p) of each problem; held ones do not move."""
        every = []
        for j in range(theta.shape[1]):
            shift = SHIFT * np.maximum(1.0, np.abs(theta[:, j]))
            ends = []
            for side in (1.0, -1.0):
                moved = theta.copy()
                moved[:, j] += side * shift
                ends.append(self._of(self.objective.corners(moved, self.which), on))
            every.append([(a - b) / (2 * h) for a, b, h in zip(*ends, shift, strict=True)])
        found = [np.stack([column[i] for column in every], axis=1) for i in range(len(theta))]
        return [np.where(self.held[i], 0.0, s) for i, s in enumerate(found)]

    def _judged(self, theta: Array, slopes: list[Array], near: Array, steps: Index) -> Solution:
        sums = self.objective.sums(theta, self.which)
        above, below = (
            replace(self.objective, family=self.objective.family.softened(near, side)).sums(theta, self.which)
            for side in (1, -1)
        )
        gradient = (above.gradient + below.gradient) / 2
        hessian = (above.hessian + below.hessian) / 2
        half = (above.gradient - below.gradient) / 2
        decrement = np.full(len(theta), np.inf)
        steep = STEEP * self.objective._part(self.which).sample.total_weight / near.max() * (NEAR * WIDTHS[-1])
        for i, (s, most) in enumerate(zip(slopes, np.broadcast_to(steep, len(theta)), strict=True)):
            if s.size:
                gradient[i], side = _shortest(gradient[i], half[i], s, most)
                if np.isnan(side):
                    cusp = (s != 0).any(axis=0)
                    hessian[i][np.ix_(cusp, cusp)] = np.inf
                elif np.isfinite(above.hessian[i] + below.hessian[i]).all():
                    hessian[i] += side / 2 * (above.hessian[i] - below.hessian[i])
            decrement[i] = _length(np.where(self.held[i], 0.0, gradient[i]), hessian[i])
        return Solution(theta, Sums(sums.value, gradient, hessian), decrement, steps, "newton")


def _rank(slopes: Array) -> int:
    return int(np.linalg.matrix_rank(slopes, tol=SAME * np.abs(slopes).max())) if slopes.size else 0


def _solved(slopes: Array, gap: Array) -> Array:
    """The smallest step (p,) that moves numbers with slopes (a, p) by `gap` (a,), in units of the coordinates' own."""
    size = np.abs(slopes).max(axis=0, initial=0.0)
    unit = np.where(size > 0, size, 1.0)
    return np.asarray(np.linalg.lstsq(slopes / unit, gap, rcond=SAME)[0] / unit) if len(gap) else 0.0 * unit


def _shortest(gradient: Array, half: Array, slopes: Array, most: float) -> tuple[Array, float]:
    """The shortest gradient (p,) between the slopes on both sides of the kinks, and where between them: -1 to 1.

    NaN for where at a cusp: the likelihood rises to it infinitely steeply from both sides.

    Args:
        gradient: the mean of both sides.
        half: half of what they differ by.
        slopes: (a, p) of the numbers that are zero; each kink's share in `half` is a multiple of its slopes.
        most: a multiple that no kink has.
    """
    share = np.linalg.lstsq(slopes.T, half, rcond=SAME)[0] if np.isfinite(half).all() else np.full(len(slopes), np.inf)
    if float(share.max()) > most:
        return np.where((slopes != 0).any(axis=0), 0.0, gradient), np.nan
    wanted = np.linalg.lstsq(slopes.T, -gradient, rcond=SAME)[0]
    part = np.clip(np.divide(wanted, share, out=np.zeros_like(share), where=share > 0), -1.0, 1.0)
    return np.asarray(gradient + slopes.T @ (part * share)), float(part.mean())


def remarks(objective: Objective, theta: Array, errors: Array) -> list[str]:
    """Of each fit what to say of its kinks: which scores are on them, (G, p); `errors` (G, p) tells which have errors.

    "" for an objective without kinks.
    """
    count = len(theta)
    if not (isinstance(objective, RowObjective) and objective.family.kinked):
        return [""] * count
    with np.errstate(all="ignore"):
        bent = _Bent(objective, np.arange(count, dtype=np.intp), np.zeros(theta.shape, dtype=bool), None)
        size = np.abs(objective.corners(theta, bent.which))
        on = size <= ON * np.where(np.isfinite(size), size, 0.0).mean(axis=(1, 2), keepdims=True)
        slopes = bent._slopes(theta, on)
    names = np.array([name in objective.family.kinked for name in objective.family.names], dtype=bool)
    return [_said(objective.family, s, names, e) for s, e in zip(slopes, errors, strict=True)]


def _said(family: Family, slopes: Array, kinked: Truth, errors: Array) -> str:
    moving = (slopes != 0).any(axis=0)
    chosen = moving if moving.any() else kinked
    names = [name for name, one in zip(family.names, chosen, strict=True) if one]
    one, shown = len(names) == 1, " and ".join(names)
    where = f"{shown} {'sits' if one else 'sit'} on a kink of the likelihood, where its slope jumps"
    if not moving.any():
        where = f"abs lets the likelihood bend where {shown} {'meets' if one else 'meet'} the data; no value lies there"
    if np.isnan(errors[chosen]).all():
        return f"{where}, infinitely steep: no standard error of {shown} exists"
    error = f"the standard error of {shown} is" if one else f"standard errors of {shown} are"
    return f"{where}; {error} from the Fisher information (products of the gradient)"


def _length(gradient: Array, hessian: Array) -> float:
    """sqrt(g' H^-1 g) over the coordinates that have information."""
    diagonal = np.diag(hessian)
    known = np.isfinite(diagonal) & (diagonal > 0)
    if (gradient[~known] != 0).any():
        return float(np.abs(gradient).max())
    scale = 1 / np.sqrt(diagonal[known])
    inner = hessian[np.ix_(known, known)] * scale[:, None] * scale
    scaled = gradient[known] * scale
    return float(np.sqrt(max(float(scaled @ np.linalg.pinv(inner) @ scaled), 0.0)))
