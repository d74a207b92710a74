"""`mlefit families`: every family, in every format."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from mlefit.cli import run
from mlefit.families import registry
from mlefit.report.document import FORMATS

PLUGIN = """
import mlefit
from mlefit.families.links import log

class Fold(mlefit.Family):
    name = "fold"
    aliases = ("folded[bold]",)
    parameters = (mlefit.Parameter("width", log),)

    def nll(self, y, eta):
        return eta[0] + y
"""


def listed(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert run(["families", *arguments, "--format", "json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_lists_every_family_with_what_it_declares(capsys: pytest.CaptureFixture[str]) -> None:
    found = {record["family"]: record for record in listed(capsys)}
    assert list(found)[: len(registry.BUILT_IN)] == list(registry.BUILT_IN)
    assert found["normal"] == {
        "family": "normal", "parameters": ["mu", "sigma"], "support": "all numbers", "losses": ["mse", "gaussian-nll"],
        "aliases": ["gaussian", "norm"], "columns": ["y"], "summary": "sums of many small effects, measurement error",
    }  # fmt: skip
    assert found["categorical"]["support"] == "labels"
    assert found["binomial"]["columns"] == ["y", "trials"]


def test_names_choose_and_aliases_serve(capsys: pytest.CaptureFixture[str]) -> None:
    assert [r["family"] for r in listed(capsys, "weibull", "GAUSSIAN", "weibull_min")] == [
        "weibull",
        "normal",
        "weibull",
    ]


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_names_family_parameters_support_loss_and_alias(
    form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["families", "normal", "--format", form]) == 0
    out = capsys.readouterr().out
    for word in ("normal", "sigma", "all numbers", "gaussian-nll", "norm"):
        assert word in out
    assert len(out.splitlines()) >= {"ndjson": 1, "csv": 2, "tsv": 2}.get(form, 3)


def test_csv_is_one_row_a_family(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["families", "--format", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["family"] for row in rows][: len(registry.BUILT_IN)] == list(registry.BUILT_IN)
    assert rows[0]["losses"] == "bce"


def test_an_unknown_name_suggests_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["families", "gausian"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "did you mean gaussian?" in captured.err


def test_a_plugin_is_listed_and_its_markup_is_text(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "_registered", {})
    file = tmp_path / "fold.py"
    file.write_text(PLUGIN)
    assert listed(capsys, "--plugin", str(file))[-1]["family"] == "fold"
    assert run(["families", "fold"]) == 0
    assert "folded[bold]" in capsys.readouterr().out
