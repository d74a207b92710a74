"""Minima over integers, beside all points of a box."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlefit.families.lattice import Lattice


def each(function):
    return lambda points: [function(point) for point in points]


COORDINATE = st.integers(-30, 60)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.tuples(COORDINATE, COORDINATE), st.floats(-0.8, 0.8), st.tuples(COORDINATE, COORDINATE))
def test_a_bowl_is_descended_to_where_no_neighbour_is_lower(centre, lean, begin):
    def bowl(point):
        a, b = (v - c for v, c in zip(point, centre, strict=True))
        return a * a + b * b + 2 * lean * a * b

    lattice = Lattice(each(bowl), (-np.inf, -np.inf), (1.0, 1.0))
    end = lattice.descend(begin, 1e9)
    assert all(bowl((end[0] + i, end[1] + j)) >= bowl(end) for i, j in product((-1, 0, 1), repeat=2))


def test_a_narrow_valley_aslant_is_followed():
    """Along n = 0.482 M, with its floor at M = 500."""

    def valley(point):
        m, n = point
        return 1e4 * (n / m - 0.482) ** 2 + 1e-3 * np.log(m / 500) ** 2 if m > 0 else np.inf

    best = min(product(range(1, 1200), range(1, 600)), key=valley)
    lattice = Lattice(each(valley), (1, 1), (1.0, 1.0), steepest=True)
    assert valley(lattice.descend((20, 10), 1e6)) <= valley(best) + 1e-4


def test_what_falls_for_ever_is_left_beyond_the_limit():
    lattice = Lattice(each(lambda p: 1 / p[0]), (1,), (1.0,))
    assert lattice.descend((1,), 1e3)[0] > 1e3


@pytest.mark.parametrize(
    ("function", "level"), [(lambda p: (p[0] + p[1] - 5) ** 2, True), (lambda p: p[0] ** 2 + p[1] ** 2, False)]
)
def test_a_ridge_is_told_from_a_minimum(function, level):
    lattice = Lattice(each(function), (-np.inf, -np.inf), (1.0, 1.0))
    assert lattice.level(lattice.descend((9, 2), 1e6)) is level


def test_the_same_numbers_in_another_order_are_no_ridge():
    lattice = Lattice(each(lambda p: (p[0] + p[1] - 5) ** 2 + (p[0] * p[1] - 6) ** 2), (1, 1), (1.0, 1.0))
    end = lattice.descend((2, 2), 1e6)
    assert sorted(end) == [2, 3]
    assert not lattice.level(end)
