"""Each score a linear function of its own columns: what `regress` fits.

theta is the coefficients of the first score, then those of the second, and so on: p = p_0 + ... + p_(k-1). The
design matrices are the sample's `x`, one a score; known additions (offsets, exposures) its `base`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

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
        self.blocks = tuple(slice(int(a), int(b)) for a, b in pairwise(ends))

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
        if count == 1 and sample.groups == 1 and gradient.ndim == 3:
            return Sums(self.value(sample, nll), *self._one(sample, gradient[:, 0], hessian[:, :, 0]))
        slopes, curves = np.zeros((count, size)), np.zeros((count, size, size))
        for j, (block, x) in enumerate(zip(self.blocks, sample.x, strict=True)):
            slopes[:, block] = _weighted(sample, gradient[j], x)
            for other, z in zip(self.blocks[: j + 1], sample.x, strict=False):
                part = _crossed(sample, hessian[j, self.blocks.index(other)], x, z)
                curves[:, block, other] = part
                curves[:, other, block] = np.swapaxes(part, 1, 2)
        return Sums(self.value(sample, nll), slopes, curves)

    def _one(self, sample: Sample, gradient: Array, hessian: Array) -> tuple[Array, Array]:
        """Gradient (1, p) and Hessian (1, p, p) of a single problem, in few passes over the design."""
        size, n = self.blocks[-1].stop, sample.n
        slope, curve = np.zeros(size), np.zeros((size, size))
        narrow = [x.shape[1] == 1 for x in sample.x]
        columns = [np.broadcast_to(g, (n,)) for g in gradient]
        for j, (block, x) in enumerate(zip(self.blocks, sample.x, strict=True)):
            if narrow[j]:
                # Not by BLAS, whose threads cost more than a product of two vectors.
                own = x[:, 0]
                slope[block] = np.einsum("i,i->", columns[j], own)
                for other, z in zip(self.blocks[: j + 1], sample.x, strict=False):
                    if z.shape[1] == 1:
                        values = np.broadcast_to(hessian[j, self.blocks.index(other)], (n,))
                        curve[block, other] = curve[other, block] = np.einsum("i,i,i->", values, own, z[:, 0])
                continue
            if not x.shape[1]:
                continue
            thin = [i for i, one in enumerate(narrow) if one]
            others = [columns[j], *(hessian[j, i] * sample.x[i][:, 0] for i in thin)]
            product = _product(x, np.broadcast_to(hessian[j, j], (n,)), others)
            p = x.shape[1]
            curve[block, block], slope[block] = product[:, :p], product[:, p]
            for i, column in zip(thin, product.T[p + 1 :], strict=True):
                curve[block, self.blocks[i]] = column[:, None]
                curve[self.blocks[i], block] = column
            for i, other in enumerate(self.blocks[:j]):
                if not narrow[i]:
                    part = (x * np.broadcast_to(hessian[j, i], (n,))[:, None]).T @ sample.x[i]
                    curve[block, other], curve[other, block] = part, part.T
        return slope[None], curve[None]

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


def _product(x: Array, curve: Array, others: list[Array]) -> Array:
    """x' [diag(curve) x, others], (p, p + m): as a matrix with itself, half the work, where curvatures are positive."""
    n, p = x.shape
    root = np.sqrt(curve) if (curve > 0).all() else None
    right = np.empty((n, p + len(others)))
    np.multiply(x, (curve if root is None else root)[:, None], out=right[:, :p])
    for j, column in enumerate(others, p):
        if root is None:
            right[:, j] = column
        else:
            np.divide(column, root, out=right[:, j])
    return np.asarray(x.T @ right if root is None else (right.T @ right)[:p])


def _crossed(sample: Sample, values: Array, x: Array, z: Array) -> Array:
    """x' diag(values) z: (P, p, q), or (G, p, q) by groups."""
    if sample.groups == 1:
        return np.stack([(x * row[:, None]).T @ z for row in values])
    products = (values[:, None] * x)[:, :, None] * z[:, None, :]
    return np.asarray(np.add.reduceat(products, sample.offsets[:-1], axis=0))
