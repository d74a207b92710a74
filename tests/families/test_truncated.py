"""Truncated rows: against mpmath, closed forms, plain maximisation over families, and likelihoods without a maximum."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from mlefit.families import registry
from mlefit.families.censored import Censored
from mlefit.families.truncated import Truncated
from mlefit.inference.fit import Options, fit_sample
from mlefit.sample import Sample

TRUTH = {
    "geometric": [0.2], "poisson": [4.5], "negative-binomial": [4.0, 1.7], "normal": [3.0, 1.5], "cauchy": [1.0, 2.0],
    "student-t": [4.5, 1.0, 2.0], "logistic": [1.0, 0.8], "gumbel": [2.0, 3.0], "exponential": [0.4],
    "gompertz": [0.3, 0.2], "gamma": [2.0, 0.5], "inverse-gamma": [3.0, 2.0], "weibull": [1.6, 4.0],
    "lognormal": [1.0, 0.6], "loglogistic": [3.0, 2.0], "inverse-gaussian": [2.0, 5.0], "beta": [2.0, 3.5],
    "kumaraswamy": [2.0, 3.0], "rayleigh": [2.0], "half-normal": [2.0], "maxwell": [2.0], "chi-squared": [5.0],
    "generalized-pareto": [2.0, 0.3], "binomial": [0.3],
}  # fmt: skip


def simulated(name, n=400, seed=11):
    """Values between limits that differ from row to row, (d + 2, n)."""
    generator = np.random.default_rng(seed)
    family = registry.get(name)
    eta = family.forward(np.array(TRUTH[name])[:, None])
    if name == "binomial":
        trials = generator.integers(4, 9, n).astype(float)
        y = family.given(trials).sample(generator, eta, n)
        y = y[0] if y.ndim > 1 else y
        below, above = np.where(np.arange(n) % 2, 1.0, -np.inf), np.where(np.arange(n) % 3, trials - 1, np.inf)
        seen = (y >= below) & (y <= above)
        return family, np.stack([y, trials, below, above])[:, seen]
    y = family.sample(generator, eta, n)
    low, high = family.quantile(np.array([0.1, 0.9]), eta)
    below = np.where(np.arange(n) % 2, low, -np.inf)
    above = np.where(np.arange(n) % 3, np.inf, high)
    seen = (y >= below) & (y <= above)
    return family, np.stack([y, below, above])[:, seen]


@pytest.mark.parametrize("name", TRUTH)
def test_is_the_maximum_of_the_renormalised_likelihood(name):
    family, y = simulated(name)
    truncated = Truncated(family)
    assert truncated.inside(y).all()
    weight = np.random.default_rng(5).uniform(0.5, 2.0, y.shape[1])
    fit = fit_sample(truncated, Sample(y, weight))[0]
    assert fit.converged, fit.warnings
    below, above = y[-2], y[-1]
    rest = y[:-2] if len(y) > 3 else y[0]

    def column(values):
        return np.stack([values, y[1]]) if len(y) > 3 else values

    def nll(eta):
        with np.errstate(all="ignore"):
            eta = np.asarray(eta)[:, None]
            left = below - 1 if family.discrete else below
            high = np.where(np.isinf(above), 1.0, np.exp(family.log_cdf(column(np.minimum(above, 1e300)), eta)))
            low = np.exp(family.log_cdf(column(np.maximum(left, -1e300)), eta))
            low = np.where(left < family.support.lower, 0.0, low)
            total = float((weight * (family.nll(rest, eta) + np.log(high - np.where(np.isinf(below), 0, low)))).sum())
        return total if np.isfinite(total) else 1e10

    assert -fit.log_likelihood == pytest.approx(nll(fit.eta), rel=1e-9)
    best = minimize(nll, fit.eta + 0.03, method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-10, "maxiter": 3000})
    assert -fit.log_likelihood <= best.fun + 1e-8 * abs(best.fun)


def test_truncated_normal_agrees_with_mpmath():
    """Score equations of the truncated normal solved at 40 digits."""
    import mpmath

    values = [2.1, 2.6, 2.9, 3.3, 3.4, 3.8, 4.6]
    fit = fit_sample(Truncated(registry.get("normal")), Sample(np.array([values, [2.0] * 7, [5.0] * 7])))[0]
    with mpmath.workdps(40):
        mp = mpmath.mpf

        def slope(mu, log_sigma):
            sigma = mpmath.exp(log_sigma)
            a, b = (2 - mu) / sigma, (5 - mu) / sigma
            seen = mpmath.ncdf(b) - mpmath.ncdf(a)
            z = [(mp(v) - mu) / sigma for v in values]
            shift = (mpmath.npdf(a) - mpmath.npdf(b)) / seen
            stretch = (a * mpmath.npdf(a) - b * mpmath.npdf(b)) / seen
            return sum(z) - 7 * shift, sum(v * v for v in z) - 7 - 7 * stretch

        solution = mpmath.findroot(slope, (fit.eta[0], fit.eta[1]))
        mu, sigma = float(solution[0]), float(mpmath.exp(solution[1]))
    assert fit.estimates["mu"] == pytest.approx(mu, rel=1e-9)
    assert fit.estimates["sigma"] == pytest.approx(sigma, rel=1e-9)


def test_delayed_entry_of_an_exponential_has_its_closed_form():
    """Events over the time at risk (Klein and Moeschberger 2003, section 3.5)."""
    entry = np.array([0.0, 1.0, 2.0, 0.5, 0.0])
    end = np.array([3.0, 4.0, 2.5, 6.0, 1.0])
    event = np.array([True, False, True, True, False])
    y = np.stack([end, np.where(event, end, np.inf), entry, np.full(5, np.inf)])
    fit = fit_sample(Truncated(Censored(registry.get("exponential"))), Sample(y))[0]
    assert fit.estimates["rate"] == pytest.approx(3 / (end - entry).sum(), rel=1e-10)


def test_left_censoring_stops_at_the_entry():
    """An event before an examination, of someone seen from `below` on, lies between the two."""
    family = registry.get("weibull")
    eta = family.forward(np.array([[1.5], [3.0]]))
    y = np.array([[-np.inf], [5.0], [2.0], [np.inf]])
    upper, lower = (np.exp(family.log_sf(np.array([v]), eta))[0] for v in (2.0, 5.0))
    assert Truncated(Censored(family)).nll(y, eta)[0] == pytest.approx(-np.log((upper - lower) / upper), rel=1e-12)


def test_zero_truncated_poisson():
    """The mean of the truncated distribution equals the sample's (Johnson, Kemp and Kotz 2005, section 4.10)."""
    counts = np.repeat([1.0, 2, 3, 4, 5], [30, 22, 12, 5, 1])
    y = np.stack([counts, np.ones_like(counts), np.full_like(counts, np.inf)])
    fit = fit_sample(Truncated(registry.get("poisson")), Sample(y))[0]
    mu = fit.estimates["mu"]
    assert mu / -np.expm1(-mu) == pytest.approx(counts.mean(), rel=1e-10)


@pytest.mark.parametrize("name", ["normal", "logistic", "gumbel", "student-t"])
def test_an_exponential_tail_leaves_no_maximum(name):
    generator = np.random.default_rng(4)
    y = 2 + generator.standard_exponential(400) ** 1.1
    fit = fit_sample(Truncated(registry.get(name)), Sample(np.stack([y, np.full(400, 2.0), np.full(400, np.inf)])))[0]
    assert not fit.converged
    assert any("keeps rising" in warning for warning in fit.warnings)


def test_no_limits_is_no_truncation():
    y = np.random.default_rng(1).gamma(2.0, size=100)
    free = np.stack([y, np.full(100, -np.inf), np.full(100, np.inf)])
    with_limits = fit_sample(Truncated(registry.get("gamma")), Sample(free), Options(interval="profile"))[0]
    plain = fit_sample(registry.get("gamma"), Sample(y), Options(interval="profile"))[0]
    np.testing.assert_allclose(with_limits.theta, plain.theta, rtol=1e-9)
    np.testing.assert_allclose(with_limits.lower, plain.lower, rtol=1e-7)
    assert with_limits.log_likelihood == pytest.approx(plain.log_likelihood, rel=1e-12)


def test_groups_and_fixed_parameters():
    family, y = simulated("weibull", 900)
    codes = np.arange(y.shape[1]) % 3
    fits = fit_sample(Truncated(family).pin({"shape": 1.6}), Sample.of(y, codes=codes, groups=3))
    for group, fit in enumerate(fits):
        alone = fit_sample(Truncated(family.pin({"shape": 1.6})), Sample(y[:, codes == group]))[0]
        assert fit.converged
        np.testing.assert_allclose(fit.theta, alone.theta, rtol=1e-8)


def test_rows_outside_their_limits():
    y = np.array([[1.0, 3.0, 3.0, 9.0], [2.0, 2.0, 4.0, -np.inf], [np.inf, 4.0, 3.5, 8.0]])
    assert Truncated(registry.get("normal")).inside(y).tolist() == [False, True, False, False]


def test_an_endpoint_may_be_fixed():
    y = np.array([[2.0, 3.0, 4.0], [1.5] * 3, [np.inf] * 3])
    assert fit_sample(Truncated(registry.get("pareto")), Sample(y))[0].estimates["scale"] == pytest.approx(2.0)
    assert fit_sample(Truncated(registry.get("pareto")).pin({"scale": 1.0}), Sample(y))[0].converged
