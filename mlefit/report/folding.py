"""A table of numbers that becomes several, one below the other, in a window too narrow for it: none is cut short."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from mlefit.report.tables import plain_table

NAME: Final = 12  # characters to which a name may be folded where nothing else helps


@dataclass(frozen=True)
class Stacked:
    """Tables one below the other, one empty line between."""

    tables: Sequence[RenderableType]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for i, table in enumerate(self.tables):
            lines = console.render_lines(table, options, pad=False)
            for line in lines[i > 0 :]:  # a table begins and ends with an empty one
                yield from line
                yield Segment.line()


@dataclass(frozen=True)
class Folding:
    """Lines under columns that stay whole; the names of the lines are repeated in each part.

    Attributes:
        name: title of the names.
        groups: titles of columns that belong together.
        lines: the name and the cells of each; cells may be wanting at the end.
        left: titles of columns of words.
        styles: of each line, where not plain.
    """

    name: str
    groups: Sequence[Sequence[str]]
    lines: Sequence[tuple[str, Sequence[Text]]]
    left: Sequence[str] = ()
    styles: Sequence[str] = ()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        groups = [[*range(first, first + size)] for first, size in self._places()]
        whole = [place for group in groups for place in group]

        def fits(places: Sequence[int], gap: int, name: int | None = None) -> bool:
            needed = Measurement.get(console, options.update_width(10_000), self._part(places, gap, name)).maximum
            return needed <= options.max_width

        for gap in (3, 2):
            if fits(whole, gap):
                yield self._part(whole, gap)
                return
        folded = None if all(fits(group, 2) for group in groups) else NAME
        if folded:  # a group too wide for the window is taken apart
            apart = ([group] if fits(group, 2, folded) else [[place] for place in group] for group in groups)
            groups = [part for parts in apart for part in parts]
        parts: list[list[int]] = []
        for group in groups:
            if parts and fits(parts[-1] + group, 2, folded):
                parts[-1] += group
            else:
                parts.append(list(group))
        gap = 3 if all(fits(part, 3) for part in parts) else 2
        yield Stacked([self._part(part, gap) for part in parts])

    def _places(self) -> list[tuple[int, int]]:
        sizes = [len(group) for group in self.groups]
        return [(sum(sizes[:i]), size) for i, size in enumerate(sizes)]

    def _part(self, places: Sequence[int], gap: int, name: int | None = None) -> Table:
        """Some of the columns, so many spaces apart; the names at most so wide, for measuring."""
        titles = [title for group in self.groups for title in group]
        table = plain_table()
        table.padding = (0, gap - 2, 0, 1) if gap > 2 else (0, 1, 0, 0)
        table.add_column(Text(self.name), overflow="fold", max_width=name)
        for place in places:
            side: Literal["left", "right"] = "left" if titles[place] in self.left else "right"
            table.add_column(Text(titles[place]), justify=side, no_wrap=True)
        for i, (label, cells) in enumerate(self.lines):
            shown = [cells[place] if place < len(cells) else Text() for place in places]
            table.add_row(Text(label), *shown, style=self.styles[i] if self.styles else "")
        return table
