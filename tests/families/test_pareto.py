"""The Pareto's scale is the smallest value, whatever a logarithm there and back makes of it."""

from __future__ import annotations

import numpy as np

from mlefit.families.pareto import Pareto
from mlefit.inference.fit import fit_sample
from mlefit.sample import Sample


def test_minimum_stays_in_the_support():
    generator = np.random.default_rng(0)
    for scale in 10 ** generator.uniform(-12, 12, 200):
        y = scale * (1 + generator.random(4))
        fit = fit_sample(Pareto(), Sample(y))[0]
        np.testing.assert_allclose(fit.theta, [y.min(), 4 / np.log(y / y.min()).sum()], rtol=1e-12)
        assert np.isfinite(fit.log_likelihood)


def test_below_the_scale_is_impossible():
    eta = Pareto().forward(np.array([2.0, 3.0]))[:, None]
    assert Pareto().nll(np.array([1.999999999]), eta)[0] == np.inf
    assert Pareto().log_sf(np.array([1.0, 2.0]), eta).tolist() == [0.0, 0.0]
