"""Survival curves under fits of censored rows: the product-limit estimate, and pictures of every kind of row."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import mlefit as package
from mlefit.inference.product_limit import product_limit
from mlefit.inference.turnbull import turnbull
from mlefit.report import figure
from mlefit.report.survival import survival_panel

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


def test_turnbull_of_right_censored_rows_is_the_product_limit() -> None:
    time, event = np.loadtxt(DATA / "leukemia.csv", delimiter=",", skiprows=1, usecols=(0, 1)).T
    weight = np.random.default_rng(1).integers(1, 4, time.size).astype(float)
    low, high, p = turnbull(time, np.where(event == 1, time, np.inf), weight)
    times, survival = product_limit(time, event == 1, weight)
    np.testing.assert_array_equal(high[: times.size], times)
    np.testing.assert_allclose(1 - np.cumsum(p)[: times.size], survival, atol=1e-5)
    assert (low[-1], high[-1]) == (161, np.inf)


@pytest.mark.parametrize("seed", range(4))
def test_turnbull_has_the_highest_likelihood(seed: int) -> None:
    """No direction rises: the derivative by the share of every interval is at most the weight (Gentleman and Geyer
    1994, equation 3)."""
    generator = np.random.default_rng(seed)
    left = np.round(generator.exponential(3, 60), 1)
    right = left + np.round(generator.exponential(2, 60), 1) * (generator.random(60) < 0.8)
    right[generator.random(60) < 0.2] = np.inf
    left[generator.random(60) < 0.2] = -np.inf
    weight = generator.random(60)
    low, high, p = turnbull(left, right, weight)
    assert p.sum() == pytest.approx(1)
    assert (p >= 0).all()
    exact = left == right
    candidates = [(a, b) for a, b in zip(low, high, strict=True)]
    candidates += [(a, np.nextafter(a, np.inf)) for a in left] + [(np.nextafter(b, -np.inf), b) for b in right]

    def holds(begin: object, end: object) -> np.ndarray:
        begins = np.where(exact, np.nextafter(left, -np.inf), left)
        return ((begins <= begin) & (end <= right)).astype(float)

    likelihood = sum(share * holds(a, b) for a, b, share in zip(low, high, p, strict=True))
    assert (likelihood > 0).all()
    for begin, end in candidates:
        assert (weight * holds(begin, end) / likelihood).sum() <= weight.sum() * (1 + 1e-7)


def test_turnbull_of_many_ends_is_near_the_values() -> None:
    y = np.random.default_rng(2).normal(size=5000)
    low, high, p = turnbull(y - 1e-3, y + 1e-3, np.ones(5000))
    below = np.array([(y <= value).mean() for value in high])
    np.testing.assert_allclose(np.cumsum(p), below, atol=0.01)
    assert (low <= high).all()


@pytest.mark.parametrize(
    ("arguments", "drawn"),
    [
        (("lung.csv", "-c", "time", "--event", "status = 2"), {"Kaplan–Meier", ">survival<"}),
        (("motors.csv", "-c", "time", "--event", "cens", "--by", "temp", "--where", "temp > 150"), {"Kaplan–Meier"}),
        (("smoked_fish.csv", "--lower", "left", "--upper", "right"), {"Turnbull", ">0.1<", ">100<"}),
        (
            ("lung.csv", "-c", "time", "--event", "status = 2", "--truncate-below", "4"),
            {"Kaplan–Meier", "survival beyond 4"},
        ),
        (("lung.csv", "-c", "time", "--event", "status = 2", "--truncate-above", "1100"), {">survival<"}),
        (("lung.csv", "-c", "time", "--truncate-above", "1100"), {">data<", ">density<"}),
        (("danish_fire.csv", "-c", "loss", "--truncate-below", "0.5"), {">data<", ">density<"}),
    ],
)
def test_pictures(
    arguments: tuple[str, ...], drawn: set[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from mlefit.cli import run

    target = tmp_path / "survival.svg"
    assert run(["estimate", str(DATA / arguments[0]), *arguments[1:], "-d", "weibull", "--plot", str(target)]) == 0
    text = target.read_text()
    assert not [word for word in drawn if word not in text]
    assert "weibull: shape" in text
    assert "mathdefault" not in text


@pytest.mark.parametrize(("lower", "upper"), [(0.5, 2.0), ([0.0, 0.5, 1.0], [2.0, 3.0, 4.0])])
def test_the_density_of_truncated_rows_integrates_to_one(
    lower: float | list[float], upper: float | list[float]
) -> None:
    from mlefit import fit
    from mlefit.report.plots import _mean_density

    y = np.array([1.1, 1.2, 1.9])
    found = fit(y, "normal", truncate_below=np.broadcast_to(lower, 3), truncate_above=np.broadcast_to(upper, 3),
                fix={"sigma": 1.0})  # fmt: skip
    limits = np.array([np.broadcast_to(lower, 3), np.broadcast_to(upper, 3)])
    weight = np.array([1.0, 2.0, 3.0])
    grid = np.linspace(-1, 5, 60001)
    density = _mean_density(found, grid, limits, weight)
    assert np.trapezoid(density, grid) == pytest.approx(1, abs=1e-3)
    assert not density[(grid <= np.min(lower)) | (grid > np.max(upper))].any()


def test_on_a_logarithmic_axis_both_curves_begin_where_the_rows_do() -> None:
    """Half of the smoked fish are below 0.04, and nothing says how far: no curve falls from 1 there."""
    found = package.fit(DATA / "smoked_fish.csv", "lognormal", column="left", upper="right")
    axis = figure.new()[1][0]
    survival_panel(axis, found, np.asarray(found.sample.y), np.ones(found.n), "lognormal")
    assert axis.get_xscale() == "log"
    known, fitted = axis.lines
    for line in (known, fitted):
        assert line.get_xdata()[0] == pytest.approx(axis.get_xlim()[0])
    left, right = found.sample.y[:2]
    assert (left >= 0.04).mean() <= known.get_ydata()[0] <= (right > 0.04).mean() < 0.6
    assert fitted.get_ydata()[0] == pytest.approx(known.get_ydata()[0], abs=0.02)
