"""The minimum of a function of a few integers, by moves that shrink from the numbers' own size to one.

A pattern search (Hooke and Jeeves 1961; Torczon 1997, on lattices): from a point every neighbour at the present
distance is tried, along the axes and across them, and a move that helps is repeated and doubled. Distances are in
proportion to the numbers, so that a valley along which several of them grow together is followed. At distance one the
search ends where no neighbour is lower, which is what a minimum over integers means.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import product
from typing import Final

import numpy as np

Point = tuple[int, ...]

ROUNDING: Final = 1e-9  # relative; values closer than this are equal
FACTORS: Final = (0.25, 0.5, 0.7, 0.8, 0.9, 0.95, 1.05, 1.1, 1.25, 1.5, 2.0, 4.0)
MOVES: Final = 400  # improvements, after which the search is given up


class Lattice:
    """A function of integers, each with a lowest value, computed once at every point.

    Args:
        function: the values at several points; infinite where it is impossible.
        lowest: of each integer, -inf for none.
        size: of each integer, what its first move is measured by where the integer itself is small.
        steepest: go to the lowest neighbour, not to the first that is lower; for functions that are quick.
    """

    def __init__(
        self,
        function: Callable[[Sequence[Point]], Sequence[float]],
        lowest: Sequence[float],
        size: Sequence[float],
        steepest: bool = False,
    ) -> None:
        self.function, self.lowest, self.size, self.steepest = function, lowest, size, steepest
        self.known: dict[Point, float] = {}
        moves = [m for m in product((0, 1, -1), repeat=len(lowest)) if any(m)]
        self.moves = sorted(moves, key=lambda m: sum(map(abs, m)))

    def at(self, point: Point) -> float:
        """The function's value, infinite below the lowest values."""
        if point not in self.known:
            self.learn([point])
        return self.known[point]

    def learn(self, points: Iterable[Point]) -> None:
        """Compute the function at points where it is not known yet, all at once."""
        fresh = [p for p in dict.fromkeys(points) if p not in self.known]
        inside = [p for p in fresh if all(v >= low for v, low in zip(p, self.lowest, strict=True))]
        self.known |= dict.fromkeys(fresh, np.inf)
        if inside:
            self.known |= dict(zip(inside, self.function(inside), strict=True))

    def lower(self, value: float, than: float) -> bool:
        """Whether a value is lower by more than rounding."""
        return value < (than - ROUNDING * max(1.0, abs(than)) if np.isfinite(than) else np.inf)

    def best(self, points: Iterable[Point]) -> Point:
        """The point of the lowest value."""
        points = list(points)
        self.learn(points)
        return min(points, key=self.at)

    def descend(self, point: Point, gone: float, share: float = 1.0) -> Point:
        """From a point to one with no lower neighbour, or to the first at which an integer's magnitude is `gone`.

        The first moves are a `share` of the numbers.
        """
        for _ in range(MOVES):
            if max(map(abs, point)) > gone:
                return point
            steps = [max(1, round(share * max(abs(v), s))) for v, s in zip(point, self.size, strict=True)]
            better = self._around(point, steps)
            if better != point:
                point = better
            elif max(steps) > 1:
                share /= 2
            elif self.steepest and (better := self._leap(point)) != point:
                point = better
            else:
                return point
        return point

    def _leap(self, point: Point) -> Point:
        """A lower point where some of the numbers have grown or shrunk together, each give or take one; or the point.

        A valley that lies aslant can have a floor so narrow that no neighbour lies on it.
        """
        landings = [
            tuple(round(v * factor) if w else v for v, w in zip(point, which, strict=True))
            for which in product((0, 1), repeat=len(point))
            for factor in FACTORS
            if sum(which) > 1
        ]
        best = self.best([point, *landings, *(_moved(there, move) for there in landings for move in self.moves)])
        return best if self.lower(self.at(best), self.at(point)) else point

    def _around(self, point: Point, steps: Sequence[int]) -> Point:
        """A lower neighbour, and on in its direction with doubled moves; the point itself where none is lower."""
        moves = [[m * s for m, s in zip(move, steps, strict=True)] for move in self.moves]
        if self.steepest:
            self.learn(_moved(point, by) for by in moves)
            moves = [min(moves, key=lambda by: self.at(_moved(point, by)))]
        for by in moves:
            there = _moved(point, by)
            if not self.lower(self.at(there), self.at(point)):
                continue
            while True:
                by = [2 * d for d in by]
                onward = _moved(there, by)
                if not self.lower(self.at(onward), self.at(there)):
                    return there
                there = onward
        return point

    def shrunk(self, point: Point, gone: float) -> list[Point]:
        """Points on the way to one that went too far: its large numbers divided by powers of two."""
        large = [abs(v) > gone**0.5 for v in point]
        found = []
        for k in range(2, int(np.log2(max(map(abs, point)))), 3):
            found.append(tuple(round(v / 2**k) if far else v for v, far in zip(point, large, strict=True)))
        return [p for p in found if np.isfinite(self.at(p))]

    def level(self, point: Point) -> bool:
        """Whether a neighbour is no higher, the same numbers in another order aside."""
        here = self.at(point)
        for move in self.moves:
            there = _moved(point, move)
            if sorted(there) != sorted(point) and not self.lower(here, self.at(there)):
                return True
        return False


def _moved(point: Point, by: Sequence[int]) -> Point:
    return tuple(v + d for v, d in zip(point, by, strict=True))
