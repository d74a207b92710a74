"""Data of any size: families of logarithms take them, the others name the unit to divide by."""

from __future__ import annotations

import numpy as np
import pytest

import mlefit as package

Y = np.random.default_rng(1).gamma(2, 1, 60)
SHIFT = 900  # a power of two, so that nothing is rounded


@pytest.mark.parametrize("power", [SHIFT, -SHIFT, 1000, -1000])
@pytest.mark.parametrize("rows", [{}, {"event": (np.arange(60) % 4 > 0).astype(int)}, {"fix": {"sigma": 1.0}}])
def test_lognormal_is_the_same_whatever_the_unit(power, rows):
    one, other = (
        package.fit(Y * c, "lognormal", interval="profile", quantiles=[0.1], **rows) for c in (1.0, 2.0**power)
    )
    factor = power * np.log(2)
    assert other.converged
    assert other.estimates["mu"] - factor == pytest.approx(one.estimates["mu"], abs=1e-9)
    assert other.upper[0] - factor == pytest.approx(one.upper[0], abs=1e-7)
    assert other.covariance == pytest.approx(one.covariance, rel=1e-6)
    seen = rows["event"].sum() if "event" in rows else 60
    assert other.log_likelihood + seen * factor == pytest.approx(one.log_likelihood, abs=1e-7)
    assert other.derived[0].upper / 2.0**power == pytest.approx(one.derived[0].upper, rel=1e-7)


@pytest.mark.parametrize("power", [SHIFT, -SHIFT])
def test_uniform_has_its_ends_whatever_the_unit(power):
    fit = package.fit(Y * 2.0**power, "uniform")
    assert (fit.estimates["lower"], fit.estimates["upper"]) == (Y.min() * 2.0**power, Y.max() * 2.0**power)
    assert fit.log_likelihood + 60 * power * np.log(2) == pytest.approx(package.fit(Y, "uniform").log_likelihood)


@pytest.mark.parametrize("family", ["gamma", "weibull", "normal"])
@pytest.mark.parametrize("power", [SHIFT, -SHIFT])
def test_others_name_the_unit(family, power):
    with pytest.raises(package.DataError, match="take another unit"):
        package.fit(Y * 2.0**power, family)


def test_a_comparison_keeps_the_line_of_those_that_cannot():
    found = package.compare(Y * 1e200, ["lognormal", "gamma"], replicates=19)
    assert found.best.family.name == "lognormal"
    assert found.entries[0].goodness.p_values["anderson_darling"] <= 1
    assert "another unit" in found.entries[1].error
