"""Counts and labels where the generic contract does not reach: large counts, deep tails, boundaries, limits."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest
from mpmath import mp, mpf

from mlefit.errors import UsageError
from mlefit.families import numeric
from mlefit.families.base import Family
from mlefit.families.bernoulli import Bernoulli
from mlefit.families.beta_binomial import BetaBinomial
from mlefit.families.binomial import Binomial
from mlefit.families.categorical import Categorical
from mlefit.families.discrete_uniform import DiscreteUniform
from mlefit.families.geometric import Geometric
from mlefit.families.hurdle import Hurdle
from mlefit.families.negative_binomial import NegativeBinomial
from mlefit.families.normal import Normal
from mlefit.families.poisson import Poisson
from mlefit.families.zero_inflated import ZeroInflated, ZeroInflatedNegativeBinomial, ZeroInflatedPoisson
from mlefit.inference.fit import fit_sample
from mlefit.objective import objective
from mlefit.predictors.constant import Constant
from mlefit.sample import Array, Sample
from mlefit.solvers.newton import newton
from mlefit.solvers.solution import Solution
from mlefit.testing import check_family

mp.dps = 50


def scores(family: Family, *theta: float) -> Array:
    return family.forward(np.array(theta)[:, None])


def fit(family: Family, y: Array, start: Array | None = None) -> Solution:
    sample = Sample.of(np.asarray(y, dtype=float)).distinct
    with np.errstate(all="ignore"):
        first = family.start(sample) if start is None else start
        return newton(objective(family, Constant(), sample), np.ascontiguousarray(first.T), step=family.step)


# -- 50 digits, on the doubles that the scores stand for ------------------------------------------------------------


def poisson_log(eta: Array) -> Callable[..., mpf]:
    mu = mp.exp(mpf(float(eta[0, 0])))
    return lambda y: y * mp.log(mu) - mu - mp.loggamma(mpf(y) + 1)


def negative_binomial_log(eta: Array) -> Callable[..., mpf]:
    mu, size = (mp.exp(mpf(float(e))) for e in eta[:, 0])
    share = size / (mu + size)
    return lambda y: (
        mp.loggamma(y + size) - mp.loggamma(size) - mp.loggamma(mpf(y) + 1)
        + size * mp.log(share) + y * mp.log(mu / (mu + size))
    )  # fmt: skip


def binomial_log(eta: Array) -> Callable[..., mpf]:
    odds = mp.exp(mpf(float(eta[0, 0])))
    return lambda y, n: log_choose(n, y) + y * mp.log(odds) - n * mp.log1p(odds)


def beta_binomial_log(eta: Array) -> Callable[..., mpf]:
    a, b = (mp.exp(mpf(float(e))) for e in eta[:, 0])

    def log_beta(u: mpf, v: mpf) -> mpf:
        return mp.loggamma(u) + mp.loggamma(v) - mp.loggamma(u + v)

    return lambda y, n: log_choose(n, y) + log_beta(y + a, n - y + b) - log_beta(a, b)


def log_choose(n: float, y: float) -> mpf:
    return mp.loggamma(mpf(n) + 1) - mp.loggamma(mpf(y) + 1) - mp.loggamma(mpf(n) - y + 1)


@pytest.mark.parametrize(
    ("family", "theta", "y", "log_density"),
    [
        (Poisson(), (1e10,), (1e10,), poisson_log),
        (Poisson(), (1e10,), (1e10 + 4e5,), poisson_log),
        (Poisson(), (1e-30,), (3,), poisson_log),
        (Poisson(), (7.0,), (1e9,), poisson_log),
        (NegativeBinomial(), (20.0, 1e12), (35,), negative_binomial_log),
        (NegativeBinomial(), (1e9, 1e3), (1.1e9,), negative_binomial_log),
        (NegativeBinomial(), (1e9, 1e-6), (4e9,), negative_binomial_log),
        (NegativeBinomial(), (1e9, 1e-6), (0,), negative_binomial_log),
        (Binomial(), (0.5,), (5e9, 1e10), binomial_log),
        (Binomial(), (0.999,), (1e12 - 2, 1e12), binomial_log),
        (Binomial(), (1e-10,), (3, 1e10), binomial_log),
        (BetaBinomial(), (1e12, 1e12), (40, 100), beta_binomial_log),
        (BetaBinomial(), (1e10, 3e10), (2.51e7, 1e8), beta_binomial_log),
        (BetaBinomial(), (1e-20, 1e-20), (2, 5), beta_binomial_log),
    ],
)  # fmt: skip
def test_likelihood_keeps_its_digits(
    family: Family, theta: tuple[float, ...], y: tuple[float, ...], log_density: Callable[[Array], Callable[..., mpf]]
) -> None:
    eta = scores(family, *theta)
    rows = np.array(y, dtype=float)
    got = family.nll(rows if len(y) == 1 else rows[:, None], eta)
    assert float(np.ravel(got)[0]) == pytest.approx(float(-log_density(eta)(*y)), rel=1e-12)


@pytest.mark.parametrize(
    ("family", "theta", "y", "log_density", "about"),
    [
        (Poisson(), (1000.0,), 2500, poisson_log, -796),
        (Poisson(), (0.01,), 3000, poisson_log, -34852),
        (NegativeBinomial(), (1e4, 1e6), 20000, negative_binomial_log, -3819),
        (NegativeBinomial(), (5.0, 1e17), 600, negative_binomial_log, -2286),
        (NegativeBinomial(), (20.0, 1e12), 200, negative_binomial_log, -286),
    ],
)
def test_upper_tail_far_out(
    family: Family, theta: tuple[float, ...], y: int, log_density: Callable[[Array], Callable[..., mpf]], about: float
) -> None:
    eta = scores(family, *theta)
    log_f = log_density(eta)
    expected = float(mp.log(mp.fsum(mp.exp(log_f(k)) for k in range(y + 1, y + 250))))
    assert expected == pytest.approx(about, abs=1)
    assert float(family.log_sf(np.array([float(y)]), eta)[0]) == pytest.approx(expected, rel=1e-13)


# -- quantiles ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("family", "theta", "low"),
    [
        (Poisson(), (3.7,), 0),
        (Poisson(), (1e10,), 10_000_012_345),
        (Geometric(), (0.2,), 0),
        (Geometric(), (1e-9,), 1_234_567),
        (Binomial(12.0), (0.5,), 0),
        (NegativeBinomial(), (4.0, 0.6), 0),
        (BetaBinomial(12.0), (0.7, 1.4), 0),
        (DiscreteUniform(), (0.0, 9.0), 0),
        (ZeroInflatedPoisson(), (3.0, 0.25), 0),
        (Hurdle(Poisson()), (3.0, 0.25), 0),
    ],
)
def test_quantile_is_exact_at_the_steps(family: Family, theta: tuple[float, ...], low: int) -> None:
    eta = scores(family, *theta)
    k = low + np.arange(6.0)
    rows = np.stack([k, np.full(6, 12.0)]) if len(family.columns) > 1 else k
    steps = np.exp(family.log_cdf(rows, eta))
    np.testing.assert_array_equal(family.quantile(steps, eta), k)
    np.testing.assert_array_equal(family.quantile(steps * (1 + 1e-12), eta), k + 1)
    assert family.quantile(np.array([0.0]), eta)[0] == 0


# -- boundaries and limits ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("family", "y", "p"),
    [
        (Poisson(), [0, 0, 0], 0.0),
        (Geometric(), [0, 0, 0], 1.0),
        (Binomial(), [[0, 0], [3, 4]], 0.0),
        (Binomial(), [[3, 4], [3, 4]], 1.0),
    ],
)
def test_boundary_needs_no_iteration(family: Family, y: list[float], p: float) -> None:
    solution = fit(family, np.array(y))
    assert solution.iterations[0] == 0
    assert family.inverse(solution.theta.T)[0, 0] == pytest.approx(p, abs=1e-100)
    assert solution.sums.value[0] == pytest.approx(0, abs=1e-14)


def test_negative_binomial_becomes_poisson() -> None:
    y = np.array([0.0, 1, 2, 5, 9, 30])
    for size in (1e8, 1e12, 1e16, 1e100):
        eta = scores(NegativeBinomial(), 7.3, size)
        nll, gradient, hessian = NegativeBinomial().derivatives(y, eta)
        # The first term of the expansion in 1/size; the second is at most 1e5/size of it here.
        slope = ((y - 7.3) ** 2 - y) / (2 * size)
        np.testing.assert_allclose(gradient[1], slope, rtol=1e-13 + 1e5 / size)
        np.testing.assert_allclose(hessian[1, 1], -slope, rtol=1e-13 + 1e5 / size)
        np.testing.assert_allclose(nll + slope, Poisson().nll(y, eta[:1]), rtol=1e-14 + 1e4 / size**2)


@pytest.mark.parametrize("first", [None, 1.0])
def test_under_dispersion_runs_smoothly_to_poisson(first: float | None) -> None:
    y = np.random.default_rng(0).binomial(10, 0.6, 200).astype(float)
    start = None if first is None else scores(NegativeBinomial(), 2.0, first)
    solution = fit(NegativeBinomial(), y, start)
    poisson = fit(Poisson(), y)
    assert solution.iterations[0] < 30
    assert solution.decrement[0] < 1e-4
    assert solution.theta[0, 1] > np.log(1e9)
    assert solution.theta[0, 0] == pytest.approx(poisson.theta[0, 0], rel=1e-12)
    assert solution.sums.value[0] == pytest.approx(poisson.sums.value[0], rel=1e-9)


def test_beta_binomial_runs_smoothly_to_binomial() -> None:
    y = np.array([[5.0, 5, 5, 4], [10, 10, 10, 9]])
    solution, binomial = fit(BetaBinomial(), y), fit(Binomial(), y)
    a, b = np.exp(solution.theta[0])
    assert solution.iterations[0] < 30
    assert a / (a + b) == pytest.approx(19 / 39, rel=1e-8)
    assert solution.sums.value[0] == pytest.approx(binomial.sums.value[0], rel=1e-8)


def test_binomial_knows_impossible_rows() -> None:
    y = np.array([[0.0, 3, 4, 1, 1, -1, 0.5, 0], [3, 3, 3, 0, 2.5, 3, 3, np.nan]])
    expected = [True, True, False, False, False, False, False, False]
    for family in (Binomial(), BetaBinomial(), BetaBinomial().pin({"alpha": 1.0})):
        assert family.inside(y).tolist() == expected


# -- labels ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("score", [-250.0, -40.0, -3.0, 0.0, 7.0, 250.0])
def test_two_labels_are_bernoulli(score: float) -> None:
    y, eta = np.array([0.0, 1.0]), np.array([[score]])
    for two, one in zip(Categorical("ab").derivatives(y, eta), Bernoulli().derivatives(y, eta), strict=True):
        np.testing.assert_allclose(np.broadcast_to(two, one.shape), one, rtol=1e-14)


def test_absent_labels_are_on_the_boundary_of_their_group() -> None:
    family = Categorical("abc")
    sample = Sample.of(np.array([1.0, 1, 2, 0, 2, 2]), None, np.array([0, 0, 0, 1, 1, 1]))
    solution = newton(objective(family, Constant(), sample), family.start(sample).T, step=family.step)
    expected = np.array([[0, 2 / 3, 1 / 3], [1 / 3, 0, 2 / 3]]).T
    np.testing.assert_allclose(family.inverse(solution.theta.T), expected, rtol=1e-13, atol=1e-100)
    np.testing.assert_allclose(solution.sums.value, -np.log(4 / 27), rtol=1e-13)
    assert solution.iterations.tolist() == [0, 0]


def test_held_label_leaves_the_rest_to_share() -> None:
    family = Categorical("abcd").pin({"p[b]": 0.5})
    solution = fit(family, np.array([0.0, 1, 1, 2, 3, 3]))
    assert family.names == ("p[a]", "p[c]", "p[d]")
    np.testing.assert_allclose(family.inverse(solution.theta.T)[:, 0], [0.125, 0.125, 0.25], rtol=1e-14)
    assert solution.sums.value[0] == pytest.approx(-np.log(0.125 * 0.5**2 * 0.125 * 0.25**2), rel=1e-14)
    y, eta = np.array([0.0, 1, 2, 3, 3]), np.array([[0.3], [1.0]])
    np.testing.assert_allclose(family.gradient(y, eta), numeric.gradient(family.nll, y, eta), atol=1e-10)
    np.testing.assert_allclose(family.hessian(y, eta), numeric.hessian(family, y, eta), atol=1e-10)


@pytest.mark.parametrize(
    ("fixed", "word"),
    [
        ({"p[a]": 0.7, "p[b]": 0.4}, "more than 1"),
        ({"p[a]": 0.7, "p[b]": 0.1, "p[c]": 0.1}, "not 1"),
        ({"p[a]": -0.1}, "not a probability"),
        ({"p[e]": 0.1}, "no parameter"),
    ],
)
def test_probabilities_that_cannot_be_held(fixed: dict[str, float], word: str) -> None:
    with pytest.raises(UsageError, match=word):
        Categorical("abc").pin(fixed)


def test_ten_thousand_labels_are_counted_in_little_memory() -> None:
    import tracemalloc

    family = Categorical([str(j) for j in range(10_000)])
    y = np.random.default_rng(3).integers(0, 10_000, 200_000).astype(float)
    sample = Sample.of(y, np.random.default_rng(4).random(y.size))
    tracemalloc.start()
    p = family.inverse(family.start(sample))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    shares = np.bincount(y.astype(int), weights=sample.weight, minlength=10_000) / sample.total_weight
    np.testing.assert_allclose(p[:, 0], shares, rtol=1e-12, atol=1e-100)
    assert peak < 30e6


def test_counted_and_added_statistics_agree() -> None:
    family, rng = Categorical("abcd"), np.random.default_rng(5)
    codes = np.repeat([0, 1, 2], [30, 1, 40])
    sample = Sample.of(rng.integers(0, 4, 71).astype(float), rng.random(71), codes)
    added = sample.sum(family.statistics(sample.y, np.zeros((0, 1))))
    np.testing.assert_allclose(family.summed(sample, np.zeros((0, 3))), added, rtol=1e-14, atol=1e-15)


# -- extra and missing zeros ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrap", [ZeroInflated, Hurdle])
@pytest.mark.parametrize("base", [Poisson(), NegativeBinomial(), Geometric(), Binomial(), BetaBinomial()], ids=repr)
def test_wrapped_counts_keep_the_contract(wrap: type[ZeroInflated | Hurdle], base: Family) -> None:
    check_family(wrap(base), quick=True)


@pytest.mark.parametrize("wrap", [ZeroInflated, Hurdle])
@pytest.mark.parametrize("base", [Normal(), DiscreteUniform(), Categorical("ab")], ids=repr)
def test_only_counts_can_have_zeros_apart(wrap: type[ZeroInflated | Hurdle], base: Family) -> None:
    with pytest.raises(UsageError, match="counts"):
        wrap(base)


def test_no_extra_zeros_leads_to_the_base() -> None:
    y = np.array([0.0, 0, 1, 1, 2, 3, 2, 1, 1, 2])
    solution, poisson = fit(ZeroInflatedPoisson(), y), fit(Poisson(), y)
    assert solution.theta[0, 1] < -15
    assert solution.theta[0, 0] == pytest.approx(poisson.theta[0, 0], abs=1e-7)
    assert solution.sums.value[0] == pytest.approx(poisson.sums.value[0], rel=1e-7)


def test_starts_lead_to_one_maximum_of_mixed_counts() -> None:
    rng = np.random.default_rng(6)
    y = np.where(rng.random(2000) < 0.3, 0, rng.negative_binomial(3, 0.4, 2000)).astype(float)
    family = ZeroInflatedNegativeBinomial()
    found = [fit(family, y, start) for start in family.starts(Sample.of(y).distinct)]
    assert len(found) > 1
    for solution in found:
        np.testing.assert_allclose(solution.theta, found[0].theta, rtol=1e-8)
        assert solution.decrement[0] < 1e-8


def test_hurdle_fits_its_parts_separately() -> None:
    y = np.array([0.0, 0, 0, 1, 1, 2, 4, 1])
    solution = fit(Hurdle(Poisson()), y)
    mu, pi = Hurdle(Poisson()).inverse(solution.theta.T)[:, 0]
    assert pi == pytest.approx(3 / 8, rel=1e-14)
    # The mean of a Poisson count above zero is matched: mu/(1 - exp(-mu)) = 9/5.
    assert mu == pytest.approx(float(mp.findroot(lambda m: m / -mp.expm1(-m) - mpf(9) / 5, 1.4)), rel=1e-10)


@pytest.mark.parametrize(
    ("family", "limit"),
    [(ZeroInflatedNegativeBinomial(), "zero-inflated:poisson"), (Hurdle(NegativeBinomial()), "hurdle:poisson")],
)
def test_a_base_that_runs_off_keeps_its_zeros_apart(family: Family, limit: str) -> None:
    """Too little spread above zero for a negative binomial: what remains is not a poisson, nearly half being zeros."""
    sizes = np.repeat([0.0, 2, 3, 4], [40, 15, 25, 20])
    found = fit_sample(family, Sample.of(sizes))[0]
    assert not found.converged
    assert f"fit {limit} instead" in found.warnings[0]
    assert found.estimates["pi"] > 0.3


def test_probabilities_are_held_before_the_labels_are_known() -> None:
    assert Categorical().pin({"p[b]": 0.5}).bind("abc").names == ("p[a]", "p[c]")
    with pytest.raises(UsageError, match="has no parameter 'p\\[d\\]'"):
        Categorical().pin({"p[d]": 0.5}).bind("abc")


@pytest.mark.parametrize("every", [False, True])
@pytest.mark.parametrize("trials", [[1.0], [5.0, 7.0, 3.0], [1000.0] * 40])
def test_trials_that_all_end_alike_identify_neither_parameter_of_the_beta_binomial(every, trials):
    """The likelihood of no success at all is (1 - mean)^n at most: it rises to 1 as the mean goes to 0."""
    n = np.array(trials)
    family = BetaBinomial()
    fit = fit_sample(family, Sample(np.stack([n if every else 0 * n, n])))[0]
    assert not fit.converged
    assert fit.log_likelihood == pytest.approx(0, abs=1e-5)
    assert np.isnan([*fit.estimates.values()]).all()
    said = f"{'every' if every else 'no'} trial is a success: .* goes to {int(every)}, whatever"
    assert re.match(said, fit.certificate.problem)
    assert fit.warnings == (fit.certificate.problem,)
    some = fit_sample(family, Sample(np.stack([np.r_[0 * n, np.minimum(n, 1)], np.r_[n, n]])))[0]
    assert "trial is a success" not in some.certificate.problem
