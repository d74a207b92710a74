"""`mlefit estimate` as a person types it: every format, every way to go wrong, every exit status."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlefit import fit
from mlefit.cli import run
from mlefit.errors import UsageError
from mlefit.report.document import FORMATS

DATA = Path(__file__).parents[2] / "sample_data"
COIN = DATA / "coin.csv"


def test_the_main_job(mlefit: Callable) -> None:
    ran = mlefit("estimate", COIN, "--dist", "bernoulli")
    assert ran.status == 0
    assert "0.2" in ran.out
    assert "-2.5020" in ran.out
    assert "converged" in ran.out
    assert ran.err == ""


def test_json_keeps_the_contract(mlefit: Callable) -> None:
    record = json.loads(mlefit("estimate", DATA / "groundbeef.csv", "--dist", "gamma", "--format", "json").out)
    assert list(record) == [
        "family", "column", "n", "dropped", "weight", "parameters", "interval", "log_likelihood", "nll",
        "nll_per_observation", "aic", "aicc", "bic", "covariance", "solver", "iterations", "converged", "certificate",
        "warnings",
    ]  # fmt: skip
    assert list(record["parameters"]) == ["shape", "rate"]
    assert list(record["parameters"]["shape"]) == ["estimate", "std_error", "ci_lower", "ci_upper"]
    assert record["interval"] == {"level": 0.95, "method": "wald"}
    # R: fitdistrplus::fitdist(groundbeef$serving, "gamma"), log-likelihood -1253.625
    assert record["log_likelihood"] == pytest.approx(-1253.625, abs=5e-4)
    assert record["parameters"]["shape"]["estimate"] == pytest.approx(4.00834, abs=1e-5)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("by", [False, True])
def test_every_format(mlefit: Callable, form: str, by: bool) -> None:
    extra = ("--by", "spray") if by else ()
    ran = mlefit("estimate", DATA / "insect_sprays.csv", "-d", "poisson", "-c", "count", "-f", form, *extra)
    assert ran.status == 0
    assert ran.out.endswith("\n")
    fits = 6 if by else 1
    match form:
        case "json":
            found = json.loads(ran.out)
            assert isinstance(found, list) == by
        case "ndjson":
            assert [json.loads(line)["family"] for line in ran.out.splitlines()] == ["poisson"] * fits
        case "csv" | "tsv":
            rows = list(csv.DictReader(io.StringIO(ran.out), delimiter="," if form == "csv" else "\t"))
            header = ["column", "family", "parameter", "estimate", "std_error", "ci_lower", "ci_upper"]
            assert list(rows[0]) == (["spray", *header] if by else header)
            assert len(rows) == fits
            if not by:
                assert float(rows[0]["estimate"]) == pytest.approx(9.5, rel=1e-14)
        case "markdown":
            assert len([line for line in ran.out.splitlines() if line.startswith("|")]) == 2 * (fits + 2)
        case "latex":
            assert ran.out.count(r"\begin{tabular}") == 2
        case _:
            assert not any(line != line.rstrip() for line in ran.out.splitlines())


def test_csv_keeps_every_digit(mlefit: Callable) -> None:
    exact = json.loads(mlefit("estimate", DATA / "groundbeef.csv", "-d", "weibull", "-f", "json").out)
    rows = csv.DictReader(io.StringIO(mlefit("estimate", DATA / "groundbeef.csv", "-d", "weibull", "-f", "csv").out))
    for row in rows:
        assert float(row["estimate"]) == exact["parameters"][row["parameter"]]["estimate"]


@pytest.mark.parametrize(
    ("lines", "options", "status", "words"),
    [
        (["a", "1", "2", "x"], [], 1, ["'x'", "'a'", "line 4"]),
        (["a", "1", "inf"], [], 1, ["inf", "line 3"]),
        (["a", "1", "-3"], ["-d", "gamma"], 1, ["'-3'", "line 3", "support of gamma", "y > 0"]),
        (["a", "0", "1", "0.5"], ["-d", "bernoulli"], 1, ["'0.5'", "line 4", "0 or 1"]),
        (["a"], [], 1, ["header"]),
        ([], [], 1, ["empty"]),
        (["a,b", "1,2"], [], 2, ["'a'", "'b'"]),
        (["a,b", "1,2"], ["-c", "aa"], 2, ["'aa'", "'a'"]),
        (["a", "1"], ["-d", "gama"], 2, ["gama", "gamma"]),
        (["a", "1"], ["--fix", "sigma"], 2, ["--fix", "sigma=1"]),
        (["a", "1"], ["--fix", "sigm=1"], 2, ["sigm", "sigma"]),
        (["a", "1"], ["--fix", "sigma=-1"], 2, ["sigma", "domain"]),
        (["a", "1", "2"], ["--level", "95"], 2, ["level", "0.95"]),
        (["a", "1", "2"], ["--interval", "walt"], 2, ["walt", "wald"]),
        (["a", "1", "2"], ["--format", "jsn"], 2, ["jsn", "json"]),
        (["a", "1", "NA"], ["--missing", "error"], 1, ["'a'", "line 3", "missing"]),
        (["a", "NA", ""], [], 1, ["missing"]),
        (["a,w", "1,1", "2,-1"], ["-c", "a", "--weights", "w"], 1, ["-1", "'w'", "line 3", "negative"]),
        (["a,w", "1,0", "2,0"], ["-c", "a", "--weights", "w"], 1, ["'w'", "zero"]),
        (["a", "3", "4"], ["-d", "binomial"], 2, ["--trials"]),
        (["a,n", "3,5", "4,3"], ["-c", "a", "-d", "binomial", "--trials", "n"], 1, ["line 3", "'4'", "3 trials"]),
        (["a", "1", "2"], ["--where", "a > 5"], 1, ["a > 5"]),
        (["a", "1", "2"], ["--plot", "x.gif"], 2, [".png", "x.gif"]),
        (["a", "1", "2"], ["--plot", "/no/such/folder/x.png"], 1, ["no folder"]),
        (["a", "3", "3"], [], 3, []),
    ],
)
def test_going_wrong_is_one_sentence(
    mlefit: Callable, table: Callable, lines: list[str], options: list[str], status: int, words: list[str]
) -> None:
    ran = mlefit("estimate", table(*lines), *options)
    assert ran.status == status
    if status in (1, 2):
        assert ran.out == ""
        assert len(ran.err.splitlines()) == 1
        for word in words:
            assert word in ran.err
    else:
        assert "unbounded" in ran.out


def test_missing_values_are_dropped_counted_and_said(mlefit: Callable, table: Callable) -> None:
    path = table("a,g", "1,x", "NA,x", "3,x", ",y", "5,y", "7,y", "9,")
    record = json.loads(mlefit("estimate", path, "-c", "a", "-f", "json").out)
    assert (record["n"], record["dropped"]) == (5, 2)
    assert "2 missing dropped" in mlefit("estimate", path, "-c", "a").out
    groups = json.loads(mlefit("estimate", path, "-c", "a", "--by", "g", "-f", "json").out)
    assert [(g["group"], g["n"], g["dropped"]) for g in groups] == [({"g": "x"}, 2, 1), ({"g": "y"}, 2, 1)]
    assert "1 row has no value of 'g'" in mlefit("estimate", path, "-c", "a", "--by", "g").out


def test_weights_trials_and_several_columns(mlefit: Callable) -> None:
    # Rutherford and Geiger (1910): a frequency table; its mean is 3.8715
    record = json.loads(
        mlefit("estimate", DATA / "rutherford_geiger.csv", "-d", "poisson", "-c", "scintillations",
               "--weights", "intervals", "-f", "json").out
    )  # fmt: skip
    assert record["parameters"]["mu"]["estimate"] == pytest.approx(3.8715, abs=1e-3)
    assert record["weight"] > record["n"]
    two = json.loads(mlefit("estimate", DATA / "old_faithful.csv", "-c", "eruptions,waiting", "-f", "json").out)
    assert [fit["column"] for fit in two] == ["eruptions", "waiting"]
    logs = json.loads(mlefit("estimate", DATA / "old_faithful.csv", "-c", "ln(waiting)", "-f", "json").out)
    plain = json.loads(
        mlefit("estimate", DATA / "old_faithful.csv", "-c", "waiting", "-d", "lognormal", "-f", "json").out
    )
    assert logs["parameters"]["mu"]["estimate"] == pytest.approx(plain["parameters"]["mu"]["estimate"], rel=1e-12)


def test_importance_weights(mlefit: Callable, table: Callable) -> None:
    path = table("a,w", "1,1", "2,3", "4,2", "7,0.5")
    frequency, importance = (
        json.loads(mlefit("estimate", path, "-c", "a", "--weights", "w", "--weight-kind", kind, "-f", "json").out)
        for kind in ("frequency", "importance")
    )
    assert frequency["parameters"]["mu"]["estimate"] == importance["parameters"]["mu"]["estimate"]
    assert frequency["parameters"]["mu"]["std_error"] != importance["parameters"]["mu"]["std_error"]
    # A likelihood in which every row counts ten times drops ten times as fast: profile limits would be ten rows'.
    weighted = ("estimate", path, "-c", "a", "--weights", "w", "--weight-kind", "importance")
    ran = mlefit(*weighted, "--interval", "profile")
    assert (ran.status, ran.out) == (2, "")
    assert "ask for wald limits" in ran.err
    found = fit({"a": [1, 2, 4, 7], "w": [1, 3, 2, 0.5]}, column="a", weights="w", weight_kind="importance")
    with pytest.raises(UsageError, match="wald"):
        found.interval(method="profile")


@pytest.mark.parametrize(("trials", "said"), [("10", "'17'"), ("2.5", "2.5 trials"), ("hb", "whole numbers")])
def test_impossible_trials_are_named_with_their_count(mlefit: Callable, trials: str, said: str) -> None:
    name, column = ("lirat.csv", "dead") if trials == "hb" else ("menarche.csv", "menarche")
    ran = mlefit("estimate", DATA / name, "-d", "binomial", "-c", column, "--trials", trials)
    assert (ran.status, ran.out) == (1, "")
    assert "trials" in ran.err
    assert said in ran.err
    assert "support" not in ran.err


HOSTILE = ["[bold]x[/bold]", "a\x1b[31mred", "a|b", "a&b_%$", "=cmd()", '"quoted"', "tab\there", "é☃", "$1"]


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("form", FORMATS)
def test_hostile_names_print_as_harmless_text(mlefit: Callable, tmp_path: Path, name: str, form: str) -> None:
    path = tmp_path / "hostile.csv"
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerows([[name, name + "group"], [1, name], [2, name], [3, "b"], [5, "b"]])
    ran = mlefit("estimate", path, "-c", name, "--by", name + "group", "-f", form)
    assert ran.status == 0, ran.err
    assert "\x1b" not in ran.out
    if name == "[bold]x[/bold]":
        assert "[bold]x[/bold]" in ran.out.replace(r"\[", "[")


def test_a_name_in_the_file_is_never_sql(mlefit: Callable, table: Callable) -> None:
    path = table('"a + 1",a', "10,1", "20,2", "40,3")
    record = json.loads(mlefit("estimate", path, "-c", "a + 1", "-f", "json").out)
    assert record["parameters"]["mu"]["estimate"] == pytest.approx(70 / 3)


@pytest.mark.parametrize(
    "expression",
    ["(select 1)", "getenv('HOME')", "(select max(column0) from read_csv('/etc/passwd'))", "1; drop table x", "a) --"],
)
def test_expressions_reach_nothing_else(mlefit: Callable, table: Callable, expression: str) -> None:
    ran = mlefit("estimate", table("a", "1", "2"), "-c", expression)
    assert ran.status in (1, 2)
    assert ran.out == ""
    assert len(ran.err.splitlines()) == 1


def test_standard_input_and_python_m(program: Callable) -> None:
    piped = program("estimate", "--dist", "bernoulli", "-f", "json", stdin=COIN.read_bytes())
    dash = program("estimate", "-", "--dist", "bernoulli", "-f", "json", stdin=COIN.read_bytes())
    assert piped.status == dash.status == 0
    assert json.loads(piped.out) == json.loads(dash.out)
    assert program("estimate").status == 1


def test_a_closed_pipe_ends_quietly() -> None:
    command = f'"{sys.executable}" -m mlefit estimate "{DATA / "solder.csv"}" -c skips --by panel,mask,pad_type -f csv'
    done = subprocess.run(["bash", "-c", f"{command} | head -1"], capture_output=True, text=True, check=True)
    assert done.stdout.count("\n") == 1
    assert done.stderr == ""


def test_no_colour_in_a_pipe_and_no_color_is_obeyed(program: Callable) -> None:
    assert "\x1b" not in program("estimate", COIN, "-d", "bernoulli", env={**os.environ, "FORCE_COLOR": ""}).out


def test_version_and_help(mlefit: Callable) -> None:
    assert mlefit("--version").out.startswith("mlefit ")
    shown = mlefit("estimate", "--help")
    assert shown.status == 0
    assert "mlefit estimate sample_data/coin.csv" in shown.out
    wrong = mlefit("estimat")
    assert wrong.status == 2
    assert "estimate" in wrong.err


def test_plot_is_written_whole_or_not_at_all(mlefit: Callable, tmp_path: Path) -> None:
    for suffix, magic in ((".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF")):
        path = tmp_path / f"plot{suffix}"
        assert mlefit("estimate", DATA / "groundbeef.csv", "-d", "gamma", "--plot", path).status == 0
        assert path.read_bytes().startswith(magic)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["plot.pdf", "plot.png", "plot.svg"]


CELL = st.one_of(
    st.floats(allow_nan=True).map(repr), st.integers().map(str), st.text(max_size=6),
    st.sampled_from(["", "NA", "1e400", "-1e-400", "0", "1", "1e308", "5e-324", "true", "'", '"', "\x00", "\x1b[2J"]),
)  # fmt: skip
TABLE = st.lists(st.lists(CELL, max_size=4), max_size=8)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.one_of(
        st.binary(max_size=200),
        TABLE.map(lambda rows: "\n".join(",".join(row) for row in rows).encode("utf-8", "replace")),
        st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=12).map(
            lambda values: ("x\n" + "\n".join(map(repr, values))).encode()
        ),
    ),
    dist=st.sampled_from(
        ["normal", "bernoulli", "gamma", "weibull", "student-t", "beta", "negative-binomial", "categorical", "uniform"]
    ),
    options=st.sampled_from([[], ["--by", "1"], ["-c", "x"], ["--no-header", "-c", "1"], ["--interval", "profile"]]),
)
def test_nothing_makes_a_traceback(
    content: bytes, dist: str, options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "any.csv"
    path.write_bytes(content)
    capsys.readouterr()
    status = run(["estimate", str(path), "-d", dist, "-f", "json", *options])
    out, err = capsys.readouterr()
    assert status in (0, 1, 2, 3)
    assert "defect" not in err
    assert "Traceback" not in err
    if status in (1, 2):
        assert out == ""
        assert err.startswith("mlefit: ")
    else:
        json.loads(out, parse_constant=lambda name: pytest.fail(f"{name} in JSON"))


def test_python_api() -> None:
    import pandas as pd

    import mlefit

    values = np.array([0.5, 1.5, 2.0, 4.0])
    fit = mlefit.fit(values, "gamma")
    assert fit.converged
    assert set(fit.estimates) == {"shape", "rate"}
    assert fit.aic == pytest.approx(4 - 2 * fit.log_likelihood)
    wide, narrow = fit.interval(0.99)["shape"], fit.interval(0.5, "profile")["shape"]
    assert wide[0] < narrow[0] < fit.estimates["shape"] < narrow[1] < wide[1]
    frame = pd.DataFrame({"y": values, "g": ["a", "a", "b", "b"], "w": [1, 2, 1, 1]})
    assert mlefit.fit(frame, "gamma", column="y").to_dict()["parameters"] == fit.to_dict()["parameters"]
    groups = mlefit.fit(frame, "normal", column="y", by="g", weights="w")
    assert [g.group for g in groups] == [{"g": "a"}, {"g": "b"}]
    assert list(fit.to_frame().columns) == [
        "column", "family", "parameter", "estimate", "std_error", "ci_lower", "ci_upper"
    ]  # fmt: skip
    assert mlefit.fit([1, 0, 2], "binomial", trials=3).estimates["p"] == pytest.approx(1 / 3)
    with pytest.raises(mlefit.DataError, match="row 1"):
        mlefit.fit([1.0, -2.0], "gamma")
    from rich.console import Console

    console = Console(width=100, record=True, file=io.StringIO())
    console.print(fit)
    assert "shape" in console.export_text()
