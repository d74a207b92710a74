"""What the options of all commands share: groups, choices with a suggestion, and what a shell may complete."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from typing import Any

import pytest

from mlefit.cli import COMMANDS, Commands, run
from mlefit.cli.groups import spread
from mlefit.cli.unknown import MEANT
from mlefit.families import registry
from mlefit.families.nomenclature import OF_ONE

ROOT = Path(__file__).parents[2]
DATA = ROOT / "sample_data"


@dataclass(frozen=True)
class Pair:
    left: int = 1
    right: str = "r"


def command(*, first: str, pair: Pair, other: Pair | None = None) -> tuple[str, Pair]:
    return first, pair


def test_a_group_becomes_its_fields_and_comes_back_whole() -> None:
    flat = spread(command)
    assert list(signature(flat).parameters) == ["first", "left", "right", "other"]
    assert flat(first="a", left=2, right="s", other=None) == ("a", Pair(2, "s"))


def test_the_defaults_of_a_group_are_those_of_its_value() -> None:
    def own(*, pair: Pair = Pair(right="mine")) -> Pair:
        return pair

    own.__annotations__ = {"pair": Pair}
    assert [p.default for p in signature(spread(own)).parameters.values()] == [1, "mine"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("estimate", "--interval", "profil"), "--interval 'profil' is not known; did you mean profile?"),
        (("estimate", "--bootstrap", "x"), "--bootstrap 'x' is not known; choose one of nonparametric, parametric"),
        (("estimate", "--bootstrap-limits", "bac"), "did you mean bca?"),
        (("estimate", "--weight-kind", "freq"), "--weight-kind 'freq' is not known; did you mean frequency?"),
        (("estimate", "--format", "JSON"), "--format 'JSON' is not known; did you mean json?"),
        (("compare", "--rank", "bci"), "--rank 'bci' is not known; did you mean bic?"),
        (("regress", "y ~ x", "--interval", "bootstrap"), "choose one of wald, profile, none"),
        (("likelihood", "--missing", "errors"), "--missing 'errors' is not known; did you mean error?"),
        (("train", "--optimizer", "adma"), "--optimizer 'adma' is not known; did you mean adam?"),
        (("train", "--activation", "rleu"), "did you mean relu?"),
        (("predict", "model", "--format", "jsno"), "--format 'jsno' is not known; did you mean json?"),
    ],
)
def test_a_word_that_is_no_choice_is_refused(mlefit: Callable[..., Any], arguments: tuple[str, ...], said: str) -> None:
    ran = mlefit(*arguments)
    assert ran.status == 2
    assert ran.out == ""
    assert said in ran.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("estimate", "--family", "gamma"), "there is no option --family; did you mean --dist? (see `mlefit estimate"),
        (("estimate", "--columnn", "y"), "did you mean --column?"),
        (("estimate", "--alpha", "0.05"), "did you mean --level 0.95?"),
        (("estimate", "--json"), "did you mean --format json?"),
        (("estimate", "--output", "x.csv"), "results go to standard output: > FILE writes them to a file"),
        (("estimate", "--response", "y"), "did you mean --column?"),
        (("estimate", "--zzz"), "there is no option --zzz (see `mlefit estimate --help`)"),
        (("estimate", "-z"), "there is no option -z (see"),
        (("regress", "y ~ x", "--column", "y"), 'the column to model stands first in the formula, "y ~ x"'),
        (("regress", "y ~ x", "--quantile", "0.1"), "`mlefit predict MODEL --quantile 0.1`"),
        (("regress", "y ~ x", "--plot", "x.png"), "estimate, compare, likelihood and train draw"),
        (("train", "--lr", "0.1"), "did you mean --learning-rate?"),
        (("train", "--y", "y"), "did you mean --target?"),
        (("train", "--epoch", "3"), "did you mean --epochs?"),
        (("sample", "--size", "3"), "did you mean -n?"),
        (("--vers",), "did you mean --version? (see `mlefit --help`)"),
    ],
)
def test_an_option_by_another_tools_name_is_recognised(
    mlefit: Callable[..., Any], arguments: tuple[str, ...], said: str
) -> None:
    ran = mlefit(*arguments)
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith("mlefit: there is no option ")
    assert said in ran.err


def test_every_option_that_is_recommended_exists() -> None:
    commands = [Commands(name="mlefit").get_command(None, name) for name in COMMANDS]
    known = {each for command in commands for parameter in command.params for each in parameter.opts}
    assert {each.split()[0] for meant in MEANT.values() for each in meant} <= known


@pytest.mark.parametrize(
    ("family", "name", "said"),
    [
        ("normal", "sd", "normal has no parameter 'sd' (it has mu, sigma); did you mean sigma?"),
        ("normal", "Mean", "did you mean mu?"),
        ("normal", "variance", "; sigma is its square root"),
        ("poisson", "lambda", "did you mean mu?"),
        ("exponential", "lambda", "did you mean rate?"),
        ("exponential", "mean", "(it has rate); rate = 1/mean"),
        ("gamma", "scale", "(it has shape, rate); rate = 1/scale"),
        ("weibull", "eta", "did you mean scale?"),
        ("weibull", "beta", "did you mean shape?"),
        ("uniform", "min", "did you mean lower?"),
        ("lognormal", "meanlog", "did you mean mu?"),
        ("gumbel", "location", "did you mean loc?"),
        ("gamma", "shpae", "did you mean shape?"),
        ("gamma", "zzz", "gamma has no parameter 'zzz' (it has shape, rate)\n"),
    ],
)
def test_a_parameter_by_another_books_name_is_recognised(
    mlefit: Callable[..., Any], family: str, name: str, said: str
) -> None:
    ran = mlefit("sample", "--dist", family, "--params", f"{name}=1")
    assert (ran.status, ran.out) == (2, "")
    assert said in ran.err
    held = mlefit("estimate", str(DATA / "coin.csv"), "--dist", family, "--fix", f"{name}=1")
    assert said.rsplit("; ")[-1] in held.err


@pytest.mark.parametrize(("family", "name"), list(OF_ONE))
def test_what_is_said_of_one_familys_parameter_names_its_own(family: str, name: str) -> None:
    names = registry.get(family).names
    assert name not in names
    said = OF_ONE[family, name]
    assert said in names or set(re.findall(r"\w+", said)) & set(names)


FAITHFUL = str(DATA / "old_faithful.csv")


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("est",), ["estimate"]),
        (("estimate", "--dist", "gam"), ["gamma"]),
        (("sample", "--dist", "gum"), ["gumbel"]),
        (("compare", "--dist", "gamma,weib"), ["gamma,weibull"]),
        (("train", "--loss", "mse"), ["mse"]),
        (("train", "--loss", "gau"), ["gaussian-nll"]),
        (("explain", "spar"), ["sparse-cross-entropy"]),
        (("families", "gamma", "weib"), ["weibull"]),
        (("estimate", "--interval", "b"), ["bootstrap"]),
        (("regress", "--interval", ""), ["wald", "profile", "none"]),
        (("estimate", "--format", "nd"), ["ndjson"]),
        (("estimate", FAITHFUL, "--column", ""), ["eruptions", "waiting"]),
        (("estimate", FAITHFUL, "--column", "eruptions,"), ["eruptions,eruptions", "eruptions,waiting"]),
        (("estimate", FAITHFUL, "--dist", "gamma", "--weights", "w"), ["waiting"]),
        (("compare", FAITHFUL, "--by", "e"), ["eruptions"]),
        (("train", FAITHFUL, "--target", "w"), ["waiting"]),
        (("estimate", "--column", "w"), []),
        (("estimate", "no/such.csv", "--column", "w"), []),
    ],
)
def test_what_a_shell_completes(
    words: tuple[str, ...], offered: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("_MLEFIT_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", " ".join(["mlefit", *words]))
    monkeypatch.setenv("COMP_CWORD", str(len(words)))
    with pytest.raises(SystemExit):
        run([])
    assert capsys.readouterr().out.split() == offered


@pytest.mark.parametrize(
    "command",
    [
        ("estimate", "{}", "--dist", "bernoulli"),
        ("compare", "{}", "--dist", "bernoulli"),
        ("likelihood", "./{}", "--dist", "bernoulli"),
        ("regress", "{}", "y ~ 1"),
        ("evaluate", "{model}", "{}"),
    ],
    ids=lambda command: command[0],
)
def test_examples_run_in_any_folder(
    mlefit: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    path = "sample_data/coin.csv"
    model = tmp_path / "coin.mle"
    assert mlefit("estimate", DATA / "coin.csv", "--dist", "bernoulli", "--save", model).status == 0
    arguments = [part.format(path, model=model) for part in command]
    assert f"{path} here; reading the sample of that name" in (ran := mlefit(*arguments)).err
    assert (ran.status, ran.out != "") == (0, True)
    (tmp_path / "sample_data").mkdir()
    (tmp_path / path).write_text("y\n1\n0\n1\n1\n0\n", encoding="utf-8")
    ran = mlefit(*arguments)
    assert "sample of that name" not in ran.err
    assert ran.status == 0


@pytest.mark.parametrize("path", ["sample_data/koin.csv", "sample_data/README.md", "other/coin.csv", "coin.csv"])
def test_what_is_no_sample_is_no_file(
    mlefit: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = mlefit("estimate", path)
    assert (ran.status, ran.err) == (1, f"mlefit: there is no file {path!r}\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("estimate", "{}", "--fix", "sigma=1", "--fix", "sigma=2"), "--fix was given twice for sigma"),
        (("estimate", "{}", "--start", "mu=1,mu=1"), "--start was given twice for mu"),
        (("estimate", "{}", "--derive", "a=mu", "--derive", "a=2*mu"), "--derive was given twice for a"),
        (("likelihood", "{}", "--grid", "mu=0:1:1", "--grid", "mu=0:1:1"), "--grid was given twice for mu"),
        (("regress", "{}", "y ~ 1", "--formula", "sigma ~ 1", "--formula", "sigma~1"), "--formula was given twice"),
        (("sample", "-d", "normal", "-p", "mu=1,sigma=2,mu=1"), "--params was given twice for mu"),
    ],
)
def test_a_name_given_twice_is_refused(mlefit: Callable[..., Any], arguments: tuple[str, ...], said: str) -> None:
    ran = mlefit(*(part.format(DATA / "three.csv") for part in arguments))
    assert (ran.status, ran.out) == (2, "")
    assert said in ran.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("estimate", "{}", "--column", "a,b", "--column", "c", "--by", "g,h"),
        ("compare", "{}", "--dist", "normal", "--column", "a,b", "--by", "g,h"),
        ("likelihood", "{}", "--column", "a,b"),
        ("regress", "{}", "c ~ 1", "--by", "g,h"),
        ("train", "{}", "--loss", "mse", "--target", "c", "--features", "a,b", "--epochs", "1"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_column_is_its_name_commas_and_all(
    mlefit: Callable[..., Any], table: Callable[..., Path], arguments: tuple[str, ...]
) -> None:
    rows = [f"{i * i % 7},{i},{'xy'[i % 2]}" for i in range(12)]
    ran = mlefit(*(part.format(table('"a,b",c,"g,h"', *rows)) for part in arguments))
    assert (ran.status, "no column" in ran.err) == (0, False)


@pytest.mark.parametrize(
    "command",
    ["--help", "estimate --help", "sample -d normal -p mu=0,sigma=1 -n 200000", "families -f csv", "explain gamma"],
)
def test_a_reader_that_leaves_is_no_failure(command: str) -> None:
    # A reader that is gone before the first byte comes: the hardest case.
    shell = f"{sys.executable} -m mlefit {command} | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_no_command_is_wrong_usage_with_the_help_on_standard_error(mlefit: Callable[..., Any]) -> None:
    ran = mlefit()
    assert (ran.status, ran.out) == (2, "")
    assert "Usage: mlefit" in ran.err


@pytest.mark.parametrize(
    "arguments",
    [("estimate", "--interval", "bootstrap"), ("compare", "--dist", "normal"), ("compare", "--folds", "5")],
)
def test_a_seed_is_not_negative(mlefit: Callable[..., Any], table: Callable[..., Path], arguments: Any) -> None:
    ran = mlefit(arguments[0], table("y", "1", "2", "5"), *arguments[1:], "--seed", "-1")
    assert (ran.status, ran.out, ran.err) == (2, "", "mlefit: a seed is 0 or more; -1 is not\n")


@pytest.mark.parametrize(
    "arguments", [("estimate", "data.csv"), ("sample", "--dist", "normal", "--params", "mu=0,sigma=1")]
)
def test_a_closed_output_is_said(program: Callable[..., Any], table: Callable[..., Path], arguments: Any) -> None:
    folder = table("y", "1", "2", "5").parent
    ran = program(*arguments, cwd=folder, env=os.environ | {"PYTHONPATH": str(ROOT)}, preexec_fn=lambda: os.close(1))
    assert ran.status == 1
    assert ran.err == "mlefit: standard output is closed, so there is nowhere to write the result\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--level", "95"), "a confidence level lies between 0 and 1; did you mean 0.95?"),
        (("--level", "0"), "a confidence level lies between 0 and 1, such as 0.95; 0 does not"),
        (("--dist", "bce"), "bce is a loss, not a family; its family is bernoulli"),
        (("--replicates", "100"), "--replicates is of the bootstrap: add --interval bootstrap"),
        (("--bootstrap-limits", "percentile"), "--bootstrap-limits is of the bootstrap: add --interval bootstrap"),
        (("--encoding", "base64"), "there is no text encoding 'base64'; try utf-8, latin-1, cp1252 or utf-16"),
    ],
)
def test_what_was_meant_is_said(mlefit: Callable[..., Any], table: Callable[..., Path], words: Any, said: str) -> None:
    ran = mlefit("estimate", table("y", "1", "2", "5"), *words)
    assert (ran.status, ran.out, ran.err) == (2, "", f"mlefit: {said}\n")


@pytest.mark.parametrize("no_row", [("--where", "x > 1000"), ("--weights", "zero")])
@pytest.mark.parametrize(
    "words",
    [
        ("estimate", "DATA", "--column", "y"),
        ("likelihood", "DATA", "--column", "y"),
        ("compare", "DATA", "--column", "y", "--dist", "normal,gamma"),
        ("regress", "DATA", "y ~ x"),
        ("regress", "DATA", "y ~ x", "--dist", "weibull", "--event", "one"),
        ("train", "DATA", "--loss", "mse", "--target", "y"),
        ("evaluate", "MODEL", "DATA"),
        ("compare", "MODEL", "MODEL", "DATA"),
        ("predict", "MODEL", "DATA"),
        ("sample", "MODEL", "DATA"),
    ],
    ids=" ".join,
)
def test_nothing_to_work_on_is_said(
    mlefit: Callable[..., Any], table: Callable[..., Path], words: Any, no_row: Any
) -> None:
    path = table("x,y,zero,one", "1,2,0,1", "2,4,0,1", "3,5,0,1", "4,9,0,1")
    model = path.parent / "m.mle"
    event = ("--dist", "weibull", "--event", "one")
    assert mlefit("regress", path, "y ~ x", *event, "--save", model, "-q").status == 0
    if words[0] in ("predict", "sample") and no_row[0] == "--weights":
        pytest.skip("it takes no weights")
    ran = mlefit(*({"DATA": path, "MODEL": model}.get(word, word) for word in words), *no_row)
    assert (ran.status, ran.out) == (1, "")
    assert ("no row of" in ran.err) if no_row[0] == "--where" else ("zero" in ran.err)
    assert ran.err.count("\n") == 1


def test_several_families_are_sent_to_compare(mlefit: Callable[..., Any]) -> None:
    ran = mlefit("estimate", str(DATA / "groundbeef.csv"), "--dist", "gamma,weibull")
    assert (ran.status, ran.out) == (2, "")
    assert "`mlefit compare` takes several" in ran.err
