"""Fits: estimates, errors, weights, groups, certificates and degenerate data."""

from __future__ import annotations

import dataclasses
import io
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mlefit
from mlefit.errors import DataError, UsageError
from mlefit.families import registry
from mlefit.inference.fit import Fit, Options, fit_sample
from mlefit.sample import Sample

PLAIN = [name for name in registry.BUILT_IN if not registry.get(name).labels and registry.get(name).columns == ("y",)]


def values(name: str, n: int = 40, seed: int = 0) -> np.ndarray:
    """Data from the family itself, at scores near zero, where a unit of every parameter is ordinary."""
    family = registry.get(name)
    generator = np.random.default_rng([seed, *name.encode()])
    theta = [0.4 if p.link.upper == 1 else 1.0 + j for j, p in enumerate(family.parameters)]
    if name in ("gev", "generalized-pareto"):
        theta[-1] = 0.1
    if name == "gompertz":
        theta = [0.3, 0.5]
    return family.sample(generator, family.forward(np.array(theta)[:, None]), n)


def one(name: str, y: object, **options: object) -> Fit:
    return fit_sample(registry.get(name), Sample(np.asarray(y, dtype=float)), Options(**options))[0]  # type: ignore[arg-type]


@pytest.mark.parametrize("name", PLAIN)
def test_groups_are_one_batch_and_equal_single_fits(name: str) -> None:
    parts = [values(name, 30 + 7 * i, i) for i in range(4)]
    codes = np.repeat(np.arange(4), [p.size for p in parts])
    together = fit_sample(registry.get(name), Sample.of(np.concatenate(parts), None, codes))
    for part, fit in zip(parts, together, strict=True):
        alone = one(name, part)
        assert fit.log_likelihood == pytest.approx(alone.log_likelihood, rel=1e-10, nan_ok=True)
        if alone.converged:
            np.testing.assert_allclose(fit.theta, alone.theta, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", PLAIN)
def test_frequency_weight_is_so_many_rows(name: str) -> None:
    y = values(name, 25)
    weight = np.arange(25) % 3 + 1.0
    family = registry.get(name)
    weighted = fit_sample(family, Sample(y, weight))[0]
    repeated = fit_sample(family, Sample(np.repeat(y, weight.astype(int))))[0]
    assert weighted.log_likelihood == pytest.approx(repeated.log_likelihood, rel=1e-9, nan_ok=True)
    assert weighted.bic == pytest.approx(repeated.bic, rel=1e-9, nan_ok=True)
    if repeated.converged:
        np.testing.assert_allclose(weighted.theta, repeated.theta, rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(weighted.covariance, repeated.covariance, rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize("interval", ["wald", "profile"])
@pytest.mark.parametrize("name", ["weibull", "gamma", "lognormal", "mixture:normal*2", "von-mises", "poisson"])
def test_counting_equal_rows_first_changes_no_fit(name: str, interval: str, monkeypatch) -> None:
    generator = np.random.default_rng(3)
    y = np.where(generator.random(600) < 0.5, generator.poisson(4, 600), generator.poisson(14, 600)) / 2 + 1
    y = y % 3 if name == "von-mises" else y
    event = None if name in ("mixture:normal*2", "von-mises") else (generator.random(600) < 0.7).astype(int)
    y = np.floor(y) if name == "poisson" else y
    fits = []
    for often in (8, np.inf):
        monkeypatch.setattr("mlefit.sample.OFTEN", often)
        fits.append(mlefit.fit(y, name, event=event, interval=interval))
    counted, plain = fits
    assert counted.converged
    assert counted.n == plain.n == 600
    assert counted.log_likelihood == pytest.approx(plain.log_likelihood, rel=1e-12)
    np.testing.assert_allclose(counted.theta, plain.theta, rtol=1e-7)
    np.testing.assert_allclose(counted.covariance, plain.covariance, rtol=1e-5, atol=1e-12)
    np.testing.assert_allclose(counted.lower, plain.lower, rtol=1e-5)


@pytest.mark.parametrize("name", PLAIN)
def test_a_parameter_fixed_at_its_estimate_changes_nothing(name: str) -> None:
    y = values(name, 60, 3)
    family = registry.get(name)
    free = one(name, y)
    if not free.converged:
        pytest.skip("no maximum in this sample")
    for parameter, value in free.estimates.items():
        if not np.isfinite(value) or parameter in free.certificate.at_boundary:
            continue
        pinned = fit_sample(family.pin({parameter: value}), Sample(y))[0]
        assert pinned.log_likelihood == pytest.approx(free.log_likelihood, rel=1e-9)
        assert pinned.held == {parameter: value}
        assert parameter not in pinned.family.names
        told = pinned.to_dict()["parameters"]
        assert list(told) == list(pinned.estimates) == [*pinned.family.names, parameter]
        assert told[parameter] == {"estimate": value, "std_error": None, "ci_lower": None, "ci_upper": None,
                                   "fixed": True}  # fmt: skip
        assert not any("fixed" in record for name, record in told.items() if name != parameter)


@pytest.mark.parametrize("name", PLAIN)
def test_profile_limits_are_where_the_likelihood_has_dropped(name: str) -> None:
    """By definition: with the parameter held at the limit, 2 (log L max - log L) is the chi-squared quantile."""
    y = values(name, 50, 5)
    family = registry.get(name)
    fit = one(name, y, interval="profile", level=0.9)
    if not fit.converged:
        pytest.skip("no maximum in this sample")
    drop = 2.705543454095414 / 2  # R: qchisq(0.9, 1) / 2
    checked = 0
    for j, parameter in enumerate(family.parameters):
        for limit in (fit.lower[j], fit.upper[j]):
            if np.isfinite(limit) and parameter.link.lower < limit < parameter.link.upper:
                held = fit_sample(family.pin({parameter.name: float(limit)}), Sample(y))[0]
                assert fit.log_likelihood - held.log_likelihood == pytest.approx(drop, abs=1e-6)
                checked += 1
        if np.isfinite(fit.lower[j]) and np.isfinite(fit.upper[j]):
            assert fit.lower[j] <= fit.theta[j] <= fit.upper[j]
    assert checked or family.irregular


def test_profile_limits_of_no_success_are_the_closed_form() -> None:
    """0 of n: log L(p) = n log(1 - p), so the upper limit is 1 - exp(-qchisq(0.95, 1) / (2 n))."""
    fit = one("bernoulli", np.zeros(5), interval="profile")
    assert fit.estimates == {"p": 0.0}
    assert np.isnan(fit.std_errors["p"])
    assert fit.certificate.at_boundary == ("p",)
    assert fit.converged
    assert fit.lower[0] == 0
    assert fit.upper[0] == pytest.approx(1 - np.exp(-3.841458820694124 / 10), rel=1e-9)


def test_the_lecture() -> None:
    coin = one("bernoulli", [0, 0, 0, 1, 0])
    assert coin.estimates["p"] == pytest.approx(1 / 5, rel=1e-15)
    assert coin.log_likelihood == pytest.approx(np.log(0.2 * 0.8**4), rel=1e-14)
    three = one("normal", [-1, 0, 1])
    assert three.estimates["mu"] == 0
    assert three.estimates["sigma"] == pytest.approx(np.sqrt(2 / 3), rel=1e-15)


@pytest.mark.parametrize("name", ["normal", "gamma", "weibull", "lognormal", "logistic", "student-t", "uniform"])
@pytest.mark.parametrize("count", [1, 4])
def test_equal_values_have_no_maximum(name: str, count: int) -> None:
    fit = one(name, np.full(count, 3.0))
    assert not fit.converged
    assert any("unbounded" in sentence for sentence in fit.warnings)
    record = fit.to_dict()
    assert record["log_likelihood"] is None
    assert record["certificate"]["hessian_positive"] is False
    json.dumps(record, allow_nan=False)


def test_underdispersed_counts_run_off_to_poisson() -> None:
    y = [2, 3, 2, 3, 2, 3, 2, 2, 3]
    fit = one("negative-binomial", y)
    assert not fit.converged
    assert fit.certificate.at_boundary == ("size",)
    assert "poisson" in fit.warnings[0]
    assert fit.log_likelihood == pytest.approx(one("poisson", y).log_likelihood, rel=1e-9)


def test_normal_data_run_off_from_student() -> None:
    y = np.random.default_rng(0).normal(size=200)
    fit = one("student-t", y)
    assert not fit.converged
    assert "normal" in fit.warnings[0]
    assert fit.log_likelihood == pytest.approx(one("normal", y).log_likelihood, rel=1e-9)


def test_importance_weights_give_the_sandwich() -> None:
    """For a normal mean: sum w^2 (y - mean)^2 / (sum w)^2 (White 1980); n is the number of rows."""
    generator = np.random.default_rng(1)
    y, w = generator.normal(size=80), generator.uniform(0.2, 3, 80)
    fit = fit_sample(registry.get("normal"), Sample(y, w), Options(weight_kind="importance"))[0]
    mean = (w * y).sum() / w.sum()
    assert fit.estimates["mu"] == pytest.approx(mean, rel=1e-12)
    expected = np.sqrt((w**2 * (y - mean) ** 2).sum()) / w.sum()
    assert fit.std_errors["mu"] == pytest.approx(expected, rel=1e-9)
    k = 2
    assert fit.bic == pytest.approx(k * np.log(80) + 2 * fit.nll, rel=1e-12)


def test_criteria_by_hand() -> None:
    fit = one("gamma", [0.5, 1.0, 2.0, 4.0, 3.0])
    assert fit.aic == pytest.approx(4 - 2 * fit.log_likelihood)
    assert fit.aicc == pytest.approx(fit.aic + 12 / 2)
    assert fit.bic == pytest.approx(2 * np.log(5) - 2 * fit.log_likelihood)
    assert one("gamma", [0.5, 1.0, 2.0]).to_dict()["aicc"] is None


def test_options_and_results_are_frozen() -> None:
    fit = one("normal", [1, 2, 3])
    with pytest.raises(dataclasses.FrozenInstanceError):
        fit.n = 4  # type: ignore[misc]
    with pytest.raises(UsageError, match="level"):
        Options(level=95)
    with pytest.raises(DataError, match="no values"):
        one("normal", [])


def test_start_is_checked() -> None:
    with pytest.raises(UsageError, match="no parameter 'shpe'"):
        one("weibull", [1, 2, 3], start={"shpe": 1})
    with pytest.raises(UsageError, match="outside"):
        one("weibull", [1, 2, 3], start={"shape": -1})
    near, far = one("weibull", [1, 2, 3]), one("weibull", [1, 2, 3], start={"shape": 0.1, "scale": 40})
    assert far.theta == pytest.approx(near.theta, rel=1e-9)


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.floats(-1e6, 1e6).map(lambda v: round(v, 3)), min_size=3, max_size=30, unique=True),
    st.floats(1e-3, 1e3),
    st.floats(-1e6, 1e6),
)
def test_location_scale_families_move_with_the_data(y: list[float], scale: float, shift: float) -> None:
    data = np.array(y)
    before, after = one("normal", data), one("normal", data * scale + shift)
    assert after.estimates["mu"] == pytest.approx(before.estimates["mu"] * scale + shift, rel=1e-9, abs=1e-9 * scale)
    assert after.estimates["sigma"] == pytest.approx(before.estimates["sigma"] * scale, rel=1e-6)
    assert after.log_likelihood == pytest.approx(before.log_likelihood - len(y) * np.log(scale), rel=1e-7, abs=1e-6)


@pytest.mark.parametrize("unit", [1e-9, 1.0, 1e9])
@pytest.mark.parametrize(
    ("parameters", "seed", "limit", "lost"),
    [((10.0, 0.7, 1.0), 1300, "weibull", {"shape1": np.inf, "scale": np.inf}),
     ((0.5, 5.0, 1.0), 1005, "pareto", {"shape1": 0.0, "shape2": np.inf})],
)  # fmt: skip
def test_a_ridge_names_the_family_at_its_end(
    parameters: tuple[float, ...], seed: int, limit: str, lost: dict[str, float], unit: float
) -> None:
    """On the way to a limit Newton's steps are rounding error, and so is the side to which the last one points."""
    family = registry.get("burr12")
    scores = family.forward(np.array(parameters)[:, None])
    y = unit * family.sample(np.random.default_rng(seed), scores, seed % 1000)
    found = fit_sample(family, Sample.of(y))[0]
    end = fit_sample(registry.get(limit), Sample.of(y))[0]
    assert found.nll == pytest.approx(end.nll, abs=1e-5)
    assert not found.converged
    assert {name: found.estimates[name] for name in lost} == lost
    assert set(found.certificate.at_boundary) == set(lost)
    assert any(f"fit {limit} instead" in sentence for sentence in found.warnings)


@pytest.mark.parametrize(
    ("y", "family", "said", "unsaid"),
    [
        ([5.0], "normal", "there is one value only", "equal"),
        ([5.0, 5.0], "normal", "all values are equal", "only"),
        ([0.0, 0.0], "exponential", "all values are 0", "equal"),
        ([5.0, 5.0], "laplace", "all values are equal", "standard error"),
        ([0, 0], "bernoulli", "no standard error exists", "see --interval"),
    ],
)
def test_what_is_said_of_a_fit_is_true_of_it(y, family, said, unsaid):
    warnings = " ".join(mlefit.fit(y, family, interval="profile").warnings)
    assert said in warnings
    assert unsaid not in warnings


@pytest.mark.parametrize("interval", ["wald", "profile"])
def test_the_share_of_an_only_label_is_not_estimated(interval):
    found = mlefit.fit(["a", "a"], "categorical", interval=interval)
    assert found.parameters() == {"p[a]": {"estimate": 1.0, "std_error": None, "ci_lower": None, "ci_upper": None}}
    assert found.converged


@pytest.mark.parametrize(("family", "limits"), [("uniform", False), ("normal", True)])
def test_limits_are_named_where_there_are_any(family, limits, capsys):
    from rich.console import Console

    Console(width=200).print(mlefit.fit([1.0, 2, 4], family, interval="profile"))
    assert ("profile limits" in capsys.readouterr().out) == limits


@pytest.mark.parametrize("size", [1e-301, 1e-120, 1e120, 1e300])
@pytest.mark.parametrize("name", ["normal", "exponential", "gamma", "weibull", "laplace", "cauchy"])
def test_data_of_a_size_beyond_numbers_are_refused(name, size):
    with pytest.raises(DataError, match="take another unit"):
        mlefit.fit(np.array([1.0, 2, 4, 7]) * size, name)


@pytest.mark.parametrize("size", [1e-99, 1e-30, 1e30, 1e99])
@pytest.mark.parametrize("name", ["normal", "exponential", "gamma", "weibull", "laplace", "lognormal", "logistic"])
def test_the_unit_does_not_matter(name, size):
    y = np.array([1.0, 2, 4, 7])
    one, other = mlefit.fit(y, name), mlefit.fit(y * size, name)
    assert other.converged
    assert other.log_likelihood == pytest.approx(one.log_likelihood - y.size * np.log(size), rel=1e-12, abs=1e-9)


@pytest.mark.parametrize(
    ("y", "name", "estimate"),
    [([1, 1, 1, 0], "bernoulli", 0.75), ([8], "poisson", 8.0), ([0, 0, 0, 0, 1], "bernoulli", 0.2),
     ([0, 1, 2], "geometric", 0.5), ([0.1, 0.3], "exponential", 5.0), ([1e-7, 3e-7], "exponential", 5e6)],
)  # fmt: skip
def test_round_estimates_are_round(y, name, estimate):
    assert mlefit.fit(y, name).theta.tolist() == [estimate]


def test_an_estimate_that_is_not_round_keeps_its_digits():
    y = [1.0, 1.0, 2.0]
    assert mlefit.fit(y, "poisson").theta[0] == pytest.approx(4 / 3, rel=4e-16)
    assert mlefit.fit([0.1234567890123456, 0.1234567890123458], "normal").theta[0] == pytest.approx(
        0.1234567890123457, rel=2e-16
    )


@pytest.mark.parametrize("name", PLAIN)
def test_the_covariance_is_symmetric(name):
    covariance = mlefit.fit(values(name), name).covariance
    np.testing.assert_array_equal(covariance, covariance.T)


def test_every_result_prints_itself():
    from rich.console import Console

    frame = {"x": [1.0, 2, 3, 4, 5], "y": [1.1, 1.9, 3.2, 3.9, 5.3]}
    results = {
        "log-likelihood": mlefit.fit(frame["y"]),
        "normal regression": mlefit.regress(frame, "y ~ x"),
        "AIC": mlefit.compare(frame, ["normal", "gamma"], column="y"),
    }
    for words, result in results.items():
        console = Console(width=150, record=True, file=io.StringIO())
        console.print(result.__rich__())
        assert words in console.export_text()


@pytest.mark.parametrize(
    ("name", "y", "said"),
    [("inverse-gamma", [0.2, 0.4, 0.7, 1e-300], "as near to 0 as can be computed"),
     ("inverse-gaussian", [0.2, 0.4, 0.7, 1e-300], "as near to 0 as can be computed"),
     ("cauchy", [3, 3, 3, 4, 4, 4, 4, 5], "a spike on one value")],
)  # fmt: skip
def test_the_end_of_what_can_be_computed_is_no_boundary_maximum(name: str, y: list[float], said: str) -> None:
    fit = one(name, y)
    assert not fit.converged
    assert said in fit.certificate.problem


def test_a_mean_whose_error_says_nothing_runs_off() -> None:
    """Weibull lifetimes, some censored, some known to 20: the likelihood in the mean is level from 1e13 on."""
    generator = np.random.default_rng(5)
    times, ends = generator.weibull(1.5, 300) * 100, generator.uniform(20, 250, 300)
    generator.choice(list("abc"), 300)
    weight = generator.integers(1, 4, 300)
    seen, y = times <= ends, np.minimum(times, ends).round(3)
    coarse = seen & (np.arange(300) % 3 == 0)
    below, above = np.floor(y / 20) * 20, np.floor(y / 20) * 20 + 20
    lower = np.where(coarse, np.where(below > 0, below, np.nan), y)
    upper = np.where(coarse, above, np.where(seen, y, np.nan))
    data = {"lower": lower, "upper": upper, "weight": weight}
    fit = mlefit.fit(data, "inverse-gaussian", column="lower", upper="upper", weights="weight")
    assert not fit.converged
    assert fit.estimates["mean"] == np.inf
    assert "mean runs off" in fit.certificate.problem
    assert np.isnan(fit.std_errors["mean"])


def test_errors_beside_two_parameters_that_run_off_together_are_none() -> None:
    """Burr XII of Weibull data: shape1 and scale leave together, and shape2 would seem to be known ten times better."""
    y = np.random.default_rng(2).weibull(1.5, 300) * 100
    fit = one("burr12", y)
    assert not fit.converged
    assert np.isinf(fit.estimates["shape1"])
    assert np.isinf(fit.estimates["scale"])
    assert np.isnan(fit.std_errors["shape2"])
    assert np.isnan(fit.lower).all()


@pytest.mark.parametrize("name", ["normal", "logistic", "gumbel", "student-t"])
def test_exact_to_rounding_is_a_maximum(name: str) -> None:
    """Near 1e12 doubles lie 1e-4 apart: no estimate of a location can have a smaller gradient."""
    z = np.random.default_rng(0).standard_t(5, 200)
    near, far = one(name, z), one(name, z + 1e12)
    assert far.converged
    assert far.log_likelihood == pytest.approx(near.log_likelihood, abs=1e-3)
    assert far.certificate.gradient_norm < 1e-2


def test_profile_limits_are_given_up_where_the_others_run_off() -> None:
    """Small df of tied values put a spike on them; the search for its limit took a minute."""
    fit = one("student-t", [3, 3, 3, 4, 4, 4, 4, 5], interval="profile")
    limits = dict(zip(fit.family.names, zip(fit.lower, fit.upper, strict=True), strict=True))
    assert np.isnan(limits["df"][0])
    assert np.isfinite(limits["loc" if "loc" in limits else "mu"]).all()
