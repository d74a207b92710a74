"""Comparisons against the fitdistrplus paper, formulas by hand, and what must hold for every family."""

from __future__ import annotations

import csv
from math import erf, log, sqrt

import numpy as np
import pytest

import mlefit
from mlefit.families import registry
from mlefit.inference.cells import cells
from mlefit.inference.compare import Plan, compare_sample, pairwise_tests, pointwise, vuong
from mlefit.inference.edf import edf, tails
from mlefit.inference.fit import Options, fit_sample
from mlefit.inference.goodness import goodness
from mlefit.inference.nesting import NESTED, contains, nesting, p_value, untested
from mlefit.sample import Sample

# Delignette-Muller and Dutang (2015), Journal of Statistical Software 64(4), section 2.3 and figure 4's gofstat.
PAPER = {
    "weibull": ({"shape": 2.185885, "scale": 83.347679}, 0.1396, 0.6840, 3.5736, 2514.449, 2521.524),
    "gamma": ({"shape": 4.00955898, "rate": 0.05443907}, 0.1281, 0.6936, 3.5671, 2511.250, 2518.325),
    "lognormal": ({"mu": 4.1693701, "sigma": 0.5366095}, 0.1493, 0.8277, 4.5437, 2526.639, 2533.713),
}
NORMAL = registry.get("normal")


def column(name, field):
    with open(mlefit.sample_data(name), encoding="utf-8") as file:
        return np.array([float(row[field]) for row in csv.DictReader(file)])


@pytest.fixture(scope="module")
def groundbeef():
    return mlefit.compare(mlefit.sample_data("groundbeef"), list(PAPER), replicates=0)


@pytest.mark.parametrize("name", PAPER)
def test_groundbeef_is_as_in_the_fitdistrplus_paper(groundbeef, name):
    estimates, ks, cvm, ad, aic, bic = PAPER[name]
    entry = next(e for e in groundbeef.entries if e.family == name)
    for parameter, value in estimates.items():
        assert entry.fit.estimates[parameter] == pytest.approx(value, rel=4e-4)
    found = entry.goodness.statistics
    assert found["kolmogorov_smirnov"] == pytest.approx(ks, abs=1e-4)
    assert found["cramer_von_mises"] == pytest.approx(cvm, abs=2e-4)
    assert found["anderson_darling"] == pytest.approx(ad, abs=1e-3)
    assert (entry.fit.aic, entry.fit.bic) == (pytest.approx(aic, abs=2e-3), pytest.approx(bic, abs=2e-3))


def test_where_the_papers_optimiser_stopped_early_the_fit_is_nearer_the_maximum(groundbeef):
    fit = next(e.fit for e in groundbeef.entries if e.family == "weibull")
    y = column("groundbeef", "serving")

    def log_likelihood(shape, scale):
        return float(np.sum(np.log(shape / scale) + (shape - 1) * np.log(y / scale) - (y / scale) ** shape))

    assert fit.log_likelihood == pytest.approx(log_likelihood(*fit.theta), abs=1e-9)
    assert fit.log_likelihood > log_likelihood(2.185885, 83.347679)
    assert fit.estimates["scale"] == pytest.approx(83.34667, abs=5e-6)


def test_best_first_with_akaike_weights(groundbeef):
    assert [e.family for e in groundbeef.entries] == ["gamma", "weibull", "lognormal"]
    weights = np.array([e.weight for e in groundbeef.entries])
    assert weights.sum() == pytest.approx(1)
    assert log(weights[0] / weights[1]) == pytest.approx(groundbeef.entries[1].delta / 2)
    assert groundbeef.best.family.name == "gamma"


def test_statistics_of_three_values_by_hand():
    u = np.array([0.2, 0.5, 0.9])
    y = np.array([NORMAL.quantile(np.array([p]), np.zeros((2, 1)))[0] for p in u])
    d, w2, a2 = edf(NORMAL, Sample(y[[2, 0, 1]]), np.zeros((1, 2)))[:, 0]
    assert d == pytest.approx(max(0.2, 1 / 3 - 0.2, 2 / 3 - 0.5, 0.9 - 2 / 3))
    assert w2 == pytest.approx(1 / 36 + sum((p - (2 * i + 1) / 6) ** 2 for i, p in enumerate(u)))
    a = -3 - sum((2 * i + 1) / 3 * (log(u[i]) + log(1 - u[2 - i])) for i in range(3))
    assert a2 == pytest.approx(a, rel=1e-12)


@pytest.mark.parametrize("place", [0.0, 0.3, 0.9, 1.0])
@pytest.mark.parametrize("name", ["normal", "student-t", "gamma", "half-normal", "skew-normal"])
def test_one_tail_from_the_other_is_as_exact_as_both(name, place):
    family = registry.get(name)
    eta = family.forward(np.array([[2.0], [1.0], [1.5]])[: family.size])
    y = np.concatenate([np.geomspace(1e-9, 60, 80), [200.0]])
    found = tails(family, y, eta, np.arange(y.size) < place * y.size)
    np.testing.assert_allclose(found[0], family.log_cdf(y, eta), rtol=1e-12, atol=1e-300)
    np.testing.assert_allclose(found[1], family.log_sf(y, eta), rtol=1e-12, atol=1e-300)


def test_statistics_of_weights_are_those_of_repeated_rows_and_groups_are_apart():
    y, times = np.array([0.3, -1.2, 2.0, 0.7]), np.array([3, 1, 2, 1])
    weighted = edf(NORMAL, Sample(y, times.astype(float)), np.zeros((1, 2)))
    repeated = edf(NORMAL, Sample(np.repeat(y, times)), np.zeros((1, 2)))
    np.testing.assert_allclose(weighted, repeated, rtol=1e-12)
    both = Sample.of(np.concatenate([y, np.repeat(y, times)]), None, np.repeat([0, 1], [4, 7]), 2)
    apart = np.hstack([edf(NORMAL, Sample(y), np.zeros((1, 2))), repeated])
    np.testing.assert_allclose(edf(NORMAL, both, np.zeros((2, 2))), apart, rtol=1e-12)


def test_cells_of_counts_expect_enough_and_pearsons_statistic_is_by_hand():
    y = np.repeat(np.arange(6.0), [30, 40, 20, 6, 3, 1])
    sample = Sample(y)
    fit = fit_sample(registry.get("poisson"), sample)[0]
    edges = cells(fit.family, sample, fit.eta)
    np.testing.assert_array_equal(edges, [0, 1, 2])
    mu = y.mean()
    share = np.exp(-mu) * np.array([1, mu, mu**2 / 2])
    expected = 100 * np.append(share, 1 - share.sum())
    found = goodness(fit, sample)
    missed = np.array([30, 40, 20, 10]) - expected
    assert found.statistics["chi_squared"] == pytest.approx((missed**2 / expected).sum())
    assert found.cells == 4


@pytest.mark.parametrize("name", ["normal", "gamma", "poisson", "weibull"])
def test_p_values_are_uniform_under_the_family_itself(name):
    family, generator = registry.get(name), np.random.default_rng(5)
    eta = family.forward(np.array([[3.0], [2.0]])[: family.size])
    found = []
    for _ in range(60):
        sample = Sample(np.asarray(family.sample(generator, eta, 60), dtype=float))
        judged = goodness(fit_sample(family, sample)[0], sample, 19, generator)
        found.append(list(judged.p_values.values())[-1])
    # 60 draws: the mean of uniforms on 0.05, 0.1 ... 1 lies within four standard errors of 0.525.
    assert abs(np.mean(found) - 0.525) < 4 * 0.289 / sqrt(60)
    assert np.mean(np.array(found) <= 0.1) < 0.3


def test_a_wrong_family_is_found_out():
    y = np.random.default_rng(1).exponential(size=200)
    found = mlefit.compare(y, ["normal", "exponential"], replicates=99)
    p = {e.family: e.goodness.p_values["anderson_darling"] for e in found.entries}
    assert p["normal"] == 0.01
    assert p["exponential"] > 0.05


@pytest.mark.parametrize(("smaller", "larger"), list(NESTED))
def test_a_larger_family_is_never_less_likely(smaller, larger):
    small, large = registry.get(smaller), registry.get(larger)
    generator = np.random.default_rng(3)
    draws = {
        "poisson": generator.poisson(4, 300), "geometric": generator.geometric(0.3, 300) - 1,
        "negative-binomial": generator.negative_binomial(2, 0.3, 300),
        "zero-inflated-poisson": generator.poisson(4, 300) * (generator.random(300) < 0.7),
        "binomial": generator.binomial(8, 0.3, 300), "chi-squared": generator.chisquare(3, 300),
        "normal": generator.normal(size=300), "cauchy": generator.standard_cauchy(300),
        "gumbel": generator.gumbel(size=300), "rayleigh": generator.rayleigh(size=300),
        "exponential": generator.exponential(size=300), "weibull": generator.weibull(2, 300),
        "loglogistic": np.exp(generator.logistic(size=300) / 2), "lomax": generator.pareto(2, 300),
    }  # fmt: skip
    y = np.asarray(draws[smaller], dtype=float)
    sample = Sample(np.stack([y, np.full(300, 8.0)]) if small.columns != ("y",) else y)
    one, two = (fit_sample(f, sample, Options(interval="none"))[0] for f in (small, large))
    below = two.log_likelihood - one.log_likelihood
    assert below > -1e-6 * abs(one.log_likelihood) or not two.converged
    if two.converged:
        assert below < 8  # 2 x 8: beyond a chi-squared(1) by any chance
        [test] = pairwise_tests([two, one], sample)
        assert (test.kind, test.first, test.second) == ("likelihood-ratio", smaller, larger)
        assert 0 < test.p_value <= 1


def test_families_within_families_are_not_given_vuongs_test():
    assert contains("burr12", "exponential")
    assert not contains("exponential", "burr12")
    assert not contains("gamma", "weibull")


@pytest.mark.parametrize(
    ("smaller", "larger", "constraint", "why"),
    [
        ("poisson", "zero-inflated-poisson", "pi = 0", ""),
        ("mixture:poisson*2", "zero-inflated:mixture:poisson*2", "pi = 0", ""),
        ("poisson", "hurdle:poisson", "pi = probability of 0 without the hurdle", ""),
        ("zero-inflated-poisson", "zero-inflated-negative-binomial", "size = infinity", ""),
        ("hurdle:poisson", "hurdle:negative-binomial", "size = infinity", ""),
        ("zero-inflated:geometric", "zero-inflated-negative-binomial", "size = 1", ""),
        ("geometric", "hurdle:negative-binomial", None, "more than one constraint"),
        ("exponential", "burr12", None, "more than one constraint"),
        ("mixture:exponential*2", "mixture:gamma*2", None, "more than one constraint"),
        ("normal", "mixture:normal*2", None, "fewer components"),
        ("mixture:normal*2", "mixture:normal*3", None, "fewer components"),
        ("exponential", "mixture:gamma+lognormal", None, "fewer components"),
        ("hurdle:poisson", "hurdle:mixture:poisson*2", None, "fewer components"),
        ("mixture:gamma+weibull", "mixture:gamma*2", None, ""),
        ("mixture:normal*3", "mixture:normal*2", None, ""),
        ("mixture:normal*2", "mixture:normal*2", None, ""),
        ("hurdle:poisson", "zero-inflated-poisson", None, ""),
    ],
)
def test_families_made_of_others_lie_in_each_other_as_those_do(smaller, larger, constraint, why):
    how = nesting(smaller, larger)
    assert (how and how.constraint) == constraint
    assert why in untested(smaller, larger)
    assert bool(untested(smaller, larger)) == bool(why)
    assert contains(larger, smaller) == bool(constraint or why)
    assert not (contains(larger, smaller) and contains(smaller, larger))


def test_nested_mixtures_are_said_to_have_no_test():
    y = np.concatenate([np.random.default_rng(1).normal(size=80), np.random.default_rng(2).normal(6, size=80)])
    found = mlefit.compare(y, ["normal", "mixture:normal*2", "laplace"], replicates=0)
    assert [(test.kind, test.second) for test in found.tests] == [("vuong", "laplace")]
    assert any("no likelihood-ratio test of normal in mixture:normal*2: with fewer" in note for note in found.notes)


def test_a_hurdle_of_no_height_is_as_its_own_family():
    """Under the smaller family the ratio is chi-squared with one degree of freedom: mean 1, variance 2."""
    generator = np.random.default_rng(8)
    ratios = []
    for _ in range(60):
        found = mlefit.compare(generator.poisson(1.5, 100), ["poisson", "hurdle:poisson"], replicates=0)
        [test] = found.tests
        ratios.append(test.statistic)
    assert 0.5 < np.mean(ratios) < 1.6


@pytest.mark.parametrize(
    ("statistic", "boundary", "p"), [(3.841459, False, 0.05), (2.705543, True, 0.05), (0.0, True, 1.0)]
)
def test_likelihood_ratio_on_the_boundary_is_half_a_chi_squared(statistic, boundary, p):
    assert p_value(statistic, boundary) == pytest.approx(p, rel=1e-5)


def test_vuong_by_hand():
    y = np.random.default_rng(2).gamma(2.0, size=80)
    sample = Sample(y)
    one, two = (fit_sample(registry.get(n), sample)[0] for n in ("gamma", "lognormal"))
    gap = pointwise(one, sample) - pointwise(two, sample)
    test = vuong(one, two, pointwise(one, sample), pointwise(two, sample), None)
    z = sqrt(80) * gap.mean() / gap.std()
    assert test.statistic == pytest.approx(z)
    assert test.p_value == pytest.approx(1 - erf(abs(z) / sqrt(2)))
    assert gap.sum() == pytest.approx(one.log_likelihood - two.log_likelihood)
    assert test.detail["z_bic"] == pytest.approx(z)  # equal numbers of parameters


def test_vuong_of_equal_fits_has_no_statistic():
    fit = fit_sample(NORMAL, Sample(np.array([1.0, 2, 4])))[0]
    same = pointwise(fit, Sample(np.array([1.0, 2, 4])))
    assert np.isnan(vuong(fit, fit, same, same, None).statistic)


@pytest.mark.parametrize("name", ["normal", "gamma", "weibull", "poisson", "uniform"])
def test_held_out_nll_is_that_of_fits_fold_by_fold(name):
    family = registry.get(name)
    y = np.random.default_rng(4).poisson(6, 53) + 1.0
    found = compare_sample([family], Sample(y), Plan("held-out", 5, 0, 9))[0].entries[0]
    fold = np.random.default_rng(9).permutation(53) % 5
    total = 0.0
    for k in range(5):
        fit = fit_sample(family, Sample(y[fold != k]))[0]
        with np.errstate(divide="ignore"):
            total += float(np.sum(np.broadcast_to(family.nll(y[fold == k], fit.eta[:, None]), (fold == k).sum())))
    assert found.held_out == pytest.approx(total / 53, rel=1e-7)


@pytest.mark.parametrize("family", [f for f in registry.every() if not f.labels], ids=lambda f: f.name)
def test_every_family_can_be_compared_with_data_of_its_own(family):
    theta = {"p": 0.4, "upper": 9.0, "df": 5.0, "pi": 0.3, "mu": 1.5, "sigma": 0.6, "kappa": 2.0}
    values = [theta.get(n, 1.3 if family.name != "discrete-uniform" else 1.0) for n in family.names]
    if family.name in ("gev", "generalized-pareto"):
        values[-1] = 0.2
    eta, generator = family.forward(np.array(values)[:, None]), np.random.default_rng(8)
    if len(family.columns) > 1:
        sample = Sample(family.given(np.full(120, 9.0)).sample(generator, eta, 120))
    else:
        sample = Sample(np.asarray(family.sample(generator, eta, 120), dtype=float))
    [found] = compare_sample([family], sample, Plan(replicates=19, folds=3))
    entry = found.entries[0]
    assert entry.fit is not None, entry.error
    assert entry.weight == 1
    if entry.goodness is not None and family.name not in ("bernoulli", "uniform", "pareto"):
        assert max(entry.goodness.p_values.values()) > 0.05
    record = found.to_dict()["models"][0]
    assert record["family"] == family.name
    assert record["delta_aic"] == 0


def test_a_family_that_fails_keeps_its_line_and_says_why():
    found = mlefit.compare([0.5, 1.5, 2.5, 3.0], ["beta", "gamma", "categorical", "binomial"], replicates=0)
    errors = {e.family: e.error for e in found.entries}
    assert errors["gamma"] == ""
    assert errors["beta"] == "y = 1.5 and 2 more outside its support (0 < y < 1)"
    assert "labels" in errors["categorical"]
    assert "trials" in errors["binomial"]
    assert found.entries[0].family == "gamma"


def test_all_takes_the_families_that_hold_the_data():
    names = {e.family for e in mlefit.compare([0.2, 0.7, 0.4, 0.9, 0.55], "all", replicates=0).entries}
    assert {"beta", "kumaraswamy", "gamma", "normal"} <= names
    assert not names & {"poisson", "bernoulli", "categorical", "discrete-uniform"}
    counts = mlefit.compare([3, 0, 2, 5, 1, 1, 0], "discrete", replicates=0)
    assert "poisson" in {e.family for e in counts.entries}
    assert not any("side by side" in note for note in counts.notes)


def test_groups_are_compared_apart_and_one_that_a_family_cannot_hold_is_said():
    data = {"y": [1.0, 2, 3, 5, -1, 2, 4, 1], "g": ["a"] * 4 + ["b"] * 4}
    a, b = mlefit.compare(data, ["normal", "exponential"], column="y", by="g", replicates=0)
    assert (a.group, b.group) == ({"g": "a"}, {"g": "b"})
    assert all(not e.error for e in a.entries)
    assert b.entries[1].error == "y = -1 outside its support (y >= 0)"
    alone = mlefit.compare([1.0, 2, 3, 5], ["normal", "exponential"], replicates=0)
    assert [e.fit.aic for e in a.entries] == pytest.approx([e.fit.aic for e in alone.entries])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rank": "aci"}, "aci"),
        ({"rank": "held-out"}, "folds=5"),
        ({"folds": 1}, "at least 2"),
        ({"replicates": -1}, "0 or more"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, message):
    with pytest.raises(mlefit.UsageError, match=message):
        mlefit.compare([1.0, 2, 3], "normal", **options)


def test_the_same_seed_gives_the_same_p_values_whatever_else_is_compared():
    y = np.random.default_rng(1).gamma(2.0, size=50)
    alone = mlefit.compare(y, "gamma", seed=3).entries[0]
    together = next(e for e in mlefit.compare(y, ["weibull", "gamma"], seed=3).entries if e.family == "gamma")
    assert alone.goodness == together.goodness


def test_p_values_that_cannot_be_had_are_said_and_why():
    found = mlefit.compare([1.0, 2, 4, 3], ["exponential", "gamma"], weights=np.array([1.0, 1.5, 1, 2]), replicates=19)
    assert all(not entry.goodness.p_values for entry in found.entries)
    [note] = [note for note in found.notes if "p-values" in note]
    assert "exponential, gamma" in note or "gamma, exponential" in note
    assert "whole-number" in note


def test_a_group_smaller_than_the_folds_has_no_held_out_nll():
    data = {"y": [1.0, 2, 3, 5, 1, 2, 4], "g": ["a"] * 5 + ["b"] * 2}
    a, b = mlefit.compare(data, "exponential", column="y", by="g", folds=3, replicates=0)
    assert np.isfinite(a.entries[0].held_out)
    assert np.isnan(b.entries[0].held_out)
    assert b.notes == ("no held-out NLL: 2 rows cannot be parted into 3 folds",)
