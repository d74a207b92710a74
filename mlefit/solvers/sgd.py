"""Stochastic gradient descent with momentum, plain or Nesterov's (Sutskever et al. 2013)."""

from __future__ import annotations

import numpy as np

from mlefit.solvers.optimizer import Array, Optimizer


class SGD(Optimizer):
    """v <- momentum v + g; theta <- theta - rate v, or with Nesterov theta - rate (g + momentum v)."""

    name = "sgd"
    rate = 0.02
    memory = ("velocity",)
    momentum = 0.9
    nesterov = True

    def move(self, theta: Array, spare: Array, gradient: Array, *memory: Array) -> None:
        (velocity,) = memory
        np.multiply(velocity, self.momentum, velocity)
        np.add(velocity, gradient, velocity)
        if self.nesterov:
            np.multiply(velocity, self.momentum, spare)
            np.add(spare, gradient, spare)
            np.multiply(spare, self._rate, spare)
        else:
            np.multiply(velocity, self._rate, spare)
        np.subtract(theta, spare, theta)
