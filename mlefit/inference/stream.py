"""Fits of data that come in parts and need not fit in memory.

An exponential family keeps the sums of its statistics and forgets the rows; discrete values are kept as counts;
anything else is kept, eight bytes a number, in memory while there is little of it and in temporary files beyond
that, and read again by chunks at every iteration.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any, Final

import numpy as np
from numpy.typing import NDArray

from mlefit.errors import DataError
from mlefit.families.base import ExponentialFamily, Family
from mlefit.families.links import Array
from mlefit.inference.fit import Fit, Options, fit_sample, report, solve
from mlefit.objective import Engine, StatisticObjective
from mlefit.sample import Index, Sample

Key = tuple[Any, ...]

KEPT: Final = 1 << 27  # bytes of a column kept in memory; above that they go to a temporary file
MERGE: Final = 1 << 18  # distinct discrete values that come together before equal ones are merged again


@dataclass(frozen=True)
class Part:
    """Some rows and the label of each of their groups; `dropped` counts the rows left out of each group."""

    sample: Sample
    keys: Sequence[Key]
    dropped: Mapping[Key, int] = field(default_factory=dict)


@np.errstate(all="ignore")
def fit_parts(
    family: Family,
    parts: Iterable[Part],
    options: Options,
    *,
    column: str,
    by: Sequence[str] = (),
    engine: Engine | None = None,
) -> list[Fit]:
    """Fit every group of a stream of parts, in the order of their labels.

    Raises:
        DataError: no rows at all.
    """
    if isinstance(family, ExponentialFamily) and options.weight_kind == "frequency":
        return _Statistics(family).fit(parts, options, column, by)
    return _Rows(family).fit(parts, options, column, by, engine)


def order(keys: Iterable[Key]) -> list[Key]:
    """Labels in natural order: numbers by value, then text."""

    def rank(key: Key) -> tuple[tuple[int, float, str], ...]:
        return tuple(_rank(value) for value in key)

    return sorted(keys, key=rank)


def _rank(value: Any) -> tuple[int, float, str]:
    try:
        return (0, float(value), str(value))
    except (TypeError, ValueError):
        return (1, 0.0, str(value))


class _Statistics:
    """Sums of statistics, one column a group, growing as groups appear."""

    def __init__(self, family: ExponentialFamily) -> None:
        self.family = family
        self.index: dict[Key, int] = {}
        self.dropped: dict[Key, int] = {}

    def fit(self, parts: Iterable[Part], options: Options, column: str, by: Sequence[str]) -> list[Fit]:
        totals = centre = None
        counts, weight = np.zeros(0, dtype=np.intp), np.zeros(0)
        low, high = np.zeros(0), np.zeros(0)
        for part in parts:
            _count(self.dropped, part.dropped)
            if part.sample.n == 0:
                continue
            with np.errstate(all="ignore"):
                own = self.family.centre(part.sample)
            new = [i for i, key in enumerate(part.keys) if key not in self.index]
            for i in new:
                self.index[part.keys[i]] = len(self.index)
            at = np.array([self.index[key] for key in part.keys], dtype=np.intp)
            if new:
                centre = own[:, new] if centre is None else np.concatenate([centre, own[:, new]], axis=1)
                grow = len(new)
                counts = np.concatenate([counts, np.zeros(grow, dtype=np.intp)])
                weight = np.concatenate([weight, np.zeros(grow)])
                low, high = np.concatenate([low, np.full(grow, np.inf)]), np.concatenate([high, np.full(grow, -np.inf)])
                if totals is not None:
                    totals = np.concatenate([totals, np.zeros((totals.shape[0], grow))], axis=1)
            assert centre is not None
            first = part.sample.y if part.sample.y.ndim == 1 else part.sample.y[0]
            with np.errstate(all="ignore"):
                whole = part.sample.distinct if self.family.discrete else part.sample
                for groups, rows in whole.chunks():
                    sums = self.family.summed(rows, centre[:, at[groups]])
                    if totals is None:
                        totals = np.zeros((sums.shape[0], len(self.index)))
                    totals[:, at[groups]] += sums
            counts[at] += part.sample.counts
            weight[at] += part.sample.total_weight
            low[at] = np.minimum(low[at], part.sample.minimum(first))
            high[at] = np.maximum(high[at], part.sample.maximum(first))
        if totals is None or centre is None:
            raise DataError(f"{column} has no values to fit")
        keys = order(self.index)
        place = np.array([self.index[key] for key in keys], dtype=np.intp)
        target = StatisticObjective(self.family, totals[:, place], centre[:, place])
        solution = solve(self.family, None, target, options.start)
        return report(
            self.family, target, solution, options, counts=counts[place], weight=weight[place],
            extremes=(low[place], high[place]), column=column, groups=labels(keys, by),
            dropped=_losses(self.dropped, keys),
        )  # fmt: skip


class _Rows:
    """The rows themselves: as counts where they are discrete, in temporary files where they are many."""

    def __init__(self, family: Family) -> None:
        self.family = family

    def fit(
        self, parts: Iterable[Part], options: Options, column: str, by: Sequence[str], engine: Engine | None
    ) -> list[Fit]:
        collapse = self.family.discrete and options.weight_kind == "frequency"
        dropped: dict[Key, int] = {}
        index: dict[Key, int] = {}
        counts = np.zeros(0, dtype=np.intp)
        counted = _Counted()
        columns: list[_Column] = []
        codes = _Column(np.int32)
        for part in parts:
            _count(dropped, part.dropped)
            sample = part.sample
            if sample.n == 0:
                continue
            at = np.array([index.setdefault(key, len(index)) for key in part.keys], dtype=np.intp)
            counts = np.concatenate([counts, np.zeros(len(index) - counts.size, dtype=np.intp)])
            counts[at] += sample.counts
            if collapse:
                counted.append(sample.distinct, at)
                continue
            rows = [*np.atleast_2d(sample.y), *([] if sample.weight is None else [sample.weight])]
            columns = columns or [_Column(np.float64) for _ in rows]
            for store, values in zip(columns, rows, strict=True):
                store.append(values)
            if by:
                codes.append(at[sample.codes])
        if not index:
            raise DataError(f"{column} has no values to fit")
        keys = order(index)
        place = np.empty(len(keys), dtype=np.intp)
        place[[index[key] for key in keys]] = np.arange(len(keys))
        whole = counted.sample(place) if collapse else _whole(columns, codes, place, len(self.family.columns))
        counts = counts[np.argsort(place)]
        return fit_sample(
            self.family, whole, options, column=column, groups=labels(keys, by), dropped=_losses(dropped, keys),
            engine=engine, counts=counts,
        )  # fmt: skip


class _Counted:
    """Discrete rows as distinct values and their weight; merged now and then, so that they stay few."""

    def __init__(self) -> None:
        self.kept: list[tuple[Array, Array, Index]] = []
        self.rows, self.merged = 0, 0

    def append(self, sample: Sample, at: Index) -> None:
        """Rows already collapsed; `at` numbers their groups."""
        assert sample.weight is not None
        self.kept.append((sample.y, sample.weight, at[sample.codes]))
        self.rows += sample.n
        if self.rows > 2 * self.merged + MERGE:
            whole = self._joined()
            assert whole.weight is not None
            self.kept = [(whole.y, whole.weight, self.present[whole.codes])]
            self.rows = self.merged = whole.n

    def _joined(self, place: Index | None = None) -> Sample:
        y = np.concatenate([values for values, _, _ in self.kept], axis=-1)
        weight = np.concatenate([w for _, w, _ in self.kept])
        codes = np.concatenate([c for _, _, c in self.kept])
        codes = codes if place is None else place[codes]
        self.present, codes = np.unique(codes, return_inverse=True)
        return Sample.of(y, weight, codes, self.present.size).distinct

    def sample(self, place: Index) -> Sample:
        """Everything, group i of the stream as group place[i]."""
        return self._joined(place)


class _Column:
    """Numbers appended to: in memory while they are few, in a temporary file when they are many."""

    def __init__(self, dtype: type[np.generic]) -> None:
        self.values: NDArray[Any] = np.empty(0, dtype=dtype)
        self.n = 0
        self.file: IO[bytes] | None = None

    def append(self, values: NDArray[Any]) -> None:
        begin, self.n = self.n, self.n + values.size
        if self.file is None and self.n * self.values.itemsize > KEPT:
            import tempfile

            self.file = tempfile.TemporaryFile(prefix="mlefit-")  # noqa: SIM115
            self.file.write(self.values[:begin].data)
            self.values = self.values[:0].copy()
        if self.file is not None:
            self.file.write(np.ascontiguousarray(values, dtype=self.values.dtype).data)
            return
        if self.n > self.values.size:  # pages are moved, not copied
            self.values.resize(max(self.n, self.values.size * 9 // 8), refcheck=False)
        self.values[begin : self.n] = values

    def array(self) -> NDArray[Any]:
        """All of them, (n,); a memory map where they are in a file. Nothing can be appended after it."""
        if self.file is None:
            return self.values[: self.n]
        with self.file:  # a map needs its file no longer once it is made
            self.file.flush()
            return np.memmap(self.file, dtype=self.values.dtype, mode="r", shape=(self.n,))


def _whole(columns: list[_Column], codes: _Column, place: Index, dimension: int) -> Sample:
    """The rows sorted by group, group i of the stream as group place[i]; the last column may be the weight."""
    arrays = [store.array() for store in columns]
    offsets = None
    if place.size > 1:
        number = codes.array()
        sizes = sum(np.bincount(place[piece], minlength=place.size) for piece in _pieces(number))
        offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.intp)
        for i, values in enumerate(arrays):  # one after another, each forgotten as it is replaced
            arrays[i] = _sorted(values, number, place, offsets)
            columns[i].values = np.empty(0)
    weight = arrays.pop() if len(arrays) > dimension else None
    y = arrays[0] if dimension == 1 else np.stack(arrays)
    return Sample(y, weight) if offsets is None else Sample(y, weight, offsets)


def _sorted(values: Array, codes: NDArray[Any], place: Index, offsets: Index) -> Array:
    """Rows put in the order of their groups, a piece at a time; in a temporary file where they came from one."""
    if isinstance(values, np.memmap):
        import tempfile

        with tempfile.TemporaryFile(prefix="mlefit-") as file:
            file.truncate(values.nbytes)
            result: Array = np.memmap(file, dtype=np.float64, mode="r+", shape=values.shape)
    else:
        result = np.empty_like(values)
    free = offsets[:-1].copy()
    for piece, part in zip(_pieces(values), _pieces(codes), strict=True):
        groups = place[part]
        order = np.argsort(groups, kind="stable")
        sizes = np.bincount(groups, minlength=place.size)
        begin = np.cumsum(sizes) - sizes
        result[np.repeat(free - begin, sizes) + np.arange(groups.size)] = piece[order]
        free += sizes
    return result


def _pieces(values: NDArray[Any], size: int = 1 << 20) -> Iterator[NDArray[Any]]:
    return (values[begin : begin + size] for begin in range(0, values.size, size))


def labels(keys: Sequence[Key], by: Sequence[str]) -> list[dict[str, Any]] | None:
    """Group labels by column name, or None where nothing was grouped."""
    return [dict(zip(by, key, strict=True)) for key in keys] if by else None


def _count(into: dict[Key, int], more: Mapping[Key, int]) -> None:
    for key, number in more.items():
        into[key] = into.get(key, 0) + number


def _losses(dropped: Mapping[Key, int], keys: Sequence[Key]) -> list[int]:
    """Rows left out of each group; those with no group label count for the only group there is."""
    return [sum(dropped.values())] if len(keys) == 1 else [dropped.get(key, 0) for key in keys]
