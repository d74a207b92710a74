"""What a shell may offer for the beginning of a word; nothing is loaded before it asks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final


def of(words: Iterable[str]) -> Callable[[str], list[str]]:
    """What to offer of some words."""
    known = list(words)

    def complete(incomplete: str) -> list[str]:
        return matching(known, incomplete)

    return complete


def matching(words: Sequence[str], incomplete: str) -> list[str]:
    """Words for the last place of a list that commas separate."""
    before, comma, last = incomplete.rpartition(",")
    return [f"{before}{comma}{word}" for word in words if word.startswith(last)]


def families(incomplete: str) -> list[str]:
    """Families by name, those of installed plugins too."""
    from mlefit.families import registry

    return matching(registry.names(), incomplete)


def losses(incomplete: str) -> list[str]:
    """Losses, then families."""
    from mlefit.families import registry
    from mlefit.families.losses import LOSSES

    return matching(list(dict.fromkeys([*LOSSES, *registry.names()])), incomplete)


def columns(ctx: Any, incomplete: str) -> list[str]:
    """The columns of DATA, once it is on the line and can be read."""
    from mlefit.errors import MlefitError
    from mlefit.reading import Request

    given = ctx.params.get("data") or ctx.args  # the words of a line that breaks off are not told apart yet
    for path in [given] if isinstance(given, str) else reversed(given):
        try:
            return matching(Request(path).open().names, incomplete)
        except MlefitError:
            continue
    return []


# What an option takes, by the word that stands for it in the help.
OFFERS: Final[dict[str, Callable[..., list[str]]]] = {"COLUMN": columns, "LOSS": losses, "FAMILY": families}
