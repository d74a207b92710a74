"""The observations of one problem: values, weights, groups and design matrices. Frozen.

Rows are kept sorted by group, so that a group is a slice and a sum over groups is one pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Index = NDArray[np.intp]

# Rows a chunk: large enough to hide numpy's cost per call, small enough that the temporaries of a likelihood
# stay in a core's second-level cache.
CHUNK: Final = 16_384
JUDGED: Final = 4096  # rows from which the number of distinct ones is judged
OFTEN: Final = 8  # rows of a kind, on average, for which it pays to count them first
PIECE: Final = 1 << 20  # rows counted at a time, so that counting takes little memory
SCALES: Final = (1.0, 10.0, 100.0, 1000.0)  # numbers written with few decimals are counted as integers


@dataclass(frozen=True, eq=False)
class Sample:
    """Weighted rows in groups.

    Attributes:
        y: (n,) or (d, n) values; a memory map for data larger than memory.
        weight: (n,) positive, or None for all ones.
        offsets: (G + 1,); group g holds rows offsets[g] to offsets[g + 1], never none.
        x: design matrices (n, p_j), one a score, for the predictors that use them.
        base: (k, n) known additions to the scores (offsets, exposures), or None.
    """

    y: Array
    weight: Array | None = None
    offsets: Index = field(default_factory=lambda: np.zeros(0, dtype=np.intp))
    x: tuple[Array, ...] = ()
    base: Array | None = None

    def __post_init__(self) -> None:
        if not self.offsets.size:
            object.__setattr__(self, "offsets", np.array([0, self.y.shape[-1]], dtype=np.intp))

    @staticmethod
    def of(y: Array, weight: Array | None = None, codes: Index | None = None, groups: int | None = None) -> Sample:
        """Rows sorted by their group's code; every group from 0 to `groups` must occur."""
        if codes is None:
            return Sample(y, weight)
        counts = np.bincount(codes, minlength=groups or 0)
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.intp)
        if np.any(codes[1:] < codes[:-1]):
            order = np.argsort(codes, kind="stable")
            y = y[..., order]
            weight = None if weight is None else weight[order]
        return Sample(y, weight, offsets)

    @property
    def n(self) -> int:
        """Rows."""
        return int(self.y.shape[-1])

    @property
    def groups(self) -> int:
        """Groups."""
        return int(self.offsets.size - 1)

    @cached_property
    def counts(self) -> Index:
        """Rows of each group, (G,)."""
        return np.diff(self.offsets)

    @cached_property
    def total_weight(self) -> Array:
        """Sum of the weights of each group, (G,)."""
        return self.counts.astype(float) if self.weight is None else self._reduce(self.weight)

    def _reduce(self, values: Array) -> Array:
        if self.groups == 1:
            return np.asarray(values.sum(axis=-1, keepdims=True))
        return np.asarray(np.add.reduceat(values, self.offsets[:-1], axis=-1))

    def sum(self, values: Array) -> Array:
        """Weighted sums by group: (..., n) to (..., G)."""
        return self._reduce(values if self.weight is None else values * self.weight)

    def mean(self, values: Array) -> Array:
        """Weighted means by group, corrected once so that an offset costs no digits: (n,) to (G,)."""
        mean = self.sum(values) / self.total_weight
        return np.asarray(mean + self.sum(values - self.spread(mean)) / self.total_weight)

    def variance(self, values: Array) -> Array:
        """Weighted mean squared deviations by group: (n,) to (G,)."""
        return np.asarray(self.sum((values - self.spread(self.mean(values))) ** 2) / self.total_weight)

    def minimum(self, values: Array) -> Array:
        return np.asarray(np.minimum.reduceat(values, self.offsets[:-1]))

    def maximum(self, values: Array) -> Array:
        return np.asarray(np.maximum.reduceat(values, self.offsets[:-1]))

    @cached_property
    def codes(self) -> Index:
        """The group of each row, (n,)."""
        return np.repeat(np.arange(self.groups), self.counts)

    def quantile(self, values: Array, q: float) -> Array:
        """Weighted quantiles by group: the midpoint of the values v with P(Y < v) <= q <= P(Y <= v)."""
        if self.groups == 1 and self.weight is None and q == 0.5:
            return np.array([np.median(values)])
        order = np.argsort(values, kind="stable") if self.groups == 1 else np.lexsort((values, self.codes))
        ordered = values[order]
        weight = np.ones(self.n) if self.weight is None else self.weight[order]
        before = np.concatenate([[0.0], np.cumsum(weight)])
        first, last = self.offsets[:-1], self.offsets[1:] - 1
        target = before[first] + q * self.total_weight
        slack = 1e-12 * before[-1]
        low = np.clip(np.searchsorted(before[1:], target - slack, side="left"), first, last)
        high = np.clip(np.searchsorted(before[1:], target + slack, side="left"), first, last)
        return np.asarray((ordered[low] + ordered[high]) / 2)

    def spread(self, group_values: Array) -> Array:
        """One value per group, (..., G), to one per row, (..., n) or (..., 1) where there is one group."""
        return group_values if self.groups == 1 else np.repeat(group_values, self.counts, axis=-1)

    def arranged(self, kinds: NDArray[np.integer[Any]]) -> Sample:
        """The same rows with those of one kind (n,) side by side within each group."""
        if self.groups == 1 and not np.any(kinds[1:] < kinds[:-1]):
            return self
        order = np.argsort(kinds, kind="stable") if self.groups == 1 else np.lexsort((kinds, self.codes))
        return Sample(
            self.y.take(order, axis=-1),
            None if self.weight is None else self.weight[order],
            self.offsets,
            tuple(x[order] for x in self.x),
            None if self.base is None else self.base[:, order],
        )

    def take(self, groups: Index) -> Sample:
        """The sample of these groups, in this order, repeats allowed."""
        counts = self.counts[groups]
        ends = np.cumsum(counts)
        rows = np.arange(ends[-1] if ends.size else 0) + np.repeat(self.offsets[groups] - (ends - counts), counts)
        return Sample(
            self.y[..., rows],
            None if self.weight is None else self.weight[rows],
            np.concatenate([[0], ends]).astype(np.intp),
            tuple(x[rows] for x in self.x),
            None if self.base is None else self.base[:, rows],
        )

    def rows(self, start: int, stop: int) -> Sample:
        """A slice of the rows as a sample of one group."""
        return Sample(
            self.y[..., start:stop],
            None if self.weight is None else self.weight[start:stop],
            x=tuple(x[start:stop] for x in self.x),
            base=None if self.base is None else self.base[:, start:stop],
        )

    def thin(self, size: int) -> Sample:
        """About `size` rows spread evenly over each group, or all of a smaller group."""
        step = np.maximum(1, self.counts // size)
        kept = -(-self.counts // step)
        ends = np.cumsum(kept)
        within = np.arange(ends[-1]) - np.repeat(ends - kept, kept)
        rows = np.repeat(self.offsets[:-1], kept) + within * np.repeat(step, kept)
        return Sample(
            self.y[..., rows],
            None if self.weight is None else self.weight[rows],
            np.concatenate([[0], ends]).astype(np.intp),
            tuple(x[rows] for x in self.x),
            None if self.base is None else self.base[:, rows],
        )

    def chunks(self, size: int = CHUNK) -> Iterator[tuple[slice, Sample]]:
        """Parts of at most `size` rows, each with the groups it holds: whole groups, or a part of a larger one."""
        if self.n <= size:
            yield slice(0, self.groups), self
            return
        first = 0
        while first < self.groups:
            last = int(np.searchsorted(self.offsets, self.offsets[first] + size, side="right")) - 1
            if last <= first:
                for begin in range(int(self.offsets[first]), int(self.offsets[first + 1]), size):
                    yield slice(first, first + 1), self.rows(begin, min(begin + size, int(self.offsets[first + 1])))
                first += 1
                continue
            begin, end = int(self.offsets[first]), int(self.offsets[last])
            part = self.rows(begin, end)
            yield (
                slice(first, last),
                Sample(part.y, part.weight, self.offsets[first : last + 1] - begin, part.x, part.base),
            )
            first = last

    @cached_property
    def distinct(self) -> Sample:
        """Equal rows of a group as one row with their summed weight."""
        if self.x or self.base is not None:
            return self
        codes = self.codes if self.groups > 1 else None
        pieces = [
            _counted(
                self.y[..., begin : begin + PIECE],
                None if self.weight is None else self.weight[begin : begin + PIECE],
                None if codes is None else codes[begin : begin + PIECE],
            )
            for begin in range(0, self.n, PIECE)
        ]
        y, weight, codes = pieces[0]
        if len(pieces) > 1:
            y, weight = np.concatenate([p[0] for p in pieces], axis=-1), np.concatenate([p[1] for p in pieces])
            y, weight, codes = _counted(y, weight, None if codes is None else np.concatenate([p[2] for p in pieces]))
        return Sample.of(y, weight, codes, self.groups)

    @cached_property
    def repetitive(self) -> bool:
        """Whether rows are equal so often that to work on the distinct ones is quicker, the counting included.

        Of many rows, judged from some: Chao's estimate of the number of kinds from those met once and twice (Chao 1984,
        Scandinavian Journal of Statistics 11, 265-270, in its bias-corrected form).
        """
        if self.x or self.base is not None:
            return False
        rows = np.arange(self.n)
        if self.n > JUDGED:
            rows = np.random.default_rng(0).integers(self.n, size=JUDGED)
        keys = [np.searchsorted(self.offsets, rows, side="right"), *np.atleast_2d(self.y)[:, rows]]
        times = np.bincount(_numbered(keys)[1])
        kinds = float(times.size)
        if self.n > JUDGED:
            once, twice = float((times == 1).sum()), float((times == 2).sum())
            kinds += once * (once - 1) / (2 * (twice + 1))
        return OFTEN * kinds <= self.n


def _counted(y: Array, weight: Array | None, codes: Index | None) -> tuple[Array, Array, Index | None]:
    """The distinct rows of each group, their summed weights, and their groups."""
    first, number = _numbered([*([] if codes is None else [codes]), *np.atleast_2d(y)])
    summed = np.bincount(number, weights=weight).astype(float)
    return y[..., first], summed, None if codes is None else codes[first]


def _numbered(keys: list[Any]) -> tuple[Index, Index]:
    """The columns' distinct rows, in order: a row of each, and the number of each row's kind."""
    kinds, number = 1, np.zeros(keys[0].size, dtype=np.intp)
    for values in keys:
        kinds_here, here = _ranks(values)
        if kinds * kinds_here < 2**62:
            number, kinds = number * kinds_here + here, kinds * kinds_here
        else:
            kinds, number = _ranks(number)
            number, kinds = number * kinds_here + here, kinds * kinds_here
    kinds, number = _ranks(number)
    first = np.empty(kinds, dtype=np.intp)
    first[number[::-1]] = np.arange(number.size - 1, -1, -1)
    return first, number


def _ranks(values: Array | Index) -> tuple[int, Index]:
    """How many distinct values there are, and which of them each is; by counting where few can lie between them."""
    low, high = values.min(), values.max()
    with np.errstate(all="ignore"):
        width = float(high) - float(low)
    for scale in SCALES if values.dtype.kind == "f" else SCALES[:1]:
        if not width * scale <= 4 * values.size + 1000:  # an end may be infinite
            break
        if _written(values[:64], scale) and _written(values, scale):
            offset = (np.rint(values * scale) - np.rint(low * scale)).astype(np.intp)
            present = np.bincount(offset) > 0
            return int(present.sum()), (np.cumsum(present) - 1)[offset]
    unique, inverse = np.unique(values, return_inverse=True)
    return int(unique.size), inverse.ravel()


def _written(values: Array | Index, scale: float) -> bool:
    """Whether every number is the double nearest to an integer over `scale`, as one read from so few decimals is."""
    return bool(np.all(np.rint(values * scale) / scale == values))
