"""Pictures of trained models: learning curves, what was learnt where it can be drawn, and calibration."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from mlefit.errors import DataError
from mlefit.inference.encoding import Numeric
from mlefit.inference.evaluation import probabilities
from mlefit.report import figure as f
from mlefit.report.text import harmless, significant

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from mlefit.families.links import Array
    from mlefit.inference.evaluation import Evaluation
    from mlefit.inference.learning import Prepared
    from mlefit.inference.model import Model

BAND: Final = 0.9
CLASSES: Final = (
    "#2f6f9f", "#c8452d", "#5b8c3a", "#8a5aa8", "#b8862b", "#4aa0a0", "#7a7f87", "#c06090", "#3d4d8a", "#909030",
)  # fmt: skip
POINTS: Final = 3000  # more rows than these are thinned, so that a drawing stays small


def learning_plot(model: Model, prepared: Prepared, path: str) -> None:
    """Learning curves; beside them the data with the fitted mean and a band (one numeric feature), or the most
    probable class over the plane (two numeric features and a label).

    Raises:
        UsageError, DataError: as `figure.check_path`.
    """
    f.check_path(path)
    columns = prepared.encoding.columns
    numeric = all(isinstance(c, Numeric) for c in columns)
    labelled = bool(model.target.levels)
    line = numeric and len(columns) == 1 and prepared.problem.train.y.ndim == 1
    plane = numeric and len(columns) == 2 and labelled
    figure, axes = f.new(1, 2 if line or plane else 1, width=6.4)
    _curves(axes[0], model)
    if line:
        _line(axes[1], model, prepared)
    elif plane:
        _plane(axes[1], model, prepared)
    f.save(figure, path)


def _curves(axis: Axes, model: Model) -> None:
    epochs = np.array([e.epoch for e in model.history])
    axis.plot(epochs, [e.train for e in model.history], color=f.SECOND, label="training")
    constant = model.record["constant"]
    watched = [e.validation for e in model.history if e.validation is not None]
    if watched:
        axis.plot(epochs, watched, color=f.MODEL, label="validation")
        best = int(model.record["best_epoch"])
        axis.plot([best], [watched[best]], "o", color=f.MODEL, label=f"best, epoch {best}")
    level = constant["validation" if watched else "train"]["nll_per_observation"]
    if level is not None:
        axis.axhline(level, color=f.INK, linestyle=":", linewidth=1.2, label="constant model")
    values = np.array([e.train for e in model.history] + watched + ([level] if level is not None else []))
    low, high = float(values.min()), float(np.quantile(values, 0.98))
    room = 0.06 * max(high - low, 1e-9)
    axis.set_ylim(low - room, max(high, level if level is not None else high) + 3 * room)
    axis.set_xlim(0, max(int(epochs[-1]), 1))
    axis.set_xlabel("iteration" if model.record["settings"]["optimizer"] == "lbfgs" else "epoch")
    axis.set_ylabel("NLL per row (nats)")
    axis.set_title(f"{model.loss}: {f.short(model.target.name, 40)}", loc="left")
    axis.legend(loc="best", frameon=False)


def _raw(prepared: Prepared) -> tuple[Array, Array, list[str]]:
    """The numeric features as they were, (n, d), the target (n,), and the features' names; thinned."""
    rows = prepared.problem.train
    step = max(1, rows.n // POINTS)
    columns = prepared.encoding.columns
    x = np.column_stack([
        c.mean + rows.x[::step, i] / (c.scale or 1.0) for i, c in enumerate(columns) if isinstance(c, Numeric)
    ])  # fmt: skip
    return x, rows.y[..., ::step], [harmless(c.name) for c in columns]


def _line(axis: Axes, model: Model, prepared: Prepared) -> None:
    x, y, names = _raw(prepared)
    grid = np.linspace(x.min(), x.max(), 400)
    eta = model.scorer.scores({model.features[0]: grid}, grid.size).eta
    axis.plot(x[:, 0], y, "o", color=f.DATA, markersize=4, alpha=0.8, label="training rows")
    with np.errstate(all="ignore"):
        if model.target.levels and len(model.target.levels) > 2:
            for i, p in enumerate(probabilities(model.family, eta)):
                label = harmless(model.target.levels[i])[:20]
                axis.plot(grid, p * (len(model.target.levels) - 1), color=CLASSES[i % len(CLASSES)], label=label)
        else:
            _mean_and_band(axis, model, grid, eta)
    if model.target.levels:
        axis.set_yticks(range(len(model.target.levels)), [harmless(v)[:20] for v in model.target.levels])
    axis.set_xlabel(names[0])
    axis.set_ylabel(f.short(model.target.name, 40))
    axis.set_title(f"{model.family.name} given {names[0]}", loc="left")
    axis.legend(loc="best", frameon=False)


def _mean_and_band(axis: Axes, model: Model, grid: Array, eta: Array) -> None:
    with suppress(NotImplementedError):
        label = "probability of 1" if model.target.levels else "mean"
        axis.plot(grid, model.family.mean(eta), color=f.MODEL, label=label)
    if model.target.levels:
        return
    try:
        low, high = (model.family.quantile(np.full(grid.size, q), eta) for q in ((1 - BAND) / 2, (1 + BAND) / 2))
    except NotImplementedError:
        return
    axis.fill_between(grid, low, high, color=f.MODEL, alpha=0.15, linewidth=0, label=f"{BAND:.0%} of outcomes")


def _plane(axis: Axes, model: Model, prepared: Prepared) -> None:
    from matplotlib.colors import to_rgb

    x, y, names = _raw(prepared)
    low, high = x.min(axis=0), x.max(axis=0)
    room = 0.05 * np.maximum(high - low, 1e-9)
    sides = [np.linspace(low[j] - room[j], high[j] + room[j], 240) for j in (0, 1)]
    first, second = np.meshgrid(*sides)
    columns = dict(zip(model.features, (first.ravel(), second.ravel()), strict=True))
    p = probabilities(model.family, model.scorer.scores(columns, first.size).eta)
    colours = np.array([to_rgb(CLASSES[i % len(CLASSES)]) for i in range(p.shape[0])])
    picture = 1 - 0.45 * (1 - (p.T @ colours)).reshape(*first.shape, 3)
    extent = (sides[0][0], sides[0][-1], sides[1][0], sides[1][-1])
    axis.imshow(np.clip(picture, 0, 1), origin="lower", extent=extent, aspect="auto", interpolation="bilinear")
    best = p.argmax(axis=0).reshape(first.shape)
    axis.contour(first, second, best, levels=np.arange(p.shape[0] - 1) + 0.5, colors=f.INK, linewidths=0.8)
    for i, level in enumerate(model.target.levels):
        chosen = y == i
        axis.plot(x[chosen, 0], x[chosen, 1], "o", color=CLASSES[i % len(CLASSES)], markersize=4,
                  markeredgecolor="white", markeredgewidth=0.5, label=harmless(level)[:20])  # fmt: skip
    axis.grid(visible=False)
    axis.set_xlabel(names[0])
    axis.set_ylabel(names[1])
    axis.set_title("most probable label", loc="left")
    axis.legend(loc="best", frameon=True, framealpha=0.85, edgecolor="none")


def calibration_plot(model: Model, found: Evaluation, path: str) -> None:
    """The reliability diagram: observed against predicted frequency, or coverage against nominal level.

    Raises:
        UsageError, DataError: as `figure.check_path`; rows whose calibration is not known.
    """
    f.check_path(path)
    if not found.calibration:
        raise DataError(f"there is no calibration of these rows to draw: {'; '.join(found.notes) or 'no quantiles'}")
    figure, axes = f.new(1, 1, width=5.6, height=5.2)
    axis: Any = axes[0]
    axis.plot([0, 1], [0, 1], color=f.INK, linestyle=":", linewidth=1.2, label="perfect")
    predicted, observed = [b.predicted for b in found.calibration], [b.observed for b in found.calibration]
    if found.labels:
        size = np.sqrt([b.n for b in found.calibration])
        axis.scatter(predicted, observed, s=20 + 180 * size / max(size.max(), 1), color=f.MODEL, alpha=0.8, zorder=3,
                     label="bins, larger with more cases")  # fmt: skip
        axis.set_xlabel("predicted probability")
        axis.set_ylabel("observed frequency")
    else:
        axis.plot(predicted, observed, "o-", color=f.MODEL, label="central intervals")
        axis.set_xlabel("level of the central interval")
        axis.set_ylabel("share of rows inside")
    axis.set_xlim(-0.03, 1.03)
    axis.set_ylim(-0.03, 1.03)
    name = f.short(model.target.name, 40)
    axis.set_title(f"{model.loss} model of {name}, NLL per row {significant(found.nll, 4)}", loc="left")
    axis.legend(loc="upper left", frameon=False)
    f.save(figure, path)
