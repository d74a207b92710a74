"""Pictures of fits: the data under the fitted density, the likelihood as a curve or a surface."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import exp
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from mlefit.errors import UsageError
from mlefit.families.truncated import Truncated
from mlefit.inference.intervals import normal_quantile
from mlefit.inference.surface import Surface, by_factors, evaluate
from mlefit.report import figure as f
from mlefit.report.survival import survival_panel
from mlefit.report.text import harmless, precise, significant

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from mlefit.families.links import Array
    from mlefit.inference.fit import Fit
    from mlefit.sample import Sample

MOST: Final = 12  # panels of one figure
KINDS: Final = 500  # of rows, such as limits of their own, whose densities are averaged
SHARES: Final = 20  # bins of proportions
BARS: Final = 60  # more distinct counts than these are drawn as a histogram


def fit_plot(fits: Sequence[Fit], samples: Sequence[Sample], path: str) -> None:
    """Histograms or bars of the data under the fitted densities, a panel a fit.

    `samples` holds each fit's own rows, one group each.

    Raises:
        UsageError: an ending that is no picture's, or more than 12 fits.
    """
    f.check_path(path)
    if len(fits) > MOST:
        raise UsageError(f"{len(fits)} fits are too many for one picture (at most {MOST}); choose some with --where")
    columns = 1 if len(fits) == 1 else 2 if len(fits) <= 4 else 3
    rows = -(-len(fits) // columns)
    figure, axes = f.new(rows, columns, width=7.0 if columns == 1 else 4.6, height=4.6 if columns == 1 else 3.4)
    for axis, fit, sample in zip(axes, fits, samples, strict=False):
        _one(axis, fit, sample)
    for axis in axes[len(fits) :]:
        axis.set_visible(False)
    f.save(figure, path)


def _one(axis: Axes, fit: Fit, sample: Sample) -> None:
    what = [f"{f.short(k, 25)} = {f.short(v, 25)}" for k, v in (fit.group or {}).items()] or [f.short(fit.column)]
    size = f"n = {fit.n}" if fit.weight == fit.n else f"n = {fit.n}, weight {significant(fit.weight)}"
    errors = fit.std_errors
    estimates = ", ".join(f"{harmless(k)} = {precise(v, errors[k], 4, 1)}" for k, v in fit.estimates.items())
    axis.set_title(f.lines([*what, size], 40 if fit.group else 75), loc="left")
    label = f"{fit.family.name}: {estimates}" if len(estimates) < 60 else fit.family.name
    axis.set_xlabel(f.short(fit.column, 36 if fit.group else 60))
    weight = np.ones(sample.n) if sample.weight is None else np.asarray(sample.weight)
    if fit.family.censored:
        survival_panel(axis, fit, np.asarray(sample.y), weight, label)
    elif fit.family.labels:
        _levels(axis, fit, sample, weight, label)
    elif "trials" in fit.family.columns and np.unique(sample.y[1]).size > 1:
        _proportions(axis, fit, sample, weight, label)
    elif fit.family.discrete:
        _counts(axis, fit, sample, weight, label)
    else:
        _histogram(axis, fit, np.atleast_2d(sample.y), weight, label)
    # Above the data, so that neither bars nor curve run under the text.
    _, high = axis.get_ylim()
    room = 1.18 if fit.group is None else 1.4
    axis.set_ylim(0, high * room)
    axis.legend(loc="upper right", frameon=False)


def _levels(axis: Axes, fit: Fit, sample: Sample, weight: Array, label: str) -> None:
    levels = [name[2:-1] for name in fit.family.names]
    shares = np.bincount(sample.y.astype(int), weights=weight, minlength=len(levels)) / weight.sum()
    places = np.arange(len(levels))
    axis.bar(places, shares, color=f.DATA, label="data")
    axis.plot(places, fit.theta, "o", color=f.MODEL, label=label)
    axis.set_xticks(places, [harmless(v)[:20] for v in levels], rotation=0 if len(levels) < 8 else 60)
    axis.set_ylabel("probability")
    axis.grid(axis="x", visible=False)


def _counts(axis: Axes, fit: Fit, sample: Sample, weight: Array, label: str) -> None:
    from matplotlib.ticker import MaxNLocator

    y = sample.y if sample.y.ndim == 1 else sample.y[0]
    low, high = int(y.min()), int(y.max())
    values = np.arange(low, min(high, low + 2000) + 1, dtype=float)
    shares = np.array([weight[y == v].sum() for v in values]) / weight.sum()
    fitted = _density(fit, values) if sample.y.ndim == 1 else _mean_density(fit, values, sample.y[1:], weight)
    many = values.size > BARS
    axis.bar(values, shares, width=1.0 if many else 0.8, color=f.DATA, label="data")
    axis.plot(values, fitted, "-" if many else "o", color=f.MODEL, markersize=5, linewidth=1.4, label=label)
    if sample.y.ndim == 1:
        _parts(axis, fit, values, "--")
    axis.set_ylabel("probability")
    if not many:
        axis.grid(axis="x", visible=False)
    if values.size <= 12:
        axis.set_xticks(values)
    else:
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))


def _proportions(axis: Axes, fit: Fit, sample: Sample, weight: Array, label: str) -> None:
    """Successes by trials, where rows differ in their trials: shares of rows in bins, and what the fit expects."""
    edges = np.linspace(0, 1, SHARES + 1)
    heights, _ = np.histogram(sample.y[0] / np.maximum(sample.y[1], 1), edges, weights=weight)
    kinds, which = np.unique(sample.y[1], return_inverse=True)
    fitted = np.zeros(SHARES)
    for trials, share in zip(kinds, np.bincount(which.ravel(), weights=weight), strict=True):
        y = np.unique(np.linspace(0, trials, min(int(trials) + 1, 20_000)).round())
        probability = _density(fit, np.stack([y, np.full(y.size, trials)]))
        probability *= share / probability.sum()
        fitted += np.histogram(y / max(trials, 1), edges, weights=probability)[0]
    middle = (edges[1:] + edges[:-1]) / 2
    axis.bar(middle, heights / weight.sum(), 0.92 / SHARES, color=f.DATA, label="data")
    axis.plot(middle, fitted / weight.sum(), "o", color=f.MODEL, markersize=5, label=label)
    axis.set_xlim(0, 1)
    axis.set_xlabel(f"{f.short(fit.column)} / trials")
    axis.set_ylabel("share of rows")


def _histogram(axis: Axes, fit: Fit, rows: Array, weight: Array, label: str) -> None:
    """`rows` are (1, n), or (d, n) with limits of truncation, under which the density is the average of the rows'."""
    y = rows[0]
    low, high = float(y.min()), float(y.max())
    near, far = np.quantile(y, [0.005, 0.995])
    clipped = (high - low) > 4 * (far - near) > 0
    if clipped:  # a few far values would leave the rest in one bar
        low, high = max(low, near - 0.25 * (far - near)), min(high, far + 0.25 * (far - near))
    inside = (y >= low) & (y <= high)
    edges = np.histogram_bin_edges(y[inside], bins="auto", range=(low, high))
    if edges.size > 201 or edges.size < 2:
        edges = np.linspace(low, high, 201)
    if low == high:
        edges = np.array([low - 0.5, low + 0.5])
    heights, _ = np.histogram(y[inside], edges, weights=weight[inside])
    widths = np.diff(edges)
    axis.bar(
        edges[:-1],
        heights / (weight.sum() * widths),
        widths,
        align="edge",
        color=f.DATA,
        edgecolor="white",
        linewidth=0.6,
        label="data",
    )
    pad = 0.06 * (edges[-1] - edges[0])
    grid = np.linspace(edges[0] - pad, edges[-1] + pad, 801)
    grid = grid[fit.family.support.contains(grid)]
    density = _density(fit, grid) if len(rows) == 1 else _mean_density(fit, grid, rows[1:], weight)
    tallest = 3 * float((heights / (weight.sum() * widths)).max())
    drawn = np.where(density <= 20 * tallest, density, np.nan)
    if (drawn > 0).any():
        axis.plot(grid, drawn, color=f.MODEL, linewidth=2, label=label)
    else:  # such as that of a normal with sigma 0
        axis.plot([], [], " ", label=f"{label}: no density")
    if len(rows) == 1:
        _parts(axis, fit, grid, "--")
    axis.set_ylim(0, min(tallest, max(1.02 * np.nanmax(np.append(density, 0)), tallest / 3 * 1.05)))
    axis.set_xlim(edges[0] - pad, edges[-1] + pad)
    axis.set_ylabel("density")
    if clipped:
        axis.set_title(f"{int((~inside).sum())} values beyond the axis", loc="right", fontsize=9)


def _parts(axis: Axes, fit: Fit, y: Array, style: str) -> None:
    """What the fitted density is a sum of, such as the weighted components of a mixture, drawn thin."""
    with np.errstate(all="ignore"):
        parts = np.exp(fit.family.parts(y, fit.eta[:, None]))
    for part, label in zip(parts, ["components", *[None] * len(parts)], strict=False):
        axis.plot(y, part, style, color=f.MODEL, linewidth=1, markersize=3, label=label)


def _mean_density(fit: Fit, y: Array, others: Array, weight: Array) -> Array:
    """The fitted density at y averaged over what rows have besides, such as limits; of very many, over some."""
    kinds, which = np.unique(others, axis=1, return_inverse=True)
    share = np.bincount(which.ravel(), weights=weight).astype(float)
    if share.size > KINDS:
        kinds, share = others[:, :: -(-others.shape[1] // KINDS)], weight[:: -(-others.shape[1] // KINDS)]
    rows = [np.vstack([y, np.repeat(kind[:, None], y.size, axis=1)]) for kind in kinds.T]
    with np.errstate(all="ignore"):
        densities = np.array([np.exp(-fit.family.nll(row, fit.eta[:, None])) for row in rows])
    if isinstance(fit.family, Truncated):
        ends = [fit.family.window(row) for row in rows]
        densities = np.where([(left < y) & (y <= right) for left, right in ends], densities, 0.0)
    return np.asarray(share @ np.where(np.isfinite(densities), densities, 0.0) / share.sum())


def _density(fit: Fit, y: Array) -> Array:
    with np.errstate(all="ignore"):
        density = np.exp(-fit.family.nll(y, fit.eta[:, None]))
    return np.where(np.isfinite(density), density, np.nan)


def surface_plot(surface: Surface, path: str) -> None:
    """The relative likelihood: a curve with its maximum and limits, or contours with the maximum.

    Raises:
        UsageError: an ending that is no picture's, single points, or more than two parameters.
    """
    f.check_path(path)
    if not surface.axes or len(surface.axes) > 2:
        raise UsageError("--plot draws a curve over one parameter or a surface over two; choose them with --over")
    figure, axes = f.new()
    (_curve if len(surface.axes) == 1 else _contours)(axes[0], surface)
    f.save(figure, path)


def _dense(values: Array, count: int) -> Array:
    """Many values over the range of an axis, in equal steps or factors as its own are."""
    low, high = values.min(), values.max()
    return np.geomspace(low, high, count) if by_factors(values) else np.linspace(low, high, count)


def _span(axis: Axes, which: Literal["x", "y"], values: Array) -> None:
    low, high = float(values.min()), float(values.max())
    if by_factors(values):
        f.by_factors(axis, which, low, high)
    elif low < high:
        axis.set(**{f"{which}lim": (low, high)})


def _title(surface: Surface) -> str:
    fit = surface.fit
    kind = "profile likelihood" if surface.profile and surface.others else "likelihood"
    found = [f"{kind} of {fit.family.name} for {f.short(fit.column)}, n = {fit.n}"]
    shared = fit.family.size != len(fit.family.parameters)
    if surface.profile and surface.others and not shared:
        found.append(f"{', '.join(map(harmless, surface.others))} re-maximised at every point")
    elif surface.others:
        rest = [name for name in surface.others if name not in surface.sharing]
        held = [f"{harmless(name)} = {precise(fit.estimates[name], fit.std_errors[name], 4, 1)}" for name in rest]
        parts = [f"{', '.join(held)} held"] * bool(held)
        parts += [f"the other{' weight' * (not shared)}s keeping their proportions"] * bool(surface.sharing)
        found.append("; ".join(parts))
    return "\n".join(found)


def _curve(axis: Axes, surface: Surface) -> None:
    fit, name = surface.fit, surface.over[0]
    values = np.unique(np.append(_dense(surface.axes[0], 401), surface.axes[0]))
    value = evaluate(fit, (name,), values[:, None], profile=surface.profile)
    drawn = replace(surface, points=values[:, None], log_likelihood=value)
    relative = drawn.relative
    axis.plot(values, relative, color=f.SECOND, linewidth=2)
    axis.fill_between(values, relative, color=f.SECOND, alpha=0.08)
    best, error = fit.estimates[name], fit.std_errors[name]
    ended = "maximum" if surface.topped and drawn.topped else "no maximum; the search ended at"
    label = f"{ended}: {harmless(name)} = {precise(best, error, 5)}"
    axis.plot([best], [exp(fit.log_likelihood - drawn.highest)], "o", color=f.MODEL, zorder=5, label=label)
    lower, upper = fit.limits[name]
    alone = surface.profile or fit.family.size == 1
    height = exp(-(normal_quantile(fit.level) ** 2) / 2)
    if alone and np.isfinite(lower) and np.isfinite(upper):
        axis.plot([lower, upper], [height, height], "--", color=f.INK, linewidth=1)
        limits = f"{100 * fit.level:g} % limits: {precise(lower, error, 4)} to {precise(upper, error, 4)}"
        axis.vlines([lower, upper], 0, height, color=f.INK, linewidth=1, linestyle="--", label=limits)
    axis.set_xlabel(harmless(name))
    axis.set_ylabel("L / L max")
    axis.set_ylim(0, 1.22)
    _span(axis, "x", surface.axes[0])
    axis.set_title(_title(surface), loc="left")
    axis.legend(loc="upper right", ncols=2, fontsize=10, frameon=False)


def _contours(axis: Axes, surface: Surface) -> None:
    fit = surface.fit
    across, up = surface.over
    xs, ys = (_dense(values, 121) for values in surface.axes)
    mesh_x, mesh_y = np.meshgrid(xs, ys, indexing="ij")
    points = np.stack([mesh_x.ravel(), mesh_y.ravel()], axis=1)
    value = evaluate(fit, surface.over, points, profile=surface.profile)
    relative = replace(surface, points=points, log_likelihood=value).relative
    relative = relative.reshape(mesh_x.shape)
    filled = axis.contourf(mesh_x, mesh_y, relative, levels=np.linspace(0, 1, 21), cmap="viridis")
    lines = axis.contour(mesh_x, mesh_y, relative, levels=[0.01, 0.05, 0.15, 0.5], colors="white", linewidths=0.9)
    axis.clabel(lines, fmt="%g", fontsize=9)
    best = tuple(float(fit.estimates[name]) for name in surface.over)
    errors = fit.std_errors
    named = (f"{harmless(name)} = {precise(fit.estimates[name], errors[name], 4, 1)}" for name in surface.over)
    axis.plot(*([b] for b in best), "+", color=f.MODEL, markersize=14, markeredgewidth=2.5)
    _span(axis, "x", surface.axes[0])
    _span(axis, "y", surface.axes[1])
    axis.set_xlabel(harmless(across))
    axis.set_ylabel(harmless(up))
    ended = "maximum at" if surface.topped else "no maximum; the search ended at"
    axis.set_title(f"{_title(surface)}\n{ended} {', '.join(named)}", loc="left")
    axis.grid(visible=False)
    bar = axis.figure.colorbar(filled, ax=axis, label="L / L max", ticks=[0, 0.25, 0.5, 0.75, 1])
    bar.outline.set_visible(False)
