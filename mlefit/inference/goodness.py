"""How far a fitted distribution lies from the data, and whether chance alone explains it.

The parameters were estimated from the same rows, so tables of these statistics for a known distribution do not apply:
p-values come from samples drawn from the fit and fitted again, all as one batch (Stephens 1986, section 4.4;
Stute, Gonzalez Manteiga and Presedo Quindimil 1993).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mlefit.errors import UsageError
from mlefit.families.base import Family, Index
from mlefit.families.links import Array
from mlefit.families.tails import log1mexp
from mlefit.inference.bootstrap import refit, simulated
from mlefit.inference.fit import Fit, number
from mlefit.sample import Sample

EDF: Final = ("kolmogorov_smirnov", "cramer_von_mises", "anderson_darling")
CHI: Final = "chi_squared"
LOST: Final = 0.1  # share of replicates that may fail before no p-value is given
EXPECTED: Final = 5.0  # the least expected count of a cell (Cochran 1954)
CELLS: Final = 200  # cells at most
NEAR_ONE: Final = -0.05  # a log probability above which one less it has lost more than a digit


@dataclass(frozen=True)
class Goodness:
    """Statistics of fit, larger the worse.

    Attributes:
        statistics: by name: the three of `EDF` for measurements, `CHI` for counts.
        p_values: by name; empty without replicates.
        replicates: samples behind the p-values.
        cells: of the chi-squared statistic.
    """

    statistics: Mapping[str, float]
    p_values: Mapping[str, float]
    replicates: int = 0
    cells: int = 0

    def to_dict(self) -> dict[str, Any]:
        """As in the JSON contract."""
        found: dict[str, Any] = {
            name: {"statistic": number(value), "p_value": self.p_values.get(name)}
            for name, value in self.statistics.items()
        }
        if self.cells:
            found[CHI]["cells"] = self.cells
        return {**found, "replicates": self.replicates}


def goodness(
    fit: Fit, sample: Sample, replicates: int = 0, generator: np.random.Generator | None = None
) -> Goodness | None:
    """How well `fit` fits its own rows, one group; None for families that have no distribution function of one value.

    Raises:
        UsageError: replicates of rows with weights that are not whole numbers.
    """
    family = fit.family
    if len(family.columns) > 1 or family.labels or family.censored or family.truncated:
        return None
    try:
        observed, edges = _statistics(family, sample, fit.eta[None], None)
    except NotImplementedError:
        return None
    names = (CHI,) if family.discrete else EDF
    if not observed.shape[0]:
        return None
    values = dict(zip(names, observed[:, 0].tolist(), strict=True))
    p_values: dict[str, float] = {}
    if replicates:
        generator = generator or np.random.default_rng(0)
        try:
            drawn = [
                _statistics(family, part, refit(family, part, fit.eta).theta, edges)[0]
                for part in simulated(family, fit.eta, sample, replicates, generator)
            ]
        except UsageError:
            return Goodness(values, {}, 0, 0 if edges is None else edges.size + 1)
        # A statistic that is infinite (an end of the support among the values) says nothing.
        # Adding one keeps the test at its level (Davison and Hinkley 1997, equation 4.11). A replicate that could
        # not be fitted counts as no better than the data; where many could not, nothing is known.
        statistics = np.concatenate(drawn, axis=1)
        lost = dict(zip(names, (~np.isfinite(statistics)).sum(axis=1).tolist(), strict=True))
        larger = (~(statistics < observed * (1 - 1e-12))).sum(axis=1)
        p_values = {
            name: float((1 + count) / (replicates + 1))
            for name, count in zip(names, larger, strict=True)
            if np.isfinite(values[name]) and lost[name] <= LOST * replicates
        }
    return Goodness(values, p_values, replicates, 0 if edges is None else edges.size + 1)


def _statistics(family: Family, sample: Sample, eta: Array, edges: Array | None) -> tuple[Array, Array | None]:
    """Statistics (S, G) of each group at its scores (G, k), and the edges of the cells of counts."""
    if family.discrete:
        if edges is None:
            edges = cells(family, sample, eta[0])
        return chi_squared(family, sample, eta, edges), edges
    return edf(family, sample, eta), None


def edf(family: Family, sample: Sample, eta: Array) -> Array:
    """Kolmogorov-Smirnov D, Cramer-von Mises W2 and Anderson-Darling A2, (3, G), at scores (G, k).

    Stephens (1986, equation 4.2), generalised to weights w with c the cumulated share: W2 = sum w (u - m)^2 +
    sum w^3/(12 W^2), m the middle of the step, and A2 = -W + W sum [(c'^2 - c^2) log u + ((1 - c)^2 - (1 - c')^2)
    log(1 - u)], c' the share before. Logarithms come from `log_cdf` and `log_sf`, so far tails count in full.
    """
    order = _order(sample)
    y = sample.y if order is None else sample.y[order]
    scores = np.repeat(eta.T, sample.counts, axis=1) if sample.groups > 1 else eta.T
    middle = (sample.offsets[:-1] + sample.offsets[1:]) // 2
    below, above = tails(family, y, scores, np.arange(y.size) < np.repeat(middle, sample.counts))
    rows = Sample(y, offsets=sample.offsets)
    weight = np.ones(y.size) if sample.weight is None else sample.weight if order is None else sample.weight[order]
    total = rows.spread(sample.total_weight)
    running = np.cumsum(weight)
    first = sample.offsets[:-1]
    after = (running - rows.spread((running - weight)[first])) / total
    after = np.minimum(after, 1.0)
    before = after - weight / total
    u = np.exp(below)
    with np.errstate(all="ignore"):
        distance = rows.maximum(np.maximum(after - u, u - before))
        squares = rows.sum(weight * (u - (before + after) / 2) ** 2 + weight**3 / (12 * total**2))
        left, right = (before - after) * (before + after), (before - after) * (2 - before - after)
        terms = np.where(left == 0, 0.0, left * below) + np.where(np.abs(right) < 1e-15, 0.0, right * above)
        quadratic = sample.total_weight * (rows.sum(terms) - 1)
    return np.stack([distance, squares, quadratic])


def _order(sample: Sample) -> Index | None:
    """What sorts the values of each group; None where they are."""
    if sample.groups > 1:
        return np.lexsort((sample.y, sample.codes))
    return np.argsort(sample.y, kind="stable") if np.any(sample.y[1:] < sample.y[:-1]) else None


def tails(family: Family, y: Array, scores: Array, low: NDArray[np.bool_]) -> tuple[Array, Array]:
    """log P(Y <= y) and log P(Y > y), (n,), at scores (k, 1) or (k, n).

    Most of the time is spent here, so each row asks its family for one of the two only: the first where it is `low`,
    the second elsewhere. The other follows from it, unless it is lost beside a probability near one.
    """
    log_cdf, log_sf = np.empty(y.size), np.empty(y.size)
    sides = ((low, family.log_cdf, family.log_sf), (~low, family.log_sf, family.log_cdf))
    with np.errstate(all="ignore"):
        for (side, near, far), (one, two) in zip(sides, ((log_cdf, log_sf), (log_sf, log_cdf)), strict=True):
            rows = np.flatnonzero(side)
            own = scores if scores.shape[1] == 1 else scores[:, rows]
            one[rows] = value = np.broadcast_to(near(y[rows], own), rows.shape)
            two[rows] = log1mexp(np.minimum(value, 0.0))
            lost = rows[value > NEAR_ONE]
            if lost.size:
                two[lost] = far(y[lost], scores if scores.shape[1] == 1 else scores[:, lost])
    return log_cdf, log_sf


def cells(family: Family, sample: Sample, eta: Array) -> Array:
    """Upper edges of all cells of counts but the last, (C - 1,), each cell expecting at least 5 rows."""
    total = float(sample.total_weight[0])
    low, high = float(sample.y.min()), float(sample.y.max())
    values = low + np.arange(min(int(high - low) + 1, 100_000), dtype=float)
    with np.errstate(all="ignore"):
        share = np.exp(family.log_cdf(values, eta[:, None]))
    least = max(EXPECTED / total, 1 / CELLS)
    edges: list[float] = []
    last = 0.0
    for value, at in zip(values.tolist(), np.broadcast_to(share, values.shape).tolist(), strict=True):
        if at - last >= least and 1 - at >= least:
            edges.append(value)
            last = at
    return np.array(edges)


def chi_squared(family: Family, sample: Sample, eta: Array, edges: Array) -> Array:
    """Pearson's statistic of counts in cells, (1, G), or (0, G) where there are fewer than two cells."""
    if not edges.size:
        return np.zeros((0, sample.groups))
    width = edges.size + 1
    cell = np.searchsorted(edges, sample.y, side="left") + width * sample.codes
    observed = np.bincount(cell, weights=sample.weight, minlength=width * sample.groups).reshape(-1, width)
    at = np.tile(edges, sample.groups)
    with np.errstate(all="ignore"):
        share = np.exp(family.log_cdf(at, np.repeat(eta.T, edges.size, axis=1))).reshape(-1, edges.size)
        bounds = np.hstack([np.zeros((sample.groups, 1)), share, np.ones((sample.groups, 1))])
        expected = np.diff(bounds, axis=1) * sample.total_weight[:, None]
        missed = (observed - expected) ** 2
        return np.where(missed == 0, 0.0, missed / expected).sum(axis=1)[None]
