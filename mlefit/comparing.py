"""From a file or a table to comparisons: of families fitted to a column, and of saved models on the same rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from mlefit import reading
from mlefit.api import Names, Roles, grouped, named, several, source_of, with_arrays
from mlefit.censoring import Censoring, constant
from mlefit.errors import DataError, MlefitError, UsageError
from mlefit.families import registry
from mlefit.families.base import Family
from mlefit.families.links import Array
from mlefit.inference.compare import Comparison, Plan, Rank, compare_sample
from mlefit.inference.fit import Options, WeightKind
from mlefit.inference.model import Model
from mlefit.inference.model_comparison import ModelComparison, rate
from mlefit.inference.result import outside
from mlefit.inference.target import Target
from mlefit.sample import Sample
from mlefit.wording import in_python

SETS: Final = ("all", "continuous", "discrete")


@in_python(dist="families", weight="weights")
def compare(
    data: Any,
    families: str | Family | Sequence[str | Family] = "all",
    *,
    column: Names | None = None,
    by: Names = (),
    weights: Any = None,
    weight_kind: WeightKind = "frequency",
    trials: Any = None,
    event: Any = None,
    upper: Any = None,
    truncate_below: Any = None,
    truncate_above: Any = None,
    rank: Rank | None = None,
    folds: int = 0,
    replicates: int | None = None,
    seed: int = 0,
    where: str | None = None,
    missing: reading.Missing = "drop",
    encoding: str = "utf-8",
    delimiter: str | None = None,
    no_header: bool = False,
) -> Any:
    """Fit several families to a column and rank them.

    Args:
        data, column, by, weights, weight_kind, trials, where, missing, encoding, delimiter, no_header: as in `fit`.
        event, upper, truncate_below, truncate_above: what is known of rows besides, as in `fit`.
        families: families or their names; "all" for those whose support holds the data, "continuous" and "discrete"
            for those of them.
        rank: aic, aicc, bic, nll or held-out; AIC by default, held-out NLL where there are folds.
        folds: parts of the cross-validation behind the held-out NLL.
        replicates: bootstrap samples behind the p-values of the goodness of fit; as many as are quick by default.
        seed: of folds and bootstrap.

    Returns:
        A `Comparison`; a list of them with `by` or a list of columns.

    Raises:
        DataError: no rows, or values no family can hold.
        UsageError: an unknown family, column or option.
    """
    known = {"event": event, "upper": upper, "below": truncate_below, "above": truncate_above}
    data, columns, weights, trials, censoring = with_arrays(data, named(column), weights, trials, known)
    source, columns, weight, further = source_of(data, columns, weights, trials)
    groups = named(by)
    request = reading.Request(
        source, where=where, missing=missing, encoding=encoding, delimiter=delimiter, no_header=no_header
    )
    roles = Roles(columns, groups, weight, further, censoring)
    plan = Plan(rank or ("held-out" if folds else "aic"), folds, replicates, seed)
    chosen = [families] if isinstance(families, str | Family) else list(families)
    options = Options(interval="none", weight_kind=weight_kind)
    found = compare_request(chosen, request, roles, plan, options)
    return found if groups or several(column) else found[0]


def compare_request(
    families: Sequence[str | Family], request: reading.Request, roles: Roles, plan: Plan, options: Options
) -> list[Comparison]:
    """Comparisons of every column, group by group; errors as `compare`."""
    return [pair[0] for pair in with_rows(families, request, roles, plan, options)]


def with_rows(
    families: Sequence[str | Family], request: reading.Request, roles: Roles, plan: Plan, options: Options
) -> list[tuple[Comparison, Sample]]:
    """The same, each with the rows it is about."""
    neutral = roles.censoring.wrap(registry.get("binomial" if roles.further else "normal"))
    request = replace(request, path=request.open())
    names = roles.y or (reading.only_column(request),)
    found: list[tuple[Comparison, Sample]] = []
    for name in names:
        rows = grouped(neutral, request, replace(roles, y=(name,)))
        shared = rows
        if not neutral.discrete:
            shared = replace(rows, sample=replace(rows.sample, y=roles.censoring.for_any(rows.sample.y)))
        chosen = candidates(families, shared.sample, roles.censoring)
        rows = shared if any(family.discrete for family in chosen) else rows
        refused = {family.name: _refused(family, rows.sample, name, roles.censoring) for family in chosen}
        fits = [family for family in chosen if len(refused[family.name]) < rows.sample.groups]
        none = [family for family in chosen if family not in fits]
        compared = compare_sample(
            [*fits, *none], rows.sample, plan, options, column=roles.title(name), groups=rows.groups,
            dropped=rows.dropped, refused=refused,
        )  # fmt: skip
        said = outside(roles.by, rows.stray, rows.absent)
        compared = [replace(one, notes=(*one.notes, *said)) for one in compared]
        found += zip(compared, rows.apart(), strict=True)
    return found


def candidates(names: Sequence[str | Family], sample: Sample, censoring: Censoring | None = None) -> list[Family]:
    """The families of such rows by name or set, each once; one that cannot be censored or truncated stays as it is.

    Raises:
        UsageError: an unknown family.
        DataError: no family of a set can hold the values.
    """
    censoring = censoring or Censoring()
    found: dict[str, Family] = {}
    for name in names:
        if isinstance(name, str) and registry.canonical(name) in SETS:
            every = [_wrapped(family, censoring) for family in registry.every()]
            fitting = [f for f in every if _in_set(f, registry.canonical(name), sample)]
            if not fitting:
                raise DataError(f"no {name} family gives probability to all these values; name some with --dist")
            found |= {family.name: family for family in fitting}
        else:
            family = _wrapped(registry.get(name) if isinstance(name, str) else name, censoring)
            found[family.name] = family
    return list(found.values())


def _wrapped(family: Family, censoring: Censoring) -> Family:
    try:
        return censoring.wrap(family)
    except UsageError:
        return family


def _columns(sample: Sample) -> int:
    return 1 if sample.y.ndim == 1 else int(sample.y.shape[0])


def _in_set(family: Family, which: str, sample: Sample) -> bool:
    if family.labels or len(family.columns) != _columns(sample):
        return False
    if which != "all" and family.discrete != (which == "discrete"):
        return False
    if family.name == "von-mises":  # any number is an angle, but only those within one turn are likely to be meant so
        values = family.central(sample.y)
        low, high = float(values.min()), float(values.max())
        return (-np.pi <= low and high <= np.pi) or (low >= 0 and high <= 2 * np.pi)
    return bool(family.inside(sample.y).all())


def _refused(family: Family, sample: Sample, column: str, censoring: Censoring) -> dict[int, str]:
    """Why a family cannot be fitted to some groups."""
    reason = _misfit(family, sample, censoring)
    if reason:
        return dict.fromkeys(range(sample.groups), reason)
    outside = ~family.inside(sample.y)
    if not outside.any():
        return {}
    central = family.central(sample.y)
    found = {}
    for g in np.unique(sample.codes[outside]).tolist():
        rows = slice(int(sample.offsets[g]), int(sample.offsets[g + 1]))
        values: Array = central[rows][outside[rows]]
        more = "" if values.size == 1 else f" and {values.size - 1} more"
        found[g] = f"{column} = {values[0]:g}{more} outside its support ({family.support})"
    return found


def _misfit(family: Family, sample: Sample, censoring: Censoring) -> str:
    """Why a family has no place for the columns of the rows, "" where it has."""
    if censoring and not family.censored and not family.truncated:
        try:
            censoring.wrap(family)
        except UsageError as error:
            return str(error)
    if not family.labels and len(family.columns) == _columns(sample):
        return ""
    what = "labels" if family.labels else "successes in --trials" if "trials" in family.columns else "one column"
    return f"{family.name} is a family of {what}"


def compare_models(
    models: Mapping[str, Model], request: reading.Request, weights: str | None = None
) -> ModelComparison:
    """Saved models, by name, on the rows that have every column any of them needs.

    Raises:
        DataError: models of different targets, a column that is absent, or values that do not fit.
    """
    from mlefit.predicting import outcome_tables

    request = replace(request, path=request.open())
    first = next(iter(models.values()))
    for name, model in models.items():
        if _meant(model.target, request) != _meant(first.target, request):
            raise DataError(
                f"models compare only if they predict the same: {next(iter(models))} predicts {first.target.name!r}, "
                f"{name} {model.target.name!r}"
                + (", of rows otherwise censored or truncated" if model.target.name == first.target.name else "")
            )
    counted = {name: model.target.trials for name, model in models.items() if model.target.trials}
    for name, text in counted.items():
        other = next(iter(counted))
        if _form(text, request) != _form(counted[other], request):
            raise DataError(
                f"models compare only if they predict the same: {other} counts successes in {counted[other]} trials, "
                f"{name} in {text}"
            )
    tables, dropped = outcome_tables(list(models.values()), request, weights)
    return rate(models, tables, dropped)


def _meant(target: Target, request: reading.Request) -> tuple[object, ...]:
    """What a target is of these data, however its expressions are spelt."""

    known = {role: _form(text, request) for role, text in target.known.items()}
    return _form(target.name, request), target.levels, known


def _form(text: str, request: reading.Request) -> object:
    """A number, or an expression in the spelling that all of its kind have."""
    number = constant(text)
    if number is not None:
        return number
    try:
        return reading.canonical(request, text.strip())
    except MlefitError:  # it is not of these data, which is said when they are read
        return text
