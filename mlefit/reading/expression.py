"""SQL expressions in place of column names: parsed, checked against a short list of what they may hold.

An expression is read row by row from the file's own columns. What could reach anything else (a subquery, another
table, a setting, a second statement) is refused here, by its syntax tree; the connection is locked besides.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from mlefit.errors import UsageError
from mlefit.reading import database as duckdb
from mlefit.reading.sql import first_row

_ALLOWED = frozenset(
    [
        "COLUMN_REF",
        "CONSTANT",
        "FUNCTION",
        "COMPARISON",
        "CONJUNCTION",
        "OPERATOR",
        "CAST",
        "TYPE",
        "CASE",
        "BETWEEN",
        "COLLATE",
        "LAMBDA",
    ]
)
_REFUSED = {
    "SUBQUERY": "a subquery",
    "WINDOW": "a window function",
    "STAR": "a star",
    "PARAMETER": "a parameter",
    "DEFAULT": "DEFAULT",
}
# Functions that change from query to query, yet tell nothing but the time.
_CLOCK = frozenset({"today", "now"})
# DuckDB before 2.0 calls these steady.
_SETTINGS = frozenset({"current_setting", "getvariable", "getenv"})


@dataclass(frozen=True)
class Expression:
    """An expression that passed.

    Attributes:
        text: as written by the person.
        sql: the same over the names that `resolve` gave.
        columns: positions of the columns it reads, ascending.
    """

    text: str
    sql: str
    columns: tuple[int, ...]


def parse(
    connection: duckdb.DuckDBPyConnection,
    text: str,
    names: Sequence[str],
    internal: Callable[[int], str],
) -> Expression:
    """Check an expression and rename its columns.

    Args:
        connection: only parses and looks functions up; nothing of the expression runs.
        text: the expression.
        names: the file's columns.
        internal: position of a column -> the name it has where the SQL will run.

    Raises:
        UsageError: not an expression, an unknown column, or something an expression may not hold.
    """
    import json

    tree = _syntax_tree(connection, text, names)
    used: set[int] = set()
    functions: set[str] = set()
    _walk(tree, text, names, internal, used, functions, frozenset())
    if not used:
        raise unknown_column(text, names)
    for function in sorted(functions):
        _check_function(connection, function, text)
    row = first_row(connection, "SELECT json_deserialize_sql(?::JSON)", [json.dumps(tree)])
    assert row is not None
    sql = str(row[0]).removeprefix("SELECT ")
    return Expression(text, sql, tuple(sorted(used)))


def unknown_column(text: str, names: Sequence[str], detail: str = "") -> UsageError:
    """The error that lists the columns and suggests the nearest."""
    import difflib

    copies = [name for name in names if re.fullmatch(re.escape(text) + r"_\d+", name)]
    if len(copies) > 1:
        return UsageError(
            f"{len(copies)} columns are called {text!r}; name one of them {_listed(copies)} (by their order)"
        )
    near = difflib.get_close_matches(text, names, n=1) or [n for n in names if n.lower() == text.lower()]
    suggestion = f"; did you mean {near[0]!r}?" if near else ""
    kind = "there is no column" if re.fullmatch(r"\w+", text) else "there is no column (nor SQL expression)"
    return UsageError(f"{kind} {text!r}{detail}; the columns are {_listed(names)}{suggestion}")


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:30])
    return shown if len(names) <= 30 else f"{shown} and {len(names) - 30} more"


def _syntax_tree(connection: duckdb.DuckDBPyConnection, text: str, names: Sequence[str]) -> Any:
    import json

    if not text.strip() or "\0" in text:
        raise unknown_column(text, names)
    try:
        # The newline ends a trailing comment; the parentheses make one expression of it.
        row = first_row(connection, "SELECT json_serialize_sql(?)", [f"SELECT ({text}\n)"])
    except (duckdb.Error, UnicodeError, RuntimeError):
        raise unknown_column(text, names) from None
    assert row is not None
    tree = json.loads(row[0])
    if tree.get("error") or len(tree["statements"]) != 1:
        raise unknown_column(text, names, f" ({tree['error_message']})" if tree.get("error_message") else "")
    node = tree["statements"][0]["node"]
    alone = (
        node.get("type") == "SELECT_NODE"
        and len(node["select_list"]) == 1
        and node["from_table"]["type"] == "EMPTY"
        and not any(
            node.get(part) for part in ("modifiers", "where_clause", "group_expressions", "having", "sample", "qualify")
        )
        and not (node.get("cte_map") or {}).get("map")
    )
    if not alone:
        raise UsageError(f"{text!r} is more than one SQL expression; it may only compute with the columns")
    return tree


def _walk(
    node: Any,
    text: str,
    names: Sequence[str],
    internal: Callable[[int], str],
    used: set[int],
    functions: set[str],
    bound: frozenset[str],
) -> None:
    if isinstance(node, list):
        for item in node:
            _walk(item, text, names, internal, used, functions, bound)
        return
    if not isinstance(node, dict):
        return
    kind = node.get("class")
    if isinstance(kind, str):
        if kind not in _ALLOWED:
            what = _REFUSED.get(kind, kind.lower())
            raise UsageError(f"{text!r} may not hold {what}; an expression computes row by row with the columns")
        if kind == "COLUMN_REF":
            path = node["column_names"]
            if path[0] in bound:
                return
            position = _position(path[0], names)
            if position is None:
                raise unknown_column(path[0], names, "" if path[0] == text else f" used in {text!r}")
            used.add(position)
            node["column_names"] = [internal(position), *path[1:]]
            return
        if kind == "FUNCTION":
            functions.add(node["function_name"].lower())
        if kind == "LAMBDA":
            bound = bound | frozenset(_parameters(node))
    for value in node.values():
        _walk(value, text, names, internal, used, functions, bound)


def _parameters(node: dict[str, Any]) -> set[str]:
    """Names a lambda binds: its left side is parsed as a column, or as a row of columns."""
    found: set[str] = set()
    queue: list[Any] = [node.get("lhs"), node.get("parameters")]
    while queue:
        item = queue.pop()
        if isinstance(item, list):
            queue.extend(item)
        elif isinstance(item, dict):
            if item.get("class") == "COLUMN_REF":
                found.add(item["column_names"][0])
            queue.extend(item.values())
        elif isinstance(item, str) and item.isidentifier():
            found.add(item)
    return found


def _position(name: str, names: Sequence[str]) -> int | None:
    if name in names:
        return names.index(name)
    folded = [i for i, other in enumerate(names) if other.lower() == name.lower()]
    return folded[0] if len(folded) == 1 else None


def _check_function(connection: duckdb.DuckDBPyConnection, name: str, text: str) -> None:
    rows = connection.execute(
        "SELECT DISTINCT function_type, coalesce(stability, 'CONSISTENT'),"
        " coalesce(macro_definition, '') ILIKE '%select%'"
        " FROM duckdb_functions() WHERE lower(function_name) = ?",
        [name],
    ).fetchall()
    kinds = {row[0] for row in rows}
    if not rows:
        import difflib

        known = connection.execute(
            "SELECT DISTINCT function_name FROM duckdb_functions() WHERE function_type = 'scalar'"
        ).fetchall()
        near = difflib.get_close_matches(name, [row[0] for row in known], n=1)
        hint = f"; did you mean {near[0]}()?" if near else ""
        raise UsageError(f"there is no SQL function {name}(), used in {text!r}{hint}")
    if not kinds & {"scalar", "macro"}:
        what = "computes over many rows" if "aggregate" in kinds else "is not a plain function"
        raise UsageError(f"{name}() in {text!r} {what}; an expression computes row by row with the columns")
    # Arithmetic on times with a zone is steady within a query only, since DuckDB 2.0.1; on numbers it is steady.
    stabilities = {stability for _, stability, _ in rows}
    steady = "CONSISTENT" in stabilities and "VOLATILE" not in stabilities and not any(row[2] for row in rows)
    if name in _SETTINGS or (not steady and name not in _CLOCK):
        raise UsageError(f"{name}() in {text!r} reads more than the columns, so an expression may not call it")
