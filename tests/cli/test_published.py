"""Figures that others have printed, from the shell: flexsurv's manual and a session of it that its users discuss."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

CENSORED = Path(__file__).parents[1] / "reference" / "censored"


def test_weibull_of_the_ovarian_trial_as_flexsurv_prints_it(mlefit: Callable, tmp_path: Path) -> None:
    """The example of `flexsurvreg` in its manual: Surv(futime, fustat) ~ 1, log-likelihood -97.9539."""
    data = tmp_path / "ovarian.csv"
    pd.read_csv(CENSORED / "data_ovarian.csv", comment="#").to_csv(data, index=False)
    ran = mlefit("estimate", str(data), "--dist", "weibull", "--lower", "lower", "--upper", "upper", "-f", "json")
    assert ran.status == 0, ran.err
    fit = json.loads(ran.out)
    printed = {"shape": (1.108, 0.674, 1.822, 0.281), "scale": (1225.419, 690.421, 2174.979, 358.714)}
    for name, figures in printed.items():
        ours = fit["parameters"][name]
        # Limits from second derivatives by differences: good to their fourth digit.
        assert ours["estimate"] == pytest.approx(figures[0], rel=5e-4)
        assert [ours["ci_lower"], ours["ci_upper"], ours["std_error"]] == pytest.approx(figures[1:], rel=2e-3)
    assert fit["log_likelihood"] == pytest.approx(-97.9539, abs=5e-5)
    assert fit["aic"] == pytest.approx(199.9078, abs=5e-5)


def test_gompertz_with_a_formula_for_each_parameter_as_flexsurv_prints_it(mlefit: Callable) -> None:
    """Surv(time, status) ~ sex + shape(ph.ecog) of the lung cancer patients: log-likelihood -1139.932, AIC 2287.864."""
    data = str(Path(__file__).parents[2] / "sample_data" / "lung.csv")
    command = ["regress", data, "time ~ sex", "--formula", "shape ~ ph_ecog", "--dist", "gompertz"]
    ran = mlefit(*command, "--event", "status = 2", "-f", "json")
    assert ran.status == 0, ran.err
    fit = json.loads(ran.out)
    assert (fit["n"], fit["dropped"]) == (227, 1)
    printed = {
        "shape[Intercept]": 0.0006588492,
        "rate[Intercept]": -5.6973226550,
        "rate[sex]": -0.5254411364,
        "shape[ph_ecog]": 0.0009368314,
    }
    for name, figure in printed.items():  # their optimiser stops some thousandths of a standard error early
        ours = fit["parameters"][name]
        assert abs(ours["estimate"] - figure) < 2e-3 * ours["std_error"], name
    assert fit["log_likelihood"] == pytest.approx(-1139.932, abs=5e-4)
    assert fit["aic"] == pytest.approx(2287.864, abs=5e-4)
