"""Where the sample data lie: beside the package in a checkout, inside it once installed."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path

from mlefit.errors import UsageError


def sample_data(name: str) -> Path:
    """The path of a bundled data set, such as `coin` or `coin.csv`; `sample_data/README.md` describes them.

    Raises:
        UsageError: no such data set; the message lists them.
    """
    folder = _folder()
    path = folder / (name if name.endswith(".csv") else f"{name}.csv")
    names = sorted(file.stem for file in folder.glob("*.csv"))
    if path.stem in names and path.parent == folder:
        return path
    near = get_close_matches(name.removesuffix(".csv"), names, 1, 0.6)
    hint = f"did you mean {near[0]}? " if near else ""
    raise UsageError(f"there is no sample called {name!r}; {hint}there are {', '.join(names)}")


def bundled(path: str) -> Path | None:
    """The bundled data set that `sample_data/NAME.csv` means where there is no such file; None for any other path."""
    folder, slash, name = path.removeprefix("./").rpartition("/")
    if (folder, slash) != ("sample_data", "/") or Path(path).exists():
        return None
    inside = _folder() / name
    return inside if inside.suffix == ".csv" and inside.is_file() else None


def _folder() -> Path:
    package = Path(__file__).parent
    inside = package / "sample_data"
    return inside if inside.is_dir() else package.parent / "sample_data"
