"""Progress on standard error, for work that takes long enough to wonder about."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock, Timer
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rich.progress import Progress

DELAY: Final = 1.0  # seconds of work before anything is shown

_busy: Final = Lock()


@contextmanager
def bar(what: str, total: float | None, unit: str) -> Iterator[Callable[[float], None]]:
    """A bar that appears once the work has taken a second and goes when it is done; work inside work has none."""
    if not _busy.acquire(blocking=False):
        yield lambda amount: None
        return
    done = 0.0
    shown: list[Progress] = []

    def show() -> None:
        shown.append(_started(what, total, unit, done))

    def advance(amount: float) -> None:
        nonlocal done
        done += amount
        for progress in shown:
            progress.update(progress.task_ids[0], completed=done)

    timer = Timer(DELAY, show)
    timer.daemon = True
    timer.start()
    try:
        yield advance
    finally:
        timer.cancel()
        timer.join()
        for progress in shown:
            progress.stop()
        _busy.release()


def _started(what: str, total: float | None, unit: str, done: float) -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    count = "{task.completed:,.0f}" + ("/{task.total:,.0f}" if total is not None else "") + f" {unit}"
    columns = (SpinnerColumn(), TextColumn(what), *((BarColumn(),) if total is not None else ()), TextColumn(count))
    progress = Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True), transient=True)
    progress.add_task(what, total=total, completed=int(done))
    progress.start()
    return progress
