"""A DuckDB query as numpy batches, in constant memory, through the Arrow C stream it offers.

The structures are those of https://arrow.apache.org/docs/format/CStreamInterface.html; reading them by ctypes
saves importing pyarrow, and unlike `fetchnumpy` never holds the whole result.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlefit.reading import database as duckdb


class _Array(ctypes.Structure):
    pass


_Array._fields_ = [
    ("length", ctypes.c_int64),
    ("null_count", ctypes.c_int64),
    ("offset", ctypes.c_int64),
    ("n_buffers", ctypes.c_int64),
    ("n_children", ctypes.c_int64),
    ("buffers", ctypes.POINTER(ctypes.c_void_p)),
    ("children", ctypes.POINTER(ctypes.POINTER(_Array))),
    ("dictionary", ctypes.POINTER(_Array)),
    ("release", ctypes.CFUNCTYPE(None, ctypes.POINTER(_Array))),
    ("private_data", ctypes.c_void_p),
]


class _Stream(ctypes.Structure):
    pass


_Stream._fields_ = [
    ("get_schema", ctypes.c_void_p),
    ("get_next", ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(_Stream), ctypes.POINTER(_Array))),
    ("get_last_error", ctypes.CFUNCTYPE(ctypes.c_char_p, ctypes.POINTER(_Stream))),
    ("release", ctypes.c_void_p),
    ("private_data", ctypes.c_void_p),
]

_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_pointer.restype = ctypes.c_void_p
_pointer.argtypes = [ctypes.py_object, ctypes.c_char_p]


def batches(connection: duckdb.DuckDBPyConnection, sql: str, kinds: str) -> Iterator[list[NDArray[Any]]]:
    """The result of `sql`, some hundred thousand rows at a time, one array a column, in the query's order.

    Args:
        connection: not used for anything else until the iterator is exhausted or closed.
        sql: a query whose columns are DOUBLE without NULL, INTEGER without NULL, or VARCHAR.
        kinds: one letter a column: "d", "i" or "s" (an array of str and None).

    Raises:
        duckdb.Error: the query failed, at once or while it ran.
    """
    relation = connection.sql(sql)
    capsule = relation.__arrow_c_stream__()
    stream = ctypes.cast(_pointer(capsule, b"arrow_array_stream"), ctypes.POINTER(_Stream))
    try:
        while True:
            batch = _Array()
            if stream.contents.get_next(stream, ctypes.byref(batch)):
                message = stream.contents.get_last_error(stream) or b"the query failed"
                raise duckdb.Error(message.decode("utf-8", "replace"))
            if not batch.release:
                return
            try:
                columns = [_column(batch.children[i].contents, kind) for i, kind in enumerate(kinds)]
            finally:
                batch.release(ctypes.byref(batch))
            if columns and len(columns[0]):
                yield columns
    finally:
        # The capsule's own destructor releases the stream, and with it the connection's open result.
        del stream, capsule, relation


def _column(array: Any, kind: str) -> NDArray[Any]:
    stop = array.offset + array.length
    if not array.length:
        return np.empty(0, dtype={"d": np.float64, "i": np.int32, "s": object}[kind])
    if kind == "d":
        return _buffer(array, 1, ctypes.c_double, stop)[array.offset :].copy()
    if kind == "i":
        return _buffer(array, 1, ctypes.c_int32, stop)[array.offset :].copy()
    ends = _buffer(array, 1, ctypes.c_int32, stop + 1)[array.offset :].tolist()
    content = ctypes.string_at(array.buffers[2], ends[-1]) if ends[-1] else b""
    text = np.empty(array.length, dtype=object)
    text[:] = [content[a:b].decode() for a, b in pairwise(ends)]
    if array.null_count and array.buffers[0]:
        bits = np.unpackbits(_buffer(array, 0, ctypes.c_uint8, (stop + 7) // 8), bitorder="little")
        text[bits[array.offset : stop] == 0] = None
    return text


def _buffer(array: Any, index: int, kind: Any, length: int) -> NDArray[Any]:
    return np.ctypeslib.as_array(ctypes.cast(array.buffers[index], ctypes.POINTER(kind)), (length,))
