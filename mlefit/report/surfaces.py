"""Likelihood curves and surfaces as tables: a bar a line for one parameter, a heat map for two."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from rich.bar import Bar
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.style import Style
from rich.table import Table
from rich.text import Text

from mlefit.families.links import Array
from mlefit.inference.surface import Surface
from mlefit.report.folding import Folding
from mlefit.report.tables import Fitting, plain_table
from mlefit.report.text import harmless, precise, significant, total


def surface_table(surface: Surface) -> RenderableType:
    """A heat map for a grid over two parameters, else a line a point."""
    table = _HeatMap(surface) if len(surface.axes) == 2 else _lines(surface)
    return Group(_heading(surface), table, _maximum(surface))


@dataclass(frozen=True)
class _HeatMap:
    """As many columns as the terminal is wide, the one with the peak among them."""

    surface: Surface

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        across = self.surface.axes[1].size
        for every in range(1, across + 1):
            table = _heat(self.surface, every)
            if table.__rich_measure__(console, options.update_width(10_000)).maximum <= options.max_width:
                break
        yield table
        if every > 1:
            name = harmless(self.surface.over[1])
            yield Text(f"one in {every} values of {name}, for want of width; --format csv has all", style="dim")


def _heading(surface: Surface) -> Text:
    fit = surface.fit
    heading = Text("likelihood of ", style="")
    heading.append(fit.family.name, style="bold")
    heading.append(f" for {harmless(fit.column)}   n = {fit.n}")
    if fit.dropped:
        heading.append(f", {fit.dropped} missing dropped")
    held = [name for name in surface.others if name not in surface.sharing]
    if surface.profile and surface.others and not _proportional(surface):
        heading.append(f"   {', '.join(map(harmless, surface.others))} re-maximised at every point", style="dim")
        return heading
    if surface.sharing:
        heading.append(f"   {', '.join(map(harmless, surface.sharing))} keeping their proportions", style="dim")
    if held:
        heading.append(f"   {', '.join(map(harmless, held))} held at the estimate", style="dim")
    return heading


def _proportional(surface: Surface) -> bool:
    """Whether all that is not drawn shares one total, which proportions then maximise over too."""
    return surface.fit.family.size != len(surface.fit.family.parameters)


def _maximum(surface: Surface) -> Text:
    fit = surface.fit
    if not np.isfinite(fit.log_likelihood):
        return Text("there is no maximum to compare with", style="dim")
    line = Text("maximum at " if surface.topped else "no maximum; the search ended at ", style="dim")
    errors = fit.std_errors
    best = ", ".join(f"{harmless(name)} = {precise(v, errors[name])}" for name, v in fit.estimates.items())
    line.append(best, style="bold")
    line.append(f"   log L = {total(fit.log_likelihood)}", style="dim")
    unknown = [value is None for value in surface.likelihood]
    if all(unknown):
        line.append("\nL itself is too small or too large for a number; compare by log L", style="dim")
    elif any(unknown) and len(surface.axes) != 2:  # a heat map does not show it
        line.append("\nwhere there is no L it is too small or too large for a number; compare by log L", style="dim")
    return line


def _lines(surface: Surface) -> RenderableType:
    """A line a point, with the longest bars that there is room for; without, and without NLL, in a narrow window."""
    return Fitting(_points(surface, 24), Fitting(_points(surface, 10), _bare(surface)))


def _bare(surface: Surface) -> RenderableType:
    """A line a point without bars and the NLL, which is -log L."""
    named = zip(*(_labels(values, 6) for values in surface.points.T), strict=True)
    numbers = zip(surface.likelihood, surface.log_likelihood.tolist(), surface.relative.tolist(), strict=True)
    lines = [
        (", ".join(point), [Text(significant(own)), Text(total(value)), Text(_share(relative))])
        for point, (own, value, relative) in zip(named, numbers, strict=True)
    ]
    return Folding(", ".join(map(harmless, surface.over)), [["L", "log L"], ["L / L max"]], lines)


def _points(surface: Surface, width: int) -> Table:
    """A line a point; `width` of the bars."""
    table = plain_table()
    for name in (*map(harmless, surface.over), "L", "log L", "NLL", "L / L max"):
        table.add_column(Text(name), justify="right", no_wrap=True)
    table.add_column("")
    best = int(np.argmax(surface.log_likelihood))
    named = zip(*(_labels(values, 6) for values in surface.points.T), strict=True)
    for i, (point, value) in enumerate(zip(named, surface.log_likelihood.tolist(), strict=True)):
        colour = "green" if i == best else "cyan"
        relative, own = float(surface.relative[i]), surface.likelihood[i]
        table.add_row(
            *map(Text, point),
            Text(significant(own)),
            Text(total(value)),
            Text(total(0.0 - value)),
            Text(_share(relative)),
            Bar(1.0, 0.0, relative if relative == relative else 0.0, width=width, color=colour),
        )
    return table


def _share(relative: float) -> str:
    if np.isnan(relative):
        return significant(relative)
    return f"{relative:.4f}" if relative >= 1e-4 or relative == 0 else f"{relative:.1e}"


def _heat(surface: Surface, every: int) -> Table:
    """Relative likelihood in a cell, its colour from dark to bright; the second parameter goes across.

    One column in so many is shown, that of the peak among them.
    """
    relative = surface.relative.reshape([values.size for values in surface.axes])
    highest = np.unravel_index(int(np.argmax(surface.log_likelihood)), relative.shape)
    shown = slice(int(highest[1]) % every, None, every)
    down, across, relative = surface.axes[0], surface.axes[1][shown], relative[:, shown]
    peak = (int(highest[0]), int(highest[1]) // every)
    table = plain_table(title="L / L max")
    table.padding = 0  # no gaps between the colours
    table.add_column(Text(f"{harmless(surface.over[0])} \\ {harmless(surface.over[1])} "), justify="right")
    for label in _labels(across):
        table.add_column(Text(f" {label} "), justify="right", no_wrap=True)
    for i, label in enumerate(_labels(down)):
        cells = [Text(f"{label} ")]
        for j, level in enumerate(relative[i].tolist()):
            cells.append(Text(f" {level:.3f} ", style=_shade(level, (i, j) == peak)))
        table.add_row(*cells)
    return table


def _labels(values: Array, least: int = 4) -> list[str]:
    """So many digits of each value, or as many as tell them apart."""
    for digits in range(least, 18):
        labels = [significant(value, digits) for value in values.tolist()]
        if len(set(labels)) == len(set(values.tolist())):
            break
    return labels


def _shade(level: float, mark: bool) -> Style:
    """From deep blue through green to yellow, with ink that can be read on it."""
    stops = np.array([[13, 8, 60], [40, 90, 140], [40, 160, 120], [250, 230, 60]], dtype=float)
    position = min(max(level, 0.0), 1.0) * (len(stops) - 1)
    low = min(int(position), len(stops) - 2)
    red, green, blue = (stops[low] + (position - low) * (stops[low + 1] - stops[low])).astype(int).tolist()
    ink = "black" if level > 0.55 else "white"
    return Style(color=ink, bgcolor=f"rgb({red},{green},{blue})", bold=mark, underline=mark)
