"""log P(left < Y <= right) with derivatives in the scores: what censored and truncated rows are made of.

With S the survival function, d = log S(right) - log S(left), r = 1/(exp(-d) - 1) and D the difference of the two
gradients of log S, the gradient is u(left) + r D and the Hessian h(left) + r (h(left) - h(right)) - r (1 + r) D D':
forms that lose nothing in the upper tail, nor in the lower one where log S is known to its relative precision.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import prod
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mlefit.families.base import Derivatives, Family
from mlefit.families.links import Array
from mlefit.families.tail_derivatives import full, pick
from mlefit.families.tails import log1mexp

# Rows at a time: the dozen temporaries of a difference then stay in a core's cache.
BLOCK: Final = 16_384

Rows = NDArray[np.intp] | slice
Function = Callable[[Rows, Array], tuple[Array, ...]]


def log_probability(family: Family, left: Array, right: Array, others: Array, eta: Array) -> Array:
    """log P(left < Y <= right) of each row, (..., n).

    `left` and `right` are (n,), infinite for none; `others` (d, n) are the columns of the family after its first.
    """
    return by_rows(kinds(left, right), eta, values(family, left, right, others), 1)[0]


def log_probability_derivatives(family: Family, left: Array, right: Array, others: Array, eta: Array) -> Derivatives:
    """The same with its gradient (k, ..., n) and Hessian (k, k, ..., n)."""
    value, gradient, hessian = by_rows(kinds(left, right), eta, derivatives(family, left, right, others), 3)
    return value, gradient, hessian


def kinds(left: Array, right: Array) -> tuple[NDArray[np.bool_], ...]:
    """Which rows are open above, open below, and closed, each (n,); rows open on both sides are of no kind."""
    from_left, to_right = left > -np.inf, right < np.inf
    return from_left & ~to_right, ~from_left & to_right, from_left & to_right


def beyond(values: Array, outside: NDArray[np.bool_], end: float) -> Array:
    """The values (n,), infinite where the support ends before; themselves where it ends before none."""
    return np.where(outside, end, values) if outside.any() else values


def values(family: Family, left: Array, right: Array, others: Array) -> tuple[Function, ...]:
    """log P(left < Y <= right) for the rows of each of `kinds`."""

    def between(rows: Rows, eta: Array) -> tuple[Array]:
        low, high = _ends(left, right, others, rows)
        return (family.log_interval(low, high, eta),)

    return _one_tail(family.log_sf, left, others), _one_tail(family.log_cdf, right, others), between


def derivatives(family: Family, left: Array, right: Array, others: Array) -> tuple[Function, ...]:
    """The same with gradient and Hessian."""

    def between(rows: Rows, eta: Array) -> Derivatives:
        low, high = _ends(left, right, others, rows)
        value, gradient, hessian = family.log_interval_derivatives(low, high, eta)
        known = np.isfinite(value)
        if not known.all():  # both ends so far below that the survival function is one to the last digit
            lost = ~known
            larger = family.log_cdf_derivatives(*pick(high, eta, lost))
            found = join(larger, family.log_cdf_derivatives(*pick(low, eta, lost)))
            value = np.array(value)
            gradient, hessian = full(gradient, value.shape), full(hessian, value.shape)
            value[lost], gradient[:, lost], hessian[:, :, lost] = found
        return value, gradient, hessian

    above = _one_tail(family.log_sf_derivatives, left, others)
    return above, _one_tail(family.log_cdf_derivatives, right, others), between


def join(large: Derivatives, small: Derivatives) -> Derivatives:
    """log(exp(large) - exp(small)) with derivatives."""
    with np.errstate(all="ignore"):
        ratio = 1 / np.expm1(large[0] - small[0])
        apart = large[1] - small[1]
        none = ratio == 0
        if none.any():  # the small one is zero, whatever its derivatives
            apart = np.where(none, 0.0, apart)
        along = ratio * apart
        bend = (1 + ratio) * along
        curve = np.empty((len(apart), *apart.shape))
        for i in range(len(apart)):
            for j in range(i + 1):
                entry = large[2][i, j] - small[2][i, j]
                if none.any():
                    entry = np.where(none, 0.0, entry)
                entry = entry * ratio + large[2][i, j] - bend[i] * apart[j]
                curve[i, j] = curve[j, i] = entry
        # 1 - exp(small - large) = 1/(1 + ratio)
        return large[0] - np.log1p(ratio), along + large[1], curve


def difference(family: Family, low: Array, high: Array, eta: Array) -> Array:
    """log of the probability between two ends, from the tail that is the smaller."""
    with np.errstate(all="ignore"):
        sf, cdf = family.log_sf(low, eta), family.log_cdf(high, eta)
        upper = sf + log1mexp(np.minimum(family.log_sf(high, eta) - sf, 0.0))
        lower = cdf + log1mexp(np.minimum(family.log_cdf(low, eta) - cdf, 0.0))
        return np.where(cdf < sf, lower, upper)


def _ends(left: Array, right: Array, others: Array, rows: Rows) -> tuple[Array, Array]:
    return with_columns(left[rows], others[:, rows]), with_columns(right[rows], others[:, rows])


def with_columns(y: Array, others: Array) -> Array:
    """A column (n,) and those after it (d, n) as a family's y."""
    return np.concatenate([y[None], others]) if len(others) else y


def _one_tail(function: Callable[[Array, Array], Any], ends: Array, others: Array) -> Function:
    def tail(rows: Rows, eta: Array) -> tuple[Array, ...]:
        found = function(with_columns(ends[rows], others[:, rows]), eta)
        return found if isinstance(found, tuple) else (np.asarray(found),)

    return tail


def by_rows(
    masks: tuple[NDArray[np.bool_], ...],
    eta: Array,
    functions: tuple[Function, ...],
    parts: int,
    signs: Sequence[int] = (),
) -> tuple[Array, ...]:
    """Values, or values, gradients and Hessians, of rows of several kinds.

    Each function takes the rows of its mask (n,), as indices or a slice, and the scores of those rows, and returns
    `parts` arrays (..., m), (k, ..., m), (k, k, ..., m), which count with its sign, 1 or -1. Rows of no kind are zero.
    """
    n = masks[0].size
    if eta.ndim == 1:
        eta = eta[:, None]
    block = max(256, BLOCK // max(1, prod(eta.shape[1:-1])))
    signs = signs or (1,) * len(masks)
    counts = [int(np.count_nonzero(mask)) for mask in masks]
    if n in counts and n <= block:
        only = counts.index(n)
        found = functions[only](slice(None), eta)
        return found if signs[only] > 0 else _negative(found)
    shape = np.broadcast_shapes(eta.shape[1:], (n,))
    result = tuple(np.empty(eta.shape[:1] * order + shape) for order in range(parts))
    if sum(counts) < n:
        for whole in result:
            whole[...] = 0.0
    for mask, count, function, sign in zip(masks, counts, functions, signs, strict=True):
        for rows in _blocks(mask, count, block):
            found = function(rows, eta[..., rows] if eta.shape[-1] == n and n > 1 else eta)
            for whole, part in zip(result, found, strict=True):
                if sign > 0:
                    whole[..., rows] = part
                elif isinstance(rows, slice):
                    np.negative(part, out=whole[..., rows])
                else:
                    whole[..., rows] = -part
    return result


def _negative(found: tuple[Array, ...]) -> tuple[Array, ...]:
    """In place, unless the arrays share memory."""
    own = all(part.flags.owndata and part.flags.writeable for part in found)
    return tuple(np.negative(part, out=part if own else None) for part in found)


def _blocks(mask: NDArray[np.bool_], count: int, size: int) -> Iterator[Rows]:
    """The rows of a mask, at most `size` at a time: a run of rows is a slice, which copies nothing."""
    if not count:
        return
    first = int(mask.argmax())
    if mask[first : first + count].all():
        for begin in range(first, first + count, size):
            yield slice(begin, min(begin + size, first + count))
        return
    known = np.flatnonzero(mask)
    for begin in range(0, count, size):
        yield known[begin : begin + size]
