"""How values drawn anew would have been seen, where rows are known between two ends.

It is assumed that the times at which a value is looked at have nothing to do with the value itself: independent
inspection (Sun 2006, section 1.3.5; Schick and Yu 2000). What is known of a row are two of its times. A new value keeps
them, and the times before and after are found from other rows: the next one follows the last as the ends of rows
follow each other that begin where it is. Rows are seen with their ends (l, r] more often the more probable values in
between are, so that each speaks with the weight 1/P(l < Y <= r) under the fit.

Where some values are known exactly, others are so with a chance that may change along the line: the share of such rows
in a part of it over what the fit expects there, beside the weights of the rows that hold the value between two ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mlefit.families.base import Index
from mlefit.families.links import Array

RAREST: Final = 1e-300
APART: Final = 0.1  # fitted probability between two times beyond which what follows one says nothing of the other
TRIES: Final = 20  # draws of a next time that may turn out not to lie ahead


def parts(seen: Array, discrete: bool) -> Array:
    """Edges (b + 1,) of parts (edge, next] of the line from the first to the last of the values seen exactly (m,).

    About as many parts as values in each; none where no value was seen. `seen` is sorted.
    """
    if not seen.size:
        return np.zeros(0)
    count = int(np.ceil(np.sqrt(seen.size)))
    upper = np.unique(seen[np.linspace(0, seen.size - 1, count + 1).round().astype(int)[1:]])
    first = seen[0] - 1 if discrete else np.nextafter(seen[0], -np.inf)
    return np.concatenate([[first], upper])


@dataclass(frozen=True, eq=False)
class Inspection:
    """What rows tell of how values are looked at.

    Attributes:
        left, right: ends of the rows that are not known exactly, (d,).
        below, above: fitted probability of a value below each of the two, (d,).
        chance: and of one in between, (d,).
        seen: the values known exactly, sorted, (m,).
        edges: `parts` of them, (b + 1,).
        held: fitted probability of each part, (b,).
    """

    left: Array
    right: Array
    below: Array
    above: Array
    chance: Array
    seen: Array
    edges: Array
    held: Array

    def ends(self, generator: np.random.Generator, values: Array) -> Array:
        """Ends (2, n) of new values (n,), or the value itself twice; value i keeps the times of row i modulo d.

        Times follow each other as in the rows; where none leads on to the value, it takes the ends of some row that
        holds it, or else the two ends next to it.
        """
        result = np.stack([values, values])
        weight = 1 / ((self.left.size + self.seen.size) * np.maximum(self.chance, RAREST))
        hidden = np.arange(values.size)
        rows = hidden % self.left.size
        if self.seen.size:
            held = self._total(weight, values)
            share = self._exactly(values)
            hidden = np.flatnonzero((generator.random(values.size) * (share + held) >= share) & (held > 0))
            rows = generator.integers(self.left.size, size=hidden.size)
        low, high, lost = self._followed(generator, values[hidden], rows, weight)
        result[:, hidden] = low, high
        if lost.any():
            result[:, hidden[lost]] = self._taken(generator, values[hidden[lost]], weight)
        return result

    def _followed(
        self, generator: np.random.Generator, values: Array, rows: Index, weight: Array
    ) -> tuple[Array, Array, NDArray[np.bool_]]:
        low, high, lost = self.left[rows], self.right[rows], np.zeros(values.size, dtype=bool)
        up = (self.left, self.right, self.below, self.above)
        down = (-self.right, -self.left, 1 - self.above, 1 - self.below)
        _follow(generator, values, low, high, self.above[rows], up, weight, lost)
        high, low = -low, -high
        # A value at an end is below it, so that in the mirror it is above.
        _follow(generator, np.nextafter(-values, np.inf), low, high, (1 - self.below)[rows], down, weight, lost)
        return -high, -low, lost

    def _marks(self) -> tuple[Array, Index, Index]:
        """The finite ends in order, and the first and last of the cells between them that each row covers."""
        marks = np.unique(np.concatenate([self.left, self.right]))
        marks = marks[np.isfinite(marks)]
        return (
            marks,
            np.searchsorted(marks, self.left, side="right"),
            np.searchsorted(marks, self.right, side="left"),
        )

    def _total(self, weight: Array, values: Array) -> Array:
        """The weight of the rows that hold each value."""
        marks, first, last = self._marks()
        change = np.bincount(first, weight, marks.size + 2) - np.bincount(last + 1, weight, marks.size + 2)
        rows = np.cumsum(np.bincount(first, minlength=marks.size + 2) - np.bincount(last + 1, minlength=marks.size + 2))
        total = np.where(rows > 0, np.maximum(np.cumsum(change), 1e-300), 0.0)
        return np.asarray(total[np.searchsorted(marks, values, side="left")])

    def _exactly(self, values: Array) -> Array:
        """The chance that each value is seen exactly."""
        counts = np.diff(np.searchsorted(self.seen, self.edges, side="right"))
        n = self.left.size + self.seen.size
        with np.errstate(all="ignore"):
            chance = np.clip(np.nan_to_num(counts / (n * self.held), nan=1.0, posinf=1.0), 0.0, 1.0)
        part = np.searchsorted(self.edges, values, side="left") - 1
        inside = (part >= 0) & (part < chance.size)
        return np.where(inside, chance[np.clip(part, 0, chance.size - 1)], 0.0)

    def _taken(self, generator: np.random.Generator, values: Array, weight: Array) -> Array:
        """Ends (2, n) of rows that hold the values, drawn by their weight; those next to a value that no row holds."""
        marks, first, last = self._marks()
        around = np.concatenate([[-np.inf], marks, [np.inf]])
        cell = np.searchsorted(marks, values, side="left")
        result = np.stack([around[cell], around[cell + 1]])
        order = np.argsort(cell, kind="stable")
        starts = np.flatnonzero(np.diff(cell[order], prepend=-1))
        for begin, end in zip(starts.tolist(), np.append(starts[1:], values.size).tolist(), strict=True):
            drawn = order[begin:end]
            at = cell[drawn[0]]
            holding = np.flatnonzero((first <= at) & (at <= last))
            if holding.size:
                total = np.cumsum(weight[holding])
                picked = np.searchsorted(total, generator.random(drawn.size) * total[-1], side="right")
                chosen = holding[np.minimum(picked, holding.size - 1)]
                result[:, drawn] = self.left[chosen], self.right[chosen]
        return result


def _follow(
    generator: np.random.Generator,
    values: Array,
    low: Array,
    high: Array,
    place: Array,
    rows: tuple[Array, Array, Array, Array],
    weight: Array,
    lost: NDArray[np.bool_],
) -> None:
    """Move ends (n,), in place, upwards to values that lie above them; `lost` where no row leads on.

    `place` is the fitted probability below each high end; `rows` are the rows' two ends and the same of them.
    """
    order = np.argsort(rows[0], kind="stable")
    left, right, below, above = (part[order] for part in rows)
    total = np.concatenate([[0.0], np.cumsum(weight[order])])
    near = int(np.ceil(np.sqrt(left.size)))
    place = place.copy()
    live = np.flatnonzero((values > high) & ~lost)
    while live.size:
        at = high[live]
        first, last = np.searchsorted(left, at, side="left"), np.searchsorted(left, at, side="right")
        alone = first == last
        first = np.where(alone, np.maximum(first - near // 2, 0), first)
        last = np.where(alone, np.minimum(last + near - near // 2, left.size), last)
        found = np.zeros(live.size, dtype=bool)
        for _ in range(TRIES):
            waiting = np.flatnonzero(~found)
            if not waiting.size:
                break
            start, end = total[first[waiting]], total[last[waiting]]
            share = start + generator.random(waiting.size) * (end - start)
            drawn = np.clip(np.searchsorted(total, share, side="right") - 1, 0, left.size - 1)
            good = right[drawn] > at[waiting]
            good &= np.abs(below[drawn] - place[live[waiting]]) <= APART
            kept, picked = live[waiting[good]], drawn[good]
            low[kept], high[kept], place[kept] = high[kept], right[picked], above[picked]
            found[waiting[good]] = True
        lost[live[~found]] = True
        live = live[found]
        live = live[values[live] > high[live]]
