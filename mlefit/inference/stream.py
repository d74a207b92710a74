"""Fits of data that come in parts and need not fit in memory.

An exponential family keeps the sums of its statistics and forgets the rows; discrete values are kept as counts;
anything else is laid down in a temporary file, eight bytes a number, and read again by chunks at every iteration.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any

import numpy as np

from mlefit.errors import DataError
from mlefit.families.base import ExponentialFamily, Family
from mlefit.families.links import Array
from mlefit.inference.fit import Fit, Options, fit_sample, report, solve
from mlefit.objective import Engine, StatisticObjective
from mlefit.sample import Sample

Key = tuple[Any, ...]


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
                for groups, rows in part.sample.chunks():
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
    """The rows themselves: as counts where they are discrete, in a temporary file where they are many."""

    def __init__(self, family: Family) -> None:
        self.family = family

    def fit(
        self, parts: Iterable[Part], options: Options, column: str, by: Sequence[str], engine: Engine | None
    ) -> list[Fit]:
        collapse = self.family.discrete and options.weight_kind == "frequency"
        dropped: dict[Key, int] = {}
        index: dict[Key, int] = {}
        counts: dict[Key, int] = {}
        kept: list[tuple[Array, Array | None, Array]] = []
        with tempfile.TemporaryFile(prefix="mlefit-") as file:
            lengths: list[int] = []
            for part in parts:
                _count(dropped, part.dropped)
                if part.sample.n == 0:
                    continue
                for key in part.keys:
                    index.setdefault(key, len(index))
                _count(counts, dict(zip(part.keys, part.sample.counts.tolist(), strict=True)))
                sample = part.sample.collapse() if collapse else part.sample
                codes = np.array([index[key] for key in part.keys], dtype=float)[sample.codes]
                if collapse:
                    kept.append((sample.y, sample.weight, codes))
                else:
                    lengths.append(_lay(file, sample, codes))
            if not index:
                raise DataError(f"{column} has no values to fit")
            keys = order(index)
            place = np.empty(len(keys), dtype=np.intp)
            place[[index[key] for key in keys]] = np.arange(len(keys))
            if collapse:
                whole = _joined(kept, place)
            else:
                whole = _mapped(file, lengths, place)
            fits = fit_sample(
                self.family, whole, options, column=column, groups=labels(keys, by),
                dropped=_losses(dropped, keys), engine=engine,
                counts=np.array([counts[key] for key in keys], dtype=np.intp),
            )  # fmt: skip
        return fits


def _lay(file: IO[bytes], sample: Sample, codes: Array) -> int:
    """Append a part's rows: values, weight, group, one after another, each as float64; its length in rows."""
    weight = np.ones(sample.n) if sample.weight is None else sample.weight
    for column in (*np.atleast_2d(sample.y), weight, codes):
        file.write(np.ascontiguousarray(column, dtype=float).tobytes())
    return sample.n


def _mapped(file: IO[bytes], lengths: list[int], place: np.ndarray[Any, np.dtype[np.intp]]) -> Sample:
    """The rows laid down, joined column by column in a second temporary file and mapped into memory."""
    file.flush()
    total = sum(lengths)
    columns = file.tell() // (8 * total)
    if columns == 0:
        raise DataError("no rows")
    joined = tempfile.TemporaryFile(prefix="mlefit-")  # noqa: SIM115 -- lives as long as the map of it
    joined.truncate(8 * total * columns)
    result = np.memmap(joined, dtype=float, mode="r+", shape=(columns, total))
    file.seek(0)
    begin = 0
    for length in lengths:
        for column in range(columns):
            result[column, begin : begin + length] = np.frombuffer(file.read(8 * length), dtype=float)
        begin += length
    values, weight, codes = result[:-2], result[-2], result[-1]
    y = values[0] if columns == 3 else values
    plain = bool(np.all(weight == 1))
    if place.size == 1:
        return Sample(y, None if plain else weight)
    return Sample.of(y, None if plain else weight, place[codes.astype(np.intp)], place.size)


def _joined(kept: list[tuple[Array, Array | None, Array]], place: np.ndarray[Any, np.dtype[np.intp]]) -> Sample:
    y = np.concatenate([values for values, _, _ in kept], axis=-1)
    weight = np.concatenate([np.ones(codes.size) if w is None else w for _, w, codes in kept])
    codes = np.concatenate([codes for _, _, codes in kept]).astype(np.intp)
    return Sample.of(y, weight, place[codes], place.size).collapse()


def labels(keys: Sequence[Key], by: Sequence[str]) -> list[dict[str, Any]] | None:
    """Group labels by column name, or None where nothing was grouped."""
    return [dict(zip(by, key, strict=True)) for key in keys] if by else None


def _count(into: dict[Key, int], more: Mapping[Key, int]) -> None:
    for key, number in more.items():
        into[key] = into.get(key, 0) + number


def _losses(dropped: Mapping[Key, int], keys: Sequence[Key]) -> list[int]:
    """Rows left out of each group; those with no group label count for the only group there is."""
    return [sum(dropped.values())] if len(keys) == 1 else [dropped.get(key, 0) for key in keys]
