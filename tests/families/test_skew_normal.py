"""The skew-normal's stationary point at shape 0, its maxima at infinity and its thin tail."""

from __future__ import annotations

import numpy as np
import pytest

from mlefit.families.half_normal import HalfNormal
from mlefit.families.skew_normal import SkewNormal
from mlefit.inference.fit import fit_sample
from mlefit.sample import Sample

FAMILY = SkewNormal()


@pytest.mark.parametrize("shape", [-4.0, -1.5, 1.5, 4.0])
def test_finds_the_side_of_the_lean(shape):
    y = FAMILY.sample(np.random.default_rng(1), np.array([[10.0], [0.0], [shape]]), 2000)
    fit = fit_sample(FAMILY, Sample(y))[0]
    assert fit.converged
    assert abs(fit.theta[2] - shape) < 4 * fit.std_errors["shape"]


def test_symmetric_data_are_not_left_at_the_saddle():
    """At shape 0 the gradient is that of the normal's own maximum, yet it need not be a maximum."""
    y = FAMILY.sample(np.random.default_rng(2), np.array([[0.0], [0.0], [2.0]]), 500)
    eta = np.array([y.mean(), np.log(y.std()), 0.0])[:, None]
    assert fit_sample(FAMILY, Sample(y))[0].nll < FAMILY.nll(y, eta).sum() - 1


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_maximum_at_infinity_is_the_half_normal_and_no_success(sign):
    size = np.abs(np.random.default_rng(3).standard_normal(25))
    fit = fit_sample(FAMILY, Sample(3.0 + sign * size))[0]
    assert not fit.converged
    y = size - size.min()
    scale = np.sqrt((y**2).mean())
    limit = HalfNormal().nll(y, np.array([[np.log(scale)]])).sum()
    assert FAMILY.nll(3.0 + sign * size, fit.eta[:, None]).sum() == pytest.approx(limit, abs=1e-5)


@pytest.mark.parametrize(
    ("seed", "n", "shape"), [(6, 5, 3.0), (9, 20, 0.0), (14, 10, 0.0), (18, 5, 0.0), (31, 20, 8.0)]
)
@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_a_local_maximum_below_the_half_normal_is_no_success(seed, n, shape, offset):
    y = FAMILY.sample(np.random.default_rng(seed), np.array([[offset], [0.0], [shape]]), n)
    limits = []
    for distance in (y - y.min(), y.max() - y):
        scores = np.array([[np.log(np.sqrt((distance**2).mean()))]])
        limits.append(HalfNormal().nll(distance, scores).sum())
    fit = fit_sample(FAMILY, Sample(y))[0]
    assert fit.nll < min(limits) + 1e-5
    assert not fit.converged or fit.nll < min(limits) - 1e-5


@pytest.mark.parametrize("shape", [0.0, 0.5, 3.0, 1e4, 1e12])
def test_thin_and_thick_tails_make_the_normal(shape):
    """F(z; shape) + F(z; -shape) = 2 Phi(z)."""
    from scipy.special import log_ndtr

    z = np.array([-30.0, -8.0, -1.0, -1e-3, 0.0, 0.4, 5.0])
    parts = [FAMILY.log_cdf(z, np.array([[0.0], [0.0], [s]])) for s in (shape, -shape)]
    np.testing.assert_allclose(np.logaddexp(*parts), np.log(2) + log_ndtr(z), rtol=1e-12, atol=1e-13)
