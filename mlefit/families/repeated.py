"""The rows of a sample several times over, so that several starts of a family are worked out as one batch of groups."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mlefit.families.base import Rows
from mlefit.families.links import Array


@dataclass(frozen=True, eq=False)
class Repeated:
    """`rows` `count` times over, the groups of each copy apart: group s G + g is group g of copy s; see `Rows`."""

    rows: Rows
    count: int

    @cached_property
    def y(self) -> Array:
        """(S n,) or (d, S n): all rows of the first copy, then of the second."""
        return np.tile(self.rows.y, self.count)

    @property
    def weight(self) -> Array | None:
        return None if self.rows.weight is None else np.tile(self.rows.weight, self.count)

    @property
    def total_weight(self) -> Array:
        return np.tile(self.rows.total_weight, self.count)

    def _apart(self, values: Array) -> Array:
        """(..., S n) to (..., S, n)."""
        full = np.broadcast_to(values, (*np.shape(values)[:-1], self.y.shape[-1]))
        return full.reshape(*full.shape[:-1], self.count, -1)

    def sum(self, values: Array) -> Array:
        found = self.rows.sum(self._apart(values))
        return np.asarray(found.reshape(*found.shape[:-2], -1))

    def mean(self, values: Array) -> Array:
        mean = self.sum(values) / self.total_weight
        return np.asarray(mean + self.sum(values - self.spread(mean)) / self.total_weight)

    def variance(self, values: Array) -> Array:
        return np.asarray(self.sum((values - self.spread(self.mean(values))) ** 2) / self.total_weight)

    def minimum(self, values: Array) -> Array:
        return np.concatenate([self.rows.minimum(v) for v in self._apart(values)])

    def maximum(self, values: Array) -> Array:
        return np.concatenate([self.rows.maximum(v) for v in self._apart(values)])

    def quantile(self, values: Array, q: float) -> Array:
        return np.concatenate([self.rows.quantile(v, q) for v in self._apart(values)])

    def spread(self, group_values: Array) -> Array:
        found = self.rows.spread(group_values.reshape(*group_values.shape[:-1], self.count, -1))
        full = np.broadcast_to(found, (*found.shape[:-1], self.rows.y.shape[-1]))
        return full.reshape(*full.shape[:-2], -1)
