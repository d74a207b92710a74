"""Newton's method on many small problems at once, safeguarded.

Each problem has its own step and line search; those that have converged leave the batch. The Hessian is scaled
by its diagonal and its eigenvalues are taken by magnitude, so that every step descends (Nocedal and Wright 2006,
section 3.4), and a step that does not decrease the value enough is halved (Armijo, ibid. section 3.1).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from mlefit.solvers.solution import Array, Index, Objective, Solution, Sums

TOLERANCE: Final = 1e-10  # of the decrement: a ten-billionth of a standard error
NOISE: Final = 1e-4  # a decrement below this that no longer shrinks is rounding error, not distance
ARMIJO: Final = 1e-4
ROUNDING: Final = 1e-12  # relative; values closer than this are told apart by their slopes
HALVINGS: Final = 45
MOST: Final = 200  # steps, after which a problem is given up


@np.errstate(all="ignore")  # a trial point may be anything: what is not finite is refused where it is judged
def newton(
    objective: Objective,
    start: Array,
    *,
    which: Index | None = None,
    held: NDArray[np.bool_] | None = None,
    step: Array | None = None,
    last: Array | float = 0.0,
    sums: Sums | None = None,
    max_iterations: int = MOST,
) -> Solution:
    """Minimise a batch of problems.

    Args:
        objective: gives value, gradient and Hessian for any subset of the problems.
        start: (P, p) first points.
        which: (P,) the number of the problem that each row of `start` belongs to; 0 to P - 1 by default.
        held: (p,) or (P, p) coordinates that stay where they start.
        step: (p,) the largest change of each coordinate in one iteration.
        last: decrement, or (P,) of them, from which one step more is the last and its end is not looked at: Newton's
            steps converge quadratically, so the end is known well enough where the decrement is small enough. The sums
            and the decrement are then those before that step.
        sums: those at `start`, where they are known already.
        max_iterations: steps after which a problem is given up.
    """
    theta = np.array(start, dtype=float)
    count, size = theta.shape
    numbers = np.arange(count, dtype=np.intp) if which is None else which
    frozen = np.broadcast_to(np.zeros(size, dtype=bool) if held is None else held, theta.shape)
    limit = np.full(size, np.inf) if step is None else step
    final = np.broadcast_to(np.asarray(last, dtype=float), count)
    sums = sums or objective.sums(theta, numbers)
    value, gradient, hessian = sums.value.copy(), sums.gradient.copy(), sums.hessian.copy()
    iterations = np.zeros(count, dtype=np.intp)
    decrement = np.full(count, np.inf)
    live = np.arange(count)
    while live.size:
        direction, now = _direction(gradient[live], hessian[live], frozen[live])
        before, decrement[live] = decrement[live], now
        settled = (now <= TOLERANCE) | ((now <= NOISE) & (now > 0.3 * before))
        done = settled | (iterations[live] >= max_iterations) | ~np.isfinite(value[live])
        shrink = np.nanmin(np.where(direction != 0, limit / np.abs(direction), np.inf), axis=1, initial=1.0)
        direction *= shrink[:, None]
        ending = ~done & (now <= final[live])
        theta[live[ending]] += direction[ending]
        iterations[live[ending]] += 1
        done |= ending
        live, direction = live[~done], direction[~done]
        if not live.size:
            break
        moved = _search(objective, numbers, theta, value, gradient, hessian, live, direction)
        iterations[live] += 1
        live = live[moved]
    return Solution(theta, Sums(value, gradient, hessian), decrement, iterations, "newton")


def _search(
    objective: Objective,
    numbers: Index,
    theta: Array,
    value: Array,
    gradient: Array,
    hessian: Array,
    live: Index,
    direction: Array,
) -> NDArray[np.bool_]:
    """Move every live problem along its direction, in place; which of them could be moved, (L,)."""
    slope = np.einsum("ij,ij->i", gradient[live], direction)
    length = np.ones(live.size)
    waiting = np.arange(live.size)
    for attempt in range(HALVINGS):
        index = live[waiting]
        trial = theta[index] + length[waiting, None] * direction[waiting]
        # Two values that differ by rounding alone are equal.
        noise = 8 * np.finfo(float).eps * np.abs(value[index])
        enough = value[index] + ARMIJO * length[waiting] * slope[waiting] + noise
        # Near the minimum the value's rounding hides the decrease; the slope still shows it (the approximate Wolfe
        # condition of Hager and Zhang 2005, equation 1.4).
        near = value[index] + ROUNDING * np.abs(value[index])
        if attempt and not np.any(objective.value(trial, numbers[index]) <= np.maximum(enough, near)):
            length[waiting] /= 2  # the derivatives, which cost far more, are not even looked at
            continue
        sums = objective.sums(trial, numbers[index])
        after = np.einsum("ij,ij->i", sums.gradient, direction[waiting])
        gentler = (sums.value <= near) & (after <= (2 * ARMIJO - 1) * slope[waiting])
        good = ((sums.value <= enough) | gentler) & np.isfinite(sums.gradient).all(axis=1)
        kept = index[good]
        theta[kept], value[kept] = trial[good], sums.value[good]
        gradient[kept], hessian[kept] = sums.gradient[good], sums.hessian[good]
        waiting = waiting[~good]
        if not waiting.size:
            break
        length[waiting] /= 2
    moved = np.ones(live.size, dtype=bool)
    moved[waiting] = False
    return moved


def _direction(gradient: Array, hessian: Array, held: NDArray[np.bool_]) -> tuple[Array, Array]:
    """Newton directions (L, p), zero where held, and decrements (L,)."""
    size = gradient.shape[1]
    if size == 0:
        return gradient, np.zeros(gradient.shape[0])
    gradient = np.where(held, 0.0, gradient)
    diagonal = np.abs(np.einsum("ijj->ij", hessian))
    usable = np.isfinite(diagonal) & (diagonal > 0) & ~held
    scale = np.where(usable, 1 / np.sqrt(np.where(usable, diagonal, 1.0)), 1.0)
    if size == 1:
        scaled = scale * gradient
        curved = np.where(usable, 1.0, 0.0)
        direction = np.where(usable, -scale * scaled, -np.sign(gradient))
        return direction, np.where(curved[:, 0] > 0, np.abs(scaled[:, 0]), np.abs(gradient[:, 0]))
    matrix = hessian * scale[:, :, None] * scale[:, None, :]
    # A held coordinate, or one without curvature, is cut off from the others: its row is the identity's.
    keep = usable[:, :, None] & usable[:, None, :]
    matrix = np.where(keep & np.isfinite(matrix), matrix, np.eye(size))
    values, vectors = np.linalg.eigh(matrix)
    values = np.maximum(np.abs(values), 1e-12 * np.abs(values).max(axis=1, keepdims=True))
    scaled = np.einsum("ijk,ij->ik", vectors, scale * gradient)
    decrement = np.sqrt((scaled**2 / values).sum(axis=1))
    return -scale * np.einsum("ijk,ik->ij", vectors, scaled / values), decrement
