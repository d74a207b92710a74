"""The tables made by mpmath and by R agree, so neither is taken on trust; nothing of mlefit is used."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import pytest

HERE = Path(__file__).parent
FAMILIES = sorted(path.stem for path in (HERE / "r").glob("*.csv"))

Row = dict[str, str]


def read(path: Path) -> list[Row]:
    with open(path, newline="") as file:
        head = file.readline()
        assert head.startswith("# made by ")
        return list(csv.DictReader(file))


def keyed(folder: str, family: str) -> dict[tuple[str, str], Row]:
    return {(row["data"], row["parameter"]): row for row in read(HERE / folder / f"{family}.csv")}


def test_every_family_of_fits_has_a_table_by_r_and_points() -> None:
    fits = {path.stem for path in (HERE / "fits").glob("*.csv")}
    assert set(FAMILIES) == fits
    assert {path.stem for path in (HERE / "points").glob("*.csv")} == fits - {"categorical"}


@pytest.mark.parametrize("family", FAMILIES)
def test_r_agrees_with_mpmath(family: str) -> None:
    exact, other = keyed("fits", family), keyed("r", family)
    assert set(other) == set(exact)
    assert len({data for data, _ in exact}) >= 3
    for key, row in exact.items():
        value = float(row["log_likelihood"])
        assert float(other[key]["log_likelihood"]) == pytest.approx(value, rel=1e-9, abs=1e-8), key
        estimate, error = float(row["estimate"]), float(row["std_error"] or "nan")
        # R stops where the log-likelihood no longer moves in double precision: a small part of a standard error
        near = 1e-4 * abs(estimate) if math.isnan(error) else 1e-3 * error
        assert float(other[key]["estimate"]) == pytest.approx(estimate, abs=near), key
        if row["std_error"] and other[key]["std_error"]:
            assert float(other[key]["std_error"]) == pytest.approx(error, rel=2e-3), key


@pytest.mark.parametrize("family", FAMILIES)
def test_data_of_every_fit_is_there(family: str) -> None:
    for row in read(HERE / "fits" / f"{family}.csv"):
        assert (HERE / "data" / f"{row['data']}.csv").exists()


@pytest.mark.parametrize("path", sorted((HERE / "points").glob("*.csv")), ids=lambda path: path.stem)
def test_points_are_probabilities(path: Path) -> None:
    rows = read(path)
    assert len(rows) >= 15
    for row in rows:
        log_cdf, log_sf = float(row["log_cdf"]), float(row["log_sf"])
        assert max(log_cdf, log_sf) <= 0
        assert math.exp(log_cdf) + math.exp(log_sf) == pytest.approx(1, abs=1e-14)
