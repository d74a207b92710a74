"""Regressions of irregular families on rows known in part, against their likelihood by textbook formulas."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

import mlefit
from mlefit.inference.linear_model import Options

N = 30


def between(name, low, high, centre, size):
    """P(low < Y <= high) by the distribution function of the smaller tail; uniform's size is its width."""
    with np.errstate(all="ignore"):
        if name == "uniform":
            return np.clip(np.minimum(high, centre + size / 2) - np.maximum(low, centre - size / 2), 0, None) / size
        a, b = (low - centre) / size, (high - centre) / size
        a, b = np.where(a > 0, -b, a), np.where(a > 0, -a, b)

        def cdf(z):
            return np.where(z < 0, np.exp(np.minimum(z, 0)) / 2, 1 - np.exp(-np.maximum(z, 0)) / 2)

        return cdf(b) - cdf(a)


def density(name, y, centre, size):
    if name == "uniform":
        return np.where(np.abs(y - centre) <= size / 2 * (1 + 1e-11), 1 / size, 0.0)
    return np.exp(-np.abs(y - centre) / size) / (2 * size)


def drawn(name, how, seed=0, n=N):
    """Rows (low, high, below, above), two columns and weights; open ends are NaN."""
    generator = np.random.default_rng([seed, n])
    x, g = generator.normal(size=n).round(1), generator.integers(0, 2, n)
    y = 1 + 0.5 * x + 0.4 * g + (generator.uniform(-2, 2, n) if name == "uniform" else generator.laplace(size=n))
    y = y.round(1) if "tied" in how else y
    low, high = y.copy(), y.copy()
    below, above = np.full(n, -np.inf), np.full(n, np.inf)
    kind = generator.random(n) / (1.0 if "mixed" in how else 2.0 if "right" in how else np.inf)
    right, left, both = kind < 0.25, (kind >= 0.25) & (kind < 0.45), (kind >= 0.45) & (kind < 0.7)
    right = generator.random(n) < 0.4 if "right" in how else right & ("mixed" in how)
    left, both = left & ("mixed" in how), both & ("mixed" in how)
    high[right] = np.inf
    low[right] -= generator.uniform(0, 1, right.sum())
    low[left] = -np.inf
    high[left] += generator.uniform(0, 1, left.sum())
    low[both] -= generator.uniform(0, 1, both.sum())
    high[both] += generator.uniform(0, 1, both.sum())
    if "truncated" in how:
        some = (generator.random(n) < 0.6) & ~left
        below[some] = low[some] - generator.exponential(1.5, some.sum()) - 0.05
    weight = generator.integers(1, 4, n).astype(float) if "weighted" in how else np.ones(n)
    return {"low": low, "high": high, "below": below, "above": above, "x": x, "g": g, "w": weight}


def fitted(name, data, formula="~ x + C(g)", **roles):
    rows = {k: np.where(np.isfinite(v), v, np.nan) for k, v in data.items()}
    if np.isfinite(data["below"]).any():
        roles = {"below": "below", **roles}
    return mlefit.regress(rows, formula, name, lower="low", upper="high", weight="w", **roles)


def total(name, data, theta):
    """NLL at (intercept, x, g, log scale or log width), or with two columns of log scale."""
    x = np.column_stack([np.ones(len(data["x"])), data["x"], data["g"]])
    centre = x @ theta[:3]
    size = np.exp(theta[3] if theta.size == 4 else x[:, :2] @ theta[3:])
    low, high, below, above = (data[k] for k in ("low", "high", "below", "above"))
    with np.errstate(all="ignore"):
        exact = low == high
        part = between(name, np.maximum(low, below), high, centre, size)
        seen = between(name, below, above, centre, size)
        nll = np.log(seen) - np.log(np.where(exact, density(name, np.where(exact, low, 0), centre, size), part))
        value = float((nll * data["w"]).sum())
    return value if np.isfinite(value) else np.inf


HOW = ["right", "mixed", "mixed tied weighted", "truncated", "right truncated weighted"]


@pytest.mark.parametrize("name", ["laplace", "uniform"])
@pytest.mark.parametrize("how", HOW)
def test_nothing_is_likelier(name, how):
    data = drawn(name, how)
    fit = fitted(name, data)
    assert fit.converged, fit.warnings
    theta = np.append(fit.coefficients[:3], np.log(fit.coefficients[3]))
    assert total(name, data, theta) == pytest.approx(fit.nll, rel=1e-10)
    generator = np.random.default_rng(1)
    for reach in (1e-5, 1e-3, 0.1, 1.0):
        for _ in range(150):
            move = reach * generator.normal(size=4) * (generator.random(4) < generator.choice([0.4, 1.0]))
            assert total(name, data, theta + move) >= fit.nll - 1e-9
    for turn in range(3):  # a search that needs no slopes, from here and from elsewhere, comes no lower
        begin = theta + turn * 0.4 * generator.normal(size=4) + [0, 0, 0, turn]
        for _ in range(3):
            found = minimize(
                lambda t: min(total(name, data, t), 1e10), begin, method="Nelder-Mead",
                options={"maxiter": 800, "xatol": 1e-10, "fatol": 1e-11, "adaptive": True},
            )  # fmt: skip
            begin = found.x
        assert found.fun >= fit.nll - 1e-7
    proven = "truncated" not in how
    assert any("not proven" in said for said in fit.warnings) is not proven


def test_of_several_maxima_near_each_other_the_highest_is_found():
    """Where the search from one round of scattered starts ended at a lower one."""
    generator = np.random.default_rng(28)
    n = int(generator.integers(15, 80))
    x, g = generator.normal(size=n), generator.integers(0, 2, n)
    y = 1 + 2 * x - g + generator.laplace(size=n)
    least = np.quantile(y, 0.15)
    seen = y >= least
    x, g, y = x[seen], g[seen], y[seen]
    end = np.quantile(y, 0.7)
    high = np.where(y < end, y, np.inf)
    data = {"low": np.minimum(y, end), "high": high, "below": np.full(len(y), least), "above": np.full(len(y), np.inf)}
    data |= {"x": x, "g": g, "w": np.ones(len(y))}
    fit = fitted("laplace", data)
    theta = np.append(fit.coefficients[:3], np.log(fit.coefficients[3]))
    for _ in range(8):
        begin = theta + generator.normal(size=4) * generator.choice([0.05, 0.2, 0.5])
        found = minimize(
            lambda t: min(total("laplace", data, t), 1e10), begin, method="Nelder-Mead",
            options={"maxiter": 1500, "xatol": 1e-9, "fatol": 1e-10, "adaptive": True},
        )  # fmt: skip
        assert found.fun >= fit.nll - 1e-7


def test_a_scale_with_columns_of_its_own_beside_censored_kinks():
    data = drawn("laplace", "mixed weighted", seed=3, n=60)
    fit = fitted("laplace", data, formulas={"scale": "x"})
    assert fit.converged, fit.warnings
    assert total("laplace", data, fit.coefficients) == pytest.approx(fit.nll, rel=1e-10)
    generator = np.random.default_rng(1)
    for reach in (1e-4, 1e-2, 0.3):
        for _ in range(200):
            assert total("laplace", data, fit.coefficients + reach * generator.normal(size=5)) >= fit.nll - 1e-9


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(["laplace", "uniform"]), st.sampled_from(HOW))
def test_no_direction_rises(seed, name, how):
    data = drawn(name, how, seed, 25)
    fit = fitted(name, data, options=Options(interval="none"))
    if not fit.converged:  # said, never printed as an estimate
        assert fit.certificate.problem
        return
    theta = np.append(fit.coefficients[:3], np.log(fit.coefficients[3]))
    generator = np.random.default_rng(seed)
    for reach in (1e-5, 1e-3, 0.1):
        for _ in range(60):
            assert total(name, data, theta + reach * generator.normal(size=4)) >= fit.nll - 1e-9


@pytest.mark.parametrize("name", ["laplace", "uniform"])
def test_events_alone_are_the_uncensored_fit(name):
    data = drawn(name, "")
    rows = {"y": data["low"], "x": data["x"], "e": np.ones(N)}
    plain = mlefit.regress(rows, "y ~ x", name)
    known = mlefit.regress(rows, "y ~ x", name, event="e")
    np.testing.assert_allclose(known.coefficients, plain.coefficients, rtol=1e-9)
    np.testing.assert_allclose(known.covariance, plain.covariance, rtol=1e-8)
    assert known.nll == pytest.approx(plain.nll, rel=1e-12)


@pytest.mark.parametrize("name", ["laplace", "uniform"])
def test_densities_above_one_are_no_certainty(name):
    """In a small unit the likelihood of values is large: that says nothing of rows known in part."""
    data = drawn(name, "mixed")
    small = {k: v * 1e-3 if k in ("low", "high", "below", "above") else v for k, v in data.items()}
    one, other = fitted(name, data), fitted(name, small)
    assert other.converged, other.warnings
    assert other.nll < 0
    np.testing.assert_allclose(other.coefficients, one.coefficients * 1e-3, rtol=1e-6, atol=1e-10)


@pytest.mark.parametrize("name", ["laplace", "uniform"])
def test_a_weight_is_so_many_rows(name):
    data = drawn(name, "mixed weighted")
    many = {k: np.repeat(v, data["w"].astype(int)) for k, v in data.items()}
    once, again = fitted(name, data), fitted(name, many | {"w": np.ones(len(many["w"]))})
    assert again.nll == pytest.approx(once.nll, rel=1e-12)
    np.testing.assert_allclose(again.coefficients, once.coefficients, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(again.covariance, once.covariance, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("name", ["laplace", "uniform", "discrete-uniform"])
@pytest.mark.parametrize("how", ["right", "mixed", "right truncated"])
def test_an_intercept_alone_is_what_estimate_gives(name, how):
    data = drawn(name, how)
    ends = ("low", "high", "below", "above")
    if name == "discrete-uniform":
        data |= {k: np.where(np.isfinite(data[k]), np.floor(3 * data[k]), data[k]) for k in ends}
    below = {"below": "below"} if "truncated" in how else {}
    limit = {"truncate_below": "below"} if below else {}
    rows = {k: np.where(np.isfinite(v), v, np.nan) for k, v in data.items()}
    constant = mlefit.fit(rows, name, column="low", upper="high", **limit)
    fit = mlefit.regress(rows, "~ 1", name, lower="low", upper="high", **below)
    assert fit.log_likelihood == pytest.approx(constant.log_likelihood, rel=1e-10)
    assert fit.null_log_likelihood == pytest.approx(constant.log_likelihood, rel=1e-10)
    wanted = list(constant.estimates.values())
    if name == "uniform":
        wanted = [np.mean(wanted), np.ptp(wanted)]
    np.testing.assert_allclose(fit.coefficients, wanted, rtol=1e-9)
    if name == "laplace":
        np.testing.assert_allclose(list(fit.std_errors.values()), list(constant.std_errors.values()), rtol=1e-9)


def test_profile_limits_are_where_the_likelihood_has_dropped():
    data = drawn("laplace", "right")
    fit = fitted("laplace", data, options=Options(interval="profile", level=0.9))
    for limit in (fit.lower[1], fit.upper[1]):
        best = np.inf
        begin = np.append(fit.coefficients[[0, 2]], np.log(fit.coefficients[3]))
        for _ in range(4):
            found = minimize(
                lambda t, at=limit: total("laplace", data, np.array([t[0], at, t[1], t[2]])), begin,
                method="Nelder-Mead", options={"xatol": 1e-10, "fatol": 1e-11, "maxiter": 900},
            )  # fmt: skip
            begin, best = found.x, min(best, found.fun)
        assert 2 * (best - fit.nll) == pytest.approx(2.705543454095404, rel=2e-4)


def test_errors_of_censored_laplace_are_those_of_simulation():
    """The spread of 60 estimates is, within its own error of 9 %, the mean of their standard errors."""
    generator = np.random.default_rng(5)
    slopes, errors = [], []
    for _ in range(60):
        x = generator.normal(size=120)
        y, limit = 1 + 0.5 * x + generator.laplace(size=120), 1 + generator.exponential(2.0, 120)
        rows = {"y": np.minimum(y, limit), "e": (y <= limit).astype(float), "x": x}
        fit = mlefit.regress(rows, "y ~ x", "laplace", event="e")
        slopes.append(fit.estimates["loc[x]"])
        errors.append(fit.std_errors["loc[x]"])
    assert np.std(slopes) == pytest.approx(np.mean(errors), rel=0.27)


@pytest.mark.parametrize("name", ["laplace", "uniform"])
@pytest.mark.parametrize(
    ("formula", "event", "sentence"),
    [("y ~ x", "none", "no event was observed"), ("y ~ C(g)", "cell", "does not fall, however far")],
)
def test_where_there_is_no_maximum_it_is_said(name, formula, event, sentence):
    x = np.arange(12.0)
    rows = {
        "y": np.array([1, 3, 2, 4.5, 4, 5, 3, 3.5, 4, 4.5, 2, 6]), "x": x, "g": np.repeat([0, 1], 6),
        "none": np.zeros(12), "cell": np.repeat([0.0, 1.0], 6),
    }  # fmt: skip
    fit = mlefit.regress(rows, formula, name, event=event)
    assert not fit.converged
    assert sentence in fit.certificate.problem
    assert np.isnan(fit.coefficients[0])
    assert fit.parameters()[fit.names[0]]["estimate"] is None


@pytest.mark.parametrize("name", ["laplace", "uniform"])
def test_what_is_known_beside_a_level_without_events_keeps_its_estimate(name):
    """Rows of the level are as likely as can be, so that the others have the estimates that they have alone."""
    rows = {"y": np.array([1, 3, 2, 4.5, 4, 5, 3, 3.5]), "e": np.repeat([1, 0], [5, 3]), "g": np.repeat([0, 1], [5, 3])}
    fit = mlefit.regress(rows, "y ~ C(g)", name, event="e")
    assert not fit.converged
    assert f"however far {fit.names[1]} goes:" in fit.certificate.problem
    assert not any("not unique" in said for said in fit.warnings)
    alone = mlefit.regress({k: v[:5] for k, v in rows.items()}, "y ~ 1", name)
    np.testing.assert_allclose(fit.coefficients, [alone.coefficients[0], np.nan, alone.coefficients[1]], rtol=1e-9)


def test_a_band_of_a_held_width_reaches_every_row():
    rows = {"y": np.array([1, 2, 3, 4.5, 4, 5, 7]), "x": np.arange(7.0), "e": np.array([1, 1, 0, 1, 0, 1, 1.0])}
    fit = mlefit.regress(rows, "y ~ x", "uniform", event="e", fix={"width": 1.25})
    assert fit.converged
    assert fit.null_log_likelihood == -np.inf
    middle = fit.coefficients[0] + fit.coefficients[1] * rows["x"]
    assert (np.abs(rows["y"] - middle)[rows["e"] == 1] <= 0.625 * (1 + 1e-9)).all()
    with pytest.raises(mlefit.DataError, match=r"reaches them all is 1\.166666667 wide"):
        mlefit.regress(rows, "y ~ x", "uniform", event="e", fix={"width": 1.0})


@pytest.mark.parametrize("name", ["laplace", "laplace_asymmetric", "skewcauchy"])
def test_kinks_of_scipy(name):
    """scipy's own density, over columns written here, is nowhere higher near the estimate."""
    from scipy import stats

    generator = np.random.default_rng(2)
    x = generator.normal(size=40)
    y = 1 + 0.5 * x + generator.laplace(size=40)
    fit = mlefit.regress({"x": x, "y": y}, "y ~ x", f"scipy:{name}")
    assert fit.converged, fit.warnings

    def nll(theta):
        *shapes, a, b, scale = theta
        return -getattr(stats, name).logpdf(y, *shapes, a + b * x, scale).sum()

    assert nll(fit.coefficients) == pytest.approx(fit.nll, rel=1e-11)
    for reach in (1e-4, 1e-2, 0.2):
        for _ in range(100):
            assert not nll(fit.coefficients + reach * generator.normal(size=fit.coefficients.size)) < fit.nll - 1e-8
    if name == "laplace":
        own = mlefit.regress({"x": x, "y": y}, "y ~ x", "laplace")
        np.testing.assert_allclose(fit.coefficients, own.coefficients, rtol=1e-8)


def test_whole_ends_of_groups():
    """Each group's extremes; one end for all beside them."""
    rows = {"y": np.array([3.0, 1, 6, 2, 9, 4, 5, 7]), "g": np.repeat(["a", "b"], 4)}
    fit = mlefit.regress(rows, "y ~ C(g)", "discrete-uniform", formulas={"upper": "C(g)"})
    assert fit.converged
    assert list(np.round(fit.coefficients, 12)) == [1, 3, 6, 3]
    assert fit.nll == pytest.approx(8 * np.log(6))
    fit = mlefit.regress(rows, "y ~ C(g)", "discrete-uniform")
    assert list(np.round(fit.coefficients, 12)) == [1, 3, 9]
    assert fit.nll == pytest.approx(4 * np.log(9) + 4 * np.log(6))
