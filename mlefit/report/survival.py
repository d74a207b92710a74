"""The fitted survival curve of censored or truncated rows over what the rows themselves say (Kaplan and Meier 1958)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mlefit.families.links import Array
from mlefit.inference.product_limit import product_limit
from mlefit.report import figure as f
from mlefit.report.text import harmless

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from mlefit.inference.fit import Fit


def survival_panel(axis: Axes, fit: Fit, y: Array, weight: Array, label: str) -> None:
    """Survival against the value: steps of the product-limit estimate where rows allow it, and the fitted curve.

    `y` holds the rows as the family has them: (lower, upper, ..., below, above), or (value, ..., below, above).
    """
    family = fit.family
    ends = y[:2] if family.censored else np.stack([y[0], y[0]])
    below, above = (y[-2], y[-1]) if family.truncated else (np.full(y.shape[1], -np.inf), np.full(y.shape[1], np.inf))
    known = ends[np.isfinite(ends)]
    low, high = float(known.min()), float(known.max())
    if np.isfinite(family.support.lower):
        low = family.support.lower
    grid = np.linspace(low, high + 0.04 * (high - low), 501)
    least = float(known[known > 0].min(initial=np.inf))
    if family.support.lower == 0 and high > 300 * least:
        grid = np.geomspace(least / 2, high * 1.1, 501)
        axis.set_xscale("log")
    with np.errstate(all="ignore"):
        curve = np.exp(family.log_sf(grid, fit.eta[:, None]))
    right = (ends[1] == ends[0]) | ((ends[1] == np.inf) & np.isfinite(ends[0]))
    if right.all() and (below == -np.inf).all() and (above == np.inf).all():
        times, steps = product_limit(ends[0], ends[1] == ends[0], weight)
        times, steps = np.concatenate([[min(low, grid[0])], times, [high]]), np.concatenate([[1.0], steps, steps[-1:]])
        axis.step(times, steps, where="post", color=f.SECOND, linewidth=1.6, label="Kaplan–Meier")
        lost = ends[1] == np.inf
        heights = steps[np.searchsorted(times[:-1], ends[0][lost], side="right") - 1]
        axis.plot(ends[0][lost], heights, "|", color=f.SECOND, markersize=7, label="censored")
    axis.plot(grid, curve, color=f.MODEL, linewidth=2, label=label)
    axis.set_xlim(grid[0], grid[-1])
    axis.set_ylim(0, 1)
    axis.set_yticks(np.linspace(0, 1, 6))  # none in the room above, where the legend is
    axis.set_xlabel(harmless(fit.column))
    axis.set_ylabel("survival")
