"""Optimisers against their published update rules, written out plainly."""

from __future__ import annotations

import numpy as np
import pytest

from mlefit.solvers.adam import Adam
from mlefit.solvers.lbfgs import lbfgs, minimize
from mlefit.solvers.optimizer import BLOCK
from mlefit.solvers.rmsprop import RMSprop
from mlefit.solvers.schedules import constant, cosine
from mlefit.solvers.sgd import SGD
from mlefit.solvers.solution import Sums

STEPS, RATE = 25, 0.05


def adam(gradients, theta):
    m = v = np.zeros_like(theta)
    for t, g in enumerate(gradients, 1):
        m = 0.9 * m + 0.1 * g
        v = 0.999 * v + 0.001 * g**2
        theta = theta - RATE * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
    return theta


def rmsprop(gradients, theta):
    s = np.zeros_like(theta)
    for t, g in enumerate(gradients, 1):
        s = 0.9 * s + 0.1 * g**2
        theta = theta - RATE * g / (np.sqrt(s / (1 - 0.9**t)) + 1e-8)
    return theta


def nesterov(gradients, theta):
    v = np.zeros_like(theta)
    for g in gradients:
        v = 0.9 * v + g
        theta = theta - RATE * (g + 0.9 * v)
    return theta


def momentum(gradients, theta):
    v = np.zeros_like(theta)
    for g in gradients:
        v = 0.9 * v + g
        theta = theta - RATE * v
    return theta


def run(cls, gradients, theta, nesterov=True, **options):
    theta = theta.copy()
    buffer = np.empty_like(theta)
    optimizer = cls(theta, buffer, **options)
    if cls is SGD:
        optimizer.nesterov = nesterov
    for g in gradients:
        buffer[:] = g
        optimizer.step(RATE)
    return theta


@pytest.mark.parametrize("size", [3, BLOCK + 17])
@pytest.mark.parametrize(
    ("cls", "rule", "is_nesterov"),
    [(Adam, adam, True), (RMSprop, rmsprop, True), (SGD, nesterov, True), (SGD, momentum, False)],
)
def test_update_rule(cls, rule, is_nesterov, size):
    generator = np.random.default_rng(0)
    theta, gradients = generator.standard_normal(size), generator.standard_normal((STEPS, size))
    found = run(cls, gradients, theta, is_nesterov)
    np.testing.assert_allclose(found, rule(gradients, theta), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("cls", [Adam, RMSprop, SGD])
def test_decay_is_decoupled_and_spares_the_biases(cls):
    theta = np.array([2.0, 2.0])
    found = run(cls, np.zeros((1, 2)), theta, decay=0.1, decayed=np.array([1.0, 0.0]))
    np.testing.assert_allclose(found, [2 * (1 - RATE * 0.1), 2.0])


@pytest.mark.parametrize("cls", [Adam, RMSprop, SGD])
def test_taken_up_again_it_makes_the_same_steps(cls):
    generator = np.random.default_rng(1)
    gradients, theta = generator.standard_normal((20, 5)), generator.standard_normal(5)
    whole = run(cls, gradients, theta)
    part, buffer = theta.copy(), np.empty(5)
    first = cls(part, buffer)
    for g in gradients[:8]:
        buffer[:] = g
        first.step(RATE)
    second = cls(part, buffer)
    second.restore(first.count, first.state())
    for g in gradients[8:]:
        buffer[:] = g
        second.step(RATE)
    np.testing.assert_array_equal(part, whole)


def test_schedules():
    assert constant(7, 10) == 1
    assert [round(cosine(step, 10), 12) for step in (0, 5, 10, 20)] == [1, 0.5, 0, 0]


def test_lbfgs_on_rosenbrock():
    def rosenbrock(p):
        x, y = p
        value = (1 - x) ** 2 + 100 * (y - x * x) ** 2
        return value, np.array([-2 * (1 - x) - 400 * x * (y - x * x), 200 * (y - x * x)])

    found = minimize(rosenbrock, np.array([-1.2, 1.0]))
    assert found.converged
    np.testing.assert_allclose(found.theta, [1, 1], atol=1e-7)
    stopped = minimize(rosenbrock, np.array([-1.2, 1.0]), watch=lambda theta: True)
    assert (stopped.iterations, stopped.converged) == (1, False)


def test_lbfgs_solves_a_batch():
    class Bowls:
        def sums(self, theta, which):
            gap = theta - which[:, None]
            curve = np.broadcast_to(np.diag([1.0, 4.0]), (len(which), 2, 2))
            return Sums(0.5 * np.einsum("pi,pij,pj->p", gap, curve, gap), np.einsum("pij,pj->pi", curve, gap), curve)

    found = lbfgs(Bowls(), np.zeros((3, 2)))
    np.testing.assert_allclose(found.theta, [[0, 0], [1, 1], [2, 2]], atol=1e-8)
    assert (found.decrement < 1e-8).all()
