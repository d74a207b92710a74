"""The bytes of files as lines of text: unpacked, in UTF-8, with line ends of one kind."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import IO, Final, cast

from mlefit.errors import DataError, UsageError
from mlefit.reading import database as duckdb
from mlefit.reading.files import File, temporary
from mlefit.reading.sql import connect, first_sentence, literal
from mlefit.reading.zstd import whole

PEEK: Final = 1 << 16
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


def head_of(file: File) -> bytes:
    """Its first bytes, as stored.

    Raises:
        DataError: it cannot be read.
    """
    try:
        with open(file.path, "rb") as stream:
            return stream.read(PEEK)
    except OSError as error:
        raise DataError(f"{file.name} cannot be read: {(error.strerror or str(error)).lower()}") from None


def readable(
    files: tuple[File, ...], heads: Sequence[bytes], encoding: str
) -> tuple[tuple[File, ...], Sequence[object]]:
    """The files as DuckDB reads them, and what keeps them there.

    They are themselves, marked with their compression, or where that will not do copies in UTF-8 with line ends of one
    kind.

    Raises:
        DataError: one is no text, or not in this encoding.
        UsageError: there is no such encoding.
    """
    if _needs_rewriting(encoding):
        copies = [_rewritten(file, head, encoding) for file, head in zip(files, heads, strict=True)]
    else:
        packed = [_compression(head) for head in heads]
        files = tuple(replace(file, compression=kind) for file, kind in zip(files, packed, strict=True))
        for file, head in zip(files, heads, strict=True):
            _refuse_foreign(file, head)
            if file.compression == "zstd" and not whole(file.path):
                raise DataError(f"{file.name} ends before its zstd data do; it was cut short, so get it anew")
        if not any(kind == "none" and _mixes_line_ends(head) for kind, head in zip(packed, heads, strict=True)):
            return files, ()
        copies = [_rewritten(file, head, "utf-8", None) for file, head in zip(files, heads, strict=True)]
    return tuple(file for file, _ in copies), [kept for _, kept in copies]


def _compression(head: bytes) -> str:
    return "gzip" if head.startswith(_GZIP) else "zstd" if head.startswith(_ZSTD) else "none"


def _refuse_foreign(file: File, head: bytes) -> None:
    if file.compression != "none":
        return
    for magic, what in _FOREIGN.items():
        if head.startswith(magic):
            raise DataError(f"{file.name} is {what}, not a table of text")
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError(f"{file.name} is UTF-16; say --encoding utf-16")
    if b"\0" in head:
        raise DataError(f"{file.name} is binary, not a table of text that mlefit reads")


def _needs_rewriting(encoding: str) -> bool:
    try:
        "1".encode(encoding)  # refuses codecs that are not text, such as base64
        return codecs.lookup(encoding).name not in ("utf-8", "utf-8-sig")
    except (LookupError, ValueError):
        raise UsageError(f"there is no text encoding {encoding!r}; try utf-8, latin-1, cp1252 or utf-16") from None


def _mixes_line_ends(head: bytes) -> bool:
    """Whether the reader, which wants one kind, would stop."""
    windows, any_feed, any_return = head.count(b"\r\n"), head.count(b"\n"), head.count(b"\r")
    return (0 < windows < any_feed) or (any_return > windows and any_feed > 0)


def _rewritten(file: File, head: bytes, encoding: str, newline: str | None = "") -> tuple[File, object]:
    """A temporary UTF-8 copy; with `newline` None, every line end becomes the same."""
    if _compression(head) == "zstd":
        raise DataError(f"{file.name} is zstd in {encoding}; unpack it first")
    path, handle = temporary()
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
        raise DataError(f"{file.name} is not {encoding}: after line {line} its bytes make no text") from None
    except (OSError, EOFError) as error:
        raise DataError(f"{file.name} cannot be unpacked: {error}") from None
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
        raise DataError(f"{file.name} cannot be unpacked: {first_sentence(error)}") from None
    except Exception as error:
        if type(error).__module__ == "zlib":
            raise DataError(f"{file.name} is a damaged gzip file") from None
        raise
