"""Deviances of generalized linear models: twice what a fit lacks of the saturated one (McCullagh and Nelder 1989, 2.3).

For families with a second parameter they are those of the mean alone, unscaled, as R's `glm` has them. The size of
a negative binomial is the fitted one in the null model too, as in `glm.nb` (Venables and Ripley 2002, section 7.4):
deviances at two sizes do not compare. Where the second parameter differs from row to row it weighs the rows, and there
is no deviance of the mean alone (McCullagh and Nelder 1989, chapter 10).
"""

from __future__ import annotations

from typing import Final

import numpy as np

from mlefit.families.base import Family
from mlefit.families.links import Array
from mlefit.families.reparameterised import native, root
from mlefit.sample import Sample

MEANS: Final = frozenset({"p", "mu", "mean"})


def deviances(family: Family, sample: Sample, eta: Array, null: Array, alike: frozenset[str]) -> tuple[Array, Array]:
    """The deviances (G,) at scores `eta` (k, n) of `family` and at those of the model of constants, (k, 1) or (k, n).

    NaN for families that have none, and where a parameter besides the mean is not among those `alike` in all rows.
    """
    base, y = root(family), sample.y
    varying = set(family.names) - MEANS - alike if family.size == len(family.parameters) else set()
    if family.columns != base.columns or family.truncated or varying:
        return np.full(sample.groups, np.nan), np.full(sample.groups, np.nan)
    with np.errstate(all="ignore"):
        best = base.nll(y, _saturated(base, y)) if base.name in ("binomial", "poisson") else 0.0
        fitted, constant = native(family, eta), native(family, null)
        if base.name == "negative-binomial":
            constant = np.stack(np.broadcast_arrays(constant[0], fitted[1]))
        own, other = (_rows(base, y, scores, best) for scores in (fitted, constant))
        return sample.sum(np.broadcast_to(own, sample.n)), sample.sum(np.broadcast_to(other, sample.n))


def _rows(base: Family, y: Array, scores: Array, best: Array | float) -> Array | float:
    """What each row adds; `best` is its NLL in the saturated model."""
    match base.name:
        case "bernoulli" | "categorical" | "binomial" | "poisson":
            return 2 * (base.nll(y, scores) - best)
        case "normal":
            return (y - scores[0]) ** 2
        case "gamma":
            ratio = y * np.exp(scores[1] - scores[0])
            return 2 * (ratio - 1 - np.log(ratio))
        case "inverse-gaussian":
            mean = base.inverse(scores)[base.names.index("mean")]
            return (y - mean) ** 2 / (y * mean**2)
        case "negative-binomial":
            mu, size = np.exp(scores)
            logs = np.where(y > 0, y * np.log(np.where(y > 0, y, 1.0) / mu), 0.0)
            return 2 * (logs - (y + size) * np.log((y + size) / (mu + size)))
    return float("nan")


def _saturated(family: Family, y: Array) -> Array:
    """Scores at which each row has its own mean."""
    share = y / 1.0 if y.ndim == 1 else y[0] / np.where(y[1] > 0, y[1], 1.0)
    return np.clip(family.parameters[0].link.forward(share), -700.0, 700.0)[None]
