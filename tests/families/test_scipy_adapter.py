"""Distributions of scipy.stats as families: never below scipy's own fit, derivatives, ends and refusals."""

from __future__ import annotations

import time
import warnings

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import minimize
from scipy.stats._distr_params import distcont

from mlefit.cli import run
from mlefit.errors import DataError, MlefitError, UsageError
from mlefit.families import numeric, registry, scipy_adapter
from mlefit.families.pinned import Pinned
from mlefit.families.scipy_adapter import ScipyFamily
from mlefit.inference.fit import fit_sample
from mlefit.sample import Sample
from mlefit.samples import sample_data

SHAPES = {}
for _name, _shapes in distcont:
    SHAPES.setdefault(_name, _shapes)
# Their density takes milliseconds a value in scipy: minutes a fit.
SLOW = {"levy_stable", "studentized_range", "ksone", "kstwo"}
FAST = [
    "alpha", "anglit", "argus", "burr", "cauchy", "chi2", "cosine", "exponnorm", "exponweib", "expon", "fatiguelife",
    "fisk", "foldnorm", "gamma", "genextreme", "genlogistic", "gumbel_l", "gumbel_r", "halfnorm", "hypsecant",
    "invgamma", "invgauss", "invweibull", "johnsonsu", "logistic", "loggamma", "lognorm", "maxwell", "mielke", "moyal",
    "nakagami",
    "norm", "pareto", "pearson3", "powerlaw", "rayleigh", "rice", "semicircular", "skewnorm", "t", "uniform", "wald",
    "weibull_max", "weibull_min",
]  # fmt: skip


def drawn(name, n=300):
    generator = np.random.default_rng(5)
    return np.sort(getattr(stats, name).rvs(*SHAPES[name], loc=2.0, scale=3.0, size=n, random_state=generator))


def scipys(name, y):
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        distribution = getattr(stats, name)
        return float(distribution.logpdf(y, *distribution.fit(y)).sum())


@pytest.mark.parametrize("name", FAST)
def test_never_below_scipys_own_fit(name):
    y = drawn(name)
    fit = fit_sample(registry.get(f"scipy:{name}"), Sample(y))[0]
    assert fit.log_likelihood >= scipys(name, y) - 1e-6
    # pareto is indifferent between a shape, loc and scale growing together: its limit is the exponential.
    assert fit.converged or name == "pareto"


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in SHAPES if n not in SLOW and n not in FAST])
def test_every_other_name_is_fitted_or_refused_with_a_reason(name):
    y = drawn(name)
    try:
        fit = fit_sample(registry.get(f"scipy:{name}"), Sample(y))[0]
    except MlefitError as error:
        reason = str(error)
    else:
        reason = ""
    if reason:
        assert "unbounded" in reason or "integer" in reason or "seconds" in reason
        return
    if not fit.converged:
        assert fit.warnings
    if not np.isnan(fit.log_likelihood):
        assert fit.log_likelihood >= scipys(name, y) - 1e-6


@pytest.mark.parametrize("name", ["gamma", "norm", "weibull_min", "lognorm"])
def test_same_as_the_written_family_where_loc_is_held(name):
    y = drawn(name) - 2.0
    held = {} if name == "norm" else {"loc": 0.0}
    found = fit_sample(registry.get(f"scipy:{name}").pin(held) if held else registry.get("scipy:norm"), Sample(y))[0]
    written = {"gamma": "gamma", "norm": "normal", "weibull_min": "weibull", "lognorm": "lognormal"}[name]
    expected = fit_sample(registry.get(written), Sample(y))[0]
    assert found.log_likelihood == pytest.approx(expected.log_likelihood, rel=1e-10)
    errors = {
        "gamma": lambda f: f.std_errors["a"] / expected.std_errors["shape"],
        "norm": lambda f: f.std_errors["scale"] / expected.std_errors["sigma"],
        "weibull_min": lambda f: f.std_errors["c"] / expected.std_errors["shape"],
        "lognorm": lambda f: f.std_errors["s"] / expected.std_errors["sigma"],
    }
    assert errors[name](found) == pytest.approx(1.0, abs=1e-6)
    assert found.to_dict().get("fixed", {}) == held


@pytest.mark.parametrize("name", ["gamma", "t", "genextreme", "johnsonsu", "exponweib"])
def test_derivatives(name):
    family = ScipyFamily(name)
    theta = np.array([*SHAPES[name], 2.0, 3.0])
    eta = family.forward(theta[:, None])
    y = getattr(stats, name).ppf([0.05, 0.2, 0.5, 0.8, 0.95], *theta)
    nll, gradient, hessian = family.derivatives(y, eta)
    np.testing.assert_allclose(nll, -getattr(stats, name).logpdf(y, *theta), rtol=1e-12)
    scores = np.repeat(eta, 5, axis=1)
    np.testing.assert_allclose(gradient, numeric.gradient(family.nll, y, scores), rtol=1e-6, atol=1e-7)
    expected = numeric.hessian(Pinned(family, {}), y, scores)
    np.testing.assert_allclose(hessian, expected, rtol=1e-5, atol=1e-5)
    assert np.exp(family.log_cdf(y, eta)) == pytest.approx([0.05, 0.2, 0.5, 0.8, 0.95])
    assert family.quantile(np.array([0.05]), eta)[0] == pytest.approx(y[0])


def test_ends_of_the_support_on_a_value_have_no_standard_error():
    y = drawn("expon")
    fit = fit_sample(registry.get("scipy:expon"), Sample(y))[0]
    assert fit.estimates["loc"] == y.min()
    assert fit.estimates["scale"] == pytest.approx(y.mean() - y.min(), rel=1e-9)
    assert np.isnan(fit.std_errors["loc"])
    assert any("lies on a value" in warning for warning in fit.warnings)


def test_an_infinite_density_is_said():
    y = np.random.default_rng(0).gamma(0.3, size=100)
    with pytest.raises(DataError, match="unbounded: its support ends at the value"):
        fit_sample(registry.get("scipy:gamma"), Sample(y))


def test_groups():
    y = drawn("gumbel_r")
    both = Sample.of(np.concatenate([y, 3 * y]), codes=np.repeat([0, 1], 300))
    fits = fit_sample(registry.get("scipy:gumbel_r"), both)
    assert all(fit.converged for fit in fits)
    assert fits[1].estimates["scale"] == pytest.approx(3 * fits[0].estimates["scale"], rel=1e-6)


def test_discrete():
    y = stats.nbinom.rvs(5, 0.4, size=400, random_state=np.random.default_rng(1)).astype(float)
    fit = fit_sample(registry.get("scipy:logser"), Sample(y + 1))[0]
    assert fit.converged
    with pytest.raises(UsageError, match="M and n and N of scipy:hypergeom are integers; hold all but one"):
        fit_sample(registry.get("scipy:hypergeom"), Sample(y))
    held = fit_sample(registry.get("scipy:binom").pin({"n": 40}), Sample(y))[0]
    assert held.estimates["p"] == pytest.approx(y.mean() / 40, rel=1e-6)


@pytest.mark.parametrize("held", [{}, {"loc": -1.0}, {"loc": -1.0, "scale": 12.0}])
def test_the_mode_of_a_triangle_is_on_a_value(held):
    """No mode on any other value is better, its ends fitted to it; rows weighted."""
    generator = np.random.default_rng(8)
    y, weight = generator.triangular(0, 3, 10, 60), generator.integers(1, 4, 60).astype(float)
    family = registry.get("scipy:triang")
    fit = fit_sample(family.pin(held) if held else family, Sample(y, weight))[0]
    assert fit.converged
    assert any("kink of the density" in warning for warning in fit.warnings)
    found = {**held, **fit.estimates}
    assert np.abs(found["loc"] + found["c"] * found["scale"] - y).min() < 1e-9
    law = stats.triang(found["c"], found["loc"], found["scale"])
    assert fit.nll == pytest.approx(-(weight * law.logpdf(y)).sum(), rel=1e-12)

    def total(free, mode):
        loc, scale = held.get("loc", free[0]), held.get("scale", np.exp(free[1]))
        value = -(weight * stats.triang.logpdf(y, (mode - loc) / scale, loc, scale)).sum()
        return value if np.isfinite(value) else 1e300

    start = [found["loc"], np.log(found["scale"])]
    for mode in y:
        best = total(start, mode) if len(held) == 2 else minimize(total, start, (mode,), method="Nelder-Mead").fun
        assert best >= fit.nll - 1e-7


def test_a_triangle_on_one_value_is_no_maximum():
    assert not fit_sample(registry.get("scipy:triang"), Sample(np.full(5, 3.0)))[0].converged


def test_triangles_of_groups():
    y = np.random.default_rng(2).triangular(0, 3, 10, 100)
    both = Sample.of(np.concatenate([y, 3 * y]), codes=np.repeat([0, 1], 100))
    one, other = fit_sample(registry.get("scipy:triang"), both)
    assert one.converged
    assert other.estimates["scale"] == pytest.approx(3 * one.estimates["scale"], rel=1e-5)


@pytest.mark.parametrize(
    ("name", "fixed", "values"),
    [("geom", {}, "integers 1, 2, 3 ..."), ("zipf", {}, "integers 1, 2, 3 ..."), ("logser", {}, "integers 1, 2, 3 ..."),
     ("nbinom", {}, "integers 0, 1, 2 ..."), ("skellam", {}, "integers"), ("randint", {}, "integers"),
     ("binom", {"n": 2}, "0 or 1 or 2"), ("poisson_binom", {}, "integers")],
)  # fmt: skip
def test_the_values_a_discrete_distribution_can_have(name, fixed, values):
    family = registry.get(f"scipy:{name}")
    assert str((family.pin(fixed) if fixed else family).support) == values


def test_a_value_that_is_impossible_is_named(capsys):
    assert run(["estimate", str(sample_data("quine.csv")), "-c", "days", "-d", "scipy:geom"]) == 1
    assert "'0' in column 'days' on line 62" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "free", "estimate"), [("randint", "low", 0), ("randint", "high", 82), ("hypergeom", "M", 420)]
)
def test_the_advice_on_several_integers_can_be_followed(name, free, estimate):
    """The remedy that the refusal gives is one at which the data are possible; the other integer is then found."""
    y = np.loadtxt(sample_data("quine.csv"), delimiter=",", skiprows=1, usecols=-1)
    family = registry.get(f"scipy:{name}")
    with pytest.raises(UsageError, match=r"--fix .*=82"):
        fit_sample(family, Sample(y))
    held = {p: 0.0 if p == "low" else 82.0 for p in family.names if p != free}
    fit = fit_sample(family.pin(held), Sample(y))[0]
    assert fit.converged
    assert fit.estimates[free] == estimate
    law = getattr(stats, name)
    near = {v: -law.logpmf(y, *[v if p == free else held[p] for p in family.names]).sum()
            for v in (estimate - 1, estimate, estimate + 1)}  # fmt: skip
    assert min(near, key=near.get) == estimate
    assert fit.nll == pytest.approx(near[estimate], rel=1e-12)


def test_loc_of_a_discrete_distribution():
    with pytest.raises(UsageError, match="subtract the loc from the data"):
        registry.get("scipy:geom").pin({"loc": -1.0})


WHOLE = {
    "binom": (stats.binom(20, 0.6), {}), "nbinom": (stats.nbinom(5, 0.4), {}),
    "betabinom": (stats.betabinom(9, 2, 3), {}),
    "erlang": (stats.erlang(4, scale=2), {"loc": 0.0}), "irwinhall": (stats.irwinhall(3), {"loc": 0.0, "scale": 1.0}),
}  # fmt: skip


@pytest.mark.parametrize("name", WHOLE)
def test_an_integer_is_found_among_all_integers(name):
    """Each of them held in turn; rows weighted."""
    law, held = WHOLE[name]
    generator = np.random.default_rng(3)
    y, weight = law.rvs(size=120, random_state=generator).astype(float), generator.integers(1, 4, 120).astype(float)
    family = registry.get(f"scipy:{name}")
    family = family.pin(held) if held else family
    whole = next(iter(family.integers & set(family.names)))
    fit = fit_sample(family, Sample(y, weight))[0]
    assert fit.converged, fit.warnings
    assert np.isnan(fit.std_errors[whole])
    least = int(y.max()) if name in ("binom", "betabinom") else 1
    values = range(least, least + 25)
    if len(family.names) == 1:
        each = [-(weight * law.dist.logpdf(y, value)).sum() for value in values]
    else:
        each = [fit_sample(family.pin({whole: float(value)}), Sample(y, weight))[0].nll for value in values]
    assert fit.estimates[whole] == values[int(np.nanargmin(each))]
    assert fit.nll == pytest.approx(np.nanmin(each), rel=1e-9)


def test_integers_of_groups():
    generator = np.random.default_rng(0)
    y = np.concatenate([stats.binom.rvs(n, 0.6, size=100, random_state=generator) for n in (8, 30)]).astype(float)
    codes = np.repeat([0, 1], 100)
    together = fit_sample(registry.get("scipy:binom"), Sample.of(y, codes=codes))
    for group, fit in enumerate(together):
        alone = fit_sample(registry.get("scipy:binom"), Sample(y[codes == group]))[0]
        np.testing.assert_allclose(fit.theta, alone.theta, rtol=1e-7)


@pytest.mark.parametrize(("name", "law"), [("nbinom", stats.binom(10, 0.3)), ("binom", stats.nbinom(3, 0.4))])
def test_an_integer_without_end_names_the_limit(name, law):
    y = law.rvs(size=200, random_state=np.random.default_rng(2)).astype(float)
    fit = fit_sample(registry.get(f"scipy:{name}"), Sample(y))[0]
    assert not fit.converged
    assert "n has no estimate" in fit.warnings[0]
    assert "becomes poisson" in fit.warnings[0]


@pytest.mark.parametrize("name", ["gausshyper", "levy_stable"])
def test_the_time_limit_is_kept(name, monkeypatch):
    """However slow a density is, a fit ends soon after its limit and says so."""
    monkeypatch.setattr(scipy_adapter, "LIMIT", 1.0)
    y = np.random.default_rng(0).beta(2.0, 3.0, size=300)
    before = time.monotonic()
    with pytest.raises(DataError, match="not fitted within 1 seconds"):
        fit_sample(registry.get(f"scipy:{name}"), Sample(y))
    assert time.monotonic() - before < 10  # a single value of the slowest takes up to a second on a busy machine


def test_unknown_name():
    with pytest.raises(UsageError, match="did you mean scipy:nakagami"):
        registry.get("scipy:nakagmi")
