"""Activation functions of a hidden layer, elementwise and in place.

Each replaces `z` by its activation and, when asked, writes the derivative into `slope`, so that the backward pass
is one multiplication whatever the function.
"""

from __future__ import annotations

from collections.abc import Callable
from math import pi, sqrt
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]
Activation = Callable[[Array, Array | None], None]


def relu(z: Array, slope: Array | None) -> None:
    """max(z, 0); the derivative at 0 is taken as 0."""
    np.maximum(z, 0.0, out=z)
    if slope is not None:
        np.sign(z, slope)


def tanh(z: Array, slope: Array | None) -> None:
    """tanh z, derivative 1 - tanh(z)^2."""
    np.tanh(z, z)
    if slope is not None:
        np.multiply(z, z, slope)
        np.subtract(1.0, slope, slope)


def sigmoid(z: Array, slope: Array | None) -> None:
    """1 / (1 + exp(-z)) = (1 + tanh(z/2)) / 2, which cannot overflow; derivative s (1 - s)."""
    _expit(z, z)
    if slope is not None:
        np.subtract(1.0, z, slope)
        np.multiply(slope, z, slope)


def silu(z: Array, slope: Array | None) -> None:
    """z s with s = sigmoid(z) (Elfwing, Uchibe and Doya 2018); derivative s + a (1 - s) with a = z s."""
    s = np.empty_like(z) if slope is None else slope
    _expit(z, s)
    np.multiply(z, s, z)
    if slope is not None:
        slope += z * (1.0 - slope)


def gelu(z: Array, slope: Array | None) -> None:
    """z Phi(z) with the normal distribution function Phi (Hendrycks and Gimpel 2016); derivative Phi + z phi."""
    from scipy.special import ndtr

    cdf = ndtr(z)
    if slope is not None:
        np.multiply(z, z, slope)
        np.multiply(slope, -0.5, slope)
        np.exp(slope, slope)
        np.multiply(slope, 1 / sqrt(2 * pi), slope)
        np.multiply(slope, z, slope)
        np.add(slope, cdf, slope)
    np.multiply(z, cdf, z)


def _expit(z: Array, out: Array) -> None:
    np.multiply(z, 0.5, out)
    np.tanh(out, out)
    np.multiply(out, 0.5, out)
    np.add(out, 0.5, out)


ACTIVATIONS: Final[dict[str, Activation]] = {
    "relu": relu,
    "tanh": tanh,
    "gelu": gelu,
    "silu": silu,
    "sigmoid": sigmoid,
}
