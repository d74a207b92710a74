"""A second try by L-BFGS where Newton did not arrive, for families of other people.

A plugin's second derivatives may be wrong, missing at points, or differences of something rough; L-BFGS does without
them. The curvature at the end, which the certificate and the standard errors need, is then differences of the gradient.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mlefit.families.base import Family
from mlefit.families.links import BOUND, Array
from mlefit.families.numeric import SECOND, STENCIL, lengths
from mlefit.families.registry import BUILT_IN
from mlefit.inference.certificate import GRADIENT
from mlefit.solvers.solution import Objective, Solution, Sums


def rescued(family: Family, target: Objective, solution: Solution, held: NDArray[np.bool_] | None) -> Solution:
    """The solution, its failed problems solved again where the family is not one of ours.

    Args:
        family: whose likelihood it is, pinned or wrapped as it may be.
        target: what was minimised.
        solution: of Newton's method, P problems.
        held: (k,) scores that stay where they are.
    """
    if family.name in BUILT_IN or ":" in family.name or family.kinked:
        return solution
    free = np.ones(family.size, dtype=bool) if held is None else ~held
    with np.errstate(all="ignore"):
        curved = np.diagonal(solution.sums.hessian, axis1=1, axis2=2) > 0
        lost = ~(solution.decrement <= GRADIENT) | ~np.isfinite(solution.sums.hessian).all(axis=(1, 2))
        lost |= ~(curved | ~free | (np.abs(solution.theta) >= BOUND)).all(axis=1)
    lost &= np.isfinite(solution.theta).all(axis=1)
    if not lost.any():
        return solution
    theta, value = solution.theta.copy(), solution.sums.value.copy()
    gradient, hessian = solution.sums.gradient.copy(), solution.sums.hessian.copy()
    decrement, iterations = solution.decrement.copy(), solution.iterations.copy()
    with np.errstate(all="ignore"):
        for i in np.flatnonzero(lost):
            end, steps = _again(target, theta[i], i, free)
            sums, curvature = _curvature(target, end, i, free)
            if not sums.value[0] <= value[i] + 1e-9 * abs(value[i]) or not np.isfinite(curvature).all():
                continue
            theta[i], value[i], gradient[i], hessian[i] = end, sums.value[0], sums.gradient[0], curvature
            inner = np.where(free, gradient[i], 0.0)
            decrement[i] = np.sqrt(np.abs(inner @ np.linalg.pinv(curvature) @ inner))
            iterations[i] += steps
    name = "lbfgs" if lost.all() else "newton and lbfgs"
    return Solution(theta, Sums(value, gradient, hessian), decrement, iterations, name)


def _again(target: Objective, start: Array, i: np.intp, free: NDArray[np.bool_]) -> tuple[Array, int]:
    """Where L-BFGS ends from `start` (k,) in problem i, and its steps."""
    from mlefit.solvers.lbfgs import minimize

    which = np.array([i], dtype=np.intp)

    def function(point: Array) -> tuple[float, Array]:
        sums = target.sums(point[None], which)
        return float(sums.value[0]), np.where(free, sums.gradient[0], 0.0)

    found = minimize(function, start)
    return found.theta, found.iterations


def _curvature(target: Objective, theta: Array, i: np.intp, free: NDArray[np.bool_]) -> tuple[Sums, Array]:
    """The sums at `theta` (k,), and the Hessian (k, k) by central differences of the gradient."""

    def total(_: Array, at: Array) -> Array:
        return target.value(at.T, np.full(at.shape[1], i, dtype=np.intp))

    step = SECOND * lengths(total, theta, theta[:, None])[:, 0]
    points = [theta] + [theta + s * step * unit for unit in np.eye(theta.size) for s, _ in STENCIL]
    sums = target.sums(np.array(points), np.full(len(points), i, dtype=np.intp))
    sides = sums.gradient[1:].reshape(theta.size, len(STENCIL), theta.size)
    weights = np.array([c for _, c in STENCIL])
    hessian = np.einsum("jsk,s->jk", sides, weights) / step[:, None]
    hessian = (hessian + hessian.T) / 2
    hessian[~free], hessian[:, ~free] = 0.0, 0.0
    hessian[~free, ~free] = sums.hessian[0][~free, ~free]
    return Sums(sums.value[:1], sums.gradient[:1], sums.hessian[:1]), hessian
