"""Minima of kinked functions whose answers are known: soft thresholds, walls, concave kinks, ends not reached."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlefit.solvers.active_set import Local, minimised


class Shrunk:
    """Half the squared distance from `centre` plus `slope` |x_j| by coordinate; infinite slopes are walls at 0."""

    def __init__(self, centre, slope):
        self.centre, self.slope = np.asarray(centre, dtype=float), np.asarray(slope, dtype=float)

    def value(self, x):
        wall = np.isinf(self.slope)
        if (x[wall] < 0).any():
            return np.inf
        return float(0.5 * ((x - self.centre) ** 2).sum() + (self.slope[~wall] * np.abs(x)[~wall]).sum())

    def local(self, x, box, other=False):
        wall = np.isinf(self.slope)
        near = np.abs(x) <= box
        finite = np.where(wall, 0.0, self.slope)
        up = np.where(wall, False, (x < 0) | ((x == 0) & ~(other & (self.slope < 0))))
        gradient = x - self.centre + np.where(up, -finite, finite)
        return Local(
            self.value(x), gradient, np.eye(x.size), np.eye(x.size)[near], -x[near], up[near], 2 * self.slope[near]
        )


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(-3, 3), st.floats(0.01, 2)), min_size=1, max_size=5))
def test_soft_thresholds(pairs):
    centre, slope = np.array(pairs).T
    found = minimised(Shrunk(centre, slope), np.full(centre.size, 2.5), np.ones(centre.size))
    wanted = np.sign(centre) * np.maximum(np.abs(centre) - slope, 0)
    np.testing.assert_allclose(found.x, wanted, atol=1e-9)
    assert found.excess <= 1e-9
    assert (found.bent, found.open) == (True, False)


def test_a_wall_is_touched_and_not_crossed():
    found = minimised(Shrunk([-1.0, 2.0], [np.inf, np.inf]), np.array([3.0, 3.0]), np.ones(2))
    assert found.x.tolist() == [0.0, 2.0]
    assert found.excess == 0


@pytest.mark.parametrize("start", [-2.0, -0.1, 0.3, 1.0])
def test_a_concave_kink_is_left(start):
    found = minimised(Shrunk([0.5], [-1.0]), np.array([start]), np.ones(1))
    assert abs(found.x[0]) == pytest.approx(1.5 if found.x[0] > 0 else 0.5, abs=1e-9)
    assert found.excess <= 1e-9
    stays = minimised(Shrunk([0.0], [-1.0]), np.array([0.0]), np.ones(1))
    assert abs(stays.x[0]) == pytest.approx(1.0)


class Falling:
    """x^2 + x for x > 0 and infinite from 0 down: its least value is not reached."""

    def value(self, x):
        return float(x[0] ** 2 + x[0]) if x[0] > 0 else np.inf

    def local(self, x, box, other=False):
        none = np.zeros(0)
        return Local(self.value(x), 2 * x + 1, 2 * np.eye(1), np.zeros((0, 1)), none, none.astype(bool), none)


def test_an_end_that_is_not_reached_is_told():
    found = minimised(Falling(), np.array([3.0]), np.ones(1))
    assert found.open
    assert found.excess == pytest.approx(1.0, rel=1e-3)
    assert 0 < found.x[0] < 1e-6
