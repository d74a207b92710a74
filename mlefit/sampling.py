"""Draws from a family at given parameters, or from the distribution that a saved model gives each row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np

from mlefit import reading
from mlefit.censoring import trials_column, trials_of
from mlefit.errors import DataError, UsageError
from mlefit.families import registry
from mlefit.families.base import Family
from mlefit.families.links import Array
from mlefit.families.nomenclature import no_parameter
from mlefit.features import columns_of
from mlefit.inference.bootstrap import draw
from mlefit.inference.model import Model
from mlefit.predicting import feature_request

ROWS: Final = 2**16  # drawn at once


def at(family: str | Family, parameters: Mapping[str, float]) -> tuple[Family, Array]:
    """A family and its scores (k,) at values of all its parameters.

    Raises:
        UsageError: a parameter that is missing, unknown or outside its domain.
    """
    chosen = registry.get(family) if isinstance(family, str) else family
    if chosen.labels:
        chosen = chosen.bind([name.removeprefix("p[").removesuffix("]") for name in parameters])
    parameters = chosen.completed(parameters)
    for name in parameters:
        if name not in chosen.names:
            raise UsageError(no_parameter(chosen.name, name, chosen.names))
    absent = [name for name in chosen.names if name not in parameters]
    if absent:
        raise UsageError(f"{chosen.name} needs a value of {', '.join(absent)}, such as --params {absent[0]}=1")
    for p in chosen.parameters:
        if not p.allows(parameters[p.name]):
            raise UsageError(
                f"{p.name}={parameters[p.name]:g} is outside the domain of {chosen.name}, which has {p.domain}"
            )
    theta = np.array([parameters[name] for name in chosen.names], dtype=float)
    left = chosen.remainder
    if left is not None and sum(parameters[name] for name in left.others) >= left.total:
        raise UsageError(f"{' and '.join(left.others)} leave nothing of {left.total:g} for {left.name}")
    if chosen.labels and abs(theta.sum() - 1) > 1e-9:
        raise UsageError(f"the probabilities of {chosen.name} add up to {theta.sum():g}, not to 1")
    with np.errstate(all="ignore"):
        return chosen, chosen.forward(theta[:, None])[:, 0]


def draws(
    family: Family, eta: Array, n: int, seed: int, trials: float | None = None, *, name: str = "y"
) -> Iterator[dict[str, Any]]:
    """Chunks of n draws at scores (k,), as columns: the draws by `name`, and the trials where the family has them.

    Raises:
        UsageError: a negative n, trials where there are none or the other way round, or a family that cannot be drawn
            from.
    """
    if n < 0:
        raise UsageError(f"a number of draws is 0 or more; {n} is not")
    if (trials is not None) != (len(family.columns) > 1):
        raise UsageError(f"{family.name} {'takes no' if trials is not None else 'needs'} --trials")
    generator = np.random.default_rng(seed)
    chosen = family if trials is None else family.given(np.full(1, trials))
    labels = np.array([each.removeprefix("p[").removesuffix("]") for each in family.names], dtype=object)
    for begin in range(0, max(n, 1), ROWS):
        size = min(ROWS, n - begin)
        values = draw(chosen, generator, eta[:, None], size)
        if np.isnan(values).any():
            raise UsageError(f"these parameters make no distribution of {family.name}")
        if values.ndim == 1:
            yield {name: labels[values.astype(int)] if family.labels else whole(family, values)}
        else:
            yield {name: whole(family, values[0]), "trials": whole(family, np.broadcast_to(values[1], size))}


def whole(family: Family, values: Array) -> Any:
    """Counts as integers, so that they are written without a point."""
    return values.astype(np.int64) if family.discrete and np.isfinite(values).all() else values


def draws_of(model: Model, request: reading.Request, seed: int) -> Iterator[dict[str, Any]]:
    """The rows of a source with one draw each from the model's distribution there.

    The draws' column is named after the target, with _drawn where the rows have a column of that name. Rows that miss
    a feature keep their place without a draw.

    Raises:
        DataError: a feature is absent, or a value is not of its kind.
        UsageError: the model's family cannot be drawn from.
    """
    wanted = replace(feature_request(model, request), missing="keep")
    names = [c.name for c in wanted.open().columns]
    numeric = dict(wanted.numeric) | trials_column(model.target.trials)
    wanted = replace(wanted, numeric=numeric, texts={f"t{i}": name for i, name in enumerate(names)})
    generator = np.random.default_rng(seed)
    name = model.target.name
    while name in names:
        name += "_drawn"
    levels = np.array(model.target.levels, dtype=object)
    roles = [f"x{i}" for i in range(len(model.features))]
    for part in reading.read_chunks(wanted):
        if not part.n:
            continue
        scored = model.scorer.scores(dict(zip(model.features, columns_of(part, roles), strict=True)), part.n)
        good = ~scored.missing
        trials = trials_of(part, model.target.trials)
        if trials is not None:
            good &= ~np.isnan(trials)
        family = model.family if trials is None else model.family.given(trials[good])
        values = draw(family, generator, np.ascontiguousarray(scored.eta[:, good]), int(good.sum()))
        values = values if values.ndim == 1 else values[0]
        found = np.full(part.n, None if levels.size else np.nan, dtype=object if levels.size else float)
        found[good] = levels[values.astype(int)] if levels.size else values
        if not levels.size:
            found = whole(model.family, found)
        yield {**{n: part.texts[f"t{i}"] for i, n in enumerate(names)}, name: found}


def constant_scores(model: Model) -> Array:
    """The scores (k,) of a model that needs no columns.

    Raises:
        DataError: it does need some.
    """
    if model.features:
        raise DataError(f"this model predicts from {', '.join(model.features)}: give the rows to draw for as DATA")
    return model.scorer.scores({}, 1).eta[:, 0]
