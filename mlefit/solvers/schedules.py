"""How the learning rate changes over the steps of a training run."""

from __future__ import annotations

from collections.abc import Callable
from math import cos, pi
from typing import Final


def constant(step: int, total: int) -> float:
    """1 throughout."""
    return 1.0


def cosine(step: int, total: int) -> float:
    """From 1 at step 0 down to 0 at step `total` (Loshchilov and Hutter 2017, equation 5)."""
    return 0.5 * (1 + cos(pi * min(step, total) / max(total, 1)))


SCHEDULES: Final[dict[str, Callable[[int, int], float]]] = {"constant": constant, "cosine": cosine}
