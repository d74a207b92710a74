"""Adam: momentum divided by the root of a running mean of squares (Kingma and Ba 2015, algorithm 1)."""

from __future__ import annotations

from math import sqrt

import numpy as np

from mlefit.solvers.optimizer import Array, Optimizer


class Adam(Optimizer):
    """m <- b1 m + (1 - b1) g; v <- b2 v + (1 - b2) g^2; theta <- theta - rate m-hat / (sqrt(v-hat) + epsilon).

    The memory holds m / (1 - b1) and v / (1 - b2), which saves two passes; the step's constants make up for it.
    """

    name = "adam"
    rate = 0.001
    memory = ("first", "second")
    beta1 = 0.9
    beta2 = 0.999
    epsilon = 1e-8

    def prepare(self, rate: float) -> None:
        root = sqrt((1 - self.beta2) / (1 - self.beta2**self.count))
        self._rate = rate * (1 - self.beta1) / (1 - self.beta1**self.count) / root
        self._epsilon = self.epsilon / root

    def move(self, theta: Array, spare: Array, gradient: Array, *memory: Array) -> None:
        first, second = memory
        np.multiply(first, self.beta1, first)
        np.add(first, gradient, first)
        np.multiply(second, self.beta2, second)
        np.multiply(gradient, gradient, gradient)
        np.add(second, gradient, second)
        np.sqrt(second, spare)
        np.add(spare, self._epsilon, spare)
        np.divide(first, spare, spare)
        np.multiply(spare, self._rate, spare)
        np.subtract(theta, spare, theta)
