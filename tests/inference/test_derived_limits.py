"""Profile limits of derived numbers and quantiles: against limits of parameters, brute force, and R."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.optimize import minimize, minimize_scalar
from test_bootstrap import drawn

import mlefit as package
from mlefit.families import registry
from mlefit.families.expression import Jet
from mlefit.inference.derived import formulas, with_formulas, with_profile_limits, with_quantiles
from mlefit.inference.fit import Options, fit_sample
from mlefit.inference.intervals import normal_quantile
from mlefit.sample import Sample

SMOOTH = [f for f in registry.every() if not f.labels and not f.irregular]
CONTINUOUS = [f for f in SMOOTH if not f.discrete and len(f.columns) == 1]
Z = normal_quantile(0.95)


def profiled(family, sample, wanted, levels=(), **options):
    fit = fit_sample(family, sample, Options(interval="profile", **options))[0]
    found = with_quantiles(with_formulas(fit, formulas(wanted)), levels)
    return with_profile_limits([found], formulas(wanted))[0]


@pytest.mark.parametrize("family", SMOOTH, ids=lambda f: f.name)
def test_a_formula_that_is_a_parameter_has_the_limits_of_the_parameter(family):
    fit = profiled(family, drawn(family, 60, np.random.default_rng(5)), {f"{n}_": n for n in family.names})
    if not fit.converged or fit.certificate.at_boundary:
        pytest.skip("these data have no maximum inside the parameters' domains")
    for one, low, high in zip(fit.derived, fit.lower, fit.upper, strict=True):
        for ours, theirs, lost in ((one.lower, low, "lower"), (one.upper, high, "upper")):
            if np.isnan(ours):  # none rather than a wrong one
                assert any(lost in said and one.label in said for said in fit.warnings) or fit.certificate.at_boundary
            else:
                assert ours == pytest.approx(theirs, rel=1e-8, abs=1e-9)
    # On the way size or df may run to infinity, or skew-normal's shape to 0, where its information is singular.
    if np.isfinite(fit.upper).all() and family.name != "skew-normal":
        assert all(np.isfinite(d.lower) and np.isfinite(d.upper) for d in fit.derived)


@pytest.mark.parametrize(
    ("family", "parameter", "formula", "transform"),
    [
        ("exponential", "rate", "1/rate", lambda v: 1 / v),
        ("exponential", "rate", "-rate", lambda v: -v),
        ("poisson", "mu", "exp(-mu)", lambda v: np.exp(-v)),
        ("geometric", "p", "(1-p)/p", lambda v: (1 - v) / v),
        ("gamma", "shape", "1/sqrt(shape)", lambda v: v**-0.5),
        ("normal", "sigma", "sigma**2", lambda v: v**2),
        ("weibull", "scale", "log(scale)", np.log),
    ],
)
def test_a_function_of_one_parameter_has_its_limits_transformed(family, parameter, formula, transform):
    y = [1.0, 3, 2, 5, 1, 2, 8, 3]
    fit = package.fit(y, family, interval="profile", derive={"g": formula})
    low, high = sorted(transform(v) for v in fit.interval(method="profile")[parameter])
    assert (fit.derived[0].lower, fit.derived[0].upper) == (pytest.approx(low), pytest.approx(high))


@pytest.mark.parametrize("level", [0.05, 0.5, 0.9])
@pytest.mark.parametrize(
    "name", ["gamma", "weibull", "lognormal", "loglogistic", "inverse-gamma", "gumbel", "normal", "logistic"]
)
def test_quantiles_against_a_profile_by_one_dimensional_search(name, level):
    family = registry.get(name)
    sample = drawn(family, 40, np.random.default_rng(7))
    fit = profiled(family, sample, {}, (level,))
    [one] = fit.derived
    shift = family.names[0] == "loc" or name == "normal"

    def deviance(quantile, score):
        """With one score given, the other follows from the quantile."""
        if shift:  # score: log of the scale
            base = family.quantile(np.array([level]), np.array([[0.0], [score]]))[0]
            eta = np.array([[quantile - base], [score]])
        elif name == "lognormal":
            eta = np.array([[np.log(quantile) - normal_quantile(2 * level - 1) * np.exp(score)], [score]])
        elif name == "gamma":
            base = family.quantile(np.array([level]), np.array([[score], [0.0]]))[0]
            eta = np.array([[score], [np.log(base / quantile)]])
        else:
            base = family.quantile(np.array([level]), np.array([[score], [0.0]]))[0]
            eta = np.array([[score], [np.log(quantile / base)]])
        return 2 * (family.nll(sample.y, eta).sum() + fit.log_likelihood)

    centre = fit.eta[1] if shift or name == "lognormal" else fit.eta[0]
    for limit in (one.lower, one.upper):
        found = minimize_scalar(
            lambda score, q=limit: deviance(q, score), bounds=(centre - 2, centre + 2), method="bounded",
            options={"xatol": 1e-9},
        )  # fmt: skip
        assert found.fun == pytest.approx(Z**2, rel=1e-7)


def test_the_mean_of_gamma_against_its_own_parameterisation():
    y = np.random.default_rng(3).gamma(1.4, size=90)
    fit = package.fit(y, "gamma", interval="profile", derive={"mean": "shape/rate"})
    # For the mean, the profile's shape is the root of a score equation that regress solves with one column.
    same = package.regress({"y": y}, "y ~ 1", "gamma", links={"mean": "identity"}, options=_profile())
    assert fit.derived[0].lower == pytest.approx(same.lower[0], rel=1e-8)
    assert fit.derived[0].upper == pytest.approx(same.upper[0], rel=1e-8)


def _profile():
    from mlefit.inference.regression import Options as Regressing

    return Regressing(interval="profile")


def test_the_tenth_percentile_of_censored_lives_as_in_r():
    # R: 2 * (max - sup over shape of the log-likelihood with scale = q / (-log 0.9)^(1/shape)) = qchisq(0.95, 1),
    # by optimize and uniroot on survival::lung.
    path = package.sample_data("lung")
    arguments = {"column": "time", "event": "status = 2", "quantiles": [0.1], "interval": "profile"}
    [b10] = package.fit(path, "weibull", **arguments).derived
    assert (b10.lower, b10.upper) == (pytest.approx(58.2666551348), pytest.approx(94.7228705125))


def test_the_tenth_percentile_of_a_normal_as_in_r():
    # The same way, by dnorm.
    fit = package.fit([0.3, -1.0, 2.2, 1.7, 0.4, 0.9], "normal", interval="profile", quantiles=[0.1])
    [one] = fit.derived
    assert (one.lower, one.upper) == (pytest.approx(-2.37088782077), pytest.approx(0.293713107351))


def test_a_quantile_whose_limit_lies_far_from_the_ellipse():
    # An upper limit that a longer step misses, for another extreme at df of infinity.
    family = registry.get("student-t")
    fit = profiled(family, drawn(family, 60, np.random.default_rng(5)), {}, (0.95,))
    assert fit.derived[0].upper == pytest.approx(4.412570765, abs=1e-8)  # by scipy's SLSQP from several starts


@pytest.mark.parametrize(
    ("family", "rows"),
    [
        ("weibull", {"event": "e"}),
        ("weibull", {"truncate_below": 0.2}),
        ("gamma", {"weights": "w"}),
        ("gamma", {"fix": {"shape": 2.0}}),
        ("normal", {"fix": {"mu": 1.0}}),
        ("mixture:normal*2", {}),
    ],
)
def test_limits_hold_what_they_promise_whatever_the_rows(family, rows):
    """The derived number is an extreme: no nearby point of the region goes beyond, and the limit is on its edge."""
    generator = np.random.default_rng(9)
    y = np.concatenate([generator.weibull(1.7, 60) + 0.2, generator.weibull(3, 40) + (2 if "mix" in family else 0)])
    data = {"y": y, "e": (np.arange(100) % 4 > 0).astype(int), "w": 1.0 + np.arange(100) % 3}
    fit = package.fit(data, family, column="y", interval="profile", quantiles=[0.2], **rows)
    [one] = fit.derived
    base = fit.family
    while base.censored or base.truncated:
        base = base.given(*[np.zeros(1)] * (len(base.columns) - 1))
    assert one.lower < one.estimate < one.upper
    points = fit.eta + generator.normal(size=(4000, fit.eta.size)) * 3 * np.sqrt(
        np.diag(np.linalg.inv(fit.objective.sums(fit.eta[None], np.array([0])).hessian[0]))
    )
    value = fit.objective.value(points, np.zeros(len(points), dtype=np.intp))
    inside = points[2 * (value + fit.log_likelihood) <= Z**2]
    reached = base.quantile(np.full(len(inside), 0.2), inside.T)
    width = one.upper - one.lower
    assert one.lower - 1e-8 <= reached.min() < one.lower + 0.25 * width
    assert one.upper - 0.25 * width < reached.max() <= one.upper + 1e-8


def test_groups_are_a_batch_with_the_numbers_of_each_alone():
    y = np.random.default_rng(1).weibull(1.5, 300)
    g = np.repeat(np.arange(10), 30)
    wanted = {"interval": "profile", "quantiles": [0.1], "derive": {"mean": "scale*exp(lgamma(1+1/shape))"}}
    fits = package.fit({"y": y, "g": g}, "weibull", column="y", by="g", **wanted)
    for fit in fits[::4]:
        alone = package.fit(y[g == int(fit.group["g"])], "weibull", **wanted)
        for one, two in zip(fit.derived, alone.derived, strict=True):
            assert (one.lower, one.upper) == (pytest.approx(two.lower), pytest.approx(two.upper))


@pytest.mark.parametrize(
    ("family", "y", "formula", "lost"),
    [
        ("normal", [1.0, 2, 4, 9, 3], "(mu-3)**2", ["lower"]),  # its smallest value is inside
        ("normal", [1.0, 2, 4, 9, 3], "mu/sigma*0 + abs(mu-3.7)", ["lower"]),
        ("student-t", list(np.linspace(-2, 2, 9) ** 3), "1/df", ["lower"]),
        ("lomax", [0.1, 0.2, 0.5, 0.9, 3.0], "shape", ["upper"]),  # at infinity
    ],
)
def test_a_limit_that_is_not_found_is_none_and_said(family, y, formula, lost):
    fit = package.fit(y, family, interval="profile", derive={"g": formula})
    [one] = fit.derived
    assert [name for name in ("lower", "upper") if np.isnan(getattr(one, name))] == lost
    said = [text for text in fit.warnings if "profile limit of g" in text]
    assert len(said) == bool(lost)
    assert all(name in said[0] for name in lost)


def test_a_proportion_of_none_has_the_limits_of_its_odds():
    fit = package.fit([0, 0, 0, 0], "bernoulli", interval="profile", derive={"odds": "p/(1-p)", "failing": "1-p"})
    odds, failing = fit.derived
    p = 1 - np.exp(-(Z**2) / 8)
    assert (odds.lower, odds.upper) == (0, pytest.approx(p / (1 - p)))
    assert (failing.lower, failing.upper) == (pytest.approx(1 - p), 1)


def test_slopes_of_quantiles_have_their_sign():
    fit = package.fit([1.0, 2, 4, 9], "normal", quantiles=[0.5, 0.9])
    median, high = fit.derived
    assert median.slope == pytest.approx([1, 0], abs=1e-9)
    assert high.slope[1] > 0


def test_the_command_gives_them(mlefit):
    arguments = ("--dist", "gamma", "--interval", "profile", "--derive", "mean=shape/rate", "--derive", "s=(rate-1)**2")
    beef = package.sample_data("groundbeef")
    record = json.loads(mlefit("estimate", beef, *arguments, "--quantile", "0.5", "-f", "json").out)
    mean = record["derived"]["mean"]
    assert mean["ci_upper"] - mean["estimate"] > mean["estimate"] - mean["ci_lower"]
    assert record["quantiles"]["0.5"]["ci_lower"] < record["quantiles"]["0.5"]["estimate"]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("interval", ["wald", "profile", "bootstrap"])
@pytest.mark.parametrize(("formula", "value"), [("shape/0", np.inf), ("log(-shape)", np.nan)])
def test_a_formula_without_a_finite_value_has_no_error_and_says_so(interval, formula, value):
    y = [1.0, 3, 2, 5, 1, 2, 8, 3]
    fit = package.fit(y, "gamma", interval=interval, derive={"z": formula, "mean": "shape/rate"})
    lost, kept = fit.derived
    assert lost.estimate == pytest.approx(value, nan_ok=True)
    assert np.isnan([lost.std_error, lost.lower, lost.upper]).all()
    assert kept.lower < kept.estimate < kept.upper
    [said] = [said for said in fit.warnings if "not a finite number" in said]
    assert said.startswith("z ")


def test_a_formula_called_as_a_parameter_is_refused():
    with pytest.raises(package.UsageError, match="shape is a parameter of gamma"):
        package.fit([1.0, 3, 2, 5], "gamma", derive={"shape": "2*rate"})


def test_a_share_of_a_label_is_a_name_in_a_formula():
    """Odds of a and b rows: a / b with error sqrt(a b (a + b) / b^4) (delta method)."""
    a, b = 30, 12
    labels = ["New York"] * a + ["o-[x"] * 5 + ["Los Angeles"] * b
    odds = package.fit({"y": labels}, "categorical", derive={"odds": "p[New York]/p[Los Angeles]"}).derived[0]
    assert odds.estimate == pytest.approx(a / b, rel=1e-12)
    assert odds.std_error == pytest.approx(np.sqrt(a * b * (a + b) / b**4), rel=1e-9)


@pytest.mark.parametrize(
    ("family", "estimates", "formula", "seed"),
    [
        ("gamma", [2.0, 1.0], "(shape-2)*(rate-1)", 3),
        ("gamma", [2.0, 1.0], "(shape-2)*(rate-1)", 4),
        ("gev", [0.0, 1.0, 0.1], "(shape-0.2)*scale", 1),
        ("normal", [0.3, 1.0], "mu*sigma", 2),
    ],
)
def test_the_farthest_extreme_of_a_function_that_is_not_monotone_is_the_limit(family, estimates, formula, seed):
    """Against SLSQP from twelve points of the region."""
    family = registry.get(family)
    eta = family.forward(np.array(estimates)[:, None])
    sample = Sample(np.asarray(family.sample(np.random.default_rng(seed), eta, 15)))
    fit = profiled(family, sample, {"g": formula})
    [one] = fit.derived
    spread = np.linalg.cholesky(np.linalg.inv(fit.objective.sums(fit.eta[None], np.array([0])).hessian[0]))
    parsed = formulas({"g": formula})["g"]

    def value(u):
        theta = family.inverse((fit.eta + spread @ u)[:, None])[:, 0]
        return float(parsed.evaluate({n: Jet(v) for n, v in zip(family.names, theta, strict=True)}).value)

    def room(u):
        nll = fit.objective.value((fit.eta + spread @ u)[None], np.array([0]))[0]
        return Z**2 - np.nan_to_num(2 * (nll + fit.log_likelihood), nan=1e9, posinf=1e9)

    found = []
    for begin in 1.3 * np.random.default_rng(0).normal(size=(12, fit.eta.size)):
        for sign in (-1, 1):
            with np.errstate(all="ignore"):
                end = minimize(lambda u, s=sign: s * value(u), begin, constraints={"type": "ineq", "fun": room})
            if room(end.x) > -1e-6:
                found.append(value(end.x))
    assert one.lower == pytest.approx(min(found), abs=1e-4)
    assert one.upper == pytest.approx(max(found), abs=1e-4)


def test_a_pole_within_the_region_leaves_no_limit():
    eta = registry.get("gev").forward(np.array([[0.0], [1.0], [0.1]]))
    y = registry.get("gev").sample(np.random.default_rng(1), eta, 15)
    fit = package.fit(y, "gev", interval="profile", derive={"end": "loc-scale/shape"})
    assert np.isnan(fit.derived[0].lower)
    assert any("profile limit of end" in said for said in fit.warnings)


@pytest.mark.parametrize("name", ["negative-binomial", "zero-inflated-poisson", "hurdle:poisson"])
@pytest.mark.parametrize("level", [0.5, 0.95])
def test_quantiles_of_counts_have_the_extremes_of_the_region(name, level):
    """Against the quantiles at a fine grid of the region, on both sides of its boundary."""
    y = np.random.default_rng(4).negative_binomial(2, 0.25, 60).astype(float)
    fit = package.fit(y, name, interval="profile", quantiles=[level])
    [one] = fit.derived
    spread = np.linalg.cholesky(np.linalg.inv(fit.objective.sums(fit.eta[None], np.array([0])).hessian[0]))
    axis = np.linspace(-3.5, 3.5, 141)
    points = fit.eta + np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2) @ spread.T
    value = fit.objective.value(points, np.zeros(len(points), dtype=np.intp))
    inside = points[2 * (value + fit.log_likelihood) <= Z**2]
    reached = fit.family.quantile(np.full(len(inside), level), inside.T)
    assert (one.lower, one.upper) == (reached.min(), reached.max())
    assert np.isnan(one.std_error)
    assert not [said for said in fit.warnings if "quantile" in said]


@pytest.mark.parametrize("name", ["poisson", "geometric"])
def test_quantiles_of_counts_of_one_parameter_are_those_at_its_limits(name):
    fit = package.fit([3.0, 5, 2, 7, 4, 4, 0, 1], name, interval="profile", quantiles=[0.9])
    [one] = fit.derived
    ends = fit.family.forward(np.array([[fit.lower[0], fit.upper[0]]]))
    assert {one.lower, one.upper} == set(fit.family.quantile(np.full(2, 0.9), ends).tolist())
    assert one.lower < one.upper


def test_a_quantile_of_counts_has_no_wald_limits_and_says_where_there_are_some():
    fit = package.fit([3.0, 5, 2, 7], "poisson", quantiles=[0.9])
    [one] = fit.derived
    assert np.isnan([one.std_error, one.lower, one.upper]).all()
    assert sum("a quantile of counts jumps" in said for said in fit.warnings) == 1
