"""Pareto tails from zero on; nll = (shape + 1) log(1 + y/scale) + log(scale) - log(shape)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlefit.families.base import Derivatives, Parameter, Rows, TermFamily, stack, symmetric
from mlefit.families.links import Array, log
from mlefit.families.support import nonnegative
from mlefit.families.tails import log1mexp


class Lomax(TermFamily):
    """Pareto of the second kind, survival function (1 + y/scale)^-shape (Johnson et al. 1994, chapter 20).

    The generalized Pareto with xi = 1/shape and scale/shape. Where the data's tail is no heavier than an
    exponential one, shape and scale run off together.
    """

    name = "lomax"
    summary = "heavy-tailed losses and waiting times that begin at zero"
    aliases = ("pareto2", "pareto-2")
    parameters = (
        Parameter("shape", log, "index of the tail", limit="exponential"),
        Parameter("scale", log, "scale", limit="exponential"),
    )
    support = nonnegative

    def nll(self, y: Array, eta: Array) -> Array:
        return (np.exp(eta[0]) + 1) * np.log1p(y * np.exp(-eta[1])) + eta[1] - eta[0]

    def terms(self, y: Array, eta: Array) -> Sequence[Array]:
        u = y * np.exp(-eta[1])
        rest = 1 / (1 + u)
        part = u * rest
        return np.log1p(u), part, part * rest

    def assemble(self, ones: Array | float, terms: Sequence[Array], eta: Array) -> Derivatives:
        logs, part, bend = terms
        shape = np.exp(eta[0])
        fall = shape * logs
        gradient = stack(fall - ones, ones - (shape + 1) * part)
        return fall + logs + ones * (eta[1] - eta[0]), gradient, symmetric(fall, -shape * part, (shape + 1) * bend)

    def start(self, rows: Rows) -> Array:
        from mlefit.families.generalized_pareto import tail_index

        xi, median = tail_index(rows)
        xi = np.maximum(xi, 0.02)
        return np.stack([-np.log(xi), log.forward(median / np.expm1(xi * np.log(2)))])

    def log_cdf(self, y: Array, eta: Array) -> Array:
        return log1mexp(self.log_sf(y, eta))

    def log_sf(self, y: Array, eta: Array) -> Array:
        return -np.exp(eta[0]) * np.log1p(np.maximum(y, 0.0) * np.exp(-eta[1]))

    def log_sf_derivatives(self, y: Array, eta: Array) -> Derivatives:
        shape = np.exp(eta[0])
        part = np.maximum(y, 0.0) / (np.exp(eta[1]) + np.maximum(y, 0.0))
        value, fall = self.log_sf(y, eta), shape * part
        return value, stack(value, fall), symmetric(value, fall, -fall * (1 - part))

    def quantile(self, q: Array, eta: Array) -> Array:
        with np.errstate(divide="ignore"):
            return np.exp(eta[1]) * np.expm1(-np.log1p(-np.asarray(q)) * np.exp(-eta[0]))

    def mean(self, eta: Array) -> Array:
        shape = np.exp(eta[0])
        with np.errstate(divide="ignore"):
            return np.where(shape > 1, np.exp(eta[1]) / (shape - 1), np.inf)

    def variance(self, eta: Array) -> Array:
        shape = np.exp(eta[0])
        with np.errstate(divide="ignore"):
            return np.where(shape > 2, np.exp(2 * eta[1]) * shape / ((shape - 1) ** 2 * (shape - 2)), np.inf)

    def sample(self, generator: np.random.Generator, eta: Array, n: int) -> Array:
        return np.exp(eta[1]) * np.expm1(generator.standard_exponential(n) * np.exp(-eta[0]))
