"""Bars on a terminal's standard error while work takes long, and nothing anywhere else."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

import mlefit
from mlefit.progress import steps, watched
from mlefit.report import progress

ROOT = Path(__file__).parents[2]
SCRIPT = """
import sys
from mlefit.report import progress
progress.DELAY = 0
from mlefit.cli import main
main()
"""


def on_terminal(arguments: list[str], stdin: int = subprocess.DEVNULL) -> tuple[int, str]:
    """Exit status and standard error of a command whose standard error is a terminal."""
    leader, follower = pty.openpty()
    command = [sys.executable, "-c", SCRIPT, *arguments]
    environment = {**os.environ, "TERM": "xterm", "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdin=stdin, stdout=subprocess.DEVNULL, stderr=follower, env=environment) as process:
        os.close(follower)
        seen = b""
        try:
            while block := os.read(leader, 1 << 16):
                seen += block
        except OSError:  # the terminal's other end is closed
            pass
    os.close(leader)
    return process.returncode, seen.decode()


LONG = [
    (["estimate", "{}", "-d", "gamma", "--interval", "bootstrap", "--replicates", "500"], "bootstrap"),
    (["estimate", "{}", "-d", "student-t", "--interval", "profile"], "profile limits"),
    (["estimate", "{}", "--where", "y > 0"], "reading"),
    (["compare", "{}", "-d", "normal,gamma"], "goodness of fit"),
]


@pytest.fixture
def long(table: Callable) -> Path:
    values = np.random.default_rng(1).gamma(3, size=30_000)
    return table("y", *map(repr, values.tolist()))


@pytest.mark.parametrize(("arguments", "said"), LONG, ids=lambda value: value if isinstance(value, str) else "")
def test_long_work_is_shown_on_a_terminal(long: Path, arguments: list[str], said: str) -> None:
    status, seen = on_terminal([part.format(long) for part in arguments])
    assert (status, said in seen) == (0, True)
    assert on_terminal([*(part.format(long) for part in arguments), "-q"]) == (0, "")


def test_a_slow_stream_is_shown() -> None:
    source = subprocess.Popen(["bash", "-c", "echo y; sleep 0.5; seq 9"], stdout=subprocess.PIPE)
    assert source.stdout is not None
    status, seen = on_terminal(["estimate"], source.stdout.fileno())
    source.communicate()
    assert (status, "reading standard input" in seen) == (0, True)


def test_quick_work_shows_nothing(mlefit: Callable, table: Callable) -> None:
    with watched(progress.bar):
        assert list(steps(range(5), "count", 5)) == list(range(5))
        assert mlefit("estimate", table("y", "1", "2")).err == ""


def test_whoever_watches_is_told_of_every_part() -> None:
    told: list[object] = []

    @contextmanager
    def watcher(what: str, total: float | None, unit: str) -> Iterator[Callable[[float], None]]:
        told.append((what, total, unit))
        yield told.append
        told.append("done")

    with watched(watcher):
        mlefit.fit([1.0, 2.0, 4.0], "gamma", interval="bootstrap", replicates=50)
        list(steps("abc", "letters", size=lambda letter: ord(letter) - 96))
    assert told == [("bootstrap", 50, "replicates"), 50.0, "done", ("letters", None, ""), 1, 2, 3, "done"]
    assert list(steps("abc", "letters")) == ["a", "b", "c"]
    assert len(told) == 8
