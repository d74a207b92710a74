"""Deviances of generalized linear models: twice what a fit lacks of the saturated one (McCullagh and Nelder 1989, 2.3).

For families with a second parameter they are those of the mean alone, unscaled, as R's `glm` has them.
"""

from __future__ import annotations

import numpy as np

from mlefit.families.base import Family
from mlefit.families.links import Array
from mlefit.families.reparameterised import native, root


def deviance(family: Family, y: Array, eta: Array, weight: Array | None) -> float:
    """The deviance at scores `eta` (k, n) of `family`; NaN for families that have none."""
    base = root(family)
    if family.columns != base.columns or getattr(family, "truncated", False):
        return float("nan")
    with np.errstate(all="ignore"):
        scores = native(family, eta)
        if base.name in ("bernoulli", "categorical"):
            rows = 2 * base.nll(y, scores)
        elif base.name in ("binomial", "poisson"):
            rows = 2 * (base.nll(y, scores) - base.nll(y, _saturated(base, y)))
        elif base.name == "normal":
            rows = (y - scores[0]) ** 2
        elif base.name == "gamma":
            ratio = y * np.exp(scores[1] - scores[0])
            rows = 2 * (ratio - 1 - np.log(ratio))
        elif base.name == "inverse-gaussian":
            mean = base.inverse(scores)[base.names.index("mean")]
            rows = (y - mean) ** 2 / (y * mean**2)
        elif base.name == "negative-binomial":
            mu, size = np.exp(scores)
            logs = np.where(y > 0, y * np.log(np.where(y > 0, y, 1.0) / mu), 0.0)
            rows = 2 * (logs - (y + size) * np.log((y + size) / (mu + size)))
        else:
            return float("nan")
    rows = np.broadcast_to(rows, y.shape[-1:])
    return float(rows.sum() if weight is None else rows @ weight)


def _saturated(family: Family, y: Array) -> Array:
    """Scores at which each row has its own mean."""
    share = y / 1.0 if y.ndim == 1 else y[0] / np.where(y[1] > 0, y[1], 1.0)
    return np.clip(family.parameters[0].link.forward(share), -700.0, 700.0)[None]
