"""Where columns come from: files, globs, standard input or memory, opened once as one DuckDB scan."""

from __future__ import annotations

import csv
import functools
import io
import itertools
import os
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Literal

from mlefit.errors import DataError
from mlefit.reading import database as duckdb
from mlefit.reading import dialect as dialects
from mlefit.reading.dialect import Dialect
from mlefit.reading.files import File, files_of, mark
from mlefit.reading.sql import connect, csv_scan, first_sentence, literal, quoted
from mlefit.reading.text import PEEK, beginning, head_of, readable, text_lines

Kind = Literal["csv", "parquet", "json", "memory"]

_THROUGH_PANDAS: Final = frozenset(
    [".xlsx", ".xlsm", ".xls", ".xlsb", ".ods", ".dta", ".sav", ".zsav", ".por", ".sas7bdat", ".xpt"]
)
_LONGEST_HEADER: Final = 1 << 25


@dataclass(frozen=True, eq=False, repr=False)
class Column:
    """A column: the name a person uses, its quoted name in the scan, its DuckDB type there."""

    name: str
    sql: str
    type: str


@dataclass(frozen=True, eq=False, repr=False)
class Source:
    """An opened table, of any format.

    Attributes:
        kind: format.
        connect: makes the locked connection that alone can scan it.
        files: its files in order; empty for memory.
        columns: what it holds; names are unique.
        dialect: of text tables.
        arrays: name -> column of memory.
        first_row: number that an error calls the first row of memory by, and what a row is called there.
        title: the file that memory was filled from, "" for none.
    """

    kind: Kind
    connect: Callable[[], duckdb.DuckDBPyConnection]
    files: tuple[File, ...]
    columns: tuple[Column, ...]
    dialect: Dialect | None = None
    first_row: tuple[str, int] = ("row", 0)
    title: str = ""
    arrays: Mapping[str, Any] = field(default_factory=dict)
    keep_alive: object = None

    @functools.cached_property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """The one connection, made when it is first needed: numbers in memory need none."""
        return self.connect()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(column.name for column in self.columns)

    @property
    def name(self) -> str:
        """What to call it in a sentence."""
        if not self.files:
            return self.title or "the data"
        return self.files[0].name if len(self.files) == 1 else f"{self.files[0].name} and others"

    @property
    def bytes(self) -> int:
        """Size of the files as stored."""
        return sum(os.stat(file.path).st_size for file in self.files)

    def scan(self, file: File | None = None) -> str:
        """The table function that reads the source, or one file of it; in text tables, empty cells are NULL."""
        if self.kind == "memory":
            return "memory"
        files = self.files if file is None else (file,)
        paths = "[" + ", ".join(literal(f.path) for f in files) + "]"
        if self.kind == "parquet":
            return f"read_parquet({paths})"
        compressions = {f.compression for f in files}
        compression = compressions.pop() if len(compressions) == 1 else "auto"
        if self.kind == "json":
            packed = "" if compression == "none" else f", compression={literal(compression)}"
            return f"read_json({paths}, sample_size=-1{packed})"
        assert self.dialect is not None
        return csv_scan(paths, self.dialect, compression, [column.sql for column in self.columns])

    def place(self, file: File | None, row: int) -> str:
        """What to call row number `row` (from 0) of a file: its line where it has lines."""
        if file is None:
            word, first = self.first_row
            return f"{word} {row + first}" + (f" of {self.title}" if self.title else "")
        line = self.line(file, row)
        where = f"line {line}" if line is not None else f"row {row + 1}"
        return f"{where} of {file.name}"

    def line(self, file: File, row: int) -> int | None:
        """The line of the file on which row number `row` (from 0) starts; None where there are no lines."""
        with text_lines(file, self.connection) as lines:
            if self.kind == "csv":
                assert self.dialect is not None
                try:
                    record = next(itertools.islice(dialects.records(lines, self.dialect), row, None), None)
                except csv.Error:
                    return None
                return None if record is None else record[0]
            if self.kind == "json":
                filled = ((number, text) for number, text in enumerate(lines, 1) if text.strip())
                first = next(filled, None)
                if first is None or first[1].lstrip().startswith("["):
                    return None
                found = next(itertools.islice(itertools.chain([first], filled), row, None), None)
                return None if found is None else found[0]
        return None

    def first_value(self, name: str, missing: Collection[str]) -> str:
        """The first cell of a column that is not missing, trimmed and in small letters.

        Only the beginning of a text table is looked through, as DuckDB would read megabytes; "" if nothing is found.
        """
        assert self.dialect is not None
        place = self.names.index(name)
        text, _ = beginning(self.files[0], PEEK)
        try:
            for _, record in dialects.records(io.StringIO(text), self.dialect):
                cell = record[place].strip(" ").lower() if place < len(record) else ""
                if cell not in missing:
                    return cell
        except csv.Error:
            pass  # for the reader proper to name, unless the beginning ends in mid-quote
        return ""

    def broken(self, error: Exception) -> DataError:
        """The sentence for a file that the reader could not get through: what is wrong on which line."""
        found = self._diagnosis() if self.kind == "csv" else None
        if found is None and "state machine" in str(error):
            found = f"{self.name} mixes different line ends, or has a stray quote; make its line ends alike"
        gist = first_sentence(error)
        for file in self.files:
            gist = gist.replace(f' in file "{file.path}"', "").replace(file.path, file.name)
        return DataError(found or f"{self.name} cannot be read: {gist}")

    def _diagnosis(self) -> str | None:
        assert self.dialect is not None
        width = len(self.dialect.names)
        for file in self.files:
            with text_lines(file, self.connection) as lines:
                try:
                    for line, record in dialects.records(lines, self.dialect):
                        if len(record) != width and not (width == 1 and not record):
                            counted = f"{len(record)} value" + ("s" if len(record) != 1 else "")
                            against = f"the header has {width}" if self.dialect.header else f"line 1 has {width}"
                            return (
                                f"line {line} of {file.name} has {counted} where {against} "
                                f"(delimiter {self.dialect.delimiter!r})"
                            )
                        if any("\udc80" <= c <= "\udcff" for text in record for c in text):
                            return (
                                f"line {line} of {file.name} is not valid UTF-8; say its encoding, "
                                "such as --encoding latin-1"
                            )
                except csv.Error as error:
                    return f"in {file.name}, the record on {error} holds a quote that is never closed properly"
                except (OSError, EOFError, duckdb.Error):
                    return None
        return None


def open_source(path: str, *, no_header: bool = False, encoding: str = "utf-8", delimiter: str | None = None) -> Source:
    """Open a path, a glob or "-" (standard input). Opening the same, unchanged file again costs nothing.

    Raises:
        DataError: there is no such file, or nothing in it that is a table.
        UsageError: an unknown encoding or an impossible delimiter.
    """
    files = files_of(path)
    marks = tuple(mark(file) for file in files)
    return _open(files, marks, no_header, encoding, dialects.checked_delimiter(delimiter))


@functools.lru_cache(maxsize=4)
def _open(
    files: tuple[File, ...],
    marks: tuple[tuple[int, ...], ...],
    no_header: bool,
    encoding: str,
    delimiter: str | None,
) -> Source:
    suffix = Path(files[0].name).suffix.lower()
    if suffix in _THROUGH_PANDAS:
        from mlefit.reading import office

        return office.open_file(files, no_header)
    heads = [head_of(file) for file in files]
    if all(not head for head in heads):
        what = files[0].name if len(files) == 1 else "every file"
        raise DataError(f"{what} is empty")
    if heads[0].startswith(b"PAR1"):
        return _typed("parquet", files)
    files, kept = readable(files, heads, encoding)
    stem = re.sub(r"\.(gz|zst|zstd)$", "", files[0].name.lower())
    if stem.endswith((".jsonl", ".ndjson", ".json")) or _looks_like_json(files[0], stem):
        return _typed("json", files, kept)
    return _text(files, no_header, delimiter, kept)


def _looks_like_json(file: File, stem: str) -> bool:
    """Standard input and odd names carry no suffix to go by."""
    if stem.endswith((".csv", ".tsv", ".txt", ".tab", ".dat")):
        return False
    return re.match(r'\s*(\[\s*)?\{\s*("[^"]*"\s*:|\})', beginning(file, 4096)[0]) is not None


def _text(files: tuple[File, ...], no_header: bool, delimiter: str | None, kept: object) -> Source:
    found = [(file, _dialect(file, no_header, delimiter)) for file in files]
    filled = [(file, dialect) for file, dialect in found if dialect is not None]
    if not filled:
        raise DataError(f"{files[0].name} holds nothing but blank lines")
    first_file, first = filled[0]
    for file, dialect in filled[1:]:
        if dialect.names != first.names or dialect.delimiter != first.delimiter:
            difference = sorted(set(dialect.names) ^ set(first.names))
            detail = f" (they differ in {', '.join(map(repr, difference[:5]))})" if difference else " in the same order"
            raise DataError(f"{file.name} and {first_file.name} do not have the same columns{detail}")
        if dialect.skip != first.skip or dialect.quote != first.quote:
            raise DataError(f"{file.name} and {first_file.name} begin or quote differently; make them alike")
    files = tuple(file for file, _ in filled)
    names = _unique(first.names)
    prefix = "c"
    while any(name.lower().startswith(prefix) for name in names):
        prefix += "_"
    columns = tuple(Column(name, quoted(f"{prefix}{i}"), "VARCHAR") for i, name in enumerate(names))
    return Source("csv", functools.partial(connect, [f.path for f in files]), files, columns, first, keep_alive=kept)


def _dialect(file: File, no_header: bool, delimiter: str | None) -> Dialect | None:
    size = PEEK
    while True:
        text, complete = beginning(file, size)
        dialect = dialects.sniff(text, complete=complete, delimiter=delimiter, header=not no_header)
        if dialect is not None or complete:
            break
        if size >= _LONGEST_HEADER:
            raise DataError(f"{file.name} has no line end in its first {size >> 20} MB, so no table")
        size *= 8
    if dialect is not None and any("\udc80" <= c <= "\udcff" for name in dialect.names for c in name):
        raise DataError(
            f"line {dialect.skip + 1} of {file.name} is not valid UTF-8; say its encoding, such as --encoding latin-1"
        )
    if dialect is not None and any("\0" in name for name in dialect.names):
        raise DataError(f"{file.name} is binary, not a table of text that mlefit reads")
    return dialect


def _unique(names: Sequence[str]) -> tuple[str, ...]:
    """Nameless columns are called by their place; names that repeat are numbered, all of them."""
    filled = [name or f"column{i + 1}" for i, name in enumerate(names)]
    if len(set(filled)) == len(filled):
        return tuple(filled)
    count: dict[str, int] = {}
    for name in filled:
        count[name] = count.get(name, 0) + 1
    taken = {name for name, times in count.items() if times == 1}
    result: list[str] = []
    for name in filled:
        unique, number = name, 0
        while count[name] > 1 and (number == 0 or unique in taken):
            number += 1
            unique = f"{name}_{number}"
        taken.add(unique)
        result.append(unique)
    return tuple(result)


def _typed(kind: Literal["parquet", "json"], files: tuple[File, ...], kept: object = None) -> Source:
    connection = connect([file.path for file in files])
    source = Source(kind, lambda: connection, files, (), keep_alive=kept)
    try:
        rows = connection.execute(f"DESCRIBE SELECT * FROM {source.scan()}").fetchall()
    except (duckdb.Error, UnicodeError) as error:
        raise source.broken(error) from None
    return replace(source, columns=tuple(Column(row[0], quoted(row[0]), row[1]) for row in rows))


def open_memory(
    columns: Mapping[str, tuple[str, Any]], *, first_row: tuple[str, int] = ("row", 0), title: str = ""
) -> Source:
    """A source over numpy columns: name -> (DuckDB type, array)."""
    arrays = {name: array for name, (_, array) in columns.items()}

    def connect_memory() -> duckdb.DuckDBPyConnection:
        connection = duckdb.connect(config={"temp_directory": "", "autoload_known_extensions": "false"})
        connection.register("memory", {f"c{i}": array for i, array in enumerate(arrays.values())})
        connection.execute("SET enable_external_access=false; SET lock_configuration=true")
        return connection

    described = tuple(Column(name, quoted(f"c{i}"), kind) for i, (name, (kind, _)) in enumerate(columns.items()))
    return Source("memory", connect_memory, (), described, first_row=first_row, title=title, arrays=arrays)
