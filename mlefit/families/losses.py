"""Loss functions of machine learning by name, each as the negative log-likelihood it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from mlefit.errors import UsageError, nearest
from mlefit.families import registry
from mlefit.families.base import Family
from mlefit.families.links import Array


@dataclass(frozen=True)
class Loss:
    """A loss and the likelihood it stands for.

    Attributes:
        name: as the user says it.
        family: name of the family.
        meaning: the name in full, and what it leaves out of the NLL.
        shared: the parameter that is one number for all rows, profiled out of the loss; empty where there is none.
        profile: residuals (n,) and weights (n,) to the shared parameter's maximum-likelihood estimate.
    """

    name: str
    family: str
    meaning: str
    shared: str = ""
    profile: Callable[[Array, Array], float] | None = None

    def get_family(self) -> Family:
        """The family, without labels yet."""
        return registry.get(self.family)


def root_mean_square(residual: Array, weight: Array) -> float:
    """sigma-hat = sqrt(sum w r^2 / sum w): where d/d sigma of (n/2) log(2 pi sigma^2) + SSE/(2 sigma^2) is zero."""
    size = float(np.abs(residual).max(initial=0.0)) or 1.0
    return size * float(np.sqrt(np.average((residual / size) ** 2, weights=weight)))


def mean_absolute(residual: Array, weight: Array) -> float:
    """The scale of a Laplace distribution about known centres."""
    return float(np.average(np.abs(residual), weights=weight))


LOSSES: Final[dict[str, Loss]] = {
    loss.name: loss
    for loss in (
        Loss("bce", "bernoulli", "binary cross-entropy"),
        Loss("cross-entropy", "categorical", "categorical cross-entropy"),
        Loss("sparse-cross-entropy", "categorical", "categorical cross-entropy of integer labels"),
        Loss("mse", "normal", "mean squared error, sigma one number for all rows", "sigma", root_mean_square),
        Loss("gaussian-nll", "normal", "normal with mu and sigma from the network"),
        Loss("mae", "laplace", "mean absolute error, scale one number for all rows", "scale", mean_absolute),
        Loss("poisson", "poisson", "Poisson deviance"),
    )
}


def get(name: str) -> Loss:
    """The loss called `name`: one of `LOSSES`, or any family's own name.

    Raises:
        UsageError: neither a loss nor a family; the nearest name is suggested.
    """
    key = registry.canonical(name)
    if key in LOSSES:
        return LOSSES[key]
    try:
        family = registry.get(key)
    except UsageError:
        hint = nearest(key, [*LOSSES, *registry.names()], f"choose {', '.join(LOSSES)} or a family's name")
        raise UsageError(f"there is no loss called {name!r}; {hint}") from None
    return Loss(family.name, key, f"negative log-likelihood of the {family.name} family")
