"""SQL written out for DuckDB, and connections that can reach the files they were made for and nothing else."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from mlefit.reading import database as duckdb
from mlefit.reading.dialect import Dialect


def connect(paths: Sequence[str]) -> duckdb.DuckDBPyConnection:
    """A connection in memory that can read `paths` and reach nothing else, for good."""
    connection = duckdb.connect(
        config={
            "temp_directory": "",
            "python_enable_replacements": "false",
            "autoload_known_extensions": "false",
            "autoinstall_known_extensions": "false",
        }
    )
    allowed = ", ".join(literal(path) for path in paths)
    connection.execute(f"SET allowed_paths=[{allowed}]; SET enable_external_access=false; SET lock_configuration=true")
    return connection


def first_row(connection: duckdb.DuckDBPyConnection, sql: str, parameters: Sequence[object] = ()) -> Any:
    """The first row of a query, or None. (`fetchone` would leave the result open, and the connection with it.)"""
    rows = connection.execute(sql, list(parameters)).fetchall()
    return rows[0] if rows else None


def literal(text: str) -> str:
    """An SQL string."""
    return "'" + text.replace("'", "''") + "'"


def quoted(name: str) -> str:
    """An SQL name."""
    return '"' + name.replace('"', '""') + '"'


def csv_scan(paths: str, dialect: Dialect, compression: str, columns: Sequence[str]) -> str:
    """DuckDB's reader told everything, so that it guesses nothing; every value stays text."""
    types = ", ".join(f"{literal(name[1:-1].replace(chr(34) * 2, chr(34)))}: 'VARCHAR'" for name in columns)
    return (
        f"read_csv({paths}, auto_detect=false, header={str(dialect.header).lower()}, skip={dialect.skip}, "
        f"delim={literal(dialect.delimiter)}, quote={literal(dialect.quote)}, escape={literal(dialect.quote)}, "
        f"compression={literal(compression)}, nullstr='', "
        f"buffer_size=8388608, columns={{{types}}})"
    )


def first_sentence(error: Exception) -> str:
    """The gist of a DuckDB message, on one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    gist = re.sub(r"^(\w+ )*Error: ", "", lines[0] if lines else type(error).__name__)
    return gist.rstrip(".")
