"""Functions of the Stirling series: against mpmath, and the same for equal values as for one."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

from mlefit.families import stirling

FUNCTIONS = {
    stirling.log_gamma_excess: lambda a: mpmath.loggamma(a) - a * mpmath.log(a) + a,
    stirling.digamma_excess: lambda a: mpmath.digamma(a) - mpmath.log(a),
    stirling.trigamma_excess: lambda a: mpmath.polygamma(1, a) - 1 / a,
}


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("a", [1e-6, 0.3, 1.0, 7.5, 15.99, 16.0, 1e3, 1e10])
def test_values_and_equal_values(function, a):
    with mpmath.workdps(50):
        expected = float(FUNCTIONS[function](mpmath.mpf(a)))
    assert float(function(np.array(a))) == pytest.approx(expected, rel=1e-13)
    equal = function(np.full((2, 3), a))
    mixed = function(np.array([[a, 2.0, a], [a, a, 9.0]]))
    assert equal.shape == (2, 3)
    assert equal.flags.writeable
    np.testing.assert_allclose(equal, mixed[0, 0], rtol=1e-14)  # sums are taken in another order


def test_a_value_that_is_none_stays_none():
    assert np.isnan(stirling.log_gamma_excess(np.array([np.nan, np.nan]))).all()
