"""Parameters held fixed: the free part of the family underneath, whatever is asked of it."""

from __future__ import annotations

import numpy as np
import pytest

from mlefit import fit
from mlefit.errors import UsageError
from mlefit.families import registry
from mlefit.families.base import ExponentialFamily
from mlefit.objective import objective
from mlefit.predictors.constant import Constant
from mlefit.sample import Sample
from mlefit.solvers.newton import newton

Y = np.array([0.4, 0.9, 1.2, 2.3, 0.7, 1.6])


def solve(family):
    sample = Sample.of(Y)
    target = objective(family, Constant(), sample)
    start = np.ascontiguousarray(family.start(sample).T)
    return family.inverse(newton(target, start, step=family.step).theta.T)[:, 0]


@pytest.mark.parametrize("name", ["normal", "gamma", "weibull", "student-t", "lognormal"])
def test_methods_are_those_of_the_whole_family(name):
    family = registry.get(name)
    full = np.linspace(0.2, 0.6, family.size)[:, None]
    held = family.names[0]
    pinned = family.pin({held: float(family.inverse(full)[0, 0])})
    eta = full[1:]
    assert pinned.names == family.names[1:]
    assert isinstance(pinned, ExponentialFamily) == isinstance(family, ExponentialFamily)
    for method in ("nll", "log_cdf", "log_sf"):
        np.testing.assert_allclose(getattr(pinned, method)(Y, eta), getattr(family, method)(Y, full), rtol=1e-12)
    np.testing.assert_allclose(pinned.gradient(Y, eta), family.gradient(Y, full)[1:], rtol=1e-12)
    np.testing.assert_allclose(pinned.hessian(Y, eta), family.hessian(Y, full)[1:, 1:], rtol=1e-12)
    np.testing.assert_allclose(pinned.quantile(0.3, eta), family.quantile(0.3, full), rtol=1e-12)


@pytest.mark.parametrize(
    ("name", "fixed", "expected"),
    [
        ("normal", {"sigma": 1.0}, {"mu": Y.mean()}),
        ("normal", {"mu": 1.0}, {"sigma": np.sqrt(np.mean((Y - 1) ** 2))}),
        ("gamma", {"shape": 2.0}, {"rate": 2 / Y.mean()}),
        ("weibull", {"shape": 2.0}, {"scale": np.sqrt(np.mean(Y**2))}),
        ("laplace", {"loc": 1.0}, {"scale": np.mean(np.abs(Y - 1))}),
        ("uniform", {"lower": 0.0}, {"upper": Y.max()}),
    ],
)
def test_closed_forms_with_a_parameter_held(name, fixed, expected):
    family = registry.get(name).pin(fixed)
    assert dict(zip(family.names, solve(family), strict=True)) == pytest.approx(expected, rel=1e-9)


def test_a_median_beside_a_held_scale_keeps_its_error():
    found = fit(Y, "laplace", fix={"scale": 2.0})
    assert found.std_errors["loc"] == pytest.approx(2 / np.sqrt(Y.size), rel=1e-12)
    assert found.converged


def test_everything_held():
    family = registry.get("normal").pin({"mu": 1.0, "sigma": 2.0})
    assert family.size == 0
    assert family.nll(Y, np.zeros((0, 1))).shape == Y.shape


def test_pinning_twice_holds_both():
    family = registry.get("student-t").pin({"df": 4.0}).pin({"loc": 0.5})
    assert family.names == ("scale",)
    assert family.fixed == {"df": 4.0, "loc": 0.5}


@pytest.mark.parametrize(
    ("fixed", "message"),
    [
        ({"sgima": 1.0}, "did you mean sigma"),
        ({"sigma": -1.0}, "outside the domain"),
        ({"mu": float("nan")}, "outside the domain"),
        ({"mu": float("inf")}, "outside the domain"),
        ({"sigma": 0.0}, "sigma > 0"),
    ],
)
def test_what_cannot_be_held_is_said(fixed, message):
    with pytest.raises(UsageError, match=message):
        registry.get("normal").pin(fixed)


EVERY = [
    *(name for name in registry.BUILT_IN if name != "categorical"),
    "hurdle:poisson",
    "hurdle:negative-binomial",
    "zero-inflated:geometric",
    "hurdle:normal",
]
CLOSED = [
    (name, parameter.name, end)
    for name in EVERY
    for parameter in registry.get(name).parameters
    for end in parameter.closed
]
OPEN = [
    (name, parameter.name, end)
    for name in EVERY
    for parameter in registry.get(name).parameters
    for end in (parameter.link.lower, parameter.link.upper)
    if end not in parameter.closed
]


@pytest.mark.parametrize(("name", "held", "end"), OPEN)
def test_an_open_end_of_the_domain_cannot_be_held(name, held, end):
    with pytest.raises(UsageError, match="outside the domain"):
        registry.get(name).pin({held: end})


@pytest.mark.parametrize(("name", "held", "end"), CLOSED)
def test_at_a_closed_end_the_family_is_a_distribution_and_the_limit_of_those_within(name, held, end):
    family = registry.get(name)
    pinned = family.pin({held: end})
    others = {p: 0.8 for p in family.names if p != held}
    eta = pinned.forward(np.array([[v] for v in others.values()]).reshape(-1, 1))
    near = 1e-9 if end == 0 else 1 - 1e-9
    inside = family.forward(np.array([[{**others, held: near}[p]] for p in family.names]))
    if family.discrete:
        y = np.arange(2.0) if name in ("bernoulli", "binomial") else np.arange(30.0)
    else:
        y = np.linspace(-3, 3, 7)
    if len(family.columns) > 1:
        y = np.stack([y, np.ones(y.size)])
    probability = np.exp(-pinned.nll(y, eta))
    if family.discrete:
        assert probability.sum() == pytest.approx(1, abs=1e-8)
    np.testing.assert_allclose(probability, np.exp(-family.nll(y, inside)), atol=1e-8)
    assert not np.any((probability > 0) & (probability < 1e-60))
    np.testing.assert_allclose(pinned.derivatives(y, eta)[0], pinned.nll(y, eta), rtol=1e-13)
    for method in ("log_cdf", "log_sf"):
        tail = getattr(pinned, method)(y, eta)
        np.testing.assert_allclose(np.exp(tail), np.exp(getattr(family, method)(y, inside)), atol=1e-8)
        assert not np.any(np.isfinite(tail) & (tail < -100)) or name == "von-mises"


@pytest.mark.parametrize(
    ("name", "fixed", "y", "expected"),
    [
        ("bernoulli", {"p": 0.0}, [0, 0, 0], 0.0),
        ("bernoulli", {"p": 0.0}, [0, 1, 0], -np.inf),
        ("bernoulli", {"p": 1.0}, [1, 1], 0.0),
        ("bernoulli", {"p": 1.0}, [1, 0], -np.inf),
        ("geometric", {"p": 1.0}, [0, 0], 0.0),
        ("geometric", {"p": 1.0}, [0, 2], -np.inf),
        ("poisson", {"mu": 0.0}, [0, 0], 0.0),
        ("poisson", {"mu": 0.0}, [0, 3], -np.inf),
        ("zero-inflated-poisson", {"pi": 1.0, "mu": 2.0}, [0, 0], 0.0),
        ("zero-inflated-poisson", {"pi": 1.0, "mu": 2.0}, [0, 1], -np.inf),
        ("zero-inflated-poisson", {"pi": 0.0, "mu": 2.0}, [0, 1], -4 + np.log(2)),
    ],
)
@pytest.mark.parametrize("weight", [None, 1e-3])
def test_fits_with_everything_held_at_an_end(name, fixed, y, expected, weight):
    weights = None if weight is None else np.full(len(y), weight)
    found = fit(y, name, fix=fixed, weights=weights)
    assert found.log_likelihood == pytest.approx(expected * (weight or 1.0), rel=1e-14, abs=1e-100)
    assert found.converged == np.isfinite(expected)
    assert ("impossible" in "".join(found.warnings)) != found.converged


@pytest.mark.parametrize(
    ("name", "fixed", "free"),
    [("uniform", {"lower": 1.5}, "upper"), ("pareto", {"scale": 1.5}, "shape"), ("hurdle:poisson", {"pi": 1.0}, "mu")],
)
def test_a_held_value_that_leaves_the_data_no_probability_is_named(name, fixed, free):
    found = fit([1, 2, 5], name, fix=fixed)
    assert not found.converged
    assert np.isnan(found.estimates[free])
    held = ", ".join(f"{k} = {v:g}" for k, v in fixed.items())
    assert f"with {held} held, no value of {free} was found" in found.warnings[0]


def test_everything_held_with_censored_rows():
    time, event = np.array([1.0, 2.0, 4.0]), np.array([1, 0, 1])
    found = fit(time, "exponential", event=event, fix={"rate": 0.5})
    assert found.log_likelihood == pytest.approx(2 * np.log(0.5) - 0.5 * time.sum(), rel=1e-14)
    impossible = fit([0, 1, 2], "poisson", event=[1, 0, 0], fix={"mu": 0.0})
    assert impossible.log_likelihood == -np.inf
