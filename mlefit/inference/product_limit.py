"""The product-limit estimate of a survival function from right-censored and late-entering rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mlefit.families.links import Array


def product_limit(
    time: Array, event: NDArray[np.bool_], weight: Array, entry: Array | None = None
) -> tuple[Array, Array]:
    """Times of events and the survival after each (Kaplan and Meier 1958, equation 2b), with weights.

    `event` is false where a row left at its `time` without one; such a row is still at risk at events of that time. A
    row is at risk after its `entry` (Klein and Moeschberger 2003, section 4.6); from it on where some row's own time
    is its entry, so that the limits are values that could be seen.
    """
    order = np.argsort(time, kind="stable")
    ordered, happened = time[order], event[order]
    times = np.unique(ordered[happened])
    if not times.size:
        return times, np.ones(0)
    at_risk = _from(weight[order])[np.searchsorted(ordered, times, side="left")]
    if entry is not None:
        begin = np.nextafter(np.minimum(entry, time), -np.inf) if np.any(time <= entry) else entry
        late = np.argsort(begin, kind="stable")
        at_risk = at_risk - _from(weight[late])[np.searchsorted(begin[late], times, side="left")]
    died = np.bincount(np.searchsorted(times, ordered[happened]), weights=weight[order][happened])
    return times, np.asarray(np.cumprod(np.clip(1 - died / at_risk, 0.0, 1.0)), dtype=float)


def _from(weight: Array) -> Array:
    """The weight of the rows from each place on, (n + 1,)."""
    return np.append(np.cumsum(weight[::-1])[::-1], 0.0)
