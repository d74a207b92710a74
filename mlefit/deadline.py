"""A limit on the time that work may take, kept even inside a single slow call of somebody else's code.

On the main thread of a POSIX system a timer's signal ends the work between two steps of the interpreter, so that a
density that is an integral computed in Python is left in the middle. Elsewhere the limit holds only where the work
looks at the clock itself, by `check`. Limits nest: the earlier end counts, and a timer that was running before runs on.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final

SOON: Final = 0.01  # seconds; a timer of less might ring before anything is ready for it
AGAIN: Final = 0.25  # seconds until the signal is given anew, should code in a destructor have swallowed it


class Expired(BaseException):
    """Time is up. No `Exception`, lest somebody's `except Exception` goes on as if nothing had happened."""


class _Limit:
    def __init__(self, end: float) -> None:
        self.end, self.open = end, True


_running = threading.local()


def interrupts() -> bool:
    """Whether a limit set here ends a call that never looks at the clock."""
    return hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()


def left() -> float:
    """Seconds until the nearest end, infinite where there is no limit; negative where it has passed."""
    return min((limit.end for limit in _limits()), default=float("inf")) - time.monotonic()


def check() -> None:
    """Raise where time is up and no signal says so.

    Where one does, it alone raises: a second exception could come while the first unwinds, and end a limit's own end.

    Raises:
        Expired: it is.
    """
    if interrupts():
        return
    now = time.monotonic()
    for limit in _limits():
        if limit.open and now > limit.end:
            raise Expired


def _limits() -> list[_Limit]:
    if not hasattr(_running, "limits"):
        _running.limits = []
    found: list[_Limit] = _running.limits
    return found


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Do what is inside, for so many seconds at most.

    Raises:
        TimeoutError: it took longer.
    """
    limits = _limits()
    begun = time.monotonic()
    limit = _Limit(begun + seconds)
    if limit.end == float("inf") or (limits and limits[-1].end <= limit.end):  # the one outside ends this too
        yield
        return
    if seconds <= SOON:
        raise TimeoutError
    around = limits[-1:]
    limits.append(limit)
    restore = _timed(limit, seconds) if interrupts() else None
    try:
        try:
            yield
        finally:
            limit.open = False  # from here on the signal does nothing
    except Expired:
        if around and time.monotonic() > around[0].end:
            raise  # the limit outside has passed as well
        raise TimeoutError from None
    finally:
        if limit in limits:  # or one outside has ended this one already
            del limits[limits.index(limit) :]
            if restore is not None:
                _restored(*restore, time.monotonic() - begun)


def _timed(limit: _Limit, seconds: float) -> tuple[Any, float, float]:
    """Set the timer; what was set before: its handler, the seconds it had left, and its interval."""

    def ring(_: int, __: FrameType | None) -> None:
        if limit.open and time.monotonic() >= limit.end:
            raise Expired

    handler = signal.signal(signal.SIGALRM, ring)
    ahead, interval = signal.setitimer(signal.ITIMER_REAL, seconds, AGAIN)
    return handler, ahead, interval


def _restored(handler: Any, ahead: float, interval: float, passed: float) -> None:
    signal.setitimer(signal.ITIMER_REAL, 0.0)
    # None: set by code that is not Python's, which Python cannot set again.
    signal.signal(signal.SIGALRM, signal.SIG_DFL if handler is None else handler)
    if ahead > 0:  # an alarm that fell due in the meantime is given at once
        signal.setitimer(signal.ITIMER_REAL, max(ahead - passed, 1e-6), interval)
