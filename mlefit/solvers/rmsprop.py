"""RMSprop: each parameter's step divided by the root of a running mean of its squared gradient.

Tieleman and Hinton (2012), lecture 6.5; the mean is corrected for its start at zero.
"""

from __future__ import annotations

from math import sqrt

import numpy as np

from mlefit.solvers.optimizer import Array, Optimizer


class RMSprop(Optimizer):
    """s <- rho s + (1 - rho) g^2; theta <- theta - rate g / (sqrt(s) + epsilon)."""

    name = "rmsprop"
    rate = 0.001
    memory = ("square",)
    rho = 0.9
    epsilon = 1e-8

    def prepare(self, rate: float) -> None:
        # The memory holds s / (1 - rho), which saves a pass; the constants make up for it.
        root = sqrt((1 - self.rho) / (1 - self.rho**self.count))
        self._rate = rate / root
        self._epsilon = self.epsilon / root

    def move(self, theta: Array, spare: Array, gradient: Array, *memory: Array) -> None:
        (square,) = memory
        np.multiply(square, self.rho, square)
        np.multiply(gradient, gradient, spare)
        np.add(square, spare, square)
        np.sqrt(square, spare)
        np.add(spare, self._epsilon, spare)
        np.divide(gradient, spare, spare)
        np.multiply(spare, self._rate, spare)
        np.subtract(theta, spare, theta)
