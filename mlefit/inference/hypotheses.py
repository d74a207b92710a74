"""Wald's, the score and the likelihood-ratio test of values for some of a fit's parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from mlefit.errors import UsageError
from mlefit.families.base import Family
from mlefit.families.irregular import constrained
from mlefit.families.links import Array
from mlefit.families.nomenclature import no_parameter
from mlefit.families.wrapped import Wrapped
from mlefit.inference.fit import Fit
from mlefit.inference.kinks import minimised
from mlefit.inference.result import number
from mlefit.objective import RowObjective, StatisticObjective

STEPS: Final = 1000  # nodes of the quadrature on either side of the median
VALUES: Final = 100_000  # counts summed over, at most
TAIL: Final = 1e-14
TOGETHER: Final = 1e-9  # by how much probabilities that are all given may miss their sum


@dataclass(frozen=True)
class NullTests:
    """The three tests of one hypothesis; a statistic is NaN where it does not exist.

    Attributes:
        null: the values tested, by parameter.
        df: how many they are: each statistic is chi-squared with so many degrees of freedom, for large n.
        wald: distance of the estimate from the null in its own covariance.
        score: U' I^-1 U at the estimate under the null, I the expected information there.
        likelihood_ratio: twice the log-likelihood lost by the null.
        estimates: all parameters, re-estimated under the null.
    """

    null: Mapping[str, float]
    df: int
    wald: float
    score: float
    likelihood_ratio: float
    estimates: Mapping[str, float]

    def p_value(self, name: str) -> float:
        """Of "wald", "score" or "likelihood_ratio"."""
        from scipy.special import chdtrc

        return float(chdtrc(self.df, getattr(self, name)))

    def to_dict(self) -> dict[str, Any]:
        """As in the JSON contract."""
        found: dict[str, Any] = {"null": dict(self.null), "df": self.df}
        for name in ("wald", "score", "likelihood_ratio"):
            found[name] = {"statistic": number(getattr(self, name)), "p_value": number(self.p_value(name))}
        return {**found, "estimates": {name: number(value) for name, value in self.estimates.items()}}


def null_tests(fit: Fit, null: Mapping[str, float], *, robust: bool = False) -> NullTests:
    """Test that some parameters have given values, all of them together.

    Rao (1948), Cox and Hinkley (1974, section 9.3). With `robust` covariances (importance weights) Wald's alone holds.

    Raises:
        UsageError: an unknown parameter, a value outside its domain, or a parameter without a smooth likelihood.
    """
    names = [name for name in fit.estimates if name not in fit.held]
    if fit.family.size != len(fit.family.parameters):
        return _of_shares(fit, null, robust)
    fit = _along(fit, null)
    family = fit.family
    places = [_place(family, name, value) for name, value in null.items()]
    values = np.array(list(null.values()))
    gap = fit.theta[places] - values
    with np.errstate(all="ignore"):
        block = fit.covariance[np.ix_(places, places)]
        wald = float(gap @ np.linalg.solve(block, gap)) if np.isfinite(block).all() else np.nan
    held = np.zeros(family.size, dtype=bool)
    held[places] = True
    scores = np.array([family.parameters[j].link.forward(np.array(v)) for j, v in zip(places, values, strict=True)])
    start = fit.eta.copy()
    start[places] = scores
    irregular = np.array([name in family.irregular for name in family.names], dtype=bool)
    near = start + _shift(fit, places, scores) * ~(held | irregular)
    which = np.array([fit.number], dtype=np.intp)
    best = None
    for begin in (near, start):
        found = minimised(fit.objective, begin[None], which=which, held=held | irregular, step=family.step)
        if isinstance(family, Wrapped) and irregular.any():  # what is held to be irregular depends on what is tested
            assert isinstance(fit.objective, RowObjective), "families of rows that are known in part have no statistics"
            rows = fit.objective.sample.take(which)
            found = replace(found, theta=constrained(family, rows, found.theta.T, set(places))[0].T)
            found = replace(found, sums=fit.objective.sums(found.theta, which))
        if np.isfinite(found.sums.value[0]) and (best is None or found.sums.value[0] < best.sums.value[0]):
            best = found
    missing = float("nan")
    if best is None:
        nothing = dict.fromkeys(names, missing)
        return NullTests(dict(null), len(places), wald, missing, float("inf"), nothing)
    eta = best.theta[0]
    with np.errstate(all="ignore"):
        told = family.told(family.inverse(eta[:, None]))
        estimates = {name: float(null.get(name, told[name][0])) for name in names}
    if robust:
        return NullTests(dict(null), len(places), wald, missing, missing, estimates)
    ratio = max(0.0, 2 * (fit.log_likelihood + float(best.sums.value[0])))
    # A kink that is not held has the maximum on it, or none.
    kinked = np.array([name in family.kinked for name in family.names], dtype=bool)
    gradient = np.where(irregular | (kinked & ~held), 0.0, best.sums.gradient[0])
    information = expected_information(family, eta)
    if information is None:
        information = best.sums.hessian[0] / fit.weight
    free = ~irregular
    score = missing
    with np.errstate(all="ignore"):
        inner = information[np.ix_(free, free)] * fit.weight
        cusp = kinked[places].any() and np.isnan(wald)  # no information there
        if np.isfinite(inner).all() and not cusp and np.all(np.linalg.eigvalsh(inner) > 0):
            score = float(gradient[free] @ np.linalg.solve(inner, gradient[free]))
    return NullTests(dict(null), len(places), wald, score, ratio, estimates)


def _of_shares(fit: Fit, null: Mapping[str, float], robust: bool) -> NullTests:
    """Tests of probabilities of labels; under the null the others share what is left as they did.

    The score test is Pearson's chi-squared of the labels named against the rest (Rao 1948; Agresti 2013, section
    1.5.2).

    Raises:
        UsageError: an unknown label, or probabilities that are none or leave the others none.
    """
    family, target = fit.family, fit.objective
    assert isinstance(target, StatisticObjective), "only such families have parameters that are not scores"
    places = [_place(family, name, value) for name, value in null.items()]
    values = np.array(list(null.values()))
    mass = 1 - sum(fit.held.values())
    every, left = len(places) == len(family.parameters), mass - values.sum()
    if every and abs(left) > TOGETHER:
        raise UsageError(f"the hypothesis gives all probabilities, which add up to {values.sum():g}, not to {mass:g}")
    if not every and left <= 0:
        given = ", ".join(f"{name}={value:g}" for name, value in null.items())
        raise UsageError(f"the hypothesis {given} leaves nothing of {mass:g} for the other labels")
    df = len(places) - every
    free = places[:df]  # the last follows from the others where all are given
    gap = fit.theta[free] - values[:df]
    with np.errstate(all="ignore"):
        block = fit.covariance[np.ix_(free, free)]
        wald = float(gap @ np.linalg.solve(block, gap)) if np.isfinite(block).all() else np.nan
    counts = np.array([target.family.margin(j, target.totals[:, [fit.number]])[1][1, 0] for j in range(fit.theta.size)])
    others = np.delete(np.arange(counts.size), places)
    theta = fit.theta.copy()
    theta[places] = values
    seen = counts[others].sum()
    theta[others] = left * (counts[others] / seen if seen > 0 else 1 / max(others.size, 1))
    with np.errstate(all="ignore"):
        expected = counts.sum() * np.append(values, [] if every else left) / mass
        found = np.append(counts[places], [] if every else seen)
        score = float(((found - expected) ** 2 / expected).sum())
        terms = np.where(counts > 0, counts * (np.log(counts / counts.sum()) - np.log(theta / mass)), 0.0)
    estimates = {**dict(zip(family.names, theta.tolist(), strict=True)), **null}
    if robust:
        return NullTests(dict(null), df, wald, np.nan, np.nan, estimates)
    return NullTests(dict(null), df, wald, score, max(0.0, 2 * float(terms.sum())), estimates)


def _along(fit: Fit, null: Mapping[str, float]) -> Fit:
    """The fit with a score for every parameter of the hypothesis.

    Raises:
        UsageError: weights that cannot all have their values.
    """
    fit = fit.along(null)
    left = fit.family.remainder
    held = [name for name in null if left is not None and name in left.others]
    if left is not None and sum(null[name] for name in held) >= left.total:
        raise UsageError(
            f"the hypothesis {', '.join(f'{name}={null[name]:g}' for name in held)} leaves nothing of {left.total:g} "
            f"for {' and '.join((*(name for name in left.others if name not in held), left.name))}"
        )
    return fit


def _place(family: Family, name: str, value: float) -> int:
    if name not in family.names:
        raise UsageError(no_parameter(family.name, name, family.names, "free parameter", " to test"))
    if name in family.irregular:
        raise UsageError(f"the likelihood of {family.name} is not smooth in {name}, so no test of it holds")
    j = family.names.index(name)
    link = family.parameters[j].link
    if not link.lower < value < link.upper:
        raise UsageError(
            f"the hypothesis {name}={value:g} is not inside the domain {link.lower:g} to {link.upper:g}; "
            "for one at its edge, `mlefit compare` tests the nested family"
        )
    return j


def _shift(fit: Fit, places: list[int], scores: Array) -> Array:
    """How the other scores move, to first order, when those of `places` are set."""
    with np.errstate(all="ignore"):
        hessian = fit.objective.sums(fit.eta[None], np.array([fit.number], dtype=np.intp)).hessian[0]
        own = np.array(places, dtype=np.intp)
        others = np.setdiff1d(np.arange(fit.eta.size), own)
        moved = np.zeros(fit.eta.size)
        if others.size and np.isfinite(hessian).all():
            pull = hessian[np.ix_(others, own)] @ (scores - fit.eta[own])
            moved[others] = -np.linalg.pinv(hessian[np.ix_(others, others)]) @ pull
    limit = np.where(np.isfinite(fit.family.step), fit.family.step, np.inf)
    return np.clip(np.nan_to_num(moved), -limit, limit)


def expected_information(family: Family, eta: Array) -> Array | None:
    """Fisher's information of one observation at scores (k,), (k, k); None where it cannot be had.

    The mean of the Hessian over the distribution: a sum over counts, else an integral over the levels of the quantile
    function by the double exponential rule (Takahasi and Mori 1974), which takes tails that run off at both ends.
    """
    if len(family.columns) > 1 or family.labels:
        return None
    try:
        with np.errstate(all="ignore"):
            y, share = _counts(family, eta) if family.discrete else _levels(family, eta)
            hessian = np.broadcast_to(family.hessian(y, eta[:, None]), (eta.size, eta.size, y.size))
    except NotImplementedError:
        return None
    good = np.isfinite(y) & np.isfinite(hessian).all(axis=(0, 1))
    if share[good].sum() < 1 - 1e-6:
        return None
    return np.asarray((hessian[..., good] * share[good]).sum(axis=-1))


def _counts(family: Family, eta: Array) -> tuple[Array, Array]:
    low, high = family.quantile(np.array([TAIL, 1 - TAIL]), eta[:, None])
    y = np.arange(low, min(high, low + VALUES) + 1)
    return y, np.broadcast_to(np.exp(-family.nll(y, eta[:, None])), y.shape)


def _levels(family: Family, eta: Array) -> tuple[Array, Array]:
    t = np.linspace(-3.0, 3.0, 2 * STEPS + 1)
    half = np.pi / 2 * np.sinh(t)
    level = 1 / (1 + np.exp(-2 * half))
    share = (t[1] - t[0]) * np.pi / 2 * np.cosh(t) / (2 * np.cosh(half) ** 2) * 1.0
    keep = (level > 0) & (level < 1)
    share = share[keep]
    return np.asarray(family.quantile(level[keep], eta[:, None])), share / share.sum()
