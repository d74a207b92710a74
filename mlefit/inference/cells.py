"""Pearson's chi-squared statistics of counts: in cells, or row by row where each row has its own trials."""

from __future__ import annotations

from typing import Final

import numpy as np

from mlefit.families.base import Family
from mlefit.families.interval import log_probability
from mlefit.families.links import Array
from mlefit.inference.mechanism import Mechanism
from mlefit.sample import Sample

EXPECTED: Final = 5.0  # the least expected count of a cell (Cochran 1954)
CELLS: Final = 200  # cells at most
VALUES: Final = 100_000  # probabilities looked at for the edges of cells


def pearson(family: Family, sample: Sample, eta: Array) -> Array:
    """Pearson's statistic of rows that have each their own trials, (1, G): sum w (y - mean)^2 / variance.

    (McCullagh and Nelder 1989, section 4.4.3.)
    """
    scores = np.repeat(eta.T, sample.counts, axis=1) if sample.groups > 1 else eta.T
    own = family.given(*sample.y[1:])
    with np.errstate(all="ignore"):
        missed = (sample.y[0] - own.mean(scores)) ** 2
        return sample.sum(np.where(missed == 0, 0.0, missed / own.variance(scores)))[None]


def cells(family: Family, sample: Sample, eta: Array) -> Array:
    """Upper edges of all cells of counts but the last, (C - 1,), each cell expecting at least 5 rows."""
    total = float(sample.total_weight[0])
    known = Mechanism.of(family, sample.y)
    ends = np.concatenate([known.start, known.end])
    ends = ends[np.isfinite(ends)]
    if not ends.size:
        return np.zeros(0)
    low, high = float(ends.min()), float(ends.max())
    rows = _Kinds.windows(known, sample)
    values = np.unique(np.linspace(low, high, min(int(high - low) + 1, max(2, VALUES // rows.weight.size))).round())
    with np.errstate(all="ignore"):
        share = rows.expected(known.family, np.full(values.size, -np.inf), values, eta[None])[0] / total
    least = max(EXPECTED / total, 1 / CELLS)
    edges: list[float] = []
    last = 0.0
    for value, at in zip(values.tolist(), share.tolist(), strict=True):
        if at - last >= least and 1 - at >= least:
            edges.append(value)
            last = at
    return np.array(edges)


class _Kinds:
    """Kinds of rows (M,) of G groups by what is known of them: left < Y <= right, the other columns, their weight."""

    def __init__(self, sample: Sample, left: Array, right: Array, others: Array) -> None:
        rows = np.stack([left, right, *others])
        with np.errstate(invalid="ignore"):  # infinite ends
            kinds = Sample(rows, sample.weight, sample.offsets).distinct
        assert kinds.weight is not None
        self.left, self.right, self.others = kinds.y[0], kinds.y[1], kinds.y[2:]
        self.weight, self.codes, self.groups = kinds.weight, kinds.codes, kinds.groups

    @staticmethod
    def windows(known: Mechanism, sample: Sample) -> _Kinds:
        """The limits of truncation."""
        return _Kinds(sample, known.left, known.right, known.others)

    @staticmethod
    def seen(known: Mechanism, sample: Sample) -> _Kinds:
        """The ends between which each count is known to be."""
        return _Kinds(sample, np.where(known.event, known.end - 1, known.start), known.end, known.others)

    def expected(self, family: Family, low: Array, high: Array, eta: Array) -> Array:
        """Rows with low < Y <= high, (G, C), of cells (C,), as the family at scores (G, k) expects them."""
        left = np.maximum(self.left[:, None], low)
        right = np.minimum(self.right[:, None], high)
        share = ((left == self.left[:, None]) & (right == self.right[:, None])).astype(float)
        row, cell = np.nonzero((left < right) & (share == 0))
        if row.size:
            scores = np.ascontiguousarray(eta[self.codes].T)
            whole = _log(family, self.left, self.right, self.others, scores)[row]
            part = _log(family, left[row, cell], right[row, cell], self.others[:, row], scores[:, row])
            share[row, cell] = np.exp(np.minimum(part - whole, 0.0))
        return np.stack([np.bincount(self.codes, self.weight * part, self.groups) for part in share.T], axis=1)


def _log(family: Family, left: Array, right: Array, others: Array, eta: Array) -> Array:
    return np.broadcast_to(log_probability(family, left, right, others, eta), left.shape)


def chi_squared(family: Family, sample: Sample, eta: Array, edges: Array) -> Array:
    """Pearson's statistic of counts in cells, (1, G), or (0, G) where there are fewer than two cells.

    A cell expects the sum of the rows' fitted probabilities of it, each within its own limits of truncation. A censored
    count is shared out among the cells that may hold it as the fit says, given what is known of it, so that it adds
    nothing to the distance but what is known.
    """
    if not edges.size:
        return np.zeros((0, sample.groups))
    low, high = np.append(-np.inf, edges), np.append(edges, np.inf)
    known = Mechanism.of(family, sample.y)
    with np.errstate(all="ignore"):
        observed = _Kinds.seen(known, sample).expected(known.family, low, high, eta)
        expected = _Kinds.windows(known, sample).expected(known.family, low, high, eta)
        missed = (observed - expected) ** 2
        return np.where(missed == 0, 0.0, missed / expected).sum(axis=1)[None]
