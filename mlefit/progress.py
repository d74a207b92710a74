"""How far long work is: told to whoever watches, which is nobody unless a command on a terminal does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import TypeVar

Item = TypeVar("Item")
# Given what is done, how much of it there is (None: not known) and its unit; gives what is called with each part done.
Watcher = Callable[[str, "float | None", str], AbstractContextManager[Callable[[float], None]]]

_watcher: ContextVar[Watcher | None] = ContextVar("watcher", default=None)


@contextmanager
def watched(by: Watcher) -> Iterator[None]:
    """Tell `by` of all the work that is done inside."""
    token = _watcher.set(by)
    try:
        yield
    finally:
        _watcher.reset(token)


def steps(
    items: Iterable[Item],
    what: str,
    total: float | None = None,
    unit: str = "",
    size: Callable[[Item], float] = lambda _: 1.0,
) -> Iterator[Item]:
    """The items, each counted for its `size` once it has been dealt with."""
    watcher = _watcher.get()
    if watcher is None:
        yield from items
        return
    with watcher(what, total, unit) as advance:
        for item in items:
            yield item
            advance(size(item))
