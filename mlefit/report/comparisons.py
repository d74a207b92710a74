"""Comparisons as a person reads them: a line a model, best first, then the tests between them."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp
from typing import TYPE_CHECKING, Final

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from mlefit.report.folding import Folding, Stacked
from mlefit.report.tables import Fitting, plain_table
from mlefit.report.text import harmless, precise, significant, total

if TYPE_CHECKING:
    from mlefit.inference.compare import Comparison, Entry, Test
    from mlefit.inference.model_comparison import ModelComparison

GOODNESS: Final = {
    "kolmogorov_smirnov": "KS",
    "anderson_darling": "AD",
    "chi_squared": "χ²",
}
ON: Final = {
    "kaplan-meier": " on the Kaplan-Meier estimate",
    "turnbull": " on Turnbull's estimate",
    "expected": " in cells, among which the fit shares out censored counts",
}
SHOWN: Final = 12  # Vuong's tests in the table; json has all


def comparisons_table(comparisons: Sequence[Comparison]) -> RenderableType:
    """All comparisons, one beneath the other."""
    return Group(*(Padding(comparison_table(one), (0, 0, 1, 0)) for one in comparisons))


def comparison_table(one: Comparison) -> RenderableType:
    """The ranking of one column or group, what failed, and the tests."""
    heading = Text()
    heading.append(harmless(one.column), style="bold")
    if one.group:
        heading.append(" where " + ", ".join(f"{harmless(k)} = {harmless(v)}" for k, v in one.group.items()))
    fitted = sum(entry.fit is not None for entry in one.entries)
    hidden = f", {one.censored} censored" if one.censored else ""
    size = f", weight {significant(one.weight)}" if one.weight != one.n else ""
    heading.append(f"   n = {one.n}{size}{hidden}, {fitted} of {len(one.entries)} families fitted")
    if one.dropped:
        heading.append(f", {one.dropped} missing dropped")
    # Cramer-von Mises says much the same as Anderson-Darling: the other formats have it, and the table says so.
    measures = [m for m in GOODNESS if any(e.goodness and m in e.goodness.statistics for e in one.entries)]
    criterion = one.rank if one.rank in ("aicc", "bic") else "aic"
    title = criterion.upper().replace("AICC", "AICc")
    held = any(entry.held_out == entry.held_out for entry in one.entries)
    groups = [["log-lik", title, f"Δ{title}", "weight"], *[["held-out NLL"]] * held]
    replicates = max((e.goodness.replicates for e in one.entries if e.goodness), default=0)
    groups += [[GOODNESS[measure], *["p"] * bool(replicates)] for measure in measures]
    standings = _standings(one.entries, criterion)
    lines = [
        (entry.family, _cells(entry, criterion, standing, held, measures, bool(replicates)))
        for entry, standing in zip(one.entries, standings, strict=True)
    ]
    parts: list[RenderableType] = [heading, Padding(_ranking(groups, lines), (0, 0, 0, 1))]
    if measures:
        names = {"KS": "Kolmogorov-Smirnov", "AD": "Anderson-Darling", "χ²": "Pearson's"}
        said = ", ".join(f"{GOODNESS[m]} {names[GOODNESS[m]]}" for m in measures)
        said += "".join(ON[b] for b in ON if any(e.goodness and e.goodness.basis == b for e in one.entries))
        if any("cramer_von_mises" in entry.goodness.statistics for entry in one.entries if entry.goodness):
            said += " (--format json and csv: Cramer-von Mises, too)"
        looked = ", looked at when the rows were whatever their values," * (" on Turnbull" in said)
        how = f"; p from {replicates} samples drawn from each fit{looked} and fitted again" if replicates else ""
        parts.append(Text(f"goodness of fit: {said}{how}", style="dim"))
    parts += [
        Text.assemble(("✗ ", "red"), f"{entry.family}: {harmless(entry.error)}") for entry in one.entries if entry.error
    ]
    parts += _tests(one.tests)
    parts += [Text(f"! {harmless(note)}", style="yellow") for note in one.notes]
    seen = {w: e.family for e in reversed(one.entries) if e.fit is not None for w in e.fit.warnings}
    parts += [Text(f"! {family}: {harmless(w)}", style="yellow") for w, family in reversed(seen.items())]
    return Group(*parts)


def _ranking(groups: Sequence[Sequence[str]], lines: Sequence[tuple[str, Sequence[Text]]]) -> RenderableType:
    """One table with the parameters, the first of the cells, beside the family; in a narrow window below the numbers.

    The best, on the first line, is bold.
    """
    styles = ["bold", *[""] * len(lines)]
    wide, beneath = plain_table(), plain_table()
    for table in (wide, beneath):
        table.add_column("family")
        table.add_column("parameters")
    for title in (title for group in groups for title in group):
        wide.add_column(title, justify="right")
    for (family, cells), style in zip(lines, styles, strict=False):
        wide.add_row(family, *cells, style=style)
        beneath.add_row(family, cells[0], style=style)
    numbers = Folding("family", groups, [(family, cells[1:]) for family, cells in lines], styles=styles)
    return Fitting(wide, Stacked([numbers, beneath]))


def _standings(entries: Sequence[Entry], criterion: str) -> list[tuple[float, float]]:
    """How far each is behind the least of a criterion, and its weight (Burnham and Anderson 2002, section 2.9)."""
    values = [float("nan") if entry.fit is None else float(getattr(entry.fit, criterion)) for entry in entries]
    least = min((value for value in values if value == value), default=float("nan"))
    whole = sum(exp((least - value) / 2) for value in values if value == value)
    return [(value - least, exp((least - value) / 2) / whole if value == value else value) for value in values]


def _cells(
    entry: Entry, criterion: str, standing: tuple[float, float], held: bool, measures: Sequence[str], p: bool
) -> list[Text]:
    """The parameters, then the numbers."""
    if entry.fit is None:
        return [Text("failed", style="red")]
    fit = entry.fit
    errors = fit.std_errors
    cells = [Text(", ".join(f"{harmless(k)} {precise(v, errors[k], 5)}" for k, v in fit.estimates.items()))]
    criteria = (fit.log_likelihood, getattr(fit, criterion))
    cells += [Text(f"{v:.2f}" if abs(v) < 1e9 else total(v)) for v in criteria]
    delta, weight = standing
    if delta == delta:
        cells += [Text(f"{delta:.2f}"), Text(f"{weight:.3f}" if weight >= 0.0005 else "<0.001")]
    else:  # AICc of too few rows
        cells += [Text("–"), Text("–")]
    if held:
        cells.append(Text(significant(entry.held_out)))
    for measure in measures:
        found = entry.goodness
        cells.append(Text(significant(found.statistics.get(measure) if found else None, 4)))
        if p:
            cells.append(Text(significant(found.p_values.get(measure) if found else None, 2)))
    return cells


def _tests(tests: Sequence[Test]) -> list[RenderableType]:
    ratio = [test for test in tests if test.kind == "likelihood-ratio"]
    others = [test for test in tests if test.kind == "vuong"]
    parts: list[RenderableType] = []
    if ratio:
        lines = []
        for test in ratio:
            edge = "on the boundary: half chi-squared(1)" if test.detail["boundary"] else "chi-squared(1)"
            numbers = (significant(test.statistic, 5), _p(test.p_value))
            cells = [Text(str(test.detail["constraint"])), *map(Text, numbers), Text(edge, style="dim")]
            lines.append((f"{test.first} in {test.second}", cells))
        groups = [["constraint"], ["2 Δ log L", "p"], [""]]
        table = Folding("likelihood ratio", groups, lines, left=("constraint", ""))
        parts.append(Padding(table, (0, 0, 0, 1)))
    if others:
        lines = [
            (f"{test.first} against {test.second}", [
                Text(significant(test.statistic, 4)), Text(_p(test.p_value)),
                Text(significant(test.detail["z_bic"], 4)), Text(_p(test.detail["p_value_bic"])),
            ]) for test in others[:SHOWN]
        ]  # fmt: skip
        table = Folding("Vuong's test, not nested", [["z", "p"], ["z, BIC", "p, BIC"]], lines)
        parts.append(Padding(table, (0, 0, 0, 1)))
        if len(others) > SHOWN:
            parts.append(Text(f"{len(others) - SHOWN} more of Vuong's tests in --format json", style="dim"))
    return parts


def _p(value: float | None) -> str:
    if value is None or value != value:
        return "–"
    return "<0.0001" if value < 0.0001 else f"{value:.2g}" if value < 0.001 else f"{value:.4f}"


def models_table(found: ModelComparison) -> RenderableType:
    """Saved models ranked by their NLL on the same rows."""
    heading = Text()
    heading.append(harmless(found.target), style="bold")
    heading.append(f" in {found.n} rows")
    if found.dropped:
        heading.append(f", {found.dropped} missing dropped")
    lines = []
    for place, model in enumerate(found.models):
        cells = [model.kind, model.family, str(model.parameters_count), significant(model.nll)]
        cells += [] if place == 0 else [
            significant(model.behind, 4), significant(model.std_error, 2), _p(model.p_value),
        ]  # fmt: skip
        lines.append((harmless(model.name), [Text(cell) for cell in cells]))
    groups = [["kind", "family", "parameters"], ["NLL per row", "behind the best", "std error", "p"]]
    styles = ["bold", *[""] * len(lines)]
    table = Folding("model", groups, lines, left=("kind", "family"), styles=styles)
    note = Text("parameters are not penalised: use rows the models have not seen", style="dim")
    return Group(heading, Padding(table, (0, 0, 0, 1)), note)
