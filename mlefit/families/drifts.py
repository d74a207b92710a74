"""The `drift` of location and scale parameters, which many families share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlefit.families.links import Array

Drift = dict[int, tuple[Array, Sequence[Array | float]]]


def of_scale(y: Array, size: int, scale: int = 0, sign: float = 1.0) -> Drift:
    """Score `scale` of `size` is log(scale), or log(rate) with `sign` -1: quantiles move at the speed y."""
    return {scale: (sign * np.maximum(y, 0.0), [0.0] * size)}


def of_location_scale(y: Array, eta: Array, loc: int = 0, scale: int = 1) -> Drift:
    """Scores `loc` and `scale` are a location and log(scale): speeds 1 and y - loc."""
    changes = [0.0] * eta.shape[0]
    moved = [-1.0 if i == loc else 0.0 for i in range(eta.shape[0])]
    return {loc: (np.ones_like(y), changes), scale: (y - eta[loc], moved)}
