"""Numbers that follow from the parameters: formulas of them, and quantiles.

Errors are by the delta method; limits follow from them, or from the profile likelihood or the bootstrap where the fit
has those.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mlefit.errors import UsageError
from mlefit.families.base import Family
from mlefit.families.expression import Formula, Jet, parse, unknown
from mlefit.families.links import BOUND, Array
from mlefit.inference.bootstrap import Replicates, accelerations, limits
from mlefit.inference.derived_limits import Function, Values, extremes, spanned
from mlefit.inference.fit import Fit
from mlefit.inference.intervals import normal_quantile
from mlefit.inference.result import parameter
from mlefit.solvers.solution import Index

FARTHEST: Final = 2.0**40  # from the estimate, beyond which no limit of a quantile of counts is looked for
JUMPS: Final = (
    "a quantile of counts jumps from one whole number to the next as the parameters move, so it has no standard error "
    "and no Wald limits; --interval profile gives its smallest and largest value"
)
GRID: Final = 129  # points between two limits at which a function is looked at


@dataclass(frozen=True)
class Derived:
    """A number that follows from the parameters; NaN where there is no error or limit.

    Attributes:
        name: what it is called.
        kind: "derived" or "quantile".
        slope: (k,) its derivatives in the scores, for the bootstrap.
    """

    name: str
    kind: str
    estimate: float
    std_error: float
    lower: float
    upper: float
    slope: Array = field(repr=False, compare=False)

    @property
    def label(self) -> str:
        """Its name in a table."""
        return self.name if self.kind == "derived" else f"quantile {self.name}"

    def to_dict(self) -> dict[str, float | None]:
        """The keys of a parameter in the JSON contract."""
        return parameter(self.estimate, self.std_error, self.lower, self.upper)


def formulas(texts: Mapping[str, str]) -> dict[str, Formula]:
    """Formulas by name, read.

    Raises:
        UsageError: a formula that cannot be read.
    """
    return {name: parse(text, f"the formula of {name!r}") for name, text in texts.items()}


def with_formulas(fit: Fit, wanted: Mapping[str, Formula]) -> Fit:
    """A fit with formulas of its parameters; limits are symmetric (Cox and Hinkley 1974, section 9.2).

    A formula without a finite value has no error and no limits either, and a warning says so.

    Raises:
        UsageError: a formula names what is no parameter, or is called as a parameter is.
    """
    z = normal_quantile(fit.level)
    found, warnings = [], list(fit.warnings)
    for name, formula in wanted.items():
        known = _jets(fit.family, fit.theta)
        if name in known:
            raise UsageError(f"{name} is a parameter of {fit.family.name}; call the formula of {name!r} something else")
        for used in formula.names:
            if used not in known and used not in ("pi", "e"):
                raise unknown(formula, used, list(known), f"the formula of {name!r}")
        with np.errstate(all="ignore"):
            jet = formula.evaluate(known)
            slope = np.array([float(jet.first.get(j, np.array(0.0))) for j in range(fit.theta.size)])
            used_ = slope != 0
            variance = slope[used_] @ fit.covariance[np.ix_(used_, used_)] @ slope[used_]
            error = float(np.sqrt(variance))
            in_scores = slope @ fit.family.jacobian(fit.eta[:, None])[..., 0]
        estimate = float(jet.value)
        if not np.isfinite(estimate):
            warnings.append(f"{name} is not a finite number at the estimates: {name} = {estimate:g}")
            error = np.nan
        width = z * error if fit.interval_method != "none" else np.nan
        found.append(Derived(name, "derived", estimate, error, estimate - width, estimate + width, in_scores))
    return replace(fit, derived=(*fit.derived, *found), warnings=tuple(warnings))


def with_quantiles(fit: Fit, levels: Sequence[float]) -> Fit:
    """A fit with quantiles of its distribution.

    The slope of a quantile in the scores is -(dF / d eta) / f. Limits are symmetric, of its logarithm where the
    support is positive (Meeker and Escobar 1998, section 8.4.3). A quantile of counts jumps from one number
    to the next as the parameters move, so it has neither a slope nor an error, and no such limits.

    Raises:
        UsageError: a level outside (0, 1), or a family without quantiles.
    """
    family = underlying(fit.family)
    check_quantiles(family, levels)
    z = normal_quantile(fit.level)
    found = []
    covariance = _score_covariance(fit)
    for level in levels:
        eta = fit.eta[:, None]
        with np.errstate(all="ignore"):
            y = np.asarray(family.quantile(np.array([level]), eta), dtype=float)
            error, slope = np.nan, np.zeros(fit.eta.size)
            if not family.discrete:
                slope = _quantile_slope(family, level, y, eta)[:, 0]
                unit = np.abs(slope).max(initial=0.0) or 1.0  # its squares need not be numbers
                error = float(unit * np.sqrt(slope / unit @ covariance @ (slope / unit)))
            estimate = float(y[0])
            width = z * error if fit.interval_method != "none" else np.nan
            if family.support.lower >= 0 and estimate > 0:
                factor = np.exp(width / estimate)
                lower, upper = estimate / factor, estimate * factor
            else:
                lower, upper = estimate - width, estimate + width
        found.append(Derived(f"{level:g}", "quantile", estimate, error, float(lower), float(upper), slope))
    warnings = fit.warnings
    if found and family.discrete and fit.interval_method == "wald":
        warnings += (JUMPS,)
    return replace(fit, derived=(*fit.derived, *found), warnings=warnings)


def check_quantiles(family: Family, levels: Sequence[float]) -> None:
    """Refuse levels outside (0, 1), and families without quantiles.

    Raises:
        UsageError: either.
    """
    for level in levels:
        if not 0 < level < 1:
            raise UsageError(f"a quantile is that of a probability between 0 and 1, such as 0.1; {level:g} is not")
    if levels and (len(family.columns) > 1 or family.labels):
        raise UsageError(f"{family.name} has no quantiles of one column; leave --quantile out")


def underlying(family: Family) -> Family:
    """The family of the values themselves, without what is known of their censoring and truncation."""
    while family.censored or family.truncated:
        family = family.given(*[np.zeros(1)] * (len(family.columns) - 1))
    return family


def with_bootstrap_limits(fit: Fit, found: Replicates, wanted: Mapping[str, Formula]) -> Fit:
    """A fit whose derived numbers have limits and errors from replicates."""
    if not fit.derived:
        return fit
    replaced = []
    family = underlying(fit.family)
    bend = accelerations(fit.family, fit.eta, found, np.stack([one.slope for one in fit.derived]))
    for place, one in enumerate(fit.derived):
        if not np.isfinite(one.estimate):
            replaced.append(one)
            continue
        with np.errstate(all="ignore"):
            if one.kind == "derived":
                drawn = wanted[one.name].evaluate(_jets(fit.family, found.theta.T)).value
            else:
                drawn = family.quantile(np.full(len(found.eta), float(one.name)), found.eta.T)
        drawn = np.broadcast_to(np.asarray(drawn, dtype=float), (len(found.eta),))
        drawn = drawn[~np.isnan(drawn)]
        low, high = limits(drawn, one.estimate, fit.level, None if bend is None else float(bend[place]))
        replaced.append(replace(one, std_error=float(np.std(drawn, ddof=1)), lower=low, upper=high))
    return replace(fit, derived=tuple(replaced))


def with_profile_limits(fits: Sequence[Fit], wanted: Mapping[str, Formula]) -> list[Fit]:
    """Fits whose derived numbers have limits by profile likelihood, the groups of one column as a batch.

    With a single score they are the values at the parameter's own limits. A limit that cannot be found is NaN, and a
    warning says so. Quantiles of counts have the extremes of the quantile, whole numbers both.
    """
    found = list(fits)
    batches: dict[int, list[int]] = {}
    for i, fit in enumerate(fits):
        if fit.converged and fit.interval_method == "profile":
            batches.setdefault(id(fit.objective), []).append(i)
    for places in batches.values():
        batch = [fits[i] for i in places]
        for place in range(len(batch[0].derived)):
            lower, upper = _profiled(batch, place, wanted)
            for i, low, high in zip(places, lower.tolist(), upper.tolist(), strict=True):
                found[i] = _limited(found[i], place, low, high)
    return found


def _profiled(fits: Sequence[Fit], place: int, wanted: Mapping[str, Formula]) -> tuple[Array, Array]:
    """Limits of one number in fits of the same family and objective, (G,) each; NaN where none was found."""
    family, one = fits[0].family, fits[0].derived[place]
    if one.kind == "derived":
        function = _formula_function(family, wanted[one.name])
        values: Values = lambda eta, which: function(eta, which)[0]  # noqa: E731
    elif underlying(family).discrete:
        return _counted(fits, float(one.name))
    else:
        function = _quantile_function(underlying(family), float(one.name))
        values = _quantile_values(underlying(family), float(one.name))
    lower, upper = np.full(len(fits), np.nan), np.full(len(fits), np.nan)
    rest = np.arange(len(fits))
    if family.size == len(family.parameters) == 1:
        low, high, monotone = _between(fits, one, wanted, function)
        lower[monotone], upper[monotone] = low[monotone], high[monotone]
        rest = rest[~monotone]
    rest = rest[[not fits[i].certificate.at_boundary for i in rest.tolist()]]
    if rest.size:
        lower[rest], upper[rest] = _extremes([fits[i] for i in rest.tolist()], function, values)
    return lower, upper


def _extremes(fits: Sequence[Fit], function: Function, values: Values) -> tuple[Array, Array]:
    """The smallest and the largest value of a function where the likelihood of each fit is high, (G,) each."""
    return extremes(
        fits[0].objective, function, values, *_estimates(fits), level=fits[0].level, which=_numbers(fits),
        step=fits[0].family.step, free=_free(fits[0].family),
    )  # fmt: skip


def _estimates(fits: Sequence[Fit]) -> tuple[Array, Array]:
    """Scores (G, k) and NLL (G,)."""
    return np.stack([fit.eta for fit in fits]), np.array([-fit.log_likelihood for fit in fits])


def _numbers(fits: Sequence[Fit]) -> Index:
    return np.array([fit.number for fit in fits], dtype=np.intp)


def _free(family: Family) -> NDArray[np.bool_]:
    """Scores that move, (k,)."""
    if family.size != len(family.parameters):
        return np.ones(family.size, dtype=bool)
    return np.array([name not in family.irregular for name in family.names], dtype=bool)


def _counted(fits: Sequence[Fit], level: float) -> tuple[Array, Array]:
    """The smallest and the largest quantile of counts where the likelihood is high, (G,) each; NaN where not found.

    The quantile at q is the first y with P(Y <= y) >= q. So its largest value is the first y at which the smallest
    P(Y <= y) of the region reaches q, and its smallest value the first at which the largest does. Quantiles at some
    points of the region's boundary tell where to look.
    """
    family = underlying(fits[0].family)
    if fits[0].family.size == len(fits[0].family.parameters) == 1:
        ends = np.array([[fit.lower[0], fit.upper[0]] for fit in fits])
        with np.errstate(all="ignore"):
            scores = _within_bounds(family, family.forward(ends.reshape(1, -1)))
            quantiles = np.asarray(family.quantile(np.full(ends.size, level), scores), dtype=float)
        quantiles = np.where(np.isnan(ends), np.nan, quantiles.reshape(ends.shape))
        return quantiles.min(axis=1), quantiles.max(axis=1)  # the quantile rises or falls with the parameter
    low, high = spanned(
        fits[0].objective, _quantile_values(family, level), *_estimates(fits), level=fits[0].level,
        which=_numbers(fits), free=_free(fits[0].family),
    )  # fmt: skip
    inside = np.flatnonzero([not fit.certificate.at_boundary for fit in fits] & np.isfinite(low) & np.isfinite(high))

    def reached(rows: Index, y: Array, side: int) -> Array:
        """Whether the smallest (`side` 0) or largest (1) P(Y <= y) of fits reaches the level, 1 or 0; NaN unknown."""
        known = np.where(y < family.support.lower, 0.0, np.where(y >= family.support.upper, 1.0, np.nan))
        rest = np.flatnonzero(np.isnan(known))
        if rest.size:
            chosen = [fits[i] for i in rows[rest].tolist()]
            found = _extremes(chosen, *_odds_functions(family, chosen, y[rest]))[side]
            known[rest] = np.where(np.isnan(found), np.nan, found >= np.log(level / (1 - level)))
        return known

    # The largest P(Y <= low) reaches the level, as it does at a point with that quantile; the smallest P(Y < high) not.
    return (
        _first_reached(reached, low - 1, np.full(low.size, -np.inf), low, inside, 1),
        _first_reached(reached, high, high - 1, np.full(high.size, np.inf), inside, 0),
    )


def _first_reached(
    reached: Callable[[Index, Array, int], Array], trial: Array, low: Array, high: Array, live: Index, side: int
) -> Array:
    """The first whole numbers (G,) that are reached, above `low` and up to `high`, (G,), one of which may be open."""
    result, step = np.full(trial.size, np.nan), np.ones(trial.size)
    low, high, trial = low.copy(), high.copy(), trial.copy()
    while live.size:
        at = trial[live]
        found = reached(live, at, side)
        lost = np.isnan(found) | (step[live] > FARTHEST)
        low[live] = np.where(found == 0, np.maximum(low[live], at), low[live])
        high[live] = np.where(found == 1, np.minimum(high[live], at), high[live])
        narrow = high[live] - low[live] <= 1
        result[live] = np.where(~lost & narrow, high[live], np.nan)
        live = live[~lost & ~narrow]
        outward = np.where(np.isinf(high[live]), low[live] + step[live], high[live] - step[live])
        both = np.isfinite(low[live]) & np.isfinite(high[live])
        trial[live] = np.where(both, np.floor((low[live] + high[live]) / 2), outward)
        step[live] *= np.where(both, 1.0, 2.0)
    return result


def _odds_functions(family: Family, fits: Sequence[Fit], y: Array) -> tuple[Function, Values]:
    """log P(Y <= y) - log P(Y > y) as a function of the scores, y (G,) being that of each fit's problem."""
    numbers = _numbers(fits)
    of_problem = np.zeros(int(numbers.max()) + 1)
    of_problem[numbers] = y

    def function(eta: Array, which: Index) -> tuple[Array, Array]:
        scores = np.ascontiguousarray(eta.T)
        below, slope, _ = family.log_cdf_derivatives(of_problem[which], scores)
        above = family.log_sf(of_problem[which], scores)
        return below - above, (slope * np.exp(-above)).T

    def values(eta: Array, which: Index) -> Array:
        scores = np.ascontiguousarray(eta.T)
        return np.asarray(family.log_cdf(of_problem[which], scores) - family.log_sf(of_problem[which], scores))

    return function, values


def _within_bounds(family: Family, scores: Array) -> Array:
    """Scores of one parameter, logarithms and odds no farther out than they can be computed with."""
    return np.clip(scores, -BOUND, BOUND) if np.isfinite(family.step[0]) else scores


def _between(
    fits: Sequence[Fit], one: Derived, wanted: Mapping[str, Formula], function: Function
) -> tuple[Array, Array, NDArray[np.bool_]]:
    """With one parameter: a number's values at its limits, and in which fits it is monotone from one to the other."""
    family = fits[0].family
    ends = np.array([[fit.lower[0], fit.upper[0]] for fit in fits])
    with np.errstate(all="ignore"):
        scores = _within_bounds(family, family.forward(ends[None])[0])
        path = scores[:, :1] + (scores[:, 1:] - scores[:, :1]) * np.linspace(0, 1, GRID)
        values = function(path.reshape(-1, 1), np.zeros(path.size, dtype=np.intp))[0].reshape(path.shape)
        if one.kind == "derived":  # a limit may be an end of the domain, which scores only come near to
            formula = wanted[one.name]
            exact = formula.evaluate(_jets(family, ends[None])).value
            values[:, [0, -1]] = np.broadcast_to(exact, ends.shape)
        change = np.diff(values, axis=1)
        monotone = np.asarray((change >= 0).all(axis=1) | (change <= 0).all(axis=1))
    first, last = values[:, 0], values[:, -1]
    return np.minimum(first, last), np.maximum(first, last), monotone


def _limited(fit: Fit, place: int, low: float, high: float) -> Fit:
    """The fit with limits of one derived number, saying which of them were not found."""
    one = fit.derived[place]
    if one.std_error == 0 or not np.isfinite(one.estimate):  # no free parameter is in it, or it has no value
        return fit
    changed = [*fit.derived]
    changed[place] = replace(one, lower=low, upper=high)
    lost = [name for name, end in (("lower", low), ("upper", high)) if np.isnan(end)]
    fit = replace(fit, derived=tuple(changed))
    if not lost or (np.isnan(one.std_error) and not (one.kind == "quantile" and underlying(fit.family).discrete)):
        return fit
    said = (
        f"no {' or '.join(lost)} profile limit of {one.label} was found: on the way there the likelihood stays high, "
        f"or {one.label} turns back or has a kink; try --interval bootstrap"
    )
    return replace(fit, warnings=(*fit.warnings, said))


def _formula_function(family: Family, formula: Formula) -> Function:
    """A formula of the parameters as a function of the scores."""

    def function(eta: Array, which: Index) -> tuple[Array, Array]:
        theta, jacobian = family.inverse(eta.T), family.jacobian(eta.T)
        jet = formula.evaluate(_jets(family, theta))
        slope = np.zeros_like(eta)
        for j, part in jet.first.items():
            slope += (np.where(jacobian[j] != 0, part * jacobian[j], 0.0)).T
        return np.array(np.broadcast_to(jet.value, (len(eta),))), slope

    return function


def _quantile_function(family: Family, level: float) -> Function:
    """A quantile as a function of the scores."""

    def function(eta: Array, which: Index) -> tuple[Array, Array]:
        scores = np.ascontiguousarray(eta.T)
        y = np.asarray(family.quantile(np.full(len(eta), level), scores), dtype=float)
        return y, _quantile_slope(family, level, y, scores).T

    return function


def _quantile_values(family: Family, level: float) -> Values:
    """The same without its slopes."""

    def values(eta: Array, which: Index) -> Array:
        return np.asarray(family.quantile(np.full(len(eta), level), np.ascontiguousarray(eta.T)), dtype=float)

    return values


def _quantile_slope(family: Family, level: float, y: Array, eta: Array) -> Array:
    """-(dF / d eta) / f, (k, n), at the quantile y (n,) of scores (k, n); NaN in a jump of F, which has no density."""
    slope = -level * family.log_cdf_derivatives(y, eta)[1] / np.exp(-family.nll(y, eta))
    return np.where((y == 0) & family.lumped, np.nan, slope)


def _jets(family: Family, theta: Array) -> dict[str, Jet]:
    """Every parameter of the distribution with its slopes in the free ones, theta (K, ...); held ones have none."""
    one = np.ones(theta.shape[1:])
    slopes = {name: {j: one} for j, name in enumerate(family.names)}
    if family.remainder is not None:
        slopes[family.remainder.name] = {family.names.index(name): -one for name in family.remainder.others}
    held = {name: Jet(np.full(theta.shape[1:], v)) for name, v in family.fixed.items()}
    return {name: Jet(np.asarray(v), slopes[name]) for name, v in family.told(theta).items()} | held


def _score_covariance(fit: Fit) -> Array:
    """Of the scores, (k, k), from that of the parameters; NaN where a parameter has no error."""
    with np.errstate(all="ignore"):
        slope = fit.family.jacobian(fit.eta[:, None])[..., 0]
        if slope.shape[0] != slope.shape[1] or not np.isfinite(fit.covariance).all():
            return np.full((fit.eta.size, fit.eta.size), np.nan)
        back = np.linalg.inv(slope)
        return np.asarray(back @ fit.covariance @ back.T)
