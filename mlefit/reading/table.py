"""What to read and what comes back: a request for columns by role, and the table of arrays that answers it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mlefit.reading.source import Source, open_source

Missing = Literal["drop", "error", "keep"]
ColumnKind = Literal["number", "text", "boolean", "date"]


@dataclass(frozen=True)
class Request:
    """What to read. Wherever a column is named, an SQL expression over the columns will do.

    Attributes:
        path: a path, a glob, "-" for standard input, or an opened source (arrays, a DataFrame).
        numeric: role -> column of finite numbers; booleans count as 0 and 1.
        labels: role -> column of labels of any type, taken as they print.
        texts: role -> column to carry along as text, its missing cells None and never a reason to drop a row.
        where: SQL condition that a row must meet.
        no_header: the first line is data; the columns are called "1", "2", ...
        encoding: of text, by its Python name.
        delimiter: one character; None finds it.
        missing: what a missing number or label does to its row: "drop" it, raise an "error", or "keep" it
            (as NaN or code -1).
    """

    path: str | Source
    numeric: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    where: str | None = None
    no_header: bool = False
    encoding: str = "utf-8"
    delimiter: str | None = None
    missing: Missing = "drop"

    def open(self) -> Source:
        """The source. Opening the same, unchanged file again costs nothing.

        Raises:
            DataError: there is no such file, or nothing in it that is a table.
            UsageError: an unknown encoding or an impossible delimiter.
        """
        if isinstance(self.path, Source):
            return self.path
        return open_source(self.path, no_header=self.no_header, encoding=self.encoding, delimiter=self.delimiter)


@dataclass(frozen=True, eq=False)
class Labels:
    """Labels by number: row i is `levels[codes[i]]`; -1 is missing.

    Levels are in order: numbers by size, then text by code point.
    """

    codes: NDArray[np.int32]
    levels: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Table:
    """Rows that were read, in the file's order.

    Attributes:
        numeric: role -> (n,) float64.
        labels: role -> labels of (n,) rows.
        texts: role -> (n,) str or None.
        n: rows here.
        dropped: rows left out of here for a missing value.
        first: kept rows before these; row i here is row `first + i` to `locate`.
    """

    numeric: dict[str, NDArray[np.float64]]
    labels: dict[str, Labels]
    texts: dict[str, NDArray[Any]]
    n: int
    dropped: int
    first: int = 0


@dataclass(frozen=True)
class Place:
    """Where a value stands: "line 7 of coin.csv", the line's number where there is one, the value as written."""

    where: str
    line: int | None
    value: str

    def __str__(self) -> str:
        return self.where
