"""`mlefit likelihood`: the lecture's curves and surfaces, single points, profiles, and every way to ask wrongly."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mlefit as package
from mlefit.families import registry
from mlefit.inference.fit import fit_sample
from mlefit.inference.surface import axes, surface
from mlefit.report.document import FORMATS
from mlefit.sample import Sample

DATA = Path(__file__).parents[2] / "sample_data"
COIN, THREE, BEEF = DATA / "coin.csv", DATA / "three.csv", DATA / "groundbeef.csv"


def points(mlefit: Callable, *arguments: object, status: int = 0) -> list[dict[str, Any]]:
    """The points of a curve or surface, as JSON has them."""
    ran = mlefit("likelihood", *arguments, "--format", "json")
    assert ran.status == status, ran.err
    found: list[dict[str, Any]] = json.loads(ran.out)["points"]
    return found


# -- the lecture ---------------------------------------------------------------------------------------------------


def test_the_coin_on_the_blackboard(mlefit: Callable) -> None:
    found = points(mlefit, COIN, "--dist", "bernoulli", "--grid", "p=0:1:0.05")
    assert [row["p"] for row in found] == [round(0.05 * i, 2) for i in range(21)]
    for row in found:
        p = row["p"]
        assert row["likelihood"] == pytest.approx(p * (1 - p) ** 4, rel=1e-13, abs=1e-300)
        assert row["relative_likelihood"] == pytest.approx(p * (1 - p) ** 4 / (0.2 * 0.8**4), rel=1e-13, abs=1e-300)
    best = max(found, key=lambda row: row["relative_likelihood"])
    assert (best["p"], best["relative_likelihood"]) == (0.2, 1.0)


def test_the_three_numbers_on_the_blackboard(mlefit: Callable) -> None:
    ran = mlefit("likelihood", THREE, "--grid", "mu=-2:2:0.5", "--grid", "sigma=0.2:3:0.2", "--format", "json")
    record = json.loads(ran.out)
    assert record["maximum"]["parameters"]["mu"] == pytest.approx(0, abs=1e-15)
    assert record["maximum"]["parameters"]["sigma"] == pytest.approx(np.sqrt(2 / 3), rel=1e-14)
    assert len(record["points"]) == 9 * 15
    for row in record["points"]:
        mu, s2 = row["mu"], row["sigma"] ** 2
        surface = (2 * np.pi * s2) ** -1.5 * np.exp(-((mu - 1) ** 2 + mu**2 + (mu + 1) ** 2) / (2 * s2))
        assert row["likelihood"] == pytest.approx(surface, rel=1e-12)
        assert row["log_likelihood"] == pytest.approx(np.log(surface), rel=1e-12)
        assert row["nll"] == -row["log_likelihood"]


def test_the_default_curve_of_the_coin_runs_from_0_to_1(mlefit: Callable) -> None:
    found = points(mlefit, COIN, "--dist", "bernoulli")
    assert (found[0]["p"], found[-1]["p"], len(found)) == (0, 1, 21)
    # Five tosses with both sides rule out p = 0 and p = 1: there L is 0, and log L has no value.
    for end in (found[0], found[-1]):
        assert (end["likelihood"], end["log_likelihood"], end["nll"], end["relative_likelihood"]) == (0, None, None, 0)


# -- what is drawn -------------------------------------------------------------------------------------------------


def test_single_points_in_the_order_asked_for(mlefit: Callable) -> None:
    found = points(mlefit, COIN, "-d", "bernoulli", "--at", "p=0.5", "--at", "p=0.2")
    assert [(row["p"], row["likelihood"]) for row in found] == [(0.5, 0.5**5), (0.2, pytest.approx(0.2 * 0.8**4))]


def test_points_of_two_parameters_in_any_order(mlefit: Callable) -> None:
    found = points(mlefit, THREE, "--at", "mu=0,sigma=1", "--at", "sigma=2,mu=1")
    assert [(row["mu"], row["sigma"]) for row in found] == [(0, 1), (1, 2)]
    assert found[0]["log_likelihood"] == pytest.approx(-1.5 * np.log(2 * np.pi) - 1, rel=1e-14)


def test_a_list_of_values_is_a_grid(mlefit: Callable) -> None:
    found = points(mlefit, COIN, "-d", "bernoulli", "--grid", "p=0.1,0.4,0.2")
    assert [row["p"] for row in found] == [0.1, 0.4, 0.2]


def test_the_others_are_held_or_maximised_again(mlefit: Callable) -> None:
    y = np.array([-1.0, 0.0, 1.0])
    grid = ("--over", "mu", "--grid", "mu=-2:2:0.25")
    held = points(mlefit, THREE, *grid)
    profile = points(mlefit, THREE, *grid, "--profile")
    for low, high in zip(held, profile, strict=True):
        mu = low["mu"]
        for row, s2 in ((low, 2 / 3), (high, np.mean((y - mu) ** 2))):
            expected = -1.5 * np.log(2 * np.pi * s2) - np.sum((y - mu) ** 2) / (2 * s2)
            assert row["log_likelihood"] == pytest.approx(expected, rel=1e-12)
        assert high["log_likelihood"] >= low["log_likelihood"] - 1e-12


def test_the_profile_of_gamma_is_its_closed_form(mlefit: Callable) -> None:
    from scipy.special import gammaln

    y = np.loadtxt(BEEF, skiprows=1)
    for row in points(mlefit, BEEF, "-d", "gamma", "--grid", "shape=2:7:0.5", "--profile"):
        a = row["shape"]
        expected = y.size * (a * np.log(a / y.mean()) - gammaln(a) - a) + (a - 1) * np.log(y).sum()
        assert row["log_likelihood"] == pytest.approx(expected, rel=1e-12)


def test_a_parameter_held_by_fix_is_not_drawn(mlefit: Callable) -> None:
    found = points(mlefit, THREE, "--fix", "sigma=1")
    assert set(found[0]) == {"mu", "likelihood", "log_likelihood", "nll", "relative_likelihood"}
    for row in found:
        assert row["relative_likelihood"] == pytest.approx(np.exp(-1.5 * row["mu"] ** 2), rel=1e-12)


def test_three_parameters_are_points_in_lines(mlefit: Callable) -> None:
    grids = ("--grid", "df=2,5", "--grid", "loc=27", "--grid", "scale=3,4")
    found = points(mlefit, DATA / "newcomb.csv", "-d", "student-t", "--over", "df,loc,scale", *grids)
    assert [(row["df"], row["loc"], row["scale"]) for row in found] == [(2, 27, 3), (2, 27, 4), (5, 27, 3), (5, 27, 4)]
    from scipy.stats import t

    y = np.loadtxt(DATA / "newcomb.csv", skiprows=1)
    for row in found:
        expected = t.logpdf(y, row["df"], row["loc"], row["scale"]).sum()
        assert row["log_likelihood"] == pytest.approx(expected, rel=1e-12)


def test_weights_and_trials(mlefit: Callable, table: Callable) -> None:
    weighted = points(mlefit, table("y,w", "0,4", "1,1"), "-c", "y", "--weights", "w", "-d", "bernoulli")
    assert weighted == points(mlefit, COIN, "-d", "bernoulli")
    found = points(mlefit, COIN, "-d", "binomial", "--trials", "1", "--at", "p=0.3")
    assert found[0]["likelihood"] == pytest.approx(0.3 * 0.7**4, rel=1e-13)


def test_one_probability_of_several(mlefit: Callable) -> None:
    arguments = (DATA / "iris.csv", "-c", "species", "-d", "categorical")
    for row in points(mlefit, *arguments, "--over", "p[virginica]"):
        p = row["p[virginica]"]
        expected = 50 * np.log(p) + 100 * np.log((1 - p) / 2) if 0 < p < 1 else -np.inf
        assert row["log_likelihood"] == pytest.approx(expected, rel=1e-12)
    assert next(iter(points(mlefit, *arguments)[0])) == "p[setosa]"
    two = mlefit("likelihood", *arguments, "--over", "p[setosa],p[virginica]")
    assert (two.status, two.out) == (2, "")
    assert "one probability at a time" in two.err


def test_the_ends_of_the_uniform(mlefit: Callable) -> None:
    for row in points(mlefit, THREE, "-d", "uniform"):
        width = row["upper"] - row["lower"]
        inside = row["lower"] <= -1 and row["upper"] >= 1
        assert row["likelihood"] == pytest.approx(width**-3.0 if inside else 0, rel=1e-12)


@pytest.mark.parametrize(
    ("name", "column", "family"),
    [
        ("old_faithful", "waiting", "uniform"), ("old_faithful", "waiting", "laplace"),
        ("danish_fire", "loss", "pareto"), ("rutherford_geiger", "scintillations", "discrete-uniform"),
    ],
)  # fmt: skip
def test_default_axes_of_irregular_families_hold_the_estimate(
    mlefit: Callable, name: str, column: str, family: str
) -> None:
    found = points(mlefit, DATA / f"{name}.csv", "-c", column, "-d", family)
    relative = [row["relative_likelihood"] for row in found]
    assert max(relative) > 0.8
    assert sum(1e-3 < value < 0.9 for value in relative) > 5 or family == "discrete-uniform"


SMALL = {
    "gamma": "1 2 5", "weibull": "1 2 5", "lognormal": "1 2 5", "inverse-gaussian": "1 2 5", "inverse-gamma": "1 2 5",
    "loglogistic": "1 2 5", "exponential": "1 2 5", "gompertz": "1 2 5 6 7", "beta": ".1 .4 .7",
    "kumaraswamy": ".1 .4 .7", "poisson": "0 0 0 1", "negative-binomial": "0 1 9 3", "normal": "-1 0 1",
    "laplace": "-1 0 1", "logistic": "-1 0 1", "gumbel": "-1 0 1", "cauchy": "-1 0 1 2", "rayleigh": "1e5 3e5",
    "maxwell": "1e-7 3e-7", "geometric": "0 3 4", "von-mises": "0 1 2",
}  # fmt: skip


@pytest.mark.parametrize(("family", "values"), SMALL.items())
@pytest.mark.parametrize("drawn", [1, 2])
def test_default_axes_show_both_sides_of_the_maximum(
    mlefit: Callable, table: Callable, family: str, values: str, drawn: int
) -> None:
    over = registry.get(family).names[-drawn:]
    arguments = ("likelihood", table("y", *values.split()), "-d", family, "-f", "json")
    record = json.loads(mlefit(*arguments, "--over", ",".join(over)).out)
    estimates = record["maximum"]["parameters"]
    for name in over:
        axis = sorted({point[name] for point in record["points"]})
        below = sum(value < estimates[name] for value in axis)
        assert 0.25 <= below / len(axis) <= 0.75, (name, axis)
        assert axis[-1] > estimates[name]
        assert 7 <= len(axis) <= 22
    assert min(point["relative_likelihood"] for point in record["points"]) < 0.05


@pytest.mark.parametrize("family", ["bernoulli", "poisson"])
def test_a_maximum_on_the_boundary(mlefit: Callable, table: Callable, family: str) -> None:
    found = points(mlefit, table("y", "0", "0", "0"), "-d", family)
    assert list(found[0].values()) == [0, 1, 0, 0, 1]
    assert all(row["relative_likelihood"] < 1 for row in found[1:])


def test_censored_rows(mlefit: Callable) -> None:
    y, event = np.loadtxt(DATA / "leukemia.csv", delimiter=",", skiprows=1, usecols=(0, 1)).T
    arguments = (DATA / "leukemia.csv", "-c", "time", "--event", "status", "-d", "exponential")
    for row in points(mlefit, *arguments):
        expected = event.sum() * np.log(row["rate"]) - row["rate"] * y.sum()
        assert row["log_likelihood"] == pytest.approx(expected, rel=1e-12)


def test_a_density_of_ones_own(mlefit: Callable) -> None:
    own = points(mlefit, BEEF, "--density", "log(rate) - rate*y", "--parameters", "rate>0", "--at", "rate=0.01")[0]
    ours = points(mlefit, BEEF, "-d", "exponential", "--at", "rate=0.01")[0]
    assert own["log_likelihood"] == pytest.approx(ours["log_likelihood"], rel=1e-14)
    assert own["relative_likelihood"] == pytest.approx(ours["relative_likelihood"], rel=1e-10)


# -- L itself under- and overflows -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("scale", "sign"), [(1.0, -1), (1e-12, 1)])
def test_a_likelihood_beyond_numbers_is_not_shown_as_0_or_infinity(
    mlefit: Callable, table: Callable, scale: float, sign: int
) -> None:
    y = np.random.default_rng(3).normal(size=800) * scale
    path = table("y", *map(repr, y.tolist()))
    for row in points(mlefit, path, "--over", "mu"):
        assert row["likelihood"] is None
        assert sign * row["log_likelihood"] > 700
        assert 0 < row["relative_likelihood"] <= 1
    ran = mlefit("likelihood", path, "--over", "mu")
    assert "compare by log L" in ran.out
    assert "inf" not in ran.out
    assert "–" in ran.out


def test_a_likelihood_that_doubles_hold_is_shown(mlefit: Callable) -> None:
    ran = mlefit("likelihood", COIN, "-d", "bernoulli")
    assert "0.08192" in ran.out
    assert "compare by log L" not in ran.out


def test_a_cell_of_a_heat_map_does_not_speak_of_l(mlefit: Callable, table: Callable) -> None:
    path = table("y", "1", "2", "9")
    assert "small or too large" not in mlefit("likelihood", path, "-d", "weibull", "--grid", "shape=1,90",
                                              "--grid", "scale=1,2").out  # fmt: skip
    some = mlefit("likelihood", path, "-d", "weibull", "--at", "shape=1,scale=4", "--at", "shape=90,scale=1").out
    assert "where there is no L it is too small" in some


def test_all_probabilities_of_a_point(mlefit: Callable) -> None:
    arguments = (DATA / "iris.csv", "-c", "species", "-d", "categorical")
    one, none = points(mlefit, *arguments, "--at", "p[setosa]=.2,p[virginica]=.5,p[versicolor]=.3",
                       "--at", "p[setosa]=0,p[virginica]=.5,p[versicolor]=.5")  # fmt: skip
    assert one["log_likelihood"] == pytest.approx(50 * np.log(0.2 * 0.3 * 0.5), rel=1e-14)
    assert (none["likelihood"], none["log_likelihood"], none["relative_likelihood"]) == (0, None, 0)
    wrong = mlefit("likelihood", *arguments, "--at", "p[setosa]=.2,p[virginica]=.5,p[versicolor]=.4")
    assert wrong.status == 2
    assert "add up to 1.1, not to 1" in wrong.err
    assert "p[versicolor], p[virginica] keeping their proportions" in mlefit("likelihood", *arguments).out


@pytest.mark.parametrize("values", [("5",), ("5", "5", "5")])
def test_a_point_has_a_likelihood_where_there_is_no_maximum(
    mlefit: Callable, table: Callable, values: tuple[str, ...]
) -> None:
    ran = mlefit("likelihood", table("y", *values), "--at", "mu=5,sigma=2", "-f", "json")
    assert ran.status == 3
    point = json.loads(ran.out)["points"][0]
    assert point["log_likelihood"] == pytest.approx(-len(values) * np.log(2 * np.sqrt(2 * np.pi)))
    assert point["relative_likelihood"] is None
    assert "unbounded" in ran.err
    shown = mlefit("likelihood", table("y", *values), "--at", "mu=5,sigma=2")
    assert "no maximum to compare with" in shown.out
    assert mlefit("likelihood", table("y", *values), "--at", "mu=5").status == 1


# -- how it is written -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("over", ["mu", "mu,sigma"])
def test_every_format(mlefit: Callable, form: str, over: str) -> None:
    grids = ("--grid", "mu=-1:1:0.5", *(("--grid", "sigma=0.5,1,2") if "sigma" in over else ()))
    ran = mlefit("likelihood", THREE, "--over", over, *grids, "-f", form)
    assert (ran.status, ran.err) == (0, "")
    count = 15 if "sigma" in over else 5
    match form:
        case "json" | "ndjson":
            record = json.loads(ran.out)
            assert len(record["points"]) == count
            assert (record["family"], record["column"], record["n"], record["profile"]) == ("normal", "y", 3, False)
            assert form == "json" or ran.out.count("\n") == 1
        case "csv" | "tsv":
            rows = list(csv.DictReader(io.StringIO(ran.out), delimiter="," if form == "csv" else "\t"))
            assert list(rows[0]) == [
                *over.split(","), "likelihood", "log_likelihood", "nll", "relative_likelihood",
            ]  # fmt: skip
            assert len(rows) == count
        case "markdown":
            assert len([line for line in ran.out.splitlines() if line.startswith("|")]) == count + 2
        case "latex":
            assert ran.out.startswith(r"\begin{tabular}")
        case _:
            assert "maximum at mu = 0, sigma = 0.816497" in ran.out
            assert "L / L max" in ran.out
            assert "\x1b" not in ran.out


def test_a_heat_map_in_colour_on_a_terminal() -> None:
    from rich.console import Console

    import mlefit as package
    from mlefit.inference.surface import surface
    from mlefit.report.surfaces import surface_table

    drawn = surface(package.fit([-1, 0, 1]), {"mu": np.array([0.0, 1.0]), "sigma": np.array([0.8, 1.0, 2.0])})
    console = Console(force_terminal=True, color_system="truecolor", width=80, file=io.StringIO())
    console.print(surface_table(drawn))
    out = console.file.getvalue()  # type: ignore[attr-defined]
    assert len({part.split("m")[0] for part in out.split("48;2;")[1:]}) >= 4
    assert "\x1b[1;4;30;48;2" in out  # the largest of the grid is bold and underlined, in ink that can be read


@pytest.mark.parametrize(("width", "columns"), [(300, 21), (80, 7), (60, 5), (30, 2), (10, 1)])
def test_a_heat_map_has_the_columns_that_fit_and_the_peak(width: int, columns: int) -> None:
    from rich.console import Console

    import mlefit as package
    from mlefit.inference.surface import surface
    from mlefit.report.surfaces import surface_table

    axes = {"mu": np.array([-1.0, 0.0]), "sigma": np.round(np.arange(0.2, 2.21, 0.1), 2)}
    console = Console(width=width, file=io.StringIO())
    console.print(surface_table(surface(package.fit([-1, 0, 1]), axes)))
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    if width >= 30:
        best = next(line for line in lines if line.split()[:1] == ["0"])
        assert len(best.split()) == columns + 1
        assert "0.999" in best
        assert "..." not in best
        assert "…" not in best
    assert any("one in" in line for line in lines) == (width < 300)
    assert max(map(len, lines)) <= width


def test_values_on_the_axes_can_be_told_apart(mlefit: Callable) -> None:
    ran = mlefit("likelihood", DATA / "danish_fire.csv", "-c", "loss", "-d", "pareto")
    rows = [line.split()[0] for line in ran.out.splitlines() if line.count(".") > 5]
    assert len(rows) == len(set(rows)) > 5


def test_a_maximum_that_is_none_is_said(mlefit: Callable, table: Callable) -> None:
    # Both parameters at once run along a ridge: half the zeros are of either kind.
    ran = mlefit("likelihood", table("y", "0", "0", "0"), "-d", "zero-inflated-poisson", "--grid", "mu=1,2")
    assert ran.status == 3
    assert "not identified" in ran.err
    ran = mlefit("likelihood", table("y", "5", "5", "5"))
    assert (ran.status, ran.out) == (1, "")
    assert "no maximum" in ran.err
    assert "all values are equal" in ran.err


# -- pictures --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
@pytest.mark.parametrize(
    "arguments",
    [
        (COIN, "-d", "bernoulli"),
        (THREE,),
        (BEEF, "-d", "gamma", "--over", "shape", "--profile"),
        (DATA / "old_faithful.csv", "-c", "waiting", "-d", "uniform"),
    ],
    ids=["curve", "surface", "profile", "corner"],
)
def test_pictures(mlefit: Callable, tmp_path: Path, ending: str, arguments: tuple[Any, ...]) -> None:
    target = tmp_path / f"likelihood.{ending}"
    assert mlefit("likelihood", *arguments, "--plot", target).status == 0
    start = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[ending]
    assert target.read_bytes().startswith(start)
    assert [path.name for path in tmp_path.iterdir()] == [target.name]
    if ending == "svg":
        text = target.read_text()
        assert "likelihood of" in text
        assert "L / L max" in text


# -- asked wrongly ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--at", "q=0.2"), "no free parameter 'q'"),
        (("--over", "q"), "no free parameter 'q'"),
        (("--grid", "q=0:1:0.1"), "no free parameter 'q'"),
        (("--at", "p"), "name=number"),
        (("--at", "p=x"), "name=number"),
        (("--at", ","), "name=number"),
        (("--at", "p=2"), "p = 2 is outside its domain, 0 to 1"),
        (("--at", "p=nan"), "outside its domain"),
        (("--grid", "p=0:2:0.5"), "outside its domain"),
        (("--grid", "p=0:1"), "FROM:TO:STEP"),
        (("--grid", "p=1:0:0.1"), "FROM:TO:STEP"),
        (("--grid", "p=0:1:0"), "FROM:TO:STEP"),
        (("--grid", "p=0:1:nan"), "FROM:TO:STEP"),
        (("--grid", "p="), "FROM:TO:STEP"),
        (("--grid", "=0:1:0.1"), "FROM:TO:STEP"),
        (("--grid", "p=0:1:1e-9"), "take a larger step"),
        (("--at", "p=0.1", "--grid", "p=0:1:0.1"), "the one or the other"),
        (("--fix", "p=0.5"), "nothing to draw"),
        (("--at", "p=0.2", "--plot", "x.svg"), "a curve over one parameter"),
        (("--plot", "x.bmp"), ".png"),
    ],
)
def test_asked_wrongly_of_the_coin(mlefit: Callable, arguments: tuple[str, ...], said: str) -> None:
    ran = mlefit("likelihood", COIN, "-d", "bernoulli", *arguments)
    assert (ran.status, ran.out) == (2, "")
    assert said in ran.err
    assert ran.err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((THREE, "--over", "sigma", "--grid", "mu=0:1:0.5"), "--over leaves out"),
        ((THREE, "--at", "mu=0", "--at", "sigma=1"), "the same parameters"),
        ((THREE, "--over", "mean"), "it has mu, sigma); did you mean mu?"),
        ((THREE, "--over", "sigm"), "did you mean sigma?"),
        ((THREE, "--fix", "sigma=1", "--over", "sigma"), "no free parameter 'sigma'"),
        ((THREE, "--grid", "mu=0:1:0.0001", "--grid", "sigma=1:2:0.001"), "too fine"),
        ((DATA / "old_faithful.csv", "-c", "eruptions,waiting"), "one column at a time"),
        ((DATA / "old_faithful.csv",), "eruptions"),
    ],
)
def test_asked_wrongly(mlefit: Callable, arguments: tuple[Any, ...], said: str) -> None:
    ran = mlefit("likelihood", *arguments)
    assert (ran.status, ran.out) == (2, "")
    assert said in ran.err


@pytest.mark.parametrize(
    ("data", "family"),
    [("groundbeef", "burr12"), ("groundbeef", "gamma"), ("groundbeef", "lognormal"), ("three", "normal"),
     ("leukemia", "weibull"), ("venice", "gev")],
)  # fmt: skip
def test_a_default_grid_shows_where_the_likelihood_is(data: str, family: str) -> None:
    """The ridge passes through cells: in every row across the middle of it, and in many cells of all."""
    column = {"leukemia": "time", "venice": "sea_level"}.get(data)
    found = package.fit(package.sample_data(data), family, column=column)
    one = surface(found, axes(found))
    relative = one.relative.reshape([a.size for a in one.axes])
    assert (relative > 0.05).sum() >= 6
    assert (relative.max(axis=1) > 0.05).sum() >= 4
    assert relative.max() > 0.5
    assert relative[[0, -1]].max() < 0.5  # and beyond


def test_a_held_parameter_leaves_a_narrower_curve() -> None:
    found = package.fit(package.sample_data("groundbeef"), "gamma")
    held, free = (surface(found, axes(found, ["shape"], profile=p), profile=p) for p in (False, True))
    assert np.ptp(held.points) < np.ptp(free.points) / 2
    for one in (held, free):
        assert (one.relative > 0.05).sum() >= 6
        assert one.relative[[0, -1]].max() < 0.05


def test_a_fit_that_is_not_at_the_maximum_is_no_centre():
    """Points that are more likely than the estimate are said, and relative likelihoods are to the highest of them."""
    y = np.array([1.0, 2.0, 4.0, 9.0])
    fit = fit_sample(registry.get("poisson"), Sample(y))[0]
    moved = {"eta": np.log([2.0]), "theta": np.array([2.0]), "log_likelihood": fit.log_likelihood - 8}
    wrong = replace(fit, **moved, converged=False)
    drawn = surface(wrong, {"mu": np.array([2.0, 4.0, 6.0])})
    assert not drawn.topped
    assert "the estimate is not the maximum: at mu = 4 " in drawn.doubt
    assert drawn.relative.max() == 1.0
    assert drawn.relative[1] == 1.0
    assert drawn.to_dict()["maximum"] is None
    sound = surface(fit, {"mu": np.array([2.0, 4.0, 6.0])})
    assert sound.topped
    assert sound.doubt == ""


def test_a_fit_without_a_maximum_is_not_called_one(mlefit, table):
    path = table("y", "3", "5")
    ran = mlefit("likelihood", path, "--dist", "mixture:poisson*2", "--over", "mu_2")
    assert ran.status == 3
    assert "no maximum; the search ended at" in ran.out
    assert "not identified" in ran.err
    ran = mlefit("likelihood", path, "--dist", "mixture:poisson*2", "--over", "mu_2", "-f", "json")
    assert json.loads(ran.out)["maximum"] is None
