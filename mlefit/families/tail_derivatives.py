"""Derivatives of log P(Y > y) and log P(Y <= y) with respect to the scores, for any family that has both.

A score with a `drift` has them exactly, from the density alone. The others are differenced: eighth-order central
differences (Fornberg 1988, table 1) of whichever tail is the smaller, with a step that shrinks with the information
of the observation, so that truncation and rounding both stay near 1e-11 of the curvature.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mlefit.families.base import Derivatives, Family
from mlefit.families.links import Array
from mlefit.families.tails import log1mexp

FIRST: Final = ((1, 4 / 5), (2, -1 / 5), (3, 4 / 105), (4, -1 / 280))
SECOND: Final = ((1, 8 / 5), (2, -1 / 5), (3, 8 / 315), (4, -1 / 560))
CENTRE: Final = -205 / 72
STEP: Final = 0.016

LOG_HALF: Final = float(np.log(0.5))


def complement(value: Array, gradient: Array, hessian: Array) -> Derivatives:
    """log(1 - exp(value)) with derivatives, for value < 0."""
    other = log1mexp(value)
    with np.errstate(all="ignore"):
        ratio = np.where(value == -np.inf, 0.0, 1 / np.expm1(-value))
        slope, curve = _finite(ratio * gradient, ratio), _finite(ratio * hessian, ratio)
        product = slope[:, None] * gradient[None, :]
        return other, -slope, -curve - _finite(product * (1 + ratio), ratio)


def _finite(values: Array, ratio: Array) -> Array:
    """Zero where the other tail is nothing at all, whatever its derivatives."""
    return np.where(ratio == 0, 0.0, values)


def log_sf_derivatives(family: Family, y: Array, eta: Array) -> Derivatives:
    """As `Family.log_sf_derivatives`, from `log_sf`, `log_cdf`, `drift` and differences."""
    with np.errstate(all="ignore"):
        sf, cdf = np.asarray(family.log_sf(y, eta)), np.asarray(family.log_cdf(y, eta))
        return _both(family, y, eta, sf, cdf, False)


def log_cdf_derivatives(family: Family, y: Array, eta: Array) -> Derivatives:
    """As `Family.log_cdf_derivatives`; by way of the survival function where the family writes that one."""
    with np.errstate(all="ignore"):
        if type(family).log_sf_derivatives is Family.log_sf_derivatives:
            sf, cdf = np.asarray(family.log_sf(y, eta)), np.asarray(family.log_cdf(y, eta))
            return _both(family, y, eta, sf, cdf, True)
        value, gradient, hessian = complement(*family.log_sf_derivatives(y, eta))
        lost = ~np.isfinite(value)
        if lost.any():  # the lower tail is below the smallest double
            flat_y, flat_eta = pick(y, eta, lost)
            cdf = np.asarray(family.log_cdf(flat_y, flat_eta))
            found = _both(family, flat_y, flat_eta, np.zeros_like(cdf), cdf, True)
            value, gradient, hessian = value.copy(), full(gradient, value.shape), full(hessian, value.shape)
            value[lost], gradient[:, lost], hessian[:, :, lost] = found
        return value, gradient, hessian


def full(values: Array, shape: tuple[int, ...]) -> Array:
    """A copy whose last axes have been broadcast to `shape`."""
    return np.array(np.broadcast_to(values, values.shape[: values.ndim - len(shape)] + shape))


def pick(y: Array, eta: Array, mask: NDArray[np.bool_]) -> tuple[Array, Array]:
    """The entries of y (..., n) and eta (k, ...) where a mask (..., n) holds, each flattened to one axis."""
    flat_eta = np.broadcast_to(eta, (eta.shape[0], *mask.shape))[:, mask]
    if y.ndim == 1:
        return np.broadcast_to(y, mask.shape)[mask], flat_eta
    return np.stack([np.broadcast_to(row, mask.shape)[mask] for row in y]), flat_eta


def _both(family: Family, y: Array, eta: Array, sf: Array, cdf: Array, lower: bool) -> Derivatives:
    """Derivatives of log_cdf (`lower`) or log_sf: by drift where there is one, else of the smaller tail."""
    known = family.drift(y, eta)
    size = eta.shape[0]
    shape = np.broadcast_shapes(sf.shape, eta.shape[1:])
    sf, cdf = np.broadcast_to(sf, shape), np.broadcast_to(cdf, shape)
    value = cdf if lower else sf
    gradient, hessian = np.zeros((size, *shape)), np.zeros((size, size, *shape))
    rest = [j for j in range(size) if j not in known]
    if rest:
        _differences(family, y, eta, sf, cdf, lower, rest, gradient, hessian)
    if known:
        nll, slope = family.nll(y, eta), family.gradient(y, eta)
        hazard = np.exp(-nll - value)
        hazard = np.where(np.isfinite(value), np.nan_to_num(hazard, nan=0.0, posinf=np.inf), 0.0)
        sign = -1.0 if lower else 1.0
        for j, (speed, _) in known.items():
            gradient[j] = np.where(hazard > 0, sign * speed * hazard, 0.0)
        for j, (_, changes) in known.items():
            for i in range(size):
                bend = np.where(hazard > 0, sign * changes[i] * hazard, 0.0) - _finite(
                    gradient[j] * (slope[i] + gradient[i]), hazard
                )
                hessian[i, j] = hessian[j, i] = bend
    return value, gradient, hessian


def _differences(
    family: Family,
    y: Array,
    eta: Array,
    sf: Array,
    cdf: Array,
    lower: bool,
    scores: list[int],
    gradient: Array,
    hessian: Array,
) -> None:
    """Fill in the derivatives with respect to `scores`, row by row from the smaller of the two tails."""
    left = cdf < sf
    for part, below in ((left, True), (~left, False)):
        if not part.any():
            continue
        flat_y, flat_eta = pick(y, eta, part)
        tail, value = (family.log_cdf, cdf[part]) if below else (family.log_sf, sf[part])
        first, second = _stencil(family, tail, flat_y, flat_eta, value, scores)
        if below != lower:
            _, first, second = complement(value, first, second)
        gradient[:, part], hessian[:, :, part] = first, second


def _stencil(
    family: Family, tail: Callable[[Array, Array], Array], y: Array, eta: Array, value: Array, scores: list[int]
) -> tuple[Array, Array]:
    """Gradient (k, m) and Hessian (k, k, m) of one tail in `scores`, zero in the others."""
    size, count = eta.shape
    steps = _steps(family, y, eta)
    gradient, hessian = np.zeros((size, count)), np.zeros((size, size, count))
    for j in scores:
        ahead, behind = _line(tail, y, eta, {j: steps[j]})
        gradient[j] = sum(c * (ahead[s] - behind[s]) for s, c in FIRST) / steps[j]
        hessian[j, j] = _second(value, ahead, behind) / steps[j] ** 2
    for i in scores:
        for j in scores:
            if j < i:
                along = _second(value, *_line(tail, y, eta, {i: steps[i], j: steps[j]}))
                own = steps[i] ** 2 * hessian[i, i] + steps[j] ** 2 * hessian[j, j]
                hessian[i, j] = hessian[j, i] = (along - own) / (2 * steps[i] * steps[j])
    silent = ~np.isfinite(value)
    gradient[:, silent], hessian[:, :, silent] = 0.0, 0.0
    return gradient, hessian


def _second(value: Array, ahead: dict[int, Array], behind: dict[int, Array]) -> Array:
    return np.asarray(CENTRE * value + sum(c * (ahead[s] + behind[s]) for s, c in SECOND))


def _line(
    tail: Callable[[Array, Array], Array], y: Array, eta: Array, steps: dict[int, Array]
) -> tuple[dict[int, Array], dict[int, Array]]:
    """The tail at one to four steps ahead and behind along a direction."""
    found: tuple[dict[int, Array], dict[int, Array]] = ({}, {})
    for s, _ in SECOND:
        for side, sign in zip(found, (1, -1), strict=True):
            moved = eta.copy()
            for j, h in steps.items():
                moved[j] += sign * s * h
            side[s] = np.asarray(tail(y, moved))
    return found


def _steps(family: Family, y: Array, eta: Array) -> Array:
    """(k, m): a small part of the distance over which each score changes the density."""
    bounded = np.isfinite(family.step)[:, None]
    curve = np.abs(np.einsum("jj...->j...", family.hessian(y, eta))) + family.gradient(y, eta) ** 2
    curve = np.broadcast_to(curve, eta.shape)
    usable = np.isfinite(curve) & (curve > 0)
    typical = np.array([[np.median(c[u])] if u.any() else [1.0] for c, u in zip(curve, usable, strict=True)])
    least = np.where(bounded, 1.0, 0.1 * typical)
    return np.asarray(STEP / np.sqrt(np.where(usable, np.maximum(curve, least), np.maximum(typical, least))))
