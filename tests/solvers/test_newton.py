"""Newton's method on batches: each problem ends where it would alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlefit.families import registry
from mlefit.objective import objective
from mlefit.predictors.constant import Constant
from mlefit.sample import Sample
from mlefit.solvers.newton import newton
from mlefit.solvers.solution import Sums


class Analytic:
    """A function of each row of theta with its derivatives; counts the problems it was asked about."""

    def __init__(self, function):
        self.function = function
        self.asked = 0

    def sums(self, theta, which):
        self.asked += len(which)
        parts = [self.function(row, number) for row, number in zip(theta, which, strict=True)]
        return Sums(*(np.array(part) for part in zip(*parts, strict=True)))

    def value(self, theta, which):
        return self.sums(theta, which).value


def quadratic(theta, number):
    matrix = np.array([[2.0 + number, 0.5], [0.5, 1.0]])
    centre = np.array([number, -1.0])
    return (theta - centre) @ matrix @ (theta - centre) / 2, matrix @ (theta - centre), matrix


def rosenbrock(theta, number):
    x, y = theta
    value = (1 - x) ** 2 + 100 * (y - x * x) ** 2
    gradient = [-2 * (1 - x) - 400 * x * (y - x * x), 200 * (y - x * x)]
    return value, gradient, [[2 - 400 * (y - 3 * x * x), -400 * x], [-400 * x, 200]]


def double_well(theta, number):
    (x,) = theta
    return x**4 / 4 - x * x / 2, [x**3 - x], [[3 * x * x - 1]]


def test_a_quadratic_takes_one_step():
    solution = newton(Analytic(quadratic), np.array([[5.0, 5.0], [-30.0, 2.0], [2.0, -1.0]]))
    np.testing.assert_allclose(solution.theta, [[0, -1], [1, -1], [2, -1]], atol=1e-12)
    np.testing.assert_array_equal(solution.iterations, [1, 1, 0])


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.floats(-3, 3), st.floats(-3, 3)), min_size=1, max_size=4))
def test_a_curved_valley_from_anywhere(starts):
    solution = newton(Analytic(rosenbrock), np.array(starts))
    np.testing.assert_allclose(solution.theta, 1.0, atol=1e-6)


@pytest.mark.parametrize("start", [0.1, -0.1, 0.5, -3.0])
def test_negative_curvature_still_descends(start):
    solution = newton(Analytic(double_well), np.array([[start]]))
    assert solution.theta[0, 0] == pytest.approx(np.sign(start), abs=1e-9)


def test_which_names_the_problem_of_each_row():
    solution = newton(Analytic(quadratic), np.zeros((3, 2)), which=np.array([4, 1, 4], dtype=np.intp))
    np.testing.assert_allclose(solution.theta[:, 0], [4, 1, 4], atol=1e-12)


def test_held_coordinates_stay():
    held = np.array([[True, False], [False, False]])
    solution = newton(Analytic(quadratic), np.full((2, 2), 3.0), held=held)
    assert solution.theta[0, 0] == 3.0
    np.testing.assert_allclose(solution.theta[0, 1], -1 - 0.5 * 3, atol=1e-12)  # the minimum along the free axis
    np.testing.assert_allclose(solution.theta[1], [1, -1], atol=1e-12)


def test_a_step_is_no_longer_than_allowed():
    solution = newton(Analytic(quadratic), np.array([[100.0, -1.0]]), step=np.array([10.0, np.inf]), max_iterations=3)
    assert solution.theta[0, 0] == pytest.approx(70.0)


def test_finished_problems_leave_the_batch():
    target = Analytic(rosenbrock)
    starts = np.concatenate([np.ones((50, 2)), [[-1.2, 1.0]]])
    alone = Analytic(rosenbrock)
    newton(alone, starts[-1:])
    newton(target, starts)
    assert target.asked == alone.asked + 50


def test_sums_known_at_the_start_are_not_asked_for():
    target, other = Analytic(rosenbrock), Analytic(rosenbrock)
    start = np.array([[-1.2, 1.0], [2.0, 2.0]])
    found = newton(target, start, sums=Analytic(rosenbrock).sums(start, np.arange(2)))
    np.testing.assert_array_equal(found.theta, newton(other, start).theta)
    assert target.asked == other.asked - 2


def test_an_infinite_start_is_given_up():
    def wall(theta, number):
        return np.inf, [np.nan], [[np.nan]]

    solution = newton(Analytic(wall), np.zeros((1, 1)))
    assert solution.theta[0, 0] == 0
    assert solution.iterations[0] == 0
    assert not solution.decrement[0] < 1


def test_no_free_coordinate():
    solution = newton(Analytic(lambda theta, number: (1.5, np.zeros(0), np.zeros((0, 0)))), np.zeros((2, 0)))
    np.testing.assert_array_equal(solution.sums.value, 1.5)
    np.testing.assert_array_equal(solution.iterations, 0)


@pytest.mark.parametrize("name", ["gamma", "weibull", "logistic", "student-t", "beta"])
@settings(deadline=None, max_examples=10, derandomize=True)
@given(seed=st.integers(0, 10_000), sizes=st.lists(st.integers(8, 40), min_size=2, max_size=6))
def test_groups_as_a_batch_equal_groups_one_by_one(name, seed, sizes):
    family = registry.get(name)
    generator = np.random.default_rng(seed)
    codes = np.repeat(np.arange(len(sizes)), sizes)
    y = generator.gamma(2.0, 1.0, codes.size) if family.support.upper > 1 else generator.beta(2, 3, codes.size)

    def solve(sample):
        start = np.ascontiguousarray(family.start(sample).T)
        return newton(objective(family, Constant(), sample), start, step=family.step)

    batch = solve(Sample.of(y, None, codes))
    for g in range(len(sizes)):
        alone = solve(Sample.of(y[codes == g]))
        np.testing.assert_allclose(batch.sums.value[g], alone.sums.value[0], rtol=1e-9)
        if abs(alone.theta[0]).max() < 10:  # else a score runs to its limit, and stops where steps no longer matter
            np.testing.assert_allclose(batch.theta[g], alone.theta[0], rtol=1e-6, atol=1e-6)


def test_rounding_of_the_value_does_not_stop_it_early():
    """Near this minimum the value's last digits are noise; the gradient still leads to the estimate."""

    def noisy(theta, number):
        (x,) = theta
        noise = 1e-12 * np.sin(1e9 * x)
        return 300 + (x - 1) ** 2 / 2 + noise, [x - 1], [[1.0 + (x - 1) ** 2]]

    solution = newton(Analytic(noisy), np.array([[1.05]]))
    assert abs(solution.theta[0, 0] - 1) < 1e-9
