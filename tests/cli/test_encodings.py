"""Results on streams whose encoding lacks some characters: terminals and pipes in the C locale."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LABELS = ("é", "─", "–", "𝔊", "a")


@pytest.mark.parametrize(
    "arguments",
    [
        ("estimate", "three.csv"),
        ("estimate", "penguins.csv", "--column", "body_mass_g", "--by", "species"),
        ("likelihood", "coin.csv", "--dist", "bernoulli"),
        ("compare", "coin.csv", "--dist", "bernoulli,poisson"),
        ("estimate", "--help"),
        ("families", "gamma"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_tables_are_drawn_with_what_there_is(program: Callable, arguments: tuple[str, ...]) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONPATH": str(ROOT)}
    ran = program(*arguments, cwd=ROOT / "sample_data", env=environment)
    assert ran.status == 0
    assert "\\u" not in ran.out
    assert "----" in ran.out


@pytest.mark.parametrize("form", ["json", "ndjson"])
def test_json_in_ascii_means_the_same(program: Callable, table: Callable, form: str) -> None:
    path = table("g,y", *(f"{label},{i}" for label in LABELS for i in range(3)))
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONPATH": str(ROOT)}
    out = program("estimate", path, "-c", "y", "--by", "g", "-f", form, env=environment).out
    found = json.loads(out) if form == "json" else [json.loads(line) for line in out.splitlines()]
    assert sorted(fit["group"]["g"] for fit in found) == sorted(LABELS)
