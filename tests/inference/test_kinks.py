"""Densities with abs: the maximum on a kink of the likelihood, beside medians, linear programmes and direct search."""

from __future__ import annotations

import json
from itertools import product

import numpy as np
import pytest
from scipy import optimize

from mlefit.families.censored import Censored
from mlefit.families.density import Density
from mlefit.inference.fit import Options, fit_sample
from mlefit.inference.hypotheses import null_tests
from mlefit.sample import Sample

LAPLACE = ("-abs(y - m)/b - log(2*b)", ["m", "b>0"])
CASES = {
    "laplace": LAPLACE,
    "root of a square": ("-sqrt((y - m)**2)/b - log(2*b)", ["m", "b>0"]),
    "asymmetric": ("-(abs(y - m) + (2*q - 1)*(y - m))/(2*b) + log(q*(1 - q)/b)", ["m", "b>0", "0<q<1"]),
    "triangle": ("log(1 - abs(y - m)/w) - log(w)", ["m", "w>0"]),
    "laplace and normal": ("-abs(y - m)/b - (y - m)**2/(8*b**2) - log(b)", ["m", "b>0"]),
    "two kinks": ("-abs(y - m)/b - abs(y - m - 3*b)/b - log(b)", ["m", "b>0"]),
    "cusp": ("-sqrt(abs(y - m)/b) - log(4*b)", ["m", "b>0"]),
}


def values(n=41, seed=4):
    return np.round(10 + 3 * np.random.default_rng(seed).laplace(size=n), 2)


@pytest.mark.parametrize("name", CASES)
def test_nothing_near_or_far_is_more_likely(name):
    """On a grid through every value of the data, and by simplex from several starts."""
    y = values()
    density = Density(*CASES[name])
    fit = fit_sample(density, Sample(y))[0]
    assert fit.converged
    assert fit.certificate.gradient_norm < 1e-8

    def nll(eta):
        found = density.nll(y, np.asarray(eta)[:, None]).sum()
        return found if np.isfinite(found) else 1e300

    least = -fit.log_likelihood
    for start in product(np.quantile(y, [0.3, 0.7]), (fit.eta[1], fit.eta[1] + 0.3)):
        other = optimize.minimize(nll, [*start, *fit.eta[2:]], method="Nelder-Mead", options={"maxfev": 200})
        assert other.fun >= least - 1e-9 * abs(least)
    for value in np.sort(y)[::3]:
        start, options = fit.eta[1:], {"maxfev": 80}
        best = optimize.minimize(lambda rest, v=value: nll([v, *rest]), start, method="Nelder-Mead", options=options)
        assert best.fun >= least - 1e-7 * abs(least)


@pytest.mark.parametrize("n", [3, 40, 41])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shift", [0.0, 1e7])
def test_the_laplace_by_its_formula(n, weighted, shift):
    """The median, to the last digit, with the Fisher information of a location: b/sqrt(n)."""
    y = values(n) + shift
    weight = np.random.default_rng(1).integers(1, 4, n).astype(float) if weighted else None
    fit = fit_sample(Density(*LAPLACE), Sample(y, weight))[0]
    every = y if weight is None else np.repeat(y, weight.astype(int))
    spread = np.abs(every - np.median(every)).mean()
    assert fit.converged
    assert fit.estimates["m"] == pytest.approx(np.median(every), rel=1e-14)
    assert fit.estimates["b"] == pytest.approx(spread, rel=1e-7 if shift else 1e-12)
    for name in ("m", "b"):
        assert fit.std_errors[name] == pytest.approx(spread / np.sqrt(every.size), rel=1e-6)
    on = np.median(every) in y
    assert any(("sits on a kink" if on else "no value lies there") in text for text in fit.warnings)


def test_profile_limits_tests_and_held_parameters():
    """The profile likelihood of a location is piecewise: where it has fallen far enough is solved for here."""
    y = values()
    n = y.size
    fit = fit_sample(Density(*LAPLACE), Sample(y), Options(interval="profile"))[0]

    def deviance(m):
        return 2 * n * np.log(np.abs(y - m).mean() / fit.estimates["b"])

    middle = fit.estimates["m"]
    for end, far in zip(fit.limits["m"], (y.min() - 5, y.max() + 5), strict=True):
        expected = optimize.brentq(lambda m: deviance(m) - 3.841458820694124, *sorted((middle, far)), xtol=1e-12)
        assert end == pytest.approx(expected, rel=1e-8)
    test = null_tests(fit, {"m": 11.0})
    assert test.likelihood_ratio == pytest.approx(deviance(11.0), rel=1e-9)
    assert test.score == pytest.approx(np.sign(y - 11.0).sum() ** 2 / n, rel=1e-8)  # the sign test
    held = fit_sample(Density(*LAPLACE).pin({"b": 2.0}), Sample(y))[0]
    assert held.estimates["m"] == pytest.approx(np.median(y), rel=1e-14)
    other = fit_sample(Density(*LAPLACE).pin({"m": 11.0}), Sample(y))[0]
    assert other.warnings == ()
    assert other.estimates["b"] == pytest.approx(np.abs(y - 11.0).mean(), rel=1e-12)


def test_groups_and_bootstrap():
    y = values(60)
    codes = np.repeat([0, 1, 2], 20)
    fits = fit_sample(Density(*LAPLACE), Sample.of(y * (1 + codes), codes=codes, groups=3))
    for g, fit in enumerate(fits):
        assert fit.estimates["m"] == pytest.approx(np.median(y[codes == g]) * (1 + g), rel=1e-14)
    from mlefit.inference.bootstrap import Plan, bootstrap

    sample = Sample(y[:21])
    found = bootstrap(fit_sample(Density(*LAPLACE), sample)[0], sample, Plan(replicates=60, seed=1))
    theta = found.theta if found.theta.shape[0] == 2 else found.theta.T
    assert np.isin(np.round(theta[0], 8), np.round(y[:21], 8)).all()  # of an odd number the median is one of them


def test_a_cusp_has_no_standard_error():
    y = values()
    fit = fit_sample(Density(*CASES["cusp"]), Sample(y))[0]
    assert fit.estimates["m"] in y
    assert np.isnan(fit.std_errors["m"])
    assert fit.std_errors["b"] == pytest.approx(fit.estimates["b"] * np.sqrt(2 / y.size), rel=1e-6)
    assert "no standard error of m exists" in fit.warnings[0]


def test_censored_and_several_columns():
    """Right-censored rows bend the likelihood smoothly; a line through kinks is that of least absolute deviations."""
    y = values()
    end = y.copy()
    end[::4] = np.inf
    fit = fit_sample(Censored(Density(*LAPLACE)), Sample(np.stack([y, end])))[0]

    def nll(m, b):
        exact = np.isfinite(end)
        z = (y[~exact] - m) / b
        tail = np.where(z > 0, -z - np.log(2), np.log1p(-np.exp(-np.abs(z)) / 2))
        return np.abs(y[exact] - m).sum() / b + exact.sum() * np.log(2 * b) - tail.sum()

    near = y[np.abs(y - fit.eta[0]) < 1]
    inner = [optimize.minimize_scalar(lambda b, m=m: nll(m, b), bounds=(0.1, 20), method="bounded") for m in near]
    assert fit.converged
    assert -fit.log_likelihood == pytest.approx(min(found.fun for found in inner), rel=1e-9)
    x = np.linspace(0, 3, y.size)
    line = fit_sample(Density("-abs(y - a - c*x)/b - log(2*b)", ["a", "c", "b>0"]), Sample(np.stack([y + x, x])))[0]
    n, design = y.size, np.stack([np.ones(y.size), x], axis=1)
    cost = np.concatenate([np.zeros(2), np.ones(2 * n)])
    equal = np.concatenate([design, np.eye(n), -np.eye(n)], axis=1)
    least = optimize.linprog(cost, A_eq=equal, b_eq=y + x, bounds=[(None, None)] * 2 + [(0, None)] * (2 * n))
    assert [line.estimates["a"], line.estimates["c"]] == pytest.approx(least.x[:2], rel=1e-9)
    assert line.estimates["b"] == pytest.approx(least.fun / n, rel=1e-10)


@pytest.mark.parametrize(
    "options",
    [("dist ~ speed",), ("dist ~ speed", "--formula", "{0} ~ speed"), ("dist ~ 1", "--interval", "profile")],
    ids=" ".join,
)
def test_regresses_as_least_absolute_deviations_do(mlefit, options):
    from mlefit.samples import sample_data

    path = str(sample_data("cars"))
    records = []
    for given, name in ((("--density", LAPLACE[0], "--parameters", "m,b>0"), "b"), (("--dist", "laplace"), "scale")):
        ran = mlefit("regress", path, *(o.format(name) for o in options), *given, "-f", "json")
        assert ran.status == 0, ran.err
        records.append(json.loads(ran.out))
    one, other = records
    assert one["log_likelihood"] == pytest.approx(other["log_likelihood"], rel=1e-12)
    for mine, its in zip(one["parameters"].values(), other["parameters"].values(), strict=True):
        assert mine["estimate"] == pytest.approx(its["estimate"], rel=1e-7)
        assert mine["std_error"] == pytest.approx(its["std_error"], rel=0.03)  # products of the gradient here
        if "profile" in options:
            assert [mine["ci_lower"], mine["ci_upper"]] == pytest.approx([its["ci_lower"], its["ci_upper"]], rel=1e-6)
    assert "kinks along m" in one["warnings"][0]


@pytest.mark.parametrize(
    ("density", "parameters", "end"),
    [("log(a) - a*(y - c) + 0*sqrt(y - c)", ["a>0", "c"], "c"), ("-log(c) + 0*sqrt(c - y)", ["c>0"], "c")],
)
def test_an_end_of_the_support_is_named(density, parameters, end):
    y = np.abs(values())
    fit = fit_sample(Density(density, parameters, "y>0"), Sample(y))[0]
    assert not fit.converged
    assert f"the likelihood ends at {end} = " in fit.certificate.problem
    assert np.isnan(fit.std_errors[end])
    assert min(abs(fit.estimates[end] - y.min()), abs(fit.estimates[end] - y.max())) < 1e-7
