"""Families by name: built-in ones, aliases, plugin files, and plugins that installed packages announce."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import mlefit
from mlefit.errors import UsageError
from mlefit.families import registry
from mlefit.families.base import Family, Parameter
from mlefit.families.links import log

ROOT = Path(__file__).parents[2]

PLUGIN = """\
import numpy as np
from mlefit import Family, Parameter
from mlefit.families.links import log

class Decay(Family):
    name = "decay"
    aliases = ("half-life",)
    parameters = (Parameter("rate", log),)

    def nll(self, y, eta):
        return np.exp(eta[0]) * y - eta[0]
"""


pytestmark = pytest.mark.usefixtures("registered")


# -- by name -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("gamma", "gamma"), ("Negative_Binomial", "negative-binomial"), ("nbinom", "negative-binomial"),
        ("nb", "negative-binomial"),
        (" normal ", "normal"), ("GAUSSIAN", "normal"), ("t", "student-t"), ("weibull_min", "weibull"),
    ],
)  # fmt: skip
def test_names_and_aliases(name: str, family: str) -> None:
    assert registry.get(name).name == family


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("gama", "did you mean gamma?"),
        ("nomal", "did you mean normal?"),
        ("xyzzy", "`mlefit families` lists them"),
        ("", "`mlefit families` lists them"),
        ("hurdel:poisson", "did you mean hurdle:poisson?"),
        ("nonsense:poisson", "the prefixes are"),
        ("hurdle:", "needs the name of a family"),
        ("mixture:normal*x", "a number of components"),
        ("zero-inflated:gama", "did you mean gamma?"),
        ("hurdle:zero-inflated-poisson", "two parameters called pi"),
        ("zero-inflated:zero-inflated:geometric", "two parameters called pi"),
        ("hurdle:hurdle:poisson", "two parameters called pi"),
        ("hurdle:zero-inflated:gamma", "two parameters called pi"),
        ("hurdle:pareto", "measurements from zero on"),
        ("hurdle:categorical", "counts"),
        ("zero-inflated:scipy:gamma", "no family of scipy"),
        ("hurdle:von-mises", "on the circle"),
        ("mixture:hurdle:gamma*2", "hurdle:mixture:gamma*2"),
    ],
)
def test_an_unknown_name_is_helped(name: str, said: str) -> None:
    with pytest.raises(UsageError, match=said.replace("?", r"\?").replace("*", r"\*")):
        registry.get(name)


def test_no_two_families_answer_to_one_name() -> None:
    names = [registry.canonical(n) for family in registry.every() for n in (family.name, *family.aliases)]
    assert len(names) == len(set(names))


# -- register ------------------------------------------------------------------------------------------------------


def test_register_takes_a_class_or_an_instance() -> None:
    class Decay(Family):
        name = "decay"
        parameters = (Parameter("rate", log),)

        def nll(self, y, eta):  # type: ignore[no-untyped-def]
            return np.exp(eta[0]) * y - eta[0]

    assert mlefit.register(Decay) is registry.get("decay")
    instance = Decay()
    assert mlefit.register(instance) is instance is registry.get("DECAY")
    assert registry.names()[-1] == "decay"
    assert mlefit.fit([1.0, 2.0, 3.0], "decay").estimates["rate"] == pytest.approx(0.5, rel=1e-8)


@pytest.mark.parametrize("missing", ["name", "parameters"])
def test_register_refuses_what_is_no_family(missing: str) -> None:
    given = {"name": "decay", "parameters": (Parameter("rate", log),), "nll": lambda self, y, eta: y}
    given.pop(missing)
    with pytest.raises(UsageError, match="needs a name, parameters"):
        registry.register(type("Decay", (Family,), given))


def test_register_refuses_the_name_of_a_built_in_family() -> None:
    given = {"name": "Gamma", "parameters": (Parameter("rate", log),), "nll": lambda self, y, eta: y}
    with pytest.raises(UsageError, match="belongs to a built-in family"):
        registry.register(type("Mine", (Family,), given))


# -- files ---------------------------------------------------------------------------------------------------------


def test_a_file_may_define_several_families(plugin: Callable[[str], str]) -> None:
    second = PLUGIN.replace("Decay", "Fall").replace('"decay"', '"fall"').replace('"half-life"', '"fall-life"')
    found = registry.load_file(plugin(PLUGIN + second[second.index("class") :]))
    assert [family.name for family in found] == ["decay", "fall"]
    assert registry.get("half_life").name == "decay"


def test_an_imported_family_is_not_the_files_own(plugin: Callable[[str], str]) -> None:
    found = registry.load_file(plugin("from mlefit.families.gamma import Gamma\n" + PLUGIN))
    assert [family.name for family in found] == ["decay"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1\n", "defines no subclass of mlefit.Family"),
        ("", "defines no subclass of mlefit.Family"),
        ("x = 1\ny = (\n", "line 2 does not run: SyntaxError"),
        ("x = 1\n\ny = 1 / 0\n", "line 3 does not run: ZeroDivisionError"),
        ("import nothing_of_this_name\n", "line 1 does not run: ModuleNotFoundError"),
        ("raise SystemExit(3)\n", "line 1 does not run: SystemExit"),
        (PLUGIN.replace('"decay"', '"gamma"'), "'gamma' belongs to a built-in family"),
        (PLUGIN.replace("    name =", "    title ="), "needs a name"),
        (PLUGIN.replace("    def nll", "    def loss"), "nll"),
        (PLUGIN.replace("parameters = (", "parameters = 3 #"), "parameters"),
        (PLUGIN.replace("def nll", "def __init__(self, x): pass\n    def nll"), "Decay"),
    ],
    ids=["none", "empty", "syntax", "zero", "import", "exit", "clash", "unnamed", "no nll", "parameters", "arguments"],
)
def test_a_file_that_is_no_plugin(plugin: Callable[[str], str], text: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        registry.load_file(plugin(text))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path, plugin: Callable[..., str]) -> None:
    with pytest.raises(UsageError, match="there is no plugin file"):
        registry.load_file(str(tmp_path / "missing.py"))
    with pytest.raises(UsageError, match="there is no plugin file"):
        registry.load_file(str(tmp_path))
    with pytest.raises(UsageError, match=r"must end in \.py"):
        registry.load_file(plugin(PLUGIN, "plugin.txt"))


# -- installed packages ----------------------------------------------------------------------------------------------


def installed(tmp_path: Path, modules: dict[str, str], *entries: str) -> dict[str, str]:
    """A package on the path that announces families, and the environment to find it in."""
    for name, text in modules.items():
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
    info = tmp_path / "decaypack-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: decaypack\nVersion: 1.0\n", encoding="utf-8")
    lines = [f"[{registry.GROUP}]", *entries]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(tmp_path)])}


def run(environment: dict[str, str], *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mlefit", *arguments],
        input=stdin, capture_output=True, text=True, env=environment, check=False,
    )  # fmt: skip


VALUES = "y\n1\n2\n3\n"


def test_an_installed_plugin_is_a_family_like_any_other(tmp_path: Path) -> None:
    environment = installed(tmp_path, {"decaypack": PLUGIN}, "decay = decaypack:Decay")
    for name in ("decay", "half-life"):
        ran = run(environment, "estimate", "--dist", name, "-f", "csv", stdin=VALUES)
        assert (ran.returncode, ran.stderr) == (0, "")
        assert float(ran.stdout.splitlines()[1].split(",")[3]) == pytest.approx(0.5, rel=1e-8)
    listed = run(environment, "families", "-f", "csv")
    assert listed.stdout.splitlines()[-1].startswith("decay,rate")


BROKEN = {
    "missing module": "bad = no_such_module:Decay",
    "missing name": "bad = decaypack:Nothing",
    "no family": "bad = decaypack:np",
    "does not run": "bad = broken:Decay",
    "leaves": "bad = leaver:Decay",
    "clash": "bad = clash:Decay",
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_plugin_is_warned_of_and_left_out(tmp_path: Path, kind: str) -> None:
    modules = {
        "decaypack": PLUGIN, "broken": "1 / 0\n", "leaver": "import sys\nsys.exit(5)\n",
        "clash": PLUGIN.replace('"decay"', '"weibull"'),
    }  # fmt: skip
    environment = installed(tmp_path, modules, BROKEN[kind], "decay = decaypack:Decay")
    ran = run(environment, "estimate", "--dist", "decay", "-f", "csv", stdin=VALUES)
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr.startswith("mlefit: plugin 'bad'")
    assert "was left out" in ran.stderr
    assert ran.stderr.count("\n") == 1
    assert "decay" in ran.stdout


def test_a_broken_plugin_costs_built_in_families_nothing(tmp_path: Path) -> None:
    environment = installed(tmp_path, {"broken": "1 / 0\n"}, BROKEN["does not run"])
    ran = run(environment, "estimate", "--dist", "normal", stdin=VALUES)
    assert (ran.returncode, ran.stderr) == (0, "")
