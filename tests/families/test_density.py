"""Densities from formulas: the same fits as the written families, exact derivatives, and nothing but arithmetic."""

from __future__ import annotations

import numpy as np
import pytest

from mlefit.errors import UsageError
from mlefit.families import bounds, numeric, registry
from mlefit.families.base import Family
from mlefit.families.density import Density
from mlefit.families.domains import parameter
from mlefit.families.expression import FUNCTIONS, VALUES, Jet, parse
from mlefit.inference.fit import Options, fit_sample
from mlefit.sample import Sample

SAME = [
    ("exponential", "log(rate) - rate*y", ["rate>0"], {}),
    ("gamma", "shape*log(rate) - lgamma(shape) + (shape - 1)*log(y) - rate*y", ["shape>0", "rate>0"], {}),
    ("normal", "-(y - mu)**2/(2*s**2) - log(s) - log(2*pi)/2", ["mu", "s>0"], {"sigma": "s"}),
    ("weibull", "log(k) - k*log(lambda) + (k - 1)*log(y) - (y/lambda)**k", ["k>0", "lambda>0"],
     {"shape": "k", "scale": "lambda"}),
    ("lognormal", "-log(y*sigma*sqrt(2*pi)) - ((log(y) - mu)/sigma)**2/2", ["mu", "sigma>=0"], {}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "text", "parameters", "called"), SAME)
def test_fits_as_the_family_does(name, text, parameters, called):
    y = np.random.default_rng(0).gamma(3.0, 2.0, 300)
    weight = np.random.default_rng(1).uniform(0.5, 2.0, 300)
    density = Density(text, parameters)
    found = fit_sample(density, Sample(y, weight), Options(interval="profile"))[0]
    expected = fit_sample(registry.get(name), Sample(y, weight), Options(interval="profile"))[0]
    assert found.converged
    assert found.log_likelihood == pytest.approx(expected.log_likelihood, rel=1e-11)
    for j, n in enumerate(expected.family.names):
        i = density.names.index(called.get(n, n))
        assert found.theta[i] == pytest.approx(expected.theta[j], rel=1e-7)
        assert found.std_errors[density.names[i]] == pytest.approx(expected.std_errors[n], rel=1e-6)
        assert found.lower[i] == pytest.approx(expected.lower[j], rel=1e-6)
    assert density.mass(found.eta[:, None])[0] == pytest.approx(1.0, abs=1e-12)
    assert found.warnings == ()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_know_their_derivatives(name):
    u = np.array([0.3, 0.9, 1.7, 2.4])
    _, slope, curve = FUNCTIONS[name](u)
    h = 1e-5
    ahead, behind = FUNCTIONS[name](u + h), FUNCTIONS[name](u - h)
    np.testing.assert_allclose(slope, (ahead[0] - behind[0]) / (2 * h), rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(curve, (ahead[1] - behind[1]) / (2 * h), rtol=1e-7, atol=1e-9)
    np.testing.assert_array_equal(VALUES[name](u), FUNCTIONS[name](u)[0])


@pytest.mark.parametrize(
    "text",
    ["a*b/y", "(a + b*y)**3", "y**a + a**b", "a**2*b**y - a/b", "exp(a*b) - tanh(a - b)*y", "abs(a - 3*b)*y",
     "-a**2 + +b", "log(a + sqrt(b*y))**2/(1 + a*a)", "a**0*b + y", "erf(a*y) - lgamma(a + b)*digamma(b)"],
)  # fmt: skip
def test_derivatives_are_exact(text):
    density = Density(f"{text} + 0*y", ["a>0", "0<b<2"])
    y, eta = np.array([0.5, 1.3, 2.0]), np.array([[0.3], [-0.4]])
    _, gradient, hessian = density.derivatives(y, eta)
    scores = np.repeat(eta, 3, axis=1)
    np.testing.assert_allclose(gradient, numeric.gradient(density.nll, y, scores), rtol=1e-8, atol=1e-9)
    expected = numeric.hessian(density, y, scores)
    np.testing.assert_allclose(hessian, expected, rtol=1e-7, atol=1e-8)


def test_several_columns_fixed_parameters_and_groups():
    generator = np.random.default_rng(2)
    x = generator.normal(size=200)
    y = 1.5 + 2.0 * x + generator.normal(scale=0.5, size=200)
    density = Density("-(y - a - b*x)**2/(2*s**2) - log(s) - log(2*pi)/2", ["a", "b", "s>0"])
    assert density.columns == ("y", "x")
    fit = fit_sample(density, Sample(np.stack([y, x])))[0]
    slope, intercept = np.polyfit(x, y, 1)
    assert fit.estimates["a"] == pytest.approx(intercept, rel=1e-8)
    assert fit.estimates["b"] == pytest.approx(slope, rel=1e-8)
    codes = np.arange(200) % 2
    held = fit_sample(density.pin({"b": 2.0}), Sample.of(np.stack([y, x]), codes=codes, groups=2))
    for group, part in enumerate(held):
        assert part.estimates["a"] == pytest.approx((y - 2 * x)[codes == group].mean(), rel=1e-8)
    assert fit.warnings == ()
    eta = np.broadcast_to(fit.eta[:, None], (3, 200))
    np.testing.assert_allclose(density.given(x).mean(eta), fit.estimates["a"] + fit.estimates["b"] * x, rtol=1e-12)


def test_a_missing_constant_shows():
    y = np.random.default_rng(3).normal(size=100)
    density = Density("-(y - mu)**2/2", ["mu"])
    fit = fit_sample(density, Sample(y))[0]
    assert density.mass(fit.eta[:, None])[0] == pytest.approx(np.sqrt(2 * np.pi), rel=1e-13)
    assert "integrates to 2.50663" in fit.warnings[0]
    assert "a constant is missing" in fit.warnings[0]
    depends = fit_sample(Density("-(y/s)**2/2 - log(s)/2", ["s>0"]), Sample(y))[0]
    assert "neither its estimates" in depends.warnings[0]
    endless = fit_sample(Density("-log(1 + y**2/s**2)/4 - s", ["s>0"], "y>0"), Sample(np.abs(y)))[0]
    assert "something infinite" in endless.warnings[0]
    counts = np.random.default_rng(3).poisson(3.0, 100).astype(float)
    poisson = Density("y*log(m) - m - lgamma(y + 1)", ["m>0"])
    fit = fit_sample(poisson, Sample(counts))[0]
    assert poisson.mass(fit.eta[:, None])[0] == pytest.approx(1.0, abs=1e-13)
    assert fit.warnings == ()


@pytest.mark.parametrize(
    ("text", "lower", "upper"),
    [("a", -np.inf, np.inf), ("a>0", 0, np.inf), ("a >= 1.5", 1.5, np.inf), ("a<-2e1", -np.inf, -20), ("0<a<1", 0, 1),
     ("-1 <= a <= 3", -1, 3)],
)  # fmt: skip
def test_parameters_with_bounds(text, lower, upper):
    link = parameter(text).link
    assert (link.lower, link.upper) == (lower, upper)
    eta = np.linspace(-3, 3, 7)
    np.testing.assert_allclose(link.forward(link.inverse(eta)), eta, rtol=1e-12, atol=1e-12)
    h = 1e-5
    slope = (link.inverse(eta + h) - link.inverse(eta - h)) / (2 * h)
    np.testing.assert_allclose(link.derivative(eta), slope, rtol=1e-8)
    curve = (link.derivative(eta + h) - link.derivative(eta - h)) / (2 * h)
    np.testing.assert_allclose(link.curvature(eta), curve, rtol=1e-7, atol=1e-10)
    assert bounds.link(lower, upper) == link


@pytest.mark.parametrize(
    ("text", "parameters", "said"),
    [
        ("rate**2*y", ["rate>b"], "takes name, name>0"),
        ("rate^2*y", ["rate"], "at character 5 ('^2*y')"),
        ("log(rate - rate*y", ["rate>0"], "at character 4"),
        ("__import__('os').system('x')*y*a", ["a"], "may hold only numbers"),
        ("y.real*a", ["a"], "may hold only numbers"),
        ("a*y + lgama(a)", ["a"], "at character 7 ('lgama(a)')"),
        ("a*'x'*y", ["a"], "numbers only, at character 3"),
        ("[i for i in y]", ["a"], "cannot be read"),
        ("(a:=3)*y", ["a"], "may hold only numbers"),
        ("a*y if y else 0", ["a"], "cannot be read"),
        ("exp(a, y)", ["a"], "one argument"),
        ("exp*y", ["a"], "without its brackets"),
        ("a", ["a"], "no column"),
        ("a*y", ["a", "b"], "'b' does not occur"),
        ("a*y", ["a", "a"], "twice"),
        ("a*y", ["1<a<0"], "no values"),
        ("a*y", ["y"], "cannot be a parameter"),
        ("a*y", [], "needs --parameters"),
        ("9e999*a*y", ["a"], "too large"),
        ("9" * 400 + "*a*y", ["a"], "too large"),
        ("(" * 500 + "a*y" + ")" * 500, ["a"], "cannot be read"),
        ("-" * 900 + "a*y", ["a"], "nests too deeply"),
        ("a*y" + "+1" * 9000, ["a"], "characters long"),
        ("a*y\x00", ["a"], "cannot be read"),
        (" ", ["a"], "is empty"),
        ("True*a*y", ["a"], "'True'|numbers only|no column|does not occur"),
    ],
)
def test_what_is_no_density_is_refused(text, parameters, said):
    import re

    with pytest.raises(UsageError, match=said if "|" in said else re.escape(said)):
        Density(text, parameters)


def test_names_may_be_words_of_the_language():
    formula = parse("lambda + in*is")
    assert formula.names == ("lambda", "in", "is")
    jet = formula.evaluate({"lambda": Jet(np.array(1.0)), "in": Jet(np.array(2.0)), "is": Jet(np.array(3.0))})
    assert jet.value == 7.0


def test_a_parameter_may_hide_a_constant():
    density = Density("log(pi) - pi*y", ["pi>0"])
    assert isinstance(density, Family)
    y = np.array([1.0, 3.0])
    assert fit_sample(density, Sample(y))[0].estimates["pi"] == pytest.approx(0.5)
