"""Rows of a sample with other weights, so that a family's `start` can serve as the M step of EM."""

from __future__ import annotations

import numpy as np

from mlefit.families.base import Rows
from mlefit.families.links import Array


class Reweighted:
    """`rows` with each row's weight multiplied by `factor`, (n,); minima, maxima and quantiles stay as they are."""

    def __init__(self, rows: Rows, factor: Array) -> None:
        self.rows = rows
        self.factor = factor

    @property
    def y(self) -> Array:
        return self.rows.y

    @property
    def weight(self) -> Array:
        return self.factor if self.rows.weight is None else self.rows.weight * self.factor

    @property
    def total_weight(self) -> Array:
        return self.rows.sum(self.factor)

    def sum(self, values: Array) -> Array:
        return self.rows.sum(values * self.factor)

    def mean(self, values: Array) -> Array:
        return np.asarray(self.sum(values) / self.total_weight)

    def variance(self, values: Array) -> Array:
        return self.mean((values - self.spread(self.mean(values))) ** 2)

    def minimum(self, values: Array) -> Array:
        return self.rows.minimum(values)

    def maximum(self, values: Array) -> Array:
        return self.rows.maximum(values)

    def quantile(self, values: Array, q: float) -> Array:
        return self.rows.quantile(values, q)

    def spread(self, group_values: Array) -> Array:
        return self.rows.spread(group_values)
