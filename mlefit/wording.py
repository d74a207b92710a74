"""Sentences for a caller in Python: what a command writes as `--fix sigma=1` is `fix={"sigma": 1}` there."""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar

from mlefit.errors import MlefitError

Given = ParamSpec("Given")
Found = TypeVar("Found")

# Values that sentences name after an option; any other word behind one belongs to the sentence.
VALUES: Final = (
    "wald", "profile", "bootstrap", "error", "discrete", "continuous", "bce", "cross-entropy", "mse", "categorical",
    "adam", "utf-16", "latin-1",
)  # fmt: skip
OPTION: Final = re.compile(
    r"--(?P<name>[a-z]+(?:-[a-z]+)*)"
    rf'(?: (?P<value>"[^"]*"|[\w\[\]]+=[^\s,;)]+|\d[\d.]*|(?:{"|".join(VALUES)})\b(?!-)))?'
)


def for_python(sentence: str, **words: str) -> str:
    """A sentence with its options as keyword arguments; `words` are those that have another name there."""

    def keyword(found: re.Match[str]) -> str:
        name = found["name"].replace("-", "_")
        name, value = words.get(name, name), found["value"]
        if value is None:
            return name
        left, tilde, right = value.strip('"').partition(" ~ ")
        if tilde and found["name"] == "formula":
            return f'{name}={{"{left}": "{right}"}}'
        if value.startswith('"') or value[0].isdigit():
            return f"{name}={value}"
        left, equals, right = value.partition("=")
        if not equals:
            return f'{name}="{value}"'
        return f'{name}={{"{left}": {right if right[0] in "-.0123456789" else repr(right)}}}'

    return OPTION.sub(keyword, sentence)


def in_python(**words: str) -> Callable[[Callable[Given, Found]], Callable[Given, Found]]:
    """A function of the Python interface whose errors, and whose fits' warnings, speak of keyword arguments."""

    def decorate(function: Callable[Given, Found]) -> Callable[Given, Found]:
        @functools.wraps(function)
        def call(*args: Given.args, **kwargs: Given.kwargs) -> Found:
            try:
                found = function(*args, **kwargs)
            except MlefitError as error:
                error.args = (for_python(str(error), **words),)
                raise
            return _reworded(found, words)

        return call

    return decorate


def _reworded(found: Found, words: dict[str, str]) -> Found:
    """A fit, or a list of them, with its warnings reworded."""
    if isinstance(found, list):
        return [_reworded(each, words) for each in found]  # type: ignore[return-value]
    warnings = getattr(found, "warnings", ())
    if not any("--" in warning for warning in warnings):
        return found
    said = tuple(for_python(warning, **words) for warning in warnings)
    return dataclasses.replace(found, warnings=said)  # type: ignore[type-var]
