"""Where columns come from: files, globs, standard input or memory, opened once as one DuckDB scan.

The connection can reach those files and nothing else.
"""

from __future__ import annotations

import atexit
import csv
import functools
import io
import itertools
import os
import re
import shutil
import stat
import sys
import tempfile
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any, Final, Literal, cast

from mlefit.errors import DataError, UsageError
from mlefit.reading import database as duckdb
from mlefit.reading import dialect as dialects
from mlefit.reading.dialect import Dialect

Kind = Literal["csv", "parquet", "json", "memory"]

_GZIP: Final = b"\x1f\x8b"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
_FOREIGN: Final = {
    b"PK\x03\x04": "a zip archive (an Excel file must end in .xlsx)",
    b"%PDF": "a PDF",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"BZh": "a bzip2 file (unpack it first)",
    b"\xfd7zXZ": "an xz file (unpack it first)",
    b"SQLite format 3": "an SQLite database",
    b"\xd0\xcf\x11\xe0": "an old Office file (an Excel file must end in .xls)",
}
_THROUGH_PANDAS: Final = frozenset(
    [".xlsx", ".xlsm", ".xls", ".xlsb", ".ods", ".dta", ".sav", ".zsav", ".por", ".sas7bdat", ".xpt"]
)
_PEEK: Final = 1 << 16
_LONGEST_HEADER: Final = 1 << 25


@dataclass(frozen=True)
class File:
    """One file of a source: the name to show, the path to read, its compression ("none", "gzip", "zstd")."""

    name: str
    path: str
    compression: str = "none"


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
    """

    kind: Kind
    connect: Callable[[], duckdb.DuckDBPyConnection]
    files: tuple[File, ...]
    columns: tuple[Column, ...]
    dialect: Dialect | None = None
    first_row: tuple[str, int] = ("row", 0)
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
            return "the data"
        return self.files[0].name if len(self.files) == 1 else f"{self.files[0].name} and others"

    @property
    def bytes(self) -> int:
        """Size of the files as stored."""
        return sum(os.stat(file.path).st_size for file in self.files)

    def scan(self, file: File | None = None, nulls: Sequence[str] = ("",)) -> str:
        """The table function that reads the source, or one file of it; in text tables, `nulls` become NULL."""
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
        return csv_scan(paths, self.dialect, compression, [column.sql for column in self.columns], nulls)

    def place(self, file: File | None, row: int) -> str:
        """What to call row number `row` (from 0) of a file: its line where it has lines."""
        if file is None:
            word, first = self.first_row
            return f"{word} {row + first}"
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

    def broken(self, error: Exception) -> DataError:
        """The sentence for a file that the reader could not get through: what is wrong on which line."""
        found = self._diagnosis() if self.kind == "csv" else None
        if found is None and "state machine" in str(error):
            found = f"{_capital(self.name)} mixes different line ends, or has a stray quote; make its line ends alike."
        gist = first_sentence(error)
        for file in self.files:
            gist = gist.replace(f' in file "{file.path}"', "").replace(file.path, file.name)
        return DataError(found or f"{_capital(self.name)} cannot be read: {gist}")

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
                                f"Line {line} of {file.name} has {counted} where {against} "
                                f"(delimiter {self.dialect.delimiter!r})."
                            )
                        if any("\udc80" <= c <= "\udcff" for text in record for c in text):
                            return (
                                f"Line {line} of {file.name} is not valid UTF-8; say its encoding, "
                                "such as --encoding latin-1."
                            )
                except csv.Error as error:
                    return f"In {file.name}, the record on {error} holds a quote that is never closed properly."
                except (OSError, EOFError, duckdb.Error):
                    return None
        return None


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


def csv_scan(paths: str, dialect: Dialect, compression: str, columns: Sequence[str], nulls: Sequence[str]) -> str:
    """DuckDB's reader told everything, so that it guesses nothing; every value stays text."""
    types = ", ".join(f"{literal(name[1:-1].replace(chr(34) * 2, chr(34)))}: 'VARCHAR'" for name in columns)
    return (
        f"read_csv({paths}, auto_detect=false, header={str(dialect.header).lower()}, skip={dialect.skip}, "
        f"delim={literal(dialect.delimiter)}, quote={literal(dialect.quote)}, escape={literal(dialect.quote)}, "
        f"compression={literal(compression)}, nullstr=[{', '.join(map(literal, nulls or ('',)))}], "
        f"buffer_size=8388608, columns={{{types}}})"
    )


def first_sentence(error: Exception) -> str:
    """The gist of a DuckDB message, on one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    gist = re.sub(r"^(\w+ )*Error: ", "", lines[0] if lines else type(error).__name__)
    return gist.rstrip(".") + "."


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:] if text == "standard input" else text


# ---------------------------------------------------------------------------------------------- opening


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


def open_source(path: str, *, no_header: bool = False, encoding: str = "utf-8", delimiter: str | None = None) -> Source:
    """Open a path, a glob or "-" (standard input). Opening the same, unchanged file again costs nothing.

    Raises:
        DataError: there is no such file, or nothing in it that is a table.
        UsageError: an unknown encoding or an impossible delimiter.
    """
    files = _files(path)
    marks = tuple(_mark(file) for file in files)
    return _open(files, marks, no_header, encoding, dialects.checked_delimiter(delimiter))


def _mark(file: File) -> tuple[int, ...]:
    status = os.stat(file.path)
    return (status.st_mtime_ns, status.st_size, status.st_ino)


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
    heads = [_head(file) for file in files]
    if all(not head for head in heads):
        what = files[0].name if len(files) == 1 else "every file"
        raise DataError(f"{_capital(what)} is empty.")
    if heads[0].startswith(b"PAR1"):
        return _typed("parquet", files)
    kept: list[object] = []
    if _needs_rewriting(encoding):
        pairs = [_rewritten(file, head, encoding) for file, head in zip(files, heads, strict=True)]
        files, kept = tuple(p[0] for p in pairs), [p[1] for p in pairs]
    else:
        files = tuple(replace(file, compression=_compression(head)) for file, head in zip(files, heads, strict=True))
        for file, head in zip(files, heads, strict=True):
            _refuse_foreign(file, head)
        if any(_compression(head) == "none" and _mixes_line_ends(head) for head in heads):
            pairs = [_rewritten(file, head, "utf-8", None) for file, head in zip(files, heads, strict=True)]
            files, kept = tuple(p[0] for p in pairs), [p[1] for p in pairs]
    stem = re.sub(r"\.(gz|zst|zstd)$", "", files[0].name.lower())
    if stem.endswith((".jsonl", ".ndjson", ".json")) or _looks_like_json(files[0], stem):
        return _typed("json", files, kept)
    return _text(files, no_header, delimiter, kept)


def _files(path: str) -> tuple[File, ...]:
    if path == "-":
        return (_standard_input(),)
    if "\0" in path or not path:
        raise DataError(f"There is no file {path!r}.")
    import glob

    names = [path]
    if not os.path.lexists(path) and glob.has_magic(path):
        names = sorted(name for name in glob.glob(path, recursive=True) if not os.path.isdir(name))
        if not names:
            raise DataError(f"No file matches {path!r}.")
    return tuple(_checked(name) for name in names)


def _checked(name: str) -> File:
    try:
        mode = os.stat(name).st_mode
        if stat.S_ISDIR(mode):
            raise DataError(f"{name} is a directory; name a file in it, or a glob such as '{name}/*.csv'.")
        if not stat.S_ISREG(mode):
            return _pipe(name)
        with open(name, "rb"):
            pass
    except DataError:
        raise
    except FileNotFoundError:
        raise DataError(f"There is no file {name!r}.") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DataError(f"{name} cannot be read: {reason.lower()}.") from None
    return File(name, os.path.abspath(name))


@functools.lru_cache(maxsize=8)
def _pipe(name: str) -> File:
    """A named pipe or /dev/stdin, which can be read only once."""
    with open(name, "rb") as stream:
        return _spooled(name, stream)


@functools.cache
def _standard_input() -> File:
    try:
        descriptor = sys.stdin.fileno()
        mode = os.fstat(descriptor).st_mode
    except (AttributeError, OSError, ValueError):
        raise DataError("There is no standard input to read.") from None
    if stat.S_ISDIR(mode):
        raise DataError("Standard input is a directory.")
    here = f"/proc/self/fd/{descriptor}"
    if stat.S_ISREG(mode) and os.lseek(descriptor, 0, os.SEEK_CUR) == 0 and os.access(here, os.R_OK):
        return File("standard input", here)
    with os.fdopen(os.dup(descriptor), "rb") as stream:
        return _spooled("standard input", stream)


class _Nameless:
    """A file without a name, there as long as this object."""

    def __init__(self) -> None:
        file = tempfile.TemporaryFile()  # noqa: SIM115
        self.descriptor = file.fileno()
        weakref.finalize(self, file.close)


_spools: dict[str, object] = {}


def _spooled(name: str, stream: IO[bytes]) -> File:
    path, handle = _temporary()
    _spools[path] = handle
    try:
        with open(path, "wb") as spool:
            shutil.copyfileobj(stream, spool, 1 << 20)
    except OSError as error:
        raise DataError(f"{_capital(name)} cannot be read: {(error.strerror or str(error)).lower()}.") from None
    return File(name, path)


def _temporary() -> tuple[str, object]:
    """Path of an empty temporary file, and the object that keeps it. It is gone when the process is."""
    if os.path.isdir("/proc/self/fd"):
        # Nameless from the start: even a killed process leaves nothing behind.
        nameless = _Nameless()
        return f"/proc/self/fd/{nameless.descriptor}", nameless
    descriptor, path = tempfile.mkstemp(prefix="mlefit-")
    os.close(descriptor)
    atexit.register(lambda: Path(path).unlink(missing_ok=True))
    return path, None


# ------------------------------------------------------------------------------------------ text formats


def _head(file: File) -> bytes:
    try:
        with open(file.path, "rb") as stream:
            return stream.read(_PEEK)
    except OSError as error:
        raise DataError(f"{file.name} cannot be read: {(error.strerror or str(error)).lower()}.") from None


def _compression(head: bytes) -> str:
    return "gzip" if head.startswith(_GZIP) else "zstd" if head.startswith(_ZSTD) else "none"


def _refuse_foreign(file: File, head: bytes) -> None:
    if file.compression != "none":
        return
    for magic, what in _FOREIGN.items():
        if head.startswith(magic):
            raise DataError(f"{_capital(file.name)} is {what}, not a table of text.")
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError(f"{_capital(file.name)} is UTF-16; say --encoding utf-16.")
    if b"\0" in head:
        raise DataError(f"{_capital(file.name)} is binary, not a table of text that mlefit reads.")


def _needs_rewriting(encoding: str) -> bool:
    import codecs

    try:
        return codecs.lookup(encoding).name not in ("utf-8", "utf-8-sig", "ascii")
    except (LookupError, ValueError):
        raise UsageError(f"There is no encoding {encoding!r}; try utf-8, latin-1, cp1252 or utf-16.") from None


def _mixes_line_ends(head: bytes) -> bool:
    """Whether the reader, which wants one kind, would stop."""
    windows, any_feed, any_return = head.count(b"\r\n"), head.count(b"\n"), head.count(b"\r")
    return (0 < windows < any_feed) or (any_return > windows and any_feed > 0)


def _rewritten(file: File, head: bytes, encoding: str, newline: str | None = "") -> tuple[File, object]:
    """A temporary UTF-8 copy; with `newline` None, every line end becomes the same."""
    if _compression(head) == "zstd":
        raise DataError(f"{_capital(file.name)} is zstd in {encoding}; unpack it first.")
    path, handle = _temporary()
    errors = "strict" if newline == "" else "surrogateescape"  # what is no UTF-8 is for the reader to find
    line = 1
    try:
        with (
            _unpacked(file.path, _compression(head)) as raw,
            open(path, "w", encoding="utf-8", errors=errors, newline="") as out,
        ):
            text = io.TextIOWrapper(raw, encoding=encoding, errors=errors, newline=newline)
            while block := text.read(1 << 20):
                out.write(block)
                line += block.count("\n")
    except UnicodeError:
        raise DataError(f"{_capital(file.name)} is not {encoding}: after line {line} its bytes make no text.") from None
    except (OSError, EOFError) as error:
        raise DataError(f"{_capital(file.name)} cannot be unpacked: {error}.") from None
    return File(file.name, path), handle


def _unpacked(path: str, compression: str) -> IO[bytes]:
    if compression == "gzip":
        import gzip

        return cast("IO[bytes]", gzip.open(path, "rb"))
    return open(path, "rb")


class text_lines:
    """The lines of a file as text with "\\n" ends; bytes that are no UTF-8 become lone surrogates."""

    def __init__(self, file: File, connection: duckdb.DuckDBPyConnection | None = None) -> None:
        self._file, self._connection, self._stream = file, connection, None

    _stream: IO[str] | None

    def __enter__(self) -> Iterator[str]:
        if self._file.compression == "zstd":
            return _zstd_lines(self._file, self._connection)
        raw = _unpacked(self._file.path, self._file.compression)
        self._stream = io.TextIOWrapper(raw, encoding="utf-8-sig", errors="surrogateescape", newline=None)
        return iter(self._stream)

    def __exit__(self, *_: object) -> None:
        if self._stream is not None:
            self._stream.close()


def _zstd_lines(file: File, connection: duckdb.DuckDBPyConnection | None) -> Iterator[str]:
    """Python has no zstd before 3.14, DuckDB does: lines are records of one column that nothing delimits."""
    cursor = (connection or connect([file.path])).cursor()
    cursor.execute(
        f"SELECT line FROM read_csv({literal(file.path)}, auto_detect=false, header=false, delim='\x01\x02\x03', "
        "quote='', escape='', compression='zstd', max_line_size=16777216, columns={'line': 'VARCHAR'})"
    )
    while rows := cursor.fetchmany(10_000):
        for (line,) in rows:
            yield (line or "") + "\n"


def beginning(file: File, size: int) -> tuple[str, bool]:
    """Up to `size` characters from the start, and whether that is all."""
    try:
        with text_lines(file) as lines:
            if isinstance(lines, io.TextIOWrapper):
                text = lines.read(size)
                return text, len(text) < size
            taken: list[str] = []
            total = 0
            for line in lines:
                taken.append(line)
                total += len(line)
                if total >= size:
                    return "".join(taken), False
            return "".join(taken).removeprefix("\ufeff"), True
    except (OSError, EOFError, duckdb.Error) as error:
        raise DataError(f"{_capital(file.name)} cannot be unpacked: {first_sentence(error)}") from None
    except Exception as error:
        if type(error).__module__ == "zlib":
            raise DataError(f"{_capital(file.name)} is a damaged gzip file.") from None
        raise


def _looks_like_json(file: File, stem: str) -> bool:
    """Standard input and odd names carry no suffix to go by."""
    if stem.endswith((".csv", ".tsv", ".txt", ".tab", ".dat")):
        return False
    return re.match(r'\s*(\[\s*)?\{\s*("[^"]*"\s*:|\})', beginning(file, 4096)[0]) is not None


def _text(files: tuple[File, ...], no_header: bool, delimiter: str | None, kept: list[object]) -> Source:
    found = [(file, _dialect(file, no_header, delimiter)) for file in files]
    filled = [(file, dialect) for file, dialect in found if dialect is not None]
    if not filled:
        raise DataError(f"{_capital(files[0].name)} holds nothing but blank lines.")
    first_file, first = filled[0]
    for file, dialect in filled[1:]:
        if dialect.names != first.names or dialect.delimiter != first.delimiter:
            difference = sorted(set(dialect.names) ^ set(first.names))
            detail = f" (they differ in {', '.join(map(repr, difference[:5]))})" if difference else " in the same order"
            raise DataError(f"{file.name} and {first_file.name} do not have the same columns{detail}.")
        if dialect.skip != first.skip or dialect.quote != first.quote:
            raise DataError(f"{file.name} and {first_file.name} begin or quote differently; make them alike.")
    files = tuple(file for file, _ in filled)
    names = _unique(first.names)
    prefix = "c"
    while any(name.lower().startswith(prefix) for name in names):
        prefix += "_"
    columns = tuple(Column(name, quoted(f"{prefix}{i}"), "VARCHAR") for i, name in enumerate(names))
    return Source("csv", functools.partial(connect, [f.path for f in files]), files, columns, first, keep_alive=kept)


def _dialect(file: File, no_header: bool, delimiter: str | None) -> Dialect | None:
    size = _PEEK
    while True:
        text, complete = beginning(file, size)
        dialect = dialects.sniff(text, complete=complete, delimiter=delimiter, header=not no_header)
        if dialect is not None or complete:
            break
        if size >= _LONGEST_HEADER:
            raise DataError(f"{_capital(file.name)} has no line end in its first {size >> 20} MB, so no table.")
        size *= 8
    if dialect is not None and any("\udc80" <= c <= "\udcff" for name in dialect.names for c in name):
        raise DataError(
            f"Line {dialect.skip + 1} of {file.name} is not valid UTF-8; say its encoding, such as --encoding latin-1."
        )
    if dialect is not None and any("\0" in name for name in dialect.names):
        raise DataError(f"{_capital(file.name)} is binary, not a table of text that mlefit reads.")
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


def open_memory(columns: Mapping[str, tuple[str, Any]], *, first_row: tuple[str, int] = ("row", 0)) -> Source:
    """A source over numpy columns: name -> (DuckDB type, array)."""
    arrays = {name: array for name, (_, array) in columns.items()}

    def connect_memory() -> duckdb.DuckDBPyConnection:
        connection = duckdb.connect(config={"temp_directory": "", "autoload_known_extensions": "false"})
        connection.register("memory", {f"c{i}": array for i, array in enumerate(arrays.values())})
        connection.execute("SET enable_external_access=false; SET lock_configuration=true")
        return connection

    described = tuple(Column(name, quoted(f"c{i}"), kind) for i, (name, (kind, _)) in enumerate(columns.items()))
    return Source("memory", connect_memory, (), described, first_row=first_row, arrays=arrays)
