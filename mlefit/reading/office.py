"""Excel, Stata, SPSS and SAS files, through pandas (imported here only)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mlefit.errors import DataError, UsageError
from mlefit.reading import memory

if TYPE_CHECKING:
    from mlefit.reading.files import File
    from mlefit.reading.source import Source


def open_file(files: tuple[File, ...], no_header: bool) -> Source:
    """The first sheet or the data set of one file as a source.

    Raises:
        DataError: pandas could not make a table of it.
        UsageError: several files, or a package that pandas needs is missing.
    """
    if len(files) != 1:
        raise UsageError("Excel, Stata, SPSS and SAS files are read one at a time")
    import pandas as pd

    file = files[0]
    suffix = Path(file.name).suffix.lower()
    row = ("observation", 1)
    try:
        if suffix == ".dta":
            frame = pd.read_stata(file.path, convert_categoricals=True)
        elif suffix in (".sav", ".zsav", ".por"):
            frame = pd.read_spss(file.path)
        elif suffix in (".sas7bdat", ".xpt"):
            frame = pd.read_sas(file.path, format="sas7bdat" if suffix == ".sas7bdat" else "xport", encoding="utf-8")
        else:
            frame = pd.read_excel(file.path, header=None if no_header else 0)
            row = ("row", 1 if no_header else 2)
    except ImportError as error:
        package = getattr(error, "name", None) or "another package"
        raise UsageError(f"{file.name} needs {package} to be read; pip install {package}") from None
    except Exception as error:
        gist = next(iter(str(error).strip().splitlines()), type(error).__name__).rstrip(".")
        raise DataError(f"{file.name} cannot be read as a {suffix} file: {gist}") from None
    if no_header:
        frame.columns = [str(i + 1) for i in range(frame.shape[1])]
    return memory.from_frame(frame, first_row=row, title=file.name)
