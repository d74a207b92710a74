"""A blank figure in mlefit's one style, and the one way to save it: whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from mlefit.errors import DataError, UsageError
from mlefit.report.text import harmless

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS: Final = (".png", ".svg", ".pdf")
DATA: Final = "#b8c4d4"  # bars of data
MODEL: Final = "#c8452d"  # what was fitted
INK: Final = "#2b3440"
SECOND: Final = "#2f6f9f"

_STYLE: Final[dict[Any, Any]] = {
    "font.size": 11, "axes.titlesize": 12, "axes.labelsize": 11, "axes.titlelocation": "left",
    "axes.spines.top": False, "axes.spines.right": False, "axes.edgecolor": INK, "axes.labelcolor": INK,
    "text.color": INK, "xtick.color": INK, "ytick.color": INK, "axes.grid": True, "grid.color": "#e6e9ee",
    "axes.axisbelow": True, "legend.frameon": False, "svg.fonttype": "none", "text.parse_math": False,
    "axes.unicode_minus": True,
}  # fmt: skip


# Families that have the letters the first lacks; those that are installed follow it.
_OTHERS: Final = (
    "Noto Sans CJK JP", "Noto Sans CJK SC", "Source Han Sans", "WenQuanYi Zen Hei", "WenQuanYi Micro Hei",
    "Droid Sans Fallback", "Microsoft YaHei", "SimHei", "Yu Gothic", "MS Gothic", "Malgun Gothic", "Hiragino Sans",
    "PingFang SC", "Arial Unicode MS", "Unifont",
)  # fmt: skip


def _style() -> dict[Any, Any]:
    from matplotlib.font_manager import fontManager

    installed = set(fontManager.get_font_names())
    return {**_STYLE, "font.family": ["DejaVu Sans", *(name for name in _OTHERS if name in installed)]}


def short(name: object, most: int = 60) -> str:
    """Text from a file that no picture interprets, cut to what a label has room for."""
    text = harmless(name)
    return text if len(text) <= most else f"{text[: most - 1]}…"


def lines(parts: Sequence[str], width: int) -> str:
    """Parts side by side, as many to a line as there is room for."""
    from textwrap import wrap

    glued = [part.replace(" ", "\N{NO-BREAK SPACE}") for part in parts]
    return "\n".join(wrap("   ".join(glued), width)).replace("\N{NO-BREAK SPACE}", " ")


def check_path(path: str) -> Path:
    """Where a plot may be written.

    Raises:
        UsageError: an ending that is not .png, .svg or .pdf.
        DataError: the folder does not exist.
    """
    target = Path(path)
    if target.suffix.lower() not in FORMATS:
        raise UsageError(f"a plot is a {', '.join(FORMATS[:-1])} or {FORMATS[-1]} file; {path!r} is none of them")
    if not target.resolve().parent.is_dir():
        raise DataError(f"there is no folder {target.parent} to write the plot to")
    return target


def new(rows: int = 1, columns: int = 1, *, width: float = 7.0, height: float = 4.6) -> tuple[Figure, list[Axes]]:
    """A figure of rows x columns axes, each `width` by `height` inches, in reading order."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(_style()):
        figure = Figure(figsize=(width * columns, height * rows), layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False)
    return figure, list(axes.ravel())


def by_factors(axes: Axes, which: Literal["x", "y"], low: float, high: float) -> None:
    """A logarithmic axis from low to high with plain numbers, for mathematical text is off."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.set(**{f"{which}scale": "log", f"{which}lim": (low, high)})
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high <= 1000 * low else (1.0,), numticks=10))
    axis.set_major_formatter(FuncFormatter(lambda value, place: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def save(figure: Figure, path: str) -> None:
    """Write a figure to a temporary file beside `path`, then rename it.

    Raises:
        UsageError, DataError: as `check_path`; or the file cannot be written.
    """
    from matplotlib import rc_context

    target = check_path(path)
    try:
        handle, temporary = tempfile.mkstemp(dir=target.resolve().parent, suffix=target.suffix.lower())
        os.close(handle)
        try:
            with rc_context(_style()):
                figure.savefig(temporary, dpi=150)
            mask = os.umask(0)
            os.umask(mask)
            os.chmod(temporary, 0o666 & ~mask)
            os.replace(temporary, target)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise DataError(f"{path} cannot be written: {(error.strerror or str(error)).lower()}") from None
