"""Numbers and foreign text as a terminal may safely show them."""

from __future__ import annotations

import math
import unicodedata
from typing import Any, Final


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
