"""Derivatives by differences are good enough for a family that gives its nll alone."""

from __future__ import annotations

import numpy as np
import pytest

from mlefit.families import numeric, registry
from mlefit.families.base import Family

Y = np.array([0.2, 0.9, 1.7, 3.1])


def bare(family):
    """The same family with nothing but its nll."""
    return type("Bare", (Family,), {"name": "bare", "parameters": family.parameters, "nll": staticmethod(family.nll)})()


@pytest.mark.parametrize("name", ["normal", "gamma", "weibull", "student-t", "logistic"])
@pytest.mark.parametrize("shape", ["(k, 1)", "(k, n)", "(k, P, 1)"])
def test_differences_of_the_nll(name, shape):
    family = registry.get(name)
    scores = np.array([0.4, -0.2, 0.3])[: family.size]
    eta = {
        "(k, 1)": scores[:, None],
        "(k, n)": np.repeat(scores[:, None], Y.size, axis=1),
        "(k, P, 1)": np.stack([scores, scores + 0.1], axis=1)[:, :, None],
    }[shape]
    plain = bare(family)
    np.testing.assert_allclose(plain.gradient(Y, eta), family.gradient(Y, eta), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(plain.hessian(Y, eta), family.hessian(Y, eta), rtol=1e-6, atol=1e-6)


def test_differences_of_an_exact_gradient_are_sharper():
    family = registry.get("weibull")
    eta = np.array([[0.4], [-0.2]])
    np.testing.assert_allclose(numeric.hessian(family, Y, eta), family.hessian(Y, eta), rtol=1e-9, atol=1e-9)


def test_hessian_is_symmetric_to_the_bit():
    hessian = numeric.hessian(registry.get("student-t"), Y, np.array([[0.5], [0.1], [0.2]]))
    np.testing.assert_array_equal(hessian, np.swapaxes(hessian, 0, 1))
