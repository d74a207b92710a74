"""A small table of plain numbers, read by Python alone: DuckDB takes longer to start than that.

Only what both readers take for the same is read here. Anything else, from an odd cell to a ragged row, is left to
the reader proper, which also knows what to say of it.
"""

from __future__ import annotations

import csv
import io
import re
from typing import Final

import numpy as np

from mlefit.reading import dialect as dialects
from mlefit.reading.plan import MISSING
from mlefit.reading.source import Source
from mlefit.reading.table import Request, Table
from mlefit.reading.text import beginning

LARGEST: Final = 1 << 18  # bytes, and characters once unpacked
_NUMBER: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]{1,2})?")
_ABSENT: Final = frozenset(MISSING)


def read_small(source: Source, request: Request) -> Table | None:
    """Columns of numbers and missing cells of a small text table; None for what takes more."""
    wanted = list(request.numeric.values())
    if source.kind != "csv" or request.labels or request.texts or request.where is not None or len(source.files) > 1:
        return None
    if not wanted or not set(wanted) <= set(source.names) or source.bytes > LARGEST:
        return None
    file = source.files[0]
    text, complete = ("", False) if file.compression == "zstd" else beginning(file, LARGEST)
    if not complete or "\0" in text or any("\udc80" <= c <= "\udcff" for c in text if not c.isascii()):
        return None
    assert source.dialect is not None
    width = len(source.columns)
    try:
        rows = [record or [""] for _, record in dialects.records(io.StringIO(text), source.dialect)]
    except csv.Error:
        return None
    if any(len(row) != width for row in rows):
        return None
    places = [source.names.index(name) for name in wanted]
    values = np.empty((len(wanted), len(rows)))
    for i, place in enumerate(places):
        cells = [row[place] for row in rows]
        absent = [cell.strip(" ").lower() in _ABSENT for cell in cells]
        if not all(gone or _NUMBER.fullmatch(cell) for cell, gone in zip(cells, absent, strict=True)):
            return None
        values[i] = [np.nan if gone else float(cell) for cell, gone in zip(cells, absent, strict=True)]
        if np.isinf(values[i]).any():
            return None
    keep = ~np.isnan(values).any(axis=0)
    if not keep.any() or (request.missing == "error" and not keep.all()):
        return None
    if request.missing == "drop":
        values = values[:, keep]
    n = values.shape[1]
    return Table({role: values[i].copy() for i, role in enumerate(request.numeric)}, {}, {}, n, len(rows) - n)
