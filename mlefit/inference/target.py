"""The column to predict, as a family sees it: numbers, or codes of labels whose names are kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mlefit.errors import DataError
from mlefit.families.base import Family
from mlefit.families.censored import Censored
from mlefit.families.truncated import Truncated
from mlefit.inference.encoding import Codes, Column

Array = NDArray[np.float64]

# Distinct labels above this are taken for a number or an identifier given by mistake.
MAX_LABELS: Final = 1000


@dataclass(frozen=True)
class Target:
    """What is predicted.

    Attributes:
        name: the column (or expression).
        levels: the labels in the order of their codes; empty for numbers.
        trials: the column or number of trials, for families of successes in trials.
        known: what else is known of the rows, columns or numbers: "event", "upper" (`name` are then the lower ends),
            "below" and "above", as in `mlefit.censoring`; empty where rows are plain values.
    """

    name: str
    levels: tuple[str, ...] = ()
    trials: str = ""
    known: Mapping[str, str] = field(default_factory=dict)

    @staticmethod
    def learn(name: str, column: Column, family: Family, loss: str, trials: str = "") -> Target:
        """The labels of the training rows, where the family is one of labels or of two outcomes.

        Raises:
            DataError: the labels do not fit the loss.
        """
        if not isinstance(column, Codes):
            return Target(name, (), trials)
        levels = column.used().levels
        shown = ", ".join(repr(level) for level in levels[:5]) + (" ..." if len(levels) > 5 else "")
        if len(levels) == 1:
            raise DataError(f"target {name!r} has the single level {shown}; there is nothing to tell apart")
        if not family.labels and len(levels) != 2:
            raise DataError(
                f"{loss} needs a target of two levels; {name!r} has {len(levels)} ({shown}); "
                "for several labels use --loss cross-entropy, for numbers mse or gaussian-nll"
            )
        if len(levels) > MAX_LABELS:
            raise DataError(
                f"target {name!r} has {len(levels)} different labels ({shown}), more than {MAX_LABELS}; "
                "for numbers use --loss mse or gaussian-nll"
            )
        return Target(name, levels, trials)

    def encode(self, column: Column, family: Family, loss: str) -> Array:
        """Values to what the family takes: numbers (n,), or codes of the levels.

        Raises:
            DataError: a value outside the family's support, an unknown label.
        """
        if isinstance(column, Codes):
            place = column.among(self.levels)
            strange = np.flatnonzero(place == -2)
            if strange.size:
                label = column.levels[int(column.codes[strange[0]])]
                raise DataError(
                    f"target {self.name!r} has the label {label!r}, which the training rows do not "
                    f"({', '.join(map(repr, self.levels[:8]))}); filter it out with --where"
                )
            return place.astype(float)
        outside = np.flatnonzero(~family.support.contains(column))
        if outside.size:
            raise DataError(
                f"{loss} needs {family.support}; target {self.name!r} is {column[outside[0]]:g} in row {outside[0] + 1}"
            )
        return column

    def wrap(self, family: Family) -> Family:
        """The family of rows of which no more is known than `known` says."""
        if {"event", "upper"} & set(self.known):
            family = Censored(family)
        return Truncated(family) if {"below", "above"} & set(self.known) else family

    def to_dict(self) -> dict[str, Any]:
        return {"name": self.name, "levels": list(self.levels), "trials": self.trials, "known": dict(self.known)}

    @staticmethod
    def from_dict(record: Mapping[str, Any]) -> Target:
        known = {str(role): str(text) for role, text in record.get("known", {}).items()}
        return Target(str(record["name"]), tuple(map(str, record["levels"])), str(record["trials"]), known)


def wants_labels(family: Family) -> bool:
    """Whether the target is read as labels: a family of labels, or of two outcomes."""
    return family.labels or family.name == "bernoulli"
