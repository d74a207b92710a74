"""Minima of functions that are smooth but for kinks and walls on known hyperplanes.

A step solves the linear model of the function, in which the kinks within a box stand where they are, as a linear
programme; the hyperplanes that its solution lies on are the face on which Newton's step is taken (sequential linear and
quadratic programming: Fletcher and Sainz de la Maza 1989; Byrd, Gould, Nocedal and Waltz 2004). At the end the
programme of the hyperplanes touched says whether any direction descends: its value is the certificate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from mlefit.solvers.linear_programme import check_functions, independent
from mlefit.solvers.solution import Array

STEPS: Final = 150
ROUNDING: Final = 1e-13  # of the value; what changes less has not changed
FIRST: Final = 4.0  # units that the first box reaches
LARGEST: Final = 1e3
SMALLEST: Final = 1e-11
TIGHT: Final = 1e-9  # of a unit, at which a step has come to a hyperplane
SMALL: Final = 1e-9  # of a unit of decrease: nothing descends
SHARES: Final = (1.0, 0.5, 0.2, 0.05)
LEVEL: Final = 1e-10  # of curvature, relative to the units: none
BENDING: Final = 1e-9  # the same, at the end
NEAR: Final = 1e-6  # of a unit
POLISH: Final = 8


@dataclass(frozen=True, eq=False)
class Local:
    """A function beside a point, where `gradient` and `hessian` are those on one side of all hyperplanes touched.

    Attributes:
        value: at the point.
        gradient, hessian: (q,), (q, q).
        normal: (m, q) of the hyperplanes normal x = number.
        distance: (m,) number - normal x at the point, 0 where it is touched.
        up: (m,) whether the slope changes as normal x rises; else as it falls.
        rise: (m,) by how much it then rises, per unit of normal x; infinite at a wall.
    """

    value: float
    gradient: Array
    hessian: Array
    normal: Array
    distance: Array
    up: NDArray[np.bool_]
    rise: Array


class Kinked(Protocol):
    """What is minimised. A point within rounding of a hyperplane is taken to lie on it."""

    def value(self, x: Array) -> float: ...

    def local(self, x: Array, box: Array, other: bool = False) -> Local:
        """Around `x` (q,), with the hyperplanes within `box` (q,) of it; `other`: on the other side of those touched
        at which the function is concave."""
        ...


@dataclass(frozen=True, eq=False)
class Minimum:
    """Where the steps ended.

    Attributes:
        x: (q,).
        value: there.
        excess: the most that a direction of one unit descends by, to first order; 0 at a minimum.
        steps: how many.
        level: (q, l) directions without curvature, along which the minimum may go on.
        open: whether it falls up to an end that it does not reach, beyond which it is infinite.
        bent: whether the function bends upwards in all other directions within the face.
    """

    x: Array
    value: float
    excess: float
    steps: int
    level: Array
    open: bool
    bent: bool


def minimised(function: Kinked, start: Array, unit: Array) -> Minimum:
    """Descend from `start` (q,), at which the function is finite, to a point from which no direction descends.

    Args:
        function: what is minimised.
        start: (q,).
        unit: (q,) the size of each coordinate, such as a standard error.
    """
    x, value = start.copy(), function.value(start)
    reach, steps = FIRST, 0
    while steps < STEPS and reach > SMALLEST:
        steps += 1
        here = function.local(x, reach * unit)
        step = _linear(here, reach * unit)
        if step is None:
            reach /= 8
            continue
        trials = [(x + t * step, t) for t in SHARES]
        face = _face(here, step, unit)
        trials += [(point, 1.0) for point in _newton(here, x, step, face, unit)]
        values = np.array([function.value(point) for point, _ in trials])
        best = int(np.nanargmin(np.where(np.isfinite(values), values, np.inf)))
        lower = values[best] < value - ROUNDING * abs(value)
        settled = not lower or value - values[best] < 1e-7
        if lower:
            share = trials[best][1]
            reach = min(2 * reach, LARGEST) if share == 1.0 else 2 * share * reach
            x, value = trials[best][0], float(values[best])
        else:
            reach /= 8
        if settled:
            x, value = _polished(function, x, value, unit)
            if _excess(function, x, unit)[0] <= SMALL:
                point = _beside(function, x, value, unit)
                if point is None:
                    break
                x, value, reach = point, function.value(point), FIRST
    excess, step = _excess(function, x, unit)
    ends = excess > SMALL and not np.isfinite(function.value(x + NEAR * step))
    level, bent = _flat(function, x, unit)
    return Minimum(x, value, excess, steps, level, ends, bent)


# -- the steps ------------------------------------------------------------------------------------------------------


def _linear(here: Local, box: Array) -> Array | None:
    """The step (q,) within the box that is lowest in the linear model; None where the programme has no solution."""
    q = box.size
    size = float(np.abs(here.gradient * box).sum()) or 1.0
    if not np.isfinite(size):
        return None
    near = here.rise > 0
    rise, up = here.rise[near] * 1.0, here.up[near]
    x = np.concatenate([here.normal[near] * box, np.eye(q), np.eye(q)])
    knot = np.concatenate([here.distance[near], np.ones(q), -np.ones(q)])
    none, wall = np.zeros(q), np.full(q, np.inf)
    above = np.concatenate([np.where(up, rise, 0.0), wall, none]) / size
    below = np.concatenate([np.where(up, 0.0, rise), none, wall]) / size
    found = check_functions(x, knot, below, above, -here.gradient * box / size)
    return None if found is None else np.asarray(np.clip(found, -1, 1) * box)


def _face(here: Local, step: Array, unit: Array) -> NDArray[np.intp]:
    """Hyperplanes that a step ends on, as many as are independent."""
    length = np.abs(here.normal) @ unit
    on = (np.abs(here.distance - here.normal @ step) <= TIGHT * length) & (here.rise > 0)
    rows = np.flatnonzero(on)
    order = np.argsort(-np.where(np.isinf(here.rise[rows]), 1e300, 0.0), kind="stable")
    return independent(here.normal * unit, rows[order]) if rows.size else rows


def _newton(here: Local, x: Array, step: Array, face: NDArray[np.intp], unit: Array) -> list[Array]:
    """Newton's points on the face, whole and shortened; the slopes are those beyond the kinks that the step crosses."""
    gradient = here.gradient.copy()
    rest = here.distance - here.normal @ step
    beyond = np.where(here.up, rest < 0, rest > 0) & np.isfinite(here.rise) & (here.rise > 0)
    beyond[face] = False
    gradient += (here.normal[beyond] * (here.rise * np.where(here.up, 1.0, -1.0))[beyond, None]).sum(axis=0)
    base, inner = _on(here.normal[face] * unit, here.distance[face])
    move = _descent(inner, gradient * unit, here.hessian * unit[:, None] * unit, base)
    return [x + (base + t * move) * unit for t in (1.0, 0.5, 0.2, 0.0)]


def _on(normal: Array, distance: Array) -> tuple[Array, Array]:
    """The least step (q,) to a face, and the directions within it (q, r)."""
    if not len(normal):
        return np.zeros(normal.shape[1]), np.eye(normal.shape[1])
    left, sizes, right = np.linalg.svd(normal, full_matrices=True)
    base = right[: sizes.size].T @ ((left.T @ distance)[: sizes.size] / sizes)
    return np.asarray(base), right[sizes.size :].T


def _descent(inner: Array, gradient: Array, hessian: Array, base: Array) -> Array:
    """Newton's step within a face, curvatures by their magnitude."""
    if not inner.shape[1] or not np.isfinite(hessian).all():
        return np.zeros(base.size)
    values, vectors = np.linalg.eigh(inner.T @ hessian @ inner)
    slope = vectors.T @ (inner.T @ (gradient + hessian @ base))
    floor = LEVEL * max(1.0, float(np.abs(values).max()))
    with np.errstate(all="ignore"):
        move = np.where(np.abs(values) > floor, -slope / np.abs(values), -slope)
    return np.asarray(inner @ (vectors @ np.clip(np.nan_to_num(move), -LARGEST, LARGEST)))


def _touched(here: Local, unit: Array) -> NDArray[np.intp]:
    rows = np.flatnonzero((here.distance == 0) & (here.rise > 0))
    order = np.argsort(-np.where(np.isinf(here.rise[rows]), 1e300, 0.0), kind="stable")
    return independent(here.normal * unit, rows[order]) if rows.size else rows


def _polished(function: Kinked, x: Array, value: float, unit: Array) -> tuple[Array, float]:
    """Newton's steps on the face that is touched, as long as they shorten."""
    last = np.inf
    none = np.zeros(unit.size)
    for _ in range(POLISH):
        here = function.local(x, none)
        face = _touched(here, unit)
        base, inner = _on(here.normal[face] * unit, here.distance[face])
        move = _descent(inner, here.gradient * unit, here.hessian * unit[:, None] * unit, base)
        size = float(np.abs(move).max(initial=0.0))
        if not size < 0.5 * last or size > 0.1:
            break
        trial = x + move * unit
        reached = function.value(trial)
        if not reached <= value + 1e-12 * abs(value):
            break
        x, value, last = trial, reached, size
    return x, value


def _excess(function: Kinked, x: Array, unit: Array) -> tuple[float, Array]:
    """The most that the function falls by, to first order, within one unit, 0 where nothing descends; and where."""
    found, way = 0.0, np.zeros(unit.size)
    none = np.zeros(unit.size)
    for other in (False, True):
        here = function.local(x, none, other)
        touched = (here.distance == 0) & (here.rise > 0)
        only = Local(
            here.value, here.gradient, here.hessian, here.normal[touched], here.distance[touched], here.up[touched],
            here.rise[touched],
        )  # fmt: skip
        step = _linear(only, unit)
        if step is None:
            return np.inf, way
        along = only.normal @ step
        over = np.maximum(np.where(only.up, along, -along), 0.0)
        finite = np.isfinite(only.rise)
        falls = -float(here.gradient @ step + only.rise[finite] @ over[finite])
        found, way = (falls, step) if falls > found else (found, way)
        if not (here.rise[here.distance == 0] < 0).any():
            break
    return found, way


def _beside(function: Kinked, x: Array, value: float, unit: Array) -> Array | None:
    """A lower point along the direction in which the function bends downwards the most; None where there is none."""
    values, vectors = _curvatures(function, x, unit)
    if not values.size or not values[0] < 0:
        return None
    points = [x + side * step * vectors[:, 0] for step in (1e-3, 1e-2, 0.1, 1.0) for side in (-1.0, 1.0)]
    reached = np.array([function.value(point) for point in points])
    best = int(np.argmin(reached))
    return points[best] if reached[best] < value - ROUNDING * abs(value) else None


def _curvatures(function: Kinked, x: Array, unit: Array) -> tuple[Array, Array]:
    """Curvatures (r,) within the face that is touched, per unit, the least first, and their directions (q, r)."""
    here = function.local(x, np.zeros(unit.size))
    face = _touched(here, unit)
    inner = _on(here.normal[face] * unit, here.distance[face])[1]
    if not inner.shape[1]:
        return np.zeros(0), np.zeros((unit.size, 0))
    values, vectors = np.linalg.eigh(inner.T @ (here.hessian * unit[:, None] * unit) @ inner)
    return values, unit[:, None] * (inner @ vectors)


def _flat(function: Kinked, x: Array, unit: Array) -> tuple[Array, bool]:
    """Directions (q, l) within the face that is touched in which the function does not bend, and whether it bends
    upwards in the others."""
    values, vectors = _curvatures(function, x, unit)
    level = np.abs(values) <= BENDING * max(1.0, float(np.abs(values).max(initial=0.0)))
    return vectors[:, level], bool((values[~level] > 0).all())
