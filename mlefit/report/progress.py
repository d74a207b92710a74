"""Progress on standard error, for work that takes long enough to wonder about."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlefit.reading import Source, Table


def reading_bar(tables: Iterator[Table], source: Source) -> Iterator[Table]:
    """Passes tables through and counts their rows; the whole length is not known beforehand."""
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("reading {task.fields[rows]:,} rows"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("reading", total=None, rows=0)
        rows = 0
        for table in tables:
            rows += table.n
            bar.update(task, rows=rows)
            yield table
