"""Rows in groups: reductions against plain loops, chunks that lose nothing, counts of equal rows that keep sums."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mlefit.sample as rows_in
from mlefit.sample import Sample


@st.composite
def samples(draw):
    """(y, weight or None, codes) with every group present, in any order."""
    groups = draw(st.integers(1, 4))
    extra = draw(st.lists(st.integers(0, groups - 1), max_size=12))
    codes = np.array(draw(st.permutations([*range(groups), *extra])))
    numbers = st.floats(-1e3, 1e3).map(lambda v: round(v, 2))
    y = np.array(draw(st.lists(numbers, min_size=codes.size, max_size=codes.size)))
    weights = st.lists(st.floats(0.1, 5), min_size=codes.size, max_size=codes.size)
    weight = draw(st.none() | weights.map(np.array))
    return y, weight, codes


def by_group(function, y, weight, codes):
    weight = np.ones(y.size) if weight is None else weight
    return np.array([function(y[codes == g], weight[codes == g]) for g in range(codes.max() + 1)])


def weighted_quantile(y, w, q):
    """The midpoint of the values v with P(Y < v) <= q <= P(Y <= v)."""
    total, slack = w.sum(), 1e-9
    fit = [v for v in y if w[y < v].sum() <= (q + slack) * total and w[y <= v].sum() >= (q - slack) * total]
    return (min(fit) + max(fit)) / 2


@settings(deadline=None)
@given(samples())
def test_reductions_equal_loops_over_groups(case):
    y, weight, codes = case
    sample = Sample.of(y, weight, codes)
    expected = {
        "total": (sample.total_weight, lambda v, w: w.sum()),
        "sum": (sample.sum(sample.y), lambda v, w: (w * v).sum()),
        "mean": (sample.mean(sample.y), lambda v, w: np.average(v, weights=w)),
        "variance": (sample.variance(sample.y), lambda v, w: np.cov(v, ddof=0, aweights=w)),
        "minimum": (sample.minimum(sample.y), lambda v, w: v.min()),
        "maximum": (sample.maximum(sample.y), lambda v, w: v.max()),
        "median": (sample.quantile(sample.y, 0.5), lambda v, w: weighted_quantile(v, w, 0.5)),
        "quartile": (sample.quantile(sample.y, 0.25), lambda v, w: weighted_quantile(v, w, 0.25)),
    }
    for name, (got, function) in expected.items():
        np.testing.assert_allclose(got, by_group(function, y, weight, codes), rtol=1e-9, atol=1e-7, err_msg=name)


@settings(deadline=None)
@given(samples(), st.integers(1, 6))
def test_chunks_cover_every_row_once(case, size):
    sample = Sample.of(*case)
    parts = list(sample.chunks(size))
    np.testing.assert_array_equal(np.concatenate([part.y for _, part in parts]), sample.y)
    totals = np.zeros(sample.groups)
    for groups, part in parts:
        totals[groups] += part.sum(part.y)
    np.testing.assert_allclose(totals, sample.sum(sample.y), rtol=1e-9, atol=1e-7)


@settings(deadline=None)
@given(samples())
def test_distinct_rows_keep_weighted_sums(case):
    y, weight, codes = case
    sample = Sample.of(np.round(y) % 7, weight, codes)
    small = sample.distinct
    for power in (0, 1, 2):
        np.testing.assert_allclose(small.sum(small.y**power), sample.sum(sample.y**power), rtol=1e-9, atol=1e-9)
    assert all(np.unique(small.y[a:b]).size == b - a for a, b in pairwise(small.offsets))


def test_distinct_rows_of_several_columns():
    sample = Sample.of(np.array([[1.0, 2, 1, 1], [5.0, 5, 5, 6]])).distinct
    rows = {(float(a), float(b)): float(w) for (a, b), w in zip(sample.y.T, sample.weight, strict=True)}
    assert rows == {(1, 5): 2, (2, 5): 1, (1, 6): 1}


def test_distinct_rows_of_numbers_far_apart():
    sample = Sample.of(np.array([0.0, 1e300, 1e300, -5.5])).distinct
    np.testing.assert_array_equal(sample.y, [-5.5, 0, 1e300])
    np.testing.assert_array_equal(sample.weight, [1, 1, 2])


@given(samples(), st.integers(1, 5))
def test_distinct_rows_are_the_same_when_counted_in_pieces(case, size):
    y, weight, codes = case
    sample = Sample.of(np.round(y) % 7 / 10, weight, codes)
    whole, before = sample.distinct, rows_in.PIECE
    try:
        rows_in.PIECE = size
        pieces = Sample(sample.y, sample.weight, sample.offsets).distinct
    finally:
        rows_in.PIECE = before
    np.testing.assert_array_equal(pieces.y, whole.y)
    np.testing.assert_array_equal(pieces.offsets, whole.offsets)
    np.testing.assert_allclose(pieces.weight, whole.weight)


@pytest.mark.parametrize(
    ("y", "often"),
    [
        (np.arange(1000.0), False),
        (np.arange(1000.0) % 50, True),
        (np.arange(1000.0) % 200, False),
        (np.arange(200_000.0) % 20_000 / 10, True),
        (np.sort(np.arange(200_000.0) % 20_000), True),
        (np.arange(200_000.0), False),
        (np.where(np.arange(200_000) % 2, 0.0, np.arange(200_000.0)), False),  # half are of one kind
        (np.stack([np.full(1000, -np.inf), np.arange(1000.0) % 50]), True),
        (np.stack([np.arange(1000.0), np.arange(1000.0) % 50]), False),
    ],
)
def test_rows_that_repeat_themselves_are_seen(y, often):
    assert Sample(y).repetitive is often


@pytest.mark.parametrize(("kinds", "often"), [(20, True), (100, False)])
def test_rows_repeat_themselves_within_their_groups(kinds, often):
    y = np.arange(1000.0) % kinds
    assert Sample.of(y, None, np.arange(1000) // 250).repetitive is often


@settings(deadline=None)
@given(samples(), st.data())
def test_take_selects_groups_in_order(case, data):
    sample = Sample.of(*case)
    chosen = np.array(data.draw(st.lists(st.integers(0, sample.groups - 1), min_size=1, max_size=5)))
    taken = sample.take(chosen)
    np.testing.assert_allclose(taken.sum(taken.y), sample.sum(sample.y)[chosen])


def test_mean_and_variance_survive_an_offset():
    """NIST's NumAcc4: mean 1e7 + 0.2, standard deviation 0.1."""
    y = np.concatenate([[10000000.2], np.tile([10000000.1, 10000000.3], 500)])
    sample = Sample.of(y)
    assert sample.mean(y)[0] == 10000000.2
    np.testing.assert_allclose(np.sqrt(sample.variance(y) * 1001 / 1000), 0.1, rtol=1e-8)


@pytest.mark.parametrize("size", [10, 333, 5000])
def test_thin_keeps_the_spread_of_the_rows(size):
    thin = Sample.of(np.arange(1000.0), np.full(1000, 2.0)).thin(size)
    assert size <= thin.n <= 2 * size or thin.n == 1000
    assert thin.y[0] == 0
    assert thin.y[-1] >= 1000 - 1000 / thin.n - 1
    assert thin.weight is not None
    assert thin.weight.size == thin.n
