"""Models used on the rows of a file or a table: predictions and evaluations, for the commands and Python alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlefit import reading
from mlefit.censoring import Censoring, trials_column, trials_of
from mlefit.errors import DataError, UsageError
from mlefit.features import columns_of, roles
from mlefit.inference.encoding import Codes
from mlefit.inference.evaluation import Evaluation
from mlefit.inference.learning import Table
from mlefit.inference.model import Model, Scored
from mlefit.inference.prediction import evaluate_columns, predict_columns


def feature_request(model: Model, request: reading.Request) -> reading.Request:
    """The request that reads a model's features from another source.

    Raises:
        DataError: a feature is not there.
    """
    path = request.open()
    kinds = reading.columns(request)
    learnt = dict.fromkeys(model.labelled, "text")
    numeric, labels = roles(model.features, learnt)
    wanted = replace(request, path=path, numeric=numeric, labels=labels)
    absent = [name for name in model.features if name not in kinds]
    if absent:
        try:
            for name in absent:
                next(reading.read_chunks(replace(wanted, numeric={"x": name}, labels={}, missing="keep")), None)
        except UsageError:
            names = ", ".join(absent)
            raise DataError(
                f"{path.name} lacks the model's feature{'s' * (len(absent) > 1)} {names}; its columns are "
                f"{', '.join(kinds)}"
            ) from None
    return wanted


def checked(model: Model, request: reading.Request) -> reading.Request:
    """The request, opened, once every value it will need has been read without complaint.

    Raises:
        DataError: a feature is absent, or a value is not of its kind.
    """
    wanted = replace(feature_request(model, request), missing="keep")
    if wanted.numeric or wanted.labels:
        for _ in reading.read_chunks(wanted):
            pass
    return replace(request, path=wanted.path)


def predictions(
    model: Model,
    request: reading.Request,
    *,
    quantiles: Sequence[float] = (),
    interval: float | None = None,
    keep: bool = True,
    told: Callable[[Scored], None] | None = None,
) -> Iterator[dict[str, Any]]:
    """Predictions of every row, chunk by chunk in bounded memory; see `prediction.predict_columns`.

    Args:
        model: what predicts.
        request: the rows; missing features leave a row's predictions empty.
        quantiles, interval: what else to predict.
        keep: whether the input's columns come first, as text.
        told: of every chunk's scores, among them the rows that have none.
    """
    wanted = replace(feature_request(model, request), missing="keep")
    names = [c.name for c in request.open().columns] if keep else []
    wanted = replace(wanted, texts={f"t{i}": name for i, name in enumerate(names)})
    if not (wanted.numeric or wanted.labels or wanted.texts):  # a constant model still needs its rows counted
        first = request.open().columns[0].name
        wanted = replace(wanted, texts={"t": first})
    roles_ = [f"x{i}" for i in range(len(model.features))]
    for part in reading.read_chunks(wanted):
        if not part.n:
            continue
        columns = dict(zip(model.features, columns_of(part, roles_), strict=True))
        found = predict_columns(model, columns, part.n, quantiles, interval)
        if told is not None:
            told(found.scored)
        kept = {name: part.texts[f"t{i}"] for i, name in enumerate(names)}
        yield {**kept, **{_free(name, kept): values for name, values in found.columns.items()}}


def _free(name: str, taken: Mapping[str, Any]) -> str:
    """A prediction whose name the input has already is called `name_predicted`."""
    while name in taken:
        name += "_predicted"
    return name


def predict(model: Model, data: Any, quantiles: Sequence[float] = (), interval: float | None = None) -> Any:
    """Predictions as a DataFrame, a row a row; see `Model.predict`."""
    import pandas as pd

    request = reading.Request(reading.source_of(data))
    parts = [pd.DataFrame(p) for p in predictions(model, request, quantiles=quantiles, interval=interval, keep=False)]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def evaluate(model: Model, data: Any, weights: str | None = None, **options: Any) -> Evaluation:
    """An evaluation on data in memory or a file; see `Model.evaluate`."""
    return evaluate_request(model, reading.Request(reading.source_of(data), **options), weights)


def evaluate_request(model: Model, request: reading.Request, weights: str | None = None) -> Evaluation:
    """How a model predicts the rows of a source, which have the target too.

    Raises:
        DataError: a column is absent, or the target's values do not fit.
    """
    tables, dropped = outcome_tables([model], request, weights)
    return evaluate_columns(model, tables[0], dropped)


def outcome_tables(
    models: Sequence[Model], request: reading.Request, weights: str | None = None
) -> tuple[list[Table], int]:
    """The rows complete in every feature of models of one target, a table of its own features a model; rows dropped.

    Raises:
        DataError: a column is absent, the target's values do not fit, or weights are negative or all zero.
    """
    request = replace(request, path=request.open())
    for model in models:
        feature_request(model, request)
    target = models[0].target
    kinds = reading.columns(request)
    if target.name not in kinds and target.name.isidentifier():
        raise DataError(f"{request.open().name} lacks the target {target.name!r}; its columns are {', '.join(kinds)}")
    names = list(dict.fromkeys(name for model in models for name in model.features))
    numeric, labels = roles(names, {name: "text" for model in models for name in model.labelled})
    (labels if target.levels else numeric)["y"] = target.name
    if weights:
        numeric["weight"] = weights
    counted = next((model.target.trials for model in models if model.target.trials), "")
    numeric |= trials_column(counted)
    request, missing = replace(request, numeric=numeric, labels=labels), request.missing
    censoring = Censoring(**target.known)
    if censoring:  # an open end is an empty cell
        request = replace(request, numeric={**numeric, **censoring.columns()}, missing="keep")
    found = reading.read(request)
    columns = dict(zip(names, columns_of(found, [f"x{i}" for i in range(len(names))]), strict=True))
    y, weight, trials = columns_of(found, ["y"])[0], found.numeric.get("weight"), trials_of(found, counted)
    if weight is not None:
        negative = np.flatnonzero(weight < 0)
        if negative.size:
            place = reading.locate(request, "weight", found.first + int(negative[0]))
            raise DataError(f"the weight {place.value} in column {weights!r} on {place} is negative")
        if not weight.any():
            raise DataError(f"every weight in column {weights!r} is zero, so there is nothing to evaluate")
    tables = [Table({n: columns[n] for n in m.features}, y, weight, trials) for m in models]
    if not censoring:
        if not isinstance(y, Codes):
            _refuse_strange(models, y if trials is None else np.stack([y, trials]), request)
        return tables, found.dropped
    ends, keep = _ends(models[0], censoring, found, request)
    if missing == "error" and not keep.all():
        place = reading.locate(request, "y", int(np.flatnonzero(~keep)[0]))
        raise DataError(
            f"{place} misses a value of the target or of a feature; leave --missing error out to drop such rows"
        )
    return [replace(table, ends=ends).take(keep) for table in tables], int(found.n - keep.sum())


def _refuse_strange(models: Sequence[Model], y: NDArray[np.float64], request: reading.Request) -> None:
    """Refuse outcomes (n,), or (2, n) with the trials, outside the support of a model's family, by their place."""
    for family in dict.fromkeys(model.family for model in models):
        if len(family.columns) > np.ndim(y):
            continue
        with np.errstate(all="ignore"):
            strange = np.flatnonzero(~family.inside(y if len(family.columns) == np.ndim(y) else y[0]))
        if strange.size:
            row = int(strange[0])
            place = reading.locate(request, "y", row)
            found = f"{place.value!r} in column {request.numeric['y']!r} on {place}"
            if len(family.columns) > 1 and family.support.contains(y[0, row : row + 1])[0]:
                raise DataError(
                    f"{found} cannot come of {y[1, row]:g} trials: trials are whole numbers, none less than the count"
                )
            raise DataError(f"{found} is outside the support of {family.name} ({family.support})")


def _ends(
    model: Model, censoring: Censoring, found: reading.Table, request: reading.Request
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Rows (d, n) of the model's family as they were seen, and which of them are complete.

    Raises:
        DataError: an event that is neither 0 nor 1, ends in the wrong order, values outside the support.
    """
    trials = trials_of(found, model.target.trials)
    further = [] if trials is None else [trials]
    ends = censoring.response(model.family, np.stack([found.numeric["y"], *further]), found, request)
    keep = np.asarray(~np.isnan(ends).any(axis=0))
    for role, values in found.numeric.items():
        if role not in ("y", *censoring.columns()):
            keep &= ~np.isnan(values)
    for label in found.labels.values():
        keep &= label.codes >= 0
    with np.errstate(all="ignore"):
        strange = np.flatnonzero(keep & ~model.target.wrap(model.family).inside(ends))
    if strange.size:
        row = int(strange[0])
        role = "y" if np.isfinite(ends[0, row]) else "upper"
        place = reading.locate(request, role, row)
        raise DataError(
            censoring.problem(ends[:, row], place)
            or f"{place.value!r} in column {request.numeric[role]!r} on {place} is outside the support of "
            f"{model.family.name} ({model.family.support})"
        )
    return ends, keep
