"""Incomplete gamma and beta functions against mpmath, in the middle and where plain doubles underflow."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

from mlefit.families.half_normal import HalfNormal
from mlefit.families.incomplete import log1p_excess, log_beta_cdf, log_beta_sf, log_gamma_cdf, log_gamma_sf

SHAPES = [1e-3, 0.5, 2.5, 30.0, 1e4]
PLACES = [-300.0, -40.0, -10.0, -1.0, -0.1, 0.3, 2.0, 10.0, 40.0, 300.0]  # in standard deviations


def near(got, expected):
    assert got == pytest.approx(float(expected), rel=1e-12, abs=1e-300)


@pytest.mark.parametrize("a", SHAPES)
@pytest.mark.parametrize("place", PLACES)
def test_gamma(a, place):
    x = a + place * np.sqrt(a)
    if x <= 0:
        x = a * 10.0**place
    with mpmath.workdps(60):
        low = mpmath.gammainc(a, 0, x, regularized=True)
        high = mpmath.gammainc(a, x, mpmath.inf, regularized=True)
        if low < 0.5:
            low, high = mpmath.log(low), mpmath.log1p(-low)
        else:
            low, high = mpmath.log1p(-high), mpmath.log(high)
    near(log_gamma_cdf(a, x), low)
    near(log_gamma_sf(a, x), high)


def beta_reference(a, b, x):
    """log I_x(a, b) below the mean, by the series of DLMF 8.17.8."""
    with mpmath.workdps(60):
        a, b, x = mpmath.mpf(a), mpmath.mpf(b), mpmath.mpf(float(x))
        term = total = mpmath.mpf(1)
        k = 0
        while term > total * mpmath.mpf(10) ** -55:
            term *= (a + b + k) / (a + 1 + k) * x
            total += term
            k += 1
        front = a * mpmath.log(x) + b * mpmath.log1p(-x) - mpmath.log(a)
        return front - mpmath.log(mpmath.beta(a, b)) + mpmath.log(total)


@pytest.mark.parametrize("a", SHAPES)
@pytest.mark.parametrize("b", [0.01, 3.0, 1e4])
@pytest.mark.parametrize("place", [-300.0, -40.0, -10.0, -1.0, -0.1])
def test_beta(a, b, place):
    mean = a / (a + b)
    x = mean + place * np.sqrt(mean * (1 - mean) / (a + b + 1))
    if x <= 0:
        x = mean * 10.0 ** max(place, -250)
    if x > 0.999:
        pytest.skip("the series of the reference does not converge")
    expected = beta_reference(a, b, x)
    near(log_beta_cdf(a, b, x), expected)
    near(log_beta_sf(b, a, 1 - x, x), expected)
    if expected < -1e-3:
        near(log_beta_sf(a, b, x), mpmath.log1p(-mpmath.exp(expected)))


@pytest.mark.parametrize(("a", "b"), [(1e8, 1e8), (1e8, 3.0), (0.5, 1e10)])
def test_beta_with_large_parameters_beside_its_recurrence(a, b):
    """I_x(a, b) = I_x(a + 1, b) + x^a (1 - x)^b / (a B(a, b)) (DLMF 8.17.20), about 60 standard deviations out."""
    mean = a / (a + b)
    x = mean - 60 * np.sqrt(mean * (1 - mean) / (a + b + 1)) if a > 1 else mean / 100
    first, second = log_beta_cdf(a, b, x), log_beta_cdf(a + 1, b, x)
    with mpmath.workdps(40):
        front = a * mpmath.log(x) + b * mpmath.log1p(-x) - mpmath.log(a)
        front -= mpmath.loggamma(a) + mpmath.loggamma(b) - mpmath.loggamma(a + b)
        assert np.logaddexp(second, float(front)) == pytest.approx(first, rel=1e-12)


def test_ends_and_shapes():
    x = np.array([-1.0, 0.0, np.inf])
    np.testing.assert_array_equal(log_gamma_cdf(2.0, x), [-np.inf, -np.inf, 0])
    np.testing.assert_array_equal(log_gamma_sf(2.0, x), [0, 0, -np.inf])
    np.testing.assert_array_equal(log_beta_cdf(2.0, 3.0, np.array([-1.0, 0, 1, 2])), [-np.inf, -np.inf, 0, 0])
    assert log_gamma_cdf(np.ones((3, 1)), np.ones(4)).shape == (3, 4)


@pytest.mark.parametrize("v", [-0.999, -0.4, -1e-3, -1e-9, 0.0, 1e-12, 1e-5, 0.1, 0.399, 0.401, 5.0])
def test_log1p_excess(v):
    with mpmath.workdps(50):
        assert log1p_excess(v) == pytest.approx(float(mpmath.log1p(v) - mpmath.mpf(v)), rel=1e-13, abs=0)


@pytest.mark.parametrize("z", [1e-300, 1e-9, 0.3, 0.7, 0.72, 2.0, 8.0, 20.0, 39.0, 1e4])
def test_half_normal(z):
    family, eta = HalfNormal(), np.zeros((1, 1))
    with mpmath.workdps(60):
        low, high = mpmath.erf(z / mpmath.sqrt(2)), mpmath.erfc(z / mpmath.sqrt(2))
        low, high = (mpmath.log(low), mpmath.log1p(-low)) if z < 1 else (mpmath.log1p(-high), mpmath.log(high))
    near(family.log_cdf(np.array([z]), eta)[0], low)
    near(family.log_sf(np.array([z]), eta)[0], high)
    assert family.log_cdf(np.array([-z]), eta)[0] == -np.inf
    assert family.log_sf(np.array([-z]), eta)[0] == 0
