"""Degenerate samples: what the likelihood does not depend on has no estimate, and one sentence says so."""

from __future__ import annotations

import json

import numpy as np
import pytest

import mlefit as package
from mlefit.families import registry

FAMILIES = [f for f in registry.every() if not f.labels and len(f.columns) == 1]
MIXED = ["hurdle:poisson", "hurdle:gamma", "hurdle:negative-binomial", "zero-inflated:geometric", "hurdle:normal"]


@pytest.mark.parametrize(
    ("family", "known", "lost"),
    [
        ("negative-binomial", {"mu": 0.0}, ["size"]),
        ("zero-inflated-poisson", {"mu": 0.0}, ["pi"]),
        ("zero-inflated-negative-binomial", {"mu": 0.0}, ["size", "pi"]),
        ("zero-inflated:geometric", {"p": 1.0}, ["pi"]),
        ("hurdle:poisson", {"pi": 1.0}, ["mu"]),
        ("hurdle:negative-binomial", {"pi": 1.0}, ["mu", "size"]),
        ("hurdle:gamma", {"pi": 1.0}, ["shape", "rate"]),
        ("mixture:poisson*2", {"mu_1": 0.0, "mu_2": 0.0}, ["weight_1"]),
    ],
)
@pytest.mark.parametrize("n", [1, 2, 40])
def test_zeros_alone_do_not_tell_every_parameter(family, known, lost, n):
    fit = package.fit(np.zeros(n), family)
    for name, value in known.items():
        assert fit.estimates[name] == value
    assert all(np.isnan(fit.estimates[name]) for name in lost)
    assert np.isnan(list(fit.std_errors.values())).all()
    assert fit.log_likelihood == pytest.approx(0, abs=1e-12)
    assert not fit.converged
    [said] = fit.warnings
    assert "on the boundary" in said
    assert all(name in said for name in [*known, *lost])


def test_two_parts_that_are_alike_leave_their_weight_open():
    fit = package.fit([3.0] * 6, "mixture:poisson*2")
    assert fit.estimates["mu_1"] == pytest.approx(3)
    assert np.isnan(fit.estimates["weight_1"])
    assert np.isnan(list(fit.std_errors.values())).all()


def test_zeros_alone_have_profile_limits_of_a_mean():
    fit = package.fit(np.zeros(5), "poisson", interval="profile")
    assert fit.converged
    assert fit.lower[0] == 0
    assert fit.upper[0] == pytest.approx(3.841458820694124 / 10)


def test_the_command_prints_nothing_for_what_is_not_known(mlefit, tmp_path):
    path = tmp_path / "zeros.csv"
    path.write_text("y\n0\n0\n0\n")
    ran = mlefit("estimate", path, "-d", "negative-binomial")
    assert ran.status == 3
    assert "size has no effect on the likelihood" in " ".join(ran.out.split())
    assert "1e+06" not in ran.out
    record = json.loads(mlefit("estimate", path, "-d", "negative-binomial", "-f", "json").out)
    assert record["parameters"]["size"]["estimate"] is None
    assert record["certificate"]["at_boundary"] == ["mu"]


def values(family, kind):
    """Samples without, or nearly without, spread."""
    low, high = family.support.lower, family.support.upper
    inner = (1.0 if family.discrete else 0.5) if high == 1 else 3.0
    edge = low if np.isfinite(low) and not family.support.lower_open else high
    closed = np.isfinite(edge) and family.inside(np.array([edge]))[0]
    different = inner - 1 if family.discrete else inner / 2
    every = {"one": [inner], "two": [inner, different], "equal": [inner] * 6, "edge": [edge if closed else inner] * 6}
    return every[kind]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", ["one", "two", "equal", "edge"])
@pytest.mark.parametrize("name", [f.name for f in FAMILIES] + MIXED)
def test_samples_without_spread_have_numbers_or_none_and_a_reason(name, kind):
    fit = package.fit(np.array(values(registry.get(name), kind), dtype=float), name)
    record = json.loads(json.dumps(fit.to_dict(), allow_nan=False))
    missing = [n for n, p in record["parameters"].items() if p["estimate"] is None]
    assert not (missing and fit.converged)
    assert fit.converged or fit.warnings
    for parameter in record["parameters"].values():
        if parameter["std_error"] is not None:
            assert parameter["estimate"] is not None
            assert parameter["std_error"] > 0
