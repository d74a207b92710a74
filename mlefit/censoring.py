"""What is known of a row besides its value: an event or not, two ends instead of a value, limits of what was seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mlefit import reading
from mlefit.errors import DataError, UsageError
from mlefit.families.base import Family
from mlefit.families.censored import Censored
from mlefit.families.links import Array
from mlefit.families.truncated import Truncated


@dataclass(frozen=True)
class Censoring:
    """Columns, or SQL expressions, that say how far a row's value is known.

    Attributes:
        event: 1 where the value was observed, 0 where it lies beyond (right-censored).
        upper: upper ends, where the column fitted holds the lower ones; an empty end is open.
        below, above: limits outside which no row could be seen, columns or numbers; empty where there is none.

    Raises:
        UsageError: an event and ends at once.
    """

    event: str | None = None
    upper: str | None = None
    below: str | None = None
    above: str | None = None

    def __post_init__(self) -> None:
        if self.event is not None and self.upper is not None:
            raise UsageError("--event and --upper say the same in two ways; use one of them")

    def __bool__(self) -> bool:
        return any(v is not None for v in (self.event, self.upper, self.below, self.above))

    def wrap(self, family: Family) -> Family:
        """The family of such rows.

        Raises:
            UsageError: the family has no distribution function.
        """
        if self.event is not None or self.upper is not None:
            family = Censored(family)
        return Truncated(family) if self.below is not None or self.above is not None else family

    def known(self) -> dict[str, str]:
        """What is given, by role."""
        named = {"event": self.event, "upper": self.upper, "below": self.below, "above": self.above}
        return {role: text for role, text in named.items() if text is not None}

    def columns(self) -> dict[str, str]:
        """What to read, by role; numbers are not read."""
        return {role: text for role, text in self.known().items() if constant(text) is None}

    def response(self, family: Family, y: Array, table: reading.Table, request: reading.Request) -> Array:
        """Rows (d, n) of the wrapped `family` from those of the plain one; NaN in a row that is missing.

        Both ends of an interval of counts belong to it, an open one's too; a count censored by an event lies beyond.

        Raises:
            DataError: an event that is neither 0 nor 1, or a value censored before it could be seen; the message names
                the line.
        """
        rows = np.atleast_2d(y)
        if self.event is not None:
            event = table.numeric["event"]
            self._check_coding(event, table, request)
            upper = np.where(np.isnan(event), np.nan, np.where(event == 1, rows[0], np.inf))
            rows = np.stack([rows[0], upper, *rows[1:]])
        elif self.upper is not None:
            lower, upper = rows[0], self._limit(self.upper, "upper", table)
            no_lower, no_upper = np.isnan(lower), np.isnan(upper)
            if no_lower.any() or no_upper.any():
                neither = no_lower & no_upper
                lower = np.where(no_lower & ~neither, -np.inf, lower)
                upper = np.where(no_upper & ~neither, np.inf, upper)
            if family.discrete:  # of a row without an upper end the family takes what lies beyond the lower one
                lower = np.where(upper == np.inf, np.ceil(lower) - 1, lower)
            rows = np.stack([lower, upper, *rows[1:]])
        if self.below is not None or self.above is not None:
            below = self._limit(self.below, "below", table)
            above = self._limit(self.above, "above", table)
            open_below, open_above = np.where(np.isnan(below), -np.inf, below), np.where(np.isnan(above), np.inf, above)
            if self.event is not None:
                self._check_entry(rows, open_below, table, request)
            rows = np.stack([*rows, open_below, open_above])
        return rows

    def for_any(self, y: Array) -> Array:
        """Rows (d, n) that `response` made for a continuous family, as discrete ones can take them, too.

        Of an open interval the family takes what lies beyond its lower end. The number just below that end leaves the
        end itself to counts, and says the same to values of a continuum.
        """
        if self.upper is None:
            return y
        lower = np.where((y[1] == np.inf) & (y[0] > -np.inf), np.nextafter(y[0], -np.inf), y[0])
        return np.concatenate([lower[None], y[1:]])

    def _limit(self, text: str | None, role: str, table: reading.Table) -> Array:
        if text is None:
            return np.full(table.n, np.nan)
        value = constant(text)
        return table.numeric[role] if value is None else np.full(table.n, value)

    def _check_coding(self, event: Array, table: reading.Table, request: reading.Request) -> None:
        wrong = np.flatnonzero(~np.isnan(event) & (event != 0) & (event != 1))
        if wrong.size:
            row = int(wrong[0])
            place = reading.locate(request, "event", table.first + row)
            raise DataError(
                f"the event column {self.event!r} holds {event[row]:g} on {place}; 1 means observed, 0 right-censored: "
                f'write the condition instead, such as --event "{self.event} = {event[row]:g}"'
            )

    def _check_entry(self, rows: Array, below: Array, table: reading.Table, request: reading.Request) -> None:
        early = np.flatnonzero((rows[1] == np.inf) & (rows[0] < below))
        if early.size:
            row = int(early[0])
            place = reading.locate(request, "y", table.first + row)
            raise DataError(
                f"the value {rows[0, row]:g} on {place} is censored below its own limit {below[row]:g}: "
                "a row that could not have been seen"
            )

    def problem(self, y: Array, place: object) -> str | None:
        """What is wrong with one row (d,) in its ends or limits; None where it is the value itself."""
        if self.upper is not None and y[0] > y[1]:
            return f"on {place} the lower end {y[0]:g} lies above the upper end {y[1]:g}"
        if self.below is not None or self.above is not None:
            first = y[0] if np.isfinite(y[0]) else y[1]
            if not y[-2] <= first <= y[-1] or y[-2] >= y[-1]:
                return (
                    f"the value {first:g} on {place} lies outside its own limits {y[-2]:g} to {y[-1]:g}: "
                    "a row that could not have been seen"
                )
        return None


def constant(text: str) -> float | None:
    """A number given in place of a column."""
    try:
        return float(text)
    except ValueError:
        return None


def trials_column(text: str | None) -> dict[str, str]:
    """The role of a column of trials, to be read; none where there are none or a number stands for all rows."""
    return {} if not text or constant(text) is not None else {"trials": text}


def trials_of(table: reading.Table, text: str | None) -> Array | None:
    """The trials of every row (n,), from a column or a number; None where there are none."""
    if not text:
        return None
    value = constant(text)
    return table.numeric["trials"] if value is None else np.full(table.n, value)


def plain(family: Family) -> Family:
    """The family without what is known of its rows."""
    while isinstance(family, Censored | Truncated):
        family = family.base
    return family


def from_values(named: Mapping[str, object], columns: dict[str, object]) -> Censoring:
    """The roles of a Python caller, whose arrays are added to `columns` under the names of the roles."""
    found: dict[str, str | None] = {}
    for role, value in named.items():
        if value is not None and not isinstance(value, str) and np.ndim(value) == 1:  # type: ignore[arg-type]
            columns[role] = value
            found[role] = role
        else:
            found[role] = None if value is None else str(value)
    return Censoring(**found)
