"""Tables for papers: what a markdown renderer and pdfLaTeX can take, whatever the labels hold."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

import pytest

from mlefit.explain.page import losses
from mlefit.families import registry
from mlefit.report.markup import latex, markdown

ODD = ["a|b", "50 %_of_*x*", "<b>[l](u)</b>", "`c`", "x_y", "_z_", "back\\slash", "$5 & #1", "{~^}", "ten \x1b[2J"]


def cells(line: str) -> list[str]:
    """The cells of a line of a pipe table, split where a renderer splits them."""
    return [cell.strip() for cell in re.split(r"(?<!\\)(?:\\\\)*\|", line)[1:-1]]


@pytest.mark.parametrize("label", ODD)
def test_markdown_shows_labels_as_they_are(label: str) -> None:
    header, rule, row = markdown([[{label: label, "estimate": 1 / 3}]]).splitlines()
    assert len(cells(header)) == len(cells(rule)) == len(cells(row)) == 2
    shown = re.sub(r"\\([!-/:-@[-`{-~])", r"\1", cells(row)[0])
    assert shown == label.replace("\x1b", r"\x1b")
    assert not re.search(r"(?<!\\)[<*`$\[]", row)
    assert cells(row)[1] == "0.333333"


@pytest.mark.parametrize("label", ODD)
def test_latex_has_no_bare_special_character(label: str) -> None:
    row = latex([[{"g": label, "nll": 0.5}]]).splitlines()[4]
    assert row.endswith(r" & 0.5000 \\")
    bare = re.sub(r"\\(text\w+\{\}|[&%$#_{}])", "", row.removesuffix(r" & 0.5000 \\"))
    assert not set(bare) & set("&%$#_{}~^<>|\\")


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("α + Γ(λ)", r"$\alpha$ + $\Gamma$($\lambda$)"),
        ("σ² ≤ ς", r"$\sigma$$^{2}$ $\le$ $\sigma$"),
        ("η₁ − Μ", r"$\eta$$_{1}$ $-$ $M$"),
        ("é", "é"),
    ],
)
def test_latex_writes_mathematics(text: str, written: str) -> None:
    assert f"{written} \\\\" in latex([[{"g": text}]])


@pytest.mark.parametrize("name", sorted({*registry.names(), *losses()}))
def test_explanations_are_what_pdflatex_sets(mlefit: Callable, name: str) -> None:
    out = mlefit("explain", name, "--format", "latex").out
    strange = {c for c in out if not c.isascii() and not unicodedata.name(c, "").startswith("LATIN")}
    assert strange == set()


@pytest.mark.parametrize("label", ["[a]", "*a", " [2pt]"])
def test_a_row_is_no_argument_of_the_end_of_the_row_before(label: str) -> None:
    lines = latex([[{"g": "x"}, {"g": label}]]).splitlines()
    assert lines[4:6] == [r"x \\", f"{{}}{label}" + r" \\"]


@pytest.mark.parametrize("form", ["markdown", "latex"])
def test_a_fit_comes_with_its_likelihood(mlefit: Callable, table: Callable, form: str) -> None:
    out = mlefit("estimate", table("y", "1", "2", "6"), "--format", form).out
    for value in ("2.16025", "-6.5675", "17.1350", "0.95"):
        assert value in out
    assert "2.160246" not in out
