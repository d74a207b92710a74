"""Regressions against R, NIST's certified values, and their own definitions."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

import mlefit
from mlefit.inference.regression import Options

HERE = Path(__file__).parent.parent / "reference"
DATA = HERE / "regressions" / "data"


def tables(name):
    """(model, {term: (estimate, std_error)}, log-likelihood) of a reference table."""
    models: dict[str, dict[str, tuple[float, float]]] = {}
    values: dict[str, float] = {}
    with open(HERE / "regressions" / f"{name}.csv", encoding="utf-8") as file:
        for row in csv.DictReader(line for line in file if not line.startswith("#")):
            models.setdefault(row["model"], {})[row["term"]] = (float(row["estimate"]), float(row["std_error"]))
            values[row["model"]] = float(row["log_likelihood"])
    return [(model, terms, values[model]) for model, terms in models.items()]


def parts(model):
    """`birthwt logit: low ~ age` as data set, what stands between, and formula."""
    head, _, formula = model.partition(": ")
    data, _, middle = head.partition(" ")
    return DATA / f"{data}.csv", middle, formula


def agree(fit, terms, value, *, estimates=1e-7, errors=1e-6):
    """Every term, error and the log-likelihood; estimates to a share of their standard error."""
    assert fit.converged, fit.warnings
    assert set(fit.names) == set(terms)
    assert fit.log_likelihood == pytest.approx(value, rel=1e-9, abs=1e-8)
    for name, (estimate, std_error) in terms.items():
        assert fit.estimates[name] == pytest.approx(estimate, abs=estimates * std_error, rel=1e-12), name
        assert fit.std_errors[name] == pytest.approx(std_error, rel=errors), name


def named(terms, main, plain=()):
    """The reference's terms under mlefit's names."""
    return {term if term in plain else f"{main}[{term}]": value for term, value in terms.items()}


def each(name):
    return pytest.mark.parametrize(("model", "terms", "value"), [pytest.param(*t, id=t[0]) for t in tables(name)])


@each("binomial")
def test_binomial_as_in_r(model, terms, value):
    path, link, formula = parts(model)
    grouped = "y/trials" in formula
    fit = mlefit.regress(
        path, formula.replace("y/trials", "y"), "binomial" if grouped else "bernoulli", links={"p": link},
        **({"trials": "trials"} if grouped else {}),
    )  # fmt: skip
    agree(fit, named(terms, "p"), value)


@each("poisson")
def test_poisson_as_in_r(model, terms, value):
    path, middle, formula = parts(model)
    fit = mlefit.regress(path, formula, "poisson", **({"exposure": "holders"} if "offset" in middle else {}))
    agree(fit, named(terms, "mu"), value)


@each("normal")
def test_normal_as_in_r(model, terms, value):
    path, _, formula = parts(model)
    agree(mlefit.regress(path, formula), named(terms, "mu", {"sigma"}), value)


@each("gamma")
def test_gamma_as_in_r(model, terms, value):
    path, _, formula = parts(model)
    agree(mlefit.regress(path, formula, "gamma"), named(terms, "mean", {"shape"}), value)


@each("negative-binomial")
def test_negative_binomial_as_in_r(model, terms, value):
    path, _, formula = parts(model)
    agree(mlefit.regress(path, formula, "negative-binomial"), named(terms, "mu", {"size"}), value)


@each("multinomial")
def test_multinomial_as_in_r(model, terms, value):
    path, middle, formula = parts(model)
    fit = mlefit.regress(path, formula, "categorical", **({"weight": middle.split()[-1]} if "weighted" in middle else {}))
    renamed = {}
    for term, numbers in terms.items():
        column, _, level = term.rpartition("[")
        renamed[f"p[{level}[{column}]"] = numbers
    agree(fit, renamed, value)


@each("ordered")
def test_ordered_as_in_r(model, terms, value):
    path, _, formula = parts(model)
    fit = mlefit.regress(path, formula, "ordinal", weight="freq", levels=("Low", "Medium", "High"))
    cuts = {term for term in terms if term.startswith("cut")}
    agree(fit, named(terms, "location", cuts), value)


@each("survival")
def test_survival_as_in_r(model, terms, value):
    path, middle, formula = parts(model)
    family = middle.split()[0]
    if family == "normal":
        fit = mlefit.regress(path, "~ age + quant", "normal", lower="nullif(durable, 0)", upper="durable")
        agree(fit, named(terms, "mu", {"sigma"}), value)
        return
    fit = mlefit.regress(path, formula, family, event="event")
    main = {"weibull": "scale", "loglogistic": "scale", "lognormal": "mu", "exponential": "mean"}[family]
    found = named(terms, main, {"sigma"})
    if family in ("weibull", "loglogistic"):  # survreg's scale is one over the shape
        sigma, error = found.pop("sigma")
        found["shape"] = (1 / sigma, error / sigma**2)
    agree(fit, found, value)


# -- NIST's certified regressions ------------------------------------------------------------------------------------

POWERS = {"norris": 1, "pontius": 2, "filip": 10, "wampler1": 5, "wampler2": 5, "wampler3": 5, "wampler4": 5, "wampler5": 5}


def certified(name):
    """{B0: (estimate, std_error)} and the residual standard deviation."""
    with open(HERE / "nist" / "certified_regressions.csv", encoding="utf-8") as file:
        rows = [r for r in csv.DictReader(line for line in file if not line.startswith("#")) if r["name"] == name]
    return [(float(r["estimate"]), float(r["std_error"])) for r in rows], float(rows[0]["residual_std_dev"])


def nist_formula(name):
    if name == "longley":
        return "y ~ x1 + x2 + x3 + x4 + x5 + x6"
    return "y ~ x" + "".join(f" + I(x**{k})" for k in range(2, POWERS[name] + 1))


@pytest.mark.parametrize(
    ("name", "digits"),
    [
        ("norris", 12), ("pontius", 12), ("longley", 12), ("wampler3", 10), ("wampler4", 10), ("wampler5", 9), ("filip", 7),
    ],
)  # fmt: skip
def test_certified_digits(name, digits):
    coefficients, residual = certified(name)
    fit = mlefit.regress(HERE / "nist" / f"{name}.csv", nist_formula(name))
    assert fit.converged, fit.warnings
    p = len(coefficients)
    share = np.sqrt(fit.n / (fit.n - p))  # NIST divides by n - p
    for value, error, (estimate, std_error) in zip(
        fit.coefficients, np.sqrt(np.diag(fit.covariance)), coefficients, strict=False
    ):
        assert value == pytest.approx(estimate, rel=10**-digits)
        assert error * share == pytest.approx(std_error, rel=max(10**-digits, 1e-8))
    assert fit.estimates["sigma"] * share == pytest.approx(residual, rel=max(10**-digits, 1e-9))


@pytest.mark.parametrize("name", ["wampler1", "wampler2"])
def test_an_exact_fit_is_right_and_said(name):
    coefficients, _ = certified(name)
    fit = mlefit.regress(HERE / "nist" / f"{name}.csv", nist_formula(name))
    np.testing.assert_allclose(fit.coefficients[:6], [b for b, _ in coefficients], rtol=1e-9)
    assert not fit.converged
    assert "every row exactly" in fit.warnings[0]
