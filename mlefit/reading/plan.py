"""A request turned into SQL: what each column or expression becomes, and the query that reads them all.

Every cell arrives as a number without NULL: NaN is missing and infinity is refused, so one pass both reads and
checks, and only what fails is read again, to name its line.
"""

from __future__ import annotations

import itertools
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from mlefit.errors import DataError, UsageError
from mlefit.reading import database as duckdb
from mlefit.reading import expression
from mlefit.reading.files import File
from mlefit.reading.source import Source
from mlefit.reading.sql import first_row, first_sentence, quoted
from mlefit.reading.table import ColumnKind, Request

# What stands for a missing value, in capitals or not, blanks around it or not: R and pandas write NA and NaN, Excel
# #N/A, SQL dumps \N and NULL, SAS and Stata a full stop. "None" is not among them: it is a label more often.
MISSING: Final = ("", "na", "n/a", "#n/a", "<na>", "nan", "null", "\\n", ".")
_WORDS_SQL: Final = "[" + ", ".join(f"'{word}'" for word in MISSING) + "]"
_NANS_SQL: Final = "[" + ", ".join(["'nan'::DOUBLE"] * len(MISSING)) + "]"
_MISSING_SQL: Final = "(" + ", ".join(f"'{word}'" for word in MISSING) + ")"
# Rows that decide, at first, what a column of text holds.
SAMPLE: Final = 20_000
_NUMBERS: Final = [
    "TINYINT",
    "SMALLINT",
    "INTEGER",
    "BIGINT",
    "HUGEINT",
    "UTINYINT",
    "USMALLINT",
    "UINTEGER",
    "UBIGINT",
    "UHUGEINT",
    "FLOAT",
    "DOUBLE",
]


@dataclass(frozen=True, eq=False, repr=False)
class Operand:
    """A column or expression to be read.

    Attributes:
        text: as named by the person.
        sql: the same in the plan's view.
        type: its DuckDB type there.
        truth: whether its text is TRUE and FALSE, for 1 and 0, instead of numbers.
        computed: whether it is an expression; its missing values are NULL, and NaN is a failure such as ln(-1).
    """

    text: str
    sql: str
    type: str
    truth: bool = False
    computed: bool = False

    @property
    def raw(self) -> str:
        """SQL for the text as written; NULL where there is none."""
        if self.type == "JSON":
            return f"({self.sql} ->> '$')"
        if self.type == "VARCHAR":
            return self.sql
        if self.type in ("DOUBLE", "FLOAT"):
            whole = f"{self.sql} = trunc({self.sql}) AND abs({self.sql}) < 1e15"
            integer = f"CAST(CAST({self.sql} AS BIGINT) AS VARCHAR)"
            return f"CASE WHEN {whole} THEN {integer} ELSE CAST({self.sql} AS VARCHAR) END"
        return f"CAST({self.sql} AS VARCHAR)"

    @property
    def number(self) -> str:
        """SQL for the value as DOUBLE: NaN where missing, infinite where it is no finite number."""
        if self.kind == "number" or self.kind == "boolean":
            value = f"CAST({self.sql} AS DOUBLE)"
            if self.computed:
                value = f"CASE WHEN isnan({value}) THEN 'inf'::DOUBLE ELSE {value} END"
            return f"coalesce({value}, 'nan'::DOUBLE)"
        value = f"CASE {_word(self.raw)} WHEN 'true' THEN 1 WHEN 'false' THEN 0 END" if self.truth else _cast(self.raw)
        # A look-up, since DuckDB computes comparisons with every word for every row, even those that cast.
        filled = f"coalesce({self.raw}, '')"
        place = f"list_position({_WORDS_SQL}, {_word(filled)})"
        return f"coalesce({value}, list_extract({_NANS_SQL}, {place}), 'inf'::DOUBLE)"

    @property
    def missing(self) -> str:
        """SQL for whether the value is missing."""
        if self.kind in ("boolean", "date") or self.type in _NUMBERS[:10]:
            return f"({self.raw} IS NULL)"
        return f"({self.raw} IS NULL OR {_word(self.raw)} IN {_MISSING_SQL})"

    @property
    def label(self) -> str:
        """SQL for the value as text; NULL where missing."""
        return f"CASE WHEN {self.missing} THEN NULL ELSE {self.raw} END"

    @property
    def kind(self) -> ColumnKind:
        """What the type is to a person."""
        return kind_of(self.type)


def _word(text: str) -> str:
    """SQL for a cell as it is looked up among words."""
    return f"lower(trim({text}))"


def _cast(text: str) -> str:
    """SQL for the number that a text is, else NULL; DuckDB alone would take 1_000 for one."""
    return f"CASE WHEN contains({text}, '_') THEN NULL ELSE TRY_CAST({text} AS DOUBLE) END"


def kind_of(type_name: str) -> ColumnKind:
    """What a DuckDB type is to a person."""
    if type_name in _NUMBERS or type_name.startswith("DECIMAL"):
        return "number"
    if type_name == "BOOLEAN":
        return "boolean"
    return "date" if type_name.startswith(("DATE", "TIME")) else "text"


@dataclass(frozen=True, eq=False, repr=False)
class Plan:
    """The SQL of a request.

    Attributes:
        source: what is read.
        numeric, labels, texts: role -> operand.
        condition: SQL of the filter, or None.
        where: the filter as written.
        typed: extra columns of the view, for the expressions.
        expressions: every expression as written.
    """

    source: Source
    numeric: Mapping[str, Operand]
    labels: Mapping[str, Operand]
    texts: Mapping[str, Operand]
    condition: str | None
    where: str | None
    typed: str
    expressions: tuple[expression.Expression, ...]

    def view(self, file: File | None = None, *, numbered: bool = False) -> str:
        """FROM and WHERE: the rows that the filter lets through, of all files or one; `rn` counts from 0."""
        scan = self.source.scan(file)
        if numbered:
            scan = f"(SELECT row_number() OVER () - 1 AS {self.row_number}, * FROM {scan})"
        if self.typed:
            scan = f"(SELECT *, {self.typed} FROM {scan})"
        return f"{scan} AS rows" + (f" WHERE {self.condition}" if self.condition else "")

    @property
    def row_number(self) -> str:
        """The name of the row counter."""
        return quoted(unused_prefix(self.source) + "rn")

    @property
    def incomplete(self) -> str:
        """SQL for whether a row has a missing value in a column that is used."""
        tests = [f"isnan({operand.number})" for operand in self.numeric.values()]
        tests += [operand.missing for operand in self.labels.values()]
        return "(" + (" OR ".join(tests) or "false") + ")"


def unused_prefix(source: Source) -> str:
    """A prefix that no column of the scan has."""
    prefix = "x_"
    while any(column.sql[1:].lower().startswith(prefix) for column in source.columns):
        prefix += "_"
    return prefix


def make(source: Source, request: Request) -> Plan:
    """Resolve every column of a request.

    Raises:
        UsageError: an unknown column, or something that is no expression.
        DataError: a column of dates or of nested values as a number.
    """
    prefix = unused_prefix(source)

    def internal(position: int) -> str:
        return f"{prefix}{position}"

    parsed: dict[str, expression.Expression] = {}
    wanted = [*request.numeric.values(), *request.labels.values(), *request.texts.values()]
    names = source.names
    with_condition = [*wanted, request.where] if request.where is not None else wanted
    for text in with_condition:
        if text not in parsed and (text not in names):
            try:
                parsed[text] = expression.parse(source.connection, text, names, internal)
            except UsageError as error:
                raise _headless(source, text) or _undivided(source, text) or error from None
    condition: str | None = None
    used = sorted({position for found in parsed.values() for position in found.columns})
    if request.where is not None and request.where in names:
        used = sorted({*used, names.index(request.where)})
    types = _types(source, used)
    typed = ", ".join(
        f"{_typed(source, position, types[position])} AS {quoted(internal(position))}" for position in used
    )
    if request.where is not None:
        found = parsed.get(request.where)
        condition = "(" + (found.sql if found else quoted(internal(names.index(request.where)))) + ")"
    draft = Plan(source, {}, {}, {}, None, request.where, typed, tuple(parsed.values()))
    operands = {text: _operand(source, text, parsed.get(text), draft, types) for text in wanted}
    if condition is not None:
        kind = _bind(draft, condition, request.where or "", types)
        if kind.startswith(("VARCHAR", "DATE", "TIME")):
            what = "text" if kind == "VARCHAR" else "a date or time"
            raise UsageError(
                f"{request.where!r} is {what}, not a condition; write one, such as {request.where} = '...'"
            )
        _bind(draft, f"CAST({condition} AS BOOLEAN)", request.where or "", types)
        condition = f"CAST({condition} AS BOOLEAN)"
    for text in request.numeric.values():
        _refuse_unnumeric(operands[text])
    return Plan(
        source,
        {role: _true_or_false(source, operands[text]) for role, text in request.numeric.items()},
        {role: operands[text] for role, text in request.labels.items()},
        {role: operands[text] for role, text in request.texts.items()},
        condition,
        request.where,
        typed,
        tuple(parsed.values()),
    )


def _operand(
    source: Source,
    text: str,
    parsed: expression.Expression | None,
    draft: Plan,
    types: Mapping[int, str],
) -> Operand:
    if parsed is None:
        column = source.columns[source.names.index(text)]
        return Operand(text, column.sql, column.type)
    sql = f"({parsed.sql})"
    return Operand(text, sql, _bind(draft, sql, text, types), computed=True)


def _true_or_false(source: Source, operand: Operand) -> Operand:
    """The operand, saying whether its first value makes it a column of TRUE and FALSE."""
    if operand.computed or operand.kind != "text":
        return operand
    if source.kind == "csv":
        return replace(operand, truth=source.first_value(operand.text, MISSING) in ("true", "false"))
    found = f"SELECT {_word(operand.raw)} FROM {source.scan()} WHERE {present(operand.raw)} LIMIT 1"
    return replace(operand, truth=first_row(source.connection, found) in (("true",), ("false",)))


def _bind(draft: Plan, sql: str, text: str, types: Mapping[int, str]) -> str:
    """The type of an expression."""
    try:
        row = first_row(draft.source.connection, f"DESCRIBE SELECT {sql} AS value FROM {draft.view()}")
    except duckdb.Error as error:
        for found in draft.expressions:
            if found.text == text:
                _blame_text_column(draft.source, found, types)
        raise UsageError(f"{text!r} cannot be computed: {first_sentence(error)}") from None
    assert row is not None
    return str(row[1])


def _blame_text_column(source: Source, found: expression.Expression, types: Mapping[int, str]) -> None:
    """An expression does not bind: say so of a column that is numeric but for a few cells."""
    for position in found.columns:
        if types[position] != "VARCHAR":
            continue
        column = source.columns[position]
        operand = Operand(column.name, column.sql, column.type)
        scan = f"(SELECT row_number() OVER () - 1 AS rn, {operand.number} AS v, {operand.raw} AS t FROM "
        for file in source.files or (None,):
            finite, row, text = first_row(
                source.connection,
                "SELECT count(*) FILTER (isfinite(v)), min(rn) FILTER (isinf(v)), min_by(t, rn) FILTER (isinf(v))"
                f" FROM {scan}{source.scan(file)})",
            )
            if row is not None:
                place = source.place(file, int(row))
                share = "is text" if not finite else "is not a number everywhere"
                raise DataError(
                    f"{found.text!r} cannot be computed: "
                    f"column {column.name!r} {share} ({place} holds {str(text)[:60]!r})"
                )


def _refuse_unnumeric(operand: Operand) -> None:
    if operand.kind == "date":
        example = f'epoch("{operand.text}")'
        raise DataError(
            f"column {operand.text!r} holds dates or times, not numbers; an expression such as {example} makes numbers"
        )
    if operand.type.endswith("]") or operand.type.startswith(("STRUCT", "MAP", "UNION", "BLOB")):
        raise DataError(f"column {operand.text!r} holds {operand.type.split('(')[0].lower()} values, not numbers")


def _headless(source: Source, text: str) -> UsageError | None:
    """A missing header is the likeliest reason for an unknown column where the first line is all numbers."""
    if source.dialect is None or not source.dialect.header or not first_line_is_numbers(source):
        return None
    return UsageError(
        f"there is no column {text!r}, and the first line of {source.name} ({', '.join(source.names[:5])}) looks like "
        "data; if the file has no header, add --no-header and name columns by number"
    )


def _undivided(source: Source, text: str) -> UsageError | None:
    """A wrong delimiter is the likeliest where the one column has a name with a mark that may be another."""
    if source.dialect is None or len(source.names) > 1 or not re.search(r"\w[^\w\s.()\[\]%-]\w", source.names[0]):
        return None
    return UsageError(
        f"there is no column {text!r}, only {source.names[0]!r}, for nothing is divided at "
        f"{source.dialect.delimiter!r}; name the right delimiter by --delimiter"
    )


def doubt_header(source: Source, request: Request) -> None:
    """Warn where a column named by its place finds a header that looks like data: its first row would be lost."""
    places = {str(i + 1) for i in range(len(source.names))}
    if source.dialect is None or not source.dialect.header or not places & {*request.numeric.values()}:
        return
    if len(source.names) > 1 and first_line_is_numbers(source):
        warnings.warn(
            f"the first line of {source.name} ({', '.join(source.names[:5])}) is taken for the header, though it looks "
            "like data; if it is, add --no-header",
            stacklevel=2,
        )


def first_line_is_numbers(source: Source) -> bool:
    """Whether what should be a header reads as data."""

    def is_number(name: str) -> bool:
        try:
            float(name)
        except ValueError:
            return False
        return True

    return source.dialect is not None and all(is_number(name) for name in source.dialect.names)


def _typed(source: Source, position: int, type_name: str) -> str:
    column = source.columns[position]
    if column.type not in ("VARCHAR", "JSON"):
        number = column.sql
        return f"nullif({number}, 'nan')" if column.type in ("DOUBLE", "FLOAT") else number
    operand = Operand(column.name, column.sql, column.type)
    if type_name == "VARCHAR":
        return operand.label
    # Every value was seen to be of this type, so what does not cast is missing.
    if type_name == "DOUBLE":
        return f"nullif({_cast(operand.raw)}, 'nan'::DOUBLE)"
    return f"TRY_CAST({operand.raw} AS {type_name})"


def _types(source: Source, positions: Sequence[int]) -> dict[int, str]:
    """The types that expressions see. Text is read through once, so that no later row can belie them."""
    result = {position: source.columns[position].type for position in positions}
    texts = [position for position in positions if result[position] in ("VARCHAR", "JSON")]
    guesses = dict(zip(texts, text_types(source, texts, SAMPLE), strict=True))
    wrong = _belied(source, {position: guess for position, guess in guesses.items() if guess != "VARCHAR"})
    guesses.update(zip(wrong, text_types(source, wrong), strict=True))
    return result | guesses


def _text(source: Source, position: int) -> str:
    column = source.columns[position]
    return Operand(column.name, column.sql, column.type).raw


# For each type, whether a text is of it, and cheaply: DuckDB rounds when it casts a fraction to an integer.
_TESTS: Final = {
    "BIGINT": "(coalesce(TRY_CAST({0} AS BIGINT) = TRY_CAST({0} AS DOUBLE), false) AND NOT contains({0}, '_'))",
    "DOUBLE": f"({_cast('{0}')} IS NOT NULL)",
    "BOOLEAN": "lower(trim({0})) IN ('true', 'false')",
    "DATE": "(TRY_CAST({0} AS DATE) IS NOT NULL AND length(trim({0})) <= 10)",
    "TIMESTAMP": "TRY_CAST({0} AS TIMESTAMP) IS NOT NULL",
}


def _count(source: Source, tests: Sequence[str], rows: int | None = None) -> tuple[int, ...]:
    """How many rows of all or of the first meet each test.

    Raises:
        DataError: the file cannot be read.
    """
    scan = source.scan()
    limited = f"(SELECT * FROM {scan} LIMIT {rows})" if rows else scan
    counts = ", ".join(f"count(*) FILTER ({test})" for test in tests)
    try:
        row = first_row(source.connection, f"SELECT {counts} FROM {limited}")
    except duckdb.Error as error:
        raise source.broken(error) from None
    assert row is not None
    return tuple(row)


def present(text: str) -> str:
    """SQL for whether a text is not missing."""
    return f"({text} IS NOT NULL AND {_word(text)} NOT IN {_MISSING_SQL})"


def _belied(source: Source, guesses: Mapping[int, str]) -> list[int]:
    """The columns where some row is not of the type guessed from the first."""
    if not guesses or _count(source, ["true"], SAMPLE + 1)[0] <= SAMPLE:
        return []
    texts = {position: _text(source, position) for position in guesses}
    # The test comes first: what casts need not be looked up among the words for missing values.
    tests = [
        f"NOT CASE WHEN {_TESTS[guess].format(texts[i])} THEN true ELSE NOT {present(texts[i])} END"
        for i, guess in guesses.items()
    ]
    return list(itertools.compress(guesses, _count(source, tests)))


def text_types(source: Source, positions: Sequence[int], rows: int | None = None) -> list[str]:
    """The narrowest type that holds every value of columns of text, of the first rows or of all.

    Raises:
        DataError: the file cannot be read.
    """
    if not positions:
        return []
    tests: list[str] = []
    for position in positions:
        text = _text(source, position)
        filled = present(text)
        tests += [filled, *(f"{filled} AND {test.format(text)}" for test in _TESTS.values())]
    counts = _count(source, tests, rows)
    width = 1 + len(_TESTS)
    return [_narrowest(counts[i : i + width]) for i in range(0, len(counts), width)]


def _narrowest(counts: Sequence[int]) -> str:
    total, *of_type = counts
    return next((name for name, count in zip(_TESTS, of_type, strict=True) if 0 < count == total), "VARCHAR")
