"""Vertices of linear programmes, against all of them, against scipy's primal form, and by their optimality."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from mlefit.solvers.linear_programme import WHOLE, least, narrowest

KINDS = ("absolute", "quantile", "weighted", "frontier", "ceiling")


def slopes(kind, n, generator):
    """Costs below and above the knots."""
    one, end = np.ones(n), np.full(n, np.inf)
    if kind == "quantile":
        return 0.8 * one, 0.2 * one
    if kind == "weighted":
        weight = np.exp(3 * generator.normal(size=n))
        return weight, weight
    return {"absolute": (one, one), "frontier": (one, end), "ceiling": (end, one)}[kind]


def cost(residual, below, above):
    slope = np.where(residual > 0, below, np.where(residual < 0, -above, 0.0))
    return float((slope * residual).sum())


def primal(x, y, below, above):
    """The least cost by HiGHS' interior point method on positive and negative parts; None where none is possible."""
    n, p = x.shape
    ends = [(0, None if np.isfinite(c) else 0) for c in (*below, *above)]
    price = np.concatenate([np.zeros(p), *(np.where(np.isfinite(c), c, 0.0) for c in (below, above))])
    eye = np.eye(n)
    found = linprog(price, A_eq=np.hstack([x, eye, -eye]), b_eq=y, bounds=[(None, None)] * p + ends, method="highs-ipm")
    return found.fun if found.status == 0 else None


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(KINDS), st.integers(1, 4), st.booleans(), st.sampled_from([0.0, 1e7]))
def test_the_sum_is_the_least_also_with_ties(seed, kind, p, ties, offset):
    generator = np.random.default_rng(seed)
    n = 12
    x = np.column_stack([np.ones(n), generator.normal(size=(n, p - 1))])
    y = generator.laplace(size=n)
    if ties:  # many optimal vertices, each with many rows on it
        x[:, 1:], y = np.round(x[:, 1:]), np.round(y)
        if np.linalg.matrix_rank(x) < p:
            return
    below, above = slopes(kind, n, generator)
    found = least(x, offset + y, below, above)
    assert found.feasible
    assert found.excess <= 1e-8
    residual = offset + y - x @ found.beta
    residual[np.abs(residual) < 1e-7] = 0.0  # what the offset's rounding leaves
    wanted = primal(x, y, below, above)
    assert cost(residual, below, above) == pytest.approx(wanted, rel=1e-7, abs=1e-5)
    assert found.value == pytest.approx(wanted, rel=1e-7, abs=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_rows_far_from_the_fit_change_nothing_but_the_time(kind):
    """With many rows HiGHS sees few of them; the multipliers of all show that it saw enough."""
    generator = np.random.default_rng(3)
    n = 3 * WHOLE
    x = np.column_stack([np.ones(n), generator.normal(size=(n, 3))])
    y = x.sum(axis=1) + generator.standard_t(2, size=n)
    below, above = slopes(kind, n, generator)
    found = least(x, y, below, above)
    assert (found.feasible, found.unique) == (True, True)
    assert found.excess <= 1e-9
    residual = y - x @ found.beta
    on = np.abs(residual) < 1e-9
    assert on.sum() == 4
    # Koenker (2005, theorem 2.1): the rows that are not fitted are balanced by multipliers of those that are.
    side = np.where(residual > 0, np.where(np.isfinite(below), below, 0.0), -np.where(np.isfinite(above), above, 0.0))
    multiplier = np.linalg.solve(x[on].T, -x[~on].T @ side[~on])
    assert (multiplier <= below[on] * (1 + 1e-9)).all()
    assert (multiplier >= -above[on] * (1 + 1e-9)).all()
    assert not np.isinf(above).all() or residual.min() > -1e-9
    assert not np.isinf(below).all() or residual.max() < 1e-9


def test_no_coefficients_may_be_possible():
    x = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]])
    assert not least(x, np.array([-1.0, -1.0, 0.0]), np.ones(3), np.full(3, np.inf)).feasible
    assert not least(x[:2, :1], np.array([-1.0, -1.0]), np.ones(2), np.full(2, np.inf)).feasible


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 3), st.booleans())
def test_the_band_is_as_wide_as_some_rows_need(seed, p, ties):
    """De la Vallee Poussin: the half-width is the largest that any p + 1 rows need."""
    generator = np.random.default_rng(seed)
    n = 9
    x = np.column_stack([np.ones(n), generator.normal(size=(n, p - 1))])
    y = generator.normal(size=n)
    if ties:
        x[:, 1:], y = np.round(x[:, 1:]), np.round(2 * y)
        if np.linalg.matrix_rank(x) < p:
            return
    wanted = 0.0
    for rows in combinations(range(n), p + 1):
        for null in np.linalg.svd(x[list(rows)].T)[2][np.linalg.matrix_rank(x[list(rows)]) :]:
            wanted = max(wanted, abs(null @ y[list(rows)]) / np.abs(null).sum())
    found = narrowest(x, y)
    assert found.value == pytest.approx(np.abs(y - x @ found.beta).max(), rel=1e-12)
    assert found.value >= wanted * (1 - 1e-12)
    assert found.excess <= 1e-9  # that no narrower one exists
    if not ties:
        assert found.value == pytest.approx(wanted, rel=1e-9)


def test_a_band_of_many_rows():
    generator = np.random.default_rng(4)
    x = np.column_stack([np.ones(50_000), generator.normal(size=(50_000, 4))])
    found = narrowest(x, x.sum(axis=1) + generator.uniform(-1, 1, 50_000))
    assert 0.99 < found.value < 1
    assert found.excess <= 1e-9
    assert found.unique


@pytest.mark.parametrize("sizes", [(4, 4, 4), (4, 5, 6), (3, 5, 7)])
def test_of_several_optima_the_middle(sizes):
    """The medians of groups of even size, and the middle of all groups but the widest, are free within an interval."""
    generator = np.random.default_rng(sum(sizes))
    group = np.repeat(np.arange(3), sizes)
    x = np.column_stack([np.ones(group.size), group == 1, group == 2]).astype(float)
    y = generator.normal(size=group.size)
    turn = np.array([[1.0, 0, 0], [1, 1, 0], [1, 0, 1]])
    found = least(x, y, np.ones(y.size), np.ones(y.size))
    assert found.unique == all(n % 2 for n in sizes)
    np.testing.assert_allclose(turn @ found.beta, [np.median(y[group == g]) for g in range(3)], atol=1e-12)
    found = narrowest(x, y)
    assert not found.unique
    middles = [(y[group == g].min() + y[group == g].max()) / 2 for g in range(3)]
    np.testing.assert_allclose(turn @ found.beta, middles, atol=1e-12)


def test_a_face_that_no_single_row_moves_along():
    """Four points of a square: all lines that part them two and two have the same sum, and the middle one is shown."""
    x, y = np.array([[1.0, -1], [1, -1], [1, 1], [1, 1]]), np.array([-1.0, 1, -1, 1])
    found = least(x, y, np.ones(4), np.ones(4))
    assert not found.unique
    np.testing.assert_allclose(found.beta, 0, atol=1e-12)
