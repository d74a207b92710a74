"""Linear predictors at a kink or an end of a likelihood, by linear programming: exact vertices, with their multipliers.

Two programmes. `least` minimises a sum of check functions, which bend at a number each (Koenker and Bassett 1978;
Koenker 2005, section 6.2); `narrowest` the largest distance from given numbers (Chebyshev's). HiGHS solves the dual of
those rows that may matter, the others being known to lie on one side (Portnoy and Koenker 1997, section 5); what it
finds is solved again from its active rows, and pivots finish it (Barrodale and Roberts 1973), so that the multipliers
are within their bounds to rounding and not to a tolerance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mlefit.solvers.solution import Array, Index

WHOLE: Final = 4_000  # rows up to which all are looked at together
ROUNDS: Final = 60
PIVOTS: Final = 100
TOLERANCE: Final = 1e-9  # of the multipliers, relative to their bounds
TIGHT: Final = 1e-7  # relative residual of rows that may be active, at HiGHS's own tolerance
LEVEL: Final = 1e-9  # relative length of an edge along which the objective does not change
SWEEPS: Final = 50
CORNERS: Final = 12  # directions that a degenerate face is searched in


@dataclass(frozen=True, eq=False)
class Vertex:
    """The optimum of a programme.

    Attributes:
        beta: (p,) coefficients; of several optima the middle.
        value: the objective there.
        excess: by how much a multiplier lies outside its bounds, relative to them; 0 at an optimum.
        unique: whether it is the only one.
        iterations: steps of the simplex method.
        feasible: False where no coefficients satisfy every row; the rest then means nothing.
    """

    beta: Array
    value: float
    excess: float
    unique: bool
    iterations: int
    feasible: bool = True


def _highs(cost: Array, **programme: Any) -> Any:
    """By HiGHS's dual simplex method, which ends at a vertex."""
    from scipy.optimize import linprog

    solve: Any = linprog
    return solve(cost, method="highs-ds", **programme)


# -- sums of check functions ----------------------------------------------------------------------------------------


def least(x: Array, knot: Array, below: Array, above: Array) -> Vertex:
    """Minimise the sum over rows of below_i max(k_i - x_i b, 0) + above_i max(x_i b - k_i, 0).

    Args:
        x: (n, p) well-conditioned columns of full rank.
        knot: (n,) k.
        below, above: (n,) the costs per unit of a fit below and above the knot, not negative; infinite where it must
            not be there.
    """
    p = x.shape[1]
    if not p:
        cost = _cost(knot, below, above)
        return Vertex(np.zeros(0), cost, 0.0, True, 0, bool(np.isfinite(cost)))
    finite = np.concatenate([below[np.isfinite(below)], above[np.isfinite(above)]])
    unit = float(finite.mean()) or 1.0
    down, up = below / unit, above / unit
    if p == 1:
        first, last = _line(knot, x[:, 0], down, up)
        beta = np.array([first + (last - first) / 2])
        feasible = bool(np.isfinite(beta).all())
        value = _cost(knot - x[:, 0] * beta, down, up) if feasible else np.inf
        return Vertex(beta, value * unit, 0.0, not last > first, 0, feasible)
    base, work, spread, noise = _near(x, knot)
    found, multiplier, steps = _reduced(x, work, down, up)
    if found is None:
        return Vertex(np.zeros(p), np.inf, np.inf, True, steps, False)
    beta, multiplier, excess, pivots = _finished(x, work, down, up, found, multiplier, noise)
    # The face of all optima, from complementary slackness with one set of optimal multipliers.
    slack = TOLERANCE * np.where(np.isfinite(down + up), down + up, np.where(np.isfinite(up), up, down))
    high = np.where(multiplier > -up + slack, work, np.inf)
    low = np.where(multiplier < down - slack, work, -np.inf)
    beta, unique = centred(x, low, high, beta)
    value = _cost(work - x @ beta, np.where(np.isfinite(down), down, 0.0), np.where(np.isfinite(up), up, 0.0))
    return Vertex(base + spread * beta, value * spread * unit, excess, unique, steps + pivots)


def _near(x: Array, knot: Array) -> tuple[Array, Array, float, float]:
    """Least squares b; what it leaves of the knots, in units of its mean size; that unit; and the rounding in it."""
    base: Array = np.asarray(np.linalg.lstsq(x.T @ x, x.T @ knot, rcond=None)[0])
    rest = knot - x @ base
    rounding = 8 * float(np.finfo(float).eps * np.abs(knot).max())
    spread = float(np.abs(rest).mean())
    if spread <= rounding:  # the columns give the knots as they are
        return base, np.zeros_like(rest), 1.0, 0.0
    return base, rest / spread, spread, rounding / spread


def _cost(residual: Array, below: Array, above: Array) -> float:
    with np.errstate(invalid="ignore"):
        part = np.where(residual > 0, below * residual, np.where(residual < 0, -above * residual, 0.0))
    return float(part.sum())


def _line(residual: Array, move: Array, below: Array, above: Array) -> tuple[float, float]:
    """The ends of the steps t at which the sum of check functions of residual - t move is least; they may be infinite.

    From the slopes between the sorted knots: a weighted quantile. NaN where every step is forbidden.
    """
    moving = move != 0
    ratio = residual[moving] / move[moving]
    rising, falling = (a[moving] * np.abs(move[moving]) for a in (above, below))
    positive = move[moving] > 0
    right, left = np.where(positive, rising, falling), np.where(positive, falling, rising)  # cost beyond, cost before
    floor = float(ratio[np.isinf(left)].max(initial=-np.inf))
    ceiling = float(ratio[np.isinf(right)].min(initial=np.inf))
    if floor > ceiling:
        return np.nan, np.nan
    order = np.argsort(ratio, kind="stable")
    at = ratio[order]
    jump = np.where(np.isfinite(left), left, 0.0)[order] + np.where(np.isfinite(right), right, 0.0)[order]
    start = -np.where(np.isfinite(left), left, 0.0).sum()
    slope = start + np.concatenate([[0.0], np.cumsum(jump)])
    noise = 1e-12 * np.abs(jump).sum()
    first = int(np.argmax(slope >= -noise)) if (slope >= -noise).any() else at.size
    last = int(np.argmax(slope > noise)) if (slope > noise).any() else at.size
    low = at[first - 1] if first else -np.inf
    high = at[last - 1] if last > 0 else -np.inf
    if last == at.size and not slope[-1] > noise:
        high = np.inf
    low, high = max(float(low), floor), min(float(high), ceiling)
    if low > high:  # a wall stands before the slope turns
        low = high = floor if floor > high else ceiling
    return (high, high) if np.isinf(low) else (low, low) if np.isinf(high) else (low, high)


def _reduced(x: Array, knot: Array, below: Array, above: Array) -> tuple[Array | None, Array, int]:
    """Coefficients and multipliers (n,) by HiGHS, from the rows near the fit; the others stand on their side of it."""
    n, p = x.shape
    if n <= WHOLE:
        return _dual(x, knot, below, above, np.zeros(p))
    size = max(WHOLE, int((p * n) ** (2 / 3)))
    generator = np.random.default_rng(0)
    some = np.sort(generator.choice(n, size, replace=False)) if size < n / 4 else np.arange(n)
    if some.size == n:
        return _dual(x, knot, below, above, np.zeros(p))
    beta, multiplier, steps = _reduced(x[some], knot[some], below[some], above[some])
    if beta is None:
        return beta, multiplier, steps
    residual = knot - x @ beta
    near = np.zeros(n, dtype=bool)
    near[np.argpartition(np.abs(residual), size - 1)[:size]] = True
    for _ in range(ROUNDS):
        side = np.where(residual > 0, below, -above)
        near |= ~np.isfinite(side)
        far = ~near
        beta, inner, more = _dual(x[near], knot[near], below[near], above[near], x[far].T @ side[far])
        steps += more
        if beta is None:  # nothing holds the fit among so few rows
            if near.all():
                return None, np.zeros(n), steps
            near[np.argpartition(np.abs(residual), min(n, 2 * int(near.sum())) - 1)[: 2 * int(near.sum())]] = True
            continue
        now = knot - x @ beta
        wrong = far & (np.sign(now) * np.sign(residual) < 0)
        if not wrong.any():
            multiplier = np.where(near, 0.0, side)
            multiplier[near] = inner
            return beta, multiplier, steps
        near |= wrong
        residual = now
    return _dual(x, knot, below, above, np.zeros(p))


def _dual(x: Array, knot: Array, below: Array, above: Array, given: Array) -> tuple[Array | None, Array, int]:
    """max k'u with x'u = -given and -above <= u <= below, by HiGHS: its prices are the coefficients."""
    found = _highs(-knot, A_eq=x.T, b_eq=-given, bounds=np.column_stack([-above, below]))
    if found.status != 0:
        return None, np.zeros(knot.size), int(getattr(found, "nit", 0) or 0)
    return -np.asarray(found.eqlin.marginals), np.asarray(found.x), int(found.nit)


def check_functions(x: Array, knot: Array, below: Array, above: Array, given: Array) -> Array | None:
    """b (p,) at which the sum of check functions, as of `least`, less given'b is least; None where there is none."""
    return _dual(x, knot, below, above, given)[0]


def _finished(
    x: Array, knot: Array, below: Array, above: Array, beta: Array, multiplier: Array, noise: float
) -> tuple[Array, Array, float, int]:
    """The vertex of the rows that HiGHS found active, solved again, and pivots until no multiplier is out of bounds."""
    p = x.shape[1]
    residual = knot - x @ beta
    size = np.maximum(1.0, np.abs(knot))
    active = np.flatnonzero(np.abs(residual) <= TIGHT * size)
    within = np.minimum(multiplier + above, below - multiplier)
    basis = independent(x, active[np.argsort(-within[active], kind="stable")])
    if basis.size < p:
        return beta, multiplier, _excess(x, multiplier), 0
    excess, pivots = np.inf, 0
    for pivots in range(PIVOTS):
        beta = _solved(x[basis], knot[basis])
        residual = knot - x @ beta
        rounding = noise + 64 * np.finfo(float).eps * (np.abs(knot) + np.abs(x) @ np.abs(beta))
        touching = np.abs(residual) <= rounding
        touching[basis] = True
        side = np.where(residual > 0, below, -above)
        held = np.clip(multiplier, -above, below)  # of rows that touch the fit without being its basis
        new = np.where(touching, held, side)
        new[basis] = 0.0
        own = -_solved(x[basis].T, new @ x)
        with np.errstate(invalid="ignore"):
            over = np.maximum(own - below[basis], -above[basis] - own)
        worst = int(np.argmax(over))
        bound = np.minimum(below[basis], above[basis])
        excess = float(over[worst] / max(float(bound[worst]), 1e-300))
        new[basis] = np.clip(own, -above[basis], below[basis])
        if excess <= TOLERANCE or not np.isfinite(new).all():
            return beta, new, max(excess, 0.0), pivots
        unit = np.zeros(p)
        unit[worst] = -1.0 if own[worst] > below[basis[worst]] else 1.0
        move = x @ _solved(x[basis], unit)
        rest = basis[np.arange(p) != worst]
        move[rest] = 0.0
        shifted = np.where(touching, 0.0, residual)
        low, _ = _line(shifted, move, below, above)
        if not low > 0:
            break
        entering = np.flatnonzero((move != 0) & (np.abs(shifted - low * move) <= noise + 1e-14 * size))
        entering = entering[entering != basis[worst]]
        if not entering.size:
            break
        multiplier = new
        basis = np.concatenate([rest, entering[np.argmax(np.abs(move[entering]))][None]])
    return beta, new, excess, pivots


def _excess(x: Array, multiplier: Array) -> float:
    return float(np.abs(x.T @ multiplier).max() / max(float(np.abs(multiplier).sum()), 1e-300))


def independent(x: Array, rows: Index) -> Index:
    """As many of `rows`, the first ones first, as are independent; p at most."""
    p = x.shape[1]
    kept: list[int] = []
    base = np.zeros((0, p))
    for row in rows.tolist():
        rest = x[row] - (base @ x[row]) @ base
        rest = rest - (base @ rest) @ base
        length = float(np.sqrt(rest @ rest))
        if length > 1e-9 * max(float(np.sqrt(x[row] @ x[row])), 1e-300):
            kept.append(row)
            base = np.concatenate([base, rest[None] / length])
        if len(kept) == p:
            break
    return np.array(kept, dtype=np.intp)


def _solved(matrix: Array, right: Array) -> Array:
    """A square system, refined once with residuals in extended precision."""
    found = np.linalg.solve(matrix, right)
    rest = right.astype(np.longdouble) - matrix.astype(np.longdouble) @ found.astype(np.longdouble)
    return np.asarray(found + np.linalg.solve(matrix, rest.astype(float)))


# -- the narrowest band --------------------------------------------------------------------------------------------


def narrowest(x: Array, knot: Array) -> Vertex:
    """Minimise the largest |k_i - x_i b|, which is the value; arguments as of `least`.

    Rows are added until none lies outside the band of those before.
    """
    n, p = x.shape
    if not p:
        return Vertex(np.zeros(0), float(np.abs(knot).max()), 0.0, True, 0)
    base, work, spread, noise = _near(x, knot)
    beta, residual = np.zeros(p), work
    batch = 20 * (p + 1)
    near, steps = np.zeros(n, dtype=bool), 0
    near[np.argsort(-np.abs(residual), kind="stable")[: batch + 200]] = True
    price = np.zeros(0)
    for _ in range(10 * ROUNDS):
        rows = np.flatnonzero(near)
        beta, price, more = _band(x[rows], work[rows])
        beta, half = _tightened(x[rows], work[rows], beta, price)
        steps += more
        residual = work - x @ beta
        outside = np.flatnonzero(np.abs(residual) > half * (1 + 1e-12) + noise + 1e-13 * (1 + np.abs(work)))
        outside = outside[~near[outside]]
        if not outside.size:
            break
        near[outside[np.argsort(-np.abs(residual[outside]), kind="stable")[:batch]]] = True
    # Weak duality: with x'm = 0 and sum |m| = 1, m'k is below every band's half-width.
    multiplier = np.zeros(n)
    multiplier[rows] = price
    half = float(np.abs(residual).max())
    excess = abs(half - float(multiplier @ work)) / half + _excess(x, multiplier) if half > 0 else 0.0
    tight = np.abs(multiplier) > TOLERANCE
    low = np.where(tight & (multiplier < 0), work + half, work - half)
    high = np.where(tight & (multiplier > 0), work - half, work + half)
    beta, unique = centred(x, low, high, beta)
    beta = base + spread * beta
    return Vertex(beta, float(np.abs(knot - x @ beta).max()), excess, unique, steps)


def reached(x: Array, low: Array, high: Array) -> tuple[Array, float]:
    """Coefficients (p,) whose band reaches into every interval [low_i, high_i], and the least half-width that can.

    Args:
        x: (n, p).
        low, high: (n,) infinite for an open end.
    """
    p = x.shape[1]
    right, left = np.isfinite(low), np.isfinite(high)
    ones = np.ones((len(x), 1))
    matrix = np.concatenate([np.hstack([-x, -ones])[right], np.hstack([x, -ones])[left]])
    found = _highs(
        np.append(np.zeros(p), 1.0), A_ub=matrix, b_ub=np.concatenate([-low[right], high[left]]),
        bounds=[(None, None)] * p + [(0, None)],
    )  # fmt: skip
    return (np.zeros(p), np.inf) if found.x is None else (np.asarray(found.x[:p]), float(found.x[p]))


def _band(x: Array, knot: Array) -> tuple[Array, Array, int]:
    """Coefficients and multipliers (n,) of the narrowest band, by HiGHS; a multiplier has the sign of its residual."""
    n, p = x.shape
    ones = np.ones((n, 1))
    found = _highs(
        np.append(np.zeros(p), 1.0), A_ub=np.block([[-x, -ones], [x, -ones]]), b_ub=np.concatenate([-knot, knot]),
        bounds=[(None, None)] * p + [(0, None)],
    )  # fmt: skip
    if found.x is None:  # HiGHS gave up; without multipliers it is no optimum
        return np.zeros(p), np.zeros(n), 0
    prices = -np.asarray(found.ineqlin.marginals)
    return np.asarray(found.x[:p]), prices[:n] - prices[n:], int(found.nit)


def _tightened(x: Array, knot: Array, beta: Array, price: Array) -> tuple[Array, float]:
    """The band solved again from the rows on its edges."""
    p = x.shape[1]
    residual = knot - x @ beta
    half = float(np.abs(residual).max())
    on = np.flatnonzero(np.abs(residual) >= half - TIGHT * (1 + half))
    edges = np.column_stack([x, np.sign(residual)])
    rows = independent(edges, on[np.argsort(-np.abs(price[on]), kind="stable")])
    if rows.size == p + 1:
        again = _solved(edges[rows], knot[rows])[:p]
        width = float(np.abs(knot - x @ again).max())
        if width <= half * (1 + TIGHT):
            return again, width
    return beta, half


# -- where several coefficients are as good -----------------------------------------------------------------------


def centred(x: Array, low: Array, high: Array, beta: Array) -> tuple[Array, bool]:
    """The middle of the coefficients with low <= x b <= high, of which `beta` is one, and whether it is the only one.

    Equal ends make a row's fit known. What is left free moves to the middle of its range, direction by direction; the
    directions are those in which single rows move alone, so that medians of separate groups are each centred.
    """
    p = x.shape[1]
    known = x[low == high]
    _, sizes, vectors = np.linalg.svd(known, full_matrices=True) if known.size else (None, np.zeros(0), np.eye(p))
    rank = int((sizes > 1e-9 * max(float(sizes.max(initial=0.0)), 1e-300)).sum())
    if rank == p:
        return beta, True
    free = vectors[rank:].T
    moves = x @ free
    free = free @ np.linalg.inv(moves[_pivots(moves)])
    moves = x @ free
    moves[np.abs(moves) < 1e-10] = 0.0
    start, unit = beta, float(np.abs(x @ beta).mean()) + 1.0
    unique = True
    for _ in range(SWEEPS):
        before = beta
        for j in range(free.shape[1]):
            down, up = _room(x, low, high, beta, moves[:, j])
            if down + up > LEVEL * unit and np.isfinite(down + up):
                unique = False
                beta = beta + (up - down) / 2 * free[:, j]
        if np.abs(before - beta).max() <= 1e-12 * (1 + np.abs(beta).max()):
            break
    if not unique or free.shape[1] == 1 or free.shape[1] > CORNERS:
        return beta, unique
    return _corners(low - x @ start, high - x @ start, moves, start, free, unit)


def _pivots(moves: Array) -> Index:
    """As many rows of (n, k) as there are columns, each the longest beside those before."""
    rest = moves.copy()
    rows = []
    for _ in range(moves.shape[1]):
        lengths = np.einsum("ij,ij->i", rest, rest)
        row = int(np.argmax(lengths))
        rows.append(row)
        unit = rest[row] / np.sqrt(lengths[row])
        rest -= (rest @ unit)[:, None] * unit
    return np.array(rows, dtype=np.intp)


def _room(x: Array, low: Array, high: Array, beta: Array, move: Array) -> tuple[float, float]:
    """How far the fit can go against and along `move` (n,), not less than 0."""
    fit = x @ beta
    up, down = move > 0, move < 0
    with np.errstate(invalid="ignore"):
        ahead = min(
            float(((high - fit)[up] / move[up]).min(initial=np.inf)),
            float(((low - fit)[down] / move[down]).min(initial=np.inf)),
        )
        behind = min(
            float(((fit - low)[up] / move[up]).min(initial=np.inf)),
            float(((fit - high)[down] / move[down]).min(initial=np.inf)),
        )
    return max(behind, 0.0), max(ahead, 0.0)


def _corners(low: Array, high: Array, moves: Array, start: Array, free: Array, unit: float) -> tuple[Array, bool]:
    """The same where no single direction is open: the mean of the farthest points of the face in each of them."""
    slack = 1e-13 * unit
    rows: NDArray[np.bool_] = (low < high) & (moves != 0).any(axis=1)
    upper, lower = rows & np.isfinite(high), rows & np.isfinite(low)
    matrix = np.concatenate([moves[upper], -moves[lower]])
    ends = np.maximum(np.concatenate([high[upper], -low[lower]]), 0.0) + slack
    found = []
    for j in range(free.shape[1]):
        for sign in (-1.0, 1.0):
            aim = np.zeros(free.shape[1])
            aim[j] = sign
            result = _highs(aim, A_ub=matrix, b_ub=ends, bounds=(None, None))
            if result.status != 0:
                return start, False
            found.append(result.x)
    points = np.stack(found)
    if np.ptp(points, axis=0).max() <= 1e-6 * unit:
        return start, True
    return start + free @ points.mean(axis=0), False
