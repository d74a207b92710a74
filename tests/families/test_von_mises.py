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


@pytest.mark.parametrize("kappa", [0.05, 30.0])
@pytest.mark.parametrize(("mu", "y"), [(0.4, 0.9), (-2.9, 3.0)])
def test_derivatives_of_both_tails_are_exact(kappa, mu, y):
    """Against 30-digit derivatives of the arc's integral."""
    eta = np.array([[mu], [np.log(kappa)]])

    def tail(a, b, m, score):
        k = mpmath.exp(score)
        total = mpmath.quad(lambda t: mpmath.exp(k * (mpmath.cos(t - m) - 1)), mpmath.linspace(a, b, 5))
        return mpmath.log(total / (2 * mpmath.pi * mpmath.exp(-k) * mpmath.besseli(0, k)))

    with mpmath.workdps(30):
        at = (mpmath.mpf(mu), mpmath.log(mpmath.mpf(kappa)))
        for found, ends in (
            (FAMILY.log_cdf_derivatives(np.array([y]), eta), (-mpmath.pi, mpmath.mpf(y))),
            (FAMILY.log_sf_derivatives(np.array([y]), eta), (mpmath.mpf(y), mpmath.pi)),
        ):

            def function(m, score, ends=ends):
                return tail(*ends, m, score)

            h = mpmath.mpf(10) ** -6
            one = [(function(at[0] + h, at[1]) - function(at[0] - h, at[1])) / (2 * h),
                   (function(at[0], at[1] + h) - function(at[0], at[1] - h)) / (2 * h)]  # fmt: skip
            middle = function(*at)
            two = [
                (function(at[0] + h, at[1]) - 2 * middle + function(at[0] - h, at[1])) / h**2,
                (function(at[0], at[1] + h) - 2 * middle + function(at[0], at[1] - h)) / h**2,
            ]
            assert found[0][0] == pytest.approx(float(middle), rel=1e-12)
            np.testing.assert_allclose(found[1][:, 0], np.array(one, dtype=float), rtol=1e-9, atol=1e-11)
            np.testing.assert_allclose(found[2][[0, 1], [0, 1], 0], np.array(two, dtype=float), rtol=1e-9, atol=1e-10)
            cross = (
                function(at[0] + h, at[1] + h) - function(at[0] + h, at[1] - h)
                - function(at[0] - h, at[1] + h) + function(at[0] - h, at[1] - h)
            ) / (4 * h**2)  # fmt: skip
            assert found[2][0, 1, 0] == pytest.approx(float(cross), rel=1e-9, abs=1e-10)


def test_derivatives_of_a_tail_take_few_evaluations(monkeypatch):
    from mlefit.families import quadrature

    calls = []
    original = quadrature.integral
    monkeypatch.setattr(quadrature, "integral", lambda *args: calls.append(1) or original(*args))
    FAMILY.log_cdf_derivatives(np.linspace(-3, 3, 50), np.array([[0.5], [1.0]]))
    assert len(calls) <= 8
