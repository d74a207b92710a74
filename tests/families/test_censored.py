"""Censored rows: against R's survreg and fitdistcens, hand values, and plain maximisation over every family."""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import minimize

from mlefit.errors import UsageError
from mlefit.families import registry
from mlefit.families.censored import Censored
from mlefit.inference.fit import Options, fit_sample
from mlefit.sample import Sample

REFERENCE = Path(__file__).parents[1] / "reference" / "censored"


def read(name):
    with open(REFERENCE / name) as file:
        next(file)
        return list(csv.DictReader(file))


def rows(name):
    def number(text, otherwise):
        return otherwise if text == "NA" else float(text)

    return np.array([[number(r["lower"], -np.inf), number(r["upper"], np.inf)] for r in read(f"data_{name}.csv")]).T


def fits():
    found = defaultdict(list)
    for row in read("fits.csv"):
        found[row["data"], row["family"], row["source"]].append(row)
    return found


FITS = fits()


@pytest.mark.parametrize(("data", "family", "source"), FITS)
def test_agrees_with_r_or_is_nearer_the_maximum(data, family, source):
    fit = fit_sample(Censored(registry.get(family)), Sample(rows(data)))[0]
    reference = FITS[data, family, source]
    assert fit.converged
    best = float(reference[0]["log_likelihood"])
    # R's optimisers stop early now and then (smokedfish's loglogistic); never the other way round.
    assert fit.log_likelihood >= best - 1e-9 * abs(best)
    if fit.log_likelihood > best + 1e-7:
        assert source == "fitdistcens" or data == "smokedfish"
        return
    near = 2e-4 if source == "fitdistcens" else 1e-6
    for row in reference:
        estimate, error = float(row["estimate"]), float(row["std_error"])
        assert fit.estimates[row["parameter"]] == pytest.approx(estimate, abs=near * error)
        if source == "survreg":
            assert fit.std_errors[row["parameter"]] == pytest.approx(error, rel=1e-5)


# Parameters to draw from; how censored data are spread does not matter to the comparison.
TRUTH = {
    "bernoulli": [0.3], "binomial": [0.3], "geometric": [0.2], "poisson": [4.5], "negative-binomial": [4.0, 1.7],
    "normal": [3.0, 0.7], "student-t": [4.5, 1.0, 2.0], "cauchy": [1.0, 2.0], "logistic": [-1.0, 0.5],
    "gumbel": [2.0, 3.0], "gev": [1.0, 2.0, 0.2], "generalized-pareto": [2.0, 0.3], "exponential": [0.4],
    "gompertz": [0.3, 0.2], "gamma": [2.0, 0.5], "inverse-gamma": [3.0, 2.0], "weibull": [1.6, 4.0],
    "lognormal": [1.0, 0.6], "loglogistic": [3.0, 2.0], "inverse-gaussian": [2.0, 5.0], "beta": [2.0, 3.5],
    "kumaraswamy": [2.0, 3.0], "rayleigh": [2.0], "half-normal": [2.0], "maxwell": [2.0], "chi-squared": [5.0],
    "lomax": [2.5, 3.0], "burr12": [2.0, 1.5, 3.0], "beta-binomial": [2.0, 3.0],
}  # fmt: skip


def simulated(name, n=300, part=0.4, seed=3):
    """Rows of every kind from the family, y (2 + d, n)."""
    generator = np.random.default_rng(seed)
    family = registry.get(name)
    others = np.zeros((0, n))
    if len(family.columns) > 1:
        others = generator.integers(3, 9, (1, n)).astype(float)
        family = family.given(*others)
    y = family.sample(generator, family.forward(np.array(TRUTH[name])[:, None]), n)
    y = y[0] if y.ndim > 1 else y
    lower, upper = y.copy(), y.copy()
    kind = generator.random(n)
    width = np.ceil(np.std(y)) if family.discrete else np.quantile(np.abs(y - np.median(y)), 0.5)
    right, left, both = kind < part / 3, (kind >= part / 3) & (kind < 2 * part / 3), (kind > 1 - part / 3)
    upper[right] = np.inf
    lower[right] -= 1 if family.discrete else 0.3 * width
    lower[left] = -np.inf
    lower[both], upper[both] = y[both] - width, y[both] + width
    return registry.get(name), np.concatenate([[lower, upper], others])


@pytest.mark.parametrize("name", TRUTH)
def test_is_the_maximum_of_the_censored_likelihood(name):
    """Direct maximisation of the same likelihood, written with the distribution function alone, does no better."""
    family, y = simulated(name, 60 if name in ("skew-normal", "beta-binomial") else 300)
    censored = Censored(family)
    assert censored.inside(y).all()
    weight = np.random.default_rng(5).uniform(0.5, 2.0, y.shape[1])
    fit = fit_sample(censored, Sample(y, weight))[0]
    assert fit.converged, fit.warnings
    others = y[2:]

    def column(values):
        return np.concatenate([values[None], others]) if len(others) else values

    def nll(eta):
        with np.errstate(all="ignore"):
            eta = np.asarray(eta)[:, None]
            exact = y[0] == y[1]
            shift = 1.0 if family.discrete else 0.0
            left = np.where(np.isinf(y[1]), y[0], y[0] - shift)
            above = np.exp(family.log_cdf(column(np.where(np.isinf(y[1]), 1e300, y[1])), eta))
            below = np.exp(family.log_cdf(column(np.where(np.isinf(left), -1e300, left)), eta))
            above = np.where(np.isinf(y[1]), 1.0, above)
            below = np.where(np.isinf(left) | (left < family.support.lower), 0.0, below)
            value = np.where(exact, family.nll(column(np.where(exact, y[0], 1.0)), eta), -np.log(above - below))
        total = float((weight * value).sum())
        return total if np.isfinite(total) else 1e10

    assert -fit.log_likelihood == pytest.approx(nll(fit.eta), rel=1e-9)
    best = minimize(nll, fit.eta + 0.05, method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-10, "maxiter": 4000})
    assert -fit.log_likelihood <= best.fun + 1e-8 * abs(best.fun)
    assert fit.certificate.gradient_norm < 1e-6


@pytest.mark.parametrize("name", ["weibull", "gamma", "exponential", "lognormal", "logistic", "normal", "gompertz"])
@pytest.mark.parametrize("observed", [0.1, 0.02])
def test_survives_heavy_censoring(name, observed):
    generator = np.random.default_rng(7)
    family = registry.get(name)
    eta = family.forward(np.array(TRUTH[name])[:, None])
    y = family.sample(generator, eta, 2000)
    end = family.quantile(np.array([observed]), eta)[0]
    lower, upper = np.minimum(y, end), np.where(y < end, y, np.inf)
    fit = fit_sample(Censored(family), Sample(np.stack([lower, upper])))[0]
    assert fit.converged
    assert fit.iterations < 60
    for value, truth, error in zip(fit.theta, TRUTH[name], fit.std_errors.values(), strict=True):
        assert abs(value - truth) < 4 * error


def test_exponential_has_its_closed_form():
    """Events over total time (Lawless 2003, equation 4.1.3)."""
    y = np.array([[1.0, 2, 3, 4, 5], [1.0, 2, np.inf, 4, np.inf]])
    fit = fit_sample(Censored(registry.get("exponential")), Sample(y))[0]
    assert fit.estimates["rate"] == pytest.approx(3 / 15, rel=1e-10)
    assert fit.std_errors["rate"] == pytest.approx(0.2 / np.sqrt(3), rel=1e-9)


def test_groups_are_fitted_as_one_batch():
    family, y = simulated("weibull", 600)
    codes = np.arange(600) % 3
    together = fit_sample(Censored(family), Sample.of(y, codes=codes, groups=3), Options(interval="profile"))
    for group, fit in enumerate(together):
        alone = fit_sample(Censored(family), Sample(y[:, codes == group]), Options(interval="profile"))[0]
        np.testing.assert_allclose(fit.theta, alone.theta, rtol=1e-8)
        np.testing.assert_allclose(fit.lower, alone.lower, rtol=1e-6)
        np.testing.assert_allclose(fit.upper, alone.upper, rtol=1e-6)


def test_weights_are_repeated_rows():
    family, y = simulated("gamma", 60)
    weight = np.arange(60) % 3 + 1.0
    weighted = fit_sample(Censored(family), Sample(y, weight))[0]
    repeated = fit_sample(Censored(family), Sample(np.repeat(y, weight.astype(int), axis=1)))[0]
    np.testing.assert_allclose(weighted.theta, repeated.theta, rtol=1e-9)
    assert weighted.log_likelihood == pytest.approx(repeated.log_likelihood, rel=1e-11)


def test_a_fixed_shape_makes_weibull_the_exponential():
    family, y = simulated("weibull")
    pinned = fit_sample(Censored(family).pin({"shape": 1.0}), Sample(y))[0]
    plain = fit_sample(Censored(registry.get("exponential")), Sample(y))[0]
    assert pinned.log_likelihood == pytest.approx(plain.log_likelihood, rel=1e-11)
    assert pinned.estimates["scale"] == pytest.approx(1 / plain.estimates["rate"], rel=1e-8)
    assert pinned.to_dict()["fixed"] == {"shape": 1.0}


def test_ends_of_a_discrete_interval_are_included():
    poisson = registry.get("poisson")
    eta = np.log(np.array([[3.0]]))
    mass = np.exp(-poisson.nll(np.arange(60.0), eta))
    y = np.array([[2.0, 2.0, -np.inf, 0.0], [4.0, np.inf, 2.0, 3.0]])
    expected = [mass[2:5].sum(), mass[3:].sum(), mass[:3].sum(), mass[:4].sum()]
    np.testing.assert_allclose(np.exp(-Censored(poisson).nll(y, eta)), expected, rtol=1e-12)


@pytest.mark.parametrize("name", ["normal", "weibull", "gamma", "logistic", "poisson"])
def test_far_tails_keep_their_digits(name):
    """Intervals a thousand scales out, and so far below that the survival function is exactly one."""
    import mpmath

    family = registry.get(name)
    eta = {
        "normal": np.array([[0.0], [0.0]]), "weibull": np.log([[2.0], [1.0]]), "gamma": np.log([[2.0], [1.0]]),
        "logistic": np.array([[0.0], [0.0]]), "poisson": np.log([[50.0]]),
    }[name]  # fmt: skip
    low, high = {
        "normal": (-30.0, -29.0), "weibull": (1e-170, 2e-170), "gamma": (1e-160, 2e-160), "logistic": (-800.0, -790.0),
        "poisson": (0.0, 1.0),
    }[name]  # fmt: skip
    with mpmath.workdps(60):
        probability = {
            "normal": lambda: mpmath.ncdf(high) - mpmath.ncdf(low),
            "weibull": lambda: mpmath.exp(-(mpmath.mpf(low) ** 2)) - mpmath.exp(-(mpmath.mpf(high) ** 2)),
            "gamma": lambda: (mpmath.mpf(high) ** 2 - mpmath.mpf(low) ** 2) / 2,
            "logistic": lambda: mpmath.exp(high) - mpmath.exp(low),
            "poisson": lambda: 51 * mpmath.exp(-50),
        }[name]
        with mpmath.workdps(400):
            expected = float(-mpmath.log(probability()))
    nll, gradient, hessian = Censored(family).derivatives(np.array([[low], [high]]), eta)
    assert nll[0] == pytest.approx(expected, rel=1e-12)
    assert Censored(family).nll(np.array([[low], [high]]), eta)[0] == pytest.approx(expected, rel=1e-12)
    assert np.isfinite(gradient).all()
    assert np.isfinite(hessian).all()


def test_rows_that_cannot_be():
    censored = Censored(registry.get("gamma"))
    y = np.array([[1.0, 2.0, -1.0, -np.inf, np.nan, -3.0, 0.0], [2.0, 1.0, -1.0, 0.0, 1.0, np.inf, 2.0]])
    assert censored.inside(y).tolist() == [True, False, False, False, False, True, True]


def test_a_family_without_a_distribution_function_is_refused():
    with pytest.raises(UsageError, match="categorical has no distribution function"):
        Censored(registry.get("categorical"))


def test_no_event_at_all_is_not_success():
    y = np.array([[1.0, 2.0, 3.0], [np.inf] * 3])
    fit = fit_sample(Censored(registry.get("weibull")), Sample(y))[0]
    assert not fit.converged
    assert fit.warnings
