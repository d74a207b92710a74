"""A design matrix in coordinates that Newton's method can be trusted with, and the way back to its own coefficients.

Columns are centred where there is an intercept, and scaled; that is enough for most. Where they remain nearly
dependent they are orthogonalised, in extended precision where the machine has it, so that a year and its square come
out with the digits that doubles allow. What is dependent altogether is refused, each column by its name.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mlefit.errors import DataError

Array = NDArray[np.float64]
Long = NDArray[np.longdouble]

CLOSE: Final = 1e-6  # smallest eigenvalue of the columns' correlations that needs no orthogonalisation
BASIS: Final = re.compile(r"(bs|cc|cr|cs)\(.*\)")  # terms whose columns may add up to one in every row
DEPENDENT: Final = 2e-14  # of its length, what is left of a column once those before it are taken out


@dataclass(frozen=True, eq=False)
class Design:
    """Columns x (n, p) as z @ inverse(back): coefficients are beta = back @ gamma.

    Attributes:
        names: of the columns.
        x: as given.
        z: (n, p) well-conditioned.
        back: (p, p) in extended precision.
        gram: (p, p) z' z / n.
        close: whether the columns had to be orthogonalised.
        intercept: position of the column of ones, or None.
    """

    names: tuple[str, ...]
    x: Array
    z: Array
    back: Long
    gram: Array
    close: bool
    intercept: int | None


def design(x: Array, names: Sequence[str], where: str = "") -> Design:
    """Condition a design matrix.

    Raises:
        DataError: a column that is zero, constant, or a combination of others; more columns than rows.
    """
    names = tuple(names)
    n, p = x.shape
    if not p:
        return Design(names, x, x, np.zeros((0, 0), np.longdouble), np.zeros((0, 0)), False, None)
    low, high = x.min(axis=0), x.max(axis=0)
    intercept = next((j for j in range(p) if low[j] == high[j] == 1), None)
    for j, name in enumerate(names):
        if low[j] == high[j] == 0:
            raise DataError(f"{name} is zero in every row{where}; {_remedy(name, 'it')}")
        if low[j] == high[j] and intercept not in (None, j):
            raise DataError(f"{name} is {low[j]:g} in every row{where}, the same as the intercept; leave it out")
    centre = np.zeros(p)
    if intercept is not None:
        centre = x.mean(axis=0)
        centre[intercept] = 0
    z = x - centre
    with np.errstate(over="ignore"):
        spread = np.sqrt(np.einsum("ij,ij->j", z, z) / n)
    large = ~np.isfinite(spread)
    spread[large] = np.abs(z[:, large]).max(axis=0)
    spread[spread == 0] = 1.0
    z /= spread
    if p <= n:
        gram = z.T @ z / n
        if np.linalg.eigvalsh(gram)[0] > CLOSE:
            return Design(names, x, z, _back(centre, spread, intercept), gram, False, intercept)
    return _orthogonal(x, names, intercept, centre, spread, where)


def _back(centre: Array, spread: Array, intercept: int | None) -> Long:
    """From coefficients of the centred and scaled columns to those of the columns themselves."""
    back = np.diag(1 / spread.astype(np.longdouble))
    if intercept is not None:
        back[intercept] -= centre / spread.astype(np.longdouble)
    return back


def _orthogonal(
    x: Array, names: tuple[str, ...], intercept: int | None, centre: Array, spread: Array, where: str
) -> Design:
    """Gram and Schmidt's process with the longest remaining column next, each taken out twice (Bjorck 1996, 2.4.5).

    With z = q r, q' q = n, the coefficients of z are r^-1 those of q.
    """
    n, p = x.shape
    work = (x.astype(np.longdouble) - centre) / spread
    root = np.sqrt(np.longdouble(n))
    upper = np.zeros((p, p), np.longdouble)  # in the order of `order`, columns of z as combinations of q
    order: list[int] = [] if intercept is None else [intercept]
    rest = [j for j in range(p) if j != intercept]
    q = np.empty((n, p), np.longdouble)
    if intercept is not None:
        upper[0, intercept] = 1
        q[:, 0] = 1
        shift = work[:, rest].mean(axis=0)
        work[:, rest] -= shift
        upper[0, rest] = shift
    while rest:
        k = len(order)
        lengths = np.sqrt((work[:, rest] ** 2).sum(axis=0)) / root
        j = rest[int(np.argmax(lengths))]
        if lengths.max() <= DEPENDENT or k >= n:
            raise _dependent(upper[:k], order, rest, names, centre, spread, intercept, n, where)
        rest.remove(j)
        column = work[:, j].copy()
        if k:
            again = q[:, :k].T @ column / n
            column -= q[:, :k] @ again
            upper[:k, j] += again
        size = np.sqrt((column**2).sum()) / root
        upper[k, j] = size
        q[:, k] = column / size
        order.append(j)
        if rest:
            share = q[:, k] @ work[:, rest] / n
            work[:, rest] -= q[:, k, None] * share
            upper[k, rest] += share
    inverse = np.zeros((p, p), np.longdouble)
    for k in range(p - 1, -1, -1):
        row = np.zeros(p, np.longdouble)
        row[k] = 1
        for m in range(k + 1, p):
            row -= upper[k, order[m]] * inverse[m]
        inverse[k] = row / upper[k, order[k]]
    scaled = np.zeros((p, p), np.longdouble)
    scaled[order] = inverse
    return Design(names, x, q.astype(float), _back(centre, spread, intercept) @ scaled, np.eye(p), True, intercept)


def _dependent(
    upper: Long,
    order: list[int],
    rest: list[int],
    names: tuple[str, ...],
    centre: Array,
    spread: Array,
    intercept: int | None,
    n: int,
    where: str,
) -> DataError:
    """The sentence that names a column and the combination that it is; the last such column of the formula."""
    p = len(names)
    if p > n:
        return DataError(f"the formula has {p} columns{where} and the data {n} row{'s' * (n != 1)}; leave some out")
    j = max(rest)
    more = sorted(set(rest) - {j})
    k = len(order)
    solution = np.zeros(k, np.longdouble)
    for a in range(k - 1, -1, -1):
        solution[a] = (upper[a, j] - sum(upper[a, order[b]] * solution[b] for b in range(a + 1, k))) / upper[
            a, order[a]
        ]
    # 0 = constant + the sum of factor times column, over j and those that it is made of.
    factors = {j: -1.0}
    constant = centre[j]
    for a, place in enumerate(order):
        factor = float(solution[a] * spread[j] / spread[place])
        constant += factor if place == intercept else -factor * centre[place]
        if place != intercept and abs(solution[a]) > 1e-8:
            factors[place] = factor
    size = abs(centre[j]) + spread[j]
    j = max(factors)
    pivot = -factors.pop(j)
    constant, size = constant / pivot, size / abs(pivot)
    found = [(factors[place] / pivot, names[place]) for place in sorted(factors)]
    text = ""
    if intercept is not None and abs(constant) > 1e-8 * size:
        text = f"{constant:.6g}"
    for factor, name in found:
        times = "" if abs(abs(factor) - 1) < 1e-9 else f"{abs(factor):.6g} "
        sign = " - " if factor < 0 else " + "
        text += (sign if text else sign.strip().replace("+", "")) + times + name
    listed = [name for _, name in found]
    remedy = _centred({_term(name) for name in (names[j], *listed)}, text[:1].isdigit())
    remedy = remedy or _remedy(names[j], "one of them")
    further = f" (and so {'are' if len(more) > 1 else 'is'} {_listed([names[i] for i in more])})" if more else ""
    return DataError(
        f"{names[j]} is a combination of {_listed(listed) or 'the intercept'}{where} ({names[j]} = {text or 0}), so "
        f"its coefficient is not identified{further}; {remedy}"
    )


def _listed(names: Sequence[str]) -> str:
    """a, b and c; of many the first."""
    shown = [*names[:6], *([f"{len(names) - 6} more"] if len(names) > 6 else [])]
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)


def _centred(terms: set[str], intercept: bool) -> str:
    """What to do where the columns of a basis add up to the intercept, or to the levels of a factor; "" elsewhere."""
    ways = ["write - 1 in the formula to leave the intercept out"] if intercept and len(terms) == 1 else []
    bases = sorted(term for term in terms if BASIS.fullmatch(term))
    if not bases:
        return ""
    if not bases[0].startswith("bs(") and "constraints" not in bases[0]:
        ways.append(f"centre the basis: {bases[0][:-1]}, constraints='center')")
    return ", or ".join(ways)


def _term(name: str) -> str:
    """The term that a column belongs to."""
    return re.sub(r"\[[^\]]*\]", "", name)


def _remedy(name: str, otherwise: str) -> str:
    """What a formula can leave out: the whole term that a column of several belongs to."""
    term = _term(name)
    if term == name:
        return f"leave {otherwise} out"
    return f"leave {term} out" + (", or merge levels" if "[T." in name or "C(" in name else "")


def spans_ones(matrix: Design) -> bool:
    """Whether a constant lies in the span of the columns."""
    return matrix.intercept is not None or _residual(matrix, np.ones(matrix.x.shape[0])) < 1e-9


def _residual(matrix: Design, target: Array) -> float:
    if not matrix.z.shape[1]:
        return 1.0
    fitted: Any = matrix.z @ np.linalg.lstsq(matrix.z.T @ matrix.z, matrix.z.T @ target, rcond=None)[0]
    return float(np.sqrt(np.mean((target - fitted) ** 2)))
