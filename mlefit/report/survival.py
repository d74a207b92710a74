"""The fitted survival curve of censored or truncated rows over what the rows say without it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mlefit.families.links import Array
from mlefit.inference.product_limit import product_limit
from mlefit.inference.turnbull import turnbull
from mlefit.report import figure as f

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from mlefit.inference.fit import Fit


def survival_panel(axis: Axes, fit: Fit, y: Array, weight: Array, label: str) -> None:
    """Survival against the value: the fitted curve over what the rows say, as a product-limit or Turnbull's estimate.

    `y` holds the rows as the family has them: (lower, upper, ..., below, above). Where rows entered late, survival is
    that beyond the earliest entry; limits above leave the fitted curve alone.
    """
    family = fit.family
    left, right = y[:2]
    whole = np.zeros(left.size)
    below, above = (y[-2], y[-1]) if family.truncated else (whole - np.inf, whole + np.inf)
    start = float(below.min())
    known = y[:2][np.isfinite(y[:2])]
    low, high = float(known.min()), float(known.max())
    low = max(family.support.lower, start) if max(family.support.lower, start) > -np.inf else low
    grid = np.linspace(low, high + 0.04 * (high - low), 501)
    least = float(known[known > 0].min(initial=np.inf))
    if low == 0 and high > 300 * least:
        # Below the first end of an interval its rows say nothing: both curves are seen from there.
        first = least if (left < right)[(right < np.inf)].any() else least / 2
        grid = np.geomspace(first, high * 1.1, 501)
        f.by_factors(axis, "x", grid[0], grid[-1])
    eta = fit.eta[:, None]
    with np.errstate(all="ignore"):
        gone = family.log_sf(np.array([start]), eta) if start > -np.inf else 0.0
        curve = np.exp(family.log_sf(grid, eta) - gone)
    if (above == np.inf).all():
        if ((left == right) | ((right == np.inf) & (left > -np.inf))).all():
            _product_limit(axis, left, right, weight, below, grid[0], high)
        elif start == -np.inf:
            turnbull_line(axis, left, right, weight, low if grid[0] <= low else None)
    axis.plot(grid, curve, color=f.MODEL, linewidth=2, label=label)
    axis.set_xlim(grid[0], grid[-1])
    axis.set_ylim(0, 1)
    axis.set_yticks(np.linspace(0, 1, 6))  # none in the room above, where the legend is
    axis.set_xlabel(f.short(fit.column, 36 if fit.group else 60))
    axis.set_ylabel("survival" if start == -np.inf else f"survival beyond {start:g}")


def _product_limit(
    axis: Axes, left: Array, right: Array, weight: Array, below: Array, first: float, high: float
) -> None:
    entry = below if (below > -np.inf).any() else None
    times, steps = product_limit(left, right == left, weight, entry)
    first = min(first, float(times.min(initial=first)))
    times, steps = np.concatenate([[first], times, [high]]), np.concatenate([[1.0], steps, steps[-1:]])
    axis.step(times, steps, where="post", color=f.SECOND, linewidth=1.6, label="Kaplan–Meier")
    lost = left[right == np.inf]
    if lost.size:
        heights = steps[np.searchsorted(times[:-1], lost, side="right") - 1]
        axis.plot(lost, heights, "|", color=f.SECOND, markersize=7, label="censored")


def turnbull_line(
    axis: Axes, left: Array, right: Array, weight: Array, first: float | None, color: str = f.SECOND
) -> None:
    """Survival as Turnbull estimates it: level where the rows say so, sloping through the intervals in which they leave
    the probability's place open.

    `first` is where a slope begins whose interval has no lower end, None where the axis does not go down to there.
    """
    low, high, p = turnbull(left, right, weight)
    after = 1 - np.cumsum(p)
    x, height = np.stack([low, high], axis=1).ravel(), np.stack([after + p, after], axis=1).ravel()
    x = np.where(x <= (-np.inf if first is not None else 0.0), np.nan if first is None else first, x)
    known = x < np.inf
    axis.plot(x[known], height[known], color=color, linewidth=1.6, label="Turnbull")
