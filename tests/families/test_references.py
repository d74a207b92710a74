"""Every family against tables made by mpmath at 50 digits: fits of tiny, real and offset data, and single points."""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from mlefit.families import registry
from mlefit.families.links import BOUND
from mlefit.inference.fit import fit_sample
from mlefit.sample import Sample

HERE = Path(__file__).parents[1] / "reference"
FITS = sorted((HERE / "fits").glob("*.csv"))
POINTS = sorted((HERE / "points").glob("*.csv"))


@cache
def table(path):
    """The rows of a reference table, without its first line, which says how it was made."""
    with open(path, newline="") as file:
        assert file.readline().startswith("# made by")
        return list(csv.DictReader(file))


def fits():
    """Every table with every data set in it."""
    return [
        pytest.param(path, name, id=f"{path.stem}-{name}")
        for path in FITS
        for name in dict.fromkeys(row["data"] for row in table(path))
    ]


@cache
def data(name):
    """(n,) or (d, n) numbers, or codes with their labels."""
    with open(HERE / "data" / f"{name}.csv", newline="") as file:
        rows = list(csv.reader(file))[1:]
    try:
        values = np.array(rows, dtype=float).T
    except ValueError:
        levels, codes = np.unique([row[0] for row in rows], return_inverse=True)
        return codes.astype(float), tuple(levels.tolist())
    return np.ascontiguousarray(values[0] if len(values) == 1 else values), ()


def relative(got, expected):
    """Relative error; absolute where the number to meet is zero."""
    return abs(got - expected) / (abs(expected) or 1.0)


@pytest.mark.parametrize(("path", "name"), fits())
def test_fit(path, name):
    """Estimates to 1e-8, log-likelihoods to 1e-10, standard errors to 1e-6, all relative."""
    family = registry.get(path.stem)
    y, levels = data(name)
    if family.labels:
        family = family.bind(levels)
    (fit,) = fit_sample(family, Sample.of(y))
    assert fit.converged
    for row in table(path):
        if row["data"] != name:
            continue
        parameter = row["parameter"]
        estimate, error = float(row["estimate"]), row["std_error"]
        # An estimate at zero is as good as its error is small beside the standard error.
        scale = float(error) if error and estimate == 0 else 1.0
        assert relative(fit.estimates[parameter], estimate) < 1e-8 * scale, parameter
        assert relative(fit.log_likelihood, float(row["log_likelihood"])) < 1e-10
        if error:
            assert relative(fit.std_errors[parameter], float(error)) < 1e-6, parameter


@cache
def points(path):
    """The table's columns, parameters as scores."""
    rows = table(path)
    family = registry.get(path.stem)
    columns = {name: np.array([float(row[name] or "nan") for row in rows]) for name in rows[0]}
    eta = family.forward(np.stack([columns[name] for name in family.names]))
    return family, columns, eta


@pytest.mark.parametrize("path", POINTS, ids=lambda path: path.stem)
@pytest.mark.parametrize("what", ["log_density", "log_cdf", "log_sf"])
def test_point(path, what):
    """To 1e-10 of the logarithm; but a logarithm is never better known than its argument, y or a parameter."""
    family, columns, eta = points(path)
    y = np.stack([columns[name] for name in family.columns]) if len(family.columns) > 1 else columns["y"]
    method = {"log_density": family.nll, "log_cdf": family.log_cdf, "log_sf": family.log_sf}[what]
    with np.errstate(all="ignore" if what == "log_density" else None):  # only `nll` is always called so
        got = method(y, eta) * (-1 if what == "log_density" else 1)
    expected = columns[what]
    for i in np.flatnonzero(usable(family, y, eta, expected)):
        if got[i] != expected[i] and abs(got[i] - expected[i]) > 1e-10 * abs(expected[i]):
            slack = conditioning(method, y, eta, i)
            assert abs(got[i] - expected[i]) <= slack, where(columns, i, got[i], expected[i])


def usable(family, y, eta, expected):
    """Which points are points still when y and the scores are doubles: not at an end, no score at its bound."""
    return ~np.isnan(expected) & family.inside(y) & (np.abs(eta) < BOUND).all(axis=0)


def conditioning(method, y, eta, i):
    """How far the value moves when y and the scores move by four units in their last place."""
    eps = 4 * np.finfo(float).eps
    row, scores = y[..., i : i + 1], eta[:, i : i + 1]
    with np.errstate(all="ignore"):
        value = method(row, scores)
        moved = [method(row * (1 + s * eps), scores) for s in (-1, 1)] if row.ndim == 1 else []
        for j in range(len(scores)):
            for s in (-1, 1):
                other = scores.copy()
                other[j] += s * eps * max(1.0, abs(float(other[j, 0])))
                moved.append(method(row, other))
        change = np.abs(np.array(moved) - value)
    return float(np.max(change[np.isfinite(change)], initial=0.0))


@pytest.mark.parametrize("path", POINTS, ids=lambda path: path.stem)
def test_quantile(path):
    """To 1e-10 of the quantile's distance from zero, or from a typical quantile where it lies near zero."""
    family, columns, eta = points(path)
    others = [columns[name] for name in family.columns[1:]]
    method = (family.given(*others) if others else family).quantile
    try:
        got = method(columns["quantile_p"], eta)
    except NotImplementedError:
        pytest.skip("no quantile function")
    expected = columns["quantile"]
    y = np.stack([expected, *others]) if others else expected
    for i in np.flatnonzero(~np.isnan(expected) & (np.abs(eta) < BOUND).all(axis=0)):
        p = columns["quantile_p"][i : i + 1]
        if family.discrete:
            # Where p is a value of the cdf but for rounding, either side of the jump will do.
            jump = np.floor(min(got[i], expected[i]))
            row = np.vstack([[jump], y[1:, i : i + 1]]) if others else np.array([jump])
            at = family.log_cdf(row, eta[:, i : i + 1])
            tie = abs(got[i] - expected[i]) == 1 and abs(np.exp(at[0]) / p[0] - 1) < 1e-13
            assert got[i] == expected[i] or tie, where(columns, i, got[i], expected[i])
            continue
        nearby = [method(p + s * np.spacing(p), eta[:, i : i + 1])[0] for s in (-1, 1)]
        slack = 1e-10 * abs(expected[i]) + 4 * np.ptp(nearby) + 1e-15 * np.abs(eta[:, i]).max() * (expected[i] != 0)
        assert abs(got[i] - expected[i]) <= slack, where(columns, i, got[i], expected[i])


def where(columns, i, got, expected):
    return f"{ {name: float(values[i]) for name, values in columns.items()} }: {got!r} for {expected!r}"


@pytest.mark.parametrize("name", registry.names())
def test_every_family_has_a_table(name):
    family = registry.get(name)
    fits = {row["data"] for row in table(HERE / "fits" / f"{name}.csv")}
    assert len(fits) >= 3, "a tiny, a real and a large or offset data set"
    if not family.labels:
        assert len(table(HERE / "points" / f"{name}.csv")) >= 10
