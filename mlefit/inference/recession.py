"""Which coefficients run off where a regression has no maximum, and which are not determined at all.

The likelihood rises for ever along a cone of directions (its recession cone: Rockafellar 1970, section 8; for
exponential families Geyer 2009, Likelihood inference in exponential families and directions of recession, section 3.2).
A coefficient that has one sign all over the cone runs off that way; one that has both can be anything. The extremes of
each over the cone are linear programmes, as in the detection of separation (Konis 2007).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from mlefit.families.links import Array
from mlefit.inference.linear_model import Problem, term_names

MOST: Final = 20_000  # different constraints up to which the programmes are solved
SMALL: Final = 1e-5  # change of a coefficient, relative to what the box of directions allows, that is none
FAR: Final = 40.0  # a log or logit score that no data could tell from infinity

Bools = NDArray[np.bool_]


def undetermined(problem: Problem, theta: Array, lost: Bools) -> tuple[Bools, Array]:
    """Of coefficients that run off: which (K,) have no limit, and the signs (K,) of those that have, 0 of others.

    Args:
        theta: (K,) the conditioned coefficients, where the solver left them.
        lost: (K,) coefficients found to run off. Those of one score are looked at, or of all scores of labels; of
            others nothing is said.
    """
    size = lost.size
    none = np.zeros(size, dtype=bool), np.zeros(size)
    rows = _constraints(problem, theta, lost)
    if rows is None or len(rows) > MOST:
        return none
    from scipy.optimize import linprog

    used = np.flatnonzero(rows.any(axis=0))
    rows = rows[:, used]
    back = np.asarray(problem.back, dtype=float)
    least, most = np.zeros(size), np.zeros(size)
    for j in np.flatnonzero(np.abs(back[:, used]).any(axis=1)).tolist():
        length = np.abs(back[j, used]).sum()
        for sign, ends in ((1.0, most), (-1.0, least)):
            found = linprog(-sign * back[j, used] / length, A_ub=-rows, b_ub=np.zeros(len(rows)), bounds=(-1, 1))
            if found.status or found.fun is None:
                return none
            ends[j] = -sign * found.fun
    up, down = most > SMALL, least < -SMALL
    both = up & down
    constant = _intercepts(problem) & both
    if _one_outcome(problem) and constant.any():
        # The intercept alone does it, whatever the others are, on the side where the outcome becomes certain.
        y = problem.family.central(problem.sample.y)[0]
        both &= ~constant
        up, down = up & ~(constant & (y == 0)), down & ~(constant & (y != 0))
    return both, np.where(both, 0.0, up * 1.0 - down * 1.0)


def _intercepts(problem: Problem) -> Bools:
    return np.array([column == "Intercept" for _, column in term_names(problem)[1]])


def _one_outcome(problem: Problem) -> bool:
    """Whether every response is the same count or label."""
    y = problem.family.central(problem.sample.y)
    return problem.family.discrete and bool((y == y[0]).all())


def _constraints(problem: Problem, theta: Array, lost: Bools) -> Array | None:
    """Rows (m, p) with row @ direction >= 0 for all directions in which the NLL never rises; None where not known.

    What may not change stands there twice, with both signs.
    """
    family, y, x = problem.family, problem.sample.y, problem.sample.x
    if family.labels and family.size == len(family.parameters) - 1:
        # The log odds of the label seen against each of the others may not fall.
        seen = y.astype(int)
        forms = []
        for other in range(family.size + 1):
            at = seen != other
            row = np.zeros((int(at.sum()), theta.size))
            for k, (part, z) in enumerate(zip(problem.slices, x, strict=True), start=1):
                row[:, part] = z[at] * ((seen[at] == k).astype(float) - (other == k))[:, None]
            forms.append(row)
        return np.asarray(np.unique(np.round(np.concatenate(forms), 12), axis=0))
    blocks = [j for j, part in enumerate(problem.slices) if lost[part].any() and not problem.blocks[j].plain]
    if len(blocks) != 1 or family.size != len(family.parameters):
        return None
    j, part = blocks[0], problem.slices[blocks[0]]
    with np.errstate(all="ignore"):
        eta = problem.objective.predictor.scores(theta[None], problem.sample)[:, 0]
        here = family.nll(y, eta)
        allowed = []
        for side in (1, -1):
            moved = eta.copy()
            moved[j] = side * (np.maximum(side * eta[j], 0) + FAR)
            allowed.append(family.nll(y, moved) <= here + 1e-6)
    up, down = (np.broadcast_to(a, here.shape) for a in allowed)
    rows = np.zeros((2 * len(here), theta.size))
    rows[:, part] = np.concatenate([x[j] * ~down[:, None], -x[j] * ~up[:, None]])
    return np.asarray(np.unique(np.round(rows[rows.any(axis=1)], 12), axis=0))
