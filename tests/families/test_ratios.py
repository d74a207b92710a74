"""log(1 + w)/w, (exp(x) - 1)/x, Mills' ratio and the quadratures against mpmath."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from mpmath import mp, mpf

from mlefit.families.mills import deficit, log_normal_cdf_derivatives, ratio
from mlefit.families.quadrature import exponential_mean, integral
from mlefit.families.ratios import exp_quotient, exp_ratio, log_quotient, log_ratio

NEAR_ZERO = [0.0, 1e-300, -1e-12, 3e-6, -0.049, 0.09999, 0.10001, -0.0999, -0.1001, 0.4999, 0.5001, -0.49, -0.51]


@pytest.mark.parametrize("w", [*NEAR_ZERO, 3.0, 1e6, -0.9, -1 + 1e-9])
def test_log_ratio_and_its_derivatives(w):
    with mp.workdps(60):
        expected = [
            mpmath.diff(lambda x: mp.log1p(x) / x if x else mpf(1), mpf(w) or mpf("1e-25"), k) for k in range(3)
        ]
    got = [float(v[0]) for v in log_ratio(np.array([w]))]
    np.testing.assert_allclose(got, [float(e) for e in expected], rtol=3e-13)
    np.testing.assert_allclose(log_quotient(np.array([w])), float(expected[0]), rtol=1e-15)


@pytest.mark.parametrize("x", [*NEAR_ZERO, 3.0, 200.0, -4.0, -500.0])
def test_exp_ratio_and_its_derivatives(x):
    with mp.workdps(60):
        expected = [
            mpmath.diff(lambda u: mp.expm1(u) / u if u else mpf(1), mpf(x) or mpf("1e-25"), k) for k in range(3)
        ]
    got = [float(v[0]) for v in exp_ratio(np.array([x]))]
    np.testing.assert_allclose(got, [float(e) for e in expected], rtol=3e-14)
    np.testing.assert_allclose(exp_quotient(np.array([x])), float(expected[0]), rtol=1e-15)


@pytest.mark.parametrize("x", [-30.0, -1.0, 0.0, 0.5, 3.9, 4.1, 11.9, 12.1, 100.0, 1e6])
def test_mills_ratio_and_its_deficit(x):
    with mp.workdps(60):
        exact = mp.sqrt(mp.pi / 2) * mp.exp(mpf(x) ** 2 / 2) * mp.erfc(mpf(x) / mp.sqrt(2))
        short = 1 - mpf(x) * exact
    r = ratio(np.array([x]))
    np.testing.assert_allclose(r, float(exact), rtol=1e-12)
    np.testing.assert_allclose(deficit(np.array([x]), r), float(short), rtol=1e-12)


@pytest.mark.parametrize("x", [-1e6, -30.0, -4.1, -3.9, -0.5, 0.0, 1.0, 5.0, 12.0, 30.0, 1e6])
def test_log_normal_cdf_and_its_derivatives(x):
    with mp.workdps(60):
        u = mpf(x)
        below = mp.erfc(-u / mp.sqrt(2)) / 2
        pull = mp.exp(-u * u / 2) / mp.sqrt(2 * mp.pi) / below
        expected = [float(v) for v in (mp.log(below), pull, pull * (u + pull))]
    value, *slopes = (float(v[0]) for v in log_normal_cdf_derivatives(np.array([x])))
    assert value == pytest.approx(expected[0], rel=1e-13, abs=1e-15)
    np.testing.assert_allclose(slopes, expected[1:], rtol=1e-12)


def test_integral_of_a_panel():
    width = np.array([1e-8, 1.0, 40.0])
    np.testing.assert_allclose(integral(lambda x: np.exp(-x), width), -np.expm1(-width), rtol=1e-13)


@pytest.mark.parametrize("power", [0, 1, 2, 5])
def test_mean_of_a_power_of_an_exponential(power):
    np.testing.assert_allclose(exponential_mean(lambda x: np.asarray(x**power)), float(mp.factorial(power)), rtol=1e-12)
