"""Saved models of one target on the same rows, ranked by NLL: a constant, a regression and a network alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlefit.errors import DataError
from mlefit.families.links import Array
from mlefit.inference.compare import vuong_z
from mlefit.inference.learning import Table, outcome
from mlefit.inference.model import Model
from mlefit.inference.result import dropped_remark, number


@dataclass(frozen=True)
class Rated:
    """One model on n rows.

    Attributes:
        name: the file it came from.
        family, kind: its distribution, and what gives its scores: constant, linear or network.
        parameters_count: free parameters.
        nll: per unit of weight, every constant included.
        behind: NLL less the best model's, with the standard error of that difference over the rows.
        std_error: of `behind`; NaN for the best.
        p_value: of no difference, two-sided normal (Vuong 1989 without a penalty); NaN for the best.
    """

    name: str
    family: str
    kind: str
    parameters_count: int
    nll: float
    behind: float
    std_error: float
    p_value: float

    def to_dict(self) -> dict[str, Any]:
        """As in the JSON contract."""
        return {
            "model": self.name,
            "kind": self.kind,
            "family": self.family,
            "parameters_count": self.parameters_count,
            "nll_per_observation": number(self.nll),
            "delta_nll": number(self.behind),
            "delta_std_error": number(self.std_error),
            "p_value": number(self.p_value),
        }


@dataclass(frozen=True)
class ModelComparison:
    """Models ranked, best first, on n rows of a target."""

    target: str
    n: int
    dropped: int
    models: tuple[Rated, ...]

    def rows(self) -> list[dict[str, Any]]:
        """A flat row a model."""
        return [model.to_dict() for model in self.models]

    def remarks(self) -> list[str]:
        """Sentences that belong beside the rows."""
        return dropped_remark(self.dropped)

    def to_dict(self) -> dict[str, Any]:
        """As in the JSON contract."""
        head = {"target": self.target, "n": self.n, "dropped": self.dropped, "rank": "nll"}
        return {**head, "models": self.rows(), "tests": []}


def rate(models: Mapping[str, Model], tables: Sequence[Table], dropped: int = 0) -> ModelComparison:
    """Rank models by their NLL on complete rows, those left out of which one of the models can say nothing.

    Args:
        models: by name.
        tables: the rows, with each model's own features.
        dropped: rows left out for missing values.

    Raises:
        DataError: outcomes that do not fit a model, or a feature of another kind; no row that all can predict.
    """
    predicted = [m.scorer.scores(table.features, table.n) for m, table in zip(models.values(), tables, strict=True)]
    keep = ~np.any([one.missing for one in predicted], axis=0)
    if not keep.any():
        raise DataError("there is no row that every model can predict")
    tables, dropped = [table.take(keep) for table in tables], dropped + int((~keep).sum())
    scores: dict[str, Array] = {}
    weight = tables[0].weight
    for (name, model), table, scored in zip(models.items(), tables, predicted, strict=True):
        family, y = outcome(model.target, table, model.family, model.loss)
        eta = scored.eta[:, keep]
        with np.errstate(all="ignore"):
            scores[name] = np.broadcast_to(-family.nll(y, eta), (table.n,))
    nll = {name: -float(np.average(values, weights=weight)) for name, values in scores.items()}
    order = sorted(models, key=lambda name: nll[name] if np.isfinite(nll[name]) else np.inf)
    best = order[0]
    rated = []
    for name in order:
        model = models[name]
        z, p = (float("nan"),) * 2 if name == best else vuong_z(scores[best], scores[name], weight)
        behind = nll[name] - nll[best]
        rated.append(
            Rated(name, model.family.name, model.scorer.kind, model.scorer.parameters_count, nll[name], behind,
                  behind / z if z else float("nan"), p)
        )  # fmt: skip
    return ModelComparison(models[best].target.name, tables[0].n, dropped, tuple(rated))
