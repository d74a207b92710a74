"""Quantiles of integer-valued distributions, from their tails."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mlefit.families.links import Array

EPSILON: Final = float(np.finfo(float).eps)
ROUNDS: Final = 1100  # doublings or halvings that take any double to any other


def smallest(
    log_cdf: Callable[[Array], Array],
    log_sf: Callable[[Array], Array],
    q: Array,
    guess: Array,
    width: Array,
    upper: Array | float = np.inf,
) -> Array:
    """The smallest integer y in 0 ... `upper` with P(Y <= y) >= q, up to the rounding of q.

    Args:
        log_cdf, log_sf: the two tails as functions of y; the smaller one decides.
        q: probabilities; NaN outside [0, 1].
        guess, width: where to look first, and how wide. All three broadcast.
    """
    q, guess, width, upper = (np.array(v) for v in np.broadcast_arrays(*np.broadcast_arrays(q, guess, width), upper))
    with np.errstate(all="ignore"):
        log_q, complement = np.log(q), 1 - q
        below = log_q - 4 * EPSILON * (1 + np.abs(log_q))
        above = complement + EPSILON * (0.5 + 4 * complement * (1 + np.abs(np.log(complement))))

        def reached(y: Array) -> NDArray[np.bool_]:
            return np.where(q <= 0.5, log_cdf(y) >= below, np.exp(log_sf(y)) <= above)

        guess = np.where(np.isfinite(guess), np.clip(np.floor(guess), 0.0, upper), 0.0)
        step = np.where(np.isfinite(width), np.maximum(np.ceil(width), 1.0), 1.0)
        proper = (q > 0) & (q < 1)
        high, stride = guess.copy(), step.copy()
        for _ in range(ROUNDS):
            short = proper & ~reached(high) & (high < upper)
            if not np.any(short):
                break
            high = np.where(short, np.minimum(high + stride, upper), high)
            stride = np.where(short, 2 * stride, stride)
        low, stride = np.minimum(guess, high) - 1, step
        for _ in range(ROUNDS):
            long = proper & (low >= 0) & reached(np.maximum(low, 0.0))
            if not np.any(long):
                break
            high = np.where(long, low, high)
            low = np.where(long, np.maximum(low - stride, -1.0), low)
            stride = np.where(long, 2 * stride, stride)
        for _ in range(ROUNDS):
            middle = np.floor((low + high) / 2)
            open_ = proper & (middle > low) & (middle < high)
            if not np.any(open_):
                break
            enough = reached(middle)
            high = np.where(open_ & enough, middle, high)
            low = np.where(open_ & ~enough, middle, low)
        return np.where(proper, high, np.where(q == 0, 0.0, np.where(q == 1, upper, np.nan)))
