"""Censored and truncated rows, composed families and your own density, as a person types them."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mlefit
from mlefit.cli import run

DATA = Path(__file__).parents[2] / "sample_data"


@pytest.fixture
def command(capsys):
    def call(*words):
        status = run(["estimate", *map(str, words)])
        said = capsys.readouterr()
        return status, said.out, said.err

    return call


def fitted(command, *words):
    status, out, err = command(*words, "--format", "json")
    assert status == 0, err
    return json.loads(out)


def test_right_censored_by_an_event(command):
    """survreg(Surv(time, status) ~ 1, lung): shape 1.316840, scale 417.758665, log-likelihood -1153.851188."""
    found = fitted(command, DATA / "lung.csv", "--column", "time", "--event", "status = 2", "--dist", "weibull")
    assert found["log_likelihood"] == pytest.approx(-1153.8511880894, abs=1e-9)
    assert found["parameters"]["shape"]["estimate"] == pytest.approx(1.31684017, abs=1e-8)
    assert found["column"] == "time"
    assert found["n"] == 228


def test_another_coding_is_refused_with_the_remedy(command):
    status, out, err = command(DATA / "lung.csv", "--column", "time", "--event", "status", "--dist", "weibull")
    assert (status, out) == (1, "")
    assert '--event "status = 2"' in err
    assert "line 2" in err


def test_interval_censored(command):
    """survreg on smokedfish: mu -3.627997, sigma 3.544717, log-likelihood -90.651535."""
    words = (DATA / "smoked_fish.csv", "--lower", "left", "--upper", "right", "--dist", "lognormal")
    found = fitted(command, *words, "--interval", "profile")
    assert found["log_likelihood"] == pytest.approx(-90.6515351798, abs=1e-9)
    assert found["parameters"]["mu"]["estimate"] == pytest.approx(-3.62799715, abs=1e-7)
    assert found["parameters"]["mu"]["ci_lower"] < -4.5


def test_ends_the_wrong_way_round(command, tmp_path):
    file = tmp_path / "a.csv"
    file.write_text("a,b\n1,2\n5,3\n,4\n,\n")
    status, _, err = command(file, "--lower", "a", "--upper", "b")
    assert status == 1
    assert "line 3" in err
    assert "5 lies above" in err


def test_rows_without_either_end_are_dropped_and_counted(command, tmp_path):
    file = tmp_path / "a.csv"
    file.write_text("a,b,g\n1,2,x\n1,1,x\n,4,x\n,,x\n3,,x\n1,2,y\n2,2,y\n3,5,y\n,,y\n,,y\n")
    found = fitted(command, file, "--lower", "a", "--upper", "b", "--dist", "exponential")
    assert (found["n"], found["dropped"]) == (7, 3)
    groups = fitted(command, file, "--lower", "a", "--upper", "b", "--dist", "exponential", "--by", "g")
    assert [(g["n"], g["dropped"]) for g in groups] == [(4, 1), (3, 2)]


def test_truncated_by_a_number_or_a_column(command, tmp_path):
    generator = np.random.default_rng(0)
    y, entry = generator.exponential(2.0, 400), generator.exponential(1.0, 400)
    seen = y >= entry
    file = tmp_path / "a.csv"
    with open(file, "w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["y", "entry"])
        writer.writerows(zip(y[seen], entry[seen], strict=True))
    found = fitted(command, file, "--column", "y", "--truncate-below", "entry", "--dist", "exponential")
    rate = seen.sum() / (y[seen] - entry[seen]).sum()
    assert found["parameters"]["rate"]["estimate"] == pytest.approx(rate, rel=1e-9)
    late = y[seen][y[seen] >= 1]
    words = ("--column", "y", "--where", "y >= 1", "--truncate-below", 1, "--dist", "exponential")
    found = fitted(command, file, *words)
    assert found["parameters"]["rate"]["estimate"] == pytest.approx(1 / (late.mean() - 1), rel=1e-9)
    status, _, err = command(file, "--column", "y", "--truncate-below", "1", "--dist", "exponential")
    assert status == 1
    assert "outside its own limits 1 to inf" in err


@pytest.mark.parametrize(
    ("words", "tries"),
    [
        (("--lower", "lo", "--upper", "hi"), 3 + 2 + 0 + 5 + 4),  # 4 and more: (1 - p)^4
        (("--column", "hi", "--event", "known"), 3 + 2 + 0 + 5 + 5),  # beyond 4
    ],
)
def test_both_ends_of_counts_belong_to_an_interval_and_a_censored_count_lies_beyond(command, tmp_path, words, tries):
    file = tmp_path / "a.csv"
    file.write_text("lo,hi,known\n3,3,1\n2,2,1\n0,0,1\n5,5,1\n4," + ("4" if "known" in words else "") + ",0\n")
    found = fitted(command, file, *words, "--dist", "geometric")
    assert found["parameters"]["p"]["estimate"] == pytest.approx(4 / (4 + tries), rel=1e-9)
    file.write_text("lo,hi\n3,3\n2,2\n0,0\n5,5\n4,900\n")
    if "lo" in words:  # no end is an end far off
        far = fitted(command, file, *words, "--dist", "geometric")
        assert far["log_likelihood"] == pytest.approx(found["log_likelihood"], abs=1e-9)


def test_a_row_that_left_before_it_could_be_seen_is_refused(command, tmp_path):
    file = tmp_path / "a.csv"
    file.write_text("t,e,entry\n5,1,1\n3,0,3\n4,0,6\n")
    words = ("--column", "t", "--event", "e", "--truncate-below", "entry", "--dist", "exponential")
    status, out, err = command(file, *words)
    assert (status, out) == (1, "")
    assert "the value 4 on line 4" in err
    assert "is censored below its own limit 6: a row that could not have been seen" in err
    fitted(command, file, *words, "--where", "t <> 4")


@pytest.mark.parametrize("family", ["exponential", "geometric"])  # rows in order, and equal ones counted first
def test_censored_rows_are_counted(command, tmp_path, family):
    file = tmp_path / "a.csv"
    file.write_text("t,e,g\n5,1,a\n3,0,a\n3,0,a\n8,1,b\n2,0,b\n7,1,b\n,0,b\n")
    words = (file, "--column", "t", "--event", "e", "--dist", family)
    assert (fitted(command, *words)["n"], fitted(command, *words)["censored"]) == (6, 3)
    assert [fit["censored"] for fit in fitted(command, *words, "--by", "g")] == [2, 1]
    assert "n = 6, 3 censored, 1 missing dropped" in command(*words)[1]
    assert "censored" not in fitted(command, file, "--column", "t", "--dist", family)
    assert mlefit.regress(str(file), "t ~ 1", family, event="e").censored == 3


def test_no_maximum_under_truncation_is_status_3(command, tmp_path):
    file = tmp_path / "a.csv"
    values = 2 + np.random.default_rng(4).standard_exponential(400) ** 1.1
    file.write_text("y\n" + "\n".join(map(repr, values.tolist())) + "\n")
    status, out, _ = command(file, "--truncate-below", "2", "--dist", "normal", "--format", "json")
    assert status == 3
    assert not json.loads(out)["converged"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--lower", "time"), "both --lower and --upper"),
        (("--lower", "time", "--upper", "time", "--column", "age"), "take the place of --column"),
        (("--lower", "time", "--upper", "time", "--event", "status = 2"), "two ways"),
        (("--column", "time", "--event", "status = 2", "--dist", "categorical"), "no distribution function"),
        (("--column", "time", "--event", "stauts = 2"), "stauts"),
        (("--column", "time", "--density", "log(rate) - rate*y"), "needs --parameters"),
        (("--column", "time", "--density", "log(rate) - rate*tim", "--parameters", "rate>0"), "did you mean time?"),
        (("--density", "log(rate) - rate*tim", "--parameters", "rate>0"), "tim"),
        (("--column", "time", "--dist", "mixture:nomral*2"), "did you mean normal"),
    ],
)
def test_wrong_usage(command, words, said):
    status, out, err = command(DATA / "lung.csv", *words)
    assert status in (1, 2)
    assert out == ""
    assert said in err


def test_your_own_density(command):
    words = ("--density", "log(rate) - rate*time", "--parameters", "rate>0")
    found = fitted(command, DATA / "lung.csv", *words)
    same = fitted(command, DATA / "lung.csv", "--column", "time", "--dist", "exponential")
    assert found["log_likelihood"] == pytest.approx(same["log_likelihood"], rel=1e-12)
    assert found["parameters"]["rate"]["estimate"] == pytest.approx(same["parameters"]["rate"]["estimate"], rel=1e-8)


def test_a_density_without_its_constants_is_said(command):
    words = ("--column", "time", "--density", "-(y - mu)**2/(2*s**2) - log(s)", "--parameters", "mu,s>0")
    for more in ((), ("--fix", "mu=300")):
        status, out, _ = command(DATA / "lung.csv", *words, *more)
        assert status == 0
        assert "integrates to 2.50663, not to 1" in out


def test_from_python():
    time = np.array([1.0, 2, 3, 4, 5])
    fit = mlefit.fit(time, "exponential", event=np.array([1, 1, 0, 1, 0]))
    assert fit.estimates["rate"] == pytest.approx(3 / 15, rel=1e-10)
    fit = mlefit.fit(time, "exponential", truncate_below=0.5)
    assert fit.estimates["rate"] == pytest.approx(1 / (time.mean() - 0.5), rel=1e-9)
    fit = mlefit.fit({"a": time, "b": [1.0, 2, np.nan, 4, np.nan]}, "exponential", column="a", upper="b")
    assert fit.estimates["rate"] == pytest.approx(3 / 15, rel=1e-10)
    weighted = mlefit.fit(time, "exponential", event=np.array([1, 1, 0, 1, 0]), weights=np.full(5, 2.0))
    assert weighted.weight == 10


@pytest.mark.parametrize(
    "known", [("--event", "e"), ("--lower", "y", "--upper", "y + e"), ("--truncate-below", "0.5"), ()]
)
def test_weights_beside_rows_that_are_dropped(command, tmp_path, known):
    """The weighted rows that are left are what a file without the others gives."""
    rows = ["1,1,2", "2.5,1,1", "4,0,3", ",1,1", "1.5,1,", "3,1,0", "0.7,1,2"]
    for name, lines in (("all", rows), ("left", [rows[i] for i in (0, 1, 2, 6)])):
        (tmp_path / f"{name}.csv").write_text("y,e,w\n" + "\n".join(lines) + "\n")
    column = () if "--lower" in known else ("--column", "y")
    words = (*column, *known, "--weights", "w", "--dist", "exponential")
    whole, left = (fitted(command, tmp_path / f"{name}.csv", *words) for name in ("all", "left"))
    assert whole["parameters"] == left["parameters"]
    assert (whole["n"], whole["dropped"], left["dropped"]) == (4, 2, 0)


LIFETIMES = ["exponential", "weibull", "gamma", "lognormal", "normal", "laplace", "uniform", "pareto", "gompertz"]


@pytest.mark.parametrize(
    ("command", "family"),
    [(c, f) for c in ("estimate", "by", "regress") for f in LIFETIMES if (c, f) != ("regress", "pareto")],
)
def test_rows_without_an_event_say_so(mlefit: Callable[..., Any], tmp_path: Path, command: str, family: str) -> None:
    """The mistake is most often in --event."""
    path = tmp_path / "units.csv"
    path.write_text("hours,status,x\n" + "".join(f"{10 + 7 * i % 5},S,{i % 2}\n" for i in range(8)))
    words = {
        "estimate": ("estimate", str(path), "--column", "hours"),
        "by": ("estimate", str(path), "--column", "hours", "--by", "x"),
        "regress": ("regress", str(path), "hours ~ x"),
    }[command]
    ran = mlefit(*words, "--event", "status = 'F'", "--dist", family)
    if family == "exponential" and command != "regress":  # no failure in so many hours: its rate has limits
        assert ran.status == 0
        assert "rate = 0 lies on the boundary" in ran.out
        return
    assert ran.status == 3
    assert "! no event was observed: every row is censored on the right" in ran.out
    assert "--event is to hold, or to be 1, where one was" in ran.out
    assert "runs off to" not in ran.out
    assert "separation" not in ran.out


def test_a_shape_that_would_leave_its_family_is_named(mlefit: Callable[..., Any], tmp_path: Path) -> None:
    """Its likelihood has a bound where rows are censored, and its maximum a generalized Pareto shape below -1."""
    path = tmp_path / "units.csv"
    rows = [f"{8 + 2 * (1 - (i + 0.5) / 40) ** 2},1" for i in range(30)] + ["10,0"] * 4
    path.write_text("y,e\n" + "\n".join(rows) + "\n")
    ran = mlefit("estimate", str(path), "--column", "y", "--event", "e", "--dist", "generalized-pareto")
    assert ran.status == 3
    assert "! shape falls to -1, the least that generalized-pareto takes" in ran.out
    assert "converged" not in ran.out.replace("not converged", "")
