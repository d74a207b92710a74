"""A family of one's own through `--plugin`: with nothing but its NLL it does what the built-in ones do."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlefit.families import registry
from mlefit.testing import check_family

DATA = Path(__file__).parents[2] / "sample_data"
PENGUINS = DATA / "penguins.csv"

RAYLEIGH = """\
import numpy as np
from mlefit import Family, Parameter
from mlefit.families.links import log
from mlefit.families.support import positive

class Handmade(Family):
    name = "handmade-rayleigh"
    support = positive
    parameters = (Parameter("scale", log),)

    def nll(self, y, eta):
        return 2 * eta[0] - np.log(y) + (y * np.exp(-eta[0])) ** 2 / 2
"""

WEIBULL = """\
import numpy as np
from mlefit import Family, Parameter
from mlefit.families.links import log
from mlefit.families.support import positive

class Handmade(Family):
    name = "handmade-weibull"
    support = positive
    parameters = (Parameter("shape", log), Parameter("scale", log))

    def nll(self, y, eta):
        z = np.log(y) - eta[1]
        shape = np.exp(eta[0])
        return eta[1] - eta[0] - (shape - 1) * z + np.exp(shape * z)
"""

# A Cauchy distribution whose author got the second derivatives wrong.
CAUCHY = """\
import numpy as np
from mlefit import Family, Parameter
from mlefit.families.links import identity, log

class Handmade(Family):
    name = "handmade-cauchy"
    parameters = (Parameter("loc", identity), Parameter("scale", log))

    def nll(self, y, eta):
        return np.log(np.pi) + eta[1] + np.log1p(((y - eta[0]) * np.exp(-eta[1])) ** 2)

    def hessian(self, y, eta):
        return np.full((2, 2, *np.shape(self.nll(y, eta))), VALUE)
"""

# The check function of quantile regression: its minimum is at a kink.
KINK = """\
import numpy as np
from mlefit import Family, Parameter
from mlefit.families.links import identity, log

class Handmade(Family):
    name = "handmade-kink"
    parameters = (Parameter("loc", identity), Parameter("scale", log))

    def nll(self, y, eta):
        z = (y - eta[0]) * np.exp(-eta[1])
        return eta[1] - np.log(0.75 * 0.25) + np.where(z > 0, 0.75 * z, -0.25 * z)
"""


pytestmark = pytest.mark.usefixtures("registered")


def both(
    mlefit: Callable, path: Path, mine: str, ours: str, *arguments: object, command: str = "estimate"
) -> tuple[Any, Any]:
    """The JSON of the plugin's family and of the built-in one, from the same command line."""
    found = []
    for extra in (("--plugin", path, "--dist", mine), ("--dist", ours)):
        ran = mlefit(command, *arguments, *extra, "--format", "json")
        assert ran.status == 0, ran.err
        found.append(json.loads(ran.out))
    return found[0], found[1]


def same(mine: dict[str, Any], ours: dict[str, Any], relative: float = 1e-6) -> None:
    """Two fits with the same estimates, errors, limits and likelihood."""
    assert mine["log_likelihood"] == pytest.approx(ours["log_likelihood"], rel=1e-12)
    assert list(mine["parameters"]) == list(ours["parameters"])
    for name, values in ours["parameters"].items():
        one = mine["parameters"][name]
        assert {key for key in one if one[key] is None} == {key for key in values if values[key] is None}
        numbers = [(one[key], value) for key, value in values.items() if value is not None]
        assert [a for a, _ in numbers] == pytest.approx([b for _, b in numbers], rel=relative), name
    assert (mine["n"], mine["converged"], mine.get("group")) == (ours["n"], True, ours.get("group"))


CASES = {
    "plain": (DATA / "groundbeef.csv",),
    "expression": (DATA / "old_faithful.csv", "--column", "waiting / 10", "--where", "eruptions > 3"),
    "groups": (PENGUINS, "--column", "body_mass_g", "--by", "species,sex"),
    "weights": (PENGUINS, "--column", "bill_length_mm", "--weights", "year - 2006"),
    "importance": (PENGUINS, "-c", "bill_length_mm", "--weights", "year - 2006", "--weight-kind", "importance"),
    "profile": (DATA / "groundbeef.csv", "--interval", "profile"),
    "groups and profile": (PENGUINS, "-c", "body_mass_g", "--by", "species", "--interval", "profile"),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("ours", ["rayleigh", "weibull"])
def test_a_handmade_family_fits_like_the_built_in_one(
    mlefit: Callable, plugin: Callable[[str], str], ours: str, case: str
) -> None:
    path = plugin(RAYLEIGH if ours == "rayleigh" else WEIBULL)
    mine, built_in = both(mlefit, path, f"handmade-{ours}", ours, *CASES[case])
    for one, other in zip(*(x if isinstance(x, list) else [x] for x in (mine, built_in)), strict=True):
        same(one, other)


@pytest.mark.parametrize("fixed", ["shape=2", "scale=80"])
def test_fix(mlefit: Callable, plugin: Callable[[str], str], fixed: str) -> None:
    arguments = (DATA / "groundbeef.csv", "--fix", fixed, "--interval", "profile")
    same(*both(mlefit, plugin(WEIBULL), "handmade-weibull", "weibull", *arguments))


@pytest.mark.parametrize("extra", [(), ("--over", "shape", "--profile"), ("--at", "shape=2,scale=80")])
def test_likelihood(mlefit: Callable, plugin: Callable[[str], str], extra: tuple[str, ...]) -> None:
    arguments = (DATA / "groundbeef.csv", *extra)
    mine, ours = both(mlefit, plugin(WEIBULL), "handmade-weibull", "weibull", *arguments, command="likelihood")
    assert len(mine["points"]) == len(ours["points"])
    for one, other in zip(mine["points"], ours["points"], strict=True):
        assert one.pop("likelihood") is other.pop("likelihood") is None  # 254 rows: too small for a number
        assert one == pytest.approx(other, rel=1e-9)


@pytest.mark.parametrize("text", [RAYLEIGH, WEIBULL, KINK.replace("0.75 * z, -0.25 * z", "z * z, z * z")])
def test_a_handmade_family_keeps_the_contract(plugin: Callable[[str], str], text: str) -> None:
    check_family(registry.load_file(plugin(text))[0], quick=True)


def test_a_wrong_hessian_is_found_by_the_contract(plugin: Callable[[str], str]) -> None:
    family = registry.load_file(plugin(CAUCHY.replace("VALUE", "0.0")))[0]
    with pytest.raises(AssertionError, match="hessian"):
        check_family(family, quick=True)


@pytest.mark.parametrize("value", ["np.nan", "np.inf", "0.0"])
@pytest.mark.parametrize("interval", ["wald", "profile"])
def test_a_family_with_a_useless_hessian_is_fitted_by_lbfgs(
    mlefit: Callable, plugin: Callable[[str], str], value: str, interval: str
) -> None:
    path = plugin(CAUCHY.replace("VALUE", value))
    arguments = (DATA / "newcomb.csv", "--interval", interval)
    mine, ours = both(mlefit, path, "handmade-cauchy", "cauchy", *arguments)
    same(mine, ours)
    assert mine["solver"] == "lbfgs"
    assert mine["certificate"]["hessian_positive"]


def test_groups_with_a_useless_hessian(mlefit: Callable, plugin: Callable[[str], str]) -> None:
    path = plugin(CAUCHY.replace("VALUE", "np.nan"))
    arguments = (PENGUINS, "-c", "bill_depth_mm", "--by", "species")
    for mine, ours in zip(*both(mlefit, path, "handmade-cauchy", "cauchy", *arguments), strict=True):
        same(mine, ours)


def test_a_maximum_at_a_kink_is_found_but_not_certified(mlefit: Callable, plugin: Callable[[str], str]) -> None:
    path = plugin(KINK)
    ran = mlefit("estimate", DATA / "newcomb.csv", "--plugin", path, "-d", "handmade-kink", "-f", "json")
    assert ran.status == 3
    record = json.loads(ran.out)
    assert not record["converged"]
    y = np.loadtxt(DATA / "newcomb.csv", skiprows=1)
    loc = np.quantile(y, 0.75, method="inverted_cdf")
    assert record["parameters"]["loc"]["estimate"] == pytest.approx(loc, abs=0.01)
    check = np.where(y > loc, 0.75 * (y - loc), -0.25 * (y - loc)).mean()
    assert record["parameters"]["scale"]["estimate"] == pytest.approx(check, rel=1e-3)


def test_a_network_of_a_handmade_family(mlefit: Callable, plugin: Callable[[str], str]) -> None:
    arguments = (DATA / "cars.csv", "--target", "dist", "--hidden", "none")
    losses = []
    for extra in (("--plugin", plugin(WEIBULL), "--loss", "handmade-weibull"), ("--loss", "weibull")):
        ran = mlefit("train", *arguments, *extra, "-f", "json")
        assert ran.status == 0, ran.err
        losses.append(json.loads(ran.out)["train"]["nll_per_observation"])
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


@pytest.mark.parametrize("command", ["estimate", "likelihood", "families", "train"])
def test_a_file_that_is_not_there_is_one_sentence(mlefit: Callable, tmp_path: Path, command: str) -> None:
    data = () if command == "families" else (DATA / "groundbeef.csv",)
    ran = mlefit(command, *data, "--plugin", tmp_path / "missing.py")
    assert (ran.status, ran.out) == (2, "")
    assert "no plugin file" in ran.err
    assert ran.err.count("\n") == 1


@pytest.mark.parametrize("command", ["estimate", "likelihood", "families"])
@pytest.mark.parametrize(
    ("text", "said"),
    [("x = (\n", "line 1 does not run: SyntaxError"), ("x = 1\n", "defines no subclass"),
     ("import sys\nsys.exit(5)", "line 2 does not run: SystemExit")],
    ids=["syntax", "none", "exit"],
)  # fmt: skip
def test_a_broken_file_is_warned_of_and_left_out(
    mlefit: Callable, plugin: Callable[[str], str], command: str, text: str, said: str
) -> None:
    data = () if command == "families" else (DATA / "groundbeef.csv",)
    ran = mlefit(command, *data, "--plugin", plugin(text))
    assert ran.status == 0
    assert said in ran.err
    assert ran.err.count("\n") == 1
    assert ran.out == mlefit(command, *data).out
    if command != "families":
        needed = mlefit(command, *data, "--plugin", plugin(text), "-d", "handmade")
        assert (needed.status, needed.out) == (2, "")
        assert said in needed.err
        assert "no family called" in needed.err


def test_one_bad_class_does_not_hide_the_good_one(program: Callable, plugin: Callable[[str], str]) -> None:
    path = plugin(RAYLEIGH + "\nclass Bad(Family):\n    name = 'bad'\n    def nll(self, y, eta):\n        return y\n")
    ran = program("estimate", DATA / "groundbeef.csv", "--plugin", path, "-d", "handmade-rayleigh")
    assert ran.status == 0, ran.err
    assert "Bad is not a family" in ran.err
    assert path in ran.err


def test_what_a_plugin_prints_is_no_result(mlefit: Callable, plugin: Callable[[str], str]) -> None:
    path = plugin("print('loading')\n" + RAYLEIGH.replace("return 2", "print('here')\n        return 2"))
    ran = mlefit("estimate", DATA / "groundbeef.csv", "--plugin", path, "-d", "handmade-rayleigh", "-f", "json")
    assert json.loads(ran.out)["converged"]
    assert "loading" in ran.err
    assert "here" in ran.err


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("return nothing", "line 12 (NameError: name 'nothing' is not defined)"),
        ("return y[:1]", "array of shape (1,) for y of "),
        ("return np.sum(y) + 0 * eta[0]", "it gave an array of shape"),
        ("return 1.0", "it gave an array of shape ()"),
        ("return ['a' for _ in y]", "not numbers"),
        ("return None", "not numbers"),
        ("raise SystemExit(5)", "line 12 (SystemExit: 5)"),
        ("return y[0, 0]", "line 12 (IndexError"),
    ],
)
@pytest.mark.parametrize(
    "command",
    [
        ("estimate", DATA / "groundbeef.csv", "-d"),
        ("likelihood", DATA / "groundbeef.csv", "-d"),
        ("regress", DATA / "cars.csv", "dist ~ speed", "-d"),
        ("train", DATA / "cars.csv", "--target", "dist", "--loss"),
    ],
    ids=lambda command: command[0],
)
def test_a_broken_nll_is_named(
    mlefit: Callable, plugin: Callable[[str], str], command: tuple[object, ...], body: str, said: str
) -> None:
    path = plugin(RAYLEIGH[: RAYLEIGH.index("        return 2")] + f"        {body}\n")
    ran = mlefit(*command, "handmade-rayleigh", "--plugin", path)
    assert (ran.status, ran.out) == (1, "")
    assert f"plugin {path}: nll of the family 'handmade-rayleigh' failed" in ran.err
    assert said in ran.err
    assert "is to return the negative log-likelihood of every row" in ran.err
    assert "defect" not in ran.err


@pytest.mark.parametrize(
    ("method", "said"),
    [
        ("def gradient(self, y, eta):\n        return np.ones(3)", "gradient of the family 'handmade-rayleigh'"),
        ("def hessian(self, y, eta):\n        return np.ones((2, 2))", "hessian of the family"),
        ("def start(self, rows):\n        return rows.nothing", "start of the family"),
        ("def inside(self, y):\n        return y.nothing", "line 15 (AttributeError"),
    ],
)
def test_other_broken_methods_are_named(mlefit: Callable, plugin: Callable[[str], str], method: str, said: str) -> None:
    path = plugin(f"{RAYLEIGH}\n    {method}\n")
    ran = mlefit("estimate", DATA / "groundbeef.csv", "--plugin", path, "-d", "handmade-rayleigh")
    assert (ran.status, ran.out) == (1, "")
    assert said in ran.err


@pytest.mark.parametrize("extra", [("--quantile", "0.5"), ("--event", "serving > 50")])
def test_what_a_family_lacks_is_said(mlefit: Callable, plugin: Callable[[str], str], extra: tuple[str, ...]) -> None:
    path = plugin(RAYLEIGH)
    ran = mlefit(
        "estimate", DATA / "groundbeef.csv", "--plugin", path, "-d", "handmade-rayleigh", "-c", "serving", *extra
    )
    assert (ran.status, ran.out) == (2, "")
    assert "handmade-rayleigh has no" in ran.err


@pytest.mark.parametrize(("offset", "scale"), [(0.0, 1e-4), (1e4, 1.0), (-3e6, 20.0), (5.0, 1e6)])
def test_differences_take_steps_that_suit_the_data(
    mlefit: Callable, plugin: Callable[[str], str], table: Callable, offset: float, scale: float
) -> None:
    text = CAUCHY[: CAUCHY.index("    def hessian")].replace("handmade-cauchy", "handmade-steps")
    y = offset + scale * np.random.default_rng(5).standard_cauchy(80)
    data = table("y", *map(repr, y.tolist()))
    mine, ours = both(mlefit, plugin(text), "handmade-steps", "cauchy", data)
    same(mine, ours)
    assert mine["solver"] == "newton"
