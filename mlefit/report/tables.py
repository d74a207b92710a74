"""Tables of fits, as a person reads them in a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from mlefit.report.text import cell, estimated, harmless, precise, significant, total

if TYPE_CHECKING:
    from mlefit.inference.fit import Fit
    from mlefit.inference.hypotheses import NullTests
    from mlefit.inference.result import Result


METHODS: Final = {"wald": "Wald", "profile": "profile"}  # limits as a sentence names them


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
    limits = f"{100 * fit.level:g} %"
    table = plain_table()
    table.add_column("parameter", overflow="fold")
    for name in ("estimate", "std error", *((f"{limits} lower", "upper") if fit.interval_method != "none" else ())):
        table.add_column(name, justify="right", no_wrap=True)
    shown = 4 if fit.interval_method != "none" else 2
    for name, *numbers in _parameters(fit):
        best, *others = estimated(*numbers[:shown])
        table.add_row(Text(harmless(name)), Text(best, style="bold"), *map(Text, others))
    add_fixed(table, fit)
    for one in fit.derived:
        best, *others = estimated(*(one.estimate, one.std_error, one.lower, one.upper)[:shown])
        table.add_row(Text(harmless(one.label)), Text(best, style="bold"), *map(Text, others))
    criteria = line_of(("log-likelihood", fit.log_likelihood), ("AIC", fit.aic), ("AICc", fit.aicc), ("BIC", fit.bic))
    about = heading(fit, f"fitted to {harmless(fit.column)}")
    parts: list[RenderableType] = [about, Padding(table, (0, 0, 0, 1)), criteria, verdict(fit)]
    if said := fit.interval_detail:
        line = f"standard errors and {_kind(fit)} limits {_replicates(said)}"
        parts.append(Text(line, style="dim"))
    if fit.tests:
        parts.append(Padding(_tests([], [([], fit.tests)]), (0, 0, 0, 1)))
    return Group(*parts, *warnings(fit.warnings))


def _tests(titles: Sequence[str], fits: Sequence[tuple[Sequence[str], Sequence[NullTests]]]) -> RenderableType:
    """A line a hypothesis and test, under the labels that tell the fits apart."""
    table = plain_table()
    for name in (*titles, "hypothesis", "test"):
        table.add_column(Text(name))
    for name in ("chi-squared", "df", "p"):
        table.add_column(name, justify="right", no_wrap=True)
    for labels, tests in fits:
        before = list(labels)
        for test in tests:
            said = ", ".join(f"{harmless(name)} = {precise(value)}" for name, value in test.null.items())
            for name, label in (("wald", "Wald"), ("score", "score"), ("likelihood_ratio", "likelihood ratio")):
                value = getattr(test, name)
                if value == value:
                    numbers = (significant(value, 5), str(test.df), significant(test.p_value(name), 4))
                    table.add_row(*(Text(text) for text in (*before, said, label, *numbers)))
                    said, before = "", [""] * len(labels)
    return table


def heading(fit: Result, what: str) -> Text:
    """The family, what was done with it, and how many rows it was done to."""
    line = Text()
    line.append(fit.family.name, style="bold")
    line.append(f" {what}")
    if fit.group:
        line.append(" where " + ", ".join(f"{harmless(k)} = {harmless(v)}" for k, v in fit.group.items()))
    line.append(f"   n = {fit.n}")
    if fit.weight != fit.n:
        line.append(f", weight {significant(fit.weight)}")
    if fit.censored is not None:
        line.append(f", {fit.censored} censored")
    if fit.dropped:
        line.append(f", {fit.dropped} missing dropped")
    return line


def add_fixed(table: Table, fit: Result) -> None:
    """A row for each parameter that was held at a value."""
    for name, value in fit.held.items():
        table.add_row(Text(harmless(name)), Text(precise(value)), Text("fixed", style="dim"))


def line_of(*numbers: tuple[str, float]) -> Text:
    """Log-likelihoods and what follows from them, side by side."""
    line = Text()
    for label, value in numbers:
        line.append(f"{label} ", style="dim")
        line.append(f"{total(value)}   ")
    return line


def verdict(fit: Result) -> Text:
    """One line: converged and on what evidence, or not."""
    if not fit.converged:
        return Text("not converged", style="bold red")
    steps = "" if fit.iterations == 0 else f", {fit.iterations} iteration{'s' * (fit.iterations != 1)}"
    evidence = f"{significant(fit.certificate.gradient_norm, 2)} standard errors from the maximum"
    known = bool((~np.isnan(fit.lower) | ~np.isnan(fit.upper)).any())
    limits = f"; {METHODS[fit.interval_method]} limits" if known and fit.interval_method in METHODS else ""
    line = Text()
    line.append("converged", style="green")
    line.append(f" ({fit.solver}{steps}; {evidence}{limits})", style="dim")
    return line


def _kind(fit: Fit) -> str:
    """Its limits as a sentence names them."""
    if fit.interval_method in METHODS:
        return METHODS[fit.interval_method]
    return "BCa" if fit.interval_detail["limits"] == "bca" else str(fit.interval_detail["limits"])


def _parameters(fit: Fit) -> list[tuple[str, float, float, float, float]]:
    """Name, estimate, standard error and limits of each parameter that was not held."""
    errors, limits = fit.std_errors, fit.limits
    return [(name, v, errors[name], *limits[name]) for name, v in fit.estimates.items() if name not in fit.held]


def _replicates(said: Mapping[str, Any]) -> str:
    return f"from {said['replicates']} replicates of the {said['bootstrap']} bootstrap"


def warnings(sentences: Iterable[str]) -> list[Text]:
    """A line each."""
    return [Text(f"! {harmless(sentence)}", style="yellow") for sentence in sentences]


@dataclass(frozen=True)
class Fitting:
    """Whichever of two forms the console has room for: no number is ever cut short."""

    wide: RenderableType
    narrow: RenderableType

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        needed = Measurement.get(console, options.update_width(10_000), self.wide).maximum
        yield self.wide if needed <= options.max_width else self.narrow


def _many(fits: Sequence[Fit]) -> RenderableType:
    """A line a parameter of each fit; the fit's own numbers on its first line, or above it in a narrow window."""
    several_columns = len({fit.column for fit in fits}) > 1
    several_families = len({fit.family.name for fit in fits}) > 1
    titles: list[tuple[str, str]] = []  # of the labels that tell the fits apart, with the kind of each
    labels: list[list[str]] = []
    for fit in fits:
        shown = {("", harmless(name)): cell(value) for name, value in (fit.group or {}).items()}
        if several_columns:
            shown["column", "column"] = harmless(fit.column)
        if several_families:
            shown["family", "family"] = fit.family.name
        titles = titles or list(shown)
        labels.append(list(shown.values()))
    limits = fits[0].interval_method != "none"
    heads = ["parameter", "estimate", "std error", *(("lower", "upper") if limits else ())]
    bodies = [_body(fit, limits) for fit in fits]
    facts = [(str(fit.n), total(fit.log_likelihood), "yes" if fit.converged else "no") for fit in fits]

    wide = plain_table()
    for _, title in titles:
        wide.add_column(Text(title))
    wide.add_column("n", justify="right")
    for head in heads:
        wide.add_column(head, justify="left" if head == "parameter" else "right")
    wide.add_column("log-likelihood", justify="right")
    wide.add_column("converged")
    for label, (n, value, good), body in zip(labels, facts, bodies, strict=True):
        for i, row in enumerate(body):
            before = [*label, n] if i == 0 else [""] * (len(label) + 1)
            verdict = Text(good if i == 0 else "", style="" if good == "yes" else "red")
            wide.add_row(*(Text(text) for text in before + row + ([value] if i == 0 else [""])), verdict)
    parts: list[RenderableType] = [Fitting(wide, _stacked(heads, titles, labels, facts, bodies))]
    tested = [(label, fit.tests) for label, fit in zip(labels, fits, strict=True) if fit.tests]
    if tested:
        parts.append(_tests([title for _, title in titles], tested))
    return Group(*parts, *_caption(fits, several_families))


def _body(fit: Fit, limits: bool) -> list[list[str]]:
    """The lines of a fit among many: its parameters, then what was held and what follows from them."""
    numbers = _parameters(fit)
    own = len(numbers)
    numbers += [(one.label, one.estimate, one.std_error, one.lower, one.upper) for one in fit.derived]
    lines = [[harmless(name), *estimated(*row[: 4 if limits else 2])] for name, *row in numbers]
    held = [[harmless(name), precise(v), "fixed", *["", ""] * limits] for name, v in fit.held.items()]
    return lines[:own] + held + lines[own:]


def _stacked(
    heads: Sequence[str],
    titles: Sequence[tuple[str, str]],
    labels: Sequence[Sequence[str]],
    facts: Sequence[tuple[str, str, str]],
    bodies: Sequence[Sequence[Sequence[str]]],
) -> RenderableType:
    """Each fit under a line of its own that says which it is."""
    rows = [heads, *(row for body in bodies for row in body)]
    widths = [max(len(row[j]) for row in rows) for j in range(len(heads))]

    def line(row: Sequence[str], style: str = "") -> Text:
        first, *numbers = (
            text.rjust(w) if j else text.ljust(w) for j, (text, w) in enumerate(zip(row, widths, strict=True))
        )
        return Text("   ".join([f"   {first}", *numbers]), style=style)

    lines = [Text(""), line(heads, "bold"), Text(" " + "─" * (sum(widths) + 3 * len(widths)))]
    for label, (n, value, good), body in zip(labels, facts, bodies, strict=True):
        heading = Text(" ")
        heading.append(", ".join(f"{title} = {text}" if not kind else text
                                 for (kind, title), text in zip(titles, label, strict=True)), style="bold")  # fmt: skip
        heading.append(f"   n = {n}   log L {value}")
        if good == "no":
            heading.append("   not converged", style="red")
        lines += [heading, *(line(row) for row in body)]
    return Group(*lines, Text(""))


def _caption(fits: Sequence[Fit], several_families: bool) -> list[Text]:
    first = fits[0]
    parts = [f"{'families' if several_families else first.family.name}: {len(fits)} fits"]
    if first.interval_method != "none":
        resampled = f" and standard errors {_replicates(first.interval_detail)}" if first.interval_detail else ""
        parts.append(f"{100 * first.level:g} % {_kind(first)} limits{resampled}")
    dropped = sum(fit.dropped for fit in fits)
    if dropped:
        parts.append(f"{dropped} missing dropped")
    said = {sentence: None for fit in fits for sentence in fit.warnings}
    return [Text(", ".join(parts), style="dim"), *warnings(list(said)[:10])]
