"""The floors of the house: imports point down only, and what a fast start must not load is not loaded."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import mlefit

ROOT = Path(mlefit.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))

# Each part of the package and its floor. Parts on one floor do not import each other.
FLOORS = {
    "errors": -1,
    "wording": -0.5,
    "progress": -1,
    "deadline": -1,
    "samples": 0,
    "families": 0,
    "sample": 1,
    "predictors": 1,
    "solvers": 1,
    "objective": 2,
    "engines": 2,
    "inference": 3,
    "reading": 4,
    "report": 4,
    "cli": 7,
}
# What stands between the floors and the commands: the Python interface, explanations, the family checker.
DOORS = {
    "features": 4.5,  # what regressions, networks and predictions ask of the reader
    "censoring": 4.5,  # between the reader, whose tables it completes, and the interface that asks for it
    "__init__": 8, "__main__": 8, "testing": 8, "api": 5, "modelling": 5, "predicting": 5, "regressing": 5,
    "comparing": 6, "sampling": 6, "explain": 5, "estimators": 5,
}  # fmt: skip
# Predictors turn samples into sums, which solvers define; the objective needs an engine to default to.
NEIGHBOURS = {("predictors", "sample"), ("predictors", "solvers"), ("objective", "engines")}
# Conveniences of results, each imported when it is called: a fit prints itself, a model predicts from a table.
SHORTCUTS = {
    ("inference/fit.py", "report"), ("inference/compare.py", "report"), ("inference/model.py", "report"),
    ("inference/regression_result.py", "report"),
    ("inference/model.py", "predicting"),
}  # fmt: skip


def part(module):
    """The part of the package that a module path belongs to."""
    relative = module.relative_to(ROOT)
    return relative.parts[0] if len(relative.parts) > 1 else relative.stem


def imported(module):
    """(line, part, late) for every import of a part of mlefit; those for type checkers alone do not count."""
    tree = ast.parse(module.read_text(encoding="utf-8"))
    typing = {id(n) for node in ast.walk(tree) if is_typing(node) for n in ast.walk(node)}
    functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    late = {id(n) for function in functions for n in ast.walk(function)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Import | ast.ImportFrom) or id(node) in typing:
            continue
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            assert node.level == 0, f"{module}: imports are absolute"
            names = [f"mlefit.{alias.name}" for alias in node.names] if node.module == "mlefit" else [node.module]
        for name in names:
            package, _, rest = name.partition(".")
            other = rest.split(".")[0]
            # `from mlefit import Family` names something that the package itself hands out.
            if package == "mlefit" and ((ROOT / other).is_dir() or (ROOT / f"{other}.py").exists()) and other:
                yield node.lineno, other, id(node) in late


def is_typing(node):
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def floor(name):
    floors = FLOORS | DOORS
    assert name in floors, f"{name} is a new part of mlefit: give it a floor here"
    return floors[name]


@pytest.mark.parametrize("module", MODULES, ids=lambda m: str(m.relative_to(ROOT)))
def test_imports_point_down(module):
    own, name = part(module), module.relative_to(ROOT).as_posix()
    for line, other, late in imported(module):
        if other != own and not (late and (name, other) in SHORTCUTS):
            allowed = floor(other) < floor(own) or (own, other) in NEIGHBOURS
            assert allowed, f"{name}:{line} imports {other}, which is not on a lower floor than {own}"


@pytest.mark.parametrize(("name", "other"), sorted(SHORTCUTS))
def test_shortcuts_are_still_taken(name, other):
    assert other in {taken for _, taken, late in imported(ROOT / name) if late}


def test_every_part_has_a_floor():
    parts = {part(module) for module in MODULES}
    assert parts <= set(FLOORS | DOORS)
    assert set(FLOORS) - {"report", "cli", "reading"} <= parts


@pytest.mark.parametrize("name", ["utils", "helpers", "manager", "misc", "common"])
def test_no_file_is_a_drawer_for_anything(name):
    assert not [module for module in MODULES if module.stem == name]


def loaded_after(code):
    """Top-level packages in a fresh interpreter after running some code."""
    script = f"{code}\nimport sys\nprint(*sorted({{m.split('.')[0] for m in sys.modules}}))"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT.parent)
    return set(run.stdout.splitlines()[-1].split())


FIT = """
import numpy as np
from mlefit.families import registry
from mlefit.inference.fit import fit_sample
from mlefit.sample import Sample
for name in ("normal", "bernoulli"):
    fit_sample(registry.get(name), Sample.of(np.array([0.0, 1, 1, 0, 1])))
"""


@pytest.mark.parametrize(
    ("code", "unwanted"),
    [
        ("import mlefit", {"numpy", "scipy", "pandas", "matplotlib", "duckdb", "typer", "rich", "formulaic"}),
        ("import mlefit.cli", {"scipy", "pandas", "matplotlib", "formulaic"}),
        (FIT, {"scipy", "pandas", "matplotlib", "duckdb", "formulaic"}),
    ],
    ids=["import", "command line", "normal and bernoulli"],
)
def test_a_fast_start_does_not_load(code, unwanted):
    assert not loaded_after(code) & unwanted


def test_the_command_on_a_small_file_loads_no_large_library(tmp_path):
    (tmp_path / "y.csv").write_text("y\n0\n1\n1\n0\n1\n", encoding="utf-8")
    for name in ("normal", "bernoulli", "poisson", "student-t"):
        code = f"""
import contextlib, io, sys
sys.argv = ["mlefit", "estimate", {str(tmp_path / "y.csv")!r}, "--dist", {name!r}]
from mlefit.cli import main
with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
    main()
"""
        loaded = loaded_after(code)
        assert {"numpy", "rich"} <= loaded, "the command has fitted and printed"
        assert not loaded & {"scipy", "pandas", "matplotlib", "formulaic", "duckdb"}
