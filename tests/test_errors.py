"""Every error is one sentence in one style: it begins small, unless with a name, and ends without a full stop."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import mlefit
from mlefit.errors import nearest

ROOT = Path(mlefit.__file__).parent
NAMES = ("Excel", "Stata", "SPSS", "SAS", "SQL", "Q(")  # words that are always written with a capital


def text(node: ast.expr) -> str:
    """A literal with {} in the place of what is only known when the error is raised."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(map(text, node.values))
    if isinstance(node, ast.BinOp):
        return text(node.left) + text(node.right)
    return "{}"


def sentences() -> Iterator[tuple[str, str]]:
    """Place and sentence of every DataError and UsageError that is made."""
    for module in sorted(ROOT.rglob("*.py")):
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            made = isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("DataError", "UsageError")
            if made and node.args:
                yield f"{module.relative_to(ROOT)}:{node.lineno}", text(node.args[0])


SENTENCES = list(sentences())


def test_the_sentences_are_found() -> None:
    assert len(SENTENCES) > 250


@pytest.mark.parametrize("sentence", [s for _, s in SENTENCES], ids=[place for place, _ in SENTENCES])
def test_one_style(sentence: str) -> None:
    assert sentence.startswith(NAMES) or not re.match(r"[A-Z]", sentence)
    assert not sentence.endswith((".", "!")) or sentence.endswith("...")
    assert not re.search(r"[a-z)'}]\. [A-Z]", sentence), "one sentence; a semicolon joins two halves"


@pytest.mark.parametrize(
    ("name", "known", "meant"),
    [
        ("nothing", ["triang", "norm", "gengamma"], None), ("pspline", ["sin", "spline", "cos"], "spline"),
        ("pspline", ["sin", "cos", "sign"], None), ("lgo", ["log", "exp"], "log"),
        ("norml", ["norm", "normal"], "normal"),
        ("wiebull", ["weibull", "bull"], "weibull"), ("Poison", ["poisson"], "poisson"), ("gama", ["gamma"], "gamma"),
        ("sqr", ["sqrt", "square"], "sqrt"), ("xgamma", ["gamma"], "gamma"), ("", ["gamma"], None),
    ],
)  # fmt: skip
def test_what_is_meant_is_near(name: str, known: list[str], meant: str | None) -> None:
    said = nearest(name, known, "there are others")
    assert said == ("there are others" if meant is None else f"did you mean {meant}?")
