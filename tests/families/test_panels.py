"""Distribution functions by quadrature: of formulas of written families, and of a density that is none, by mpmath."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlefit.errors import UsageError
from mlefit.families import registry
from mlefit.families.censored import Censored
from mlefit.families.density import Density
from mlefit.families.domains import support, written
from mlefit.families.support import Support, counts, nonnegative, positive, real, unit
from mlefit.families.truncated import Truncated
from mlefit.inference.bootstrap import Plan, bootstrap
from mlefit.inference.fit import Options, fit_sample
from mlefit.inference.goodness import goodness
from mlefit.sample import Sample
from mlefit.testing import check_family

LEVELS = np.array([1e-6, 0.01, 0.2, 0.5, 0.8, 0.99, 1 - 1e-6])
# family, formula, parameters, support found, scores at which they are compared
SAME = [
    ("exponential", "log(rate) - rate*y", ["rate>0"], nonnegative, [0.7]),
    ("gamma", "shape*log(rate) - lgamma(shape) + (shape - 1)*log(y) - rate*y", ["shape>0", "rate>0"], positive,
     [-0.8, 1.3]),
    ("normal", "-(y - mu)**2/(2*s**2) - log(s) - log(2*pi)/2", ["mu", "s>0"], real, [3.0, -1.5]),
    ("weibull", "log(k) - k*log(b) + (k - 1)*log(y) - (y/b)**k", ["k>0", "b>0"], positive, [0.9, 4.0]),
    ("lognormal", "-log(y*s*sqrt(2*pi)) - ((log(y) - mu)/s)**2/2", ["mu", "s>0"], positive, [2.0, 0.4]),
    ("cauchy", "-log(pi*s*(1 + ((y - m)/s)**2))", ["m", "s>0"], real, [1.0, -0.5]),
    ("laplace", "-abs(y - m)/s - log(2*s)", ["m", "s>0"], real, [0.3, 0.2]),
    ("gumbel", "-(y - m)/s - exp(-(y - m)/s) - log(s)", ["m", "s>0"], real, [0.3, 0.2]),
    ("beta", "lgamma(a + b) - lgamma(a) - lgamma(b) + (a - 1)*log(y) + (b - 1)*log1p(-y)", ["a>0", "b>0"], unit,
     [1.0, 0.4]),
    ("poisson", "y*log(m) - m - lgamma(y + 1)", ["m>0"], counts, [1.7]),
    ("geometric", "log(p) + y*log1p(-p)", ["0<p<1"], counts, [-2.0]),
]  # fmt: skip


@pytest.fixture(params=SAME, ids=[name for name, *_ in SAME], scope="module")
def pair(request):
    """A density, the family it is, scores (k, 1), values spread over the distribution."""
    name, text, parameters, found, scores = request.param
    density, family = Density(text, parameters), registry.get(name)
    assert density.support == found
    eta = np.array(scores)[:, None]
    with np.errstate(all="ignore"):
        y = np.unique(family.quantile(LEVELS, eta))
    y = y[y != eta[0, 0]] if name == "laplace" else y  # there it has no second derivative
    return density, family, eta, y


def test_tails_are_those_of_the_family(pair):
    density, family, eta, y = pair
    # log1p(p) of the other tail where one is nearly certain: the relative precision is that of the log.
    for tail in ("log_cdf", "log_sf"):
        value, gradient, hessian = getattr(density, tail + "_derivatives")(y, eta)
        np.testing.assert_allclose(getattr(density, tail)(y, eta), value, rtol=1e-13)
        expected = getattr(family, tail + "_derivatives")(y, eta)
        np.testing.assert_allclose(value, expected[0], rtol=2e-12)
        scale = np.abs(expected[2]).max(axis=(0, 1)) + np.square(expected[1]).max(axis=0)
        np.testing.assert_allclose(gradient, expected[1], rtol=1e-9, atol=1e-10 * np.sqrt(scale).min())
        np.testing.assert_allclose(hessian / scale, expected[2] / scale, rtol=1e-7, atol=1e-8)


def test_intervals_are_those_of_the_family(pair):
    density, family, eta, y = pair
    left, right = y[:-1], y[1:]
    value, gradient, hessian = density.log_interval_derivatives(left, right, eta)
    expected = family.log_interval_derivatives(left, right, eta)
    np.testing.assert_allclose(value, expected[0], rtol=1e-12)
    np.testing.assert_allclose(gradient, expected[1], rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(hessian, expected[2], rtol=1e-7, atol=1e-7 * np.abs(expected[2]).max())
    if not density.discrete:  # as narrow as they come, where differences of tails have no digits left
        width = 1e-9 * np.abs(y)
        narrow = density.log_interval_derivatives(y, y + width, eta)[0]
        middle = -family.nll(y + width / 2, eta)
        np.testing.assert_allclose(narrow, middle + np.log((y + width) - y), atol=1e-8)


def test_moments_and_quantiles_are_those_of_the_family(pair):
    density, family, eta, _ = pair
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(density.quantile(LEVELS, eta), family.quantile(LEVELS, eta), rtol=1e-11)
        np.testing.assert_allclose(density.mean(eta), family.mean(eta), rtol=1e-11)
        if family.name != "cauchy":
            np.testing.assert_allclose(density.variance(eta), family.variance(eta), rtol=1e-10)
    assert density.mass(eta)[0] == pytest.approx(1.0, abs=1e-12)
    ends = density.quantile(np.array([0.0, 1.0, 2.0]), eta)
    assert ends[:2].tolist() == [density.support.lower, density.support.upper]
    assert np.isnan(ends[2])


def test_many_models_are_the_same_as_each_alone(pair):
    density, _, eta, y = pair
    models = eta[:, :, None] + np.linspace(-0.3, 0.3, 5)[None, :, None]  # (k, 5, 1)
    value, gradient, hessian = density.log_sf_derivatives(y, models)
    assert value.shape == (5, y.size)
    rows = np.repeat(eta + np.linspace(-0.3, 0.3, 5), 2, axis=1)  # (k, 10), in runs of two
    many = density.log_sf_derivatives(np.tile(y[1:3], 5), rows)
    quantiles = density.quantile(np.array([0.2]), rows)
    for i in range(5):
        alone = density.log_sf_derivatives(y, models[:, i])
        np.testing.assert_allclose(value[i], alone[0], rtol=1e-11)
        np.testing.assert_allclose(gradient[:, i], alone[1], rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(many[2][:, :, 2 * i : 2 * i + 2], alone[2][:, :, 1:3], rtol=1e-8, atol=1e-10)
        assert (
            quantiles[2 * i]
            == quantiles[2 * i + 1]
            == pytest.approx(float(density.quantile(np.array([0.2]), models[:, i])[0]), rel=1e-12)
        )
    np.testing.assert_allclose(hessian, np.swapaxes(hessian, 0, 1))


def test_far_tails_keep_their_digits():
    density = Density("-(y - mu)**2/(2*s**2) - log(s) - log(2*pi)/2", ["mu", "s>0"])
    eta = np.array([[2.0], [0.0]])
    y = np.array([-36.0, -8.0, 12.0, 40.0])
    mp.mp.dps = 40
    lower = [float(mp.log(mp.ncdf(v - 2))) for v in y[:2]]
    upper = [float(mp.log(mp.ncdf(2 - v))) for v in y[2:]]
    np.testing.assert_allclose(density.log_cdf(y[:2], eta), lower, rtol=1e-14)
    np.testing.assert_allclose(density.log_sf(y[2:], eta), upper, rtol=1e-14)
    np.testing.assert_allclose(density.log_sf(y[:2], eta), [-float(mp.ncdf(v - 2)) for v in y[:2]], rtol=1e-11)


# A density of no family here: f(y) = a y^2 exp(-a y) (1 + b sin(y)^2) / c, c its own integral.
HEAP = ("3*log(a) - log(2) - log(1 + b*(1/2 - (a**3/2)*(a**3 - 12*a)/(a**2 + 4)**3)) + 2*log(y) - a*y"
        " + log(1 + b*sin(y)**2)")  # fmt: skip


def _above(u, v, at):
    """P(Y > at) of it: sin^2 = (1 - cos 2y)/2, and the integral of y^2 exp(-s y) beyond t is Gamma(3, s t)/s^3."""
    a, b = mp.exp(u), mp.exp(v)
    c = 2 / a**3 * (1 + b * (mp.mpf(1) / 2 - (a**3 / 2) * (a**3 - 12 * a) / (a**2 + 4) ** 3))
    s = a - mp.mpc(0, 2)
    return ((1 + b / 2) * mp.gammainc(3, a * at) / a**3 - b / 2 * mp.re(mp.gammainc(3, s * at) / s**3)) / c


def test_a_density_of_no_family_agrees_with_mpmath():
    mp.mp.dps = 60
    density = Density(HEAP, ["a>0", "b>0"])
    assert density.support == positive
    eta = np.log([[0.8], [2.5]])
    assert density.mass(eta)[0] == pytest.approx(1.0, abs=1e-13)
    point = tuple(mp.mpf(float(e)) for e in eta[:, 0])
    for at in (0.05, 0.7, 4.0, 15.0, 60.0):
        for name in ("log_cdf", "log_sf"):
            value, gradient, hessian = (t[..., 0] for t in getattr(density, name + "_derivatives")(np.array([at]), eta))

            def exact(u, v, at=at, name=name):
                return mp.log(_above(u, v, mp.mpf(at)) if name == "log_sf" else 1 - _above(u, v, mp.mpf(at)))

            assert value == pytest.approx(float(exact(*point)), rel=1e-12)
            for orders, found in (((1, 0), gradient[0]), ((0, 1), gradient[1]), ((2, 0), hessian[0, 0]),
                                  ((1, 1), hessian[0, 1]), ((0, 2), hessian[1, 1])):  # fmt: skip
                assert found == pytest.approx(float(mp.diff(exact, point, orders)), rel=1e-9), (at, name, orders)


@pytest.mark.parametrize("rows", ["right", "interval", "truncated", "truncated and censored"])
@pytest.mark.parametrize("which", [1, 3, 4, 9], ids=lambda i: SAME[i][0])
def test_incomplete_rows_fit_as_the_family_does(which, rows):
    name, text, parameters, *_ = SAME[which]
    density, family = Density(text, parameters), registry.get(name)
    generator = np.random.default_rng(5)
    y = generator.poisson(6.0, 120).astype(float) if family.discrete else generator.gamma(3.0, 2.0, 120)
    limit = np.full(120, np.inf)
    if rows == "right":
        sample, wrap = np.stack([np.minimum(y, 8.0), np.where(y > 8, np.inf, y)]), Censored
    elif rows == "interval":
        sample, wrap = np.stack([np.floor(y), np.floor(y) + 2.0]), Censored
    elif rows == "truncated":
        sample, wrap = np.stack([y, np.full(120, 2.0), limit])[:, y > 2], Truncated
    else:
        cut = np.stack([np.minimum(y, 8.0), np.where(y > 8, np.inf, y), np.full(120, 2.0), limit])[:, y > 2]
        sample, wrap = cut, lambda f: Truncated(Censored(f))
    codes = np.arange(sample.shape[1]) % 2
    found = fit_sample(wrap(density), Sample.of(sample, codes=codes, groups=2), Options(interval="profile"))
    expected = fit_sample(wrap(family), Sample.of(sample, codes=codes, groups=2), Options(interval="profile"))
    for one, other in zip(found, expected, strict=True):
        assert one.converged
        assert one.warnings == ()
        assert one.log_likelihood == pytest.approx(other.log_likelihood, rel=1e-11)
        np.testing.assert_allclose(one.theta, other.theta, rtol=1e-7)
        np.testing.assert_allclose(list(one.std_errors.values()), list(other.std_errors.values()), rtol=1e-6)
        np.testing.assert_allclose([one.lower, one.upper], [other.lower, other.upper], rtol=1e-6)


def test_a_missing_constant_cancels_in_truncated_rows():
    y = np.random.default_rng(1).gamma(2.0, 1.0, 200) + 1.0
    rows = np.stack([y, np.ones(200), np.full(200, np.inf)])
    found = fit_sample(Truncated(Density("-b*y", ["b>0"], "y>0")), Sample(rows))[0]
    assert found.estimates["b"] == pytest.approx(1 / (y - 1).mean(), rel=1e-9)
    assert found.warnings == ()


def test_draws_goodness_and_bootstrap():
    density, family = Density(*SAME[1][1:3]), registry.get("gamma")
    draws = density.sample(np.random.default_rng(0), np.log([[3.0], [0.5]]), 20_000)
    assert draws.mean() == pytest.approx(6.0, abs=0.1)
    assert draws.var() == pytest.approx(12.0, abs=0.5)
    sample = Sample(draws[:150])
    own, other = (fit_sample(f, sample)[0] for f in (density, family))
    first, second = goodness(own, sample, 20), goodness(other, sample, 0)
    for name, value in second.statistics.items():
        assert first.statistics[name] == pytest.approx(value, rel=1e-6)
    assert all(p > 0.05 for p in first.p_values.values())
    replicates = bootstrap(own, sample, Plan(40, 1, "parametric"))
    assert replicates.failed == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [("y>0", Support(0, np.inf, True)), ("y >= 0", Support(0, np.inf)), ("0<y<1", Support(0, 1, True, True)),
     ("-2 <= y < 3.5", Support(-2, 3.5, False, True)), ("y<=7", Support(-np.inf, 7)), ("all", real),
     ("integers", Support(integer=True)), ("integers y>=0", counts), ("counts", counts),
     ("integers y > 0", Support(1, np.inf, integer=True)), ("integers 0<=y<=9", Support(0, 9, integer=True))],
)  # fmt: skip
def test_supports_are_read_and_written(text, expected):
    assert support(text) == expected
    assert support(written(expected)) == expected


@pytest.mark.parametrize("text", ["y", "y>a", "0<y>1", "1<y<0", "x>0", "(0, 1)", "whole y>0", "integers 0.2<y<0.8", ""])
def test_what_is_no_support_is_refused(text):
    if text == "y":  # no condition at all
        assert support(text) == real
        return
    with pytest.raises(UsageError):
        support(text)


numbers = st.floats(-1e6, 1e6).map(lambda v: round(v, 3))


@given(numbers, numbers, st.booleans(), st.booleans(), st.booleans())
def test_any_support_survives_being_written(a, b, first, last, integer):
    low, high = min(a, b), max(a, b) + 2.0
    one = Support(np.floor(low), np.floor(high), integer=True) if integer else Support(low, high, first, last)
    assert support(written(one)) == one


leaves = st.sampled_from(["a", "b", "y", "1", "2.5", "pi"])
formulas = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*", "/", "**"]), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        st.tuples(st.sampled_from(["exp", "log", "sqrt", "tanh", "abs", "-"]), inner).map(lambda t: f"{t[0]}({t[1]})"),
    ),
    max_leaves=8,
)


@given(formulas)
@settings(max_examples=60, deadline=None)
def test_any_formula_is_a_number_with_the_slope_of_its_value(text):
    density = Density(f"{text} + 0*(a + b + y)", ["a>0", "b"], "y>0")
    eta, y = np.array([[0.2], [0.4]]), np.array([0.7])
    value, gradient, _ = density.derivatives(y, eta)
    assert not np.isnan(value).any()
    h = 1e-6
    with np.errstate(all="ignore"):
        sides = [[density.nll(y, eta + sign * step * h)[0] for step in np.eye(2)[:, :, None]] for sign in (1, -1)]
        slope = (np.array(sides[0]) - np.array(sides[1])) / (2 * h)
        curve = (np.array(sides[0]) + np.array(sides[1]) - 2 * value) / h**2
    smooth = (
        np.isfinite(slope)
        & np.isfinite(gradient[:, 0])
        & (np.abs(curve) < 100 * (1 + np.abs(slope)))
        & (np.abs(value) < 1e4)
    )
    np.testing.assert_allclose(gradient[smooth, 0], slope[smooth], rtol=1e-4, atol=1e-4)


@given(st.text(max_size=40))
@settings(max_examples=200, deadline=None)
def test_any_text_is_a_density_or_refused_in_a_sentence(text):
    said = ""
    try:
        density = Density(text, ["a"], "y>0")
    except UsageError as error:
        said = str(error)
    if said:
        assert "\n" not in said or "\n" in text
    else:
        assert density.columns


@pytest.mark.parametrize("shape", [1.3, 2.5, 3.5])
def test_an_end_that_moves_with_a_parameter(shape):
    """A Weibull from t on, whose derivatives by t no integral over the end itself gives."""
    density = Density("log(k/b) + (k - 1)*log((y - t)/b) - ((y - t)/b)**k", ["t", "k>0", "b>0"])
    eta = np.array([[100.0], [np.log(shape)], [np.log(3.0)]])
    y = np.array([100.5, 101.0, 103.0, 108.0])
    z = (y - 100) / 3
    value, gradient, hessian = density.log_sf_derivatives(y, eta)
    np.testing.assert_allclose(value, -(z**shape), rtol=1e-9)
    np.testing.assert_allclose(gradient[0], shape / 3 * z ** (shape - 1), rtol=1e-9)
    np.testing.assert_allclose(hessian[0, 0], -shape * (shape - 1) / 9 * z ** (shape - 2), rtol=1e-9)
    _, gradient, _ = density.log_cdf_derivatives(y, eta)
    np.testing.assert_allclose(gradient[0], shape / 3 * z ** (shape - 1) / -np.expm1(z**shape), rtol=1e-9)
    _, gradient, hessian = density.log_interval_derivatives(y[:-1], y[1:], eta)
    low, high = z[:-1], z[1:]
    slope = shape / 3 * (low ** (shape - 1) - high ** (shape - 1) * np.exp(low**shape - high**shape))
    np.testing.assert_allclose(gradient[0], slope / -np.expm1(low**shape - high**shape), rtol=1e-9)
    assert density.mass(eta)[0] == pytest.approx(1.0, abs=1e-11)


@pytest.mark.parametrize("which", [0, 1, 2, 9], ids=lambda i: SAME[i][0])
def test_a_formula_keeps_the_contract_of_families(which):
    check_family(Density(*SAME[which][1:3]), quick=True)


def test_a_formula_has_a_name_to_be_found_by():
    density = Density(*SAME[1][1:3], "y>0")
    again = registry.get(registry.text(density.pin({"rate": 2.0})))
    y, eta = np.array([0.3, 2.0]), np.array([[0.2], [0.4]])
    np.testing.assert_array_equal(again.nll(y, eta), density.nll(y, eta))
    assert again.support == density.support
    with pytest.raises(UsageError, match="such as density:"):
        registry.get("density")


@pytest.mark.parametrize("apart", [5.0, 20.0, 60.0])
def test_modes_far_apart_are_all_found(apart):
    density = Density("log(exp(-y**2/2)/2 + exp(-(y - m)**2/2)/2) - log(2*pi)/2", ["m"])
    eta = np.array([[apart]])
    assert density.support == real
    assert density.mass(eta)[0] == pytest.approx(1.0, abs=1e-12)
    assert density.mean(eta)[0] == pytest.approx(apart / 2, rel=1e-12)
    assert np.exp(density.log_sf(np.array([apart]), eta))[0] == pytest.approx(0.25, rel=1e-4)


def test_a_kink_between_the_last_node_of_a_panel_and_its_end_is_seen():
    """There it is of one laplace density in a hundred, which was then said to be none."""
    family = Density("-abs(y - m)/s - log(2*s)", ["m", "s>0"])
    places = np.random.default_rng(0).normal(1.5, 2, 2000)
    eta = np.stack([places, np.full(places.size, np.log(0.8378))])
    assert np.abs(family.mass(eta) - 1).max() < 1e-9
    assert family.doubts(eta[:, :256]) == [""] * 256
