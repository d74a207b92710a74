"""Distances of a fitted distribution function from that of the rows: Kolmogorov-Smirnov, Cramer-von Mises and
Anderson-Darling, for rows known exactly, censored on one side, or known between two ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mlefit.families.base import Family, Index
from mlefit.families.interval import log_probability
from mlefit.families.links import Array
from mlefit.inference.mechanism import Mechanism
from mlefit.inference.product_limit import product_limit
from mlefit.inference.turnbull import turnbull
from mlefit.sample import Sample

NAMES: Final = ("kolmogorov_smirnov", "cramer_von_mises", "anderson_darling")
NEAR_ONE: Final = -0.05  # a log probability above which one less it has lost more than a digit


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


def interval_edf(family: Family, sample: Sample, eta: Array) -> Array:
    """The three statistics of rows known between two ends, or of measurements with a mass at zero, (3, G).

    Turnbull's estimate F stands in the place of the empirical distribution function (Ren 2003). It says how much
    probability each of its intervals has, not where in it: D is the largest |F - F0| among the values at which F is
    known, and in the integrals the probability is spread within an interval as the fitted F0 spreads it. A mass is an
    interval of F0's own, from P(Y < 0) to P(Y <= 0). Where all rows are known exactly these are those of `edf`.
    """
    found = []
    for g, (begin, end) in enumerate(zip(sample.offsets[:-1].tolist(), sample.offsets[1:].tolist(), strict=True)):
        rows = slice(begin, end)
        weight = np.ones(end - begin) if sample.weight is None else sample.weight[rows]
        found.append(ramp_edf(*_ramps(family, sample.y[..., rows], weight, eta[g][:, None]), float(weight.sum())))
    return np.stack(found, axis=1)


def _ramps(family: Family, y: Array, weight: Array, eta: Array) -> tuple[Array, Array, Array, Array, Array]:
    """log F0 and log(1 - F0) at the lower ends, the same at the upper ends, and the probability of intervals (m,)."""
    known = Mechanism.of(family, y)
    jump = np.nextafter(0.0, -np.inf) if family.lumped else np.nan
    if not known.alike:  # each row within limits of its own: the intervals are those of its residual
        with np.errstate(all="ignore"):
            below, above = _within(known, known.start, known.others, eta), _within(known, known.end, known.others, eta)
            left, right = np.exp(below[0]), np.exp(above[0])
        at_zero = (known.start == known.end) & (known.end == 0) & family.lumped
        if at_zero.any():
            left[at_zero] = np.exp(_within(known, np.full(left.size, jump), known.others, eta)[0])[at_zero]
        low, high, p = turnbull(left, right, weight)
        with np.errstate(all="ignore"):
            ends = np.clip(low, 0.0, 1.0), np.clip(high, 0.0, 1.0)
            return np.log(ends[0]), np.log1p(-ends[0]), np.log(ends[1]), np.log1p(-ends[1]), p
    low, high, p = turnbull(known.start, known.end, weight)
    single = (low == np.nextafter(high, -np.inf)) & (low != jump)
    others = np.repeat(known.others[:, :1], high.size, axis=1)
    below = _within(known, np.where(single, high, low), others, eta)
    above = _within(known, high, others, eta)
    return *below, *above, p


def _within(known: Mechanism, value: Array, others: Array, eta: Array) -> tuple[Array, Array]:
    """log P(Y <= value) and log P(Y > value) within the limits of truncation, (m,) each."""
    left, right = known.left, known.right
    if value.size != left.size:
        left, right = (np.full(value.size, end[0]) for end in (left, right))
    value = np.clip(value, left, right)
    with np.errstate(all="ignore"):
        whole = log_probability(known.family, left, right, others, eta)
        below = log_probability(known.family, left, value, others, eta) - whole
        above = log_probability(known.family, value, right, others, eta) - whole
        # The probability between two ends that meet is none, and beyond none it is all.
        below = np.where(value <= left, -np.inf, np.where(value >= right, 0.0, below))
        above = np.where(value <= left, 0.0, np.where(value >= right, -np.inf, above))
    return np.minimum(below, 0.0), np.minimum(above, 0.0)


def ramp_edf(low: Array, low_above: Array, high: Array, high_above: Array, p: Array, total: float) -> Array:
    """D, W2 and A2, (3,), of a distribution function F of u that climbs evenly by p (m,) from each low end to its high.

    `low`, `high` are log u, the others log(1 - u). F - u is linear on each piece from a to b, and 1/(u (1 - u)) is
    1/u + 1/(1 - u).
    """
    steps = np.concatenate([[0.0], np.cumsum(p)[:-1], [1.0]])
    height = np.repeat(steps, 2)
    below = np.concatenate([[-np.inf], np.stack([low, high], axis=1).ravel(), [0.0]])
    above = np.concatenate([[0.0], np.stack([low_above, high_above], axis=1).ravel(), [-np.inf]])
    u, rest = np.exp(below), np.exp(above)
    gap = np.where(u < 0.5, height - u, (height - 1) + rest)
    width = np.where(u[1:] < 0.5, np.diff(u), -np.diff(rest))
    first, last = gap[:-1], gap[1:]
    squares = width @ (first**2 + first * last + last**2) / 3
    with np.errstate(all="ignore"):
        lower = _over_distance(first, last, u[:-1] / width, np.diff(below))
        upper = _over_distance(last, first, rest[1:] / width, -np.diff(above))
    return np.array([np.abs(gap).max(), total * squares, total * (lower + upper)[width > 0].sum()])


def _over_distance(near: Array, far: Array, r: Array, log_ratio: Array) -> Array:
    """The integral of (near + (far - near) v)^2 / (r + v) over 0 < v < 1, elementwise; `log_ratio` is log(1 + 1/r).

    In closed form where r is small; elsewhere by Gauss's rule of 16 points, the pole being as far away as the interval
    is long.
    """
    slope = far - near
    pole = near - slope * r  # the linear function there
    exact = np.where(pole == 0, 0.0, pole**2 * log_ratio) + 2 * pole * slope + slope**2 * (r + 0.5)
    nodes, weights = np.polynomial.legendre.leggauss(16)
    v = (nodes[:, None] + 1) / 2
    smooth = weights @ ((near + slope * v) ** 2 / (r + v)) / 2
    return np.where(r < 1, exact, smooth)
