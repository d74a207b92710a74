"""Profile-likelihood limits of a number that follows from the parameters: its extremes where the likelihood is high.

The limits of g are its smallest and largest value over the parameters whose log-likelihood falls short of the maximum
by no more than half the chi-squared quantile (Venzon and Moolgavkar 1988, equation 2, for a function in place of a
coordinate). The way there is followed from the estimate outwards. A function that is not monotone can have several
extremes on the region's boundary: so the region is looked over along rays from the estimate, a search begins anew where
the boundary is farthest out, and the farthest extreme is kept. What cannot be followed to its end has no limit, nor has
a function that is more extreme inside the region than anywhere on its boundary.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mlefit.families.links import Array
from mlefit.inference.intervals import normal_quantile
from mlefit.solvers.solution import Index, Objective

# Scores (M, k) of the problems numbered (M,) to values (M,) and slopes (M, k).
Function = Callable[[Array, Index], tuple[Array, Array]]
Values = Callable[[Array, Index], Array]

FIRST: Final = 0.5  # of the way to the limit, the first stage
SHORTEST: Final = 1 / 64  # standard errors
STRAYED: Final = 0.3  # of a step, the largest correction of it
FLAT: Final = 1e-6  # curvature, 1 at the estimate, below which an extreme is none
EXACT: Final = 1e-9  # of the conditions, in standard errors
ENOUGH: Final = 1e-7  # where rounding lets them come no nearer
CORRECTIONS: Final = 25
RAYS: Final = 48
RADII: Final = (0.25, 0.5, 0.75, 1.0)  # of the way to the boundary along a ray
BISECTIONS: Final = 14
NEAR: Final = 1e-3  # standard errors short of the boundary that are near enough
ANEW: Final = 2  # searches from the boundary
NEARBY: Final = 0.7  # standard errors between two points that lead to the same extreme
GAIN: Final = 1e-6  # standard errors by which one extreme is farther out than another
SLACK: Final = 1e-6  # by which a searched extreme may miss the boundary, in standard errors
DIFFERENCE: Final = 1e-4  # standard errors between the slopes whose difference is a curvature


@np.errstate(all="ignore")  # a trial point may be anything: what is not finite is refused where it is judged
def extremes(
    objective: Objective,
    function: Function,
    values: Values,
    eta: Array,
    value: Array,
    *,
    level: float,
    which: Index,
    step: Array,
    free: NDArray[np.bool_],
) -> tuple[Array, Array]:
    """The smallest and the largest value of a function over {eta: nll(eta) <= nll + z^2 / 2}, (G,) each.

    Args:
        objective: what was minimised.
        function: its `which` is that of the objective.
        values: the function without its slopes.
        eta: (G, k) the estimates' scores.
        value: (G,) NLL there.
        level: of the interval.
        which: (G,) the objective's problem of each fit.
        step: (k,) the largest changes of the scores that one correction may make.
        free: (k,) scores that move; the function may not depend on the others.

    Returns:
        NaN where an extreme was not found: it lies at infinity, or inside the region.
    """
    count = eta.shape[0]
    found = np.full((2, count), np.nan)
    if not free.any():
        return found[0], found[1]
    known, spread = _spread(objective, eta, value, which, free)
    slope = function(eta, which)[1]
    known &= np.isfinite(slope).all(axis=1) & (slope[:, ~free] == 0).all(axis=1)
    unit = np.einsum("gij,gi->gj", spread, slope)
    error = _length(unit)
    known &= (error > 0) & np.isfinite(error)
    chosen = np.flatnonzero(known)
    for side, sign in enumerate((-1.0, 1.0)):
        region = _Region(
            objective, function, values, which[chosen], eta[chosen], value[chosen], spread[chosen],
            sign / error[chosen], unit[chosen] * (sign / error[chosen])[:, None], step,
        )  # fmt: skip
        found[side, chosen] = _farthest(region, _followed(region, normal_quantile(level)), normal_quantile(level))
    return found[0], found[1]


@np.errstate(all="ignore")
def spanned(
    objective: Objective,
    values: Values,
    eta: Array,
    value: Array,
    *,
    level: float,
    which: Index,
    free: NDArray[np.bool_],
) -> tuple[Array, Array]:
    """The smallest and the largest value of a function at the points of the region that are looked at, (G,) each.

    As `extremes`, which lie no nearer together; NaN where the region is not known.
    """
    low, high = np.full(eta.shape[0], np.nan), np.full(eta.shape[0], np.nan)
    known, spread = _spread(objective, eta, value, which, free)
    rows = np.flatnonzero(known)
    if rows.size:
        rays = _Rays(objective, which[rows], eta[rows], value[rows], spread[rows])
        found = rays.at(values, rays.reaches(normal_quantile(level))).reshape(rows.size, -1)
        low[rows], high[rows] = np.nanmin(found, axis=1), np.nanmax(found, axis=1)
    return low, high


def _spread(
    objective: Objective, eta: Array, value: Array, which: Index, free: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], Array]:
    """Which estimates have an ellipse about them, (G,), and coordinates (G, k, m) that make it a sphere.

    In u, eta = estimate + spread @ u, the NLL is |u|^2 / 2 above its minimum, to second order.
    """
    hessian = objective.sums(eta, which).hessian[:, free][:, :, free]
    diagonal = np.einsum("ijj->ij", hessian)
    known = np.isfinite(hessian).all(axis=(1, 2)) & np.isfinite(value) & (diagonal > 1e-290).all(axis=1)
    scale = np.where(known[:, None], 1 / np.sqrt(np.where(diagonal > 0, diagonal, 1.0)), 1.0)
    scaled = np.where(known[:, None, None], hessian * scale[:, :, None] * scale[:, None, :], np.eye(int(free.sum())))
    roots, vectors = np.linalg.eigh(scaled)
    known &= roots[:, 0] > 1e-12
    spread = np.zeros((*eta.shape, int(free.sum())))
    spread[:, free] = scale[:, :, None] * vectors / np.sqrt(np.maximum(roots, 1e-300))[:, None]
    return np.asarray(known), spread


@dataclass(frozen=True, eq=False)
class _Rays:
    """Rays from the estimates of M problems, the first of them along the parameters' own profiles."""

    objective: Objective
    which: Index
    centre: Array
    base: Array
    spread: Array

    @cached_property
    def directions(self) -> Array:
        """(M, R, m), of length 1."""
        size = self.spread.shape[2]
        axes = np.eye(size)
        corners = np.array(list(product((-1.0, 1.0), repeat=min(size, 5))))
        corners = np.pad(corners, ((0, 0), (0, size - corners.shape[1])))
        others = np.random.default_rng(0).standard_normal((RAYS, size))
        common = np.concatenate([axes, -axes, corners, others])[:RAYS]
        # A profile leaves the estimate along a row of the spread.
        own = self.spread
        rays = np.concatenate([own, -own, np.broadcast_to(common, (len(own), *common.shape))], axis=1)
        length = np.sqrt((rays**2).sum(axis=2, keepdims=True))
        return np.where(length > 0, rays / np.where(length > 0, length, 1.0), axes[0])

    def at(self, values: Values, radius: Array) -> Array:
        """A function at distances (M, R) along the rays."""
        moved = np.einsum("gij,grj->gri", self.spread, self.directions * radius[..., None])
        scores = (self.centre[:, None] + moved).reshape(radius.size, -1)
        return values(scores, np.repeat(self.which, radius.shape[1])).reshape(radius.shape)

    def reaches(self, target: float) -> Array:
        """Distances (M, R) at which the rays leave the region, or shortly before."""
        inside = np.zeros(self.directions.shape[:2])
        outside, radius = np.full_like(inside, np.inf), np.full_like(inside, target)
        for _ in range(BISECTIONS):
            root = np.sqrt(2 * np.maximum(self.at(self.objective.value, radius) - self.base[:, None], 0.0))
            within = np.isfinite(root) & (root <= target)
            inside, outside = np.where(within, np.maximum(inside, radius), inside), np.where(within, outside, radius)
            aim = radius * np.clip(np.where(np.isfinite(root), target / np.maximum(root, 1e-300), 0.5), 0.25, 4.0)
            middle = np.where(np.isinf(outside), 2 * radius, (inside + np.where(np.isinf(outside), 0.0, outside)) / 2)
            radius = np.where((aim > inside) & (aim < outside), aim, middle)
            if (target - root[within] < NEAR).all() and within.all():
                break
        return inside


@dataclass(frozen=True, eq=False)
class _Conditions:
    """The conditions of an extreme at points of M problems, and what Newton's method needs of them.

    Attributes:
        residual: (M, m + 1) of nll' = mu g' and of sqrt(2 (nll - minimum)) = distance.
        matrix: (M, m + 1, m + 1) derivatives of the residual in u and mu.
        extreme: (M,) whether g is at a maximum rather than a saddle, were the residual zero.
        value: (M,) the function itself.
    """

    residual: Array
    matrix: Array
    extreme: NDArray[np.bool_]
    value: Array


@dataclass(frozen=True, eq=False)
class _Region:
    """Problems in coordinates u; the function times `factor` is to be made large, its slope at u = 0 has length 1."""

    objective: Objective
    function: Function
    values: Values
    which: Index
    centre: Array
    base: Array
    spread: Array
    factor: Array
    unit: Array
    step: Array

    def conditions(self, live: Index, u: Array, mu: Array, distance: Array) -> _Conditions:
        spread, which = self.spread[live], self.which[live]
        eta = self.centre[live] + np.einsum("gij,gj->gi", spread, u)
        sums = self.objective.sums(eta, which)
        slope = np.einsum("gij,gi->gj", spread, sums.gradient)
        curve = np.einsum("gia,gij,gjb->gab", spread, sums.hessian, spread)
        value, own, bend = self._function(live, eta)
        root = np.sqrt(2 * (sums.value - self.base[live]))
        residual = np.column_stack([slope - mu[:, None] * own, root - distance])
        size = u.shape[1]
        matrix = np.zeros((live.size, size + 1, size + 1))
        matrix[:, :size, :size] = lagrangian = curve - mu[:, None, None] * bend
        matrix[:, :size, size] = -own
        matrix[:, size, :size] = slope / root[:, None]
        return _Conditions(residual, matrix, _minimal(lagrangian, own), value)

    def _function(self, live: Index, eta: Array) -> tuple[Array, Array, Array]:
        """The value, and in u the slope (M, m) and the curvature (M, m, m), by central differences of slopes."""
        spread, count, size = self.spread[live], live.size, self.unit.shape[1]
        away = DIFFERENCE * np.moveaxis(spread, 2, 0)
        points = np.concatenate([eta[None], eta + away, eta - away])
        value, slope = self.function(points.reshape(-1, eta.shape[1]), np.tile(self.which[live], 2 * size + 1))
        slopes = np.einsum("gij,pgi->pgj", spread, slope.reshape(points.shape)) * self.factor[live, None]
        bend = np.moveaxis(slopes[1 : size + 1] - slopes[size + 1 :], 0, 1) / (2 * DIFFERENCE)
        return value[:count], slopes[0], (bend + np.swapaxes(bend, 1, 2)) / 2

    def shortened(self, live: Index, move: Array) -> Array:
        """Factors (M,) at most 1 that keep moves of u within the largest steps of the scores."""
        scores = np.abs(np.einsum("gij,gj->gi", self.spread[live], move))
        return np.minimum(1.0, np.nanmin(np.where(scores > 0, self.step / scores, np.inf), axis=1))


def _minimal(lagrangian: Array, own: Array) -> NDArray[np.bool_]:
    """Whether the NLL, at a given value of the function, is at a minimum: positive curvature along its level."""
    sound = np.asarray(np.isfinite(lagrangian).all(axis=(1, 2)) & np.isfinite(own).all(axis=1))
    direction = np.where(sound[:, None], own / _length(own)[:, None], 0.0)
    flat = np.eye(own.shape[1]) - direction[:, :, None] * direction[:, None, :]
    tangent = flat @ np.where(sound[:, None, None], lagrangian, 0.0) @ flat
    tangent += direction[:, :, None] * direction[:, None, :]
    tangent = np.where(np.isfinite(tangent), tangent, 0.0)
    return np.asarray(sound & (np.linalg.eigvalsh(tangent)[:, 0] > FLAT))


def _followed(region: _Region, target: float) -> Array:
    """The function where its extremes, followed outwards from the estimate, meet the limit, (M,).

    The conditions hold along a curve, which is followed by its tangent (Allgower and Georg 1990, section 2.2). A
    correction that is not small beside the step along the tangent has found another curve: the step is shortened.
    """
    count, size = region.unit.shape
    at = np.zeros((count, size + 1))  # u and mu
    tangent = np.column_stack([region.unit, np.ones(count)])
    reached, stage = np.zeros(count), np.full(count, FIRST * target)
    rise = np.zeros(count)  # of the function over its estimate, in standard errors
    centre = region.values(region.centre, region.which)
    found = np.full(count, np.nan)
    live = np.arange(count)
    while live.size:
        aim = np.minimum(target, reached[live] + stage[live])
        step = tangent[live] * (aim - reached[live])[:, None]
        step *= region.shortened(live, step[:, :size])[:, None]
        point, ahead, value, good = _corrected(region, live, at[live] + step, aim)
        gain = (value - centre[live]) * region.factor[live]
        strayed = _length((point - at[live] - step)[:, :size]) > STRAYED * _length(step[:, :size]) + ENOUGH
        good &= ~strayed & (point[:, size] > 0) & (gain > rise[live])
        moved = live[good]
        at[moved], tangent[moved], rise[moved], reached[moved] = point[good], ahead[good], gain[good], aim[good]
        stage[live] = np.where(good, 2 * stage[live], stage[live] / 4)
        arrived = good & (aim >= target)
        found[live[arrived]] = value[arrived]
        live = live[~arrived & (stage[live] >= SHORTEST)]
    return found


def _farthest(region: _Region, found: Array, target: float) -> Array:
    """The extremes (M,) that were found, or farther ones; NaN where something farther out is no extreme."""
    known = np.flatnonzero(np.isfinite(found))
    if not known.size or region.unit.shape[1] == 1:
        return found
    centre = region.values(region.centre, region.which)
    best = found.copy()
    points, gains = _looked_over(region, known, target, centre[known])
    gain = (best - centre) * region.factor
    picks = [_apart(points[place, -1], gains[place, -1])[:ANEW] for place in range(known.size)]
    for rank in range(ANEW):
        chosen = [place for place, kept in enumerate(picks) if len(kept) > rank]
        if chosen:
            live = known[chosen]
            begin = np.stack([points[place, -1, picks[place][rank]] for place in chosen])
            again, good = _again(region, live, begin, target)
            rise = (again - centre[live]) * region.factor[live]
            good &= rise > gain[live] + GAIN
            best[live[good]], gain[live[good]] = again[good], rise[good]
    for place, i in enumerate(known.tolist()):
        farthest = np.unravel_index(np.argmax(gains[place]), gains[place].shape)
        if gains[place][farthest] > gain[i] + GAIN:
            value = _searched(region, np.array([i]), points[place][farthest], target)
            # Less than a point that is known: the function jumps, as at a pole.
            reached = (value - centre[i]) * region.factor[i] > gains[place][farthest] - GAIN
            best[i] = value if reached else np.nan
    return best


def _looked_over(region: _Region, live: Index, target: float, centre: Array) -> tuple[Array, Array]:
    """Points (M, F, R, m) of the region at each of `RADII` on rays, and how far out the function is there (M, F, R)."""
    rays = _Rays(region.objective, region.which[live], region.centre[live], region.base[live], region.spread[live])
    inside = rays.reaches(target)
    points = np.stack([rays.directions * (inside * part)[..., None] for part in RADII], axis=1)
    values = np.stack([rays.at(region.values, inside * part) for part in RADII], axis=1)
    gains = (values - centre[:, None, None]) * region.factor[live][:, None, None]
    return points, np.where(np.isfinite(gains), gains, -np.inf)


def _apart(points: Array, gains: Array) -> list[int]:
    """Points (R, m) of the boundary from the farthest out on, (R,), none near one before it."""
    kept: list[int] = []
    for j in np.argsort(-gains).tolist():
        if gains[j] > 0 and all(_length((points[j] - points[k])[None])[0] > NEARBY for k in kept):
            kept.append(j)
    return kept


def _again(region: _Region, live: Index, u: Array, target: float) -> tuple[Array, NDArray[np.bool_]]:
    """The extreme that Newton's method finds from points u (M, m) of the boundary."""
    here = region.conditions(live, u, np.zeros(live.size), np.full(live.size, target))
    slope, own = here.residual[:, :-1], -here.matrix[:, :-1, -1]
    mu = (slope * own).sum(axis=1) / np.maximum((own * own).sum(axis=1), 1e-300)
    point, _, value, good = _corrected(region, live, np.column_stack([u, mu]), np.full(live.size, target))
    return value, good & (point[:, -1] > 0)


def _searched(region: _Region, live: Index, u: Array, target: float) -> float:
    """The extreme on the boundary that a search from a point u (m,) of the region finds; NaN where it ends inside."""
    from scipy.optimize import minimize

    def conditions(point: Array) -> tuple[float, Array, float, Array]:
        eta = region.centre[live] + region.spread[live[0]] @ point
        sums = region.objective.sums(eta, region.which[live])
        value, slope = region.function(eta, region.which[live])
        spread = region.spread[live[0]]
        out = region.factor[live[0]]
        drop = float(2 * (sums.value[0] - region.base[live[0]]))
        return float(value[0]) * out, spread.T @ slope[0] * out, drop, 2 * spread.T @ sums.gradient[0]

    bounds: Any = {
        "type": "ineq",
        "fun": lambda point: target**2 - np.nan_to_num(conditions(point)[2], nan=1e10, posinf=1e10),
        "jac": lambda point: -np.nan_to_num(conditions(point)[3]),
    }
    search: Any = minimize
    found = search(
        lambda point: -np.nan_to_num(conditions(point)[0]), u, jac=lambda point: -np.nan_to_num(conditions(point)[1]),
        constraints=bounds, method="SLSQP", options={"maxiter": 200, "ftol": 1e-13},
    )  # fmt: skip
    value, _, drop, _ = conditions(found.x)
    # Newton's method gives the last digits, and says whether it is an extreme at all.
    sharper, good = _again(region, live, found.x[None], target)
    if good[0] and sharper[0] * region.factor[live[0]] > value - ENOUGH:
        return float(sharper[0])
    on_edge = bool(found.success) and abs(np.sqrt(max(drop, 0.0)) - target) <= SLACK
    return value / float(region.factor[live[0]]) if on_edge else float("nan")


def _corrected(
    region: _Region, live: Index, start: Array, distance: Array
) -> tuple[Array, Array, Array, NDArray[np.bool_]]:
    """Newton's method on the conditions, each problem with its own line search.

    Returns u and mu (M, m + 1), their derivatives in the distance, the function, and success.
    """
    point, size = start.copy(), start.shape[1] - 1
    best, value = np.full(live.size, np.inf), np.full(live.size, np.nan)
    extreme = np.zeros(live.size, dtype=bool)
    move, tangent, length = np.zeros_like(start), np.zeros_like(start), np.ones(live.size)
    waiting = np.arange(live.size)
    for _ in range(CORRECTIONS):
        trial = point[waiting] + length[waiting, None] * move[waiting]
        here = region.conditions(live[waiting], trial[:, :size], trial[:, size], distance[waiting])
        norm = _length(here.residual)
        better = (norm < best[waiting]) & np.isfinite(here.matrix).all(axis=(1, 2))
        kept = waiting[better]
        point[kept], best[kept], value[kept] = trial[better], norm[better], here.value[better]
        extreme[kept] = here.extreme[better]
        if kept.size:
            inverse = np.linalg.pinv(here.matrix[better], rcond=1e-14)
            tangent[kept] = inverse[:, :, size]
            move[kept] = -np.einsum("gij,gj->gi", inverse, here.residual[better])
            length[kept] = region.shortened(live[kept], move[kept, :size])
        length[waiting[~better]] /= 2
        waiting = waiting[(best[waiting] > EXACT) & (length[waiting] >= SHORTEST) & np.isfinite(best[waiting])]
        if not waiting.size:
            break
    return point, tangent, value, extreme & (best <= ENOUGH)


def _length(vectors: Array) -> Array:
    """Lengths (M,) of vectors (M, m) whose squares need not be numbers."""
    largest = np.abs(vectors).max(axis=1)
    unit = np.where((largest > 0) & np.isfinite(largest), largest, 1.0)
    return np.asarray(unit * np.sqrt(((vectors / unit[:, None]) ** 2).sum(axis=1)))
