"""Numbers and foreign text as a terminal may safely show them."""

from __future__ import annotations

import math
import unicodedata
from typing import Any, Final

EXACT: Final = 12  # digits of a number that is short
LONGEST: Final = 15  # digits that a double holds whatever the number


def harmless(value: object) -> str:
    """Text from a file with everything a terminal would obey made visible: \\x1b for escape, \\n for a newline."""
    text = str(value)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == " " else _visible(c) for c in text)


def _visible(character: str) -> str:
    if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"):
        return character.encode("unicode_escape").decode("ascii")
    return character  # other white space


_DRAWN: Final = {
    "–": "-", "—": "-", "−": "-", "∞": "inf", "Δ": "d", "±": "+/-", "×": "x", "·": "*", "…": "...", "≤": "<=",
    "≥": ">=", "²": "2", "’": "'",
}  # fmt: skip


def drawn(text: str) -> str:
    """Rules, bars and mathematical signs in ASCII; what has no such likeness stays."""
    return "".join(_DRAWN.get(c) or _line(unicodedata.name(c, "")) or c for c in text)


def _line(name: str) -> str:
    """The likeness of a rule or bar, by its Unicode name; "" for anything else."""
    if name.startswith("BOX DRAWINGS"):
        kinds = "HORIZONTAL" in name, "VERTICAL" in name
        return "-" if kinds == (True, False) else "|" if kinds == (False, True) else "+"
    return "#" if name.endswith((" BLOCK", " SHADE")) else ""


def significant(value: float | None, digits: int = 6) -> str:
    """A number to so many significant digits; a dash for one that does not exist."""
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    return f"{value:.{digits}g}"


def precise(value: float | None, error: float | None = None, digits: int = 6, kept: int = 2) -> str:
    """A number to as many significant digits as its standard error calls for, at least `digits`, at most 15.

    `kept` digits of the error are told apart. Without an error a number that is short, as those of data are, is
    written out: 1000000000.1.
    """
    if value is None or not _known(error):
        short = significant(value, EXACT)
        return short if value is None or math.isnan(value) or float(short.replace("∞", "inf")) == value else (
            significant(value, digits)
        )  # fmt: skip
    return significant(value, _digits(value, float(error or 0), digits, kept))


def estimated(estimate: float, error: float, *limits: float) -> list[str]:
    """An estimate, its standard error and its limits, to the digits that the error, or else the limits, call for.

    An infinite error says no more than none.
    """
    unit = error if _known(error) or not limits else (limits[1] - limits[0]) / 4
    shown = [precise(estimate, unit), significant(error if math.isfinite(error) else None)]
    if not _known(unit):
        return shown + [precise(limit) for limit in limits]
    most = _digits(estimate, unit) + 1  # a limit that is far away, such as 1e260, has no more
    return shown + [significant(limit, min(_digits(limit, unit), most)) for limit in limits]


def _known(error: float | None) -> bool:
    return error is not None and math.isfinite(error) and error > 0


def _digits(value: float, error: float, least: int = 6, kept: int = 2) -> int:
    """How many digits of a value its error leaves sure, and `kept` of those that it does not."""
    if not math.isfinite(value) or not value:
        return least
    wanted = math.floor(math.log10(abs(value))) - math.floor(math.log10(error)) + kept
    return min(max(least, wanted), LONGEST)


def total(value: float | None) -> str:
    """A log-likelihood or criterion: four decimals, so that differences can be read off."""
    if value is None or not math.isfinite(value):
        return significant(value)
    return f"{value:.4f}" if abs(value) < 1e9 else f"{value:.12g}"


def cell(value: Any) -> str:
    """Any value of a record as a table cell."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return significant(value)
    return harmless(value)
