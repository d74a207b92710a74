"""How the texts of options become values: lists of names, numbers by name, one of several choices."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

from mlefit.errors import UsageError, nearest


def split(text: str) -> list[str]:
    """Comma-separated names, not split inside brackets, parentheses or quotes."""
    parts, depth, quote, current = [], 0, "", ""
    for c in text:
        if quote:
            quote = "" if c == quote else quote
        elif c in "'\"":
            quote = c
        elif c in "([":
            depth += 1
        elif c in ")]":
            depth -= 1
        if c == "," and depth == 0 and not quote:
            parts.append(current.strip())
            current = ""
        else:
            current += c
    return [part for part in [*parts, current.strip()] if part]


def names(texts: Sequence[str] | None, known: Callable[[], Collection[str]] = tuple) -> list[str]:
    """Names given as repeated options, comma-separated lists, or both; one that is `known` as it stands is one name."""
    return [part for item in texts or () for part in ([item] if "," in item and item in known() else split(item))]


def pairs(texts: Sequence[str] | None, option: str) -> dict[str, float]:
    """`name=number` texts, also several in one separated by commas.

    Raises:
        UsageError: not of that form, or one name twice.
    """
    found: dict[str, float] = {}
    for text in names(texts):
        name, equals, value = text.rpartition("=")
        try:
            once(found, name.strip(), option)[name.strip()] = float(value)
        except ValueError:
            equals = ""
        if not equals or not name.strip():
            raise UsageError(f"{option} takes name=number, such as {option} sigma=1; {text!r} is not that")
    return found


def once(found: dict[str, Any], name: str, option: str) -> dict[str, Any]:
    """What was found so far, if it lacks this name.

    Raises:
        UsageError: it does not; which of two values is meant is anyone's guess.
    """
    if name in found:
        raise UsageError(f"{option} was given twice for {name}")
    return found


def assigned(texts: Sequence[str] | None, option: str, form: str, example: str) -> dict[str, str]:
    """`name=text` texts, a name each.

    Raises:
        UsageError: not of that form, of which the sentence gives the example, or one name twice.
    """
    found: dict[str, str] = {}
    for text in texts or ():
        name, equals, value = text.partition("=")
        if not equals or not name.strip() or not value.strip():
            raise UsageError(f"{option} takes {form}, such as {option} {example}; {text!r} is not that")
        once(found, name.strip(), option)[name.strip()] = value.strip()
    return found


def probabilities(texts: Sequence[str] | None, example: str) -> list[float]:
    """Quantile levels given as repeated options, comma-separated lists, or both.

    Raises:
        UsageError: not numbers.
    """
    try:
        return [float(text) for text in names(texts)]
    except ValueError:
        given = ",".join(texts or ())
        raise UsageError(f"--quantile takes probabilities such as {example}; {given!r} is not that") from None


def chosen(value: str, choices: Sequence[str], option: str) -> Any:
    """`value` if it is one of `choices`.

    Raises:
        UsageError: it is not; the nearest is suggested.
    """
    if value in choices:
        return value
    hint = nearest(value, choices, f"choose one of {', '.join(choices)}")
    raise UsageError(f"{option} {value!r} is not known; {hint}")
