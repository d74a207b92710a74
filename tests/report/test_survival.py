"""Survival curves under fits of censored rows: the product-limit estimate, and pictures of every kind of row."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mlefit.inference.product_limit import product_limit

DATA = Path(__file__).parents[2] / "sample_data"


def test_product_limit_of_the_maintained_group() -> None:
    """Acute myelogenous leukaemia, maintained group: Miller (1981), page 49; R survival `aml` gives the same."""
    time = np.array([9, 13, 13, 18, 23, 28, 31, 34, 45, 48, 161], dtype=float)
    event = np.array([1, 1, 0, 1, 1, 0, 1, 1, 0, 1, 0], dtype=bool)
    times, survival = product_limit(time, event, np.ones(11))
    assert times.tolist() == [9, 13, 18, 23, 31, 34, 48]
    assert survival == pytest.approx([0.909091, 0.818182, 0.715909, 0.613636, 0.490909, 0.368182, 0.184091], abs=1e-6)


def test_a_weight_is_a_repeated_row() -> None:
    time, event, weight = np.array([1.0, 2, 2, 5]), np.array([True, True, False, True]), np.array([2, 1, 3, 1])
    weighted = product_limit(time, event, weight.astype(float))
    repeated = product_limit(np.repeat(time, weight), np.repeat(event, weight), np.ones(7))
    for one, other in zip(weighted, repeated, strict=True):
        assert one == pytest.approx(other)


@pytest.mark.parametrize(
    ("arguments", "steps"),
    [
        (("lung.csv", "-c", "time", "--event", "status = 2"), True),
        (("motors.csv", "-c", "time", "--event", "cens", "--by", "temp", "--where", "temp > 150"), True),
        (("smoked_fish.csv", "--lower", "left", "--upper", "right"), False),
        (("lung.csv", "-c", "time", "--event", "status = 2", "--truncate-below", "4"), False),
        (("lung.csv", "-c", "time", "--truncate-above", "1100"), False),
    ],
)
def test_pictures(arguments: tuple[str, ...], steps: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from mlefit.cli import run

    target = tmp_path / "survival.svg"
    assert run(["estimate", str(DATA / arguments[0]), *arguments[1:], "-d", "weibull", "--plot", str(target)]) == 0
    text = target.read_text()
    assert ("Kaplan–Meier" in text) == steps
    assert "survival" in text
    assert "weibull: shape" in text
