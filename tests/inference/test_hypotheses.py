"""Wald, score and likelihood-ratio tests, derived numbers and quantiles: by hand, by R, and for every family."""

from __future__ import annotations

import json
import re
from math import log

import numpy as np
import pytest
from scipy.special import digamma, polygamma
from scipy.stats import power_divergence
from test_bootstrap import drawn

import mlefit as package
from mlefit.families import registry
from mlefit.inference.derived import formulas, with_formulas, with_quantiles
from mlefit.inference.fit import Options, fit_sample
from mlefit.inference.hypotheses import expected_information, null_tests

BEEF = package.sample_data("groundbeef")
REGULAR = [f for f in registry.every() if not f.labels and not f.irregular]


def statistics(fit, **null):
    found = null_tests(fit, null)
    return found.wald, found.score, found.likelihood_ratio


def test_a_mean_by_hand():
    y = np.array([0.3, -1.0, 2.2, 1.7, 0.4, 0.9])
    n, mean, spread = 6, y.mean(), y.var()
    under = (y**2).mean()
    found = statistics(package.fit(y, "normal"), mu=0.0)
    assert found == pytest.approx((n * mean**2 / spread, n * mean**2 / under, n * log(under / spread)), rel=1e-9)


def test_a_count_by_hand():
    y = np.array([3.0, 4, 0, 5, 2])
    found = statistics(package.fit(y, "poisson"), mu=4.0)
    ratio = 2 * (14 * log(2.8 / 4) - 5 * (2.8 - 4))
    assert found == pytest.approx((5 * 1.2**2 / 2.8, 5 * 1.2**2 / 4, ratio), rel=1e-9)


def test_a_proportion_as_in_r():
    # prop.test(14, 40, 0.5, correct = FALSE) in R: X-squared = 3.6, p-value = 0.05778
    found = null_tests(package.fit([1] * 14 + [0] * 26, "bernoulli"), {"p": 0.5})
    assert found.score == pytest.approx(3.6)
    assert found.p_value("score") == pytest.approx(0.05778, abs=5e-6)
    assert found.wald == pytest.approx(0.15**2 / (0.35 * 0.65 / 40))


def test_gamma_by_its_information():
    y = np.random.default_rng(3).gamma(1.4, size=90)
    fit = package.fit(y, "gamma")
    found = null_tests(fit, {"shape": 1.0})
    rate = 1 / y.mean()
    assert found.estimates == pytest.approx({"shape": 1.0, "rate": rate})
    u = np.array([np.log(y).sum() + 90 * (log(rate) - digamma(1)), 0.0])
    information = 90 * np.array([[polygamma(1, 1), -1 / rate], [-1 / rate, 1 / rate**2]])
    assert found.score == pytest.approx(u @ np.linalg.solve(information, u), rel=1e-7)
    assert found.likelihood_ratio == pytest.approx(2 * (fit.log_likelihood + 90 * (1 - log(rate))), rel=1e-7)


def test_a_censored_exponential_within_weibull_as_in_r():
    # survival: 2 * (survreg(Surv(time, status == 2) ~ 1, lung, dist = "weibull")$loglik - ... "exponential")
    fit = package.fit(package.sample_data("lung"), "weibull", column="time", event="status = 2")
    assert null_tests(fit, {"shape": 1.0}).likelihood_ratio == pytest.approx(16.97398, abs=1e-5)


def test_the_tenth_percentile_of_censored_lives_as_in_r():
    # predict(survreg(...), type = "quantile", p = 0.1, se.fit = TRUE), and exp of the limits of type "uquantile"
    path = package.sample_data("lung")
    [b10] = package.fit(path, "weibull", column="time", event="status = 2", quantiles=[0.1]).derived
    assert (b10.estimate, b10.std_error) == (pytest.approx(75.640311, abs=1e-6), pytest.approx(9.320562, abs=1e-6))
    assert (b10.lower, b10.upper) == (pytest.approx(59.41094, abs=1e-5), pytest.approx(96.30308, abs=1e-5))


@pytest.mark.parametrize("family", REGULAR, ids=lambda f: f.name)
def test_the_truth_is_seldom_refused_and_the_three_tests_agree(family):
    sample = drawn(family, 3000, np.random.default_rng(17))
    fit = fit_sample(family, sample, Options(interval="none"))[0]
    if not np.isfinite(fit.covariance).all():
        pytest.skip("the estimate lies on a boundary")
    name, j = family.names[0], 0
    null = fit.theta[j] + 0.5 * np.sqrt(fit.covariance[j, j])
    found = null_tests(fit, {name: float(null)})
    assert found.wald == pytest.approx(0.25)
    assert found.likelihood_ratio == pytest.approx(0.25, rel=0.2)
    assert found.score == pytest.approx(0.25, rel=0.3)
    assert found.estimates[name] == pytest.approx(null)


@pytest.mark.parametrize("family", [f for f in REGULAR if len(f.columns) == 1], ids=lambda f: f.name)
def test_expected_information_is_the_mean_of_the_observed(family):
    sample = drawn(family, 40_000, np.random.default_rng(23))
    eta = fit_sample(family, sample, Options(interval="none"))[0].eta
    hessian = np.broadcast_to(family.hessian(sample.y, eta[:, None]), (eta.size, eta.size, sample.n))
    found = expected_information(family, eta)
    assert found is not None
    error = hessian.std(axis=-1) / 200
    np.testing.assert_array_less(np.abs(found - hessian.mean(axis=-1)), 5 * error + 1e-6 * np.abs(found).max())


def test_joint_hypotheses_and_pinned_families():
    y = np.array([0.3, -1.0, 2.2, 1.7, 0.4, 0.9])
    joint = null_tests(package.fit(y, "normal"), {"mu": 0.0, "sigma": 1.0})
    assert joint.df == 2
    assert joint.likelihood_ratio == pytest.approx((y**2).sum() - 6 * log(y.var()) - 6)
    fixed = null_tests(package.fit(y, "normal", fix={"sigma": 2.0}), {"mu": 0.0})
    assert [fixed.wald, fixed.score, fixed.likelihood_ratio] == pytest.approx([6 * y.mean() ** 2 / 4] * 3)


def test_importance_weights_leave_walds_test_alone():
    fit = package.fit([1.0, 2, 3, 5], "normal", weights=[0.5, 1.5, 1, 2], weight_kind="importance", null={"mu": 2.0})
    [found] = fit.tests
    record = found.to_dict()
    assert record["wald"]["statistic"] == pytest.approx((fit.theta[0] - 2) ** 2 / fit.covariance[0, 0])
    assert record["score"] == {"statistic": None, "p_value": None}


@pytest.mark.parametrize(
    ("family", "null", "message"),
    [
        ("normal", {"nu": 1.0}, "no free parameter 'nu'"),
        ("normal", {"sigma": 0.0}, "not inside the domain"),
        ("uniform", {"upper": 9.0}, "not smooth"),
        ("categorical", {"p[1]": 1.0}, "not inside the domain"),
        ("categorical", {"p[1]": 0.5, "p[2]": 0.5}, "leaves nothing of 1"),
        ("categorical", {"p[1]": 0.5, "p[2]": 0.3, "p[3]": 0.3}, "add up to 1.1, not to 1"),
        ("categorical", {"p[9]": 0.5}, "no free parameter 'p[9]'"),
    ],
)
def test_hypotheses_that_cannot_be_tested_are_refused(family, null, message):
    with pytest.raises(package.UsageError, match=re.escape(message)):
        null_tests(package.fit([1, 2, 2, 3, 1], family), null)


@pytest.mark.parametrize("held", [{}, {"p[d]": 0.1}])
@pytest.mark.parametrize("null", [{"p[a]": 0.4}, {"p[b]": 0.2, "p[c]": 0.3}, "every"])
def test_shares_of_labels_as_by_power_divergence(held, null):
    """Pearson's and the likelihood-ratio chi-squared of some labels against the rest; Wald's in their covariance."""
    counts = {"a": 31, "b": 17, "c": 22, "d": 8}
    mass = 1 - sum(held.values())
    if null == "every":
        null = {"p[a]": 0.5 * mass, "p[b]": 0.2 * mass, "p[c]": 0.3 * mass}
        null |= {} if held else {"p[c]": 0.2, "p[d]": 0.1}
    free = {f"p[{k}]": v for k, v in counts.items() if f"p[{k}]" not in held}
    n, rest = sum(free.values()), [name for name in free if name not in null]
    test = null_tests(package.fit([k for k, v in counts.items() for _ in range(v)], "categorical", fix=held), null)
    seen = [free[name] for name in null] + [sum(free[name] for name in rest)] * bool(rest)
    expected = [n * v / mass for v in null.values()] + [n * (1 - sum(null.values()) / mass)] * bool(rest)
    assert test.df == len(null) - (not rest)
    for found, kind in ((test.score, "pearson"), (test.likelihood_ratio, "log-likelihood")):
        assert found == pytest.approx(power_divergence(seen, expected, lambda_=kind).statistic, rel=1e-10)
    p = np.array(seen) / n
    assert test.wald == pytest.approx(((n * p - expected) ** 2 / (n * p)).sum(), rel=1e-8)  # Neyman's chi-squared
    left = mass - sum(null.values())
    for name in rest:
        assert test.estimates[name] == pytest.approx(left * free[name] / sum(free[r] for r in rest))


def test_the_mean_of_gamma_by_the_delta_method():
    y = np.random.default_rng(3).gamma(1.4, size=90)
    wanted = {"mean": "shape/rate", "cv2": "1/shape", "rooted": "shape**0.5"}
    fit = with_formulas(package.fit(y, "gamma"), formulas(wanted))
    mean, cv2, rooted = fit.derived
    shape, error = fit.theta[0], fit.std_errors["shape"]
    # The mean is the sample mean, with variance shape/rate^2/n exactly (Cox and Hinkley 1974, example 9.5).
    assert mean.estimate == pytest.approx(y.mean())
    assert mean.std_error == pytest.approx(np.sqrt(shape / 90) / fit.theta[1])
    assert cv2.std_error == pytest.approx(error / shape**2)
    assert rooted.upper - rooted.lower == pytest.approx(2 * 1.959964 * error / 2 / np.sqrt(shape))


@pytest.mark.parametrize("family", [f for f in REGULAR if len(f.columns) == 1 and not f.discrete], ids=lambda f: f.name)
def test_errors_of_quantiles_are_those_of_differences(family):
    sample = drawn(family, 400, np.random.default_rng(29))
    fit = fit_sample(family, sample)[0]
    found = with_quantiles(fit, [0.1, 0.8]).derived
    covariance = np.linalg.inv(fit.objective.sums(fit.eta[None], np.array([0])).hessian[0])
    for one, level in zip(found, (0.1, 0.8), strict=True):
        slope = []
        for step in 1e-5 * np.eye(fit.eta.size):
            ends = [family.quantile(np.array([level]), (fit.eta + s * step)[:, None])[0] for s in (1, -1)]
            slope.append((ends[0] - ends[1]) / 2e-5)
        assert one.std_error == pytest.approx(np.sqrt(slope @ covariance @ np.array(slope)), rel=1e-4)


def test_the_median_of_a_normal_is_its_mean():
    fit = package.fit([1.0, 2, 4, 9], "normal", quantiles=[0.5])
    [median] = fit.derived
    assert median.to_dict() == pytest.approx(fit.to_dict()["parameters"]["mu"])


def test_counts_have_quantiles_without_errors():
    [one] = package.fit([1, 2, 4, 9], "poisson", quantiles=[0.9]).derived
    assert one.estimate == 7
    assert one.to_dict()["std_error"] is None


def test_the_command_prints_all_of_it(mlefit):
    nulls = ("--null", "shape=4", "--null", "shape=4,rate=0.05")
    arguments = (*nulls, "--derive", "mean=shape/rate", "--quantile", "0.1,0.5")
    record = json.loads(mlefit("estimate", BEEF, "--dist", "gamma", *arguments, "-f", "json").out)
    assert record["derived"]["mean"]["estimate"] == pytest.approx(73.64567)
    assert set(record["quantiles"]) == {"0.1", "0.5"}
    assert [test["df"] for test in record["tests"]] == [1, 2]
    table = mlefit("estimate", BEEF, "--dist", "gamma", *arguments).out
    for words in ("quantile 0.1", "mean", "shape = 4, rate = 0.05", "likelihood ratio"):
        assert words in table
    assert "serving,gamma,quantile 0.5,67.6" in mlefit("estimate", BEEF, "--dist", "gamma", *arguments, "-f", "csv").out


def test_the_command_bootstraps(mlefit):
    arguments = ("--interval", "bootstrap", "--replicates", 100, "--seed", 3, "--bootstrap", "parametric")
    ran = mlefit("estimate", BEEF, "--dist", "weibull", *arguments)
    assert "standard errors and BCa limits from 100 replicates of the parametric bootstrap" in ran.out
    record = json.loads(mlefit("estimate", BEEF, "--dist", "weibull", *arguments, "-f", "json").out)
    assert record["interval"]["seed"] == 3
    assert record["parameters"]["shape"]["ci_lower"] < 2.19 < record["parameters"]["shape"]["ci_upper"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--derive", "mean"), "name=formula"),
        (("--derive", "m=shape/rat"), "did you mean rate"),
        (("--derive", "m=__import__('os')"), "__import__"),
        (("--null", "shape"), "name=number"),
        (("--null", "shap=1"), "shape, rate"),
        (("--quantile", "x"), "0.1"),
        (("--quantile", "1.5"), "between 0 and 1"),
        (("--interval", "bootstrp"), "bootstrap"),
        (("--interval", "bootstrap", "--replicates", "3"), "at least 20"),
        (("--interval", "bootstrap", "--bootstrap-limits", "bcb"), "bca"),
    ],
)
def test_one_sentence_for_what_is_wrong(mlefit, arguments, message):
    ran = mlefit("estimate", BEEF, "--dist", "gamma", *arguments)
    assert (ran.status, ran.out) == (2, "")
    assert message in ran.err
