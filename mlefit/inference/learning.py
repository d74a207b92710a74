"""From a table of columns to a trained model: labels, encoding, constant model, training, final measures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mlefit.errors import DataError
from mlefit.families.base import Family
from mlefit.families.links import Identity
from mlefit.families.losses import Loss
from mlefit.inference.encoding import Codes, Column, Columns, Encoding
from mlefit.inference.evaluation import finite, measures
from mlefit.inference.fit import fit_sample, limited
from mlefit.inference.model import Model, NetworkScorer
from mlefit.inference.target import Target
from mlefit.inference.training import (
    Keep,
    Problem,
    Rows,
    Scores,
    Settings,
    State,
    Watch,
    mean_nll,
    run,
)  # fmt: skip
from mlefit.predictors.network import Network
from mlefit.sample import Sample

Array = NDArray[np.float64]

# A constant score beyond this (a probability of 1e-9) would leave the network no gradient to start with.
FAR: Final = 20.0


@dataclass(frozen=True, eq=False)
class Table:
    """Complete rows: features by name, the target, and where wanted weights and trials; all of one length.

    `ends` (d, n) are the rows of a target of which more is known than values, as its wrapped family takes them.
    """

    features: Columns
    target: Column
    weight: Array | None = None
    trials: Array | None = None
    ends: Array | None = None

    @property
    def n(self) -> int:
        return int((self.target.codes if isinstance(self.target, Codes) else self.target).shape[0])

    def take(self, rows: NDArray[Any]) -> Table:
        """These rows, by index or mask."""
        return Table(
            {name: values[rows] for name, values in self.features.items()},
            self.target[rows],
            None if self.weight is None else self.weight[rows],
            None if self.trials is None else self.trials[rows],
            None if self.ends is None else self.ends[:, rows],
        )


@dataclass(frozen=True, eq=False)
class Prepared:
    """Everything that is decided before the first step."""

    family: Family
    loss: Loss
    target: Target
    encoding: Encoding
    constant: Array
    problem: Problem
    settings: Settings
    notes: tuple[str, ...]


def prepare(
    table: Table,
    loss: Loss,
    settings: Settings,
    *,
    target: str = "y",
    trials: str = "",
    validation: Table | None = None,
) -> Prepared:
    """Labels, split, encoding and constant model.

    Args:
        table: rows to train on, and to take validation rows from unless they are given.
        loss: what to minimise.
        settings: how.
        target, trials: names of the columns.
        validation: rows to watch.

    Raises:
        DataError: no rows; a target that does not fit the loss; a constant model that does not exist.
    """
    if table.n == 0:
        raise DataError("there are no rows to train on")
    weight = table.weight
    if weight is not None and not (np.isfinite(weight).all() and (weight >= 0).all() and weight.any()):
        raise DataError("weights must be finite, not negative, and not all zero")
    if weight is not None and not weight.all():
        table = table.take(weight > 0)
    family = loss.get_family()
    goal = Target.learn(target, table.target, family, loss.name, trials)
    if goal.levels:
        family = family.bind(goal.levels)
    y = response(goal, table, family, loss.name)
    share = settings.validation if settings.validation is not None else (0.2 if settings.hidden else 0.0)
    watched: NDArray[np.bool_] | None = None
    watched_y: Array | None = None
    if validation is None and share > 0 and int(table.n * share) >= 1:
        watched = split(y, share, settings.seed, bool(goal.levels))
        training, validation = table.take(~watched), table.take(watched)
        y, watched_y = y[..., ~watched], y[..., watched]
    else:
        training = table
        if validation is not None:
            watched_y = response(goal, validation, family, loss.name)
    settings = replace(settings, validation=share if watched is not None else 0.0).resolve(training.n)
    encoding = Encoding.learn(training.features)
    rows = Rows(encoding.encode(training.features, training.n).x, y, training.weight)
    watched_rows = None
    notes = []
    if validation is not None and watched_y is not None:
        inputs = encoding.encode(validation.features, validation.n)
        watched_rows = Rows(inputs.x, watched_y, validation.weight)
        notes += unseen_notes(inputs.unseen, "the validation rows")
    if encoding.constant:
        names = ", ".join(encoding.constant)
        notes.append(f"constant in the training rows, so without effect: {names}")
    constant = constant_scores(family, rows, target)
    with limited(family):
        scores = Scores(
            family, loss, np.clip(constant, -FAR, FAR) if clipped(family) else constant, scales(family, rows, constant)
        )
        check_trainable(scores, rows)
    return Prepared(family, loss, goal, encoding, constant, Problem(scores, rows, watched_rows), settings, tuple(notes))


def train_table(
    prepared: Prepared,
    *,
    watch: Watch | None = None,
    keep: Keep | None = None,
    every: int = 5,
    resume: State | None = None,
) -> Model:
    """Train and measure; see `training.run` for the arguments.

    Raises:
        DataError: the loss is no longer finite.
    """
    state = run(prepared.problem, prepared.settings, watch=watch, keep=keep, every=every, resume=resume)
    return finish(prepared, state)


def finish(prepared: Prepared, state: State) -> Model:
    """The model of a state's best weights, measured in double precision on all rows."""
    problem, settings, family = prepared.problem, prepared.settings, prepared.family
    free = problem.scores.free
    network = Network(prepared.encoding.width, settings.hidden, int(free.sum()), settings.activation)
    network.theta[:] = state.best
    scores = problem.scores
    scorer = NetworkScorer(prepared.encoding, network, scores.start, scores.scale, free)
    train = problem.train
    with np.errstate(all="ignore"):
        eta = scorer.of(train.x)
        scores = scores.share(train.y, train.weight, eta)
        scorer = replace(scorer, start=scores.start)
        record: dict[str, Any] = {
            "loss": prepared.loss.name,
            "family": family.name,
            "target": prepared.target.name,
            "levels": list(prepared.target.levels),
            "features": list(prepared.encoding.names),
            "parameters_count": scorer.parameters_count,
            "epochs": len(state.history) - 1,
            "best_epoch": state.best_epoch,
            "stopped": state.stopped or "epochs",
            "train": part(family, train, eta),
        }
        rows = problem.validation
        if rows is not None:
            record["validation"] = part(family, rows, scorer.of(rows.x))
        record["constant"] = {
            name: {"nll_per_observation": finite(mean_nll(family, p.y, p.weight, flat(prepared.constant, p)))}
            for name, p in (("train", train), ("validation", rows))
            if p is not None
        }
    for name in ("train", "validation"):
        own, other = (
            record.get(name, {}).get("nll_per_observation"),
            record["constant"].get(name, {}).get("nll_per_observation"),
        )
        if own is not None and other is not None:
            record[name]["gain_nats"] = other - own
            record[name]["gain_bits"] = (other - own) / float(np.log(2))
    if prepared.loss.shared:
        record[prepared.loss.shared] = float(family.inverse(scorer.start[:, None])[~free, 0][0])
    record["settings"] = settings.to_dict()
    if record["train"]["nll_per_observation"] is None:
        raise DataError(
            "the network reproduces every training value, so the likelihood is unbounded; use more rows, fewer "
            "features or weight decay (--weight-decay 0.01); nothing was saved"
        )
    return Model(
        family, prepared.loss.name, prepared.target, scorer, prepared.constant, record, tuple(state.history),
        prepared.notes,
    )  # fmt: skip


def part(family: Family, rows: Rows, eta: Array) -> dict[str, Any]:
    """The measures of some rows, for the record."""
    found = measures(family, rows.y, rows.weight, eta)
    found.pop("crps", None)
    result: dict[str, Any] = {"n": rows.n}
    if rows.weight is not None:
        result["weight"] = rows.total
    result["nll_per_observation"] = finite(mean_nll(family, rows.y, rows.weight, eta))
    return result | {name: finite(value) for name, value in found.items()}


def flat(constant: Array, rows: Rows) -> Array:
    """The constant model's scores for every row, (k, n)."""
    return np.repeat(constant[:, None], rows.n, axis=1)


def outcome(target: Target, table: Table, family: Family, loss: str) -> tuple[Family, Array]:
    """The family of the rows as they were seen, and y as it takes it; see `response`."""
    if table.ends is not None:
        return target.wrap(family), table.ends
    return family, response(target, table, family, loss)


def response(target: Target, table: Table, family: Family, loss: str) -> Array:
    """y as the family takes it: (n,), or (2, n) with the trials.

    Raises:
        DataError: values that do not fit the loss.
    """
    if len(family.columns) == 1 or isinstance(table.target, Codes):
        return target.encode(table.target, family, loss)
    if table.trials is None:
        raise DataError(f"{family.name} needs --trials: a column or a number")
    y = np.stack([table.target, table.trials])
    bad = ~((y[0] >= 0) & (y[0] <= y[1]) & (y == np.floor(y)).all(axis=0))
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise DataError(f"row {row + 1} has {y[0, row]:g} successes in {y[1, row]:g} trials, which cannot be")
    return y


def split(y: Array, share: float, seed: int, labelled: bool) -> NDArray[np.bool_]:
    """Which rows are held out, (n,): a random share, of labels the same share of each."""
    n = y.shape[-1]
    order = np.random.default_rng([seed, 0]).permutation(n)
    if labelled:
        order = order[np.argsort(y[order], kind="stable")]
    steps = np.floor(np.arange(n + 1) * share + 1e-9)
    held = np.zeros(n, dtype=bool)
    held[order] = steps[1:] > steps[:-1]
    return held


def constant_scores(family: Family, rows: Rows, target: str) -> Array:
    """(k,) what `estimate` gives for the training rows.

    Raises:
        DataError: the constant model's likelihood has no maximum.
    """
    fit = fit_sample(family, Sample(rows.y, rows.weight), column=target)[0]
    if not np.isfinite(fit.log_likelihood):
        reason = fit.warnings[0] if fit.warnings else "its likelihood is unbounded"
        raise DataError(f"even the constant model of target {target!r} has no likelihood: {reason}")
    return fit.eta


def clipped(family: Family) -> bool:
    """Whether every score is that of a log, a logit or labels, so that a distant one means a boundary."""
    return family.labels or not any(isinstance(p.link, Identity) for p in family.parameters)


def scales(family: Family, rows: Rows, constant: Array) -> Array:
    """(k,) the change of each score that a unit of network output stands for.

    One for log and logit scores, where a unit is a factor of e in the parameter or its odds. Two for labels: each
    score is a log odds against the first label, which a softmax of as many outputs as labels moves from both sides.
    A score on the data's own scale gets the size of a typical residual there: the inverse of the root of the mean
    squared gradient.
    """
    scale = np.ones(constant.size)
    if family.labels:
        return 2 * scale
    with np.errstate(all="ignore"):
        gradient = np.broadcast_to(family.gradient(rows.y, constant[:, None]), (constant.size, rows.n))
        square = np.average(gradient**2, axis=1, weights=rows.weight)
    for j, parameter in enumerate(family.parameters[: constant.size]):
        if isinstance(parameter.link, Identity) and np.isfinite(square[j]) and square[j] > 0:
            scale[j] = 1 / np.sqrt(square[j])
    return scale


def check_trainable(scores: Scores, rows: Rows) -> None:
    """Refuse a family whose endpoints are parameters: a gradient does not lead to them.

    Raises:
        DataError: it is one.
    """
    family = scores.family
    for name in family.irregular:
        j = family.names.index(name)
        for sign in (-1, 1):
            eta = scores.start[:, None].copy()
            eta[j] += 0.01 * sign * scores.scale[j]
            with np.errstate(all="ignore"):
                if not np.isfinite(family.nll(rows.y, eta)).all():
                    raise DataError(
                        f"{family.name} cannot be trained: its {name} is an endpoint of the data, which no "
                        "gradient finds"
                    )


def unseen_notes(
    unseen: Mapping[str, Mapping[str, int]], where: str, fate: str = "it was taken for an average one"
) -> list[str]:
    """Sentences on levels that the training rows did not have, and what became of them."""
    notes = []
    for column, counts in unseen.items():
        shown = ", ".join(repr(level) for level in list(counts)[:5]) + (" ..." if len(counts) > 5 else "")
        notes.append(f"{sum(counts.values())} of {where} have a {column} never seen in training ({shown}); {fate}")
    return notes
