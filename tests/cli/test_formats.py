"""What the formats made of rows (csv, tsv, markdown, latex) say beside their numbers."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable

import pytest

ROWS = ("csv", "tsv", "markdown", "latex")
UNBOUNDED = ("y,x", "5,1", "5,2", "5,1", "NA,3")
COMMANDS = [("estimate", "-c", "y"), ("regress", "y ~ x"), ("compare", "-c", "y", "-d", "normal,laplace")]


def run(mlefit: Callable, path: object, command: tuple[str, ...], form: str, *more: str):
    name, *options = command
    return mlefit(name, path, *options, *more, "--format", form)


@pytest.mark.parametrize("form", ROWS)
@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_rows_that_cannot_be_trusted_come_with_the_reason(
    mlefit: Callable, table: Callable, command: tuple[str, ...], form: str
) -> None:
    ran = run(mlefit, table(*UNBOUNDED), command, form)
    assert ran.status == 3
    assert "unbounded" in (ran.out if command[0] == "compare" else ran.err)
    assert ran.err.count("1 row dropped for missing values") == 1
    assert "mlefit: " not in ran.out


@pytest.mark.parametrize("form", ROWS)
def test_a_likelihood_says_how_many_rows_it_leaves_out(mlefit: Callable, table: Callable, form: str) -> None:
    ran = mlefit("likelihood", table("y", "1", "2", "4", "NA", "NaN"), "--format", form)
    assert (ran.status, ran.err) == (0, "mlefit: 2 rows dropped for missing values\n")


@pytest.mark.parametrize("form", [*ROWS, "table", "json"])
def test_rows_without_the_tests_that_were_asked_for_say_so(mlefit: Callable, table: Callable, form: str) -> None:
    ran = run(mlefit, table("y", "1", "2", "4"), COMMANDS[0], form, "--null", "mu=2", "--null", "mu=3,sigma=1")
    said = "mlefit: the tests of mu = 2; mu = 3, sigma = 1 are not among these rows: --format table or json has them\n"
    assert (ran.status, ran.err) == (0, said if form in ROWS else "")


@pytest.mark.parametrize("form", ["table", "json", "ndjson"])
def test_what_a_table_or_record_holds_is_not_said_twice(mlefit: Callable, table: Callable, form: str) -> None:
    assert mlefit("estimate", table(*UNBOUNDED), "-c", "y", "--format", form).err == ""


def test_a_remark_names_the_fits_it_is_true_of(mlefit: Callable, table: Callable) -> None:
    path = table("g,y", "a,1", "a,2", "b,5", "b,5", "b,", ",7")
    lines = mlefit("estimate", path, "-c", "y", "--by", "g", "--format", "csv").err.splitlines()
    assert [line for line in lines if line.startswith("mlefit: g = b: ")] == [
        "mlefit: g = b: 1 row dropped for missing values",
        "mlefit: g = b: the likelihood of normal is unbounded: all values are equal; "
        "no maximum-likelihood estimate exists",
    ]
    assert sum("belongs to no group" in line for line in lines) == 1
    assert mlefit("estimate", path, "-c", "y", "--by", "g", "--format", "csv", "-q").err == ""


@pytest.mark.parametrize(
    ("command", "parameters"),
    [
        (("estimate", "-c", "y", "--fix", "sigma=2"), ["mu", "sigma"]),
        (("estimate", "-c", "y", "--fix", "sigma=2", "--derive", "twice=2*mu"), ["mu", "sigma", "twice"]),
        (("estimate", "-c", "y", "--fix", "mu=1,sigma=2"), ["mu", "sigma"]),
        (("regress", "y ~ x", "--fix", "sigma=2"), ["mu[Intercept]", "mu[x]", "sigma"]),
    ],
)
def test_held_parameters_have_rows(
    mlefit: Callable, table: Callable, command: tuple[str, ...], parameters: list[str]
) -> None:
    name, *options = command
    out = mlefit(name, table("x,y", "1,1", "2,2", "3,4"), *options, "--format", "csv").out
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [row["parameter"] for row in rows] == parameters
    (held,) = (row for row in rows if row["parameter"] == "sigma")
    assert (held["estimate"], held["std_error"], held["ci_lower"], held["ci_upper"]) == ("2.0", "", "", "")
