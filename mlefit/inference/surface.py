"""The likelihood as a function of the parameters, the data held fixed: curves, surfaces, single points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, prod
from typing import Any, Final

import numpy as np

from mlefit.errors import DataError, UsageError
from mlefit.families.irregular import constrained
from mlefit.families.links import Array, Link
from mlefit.families.nomenclature import no_parameter
from mlefit.families.wrapped import Wrapped
from mlefit.inference.fit import Fit
from mlefit.inference.intervals import normal_quantile
from mlefit.inference.kinks import minimised
from mlefit.inference.result import number
from mlefit.objective import RowObjective, StatisticObjective

# exp() of a log-likelihood beyond these under- or overflows: such an L is not shown, rather than shown as 0.
LOWEST: Final = -700.0
HIGHEST: Final = 700.0
MOST: Final = 1_000_000  # points of one grid
CELLS: Final = 1_000_000  # rows times points that are searched at once
FAINT: Final = 1e-2  # a default axis without a standard error reaches to about this relative likelihood
EXCESS: Final = 1e-6  # relative; a log-likelihood that exceeds the fit's by more is not rounding
RIDGE: Final = 3.0  # how far along a ridge of the likelihood a default grid goes, in spreads across it
SHOWN: Final = 0.6  # of the way from the estimate to the upper end of a default axis, if not all of it
# Multipliers within a decade, from fine to coarse.
PREFERRED: Final = (
    (1, 1.1, 1.2, 1.4, 1.6, 1.8, 2, 2.2, 2.5, 2.8, 3.2, 3.6, 4, 4.5, 5, 5.6, 6.3, 7, 8, 9),
    (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8),
    (1, 1.5, 2, 3, 5, 7),
    (1, 2, 3, 5),
    (1, 2, 5),
)


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
    def sharing(self) -> tuple[str, ...]:
        """Parameters that share what those that vary leave of a total, in the proportions of the estimate."""
        rest = tuple(name for name in self._total() if name not in self.over)
        return rest if len(self._total()) > len(rest) > 1 else ()

    @property
    def others(self) -> tuple[str, ...]:
        """The parameters that do not vary and were not held, without one that follows from the rest."""
        total, left = self._total(), self.fit.family.remainder
        rest = [name for name in total if name not in self.over]
        follows = rest[-1:] if left is not None and (len(rest) == 1 or len(rest) == len(total)) else []
        known = {*self.over, *self.fit.held, *follows}
        return tuple(name for name in self.fit.estimates if name not in known)

    def _total(self) -> tuple[str, ...]:
        """Parameters that add up to a constant."""
        family, left = self.fit.family, self.fit.family.remainder
        if family.size != len(family.parameters):
            return family.names
        return (*left.others, left.name) if left is not None and left.others else ()

    @property
    def highest(self) -> float:
        """The largest log-likelihood known: that of the fit, unless a point has a larger one."""
        return self.fit.log_likelihood if not self.doubt else float(self.log_likelihood.max())

    @property
    def doubt(self) -> str:
        """That the fit is not at the maximum, for a point here is more likely; "" where none is."""
        known, found = self.fit.log_likelihood, float(self.log_likelihood.max(initial=-np.inf))
        if not found > known + EXCESS * max(1.0, abs(known)) or not np.isfinite(found):
            return ""
        point = self.points[int(np.argmax(self.log_likelihood))]
        where = ", ".join(f"{name} = {value:.6g}" for name, value in zip(self.over, point, strict=True))
        return (
            f"the estimate is not the maximum: at {where} log L is {found:.6g}, at the estimate {known:.6g}; relative "
            "likelihoods are to the highest of these points"
        )

    @property
    def topped(self) -> bool:
        """Whether the fit is the maximum, or what the likelihood rises to where a parameter runs off."""
        return not self.doubt and (self.fit.converged or bool(self.fit.certificate.at_boundary))

    @property
    def relative(self) -> Array:
        """L / L_max, (P,)."""
        return np.exp(np.minimum(self.log_likelihood - self.highest, 0.0))

    @property
    def likelihood(self) -> list[float | None]:
        """L itself; None where it under- or overflows."""
        return [likelihood(value) for value in self.log_likelihood.tolist()]

    def to_dict(self) -> dict[str, Any]:
        """As in the JSON contract: the maximum, and one record a point."""
        return {
            "family": self.fit.family.name,
            "column": self.fit.column,
            "n": self.fit.n,
            "dropped": self.fit.dropped,
            "maximum": None
            if not self.topped
            else {
                "parameters": {name: number(value) for name, value in self.fit.estimates.items()},
                "log_likelihood": number(self.fit.log_likelihood),
            },
            "profile": self.profile,
            "points": self.rows(),
        }

    def rows(self) -> list[dict[str, Any]]:
        """One record a point: parameters, likelihood, log_likelihood, nll, relative_likelihood."""
        return [
            {
                **dict(zip(self.over, map(float, point), strict=True)),
                "likelihood": likelihood(value),
                "log_likelihood": number(value),
                "nll": number(0.0 - value),
                "relative_likelihood": number(relative),
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
    """The log-likelihood over the grid of all combinations of `axes`, values by parameter name.

    Raises:
        UsageError: as `evaluate`, or a grid of more than a million points.
    """
    over = tuple(axes)
    count = prod(values.size for values in axes.values())
    if count > MOST:
        raise UsageError(f"a grid of {count:,} points is too fine (at most {MOST:,}); take larger steps with --grid")
    mesh = np.meshgrid(*axes.values(), indexing="ij")
    points = np.stack([m.ravel() for m in mesh], axis=1)
    return Surface(fit, over, points, evaluate(fit, over, points, profile=profile), tuple(axes.values()), profile)


def at(fit: Fit, points: Sequence[Mapping[str, float]], *, profile: bool = False) -> Surface:
    """The log-likelihood at single points, each a value by parameter name; all name the same parameters."""
    over = tuple(points[0])
    if not over:
        raise UsageError("--at takes name=number, such as --at sigma=1")
    if any(set(point) != set(over) for point in points):
        raise UsageError("every --at point must name the same parameters")
    values = np.array([[point[name] for name in over] for point in points], dtype=float)
    return Surface(fit, over, values, evaluate(fit, over, values, profile=profile), (), profile)


def evaluate(fit: Fit, over: Sequence[str], points: Array, *, profile: bool = False) -> Array:
    """Log-likelihoods (P,) with the parameters `over` at `points` (P, d), the others estimated or re-maximised.

    Raises:
        DataError: a likelihood without a bound.
        UsageError: an unknown parameter or a value outside its domain.
    """
    fit = fit.along(over)
    family = fit.family
    whole = set(over) == set(family.names)
    if not np.isfinite(fit.log_likelihood) and (profile or not whole):
        raise DataError(f"there is no maximum to draw the likelihood around: {fit.certificate.problem}")
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
    if family.following and not profile:
        theta = np.repeat(fit.theta[:, None], len(points), axis=1)
        theta[columns] = points.T
        with np.errstate(all="ignore"):
            eta = family.forward(theta).T
    which = np.full(len(points), fit.number, dtype=np.intp)
    mask |= np.array([name in family.irregular for name in family.names], dtype=bool)
    if profile and isinstance(family, Wrapped) and family.irregular and len(columns) < family.size:
        value = _searched(fit, family, eta, set(columns))
    elif profile and not mask.all():
        value = minimised(fit.objective, eta, which=which, held=mask, step=family.step).sums.value
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
    # At a boundary the scores stop short of infinity, so that a zero comes out as 1e-130.
    value = np.where(np.abs(value) < 1e-60, 0.0, value)
    return np.where(np.isnan(value), -np.inf, 0.0 - value)


def _searched(fit: Fit, family: Wrapped, eta: Array, columns: set[int]) -> Array:
    """NLL (P,) at scores (P, k), those not in `columns` re-maximised by search, some points at a time."""
    assert isinstance(fit.objective, RowObjective), "families of rows that are known in part have no statistics"
    sample = fit.objective.sample
    n = int(sample.counts[fit.number])
    found = []
    for part in np.array_split(eta, -(-len(eta) * n // CELLS)) if len(eta) * n > CELLS else [eta]:
        rows = sample.take(np.full(len(part), fit.number, dtype=np.intp))
        found.append(constrained(family, rows, part.T, columns)[1])
    return np.concatenate(found)


def _share(fit: Fit, columns: Sequence[int], points: Array) -> Array:
    """One probability of several, the others keeping their proportions, which is what maximises over them too."""
    target = fit.objective
    assert isinstance(target, StatisticObjective), "only such families have parameters that are not scores"
    if len(columns) == len(fit.family.parameters):
        wrong = np.abs(points.sum(axis=1) - 1) > 1e-9
        if wrong.any():
            raise UsageError(f"the probabilities of {fit.family.name} add up to {points[wrong][0].sum():g}, not to 1")
        counts = [target.family.margin(j, target.totals[:, [fit.number]])[1][1, 0] for j in columns]
        with np.errstate(all="ignore"):
            return np.where(np.array(counts) > 0, counts * np.log(points), 0.0).sum(axis=1)
    if len(columns) != 1:
        raise UsageError(
            f"the likelihood of {fit.family.name} is drawn over one probability at a time, or at points that give all"
        )
    base, totals, share = target.family.margin(columns[0], target.totals[:, fit.number : fit.number + 1])
    margin = StatisticObjective(base, totals, np.zeros((0, 1)))
    p = points[:, 0] / share
    which = np.zeros(len(points), dtype=np.intp)
    value = margin.value(base.forward(p[None]).T, which) - margin.value(margin.start, which[:1])
    successes, failures = totals[1, 0], totals[0, 0] - totals[1, 0]
    impossible = ((p <= 0) & (successes > 0)) | ((p >= 1) & (failures > 0))
    return np.where(impossible, -np.inf, fit.log_likelihood - value)


def _index(fit: Fit, name: str) -> int:
    fit = fit.along([name])
    if name not in fit.family.names:
        raise UsageError(no_parameter(fit.family.name, name, fit.family.names, "free parameter"))
    return fit.family.names.index(name)


def default_axis(fit: Fit, name: str, count: int = 21, share: float = 1.0) -> Array:
    """Round values around a parameter's estimate, wide enough to see the likelihood fall to almost nothing.

    A probability known badly is shown from 0 to 1, as on the blackboard. Where there is no standard error to tell
    the width, the likelihood itself does; where there is, so much of it as `share` says does, see `_shares`.

    Raises:
        UsageError: no finite estimate to draw around.
    """
    fit = fit.along([name])
    j = _index(fit, name)
    link = fit.family.parameters[j].link
    estimate, error = float(fit.theta[j]), float(np.sqrt(fit.covariance[j, j]))
    if not np.isfinite(estimate):
        raise UsageError(f"{name} has no finite estimate; give its values with --grid {name}=FROM:TO:STEP")
    if name in fit.family.irregular:
        return _anchored(fit, name, count)
    if not np.isfinite(error) or error == 0:
        if link.upper == 1:
            return np.linspace(0, 1, count)
        floor = np.nextafter(link.lower, -np.inf) if estimate == link.lower else link.lower
        low, high = _reach(fit, name)
        return _multiples(low, high, _round_step((high - low) / (count - 1)), floor, link.upper)
    error *= share
    z = normal_quantile(0.999)
    if link.upper == 1 and (estimate - z * error < 0.05 or estimate + z * error > 0.95):
        return np.linspace(0, 1, count)
    if np.isfinite(link.step):
        score = float(link.forward(np.asarray(estimate)))
        width = min(z * error / float(link.derivative(np.asarray(score))), 3.0)
        low, high = float(link.inverse(np.asarray(score - width))), float(link.inverse(np.asarray(score + width)))
    else:
        low, high = estimate - z * error, estimate + z * error
    return _around(estimate, low, high, count, link)


def axes(
    fit: Fit, names: Sequence[str] = (), given: Mapping[str, Array] | None = None, *, profile: bool = False
) -> dict[str, Array]:
    """The values of each parameter drawn: those given, else the default ones; of one or two unless named.

    Raises:
        UsageError: an unknown parameter, or none that is free.
    """
    family = fit.family
    if not family.names:
        raise UsageError(f"every parameter of {family.name} is held, so there is nothing to draw; leave one free")
    drawn = tuple(names)
    if not drawn:
        finite = [n for n, value in zip(family.names, fit.theta.tolist(), strict=True) if np.isfinite(value)]
        # Probabilities that share one total are drawn one at a time.
        drawn = tuple(finite or family.names)[: 2 if family.size == len(family.parameters) else 1]
    counts = (21,) if len(drawn) == 1 else (13, *[9] * len(drawn))  # a table is best higher than wide
    given = given or {}
    shares = _shares(fit, drawn, profile)
    return {
        name: given[name] if name in given else default_axis(fit, name, count, shares.get(name, 1.0))
        for name, count in zip(drawn, counts, strict=False)
    }


def _shares(fit: Fit, drawn: Sequence[str], profile: bool) -> dict[str, float]:
    """How much of each standard error is seen of the likelihood over the parameters drawn, by name.

    With the others held the likelihood is as narrow as their conditional distribution: its covariance is the inverse of
    their part of the information. Of two that are correlated the ridge must be several cells wide: each is drawn within
    `RIDGE` times its own spread at a value of the other.
    """
    names = fit.family.names
    places = [names.index(name) for name in drawn if name in names]
    errors = np.sqrt(np.diag(fit.covariance))
    known = np.flatnonzero(np.isfinite(errors) & (errors > 0))
    places = [j for j in places if j in known]
    if not places or fit.family.size != len(fit.family.parameters):
        return {}
    seen = np.array(places) if profile else known
    correlation = fit.covariance[np.ix_(seen, seen)] / np.outer(errors[seen], errors[seen])
    with np.errstate(all="ignore"):
        information = np.linalg.pinv(correlation, hermitian=True)
        own = [list(seen).index(j) for j in places]
        inside = np.linalg.pinv(information[np.ix_(own, own)], hermitian=True)
        wide, narrow = np.sqrt(np.diag(inside)), 1 / np.sqrt(np.diag(information)[own])
    shares = np.minimum(wide, RIDGE * narrow) if len(places) > 1 else wide
    return {names[j]: float(v) for j, v in zip(places, shares, strict=True) if np.isfinite(v) and 0 < v <= 1.0}


def _reach(fit: Fit, name: str) -> tuple[float, float]:
    """The values below and above the estimate at which the relative likelihood has become faint."""
    j = _index(fit, name)
    link, estimate = fit.family.parameters[j].link, float(fit.theta[j])
    distances = max(abs(estimate), 1.0) * np.logspace(-9, 3, 241)
    ends = []
    for side in (-1, 1):
        values = estimate + side * distances
        values = values[(values >= link.lower) & (values <= link.upper)]
        faint = np.zeros(0, dtype=bool)
        if values.size:
            relative = np.exp(evaluate(fit, (name,), values[:, None]) - fit.log_likelihood)
            faint = relative < FAINT
        ends.append(float(values[np.argmax(faint)]) if faint.any() else float(values[-1]) if values.size else estimate)
    return ends[0], ends[1]


def _anchored(fit: Fit, name: str, count: int) -> Array:
    """Values in round steps from an estimate at which the likelihood jumps or has a kink, which is one of them."""
    estimate = float(fit.theta[_index(fit, name)])
    link = fit.family.parameters[_index(fit, name)].link
    low, high = _reach(fit, name)
    width = high - low
    low, high = min(low, estimate - 0.2 * width), max(high, estimate + 0.2 * width)
    step = _round_step((high - low) / (count - 1))
    if fit.family.discrete:
        step = max(step, 1.0)
    numbers = np.arange(np.floor((low - estimate) / step), np.ceil((high - estimate) / step) + 1)
    values = estimate + numbers * step
    return values[(values >= link.lower) & (values <= link.upper)]


def _around(estimate: float, low: float, high: float, count: int, link: Link) -> Array:
    """About `count` round values from low to high, a quarter of them or more below the estimate.

    In equal steps where these show most of the high side too, else, for a positive parameter, by equal factors.
    """
    values = _multiples(low, high, _round_step((high - low) / (count - 1)), link.lower, link.upper)
    if 4 * (values < estimate).sum() >= values.size:
        return values
    values = _multiples(low, high, _round_step((estimate - low) / 2, up=False), link.lower, link.upper)
    values = values[: min(4 * int((values < estimate).sum()), count - 1)]
    enough = values.size > 0 and values[-1] >= estimate + SHOWN * (high - estimate)
    return values if enough or link.lower != 0 or np.isfinite(link.upper) else _factors(low, high, count)


def _multiples(low: float, high: float, step: float, floor: float, ceiling: float) -> Array:
    """Multiples of a step that cover low to high, inside the open domain."""
    values = np.arange(np.floor(low / step), np.ceil(high / step) + 1) * step
    values = np.array([float(f"{v:.12g}") for v in values])
    return values[(values > floor) & (values < ceiling)]


def _factors(low: float, high: float, count: int) -> Array:
    """About `count` preferred numbers from low to high, each about the same factor above the one before."""
    decades = range(int(np.floor(np.log10(low))) - 1, int(np.ceil(np.log10(high))) + 2)
    for series in PREFERRED:
        values = np.array([float(f"{m}e{power}") for power in decades for m in series])
        values = values[(values >= low / 1.3) & (values <= 1.3 * high)]
        if values.size <= count:
            break
    return values


def by_factors(values: Array) -> bool:
    """Whether the values of an axis grow by factors rather than by steps, and so far that it shows."""
    if values.size < 3 or values.min() <= 0 or values.max() < 30 * values.min():
        return False
    middle, low, high = float(np.median(values)), float(values.min()), float(values.max())
    return abs(np.log(middle) - np.log(low * high) / 2) < abs(np.log(middle) - np.log((low + high) / 2))


def _round_step(rough: float, *, up: bool = True) -> float:
    """The next 1, 2, 2.5 or 5 times a power of ten, or the one before."""
    power = float(10.0 ** np.floor(np.log10(rough)))
    steps = [m * power for m in (1.0, 2.0, 2.5, 5.0, 10.0)]
    if up:
        return next(step for step in steps if step >= rough * 0.999)
    return next(step for step in reversed(steps) if step <= rough * 1.001)


def parse_axis(text: str) -> tuple[str, Array]:
    """`p=0:1:0.05`, both ends included, or `p=0.1,0.2,0.4`.

    Raises:
        UsageError: not of that form, or more than a million values.
    """
    name, equals, values = text.partition("=")
    try:
        if not equals or not name.strip():
            raise ValueError
        if ":" not in values:
            return name.strip(), np.array([float(v) for v in values.split(",")])
        low, high, step = (float(v) for v in values.split(":"))
        if not (np.isfinite([low, high, step]).all() and step > 0 and high >= low):
            raise ValueError
    except ValueError:
        raise UsageError(
            f"--grid takes NAME=FROM:TO:STEP or NAME=VALUE,VALUE ..., such as p=0:1:0.05; {text!r} is not that"
        ) from None
    if (high - low) / step > MOST:
        raise UsageError(f"{text!r} has more than {MOST:,} values; take a larger step")
    count = int(np.floor((high - low) / step + 1e-9)) + 1
    return name.strip(), np.array([float(f"{low + i * step:.12g}") for i in range(count)])
