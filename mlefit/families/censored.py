"""Values known only to lie between two ends: nll = -log P(left < Y <= right); those known exactly keep their nll.

A row is (lower, upper): equal for an exact value, -inf or inf where there is no end, so that left-, right- and
interval-censored rows stand side by side (Lawless 2003, section 2.2).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mlefit.errors import UsageError
from mlefit.families import imputed, interval
from mlefit.families.base import Codes, Derivatives, Family, Rows
from mlefit.families.interval import with_columns
from mlefit.families.irregular import maximised
from mlefit.families.links import Array
from mlefit.families.wrapped import Wrapped

OPEN_ABOVE: Final = 3  # the kind of a row that is known to lie above a value and no more


class Censored(Wrapped):
    """`family` of rows y = (lower, upper, and the family's columns after its first), (2 + d, n).

    For a discrete family a row with both ends means lower <= Y <= upper, both included, while one without an upper
    end means Y > lower: a value censored at `lower` by the end of a study had not happened yet. (What a user writes as
    an interval open above begins at its lower end; `mlefit.censoring` moves it.)

    Raises:
        UsageError: the family has no distribution function.
    """

    censored = True

    def __init__(self, family: Family) -> None:
        if family.labels or type(family).log_cdf is Family.log_cdf or type(family).log_sf is Family.log_sf:
            raise UsageError(f"{family.name} has no distribution function, so it cannot be fitted to censored values")
        super().__init__(family)
        self.columns = ("lower", "upper", *family.columns[1:])

    def ends(self, y: Array) -> tuple[NDArray[np.bool_], Array, Array]:
        """Which rows are exact, and (left, right] for the others; infinite where the support ends before, (n,)."""
        lower, upper = y[0], y[1]
        exact = lower == upper
        support = self.base.support
        if self.discrete:
            left = np.where(upper < np.inf, np.ceil(lower) - 1, np.floor(lower))
            right = np.floor(upper)
            left = np.where(left < support.lower, -np.inf, left)
        else:
            left, right = interval.beyond(lower, lower <= support.lower, -np.inf), upper
        return exact, left, interval.beyond(right, right >= support.upper, np.inf)

    def narrowed(self, y: Array, below: Array, above: Array) -> Array:
        """The rows, given that every value lies in (below, above]: ends beyond these move there."""
        exact, left, right = self.ends(y)
        left, right = np.maximum(left, below), np.minimum(right, above)
        lower = left + (right < np.inf) if self.discrete else left
        return np.stack([np.where(exact, y[0], lower), np.where(exact, y[1], right), *y[2:]])

    def nll(self, y: Array, eta: Array) -> Array:
        exact, left, right = self.ends(y)

        def value(rows: interval.Rows, eta: Array) -> tuple[Array]:
            return (self.base.nll(with_columns(y[0, rows], y[2:, rows]), eta),)

        functions = interval.values(self.base, left, right, y[2:])
        return self._by_kind(exact, left, right, eta, (value, *functions), 1)[0]

    def derivatives(self, y: Array, eta: Array) -> Derivatives:
        return self.informed(self._derivatives(y, eta, self.base.derivatives), ~self.exact(y))

    def beside(self, y: Array, eta: Array) -> Derivatives:
        return self._derivatives(y, eta, self.base.beside)

    def _derivatives(self, y: Array, eta: Array, of: Callable[[Array, Array], Derivatives]) -> Derivatives:
        """By the derivatives of exact rows."""
        exact, left, right = self.ends(y)

        def value(rows: interval.Rows, eta: Array) -> Derivatives:
            return of(with_columns(y[0, rows], y[2:, rows]), eta)

        functions = interval.derivatives(self.base, left, right, y[2:])
        nll, gradient, hessian = self._by_kind(exact, left, right, eta, (value, *functions), 3)
        return nll, gradient, hessian

    def _by_kind(
        self,
        exact: NDArray[np.bool_],
        left: Array,
        right: Array,
        eta: Array,
        functions: tuple[interval.Function, ...],
        parts: int,
    ) -> tuple[Array, ...]:
        """Exact rows, and each kind of interval, by its own function."""
        kinds = (kind & ~exact for kind in interval.kinds(left, right))
        return interval.by_rows((exact, *kinds), eta, functions, parts, (1, -1, -1, -1))

    def inside(self, y: Array) -> NDArray[np.bool_]:
        """Exact values in the support, ends in order, and some of the support between them."""
        exact, left, right = self.ends(y)
        known = (left < right) & (left < self.support.upper)  # never where an end is NaN
        known &= (right >= self.support.lower) if self.discrete else (right > self.support.lower)
        return np.where(exact, self.base.inside(with_columns(y[0], y[2:])), known) if exact.any() else known

    def exact(self, y: Array) -> NDArray[np.bool_]:
        return np.asarray(y[0] == y[1])

    def kinds(self, y: Array) -> Codes:
        """Exact, open above, open below, closed."""
        exact, left, right = self.ends(y)
        # Small integers sort in a fraction of the time.
        codes = np.uint8(1) + (left == -np.inf) + np.uint8(2) * (right == np.inf)
        codes *= ~exact
        return codes

    def central(self, y: Array) -> Array:
        """The value or the middle of the interval; the finite end of an open one."""
        lower, upper = y[0], y[1]
        if np.isfinite(y[:2]).all():
            return np.asarray(lower + (upper - lower) / 2)
        low, high = np.where(np.isfinite(lower), lower, upper), np.where(np.isfinite(upper), upper, lower)
        with np.errstate(invalid="ignore"):  # a row open on both sides
            middle = low + (high - low) / 2
        return np.where(np.isfinite(middle), middle, 0.0)

    def corners(self, y: Array, eta: Array) -> Array:
        found = self.base.corners(with_columns(y[0], y[2:]), eta)
        return np.where(self.exact(y), found, np.inf)  # a tail has no kinks

    def numbers(self, y: Array) -> Array:
        return y[:2]

    def starts(self, rows: Rows) -> list[Array]:
        if self.irregular:
            return [maximised(self, rows)]
        exact, left, right = self.ends(rows.y)
        return imputed.starts(self.base, rows, exact, left, np.where(exact, rows.y[0], right), rows.y[2:])

    def start(self, rows: Rows) -> Array:
        return self.starts(rows)[0]

    def doubts(self, eta: Array) -> Sequence[str]:
        return self.base.doubts(eta)

    def around(self, family: Family) -> Family:
        return Censored(family)

    def pin(self, fixed: Mapping[str, float]) -> Family:
        return Censored(self.base.pin(fixed))

    def bind(self, levels: Sequence[str]) -> Family:
        return Censored(self.base.bind(levels))

    def given(self, *others: Array) -> Family:
        return self.base.given(*others[1:])
