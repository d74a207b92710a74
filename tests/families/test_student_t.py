"""Student's t close to the normal, far out in its tails, and with several modes."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

from mlefit.families.normal import Normal
from mlefit.families.student_t import NORMAL_DF, StudentT
from mlefit.objective import objective
from mlefit.predictors.constant import Constant
from mlefit.sample import Sample
from mlefit.solvers.newton import newton

FAMILY = StudentT()
Y = np.array([-2.0, -0.3, 0.1, 0.9, 1.4, 6.0])


def nll(y, df):
    """By definition, loc 0 and scale 1."""
    half = df / 2
    constant = mpmath.loggamma(half + 0.5) - mpmath.loggamma(half) - mpmath.log(df * mpmath.pi) / 2
    return -constant + (half + 0.5) * mpmath.log1p(mpmath.mpf(y) ** 2 / df)


@pytest.mark.parametrize("log_df", [-2.0, 0.5, 3.0, 3.5, 4.5, 10.0, 20.0, 40.0, 80.0])
def test_score_of_df_keeps_its_digits(log_df):
    """Where both parts of it go to zero with 1/df, and the plain formula has nothing left."""
    eta = np.array([[log_df], [0.0], [0.0]])
    value, gradient, hessian = FAMILY.derivatives(Y, eta)
    with mpmath.workdps(120):
        for i, y in enumerate(Y):
            expected = [
                mpmath.diff(lambda e, y=y: nll(y, mpmath.exp(e)), mpmath.mpf(log_df), order) for order in range(3)
            ]
            assert value[i] == pytest.approx(float(expected[0]), rel=1e-13)
            assert gradient[0, i] == pytest.approx(float(expected[1]), rel=1e-10)
            assert hessian[0, 0, i] == pytest.approx(float(expected[2]), rel=1e-9)


def test_many_degrees_of_freedom_are_the_normal():
    eta = np.array([[200.0], [0.3], [0.2]])
    for method in ("nll", "log_cdf", "log_sf"):
        got, expected = getattr(FAMILY, method)(Y, eta), getattr(Normal(), method)(Y, eta[1:])
        np.testing.assert_allclose(got, expected, rtol=1e-13)
    np.testing.assert_allclose(FAMILY.gradient(Y, eta)[1:], Normal().gradient(Y, eta[1:]), rtol=1e-13)


def solve(y):
    sample = Sample.of(y)
    target = objective(FAMILY, Constant(), sample)
    starts = np.concatenate([start.T for start in FAMILY.starts(sample)])
    which = np.zeros(len(starts), dtype=np.intp)
    return newton(target, starts, which=which, step=FAMILY.step)


def test_light_tails_lead_to_the_normal_limit():
    y = np.random.default_rng(1).uniform(-1, 1, 400)
    solution = solve(y)
    sample = Sample.of(y)
    normal = objective(Normal(), Constant(), sample)
    best = normal.value(np.ascontiguousarray(Normal().start(sample).T), np.array([0]))[0]
    np.testing.assert_allclose(solution.sums.value, best, rtol=1e-9)
    assert solution.theta[0, 0] >= np.log(NORMAL_DF)
    assert solution.iterations[0] <= 3
    assert solution.iterations.max() < 60


@pytest.mark.parametrize("seed", range(5))
def test_normal_data_find_their_maximum_from_every_start(seed):
    """The maximum lies at some large df or at infinity; all starts agree on its height."""
    solution = solve(np.random.default_rng(seed).normal(1e3, 0.1, 500))
    np.testing.assert_allclose(solution.sums.value, solution.sums.value.min(), atol=1e-6)


def test_a_second_mode_is_found():
    """Two clusters: the likelihood of loc has a mode at each, and the start at the median is drawn to the larger."""
    y = np.concatenate([np.linspace(-0.01, 0.01, 12), 100 + np.linspace(-0.01, 0.01, 9)])
    solution = solve(y)
    locs = np.round(solution.theta[:, 1])
    assert {0.0, 100.0} <= set(locs.tolist())
    assert abs(solution.theta[solution.sums.value.argmin(), 1]) < 1


@pytest.mark.parametrize("y", [1e160, 4e216, -1e300])
def test_values_whose_square_overflows(y):
    """For the Cauchy distribution nll = log(pi) + 2 log|y| there, and the tail probability is 1/(pi |y|)."""
    eta = np.zeros((3, 1))
    with np.errstate(over="ignore"):
        value, gradient, hessian = FAMILY.derivatives(np.array([y]), eta)
    assert value[0] == pytest.approx(np.log(np.pi) + 2 * np.log(abs(y)), rel=1e-14)
    assert gradient[2, 0] == pytest.approx(-1.0)
    assert np.isfinite(gradient).all()
    assert np.isfinite(hessian).all()
    tail = (FAMILY.log_sf if y > 0 else FAMILY.log_cdf)(np.array([y]), eta)
    assert tail[0] == pytest.approx(-np.log(np.pi) - np.log(abs(y)), rel=1e-13)
