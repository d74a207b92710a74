"""Zero or one; p = expit(eta); nll = log(1 + exp(eta)) - y*eta. As a loss: binary cross-entropy."""

from __future__ import annotations

import numpy as np

from mlefit.families.base import Derivatives, ExponentialFamily, Parameter, stack
from mlefit.families.links import Array, expit, logit, softplus
from mlefit.families.support import binary


class Bernoulli(ExponentialFamily):
    """P(Y = 1) = p. Sufficient statistic: the sum of y; p-hat is the mean."""

    name = "bernoulli"
    summary = "a 0/1 outcome, such as a coin toss"
    parameters = (Parameter("p", logit, "probability of 1", closed=(0.0, 1.0)),)
    support = binary
    discrete = True
    losses = ("bce",)

    def statistics(self, y: Array, centre: Array) -> Array:
        return stack(1.0, y)

    def total(self, sums: Array, centre: Array, eta: Array) -> Derivatives:
        ones, successes = sums
        # Every term is a sum of two that are not negative: no digits are lost however small p or 1 - p is.
        failures = ones - successes
        p, q = expit(eta[0]), expit(-eta[0])
        nll = failures * softplus(eta[0]) + successes * softplus(-eta[0])
        return nll, (failures * p - successes * q)[None], (ones * p * q)[None, None]

    def start_from(self, sums: Array, centre: Array) -> Array:
        return logit.forward(sums[1] / sums[0])[None]

    def gradient(self, y: Array, eta: Array) -> Array:
        return (expit(eta[0]) - y)[None]

    def log_cdf(self, y: Array, eta: Array) -> Array:
        return np.where(y < 0, -np.inf, np.where(y < 1, -softplus(eta[0]), 0.0))

    def log_sf(self, y: Array, eta: Array) -> Array:
        return np.where(y < 0, 0.0, np.where(y < 1, -softplus(-eta[0]), -np.inf))

    def quantile(self, q: Array, eta: Array) -> Array:
        return np.where(q <= expit(-eta[0]), 0.0, 1.0)

    def mean(self, eta: Array) -> Array:
        return expit(eta[0])

    def variance(self, eta: Array) -> Array:
        return expit(eta[0]) * expit(-eta[0])
