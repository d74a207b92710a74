"""Comparisons of censored and truncated rows: likelihoods beside R's survreg, statistics of fit, rows drawn anew."""

from __future__ import annotations

import csv
from math import log
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import mlefit
from mlefit.censoring import Censoring
from mlefit.comparing import candidates
from mlefit.families import registry
from mlefit.families.binomial import Binomial
from mlefit.families.censored import Censored
from mlefit.families.truncated import Truncated
from mlefit.inference import bootstrap as b
from mlefit.inference.cells import chi_squared, pearson
from mlefit.inference.compare import Plan, compare_sample
from mlefit.inference.edf import edf, residual_edf, step_edf
from mlefit.inference.fit import fit_sample
from mlefit.inference.goodness import goodness
from mlefit.inference.mechanism import Mechanism
from mlefit.inference.product_limit import product_limit
from mlefit.sample import Sample

REFERENCE = Path(__file__).parents[1] / "reference" / "censored"
# Where survreg stopped before the maximum: its log-likelihood is lower than at mlefit's estimates.
EARLY = {("smokedfish", family) for family in ("exponential", "rayleigh", "loglogistic")}
RIGHT = Censoring(event="event")


def survreg(name):
    """Families of a data set by their log-likelihood and number of parameters in R's survival (make_censored.R)."""
    found: dict[str, list[float]] = {}
    with open(REFERENCE / "fits.csv", encoding="utf-8") as file:
        for row in csv.DictReader(line for line in file if not line.startswith("#")):
            if row["data"] == name and row["source"] == "survreg":
                found.setdefault(row["family"], []).append(float(row["log_likelihood"]))
    return {family: (values[0], len(values)) for family, values in found.items()}


def censored_sample(name="weibull", n=300, seed=1, rate=0.12):
    """Right-censored rows of a family; its scores."""
    family, generator = registry.get(name), np.random.default_rng(seed)
    eta = family.forward(np.array([[1.6], [5.0]])[: family.size])
    y, until = np.asarray(family.sample(generator, eta, n)), generator.exponential(1 / rate, n)
    lower = np.minimum(y, until)
    return Censored(family), Sample(np.stack([lower, np.where(y <= until, lower, np.inf)])), eta


@pytest.mark.parametrize("name", ["salinity", "smokedfish", "lung", "ovarian", "tobin", "inspections"])
def test_likelihoods_criteria_and_order_are_those_of_survreg(name):
    expected = {family: found for family, found in survreg(name).items() if (name, family) not in EARLY}
    data = pd.read_csv(REFERENCE / f"data_{name}.csv", comment="#")
    found = mlefit.compare(data, list(expected), column="lower", upper="upper", replicates=0)
    assert {entry.family for entry in found.entries} == set(expected)
    for entry in found.entries:
        value, size = expected[entry.family]
        assert entry.fit.log_likelihood == pytest.approx(value, rel=1e-10)
        assert entry.fit.aic == pytest.approx(2 * size - 2 * value, rel=1e-10)
        assert entry.fit.bic == pytest.approx(size * log(found.n) - 2 * value, rel=1e-10)
    order = sorted(expected, key=lambda family: expected[family][1] - expected[family][0])
    assert [entry.family for entry in found.entries] == order
    if "exponential" in expected and "weibull" in expected:
        test = next(t for t in found.tests if (t.first, t.second) == ("exponential", "weibull"))
        assert test.statistic == pytest.approx(2 * (expected["weibull"][0] - expected["exponential"][0]), rel=1e-7)


def test_lung_as_survregs_aic_and_bic():
    """AIC and BIC of survreg(Surv(time, status == 2) ~ 1, lung), survival 3.5.3."""
    survreg = {
        "weibull": (2311.70237618, 2318.56106744), "exponential": (2326.67635157, 2330.10569720),
        "lognormal": (2342.53811061, 2349.39680187), "loglogistic": (2325.86124702, 2332.71993828),
    }  # fmt: skip
    lung = mlefit.sample_data("lung")
    found = mlefit.compare(lung, list(survreg), column="time", event="status = 2", replicates=0)
    assert [e.family for e in found.entries] == ["weibull", "loglogistic", "exponential", "lognormal"]
    for entry in found.entries:
        assert (entry.fit.aic, entry.fit.bic) == pytest.approx(survreg[entry.family], abs=1e-7)


@pytest.mark.parametrize("name", ["weibull", "gamma", "lognormal", "normal", "cauchy"])
@pytest.mark.parametrize("weighted", [False, True])
def test_with_every_value_observed_the_statistics_are_the_usual_ones(name, weighted):
    family, generator = registry.get(name), np.random.default_rng(2)
    y = generator.gamma(2.0, size=40)
    weight = generator.integers(1, 4, 40).astype(float) if weighted else None
    eta = fit_sample(family, Sample(y, weight))[0].eta[None]
    plain = edf(family, Sample(y, weight), eta)
    far = np.full(40, np.inf)
    for wrapped, rows in (
        (Censored(family), np.stack([y, y])),
        (Truncated(family), np.stack([y, -far, far])),
        (Truncated(Censored(family)), np.stack([y, y, -far, far])),
    ):
        np.testing.assert_allclose(residual_edf(wrapped, Sample(rows, weight), eta), plain, rtol=1e-9)


def test_statistics_of_censored_residuals_are_the_integrals():
    u = np.array([0.1, 0.25, 0.3, 0.5, 0.62, 0.8])
    event, weight = np.array([1, 0, 1, 1, 0, 0], dtype=bool), np.array([1.0, 2, 1, 1, 1, 1])
    found = step_edf(np.log(u), np.log1p(-u), event, weight)
    times, survival = product_limit(u, event, weight)
    grid = (np.arange(800_000) + 0.5) * 1e-6  # up to the last residual
    height = 1 - np.concatenate([[1.0], survival])[np.searchsorted(times, grid, side="right")]
    gap = (height - grid) ** 2
    assert found[0] == pytest.approx(np.sqrt(gap.max()), abs=2e-6)
    assert found[1] == pytest.approx(7 * gap.sum() * 1e-6, rel=1e-5)
    assert found[2] == pytest.approx(7 * (gap / (grid * (1 - grid))).sum() * 1e-6, rel=1e-5)


def test_a_family_that_ends_within_the_limits_has_its_distance():
    family, y = registry.get("uniform"), np.array([1.0, 2.5, 3.0, 5.0])
    eta = family.forward(np.array([[1.0], [5.0]]))
    rows = np.stack([y, np.zeros(4), np.full(4, np.inf)])
    found = residual_edf(Truncated(family), Sample(rows), eta.T)[:, 0]
    assert found[:2] == pytest.approx(edf(family, Sample(y), eta.T)[:2, 0])


def test_left_censored_statistics_are_the_mirror_image():
    family, eta = registry.get("normal"), np.array([[0.3, 0.1]])
    y = np.random.default_rng(3).normal(size=50)
    until = np.quantile(y, 0.7)
    right = np.stack([np.minimum(y, until), np.where(y <= until, y, np.inf)])
    mirrored = residual_edf(Censored(family), Sample(-right[::-1]), np.array([[-0.3, 0.1]]))
    np.testing.assert_allclose(mirrored, residual_edf(Censored(family), Sample(right), eta), rtol=1e-9)


def test_product_limit_of_late_entries_is_that_of_survfit():
    """survfit(Surv(entry, time, event) ~ 1), survival 3.5.3."""
    entry, time = np.array([0.0, 0, 2, 3, 1, 5, 4, 6, 0, 7]), np.array([4.0, 6, 5, 9, 3, 9, 8, 12, 12, 10])
    event = np.array([1, 0, 1, 1, 1, 1, 0, 1, 0, 1], dtype=bool)
    times, survival = product_limit(time, event, np.ones(10), entry)
    assert times.tolist() == [3, 4, 5, 9, 10, 12]
    assert survival == pytest.approx([0.8, 0.64, 0.512, 0.3072, 0.2048, 0.1024], rel=1e-12)


def test_values_at_a_limit_that_can_be_seen_leave_the_others_at_risk():
    time = np.array([1.0, 1.0, 2.0, 3.0])
    times, survival = product_limit(time, np.ones(4, dtype=bool), np.ones(4), np.ones(4))
    assert times.tolist() == [1, 2, 3]
    assert survival == pytest.approx([0.5, 0.25, 0])


def test_new_rows_keep_the_censoring_times_that_are_known():
    family, sample, eta = censored_sample(n=400)
    known = Mechanism.of(family, sample.y)
    drawn = known.draw(np.random.default_rng(4), eta, 50).reshape(2, 50, 400)
    lost = np.isinf(sample.y[1])
    assert np.all(drawn[0][:, lost] <= sample.y[0, lost])
    share = np.isinf(drawn[1]).mean()
    assert share == pytest.approx(lost.mean(), abs=0.03)
    assert set(np.unique(drawn[0][np.isinf(drawn[1])])) <= set(sample.y[0, lost])


@pytest.mark.parametrize("name", ["normal", "gamma", "poisson"])
def test_new_rows_lie_within_their_limits_and_follow_the_family(name):
    family = registry.get(name)
    eta = family.forward(np.array([[2.0], [1.5]])[: family.size])
    below, above = np.tile([1.0, 2.0], 200), np.tile([4.0, np.inf], 200)
    drawn = Mechanism.of(Truncated(family), np.stack([below + 1, below, above])).draw(np.random.default_rng(5), eta, 30)
    assert drawn.shape == (3, 12_000)
    assert np.all((drawn[0] >= drawn[1]) & (drawn[0] <= drawn[2]))
    for low, high in ((1.0, 4.0), (2.0, np.inf)):
        own = drawn[0][drawn[1] == low]
        start = low - 1 if family.discrete else low
        at = np.array([3.0])
        before, upto = (np.exp(family.log_cdf(np.array([v]), eta))[0] for v in (start, at[0]))
        whole = np.exp(family.log_cdf(np.array([high]), eta))[0] - before if np.isfinite(high) else 1 - before
        assert (own <= 3).mean() == pytest.approx((upto - before) / whole, abs=0.03)


def test_a_distribution_that_is_partly_at_infinity_cannot_be_drawn_from():
    gompertz = Truncated(registry.get("gompertz"))
    rows = np.stack([np.full(50, 2.0), np.full(50, 1.0), np.full(50, np.inf)])
    eta = gompertz.forward(np.array([[-1.0], [0.5]]))
    with pytest.raises(mlefit.UsageError, match=r"a part of its probability at infinity, .* its hazard dies out"):
        Mechanism.of(gompertz, rows).draw(np.random.default_rng(1), eta, 2)


@pytest.mark.parametrize("kind", ["right-censored", "truncated", "late"])
def test_p_values_are_uniform_under_the_family_itself(kind):
    generator, found = np.random.default_rng(6), []
    for seed in range(40):
        family, sample, eta = censored_sample(n=60, seed=seed)
        if kind == "truncated":
            family, y = Truncated(registry.get("weibull")), registry.get("weibull").sample(generator, eta, 100)
            y = y[y > 2]
            sample = Sample(np.stack([y, np.full(y.size, 2.0), np.full(y.size, np.inf)]))
        elif kind == "late":
            entry = generator.uniform(0, 4, 60)
            seen = sample.y[0] > entry
            family = Truncated(Censored(registry.get("weibull")))
            limits = np.stack([entry[seen], np.full(int(seen.sum()), np.inf)])
            sample = Sample(np.concatenate([sample.y[:, seen], limits]))
        judged = goodness(fit_sample(family, sample)[0], sample, 19, generator)
        found.append(list(judged.p_values.values()))
    assert np.all(np.abs(np.mean(found, axis=0) - 0.525) < 4 * 0.289 / np.sqrt(40))
    assert np.all(np.mean(np.array(found) <= 0.1, axis=0) < 0.3)


def test_a_wrong_family_of_censored_rows_is_found_out():
    family, sample, _ = censored_sample(n=300)
    wrong = Censored(registry.get("exponential"))
    p = [goodness(fit_sample(f, sample)[0], sample, 99).p_values["anderson_darling"] for f in (wrong, family)]
    assert p[0] == 0.01
    assert p[1] > 0.05


def test_held_out_nll_of_censored_rows_is_that_of_fits_fold_by_fold():
    family, sample, _ = censored_sample(n=90)
    entry = compare_sample([family], sample, Plan("held-out", 4, 0, 9))[0].entries[0]
    fold = np.random.default_rng(9).permutation(90) % 4
    total = 0.0
    for k in range(4):
        fit = fit_sample(family, Sample(sample.y[:, fold != k]))[0]
        total += float(family.nll(sample.y[:, fold == k], fit.eta[:, None]).sum())
    assert entry.held_out == pytest.approx(total / 90, rel=1e-7)


def test_zero_truncated_counts_have_cells_within_their_limit():
    family, y = Truncated(registry.get("poisson")), np.repeat(np.arange(1.0, 6), [40, 30, 18, 9, 3])
    sample = Sample(np.stack([y, np.ones(100), np.full(100, np.inf)]))
    fit = fit_sample(family, sample)[0]
    mu = fit.theta[0]
    share = np.exp(-mu) * np.array([mu, mu**2 / 2, mu**3 / 6]) / -np.expm1(-mu)
    expected = 100 * np.append(share, 1 - share.sum())
    observed = np.array([40, 30, 18, 12])
    judged = goodness(fit, sample, 19)
    assert judged.cells == 4
    assert judged.statistics["chi_squared"] == pytest.approx(((observed - expected) ** 2 / expected).sum())
    assert judged.p_values["chi_squared"] > 0.05


def test_counts_of_the_same_trials_have_cells():
    y = np.repeat(np.arange(5.0), [10, 25, 35, 22, 8])
    sample = Sample(np.stack([y, np.full(100, 4.0)]))
    fit = fit_sample(Binomial(), sample)[0]
    judged = goodness(fit, sample, 19)
    p = fit.theta[0]
    expected = 100 * np.array([(1 - p) ** 4, 4 * p * (1 - p) ** 3, 6 * p**2 * (1 - p) ** 2, 4 * p**3 * (1 - p), p**4])
    observed = np.array([10.0, 25, 35, 22, 8])
    if judged.cells == 4:  # fewer than five are expected in the last
        expected, observed = np.append(expected[:3], expected[3:].sum()), np.append(observed[:3], 30)
    assert judged.statistics["chi_squared"] == pytest.approx(((observed - expected) ** 2 / expected).sum())
    assert judged.p_values["chi_squared"] > 0.05
    assert chi_squared(fit.family, sample, fit.eta[None], np.array([2.0])).shape == (1, 1)


@pytest.mark.parametrize(("spread", "right"), [(0.0, True), (1.5, False)])
def test_rows_with_trials_of_their_own_have_pearsons_statistic(spread, right):
    generator = np.random.default_rng(7)
    trials = generator.integers(5, 60, 80).astype(float)
    p = 1 / (1 + np.exp(-spread * generator.normal(size=80)))
    sample = Sample(np.stack([generator.binomial(trials.astype(int), p).astype(float), trials]))
    fit = fit_sample(Binomial(), sample)[0]
    judged = goodness(fit, sample, 99)
    estimate = sample.y[0].sum() / trials.sum()
    expected = ((sample.y[0] - trials * estimate) ** 2 / (trials * estimate * (1 - estimate))).sum()
    assert judged.statistics["chi_squared"] == pytest.approx(expected, rel=1e-9)
    assert pearson(fit.family, sample, fit.eta[None])[0, 0] == pytest.approx(expected)
    assert (judged.p_values["chi_squared"] > 0.05) == right
    assert judged.cells == 0


@pytest.mark.parametrize("kind", ["right", "left", "truncated"])
def test_parametric_bootstrap_of_incomplete_rows_agrees_with_the_observed_information(kind):
    family, sample, _eta = censored_sample(n=400, rate=0.1)
    if kind == "left":
        family, y = Censored(registry.get("normal")), np.random.default_rng(1).normal(3, 2, 400)
        sample = Sample(np.stack([np.where(y > 2, y, -np.inf), np.maximum(y, 2.0)]))
    elif kind == "truncated":
        family, y = Truncated(registry.get("normal")), np.random.default_rng(1).normal(3, 2, 600)
        y = y[y > 1]
        sample = Sample(np.stack([y, np.ones(y.size), np.full(y.size, np.inf)]))
    fit = fit_sample(family, sample)[0]
    found = b.bootstrap(fit, sample, b.Plan(600, 1, "parametric"))
    errors = np.array(list(fit.std_errors.values()))
    np.testing.assert_allclose(found.theta.std(axis=0), errors, rtol=0.15)
    limited = b.with_limits(fit, found)
    assert np.all((limited.lower < fit.theta) & (fit.theta < limited.upper))


def test_families_that_cannot_be_censored_keep_their_line_and_say_why():
    data = {"y": [1.0, 2, 3, 5], "event": [1, 1, 0, 1]}
    found = mlefit.compare(data, ["exponential", "categorical", "beta"], column="y", event="event", replicates=0)
    errors = {entry.family: entry.error for entry in found.entries}
    assert errors["exponential"] == ""
    assert "distribution function" in errors["categorical"]
    assert "outside its support" in errors["beta"]


def test_a_plugin_without_a_distribution_function_says_so_when_rows_are_censored():
    class Half(type(registry.get("exponential"))):
        name = "half"
        log_cdf = mlefit.Family.log_cdf

    found = mlefit.compare({"y": [1.0, 2, 3], "d": [1, 0, 1]}, [Half()], column="y", event="d", replicates=0)
    assert "no distribution function" in found.entries[0].error


def test_sets_take_the_families_that_hold_the_censored_rows():
    sample = Sample(np.array([[0.5, 1.5, 2.5], [0.5, 1.5, np.inf]]))
    names = {family.name for family in candidates(["continuous"], sample, RIGHT)}
    assert {"gamma", "weibull", "normal"} <= names
    assert not names & {"beta", "poisson"}
    assert all(family.censored for family in candidates(["gamma"], sample, RIGHT))


def test_arrays_of_python_say_the_same_as_columns():
    y, event = np.array([1.0, 2, 3, 5, 4]), np.array([1, 1, 0, 1, 0])
    one = mlefit.compare(y, ["exponential", "weibull"], event=event, replicates=0)
    two = mlefit.compare({"y": y, "d": event}, ["exponential", "weibull"], column="y", event="d", replicates=0)
    assert [e.fit.aic for e in one.entries] == [e.fit.aic for e in two.entries]
    three = mlefit.compare(y, "weibull", event=event, truncate_below=0.5, replicates=0)
    assert three.best.family.truncated
