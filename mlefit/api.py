"""From a file, a table or an array to fits: the one path that the commands and Python share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from mlefit import censoring, reading
from mlefit.censoring import Censoring, constant, plain
from mlefit.errors import DataError, UsageError
from mlefit.families import registry
from mlefit.families.base import Family
from mlefit.families.links import Array
from mlefit.inference.fit import Fit, Interval, Options, WeightKind, fit_sample
from mlefit.inference.result import outside
from mlefit.inference.stream import Key, Part, fit_parts
from mlefit.progress import steps
from mlefit.sample import Sample
from mlefit.wording import in_python

if TYPE_CHECKING:
    from mlefit.inference.bootstrap import Kind, Limits
    from mlefit.inference.wanted import Wanted

# Sources above this size are read in parts; below it, one read is faster and the rows are kept.
LARGE: Final = 64 * 2**20

# A column by its label, or several of them.
Names = str | int | Sequence[str | int]


@dataclass(frozen=True)
class Roles:
    """Which columns of the data play which part; wherever a column is named an SQL expression will do.

    Attributes:
        y: columns to fit, each apart; none where the data have one column only.
        by: columns whose values name the groups.
        weight: row weights.
        further: the other columns of the family's response, in its order: a column or a number (trials).
        censoring: what is known of the rows besides; the family is then the wrapped one.
    """

    y: tuple[str, ...] = ()
    by: tuple[str, ...] = ()
    weight: str | None = None
    further: tuple[str, ...] = ()
    censoring: Censoring = field(default_factory=Censoring)

    def title(self, column: str) -> str:
        """What results call the data of a column: both of its ends where rows are intervals."""
        return column if self.censoring.upper is None else f"{column} to {self.censoring.upper}"


@in_python(dist="family", weight="weights", quantile="quantiles")
def fit(
    data: Any,
    family: str | Family = "normal",
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
    fix: Mapping[str, float] | None = None,
    start: Mapping[str, float] | None = None,
    level: float = 0.95,
    interval: Interval | Literal["bootstrap"] = "wald",
    replicates: int = 2000,
    seed: int = 0,
    bootstrap: Kind = "nonparametric",
    bootstrap_limits: Limits = "bca",
    null: Mapping[str, float] | None = None,
    derive: Mapping[str, str] | None = None,
    quantiles: Sequence[float] = (),
    where: str | None = None,
    missing: reading.Missing = "drop",
    encoding: str = "utf-8",
    delimiter: str | None = None,
    no_header: bool = False,
) -> Any:
    """Fit a family by maximum likelihood.

    Args:
        data: values (n,), a DataFrame, a mapping of columns, or the path of a file.
        family: a family or its name; `mlefit families` lists them.
        column: the column to fit, where `data` has several; or a list of columns, each fitted apart.
        by: column or columns whose values name groups, each fitted apart.
        weights: a column's name, or values (n,) where `data` are values.
        weight_kind: what a weight means; see `Options`.
        trials: number of trials: a number, a column's name, or values (n,) where `data` are values.
        event: 1 where the value was observed, 0 where it is right-censored: a column's name, or values (n,).
        upper: upper ends of intervals whose lower ends `data` or `column` holds; missing ends are open.
        truncate_below, truncate_above: limits outside which a row could not be seen: numbers, names, or values (n,).
        fix: parameters held at a value.
        start: parameters to start the solver from, beside its own starts.
        level, interval: of the confidence limits; the bootstrap makes the standard errors, too.
        replicates, seed, bootstrap, bootstrap_limits: how many bootstrap replicates, from which seed, nonparametric or
            parametric, and whether limits are "bca" or "percentile".
        null: values of parameters to test, all together.
        derive: formulas of the parameters by name, such as {"mean": "shape/rate"}.
        quantiles: probabilities whose quantiles of the fitted distribution are wanted.
        where: SQL condition that rows must meet.
        missing: "drop" rows with missing values, or "error".
        encoding, delimiter, no_header: of a file of text; see `reading.Request`.

    Returns:
        A `Fit`; a list of them with `by` or a list of columns.

    Raises:
        DataError: the data cannot be fitted; the message names row and value.
        UsageError: an unknown family, parameter or column.
    """
    chosen = registry.get(family) if isinstance(family, str) else family
    groups = named(by)
    roles_given = {"event": event, "upper": upper, "below": truncate_below, "above": truncate_above}
    data, columns, weights, trials, known = with_arrays(data, named(column), weights, trials, roles_given)
    path, columns, weight, further = source_of(data, columns, weights, trials)
    options = Options(level, "none" if interval == "bootstrap" else interval, weight_kind, start or {})
    request = reading.Request(
        path, where=where, missing=missing, encoding=encoding, delimiter=delimiter, no_header=no_header
    )
    roles = Roles(columns, groups, weight, further, known)
    wanted = None
    if interval == "bootstrap" or null or derive or quantiles:
        from mlefit.inference.bootstrap import Plan
        from mlefit.inference.derived import formulas
        from mlefit.inference.wanted import Wanted

        plan = Plan(replicates, seed, bootstrap, bootstrap_limits) if interval == "bootstrap" else None
        wanted = Wanted((null,) if null else (), formulas(derive or {}), quantiles, plan)
    fits = estimate(known.wrap(chosen.pin(fix) if fix else chosen), request, roles, options, wanted=wanted)
    return fits if groups or several(column) else fits[0]


def named(columns: Names | None) -> tuple[str, ...]:
    """Columns as a caller in Python names them: none, one label, or a list of labels."""
    if columns is None:
        return ()
    if isinstance(columns, str) or not isinstance(columns, Iterable):
        return (str(columns),)
    return tuple(str(each) for each in columns)


def several(column: Names | None) -> bool:
    """Whether a list of columns was given, so that a list of results is wanted."""
    return isinstance(column, Iterable) and not isinstance(column, str)


def with_arrays(
    data: Any, columns: tuple[str, ...], weights: Any, trials: Any, roles: Mapping[str, Any]
) -> tuple[Any, tuple[str, ...], Any, Any, Censoring]:
    """Data, columns, weights and trials with what is known of rows besides; values (n,) become columns beside them."""
    data, weights, trials = _held(data), _held(weights), _held(trials)
    arrays: dict[str, Any] = {}
    known = censoring.from_values({role: _held(value) for role, value in roles.items()}, arrays)
    if arrays:
        given = {"y": data, "weights": weights, "trials": trials}
        arrays |= {name: values for name, values in given.items() if np.ndim(values) == 1}
        data, columns = {name: _values(values) for name, values in arrays.items()}, ("y",)
        weights, trials = (n if n in arrays else v for n, v in (("weights", weights), ("trials", trials)))
    return data, columns, weights, trials, known


def _held(values: Any) -> Any:
    """Values that can be read only once (a generator, a view of a mapping), as a list; anything else as it is."""
    once = isinstance(values, Iterable) and not isinstance(values, str | Sequence | Mapping)
    return list(values) if once and not hasattr(values, "dtype") and not hasattr(values, "__array__") else values


def source_of(
    data: Any, columns: tuple[str, ...], weights: Any, trials: Any
) -> tuple[str | reading.Source, tuple[str, ...], str | None, tuple[str, ...]]:
    """What a caller in Python gave, as a source with the columns to fit, of weights, and of further roles.

    Raises:
        UsageError: values that are not one-dimensional.
    """
    if isinstance(data, str) or hasattr(data, "__fspath__"):
        path: str | reading.Source = str(data)
        values: dict[str, Any] = {}
    elif hasattr(data, "columns") or isinstance(data, Mapping):
        path, values = reading.from_frame(data), {}
    else:
        values = {"y": _values(data)}
        for name, given in (("weights", weights), ("trials", trials)):
            if given is not None and not isinstance(given, str) and np.ndim(given) == 1:
                values[name] = _values(given)
        path, columns = reading.from_frame(values), ("y",)
    weight = "weights" if "weights" in values else weights
    further = () if trials is None else ("trials" if "trials" in values else str(trials),)
    return path, columns, weight, further


def _values(data: Any) -> Any:
    values = np.asarray(data) if not hasattr(data, "dtype") else data
    if np.ndim(values) != 1:
        raise UsageError(f"the values must be one-dimensional, not of shape {np.shape(values)}")
    return values


def estimate(
    family: Family,
    request: reading.Request,
    roles: Roles,
    options: Options | None = None,
    wanted: Wanted | None = None,
) -> list[Fit]:
    """Fit a family to columns of a source, by groups where asked; column by column, groups in order.

    Args:
        family: pinned already; bound to its labels here.
        request: the source and how to read it; its roles are filled in here.
        roles: which columns.
        options: how to fit.
        wanted: tests, derived numbers and the bootstrap.

    Raises:
        DataError, UsageError: as `fit`.
    """
    options = options or Options()
    names = roles.y or (reading.only_column(request),)
    fits: list[Fit] = []
    for name in names:
        fits += _estimate(family, request, replace(roles, y=(name,)), options, wanted)
    return fits


def samples(family: Family, request: reading.Request, roles: Roles) -> list[Sample]:
    """The rows that each fit of `estimate` was made of, read again: what a plot draws."""
    found: list[Sample] = []
    for name in roles.y or (reading.only_column(request),):
        found += grouped(family, request, replace(roles, y=(name,))).apart()
    return found


@dataclass(frozen=True, eq=False)
class Grouped:
    """The rows of one column, sorted by group.

    Attributes:
        family: bound to the labels found.
        sample: the rows.
        groups: values of the `by` columns of each group, None without any.
        dropped: rows left out for missing values, of each group or in all.
        stray: rows that belong to no group, for want of a label.
        absent: rows left out of groups that have no others, by the labels of the group.
    """

    family: Family
    sample: Sample
    groups: list[dict[str, Any]] | None
    dropped: int | list[int]
    stray: int = 0
    absent: Mapping[Key, int] = field(default_factory=dict)

    def apart(self) -> list[Sample]:
        """The rows of each group."""
        if self.sample.groups == 1:
            return [self.sample]
        return [self.sample.take(np.array([g])) for g in range(self.sample.groups)]


def grouped(family: Family, request: reading.Request, roles: Roles) -> Grouped:
    """Read and check the rows of the one column of `roles`.

    Raises:
        DataError: values outside the support, negative weights, no rows; the message names line and value.
    """
    column = roles.y[0]
    wanted = _request(family, request, roles)
    table = reading.read(wanted)
    bound = family.bind(table.labels["y"].levels) if family.labels else family
    part = _part(bound, table, wanted, roles)
    if part.sample.n == 0:
        name = request.path.name if isinstance(request.path, reading.Source) else request.path
        if roles.weight is not None and table.n and not table.numeric["weight"].any():
            raise DataError(f"every weight in column {roles.weight!r} is zero, so there is nothing to fit")
        raise DataError(f"no row of {name} has a value of {column!r} and of every other column used")
    if not roles.by:
        return Grouped(bound, part.sample, None, part.dropped[()])
    groups = [dict(zip(roles.by, key, strict=True)) for key in part.keys]
    drops, stray = [part.dropped.get(key, 0) for key in part.keys], part.dropped.get((), 0)
    absent = {key: count for key, count in part.dropped.items() if key and key not in set(part.keys)}
    return Grouped(bound, part.sample, groups, drops, stray, absent)


def _estimate(
    family: Family,
    request: reading.Request,
    roles: Roles,
    options: Options,
    wanted: Wanted | None,
) -> list[Fit]:
    column = roles.y[0]
    source = request.open()
    request = replace(request, path=source)
    if source.files and source.bytes > LARGE and not (wanted and wanted.bootstrap):
        whole = _request(family, request, roles)
        tables = reading.read_chunks(whole)
        bound = family
        if family.labels:
            first = next(iter(reading.read_chunks(whole)))
            bound = family.bind(first.labels["y"].levels)
        stray, lost = 0, Counter[Key]()

        def parts() -> Iterator[Part]:
            nonlocal stray
            for table in steps(tables, f"reading {source.name}", unit="rows", size=lambda table: table.n):
                part = _part(bound, table, whole, roles)
                stray += part.dropped.get((), 0) if roles.by else 0
                lost.update({key: count for key, count in part.dropped.items() if key})
                yield part

        fits = fit_parts(bound, parts(), options, column=roles.title(column), by=roles.by)
        present = {tuple(map(str, (fit.group or {}).values())) for fit in fits}
        absent = {key: count for key, count in lost.items() if tuple(map(str, key)) not in present}
        fits = _strayed(fits, stray, absent, roles)
        return _answered(fits, None, wanted, options)
    rows = grouped(family, request, roles)
    title = roles.title(column)
    fits = fit_sample(rows.family, rows.sample, options, column=title, groups=rows.groups, dropped=rows.dropped)
    fits = _strayed(fits, rows.stray, rows.absent, roles)
    return _answered(fits, rows.apart() if wanted and wanted.bootstrap else None, wanted, options)


def _strayed(fits: list[Fit], stray: int, absent: Mapping[Key, int], roles: Roles) -> list[Fit]:
    said = outside(roles.by, stray, absent)
    return [replace(fit, warnings=(*fit.warnings, *said)) for fit in fits] if said else fits


def _answered(fits: list[Fit], samples: Sequence[Sample] | None, wanted: Wanted | None, options: Options) -> list[Fit]:
    if wanted is None:
        return fits
    from mlefit.inference.wanted import answered

    return answered(fits, samples, wanted, importance=options.weight_kind == "importance")


def _request(family: Family, request: reading.Request, roles: Roles) -> reading.Request:
    """The request with every role's column; a number in place of a further column is an SQL constant."""
    needed = plain(family).columns[1:]
    if len(roles.further) != len(needed):
        if len(roles.further) < len(needed):
            raise UsageError(f"{family.name} needs --{needed[len(roles.further)]}: a column or a number")
        raise UsageError(f"{family.name} takes no trials; leave --trials out")
    numeric = {} if family.labels else {"y": roles.y[0]}
    numeric |= {name: text for name, text in zip(needed, roles.further, strict=True) if constant(text) is None}
    numeric |= roles.censoring.columns()
    if roles.weight is not None:
        numeric["weight"] = roles.weight
    labels = {"y": roles.y[0]} if family.labels else {}
    labels |= {f"by{i}": name for i, name in enumerate(roles.by)}
    # Rows without a value are counted by group, so that they are read here and dropped below.
    missing = "keep" if (roles.by and request.missing == "drop") or roles.censoring else request.missing
    return replace(request, numeric=numeric, labels=labels, missing=missing)


def _further(table: reading.Table, name: str, text: str) -> Array:
    value = constant(text)
    return table.numeric[name] if value is None else np.full(table.n, value)


def _part(family: Family, table: reading.Table, request: reading.Request, roles: Roles) -> Part:
    """A table's rows as a sample sorted by group, every value checked."""
    y: Array = table.labels["y"].codes.astype(float) if family.labels else table.numeric["y"]
    if roles.further:
        further = zip(plain(family).columns[1:], roles.further, strict=True)
        y = np.stack([y, *(_further(table, name, text) for name, text in further)])
    if roles.censoring:
        y = roles.censoring.response(family, y, table, request)
    weight = table.numeric.get("weight")
    keep: NDArray[np.bool_] = np.ones(table.n, dtype=bool)
    by = [table.labels[f"by{i}"] for i in range(len(roles.by))]
    if request.missing == "keep":
        keep = np.asarray(~np.isnan(np.atleast_2d(y)).any(axis=0))
        if family.labels:
            keep &= y >= 0
        if weight is not None:
            keep &= ~np.isnan(weight)
        for labels in by:
            keep &= labels.codes >= 0
    _check(family, table, request, roles, y, weight, keep)
    if weight is not None:
        keep &= ~(weight == 0)
    lost: dict[Key, int] = {}
    codes = keys = None
    if by:
        codes, keys = _keys(by, keep)
        for key in _rows_of(by, ~keep & (weight != 0 if weight is not None else True)):
            lost[key] = lost.get(key, 0) + 1
        lost[()] = int(np.any([labels.codes < 0 for labels in by], axis=0).sum())
    dropped = table.dropped
    if request.missing == "keep" and not by:
        dropped += int((~keep & (weight != 0 if weight is not None else True)).sum())
    if not keep.all():
        y, weight = y[..., keep], None if weight is None else weight[keep]
    sample = Sample.of(y, weight, codes, None if keys is None else len(keys))
    return Part(sample, keys if keys is not None else [()], lost if by else {(): dropped})


def _keys(by: Sequence[reading.Labels], keep: NDArray[np.bool_]) -> tuple[Any, list[Key]]:
    """The group of each kept row, numbered in the order of the labels, and the labels of each group."""
    combined = np.zeros(int(keep.sum()), dtype=np.int64)
    for labels in by:
        combined = combined * len(labels.levels) + labels.codes[keep]
    if len(by) == 1:
        present = np.flatnonzero(np.bincount(combined, minlength=len(by[0].levels)))
    else:
        present = np.unique(combined)
    codes = np.searchsorted(present, combined)
    keys: list[Key] = []
    for number in present.tolist():
        key: list[str] = []
        for labels in reversed(by):
            number, place = divmod(number, len(labels.levels))
            key.append(labels.levels[place])
        keys.append(tuple(reversed(key)))
    return codes, keys


def _rows_of(by: Sequence[reading.Labels], rows: Any) -> Iterator[Key]:
    """The group labels of some rows; rows without a label are passed over."""
    for codes in zip(*(labels.codes[rows].tolist() for labels in by), strict=True):
        if min(codes) >= 0:
            yield tuple(labels.levels[code] for labels, code in zip(by, codes, strict=True))


def _check(
    family: Family,
    table: reading.Table,
    request: reading.Request,
    roles: Roles,
    y: Array,
    weight: Array | None,
    keep: Any,
) -> None:
    """Refuse values outside the support and negative weights, naming the line and the value."""
    if weight is not None and bool((weight[keep] < 0).any()):
        row = int(np.flatnonzero(keep & (weight < 0))[0])
        place = reading.locate(request, "weight", table.first + row)
        raise DataError(f"the weight {place.value} in column {roles.weight!r} on {place} is negative")
    inside = family.inside(y) | ~keep
    if bool(inside.all()):
        return
    row = int(np.flatnonzero(~inside)[0])
    role = "y"
    if roles.censoring:
        role = "y" if np.isfinite(y[0, row]) else "upper"
        wrong = roles.censoring.problem(y[:, row], reading.locate(request, role, table.first + row))
        if wrong:
            raise DataError(wrong)
    second = not roles.censoring and len(family.columns) > 1 and bool(family.support.contains(y[0, row : row + 1])[0])
    if second and family.columns[1] == "trials":
        place, trials = reading.locate(request, "y", table.first + row), y[1, row]
        raise DataError(
            f"{place.value!r} in column {roles.y[0]!r} on {place} cannot come of {trials:g} trials: "
            "trials are whole numbers, none less than its count"
        )
    if second and family.columns[1] in request.numeric:
        role = family.columns[1]
    place = reading.locate(request, role, table.first + row)
    name = roles.y[0] if role == "y" else roles.censoring.upper if role == "upper" else roles.further[0]
    count = int((~inside).sum())
    more = f" ({count} such values)" if count > 1 else ""
    raise DataError(
        f"{place.value!r} in column {name!r} on {place} is outside the support of {family.name} "
        f"({family.support}){more}"
    )
