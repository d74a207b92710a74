"""What every benchmark shares: two things timed in turn, whole processes by the system's own account, one table."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

import mlefit


class Cost(NamedTuple):
    """Median seconds of processor and of wall clock, and the peak memory in MB (whole processes only)."""

    cpu: float
    wall: float
    peak: float = math.nan


def in_turn(
    first: Callable[[], Any], second: Callable[[], Any], runs: int = 3
) -> tuple[Cost, Cost, float, tuple[Any, Any]]:
    """Both calls A B A B ...: their costs, the median of the pairs' ratios B/A of processor time, the last results."""
    costs: tuple[list[Cost], list[Cost]] = ([], [])
    results: list[Any] = [None, None]
    for _ in range(runs):
        for i, call in enumerate((first, second)):
            cpu, wall = time.process_time(), time.perf_counter()
            results[i] = call()
            costs[i].append(Cost(time.process_time() - cpu, time.perf_counter() - wall))
    return _middle(costs[0]), _middle(costs[1]), _ratio(costs), (results[0], results[1])


def processes_in_turn(
    first: Sequence[str], second: Sequence[str], runs: int = 5, folder: Any = None
) -> tuple[Cost, Cost, float]:
    """The same of two command lines run in `folder`, each once before without being counted."""
    costs: tuple[list[Cost], list[Cost]] = ([], [])
    for run in range(runs + 1):
        for i, command in enumerate((first, second)):
            cost = process(command, folder)
            if run:
                costs[i].append(cost)
    return _middle(costs[0]), _middle(costs[1]), _ratio(costs)


# A process that stays small, since the system counts the memory of whoever starts a command as the command's peak.
WATCH = """
import json, os, subprocess, sys, time
wall = time.perf_counter()
running = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
_, status, usage = os.wait4(running.pid, 0)
wall = time.perf_counter() - wall
print(json.dumps([os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / 1024]))
"""


def process(command: Sequence[str], folder: Any = None) -> Cost:
    """One run of a command, as the system accounts for it once it has ended."""
    # Byte code that an installed package has is kept for this checkout too.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPATH"] = str(Path(mlefit.__file__).parents[1])
    watched = [sys.executable, "-c", WATCH, *map(str, command)]
    ran = subprocess.run(watched, stdout=subprocess.PIPE, text=True, env=environment, cwd=folder, check=True)
    status, cpu, wall, peak = json.loads(ran.stdout)
    assert status == 0, command
    return Cost(cpu, wall, peak)


def geometric_mean(ratios: Sequence[float]) -> float:
    return math.exp(sum(map(math.log, ratios)) / len(ratios))


def show(title: str, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print a table of figures: numbers to three digits, log-likelihoods (given as text) as they are."""
    table = Table(title=title, title_justify="left", title_style="bold")
    for i, name in enumerate(header):
        table.add_column(name, justify="right" if i else "left")
    for row in rows:
        table.add_row(*(f"{cell:.3g}" if isinstance(cell, float) else str(cell) for cell in row))
    console = Console(width=140)
    console.print()
    console.print(table)


def _middle(costs: Sequence[Cost]) -> Cost:
    return Cost(*(median(values) for values in zip(*costs, strict=True)))


def _ratio(costs: tuple[Sequence[Cost], Sequence[Cost]]) -> float:
    return median(b.cpu / a.cpu for a, b in zip(*costs, strict=True))
