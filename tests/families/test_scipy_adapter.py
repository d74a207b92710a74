"""Distributions of scipy.stats as families: never below scipy's own fit, derivatives, ends and refusals."""

from __future__ import annotations

import time
import warnings
from functools import partial

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad
from scipy.optimize import differential_evolution, minimize
from scipy.stats._distr_params import distcont, distdiscrete

from mlefit import deadline
from mlefit.cli import run
from mlefit.errors import DataError, MlefitError, UsageError
from mlefit.families import numeric, registry
from mlefit.families.losses import Loss
from mlefit.families.pinned import Pinned
from mlefit.families.scipy_adapter import REDUNDANT, ScipyFamily
from mlefit.inference import training
from mlefit.inference.bootstrap import Plan, bootstrap
from mlefit.inference.fit import Options, fit_sample
from mlefit.inference.surface import at
from mlefit.sample import Sample
from mlefit.samples import sample_data

SHAPES = {}
for _name, _shapes in distcont:
    SHAPES.setdefault(_name, _shapes)
COUNTS = {}
for _name, _shapes in distdiscrete:
    if isinstance(_name, str):
        COUNTS.setdefault(_name, _shapes)
FAST = [
    "alpha", "anglit", "argus", "burr", "cauchy", "chi2", "cosine", "exponnorm", "expon", "fatiguelife",
    "fisk", "foldnorm", "gamma", "genextreme", "genlogistic", "gumbel_l", "gumbel_r", "halfnorm", "hypsecant",
    "invgamma", "invgauss", "invweibull", "johnsonsu", "logistic", "loggamma", "lognorm", "maxwell", "mielke", "moyal",
    "nakagami",
    "norm", "pareto", "pearson3", "powerlaw", "rayleigh", "rice", "semicircular", "skewnorm", "t", "uniform", "wald",
    "weibull_max", "weibull_min", "truncexpon", "bradford", "halflogistic", "loglaplace", "gennorm", "dgamma", "levy_l",
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


# Why there is no estimate to be had of these draws. Where the reason is that scipy takes seconds for a density, a
# fast machine may come to an end all the same; what ncf is said to be depends on how far its search has come by then.
NONE = {
    "arcsine": "unbounded", "beta": "unbounded", "rdist": "unbounded", "vonmises": "unbounded",
    "johnsonsb": "not identified", "geninvgauss": "runs off", "betanbinom": "has no estimate",
    "chi": "stopped", "burr12": "stopped", "poisson_binom": "a list of numbers",
    "levy_stable": "seconds", "studentized_range": "seconds", "gausshyper": "seconds", "ksone": "seconds",
    "kstwo": "seconds", "ncf": "seconds",
}  # fmt: skip
# A busy machine may not finish these in time.
LONG = {"irwinhall", "nchypergeom_fisher", "nchypergeom_wallenius", "recipinvgauss", "vonmises_line", "hypergeom",
        "kappa4", "johnsonsb"}  # fmt: skip
ROWS = {"studentized_range": 40}  # a second for three draws


def reference(law, y, shapes):
    """The log-likelihood of the truth and of scipy's own fit, if in time; none where an integer of theirs is none."""
    continuous = isinstance(law, stats.rv_continuous)
    information = law._shape_info()
    density = law.logpdf if continuous else law.logpmf
    truth = (*shapes, 2.0, 3.0) if continuous else shapes
    found = [truth]
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"), deadline.within(60):
            warnings.simplefilter("ignore")
            if continuous:
                found.append(law.fit(y))
            else:
                bounds = [(max(s.domain[0], -100), min(s.domain[1], 1000)) for s in information]
                found.append(stats.fit(law, y, bounds, optimizer=partial(differential_evolution, rng=1)).params)
    except (TimeoutError, ArithmeticError, ValueError, RuntimeError, stats.FitError):
        pass
    whole = [i for i, s in enumerate(information) if s.integrality]
    return [float(density(y, *theta).sum()) for theta in found if all(theta[i] == round(theta[i]) for i in whole)]


def climbed(density, theta, sizes):
    """How far a simplex gets above the log-likelihood at parameters, in ten seconds at most; `sizes` are its first."""
    best = [-np.inf]

    def nll(point):
        value = float(density(point)) if point[-1] > 0 else np.nan
        best[0] = np.nanmax([best[0], value])
        return -value if np.isfinite(value) else 1e300

    corners = np.array(theta) + np.concatenate([np.zeros((1, len(theta))), np.diag(sizes)])
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"), deadline.within(10):
            warnings.simplefilter("ignore")
            minimize(nll, corners[0], method="Nelder-Mead", options={"initial_simplex": corners, "maxfev": 1000})
    except TimeoutError:
        pass
    return best[0]


@pytest.mark.slow
@pytest.mark.parametrize("name", [*SHAPES, *COUNTS])
def test_every_distribution_of_scipy(name):
    """Draws at scipy's own example shapes, fitted in time, or the reason said.

    The likelihood is scipy's at the estimates, no worse than scipy's own fit and the truth, and no climb finds better.
    """
    law, generator, n = getattr(stats, name), np.random.default_rng(5), ROWS.get(name, 500)
    shapes = {**SHAPES, **COUNTS}[name]
    if name in SHAPES:
        y = np.sort(law.rvs(*shapes, loc=2.0, scale=3.0, size=n, random_state=generator))
    else:
        y = np.sort(law.rvs(*shapes, size=n, random_state=generator)).astype(float)
    fit, reason, before = None, "", time.monotonic()
    held = {"scale": 3.0} if name in REDUNDANT else {}
    try:
        family = registry.get(f"scipy:{name}")
        fit = fit_sample(family.pin(held) if held else family, Sample(y))[0]
    except MlefitError as error:
        reason = str(error)
    else:
        reason = "" if fit.converged else fit.warnings[0]
    assert time.monotonic() - before < ScipyFamily.patience + 5
    expected = NONE.get(name, "no failure")
    if reason:
        # What is slow ends all the same on a quick machine.
        assert expected in reason or expected == "seconds" or (name in LONG and "seconds" in reason)
        return
    assert expected in ("no failure", "seconds")
    for value in reference(law, y, shapes):
        assert not value > fit.log_likelihood + 1e-6
    theta = [{**fit.estimates, **held}[p] for p in family.names]
    if fit.certificate.at_boundary:  # where scipy has no density, though the likelihood has a limit
        return
    assert np.isfinite(theta).all()
    if name in COUNTS:
        assert fit.log_likelihood == pytest.approx(law.logpmf(y, *theta).sum(), rel=1e-9)
        return
    inward = y + 1e-12 * (np.median(y) - y)  # where an end lies on a value, rounding decides whether it is inside
    assert fit.log_likelihood == pytest.approx(law.logpdf(inward, *theta).sum(), abs=1e-6)
    if family.integers & set(family.names):  # scipy's density is one between them too
        return
    errors = np.array([fit.std_errors[p] for p in family.names])
    sizes = np.where(np.isfinite(errors), errors / 2, 0.02 * (0.1 + np.abs(theta)))
    assert climbed(lambda point: law.logpdf(y, *point).sum(), theta, sizes) <= fit.log_likelihood + 1e-6


@pytest.mark.parametrize(
    ("name", "factors", "shift", "other"),
    [("genexpon", [2, 2, 2, 1, 2], 0.0, "c"), ("dpareto_lognorm", [1, 1, 1, 1, 1, 2], -np.log(2), ""),
     ("loguniform", [0.5, 0.5, 1, 2], 0.0, "b")],
)  # fmt: skip
def test_of_parameters_that_say_the_same_one_is_held(name, factors, shift, other):
    law, family = getattr(stats, name), registry.get(f"scipy:{name}")
    theta = np.array([*SHAPES[name], 0.0, 1.0])
    same = theta * factors
    same[0] += shift
    y = law.rvs(*theta, size=200, random_state=np.random.default_rng(3))
    np.testing.assert_allclose(law.logpdf(y, *same), law.logpdf(y, *theta), rtol=1e-9)
    fit = fit_sample(family, Sample(y))[0]
    assert fit.family.names == tuple(p for p in family.names if p != "scale")
    if other:  # whichever is held, it is the same distribution
        again = fit_sample(family.pin({other: 2 * fit.estimates[other]}), Sample(y))[0]
        assert again.log_likelihood == pytest.approx(fit.log_likelihood, abs=1e-5)


def test_a_shape_that_runs_off_slowly_is_no_estimate():
    fit = fit_sample(registry.get("scipy:loguniform"), Sample(np.array([1.0, 2.0, 3.5, 4.0])))[0]
    assert not fit.converged
    assert "where scipy:loguniform becomes uniform" in fit.warnings[0]


def test_a_density_that_rounding_has_made_too_large_is_none():
    """Of (1 - exp(-c x))/c - x with a c of 1e-17 no digit is left."""
    family = registry.get("scipy:genexpon")
    lost = family.forward(np.array([[14.4, 1.6e17, 6e-17, 2.0, 3.0]]).T)
    assert "not to 1: neither its estimates nor its log-likelihood" in family.doubts(lost)[0]
    for name in FAST:
        family = registry.get(f"scipy:{name}")
        eta = family.forward(np.array([*SHAPES[name], 2.0, 3.0]))
        assert family.mass(eta) == pytest.approx(1, abs=1e-6)
        assert family.doubts(eta[:, None]) == [""]


def test_a_start_at_which_the_density_is_none_is_passed_over():
    """A search from there once ended 4000 above the truth."""
    law, shapes = stats.dpareto_lognorm, SHAPES["dpareto_lognorm"]
    y = np.sort(law.rvs(*shapes, loc=2.0, scale=3.0, size=150, random_state=np.random.default_rng(11)))
    fit = fit_sample(registry.get("scipy:dpareto_lognorm").pin({"u": 0.0}), Sample(y))[0]
    assert fit.converged, fit.warnings
    theta = [{**fit.estimates, "u": 0.0}[p] for p in registry.get("scipy:dpareto_lognorm").names]
    assert quad(lambda x: law.pdf(x, *theta), theta[-2], np.inf, limit=200)[0] == pytest.approx(1, abs=1e-6)
    assert fit.log_likelihood >= law.logpdf(y, *shapes, 2.0, 3.0).sum()


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


@pytest.mark.parametrize("held", [{}, {"loc": 2.0, "scale": 3.0}])
def test_ends_of_a_truncated_normal_are_the_extremes(held):
    """Beside a direct search of the normal truncated there; standard errors from its curvature, by differences."""
    y = stats.truncnorm.rvs(-1, 1.5, loc=2, scale=3, size=300, random_state=np.random.default_rng(3))
    family = registry.get("scipy:truncnorm")
    fit = fit_sample(family.pin(held) if held else family, Sample(y))[0]
    assert fit.converged, fit.warnings
    found = {**fit.estimates, **held}
    assert found["loc"] + found["a"] * found["scale"] == pytest.approx(y.min(), rel=1e-12)
    assert found["loc"] + found["b"] * found["scale"] == pytest.approx(y.max(), rel=1e-12)
    if held:
        assert np.isnan(list(fit.std_errors.values())).all()
        return

    def nll(theta):
        loc, scale = theta
        log_mass = np.log(stats.norm.cdf(y.max(), loc, scale) - stats.norm.cdf(y.min(), loc, scale))
        return -stats.norm.logpdf(y, loc, scale).sum() + y.size * log_mass

    best = minimize(nll, [2.0, 3.0], method="Nelder-Mead", options={"xatol": 1e-10, "fatol": 1e-12})
    assert fit.nll == pytest.approx(best.fun, rel=1e-12)
    np.testing.assert_allclose([found["loc"], found["scale"]], best.x, rtol=1e-6)
    step, unit = 1e-3, np.eye(2)
    curve = [[sum(a * b * nll(best.x + step * (a * unit[i] + b * unit[j])) for a in (-1, 1) for b in (-1, 1))
              / (4 * step**2) for j in (0, 1)] for i in (0, 1)]  # fmt: skip
    errors = np.sqrt(np.diag(np.linalg.inv(curve)))
    np.testing.assert_allclose([fit.std_errors["loc"], fit.std_errors["scale"]], errors, rtol=1e-4)


def test_profile_limits_and_surfaces_of_a_distribution_that_ends_on_the_data():
    y = stats.truncexpon.rvs(2.0, loc=1, scale=3, size=150, random_state=np.random.default_rng(3))
    fit = fit_sample(registry.get("scipy:truncexpon"), Sample(y), Options(interval="profile"))[0]
    width = y.max() - y.min()
    for limit in fit.interval()["b"]:
        nll = -stats.truncexpon.logpdf(y, limit, y.min(), width / limit * (1 + 1e-14)).sum()
        assert 2 * (nll - fit.nll) == pytest.approx(3.841458820694124, rel=1e-6)
    point = {"b": 2.0, "loc": 0.5, "scale": 4.0}
    expected = stats.truncexpon.logpdf(y, 2.0, 0.5, 4.0).sum()
    assert at(fit, [point]).log_likelihood[0] == pytest.approx(expected, rel=1e-12)


def test_groups_each_end_on_their_own_data():
    y = stats.truncexpon.rvs(2.0, loc=1, scale=3, size=200, random_state=np.random.default_rng(3))
    codes = np.repeat([0, 1], 100)
    y = np.where(codes == 1, 5 * y, y)
    together = fit_sample(registry.get("scipy:truncexpon"), Sample.of(y, codes=codes))
    for group, fit in enumerate(together):
        alone = fit_sample(registry.get("scipy:truncexpon"), Sample(y[codes == group]))[0]
        np.testing.assert_allclose(fit.theta, alone.theta, rtol=1e-9)
        assert fit.estimates["loc"] == y[codes == group].min()


def test_replicates_find_their_own_ends_and_kinks():
    generator = np.random.default_rng(2)
    y = stats.laplace.rvs(2, 3, size=61, random_state=generator)
    for name, parameter in (("laplace", "loc"), ("truncexpon", "b")):
        fit = fit_sample(registry.get(f"scipy:{name}"), Sample(y))[0]
        found = bootstrap(fit, Sample(y), Plan(20, 1, limits="percentile"))
        assert np.unique(found.theta[:, fit.family.names.index(parameter)]).size > 5


def test_an_infinite_density_is_said():
    y = np.random.default_rng(0).gamma(0.3, size=100)
    with pytest.raises(DataError, match="unbounded: its support ends at the value"):
        fit_sample(registry.get("scipy:gamma"), Sample(y))


@pytest.mark.parametrize("shapes", [(2.3, 0.6), (0.6, 2.3)])
def test_an_end_at_which_the_density_is_infinite_is_no_estimate(shapes):
    """However near to it doubles come, the density is a number there."""
    y = stats.beta.rvs(*shapes, 2, 3, size=300, random_state=np.random.default_rng(5))
    try:
        fit = fit_sample(registry.get("scipy:beta"), Sample(y))[0]
    except DataError as error:
        reason = str(error)
    else:
        reason = "" if fit.converged else fit.warnings[0]
    assert "unbounded: its support ends at the value" in reason


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
    assert np.isfinite([fit.std_errors[name] for name in fit.family.names]).all()
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
     ("binom", {"n": 2}, "0 or 1 or 2")],
)  # fmt: skip
def test_the_values_a_discrete_distribution_can_have(name, fixed, values):
    family = registry.get(f"scipy:{name}")
    assert str((family.pin(fixed) if fixed else family).support) == values


def test_a_value_that_is_impossible_is_named(capsys):
    assert run(["estimate", str(sample_data("quine.csv")), "-c", "days", "-d", "scipy:geom"]) == 1
    assert "'0' in column 'days' on line 62" in capsys.readouterr().err


def lattice(law, y, values, *rest):
    """The log-likelihood at every combination of integers, -inf where it is impossible."""
    grid = np.meshgrid(*values, indexing="ij")
    unique, times = np.unique(y, return_counts=True)
    with np.errstate(all="ignore"):
        total = sum(t * law.logpmf(v, *grid, *rest) for v, t in zip(unique, times, strict=True))
    return np.where(np.isfinite(total), total, -np.inf)


@pytest.mark.parametrize(
    ("name", "values", "given"),
    [("hypergeom", (range(6, 80), range(5, 70), range(5, 12)), {}),
     ("hypergeom", (range(6, 80), range(5, 70)), {"N": 7.0}),
     ("nhypergeom", (range(6, 60), range(5, 40), range(1, 5)), {}),
     ("randint", (range(-5, 5), range(5, 20)), {})],
)  # fmt: skip
def test_several_integers_are_found_together(name, values, given):
    """No combination of a grid around them is better."""
    law = {"hypergeom": stats.hypergeom(30, 18, 7), "nhypergeom": stats.nhypergeom(20, 7, 2),
           "randint": stats.randint(-2, 9)}[name]  # fmt: skip
    y = law.rvs(size=200, random_state=np.random.default_rng(6)).astype(float)
    family = registry.get(f"scipy:{name}")
    fit = fit_sample(family.pin(given) if given else family, Sample(y))[0]
    best = lattice(law.dist, y, values, *given.values()).max()
    assert fit.converged, fit.warnings
    assert fit.log_likelihood >= best - 1e-9
    whole = {**fit.estimates, **given}
    theta = [whole[p] for p in registry.get(f"scipy:{name}").names]
    assert fit.log_likelihood == pytest.approx(law.dist.logpmf(y, *theta).sum())
    assert np.isnan(list(fit.std_errors.values())).all()


def test_integers_that_only_their_sum_tells_are_no_estimate():
    """low + loc and high + loc are all that matters."""
    y = np.random.default_rng(0).integers(3, 12, 80).astype(float)
    fit = fit_sample(registry.get("scipy:randint+loc"), Sample(y))[0]
    assert not fit.converged
    assert "not identified" in fit.warnings[0]


def test_loc_of_a_discrete_distribution_is_0_unless_asked_for():
    y = stats.nbinom.rvs(4, 0.3, size=300, random_state=np.random.default_rng(1)).astype(float)
    assert registry.get("scipy:nbinom").names == ("n", "p")
    moved = fit_sample(registry.get("scipy:nbinom").pin({"loc": -3.0}), Sample(y - 3))[0]
    at_0 = fit_sample(registry.get("scipy:nbinom"), Sample(y))[0]
    np.testing.assert_allclose(moved.theta, at_0.theta, rtol=1e-9)
    assert moved.to_dict()["fixed"] == {"loc": -3.0}
    assert str(registry.get("scipy:geom").pin({"loc": -1.0}).support) == "integers 0, 1, 2 ..."


@pytest.mark.parametrize(("name", "shift"), [("poisson", -4), ("geom", 7), ("nbinom", -3)])
def test_loc_of_a_discrete_distribution_is_found(name, shift):
    """Each loc held in turn is no better; equal to the distribution held where the data are moved by it."""
    law = {"poisson": stats.poisson(3.0), "geom": stats.geom(0.3), "nbinom": stats.nbinom(4, 0.3)}[name]
    y = law.rvs(size=200, random_state=np.random.default_rng(1)).astype(float) + shift
    family = registry.get(f"scipy:{name}+loc")
    assert family.name == f"scipy:{name}+loc"
    fit = fit_sample(family, Sample(y))[0]
    assert fit.converged, fit.warnings
    each = {}
    for loc in range(int(y.min()) - 12, int(y.min()) + 2):
        if name != "geom" or y.min() > loc:
            each[loc] = fit_sample(family.pin({"loc": float(loc)}), Sample(y))[0].nll if y.min() >= loc else np.inf
    assert fit.estimates["loc"] == min(each, key=each.get)
    assert fit.nll == pytest.approx(min(each.values()), rel=1e-9)
    assert fit.parameters_count == len(law.args) + 1


@pytest.mark.parametrize(
    ("name", "reason"),
    [("gamma+loc", "has loc as it is"), ("poisson+scale", "takes .loc"), ("poisson_binom", "a list of numbers")],
)
def test_what_cannot_be_shifted_or_fitted_is_refused(name, reason):
    with pytest.raises(UsageError, match=reason):
        registry.get(f"scipy:{name}")


@pytest.mark.parametrize(("name", "held"), [("poisson", {"loc": 2.5}), ("binom", {"n": 3.5})])
def test_an_integer_cannot_be_held_between_two(name, held):
    with pytest.raises(UsageError, match="is an integer"):
        registry.get(f"scipy:{name}").pin(held)


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


@pytest.mark.parametrize("name", ["gausshyper", "levy_stable", "studentized_range"])
def test_the_time_limit_is_kept(name, monkeypatch):
    """However slow a density is, a fit ends soon after its limit and says so."""
    monkeypatch.setattr(ScipyFamily, "patience", 1.0)
    y = np.random.default_rng(0).beta(2.0, 3.0, size=300)
    before = time.monotonic()
    with pytest.raises(DataError, match="not fitted within 1 seconds"):
        fit_sample(registry.get(f"scipy:{name}"), Sample(y))
    assert time.monotonic() - before < 3  # the call itself is left, not only those that follow it


def test_the_time_limit_is_kept_by_regressions_and_networks(monkeypatch, mlefit, table):
    """One that scipy makes slow ends soon after its limit, with the sentence of `estimate`; a quick one is as ever."""
    generator = np.random.default_rng(0)
    path = table("x,y", *(f"{x:.3f},{y:.4f}" for x, y in generator.normal(size=(300, 2))))
    quick = mlefit("regress", path, "y ~ x", "--dist", "scipy:norm")
    assert quick.status == 0
    monkeypatch.setattr(ScipyFamily, "patience", 1.0)
    before = time.monotonic()
    for command in (("regress", path, "y ~ x", "--dist"), ("train", path, "--target", "y", "--loss")):
        ran = mlefit(*command, "scipy:levy_stable")
        assert ran.status == 1
        assert ran.out == ""
        said = " ".join(ran.err.split())
        assert "scipy:levy_stable was not fitted within 1 seconds; scipy computes it slowly" in said
    assert time.monotonic() - before < 8
    family, y = registry.get("scipy:gausshyper"), generator.beta(2.0, 3.0, size=300)
    loss = Loss("slow", family.name, "")
    scores = training.Scores(family, loss, np.zeros(family.size), np.ones(family.size))
    problem = training.Problem(scores, training.Rows(np.stack([y, np.ones(300)], axis=1), y), None)
    monkeypatch.setattr(ScipyFamily, "patience", 0.005)
    for optimizer in ("adam", "lbfgs"):
        with pytest.raises(DataError, match=r"not fitted within 0\.005 seconds"):
            training.run(problem, training.Settings(optimizer=optimizer, epochs=1, hidden=()).resolve(300))


def test_unknown_name():
    with pytest.raises(UsageError, match="did you mean scipy:nakagami"):
        registry.get("scipy:nakagmi")
