"""How a text table is written: its delimiter, quote and header, and on which line each record starts."""

from __future__ import annotations

import csv
import io
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from mlefit.errors import UsageError

# In order of preference. A space or a colon is too common inside ordinary headers to be believed unless every
# record agrees.
_CANDIDATES = (",", "\t", ";", "|")
_TIMID_CANDIDATES = (" ", ":", "~", "^")
_SPELLED = {"\\t": "\t", "tab": "\t", "comma": ",", "semicolon": ";", "space": " ", "pipe": "|"}


@dataclass(frozen=True)
class Dialect:
    """The grammar of one text table.

    Attributes:
        delimiter: one character.
        quote: one character, doubled inside a quoted value.
        skip: lines before the first record: blank, comments that begin with #, Excel's "sep=;".
        header: whether the first record holds the names.
        names: the names as written (or "1", "2", ... without a header); they may repeat or be empty.
    """

    delimiter: str
    quote: str
    skip: int
    header: bool
    names: tuple[str, ...]


def checked_delimiter(delimiter: str | None) -> str | None:
    """The delimiter a person asked for, as one character.

    Raises:
        UsageError: it is not one usable character.
    """
    if delimiter is None:
        return None
    character = _SPELLED.get(delimiter, delimiter)
    if len(character) != 1 or character in "\r\n\0\"'" or "\ud800" <= character <= "\udfff":
        raise UsageError(f"the delimiter must be one character (or 'tab'), not {delimiter!r}")
    return character


def sniff(text: str, *, complete: bool, delimiter: str | None, header: bool) -> Dialect | None:
    """The dialect of a file that begins with `text`; None where `text` holds no whole record.

    The header decides: a candidate must split it, and the records after it into as many fields.

    Args:
        text: the beginning of the file, newlines translated to "\\n".
        complete: whether that is the whole file.
        delimiter: taken as given instead of sniffed.
        header: whether the first record holds the names.
    """
    skip, said = _preamble(text, header)
    body = "".join(text.splitlines(keepends=True)[skip:]) if skip else text
    delimiter = delimiter or said
    quote = _quote(body)
    if delimiter is None:
        delimiter = _delimiter(body, complete, quote)
    records = _records(body, delimiter, quote, complete)
    if not records:
        return None
    first = records[0]
    names = tuple(name.strip() for name in first) if header else tuple(str(i + 1) for i in range(len(first)))
    return Dialect(delimiter, quote, skip, header, names)


def _preamble(text: str, header: bool) -> tuple[int, str | None]:
    """How many lines stand before the first record, and the delimiter that one of them names."""
    lines = text.split("\n")
    skip, said = 0, None
    for line in lines[:-1]:
        if found := re.fullmatch(r"\ufeff?sep=(.)", line):
            said = found[1]
        elif line and not line.startswith("#"):
            break
        skip += 1
    # A last line of that kind over numbers may be the header: "#x,y".
    if header and 0 < skip < len(lines) and lines[skip - 1].startswith("#"):
        above, below = (re.split(r"[,;\t|]", line) for line in lines[skip - 1 : skip + 1])
        if len(above) == len(below) and any(re.fullmatch(r"\s*[-+]?[\d.]+([eE][-+]?\d+)?\s*", cell) for cell in below):
            skip -= 1
    return skip, said


def _quote(body: str) -> str:
    if '"' not in body and re.search(r"(^|[,;\t|])'[^'\n]*'($|[,;\t|])", body, re.MULTILINE):
        return "'"
    return '"'


def _delimiter(body: str, complete: bool, quote: str) -> str:
    first_line = body.partition("\n")[0]
    scores: list[tuple[bool, int, int, str]] = []
    for preference, candidate in enumerate(_CANDIDATES + _TIMID_CANDIDATES):
        if candidate not in first_line:
            continue
        records = _records(body, candidate, quote, complete)
        if not records or len(records[0]) < 2:
            continue
        fields = len(records[0])
        agrees = all(len(record) == fields for record in records)
        if candidate in _TIMID_CANDIDATES and not (agrees and len(records) > 1):
            continue
        # Field counts compare only between candidates of the same standing.
        bold = candidate in _CANDIDATES
        scores.append((agrees, fields if bold else 0, -preference, candidate))
    return max(scores)[3] if scores else ","


def _records(body: str, delimiter: str, quote: str, complete: bool) -> list[list[str]]:
    reader = csv.reader(io.StringIO(body, newline=""), delimiter=delimiter, quotechar=quote)
    records: list[list[str]] = []
    try:
        records.extend(record for record in reader if record)
    except csv.Error:
        return records  # a value longer than the csv module allows: what came before it has to do
    if not complete and records:
        records.pop()
    return records


def records(lines: Iterable[str], dialect: Dialect) -> Iterator[tuple[int, Sequence[str]]]:
    """The data records, each with the number of the line it starts on (from 1), as the reader counts them.

    A blank line is a record only where there is one column (an empty cell).

    Raises:
        csv.Error: a quoted value is malformed; the message is "line N".
    """
    previous_limit = csv.field_size_limit(sys.maxsize)
    try:
        reader = csv.reader(
            islice(lines, dialect.skip, None), delimiter=dialect.delimiter, quotechar=dialect.quote, strict=True
        )
        start, waiting_header = 1 + dialect.skip, dialect.header
        while True:
            try:
                record = next(reader, None)
            except csv.Error as error:
                raise csv.Error(f"line {start}") from error
            if record is None:
                return
            line, start = start, reader.line_num + 1 + dialect.skip
            if not record and len(dialect.names) > 1:
                continue
            if waiting_header:
                waiting_header = False
                continue
            yield line, record
    finally:
        csv.field_size_limit(previous_limit)
