"""Columns of a table as the inputs of a network: numbers standardised, labels one-hot encoded.

What it takes (means, scales, levels) is learnt on the training rows and stored with the model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mlefit.errors import DataError

Array = NDArray[np.float64]

# More levels than this in one column are refused: each is an input of its own.
MAX_LEVELS: Final = 2000


@dataclass(frozen=True, eq=False)
class Codes:
    """Labels by number: row i is `levels[codes[i]]`; -1 is missing."""

    codes: NDArray[np.integer[Any]]
    levels: tuple[str, ...]

    def __getitem__(self, rows: Any) -> Codes:
        return Codes(self.codes[rows], self.levels)

    @property
    def missing(self) -> NDArray[np.bool_]:
        return self.codes < 0

    def used(self) -> Codes:
        """Without the levels that no row has."""
        present = np.bincount(self.codes[self.codes >= 0], minlength=len(self.levels)) > 0
        new = np.append(np.cumsum(present) - 1, -1)
        return Codes(new[self.codes], tuple(level for level, p in zip(self.levels, present, strict=True) if p))

    def among(self, levels: Sequence[str]) -> NDArray[np.intp]:
        """Each row's place in `levels`: -1 where it is missing, -2 where it is none of them."""
        place = {level: i for i, level in enumerate(levels)}
        return np.array([*(place.get(level, -2) for level in self.levels), -1], dtype=np.intp)[self.codes]


Column = Array | Codes
Columns = Mapping[str, Column]


def unseen(columns: Columns, levels: Mapping[str, Sequence[str]], rows: NDArray[np.bool_]) -> dict[str, dict[str, int]]:
    """By column of labels, how many of the rows of a mask have one that is none of its `levels`, by label."""
    found: dict[str, dict[str, int]] = {}
    for name, known in levels.items():
        column = columns[name]
        if isinstance(column, Codes):
            codes = column.codes[rows & (column.among(known) == -2)]
            counts = zip(column.levels, np.bincount(codes, minlength=len(column.levels)).tolist(), strict=True)
            found[name] = {level: count for level, count in counts if count}
    return {name: counts for name, counts in found.items() if counts}


@dataclass(frozen=True)
class Numeric:
    """A column of numbers, encoded as (x - mean) * scale; scale is 0 where the training rows had one value."""

    name: str
    mean: float
    scale: float
    width: int = 1

    @staticmethod
    def learn(name: str, values: Array) -> Numeric:
        if not np.isfinite(values).all():
            raise DataError(f"feature {name!r} has an infinite value; filter it out with --where")
        with np.errstate(all="ignore"):
            size = float(np.abs(values).max()) or 1.0
            unit = values / size
            mean = float(unit.mean())
            mean += float((unit - mean).mean())
            scale = 1 / (np.sqrt(np.mean((unit - mean) ** 2)) * size)
        varied = values.min() < values.max() and np.isfinite(scale)
        return Numeric(name, mean * size, float(scale) if varied else 0.0)

    def encode(self, column: Column, out: Array) -> NDArray[np.bool_]:
        """Fill `out` (n, 1); which rows miss the number."""
        if isinstance(column, Codes):
            raise DataError(f"feature {self.name!r} was numeric in training and is text here")
        np.subtract(column, self.mean, out[:, 0])
        out[:, 0] *= self.scale
        return np.isnan(column)

    @property
    def inputs(self) -> tuple[str, ...]:
        return (self.name,)


@dataclass(frozen=True)
class Text:
    """A column of labels, one input a level. A level never seen in training enters as an average row would."""

    name: str
    levels: tuple[str, ...]
    frequencies: tuple[float, ...]

    @staticmethod
    def learn(name: str, column: Codes) -> Text:
        used = column.used()
        if len(used.levels) > MAX_LEVELS:
            raise DataError(
                f"feature {name!r} has {len(used.levels)} different labels, too many to encode (at most "
                f"{MAX_LEVELS}); leave it out with --features"
            )
        shares = np.bincount(used.codes, minlength=len(used.levels)) / used.codes.size
        return Text(name, used.levels, tuple(shares.tolist()))

    @property
    def width(self) -> int:
        return len(self.levels)

    def encode(self, column: Column, out: Array) -> NDArray[np.bool_]:
        """Fill `out` (n, width); which rows miss the label."""
        assert isinstance(column, Codes), "labels were learnt, labels are asked for"
        place = column.among(self.levels)
        out[:] = 0
        out[np.arange(place.size), np.maximum(place, 0)] = 1
        out[place < 0] = self.frequencies
        return place == -1

    @property
    def inputs(self) -> tuple[str, ...]:
        return tuple(f"{self.name}[{level}]" for level in self.levels)


@dataclass(frozen=True, eq=False)
class Inputs:
    """Encoded rows.

    Attributes:
        x: (n, width + 1), the last column ones; where a row misses a value, an average one.
        missing: (n,) whether a row misses any feature.
        unseen: counts of the levels never seen in training, by column, in rows that miss no feature.
    """

    x: Array
    missing: NDArray[np.bool_]
    unseen: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True)
class Encoding:
    """The encoded columns, in order."""

    columns: tuple[Numeric | Text, ...]

    @staticmethod
    def learn(columns: Columns) -> Encoding:
        """From training rows, none of which misses a value.

        Raises:
            DataError: an infinite number, or a text column with too many levels.
        """
        return Encoding(
            tuple(
                Text.learn(name, values) if isinstance(values, Codes) else Numeric.learn(name, values)
                for name, values in columns.items()
            )
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The columns it reads."""
        return tuple(c.name for c in self.columns)

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of the encoded inputs: a number's own, `column[level]` for text."""
        return tuple(name for c in self.columns for name in c.inputs)

    @property
    def width(self) -> int:
        return sum(c.width for c in self.columns)

    @property
    def constant(self) -> tuple[str, ...]:
        """Features that had one value in all training rows and so carry no information."""
        return tuple(c.name for c in self.columns if (c.scale == 0 if isinstance(c, Numeric) else len(c.levels) == 1))

    def encode(self, columns: Columns, n: int) -> Inputs:
        """Rows (n, width + 1) from columns of length n.

        Raises:
            DataError: a column is missing, or holds text where numbers were learnt.
        """
        absent = [name for name in self.names if name not in columns]
        if absent:
            raise DataError(f"the data lack the model's feature{'s' * (len(absent) > 1)} {', '.join(absent)}")
        x = np.ones((n, self.width + 1))
        missing = np.zeros(n, dtype=bool)
        begin = 0
        with np.errstate(all="ignore"):
            for column in self.columns:
                part = x[:, begin : begin + column.width]
                begin += column.width
                missing |= column.encode(columns[column.name], part)
        x[missing] = np.nan_to_num(x[missing])
        levels = {c.name: c.levels for c in self.columns if isinstance(c, Text)}
        return Inputs(x, missing, unseen(columns, levels, ~missing))

    def to_dict(self) -> list[dict[str, Any]]:
        return [
            {"name": c.name, "mean": c.mean, "scale": c.scale}
            if isinstance(c, Numeric)
            else {"name": c.name, "levels": list(c.levels), "frequencies": list(c.frequencies)}
            for c in self.columns
        ]

    @staticmethod
    def from_dict(entries: Sequence[Mapping[str, Any]]) -> Encoding:
        return Encoding(
            tuple(
                Text(str(e["name"]), tuple(map(str, e["levels"])), tuple(map(float, e["frequencies"])))
                if "levels" in e
                else Numeric(str(e["name"]), float(e["mean"]), float(e["scale"]))
                for e in entries
            )
        )
