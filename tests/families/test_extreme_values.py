"""GEV and generalized Pareto: smooth through xi = 0, and no maximum is claimed where the likelihood has none."""

from __future__ import annotations

import numpy as np
import pytest

from mlefit.families.generalized_pareto import GeneralizedPareto
from mlefit.families.gev import GEV
from mlefit.inference.fit import fit_sample
from mlefit.sample import Sample

FAMILIES = [GEV(), GeneralizedPareto()]
Y = np.array([0.05, 0.4, 1.1, 2.7, 6.0])


def scores(family, xi):
    return family.forward(np.array([*[0.3, 1.4][-family.size + 1 :], xi]))[:, None]


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.name)
@pytest.mark.parametrize("xi", [1e-14, 1e-9, 1e-5])
def test_passes_through_zero_linearly(family, xi):
    below, at, above = (family.derivatives(Y, scores(family, s * xi)) for s in (-1, 0, 1))
    for low, middle, high in zip(below, at, above, strict=True):
        np.testing.assert_allclose((low + high) / 2, middle, rtol=1e-12 + 1e3 * xi**2, atol=1e-12 + 1e3 * xi**2)
    slope = (above[0] - below[0]) / (2 * xi)
    np.testing.assert_allclose(slope, at[1][-1], rtol=1e-6, atol=1e-14 / xi + 1e-6)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.name)
@pytest.mark.parametrize("xi", [-1.0, -1.2, -3.0])
def test_refuses_a_shape_with_unbounded_likelihood(family, xi):
    # y well inside the support, which ends at 1.4 / 3 above the location or zero
    assert np.all(family.nll(np.array([0.01, 0.1]), scores(family, xi)) == np.inf)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.name)
def test_data_that_pile_up_at_their_end_are_no_success(family):
    y = 1 - np.random.default_rng(3).random(40) ** 3  # the density grows towards 1: xi runs below -1
    fit = fit_sample(family, Sample(y))[0]
    assert not fit.converged


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.name)
@pytest.mark.parametrize("xi", [-0.4, 0.0, 0.6, 1.5])
def test_recovers_its_shape(family, xi):
    y = family.sample(np.random.default_rng(5), scores(family, xi), 4000)
    fit = fit_sample(family, Sample(y))[0]
    assert fit.converged
    assert abs(fit.theta[-1] - xi) < 4 * fit.std_errors["shape"]


def test_a_maximum_inside_is_not_given_up_for_the_cliff():
    """Twelve draws whose likelihood is unbounded at shape -1, as always, and has one maximum inside besides."""
    family = GeneralizedPareto()
    y = family.sample(np.random.default_rng(6), np.array([[0.0], [0.3]]), 12)
    fit = fit_sample(family, Sample.of(y))[0]
    assert fit.converged
    # Nelder-Mead by scipy from (0.3, -0.6)
    np.testing.assert_allclose(fit.eta, [0.27913199, -0.67917265], atol=1e-5)
    assert fit.nll == pytest.approx(7.1995120415659, abs=1e-9)


@pytest.mark.parametrize("y", [[3.375, 3.645, 6.895], [4.853, 5.346, 7.241, 11.718], [4.6, 4.635, 4.687, 6.31, 7.903]])
def test_a_shape_on_its_way_up_is_said_to_be(y):
    fit = fit_sample(GEV(), Sample(np.array(y)))[0]
    assert not fit.converged
    assert "unbounded as shape grows" in fit.warnings[0]
    assert np.isnan(fit.log_likelihood)
    # The claim itself: xi -> infinity, the lower end exp(-xi) below the smallest value.
    steps = np.array([5.0, 50.0, 500.0])
    end = y[0] - np.exp(-np.minimum(steps, 30.0))
    total = GEV().nll(np.array(y), np.stack([end + 1.0, np.log(steps), steps])[:, :, None]).sum(axis=-1)
    assert (np.diff(total[:2]) < 0).all()


@pytest.mark.parametrize("n", [5, 8, 12])
def test_no_interior_maximum_of_generalized_pareto_is_missed(n):
    """Against the profile likelihood in xi/scale, one-dimensional, on a fine grid (Davison 1984)."""
    for seed in range(25):
        y = np.random.default_rng([seed, n]).exponential(size=n)
        fit = fit_sample(GeneralizedPareto(), Sample(y))[0]
        below = -np.geomspace(1, 1e-9, 2000)[1:] * (1 - 1e-9) / y.max()
        ratio = np.concatenate([below, np.geomspace(1e-9, 1e3, 2000) / y.mean()])
        logs = np.log1p(ratio[:, None] * y)
        xi = logs.mean(axis=1)
        nll = np.where(xi > -0.999, n * np.log(xi / ratio) + (1 + 1 / xi) * logs.sum(axis=1), np.inf)
        inner = (nll[1:-1] < nll[:-2]) & (nll[1:-1] < nll[2:]) & np.isfinite(nll[:-2])
        assert fit.converged == inner.any(), seed
        if inner.any():
            assert fit.nll <= nll[1:-1][inner].min() + 1e-9
