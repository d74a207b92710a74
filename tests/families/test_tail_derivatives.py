"""Derivatives of the two tails against differences of 50-digit values, and the two ways of getting them."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from mlefit.families import registry, tail_derivatives
from mlefit.families.base import Family

# Parameters at which the tails are differentiated; von Mises has no tails to speak of.
THETA = {
    "bernoulli": [0.3],
    "binomial": [0.3],
    "geometric": [0.2],
    "poisson": [4.5],
    "negative-binomial": [4.0, 1.7],
    "normal": [3.0, 0.7],
    "student-t": [4.5, 1.0, 2.0],
    "cauchy": [1.0, 2.0],
    "laplace": [1.0, 2.0],
    "logistic": [-1.0, 0.5],
    "gumbel": [2.0, 3.0],
    "gev": [1.0, 2.0, 0.2],
    "generalized-pareto": [2.0, 0.3],
    "skew-normal": [1.0, 2.0, 1.5],
    "exponential": [0.4],
    "gompertz": [0.3, 0.2],
    "gamma": [40.0, 8.0],
    "inverse-gamma": [3.0, 2.0],
    "weibull": [6.0, 4.0],
    "lognormal": [1.0, 0.6],
    "loglogistic": [3.0, 2.0],
    "inverse-gaussian": [2.0, 5.0],
    "beta": [2.0, 3.5],
    "kumaraswamy": [2.0, 3.0],
    "rayleigh": [2.0],
    "half-normal": [2.0],
    "maxwell": [2.0],
    "chi-squared": [5.0],
    "lomax": [2.5, 3.0],
    "burr12": [2.0, 1.5, 3.0],
    "pareto": [1.5, 2.0],
    "beta-binomial": [2.0, 3.0],
    "zero-inflated-poisson": [4.5, 0.2],
    "zero-inflated-negative-binomial": [4.0, 1.7, 0.2],
}


def case(name: str) -> tuple[Family, NDArray[np.float64], NDArray[np.float64]]:
    """The family, values from the one tail to the other, and scores (k, 1)."""
    family = registry.get(name)
    eta = family.forward(np.array(THETA[name])[:, None])
    q = np.array([1e-9, 0.001, 0.1, 0.3, 0.55, 0.8, 0.99, 1 - 1e-6])
    if name == "pareto":
        q = q[2:]  # within a step of the kink at the minimum
    if name == "bernoulli":
        y = np.zeros(1)
    elif len(family.columns) > 1:
        y = np.array([[0.0, 2, 3, 9, 4], [5.0, 5, 8, 10, 7]])
    else:
        y = np.unique(family.quantile(q, eta))
    return family, y, eta


def differenced(function, y, eta, h=2e-3):
    """Gradient by Richardson-extrapolated central differences of the value alone."""
    k = eta.shape[0]
    full = np.repeat(eta, y.shape[-1], axis=1)

    def at(*moves):
        moved = full.copy()
        for j, by in moves:
            moved[j] += by
        return function(y, moved)

    def first(j, h):
        return (8 * (at((j, h)) - at((j, -h))) - at((j, 2 * h)) + at((j, -2 * h))) / (12 * h)

    return np.stack([(16 * first(j, h / 2) - first(j, h)) / 15 for j in range(k)])


@pytest.mark.parametrize("name", THETA)
@pytest.mark.parametrize("tail", ["log_sf", "log_cdf"])
def test_gradient_is_the_slope_of_the_tail(name, tail):
    family, y, eta = case(name)
    value, gradient, hessian = getattr(family, f"{tail}_derivatives")(y, eta)
    exact = getattr(family, tail)(y, eta)
    finite = np.isfinite(exact)
    np.testing.assert_allclose(np.broadcast_to(value, exact.shape)[finite], exact[finite], rtol=1e-12)
    slope = differenced(getattr(family, tail), y, eta)
    gradient = np.broadcast_to(gradient, slope.shape)
    np.testing.assert_allclose(gradient[:, finite], slope[:, finite], rtol=3e-7, atol=1e-10)

    def whole(y, eta):
        return np.broadcast_to(getattr(family, f"{tail}_derivatives")(y, eta)[1], (eta.shape[0], y.shape[-1]))

    full = np.repeat(eta, y.shape[-1], axis=1)
    for j in range(family.size):

        def at(by, j=j):
            moved = full.copy()
            moved[j] += by
            return whole(y, moved)

        h = 1e-3
        curve = (8 * (at(h) - at(-h)) - at(2 * h) + at(-2 * h)) / (12 * h)
        found = np.broadcast_to(hessian, (family.size, family.size, y.shape[-1]))[j]
        np.testing.assert_allclose(found[:, finite], curve[:, finite], rtol=2e-6, atol=1e-7)


@pytest.mark.parametrize("name", THETA)
def test_differences_agree_with_the_exact_derivatives(name, monkeypatch):
    """Families that write their derivatives, or a drift, against eighth-order differences of the value."""
    family, y, eta = case(name)
    written = type(family).log_sf_derivatives is not Family.log_sf_derivatives
    if not written and not family.drift(y, eta):
        pytest.skip("differences are all there is")
    if name in ("laplace", "pareto"):
        pytest.skip("a kink within the stencil")
    y = y[:6] if name == "skew-normal" else y  # beyond, the shape hardly matters and the value's branches show
    exact = family.log_sf_derivatives(y, eta)
    monkeypatch.setattr(type(family), "drift", Family.drift)
    found = tail_derivatives.log_sf_derivatives(family, y, eta)
    finite = np.isfinite(exact[0])
    for order, (a, b) in enumerate(zip(found, exact, strict=True)):
        b = np.broadcast_to(b, a.shape)
        tolerance = {"rtol": 1e-9, "atol": 1e-11} if order < 2 else {"rtol": 1e-7, "atol": 1e-9}
        np.testing.assert_allclose(a[..., finite], b[..., finite], **tolerance)
