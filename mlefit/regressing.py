"""From a file or a table and a formula to regressions: what the command and Python share."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, Final

import numpy as np

from mlefit import reading
from mlefit.censoring import Censoring, trials_column, trials_of
from mlefit.errors import DataError, UsageError, named_arguments, no_option
from mlefit.families import registry
from mlefit.families.base import Family
from mlefit.families.density import Density
from mlefit.families.links import Array, Log
from mlefit.families.reparameterised import modelled, native, root
from mlefit.inference.encoding import Codes, Column
from mlefit.inference.formula import Encoded, Terms, learn, parse, sides
from mlefit.inference.model import Model
from mlefit.inference.regression import Block, Case, Options, Regression, fit_regressions, score_names, within
from mlefit.inference.regression_groups import Refused, fit_groups
from mlefit.inference.result import outside
from mlefit.inference.scorer import LinearScorer
from mlefit.inference.target import Target
from mlefit.wording import in_python

# The parameter that the formula of the response models, the first of these that a family has.
MAIN: Final = ("p", "mu", "mean", "location", "loc", "scale", "rate", "df")
# Further keyword arguments of `regress`, attributes of `Plan`; and what the command's options are called there.
ROLES: Final = ("offset", "exposure", "weight", "trials", "cluster", "levels")
WORDS: Final = {"dist": "family", "formula": "formulas", "link": "links"}


@dataclass(frozen=True)
class Plan:
    """What to fit; wherever a column is named outside a formula, an SQL expression will do.

    Attributes:
        formula: "y ~ x1 + x2"; "~ x1" with `lower` and `upper`.
        family: a family or its name.
        formulas: right sides for further parameters, by name.
        links: link names, by parameter.
        fix: parameters held at a value.
        offset, exposure: columns added to the main score, as they are and as logarithms.
        weight, trials: columns; trials may be a number.
        lower: column of the lower ends of intervals, whose upper ends are in `censoring`.
        censoring: what is known of the rows besides the response.
        by: columns whose values name groups.
        cluster: column of clusters, for errors by cluster.
        levels: order of the response's labels.
    """

    formula: str
    family: str | Family = "normal"
    formulas: Mapping[str, str] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    fix: Mapping[str, float] = field(default_factory=dict)
    offset: str | None = None
    exposure: str | None = None
    weight: str | None = None
    trials: str | None = None
    lower: str | None = None
    censoring: Censoring = field(default_factory=Censoring)
    by: tuple[str, ...] = ()
    cluster: str | None = None
    levels: tuple[str, ...] = ()


@in_python(**WORDS)
def regress(
    data: Any,
    formula: str,
    family: str | Family = "normal",
    *,
    formulas: Mapping[str, str] | None = None,
    links: Mapping[str, str] | None = None,
    fix: Mapping[str, float] | None = None,
    by: str | Sequence[str] = (),
    where: str | None = None,
    missing: reading.Missing = "drop",
    encoding: str = "utf-8",
    delimiter: str | None = None,
    no_header: bool = False,
    options: Options | None = None,
    event: str | None = None,
    lower: str | None = None,
    upper: str | None = None,
    below: str | float | None = None,
    above: str | float | None = None,
    **roles: Any,
) -> Any:
    """Fit a regression by maximum likelihood.

    Args:
        data: a DataFrame, a mapping of columns, or the path of a file.
        formula: such as "y ~ x1 + C(group) + x1:x2", in the language of the formulaic library.
        family: a family or its name; the mean is modelled where the field models the mean.
        formulas: right sides for further parameters, such as {"sigma": "x1"}; others are constants.
        links: such as {"p": "probit"}: logit, probit, cloglog, log, identity, inverse.
        fix: parameters held at a value.
        by: column or columns whose values name groups, each fitted apart.
        where: SQL condition that rows must meet.
        missing: "drop" rows with missing values, or "error".
        encoding, delimiter, no_header: of a file of text; see `reading.Request`.
        options: how to fit and what to report.
        event: column, 1 where the response was observed and 0 where it is right-censored.
        lower, upper: columns of the ends of intervals, in place of a response.
        below, above: limits outside which no row could be seen, columns or numbers.
        **roles: further attributes of `Plan`: offset, exposure, weight, trials, cluster, levels.

    Returns:
        A `Regression`; a list of them with `by`.

    Raises:
        DataError: the data cannot be fitted.
        UsageError: an unknown family, parameter, link or column; a formula that cannot be read.
    """
    groups = (by,) if isinstance(by, str) else tuple(by)
    path = reading.source_of(data)
    limits = (None if v is None else str(v) for v in (below, above))
    named: dict[str, Any] = {k: str(v) if isinstance(v, (int, float)) else v for k, v in roles.items()}
    for name in named:
        if name not in ROLES:
            raise UsageError(no_option(name, (*named_arguments(regress)[2:], *ROLES), "regress", **WORDS))
    plan = Plan(
        formula, family, dict(formulas or {}), dict(links or {}), dict(fix or {}), by=groups, lower=lower,
        censoring=Censoring(event, upper, *limits), **named,
    )  # fmt: skip
    request = reading.Request(
        path, where=where, missing=missing, encoding=encoding, delimiter=delimiter, no_header=no_header
    )
    fits = run(plan, request, options)
    return fits if groups else fits[0]


def run(plan: Plan, request: reading.Request, options: Options | None = None) -> list[Regression]:
    """Read what a plan needs and fit it, group by group; errors as in `regress`."""
    options = options or Options()
    base = registry.get(plan.family) if isinstance(plan.family, str) else plan.family
    if base.name == "ordinal" and plan.links.get("location") in ("probit", "cloglog", "logit"):
        # The link of ordered labels is the distribution behind them, not one of the location.
        links = {name: link for name, link in plan.links.items() if name != "location"}
        name = {"logit": "ordinal"}.get(plan.links["location"], f"ordinal-{plan.links['location']}")
        base, plan = registry.get(name), replace(plan, links=links)
    if isinstance(base, Density) and len(base.columns) > 1:
        named = " and ".join(repr(name) for name in base.columns)
        raise UsageError(
            f"the density names the columns {named}; in a regression it names the response only, and "
            "the formula the others"
        )
    source = request.open()
    kinds = reading.columns(request)
    response, right = sides(plan.formula)
    terms = parse(right, tuple(kinds))
    others = {name: parse(text.rpartition("~")[2].strip() or "1", tuple(kinds)) for name, text in plan.formulas.items()}
    if not response and plan.lower is None:
        raise UsageError(f'the formula {plan.formula!r} names no response; write "y ~ x"')
    wanted = _request(plan, replace(request, path=source), base, response, (terms, *others.values()), kinds)
    table = reading.read(wanted)
    rows = _rows(plan, table, wanted, base, response, request.missing)
    if not rows.n:
        if plan.weight is not None and not table.numeric["weight"].any():
            raise DataError(f"every weight in column {plan.weight!r} is zero, so there is nothing to fit")
        raise DataError(f"no row of {source.name} has a value of every column used")
    if plan.cluster is not None:
        options = replace(options, errors="cluster")
    parts: list[tuple[dict[str, Any] | None, slice, int]] = [(None, slice(0, rows.n), len(rows.lost))]
    if plan.by:
        rows, parts = _grouped(plan, rows, table)
    model = _Cases(plan, base, response, terms, others, rows)
    column = response or f"{plan.lower} to {plan.censoring.upper}"
    if plan.by:
        groups = [model.group(rows.take(place), place, group or {}, dropped) for group, place, dropped in parts]
        fits = fit_groups(groups, options, formula=plan.formula, column=column)
    else:
        case = model.case(rows, parts[0][1], None, parts[0][2])
        fits = fit_regressions([case], options, formula=plan.formula, column=column)
    said = _outside(plan, rows, table) if plan.by else ()
    return [replace(fit, warnings=(*fit.warnings, *said)) for fit in fits] if said else fits


def _outside(plan: Plan, rows: _Rows, table: reading.Table) -> tuple[str, ...]:
    """What to say of rows without a group, and of groups without a row."""
    stray = sum(min(codes) < 0 for codes in rows.lost)
    levels = [table.labels[f"by{i}"].levels for i in range(len(plan.by))]
    present = set(zip(*(codes.tolist() for codes in rows.by), strict=True))
    lost = Counter(codes for codes in rows.lost if min(codes) >= 0 and codes not in present)
    absent = {tuple(v[code] for v, code in zip(levels, key, strict=True)): lost[key] for key in sorted(lost)}
    return outside(plan.by, stray, absent)


@dataclass(frozen=True, eq=False)
class _Rows:
    """Complete rows by role; `lost` are the group's codes of every row that was left out."""

    y: Column
    columns: Mapping[str, Column]
    numeric: Mapping[str, Array]
    by: tuple[Any, ...]
    cluster: Any
    n: int
    lost: tuple[tuple[int, ...], ...]

    def take(self, keep: Any) -> _Rows:
        """Rows by mask, place or slice; labels that no row has any more are no levels."""

        def part(column: Column) -> Column:
            return column[keep].used() if isinstance(column, Codes) else column[..., keep]

        y = part(self.y)
        return _Rows(
            y, {k: part(v) for k, v in self.columns.items()}, {k: v[keep] for k, v in self.numeric.items()},
            tuple(b[keep] for b in self.by), None if self.cluster is None else self.cluster[keep],
            int(y.codes.size if isinstance(y, Codes) else y.shape[-1]), self.lost,
        )  # fmt: skip


def _grouped(
    plan: Plan, rows: _Rows, table: reading.Table
) -> tuple[_Rows, list[tuple[dict[str, Any] | None, slice, int]]]:
    """The rows sorted by group; of each group, in the order of the labels, these, its place, and its lost rows."""
    rows = rows.take(np.lexsort(rows.by[::-1]))
    keys = np.stack(rows.by)
    starts = np.flatnonzero(np.any(keys[:, 1:] != keys[:, :-1], axis=0)) + 1
    levels = [table.labels[f"by{i}"].levels for i in range(len(plan.by))]
    parts: list[tuple[dict[str, Any] | None, slice, int]] = []
    lost = Counter(rows.lost)
    for start, stop in pairwise([0, *starts.tolist(), rows.n]):
        key = keys[:, start].tolist()
        group = {n: v[code] for n, v, code in zip(plan.by, levels, key, strict=True)}
        parts.append((group, slice(start, stop), lost[tuple(key)]))
    return rows, parts


def _request(
    plan: Plan,
    request: reading.Request,
    family: Family,
    response: str,
    terms: Sequence[Terms],
    kinds: Mapping[str, reading.ColumnKind],
) -> reading.Request:
    """The request with every role's column."""
    numeric: dict[str, str] = {}
    labels: dict[str, str] = {}
    if plan.lower is not None or plan.censoring.upper is not None:
        if plan.lower is None or plan.censoring.upper is None:
            raise UsageError("intervals need both --lower and --upper: the columns of their two ends")
        if response:
            raise UsageError('--lower and --upper are the response; write the formula as "~ x"')
        numeric["y"] = plan.lower
    elif family.labels or (family.name == "bernoulli" and kinds.get(response) in ("text",)):
        labels["y"] = response
    elif kinds.get(response) in ("text", "date"):
        raise DataError(
            f"the response {response!r} is {kinds[response]}, and {family.name} needs numbers ({family.support})"
        )
    else:
        numeric["y"] = response if response in kinds else _in_sql(response)
    needed = family.columns[1:]
    if needed and plan.trials is None:
        raise UsageError(f"{family.name} needs --{needed[0]}: a column or a number")
    if not needed and plan.trials is not None:
        raise UsageError(f"{family.name} takes no trials; leave --trials out")
    single = {"weight": plan.weight, "offset": plan.offset, "exposure": plan.exposure}
    numeric |= {role: name for role, name in single.items() if name is not None} | trials_column(plan.trials)
    numeric |= plan.censoring.columns()
    labels |= {f"by{i}": name for i, name in enumerate(plan.by)}
    if plan.cluster is not None:
        labels["cluster"] = plan.cluster
    names = list(dict.fromkeys(name for t in terms for name in t.names))
    factors = {n for n in names if all(n in t.factors for t in terms if n in t.names)}
    for name in names:
        (labels if kinds[name] in ("text", "date") or name in factors else numeric)[f"x:{name}"] = name
    return replace(request, numeric=numeric, labels=labels, missing="keep")


def _rows(
    plan: Plan, table: reading.Table, request: reading.Request, family: Family, response: str, missing: str
) -> _Rows:
    """Complete rows, every value checked."""
    known = {"y", *plan.censoring.columns()}
    y: Column
    if "y" in table.labels:
        y = Codes(table.labels["y"].codes, table.labels["y"].levels)
        keep = ~y.missing
    else:
        first = table.numeric["y"]
        trials = trials_of(table, plan.trials)
        y = np.stack([first, *(() if trials is None else (trials,))])
        y = plan.censoring.response(family, y, table, request) if plan.censoring else y
        keep = np.asarray(~np.isnan(y).any(axis=0))
        y = y[0] if len(y) == 1 else y
    for role, values in table.numeric.items():
        if role not in known:
            keep &= ~np.isnan(values)
    for labels in table.labels.values():
        keep &= labels.codes >= 0
    whole = keep.copy()
    if not whole.all() and missing == "error":
        row = int(np.flatnonzero(~keep)[0])
        roles = [r for r, v in table.numeric.items() if np.isnan(v[row])]
        roles += [r for r, v in table.labels.items() if v.codes[row] < 0]
        place = reading.locate(request, roles[0], row)
        name = {**request.numeric, **request.labels}[roles[0]]
        raise DataError(f"column {name!r} has no value on {place}; leave --missing error out to drop such rows")
    numeric = {role: v for role, v in table.numeric.items() if not role.startswith("x:") and role not in known}

    def refuse(bad: Any, role: str, why: str) -> None:
        found = np.flatnonzero(bad & keep)
        if found.size:
            place = reading.locate(request, role, int(found[0]))
            raise DataError(f"{place.value!r} in column {request.numeric[role]!r} on {place} {why}")

    if "weight" in numeric:
        refuse(numeric["weight"] < 0, "weight", "is a negative weight")
        keep &= numeric["weight"] > 0
    if "exposure" in numeric:
        refuse(numeric["exposure"] <= 0, "exposure", "is no exposure: its logarithm is added, so it must be positive")
    if not isinstance(y, Codes):
        wrapped = plan.censoring.wrap(family) if plan.censoring else family
        with np.errstate(all="ignore"):
            outside = ~wrapped.inside(y)
        strange = np.flatnonzero(outside & keep)
        if strange.size and plan.censoring:
            row = int(strange[0])
            said = plan.censoring.problem(np.atleast_2d(y)[:, row], reading.locate(request, "y", row))
            if said:
                raise DataError(said)
        if not plan.censoring and "trials" in family.columns:
            few = outside & family.support.contains(np.atleast_2d(y)[0])
            refuse(few, "y", "cannot come of that row's trials: trials are whole numbers, none less than its count")
        refuse(outside, "y", f"is outside the support of {family.name} ({family.support})")
    columns: dict[str, Column] = {}
    for role, values in table.numeric.items():
        if role.startswith("x:"):
            columns[role[2:]] = values
    for role, labels in table.labels.items():
        if role.startswith("x:"):
            columns[role[2:]] = Codes(labels.codes, labels.levels)
    cluster = table.labels["cluster"].codes if plan.cluster is not None else None
    by = tuple(table.labels[f"by{i}"].codes for i in range(len(plan.by)))
    codes = [b[~whole].tolist() for b in by] or [[0] * int((~whole).sum())]
    rows = _Rows(y, columns, numeric, by, cluster, table.n, tuple(zip(*codes, strict=True)))
    return rows.take(keep)


@dataclass(frozen=True, eq=False)
class _Cases:
    """What makes a regression of a group's rows; `rows` are those of all groups.

    What groups have in common is made once: the family, and the columns of a formula where nothing in them depends on
    which rows there are.
    """

    plan: Plan
    base: Family
    response: str
    terms: Terms
    others: Mapping[str, Terms]
    rows: _Rows
    families: dict[tuple[str, ...], tuple[Family, Family]] = field(default_factory=dict)
    designs: dict[str, tuple[Array, Encoded] | None] = field(default_factory=dict)

    def case(self, rows: _Rows, place: slice, group: Mapping[str, Any] | None, dropped: int) -> Case:
        """A group's rows, which are those at `place`, as a regression; `dropped` rows missed a value.

        Raises:
            DataError, UsageError: as `regress`.
        """
        plan, base = self.plan, self.base
        levels: tuple[str, ...] = ()
        if isinstance(rows.y, Codes):
            levels, y = _labels(plan, rows.y, base, self.response)
        else:
            y = rows.y
        scored, wrapped = self._family(levels)
        names = score_names(scored)
        main = _main(scored, plan, self._held(names))
        for name in self.others:
            if name not in names:
                raise UsageError(f"--formula: {base.name} has no free parameter {name!r} (it has {', '.join(names)})")
            if len(main) == 1 and names.index(name) in main and self.others[name].text != self.terms.text:
                raise UsageError(f"--formula: {name} is what {plan.formula!r} models; write all its terms there")
        x, encoded = self._design(self.terms, rows, place)
        base_score = _base(plan, rows, scored, main)
        blocks: list[Block] = []
        keep: list[Encoded | None] = []
        for j, name in enumerate(names):
            mine: Encoded | None = None
            further = self.others.get(name)
            if further is None and j not in main and scored.along([name]) is not scored:
                further = parse("1", ())  # a constant score of a weight is no constant weight where the others vary
            if further is not None:
                own, mine = self._design(further, rows, place)
                blocks.append(Block(name, mine.columns, own, encoded=mine, base=base_score if j in main else None))
            elif j in main:
                mine = encoded
                chosen, columns = x, encoded.columns
                if base.name.startswith("ordinal"):  # the cuts stand for the intercept
                    at = [i for i, c in enumerate(columns) if c != "Intercept"]
                    chosen, columns = x[:, at], tuple(columns[i] for i in at)
                blocks.append(Block(name, columns, chosen, encoded=mine, base=base_score))
            else:
                blocks.append(Block(name, (name,), np.ones((rows.n, 1)), plain=True))
            keep.append(mine)
        recipe = {
            "family": registry.text(base),
            "levels": list(levels),
            "links": dict(plan.links),
            "fixed": dict(plan.fix),
        }
        scorer = LinearScorer(scored, tuple(keep), (), main, plan.offset or "", plan.exposure or "", recipe)
        clusters = None if rows.cluster is None else np.unique(rows.cluster, return_inverse=True)[1]
        return Case(wrapped, y, blocks, rows.numeric.get("weight"), clusters, group, dropped, scorer)

    def group(self, rows: _Rows, place: slice, group: Mapping[str, Any], dropped: int) -> Case | Refused:
        """As `case`, or why the group has no regression.

        Raises:
            UsageError: as `regress`.
        """
        try:
            with within(group):
                return self.case(rows, place, group, dropped)
        except DataError as error:
            weight = rows.numeric.get("weight")
            return Refused(group, rows.n, float(rows.n if weight is None else weight.sum()), dropped, error)

    def _held(self, names: Sequence[str]) -> bool:
        """Whether the parameter that the response's formula models is fixed; such a formula can have no terms.

        Raises:
            UsageError: it has some.
        """
        plan = self.plan
        family = modelled(self.base, plan.links) if plan.fix and not self.base.labels else self.base
        if not plan.fix or family.size != len(family.parameters):
            return False
        name = family.names[_main(family, plan)[0]]
        if name not in plan.fix or name in family.irregular - family.informative:
            return False
        if not names:
            raise UsageError(f"every parameter of {self.base.name} is fixed; there is nothing to fit")
        if self.terms.names:
            raise UsageError(
                f"{plan.formula!r} models {name}, which --fix {name}={plan.fix[name]:g} holds; leave {name} free, or "
                f'model {names[0]} with "{self.response} ~ 1" and --formula "{names[0]} ~ {self.terms.text}"'
            )
        return True

    def _family(self, levels: tuple[str, ...]) -> tuple[Family, Family]:
        """As modelled, plain and with what is known of its rows."""
        if levels not in self.families:
            plan = self.plan
            family = modelled(self.base.bind(levels) if self.base.labels else self.base, plan.links)
            scored = family.pin(plan.fix) if plan.fix else family
            self.families[levels] = scored, plan.censoring.wrap(scored) if plan.censoring else scored
        return self.families[levels]

    def _design(self, terms: Terms, rows: _Rows, place: slice) -> tuple[Array, Encoded]:
        """The columns of a group: rows of those of all groups where they are the same."""
        if rows is self.rows:
            return learn(terms, rows.columns, rows.n)
        if terms.text not in self.designs:
            try:
                whole = learn(terms, self.rows.columns, self.rows.n)
            except DataError:  # said of the group that it concerns
                self.designs[terms.text] = None
            else:
                self.designs[terms.text] = None if whole[1].state else whole
        shared = self.designs[terms.text]
        if shared is None or any(
            isinstance(c := rows.columns[name], Codes) and c.levels != shared[1].levels[name] for name in terms.names
        ):
            return learn(terms, rows.columns, rows.n)
        return shared[0][place], shared[1]


def _labels(plan: Plan, column: Codes, family: Family, response: str) -> tuple[tuple[str, ...], Array]:
    """Labels in their order, and the code of each row."""
    found = column.used()
    levels = plan.levels or found.levels
    strange = [level for level in found.levels if level not in levels]
    if strange or len(set(levels)) != len(levels):
        raise UsageError(
            f"--levels must name every label of {response!r} once; {strange[0] if strange else levels[0]!r} is not so"
        )
    if len(levels) < 2:
        raise DataError(f"the response {response!r} has the single label {levels[0]!r}; there is nothing to tell apart")
    if not family.labels and len(levels) != 2:
        raise DataError(
            f"{family.name} needs a response of two labels; {response!r} has {len(levels)}; use --dist categorical"
        )
    if family.labels and set(levels) != set(found.levels):
        unused = [level for level in levels if level not in found.levels]
        raise DataError(f"no row has the label {unused[0]!r} of {response!r}; leave it out of --levels")
    if len(levels) > 200:
        raise DataError(
            f"the response {response!r} has {len(levels)} labels, more than a regression of labels takes (200)"
        )
    return tuple(levels), found.among(levels).astype(float)


def _main(family: Family, plan: Plan, held: bool = False) -> tuple[int, ...]:
    """Which scores the formula of the response models; none where their parameter is held."""
    if held and (plan.offset is not None or plan.exposure is not None):
        raise UsageError("--offset and --exposure add to a parameter that --fix holds; leave them out")
    if held:
        return ()
    names = score_names(family)
    if family.size != len(family.parameters):
        return tuple(range(family.size))
    if not names:
        raise UsageError(f"every parameter of {family.name} is fixed; there is nothing to fit")
    ends = family.irregular - family.informative  # tied to values of the data, so rather a constant
    able = [name for name in names if name not in ends] or list(names)
    return (names.index(next((name for name in MAIN if name in able), able[0])),)


def _base(plan: Plan, rows: _Rows, family: Family, main: tuple[int, ...]) -> Array | None:
    """Offset and log exposure of every row."""
    total = None
    if plan.offset is not None:
        total = rows.numeric["offset"]
    if plan.exposure is not None:
        link = family.parameters[main[0]].link
        if not isinstance(link, Log):
            raise UsageError(
                f"--exposure multiplies a parameter with a log link; {family.parameters[main[0]].name} has the link "
                f"{link.name}"
            )
        logs = np.log(rows.numeric["exposure"])
        total = logs if total is None else total + logs
    return total


def _in_sql(response: str) -> str:
    """The left side of a formula, whose log is the natural logarithm, in SQL, whose log is that to base 10."""
    return re.sub(r"\blog\(", "ln(", response)


def model_of(fit: Regression, plan: Plan) -> Model:
    """A regression as a saved model predicts and evaluates with it."""
    base = root(fit.family)
    levels = tuple((fit.scorer.recipe or {}).get("levels", ()))
    response = sides(plan.formula)[0]
    with np.errstate(all="ignore"):
        constant = native(fit.family, fit.constant[:, None])[:, 0]
    name = _in_sql(response) if response else plan.lower or fit.column
    target = Target(name, levels, plan.trials or "", plan.censoring.known())
    record = {"loss": base.name, **fit.to_dict(), "stopped": "converged"}
    return Model(base, base.name, target, fit.scorer, constant, record)
