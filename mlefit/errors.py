"""What mlefit says to a person when it cannot go on: one plain sentence and an exit status."""

from __future__ import annotations

from collections.abc import Callable, Iterable


class MlefitError(Exception):
    """Any failure that has been explained in one sentence."""

    exit_code = 1


class DataError(MlefitError):
    """The data or the fit failed."""

    exit_code = 1


class UsageError(MlefitError):
    """The command was asked something it cannot do."""

    exit_code = 2


class LackingError(UsageError, NotImplementedError):
    """A family lacks what was asked of it, such as a quantile function."""


def nearest(
    name: str, known: Iterable[str], otherwise: str, *, before: str = "", after: str = "", cutoff: float = 0.6
) -> str:
    """How a sentence about an unknown name ends: what may have been meant, or `otherwise` where nothing is like it."""
    from difflib import SequenceMatcher, get_close_matches

    spelt = {each.lower(): each for each in known}
    for near in get_close_matches(name.lower(), spelt, 5, cutoff):
        # A short word has most of its letters in many a longer one: a slip leaves some of them side by side, and
        # the beginning or the end in place.
        whole = SequenceMatcher(None, name.lower(), near).find_longest_match().size
        ends = name[:1].lower() == near[0] or name[-1:].lower() == near[-1]
        slip = sorted(name.lower()) == sorted(near)
        if slip or (ends and 2 * whole >= min(len(name), len(near))):
            return f"did you mean {before}{spelt[near]}{after}?"
    return otherwise


def named_arguments(function: Callable[..., object]) -> tuple[str, ...]:
    """The names of a function's arguments, in order."""
    import inspect

    parameters = inspect.signature(function).parameters
    return tuple(name for name, each in parameters.items() if each.kind is not each.VAR_KEYWORD)


def no_option(name: str, known: Iterable[str], function: str, **words: str) -> str:
    """What to say of a keyword argument that a function does not take.

    Args:
        name: the argument.
        known: those that it takes.
        function: its name.
        **words: what arguments are called that have another name in the command.
    """
    meant = f"did you mean {words[name]}?" if name in words else nearest(name, known, f"it takes {', '.join(known)}")
    return f"{function} has no option {name!r}; {meant}"


def no_level(level: float, what: str = "a level") -> str:
    """What to say of a level that is no probability, such as one in per cent."""
    wanted = f"{what} lies between 0 and 1"
    return (
        f"{wanted}; did you mean {level / 100:g}?" if 1 < level < 100 else f"{wanted}, such as 0.95; {level:g} does not"
    )
