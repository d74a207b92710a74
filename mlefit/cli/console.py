"""How the program speaks beside its results: messages and progress on standard error."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Final, TextIO

from mlefit.errors import DataError
from mlefit.report.text import harmless


@dataclass
class Settings:
    """How this run of the program speaks: set by the options --format and --quiet, read by `main`."""

    format: str = "table"
    quiet: bool = False


settings: Final = Settings()


def message(text: str, *, always: bool = False) -> None:
    """One line on standard error; -q silences all but errors."""
    if (always or not settings.quiet) and sys.stderr is not None:
        print(f"mlefit: {harmless(text)}", file=sys.stderr)


def output() -> TextIO:
    """Standard output.

    Raises:
        DataError: the caller has closed it.
    """
    if sys.stdout is None:
        raise DataError("standard output is closed, so there is nowhere to write the result")
    return sys.stdout


def progress_wanted() -> bool:
    """Whether standard error is a terminal whose owner has not asked for quiet."""
    return not settings.quiet and sys.stderr is not None and sys.stderr.isatty()


def progress() -> AbstractContextManager[None]:
    """Bars on standard error for whatever takes long inside, where that is a terminal; -q counts once it is read."""
    if sys.stderr is None or not sys.stderr.isatty():
        return nullcontext()
    from mlefit.progress import watched
    from mlefit.report.progress import bar

    def unless_quiet(what: str, total: float | None, unit: str) -> AbstractContextManager[Callable[[float], None]]:
        return nullcontext(lambda amount: None) if settings.quiet else bar(what, total, unit)

    return watched(unless_quiet)


def piped() -> bool:
    """Whether standard input is a file or a pipe rather than a terminal or nothing."""
    try:
        return sys.stdin is not None and not sys.stdin.isatty()
    except ValueError:  # closed
        return False


def unencodable(error: UnicodeError) -> tuple[str, int]:
    """What stands for characters that a stream's encoding lacks: drawn in ASCII in a table, else escaped as in JSON."""
    assert isinstance(error, UnicodeEncodeError)
    lost = error.object[error.start : error.end]
    if settings.format == "table":
        from mlefit.report.text import drawn

        lost = drawn(lost)
    units = (unit for c in lost for unit in ([c] if c.isascii() else _escaped(c)))
    return "".join(units), error.end


def _escaped(character: str) -> list[str]:
    pairs = character.encode("utf-16-be", "surrogatepass").hex()
    return [f"\\u{pairs[i : i + 4]}" for i in range(0, len(pairs), 4)]
