"""The list of families as a person reads it, in a narrow or a wide terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from mlefit.report.tables import plain_table
from mlefit.report.text import harmless

WIDE: Final = 116  # room for the other names in a column of their own


@dataclass(frozen=True)
class Catalogue:
    """A line a family; its losses and other names at the end of it, or beneath the name where room is short.

    Attributes:
        rows: texts by key: family, parameters, support, losses, aliases.
    """

    rows: Sequence[Mapping[str, str]]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        wide = options.max_width >= WIDE
        table = plain_table()
        for title in ("family", "parameters", "support"):
            table.add_column(title, no_wrap=wide)
        if wide:
            table.add_column("losses; other names")
        for row in self.rows:
            family, parameters, support = (Text(harmless(row[key])) for key in ("family", "parameters", "support"))
            family.stylize("bold")
            others = _others(row)
            if wide:
                table.add_row(family, parameters, support, Text("; ".join(others)))
            else:
                beneath = [Text(f"  {other}", style="dim") for other in others]
                table.add_row(Text("\n").join([family, *beneath]), parameters, support)
        yield table


def _others(row: Mapping[str, str]) -> list[str]:
    """What else the family is called: by those who minimise its NLL, and by other programs."""
    return [f"{word} {harmless(row[key])}" for word, key in (("loss", "losses"), ("also", "aliases")) if row[key]]
