"""The same scores for every row of a group: what `estimate` fits.

P problems, each a row of `theta`, meet a sample in one of two ways: all of them with its one group, or problem
i with group i.
"""

from __future__ import annotations

import numpy as np

from mlefit.sample import Sample
from mlefit.solvers.solution import Array, Sums


class Constant:
    """theta itself is the score vector: p = k."""

    statistics = True  # the scores are equal within a group, so sums of statistics are all that is needed

    def scores(self, theta: Array, sample: Sample) -> Array:
        """(P, k) to (k, P, 1) for one group, or (k, n) for a problem a group."""
        if sample.groups == 1:
            return np.ascontiguousarray(theta.T)[:, :, None]
        return np.repeat(theta.T, sample.counts, axis=1)

    def value(self, sample: Sample, nll: Array) -> Array:
        """Summed NLL of each problem, (P,)."""
        return _total(sample, nll)

    def sums(self, sample: Sample, nll: Array, gradient: Array, hessian: Array) -> Sums:
        """Per-row derivatives with respect to the scores, summed to those with respect to theta."""
        return Sums(
            _total(sample, nll),
            np.ascontiguousarray(_total(sample, gradient).T),
            np.ascontiguousarray(np.moveaxis(_total(sample, hessian), -1, 0)),
        )

    def outer(self, sample: Sample, gradient: Array) -> Array:
        """Sums over rows of the squared weight times the outer product of the gradient, (P, p, p)."""
        products = gradient[:, None] * gradient[None, :]
        if sample.weight is not None:
            products = products * sample.weight
        return np.ascontiguousarray(np.moveaxis(_total(sample, products), -1, 0))


def _total(sample: Sample, values: Array) -> Array:
    """Weighted sums over the rows: (..., P, n) to (..., P) for one group, else (..., n) to (..., G)."""
    if sample.groups > 1:
        return sample.sum(values)
    if values.shape[-1] == 1:  # the same for every row, such as a Hessian that does not depend on y
        return np.asarray(values[..., 0] * sample.total_weight[0])
    return np.asarray(values.sum(axis=-1) if sample.weight is None else values @ sample.weight)
