"""Reads what a request asks for, whole or in chunks, and names the line of what cannot be read."""

from __future__ import annotations

import itertools
import re
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlefit.errors import DataError, UsageError
from mlefit.progress import steps
from mlefit.reading import database as duckdb
from mlefit.reading import plan as plans
from mlefit.reading.expression import unknown_column
from mlefit.reading.files import File
from mlefit.reading.plan import Operand, Plan
from mlefit.reading.small import read_small
from mlefit.reading.source import Source
from mlefit.reading.sql import first_row, first_sentence, literal, quoted
from mlefit.reading.stream import batches
from mlefit.reading.table import ColumnKind, Labels, Place, Request, Table

_serial = itertools.count()


def columns(request: Request) -> dict[str, ColumnKind]:
    """Every column and what its first 20,000 values are.

    Raises:
        DataError: no such file, or no table in it.
        UsageError: an unknown encoding or an impossible delimiter.
    """
    source = request.open()
    texts = [i for i, column in enumerate(source.columns) if column.type in ("VARCHAR", "JSON")]
    types = {i: column.type for i, column in enumerate(source.columns)}
    types.update(zip(texts, plans.text_types(source, texts, plans.SAMPLE), strict=True))
    return {column.name: plans.kind_of(types[i]) for i, column in enumerate(source.columns)}


def only_column(request: Request) -> str:
    """The column to use where none is named: the one there is.

    Raises:
        UsageError: there are several (they are listed), or the file seems to lack a header.
    """
    source = request.open()
    if len(source.columns) == 1:
        name = source.columns[0].name
        if source.dialect is not None and source.dialect.header and plans.first_line_is_numbers(source):
            raise UsageError(
                f"the first line of {source.name} ({name}) looks like data, not a header; add --no-header, "
                f"or --column {name} if it is the column's name"
            )
        return name
    listed = str(unknown_column("", source.names)).partition("the columns are ")[2]
    raise UsageError(f"{source.name} has {len(source.columns)} columns; name one of them: {listed}")


def read(request: Request) -> Table:
    """Read every row of a request.

    Raises:
        DataError: what cannot be read, with its line, column and value.
        UsageError: an unknown column, or something that is no expression.
    """
    source = request.open()
    plans.doubt_header(source, request)
    table = _of_plain_arrays(source, request) or read_small(source, request)
    if table is not None:
        return table
    plan = plans.make(source, request)
    with _levels(plan) as levels:
        numeric = {role: _Growing(np.dtype(np.float64)) for role in plan.numeric}
        codes = {role: _Growing(np.dtype(np.int32)) for role in plan.labels}
        texts = {role: _Growing(np.dtype(object)) for role in plan.texts}
        n = dropped = 0
        parts = _parts(plan, request, levels)
        for part in steps(parts, f"reading {source.name}", unit="rows", size=lambda part: part.n):
            for role, values in part.numeric.items():
                numeric[role].extend(values)
            for role, labels in part.labels.items():
                codes[role].extend(labels.codes)
            for role, text in part.texts.items():
                texts[role].extend(text)
            n, dropped = n + part.n, dropped + part.dropped
    _refuse_none(plan, n, dropped)
    return Table(
        {role: column.array() for role, column in numeric.items()},
        {role: _used(Labels(column.array(), levels[role][1])) for role, column in codes.items()},
        {role: column.array() for role, column in texts.items()},
        n,
        dropped,
    )


def read_chunks(request: Request, rows: int = 131_072) -> Iterator[Table]:
    """Read a request in one pass and constant memory, at most `rows` rows at a time.

    The levels of labels, found in a pass of their own, are those of the whole file, the same in every chunk.

    Raises:
        As `read`, when the line in question is reached.
    """
    source = request.open()
    plans.doubt_header(source, request)
    plan = plans.make(source, request)
    n = dropped = 0
    with _levels(plan) as levels, closing(_parts(plan, request, levels)) as parts:
        for part in parts:
            for start in range(0, max(part.n, 1), rows):
                piece = _slice(part, start, rows, n)
                n, dropped = n + piece.n, dropped + piece.dropped
                yield piece
    _refuse_none(plan, n, dropped)


def locate(request: Request, role: str, n: int) -> Place:
    """Where the value of a role stands in the n-th row kept (from 0), for errors about values that were read.

    Raises:
        DataError: there is no such row.
    """
    source = request.open()
    plan = plans.make(source, request)
    operand = {**plan.numeric, **plan.labels, **plan.texts}[role]
    kept = "true" if request.missing == "keep" else f"NOT {plan.incomplete}"
    conjunction = "AND" if plan.condition else "WHERE"
    for file in source.files or (None,):
        row = first_row(
            source.connection,
            f"SELECT {plan.row_number}, {operand.raw} FROM {plan.view(file, numbered=True)} {conjunction} {kept}"
            f" ORDER BY 1 LIMIT 1 OFFSET {n}",
        )
        if row is not None:
            return _place(source, file, int(row[0]), row[1])
        if len(source.files) > 1:
            counted = first_row(source.connection, f"SELECT count(*) FROM {plan.view(file)} {conjunction} {kept}")
            n -= counted[0] if counted else 0
    raise DataError(f"{source.name} has no such row")


def canonical(request: Request, text: str) -> str:
    """A column or an SQL expression in one spelling: the same for all that mean the same but for spaces and case.

    Raises:
        UsageError: neither a column nor an expression.
        DataError: a column of nested values.
    """
    source = request.open()
    alone = replace(request, path=source, numeric={}, labels={"x": text}, texts={}, where=None)
    return plans.make(source, alone).labels["x"].sql


def _of_plain_arrays(source: Source, request: Request) -> Table | None:
    """Arrays of numbers as they are; None for what takes more (labels, SQL, errors to be told)."""
    names = list(request.numeric.values())
    if request.labels or request.texts or request.where is not None or not names:
        return None
    columns = [source.arrays.get(name) for name in names]
    if any(column is None or column.dtype == object for column in columns):
        return None
    values = [np.asarray(column, dtype=np.float64) for column in columns]
    total = len(values[0])
    if not all(np.isfinite(column).all() for column in values):
        if request.missing == "error" or any(np.isinf(column).any() for column in values):
            return None
        if request.missing == "drop":
            keep = ~np.isnan(values).any(axis=0)
            values = [column[keep] for column in values]
    n = len(values[0])
    return Table(dict(zip(request.numeric, values, strict=True)), {}, {}, n, total - n) if n else None


def _place(source: Source, file: File | None, row: int, value: Any) -> Place:
    line = None if file is None else source.line(file, row)
    return Place(source.place(file, row), line, "" if value is None else str(value))


Levels = Mapping[str, tuple[str, tuple[str, ...]]]


@contextmanager
def _levels(plan: Plan) -> Iterator[Levels]:
    """Role -> (name of an ENUM in the database, its levels in order), for as long as the codes are read."""
    made: dict[str, tuple[str, tuple[str, ...]]] = {}
    connection = plan.source.connection
    try:
        for role, operand in plan.labels.items():
            name = f"levels_{next(_serial)}"
            try:
                connection.execute(
                    f"CREATE TYPE {name} AS ENUM (WITH found AS MATERIALIZED (SELECT DISTINCT {operand.raw} AS label"
                    f" FROM {plan.view()}) SELECT label FROM found WHERE {plans.present('label')}"
                    " ORDER BY TRY_CAST(label AS DOUBLE), label)"
                )
                found = connection.execute(f"SELECT unnest(enum_range(NULL::{name}))").fetchall()
            except duckdb.Error as error:
                raise _failure(plan, error) from None
            made[role] = (name, tuple(row[0] for row in found))
        yield made
    finally:
        for name, _ in made.values():
            connection.execute(f"DROP TYPE {name}")


def _parts(plan: Plan, request: Request, levels: Levels) -> Generator[Table, None, None]:
    """The batches of the query, their incomplete rows dropped."""
    code = "coalesce(CAST(enum_code(TRY_CAST({0} AS {1})) AS INTEGER), -1)"
    selected = [f"CAST({operand.number} AS DOUBLE)" for operand in plan.numeric.values()]
    selected += [code.format(operand.raw, levels[role][0]) for role, operand in plan.labels.items()]
    selected += [f"CAST({operand.raw} AS VARCHAR)" for operand in plan.texts.values()]
    kinds = "d" * len(plan.numeric) + "i" * len(plan.labels) + "s" * len(plan.texts)
    if not selected:
        raise UsageError("name a column to read")
    named = ", ".join(f"{sql} AS v{i}" for i, sql in enumerate(selected))
    sql = f"SELECT {named} FROM {plan.view()}"
    # A registered array belongs to one connection; files may be read and searched side by side.
    memory = plan.source.kind == "memory"
    connection = plan.source.connection if memory else plan.source.connection.cursor()
    stream: Iterator[list[NDArray[Any]]] = batches(connection, sql, kinds)
    if memory:
        stream = iter(_all(plan, stream))
    first = 0
    try:
        for arrays in stream:
            part = _complete(plan, request, levels, arrays, first)
            first += part.n
            yield part
    except duckdb.Error as error:
        raise _failure(plan, error) from None
    finally:
        if not memory:
            connection.close()


def _all(plan: Plan, stream: Iterator[list[NDArray[Any]]]) -> list[list[NDArray[Any]]]:
    try:
        return list(stream)
    except duckdb.Error as error:
        raise _failure(plan, error) from None


def _complete(plan: Plan, request: Request, levels: Levels, arrays: list[NDArray[Any]], first: int) -> Table:
    total = len(arrays[0])
    numbers, rest = arrays[: len(plan.numeric)], arrays[len(plan.numeric) :]
    codes = rest[: len(plan.labels)]
    keep = np.ones(total, dtype=bool)
    for values in numbers:
        if not np.isfinite(values).all():
            if np.isinf(values).any():
                raise _bad_value(plan)
            keep &= ~np.isnan(values)
    for code in codes:
        keep &= code >= 0
    whole = request.missing == "keep" or bool(keep.all())
    if not whole:
        if request.missing == "error":
            raise _missing_value(plan)
        arrays = [array[keep] for array in arrays]
    n = len(arrays[0])
    iterator = iter(arrays)
    return Table(
        {role: next(iterator) for role in plan.numeric},
        {role: Labels(next(iterator), levels[role][1]) for role in plan.labels},
        {role: next(iterator) for role in plan.texts},
        n,
        total - n,
        first,
    )


def _bad_value(plan: Plan) -> DataError:
    """The sentence for the first cell that is no finite number."""
    tests = [f"isinf({operand.number})" for operand in plan.numeric.values()]
    for file, row, flags, texts in _first_row(plan, tests, list(plan.numeric.values())):
        operand, text = next((o, t) for o, t, flag in zip(plan.numeric.values(), texts, flags, strict=True) if flag)
        return DataError(_not_a_number(plan.source, file, row, operand, str(text)))
    return DataError(f"{plan.source.name} holds a value that is not a finite number")


def _not_a_number(source: Source, file: File | None, row: int, operand: Operand, text: str) -> str:
    place = source.place(file, row)
    what = "is not a number"
    if operand.truth:
        what = "is neither TRUE nor FALSE, as the column's first value is"
    elif _is_number(text):
        what = "is not a finite number"
    elif re.fullmatch(r"\s*[-+]?\d{1,3}(,\d{3})+(\.\d*)?\s*", text):
        example = f"""replace("{operand.text}", ',', '')"""
        what = f"is not a number (for commas between thousands, name the column as {example}"
        if text.count(",") == 1 and "." not in text:
            what += f"""; for a decimal comma, as replace("{operand.text}", ',', '.')"""
        what += ")"
    elif re.fullmatch(r"\s*[-+]?\d*,\d+\s*", text):
        example = f"""replace("{operand.text}", ',', '.')"""
        what = f"is not a number (for a decimal comma, name the column as {example})"
    elif (labels := _two_labels(source, operand)) is not None:
        column = _in_sql(source, operand.text)
        what = (
            f'is not a number (for 1 where it is {labels[1]!r}, name the column as "{column} = {literal(labels[1])}")'
        )
    elif not operand.computed and (remedy := _remedy(source, operand, text.strip())):
        what += f" ({remedy})"
    shown = repr(text if len(text) <= 60 else text[:57] + "...")
    return f"{shown} in column {operand.text!r} on {place} {what}"


def _in_sql(source: Source, name: str) -> str:
    """A column's name as an expression has it: in quotes only where it must."""
    reserved = "SELECT 1 FROM duckdb_keywords() WHERE keyword_name = lower(?) AND keyword_category = 'reserved'"
    plain = name.isidentifier() and source.connection.execute(reserved, [name]).fetchone() is None
    return name if plain else quoted(name)


def _remedy(source: Source, operand: Operand, text: str) -> str:
    """What can be done about a cell of text in a column of numbers, "" where nothing is known."""
    column = _in_sql(source, operand.text)
    if re.fullmatch(r"[<>≤≥]=?\s*[-+.\d]+", text):
        return "for values that lie below or above a limit, give their ends in two columns, --lower and --upper"
    if re.fullmatch(r"\d{4}-\d\d?-\d\d?([T ].*)?", text):
        return f"for days since 1970, name the column as epoch({column}::timestamp) / 86400"
    unit = re.fullmatch(r"[-+]?\d+\.?\d*(\s*[^\s\d.,:;/'-]+)|([^\s\d.,:;/'+-]{1,3}\s*)[-+]?\d+\.?\d*", text)
    if unit:
        bare = f"replace({column}, {literal(unit[1] or unit[2])}, '')"
        if text.endswith("%"):
            return f"for shares of 1, name the column as {bare}::double / 100"
        return f"to do without {unit[1] or unit[2]!r}, name the column as {bare}"
    present = f"SELECT 1 FROM {source.scan()} WHERE try_cast({operand.raw} AS DOUBLE) IS NOT NULL LIMIT 1"
    try:
        numbers = source.connection.execute(present).fetchone()
    except duckdb.Error:
        return ""
    if numbers is None:
        return "nor is any in that column; --dist categorical fits labels"
    return f"to leave such rows out: --where 'try_cast({column} as double) is not null'"


def _two_labels(source: Source, operand: Operand) -> tuple[str, str] | None:
    """The values of a column that has two, neither of them a number."""
    if operand.computed:
        return None
    try:
        rows = source.connection.execute(
            f"SELECT DISTINCT {operand.raw} FROM {source.scan()} WHERE {plans.present(operand.raw)} LIMIT 3"
        ).fetchall()
    except duckdb.Error:
        return None
    labels = sorted(row[0] for row in rows)
    return (labels[0], labels[1]) if len(labels) == 2 and not any(map(_is_number, labels)) else None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return text.isascii() and "_" not in text


def _missing_value(plan: Plan) -> DataError:
    operands = [*plan.numeric.values(), *plan.labels.values()]
    tests = [operand.missing for operand in operands]
    tests[: len(plan.numeric)] = [f"isnan({operand.number})" for operand in plan.numeric.values()]
    for file, row, flags, _ in _first_row(plan, tests, operands):
        operand = next(o for o, flag in zip(operands, flags, strict=True) if flag)
        return DataError(f"the value of {operand.text!r} on {plan.source.place(file, row)} is missing")
    return DataError(f"a value in {plan.source.name} is missing")


def _first_row(
    plan: Plan, tests: list[str], operands: list[Operand]
) -> Iterator[tuple[File | None, int, tuple[Any, ...], tuple[Any, ...]]]:
    """The first row that meets a test: its file, number, which tests, and the operands' text."""
    selected = ", ".join([*tests, *(operand.raw for operand in operands)])
    conjunction = "AND" if plan.condition else "WHERE"
    for file in plan.source.files or (None,):
        row = first_row(
            plan.source.connection,
            f"SELECT {plan.row_number}, {selected} FROM {plan.view(file, numbered=True)}"
            f" {conjunction} ({' OR '.join(tests)}) ORDER BY 1 LIMIT 1",
        )
        if row is not None:
            yield file, int(row[0]), row[1 : 1 + len(tests)], row[1 + len(tests) :]
            return


def _failure(plan: Plan, error: duckdb.Error) -> DataError:
    """A query broke off: an expression met a value it cannot take, or the file is malformed."""
    if not plan.expressions or "CSV" in str(error) or "JSON" in str(error):
        return plan.source.broken(error)
    gist = first_sentence(error)
    for found in plan.expressions:
        for file in plan.source.files or (None,):
            row = _failing_row(plan, found.sql, file)
            if row is not None:
                return DataError(f"{found.text!r} cannot be computed on {plan.source.place(file, row)}: {gist}")
    return DataError(f"{' or '.join(repr(found.text) for found in plan.expressions)} cannot be computed: {gist}")


def _failing_row(plan: Plan, sql: str, file: File | None) -> int | None:
    """The first row on which an expression raises: TRY gives NULL there, and so it may elsewhere."""
    view = Plan(plan.source, {}, {}, {}, None, None, plan.typed, ()).view(file, numbered=True)
    connection = plan.source.connection
    try:
        suspects = connection.execute(
            f"SELECT {plan.row_number} FROM {view} WHERE TRY({sql}) IS NULL ORDER BY 1 LIMIT 20"
        ).fetchall()
    except duckdb.Error:
        return None
    for (row,) in suspects:
        try:
            connection.execute(f"SELECT {sql} FROM (SELECT * FROM {view} WHERE {plan.row_number} = {row})").fetchall()
        except duckdb.Error:
            return int(row)
    return None


def _refuse_none(plan: Plan, n: int, dropped: int) -> None:
    if n:
        return
    name = plan.source.name
    if dropped:
        used = ", ".join(repr(o.text) for o in [*plan.numeric.values(), *plan.labels.values()])
        rows = "the only row" if dropped == 1 else f"every one of the {dropped} rows"
        raise DataError(f"{rows} of {name} has a missing value in {used}")
    if plan.where is not None:
        raise DataError(f"no row of {name} meets the condition {plan.where!r}")
    has = "a header but no rows" if plan.source.kind == "csv" else "no rows"
    raise DataError(f"{name} has {has}")


def _used(labels: Labels) -> Labels:
    """Without the levels that only dropped rows had."""
    present = np.bincount(labels.codes[labels.codes >= 0], minlength=len(labels.levels)) > 0
    if present.all():
        return labels
    new = np.append(np.cumsum(present) - 1, -1).astype(np.int32)
    return Labels(new[labels.codes], tuple(itertools.compress(labels.levels, present)))


def _slice(part: Table, start: int, rows: int, first: int) -> Table:
    if part.n <= rows:
        return part
    here = slice(start, start + rows)
    numeric = {role: values[here] for role, values in part.numeric.items()}
    labels = {role: Labels(found.codes[here], found.levels) for role, found in part.labels.items()}
    texts = {role: values[here] for role, values in part.texts.items()}
    n = min(rows, part.n - start)
    return Table(numeric, labels, texts, n, part.dropped if start == 0 else 0, first)


class _Growing:
    """An array that is appended to without ever being held twice: its pages are moved, not copied."""

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self._array: NDArray[Any] = np.empty(0, dtype=dtype)
        self._n = 0

    def extend(self, values: NDArray[Any]) -> None:
        stop = self._n + len(values)
        if stop > len(self._array):
            if not self._n:
                self._array, self._n = values, stop
                return
            self._array.resize(max(stop, len(self._array) * 9 // 8), refcheck=False)
        self._array[self._n : stop] = values
        self._n = stop

    def array(self) -> NDArray[Any]:
        if self._n < len(self._array):
            self._array.resize(self._n, refcheck=False)
        return self._array
