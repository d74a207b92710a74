"""Numbers that follow from the parameters: formulas of them, and quantiles, with errors by the delta method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from mlefit.errors import UsageError
from mlefit.families.base import Family
from mlefit.families.expression import Formula, Jet, parse, unknown
from mlefit.families.links import Array
from mlefit.inference.bootstrap import Replicates, accelerations, limits
from mlefit.inference.fit import Fit, number
from mlefit.inference.intervals import normal_quantile


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
        return {
            "estimate": number(self.estimate),
            "std_error": number(self.std_error),
            "ci_lower": number(self.lower),
            "ci_upper": number(self.upper),
        }


def formulas(texts: Mapping[str, str]) -> dict[str, Formula]:
    """Formulas by name, read.

    Raises:
        UsageError: a formula that cannot be read.
    """
    return {name: parse(text, f"the formula of {name!r}") for name, text in texts.items()}


def with_formulas(fit: Fit, wanted: Mapping[str, Formula]) -> Fit:
    """A fit with formulas of its parameters; limits are symmetric (Cox and Hinkley 1974, section 9.2).

    Raises:
        UsageError: a formula names what is no parameter.
    """
    z = normal_quantile(fit.level)
    found = []
    for name, formula in wanted.items():
        known = fit.estimates | _fixed(fit.family)
        values = {p: np.array(v) for p, v in known.items()}
        for used in formula.names:
            if used not in values and used not in ("pi", "e"):
                raise unknown(formula, used, list(values), f"the formula of {name!r}")
        with np.errstate(all="ignore"):
            ones = [{j: np.array(1.0)} for j in range(fit.theta.size)] + [{}] * len(values)
            jet = formula.evaluate({p: Jet(v, one) for (p, v), one in zip(values.items(), ones, strict=False)})
            slope = np.array([float(jet.first.get(j, np.array(0.0))) for j in range(fit.theta.size)])
            used_ = slope != 0
            variance = slope[used_] @ fit.covariance[np.ix_(used_, used_)] @ slope[used_]
            error = float(np.sqrt(variance))
            in_scores = slope @ fit.family.jacobian(fit.eta[:, None])[..., 0]
        estimate = float(jet.value)
        width = z * error if fit.interval_method != "none" else np.nan
        found.append(Derived(name, "derived", estimate, error, estimate - width, estimate + width, in_scores))
    return replace(fit, derived=(*fit.derived, *found))


def with_quantiles(fit: Fit, levels: Sequence[float]) -> Fit:
    """A fit with quantiles of its distribution.

    The slope of a quantile in the scores is -(dF / d eta) / f. Limits are symmetric, of its logarithm where the
    support is positive (Meeker and Escobar 1998, section 8.4.3). A quantile of counts jumps, so it has no error.

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
                slope = level * family.log_cdf_derivatives(y, eta)[1][:, 0] / np.exp(-np.ravel(family.nll(y, eta))[0])
                error = float(np.sqrt(slope @ covariance @ slope))
            estimate = float(y[0])
            width = z * error if fit.interval_method != "none" else np.nan
            if family.support.lower >= 0 and estimate > 0:
                factor = np.exp(width / estimate)
                lower, upper = estimate / factor, estimate * factor
            else:
                lower, upper = estimate - width, estimate + width
        found.append(Derived(f"{level:g}", "quantile", estimate, error, float(lower), float(upper), slope))
    return replace(fit, derived=(*fit.derived, *found))


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
        with np.errstate(all="ignore"):
            if one.kind == "derived":
                values = {n: found.theta[:, j] for j, n in enumerate(fit.family.names)}
                values |= {n: np.full(len(found.theta), v) for n, v in _fixed(fit.family).items()}
                drawn = wanted[one.name].evaluate({n: Jet(v) for n, v in values.items()}).value
            else:
                drawn = family.quantile(np.full(len(found.eta), float(one.name)), found.eta.T)
        drawn = np.broadcast_to(np.asarray(drawn, dtype=float), (len(found.eta),))
        drawn = drawn[~np.isnan(drawn)]
        low, high = limits(drawn, one.estimate, fit.level, None if bend is None else float(bend[place]))
        replaced.append(replace(one, std_error=float(np.std(drawn, ddof=1)), lower=low, upper=high))
    return replace(fit, derived=tuple(replaced))


def _fixed(family: Family) -> dict[str, Any]:
    return dict(getattr(family, "fixed", {}))


def _score_covariance(fit: Fit) -> Array:
    """Of the scores, (k, k), from that of the parameters; NaN where a parameter has no error."""
    with np.errstate(all="ignore"):
        slope = fit.family.jacobian(fit.eta[:, None])[..., 0]
        if slope.shape[0] != slope.shape[1] or not np.isfinite(fit.covariance).all():
            return np.full((fit.eta.size, fit.eta.size), np.nan)
        back = np.linalg.inv(slope)
        return np.asarray(back @ fit.covariance @ back.T)
