"""Ends and kinks of rows known in part: no place on a grid of all of them, polished, has a higher likelihood."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import brentq, minimize

import mlefit
from mlefit.families import registry
from mlefit.families.censored import Censored
from mlefit.families.truncated import Truncated
from mlefit.inference.fit import Options, fit_sample
from mlefit.inference.surface import evaluate
from mlefit.sample import Sample

TRUTH = {"uniform": [0.0, 10.0], "discrete-uniform": [2.0, 12.0], "laplace": [2.0, 1.5], "pareto": [1.0, 2.0]}


# -- the same distributions by their textbook formulas ---------------------------------------------------------------


def cdf(name, y, first, second):
    """P(Y <= y) of parameters that broadcast against y."""
    with np.errstate(all="ignore"):
        if name == "uniform":
            return np.clip((y - first) / (second - first), 0, 1)
        if name == "discrete-uniform":
            return np.clip((np.floor(y) - first + 1) / (second - first + 1), 0, 1)
        if name == "laplace":
            z = (y - first) / second
            return np.where(z < 0, np.exp(np.minimum(z, 0)) / 2, 1 - np.exp(-np.maximum(z, 0)) / 2)
        return np.where(y > first, 1 - (np.maximum(y, 1e-300) / first) ** -second, 0.0)


def density(name, y, first, second):
    with np.errstate(all="ignore"):
        if name == "laplace":
            return np.exp(-np.abs(y - first) / second) / (2 * second)
        if name == "pareto":
            return np.where(y >= first * (1 - 1e-14), second * first**second / np.abs(y) ** (second + 1), 0.0)
        return np.where((y >= first) & (y <= second), 1 / (second - first + (name == "discrete-uniform")), 0.0)


class Known:
    """Rows as mlefit takes them, and the NLL that the textbook gives them."""

    def __init__(self, name, n, how, seed):
        generator = np.random.default_rng([seed, n])
        self.name, family = name, registry.get(name)
        self.discrete = family.discrete
        y = family.sample(generator, family.forward(np.array(TRUTH[name])[:, None]), 4 * n)
        below, above = np.full(y.size, -np.inf), np.full(y.size, np.inf)
        if "truncated" in how:
            low, high = np.quantile(y, [0.12, 0.9])
            some = generator.random(y.size)
            below = np.where(some < 0.6, generator.uniform(y.min(), low, y.size), -np.inf)
            above = np.where(some > 0.3, generator.uniform(high, np.quantile(y, 0.99), y.size), np.inf)
            below, above = (np.floor(below), np.ceil(above)) if self.discrete else (below, above)
        seen = np.flatnonzero((y >= below) & (y <= above))[:n]
        y, below, above = y[seen], below[seen], above[seen]
        lower, upper = y.copy(), y.copy()
        part = {"few": 0.3, "half": 0.6, "all": 1.1}.get(how.split("+")[0], 0.0)
        some = generator.random(n) / part if part else np.ones(n)
        width = generator.uniform(0.1, 1.0, (2, n)) * np.std(y)
        width = np.ceil(width) if self.discrete else width
        right, left, both = some < 0.3, (some >= 0.3) & (some < 0.5), (some >= 0.5) & (some < 1)
        lower[right] -= width[0, right]
        upper[right] = np.inf
        lower[left] = -np.inf
        upper[left] += width[1, left]
        lower[both] -= width[0, both]
        upper[both] += width[1, both]
        self.lower, self.upper, self.below, self.above = lower, upper, below, above
        self.truncated = "truncated" in how
        self.weight = generator.uniform(0.5, 2.0, n)

    @property
    def y(self):
        return np.stack([self.lower, self.upper, *([self.below, self.above] if self.truncated else [])])

    def wrapped(self, family=None):
        family = Censored(family or registry.get(self.name))
        return Truncated(family) if self.truncated else family

    def nll(self, first, second):
        """Of P pairs of parameters, (P,)."""
        first, second = np.asarray(first)[:, None], np.asarray(second)[:, None]
        exact = self.lower == self.upper
        one = 1.0 if self.discrete else 0.0
        left = np.where(np.isinf(self.upper), self.lower, self.lower - one)
        window = self.below - one, self.above

        def between(a, b):
            return cdf(self.name, b, first, second) - cdf(self.name, a, first, second)

        with np.errstate(all="ignore"):
            inner = between(np.maximum(left, window[0]), np.minimum(self.upper, window[1]))
            value = np.where(exact, density(self.name, np.where(exact, self.lower, 1.0), first, second), inner)
            total = (self.weight * (np.log(between(*window)) - np.log(value))).sum(axis=-1)
        return np.where(np.isfinite(total) & (value > 0).all(axis=-1), total, np.inf)

    def lowest(self):
        """The smallest NLL on a grid of every number in the rows, the middles between and some beyond, polished."""
        numbers = self.y[np.isfinite(self.y)]
        if self.discrete:
            whole = np.arange(numbers.min() - 3, numbers.max() + 4)
            first, second = (v.ravel() for v in np.meshgrid(whole, whole))
            return self.nll(first[second >= first], second[second >= first]).min()
        places = np.unique(numbers[numbers > 0] if self.name == "pareto" else numbers)
        places = np.concatenate([places, (places[1:] + places[:-1]) / 2])
        reach = np.ptp(places) * np.array([0.02, 0.1, 0.5, 2.0])
        beyond = [places.min() * 0.9] if self.name == "pareto" else [*(places.min() - reach), *(places.max() + reach)]
        first = np.concatenate([places, beyond])
        second = first if self.name == "uniform" else np.exp(np.linspace(-3, 4, 40))
        first, second = (v.ravel() for v in np.meshgrid(first, second))
        ordered = second > first if self.name == "uniform" else np.ones(first.size, dtype=bool)
        first, second = first[ordered], second[ordered]
        value = np.concatenate(
            [self.nll(first[i : i + 2000], second[i : i + 2000]) for i in range(0, first.size, 2000)]
        )
        best = value.min()
        for i in np.argsort(value)[:4]:
            point = np.array([first[i], second[i]])
            for _ in range(2):
                found = minimize(
                    lambda at: min(self.nll(at[:1], at[1:])[0], 1e12), point, method="Nelder-Mead",
                    options={"xatol": 1e-10, "fatol": 1e-11},
                )  # fmt: skip
                point = found.x
            best = min(best, found.fun)
        return best


HOW = ["few", "half", "all", "truncated", "few+truncated", "half+truncated"]


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("name", TRUTH)
def test_no_other_place_has_a_higher_likelihood(name, how, seed):
    known = Known(name, 25, how, seed)
    fit = fit_sample(known.wrapped(), Sample(known.y, known.weight))[0]
    assert fit.converged, fit.warnings
    assert fit.nll == pytest.approx(known.nll(fit.theta[:1], fit.theta[1:])[0], rel=1e-9)
    assert fit.nll <= known.lowest() + 1e-8
    uninformed = fit.family.irregular - {"loc"}
    assert all(np.isnan(fit.std_errors[name]) for name in uninformed)
    assert all(fit.std_errors[name] > 0 for name in set(fit.family.names) - uninformed)
    assert any("found by search" in warning for warning in fit.warnings)


@pytest.mark.parametrize(("name", "at"), [(name, j) for name in TRUTH for j in (0, 1)])
def test_one_parameter_held(name, at):
    """The other's profile, on a fine grid and at every value."""
    known = Known(name, 40, "half", 5)
    held = registry.get(name).names[at]
    value = TRUTH[name][at] + ({"lower": -1.0, "upper": 1.0, "scale": -0.3 * (name == "pareto")}.get(held, 0.0))
    fit = fit_sample(known.wrapped(registry.get(name).pin({held: value})), Sample(known.y, known.weight))[0]
    assert fit.converged, fit.warnings
    numbers = known.y[np.isfinite(known.y)]
    grid = np.unique(np.concatenate([numbers, np.linspace(numbers.min() - 5, numbers.max() + 5, 4001)]))
    grid = np.unique(np.floor(grid)) if known.discrete else grid
    grid = grid[grid > 0] if name == "pareto" or (at == 0 and name == "laplace") else grid
    pair = [np.full(grid.size, value), grid][:: 1 if at == 0 else -1]
    assert fit.nll <= known.nll(*pair).min() + 1e-9


@pytest.mark.parametrize("how", ["half", "few+truncated"])
@pytest.mark.parametrize("name", TRUTH)
def test_groups_are_one_batch_and_weights_are_repeats(name, how):
    parts = [Known(name, n, how, seed) for seed, n in enumerate((25, 40, 31))]
    y = np.concatenate([part.y for part in parts], axis=1)
    codes = np.repeat([0, 1, 2], [25, 40, 31])
    times = np.arange(codes.size) % 3 + 1.0
    shuffled = np.random.default_rng(0).permutation(codes.size)
    sample = Sample.of(y[:, shuffled], times[shuffled], codes[shuffled])
    for group, fit in enumerate(fit_sample(parts[0].wrapped(), sample)):
        rows = np.repeat(y[:, codes == group], times[codes == group].astype(int), axis=1)
        alone = fit_sample(parts[0].wrapped(), Sample(rows))[0]
        np.testing.assert_allclose(fit.theta, alone.theta, rtol=1e-8)
        assert fit.log_likelihood == pytest.approx(alone.log_likelihood, rel=1e-11)


@pytest.mark.parametrize("name", ["uniform", "laplace"])
def test_rows_that_are_known_are_fitted_as_such(name):
    y = np.random.default_rng(2).normal(1e6, 0.01, 41)
    plain, rows = fit_sample(registry.get(name), Sample(y))[0], np.stack([y, y])
    limits = np.stack([y, np.full(41, -np.inf), np.full(41, np.inf)])
    for fit in (
        fit_sample(Censored(registry.get(name)), Sample(rows))[0],
        fit_sample(Truncated(registry.get(name)), Sample(limits))[0],
    ):
        np.testing.assert_allclose(fit.theta, plain.theta, rtol=1e-12)


def test_the_scale_of_pareto_is_the_smallest_value():
    """With right-censored rows the shape is events over the sum of log(y/scale) (Arnold 2015, section 5.2)."""
    y = np.array([[1.5, 2.0, 0.5, 4.0, 8.0, 3.0], [1.5, 2.0, np.inf, 4.0, np.inf, 3.0]])
    fit = fit_sample(Censored(registry.get("pareto")), Sample(y))[0]
    assert fit.estimates["scale"] == pytest.approx(1.5, rel=1e-14)
    shape = 4 / np.log(np.array([2.0, 4.0, 8.0, 3.0]) / 1.5).sum()
    assert fit.estimates["shape"] == pytest.approx(shape, rel=1e-12)
    assert fit.std_errors["shape"] == pytest.approx(shape / 2, rel=1e-9)


def test_a_uniform_end_lies_between_values():
    """Two rows beyond 4 and one value at 2: upper maximises 2 log(u - 4) - 3 log u from 0 on."""
    y = np.array([[2.0, 4.0, 4.0], [2.0, np.inf, np.inf]])
    fit = fit_sample(Censored(registry.get("uniform")).pin({"lower": 0.0}), Sample(y))[0]
    assert fit.estimates["upper"] == pytest.approx(12.0, rel=1e-10)
    assert np.isnan(fit.std_errors["upper"])


@pytest.mark.parametrize("name", ["laplace", "pareto"])
def test_profile_limits(name):
    known = Known(name, 40, "half", 1)
    fit = fit_sample(known.wrapped(), Sample(known.y), Options(interval="profile"))[0]
    known.weight = np.ones(40)
    numbers = np.unique(known.y[np.isfinite(known.y)])
    loose = np.concatenate([numbers, np.linspace(numbers.min(), numbers.max(), 3000)])
    loose = loose[loose > 0] if name == "pareto" else loose

    def drop(second):
        """Twice the log-likelihood lost, less the quantile, with the second parameter held."""
        return 2 * (known.nll(loose, np.full(loose.size, second)).min() - fit.nll) - 3.841458820694124

    middle = fit.theta[1]
    assert fit.lower[1] == pytest.approx(brentq(drop, middle / 20, middle), rel=1e-4)
    assert fit.upper[1] == pytest.approx(brentq(drop, middle, middle * 20), rel=1e-4)
    assert np.isnan(fit.lower[0]) == (name == "pareto")
    if name == "laplace":
        for end in (fit.lower[0], fit.upper[0]):
            other = np.exp(np.linspace(-2, 3, 4001))
            lost = 2 * (known.nll(np.full(other.size, end), other).min() - fit.nll)
            assert lost == pytest.approx(3.841458820694124, abs=1e-4)


def test_the_likelihood_drawn_and_tested_has_the_other_parameter_at_its_best():
    known = Known("laplace", 40, "half", 3)
    known.weight = np.ones(40)
    fit = mlefit.fit(
        np.where(np.isfinite(known.lower), known.lower, np.nan), "laplace",
        upper=np.where(np.isfinite(known.upper), known.upper, np.nan), null={"scale": 1.0},
    )  # fmt: skip
    grid = np.concatenate([known.lower, known.upper, np.linspace(0, 4, 4001)])
    grid = grid[np.isfinite(grid)]
    best = known.nll(grid, np.ones(grid.size)).min()
    assert -evaluate(fit, ["scale"], np.array([[1.0]]), profile=True)[0] == pytest.approx(best, abs=1e-6)
    assert fit.tests[0].likelihood_ratio == pytest.approx(2 * (best - fit.nll), abs=1e-5)


def test_standard_errors_of_laplace_are_those_of_its_estimates():
    """The spread of the estimates over 400 samples, a third of each censored at the right."""
    generator = np.random.default_rng(4)
    y = generator.laplace(2.0, 1.5, 400 * 200)
    end = generator.uniform(1.0, 6.0, y.size)
    rows = np.stack([np.minimum(y, end), np.where(y > end, np.inf, y)])
    fits = fit_sample(Censored(registry.get("laplace")), Sample.of(rows, codes=np.repeat(np.arange(400), 200)))
    assert all(fit.converged for fit in fits)
    spread = np.std([fit.theta for fit in fits], axis=0)
    errors = np.mean([list(fit.std_errors.values()) for fit in fits], axis=0)
    np.testing.assert_allclose(errors, spread, rtol=0.12)


INF = np.inf


@pytest.mark.parametrize(
    ("name", "rows", "said"),
    [
        ("uniform", [[1.0, 2, 3], [INF] * 3], "no event was observed"),
        ("discrete-uniform", [[1.0, 2, 3], [INF] * 3], "no event was observed"),
        ("laplace", [[1.0, 2, 3], [INF] * 3], "no event was observed"),
        ("pareto", [[1.0, 2, 3], [INF] * 3], "no event was observed"),
        ("uniform", [[0.0, 1.0], [2.0, 3.0]], "share a value"),
        ("laplace", [[1.0, 1.0], [1.0, 1.0]], "unbounded"),
        ("pareto", [[2.0, 1.0], [2.0, INF]], "unbounded"),
    ],
)
def test_what_has_no_maximum_is_said(name, rows, said):
    fit = fit_sample(Censored(registry.get(name)), Sample(np.array(rows)))[0]
    assert not fit.converged
    assert said in fit.warnings[0]


def test_an_end_that_nothing_holds():
    """Every row was seen only where all of (2, 5] could be: ends further out change nothing."""
    y = np.array([[2.0, 3.0, 5.0], [2.0] * 3, [5.0] * 3])
    fit = fit_sample(Truncated(registry.get("discrete-uniform")), Sample(y))[0]
    assert not fit.converged
    assert "lower has no estimate: the likelihood of discrete-uniform does not fall" in fit.warnings[0]


def test_a_truncated_tail_does_not_tell_where_laplace_has_its_middle():
    """Counts that halve from each interval to the next: an exponential's, as is every tail of a laplace."""
    y = np.array([[2.0, 3, 4, 5, 6, 7], [3.0, 4, 5, 6, 7, INF], [2.0] * 6, [INF] * 6])
    fit = fit_sample(Truncated(Censored(registry.get("laplace"))), Sample(y, np.array([32.0, 16, 8, 4, 2, 2])))[0]
    assert not fit.converged
    assert "loc has no estimate: the likelihood of laplace does not fall, however far loc goes down" in fit.warnings[0]


@pytest.mark.parametrize("name", ["uniform", "laplace"])
def test_a_start_does_not_move_what_is_exact(name):
    y = np.array([1.0, 2.0, 5.0])
    start = {registry.get(name).names[0]: -5.0}
    moved, plain = (fit_sample(registry.get(name), Sample(y), Options(start=s))[0] for s in (start, {}))
    np.testing.assert_allclose(moved.theta, plain.theta, rtol=1e-12)
