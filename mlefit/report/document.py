"""What every command returns: one result in its three forms, and the one place that writes it out.

A command computes everything before anything is written, so that standard output is either whole or empty.
"""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TextIO

from mlefit.errors import UsageError, nearest
from mlefit.report.text import harmless

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

FORMATS: Final = ("table", "json", "ndjson", "csv", "tsv", "markdown", "latex")

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Document:
    """One result.

    Attributes:
        record: the JSON object, or a list of them.
        rows: the same as flat rows with the same keys, for csv, tsv, markdown and latex; cells may be mappings.
        table: builds what a person sees.
        messages: lines for standard error, silenced by -q.
        status: the exit status.
        facts: what the rows leave out of a result as a whole, a row each: a second table of markdown and latex.
        remarks: what record and table hold but rows do not, as more such lines for the formats made of rows.
    """

    record: Row | Sequence[Row]
    rows: Sequence[Row]
    table: Callable[[], RenderableType]
    messages: Sequence[str] = ()
    status: int = 0
    remarks: Sequence[str] = ()
    facts: Sequence[Row] = ()

    @staticmethod
    def of(
        results: Sequence[Any], table: Callable[[], RenderableType], *, many: bool, messages: Sequence[str] = (),
        status: int = 0,
    ) -> Document:  # fmt: skip
        """Results with `to_dict`, `rows`, `facts` and `remarks`: an array if `many` were wanted, else one object."""
        records = [result.to_dict() for result in results]
        rows = [row for result in results for row in result.rows()]
        record = records if many or len(records) > 1 else records[0]
        return Document(record, rows, table, messages, status, _remarks(results), [r.facts() for r in results])

    def said(self, form: str) -> list[str]:
        """The lines for standard error beside one of `FORMATS`, each once."""
        remarks = () if form in ("table", "json", "ndjson") else self.remarks
        return list(dict.fromkeys([*self.messages, *remarks]))


def _remarks(results: Sequence[Any]) -> list[str]:
    """The remarks of all results, each once, saying of which results it is true where not of all."""
    several = len({result.column for result in results}) > 1
    true_of: dict[str, list[str]] = {}
    for result in results:
        labels = [f"{name} = {value}" for name, value in (result.group or {}).items()]
        for remark in result.remarks():
            true_of.setdefault(remark, []).append(", ".join([result.column, *labels] if several else labels))
    return [remark if len(labels) == len(results) else f"{_listed(labels)}: {remark}"
            for remark, labels in true_of.items()]  # fmt: skip


def _listed(labels: Sequence[str], most: int = 5) -> str:
    more = f" and {len(labels) - most} more" if len(labels) > most else ""
    return "; ".join(labels[:most]) + more


def write(document: Document, form: str = "table", stream: TextIO | None = None) -> None:
    """Write a document to `stream` (standard output) in one of `FORMATS`.

    Raises:
        UsageError: an unknown format.
    """
    stream = stream or sys.stdout
    if form == "table" and stream.isatty():
        console(stream).print(document.table())
    elif form == "table":
        buffer = io.StringIO()
        console(buffer).print(document.table())
        # Cells are padded to the width of their column: of no use to a file, and a nuisance to diff.
        lines = [line.rstrip() for line in buffer.getvalue().splitlines()]
        stream.write("\n".join(lines).strip("\n") + "\n")
    else:
        stream.write(text(document, form))
    stream.flush()


def text(document: Document, form: str) -> str:
    """A document in any of `FORMATS` but table."""
    from mlefit.report import markup

    match form:
        case "json":
            return json.dumps(document.record, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        case "ndjson":
            records = [document.record] if isinstance(document.record, Mapping) else document.record
            return "".join(json.dumps(r, ensure_ascii=False, allow_nan=False) + "\n" for r in records)
        case "csv":
            return _separated(document.rows, ",")
        case "tsv":
            return _separated(document.rows, "\t")
        case "markdown":
            return markup.markdown([document.rows, document.facts])
        case "latex":
            return markup.latex([document.rows, document.facts])
    hint = nearest(form, FORMATS, f"choose one of {', '.join(FORMATS)}")
    raise UsageError(f"there is no format called {form!r}; {hint}")


def console(stream: TextIO) -> Console:
    """A rich console: as wide as the terminal, or wide enough for any table where there is none."""
    from rich.console import Console

    if stream.isatty():
        return Console(file=stream, highlight=False)
    return Console(file=stream, highlight=False, width=1000, no_color=True, force_terminal=False)


def _plain(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, Mapping):
        return " ".join(f"{harmless(key)}={_plain(item)}" for key, item in value.items())
    return harmless(value)


def _header(rows: Sequence[Row]) -> list[str]:
    """Every key that occurs, in the order of first sight."""
    return list(dict.fromkeys(key for row in rows for key in row))


def _separated(rows: Sequence[Row], delimiter: str) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=delimiter, lineterminator="\n")
    header = _header(rows)
    writer.writerow([harmless(name) for name in header])
    writer.writerows([_plain(row.get(name)) for name in header] for row in rows)
    return buffer.getvalue()
