"""Bytes to columns: files of any kind, standard input and arrays, read by role and checked on the way."""

from mlefit.reading.memory import from_frame, from_values, source_of
from mlefit.reading.reader import canonical, columns, locate, only_column, read, read_chunks
from mlefit.reading.source import Source, open_source
from mlefit.reading.table import ColumnKind, Labels, Missing, Place, Request, Table

__all__ = [
    "ColumnKind",
    "Labels",
    "Missing",
    "Place",
    "Request",
    "Source",
    "Table",
    "canonical",
    "columns",
    "from_frame",
    "from_values",
    "locate",
    "only_column",
    "open_source",
    "read",
    "read_chunks",
    "source_of",
]
