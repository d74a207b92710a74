"""Bootstrap replicates against fits one by one, and limits against Efron and Tibshirani's book."""

from __future__ import annotations

import numpy as np
import pytest

import mlefit
from mlefit.families import registry
from mlefit.families.censored import Censored
from mlefit.inference import bootstrap as b
from mlefit.inference.fit import Options, fit_sample
from mlefit.inference.intervals import normal_quantile
from mlefit.sample import Sample

# Efron and Tibshirani (1993), An Introduction to the Bootstrap, table 14.1: 26 children's spatial test A.
SPATIAL = [48, 36, 20, 29, 42, 42, 20, 42, 22, 41, 45, 14, 6, 0, 33, 28, 34, 4, 32, 24, 47, 41, 24, 26, 30, 41]


def drawn(family, n, generator):
    """n values from a family at parameters that suit it."""
    theta = {"p": 0.4, "upper": 9.0, "df": 5.0, "pi": 0.3, "mu": 1.5, "sigma": 0.6, "kappa": 2.0}
    values = [theta.get(name, 1.3 if family.name != "discrete-uniform" else 1.0) for name in family.names]
    if family.name in ("gev", "generalized-pareto"):
        values[-1] = 0.2
    eta = family.forward(np.array(values)[:, None])
    chosen = family.given(np.full(n, 9.0)) if len(family.columns) > 1 else family
    return Sample(np.asarray(chosen.sample(generator, eta, n), dtype=float))


@pytest.mark.parametrize("family", [f for f in registry.every() if not f.labels], ids=lambda f: f.name)
def test_replicates_are_the_fits_of_resampled_rows(family):
    generator = np.random.default_rng(11)
    sample = drawn(family, 150, generator)
    rows = sample.distinct if family.discrete else sample
    fit = fit_sample(family, sample, Options(interval="none"))[0]
    found = b.bootstrap(fit, sample, b.Plan(20, 5))
    times = b._times(rows, 20, np.random.default_rng(5), False)
    assert found.failed == 0
    for i in (0, 7, 19):
        kept = times[i] > 0
        one = fit_sample(family, Sample(rows.y[..., kept], times[i][kept]), Options(interval="none"))[0]
        with np.errstate(all="ignore"):
            nll = np.broadcast_to(family.nll(rows.y, found.eta[i][:, None]), (rows.n,))[kept] @ times[i][kept]
        # A replicate's likelihood is no less than that of a fit from scratch, to rounding.
        if np.isfinite(one.log_likelihood):
            assert nll <= -one.log_likelihood + 1e-6 * max(1.0, abs(one.log_likelihood))


@pytest.mark.parametrize("name", ["gamma", "weibull", "lognormal"])
def test_replicates_of_censored_rows_look_at_them_twice_or_so(name, monkeypatch):
    """The first step is from the derivatives at the estimate, and the last is not looked at: yet near enough."""
    family, looked = Censored(registry.get(name)), []
    sample = drawn(family.base, 1500, np.random.default_rng(4))
    late = np.quantile(sample.y, 0.7)
    sample = Sample(np.stack([np.minimum(sample.y, late), np.where(sample.y > late, np.inf, sample.y)]))
    fit = fit_sample(family, sample)[0]
    derivatives = Censored.derivatives
    monkeypatch.setattr(Censored, "derivatives", lambda s, y, eta: looked.append(y.shape[1]) or derivatives(s, y, eta))
    found = b.bootstrap(fit, sample, b.Plan(20, 5))
    times = b._times(sample, 20, np.random.default_rng(5), False)
    assert sum(looked) <= sample.n + 2.2 * (times > 0).sum()
    for i in range(20):
        kept = times[i] > 0
        one = fit_sample(family, Sample(sample.y[:, kept], times[i][kept]))[0]
        np.testing.assert_allclose((found.theta[i] - one.theta) / list(one.std_errors.values()), 0, atol=1e-5)


@pytest.mark.parametrize("name", ["gamma", "weibull", "poisson", "negative-binomial", "normal"])
def test_parametric_replicates_spread_as_standard_errors_say(name):
    family = registry.get(name)
    fit = fit_sample(family, drawn(family, 2000, np.random.default_rng(3)))[0]
    sample = drawn(family, 2000, np.random.default_rng(3))
    found = b.bootstrap(fit, sample, b.Plan(400, 1, "parametric"))
    ratio = found.theta.std(axis=0) / np.sqrt(np.diag(fit.covariance))
    np.testing.assert_allclose(ratio, 1, atol=0.16)  # four standard errors of a standard deviation of 400, and its bias
    np.testing.assert_allclose(found.theta.mean(axis=0), fit.theta, rtol=0.05)


def test_bca_limits_of_a_variance_are_efrons():
    fit = mlefit.fit(SPATIAL, "normal", interval="bootstrap", replicates=40_000, seed=2, level=0.9)
    # Table 14.2 (2,000 replicates): 115.8 to 259.6; each of its ends has a Monte Carlo error of about 2 %.
    assert fit.theta[1] ** 2 == pytest.approx(171.5, abs=0.05)
    assert fit.lower[1] ** 2 == pytest.approx(115.8, rel=0.03)
    assert fit.upper[1] ** 2 == pytest.approx(259.6, rel=0.03)
    plain = mlefit.fit(
        SPATIAL, "normal", interval="bootstrap", replicates=40_000, seed=2, level=0.9, bootstrap_limits="percentile"
    )
    assert plain.lower[1] ** 2 == pytest.approx(100.8, rel=0.03)
    assert plain.upper[1] ** 2 == pytest.approx(233.9, rel=0.03)


def test_the_acceleration_of_a_variance_is_efrons():
    sample = Sample(np.array(SPATIAL, dtype=float))
    fit = fit_sample(registry.get("normal"), sample)[0]
    found = b.bootstrap(fit, sample, b.Plan(20))
    bend = b.accelerations(fit.family, fit.eta, found, np.eye(2))
    assert bend[1] == pytest.approx(0.061, abs=5e-4)  # ibid., section 14.3
    deviation = np.array(SPATIAL) - np.mean(SPATIAL)
    assert bend[0] == pytest.approx((deviation**3).sum() / (6 * (deviation**2).sum() ** 1.5))


def test_bca_by_the_formula():
    theta = np.random.default_rng(1).gamma(3.0, size=999)
    estimate, a = 2.6, 0.08
    from statistics import NormalDist

    normal = NormalDist()
    z0 = normal.inv_cdf((theta < estimate).mean())
    ends = []
    for z in (-normal_quantile(0.95), normal_quantile(0.95)):
        place = 1000 * normal.cdf(z0 + (z0 + z) / (1 - a * (z0 + z)))
        ordered, low = np.sort(theta), int(place)
        ends.append(ordered[low - 1] + (place - low) * (ordered[low] - ordered[low - 1]))
    assert b.limits(theta, estimate, 0.95, a) == pytest.approx(tuple(ends))


def test_replicates_on_the_boundary_give_open_limits():
    theta = np.append(np.linspace(1, 2, 80), np.full(20, np.inf))
    assert b.limits(theta, 1.5, 0.9) == (pytest.approx(1.05, abs=0.02), np.inf)
    assert np.isnan(b.limits(theta, 0.5, 0.9, 0.0)).all()


@pytest.mark.parametrize("name", ["gamma", "weibull"])
def test_weights_are_repeated_rows(name):
    y = np.array([1.0, 2.5, 3.0, 0.7, 5.0, 1.9])
    times = np.array([3, 1, 4, 2, 2, 3])
    weighted = Sample(y, times.astype(float))
    family = registry.get(name)
    fit = fit_sample(family, weighted)[0]
    found = b.bootstrap(fit, weighted, b.Plan(2000, 1))
    again = b.bootstrap(fit, Sample(np.repeat(y, times)), b.Plan(2000, 2))
    np.testing.assert_allclose(np.median(found.theta, axis=0), np.median(again.theta, axis=0), rtol=0.06)
    np.testing.assert_allclose(b.unweighted(weighted), np.repeat(y, times))


def test_the_seed_and_the_sides():
    y = np.random.default_rng(1).gamma(2.0, size=60)
    one, two, other = (mlefit.fit(y, "gamma", interval="bootstrap", replicates=200, seed=s) for s in (1, 1, 2))
    np.testing.assert_array_equal(one.lower, two.lower)
    assert (one.lower != other.lower).all()
    assert (one.lower < one.theta).all()
    assert (one.theta < one.upper).all()
    assert one.to_dict()["interval"] == {
        "level": 0.95, "method": "bootstrap", "bootstrap": "nonparametric", "limits": "bca", "replicates": 200,
        "seed": 1,
    }  # fmt: skip


def test_derived_numbers_have_bootstrap_limits_that_respect_transformation():
    y = np.random.default_rng(1).gamma(2.0, size=60)
    fit = mlefit.fit(
        y, "gamma", interval="bootstrap", replicates=500, derive={"same": "log(shape)", "mean": "shape/rate"},
        quantiles=[0.5],
    )  # fmt: skip
    same, mean, median = fit.derived
    assert (same.lower, same.upper) == (
        pytest.approx(np.log(fit.lower[0]), abs=0.01), pytest.approx(np.log(fit.upper[0]), abs=0.01),
    )  # fmt: skip
    assert mean.std_error == pytest.approx(y.std() / np.sqrt(60), rel=0.12)
    assert median.lower < median.estimate < median.upper


def test_an_endpoint_has_no_bootstrap_limits():
    fit = mlefit.fit([1.0, 2, 3, 4], "uniform", interval="bootstrap", replicates=50)
    assert np.isnan(fit.lower).all()


def test_groups_are_each_bootstrapped():
    data = {"y": [1.0, 2, 4, 3, 9, 8, 4, 6], "g": list("aaaabbbb")}
    fits = mlefit.fit(data, "exponential", column="y", by="g", interval="bootstrap", replicates=100)
    assert all(f.interval_method == "bootstrap" and f.lower[0] < f.theta[0] < f.upper[0] for f in fits)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"replicates": 5}, mlefit.UsageError, "at least 20"),
        ({"bootstrap": "bayesian"}, mlefit.UsageError, "bayesian"),
        (
            {"bootstrap": "parametric", "upper": [1.5, 2, 4], "truncate_below": [0, 0.5, 0]},
            mlefit.UsageError,
            "its own",
        ),
        ({"bootstrap": "parametric", "weights": [1, 2, 0.5]}, mlefit.UsageError, "whole-number"),
    ],
)
def test_what_cannot_be_bootstrapped_is_said(options, error, message):
    with pytest.raises(error, match=message):
        mlefit.fit([1.0, 2, 4], "exponential", interval="bootstrap", **options)


@pytest.mark.parametrize(("family", "by"), [("gamma", None), ("gamma", "g"), ("poisson", None), ("cauchy", None)])
def test_limits_asked_for_later_are_those_of_the_fit(family, by):
    """The rows are kept with the fit, so that the same seed gives the same limits."""
    generator = np.random.default_rng(4)
    data = {"y": generator.poisson(5, 60) + 1.0, "g": np.repeat(["a", "b"], 30)}
    plan = {"replicates": 60, "seed": 3, "bootstrap_limits": "percentile"}
    options = {"column": "y"} | ({"by": by} if by else {})
    at_once = mlefit.fit(data, family, level=0.9, interval="bootstrap", **plan, **options)
    later = mlefit.fit(data, family, **options)
    for one, two in zip(*([fits] if by is None else fits for fits in (at_once, later)), strict=True):
        expected = {name: (p["ci_lower"], p["ci_upper"]) for name, p in one.parameters().items()}
        assert two.interval(0.9, "bootstrap", **plan) == expected


@pytest.mark.parametrize("method", ["wald", "profile", "bootstrap"])
def test_limits_asked_for_without_a_method_are_by_the_fits_own(method):
    y = np.random.default_rng(5).gamma(2, size=40)
    found = mlefit.fit(y, "gamma", level=0.8, interval=method, replicates=50, seed=7)
    own = {name: (p["ci_lower"], p["ci_upper"]) for name, p in found.parameters().items()}
    assert found.interval() == {name: pytest.approx(ends) for name, ends in own.items()}
    wider = mlefit.fit(y, "gamma", level=0.9, interval=method, replicates=50, seed=7)
    assert found.interval(0.9) == {name: pytest.approx(ends) for name, ends in wider.interval().items()}
    assert found.interval(0.9)["shape"] != pytest.approx(own["shape"], rel=1e-3)


def test_a_fit_without_limits_is_asked_for_walds():
    found = mlefit.fit([1.0, 2, 4, 4.5], "gamma", interval="none")
    assert found.interval() == found.interval(0.95, "wald")


@pytest.mark.parametrize("family", ["gamma", "poisson", "generalized-pareto"])
def test_standard_errors_beside_bootstrap_limits_are_the_replicates(family):
    y = np.random.default_rng(6).poisson(4, 50) + 1.0
    plan = {"replicates": 80, "seed": 3}
    plain = mlefit.fit(y, family, null={"mu": 4.0} if family == "poisson" else None)
    found = mlefit.fit(y, family, interval="bootstrap", null={"mu": 4.0} if family == "poisson" else None, **plan)
    again = b.bootstrap(plain, Sample(y), b.Plan(80, 3))
    errors = again.theta.std(axis=0, ddof=1)
    np.testing.assert_allclose(list(found.std_errors.values()), errors)
    assert [row["std_error"] for row in found.rows()] == pytest.approx(errors.tolist())
    np.testing.assert_allclose(np.diag(found.covariance), errors**2)
    assert [test.wald for test in found.tests] == [test.wald for test in plain.tests]


def test_an_endpoint_has_no_bootstrap_standard_error():
    found = mlefit.fit([1.0, 2, 4, 4.5], "uniform", interval="bootstrap", replicates=50)
    assert np.isnan(found.covariance).all()
