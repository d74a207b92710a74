"""Arrays, mappings of arrays and DataFrames as a source, with the same policy as a file's cells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlefit.errors import DataError, UsageError
from mlefit.reading.source import Source, open_memory


def source_of(data: Any) -> str | Source:
    """A path as it is, a table in memory as a source."""
    if isinstance(data, str) or hasattr(data, "__fspath__"):
        return str(data)
    return from_frame(data)


def from_frame(data: Any, *, first_row: tuple[str, int] = ("row", 0), title: str = "") -> Source:
    """A source over a DataFrame (pandas or anything with `.columns` and `[name]`) or a mapping of columns.

    Args:
        data: columns of equal length (n,): numbers, booleans, text, dates; None, NaN, NA and NaT are missing.
        first_row: what errors call a row, and the number of the first.
        title: the file it was read from, for errors.

    Raises:
        DataError: columns of different lengths.
        UsageError: not a table.
    """
    names = list(data.columns) if hasattr(data, "columns") else list(data) if isinstance(data, Mapping) else None
    if names is None:
        raise UsageError("the data must be a DataFrame, a mapping of columns, an array of numbers or a path")
    if not names:
        raise DataError("the table has no columns")
    columns: dict[str, tuple[str, Any]] = {}
    for name in names:
        if str(name) in columns:
            raise DataError(f"two columns are called {str(name)!r}")
        columns[str(name)] = _normal(data[name], str(name))
    lengths = {len(array) for _, array in columns.values()}
    if len(lengths) > 1:
        raise DataError(f"the columns differ in length ({', '.join(map(str, sorted(lengths)))})")
    return open_memory(columns, first_row=first_row, title=title)


def from_values(values: Any, name: str = "value") -> Source:
    """A source over one array (n,).

    Raises:
        UsageError: not one-dimensional.
    """
    array = np.asarray(values)
    if array.ndim != 1:
        raise UsageError(f"the values must be one-dimensional, not of shape {array.shape}")
    return from_frame({name: values})


def _normal(column: Any, name: str) -> tuple[str, NDArray[Any]]:
    """A column as one of DuckDB's plain types and an array that it scans without copying where it can."""
    if hasattr(column, "dtype") and not isinstance(column.dtype, np.dtype):
        # pandas' own types: categories, nullable numbers, strings, time zones.
        array = np.asarray(column.astype(object)) if hasattr(column, "astype") else np.asarray(column, dtype=object)
    else:
        array = np.asarray(column)
    if array.ndim != 1:
        raise DataError(f"column {name!r} is not one-dimensional")
    kind = array.dtype.kind
    if kind == "b":
        return "BOOLEAN", np.ascontiguousarray(array)
    if kind in "iu":
        wide = np.uint64 if array.dtype == np.uint64 else np.int64
        return ("UBIGINT" if wide is np.uint64 else "BIGINT"), np.ascontiguousarray(array, dtype=wide)
    if kind == "f":
        return "DOUBLE", np.ascontiguousarray(array, dtype=np.float64)
    if kind in "mM":
        # As ISO text, so that it is a label but never silently a number.
        texts = np.datetime_as_string(array) if kind == "M" else array.astype(str)
        return "VARCHAR", _objects([None if text == "NaT" else str(text) for text in texts])
    return _from_objects(array)


def _from_objects(array: NDArray[Any]) -> tuple[str, NDArray[Any]]:
    items = [None if _absent(item) else item for item in array.tolist()]
    present = [item for item in items if item is not None]
    if present and all(isinstance(item, (bool, np.bool_)) for item in present) and len(present) == len(items):
        return "BOOLEAN", np.array(items, dtype=bool)
    numeric = all(
        isinstance(item, (int, float, np.integer, np.floating)) and not isinstance(item, bool) for item in present
    )
    if present and numeric:
        try:
            return "DOUBLE", np.array([np.nan if item is None else float(item) for item in items])
        except OverflowError:
            pass
    return "VARCHAR", _objects([None if item is None else _text(item) for item in items])


def _objects(items: list[str | None]) -> NDArray[Any]:
    array = np.empty(len(items), dtype=object)
    array[:] = items
    return array


def _absent(item: Any) -> bool:
    if item is None or type(item).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(item, (float, np.floating)) and bool(np.isnan(item))


def _text(item: Any) -> str:
    if isinstance(item, (bool, np.bool_)):
        return str(item).lower()
    text = item.decode("utf-8", "replace") if isinstance(item, bytes) else str(item)
    # The reader takes no lone surrogates.
    return text.encode("utf-8", "replace").decode()
