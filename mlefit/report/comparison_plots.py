"""One picture of a comparison: densities over the data, distribution functions, quantiles and probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from mlefit.errors import DataError, UsageError
from mlefit.report import figure as f
from mlefit.report.text import harmless

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from mlefit.families.links import Array
    from mlefit.inference.compare import Comparison
    from mlefit.inference.fit import Fit
    from mlefit.sample import Sample

COLOURS: Final = (f.MODEL, f.SECOND, "#3c8d5a", "#8b5fb3", "#c98a1b")  # one a family, the best five
POINTS: Final = 1500  # of the data, in the panels that draw them one by one


def comparison_plot(found: Sequence[tuple[Comparison, Sample]], path: str) -> None:
    """Four panels with the best five families of a comparison and the rows it is about.

    Raises:
        UsageError: an ending that is no picture's, several comparisons, or families of successes in trials.
        DataError: no family could be fitted.
    """
    f.check_path(path)
    if len(found) > 1:
        raise UsageError(f"--plot draws one comparison, not {len(found)}; choose one with --where or --column")
    comparison, sample = found[0]
    fits = [entry.fit for entry in comparison.entries if entry.fit is not None][: len(COLOURS)]
    if not fits:
        raise DataError(f"no family could be fitted to {comparison.column}, so there is nothing to draw")
    if sample.y.ndim > 1:
        raise UsageError("--plot draws one distribution of the values; with --trials every row has its own")
    order = np.argsort(sample.y, kind="stable")
    y = sample.y[order]
    weight = np.ones(y.size) if sample.weight is None else sample.weight[order]
    after = np.cumsum(weight) / weight.sum()
    figure, axes = f.new(2, 2, width=5.6, height=4.1)
    name = harmless(comparison.column)
    best = f"{fits[0].family.name} is best by {LABEL[comparison.rank]}"
    figure.suptitle(f"{name}, n = {comparison.n}: {best}", x=0.01, ha="left")
    _densities(axes[0], fits, y, weight, name)
    _cdf(axes[1], fits, y, after, name)
    chosen = np.unique(np.linspace(0, y.size - 1, min(y.size, POINTS)).round().astype(int))
    middle = (after - weight / weight.sum() / 2)[chosen]
    _quantiles(axes[2], fits, y[chosen], middle, name)
    _probabilities(axes[3], fits, y[chosen], middle)
    f.save(figure, path)


LABEL: Final = {"aic": "AIC", "aicc": "AICc", "bic": "BIC", "nll": "NLL", "held-out": "held-out NLL"}


def _window(y: Array) -> tuple[float, float]:
    """Most of the data: a few far values must not leave the rest in one bar."""
    low, high = float(y[0]), float(y[-1])
    near, far = np.quantile(y, [0.005, 0.995])
    if (high - low) > 4 * (far - near) > 0:
        low, high = max(low, near - 0.25 * (far - near)), min(high, far + 0.25 * (far - near))
    pad = 0.04 * (high - low) or 0.5
    return low - pad, high + pad


def _grid(fit: Fit, low: float, high: float) -> Array:
    grid = np.linspace(low, high, 801)
    if fit.family.discrete:
        grid = np.arange(np.ceil(low), min(np.floor(high), np.ceil(low) + 2000) + 1)
    return grid[fit.family.support.contains(grid)]


def _densities(axis: Axes, fits: Sequence[Fit], y: Array, weight: Array, name: str) -> None:
    low, high = _window(y)
    shown = (y >= low) & (y <= high)
    if all(fit.family.discrete for fit in fits):
        values = _grid(fits[0], low, high)
        shares = np.array([weight[y == v].sum() for v in values]) / weight.sum()
        axis.bar(values, shares, 0.8, color=f.DATA)
        tallest = float(shares.max())
        axis.set_ylabel("probability")
    else:
        edges = np.histogram_bin_edges(y[shown], bins="auto", range=(float(y[shown].min()), float(y[shown].max())))
        if not 2 <= edges.size <= 201:
            edges = np.linspace(low, high, 101)
        heights = np.histogram(y[shown], edges, weights=weight[shown])[0] / (weight.sum() * np.diff(edges))
        axis.bar(edges[:-1], heights, np.diff(edges), align="edge", color=f.DATA, edgecolor="white", linewidth=0.6)
        tallest = float(heights.max())
        axis.set_ylabel("density")
    top = tallest
    for fit, colour in zip(fits, COLOURS, strict=False):
        grid = _grid(fit, low, high)
        with np.errstate(all="ignore"):
            density = np.broadcast_to(np.exp(-fit.family.nll(grid, fit.eta[:, None])), grid.shape)
        density = np.where(np.isfinite(density) & (density < 20 * tallest), density, np.nan)
        style = "o-" if fit.family.discrete and grid.size <= 60 else "-"
        axis.plot(grid, density, style, color=colour, linewidth=1.8, markersize=3.5, label=fit.family.name)
        top = max(top, min(2 * tallest, float(np.nanmax(np.append(density, 0.0)))))
    axis.set_ylim(0, 1.08 * top)
    axis.set_xlim(low, high)
    axis.set_xlabel(name)
    axis.legend(loc="best", frameon=False)
    axis.set_title("probabilities of counts" if fits[0].family.discrete else "densities", loc="left")


def _cdf(axis: Axes, fits: Sequence[Fit], y: Array, after: Array, name: str) -> None:
    low, high = _window(y)
    axis.step(np.concatenate([[low], y, [high]]), np.concatenate([[0.0], after, [1.0]]), where="post", color=f.INK,
              linewidth=1.2, label="data")  # fmt: skip
    for fit, colour in zip(fits, COLOURS, strict=False):
        grid = _grid(fit, low, high)
        with np.errstate(all="ignore"):
            values = np.broadcast_to(np.exp(fit.family.log_cdf(grid, fit.eta[:, None])), grid.shape)
        if fit.family.discrete:
            axis.step(grid, values, where="post", color=colour, linewidth=1.5)
        else:
            axis.plot(grid, values, color=colour, linewidth=1.6)
    axis.set_xlim(low, high)
    axis.set_ylim(-0.02, 1.02)
    axis.set_xlabel(name)
    axis.set_ylabel("probability")
    axis.legend(loc="lower right", frameon=False)
    axis.set_title("distribution functions", loc="left")


def _quantiles(axis: Axes, fits: Sequence[Fit], y: Array, middle: Array, name: str) -> None:
    spread = float(y[-1] - y[0]) or 1.0
    low, high = float(y[0]) - 0.05 * spread, float(y[-1]) + 0.05 * spread
    axis.plot([low, high], [low, high], color=f.INK, linewidth=1)
    for fit, colour in reversed(list(zip(fits, COLOURS, strict=False))):
        with np.errstate(all="ignore"):
            quantile = fit.family.quantile(middle, fit.eta[:, None])
        axis.plot(quantile, y, ".", color=colour, markersize=4)
    axis.set_xlim(low - 0.15 * spread, high + 0.15 * spread)
    axis.set_ylim(low, high)
    axis.set_xlabel("fitted quantile")
    axis.set_ylabel(name)
    axis.set_title("quantiles (QQ)", loc="left")


def _probabilities(axis: Axes, fits: Sequence[Fit], y: Array, middle: Array) -> None:
    axis.plot([0, 1], [0, 1], color=f.INK, linewidth=1)
    for fit, colour in reversed(list(zip(fits, COLOURS, strict=False))):
        with np.errstate(all="ignore"):
            log_cdf = np.broadcast_to(fit.family.log_cdf(y, fit.eta[:, None]), y.shape)
            # For a count the middle of its step, as for the data.
            half = np.exp(-fit.family.nll(y, fit.eta[:, None])) / 2 if fit.family.discrete else 0.0
        axis.plot(np.exp(log_cdf) - half, middle, ".", color=colour, markersize=4)
    axis.set_xlim(-0.02, 1.02)
    axis.set_ylim(-0.02, 1.02)
    axis.set_xlabel("fitted probability")
    axis.set_ylabel("share of the data")
    axis.set_title("probabilities (PP)", loc="left")
