"""Columns of a table as the inputs of a network: numbers standardised, text one-hot encoded.

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
Columns = Mapping[str, NDArray[Any]]

# More levels than this in one text column are refused: each is an input of its own.
MAX_LEVELS: Final = 2000


@dataclass(frozen=True)
class Numeric:
    """A column of numbers, encoded as (x - mean) * scale; scale is 0 where the training rows had one value."""

    name: str
    mean: float
    scale: float
    width: int = 1

    @staticmethod
    def learn(name: str, values: Array) -> Numeric:
        with np.errstate(all="ignore"):
            size = float(np.abs(values).max()) or 1.0
            unit = values / size
            mean = float(unit.mean())
            mean += float((unit - mean).mean())
            spread = float(np.sqrt(np.mean((unit - mean) ** 2)))
        if not np.isfinite(size):
            raise DataError(f"feature {name!r} has an infinite value; filter it out with --where")
        varied = values.min() < values.max() and spread > 0 and np.isfinite(1 / (spread * size))
        return Numeric(name, mean * size, 1 / (spread * size) if varied else 0.0)

    def encode(self, values: NDArray[Any], out: Array) -> tuple[NDArray[np.bool_], dict[str, int]]:
        numbers = _numbers(self.name, values)
        np.subtract(numbers, self.mean, out[:, 0])
        out[:, 0] *= self.scale
        return np.isnan(numbers), {}

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
    def learn(name: str, values: NDArray[Any]) -> Text:
        levels, counts = np.unique(values.astype(str), return_counts=True)
        if levels.size > MAX_LEVELS:
            raise DataError(
                f"feature {name!r} is text with {levels.size} different values, too many to encode (at most "
                f"{MAX_LEVELS}); leave it out with --features"
            )
        return Text(name, tuple(levels.tolist()), tuple((counts / values.size).tolist()))

    @property
    def width(self) -> int:
        return len(self.levels)

    def encode(self, values: NDArray[Any], out: Array) -> tuple[NDArray[np.bool_], dict[str, int]]:
        missing = _missing(values)
        texts = np.where(missing, "", _texts(values)).astype(str)
        known = np.array(self.levels)
        place = np.minimum(np.searchsorted(known, texts), known.size - 1)
        unseen = (known[place] != texts) & ~missing
        out[:] = 0
        out[np.arange(texts.size), place] = 1
        out[unseen | missing] = self.frequencies
        names, counts = np.unique(texts[unseen], return_counts=True)
        return missing, dict(zip(names.tolist(), counts.tolist(), strict=True))

    @property
    def inputs(self) -> tuple[str, ...]:
        return tuple(f"{self.name}[{level}]" for level in self.levels)


@dataclass(frozen=True, eq=False)
class Inputs:
    """Encoded rows.

    Attributes:
        x: (n, width + 1), the last column ones; where a row misses a value, an average one.
        missing: (n,) whether a row misses any feature.
        unseen: counts of the levels never seen in training, by column.
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
                Text.learn(name, _texts(values))
                if is_text(values)
                else Numeric.learn(name, np.asarray(values, dtype=float))
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
        unseen: dict[str, dict[str, int]] = {}
        begin = 0
        with np.errstate(all="ignore"):
            for column in self.columns:
                part = x[:, begin : begin + column.width]
                begin += column.width
                gaps, strange = column.encode(columns[column.name], part)
                missing |= gaps
                if strange:
                    unseen[column.name] = strange
        x[missing] = np.nan_to_num(x[missing])
        return Inputs(x, missing, unseen)

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


def is_text(values: NDArray[Any]) -> bool:
    """Whether a column holds labels rather than numbers."""
    return values.dtype.kind not in "biuf"


def missing_rows(columns: Columns, n: int) -> NDArray[np.bool_]:
    """(n,) whether a row misses a value in any of the columns."""
    result = np.zeros(n, dtype=bool)
    for values in columns.values():
        result |= _missing(values)
    return result


def _missing(values: NDArray[Any]) -> NDArray[np.bool_]:
    if values.dtype.kind == "f":
        return np.isnan(values)
    if values.dtype.kind == "O":
        return np.fromiter((v is None or v != v for v in values), bool, values.size)
    return np.zeros(values.size, dtype=bool)


def _texts(values: NDArray[Any]) -> NDArray[Any]:
    """Labels as text; a whole number read as a float is written without its point."""
    if values.dtype.kind == "f":
        whole = values == np.floor(values)
        if np.all(whole | np.isnan(values)):
            return np.array([str(int(v)) if v == v else "" for v in values], dtype=object)
    return values.astype(str) if values.dtype.kind != "O" else values


def _numbers(name: str, values: NDArray[Any]) -> Array:
    if values.dtype.kind in "biuf":
        return values.astype(float)
    try:
        return np.array([np.nan if v is None else float(v) for v in values])
    except (TypeError, ValueError):
        bad = next(v for v in values if v is not None and not _is_number(v))
        raise DataError(f"feature {name!r} was numeric in training; {str(bad)!r} is not a number") from None


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True
