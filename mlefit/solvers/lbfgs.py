"""L-BFGS, full batch, through scipy: for small networks, and for likelihoods without second derivatives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mlefit.solvers.solution import Array, Objective, Solution

# Pairs of steps and gradient changes that stand for the Hessian.
MEMORY: Final = 20

Function = Callable[[Array], tuple[float, Array]]


@dataclass(frozen=True, eq=False)
class Minimum:
    """Where one minimisation stopped: `theta` (p,), the value there, steps taken, and whether it had converged."""

    theta: Array
    value: float
    iterations: int
    converged: bool


def minimize(
    function: Function,
    start: Array,
    *,
    max_iterations: int = 1000,
    tolerance: float = 1e-9,
    watch: Callable[[Array], bool] | None = None,
) -> Minimum:
    """Minimise a function that returns its value and its gradient.

    Args:
        function: (p,) to a value and a gradient (p,).
        start: (p,) first point.
        max_iterations: steps after which it stops short.
        tolerance: of the largest component of the gradient.
        watch: called with `theta` after each step; it stops the search by returning True.
    """
    from scipy.optimize import minimize as scipy_minimize

    stopped = False
    highest = 0.0

    def walled(theta: Array) -> tuple[float, Array]:
        """The function with a wall, high but finite, where it has no value: a line search can step back from that."""
        nonlocal highest
        value, gradient = function(theta)
        if np.isfinite(value) and np.isfinite(gradient).all():
            highest = max(highest, abs(value))
            return value, gradient
        return 10 * highest + 10, np.zeros_like(gradient)

    def callback(theta: NDArray[np.float64]) -> None:
        nonlocal stopped
        if watch is not None and watch(theta):
            stopped = True
            raise StopIteration

    options: dict[str, Any] = {
        "maxcor": MEMORY, "maxiter": max_iterations, "maxfun": 20 * max_iterations + 100,
        "ftol": 0.0, "gtol": tolerance, "maxls": 40,
    }  # fmt: skip
    result = scipy_minimize(  # type: ignore[call-overload]  # the stubs know no callback that may stop
        walled, np.asarray(start, dtype=float), jac=True, method="L-BFGS-B", callback=callback, options=options
    )
    done = result.nit < max_iterations and not stopped
    return Minimum(np.asarray(result.x), float(result.fun), int(result.nit), done)


def lbfgs(objective: Objective, start: Array, *, max_iterations: int = 1000) -> Solution:
    """Minimise P problems, one after another, with no use of their Hessians until the end.

    Args:
        objective: gives value and gradient for any subset of the problems.
        start: (P, p) first points.
        max_iterations: steps after which a problem is given up.
    """
    theta = np.array(start, dtype=float)
    iterations = np.zeros(theta.shape[0], dtype=np.intp)
    for i in range(theta.shape[0]):
        which = np.array([i])

        def function(point: Array, which: NDArray[np.intp] = which) -> tuple[float, Array]:
            sums = objective.sums(point[None], which)
            return float(sums.value[0]), np.array(sums.gradient[0])

        found = minimize(function, theta[i], max_iterations=max_iterations)
        theta[i], iterations[i] = found.theta, found.iterations
    sums = objective.sums(theta, np.arange(theta.shape[0]))
    curvature = np.linalg.pinv(np.where(np.isfinite(sums.hessian), sums.hessian, 0.0))
    square = np.einsum("pi,pij,pj->p", sums.gradient, curvature, sums.gradient)
    return Solution(theta, sums, np.sqrt(np.abs(square)), iterations, "lbfgs")
