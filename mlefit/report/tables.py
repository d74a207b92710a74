"""Tables of fits, as a person reads them in a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from mlefit.report.text import cell, harmless, significant, total

if TYPE_CHECKING:
    from mlefit.inference.fit import Fit


def plain_table(*, title: str = "") -> Table:
    """An empty table in mlefit's one style."""
    from rich.box import SIMPLE_HEAD

    return Table(
        box=SIMPLE_HEAD, title=Text(title) if title else None, title_justify="left", title_style="bold",
        header_style="bold", pad_edge=False,
    )  # fmt: skip


def fits_table(fits: Sequence[Fit]) -> RenderableType:
    """One fit in full, or many fits a line a parameter."""
    return fit_table(fits[0]) if len(fits) == 1 else _many(fits)


def fit_table(fit: Fit) -> RenderableType:
    """Parameters with errors and limits, then the likelihood, then how far it can be trusted."""
    heading = Text()
    heading.append(fit.family.name, style="bold")
    heading.append(f" fitted to {harmless(fit.column)}")
    if fit.group:
        heading.append(" where " + ", ".join(f"{harmless(k)} = {harmless(v)}" for k, v in fit.group.items()))
    heading.append(f"   n = {fit.n}")
    if fit.weight != fit.n:
        heading.append(f", weight {significant(fit.weight)}")
    if fit.dropped:
        heading.append(f", {fit.dropped} missing dropped")
    limits = f"{100 * fit.level:g} %"
    table = plain_table()
    table.add_column("parameter")
    for name in ("estimate", "std error"):
        table.add_column(name, justify="right")
    if fit.interval_method != "none":
        table.add_column(f"{limits} lower", justify="right")
        table.add_column("upper", justify="right")
    for name, row in fit.to_dict()["parameters"].items():
        estimate = fit.estimates[name]
        cells = [Text(harmless(name)), Text(significant(estimate), style="bold"), Text(significant(row["std_error"]))]
        if fit.interval_method != "none":
            j = fit.family.names.index(name)
            cells += [Text(significant(fit.lower[j])), Text(significant(fit.upper[j]))]
        table.add_row(*cells)
    for name, value in getattr(fit.family, "fixed", {}).items():
        table.add_row(Text(harmless(name)), Text(significant(value)), Text("fixed", style="dim"))
    criteria = Text()
    for label, value in (
        ("log-likelihood", fit.log_likelihood), ("AIC", fit.aic), ("AICc", fit.aicc), ("BIC", fit.bic),
    ):  # fmt: skip
        criteria.append(f"{label} ", style="dim")
        criteria.append(f"{total(value)}   ")
    return Group(heading, Padding(table, (0, 0, 0, 1)), criteria, verdict(fit), *_warnings(fit))


def verdict(fit: Fit) -> Text:
    """One line: converged and on what evidence, or not."""
    if not fit.converged:
        return Text("not converged", style="bold red")
    steps = "" if fit.iterations == 0 else f", {fit.iterations} iteration{'s' * (fit.iterations != 1)}"
    evidence = f"gradient {significant(fit.certificate.gradient_norm, 2)} standard errors"
    line = Text()
    line.append("converged", style="green")
    line.append(f" ({fit.solver}{steps}; {evidence}; {fit.interval_method} limits)", style="dim")
    return line


def _warnings(fit: Fit) -> list[Text]:
    return [Text(f"! {harmless(sentence)}", style="yellow") for sentence in fit.warnings]


def _many(fits: Sequence[Fit]) -> RenderableType:
    """A line a parameter of each fit; the fit's own numbers on its first line."""
    table = plain_table()
    groups = list(fits[0].group or {})
    columns = len({fit.column for fit in fits}) > 1
    families = len({fit.family.name for fit in fits}) > 1
    for name in groups:
        table.add_column(Text(harmless(name)))
    if columns:
        table.add_column("column")
    if families:
        table.add_column("family")
    for name in ("n", "parameter", "estimate", "std error", "lower", "upper", "log-likelihood", "converged"):
        table.add_column(name, justify="left" if name in ("parameter", "converged") else "right")
    for fit in fits:
        first = True
        for row in fit.rows():
            cells = [Text(cell((fit.group or {})[name]) if first else "") for name in groups]
            if columns:
                cells.append(Text(harmless(fit.column) if first else ""))
            if families:
                cells.append(Text(fit.family.name if first else ""))
            j = fit.family.names.index(row["parameter"])
            cells.append(Text(str(fit.n) if first else ""))
            cells.append(Text(harmless(row["parameter"])))
            cells += [Text(significant(v)) for v in (fit.theta[j], row["std_error"], fit.lower[j], fit.upper[j])]
            cells.append(Text(total(fit.log_likelihood) if first else ""))
            cells.append(
                Text("" if not first else "yes" if fit.converged else "no", style="" if fit.converged else "red")
            )
            table.add_row(*cells)
            first = False
    first_fit = fits[0]
    caption = Text(
        f"{first_fit.family.name if not families else 'families'}: {len(fits)} fits, "
        f"{100 * first_fit.level:g} % {first_fit.interval_method} limits", style="dim"
    )  # fmt: skip
    said = {sentence: None for fit in fits for sentence in fit.warnings}
    return Group(table, caption, *(Text(f"! {harmless(s)}", style="yellow") for s in list(said)[:10]))
