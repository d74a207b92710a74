"""Probabilities of densities that are known only by their values, for many models at once.

A model's support is taken to the whole line, centred at the mode and stretched by w = mode + scale sinh(v), which is
linear near the mode and logarithmic far from it. There the density is cut into panels, halved until its Legendre
series of 16 terms has converged on each (Trefethen 2013, chapters 8 and 19). Everything follows from the values at the
nodes: sums of whole panels, and integrals up to any point of one by the series' own antiderivative. Both tails are
summed from their far ends, so that each keeps its relative precision.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from math import inf
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mlefit.families.links import Array
from mlefit.families.support import Support

Index = NDArray[np.intp]
# Values y (W, m) and the model of each row (W,) to log densities (W, m).
LogDensity = Callable[[Array, Index], Array]
# The same to Q quantities whose integrals are wanted beside that of the density.
Moments = Callable[[Array, Index], Sequence[Array]]

NODES: Final = 16
FIRST: Final = 8  # panels of a model before any is halved
INNER: Final = 1e-13  # size of the last terms of a series, where probabilities up to points of its panel are wanted
OUTER: Final = 1e-9  # the same where only the whole panel is; its integral is then as good as its square
HIDDEN: Final = 1e-8  # difference of a density at the ends of a panel from its series that is more than rounding
NOISE: Final = 1e-7  # below this a series that halving does not improve has met rounding
DEEPEST: Final = 48  # halvings
MOST: Final = 600  # panels of a model, on average
REACH: Final = 45.0  # the fall of the log density at which a tail ends
UNDERFLOW: Final = 600.0  # log density below the largest of a model at which sums on its scale lose digits
NARROW: Final = 0.05  # part of a panel within which its chart is as good as straight
SETTLED: Final = 25.0  # the fall without which what lies beyond could still matter
FLAT: Final = 4.0  # the most that a log density falls within a panel
FURTHEST: Final = 700.0  # of a score w where y grows like exp(w)
NEXT: Final = 1e-6  # so far beyond an end there is no density at all where it breaks off
BEYOND: Final = 1e60  # no density ends there
CELLS: Final = 400_000  # counts that are summed, of all models
FEWEST: Final = 20_000  # the same of one model at least
NORMAL: Final = 1e-8  # a total nearer to one than this is one


@dataclass(frozen=True)
class Chart:
    """A smooth map of the line onto the inside of a support; `integer` ones reach half a unit beyond its ends."""

    lower: float
    upper: float

    @staticmethod
    def of(support: Support) -> Chart:
        half = 0.5 if support.integer else 0.0
        return Chart(support.lower - half, support.upper + half)

    def outward(self, w: Array) -> Array:
        """w to y."""
        if self.lower == -inf and self.upper == inf:
            return w
        if self.upper == inf:
            return self.lower + np.exp(w)
        if self.lower == -inf:
            return self.upper - np.exp(-w)
        small = np.exp(-np.abs(w))
        part = (self.upper - self.lower) * small / (1 + small)
        return np.where(w < 0, self.lower + part, self.upper - part)

    def log_slope(self, w: Array) -> Array:
        """log dy/dw."""
        if self.lower == -inf and self.upper == inf:
            return np.zeros_like(w)
        if self.upper == inf:
            return w
        if self.lower == -inf:
            return -w
        return np.log(self.upper - self.lower) - np.abs(w) - 2 * np.log1p(np.exp(-np.abs(w)))

    def inward(self, y: Array) -> Array:
        """y to w; infinite at the ends and beyond."""
        if self.lower == -inf and self.upper == inf:
            return y
        above, below = np.maximum(y - self.lower, 0.0), np.maximum(self.upper - y, 0.0)
        if self.upper == inf:
            return np.log(above)
        if self.lower == -inf:
            return -np.log(below)
        return np.log(above) - np.log(below)

    @property
    def furthest(self) -> float:
        """The largest |w| that is of use."""
        return 1e300 if self.lower == -inf and self.upper == inf else FURTHEST


@dataclass(frozen=True, eq=False)
class Panels:
    """The distributions of M models, cut into W panels of m nodes, sorted by model and place.

    Attributes:
        log_density: of y.
        support: common to all.
        centre, scale: (M,) of the coordinate v.
        low, high: (M,) the y between which probabilities up to a point can be had.
        model: (W,) the model of each panel; `first` (M + 1,) where each model's begin.
        left, right: (W,) ends of the panels in v; of integers, the count itself.
        y: (W, m) nodes.
        log_f: (W, m) log density in x from -1 to 1 there; `top` (W,) its largest, finite.
        open: (M,) whether an end was cut while the density still mattered, so that there is no total.
        broken: (2, M) whether the density breaks off at its lower and upper end, before the support does.
    """

    log_density: LogDensity
    support: Support
    centre: Array
    scale: Array
    low: Array
    high: Array
    model: Index
    first: Index
    left: Array
    right: Array
    y: Array
    log_f: Array
    top: Array
    open: NDArray[np.bool_]
    broken: NDArray[np.bool_]

    @property
    def count(self) -> int:
        """The number M of models."""
        return int(self.centre.size)

    def covers(self, low: Array, high: Array) -> bool:
        """Whether probabilities up to any y from `low` to `high` (M,) can be had."""
        return bool(((low >= self.low) & (high <= self.high)).all())

    def masses(self) -> Array:
        """(W, m) what each node adds to the integral of its panel, over exp(top)."""
        with np.errstate(all="ignore"):
            return np.exp(self.log_f - self.top[:, None]) * (1.0 if self.support.integer else _rule()[1])

    def reference(self) -> Array:
        """(M,) the largest `top` of each model."""
        return np.maximum.reduceat(self.top, self.first[:-1])

    def log_total(self) -> Array:
        """(M,) log of the whole integral, infinite where it diverges; NaN for counts with too long a tail to sum."""
        reference = self.reference()
        with np.errstate(all="ignore"):
            parts = self.masses().sum(axis=1) * np.exp(self.top - reference[self.model])
            total = reference + np.log(np.add.reduceat(parts, self.first[:-1]))
        lost = self.open & (total > -inf)
        return np.where(lost, np.nan if self.support.integer else inf, total)

    def moment(self, about: Array, power: int) -> Array:
        """(M,) integrals of (y - about)^power times the density over that of the density."""
        reference = self.reference()
        with np.errstate(all="ignore"):
            mass = self.masses() * np.exp(self.top - reference[self.model])[:, None]
            terms = np.where(mass == 0, 0.0, mass * (self.y - about[self.model, None]) ** power).sum(axis=1)
            begin = self.first[:-1]
            return np.asarray(np.add.reduceat(terms, begin) / np.add.reduceat(mass.sum(axis=1), begin))

    # -- places ---------------------------------------------------------------------------------------------

    def place(self, y: Array, model: Index) -> tuple[Index, Array]:
        """The panel (N,) that holds y (N,) of a model, and where in it, x from -1 to 1; -1 below, 1 above all."""
        with np.errstate(all="ignore"):
            if self.support.integer:
                v = np.floor(y)
            else:
                v = np.arcsinh((Chart.of(self.support).inward(y) - self.centre[model]) / self.scale[model])
            below, above = self.first[model], self.first[model + 1]
            for _ in range(int(np.max(above - below, initial=1)).bit_length()):
                middle = (below + above) // 2
                right = (middle < self.first[model + 1]) & (v >= self.left[np.minimum(middle, self.left.size - 1)])
                right &= middle > below
                below, above = np.where(right, middle, below), np.where(right, above, np.maximum(middle, below + 1))
            left, width = self.left[below], self.right[below] - self.left[below]
            if self.support.integer:  # a count is reached at once
                return below, np.where(v < left, -1.0, 1.0)
            return below, np.clip((v - left) / width * 2 - 1, -1.0, 1.0)

    def tails(self, y: Array, model: Index, moments: Moments | None = None) -> tuple[Array, Array]:
        """Integrals from the lower end of the support to y (N,), and from y to the upper end.

        Each is (1 + Q, N): first the log of that of the density, then those of the Q `moments` over it.
        """
        panel, x = self.place(y, model)
        values = self._quantities(moments)
        return self._tail(values, panel, x, False), self._tail(values, panel, x, True)

    def _tail(self, values: Array, panel: Index, x: Array, upper: bool) -> Array:
        """One of the `tails` at places x (N,) in panels (N,)."""
        model = self.model[panel]
        # The scale of a model is that of the panels that any of its tails is made of.
        first = np.full(self.count, self.top.size) if upper else np.full(self.count, -1)
        (np.minimum if upper else np.maximum).at(first, model, panel)
        own = np.arange(self.top.size)
        used = own >= first[self.model] if upper else own <= first[self.model]
        reference = np.maximum.reduceat(np.where(used, self.top, -inf), self.first[:-1])
        reference = np.where(np.isfinite(reference), reference, 0.0)
        with np.errstate(all="ignore"):
            factor = np.where(used, np.exp(self.top - reference[self.model]), 0.0)
            running = self._running(values.sum(axis=2) * factor, upper)
            part = np.einsum("qnm,nm->qn", values[:, panel], self._partial(x, upper)) * factor[panel]
        found = _logged(running[:, panel] + part, reference[model])
        deep = np.flatnonzero((self.top[panel] < reference[model] - UNDERFLOW) & (self.top[panel] > -1e300))
        if 0 < deep.size < panel.size:
            found[:, deep] = self._tail(values, panel[deep], x[deep], upper)
        return found

    def between(self, low: Array, high: Array, model: Index, moments: Moments | None = None) -> Array:
        """As `tails`, from `low` to `high` (N,), finite both: as precise however narrow they are."""
        first, x = self.place(low, model)
        last, z = self.place(high, model)
        values = self._quantities(moments)
        with np.errstate(all="ignore"):
            # The scale of each row is that of its highest panel.
            reference = np.maximum(self.top[first], self.top[last])
            wide = np.flatnonzero(last > first + 1)
            number = (last - first - 1)[wide]
            start = np.cumsum(number) - number
            whole = np.repeat(first[wide] + 1 - start, number) + np.arange(int(number.sum()))
            if wide.size:
                reference[wide] = np.maximum(reference[wide], np.maximum.reduceat(self.top[whole], start))
            begin, end = np.exp(self.top[first] - reference), np.exp(self.top[last] - reference)
        begin = np.where(first == last, 0.0, begin)
        sums = np.einsum("qnm,nm->qn", values[:, first], self._partial(x, True)) * begin
        sums += np.einsum("qnm,nm->qn", values[:, last], self._partial(z, False)) * end
        if wide.size:
            with np.errstate(all="ignore"):
                factor = np.exp(self.top[whole] - np.repeat(reference[wide], number))
            sums[:, wide] += np.add.reduceat(values.sum(axis=2)[:, whole] * factor, start, axis=1)
        alone = np.flatnonzero((first == last) & (x < z)) if not self.support.integer else np.zeros(0, dtype=np.intp)
        if alone.size:
            panel = first[alone]
            middle, half = (x[alone] + z[alone]) / 2, (z[alone] - x[alone]) / 2
            nodes, rule = _rule()
            at = middle[:, None] + half[:, None] * nodes
            v = self.left[panel, None] + (self.right - self.left)[panel, None] * (at + 1) / 2
            y, log_f = self._at(v, panel)
            # In v a narrow interval would lose the digits of its width.
            narrow = half < NARROW
            width = (high - low)[alone]
            straight = low[alone, None] + width[:, None] * ((nodes + 1) / 2)
            with np.errstate(all="ignore"):
                level = self.log_density(straight, self.model[panel]) + np.log(width / 2)[:, None]
            y = np.where(narrow[:, None], straight, y)
            log_f = np.where(narrow[:, None], np.where(level < inf, level, -inf), log_f)
            half = np.where(narrow, 1.0, half)
            top = np.max(log_f, axis=1)
            with np.errstate(all="ignore"):
                mass = np.exp(log_f - top[:, None]) * rule * half[:, None]
                extra = moments(y, self.model[panel]) if moments is not None else ()
                parts = np.stack([np.sum(np.where(mass == 0, 0.0, mass * q), axis=1) for q in (1.0, *extra)])
            sums[:, alone], reference[alone] = parts, top
        return _logged(sums, reference)

    def quantile(self, q: Array, model: Index) -> Array:
        """The smallest y (N,) with a share q in (0, 1) of the total up to it."""
        values = self._quantities(None)
        reference = self.reference()
        with np.errstate(all="ignore"):
            factor = np.exp(self.top - reference[self.model])
        whole = values[0].sum(axis=1) * factor
        total = np.add.reduceat(whole, self.first[:-1])[model]
        y = np.full(q.shape, np.nan)
        for upper in (False, True):
            rows = np.flatnonzero((q >= 0.5) if upper else (q < 0.5))
            if not rows.size:
                continue
            own = model[rows]
            goal = (1 - q[rows] if upper else q[rows]) * total[rows]
            running = self._running(whole[None], upper)[0]
            # The panel in which the tail, exclusive of it, is less than the goal, and inclusive not.
            low, high = self.first[own], self.first[own + 1] - 1
            for _ in range(int(np.max(high - low, initial=1)).bit_length() + 1):
                middle = (low + high) // 2
                if upper:
                    further = running[middle] > goal if not self.support.integer else running[middle] > goal * _SLACK
                else:
                    further = (running + whole)[middle] < goal / (_SLACK if self.support.integer else 1.0)
                low = np.where(further & (low < high), middle + 1, low)
                high = np.where(further, high, np.maximum(middle, low))
            if self.support.integer:
                y[rows] = self.left[low]
            else:
                with np.errstate(all="ignore"):
                    share = np.clip((goal - running[low]) / factor[low], 0.0, whole[low] / factor[low])
                x = _solve(values[0, low], share, upper)
                v = self.left[low] + (self.right[low] - self.left[low]) * (x + 1) / 2
                y[rows] = Chart.of(self.support).outward(self.centre[own] + self.scale[own] * np.sinh(v))
        return y

    # -- sums -----------------------------------------------------------------------------------------------

    def _at(self, v: Array, panel: Index) -> tuple[Array, Array]:
        return _density(self.log_density, Chart.of(self.support), v, self.model[panel], self.centre, self.scale,
                        (self.right - self.left)[panel] / 2)  # fmt: skip

    def _quantities(self, moments: Moments | None) -> Array:
        """(1 + Q, W, m) what each node adds to each integral, over exp(top)."""
        mass = self.masses()
        if moments is None:
            return mass[None]
        extra = moments(self.y, self.model)
        result = np.empty((1 + len(extra), *mass.shape))
        result[0] = mass
        with np.errstate(all="ignore"):
            for i, values in enumerate(extra):
                result[i + 1] = np.where(mass == 0, 0.0, mass * values)
        return result

    def _running(self, values: Array, upper: bool) -> Array:
        """(Q, W) sums of the panels of the same model beyond each, or before it."""
        longest = int(np.max(np.diff(self.first)))
        at = np.arange(self.model.size) - self.first[self.model]
        if upper:
            at = self.first[self.model + 1] - 1 - np.arange(self.model.size)
        padded = np.zeros((values.shape[0], self.count, longest + 1))
        padded[:, self.model, at + 1] = values
        return np.asarray(np.cumsum(padded, axis=2)[:, self.model, at])

    def _partial(self, x: Array, upper: bool) -> Array:
        """(N, m) what to multiply the masses of a panel with to have its part before x, or beyond it."""
        if self.support.integer:
            return (x < 0 if upper else x > 0)[:, None].astype(float)
        _, weights = _rule()
        series = _antiderivatives(-x if upper else x)
        if upper:  # by symmetry: the part beyond x is that before -x of the mirrored panel
            series = series * _SIGNS
        return np.asarray((series @ _transform()) / weights)


_SLACK: Final = 1 + 1e-12
_SIGNS: Final = (-1.0) ** np.arange(NODES)


def _logged(sums: Array, reference: Array) -> Array:
    with np.errstate(all="ignore"):
        result = sums / sums[0]
        result[0] = reference + np.log(sums[0])
    return np.where(sums[0] > 0, result, np.concatenate([np.full((1, sums.shape[1]), -inf), np.zeros_like(sums[1:])]))


@cache
def _rule() -> tuple[Array, Array]:
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    return nodes, weights


@cache
def _transform() -> Array:
    """(m, m) values at the nodes to coefficients of the Legendre series through them."""
    nodes, weights = _rule()
    degree = np.arange(NODES)
    return np.asarray((degree[:, None] + 0.5) * np.polynomial.legendre.legvander(nodes, NODES - 1).T * weights)


@cache
def _ends() -> Array:
    """(2, m) values at the nodes to those of the series at -1 and 1."""
    return np.asarray(np.polynomial.legendre.legvander(np.array([-1.0, 1.0]), NODES - 1) @ _transform())


def _antiderivatives(x: Array) -> Array:
    """(N, m) integrals from -1 to x of the Legendre polynomials (DLMF 18.17.1)."""
    basis = np.polynomial.legendre.legvander(x, NODES)
    result = np.empty((x.size, NODES))
    result[:, 0] = 1 + x
    degree = np.arange(1, NODES)
    result[:, 1:] = (basis[:, 2:] - basis[:, :-2]) / (2 * degree + 1)
    return result


def _solve(values: Array, goal: Array, upper: bool) -> Array:
    """x (N,) at which the part of a panel before it, or beyond it, is the goal; `values` (N, m) as `masses`."""
    _, weights = _rule()
    series = (values / weights) @ _transform().T
    if upper:
        series = series * _SIGNS
    low, high = np.full(goal.shape, -1.0), np.ones(goal.shape)
    x = np.zeros(goal.shape)
    for _ in range(60):
        basis = np.polynomial.legendre.legvander(x, NODES)
        part = np.empty((x.size, NODES))
        part[:, 0] = 1 + x
        part[:, 1:] = (basis[:, 2:] - basis[:, :-2]) / (2 * np.arange(1, NODES) + 1)
        excess = (series * part).sum(axis=1) - goal
        slope = (series * basis[:, :-1]).sum(axis=1)
        low, high = np.where(excess < 0, x, low), np.where(excess > 0, x, high)
        with np.errstate(all="ignore"):
            moved = x - excess / slope
        good = (moved > low) & (moved < high)
        new = np.where(excess == 0, x, np.where(good, moved, (low + high) / 2))
        settled = np.abs(new - x) <= 1e-15
        x = new
        if settled.all():
            break
    return -x if upper else x


def _density(
    log_density: LogDensity, chart: Chart, v: Array, model: Index, centre: Array, scale: Array, half: Array | float
) -> tuple[Array, Array]:
    """y (W, m) and the log density in x, v = middle + half x, at v (W, m); -inf where there is none."""
    with np.errstate(all="ignore"):
        w = centre[model, None] + scale[model, None] * np.sinh(v)
        y = chart.outward(w)
        stretch = np.log(scale)[model, None] + np.logaddexp(v, -v) - np.log(2.0)
        value = log_density(y, model) + chart.log_slope(w) + stretch + np.log(np.reshape(half, (-1, 1)))
    return y, np.where(value < inf, value, -inf)  # NaN and infinite ones: single points


# -- where the density lies ----------------------------------------------------------------------------------------


def cut(
    log_density: LogDensity, support: Support, low: Array, high: Array, *, reach: float = REACH, powers: int = 0
) -> Panels:
    """The panels of M models.

    Args:
        log_density: y (W, m) and models (W,) to log densities (W, m); NaN where there is none.
        support: the set of values.
        low, high: (M,) the values between which probabilities up to a point are wanted; low > high for none.
        reach: the fall of the log density, below its peak and below that at `low` or `high`, that ends a tail.
        powers: the highest power of y whose integral is wanted.
    """
    chart = Chart.of(support)
    models = np.arange(low.size)

    def value(w: Array, some: Index) -> Array:
        """log density in w; of counts at the nearest one."""
        with np.errstate(all="ignore"):
            y = chart.outward(w)
            found = log_density(np.rint(y) if support.integer else y, some) + chart.log_slope(w)
            return np.where(found < inf, found, -inf)

    wanted = low <= high
    with np.errstate(all="ignore"):
        ends = np.stack([chart.inward(np.where(wanted, e, np.nan)) for e in (low, high)])
        ends = np.where(np.abs(ends) < chart.furthest, ends, np.nan)
    centre, scale = _peak(value, models, chart, ends)
    with np.errstate(all="ignore"):
        places = np.arcsinh((ends - centre) / scale)

    def stretched(v: Array) -> Array:
        """As a reach is judged: of the density in v, times the power wanted."""
        w = centre[:, None] + scale[:, None] * np.sinh(v)
        with np.errstate(all="ignore"):
            found = value(w, models) + np.logaddexp(v, -v)
            if powers:
                middle = chart.outward(centre)[:, None]
                unit = np.abs(chart.outward(centre + scale)[:, None] - middle)
                found = found + powers * np.log1p(np.abs(chart.outward(w) - middle) / unit)
            return np.where(found < inf, found, -inf)

    with np.errstate(all="ignore"):
        limit = np.arcsinh(np.stack([-chart.furthest - centre, chart.furthest - centre]) / scale)
    bounds, is_open, broken = [], np.zeros(low.size, dtype=bool), []
    for side, sign in ((0, -1.0), (1, 1.0)):
        near = np.nan_to_num(places[side] * sign, nan=0.0)
        base = np.maximum(near, 0.0)
        end, lost, off = _reach(stretched, sign, base, limit[side] * sign, reach)
        bounds.append(sign * end)
        broken.append(off)
        with np.errstate(all="ignore"):  # so far out it is the formula that broke off, by overflow
            is_open |= lost | (off & (np.abs(chart.outward(centre + scale * np.sinh(bounds[-1]))) > BEYOND))
    inner = np.where(wanted, places, np.nan)
    # An end at or beyond that of the support asks for what is next to it.
    inner[0] = np.where(wanted & np.isnan(inner[0]), bounds[0], inner[0])
    inner[1] = np.where(wanted & np.isnan(inner[1]), bounds[1], inner[1])
    kept_low, kept_high = np.where(wanted, low, inf), np.where(wanted, high, -inf)
    if support.integer:
        return _counts(log_density, support, chart, centre, scale, bounds, kept_low, kept_high, is_open)
    off_ends = np.stack(broken)
    return _halved(log_density, support, chart, centre, scale, bounds, inner, kept_low, kept_high, is_open, off_ends)


def _peak(value: Callable[[Array, Index], Array], models: Index, chart: Chart, ends: Array) -> tuple[Array, Array]:
    """The mode and the scale of the log density in w, (M,) each: a grid around the highest point, ever finer."""
    steps = 4.0 ** np.arange(-12, 30) if chart.furthest > FURTHEST else 2.0 ** np.arange(-6, 9.5)
    grid = np.concatenate([-steps[::-1], [0.0], steps])
    grid = np.clip(grid, -chart.furthest, chart.furthest)
    hints = np.stack([ends[0], ends[1], (ends[0] + ends[1]) / 2])
    around = np.nan_to_num(hints, nan=0.0).T
    w = np.sort(np.concatenate([np.broadcast_to(grid, (models.size, grid.size)), around], axis=1), axis=1)
    centre, scale = np.zeros(models.size), np.ones(models.size)
    active = models
    for _ in range(60):
        found = value(w, active)
        best = np.argmax(found, axis=1)
        rows = np.arange(active.size)
        top = found[rows, best]
        here = w[rows, best]
        before, after = np.maximum(best - 1, 0), np.minimum((w <= here[:, None]).sum(axis=1), w.shape[1] - 1)
        left, right = w[rows, before], w[rows, after]
        with np.errstate(all="ignore"):
            fall = np.stack([top - found[rows, before], top - found[rows, after]])
            width = np.stack([here - left, right - here])
            fall = np.where((width > 0) & ~np.isnan(fall), fall, inf)
            less = np.min(fall, axis=0)
            centre[active] = here
            # The scale is the distance over which it falls by one, extrapolated from the furthest point above that.
            apart = np.where(found >= top[:, None] - 1, np.abs(w - here[:, None]), -1.0)
            furthest = np.argmax(apart, axis=1)
            wide, drop = apart[rows, furthest], top - found[rows, furthest]
            shortest = np.minimum(np.where(width[0] > 0, width[0], inf), np.where(width[1] > 0, width[1], inf))
            wide = np.where(wide > 0, wide / np.sqrt(np.clip(drop, 1 / 16, 1.0)), shortest)
            scale[active] = np.where(np.isfinite(top) & np.isfinite(wide) & (wide > 0), wide, scale[active])
            done = (less <= 1.0) | ~np.isfinite(top) | (right - left <= 1e-14 * np.abs(here))
        if done.all():
            break
        active, left, right = active[~done], left[~done], right[~done]
        w = left[:, None] + (right - left)[:, None] * (np.arange(17) / 16)
    return centre, scale


def _reach(
    stretched: Callable[[Array], Array], sign: float, base: Array, limit: Array, reach: float
) -> tuple[Array, NDArray[np.bool_], NDArray[np.bool_]]:
    """The v (M,) beyond `base` at which a tail ends, whether it has not at the limit, and whether it breaks off."""
    limit = np.maximum(limit, base + 1e-3)
    # Close together where another mode could lie, up to some seventy of its widths away.
    near_by, room = 0.2 * np.arange(1, 26), (limit - base)[:, None]
    far_off = near_by[-1] + np.maximum(room - near_by[-1], 0.0) * (np.arange(1, 25) / 24) ** 3
    v = base[:, None] + np.minimum(np.hstack([np.broadcast_to(near_by, (base.size, 25)), far_off]), room)
    start = stretched(sign * np.stack([np.zeros_like(base), base], axis=1))
    with np.errstate(all="ignore"):
        floor = np.min(np.where(start > -inf, start, inf), axis=1) - reach
    found = stretched(sign * v)
    high = found > floor[:, None]
    last = np.where(high.any(axis=1), v.shape[1] - 1 - np.argmax(high[:, ::-1], axis=1), -1)
    rows = np.arange(base.size)
    lost = found[:, -1] > start[:, 0] - SETTLED
    near = np.where(last >= 0, v[rows, np.maximum(last, 0)], base)
    far = v[rows, np.minimum(last + 1, v.shape[1] - 1)]
    sheer = (found[rows, np.minimum(last + 1, v.shape[1] - 1)] == -inf) & ~lost
    for i in range(60):
        if i > 3 and not sheer.any():
            break
        middle = (near + far) / 2
        here = stretched(sign * middle[:, None])[:, 0]
        beyond = here > floor
        near, far = np.where(beyond, middle, near), np.where(beyond, far, middle)
        sheer &= beyond | (here == -inf)  # the density breaks off: the last panel ends there
    end = np.where(sheer, near, far)
    return end, lost, (stretched(sign * (end + NEXT * (1 + end))[:, None])[:, 0] == -inf) & ~lost


def _counts(
    log_density: LogDensity,
    support: Support,
    chart: Chart,
    centre: Array,
    scale: Array,
    bounds: Sequence[Array],
    low: Array,
    high: Array,
    is_open: NDArray[np.bool_],
) -> Panels:
    """Every count between the bounds is a panel of one node."""
    with np.errstate(all="ignore"):
        ends = [chart.outward(centre + scale * np.sinh(b)) for b in bounds]
    middle = np.rint(chart.outward(centre))
    most = max(FEWEST, CELLS // centre.size)
    begin = np.maximum(np.maximum(np.floor(ends[0]), support.lower), middle - most)
    end = np.minimum(np.minimum(np.ceil(ends[1]), support.upper), middle + most)
    lost = is_open | (np.ceil(ends[1]) > end) & (end < support.upper)
    lost |= (np.floor(ends[0]) < begin) & (begin > support.lower)
    end = np.maximum(end, begin)
    sizes = (end - begin + 1).astype(np.intp)
    first = np.concatenate([[0], np.cumsum(sizes)])
    model = np.repeat(np.arange(centre.size), sizes)
    y = (begin[model] + np.arange(model.size) - first[model])[:, None]
    with np.errstate(all="ignore"):
        found = log_density(y, model)
        log_f = np.where(found < inf, found, -inf)
    # A tail that was still there when it ran out of cells has no total.
    top = np.where(log_f[:, 0] > -inf, log_f[:, 0], -1e300)
    peak = np.maximum.reduceat(top, first[:-1])
    lost &= np.maximum(top[first[:-1]], top[first[1:] - 1]) + np.log(most) > peak - SETTLED
    return Panels(log_density, support, centre, scale, low, high, model, first, y[:, 0], y[:, 0] + 1, y, log_f, top,
                  lost, np.zeros((2, lost.size), dtype=bool))  # fmt: skip


def _halved(
    log_density: LogDensity,
    support: Support,
    chart: Chart,
    centre: Array,
    scale: Array,
    bounds: Sequence[Array],
    inner: Array,
    low: Array,
    high: Array,
    is_open: NDArray[np.bool_],
    broken: NDArray[np.bool_],
) -> Panels:
    """Panels between the bounds, halved until their series have converged."""
    count = centre.size
    edges = bounds[0][:, None] + (bounds[1] - bounds[0])[:, None] * (np.arange(FIRST + 1) / FIRST)
    left, right = edges[:, :-1].ravel(), edges[:, 1:].ravel()
    model = np.repeat(np.arange(count), FIRST)
    before = np.full(left.size, inf)
    nodes, weights = _rule()
    nodes = np.concatenate([[-1.0], nodes, [1.0]])
    last = _transform()[-3:]
    heaviest = np.full((2, count), -inf)
    kept: list[tuple[Array, ...]] = []
    total = 0
    for depth in range(DEEPEST + 1):
        half = (right - left) / 2
        v = (left + half)[:, None] + half[:, None] * nodes
        y, log_f = _density(log_density, chart, v, model, centre, scale, half)
        sides, y, log_f = log_f[:, [0, -1]], y[:, 1:-1], log_f[:, 1:-1]
        top = np.max(log_f, axis=1)
        empty = top == -inf
        top = np.where(empty, -1e300, top)
        with np.errstate(all="ignore"):
            f = np.exp(log_f - top[:, None])
            tail = np.abs(f @ last.T).max(axis=1)
            # What bends between the last node and the end of a panel shows there alone.
            ends = np.exp(sides - top[:, None])
            outmost = np.stack([left == bounds[0][model], right == bounds[1][model]], axis=1)
            missed = np.where(outmost, 0.0, np.abs(f @ _ends().T - ends)).max(axis=1)
            tail = np.where(missed > HIDDEN, np.maximum(tail, missed), tail)
            lowest = log_f.min(axis=1)
            mass = top + np.log(f @ weights)
            # What y itself has been rounded by moves the density too.
            fall = np.where(np.isfinite(lowest), top - lowest, 0.0)
            blur = 1e-15 * np.abs(y).max(axis=1) / np.abs(y[:, -1] - y[:, 0]) * fall
        inside = (left < inner[1][model]) & (right > inner[0][model])
        # Each side's panels are weighed against the heaviest on that side of the points asked for.
        above = left >= inner[1][model]
        for side, beyond in enumerate((~inside & ~above, above)):
            np.maximum.at(heaviest[side], model, np.where(beyond, mass, -inf))
        weight = np.where(above, heaviest[1][model], heaviest[0][model])
        with np.errstate(all="ignore"):
            share = np.exp(np.minimum(mass - np.where(np.isfinite(weight), weight, mass), 0.0))
        rough = np.where(inside, (tail > INNER + blur) | (top - lowest > FLAT), tail * share > OUTER)
        rough &= ~empty & ~((tail < NOISE) & (tail > before / 4) & (top - lowest < FLAT))
        if depth == DEEPEST or total + 2 * rough.sum() > MOST * count + 4000:
            rough &= False
        fine = ~rough
        kept.append((model[fine], left[fine], right[fine], y[fine], log_f[fine], top[fine]))
        total += int(fine.sum())
        if not rough.any():
            break
        middle = (left + half)[rough]
        left, right = np.concatenate([left[rough], middle]), np.concatenate([middle, right[rough]])
        model, before = np.tile(model[rough], 2), np.tile(tail[rough], 2)
    model, left, right, y, log_f, top = (np.concatenate(parts) for parts in zip(*kept, strict=True))
    order = np.lexsort((left, model))
    model = model[order]
    first = np.searchsorted(model, np.arange(count + 1))
    return Panels(log_density, support, centre, scale, low, high, model, first, left[order], right[order], y[order],
                  log_f[order], top[order], is_open, broken)  # fmt: skip
