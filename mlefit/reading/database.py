"""DuckDB, loaded when it is first used: a small table of numbers is read without it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection as DuckDBPyConnection
    from duckdb import Error as Error
    from duckdb import connect as connect


def __getattr__(name: str) -> Any:
    import duckdb

    return getattr(duckdb, name)
