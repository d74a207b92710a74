"""Rows written as they come: predictions of any number of rows in bounded memory."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, TextIO

import numpy as np
from numpy.typing import NDArray

from mlefit.report.document import Document, write
from mlefit.report.text import cell, harmless

STREAMED: Final = ("csv", "tsv", "json", "ndjson")

Chunk = Mapping[str, NDArray[Any]]


def write_chunks(chunks: Iterable[Chunk], form: str, stream: TextIO) -> None:
    """Write chunks of columns as rows in one of the formats; tables, which cannot be streamed, as a whole.

    On a terminal, control characters in text are made visible; elsewhere text passes as it is.
    """
    safe = stream.isatty()
    if form in ("csv", "tsv"):
        writer = csv.writer(stream, delimiter="," if form == "csv" else "\t", lineterminator="\n")
        first = True
        for chunk in chunks:
            if first:
                writer.writerow([harmless(name) if safe else name for name in chunk])
                first = False
            writer.writerows(zip(*(_cells(values, "", safe) for values in chunk.values()), strict=True))
    elif form in ("json", "ndjson"):
        first = True
        stream.write("[" if form == "json" else "")
        for record in _records(chunks):
            before = "" if form == "ndjson" else "\n" if first else ",\n"
            stream.write(
                before + json.dumps(record, ensure_ascii=False, allow_nan=False) + ("\n" if form == "ndjson" else "")
            )
            first = False
        stream.write("\n]\n" if form == "json" else "")
    else:
        rows = list(_records(chunks))
        write(Document(rows, rows, lambda: _table(rows)), form, stream)
    stream.flush()


def _cells(values: NDArray[Any], empty: Any, safe: bool = False) -> list[Any]:
    """Python values of a column; `empty` for what is missing or not finite."""
    if values.dtype.kind == "f":
        items = values.tolist()
        gaps = np.flatnonzero(~np.isfinite(values)).tolist()
        for i in gaps:
            items[i] = empty
        return items
    if safe:
        return [empty if v is None else harmless(v) for v in values.tolist()]
    return [empty if v is None else v for v in values.tolist()]


def _records(chunks: Iterable[Chunk]) -> Iterator[dict[str, Any]]:
    for chunk in chunks:
        for row in zip(*(_cells(values, None) for values in chunk.values()), strict=True):
            yield dict(zip(chunk, row, strict=True))


def _table(rows: list[dict[str, Any]]) -> Any:
    from rich.text import Text

    from mlefit.report.tables import plain_table

    table = plain_table()
    for name in rows[0] if rows else ():
        numeric = any(isinstance(row[name], float) for row in rows)
        table.add_column(Text(harmless(name)), justify="right" if numeric else "left")
    for row in rows:
        table.add_row(*(Text(cell(value)) for value in row.values()))
    return table
