"""One picture of a comparison: densities over the data, distribution functions, quantiles and probabilities.

Censored and truncated rows are drawn by their product-limit estimate, whose steps take the place of the shares that
whole rows have, and the families as they are within the limits of truncation. Rows between two ends have Turnbull's
estimate beside the distribution functions, and no values for the other panels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from mlefit.errors import DataError, UsageError
from mlefit.families.interval import log_probability
from mlefit.inference.mechanism import Mechanism, bare
from mlefit.inference.product_limit import product_limit
from mlefit.report import figure as f
from mlefit.report.survival import turnbull_line
from mlefit.report.text import significant

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from mlefit.families.base import Family
    from mlefit.families.links import Array
    from mlefit.inference.compare import Comparison
    from mlefit.inference.fit import Fit
    from mlefit.sample import Sample

COLOURS: Final = (f.MODEL, f.SECOND, "#3c8d5a", "#8b5fb3", "#c98a1b")  # one a family, the best five
# Curves may be equal, such as a negative binomial's and its Poisson limit's: the first are wide, so that all are seen.
LINES: Final[tuple[Any, ...]] = ("-", "--", "-.", ":", (0, (6, 1, 1, 1, 1, 1)))
WIDTHS: Final = (3.0, 2.0, 1.7, 1.5, 1.2)
MARKERS: Final = ("o", "s", "^", "D", "v")
SIZES: Final = (6.0, 4.5, 3.6, 2.8, 2.0)
POINTS: Final = 1500  # of the data, in the panels that draw them one by one
MANY: Final = 300.0  # times the least end of positive rows is so far that the axis goes by factors
LABEL: Final = {"aic": "AIC", "aicc": "AICc", "bic": "BIC", "nll": "NLL", "held-out": "held-out NLL"}


@dataclass(frozen=True, eq=False)
class Seen:
    """What rows say of their distribution between two limits, without a family.

    Attributes:
        y: values in order, (n,).
        before, after: estimated share of values below, and of those at most as large, (n,).
        censored: values at which rows were lost from sight.
        low, high: all values lie in (low, high]; infinite without truncation.
        last: up to where the estimate goes.
        name: of the estimate.
    """

    y: Array
    before: Array
    after: Array
    censored: Array
    low: float
    high: float
    last: float
    name: str


@dataclass(frozen=True, eq=False)
class Curve:
    """A fitted family between two limits."""

    fit: Fit
    family: Family
    low: float
    high: float
    place: int

    @property
    def name(self) -> str:
        return self.family.name

    @property
    def line(self) -> dict[str, Any]:
        """How it is drawn, apart from curves that may lie under it."""
        return {"color": COLOURS[self.place], "linestyle": LINES[self.place], "linewidth": WIDTHS[self.place]}

    @property
    def points(self) -> dict[str, Any]:
        return {"color": COLOURS[self.place], "linestyle": "", "marker": ".", "markersize": 1.5 * SIZES[self.place]}

    def _probability(self, left: Array, right: Array) -> Array:
        with np.errstate(all="ignore"):
            found = log_probability(self.family, left, right, np.zeros((0, left.size)), self.fit.eta[:, None])
            return np.broadcast_to(np.exp(found), left.shape)

    def _whole(self) -> float:
        return float(self._probability(np.array([self.low]), np.array([self.high]))[0])

    def density(self, y: Array) -> Array:
        with np.errstate(all="ignore"):
            density = np.broadcast_to(np.exp(-self.family.nll(y, self.fit.eta[:, None])), y.shape)
        return np.where((y > self.low) & (y <= self.high), density / self._whole(), 0.0)

    def cdf(self, y: Array) -> Array:
        end = np.clip(y, self.low, self.high)
        left = np.full(y.shape, self.low)
        if not np.isfinite(self.low):
            with np.errstate(all="ignore"):
                share = np.broadcast_to(np.exp(self.family.log_cdf(end, self.fit.eta[:, None])), y.shape)
            return share / self._whole()
        return np.where(end > left, self._probability(left, np.maximum(end, left)), 0.0) / self._whole()

    def quantile(self, q: Array) -> Array:
        low = np.array([self.low])
        below = self._probability(np.array([-np.inf]), low)[0] if np.isfinite(self.low) else 0.0
        with np.errstate(all="ignore"):
            found = self.family.quantile(below + q * self._whole(), self.fit.eta[:, None])
        return np.broadcast_to(found, q.shape)


def comparison_plot(found: Sequence[tuple[Comparison, Sample]], path: str) -> None:
    """Four panels with the best five families of a comparison and the rows it is about.

    Raises:
        UsageError: an ending that is no picture's, several comparisons, families of successes in trials, or rows
            with limits of truncation that each has for its own.
        DataError: no family could be fitted.
    """
    f.check_path(path)
    if len(found) > 1:
        raise UsageError(f"--plot draws one comparison, not {len(found)}; choose one with --where or --column")
    comparison, sample = found[0]
    fitted = [entry.fit for entry in comparison.entries if entry.fit is not None]
    fits = fitted[: len(COLOURS)]
    if not fits:
        raise DataError(f"no family could be fitted to {comparison.column}, so there is nothing to draw")
    known = Mechanism.of(fits[0].family, sample.y)
    if known.others.size:
        raise UsageError("--plot draws one distribution of the values; with --trials every row has its own")
    weight = np.ones(sample.n) if sample.weight is None else sample.weight
    name = f.short(comparison.column, 40)
    best = f"{fits[0].family.name} is best by {LABEL[comparison.rank]}"
    some = f", the best {len(fits)} of {len(fitted)} families are drawn" if len(fitted) > len(fits) else ""
    size = f", weight {significant(comparison.weight)}" if comparison.weight != comparison.n else ""
    if not known.side:
        title = f"{name}, n = {comparison.n}{size}, known between two ends: {best}{some}"
        _between(fits, known, weight, name, title, path)
        return
    seen = _seen(known, weight)
    curves = [Curve(fit, bare(fit.family), seen.low, seen.high, place) for place, fit in enumerate(fits)]
    figure, axes = f.new(2, 2, width=5.6, height=4.1)
    lost = f", {int(weight[~known.event].sum())} censored" if not known.event.all() else ""
    figure.suptitle(f"{name}, n = {comparison.n}{size}{lost}: {best}{some}", x=0.01, ha="left")
    _densities(axes[0], curves, seen, name)
    _distribution(axes[1], curves, seen, name)
    chosen = np.unique(np.linspace(0, seen.y.size - 1, min(seen.y.size, POINTS)).round().astype(int))
    middle = ((seen.before + seen.after) / 2)[chosen]
    _quantiles(axes[2], curves, seen.y[chosen], middle, name)
    _probabilities(axes[3], curves, seen.y[chosen], middle)
    f.save(figure, path)


def _between(fits: Sequence[Fit], known: Mechanism, weight: Array, name: str, title: str, path: str) -> None:
    """Two panels for rows known between two ends: quantiles and probabilities would need their values.

    Raises:
        UsageError: limits of truncation that differ from row to row.
    """
    if (known.left != known.left[0]).any() or (known.right != known.right[0]).any():
        raise UsageError(
            "--plot draws one distribution; these rows were each truncated at a limit of their own, which Turnbull's "
            "estimate does not take"
        )
    limits = float(known.left[0]), float(known.right[0])
    curves = [Curve(fit, bare(fit.family), *limits, place) for place, fit in enumerate(fits)]
    ends = np.stack([known.start, known.end])
    finite = np.sort(ends[np.isfinite(ends)])
    seen = Seen(finite, finite, finite, finite[:0], *limits, float(finite[-1]), "")
    low, high = _window(seen, curves)
    figure, axes = f.new(1, 2, width=5.6, height=4.4)
    figure.suptitle(f"{title}\nno quantiles (QQ) and probabilities (PP): these rows have no values", x=0.01, ha="left")
    within = [curve.density(_grid(curve, low + 0.03 * (high - low), high)) for curve in curves]
    tallest = max(float(np.where(np.isfinite(d), d, 0.0).max(initial=0.0)) for d in within)
    _density_curves(axes[0], curves, low, high, tallest, name)
    axes[0].set_ylabel("probability" if all(curve.family.discrete for curve in curves) else "density")
    least = float(finite[finite > 0].min(initial=np.inf))
    if factors := low == 0 and high > MANY * least:
        low = least  # below the first end of an interval the rows say nothing
        f.by_factors(axes[1], "x", low, high)
    turnbull_line(axes[1], ends[0], ends[1], weight, None if factors else low, f.INK)
    _survival_curves(axes[1], curves, low, high, True, factors)
    axes[1].set(xlim=(low, high), ylim=(-0.02, 1.02), xlabel=name, ylabel="survival")
    axes[1].legend(loc="upper right", frameon=False)
    axes[1].set_title("survival", loc="left")
    f.save(figure, path)


def _seen(known: Mechanism, weight: Array) -> Seen:
    """The empirical distribution function of whole rows, the product-limit estimate of others.

    Raises:
        UsageError: limits above that differ from row to row, or nothing but censored values.
    """
    if known.event.all() and (known.left == -np.inf).all() and (known.right == np.inf).all():
        order = np.argsort(known.time, kind="stable")
        after = np.cumsum(weight[order]) / weight.sum()
        y = known.time[order]
        return Seen(y, after - weight[order] / weight.sum(), after, y[:0], -np.inf, np.inf, float(y[-1]), "data")
    side = known.side
    entry, end = (known.left, known.right) if side > 0 else (-known.right, -known.left)
    if (end != end[0]).any():
        raise UsageError("--plot draws one distribution; these rows were each truncated at a limit of their own")
    times, survival = product_limit(side * known.time, known.event, weight, entry)
    if not times.size:
        raise UsageError("every value is censored, so there is nothing of the data to draw")
    steps = 1 - np.concatenate([[1.0], survival])
    y, before, after = times, steps[:-1], steps[1:]
    if side < 0:
        y, before, after = -times[::-1], 1 - steps[1:][::-1], 1 - steps[:-1][::-1]
    low, high = (entry.min(), end[0]) if side > 0 else (-end[0], -entry.min())
    whole = known.event.all()
    name = "data" if whole and (entry == entry[0]).all() else "Kaplan–Meier"
    last = float(known.time.max() if side > 0 else y[-1])
    return Seen(y, before, after, known.time[~known.event], float(low), float(high), last, name)


def _window(seen: Seen, curves: Sequence[Curve]) -> tuple[float, float]:
    """Most of the data: a few far values must not leave the rest in one bar, and no bar is cut."""
    y = np.concatenate([seen.y, seen.censored])
    low, high = float(y.min()), float(y.max())
    near, far = np.quantile(y, [0.005, 0.995])
    if (high - low) > 4 * (far - near) > 0:
        low, high = max(low, near - 0.25 * (far - near)), min(high, far + 0.25 * (far - near))
    pad = 0.04 * (high - low) or 0.5
    if all(curve.family.discrete for curve in curves):
        return low - max(pad, 0.6), high + max(pad, 0.6)
    return max(low - pad, seen.low, min(curve.family.support.lower for curve in curves)), high + pad


def _grid(curve: Curve, low: float, high: float, factors: bool = False) -> Array:
    grid = np.geomspace(low, high, 801) if factors else np.linspace(low, high, 801)
    if curve.family.discrete:
        grid = np.arange(np.ceil(low), min(np.floor(high), np.ceil(low) + 2000) + 1)
    return grid[curve.family.support.contains(grid)]


def _densities(axis: Axes, curves: Sequence[Curve], seen: Seen, name: str) -> None:
    discrete = all(curve.family.discrete for curve in curves)
    low, high = _window(seen, curves)
    share = seen.after - seen.before
    shown = (seen.y >= low) & (seen.y <= high)
    if discrete:
        values = _grid(curves[0], low, high)
        shares = np.array([share[seen.y == v].sum() for v in values])
        axis.bar(values, shares, 0.8, color=f.DATA)
        tallest = float(shares.max())
        axis.set_ylabel("probability")
    else:
        y = seen.y[shown]
        edges = np.histogram_bin_edges(y, bins="auto", range=(float(y.min()), float(y.max())))
        if not 2 <= edges.size <= 201:
            edges = np.linspace(low, high, 101)
        heights = np.histogram(y, edges, weights=share[shown])[0] / np.diff(edges)
        axis.bar(edges[:-1], heights, np.diff(edges), align="edge", color=f.DATA, edgecolor="white", linewidth=0.6)
        tallest = float(heights.max())
        axis.set_ylabel("density")
    _density_curves(axis, curves, low, high, tallest, name, seen.name)


def _density_curves(
    axis: Axes, curves: Sequence[Curve], low: float, high: float, tallest: float, name: str, bars: str = ""
) -> None:
    top = tallest
    for curve in curves:
        grid = _grid(curve, low, high)
        density = curve.density(grid)
        density = np.where(np.isfinite(density) & (density < 20 * tallest), density, np.nan)
        marked = curve.family.discrete and grid.size <= 60
        marker: dict[str, Any] = {"marker": MARKERS[curve.place], "markersize": SIZES[curve.place]} if marked else {}
        if (density > 0).any():
            axis.plot(grid, density, label=curve.name, **curve.line, **marker)
        top = max(top, min(2 * tallest, float(np.nanmax(np.append(density, 0.0)))))
    # Above the data, so that neither bars nor curves run under the names.
    columns = 2 if max(len(curve.name) for curve in curves) <= 18 else 1
    axis.set_ylim(0, (1.1 + 0.1 * -(-len(curves) // columns)) * top)
    axis.set_xlim(low, high)
    axis.set_xlabel(name)
    axis.legend(loc="upper right", frameon=False, ncols=columns, fontsize=10, handlelength=2.6)
    title = "probabilities of counts" if curves[0].family.discrete else "densities"
    axis.set_title(title if bars in ("", "data") else f"{title}, bars from {bars}", loc="left")


def _distribution(axis: Axes, curves: Sequence[Curve], seen: Seen, name: str) -> None:
    """Distribution functions; for censored rows survival, as the field draws it."""
    low, high = _window(seen, curves)
    survival = seen.name != "data"

    def up(values: Array) -> Array:
        return 1 - values if survival else values

    y = np.concatenate([[min(low, seen.y[0])], seen.y, [max(seen.last, seen.y[-1]) if survival else high]])
    steps = np.concatenate([seen.before[:1], seen.after, seen.after[-1:]])
    axis.step(y, up(steps), where="post", color=f.INK, linewidth=1.2, label=seen.name)
    if seen.censored.size:
        heights = up(steps[np.searchsorted(y[:-1], seen.censored, side="right") - 1])
        axis.plot(seen.censored, heights, "|", color=f.INK, markersize=7, label="censored")
    _survival_curves(axis, curves, low, high, survival)
    axis.set_xlim(low, high)
    axis.set_ylim(-0.02, 1.02)
    axis.set_xlabel(name)
    axis.set_ylabel("probability" if not survival else "survival")
    axis.legend(loc="upper right" if survival else "lower right", frameon=False)
    axis.set_title("survival" if survival else "distribution functions", loc="left")


def _survival_curves(
    axis: Axes, curves: Sequence[Curve], low: float, high: float, survival: bool, factors: bool = False
) -> None:
    for curve in curves:
        grid = _grid(curve, low, high, factors)
        values = 1 - curve.cdf(grid) if survival else curve.cdf(grid)
        if curve.family.discrete:
            axis.step(grid, values, where="post", **curve.line)
        else:
            axis.plot(grid, values, **curve.line)


def _quantiles(axis: Axes, curves: Sequence[Curve], y: Array, middle: Array, name: str) -> None:
    spread = float(y[-1] - y[0]) or 1.0
    low, high = float(y[0]) - 0.05 * spread, float(y[-1]) + 0.05 * spread
    axis.plot([low, high], [low, high], color=f.INK, linewidth=1)
    for curve in curves:
        axis.plot(curve.quantile(middle), y, **curve.points)
    axis.set_xlim(low - 0.15 * spread, high + 0.15 * spread)
    axis.set_ylim(low, high)
    axis.set_xlabel("fitted quantile")
    axis.set_ylabel(name)
    axis.set_title("quantiles (QQ)", loc="left")


def _probabilities(axis: Axes, curves: Sequence[Curve], y: Array, middle: Array) -> None:
    axis.plot([0, 1], [0, 1], color=f.INK, linewidth=1)
    for curve in curves:
        # For a count the middle of its step, as for the data.
        half = curve.density(y) / 2 if curve.family.discrete else 0.0
        axis.plot(curve.cdf(y) - half, middle, **curve.points)
    axis.set_xlim(-0.02, 1.02)
    axis.set_ylim(-0.02, 1.02)
    axis.set_xlabel("fitted probability")
    axis.set_ylabel("share of the data")
    axis.set_title("probabilities (PP)", loc="left")
