"""Mixtures: derivatives, hand values, known fits, label order, and components that collapse."""

from __future__ import annotations

import csv
from itertools import combinations, permutations
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import chi2, norm

from mlefit.errors import UsageError
from mlefit.families import numeric, registry
from mlefit.families.censored import Censored
from mlefit.families.links import logit
from mlefit.families.truncated import Truncated
from mlefit.inference.fit import Options, fit_sample
from mlefit.inference.hypotheses import null_tests
from mlefit.inference.surface import axes, evaluate, surface
from mlefit.sample import Sample
from mlefit.sampling import at

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
    # By the likelihood, since far-off parameters can make much the same mixture.
    lost = 2 * (family.nll(y, family.forward(np.array(CASES[name], dtype=float)[:, None])).sum() - fit.nll)
    assert 0 < lost < chi2.ppf(0.999, family.size)


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


def test_components_may_be_a_density_written_down():
    written = "density:-log(s) - 0.5*((y - m)/s)**2 - 0.5*log(2*pi); m, s>0"
    mixture, normal = registry.get(f"mixture:{written}*2"), registry.get("mixture:normal*2")
    assert mixture.names == ("weight_1", "m_1", "s_1", "m_2", "s_2")
    eta = normal.forward(np.array([0.3, -1.0, 0.5, 2.0, 1.5]))
    y = np.array([-2.0, 0.1, 3.0])
    assert mixture.nll(y, eta[:, None]) == pytest.approx(normal.nll(y, eta[:, None]), rel=1e-12)
    with pytest.raises(UsageError, match="a number of components follows"):
        registry.get(f"mixture:{written}")


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
    assert fit.held == {"weight_1": 0.3, "weight_2": 0.7}


THREE = ["weight_1", "weight_2", "weight_3"]
WRAPPED = {
    "mixture:normal*3": [0.2, 0.3, 0, 1, 4, 1.0, 9, 2],
    "mixture:normal*4": [0.3, 0.2, 0.1, 0, 1, 4, 1.0, 9, 2, 14, 1],
    "zero-inflated:mixture:poisson*3": [0.2, 0.3, 1, 6, 20, 0.25],
    "hurdle:mixture:poisson*3": [0.2, 0.3, 1, 6, 20, 0.25],
    "hurdle:mixture:gamma*3": [0.2, 0.3, 1, 4, 9, 0.25, 30, 1, 0.3],
}


@pytest.mark.parametrize("names", [[n] for n in THREE] + [list(p) for p in combinations(THREE, 2)], ids=str)
@pytest.mark.parametrize("name", WRAPPED)
def test_weights_on_scores_of_their_own(name, names):
    """The same distribution; each named weight a score, its logit; derivatives as by differences."""
    family = registry.get(name)
    theta = np.array(WRAPPED[name], dtype=float)[:, None]
    eta = family.forward(theta)
    told = family.told(theta)
    seen = family.along(names)
    assert seen.along(names) is seen
    own = np.stack([told[each] for each in seen.names])
    scores = seen.forward(own)
    for each in names:
        j = seen.names.index(each)
        assert scores[j] == pytest.approx(logit.forward(told[each]), rel=1e-13)
    y = family.sample(np.random.default_rng(1), eta, 5)
    np.testing.assert_allclose(seen.nll(y, scores), family.nll(y, eta), rtol=1e-12)
    np.testing.assert_allclose(seen.inverse(scores), own, rtol=1e-12)
    every = np.repeat(scores, 5, axis=1)
    _, gradient, hessian = seen.derivatives(y, scores)
    np.testing.assert_allclose(gradient, numeric.gradient(seen.nll, y, every), rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(hessian, numeric.hessian(seen, y, every), rtol=1e-6, atol=1e-8)
    pinned = family.pin({each: float(told[each][0]) for each in names})
    free = np.stack([told[each] for each in pinned.names])
    np.testing.assert_allclose(pinned.nll(y, pinned.forward(free)), family.nll(y, eta), rtol=1e-12)
    np.testing.assert_allclose(pinned.inverse(pinned.forward(free)), free, rtol=1e-12)


def _constrained(y, weights, start):
    """The lowest nll of three normals with these weights, None for a free one, by scipy's BFGS."""

    def split(p):
        w = np.array([np.nan if v is None else v for v in weights], dtype=float)
        shares = np.exp(np.append(p[6:], 0.0))
        w[np.isnan(w)] = (1 - np.nansum(w)) * shares / shares.sum()
        return w

    def nll(p):
        parts = [w * norm.pdf(y, m, np.exp(s)) for w, m, s in zip(split(p), p[:3], p[3:6], strict=True)]
        return -np.log(sum(parts)).sum()

    free = [e for e, w in zip(start[:3], weights, strict=True) if w is None]
    first = [*start[3::2], *np.log(start[4::2]), *np.log(np.array(free[:-1]) / free[-1])]
    return minimize(nll, first, method="BFGS", options={"gtol": 1e-6}).fun


def three():
    generator = np.random.default_rng(3)
    return np.concatenate([generator.normal(m, s, n) for m, s, n in ((0, 1, 60), (5, 1, 100), (11, 1.5, 40))])


@pytest.mark.parametrize("wrap", [lambda f: f, Censored, Truncated], ids=["plain", "censored", "truncated"])
def test_profile_limits_of_every_weight_against_direct_maximisation(wrap):
    y = three()
    family = wrap(registry.get("mixture:normal*3"))
    rows = {1: y, 2: np.stack([y, y]), 3: np.stack([y, np.full(y.size, -np.inf), np.full(y.size, np.inf)])}
    fit = fit_sample(family, Sample(rows[len(family.columns)]), Options(interval="profile"))[0]
    start = list(fit.estimates.values())
    for j, name in enumerate(THREE):
        for limit in fit.limits[name]:
            held = [limit if i == j else None for i in range(3)]
            assert _constrained(y, held, start) - fit.nll == pytest.approx(chi2.ppf(0.95, 1) / 2, abs=1e-5)


@pytest.mark.parametrize("held", [{"weight_1": 0.4}, {"weight_3": 0.3}, {"weight_1": 0.25, "weight_3": 0.25}], ids=str)
def test_weights_held_and_tested_against_direct_maximisation(held):
    y = three()
    free = fit_sample(registry.get("mixture:normal*3"), Sample(y))[0]
    lowest = _constrained(y, [held.get(name) for name in THREE], list(free.estimates.values()))
    tests = null_tests(free, held)
    assert tests.likelihood_ratio == pytest.approx(2 * (lowest - free.nll), abs=1e-5)
    assert list(tests.estimates) == list(free.estimates)
    assert sum(tests.estimates[name] for name in THREE) == pytest.approx(1)
    places = [list(free.parameters()).index(name) for name in held]
    block = np.array(free.to_dict()["covariance"])[np.ix_(places, places)]
    gap = np.array([free.estimates[name] - value for name, value in held.items()])
    assert tests.wald == pytest.approx(gap @ np.linalg.solve(block, gap), rel=1e-6)
    assert 0 < tests.score < np.inf
    at = evaluate(free, tuple(held), np.array([list(held.values())]), profile=True)
    assert -at[0] == pytest.approx(lowest, abs=1e-5)
    # With no label held to be that of the least mean, other orders of the components may fit better.
    pinned = fit_sample(registry.get("mixture:normal*3").pin(held), Sample(y))[0]
    starts = [[*list(free.estimates.values())[:3], *np.concatenate(parts)] for parts in
              ([free.theta[2 + 2 * c : 4 + 2 * c] for c in order] for order in permutations(range(3)))]  # fmt: skip
    best = min(_constrained(y, [held.get(name) for name in THREE], start) for start in starts)
    assert pinned.nll == pytest.approx(best, abs=1e-5)
    assert pinned.estimates == pytest.approx(pinned.estimates | held)


def test_the_score_test_does_not_depend_on_the_scores():
    """Under the null the weights may be seen along any of their own scores."""
    y = three()
    fit = fit_sample(registry.get("mixture:normal*3"), Sample(y))[0]
    both = null_tests(fit, {"weight_1": 0.25, "weight_3": 0.25})
    other = null_tests(fit, {"weight_1": 0.25, "weight_2": 0.5})
    for name, exact in (("wald", 1e-9), ("score", 1e-4), ("likelihood_ratio", 1e-7)):
        assert getattr(both, name) == pytest.approx(getattr(other, name), rel=exact)


@pytest.mark.parametrize("interval", ["wald", "profile", "none"])
@pytest.mark.parametrize("count", [2, 3])
def test_the_last_weight_is_told_wherever_the_others_are(interval, count):
    y = three()
    fit = fit_sample(registry.get(f"mixture:normal*{count}"), Sample(y), Options(interval=interval))[0]
    names = [*THREE[:count], *(f"{p}_{i + 1}" for i in range(count) for p in ("mu", "sigma"))]
    record = fit.to_dict()
    last = record["parameters"][f"weight_{count}"]
    assert list(record["parameters"]) == [row["parameter"] for row in fit.rows()] == names
    assert list(fit.estimates) == list(fit.std_errors) == list(fit.interval(method="wald")) == names
    assert sum(fit.estimates[name] for name in THREE[:count]) == pytest.approx(1)
    covariance = np.array(record["covariance"])
    assert covariance.shape == (len(names), len(names))
    assert last["std_error"] == pytest.approx(covariance[count - 1, count - 1] ** 0.5)
    np.testing.assert_allclose(covariance[:count].sum(axis=0), 0.0, atol=1e-12)
    if count == 2:
        assert last["std_error"] == pytest.approx(record["parameters"]["weight_1"]["std_error"])
    if interval == "none":
        assert last["ci_lower"] is None
    else:
        assert last["ci_lower"] < last["estimate"] < last["ci_upper"]
        if count == 2:
            lower, upper = fit.limits["weight_1"]
            assert fit.limits["weight_2"] == pytest.approx((1 - upper, 1 - lower), abs=1e-8)
    assert [row["ci_lower"] for row in fit.rows()][count - 1] == last["ci_lower"]


@pytest.mark.parametrize(
    ("fixed", "said"),
    [({"weight_1": 0.6, "weight_2": 0.4}, "weight_1=0.6 and weight_2=0.4 leave nothing of 1 for weight_3"),
     ({"weight_1": 0.6, "weight_3": 0.7}, "leave nothing of 1 for weight_2"),
     (dict.fromkeys(THREE, 1 / 3), "the last follows"), ({"weight_4": 0.1}, "no parameter 'weight_4'"),
     ({"weight_2": 1.5}, "outside the domain")],
    ids=str,
)  # fmt: skip
def test_weights_that_cannot_be_held(fixed, said):
    with pytest.raises(UsageError, match=said):
        registry.get("mixture:normal*3").pin(fixed)
    free = fit_sample(registry.get("mixture:normal*3"), Sample(three()))[0]
    with pytest.raises(UsageError):
        null_tests(free, fixed)


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
    """Searches that end on a spike are passed over; a component much narrower than the other is told.

    A start that is no good is one more, beside those of the family.
    """
    y = np.genfromtxt(DATA / "groundbeef.csv", delimiter=",", names=True)["serving"]
    fit = fit_sample(registry.get("mixture:gamma*2"), Sample(y), Options(start=start))[0]
    assert fit.converged
    assert fit.log_likelihood == pytest.approx(-1245.7053, abs=1e-4)
    assert any("times as narrow as component 1" in text for text in fit.warnings)


@pytest.mark.parametrize(
    ("file", "column", "count", "highest"),
    [("iris", "sepal_width", 2, -86.10860), ("iris", "sepal_width", 3, -84.95951), ("iris", "sepal_width", 4, None),
     ("iris", "sepal_length", 3, -175.09129), ("iris", "petal_width", 3, -96.69590),
     ("old_faithful", "waiting", 3, -1031.54019), ("old_faithful", "eruptions", 4, -257.45849)],
)  # fmt: skip
def test_the_highest_maximum_away_from_spikes(file, column, count, highest):
    """As found by a separate EM from 1,500 random starts each; for four normals in sepal_width 7,500 found none."""
    y = np.genfromtxt(DATA / f"{file}.csv", delimiter=",", names=True)[column]
    fit = fit_sample(registry.get(f"mixture:normal*{count}"), Sample(y), Options(interval="none"))[0]
    assert fit.converged == (highest is not None)
    if highest is None:
        assert "unbounded" in fit.certificate.problem
    else:
        assert fit.log_likelihood == pytest.approx(highest, abs=1e-4)


def test_spikes_of_censored_and_truncated_rows_are_passed_over_and_told():
    y = np.genfromtxt(DATA / "iris.csv", delimiter=",", names=True)["sepal_width"]
    everything = np.stack([y, np.full(y.size, -np.inf), np.full(y.size, np.inf)])
    for family, rows in ((Censored, np.stack([y, y])), (Truncated, everything)):
        three_, four = (fit_sample(family(registry.get(f"mixture:normal*{k}")), Sample(rows))[0] for k in (3, 4))
        assert three_.converged
        assert three_.log_likelihood == pytest.approx(-84.95951, abs=1e-4)
        assert not four.converged
        assert "unbounded" in four.certificate.problem


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("tail", ["sf", "cdf"])
def test_derivatives_of_the_tails(name, tail):
    family, eta, _ = drawn(name, 1)
    y = family.quantile(np.array([1e-6, 1e-3, 0.2, 0.5, 0.8, 0.99, 1 - 1e-6]), eta)
    every = np.repeat(eta, y.size, axis=1)
    value = getattr(family, f"log_{tail}")
    both = getattr(family, f"log_{tail}_derivatives")
    found = both(y, eta)
    np.testing.assert_allclose(found[0], value(y, eta), rtol=1e-7, atol=1e-15)
    for j in range(family.size):
        up, down = every.copy(), every.copy()
        up[j] += 1e-5
        down[j] -= 1e-5
        np.testing.assert_allclose(found[1][j], (value(y, up) - value(y, down)) / 2e-5, rtol=1e-6, atol=1e-7)
        slope = (both(y, up)[1] - both(y, down)[1]) / 2e-5
        np.testing.assert_allclose(found[2][j], slope, rtol=1e-5, atol=1e-6)


def test_ties_that_draw_every_search_to_a_spike_leave_no_maximum():
    y = np.repeat([1.0, 2.0, 3.0], 40)
    fit = fit_sample(registry.get("mixture:normal*2"), Sample(y))[0]
    assert not fit.converged
    assert "unbounded" in fit.certificate.problem


@pytest.mark.parametrize(
    ("given", "draws"),
    [({"weight_1": 0.3}, True), ({"weight_2": 0.7}, True), ({"weight_1": 0.3, "weight_2": 0.7}, True),
     ({"weight_1": 0.3, "weight_2": 0.6}, "add up to 0.9"), ({}, "needs a value of weight_1"),
     ({"weight_2": 1.7}, "outside the domain")],
    ids=str,
)  # fmt: skip
def test_any_weights_that_tell_all_of_them_will_do_to_draw(given, draws):
    rest = {"mu_1": 0.0, "sigma_1": 1.0, "mu_2": 4.0, "sigma_2": 1.0}
    if draws is True:
        assert at("mixture:normal*2", given | rest)[1][0] == pytest.approx(logit.forward(np.array(0.3)))
    else:
        with pytest.raises(UsageError, match=draws):
            at("mixture:normal*2", given | rest)


@pytest.mark.parametrize("start", [{"weight_3": 0.5}, {"weight_1": 0.9, "weight_3": 0.05}], ids=str)
def test_any_weight_can_be_started_from(start):
    y = three()
    family = registry.get("mixture:normal*3")
    found, free = (fit_sample(family, Sample(y), Options(start=s))[0] for s in (start, {}))
    assert found.log_likelihood == pytest.approx(free.log_likelihood, rel=1e-10)


@pytest.mark.parametrize(
    ("over", "others", "sharing"),
    [(("weight_1",), 8, ("weight_2", "weight_3")), (("weight_3",), 8, ("weight_1", "weight_2")),
     (("weight_1", "weight_3"), 6, ()), (("mu_1",), 7, ())],
    ids=str,
)  # fmt: skip
def test_the_likelihood_over_any_weight(over, others, sharing):
    fit = fit_sample(registry.get("mixture:normal*3"), Sample(three()))[0]
    drawn_ = surface(fit, axes(fit, over))
    assert len(drawn_.others) == others
    assert drawn_.sharing == sharing
    for name, value in zip(over, drawn_.points.T, strict=True):
        assert value.min() < fit.estimates[name] < value.max()
    best = drawn_.points[np.argmax(drawn_.log_likelihood)]
    theta = dict(fit.estimates)
    theta |= dict(zip(over, best.tolist(), strict=True))
    if over[0].startswith("weight"):  # the other weights share the rest as they did
        rest = [name for name in THREE if name not in over]
        left = (1 - sum(theta[name] for name in over)) / sum(theta[name] for name in rest)
        theta |= {name: theta[name] * left for name in rest}
    y, values = three(), list(theta.values())
    parts = [w * norm.pdf(y, m, s) for w, m, s in zip(values[:3], values[3::2], values[4::2], strict=True)]
    assert drawn_.log_likelihood.max() == pytest.approx(np.log(sum(parts)).sum(), rel=1e-12)


def test_a_group_is_fitted_as_if_it_were_alone():
    """How many searches a group has follows from its own rows, whatever stands beside it."""
    small = np.genfromtxt(DATA / "iris.csv", delimiter=",", names=True)["sepal_width"]
    large = np.random.default_rng(2).normal(size=500)
    family = registry.get("mixture:normal*3")
    both = Sample.of(np.concatenate([small, large]), codes=np.repeat([0, 1], [small.size, large.size]), groups=2)
    for beside, alone in zip(family.starts(both), family.starts(Sample(small)), strict=False):
        np.testing.assert_allclose(beside[:, 0], alone[:, 0], rtol=1e-6, atol=1e-9)
    assert fit_sample(family, both)[0].log_likelihood == pytest.approx(-84.95951, abs=1e-4)


@pytest.mark.parametrize("dist", ["poisson", "geometric", "exponential"])
@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("values", [[7.0], [3.0, 5.0], [1.0, 2.0], [4.0, 4.0, 5.0, 6.0]])
def test_a_component_that_is_not_there_has_no_estimates(dist, count, values):
    """Two rows or few show one distribution; what the others would be is not known, nor their weights."""
    y = np.array(values)
    fit = fit_sample(registry.get(f"mixture:{dist}*{count}"), Sample(y))[0]
    alone = fit_sample(registry.get(dist), Sample(y))[0]
    assert not fit.converged
    assert fit.log_likelihood == pytest.approx(alone.log_likelihood, rel=1e-9)
    assert np.isnan([*fit.std_errors.values()]).all()
    assert "not identified by these data; fewer components fit them as well" in fit.warnings[0]
    (name, expected), *_ = alone.estimates.items()
    assert fit.estimates[f"{name}_{count}"] == pytest.approx(expected, rel=1e-6)
    for i in range(1, count):
        own = fit.estimates[f"{name}_{i}"]
        assert np.isnan(own) or own == pytest.approx(expected, rel=1e-6)


def test_an_empty_component_has_the_weight_nothing():
    """Two far values and three components; none of the weights is outside 0 to 1."""
    fit = fit_sample(registry.get("mixture:poisson*3"), Sample(np.array([0.0, 5.0])))[0]
    weights = [fit.estimates[f"weight_{i}"] for i in (1, 2, 3)]
    assert weights[0] == 0
    assert sum(weights) == pytest.approx(1)
    assert np.isnan(fit.estimates["mu_1"])
    assert "weight_1 = 0" in fit.warnings[0]
