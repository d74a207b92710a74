"""What may be written of a density of one's own beside its formula: where its parameters and its values can lie."""

from __future__ import annotations

import re
from math import inf
from typing import Final

from mlefit.errors import UsageError
from mlefit.families import bounds
from mlefit.families.base import Parameter
from mlefit.families.expression import FUNCTIONS
from mlefit.families.support import Support

NUMBER: Final = r"[-+]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|inf)"
NAME: Final = r"[^\W\d]\w*"
PATTERN: Final = re.compile(
    rf"(?:(?P<low>{NUMBER})\s*(?P<after><=?)\s*)?(?P<name>{NAME})\s*(?:(?P<sign>[<>]=?)\s*(?P<bound>{NUMBER}))?"
)
WORDS: Final = {"integers": True, "integer": True, "counts": True, "numbers": False, "real": False, "all": False}


def parameter(text: str) -> Parameter:
    """A parameter from `name`, `name>0`, `name<b`, `a<name<b`; >= and <= mean the same as > and <.

    Raises:
        UsageError: it has no such form, or its name is a function's.
    """
    found = PATTERN.fullmatch(text.strip())
    if found is None or (found["low"] is not None and (found["sign"] or "<").startswith(">")):
        raise UsageError(f"--parameters takes name, name>0 or 0<name<1; {text.strip()!r} is none of these")
    name = found["name"]
    if name in FUNCTIONS or name == "y":
        raise UsageError(f"{name!r} cannot be a parameter: it is {'the column' if name == 'y' else 'a function'}")
    lower, upper = _ends(found)
    if not lower < upper:
        raise UsageError(f"the parameter {text.strip()!r} has no values: {lower:g} is not below {upper:g}")
    return Parameter(name, bounds.link(lower, upper))


def support(text: str, column: str = "y") -> Support:
    """The values of a density from `y>0`, `0<=y<=1`, `all`, `integers`, `integers y>=0`.

    Raises:
        UsageError: it has no such form, or names another column than the one fitted.
    """
    word, _, rest = text.strip().partition(" ")
    integer = WORDS.get(word.lower())
    condition = rest.strip() if integer is not None else text.strip()
    if word.lower() == "counts":
        condition = condition or f"{column}>=0"
    if not condition and integer is not None:
        return Support(integer=integer)
    found = PATTERN.fullmatch(condition)
    if found is None or (found["low"] is not None and (found["sign"] or "<").startswith(">")):
        raise UsageError(
            f'--support takes "y>0", "0<=y<=1", "all", "integers" or "integers y>=0"; {text.strip()!r} is none of these'
        )
    if found["name"] not in (column, "y"):
        raise UsageError(f"--support is about {column}, the column that is fitted, not {found['name']!r}")
    lower, upper = _ends(found)
    open_low = found["after"] == "<" or found["sign"] == ">"
    open_high = found["sign"] == "<"
    if integer:
        lower, upper = _whole(lower, open_low, 1), _whole(upper, open_high, -1)
        open_low = open_high = False
    if not lower < upper:
        raise UsageError(f"the support {text.strip()!r} has no values: {lower:g} is not below {upper:g}")
    return Support(lower, upper, open_low, open_high, bool(integer))


def written(values: Support) -> str:
    """A support as `support` reads it."""
    low, high = "<" if values.lower_open else "<=", "<" if values.upper_open else "<="
    if values.lower == -inf and values.upper == inf:
        return "integers" if values.integer else "all"
    kind = "integers " if values.integer else ""
    left = "" if values.lower == -inf else f"{float(values.lower)!r}{low}"
    right = "" if values.upper == inf else f"{high}{float(values.upper)!r}"
    return f"{kind}{left}y{right}"


def _ends(found: re.Match[str]) -> tuple[float, float]:
    sign, end = found["sign"] or "", float(found["bound"] or 0)
    lower = float(found["low"]) if found["low"] is not None else end if sign.startswith(">") else -inf
    return lower, end if sign.startswith("<") else inf


def _whole(end: float, is_open: bool, inward: int) -> float:
    """The last integer at an end."""
    from math import ceil, floor, isinf

    if isinf(end):
        return end
    nearest = float(ceil(end) if inward > 0 else floor(end))
    return nearest + inward if is_open and nearest == end else nearest
