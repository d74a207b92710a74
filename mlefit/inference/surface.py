"""The likelihood as a function of the parameters, the data held fixed: curves, surfaces, single points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp
from typing import Any, Final

import numpy as np

from mlefit.errors import UsageError
from mlefit.families.links import Array
from mlefit.inference.fit import Fit, number
from mlefit.inference.intervals import normal_quantile
from mlefit.objective import StatisticObjective
from mlefit.solvers.newton import newton

# exp() of a log-likelihood beyond these under- or overflows: such an L is not shown, rather than shown as 0.
LOWEST: Final = -700.0
HIGHEST: Final = 700.0


@dataclass(frozen=True, eq=False)
class Surface:
    """Log-likelihoods at P points of some of a fit's parameters.

    Attributes:
        fit: whose likelihood it is.
        over: the d parameters that vary.
        points: (P, d) their values.
        log_likelihood: (P,) -inf where the data are impossible.
        axes: the values of each parameter where the points are a grid, its last axis fastest; else empty.
        profile: the others are re-maximised at every point, rather than held at their estimates.
    """

    fit: Fit
    over: tuple[str, ...]
    points: Array
    log_likelihood: Array
    axes: tuple[Array, ...]
    profile: bool

    @property
    def relative(self) -> Array:
        """L / L_max, (P,)."""
        return np.exp(np.minimum(self.log_likelihood - self.fit.log_likelihood, 0.0))

    @property
    def likelihood(self) -> list[float | None]:
        """L itself; None where it under- or overflows."""
        return [likelihood(value) for value in self.log_likelihood.tolist()]

    def rows(self) -> list[dict[str, Any]]:
        """One record a point: parameters, likelihood, log_likelihood, nll, relative_likelihood."""
        return [
            {
                **dict(zip(self.over, map(float, point), strict=True)),
                "likelihood": likelihood(value),
                "log_likelihood": number(value),
                "nll": number(-value),
                "relative_likelihood": float(relative),
            }
            for point, value, relative in zip(
                self.points.tolist(), self.log_likelihood.tolist(), self.relative.tolist(), strict=True
            )
        ]


def likelihood(log_likelihood: float) -> float | None:
    """exp of a log-likelihood; 0 for impossible data, None where doubles cannot hold it."""
    if log_likelihood == -np.inf:
        return 0.0
    return exp(log_likelihood) if LOWEST <= log_likelihood <= HIGHEST else None


def surface(fit: Fit, axes: Mapping[str, Array], *, profile: bool = False) -> Surface:
    """The log-likelihood over the grid of all combinations of `axes`, values by parameter name."""
    over = tuple(axes)
    mesh = np.meshgrid(*axes.values(), indexing="ij")
    points = np.stack([m.ravel() for m in mesh], axis=1)
    return Surface(fit, over, points, evaluate(fit, over, points, profile=profile), tuple(axes.values()), profile)


def at(fit: Fit, points: Sequence[Mapping[str, float]], *, profile: bool = False) -> Surface:
    """The log-likelihood at single points, each a value by parameter name; all name the same parameters."""
    over = tuple(points[0])
    if any(set(point) != set(over) for point in points):
        raise UsageError("every --at point must name the same parameters")
    values = np.array([[point[name] for name in over] for point in points], dtype=float)
    return Surface(fit, over, values, evaluate(fit, over, values, profile=profile), (), profile)


def evaluate(fit: Fit, over: Sequence[str], points: Array, *, profile: bool = False) -> Array:
    """Log-likelihoods (P,) with the parameters `over` at `points` (P, d), the others estimated or re-maximised.

    Raises:
        UsageError: an unknown parameter or a value outside its domain.
    """
    family = fit.family
    if not np.isfinite(fit.log_likelihood):
        raise UsageError(f"there is no likelihood to draw: {fit.certificate.problem}")
    columns = [_index(fit, name) for name in over]
    for j, values in zip(columns, points.T, strict=True):
        link = family.parameters[j].link
        outside = (values < link.lower) | (values > link.upper) | ~np.isfinite(values)
        if outside.any():
            raise UsageError(
                f"{family.names[j]} = {values[outside][0]:g} is outside its domain, {link.lower:g} to {link.upper:g}"
            )
    if family.size != len(family.parameters):
        return _share(fit, columns, points)
    eta = np.repeat(fit.eta[None], len(points), axis=0)
    mask = np.zeros(family.size, dtype=bool)
    for j, values in zip(columns, points.T, strict=True):
        eta[:, j] = family.parameters[j].link.forward(values)
        mask[j] = True
    which = np.full(len(points), fit.number, dtype=np.intp)
    mask |= np.array([name in family.irregular for name in family.names], dtype=bool)
    if profile and not mask.all():
        value = newton(fit.objective, eta, which=which, held=mask, step=family.step).sums.value
    else:
        value = fit.objective.value(eta, which)
    # A parameter on its boundary has its score clipped; where that makes the data impossible the value would
    # keep growing with the score.
    edge = np.zeros(len(points), dtype=bool)
    for j, values in zip(columns, points.T, strict=True):
        edge |= (values == family.parameters[j].link.lower) | (values == family.parameters[j].link.upper)
    if edge.any():
        nearer = fit.objective.value(np.where(mask, 0.9 * eta[edge], eta[edge]), which[edge])
        value = value.copy()
        value[edge] = np.where(value[edge] > nearer + 1e-6, np.inf, value[edge])
    return np.where(np.isnan(value), -np.inf, -value)


def _share(fit: Fit, columns: Sequence[int], points: Array) -> Array:
    """One probability of several, the others keeping their proportions, which is what maximises over them too."""
    if len(columns) != 1:
        raise UsageError(f"the likelihood of {fit.family.name} is drawn over one probability at a time")
    target = fit.objective
    assert isinstance(target, StatisticObjective), "only such families have parameters that are not scores"
    base, totals, share = target.family.margin(columns[0], target.totals[:, fit.number : fit.number + 1])
    margin = StatisticObjective(base, totals, np.zeros((0, 1)))
    p = points[:, 0] / share
    which = np.zeros(len(points), dtype=np.intp)
    value = margin.value(base.forward(p[None]).T, which) - margin.value(margin.start, which[:1])
    successes, failures = totals[1, 0], totals[0, 0] - totals[1, 0]
    impossible = ((p <= 0) & (successes > 0)) | ((p >= 1) & (failures > 0))
    return np.where(impossible, -np.inf, fit.log_likelihood - value)


def _index(fit: Fit, name: str) -> int:
    if name not in fit.family.names:
        from difflib import get_close_matches

        near = get_close_matches(name, fit.family.names, 1)
        hint = f"did you mean {near[0]}?" if near else f"it has {', '.join(fit.family.names)}"
        raise UsageError(f"{fit.family.name} has no free parameter {name!r}; {hint}")
    return fit.family.names.index(name)


def default_axis(fit: Fit, name: str, count: int = 21) -> Array:
    """Round values around a parameter's estimate, wide enough to see the likelihood fall to almost nothing.

    A probability known badly is shown from 0 to 1, as on the blackboard.
    """
    j = _index(fit, name)
    link = fit.family.parameters[j].link
    estimate, error = float(fit.theta[j]), float(np.sqrt(fit.covariance[j, j]))
    if not np.isfinite(estimate):
        raise UsageError(f"{name} has no finite estimate; give its values with --grid {name}=FROM:TO:STEP")
    if not np.isfinite(error) or error == 0:
        if link.upper == 1:
            return np.linspace(0, 1, count)
        error = abs(estimate) / 4 or 1.0
    z = normal_quantile(0.999)
    if link.upper == 1 and (estimate - z * error < 0.05 or estimate + z * error > 0.95):
        return np.linspace(0, 1, count)
    if np.isfinite(link.step):
        score = float(link.forward(np.asarray(estimate)))
        width = min(z * error / float(link.derivative(np.asarray(score))), 3.0)
        low, high = float(link.inverse(np.asarray(score - width))), float(link.inverse(np.asarray(score + width)))
    else:
        low, high = estimate - z * error, estimate + z * error
    return _round_axis(low, high, count, link.lower, link.upper)


def _round_axis(low: float, high: float, count: int, floor: float, ceiling: float) -> Array:
    """About `count` multiples of a round step (1, 2, 2.5 or 5 times a power of ten) covering low to high."""
    rough = (high - low) / (count - 1)
    power = 10.0 ** np.floor(np.log10(rough))
    step = float(next(m * power for m in (1.0, 2.0, 2.5, 5.0, 10.0) if m * power >= rough * 0.999))
    values = np.arange(np.floor(low / step), np.ceil(high / step) + 1) * step
    values = np.array([float(f"{v:.12g}") for v in values])
    return values[(values > floor) & (values < ceiling)]


def parse_axis(text: str) -> tuple[str, Array]:
    """`p=0:1:0.05`, both ends included, or `p=0.1,0.2,0.4`.

    Raises:
        UsageError: not of that form, or more than 100,000 values.
    """
    name, equals, values = text.partition("=")
    try:
        if not equals or not name.strip():
            raise ValueError
        if ":" not in values:
            return name.strip(), np.array([float(v) for v in values.split(",")])
        low, high, step = (float(v) for v in values.split(":"))
        if not (np.isfinite([low, high, step]).all() and step > 0 and high >= low and (high - low) / step < 1e5):
            raise ValueError
    except ValueError:
        raise UsageError(
            f"--grid takes NAME=FROM:TO:STEP or NAME=VALUE,VALUE ..., such as p=0:1:0.05; {text!r} is not that"
        ) from None
    count = int(np.floor((high - low) / step + 1e-9)) + 1
    return name.strip(), np.array([float(f"{low + i * step:.12g}") for i in range(count)])
