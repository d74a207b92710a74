"""Values that could be seen only between two limits: nll + log P(below < Y <= above), the density renormalised.

Each row may have limits of its own, such as the age at which a person entered a study (delayed entry; Klein and
Moeschberger 2003, section 3.4).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from mlefit.families.base import Codes, Derivatives, Family, Rows
from mlefit.families.censored import Censored
from mlefit.families.imputed import Copies
from mlefit.families.interval import by_rows, log_probability, log_probability_derivatives
from mlefit.families.irregular import maximised
from mlefit.families.links import Array
from mlefit.families.wrapped import Wrapped


class Truncated(Wrapped):
    """`family` of rows y = (the family's columns, below, above), (d + 2, n); -inf and inf where there is no limit.

    For a discrete family both limits could be seen: below <= Y <= above. `Truncated(Censored(family))` has rows
    (lower, upper, ..., below, above); its intervals are cut at the limits.

    Raises:
        UsageError: the family has no distribution function.
    """

    truncated = True

    def __init__(self, family: Family) -> None:
        super().__init__(family)
        core = family.base if isinstance(family, Censored) else Censored(family).base
        self.core = core
        self.censored = family.censored
        self.columns = (*family.columns, "below", "above")
        # Columns of a row before those that the distribution itself knows, such as the trials.
        self._first = len(family.columns) - len(core.columns) + 1

    def window(self, y: Array) -> tuple[Array, Array]:
        """(left, right] of each row, (n,); infinite where the support ends before."""
        below, above = y[-2], y[-1]
        support = self.support
        if self.discrete:
            left, right = np.ceil(below) - 1, np.floor(above)
            left = np.where(left < support.lower, -np.inf, left)
        else:
            left, right = np.where(below <= support.lower, -np.inf, below), above
        return left, np.where(right >= support.upper, np.inf, right)

    def rows(self, y: Array) -> Array:
        """The family's own rows, with intervals cut at the limits."""
        if isinstance(self.base, Censored):
            return self.base.narrowed(y[:-2], *self.window(y))
        return y[0] if len(y) == 3 else y[:-2]

    def nll(self, y: Array, eta: Array) -> Array:
        left, right = self.window(y)
        others = y[self._first : -2]

        def probability(rows: NDArray[np.intp] | slice, eta: Array) -> tuple[Array]:
            return (log_probability(self.core, left[rows], right[rows], others[:, rows], eta),)

        limited = (left > -np.inf) | (right < np.inf)
        return self.base.nll(self.rows(y), eta) + by_rows((limited,), eta, (probability,), 1)[0]

    def derivatives(self, y: Array, eta: Array) -> Derivatives:
        own = self.base.derivatives(self.rows(y), eta)
        left, right = self.window(y)
        return self.informed(self._seen(y, eta, own), (left > -np.inf) | (right < np.inf), own)

    def beside(self, y: Array, eta: Array) -> Derivatives:
        return self._seen(y, eta, self.base.beside(self.rows(y), eta))

    def _seen(self, y: Array, eta: Array, own: Derivatives) -> Derivatives:
        """`own`, of the rows as if all could be seen, and the logarithm of the probability that they are."""
        left, right = self.window(y)
        others = y[self._first : -2]

        def probability(rows: NDArray[np.intp] | slice, eta: Array) -> Derivatives:
            return log_probability_derivatives(self.core, left[rows], right[rows], others[:, rows], eta)

        limited = (left > -np.inf) | (right < np.inf)
        seen = by_rows((limited,), eta, (probability,), 3)
        return own[0] + seen[0], own[1] + seen[1], own[2] + seen[2]

    def inside(self, y: Array) -> NDArray[np.bool_]:
        """Rows of the family that lie within their limits."""
        left, right = self.window(y)
        known = self.base.inside(self.rows(y)) & (left < right) & ~np.isnan(y[-2]) & ~np.isnan(y[-1])
        if isinstance(self.base, Censored):
            exact = y[0] == y[1]
            return np.asarray(known & (~exact | ((y[0] >= y[-2]) & (y[0] <= y[-1]))))
        return np.asarray(known & (y[0] >= y[-2]) & (y[0] <= y[-1]))

    def exact(self, y: Array) -> NDArray[np.bool_]:
        return self.base.exact(self.rows(y))

    def kinds(self, y: Array) -> Codes | None:
        return self.base.kinds(self.rows(y))

    def central(self, y: Array) -> Array:
        return self.base.central(self.rows(y))

    def corners(self, y: Array, eta: Array) -> Array:
        return self.base.corners(self.rows(y), eta)

    def numbers(self, y: Array) -> Array:
        return y[[0, 1, -2, -1]] if isinstance(self.base, Censored) else y[[0, -2, -1]]

    def starts(self, rows: Rows) -> list[Array]:
        """The family's own, as if there were no limits; the maximum itself where the likelihood ends or bends."""
        if self.irregular:
            return [maximised(self, rows)]
        return self.base.starts(Copies(rows, self.rows(rows.y)))

    def start(self, rows: Rows) -> Array:
        return self.starts(rows)[0]

    def around(self, family: Family) -> Family:
        return Truncated(family)

    def pin(self, fixed: Mapping[str, float]) -> Family:
        return Truncated(self.base.pin(fixed))

    def bind(self, levels: Sequence[str]) -> Family:
        return Truncated(self.base.bind(levels))

    def given(self, *others: Array) -> Family:
        """The distribution before truncation, for means and quantiles."""
        return self.base.given(*others[:-2])
