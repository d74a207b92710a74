"""The Python interface: what may be given, how results print, and errors that speak of keyword arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mlefit
from mlefit.inference.result import with_error
from mlefit.wording import for_python

FRAME = pd.DataFrame({"y": [1.0, 2, 4, 7], "w": [3.0, 5, 5, 9], "g": ["a", "a", "b", "b"]})


@pytest.mark.parametrize("columns", [["y", "w"], ("w", "y"), pd.Index(["y"]), ["y"]])
def test_a_list_of_columns_gives_a_list_of_fits(columns: Any) -> None:
    fits = mlefit.fit(FRAME, "normal", column=columns)
    assert [fit.column for fit in fits] == list(columns)
    assert [fit.estimates["mu"] for fit in fits] == [FRAME[name].mean() for name in columns]
    ranked = mlefit.compare(FRAME, ["normal", "gamma"], column=columns, replicates=0)
    assert [each.column for each in ranked] == list(columns)


def test_columns_and_groups_are_each_fitted() -> None:
    fits = mlefit.fit(FRAME, "normal", column=["y", "w"], by="g")
    assert [(f.column, f.group["g"], f.estimates["mu"]) for f in fits] == [
        ("y", "a", 1.5), ("y", "b", 5.5), ("w", "a", 4.0), ("w", "b", 7.0),
    ]  # fmt: skip


@pytest.mark.parametrize("column", [0, 1])
def test_a_label_may_be_a_number(column: int) -> None:
    frame = pd.DataFrame(np.array([[1.0, 10], [2, 20], [4, 40]]))
    assert mlefit.fit(frame, "exponential", column=column).estimates["rate"] == pytest.approx(1 / frame[column].mean())
    assert mlefit.compare(frame, ["normal"], column=column, replicates=0).column == str(column)
    with pytest.raises(mlefit.UsageError, match="there is no column '2'"):
        mlefit.fit(frame, column=2)


@pytest.mark.parametrize(
    "values",
    [lambda: (v for v in (1, 2, 3)), lambda: range(1, 4), lambda: {"a": 1, "b": 2, "c": 3}.values(),
     lambda: map(float, "123"), lambda: (1, 2, 3), lambda: pd.Series([1, 2, 3]), lambda: {1, 2, 3}],
    ids=["generator", "range", "view", "map", "tuple", "series", "set"],
)  # fmt: skip
def test_values_of_any_iterable(values: Callable[[], Any]) -> None:
    assert mlefit.fit(values(), "poisson").estimates["mu"] == pytest.approx(2)
    assert mlefit.fit(values(), "poisson", weights=iter([1, 0, 0])).estimates["mu"] == pytest.approx(1)
    assert mlefit.fit(values(), "exponential", event=(v for v in (1, 1, 0))).estimates["rate"] == pytest.approx(1 / 3)
    assert mlefit.compare(values(), ["poisson"], replicates=0).best.estimates["mu"] == pytest.approx(2)


@pytest.mark.parametrize("values", [5, [[1, 2], [3, 4]], None])
def test_what_is_no_row_of_values_is_refused(values: Any) -> None:
    with pytest.raises(mlefit.UsageError, match="the values must be one-dimensional, not of shape"):
        mlefit.fit(values)


def test_the_module_shows_what_is_public() -> None:
    shown = {name for name in dir(mlefit) if not name.startswith("_")}
    assert shown == set(mlefit.__all__)
    assert all(callable(getattr(mlefit, name)) for name in shown)


def test_a_file_of_another_encoding_and_without_a_header(tmp_path: Any) -> None:
    path = tmp_path / "data.txt"
    path.write_bytes("1;é\n3;b\n".encode("latin-1"))
    options = {"encoding": "latin-1", "delimiter": ";", "no_header": True}
    assert mlefit.fit(path, column=1, **options).estimates["mu"] == 2
    assert mlefit.fit(path, "categorical", column=2, **options).estimates == {"p[b]": 0.5, "p[é]": 0.5}


@pytest.mark.parametrize(
    ("found", "shown"),
    [
        (lambda: mlefit.fit(mlefit.sample_data("groundbeef"), "gamma"),
         "Fit(gamma of serving, n=254: shape=4.01 (0.34), rate=0.0544 (0.0049), log-likelihood -1253.6)"),
        (lambda: mlefit.fit(FRAME, "normal", column="w", by="g")[1],
         "Fit(normal of w, g=b, n=2: mu=7.0 (1.4), sigma=2.0 (1.0), log-likelihood -4.2)"),
        (lambda: mlefit.fit([5, 5]), "Fit(normal, n=2: mu=5, sigma=0, not converged)"),
        (lambda: mlefit.regress(mlefit.sample_data("cars"), "dist ~ speed"),
         "Regression(normal of dist, n=50: mu[Intercept]=-17.6 (6.6), mu[speed]=3.93 (0.41), sigma=15.1 (1.5), "
         "log-likelihood -206.6)"),
    ],
)  # fmt: skip
def test_a_fit_prints_on_one_line(found: Callable[[], Any], shown: str) -> None:
    assert repr(found()) == shown


@pytest.mark.parametrize(
    ("estimate", "error", "shown"),
    [
        (4.008, 0.3419, "4.01 (0.34)"), (0.0544, 0.00494, "0.0544 (0.0049)"), (12345.6, 678.9, "12350 (680)"),
        (123.4, 56.7, "123 (57)"), (3e-12, 1e-13, "3e-12 (1e-13)"), (0.0, 0.5, "0.00 (0.50)"),
        (float("inf"), float("nan"), "inf"), (2.0, float("nan"), "2"),
    ],
)  # fmt: skip
def test_an_estimate_with_its_error(estimate: float, error: float, shown: str) -> None:
    assert with_error(estimate, error) == shown


@pytest.mark.parametrize(
    ("sentence", "keyword"),
    [
        ("hold it: --fix df=5", 'hold it: fix={"df": 5}'),
        ("binomial needs --trials: a column or a number", "binomial needs trials: a column or a number"),
        ("(see --interval profile)", '(see interval="profile")'),
        ("leave --missing error out", 'leave missing="error" out'),
        ("weight decay (--weight-decay 0.01)", "weight decay (weight_decay=0.01)"),
        ('such as --event "dead = 2"', 'such as event="dead = 2"'),
        ("use --optimizer adam with a small --learning-rate", 'use optimizer="adam" with a small learning_rate'),
        ("choose one with --where or --column", "choose one with where or column"),
        ("use --dist categorical", 'use family="categorical"'),
    ],
)
def test_options_become_keywords(sentence: str, keyword: str) -> None:
    assert for_python(sentence, dist="family") == keyword


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: mlefit.fit([1, 2], "binomial"), "binomial needs trials: a column or a number"),
        (lambda: mlefit.fit([1, 2], trials=3), "normal takes no trials; leave trials out"),
        (lambda: mlefit.fit([1, 2], event=[1, 2]), 'such as event="event = 2"'),
        (lambda: mlefit.compare([1, 2], rank="held-out"), "needs folds, such as folds=5"),
        (lambda: mlefit.compare([-1, 0.5], "discrete"), "name some with families"),
        (lambda: mlefit.regress(FRAME, "y ~ 1", exposure="w"), "exposure multiplies"),
        (lambda: mlefit.regress(FRAME, "y ~ w", fix={"mu": 1}), 'with "y ~ 1" and formulas={"sigma": "w"}'),
        (lambda: mlefit.regress(FRAME, "y ~ 1", dist="gamma"), "regress has no option 'dist'; did you mean family?"),
        (lambda: mlefit.regress(FRAME, "y ~ 1", weigths="w"), "regress has no option 'weigths'; did you mean weight?"),
        (lambda: mlefit.train(FRAME, "mse", "g", hidden=()), 'for labels use loss="bce"'),
    ],
)
def test_errors_speak_of_keywords(call: Callable[[], Any], said: str) -> None:
    with pytest.raises(mlefit.MlefitError) as caught:
        call()
    assert said in str(caught.value)
    assert "--" not in str(caught.value)


def test_warnings_speak_of_keywords() -> None:
    fit = mlefit.fit([0, 0, 0], "bernoulli")
    assert any('interval="profile"' in warning for warning in fit.warnings)
    assert not any("--" in warning for warning in fit.warnings)
