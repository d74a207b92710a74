"""The maximum of a likelihood that ends or bends at values of the data, where these are known only in part.

For one parameter, the others held, the likelihood is smooth between the numbers that occur in the rows. A search over
these numbers finds the one at which its slope changes sign, or the two between which it does. One parameter after
another comes to the joint maximum, since the bends lie along the axes (Tseng 2001, theorem 4.1); without truncation
there is no other: the likelihood of a location and a scale of a log-concave density is itself log-concave in
(location/scale, 1/scale), whatever is censored (Burridge 1981; Prekopa 1973).
"""

from __future__ import annotations

from collections.abc import Callable, Set
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mlefit.families.base import Family, Index, Rows
from mlefit.families.imputed import Copies
from mlefit.families.links import BOUND, Array
from mlefit.families.wrapped import Wrapped

Truth = NDArray[np.bool_]
Places = tuple[Array, Index]

CYCLES: Final = 200
STEPS: Final = 100
ALIKE: Final = 1e-11  # of the sum of the slopes' magnitudes: what is smaller is rounding error
LEVEL: Final = 1e-10  # relative
SETTLED: Final = 1e-12
REACH: Final = 4.0 ** np.arange(25)  # distances beyond the data, in their spread, that are looked at too
FAR: Final = 1e9  # an end this many times the data's magnitude away is no estimate
WORK: Final = 2_000_000  # rows times places that are looked at for several maxima
PLACES: Final = (9, 129)
MOVES: Final = (0.0, -0.4, 0.4, -0.8, 0.8, -1.6, 1.6)  # of the logarithm of a scale
KEPT: Final = 12
EPSILON: Final = float(np.finfo(float).eps)
ASIDE: Final = 32 * EPSILON  # just beside a place


def maximised(family: Wrapped, rows: Rows) -> Array:
    """Scores (k, G) of the highest likelihood of rows that are censored or truncated."""
    with np.errstate(all="ignore"):
        search = _Search(family, rows)
        best, value = search.ascend(search.wide())
        if family.truncated:
            for start in search.scattered(best):
                other, reached = search.ascend(start)
                better = _lower(reached, value)
                best, value = np.where(better, other, best), np.where(better, reached, value)
            best = search.loosened(best, value)
        return search.rounded(best) if family.discrete else best


def constrained(family: Wrapped, rows: Rows, eta: Array, held: Set[int]) -> tuple[Array, Array]:
    """Scores (k, G) of the highest likelihood near `eta` with the scores `held` as they are there, and its nll (G,)."""
    with np.errstate(all="ignore"):
        return _Search(family, rows).ascend(eta, held)


def limits(family: Wrapped, rows: Rows, eta: Array, value: Array, j: int, drop: float) -> tuple[Array, Array]:
    """Scores (G,) below and above the estimate at which the profile likelihood of score j has fallen by `drop`.

    Infinite where it never does. `eta` (k, G) and `value` (G,) are the estimates and their nll.
    """
    with np.errstate(all="ignore"):
        search = _Search(family, rows)
        found = []
        for side in (-1.0, 1.0):
            near, far = np.zeros_like(value), np.full_like(value, np.inf)
            step = search._unit(j) / 4 or search._ends[2] / 8
            trial, scores = near + step, eta
            for _ in range(STEPS):
                moved = scores.copy()
                moved[j] = eta[j] + side * trial
                reached_at, reached = search.ascend(moved, {j})
                over = ~(reached - value < drop)
                near, far = np.where(over, near, trial), np.where(over, trial, far)
                scores = np.where(over, scores, reached_at)
                if np.all((np.isfinite(far) & (far - near <= 1e-10 * far)) | (near > 1e8 * step)):
                    break
                trial = np.where(np.isfinite(far), near + (far - near) / 2, 4 * trial)
            found.append(np.where(np.isfinite(far), eta[j] + side * near, side * np.inf))
        return found[0], found[1]


def astray(family: Family, eta: Array, scale: Array) -> Array:
    """Which irregular scores (k, G) have left the data behind, for want of anything that holds them; -1, 0 or 1."""
    side = np.zeros(eta.shape)
    for j, p in enumerate(family.parameters):
        if p.name in family.irregular:
            limit = np.full(eta.shape[1], BOUND) if np.isfinite(p.link.step) else FAR * np.maximum(scale, 1e-300)
            side[j] = np.where(np.abs(eta[j]) >= limit, np.sign(eta[j]), 0.0)
    return side


@dataclass(frozen=True, eq=False)
class _Search:
    family: Wrapped
    rows: Rows

    @cached_property
    def numbers(self) -> Array:
        """(m, n); infinite for none."""
        return self.family.numbers(self.rows.y)

    @cached_property
    def _ends(self) -> tuple[Array, Array, Array]:
        """The smallest and the largest number of each group, and how far apart they are."""
        known = np.isfinite(self.numbers) & (self.numbers > self.family.support.lower)
        low = self.rows.minimum(np.where(known, self.numbers, np.inf).min(axis=0))
        high = self.rows.maximum(np.where(known, self.numbers, -np.inf).max(axis=0))
        least = 1.0 if self.family.support.lower >= 0 else 0.0
        low, high = np.where(np.isfinite(low), low, least), np.where(np.isfinite(high), high, least)
        return low, high, np.where(high > low, high - low, np.maximum(np.abs(high), 1e-300))

    def wide(self) -> Array:
        """Scores (k, G) at which every row is possible: the family's start on rows beyond all that is known."""
        low, high, spread = self._ends
        positive = self.family.support.lower >= 0
        below, above = (low / 2, 2 * high) if positive else (low - spread, high + spread)
        if self.family.discrete:
            below, above = np.floor(below), np.ceil(above)
        guess = [np.broadcast_to(self.rows.spread(v), self.rows.y.shape[-1:]) for v in (below, low, high, above)]
        core: Family = self.family
        while isinstance(core, Wrapped):
            core = core.base
        return np.array(core.start(Copies(self.rows, np.concatenate(guess))))

    # -- one parameter -----------------------------------------------------------------------------------------

    def total(self, eta: Array) -> Array:
        """nll of each group at scores (k, G), inf where it is impossible."""
        value = self.family.nll(self.rows.y, self._spread(eta))
        return self._sum(np.where(np.isnan(value), np.inf, value))

    def _spread(self, eta: Array) -> Array:
        return np.stack([self.rows.spread(score) for score in eta])

    def _sum(self, values: Array) -> Array:
        return self.rows.sum(np.broadcast_to(values, self.rows.y.shape[-1:]))

    def _slope(self, eta: Array, j: int, at: Array, known: Array) -> Array:
        """d nll / d score j at `at` (G,), as a part of what its rows add up to without their signs; within [-1, 1].

        Beyond what is possible it points back to `known` (G,), where the rows are.
        """
        moved = eta.copy()
        moved[j] = at
        nll, gradient, _ = self.family.derivatives(self.rows.y, self._spread(moved))
        slope = np.broadcast_to(gradient[j], self.rows.y.shape[-1:])
        size = self._sum(np.abs(slope))
        relative = np.where(size > 0, self._sum(slope) / np.where(size > 0, size, 1.0), 0.0)
        possible = np.isfinite(self._sum(nll)) & np.isfinite(relative)
        return np.where(possible, relative, np.sign(at - known))

    def _unit(self, j: int) -> float:
        """What a change of score j is measured by: 1 for a logarithm, 0 where the data tell."""
        return 1.0 if np.isfinite(self.family.parameters[j].link.step) else 0.0

    def _places(self, j: int, eta: Array) -> Places:
        """Where score j is looked at, sorted by group, and where each group's begin (G + 1,)."""
        parameter = self.family.parameters[j]
        low, high, spread = self._ends
        groups = low.size
        if parameter.name in self.family.irregular:
            values = self.numbers
            if self.family.discrete:
                values = np.concatenate([np.floor(values) - 1, np.floor(values), np.ceil(values), np.ceil(values) + 1])
            first = parameter.link.forward(np.where(values > parameter.link.lower, values, np.nan))
            code = np.broadcast_to(self.rows.spread(np.arange(groups, dtype=float)), values.shape)
            if np.isfinite(parameter.link.step):
                out = np.minimum(REACH, 2 * BOUND)
                ends = parameter.link.forward(low), parameter.link.forward(high)
            else:
                out = REACH * np.maximum(spread, np.maximum(np.abs(low), np.abs(high)))[:, None]
                ends = low, high
            beyond = np.concatenate([ends[0][:, None] - out, ends[1][:, None] + out], axis=1)
        else:
            first, code = np.zeros(0), np.zeros(0)
            out = np.minimum(REACH / 4, 2 * BOUND)
            beyond = np.concatenate([eta[j][:, None] - out, eta[j][:, None] + out, eta[j][:, None]], axis=1)
        if np.isfinite(parameter.link.step):
            beyond = np.clip(beyond, -BOUND, BOUND)
        at = np.concatenate([first.ravel(), beyond.ravel()])
        codes = np.concatenate([code.ravel(), np.repeat(np.arange(groups), beyond.shape[1])])
        known = np.isfinite(at)
        at, codes = at[known], codes[known]
        order = np.lexsort((at, codes))
        at, codes = at[order], codes[order].astype(np.intp)
        fresh = np.concatenate([[True], (at[1:] != at[:-1]) | (codes[1:] != codes[:-1])])
        at, codes = at[fresh], codes[fresh]
        return at, np.concatenate([[0], np.cumsum(np.bincount(codes, minlength=groups))]).astype(np.intp)

    def along(self, j: int, eta: Array, places: Places) -> Array:
        """Score j (G,) of the highest likelihood near where it is, the others held; the middle of a level top."""
        at, offsets = places
        known = eta[j]
        first, last = offsets[:-1], offsets[1:] - 1
        unit = self._unit(j)

        def sign(index: Index, side: float) -> Array:
            """Of the slope just above or below a place."""
            here = at[index]
            size = np.maximum(np.abs(here), unit if unit else np.abs(at[np.minimum(index + 1, last)] - here))
            slope = self._slope(eta, j, here + side * np.maximum(ASIDE * size, 1e-300), known)
            return np.where(np.abs(slope) <= ALIKE, 0.0, np.sign(slope))

        low, high = _turn(lambda index: sign(index, 1.0) < 0, self._nearest(known, places), first, last)
        off = low == high  # rising to the last place, or falling from the first
        level = ~off & (sign(high, 1.0) == 0)
        result = at[high]
        if level.any():
            _, end = _turn(lambda index: sign(index, 1.0) <= 0, high, first, last)
            middle = result + (at[end] - result) / 2
            result = np.where(level, np.where(end == last, at[last], middle), result)
        smooth = ~off & ~level & (sign(high, -1.0) >= 0)
        if smooth.any():
            result = np.where(smooth, self._root(eta, j, at[low], at[high], known), result)
        return result

    def _nearest(self, known: Array, places: Places) -> NDArray[np.intp]:
        """The last place of each group that is not above `known` (G,)."""
        at, offsets = places
        if known.size == 1:
            found = np.searchsorted(at, known, side="right") - 1
        else:
            found = np.array([
                begin + np.searchsorted(at[begin:end], value, side="right") - 1
                for begin, end, value in zip(offsets[:-1], offsets[1:], known, strict=True)
            ])  # fmt: skip
        return np.clip(found, offsets[:-1], offsets[1:] - 1).astype(np.intp)

    def _root(self, eta: Array, j: int, low: Array, high: Array, known: Array) -> Array:
        """Where the slope is zero between two places, by false position (Dowell and Jarratt 1971)."""
        left, right = np.full(low.shape, np.nan), np.full(low.shape, np.nan)
        kept = np.zeros(low.shape)
        x = low + (high - low) / 2
        for step in range(STEPS):
            slope = self._slope(eta, j, x, known)
            up = slope > 0
            left, right = np.where(up, left, slope), np.where(up, slope, right)
            left = np.where(up & (kept > 0), left / 2, left)
            right = np.where(~up & (kept < 0), right / 2, right)
            low, high = np.where(up, low, x), np.where(up, x, high)
            kept = np.where(up, 1.0, -1.0)
            aim = (low * right - high * left) / (right - left)
            middle = low + (high - low) / 2
            following = np.where((aim > low) & (aim < high) & (step % 4 != 3), aim, middle)
            done = (np.abs(slope) <= 4 * EPSILON) | (np.abs(following - x) <= EPSILON * np.abs(x))
            x = np.where(done, x, following)
            if done.all():
                break
        return x

    # -- all of them -------------------------------------------------------------------------------------------

    def ascend(self, eta: Array, held: Set[int] = frozenset()) -> tuple[Array, Array]:
        """From scores (k, G) to a maximum, parameter by parameter, some held; its scores, and its nll (G,).

        After a round all follow from the last score, so that a round is a function of one number, whose fixed point
        is found by secants.
        """
        free = [j for j in range(len(eta)) if j not in held]
        places = {j: self._places(j, eta) for j in free}

        def again(scores: Array) -> tuple[Array, Array]:
            scores = scores.copy()
            for j in free:
                scores[j] = self.along(j, scores, places[j])
            return scores, self.total(scores)

        best, value = again(eta)
        if len(free) < 2:
            return best, value
        size = self._unit(len(eta) - 1) or self._ends[2]
        given, gap, x = eta[-1], best[-1] - eta[-1], best[-1]
        for _ in range(CYCLES):
            scores, reached = again(np.concatenate([best[:-1], x[None]]))
            step = scores[-1] - x
            worse = ~(reached <= value + SETTLED * np.abs(value))
            best, value = np.where(worse, best, scores), np.where(worse, value, np.minimum(reached, value))
            done = ~worse & (np.abs(step) <= SETTLED * size + 2 * EPSILON * np.abs(x))
            aim = x - step * (x - given) / (step - gap)
            following = np.where(np.isfinite(aim) & ~worse & ~done, aim, best[-1])
            if np.all(done | (following == x)):
                break
            given, gap, x = x, step, following
        return best, value

    def scattered(self, eta: Array) -> list[Array]:
        """Further starts, (k, G) each: the best valleys of the irregular scores at places all over the data."""
        count = int(np.clip(WORK // self.rows.y.shape[-1], *PLACES))
        central = self.family.central(self.rows.y)
        free = [i for i, p in enumerate(self.family.parameters) if p.name not in self.family.irregular]
        around = [eta, *(self.wide() + move for move in MOVES if free)]
        scores, values = [], []
        for j in sorted(set(range(len(eta))) - set(free)):
            trials = np.repeat(eta[None, None], len(around), axis=1).repeat(count, axis=0)
            total = np.empty((count, len(around), eta.shape[1]))
            for i, q in enumerate(np.linspace(0, 1, count)):
                trials[i, :, j] = self.family.parameters[j].link.forward(self.rows.quantile(central, q))
                for m, other in enumerate(around):
                    trials[i, m, free] = np.clip(other[free], -BOUND, BOUND)
                    total[i, m] = self.total(trials[i, m])
            least = total.min(axis=1)
            wall = np.full((1, least.shape[1]), np.inf)
            valley = (least < np.concatenate([wall, least[:-1]])) & (least <= np.concatenate([least[1:], wall]))
            values.append(np.where(valley, least, np.inf))
            groups = np.arange(eta.shape[1])
            scores.append(trials[np.arange(count)[:, None], total.argmin(axis=1), :, groups])
        every, order = np.concatenate(scores), np.argsort(np.concatenate(values), axis=0, kind="stable")
        return [every[order[i], groups].T for i in range(min(KEPT, len(every)))]

    def loosened(self, eta: Array, value: Array) -> Array:
        """Scores (k, G) with those sent to their last place that might as well be anywhere beyond the data."""
        result = eta.copy()
        for j, p in enumerate(self.family.parameters):
            if p.name not in self.family.irregular:
                continue
            at, offsets = self._places(j, eta)
            low, high, spread = self._ends
            for side, end, last in ((-1.0, low, at[offsets[:-1]]), (1.0, high, at[offsets[1:] - 1])):
                moved = eta.copy()
                moved[j] = p.link.forward(end) + side * (4 * self._unit(j) or 4 * spread)
                same = np.abs(self.total(moved) - value) <= LEVEL * np.maximum(1.0, np.abs(value))
                result[j] = np.where(same, last, result[j])
        return result

    def rounded(self, eta: Array) -> Array:
        """The best whole numbers near scores (k, G)."""
        best = np.round(eta)
        value = self.total(best)
        moves = [np.array(move, dtype=float)[:, None] for move in product((-2, -1, 0, 1, 2), repeat=len(eta))]
        for _ in range(CYCLES):
            before = value
            centre = best
            for move in moves:
                trial = centre + move
                reached = self.total(trial)
                better = _lower(reached, value)
                best, value = np.where(better, trial, best), np.where(better, reached, value)
            if np.array_equal(before, value):
                break
        return best


def _lower(value: Array, than: Array) -> Truth:
    """Which values are lower by more than rounding; any is lower than infinity."""
    return value < np.where(np.isfinite(than), than - SETTLED * np.abs(than), np.inf)


def _turn(falls: Callable[[Index], Truth], begin: Index, first: Index, last: Index) -> tuple[Index, Index]:
    """Neighbouring places of each group, (G,) both: `falls` is true at the one and false at the next.

    Both are the last place where it is true up to there, and the first where it is not true anywhere below. Steps
    double away from `begin`, so that the turn found is one near to it.
    """
    down = falls(begin)
    low, high = begin.copy(), begin.copy()
    seeking, step = np.ones(begin.shape, dtype=bool), 1
    while seeking.any():
        trial = np.clip(np.where(down, low + step, high - step), first, last)
        still = falls(trial)
        low = np.where(seeking & (still | ~down), trial, low)
        high = np.where(seeking & (down | ~still), trial, high)
        ended = (still == down) & (trial == np.where(down, last, first))
        seeking &= (still == down) & ~ended
        step *= 2
    while np.any(high - low > 1):
        middle = (low + high) // 2
        still = falls(middle)
        inner = high - low > 1
        low, high = np.where(inner & still, middle, low), np.where(inner & ~still, middle, high)
    return low, high
