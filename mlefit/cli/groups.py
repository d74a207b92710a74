"""Options that belong together as one value: a command's parameter may be a frozen dataclass of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import wraps
from inspect import Parameter, Signature, signature
from typing import Any, get_type_hints


def spread(command: Callable[..., Any]) -> Callable[..., Any]:
    """The command as Typer reads it: in place of every dataclass stand its fields, an option each."""
    hints = get_type_hints(command, include_extras=True)
    options: list[Parameter] = []
    groups: dict[str, type] = {}
    for one in signature(command).parameters.values():
        kind = hints[one.name]
        if not is_dataclass(kind):
            options.append(one.replace(annotation=kind, kind=Parameter.KEYWORD_ONLY))
            continue
        assert isinstance(kind, type)
        groups[one.name] = kind
        defaults = kind() if one.default is Parameter.empty else one.default
        types = get_type_hints(kind, include_extras=True)
        options += [
            Parameter(f.name, Parameter.KEYWORD_ONLY, default=getattr(defaults, f.name), annotation=types[f.name])
            for f in fields(kind)
        ]

    @wraps(command)
    def spread_out(**values: Any) -> Any:
        for name, kind in groups.items():
            values[name] = kind(**{f.name: values.pop(f.name) for f in fields(kind)})
        return command(**values)

    spread_out.__signature__ = Signature(options)  # type: ignore[attr-defined]
    spread_out.__annotations__ = {option.name: option.annotation for option in options}
    return spread_out
