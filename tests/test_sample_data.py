"""The sample data are what their README says: same files, columns, rows, and a licence for each."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent.parent / "sample_data"


def described() -> list[dict[str, str]]:
    """One dict a row of the README's table, keyed by its header."""
    lines = (FOLDER / "README.md").read_text(encoding="utf-8").splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    header, _rule, *rows = cells
    return [dict(zip(header, row, strict=True)) for row in rows]


ROWS = described()
each_file = pytest.mark.parametrize("row", ROWS, ids=[row["file"] for row in ROWS])


def test_readme_and_folder_list_the_same_files() -> None:
    assert sorted(row["file"] for row in ROWS) == sorted(path.name for path in FOLDER.glob("*.csv"))
    assert {path.suffix for path in FOLDER.iterdir()} == {".csv", ".md"}


@each_file
def test_readme_states_every_cell(row: dict[str, str]) -> None:
    assert [name for name, cell in row.items() if not cell] == []


@each_file
def test_file_is_plain_rectangular_csv_as_described(row: dict[str, str]) -> None:
    data = (FOLDER / row["file"]).read_bytes()
    text = data.decode("utf-8")
    assert not data.startswith(b"\xef\xbb\xbf"), "byte order mark"
    assert "\r" not in text
    assert text.endswith("\n")
    assert not text.endswith("\n\n")

    header, *rows = csv.reader(io.StringIO(text), strict=True)
    assert header == re.findall(r"`([^`]+)`", row["columns (units)"])
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", name) for name in header)
    assert len(rows) == int(row["rows"]) > 0
    assert {len(cells) for cells in rows} == {len(header)}
    missing_words = {"NA", "NaN", "nan", "null", "None"}
    assert not missing_words & {cell for cells in rows for cell in cells}, "missing values are empty cells"


@pytest.mark.parametrize(
    ("file", "values"),
    [("coin.csv", ["0", "0", "0", "1", "0"]), ("three.csv", ["-1", "0", "1"])],
)
def test_lecture_examples(file: str, values: list[str]) -> None:
    assert (FOLDER / file).read_text(encoding="utf-8").split() == ["y", *values]


def test_folder_is_small() -> None:
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 400_000
