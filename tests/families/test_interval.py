"""log P(left < Y <= right) with its derivatives, against 60-digit values: narrow, wide and far intervals."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest

from mlefit.families import registry
from mlefit.families.censored import Censored
from mlefit.families.interval import by_rows, log_probability, log_probability_derivatives

ETA = (0.3, 0.4)
REAL = [(-1, 1), (-5, -4.9), (0.2, 0.2001), (6, 7), (12, 12.5), (-3, 30), (28, 29), (-40, -39), (60, 61)]
POSITIVE = [(1, 2), (0.01, 0.02), (1, 1.0001), (10, 20), (1e-6, 2e-6), (1e-3, 1e3), (100, 101)]
STEP = mp.mpf(10) ** -12


def normal(low, high):
    return mp.ncdf(high) - mp.ncdf(low) if high < 0 else mp.ncdf(-low) - mp.ncdf(-high)


def logistic(low, high):
    return (mp.e**high - mp.e**low) / ((1 + mp.e**low) * (1 + mp.e**high))


def weibull(low, high):
    return mp.e ** -(mp.e**low) - mp.e ** -(mp.e**high)


def location_scale(y, a, b):
    return (y - a) / mp.e**b


def log_location_scale(y, a, b):
    return (mp.log(y) - a) / mp.e**b


def shape_scale(y, a, b):
    return mp.e**a * (mp.log(y) - b)


# Probability of an interval of z, how z comes of a value and two scores, intervals.
FAMILIES = {
    "normal": (normal, location_scale, REAL),
    "logistic": (logistic, location_scale, REAL),
    "lognormal": (normal, log_location_scale, POSITIVE),
    "loglogistic": (logistic, shape_scale, POSITIVE),
    "weibull": (weibull, shape_scale, POSITIVE[:-1]),
}


def reference(name, left, right):
    """Value, gradient (2) and the Hessian's lower triangle (3), by differences of 60 digits."""
    probability, standard, _ = FAMILIES[name]

    def value(i, j):
        scores = mp.mpf(ETA[0]) + i * STEP, mp.mpf(ETA[1]) + j * STEP
        return mp.log(probability(standard(mp.mpf(left), *scores), standard(mp.mpf(right), *scores)))

    with mp.workdps(60):
        here, ahead, behind = value(0, 0), (value(1, 0), value(0, 1)), (value(-1, 0), value(0, -1))
        cross = (value(1, 1) - value(1, -1) - value(-1, 1) + value(-1, -1)) / (4 * STEP**2)
        slopes = [(a - b) / (2 * STEP) for a, b in zip(ahead, behind, strict=True)]
        first, second = ((a - 2 * here + b) / STEP**2 for a, b in zip(ahead, behind, strict=True))
        return [float(v) for v in (here, *slopes, first, cross, second)]


@pytest.mark.parametrize("name", FAMILIES)
def test_keeps_its_digits(name):
    family, intervals = registry.get(name), np.array(FAMILIES[name][2], dtype=float)
    eta, others = np.array(ETA)[:, None], np.zeros((0, len(intervals)))
    value, gradient, hessian = log_probability_derivatives(family, *intervals.T, others, eta)
    alone = log_probability(family, *intervals.T, others, eta)
    found = np.stack([value, *gradient, hessian[0, 0], hessian[1, 0], hessian[1, 1]])
    np.testing.assert_array_equal(hessian[0, 1], hessian[1, 0])
    for i, (left, right) in enumerate(intervals):
        expected = np.array(reference(name, left, right))
        # A narrow interval is a difference of its ends: nothing written with their probabilities does better.
        np.testing.assert_allclose(found[:, i], expected, rtol=2e-10, atol=1e-14 * abs(expected).max())
        assert alone[i] == pytest.approx(expected[0], rel=1e-10, abs=1e-15)


@pytest.mark.parametrize("name", ["weibull", "exponential", "normal", "gamma"])
def test_is_the_same_alone_in_blocks_and_in_any_order(name):
    """Rows of four kinds, shuffled; more of them than a block holds."""
    family, generator = Censored(registry.get(name)), np.random.default_rng(1)
    lower = generator.uniform(0.1, 2.0, 40_000 if name != "gamma" else 600)
    upper = lower + generator.uniform(0.1, 1.0, lower.size)
    kind = generator.integers(0, 4, lower.size)
    upper = np.where(kind == 0, lower, np.where(kind == 1, np.inf, upper))
    y = np.stack([np.where(kind == 2, -np.inf, lower), upper])
    eta = np.full((family.size, 1), 0.2)
    whole = family.derivatives(y, eta)
    np.testing.assert_allclose(family.nll(y, eta), whole[0], rtol=1e-10)
    order = np.argsort(family.kinds(y), kind="stable")
    for part, sorted_part in zip(whole, family.derivatives(y[:, order], eta), strict=True):
        np.testing.assert_allclose(np.broadcast_to(part, (*part.shape[:-1], y.shape[1]))[..., order], sorted_part)
    for row in range(8):
        for part, one in zip(whole, family.derivatives(y[:, row : row + 1], eta), strict=True):
            np.testing.assert_allclose(part[..., row : row + 1], one, rtol=1e-9, atol=1e-12)


def test_arrays_that_share_memory_are_turned_once():
    def shared(rows, eta):
        value = np.ones(3)
        return value, value[None], value[None, None]

    found = by_rows((np.ones(3, dtype=bool),), np.zeros((1, 1)), (shared,), 3, (-1,))
    assert [part.tolist() for part in found] == [[-1.0] * 3, [[-1.0] * 3], [[[-1.0] * 3]]]


def test_a_row_beyond_either_end_of_the_support_is_outside():
    y = np.array([[1.5, 1.5, 0.5, 0.2, -0.5], [1.5, 2.0, 0.5, 1.5, -0.5]])
    assert Censored(registry.get("beta")).inside(y).tolist() == [False, False, True, True, False]
