"""`mlefit.sample_data`: the bundled data by name, from a checkout and from an installed wheel."""

from __future__ import annotations

from pathlib import Path

import pytest

import mlefit
from mlefit import samples


@pytest.mark.parametrize("name", ["coin", "coin.csv"])
def test_by_name(name: str) -> None:
    path = mlefit.sample_data(name)
    assert path.read_text() == "y\n0\n0\n0\n1\n0\n"


@pytest.mark.parametrize("name", ["koin", "../coin", "", "README.md", "/etc/passwd"])
def test_an_unknown_name_lists_the_names(name: str) -> None:
    with pytest.raises(mlefit.UsageError, match=r"there are .*coin, .*three"):
        mlefit.sample_data(name)


def test_the_nearest_is_suggested() -> None:
    with pytest.raises(mlefit.UsageError, match="did you mean coin"):
        mlefit.sample_data("koin")


def test_an_installed_package_holds_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inside = tmp_path / "mlefit" / "sample_data"
    inside.mkdir(parents=True)
    (inside / "own.csv").write_text("y\n1\n")
    monkeypatch.setattr(samples, "__file__", str(tmp_path / "mlefit" / "samples.py"))
    assert mlefit.sample_data("own") == inside / "own.csv"
