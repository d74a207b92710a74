"""Tables of regressions, as a person reads them in a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from mlefit.report.folding import Folding
from mlefit.report.tables import heading, line_of, verdict, warnings
from mlefit.report.text import estimated, harmless, precise, significant

if TYPE_CHECKING:
    from mlefit.inference.regression import Regression
    from mlefit.inference.result import Record


def regressions_table(fits: Sequence[Regression]) -> RenderableType:
    """One after another, an empty line between."""
    parts: list[RenderableType] = []
    for i, fit in enumerate(fits):
        parts += [Text("")] * (i > 0) + [regression_table(fit)]
    return Group(*parts)


def regression_table(fit: Regression) -> RenderableType:
    """Coefficients with errors, z, p and limits, then the likelihood, then how far it can be trusted."""
    limits = fit.interval_method != "none"
    groups = [["estimate", "std error", "z", "p"]]
    groups += [[f"{100 * fit.level:g} % lower", "upper"]] if limits else []
    groups += [["exp(estimate)", "lower", "upper"]] if fit.exponentiate else []
    lines: list[tuple[str, list[Text]]] = []
    errors = fit.std_errors
    limited = zip(fit.coefficients.tolist(), fit.lower.tolist(), fit.upper.tolist(), strict=True)
    for (name, row), (value, *ends) in zip(fit.parameters().items(), limited, strict=False):  # held ones follow
        best, error, *shown = estimated(value, errors[name], *ends)
        cells = [Text(best, style="bold"), Text(error), Text(significant(row["z"], 4)), Text(p_value(row["p"]))]
        cells += map(Text, shown if limits else ())
        if fit.exponentiate and "ratio" in row:
            cells += map(Text, _ratios(row, errors[name]))
        lines.append((harmless(name), cells))
    lines += [(harmless(name), [Text(precise(v)), Text("fixed", style="dim")]) for name, v in fit.held.items()]
    return Group(
        heading(fit, f"regression {harmless(fit.formula)}"), Padding(Folding("parameter", groups, lines), (0, 0, 0, 1)),
        _links(fit), _criteria(fit), verdict(fit), *warnings(fit.warnings),
    )  # fmt: skip


def _ratios(row: Record, error: float) -> list[str]:
    """exp of a coefficient and of its limits; by the delta method its error is exp(estimate) times the error."""
    values = [row[name] for name in ("ratio", "ratio_lower", "ratio_upper")]
    unit = values[0] * error if values[0] is not None else None
    return [precise(value, unit) for value in values]


def p_value(value: float | None) -> str:
    """Four decimals, or "< 1e-4" where they would all be zero."""
    if value is None:
        return "–"
    return f"{value:.4f}" if value >= 1e-4 else "< 1e-4"


def _links(fit: Regression) -> Text:
    """Which link joins what, and how the errors were made."""
    terms = []
    for parameter in fit.family.parameters:
        name, left = harmless(parameter.name), fit.family.remainder
        if left is not None and fit.family.along([parameter.name]) is not fit.family:
            terms.append(f"log({name} / {left.name})")
        elif parameter.name in fit.formulas:
            terms.append(name if parameter.link.name == "identity" else f"{parameter.link.name}({name})")
    shown = ", ".join(terms)
    if fit.family.name.startswith("ordinal"):
        shown = f"{getattr(fit.family, 'link', 'logit')} P(y above a cut)"
    elif fit.family.size != len(fit.family.parameters):
        shown = f"the log odds against {harmless(fit.family.names[0])}"
    informed = "Fisher" if fit.family.informative else "observed"
    errors = {
        "information": f"{informed} information",
        "robust": "robust sandwich",
        "cluster": f"sandwich over {fit.errors.get('clusters')} clusters, times "
        f"{significant(fit.errors.get('factor'), 4)}",
    }[fit.errors["kind"]]
    known = f"standard errors from the {errors}" if any(v == v for v in fit.std_errors.values()) else ""
    return Text("; ".join(filter(None, (f"linear in {shown}" if shown else "", known))), style="dim")


def _criteria(fit: Regression) -> Text:
    pairs = [("log-likelihood", fit.log_likelihood), ("null", fit.null_log_likelihood)]
    if fit.deviance == fit.deviance:
        pairs += [("deviance", fit.deviance), ("null", fit.null_deviance)]
    return line_of(*pairs, ("AIC", fit.aic), ("BIC", fit.bic))
