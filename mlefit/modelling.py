"""From a file or a table to models, trained or constant: what the commands and Python share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from mlefit import reading
from mlefit.censoring import trials_column, trials_of
from mlefit.errors import DataError, UsageError, named_arguments, no_option
from mlefit.families import losses, registry
from mlefit.families.base import Family
from mlefit.features import columns_of, roles
from mlefit.inference import checkpoint as checkpoints
from mlefit.inference.derived import underlying
from mlefit.inference.encoding import Codes, Column
from mlefit.inference.fit import Fit
from mlefit.inference.learning import Prepared, Table, finish, prepare
from mlefit.inference.model import ConstantScorer, Model
from mlefit.inference.target import Target, wants_labels
from mlefit.inference.training import Settings, State, Watch, run
from mlefit.wording import in_python

# A text column chosen by default is left out when it has more labels than this and than half the rows: a name.
NAMES: Final = 20

# The bundled sample of each loss: file, target, further columns.
SAMPLES: Final[dict[str, tuple[str, str, str]]] = {
    "bce": ("breast_cancer", "diagnosis", ""),
    "cross-entropy": ("iris", "species", ""),
    "sparse-cross-entropy": ("wine", "cultivar", ""),
    "mse": ("diabetes", "progression", ""),
    "gaussian-nll": ("motorcycle", "accel", ""),
    "mae": ("diabetes", "progression", ""),
    "poisson": ("solder", "skips", ""),
}


@dataclass(frozen=True)
class Plan:
    """What to train on what; wherever a column is named, an SQL expression will do.

    Attributes:
        loss: a loss or a family.
        target: the column to predict.
        features: the columns to predict it from; None for every other one.
        weight, trials: columns (or a number of trials).
        validation: a file of rows to watch, or an SQL condition that marks them; None for a random share.
    """

    loss: str
    target: str
    features: tuple[str, ...] | None = None
    weight: str | None = None
    trials: str | None = None
    validation: str | None = None

    def to_dict(self) -> dict[str, Any]:
        features = None if self.features is None else list(self.features)
        return {**self.__dict__, "features": features}

    @staticmethod
    def from_dict(record: Mapping[str, Any]) -> Plan:
        features = record["features"]
        return Plan(**{**record, "features": None if features is None else tuple(features)})


@in_python(dist="loss", weight="weights")
def train(
    data: Any,
    loss: str = "mse",
    target: str = "",
    *,
    features: Sequence[str] | None = None,
    weights: str | None = None,
    trials: str | int | None = None,
    validation: float | str | None = None,
    where: str | None = None,
    missing: reading.Missing = "drop",
    encoding: str = "utf-8",
    delimiter: str | None = None,
    no_header: bool = False,
    settings: Settings | None = None,
    **options: Any,
) -> Model:
    """Train a network by maximum likelihood.

    Args:
        data: a DataFrame, a mapping of columns, or the path of a file.
        loss: bce, cross-entropy, mse, gaussian-nll, mae, poisson, or a family's name.
        target: the column to predict.
        features: the columns to predict it from; every other one by default.
        weights: a column of row weights.
        trials: a column or number of trials, for families of successes in trials.
        validation: a share of the rows, a file, or an SQL condition that marks the rows to watch.
        where: SQL condition that rows must meet.
        missing: "drop" rows with missing values, or "error".
        encoding, delimiter, no_header: of a file of text; see `reading.Request`.
        settings: how to train; or give its attributes as keywords: `hidden=(16,)`, `epochs=50` ...

    Raises:
        DataError: the data do not fit the loss, or the loss is no longer finite.
        UsageError: an unknown loss, column or option.
    """
    known = [field.name for field in fields(Settings)]
    for name in options:
        if name not in known:
            raise UsageError(no_option(name, (*named_arguments(train)[3:], *known), "train", dist="loss"))
    chosen = settings or Settings(**options)
    path = None
    if isinstance(validation, str):
        path, validation = validation, None
    if validation is not None:
        chosen = replace(chosen, validation=float(validation))
    if not target:
        raise UsageError("name the column to predict as target")
    plan = Plan(
        loss, target, None if features is None else tuple(features), weights,
        None if trials is None else str(trials), path,
    )  # fmt: skip
    request = reading.Request(
        reading.source_of(data), where=where, missing=missing, encoding=encoding, delimiter=delimiter,
        no_header=no_header,
    )  # fmt: skip
    return Run.open(request, plan, chosen).train()


@dataclass(frozen=True, eq=False)
class Run:
    """Training, ready to start.

    Attributes:
        plan: with its features named.
        prepared: rows, encoding, constant model and settings.
        state: where to go on, for a run resumed.
        notes: sentences for the user.
        dropped: rows left out for missing values.
    """

    plan: Plan
    prepared: Prepared
    state: State | None
    notes: tuple[str, ...]
    dropped: int

    @staticmethod
    def open(
        request: reading.Request, plan: Plan, settings: Settings, resume: checkpoints.Checkpoint | None = None
    ) -> Run:
        """Read the rows and decide everything before the first step; errors as in `train`.

        A checkpoint brings its own plan and settings, of which only the epochs can be changed.
        """
        epochs = settings.epochs
        if resume is not None:
            plan, settings = Plan.from_dict(resume.request), resume.settings
        loss = losses.get(plan.loss)
        family = loss.get_family()
        request = replace(request, path=request.open())
        plan, notes = _with_features(plan, request, family)
        table, dropped = read_table(request, plan, family)
        watched: Table | None = None
        if plan.validation is not None:
            table, watched = _apart(table, plan, request, family)
        if dropped:
            notes.append(f"{dropped} row{'s' * (dropped > 1)} with a missing value dropped")
        prepared = prepare(table, loss, settings, target=plan.target, trials=plan.trials or "", validation=watched)
        levels = prepared.target.levels
        if len(levels) == 2 and not family.labels:
            notes.append(f"p is the probability that {plan.target} is {levels[1]} (1), not {levels[0]} (0)")
        state = None
        if resume is not None:
            prepared, state = resume.resumed(prepared, epochs)
        return Run(plan, prepared, state, (*notes, *prepared.notes), dropped)

    def train(self, watch: Watch | None = None, checkpoint: str | Path | None = None, every: int = 5) -> Model:
        """Train to the end; every so many epochs the state goes to `checkpoint`.

        Raises:
            DataError: the loss is no longer finite, or the checkpoint cannot be written.
        """

        def keep(state: State) -> None:
            assert checkpoint is not None
            checkpoints.save(checkpoint, state, self.prepared, self.plan.to_dict())

        state = run(
            self.prepared.problem, self.prepared.settings, watch=watch, keep=keep if checkpoint else None,
            every=every, resume=self.state,
        )  # fmt: skip
        model = finish(self.prepared, state)
        return replace(model, record={**model.record, "dropped": self.dropped}, notes=self.notes)


def read_table(request: reading.Request, plan: Plan, family: Family) -> tuple[Table, int]:
    """The complete rows of a plan's columns, and how many others there were.

    Raises:
        DataError: text where numbers are needed, a value outside the family's support; the line is named.
        UsageError: an unknown column.
    """
    kinds = reading.columns(request)
    labelled = wants_labels(family)
    if not labelled and kinds.get(plan.target) in ("text", "date"):
        raise DataError(
            f"target {plan.target!r} is text, and {plan.loss} needs numbers; for labels use --loss bce (two of them) "
            "or cross-entropy (several)"
        )
    numeric, labels = roles(plan.features or (), kinds)
    (labels if labelled else numeric)["y"] = plan.target
    if plan.weight is not None:
        numeric["weight"] = plan.weight
    if len(family.columns) > 1:
        if plan.trials is None:
            raise UsageError(f"{family.name} needs --trials: a column or a number")
        numeric |= trials_column(plan.trials)
    elif plan.trials is not None:
        raise UsageError(f"{family.name} takes no trials; leave --trials out")
    wanted = replace(request, numeric=numeric, labels=labels)
    found = reading.read(wanted)
    y: Column = columns_of(found, ("y",))[0] if labelled else found.numeric["y"]
    if not isinstance(y, Codes):
        outside = np.flatnonzero(~family.support.contains(y)) if len(family.columns) == 1 else np.zeros(0, int)
        if outside.size:
            place = reading.locate(wanted, "y", int(outside[0]))
            raise DataError(
                f"{place.value!r} in target {plan.target!r} on {place} does not fit {plan.loss}, whose {family.name} "
                f"family needs {family.support}"
            )
    weight = found.numeric.get("weight")
    if weight is not None and (weight < 0).any():
        place = reading.locate(wanted, "weight", int(np.flatnonzero(weight < 0)[0]))
        raise DataError(f"the weight {place.value} in column {plan.weight!r} on {place} is negative")
    names = plan.features or ()
    features = dict(zip(names, columns_of(found, [f"x{i}" for i in range(len(names))]), strict=True))
    return Table(features, y, weight, trials_of(found, plan.trials)), found.dropped


def _with_features(plan: Plan, request: reading.Request, family: Family) -> tuple[Plan, list[str]]:
    """The plan with its features named, and what to say about the choice."""
    kinds = reading.columns(request)
    if not plan.target:
        raise UsageError(f"name the column to predict with --target; there are {', '.join(kinds)}")
    if plan.features is not None:
        if plan.target in plan.features:
            raise UsageError(f"{plan.target!r} is the target; it cannot be a feature too")
        return replace(plan, features=tuple(dict.fromkeys(plan.features))), []
    taken = {plan.target, plan.weight, plan.trials}
    chosen, left = [], []
    for name, kind in kinds.items():
        if name in taken:
            continue
        if kind == "date":
            left.append(f"{name} (a date)")
        elif kind == "text" and (count := _labels(request, name)) is not None:
            left.append(f"{name} ({count} different labels)")
        else:
            chosen.append(name)
    notes = [f"features: {', '.join(chosen) or 'none'}"]
    if left:
        notes.append(f"not used as features unless named by --features: {', '.join(left)}")
    return replace(plan, features=tuple(chosen)), notes


def _labels(request: reading.Request, name: str) -> int | None:
    """The number of labels of a column that looks like a name or an identifier; None for any other."""
    found = reading.read(replace(request, labels={"x": name}, missing="keep"))
    levels = len(found.labels["x"].levels)
    return levels if levels > max(NAMES, found.n / 2) else None


def _apart(table: Table, plan: Plan, request: reading.Request, family: Family) -> tuple[Table, Table]:
    """Training rows and rows to watch: from a file, or those that meet a condition."""
    assert plan.validation is not None
    if Path(plan.validation).is_file() or Path(plan.validation).suffix in (".csv", ".tsv", ".parquet", ".jsonl"):
        other = replace(request, path=plan.validation)
        return table, read_table(other, plan, family)[0]
    mark = replace(plan, features=(*(plan.features or ()), f"coalesce(({plan.validation}), false)"))
    both, _ = read_table(request, mark, family)
    *names, last = both.features
    held = both.features[last]
    assert not isinstance(held, Codes)
    table = replace(both, features={name: both.features[name] for name in names})
    if held.all() or not held.any():
        raise DataError(
            f"{'every' if held.all() else 'no'} row meets the condition --validation {plan.validation!r}, so there is "
            f"nothing to {'train on' if held.all() else 'validate on'}"
        )
    return table.take(held == 0), table.take(held != 0)


def sample_plan(loss: str) -> tuple[Plan, Path]:
    """The plan of a loss's bundled sample, and the file.

    Raises:
        UsageError: an unknown loss.
    """
    from mlefit.samples import sample_data

    found = losses.get(loss)
    file, target, trials = SAMPLES.get(found.name) or _fitting(found.get_family())
    return Plan(loss, target, trials=trials or None), sample_data(file)


def _fitting(family: Family) -> tuple[str, str, str]:
    """A bundled sample whose target a family can have given rise to."""
    support = family.support
    if family.labels:
        return SAMPLES["cross-entropy"]
    if len(family.columns) > 1:
        return "menarche", "menarche", "total"
    if family.name == "bernoulli":
        return SAMPLES["bce"]
    if family.discrete:
        return SAMPLES["poisson"]
    if support.upper == 1 and support.lower == 0:
        return "petrol", "yield_fraction", ""
    return SAMPLES["mse"] if support.lower > -np.inf else SAMPLES["gaussian-nll"]


def constant_model(fit: Fit, trials: str = "", known: Mapping[str, str] | None = None) -> Model:
    """A fit of one column as a model that gives every row the same distribution, that of uncensored values.

    `known` is as in `Target`: what its evaluation takes into account.

    Raises:
        DataError: the fit has no maximum.
        UsageError: a family that has no name to be found by again.
    """
    if not fit.converged:
        raise DataError(f"a fit of {fit.family.name} without a maximum is not saved")
    family = underlying(fit.family)
    registry.get(registry.text(family))
    levels = tuple(name.removeprefix("p[").removesuffix("]") for name in family.names) if family.labels else ()
    known = known or {}
    column = fit.column.removesuffix(f" to {known['upper']}") if "upper" in known else fit.column
    target = Target(column, levels, trials, known)
    return Model(family, family.name, target, ConstantScorer(fit.eta), fit.eta, fit.to_dict(), notes=fit.warnings)
