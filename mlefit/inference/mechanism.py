"""Rows as they would have been seen had their values been others: the limits and censoring times of a sample, kept.

New values are drawn from a fitted distribution within each row's own limits of truncation. Where rows are censored on
one side, a censored row keeps its censoring time, and that of an observed row is drawn from the product-limit
estimate of the censoring times beyond its value: the conditional bootstrap of Davison and Hinkley (1997, section 3.5,
algorithm 3.1). Left-censoring is the mirror image. Rows censored on both sides, or known between two ends, are looked
at anew as `inspection` says.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mlefit.errors import UsageError
from mlefit.families.base import Family
from mlefit.families.censored import Censored
from mlefit.families.interval import log_probability
from mlefit.families.links import Array
from mlefit.families.truncated import Truncated
from mlefit.inference.inspection import Inspection, parts
from mlefit.inference.product_limit import product_limit

RARE: Final = 1e-9  # probability between the limits below which the quantile function has too few digits to draw from

OWN_LIMITS: Final = (
    "rows known between two ends, each within limits of truncation of its own, do not tell how new rows would have "
    "been seen: only the nonparametric bootstrap is open to them"
)


def bare(family: Family) -> Family:
    """The distribution itself, whatever is known of the rows."""
    while isinstance(family, Censored | Truncated):
        family = family.base
    return family


def _same(values: Array) -> bool:
    return bool((values == values[:1]).all())


@dataclass(frozen=True, eq=False)
class Mechanism:
    """What is known of rows besides the values, n of them.

    Attributes:
        family: the distribution itself, of the values and the columns `others`.
        others: (d, n), such as trials.
        time: the value, or where it was lost from sight, (n,); where `side` is 0 without meaning.
        event: whether the value is known, (n,).
        side: 1 where the others lie above their time, -1 below, 0 where rows are censored on both sides or between two
            ends.
        start, end: the two ends of the value within the limits, start < Y <= end, equal where it is known, (n,).
        left, right: limits of truncation, left < Y <= right, (n,).
        limits: the rows' last columns as they were given: (2, n), or (0, n) where nothing is truncated.
        censored: whether the rows have two ends.
    """

    family: Family
    others: Array
    time: Array
    event: NDArray[np.bool_]
    side: int
    start: Array
    end: Array
    left: Array
    right: Array
    limits: Array
    censored: bool

    @staticmethod
    def of(family: Family, y: Array) -> Mechanism:
        """That of rows y (d, n) of a wrapped family."""
        n = y.shape[-1]
        rows, limits = np.atleast_2d(y), np.zeros((0, n))
        left, right = np.full(n, -np.inf), np.full(n, np.inf)
        if isinstance(family, Truncated):
            left, right = family.window(y)
            rows, limits, family = y[:-2], y[-2:], family.base
        if not isinstance(family, Censored):
            seen = np.ones(n, dtype=bool)
            return Mechanism(family, rows[1:], rows[0], seen, 1, rows[0], rows[0], left, right, limits, False)
        event, start, end = family.ends(rows)
        above, below = ~event & (end == np.inf) & (start > -np.inf), ~event & (start == -np.inf) & (end < np.inf)
        side = 1 if (event | above).all() else -1 if (event | below).all() else 0
        time = rows[1] if side < 0 else rows[0]
        start, end = np.where(event, rows[0], np.maximum(start, left)), np.where(event, rows[0], np.minimum(end, right))
        return Mechanism(family.base, rows[2:], time, event, side, start, end, left, right, limits, True)

    @property
    def alike(self) -> bool:
        """Whether all rows have the same limits and the same other columns."""
        rows = np.stack([self.left, self.right, *self.others])
        return bool((rows == rows[:, :1]).all())

    def draw(self, generator: np.random.Generator, eta: Array, copies: int) -> Array:
        """Rows (d, copies n) of the wrapped family from scores eta (k, 1), copy by copy.

        Raises:
            UsageError: the family has no quantile function, hardly any probability between the limits, or some at
                infinity; rows between two ends that have limits each of its own.
        """
        if not self.side and not (_same(self.left) and _same(self.right)):
            raise UsageError(OWN_LIMITS)
        values = self._values(generator, eta, copies)
        if not self.censored:
            rows = [values[None], np.tile(self.others, copies)]
        elif not self.side:
            rows = [self._inspected(generator, values, eta), np.tile(self.others, copies)]
        else:
            until = self._censoring_times(generator, copies)
            seen = self.side * values <= self.side * until
            time = np.where(seen, values, until)
            beyond = np.where(seen, time, self.side * np.inf)
            ends = (time, beyond) if self.side > 0 else (beyond, time)
            rows = [np.stack(ends), np.tile(self.others, copies)]
        lost = ~np.isfinite(rows[0]).any(axis=0)
        if not self.side:  # a row may be open on both sides
            lost &= rows[0][0] == rows[0][1]
        if lost.any():  # a defective distribution: some of it is at infinity
            raise UsageError(
                f"the fitted {self.family.name} has a part of its probability at infinity, {lost.mean():.2g} of it: "
                "its hazard dies out, so that some never fail, and rows that are all observed cannot be drawn from it"
            )
        found = np.concatenate([*rows, np.tile(self.limits, copies)])
        return found if found.shape[0] > 1 else found[0]

    def _values(self, generator: np.random.Generator, eta: Array, copies: int) -> Array:
        n = self.time.size * copies
        family = self.family.given(*np.tile(self.others, copies))
        try:
            with np.errstate(all="ignore"):
                if (self.left == -np.inf).all() and (self.right == np.inf).all():
                    drawn = np.asarray(family.sample(generator, eta, n), dtype=float)
                    return drawn if drawn.ndim == 1 else drawn[0]
                open_below, whole = np.full(self.time.size, -np.inf), np.ones(self.time.size)
                below = np.where(self.left > -np.inf, self._probability(open_below, self.left, eta), 0.0) * whole
                between = self._probability(self.left, self.right, eta) * whole
                if np.min(between) < RARE:
                    raise UsageError(
                        f"the fitted {self.family.name} hardly ever lies within the limits of truncation, so no rows "
                        "can be drawn from it there"
                    )
                share = np.tile(below, copies) + generator.random(n) * np.tile(between, copies)
                values = family.quantile(np.clip(share, 1e-300, 1 - 2**-53), eta)
                step = 1.0 if family.discrete else 0.0
                low, high = np.tile(self.left, copies) + step, np.tile(self.right, copies)
                return np.asarray(np.clip(values, low, high), dtype=float)
        except NotImplementedError:
            raise UsageError(f"{self.family.name} has no quantile function, so nothing can be drawn from it") from None

    def _inspected(self, generator: np.random.Generator, values: Array, eta: Array) -> Array:
        """What would be known of the values (m,): their ends, (2, m), as the family has them."""
        event, start, end, n = self.event, self.start, self.end, self.time.size
        seen = np.sort(end[event])
        edges = parts(seen, self.family.discrete)
        count = max(edges.size - 1, 0)
        left, right = (np.repeat(edge, n) for edge in (edges[:-1], edges[1:]))
        with np.errstate(all="ignore"):
            whole = self._probability(self.left, self.right, eta) * np.ones(n)
            below, chance, above = (
                self._probability(*ends, eta) / whole for ends in ((self.left, start), (start, end), (end, self.right))
            )
            held = log_probability(self.family, left, right, np.tile(self.others, count), eta)
            held = (np.exp(held * np.ones(left.size)).reshape(count, n) / whole).mean(axis=1)
        # Beyond the limits, and on both sides of a row without ends, there is nothing.
        below = np.where(start <= self.left, 0.0, below)
        above = np.where(end >= self.right, 1.0, 1 - above)
        start, end, below, above, chance = (part[~event] for part in (start, end, below, above, chance))
        ends = Inspection(start, end, below, above, chance, seen, edges, held).ends(generator, values)
        if not self.family.discrete:
            return ends
        lower, upper = ends
        known = (lower == upper) | (lower + 1 == upper)
        return np.stack([np.where(known, upper, lower + (upper < np.inf)), upper])

    def _probability(self, left: Array, right: Array, eta: Array) -> Array:
        return np.exp(log_probability(self.family, left, right, self.others, eta))

    def _censoring_times(self, generator: np.random.Generator, copies: int) -> Array:
        time, side = self.side * self.time, self.side
        entry = self.left if side > 0 else -self.right
        # An event goes before a censoring of the same time, so it is not at risk of that.
        times, survival = product_limit(
            np.where(self.event, np.nextafter(time, -np.inf), time), ~self.event, np.ones(time.size), entry
        )
        next_one = np.searchsorted(times, time, side="left")
        levels = np.concatenate([[1.0], survival])[next_one]
        target = np.tile(levels, copies) * generator.random(time.size * copies)
        # The first time at which so few are left; never, where the last rows were events.
        place = np.maximum(np.searchsorted(-survival, -target, side="left"), np.tile(next_one, copies))
        drawn = np.append(times, np.inf)[place]
        return side * np.where(np.tile(self.event, copies), drawn, np.tile(time, copies))
