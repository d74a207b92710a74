"""How far a fitted distribution lies from the data, and whether chance alone explains it.

The parameters were estimated from the same rows, so tables of these statistics for a known distribution do not apply:
p-values come from samples drawn from the fit and fitted again, all as one batch (Stephens 1986, section 4.4;
Stute, Gonzalez Manteiga and Presedo Quindimil 1993), censored and truncated as `mechanism` says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mlefit.errors import UsageError
from mlefit.families.base import Family, Index
from mlefit.families.interval import log_probability
from mlefit.families.links import Array
from mlefit.inference.bootstrap import refit, simulated
from mlefit.inference.fit import Fit
from mlefit.inference.mechanism import Mechanism
from mlefit.inference.product_limit import product_limit
from mlefit.inference.result import number
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
        lacking: why there are no p-values although they were asked for.
    """

    statistics: Mapping[str, float]
    p_values: Mapping[str, float]
    replicates: int = 0
    cells: int = 0
    lacking: str = ""

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
    """How well `fit` fits its own rows, one group; None where `unjudged` says why, or too few counts make no cells.

    Raises:
        UsageError: replicates of rows with weights that are not whole numbers.
    """
    family = fit.family
    if unjudged(family, sample):
        return None
    try:
        observed, edges = _statistics(family, sample, fit.eta[None], None)
    except NotImplementedError:
        return None
    names = (CHI,) if family.discrete else EDF
    if not observed.shape[0]:
        return None
    values = dict(zip(names, observed[:, 0].tolist(), strict=True))
    number_of_cells = edges.size + 1 if edges is not None and edges.size else 0
    p_values: dict[str, float] = {}
    if replicates:
        generator = generator or np.random.default_rng(0)
        try:
            drawn = [
                _statistics(family, part, refit(family, part, fit.eta).theta, edges)[0]
                for part in simulated(family, fit.eta, sample, replicates, generator)
            ]
        except UsageError as error:
            return Goodness(values, {}, 0, number_of_cells, str(error))
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
    return Goodness(values, p_values, replicates, number_of_cells)


def unjudged(family: Family, sample: Sample) -> str:
    """Why rows of this kind have no statistics of fit, "" where they have."""
    if family.labels:
        return "labels have no distribution function"
    if family.lumped:
        return "the mass at zero makes a jump of the distribution function, which the statistics of measurements lack"
    if not family.censored and not family.truncated:
        return ""
    try:
        known = Mechanism.of(family, sample.y)
    except UsageError:
        return (
            "some values are known only to lie between two ends, or are censored on both sides, so there is no "
            "empirical distribution function to hold the fitted ones against"
        )
    if not known.event.any():
        return "every value is censored"
    if family.discrete and family.censored:
        return "censored counts cannot be told into cells"
    if family.discrete and not _same(np.stack([known.left, known.right, *known.others])):
        return "counts truncated each at its own limits have no cells in common"
    return ""


def _same(rows: Array) -> bool:
    """Whether all columns of (d, n) are alike."""
    return bool((rows == rows[:, :1]).all())


def _statistics(family: Family, sample: Sample, eta: Array, edges: Array | None) -> tuple[Array, Array | None]:
    """Statistics (S, G) of each group at its scores (G, k), and the edges of the cells, if there are any, of counts."""
    if not family.discrete:
        judge = edf if sample.y.ndim == 1 else residual_edf
        return judge(family, sample, eta), None
    if len(family.columns) > 1 and not family.truncated and not _same(sample.y[1:]):
        return pearson(family, sample, eta), None
    if edges is None:
        edges = cells(family, sample, eta[0])
    return chi_squared(family, sample, eta, edges), edges


def edf(family: Family, sample: Sample, eta: Array) -> Array:
    """Kolmogorov-Smirnov D, Cramer-von Mises W2 and Anderson-Darling A2, (3, G), at scores (G, k).

    Stephens (1986, equation 4.2), generalised to weights w with c the cumulated share: W2 = sum w (u - m)^2 +
    sum w^3/(12 W^2), m the middle of the step, and A2 = -W + W sum [(c'^2 - c^2) log u + ((1 - c)^2 - (1 - c')^2)
    log(1 - u)], c' the share before. Logarithms come from `log_cdf` and `log_sf`, so far tails count in full.
    """
    steps = _steps(sample)
    rows, before, after = steps.rows, steps.before, steps.after
    scores = np.repeat(eta.T, sample.counts, axis=1) if sample.groups > 1 else eta.T
    below, above = tails(family, rows.y, scores, steps.low)
    u = np.exp(below)
    with np.errstate(all="ignore"):
        distance = rows.maximum(np.maximum(after - u, u - before))
        squares = rows.sum(steps.weight * (u - (before + after) / 2) ** 2) + steps.squares
        terms = np.where(steps.left == 0, 0.0, steps.left * below) + np.where(
            np.abs(steps.right) < 1e-15, 0.0, steps.right * above
        )
        quadratic = sample.total_weight * (rows.sum(terms) - 1)
    return np.stack([distance, squares, quadratic])


@dataclass(frozen=True, eq=False)
class _Steps:
    """What the statistics of `edf` know of the rows, sorted, whatever the family."""

    rows: Sample
    weight: Array
    low: NDArray[np.bool_]
    before: Array
    after: Array
    left: Array
    right: Array
    squares: Array


def _steps(sample: Sample) -> _Steps:
    """Those of a sample; kept with it, since every family of a comparison asks for them."""
    known: _Steps | None = sample.__dict__.get("_steps")
    if known is not None:
        return known
    order = _order(sample)
    weight = np.ones(sample.n) if sample.weight is None else sample.weight
    y, weight = (sample.y, weight) if order is None else (sample.y[order], weight[order])
    rows = Sample(y, offsets=sample.offsets)
    total = rows.spread(sample.total_weight)
    running = np.cumsum(weight)
    after = np.minimum((running - rows.spread((running - weight)[rows.offsets[:-1]])) / total, 1.0)
    before = after - weight / total
    left, right = (before - after) * (before + after), (before - after) * (2 - before - after)
    middle = (rows.offsets[:-1] + rows.offsets[1:]) // 2
    low = np.arange(y.size) < np.repeat(middle, rows.counts)
    squares = rows.sum(weight**3 / (12 * total**2))
    known = sample.__dict__["_steps"] = _Steps(rows, weight, low, before, after, left, right, squares)
    return known


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
            two[rows] = np.log1p(-np.exp(value))
            lost = rows[value > NEAR_ONE]
            if lost.size:
                two[lost] = far(y[lost], scores if scores.shape[1] == 1 else scores[:, lost])
    return log_cdf, log_sf


def residual_edf(family: Family, sample: Sample, eta: Array) -> Array:
    """The three statistics of rows censored on one side or truncated, (3, G), at scores (G, k).

    The residual of a row is the fitted probability, within its limits of truncation, of a value no larger: uniform
    under the family, and censored where the row is (Cox and Snell 1968). Their product-limit estimate F stands in the
    place of the empirical distribution function (Koziol and Green 1976), up to the last of them (Pettitt and Stephens
    1976): D the largest |F - u|, W2 = n times the integral of (F - u)^2, A2 that of (F - u)^2 / (u (1 - u)). With
    every value observed these are the statistics of `edf`.
    """
    known = Mechanism.of(family, sample.y)
    scores = np.repeat(eta.T, sample.counts, axis=1) if sample.groups > 1 else eta.T

    def probability(left: Array, right: Array) -> Array:
        found = log_probability(known.family, left, right, known.others, scores)
        return np.broadcast_to(found, known.time.shape)

    with np.errstate(all="ignore"):
        between = probability(known.left, known.right)
        below = np.minimum(probability(known.left, known.time) - between, 0.0)
        above = np.minimum(probability(known.time, known.right) - between, 0.0)
        # Where the family ends before a limit, the probability between two places beyond its end is 0/0.
        below = np.where(np.isnan(below) & (above > NEAR_ONE), -np.inf, below)
        above = np.where(np.isnan(above) & (below > NEAR_ONE), -np.inf, above)
    if known.side < 0:
        below, above = above, below
    weight = np.ones(sample.n) if sample.weight is None else sample.weight
    found = []
    for begin, end in zip(sample.offsets[:-1].tolist(), sample.offsets[1:].tolist(), strict=True):
        rows = slice(begin, end)
        found.append(step_edf(below[rows], above[rows], known.event[rows], weight[rows]))
    return np.stack(found, axis=1)


def step_edf(below: Array, above: Array, event: NDArray[np.bool_], weight: Array) -> Array:
    """D, W2 and A2 of the product-limit estimate of residuals u, (3,), from log u and log(1 - u), each (n,).

    On a step of height c from a to b, the integral of (c - u)^2 / (u (1 - u)) is
    c^2 log(b/a) - (1 - c)^2 log((1 - b)/(1 - a)) - (b - a).
    """
    times, survival = product_limit(below, event, weight)
    height = np.concatenate([[0.0], 1 - survival])
    order = np.argsort(below, kind="stable")
    place = order[np.searchsorted(below[order], times, side="left")]
    last = np.argmax(below)
    with np.errstate(all="ignore"):
        if times.size and survival[-1] <= 0:  # the last one was observed: nothing is left beyond
            height[-1], end, end_above = 1.0, 0.0, -np.inf
        else:
            end, end_above = below[last], above[last]
        edge = np.concatenate([[-np.inf], below[place], [end]])
        edge_above = np.concatenate([[0.0], above[place], [end_above]])
        u = np.exp(edge)
        distance = max(np.max(np.abs(height - u[:-1])), np.max(np.abs(height - u[1:])))
        squares = ((u[1:] - height) ** 3 - (u[:-1] - height) ** 3).sum() / 3
        lower = np.where(height == 0, 0.0, height**2 * np.diff(edge))
        upper = np.where(height == 1, 0.0, (1 - height) ** 2 * np.diff(edge_above))
        quadratic = (lower - upper - np.diff(u)).sum()
    total = weight.sum()
    return np.array([distance, total * squares, total * quadratic])


def pearson(family: Family, sample: Sample, eta: Array) -> Array:
    """Pearson's statistic of rows that have each their own trials, (1, G): sum w (y - mean)^2 / variance.

    (McCullagh and Nelder 1989, section 4.4.3.)
    """
    scores = np.repeat(eta.T, sample.counts, axis=1) if sample.groups > 1 else eta.T
    own = family.given(*sample.y[1:])
    with np.errstate(all="ignore"):
        missed = (sample.y[0] - own.mean(scores)) ** 2
        return sample.sum(np.where(missed == 0, 0.0, missed / own.variance(scores)))[None]


def _share(family: Family, y: Array, values: Array, scores: Array) -> Array:
    """P(Y <= value) of counts (m,) within the limits and with the trials that all rows y have."""
    if y.ndim == 1:
        return np.broadcast_to(np.exp(family.log_cdf(values, scores)), values.shape)
    known = Mechanism.of(family, y[:, :1])
    others = np.repeat(known.others, values.size, axis=1)
    left, right = np.full(values.size, known.left[0]), np.full(values.size, known.right[0])
    upto = log_probability(known.family, left, np.minimum(np.maximum(values, left), right), others, scores)
    share = np.exp(upto - log_probability(known.family, left, right, others, scores))
    return np.where(values <= left, 0.0, np.where(values >= right, 1.0, np.broadcast_to(share, values.shape)))


def cells(family: Family, sample: Sample, eta: Array) -> Array:
    """Upper edges of all cells of counts but the last, (C - 1,), each cell expecting at least 5 rows."""
    total = float(sample.total_weight[0])
    y = np.atleast_2d(sample.y)[0]
    low, high = float(y.min()), float(y.max())
    values = low + np.arange(min(int(high - low) + 1, 100_000), dtype=float)
    with np.errstate(all="ignore"):
        share = _share(family, sample.y, values, eta[:, None])
    least = max(EXPECTED / total, 1 / CELLS)
    edges: list[float] = []
    last = 0.0
    for value, at in zip(values.tolist(), share.tolist(), strict=True):
        if at - last >= least and 1 - at >= least:
            edges.append(value)
            last = at
    return np.array(edges)


def chi_squared(family: Family, sample: Sample, eta: Array, edges: Array) -> Array:
    """Pearson's statistic of counts in cells, (1, G), or (0, G) where there are fewer than two cells."""
    if not edges.size:
        return np.zeros((0, sample.groups))
    width = edges.size + 1
    cell = np.searchsorted(edges, np.atleast_2d(sample.y)[0], side="left") + width * sample.codes
    observed = np.bincount(cell, weights=sample.weight, minlength=width * sample.groups).reshape(-1, width)
    at = np.tile(edges, sample.groups)
    with np.errstate(all="ignore"):
        share = _share(family, sample.y, at, np.repeat(eta.T, edges.size, axis=1)).reshape(-1, edges.size)
        bounds = np.hstack([np.zeros((sample.groups, 1)), share, np.ones((sample.groups, 1))])
        expected = np.diff(bounds, axis=1) * sample.total_weight[:, None]
        missed = (observed - expected) ** 2
        return np.where(missed == 0, 0.0, missed / expected).sum(axis=1)[None]
