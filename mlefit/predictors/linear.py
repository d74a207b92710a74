"""Each score a linear function of its own columns: what `regress` fits.

theta is the coefficients of the first score, then those of the second, and so on: p = p_0 + ... + p_(k-1). The
design matrices are the sample's `x`, one a score; known additions (offsets, exposures) its `base`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlefit.sample import Sample
from mlefit.solvers.solution import Array, Sums


class Linear:
    """eta_j = x_j theta_j + base_j.

    Args:
        sizes: the number of columns of each score's design matrix.
    """

    statistics = False  # scores differ from row to row

    def __init__(self, sizes: Sequence[int]) -> None:
        ends = np.cumsum([0, *sizes])
        self.blocks = tuple(slice(int(a), int(b)) for a, b in zip(ends[:-1], ends[1:], strict=True))

    def scores(self, theta: Array, sample: Sample) -> Array:
        """(P, p) to (k, P, n) for one group, or (k, n) for a problem a group."""
        single = sample.groups == 1
        parts = []
        for block, x in zip(self.blocks, sample.x, strict=True):
            mine = theta[:, block]
            parts.append(mine @ x.T if single else np.einsum("ij,ij->i", x, np.repeat(mine, sample.counts, axis=0)))
        eta = np.stack(parts)
        if sample.base is None:
            return eta
        return eta + (sample.base[:, None] if single else sample.base)

    def value(self, sample: Sample, nll: Array) -> Array:
        """Summed NLL of each problem, (P,)."""
        if sample.groups > 1:
            return sample.sum(nll)
        return np.asarray(nll.sum(axis=-1) if sample.weight is None else nll @ sample.weight)

    def sums(self, sample: Sample, nll: Array, gradient: Array, hessian: Array) -> Sums:
        """Per-row derivatives with respect to the scores, summed to those with respect to theta."""
        if sample.weight is not None:
            gradient, hessian = gradient * sample.weight, hessian * sample.weight
        size, count = self.blocks[-1].stop, sample.groups if sample.groups > 1 else nll.shape[0]
        slopes, curves = np.zeros((count, size)), np.zeros((count, size, size))
        for j, (block, x) in enumerate(zip(self.blocks, sample.x, strict=True)):
            slopes[:, block] = _weighted(sample, gradient[j], x)
            for other, z in zip(self.blocks[: j + 1], sample.x, strict=False):
                part = _crossed(sample, hessian[j, self.blocks.index(other)], x, z)
                curves[:, block, other] = part
                curves[:, other, block] = np.swapaxes(part, 1, 2)
        return Sums(self.value(sample, nll), slopes, curves)

    def outer(self, sample: Sample, gradient: Array) -> Array:
        """Sums over rows of the squared weight times the outer product of the gradient, (P, p, p)."""
        rows = self.rows(sample, gradient)
        if sample.groups == 1:
            return np.einsum("pni,pnj->pij", rows, rows)
        products = rows[0][:, :, None] * rows[0][:, None, :]
        return np.asarray(np.add.reduceat(products, sample.offsets[:-1], axis=0))

    def rows(self, sample: Sample, gradient: Array) -> Array:
        """The weighted gradient with respect to theta of every row, (P, n, p) or (1, n, p) with groups."""
        if sample.weight is not None:
            gradient = gradient * sample.weight
        lifted = gradient if gradient.ndim == 3 else gradient[:, None]
        return np.concatenate([lifted[j][:, :, None] * x for j, x in enumerate(sample.x)], axis=2)


def _weighted(sample: Sample, values: Array, x: Array) -> Array:
    """x' values: (P, n) and (n, p) to (P, p); by groups (n,) to (G, p)."""
    if sample.groups == 1:
        return values @ x
    return np.asarray(np.add.reduceat(values[:, None] * x, sample.offsets[:-1], axis=0))


def _crossed(sample: Sample, values: Array, x: Array, z: Array) -> Array:
    """x' diag(values) z: (P, p, q), or (G, p, q) by groups."""
    if sample.groups == 1:
        return np.stack([(x * row[:, None]).T @ z for row in values])
    products = (values[:, None] * x)[:, :, None] * z[:, None, :]
    return np.asarray(np.add.reduceat(products, sample.offsets[:-1], axis=0))
