"""The columns that a model predicts from, as roles of a request, and what was read as a model takes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mlefit import reading
from mlefit.inference.encoding import Codes, Column


def roles(features: Sequence[str], kinds: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Roles x0, x1 ... of the features: numeric ones and labels. An expression is taken for a number."""
    numeric: dict[str, str] = {}
    labels: dict[str, str] = {}
    for i, name in enumerate(features):
        (labels if kinds.get(name) in ("text", "date") else numeric)[f"x{i}"] = name
    return numeric, labels


def columns_of(table: reading.Table, names: Sequence[str]) -> list[Column]:
    """The columns of these roles as the encoding takes them."""
    return [
        table.numeric[name] if name in table.numeric else Codes(table.labels[name].codes, table.labels[name].levels)
        for name in names
    ]
