"""A mass at zero beside a density, against scipy's densities and against its two parts fitted apart."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

import mlefit
from mlefit.cli import run
from mlefit.families import registry
from mlefit.inference.fit import fit_sample
from mlefit.sample import Sample
from mlefit.samples import sample_data

Y = np.array([0.0, 0.0, 0.0, 0.2, 0.9, 0.35, 0.61, 0.07, 0.5, 0.44])
LAWS = {
    "gamma": ([2.0, 3.0], stats.gamma(2, scale=1 / 3)),
    "weibull": ([1.5, 0.6], stats.weibull_min(1.5, scale=0.6)),
    "lognormal": ([-1.0, 0.8], stats.lognorm(0.8, scale=np.exp(-1))),
    "inverse-gaussian": ([0.5, 1.2], stats.invgauss(0.5 / 1.2, scale=1.2)),
    "beta": ([2.0, 3.0], stats.beta(2, 3)),
    "exponential": ([2.5], stats.expon(scale=0.4)),
    "normal": ([0.3, 0.7], stats.norm(0.3, 0.7)),
}
PI = 0.3


def made(name, prefix="hurdle"):
    theta, law = LAWS[name]
    family = registry.get(f"{prefix}:{name}")
    return family, family.forward(np.array([*theta, PI])[:, None]), law


@pytest.mark.parametrize("name", LAWS)
@pytest.mark.parametrize("prefix", ["hurdle", "zero-inflated"])
def test_probability_and_distribution_are_those_written_out(name, prefix):
    family, eta, law = made(name, prefix)
    density = np.where(Y == 0, PI, (1 - PI) * law.pdf(np.where(Y == 0, 0.5, Y)))
    np.testing.assert_allclose(np.exp(-family.nll(Y, eta)), density, rtol=1e-10)
    y = np.array([-0.4, -1e-9, 0.0, 1e-9, 0.3, 0.99, 5.0])
    cdf = (1 - PI) * law.cdf(y) + PI * (y >= 0)
    np.testing.assert_allclose(np.exp(family.log_cdf(y, eta)), cdf, rtol=1e-10, atol=1e-300)
    np.testing.assert_allclose(np.exp(family.log_sf(y, eta)), 1 - cdf, rtol=1e-9, atol=1e-16)
    mean = (1 - PI) * law.mean()
    np.testing.assert_allclose(family.mean(eta), mean, rtol=1e-12)
    np.testing.assert_allclose(family.variance(eta), (1 - PI) * (law.var() + law.mean() ** 2) - mean**2, rtol=1e-12)


@pytest.mark.parametrize("name", LAWS)
def test_quantiles_stay_at_zero_through_the_jump(name):
    family, eta, law = made(name)
    low = (1 - PI) * law.cdf(0)
    q = np.array([0.01, low + 0.01, low + PI - 0.01, low + PI + 0.01, 0.9, 0.999])
    y = family.quantile(q, eta)
    np.testing.assert_array_equal(y[1:3], 0)
    expected = np.where(q < low, law.ppf(q / (1 - PI)), law.ppf((q - PI) / (1 - PI)))
    np.testing.assert_allclose(y[3:], expected[3:], rtol=1e-10)
    assert y[0] == (pytest.approx(expected[0]) if low > 0.01 else 0)


@pytest.mark.parametrize("name", LAWS)
@pytest.mark.parametrize("tail", ["log_sf", "log_cdf"])
def test_derivatives_of_the_tails(name, tail):
    family, eta, _ = made(name)
    y = np.array([-0.3, 0.0, 0.05, 0.4, 0.9] if name == "normal" else [0.0, 0.05, 0.4, 0.9])
    value, gradient, hessian = getattr(family, f"{tail}_derivatives")(y, eta)
    np.testing.assert_allclose(value, getattr(family, tail)(y, eta), rtol=1e-12)
    step = 1e-5
    for j in range(family.size):
        by = np.zeros_like(eta)
        by[j] = step
        up, down = (getattr(family, f"{tail}_derivatives")(y, eta + s * by) for s in (1, -1))
        np.testing.assert_allclose(gradient[j], (up[0] - down[0]) / (2 * step), rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(hessian[j], (up[1] - down[1]) / (2 * step), rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("name", LAWS)
def test_the_two_parts_are_fitted_apart(name):
    whole = fit_sample(registry.get(f"hurdle:{name}"), Sample.of(Y))[0]
    part = fit_sample(registry.get(name), Sample.of(Y[Y != 0]))[0]
    assert whole.converged
    assert whole.estimates["pi"] == pytest.approx(0.3, rel=1e-12)
    for parameter, value in part.estimates.items():
        assert whole.estimates[parameter] == pytest.approx(value, rel=1e-7)
    assert whole.nll == pytest.approx(part.nll - 3 * np.log(0.3) - 7 * np.log(0.7), rel=1e-10)


def test_both_names_are_one_model():
    one, other = (fit_sample(registry.get(f"{name}:gamma"), Sample.of(Y))[0] for name in ("hurdle", "zero-inflated"))
    assert one.family.name == "hurdle:gamma"
    assert other.family.name == "zero-inflated:gamma"
    assert one.nll == other.nll


def test_a_value_outside_is_told_from_zero():
    inside = registry.get("hurdle:beta").inside(np.array([0.0, 0.5, 1.0, -0.1, np.nan]))
    assert inside.tolist() == [True, True, False, False, False]


def test_the_median_has_no_error_where_it_is_zero():
    found = mlefit.fit(np.append(Y, np.zeros(20)), "hurdle:gamma", quantiles=[0.5, 0.9])
    median, high = found.derived
    assert median.estimate == 0
    assert np.isnan(median.std_error)
    assert high.std_error > 0


@pytest.mark.parametrize("name", ["gamma", "lognormal"])
def test_a_regression_with_a_formula_for_the_zeros_is_two_regressions(name):
    generator = np.random.default_rng(4)
    x = generator.normal(size=300)
    y = np.where(generator.random(300) < 1 / (1 + np.exp(0.5 - x)), 0.0, generator.gamma(2, np.exp(1 + 0.4 * x)))
    whole = mlefit.regress({"y": y, "x": x}, "y ~ x", f"hurdle:{name}", formulas={"pi": "x"})
    zeros = mlefit.regress({"y": 1.0 * (y == 0), "x": x}, "y ~ x", "bernoulli")
    rest = mlefit.regress({"y": y[y > 0], "x": x[y > 0]}, "y ~ x", name)
    assert whole.converged
    assert whole.nll == pytest.approx(zeros.nll + rest.nll, rel=1e-9)
    expected = np.concatenate([rest.coefficients, zeros.coefficients])
    np.testing.assert_allclose(whole.coefficients, expected, rtol=1e-6)


def test_a_mass_at_zero_is_told_from_densities_there(capsys):
    assert run(["compare", str(sample_data("tobin.csv")), "-c", "durable", "--dist", "hurdle:gamma,normal"]) == 0
    assert "only with each other where there are zeros" in " ".join(capsys.readouterr().out.split())
