"""Angles count modulo 2 pi, and concentrated ones keep their digits."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

from mlefit.families import numeric
from mlefit.families.censored import Censored
from mlefit.families.von_mises import VonMises
from mlefit.inference.fit import fit_sample
from mlefit.sample import Sample

FAMILY = VonMises()


@pytest.mark.parametrize("turns", [-3, 1, 10])
def test_whole_turns_change_nothing(turns):
    y = np.random.default_rng(0).vonmises(3.0, 2.0, 200)
    turned = y + 2 * np.pi * turns * (np.arange(200) % 2)
    one, other = (fit_sample(FAMILY, Sample(v))[0] for v in (y, turned))
    np.testing.assert_allclose(other.theta, one.theta, rtol=1e-11)
    assert other.log_likelihood == pytest.approx(one.log_likelihood, rel=1e-12)


def test_rotation_moves_the_mean_alone():
    y = np.random.default_rng(1).vonmises(0.0, 5.0, 100)
    one, other = (fit_sample(FAMILY, Sample(v))[0] for v in (y, y + 1.25))
    np.testing.assert_allclose(other.theta - one.theta, [1.25, 0.0], atol=1e-10)


def test_concentrated_angles_are_normal():
    y = 0.3 + 1e-5 * np.random.default_rng(2).standard_normal(500)
    mu, kappa = fit_sample(FAMILY, Sample(y))[0].theta
    assert mu == pytest.approx(y.mean(), rel=1e-12)
    assert kappa == pytest.approx(1 / y.var(), rel=1e-7)


@pytest.mark.parametrize("kappa", [1e-3, 0.5, 20.0, 800.0, 1e5])
@pytest.mark.parametrize("mu", [-3.1, 0.0, 2.0])
def test_tails_are_whole_and_mirror_each_other(mu, kappa):
    y = np.linspace(-3.14, 3.14, 15)
    eta, mirror = (np.array([[m], [np.log(kappa)]]) for m in (mu, -mu))
    lower, upper = FAMILY.log_cdf(y, eta), FAMILY.log_sf(y, eta)
    np.testing.assert_allclose(np.logaddexp(lower, upper), 0.0, atol=1e-12)
    np.testing.assert_allclose(lower, FAMILY.log_sf(-y, mirror), rtol=1e-10)


@pytest.mark.parametrize("kappa", [0.3, 200.0])
@pytest.mark.parametrize("left", [-3.3, -0.4, 2.9, 9.0])
@pytest.mark.parametrize("width", [1e-4, 0.7, 3.0, 6.2])
def test_an_arc_may_cross_pi(kappa, left, width):
    """Against the density summed along the arc, whatever the turn of its ends."""
    mu = 3.0
    eta = np.array([[mu], [np.log(kappa)]])
    with mpmath.workdps(20):
        norm = mpmath.log(2 * mpmath.pi * mpmath.besseli(0, kappa))

        def density(angle):
            return mpmath.exp(kappa * mpmath.cos(angle - mu) - norm)

        expected = float(mpmath.log(mpmath.quad(density, mpmath.linspace(left, left + width, 11))))
    row = np.array([[left], [left + width]])
    nll, gradient, hessian = Censored(FAMILY).derivatives(row, eta)
    assert -nll[0] == pytest.approx(expected, rel=1e-9, abs=1e-11)
    assert -Censored(FAMILY).nll(row, eta)[0] == pytest.approx(expected, rel=1e-9, abs=1e-11)
    np.testing.assert_allclose(gradient, numeric.gradient(Censored(FAMILY).nll, row, eta), rtol=1e-5, atol=1e-6)
    assert np.isfinite(hessian).all()
    assert -Censored(FAMILY.pin({"mu": mu})).nll(row, eta[1:])[0] == pytest.approx(-nll[0], abs=1e-12)


def test_censored_angles_may_be_turned():
    """Directions about pi, known to within a half: turning all of them turns the mean alone."""
    y = np.random.default_rng(3).vonmises(3.0, 3.0, 120)
    rows = np.stack([y - 0.25 * (np.arange(120) % 3), y + 0.25 * (np.arange(120) % 3)])
    about, turned = (fit_sample(Censored(FAMILY), Sample(rows + by))[0] for by in (0.0, -2.5))
    assert about.converged
    assert turned.converged
    np.testing.assert_allclose(np.cos(about.theta[0] - 2.5 - turned.theta[0]), 1.0, atol=1e-12)
    assert about.log_likelihood == pytest.approx(turned.log_likelihood, rel=1e-9)
    np.testing.assert_allclose(list(about.std_errors.values()), list(turned.std_errors.values()), rtol=1e-6)
