"""Parameters held fixed: the free part of the family underneath, whatever is asked of it."""

from __future__ import annotations

import numpy as np
import pytest

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
    ],
)
def test_what_cannot_be_held_is_said(fixed, message):
    with pytest.raises(UsageError, match=message):
        registry.get("normal").pin(fixed)
