"""What a model says of rows: the parameters of each row's distribution and what follows from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlefit.errors import DataError, UsageError, no_level
from mlefit.families.base import Family
from mlefit.inference.encoding import Columns
from mlefit.inference.evaluation import Evaluation, calibration, is_labelled, measures, probabilities
from mlefit.inference.learning import Table, outcome, unseen_notes
from mlefit.inference.model import Model, Scored
from mlefit.inference.training import mean_nll

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Predictions:
    """Predicted columns of n rows by name; NaN or None in the rows that miss a feature."""

    columns: Mapping[str, NDArray[Any]]
    scored: Scored


def predict_columns(
    model: Model, columns: Columns, n: int, quantiles: Sequence[float] = (), interval: float | None = None
) -> Predictions:
    """What a model says of rows, column by column.

    The distribution's parameters by name, or the probability p[level] of every label; the most probable class, or the
    mean; quantiles; a central interval.

    Quantiles are called q0.05 and so on, the ends of an interval lower and upper.

    Raises:
        UsageError: a level outside (0, 1), or quantiles of a family that has none.
    """
    for level in (*quantiles, *(() if interval is None else (interval,))):
        if not 0 < level < 1:
            raise UsageError(no_level(level))
    scored = model.scorer.scores(columns, n)
    family, eta = model.family, scored.eta
    with np.errstate(all="ignore"):
        found: dict[str, NDArray[Any]] = {**family.told(family.inverse(eta))}
        if levels := model.target.levels:
            p = probabilities(family, eta)
            if family.labels:  # whatever the parameters are
                found = {f"p[{level}]": share for level, share in zip(levels, p, strict=True)}
            found["class"] = np.array(levels, dtype=object)[p.argmax(axis=0)]
        elif "mean" not in found:
            mean = _mean(family, eta)
            if mean is not None:
                found["mean"] = mean
        for level in quantiles:
            found[f"q{level:g}"] = _quantile(family, level, eta, n)
        if interval is not None:
            found["lower"] = _quantile(family, (1 - interval) / 2, eta, n)
            found["upper"] = _quantile(family, (1 + interval) / 2, eta, n)
    if scored.missing.any():
        for name, values in found.items():
            found[name] = values.copy()
            found[name][scored.missing] = None if values.dtype == object else np.nan
    return Predictions(found, scored)


def strange_notes(
    unseen: Mapping[str, Mapping[str, int]], undefined: Mapping[str, int], refused: str | None
) -> list[str]:
    """Sentences on levels never seen in training and on values at which a term is not defined.

    Args:
        unseen, undefined: counts of rows.
        refused: what became of such rows, where the model can say nothing of them.
    """
    found = unseen_notes(unseen, "the rows", refused) if refused else unseen_notes(unseen, "the rows")
    for term, count in undefined.items():
        found.append(
            f"{count} of the rows have a value at which {term} is not defined (beyond those it was fitted to, or not "
            f"in its domain); {refused}"
        )
    return found


def evaluate_columns(model: Model, table: Table, dropped: int = 0) -> Evaluation:
    """How the model's distributions fit the outcomes of complete rows; those of which it can say nothing are left out.

    Raises:
        DataError: outcomes that do not fit the model, or a feature of another kind; no row that it can predict.
    """
    family, weight = model.family, table.weight
    seen, y = outcome(model.target, table, family, model.loss)
    scored = model.scorer.scores(table.features, table.n)
    refused = "such rows were left out" if scored.refused else None
    notes = tuple(strange_notes(scored.unseen, scored.undefined, refused))
    if scored.missing.any():
        keep = ~scored.missing
        if not keep.any():
            raise DataError(f"no row can be predicted: {'; '.join(notes) or 'each misses a feature'}")
        found = evaluate_columns(model, table.take(keep), dropped + int((~keep).sum()) - scored.refused)
        return replace(found, refused=scored.refused, notes=(*notes, *found.notes))
    values: Array | None = y
    if seen is not family:
        hidden = table.n if seen.truncated else int((y[0] != y[1]).sum())
        values = None if hidden else y[0]
        if hidden:
            kind = "truncated" if seen.truncated else "censored"
            notes += (f"{hidden} of {table.n} rows are {kind}, so there is an NLL but no RMSE, CRPS and coverage",)
    with np.errstate(all="ignore"):
        return Evaluation(
            table.n,
            dropped,
            float(table.n if weight is None else weight.sum()),
            mean_nll(seen, y, weight, scored.eta),
            mean_nll(seen, y, weight, model.constants(table.features, table.n)),
            {} if values is None else measures(family, values, weight, scored.eta),
            () if values is None else calibration(family, values, weight, scored.eta),
            is_labelled(family),
            notes=notes,
        )


def _mean(family: Family, eta: Array) -> Array | None:
    try:
        return np.asarray(family.mean(eta))
    except NotImplementedError:
        return None


def _quantile(family: Family, level: float, eta: Array, n: int) -> Array:
    try:
        return np.asarray(family.quantile(np.full(n, level), eta))
    except NotImplementedError:
        raise UsageError(f"{family.name} has no quantiles; leave --quantile and --interval out") from None
