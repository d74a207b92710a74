"""Mixtures: derivatives, hand values, known fits, label order, and components that collapse."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from mlefit.errors import UsageError
from mlefit.families import numeric, registry
from mlefit.inference.fit import Options, fit_sample
from mlefit.sample import Sample

DATA = Path(__file__).parents[2] / "sample_data"
CASES = {
    "mixture:normal*2": [0.3, 0, 1, 4, 1.0],
    "mixture:normal*3": [0.3, 0.5, 0, 1, 4, 1.0, 9, 2],
    "mixture:gamma+lognormal": [0.4, 2, 1, 1.0, 0.5],
    "mixture:normal+gamma": [0.4, -1, 2, 3.0, 0.5],
    "mixture:poisson*2": [0.4, 2, 9],
}


def drawn(name, n=1500, seed=0):
    family = registry.get(name)
    eta = family.forward(np.array(CASES[name], dtype=float)[:, None])
    return family, eta, family.sample(np.random.default_rng(seed), eta, n)


@pytest.mark.parametrize("name", CASES)
def test_parameters_and_scores_are_each_others_inverse(name):
    family, eta, _ = drawn(name, 1)
    np.testing.assert_allclose(family.inverse(eta)[:, 0], CASES[name], rtol=1e-12)
    h = 1e-6
    for j in range(family.size):
        up, down = eta.copy(), eta.copy()
        up[j] += h
        down[j] -= h
        slope = (family.inverse(up) - family.inverse(down)) / (2 * h)
        np.testing.assert_allclose(family.jacobian(eta)[:, j], slope, atol=1e-8)


@pytest.mark.parametrize("name", CASES)
def test_density_and_derivatives(name):
    family, eta, y = drawn(name, 9)
    theta, first = CASES[name], len(family.components) - 1
    weights = [*theta[:first], 1 - sum(theta[:first])]
    total, at = np.zeros(9), first
    for weight, component in zip(weights, family.components, strict=True):
        own = np.array(theta[at : at + component.size], dtype=float)[:, None]
        at += component.size
        with np.errstate(all="ignore"):
            density = np.exp(-component.nll(y, component.forward(own)))
        total += weight * np.where(component.inside(y), density, 0.0)
    nll, gradient, hessian = family.derivatives(y, eta)
    np.testing.assert_allclose(nll, -np.log(total), rtol=1e-12)
    scores = np.repeat(eta, 9, axis=1)
    np.testing.assert_allclose(gradient, numeric.gradient(family.nll, y, scores), rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(hessian, numeric.hessian(family, y, scores), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("name", CASES)
def test_recovers_what_was_drawn(name):
    family, _, y = drawn(name)
    fit = fit_sample(family, Sample(y))[0]
    assert fit.converged, fit.warnings
    for value, truth, error in zip(fit.theta, CASES[name], fit.std_errors.values(), strict=True):
        assert abs(value - truth) < 4 * error


@pytest.mark.parametrize("name", CASES)
def test_quantiles_invert_the_distribution(name):
    family, eta, y = drawn(name)
    q = np.array([1e-6, 0.01, 0.4, 0.9, 1 - 1e-6])
    at = family.quantile(q, eta)
    reached = np.exp(family.log_cdf(at, eta))
    if family.discrete:
        assert (reached >= q * (1 - 1e-12)).all()
        assert (np.exp(family.log_cdf(at - 1, eta)) < q).all()
    else:
        np.testing.assert_allclose(reached, q, rtol=1e-9)
    np.testing.assert_allclose(np.exp(family.log_cdf(y, eta)) + np.exp(family.log_sf(y, eta)), 1.0, rtol=1e-12)
    assert family.mean(eta)[0] == pytest.approx(y.mean(), abs=5 * y.std() / np.sqrt(y.size))
    assert family.variance(eta)[0] == pytest.approx(y.var(), rel=0.25)


def test_old_faithful():
    """R's mixtools::normalmixEM prints 54.61, 80.09, 5.87, 5.87, weight 0.361, log-likelihood -1034.002."""
    with open(DATA / "old_faithful.csv") as file:
        waiting = np.array([float(row["waiting"]) for row in csv.DictReader(file)])
    fit = fit_sample(registry.get("normal-mixture"), Sample(waiting), Options(interval="profile"))[0]
    assert fit.converged
    assert fit.log_likelihood == pytest.approx(-1034.002, abs=5e-4)
    assert fit.estimates["mu_1"] == pytest.approx(54.615, abs=5e-4)
    assert fit.estimates["mu_2"] == pytest.approx(80.091, abs=5e-4)
    assert fit.estimates["weight_1"] == pytest.approx(0.36089, abs=5e-6)
    assert (fit.lower < fit.theta).all()
    assert (fit.theta < fit.upper).all()


def test_labels_follow_the_means_in_every_group():
    family, _, y = drawn("mixture:normal*3", 3000, seed=4)
    fits = fit_sample(family, Sample.of(np.concatenate([y, -y]), codes=np.repeat([0, 1], 3000), groups=2))
    for fit in fits:
        assert fit.converged
        assert fit.estimates["mu_1"] < fit.estimates["mu_2"] < fit.estimates["mu_3"]
    assert fits[0].log_likelihood == pytest.approx(fits[1].log_likelihood, rel=1e-9)


def test_a_component_on_a_single_value_is_no_success():
    generator = np.random.default_rng(1)
    y = np.concatenate([generator.normal(size=40), np.full(30, 9.0)])
    fit = fit_sample(registry.get("mixture:normal*2"), Sample(y))[0]
    assert not fit.converged
    assert "unbounded" in fit.warnings[0]


def test_a_fixed_weight():
    family, _, y = drawn("mixture:normal*2")
    fit = fit_sample(family.pin({"weight_1": 0.3}), Sample(y))[0]
    assert fit.converged
    assert fit.family.names == ("mu_1", "sigma_1", "mu_2", "sigma_2")
    with pytest.raises(UsageError, match="hang together"):
        registry.get("mixture:normal*3").pin({"weight_1": 0.3})


@pytest.mark.parametrize(
    ("name", "said"),
    [("mixture:uniform*2", "not regular"), ("mixture:normal", "two components"),
     ("mixture:poisson+normal", "different"), ("mixture:normal*x", "follows the"),
     ("mixture:", "needs the name"), ("mixture:nomral*2", "did you mean normal")],
)  # fmt: skip
def test_what_cannot_be_mixed(name, said):
    with pytest.raises(UsageError, match=said):
        registry.get(name)


def test_labels_exchanged_by_the_solver_are_put_in_order():
    """A start with the components the wrong way round ends the right way round."""
    family, _, y = drawn("mixture:normal*2")
    start = dict(zip(family.names, [0.7, 4.0, 1.0, 0.0, 1.0], strict=True))
    turned, plain = (fit_sample(family, Sample(y), Options(start=s))[0] for s in (start, {}))
    np.testing.assert_allclose(turned.theta, plain.theta, rtol=1e-6)
    np.testing.assert_allclose(list(turned.std_errors.values()), list(plain.std_errors.values()), rtol=1e-5)
    assert turned.converged


@pytest.mark.parametrize("name", ["cauchy", "student-t", "lognormal"])
def test_a_spike_is_seen_whatever_the_tails(name):
    """A component with a scale near zero, where the variance may be infinite or known only by quantiles."""
    family = registry.get(f"mixture:{name}*2")
    narrow = {"cauchy": [2.0, 1e-9], "student-t": [1.5, 2.0, 1e-9], "lognormal": [0.7, 1e-9]}[name]
    wide = {"cauchy": [0.0, 1.0], "student-t": [3.0, 0.0, 1.0], "lognormal": [0.0, 1.0]}[name]
    for theta, said in (([0.4, *wide, *narrow], "component 2 has shrunk"), ([0.4, *wide, *wide], "")):
        reason = family.unbounded(family.forward(np.array(theta)[:, None]), np.array([0.1]), np.array([9.0]))
        assert reason[0].startswith(said)
        assert bool(reason[0]) == bool(said)


def test_a_component_at_its_limit_is_said_of_the_mixture():
    """Two sub-populations of counts without over-dispersion: size runs off, and poisson alone is no remedy."""
    generator = np.random.default_rng(2)
    y = np.concatenate([generator.binomial(4, 0.5, 300), generator.binomial(60, 0.5, 300)]).astype(float)
    fit = fit_sample(registry.get("mixture:negative-binomial*2"), Sample(y))[0]
    assert not fit.converged
    assert "a mixture with poisson as component" in fit.warnings[0]
    assert "instead" not in " ".join(fit.warnings)


@pytest.mark.parametrize("start", [{}, {"shape_2": 1e6, "rate_2": 1e4}])
def test_a_spike_does_not_hide_the_maximum(start):
    """Of three searches one ends on a spike; the maximum away from it is the result, and the spike is told.

    A start that is no good is one more, beside those of the family.
    """
    y = np.genfromtxt(DATA / "groundbeef.csv", delimiter=",", names=True)["serving"]
    fit = fit_sample(registry.get("mixture:gamma*2"), Sample(y), Options(start=start))[0]
    assert fit.converged
    assert fit.log_likelihood == pytest.approx(-1252.1113, abs=1e-4)
    assert any("spikes without bound" in text for text in fit.warnings)


def test_ties_that_draw_every_search_to_a_spike_leave_no_maximum():
    y = np.repeat([1.0, 2.0, 3.0], 40)
    fit = fit_sample(registry.get("mixture:normal*2"), Sample(y))[0]
    assert not fit.converged
    assert "unbounded" in fit.certificate.problem
