"""Comparisons as a person reads them: a line a model, best first, then the tests between them."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp
from typing import TYPE_CHECKING, Final

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from mlefit.report.tables import plain_table
from mlefit.report.text import harmless, significant, total

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
    heading.append(f"   n = {one.n}{hidden}, {fitted} of {len(one.entries)} families fitted")
    if one.dropped:
        heading.append(f", {one.dropped} missing dropped")
    # Cramer-von Mises says much the same as Anderson-Darling: the other formats have it, and the table says so.
    measures = [m for m in GOODNESS if any(e.goodness and m in e.goodness.statistics for e in one.entries)]
    criterion = one.rank if one.rank in ("aicc", "bic") else "aic"
    title = criterion.upper().replace("AICC", "AICc")
    table = plain_table()
    for name in ("family", "parameters"):
        table.add_column(name)
    for name in ("log-lik", title, f"Δ{title}", "weight"):
        table.add_column(name, justify="right")
    held = any(entry.held_out == entry.held_out for entry in one.entries)
    if held:
        table.add_column("held-out NLL", justify="right")
    replicates = max((e.goodness.replicates for e in one.entries if e.goodness), default=0)
    for measure in measures:
        table.add_column(GOODNESS[measure], justify="right")
        if replicates:
            table.add_column("p", justify="right")
    standings = _standings(one.entries, criterion)
    for place, (entry, standing) in enumerate(zip(one.entries, standings, strict=True)):
        cells = _cells(entry, criterion, standing, held, measures, bool(replicates))
        table.add_row(*cells, style="bold" if place == 0 else "")
    parts: list[RenderableType] = [heading, Padding(table, (0, 0, 0, 1))]
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


def _standings(entries: Sequence[Entry], criterion: str) -> list[tuple[float, float]]:
    """How far each is behind the least of a criterion, and its weight (Burnham and Anderson 2002, section 2.9)."""
    values = [float("nan") if entry.fit is None else float(getattr(entry.fit, criterion)) for entry in entries]
    least = min((value for value in values if value == value), default=float("nan"))
    whole = sum(exp((least - value) / 2) for value in values if value == value)
    return [(value - least, exp((least - value) / 2) / whole if value == value else value) for value in values]


def _cells(
    entry: Entry, criterion: str, standing: tuple[float, float], held: bool, measures: Sequence[str], p: bool
) -> list[Text]:
    cells = [Text(entry.family)]
    if entry.fit is None:
        return [*cells, Text("failed", style="red")]
    fit = entry.fit
    cells.append(Text(", ".join(f"{harmless(k)} {significant(v, 5)}" for k, v in fit.estimates.items())))
    cells += [Text(total(v)[:-2] if abs(v) < 1e9 else total(v)) for v in (fit.log_likelihood, getattr(fit, criterion))]
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
        table = plain_table()
        for name in ("likelihood ratio", "constraint"):
            table.add_column(name)
        for name in ("2 Δ log L", "p"):
            table.add_column(name, justify="right")
        table.add_column("")
        for test in ratio:
            edge = "on the boundary: half chi-squared(1)" if test.detail["boundary"] else "chi-squared(1)"
            table.add_row(
                f"{test.first} in {test.second}", str(test.detail["constraint"]), significant(test.statistic, 5),
                _p(test.p_value), Text(edge, style="dim"),
            )  # fmt: skip
        parts.append(Padding(table, (0, 0, 0, 1)))
    if others:
        table = plain_table()
        table.add_column("Vuong's test, not nested")
        for name in ("z", "p", "z, BIC", "p, BIC"):
            table.add_column(name, justify="right")
        for test in others[:SHOWN]:
            table.add_row(
                f"{test.first} against {test.second}", significant(test.statistic, 4), _p(test.p_value),
                significant(test.detail["z_bic"], 4), _p(test.detail["p_value_bic"]),
            )  # fmt: skip
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
    table = plain_table()
    for name in ("model", "kind", "family"):
        table.add_column(name)
    for name in ("parameters", "NLL per row", "behind the best", "std error", "p"):
        table.add_column(name, justify="right")
    for place, model in enumerate(found.models):
        cells = [harmless(model.name), model.kind, model.family, str(model.parameters_count), significant(model.nll)]
        cells += ["", "", ""] if place == 0 else [
            significant(model.behind, 4), significant(model.std_error, 2), _p(model.p_value),
        ]  # fmt: skip
        table.add_row(*(Text(c) for c in cells), style="bold" if place == 0 else "")
    note = Text("parameters are not penalised: use rows the models have not seen", style="dim")
    return Group(heading, Padding(table, (0, 0, 0, 1)), note)
