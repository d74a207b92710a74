"""Rows as tables for a paper: markdown and LaTeX, with the digits that a person reads."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from mlefit.report.text import harmless, precise, significant, total

Row = Mapping[str, Any]

WIDEST: Final = 40  # characters up to which the cells of a column are padded to line up in the source

_LATEX: Final = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': "''",
    "–": "--", "—": "---", "−": "$-$", "·": r"$\cdot$", "⋅": r"$\cdot$", "×": r"$\times$", "±": r"$\pm$",
    "√": r"$\surd$",
    "≤": r"$\le$", "≥": r"$\ge$", "≠": r"$\ne$", "≈": r"$\approx$", "∞": r"$\infty$", "∂": r"$\partial$",
    "∑": r"$\sum$", "∏": r"$\prod$", "∫": r"$\int$", "∈": r"$\in$", "→": r"$\to$", "⇒": r"$\Rightarrow$",
    "′": "$'$", "…": r"\dots{}", "ϕ": r"$\phi$", "ϵ": r"$\epsilon$", "½": r"$\frac{1}{2}$", "ℓ": r"$\ell$",
    "⌊": r"$\lfloor$", "⌋": r"$\rfloor$", "⌈": r"$\lceil$", "⌉": r"$\rceil$", "∝": r"$\propto$", "∼": r"$\sim$",
    "°": r"$^{\circ}$", "µ": r"$\mu$", "\N{COMBINING CIRCUMFLEX ACCENT}": "", "\N{COMBINING MACRON}": "",
}  # fmt: skip
# Greek letters that LaTeX has no command for look like Latin ones.
_LIKE_LATIN: Final = {
    "omicron": "o", "Alpha": "A", "Beta": "B", "Epsilon": "E", "Zeta": "Z", "Eta": "H", "Iota": "I", "Kappa": "K",
    "Mu": "M", "Nu": "N", "Omicron": "O", "Rho": "P", "Tau": "T", "Chi": "X",
}  # fmt: skip


def markdown(tables: Sequence[Sequence[Row]]) -> str:
    """Tables as GitHub's markdown and pandoc's pipe tables have them, a blank line between."""
    return "\n".join(_markdown(rows) for rows in tables if rows)


def latex(tables: Sequence[Sequence[Row]]) -> str:
    """`tabular` environments that pdfLaTeX takes without a package, a blank line between."""
    return "\n".join(_latex(rows) for rows in tables if rows)


def _cells(rows: Sequence[Row], escaped: Callable[[str], str]) -> tuple[list[list[str]], list[bool]]:
    """The header and the rows as text, and which columns are numbers alone."""
    header = list(dict.fromkeys(key for row in rows for key in row))
    numeric = [all(isinstance(row.get(name), int | float | None) for row in rows) for name in header]
    lines = [[escaped(harmless(name)) for name in header]]
    lines += [[escaped(_cell(name, row) if name in row else "") for name in header] for row in rows]
    return lines, numeric


def _cell(name: str, row: Row) -> str:
    """A value of a row: an estimate and its limits have the digits that the standard error beside them calls for."""
    if name in ("estimate", "ci_lower", "ci_upper") and row.get("std_error") and isinstance(row[name], float):
        return precise(row[name], row["std_error"])
    return _shown(name, row[name])


def _shown(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "–"
    if isinstance(value, float):
        criterion = name.endswith(("log_likelihood", "nll", "aic", "aicc", "bic"))
        return total(value) if criterion else significant(value)
    if isinstance(value, Mapping):
        return ", ".join(f"{key} = {_shown(key, item)}" for key, item in value.items())
    return harmless(value)


def _markdown(rows: Sequence[Row]) -> str:
    lines, numeric = _cells(rows, _markdown_text)
    widths = [max(3, *(len(line[j]) for line in lines)) for j in range(len(numeric))]

    def line(cells: Sequence[str]) -> str:
        placed = [
            cell if w > WIDEST else cell.rjust(w) if number else cell.ljust(w)
            for cell, w, number in zip(cells, widths, numeric, strict=True)
        ]
        return "| " + " | ".join(placed) + " |"

    ruled = [("-" * (min(w, WIDEST) - 1) + (":" if number else "-")) for w, number in zip(widths, numeric, strict=True)]
    return "\n".join([line(lines[0]), "| " + " | ".join(ruled) + " |", *map(line, lines[1:]), ""])


def _markdown_text(text: str) -> str:
    """With a backslash before whatever markdown would take for markup; inside a word an underscore is none."""
    return re.sub(r"[\\`*\[<>|~$#&]|(?<![^\W_])_|_(?![^\W_])", r"\\\g<0>", text)


def _latex(rows: Sequence[Row]) -> str:
    lines, numeric = _cells(rows, latex_text)
    # After the \\ of the row before, LaTeX takes a star or a bracket for that command's own.
    guards = ["{}" if cells[0].lstrip()[:1] in ("*", "[") else "" for cells in lines]
    head, *body = [guard + " & ".join(cells) + r" \\" for guard, cells in zip(guards, lines, strict=True)]
    columns = "".join("r" if number else "l" for number in numeric)
    return "\n".join([rf"\begin{{tabular}}{{{columns}}}", r"\hline", head, r"\hline", *body, r"\hline",
                      r"\end{tabular}", ""])  # fmt: skip


def latex_text(text: str) -> str:
    """Any text as LaTeX sets it: its special characters escaped, Greek and mathematical signs as commands."""
    return "".join(map(_latex_character, unicodedata.normalize("NFC", text)))


def _latex_character(character: str) -> str:
    if character in _LATEX:
        return _LATEX[character]
    if character.isascii():
        return character
    if greek := re.fullmatch(r"GREEK (SMALL|CAPITAL) LETTER (?:FINAL )?(\w+)", unicodedata.name(character, "")):
        size, name = greek[1], greek[2].lower().replace("lamda", "lambda")
        name = name if size == "SMALL" else name.capitalize()
        return f"${_LIKE_LATIN.get(name, chr(92) + name)}$"
    kind, _, plain = unicodedata.decomposition(character).partition(" ")
    if kind in ("<super>", "<sub>"):
        raised = "^" if kind == "<super>" else "_"
        inside = "".join(chr(int(code, 16)) for code in plain.split())
        return f"${raised}{{{inside.replace(chr(0x2212), '-')}}}$"
    return character
