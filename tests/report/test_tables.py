"""Tables of fits at the widths people have: nothing is cut short, and every fit says which it is."""

from __future__ import annotations

import io

import numpy as np
import pytest
from rich.console import Console

from mlefit import compare, fit, regress
from mlefit.inference.linear_model import Options
from mlefit.inference.surface import at
from mlefit.report.surfaces import surface_table
from mlefit.report.tables import fits_table
from mlefit.report.text import estimated, significant, total


def shown(table: object, width: int) -> str:
    stream = io.StringIO()
    Console(file=stream, width=width).print(table)
    return stream.getvalue()


@pytest.mark.parametrize("width", [60, 80, 120, 1000])
@pytest.mark.parametrize("interval", ["wald", "none"])
def test_no_number_of_many_fits_is_cut_short(width: int, interval: str) -> None:
    data = {
        "weight of the animal": np.random.default_rng(5).gamma(250, 1 / 6, 90),
        "species": np.repeat(["Adelie", "Chinstrap", "Gentoo"], 30),
        "island": np.tile(["Biscoe", "Torgersen"], 45),
    }
    fits = fit(data, "gamma", column="weight of the animal", by=["species", "island"], interval=interval)
    text = shown(fits_table(fits), width)
    assert "…" not in text
    assert len(fits) == 6
    for found in fits:
        assert total(found.log_likelihood) in text
        for j in range(2):
            numbers = [found.theta[j], np.sqrt(found.covariance[j, j])]
            numbers += [found.lower[j], found.upper[j]] if interval == "wald" else []
            assert all(significant(float(v)) in text for v in numbers)
        for label in found.group.values():
            assert label in text
    assert ("95 % Wald limits" in text) == (interval == "wald")
    assert max(map(len, text.splitlines())) <= width


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"interval": "wald"}, "90 % Wald limits"),
        ({"interval": "profile"}, "90 % profile limits"),
        ({"interval": "bootstrap"}, "90 % BCa limits"),
        ({"interval": "bootstrap", "bootstrap_limits": "percentile"}, "90 % percentile limits"),
    ],
)
def test_many_fits_say_what_their_limits_are(options: dict[str, str], said: str) -> None:
    data = {"y": np.random.default_rng(2).exponential(size=40), "g": np.repeat(["a", "b"], 20)}
    fits = fit(data, "exponential", column="y", by="g", level=0.9, replicates=200, **options)
    assert said in shown(fits_table(fits), 100)


def test_missing_rows_and_failures_of_many_fits_are_said_at_any_width() -> None:
    data = {"y": [1.0, 2.0, None, 3.0, 3.0, 3.0], "g": ["a", "a", "a", "b", "b", "b"]}
    for width in (60, 1000):
        text = shown(fits_table(fit(data, by="g", column="y")), width)
        assert "1 missing dropped" in text
        assert "all values are equal" in " ".join(text.split())
        assert ("not converged" if width == 60 else " no") in text


def test_one_fit_without_limits_names_none() -> None:
    text = shown(fit([0.0, 1.0, 3.0], interval="none"), 80)
    assert "limits" not in text
    assert "standard errors from the maximum" in text


@pytest.mark.parametrize("width", [60, 1000])
def test_many_fits_show_all_that_was_asked_of_them(width: int) -> None:
    data = {"y": np.random.default_rng(3).gamma(4, size=60), "g": np.repeat(["a", "b"], 30)}
    asked = {"null": {"rate": 1.5}, "quantiles": [0.1], "derive": {"mean": "shape / rate"}, "fix": {"shape": 4}}
    fits = fit(data, "gamma", column="y", by="g", **asked)
    text = shown(fits_table(fits), width)
    for found in fits:
        for one in found.derived:
            assert all(significant(v) in text for v in (one.estimate, one.std_error, one.lower, one.upper))
        assert significant(found.tests[0].wald, 5) in text
        assert significant(found.tests[0].p_value("score"), 4) in text
    assert text.count("quantile 0.1") == text.count("mean") == text.count("fixed") == 2
    assert text.count("rate = 1.5") == 2


@pytest.mark.parametrize("interval", ["wald", "profile", "none"])
def test_the_last_weight_of_a_mixture_is_shown(interval: str) -> None:
    generator = np.random.default_rng(4)
    data = {"y": np.concatenate([generator.normal(0, 1, 60), generator.normal(9, 1, 90)])}
    data |= {"g": np.tile(["a", "b"], 75)}
    one = fit(data, "mixture:normal*2", column="y", interval=interval)
    wanted = {"estimate": 1 - one.theta[0], "error": one.std_errors["weight_1"]}
    wanted |= {} if interval == "none" else {"lower": 1 - one.upper[0], "upper": 1 - one.lower[0]}
    [line] = [line for line in shown(fits_table([one]), 100).splitlines() if "weight_2" in line]
    assert line.split()[1:] == [significant(float(value)) for value in wanted.values()]
    many = fit(data, "mixture:normal*2", column="y", by="g", interval=interval)
    assert shown(fits_table(many), 100).count("weight_2") == 2


def test_the_last_of_three_weights_has_the_error_of_their_sum() -> None:
    generator = np.random.default_rng(4)
    y = np.concatenate([generator.normal(m, 1, 50) for m in (0, 9, 20)])
    one = fit(y, "mixture:normal*3", derive={"left": "1 - weight_1 - weight_2"})
    lines = shown(one, 100).splitlines()
    [last], [derived] = ([line.split() for line in lines if name in line] for name in ("weight_3", "left"))
    assert last[1:3] == derived[1:3]
    assert last[1:] == [significant(v) for v in one.parameters()["weight_3"].values()]
    held = fit(y, "mixture:normal*2", fix={"weight_1": 0.3})
    assert [line.split() for line in shown(held, 100).splitlines() if "weight_2" in line] == [
        ["weight_2", "0.7", "fixed"]
    ]


def test_results_of_intervals_name_both_ends() -> None:
    data = {"lo": [1.0, 2, 2, 4, 5], "up": [2.0, 2, 4, 5, None]}
    assert "fitted to lo to up" in shown(fit(data, "weibull", column="lo", upper="up"), 100)
    assert compare(data, ["weibull"], column="lo", upper="up", replicates=0).column == "lo to up"


SPRAYS = [10, 7, 20, 14, 11, 17, 0, 1, 7, 2, 3, 1, 3, 5, 12, 6, 4, 3]


@pytest.mark.parametrize("width", [40, 60, 80, 120, 1000])
@pytest.mark.parametrize("interval", ["wald", "none"])
def test_no_number_of_a_regression_is_cut_short(width: int, interval: str) -> None:
    data = {"count": SPRAYS, "kind_of_spray": np.repeat(["A", "C", "D"], 6)}
    options = Options(interval=interval, exponentiate=True)
    found = regress(data, "count ~ C(kind_of_spray)", "poisson", options=options)
    text = shown(found, width)
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width
    for row in found.rows():
        numbers = [row[name] for name in ("estimate", "std_error", "ratio")]
        numbers += [row[name] for name in ("ci_lower", "ci_upper", "ratio_lower", "ratio_upper")] * (interval == "wald")
        assert all(significant(value) in text for value in numbers), row
        assert significant(row["z"], 4) in text
    assert text.count("std error ") + text.count("std error\n") == 1  # no column is repeated


@pytest.mark.parametrize("width", [40, 60, 80, 120, 1000])
def test_no_number_of_a_comparison_is_cut_short(width: int) -> None:
    found = compare(np.random.default_rng(3).gamma(4, 20, 80), ["gamma", "exponential", "lognormal"], replicates=19)
    text = shown(found, width)
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width
    for entry in found.entries:
        assert f"{entry.fit.log_likelihood:.2f}" in text
        assert f"{entry.fit.aic:.2f}" in text
        assert all(f"{value:.5g}" in text for value in entry.fit.theta.tolist())
        assert f"{entry.goodness.statistics['kolmogorov_smirnov']:.4g}" in text
        assert f"{entry.goodness.statistics['anderson_darling']:.4g}" in text
    for test in found.tests:
        assert significant(test.statistic, 5 if test.kind == "likelihood-ratio" else 4) in text


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_no_number_of_points_is_cut_short(width: int) -> None:
    found = at(fit([12.0, 7, 30, 14], "gamma"), [{"shape": 4.0, "rate": 0.25}, {"shape": 4.0, "rate": 0.2544}])
    text = shown(surface_table(found), width)
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width
    for point, value in zip(found.points.tolist(), found.log_likelihood.tolist(), strict=True):
        assert all(significant(v) in text for v in (*point, np.exp(value)))
        assert total(value) in text


FAR = [1e9 + v for v in (0.1, 0.2, 0.3, 0.4, 0.35)]


def test_numbers_have_the_digits_that_their_errors_call_for() -> None:
    text = shown(fit(FAR), 80)
    assert "mu          1000000000.27   0.0481664   1000000000.176   1000000000.364" in text  # mean, sd / sqrt(5)
    assert "sigma            0.107703   0.0340588        0.0579503         0.200172" in text
    data = {"y": FAR * 2, "g": ["a"] * 5 + ["b"] * 5}
    assert shown(fits_table(fit(data, column="y", by="g")), 100).count("1000000000.176") == 2
    line = regress({"y": FAR, "x": [0, 0, 0, 1, 1]}, "y ~ x")
    assert "mu[Intercept]   1000000000.2 " in shown(line, 120)
    assert "mu 1000000000.27" in shown(compare(FAR, ["normal"], replicates=0), 120)
    assert "maximum at mu = 1000000000.27, " in shown(surface_table(at(fit(FAR), [{"mu": 1e9, "sigma": 1.0}])), 120)


@pytest.mark.parametrize(
    ("numbers", "told"),
    [
        ((3700.6622, 37.19, 3627.76), ["3700.66", "37.19", "3627.76"]),
        ((1e9 + 0.27, 0.048, 1e9 + 0.17), ["1000000000.27", "0.048", "1000000000.17"]),
        ((1e9 + 0.1, np.nan, np.nan), ["1000000000.1", "–", "–"]),  # short, as the data are
        ((1e9 / 3, np.nan, np.nan), ["3.33333e+08", "–", "–"]),
        ((12.5, np.inf, 3e260), ["12.5", "–", "3e+260"]),
        ((1.5, 0.1, 3.3333333333333e260), ["1.5", "0.1", "3.333333e+260"]),
        ((1e300, 1e-300, 1e300), ["1e+300", "1e-300", "1e+300"]),
        ((0.0, 0.1, -0.2), ["0", "0.1", "-0.2"]),
        ((np.inf, 0.1, -np.inf), ["∞", "0.1", "-∞"]),
    ],
)
def test_digits_follow_the_error(numbers: tuple[float, float, float], told: list[str]) -> None:
    estimate, error, limit = numbers
    assert estimated(estimate, error, limit, limit) == [*told, told[-1]]


def test_papers_have_the_digits_too(mlefit, table) -> None:
    path = table("y", *map(str, FAR))
    for form in ("markdown", "latex"):
        assert "1000000000.176" in mlefit("estimate", path, "--format", form).out


def test_parameters_on_a_ridge_have_no_errors() -> None:
    found = fit(FAR, "gamma")  # its shape and rate are 1e20 and 1e11, known only in their ratio
    assert not found.converged
    assert all(np.isnan(v) for v in found.std_errors.values())
    assert "e+1" not in shown(found, 100).replace("e+19", "").replace("e+10", "")


def test_the_spread_of_a_perfect_fit_is_zero() -> None:
    found = regress({"x": [1.0, 2, 3, 4], "y": [2.0, 4, 6, 8]}, "y ~ x")
    assert not found.converged
    assert found.estimates["sigma"] == 0
    assert found.estimates["mu[x]"] == pytest.approx(2, rel=1e-12)
