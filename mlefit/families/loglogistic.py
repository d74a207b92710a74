"""log y is logistic; with z = shape (log y - log scale): nll = 2 log(1 + exp(z)) - z - log(shape) + log(y)."""

from __future__ import annotations

from math import pi, sqrt

import numpy as np

from mlefit.families.base import Derivatives, Parameter, Rows, stack, symmetric
from mlefit.families.links import Array, expit, log, softplus
from mlefit.families.location_scale import ShapeScale, mirrored
from mlefit.families.logistic import between, standard
from mlefit.families.support import positive


class Loglogistic(ShapeScale):
    """Survival function 1 / (1 + (y/scale)^shape) (Johnson, Kotz and Balakrishnan 1995, section 23.11)."""

    name = "loglogistic"
    summary = "lifetimes whose hazard rises, then falls; incomes"
    aliases = ("log-logistic", "fisk", "llogis")
    parameters = (
        Parameter("shape", log, "index of the tail; above 1 the hazard has a mode"),
        Parameter("scale", log, "median"),
    )
    support = positive

    def nll(self, y: Array, eta: Array) -> Array:
        logs = np.log(y)
        size = np.abs(np.exp(eta[0]) * (logs - eta[1]))
        return size + 2 * np.log1p(np.exp(-size)) - eta[0] + logs

    def standard(self, z: Array) -> Derivatives:
        return standard(z)

    def start(self, rows: Rows) -> Array:
        """log y has mean log(scale) and standard deviation pi / (shape sqrt(3))."""
        logs = np.log(rows.y)
        spread = np.maximum(np.sqrt(rows.variance(logs)), 1e-12)
        return np.stack([np.log(pi / (sqrt(3) * spread)), rows.mean(logs)])

    def _score(self, y: Array, eta: Array) -> Array:
        with np.errstate(divide="ignore"):
            return np.exp(eta[0]) * (np.log(np.maximum(y, 0.0)) - eta[1])

    def log_cdf(self, y: Array, eta: Array) -> Array:
        return -softplus(-self._score(y, eta))

    def log_sf(self, y: Array, eta: Array) -> Array:
        return -softplus(self._score(y, eta))

    def log_sf_derivatives(self, y: Array, eta: Array) -> Derivatives:
        shape, z = np.exp(eta[0]), self._score(y, eta)
        below = expit(z)
        with np.errstate(invalid="ignore"):
            slope = z * below
            bend = below + slope * expit(-z)
        hessian = symmetric(-z * bend, shape * bend, -shape * shape * below * expit(-z))
        return -softplus(z), stack(-slope, shape * below), hessian

    def log_cdf_derivatives(self, y: Array, eta: Array) -> Derivatives:
        """1/Y is of this family too."""
        return mirrored(self.log_sf_derivatives(1 / np.asarray(y), stack(eta[0], -eta[1])), 1)

    def log_interval_derivatives(self, left: Array, right: Array, eta: Array) -> Derivatives:
        return between(self._score(left, eta), self._score(right, eta)).of_shape_scale(np.exp(eta[0]))

    def quantile(self, q: Array, eta: Array) -> Array:
        with np.errstate(divide="ignore"):
            return np.exp(eta[1] + (np.log(q) - np.log1p(-np.asarray(q))) * np.exp(-eta[0]))

    def mean(self, eta: Array) -> Array:
        return np.exp(eta[1]) * _moment(np.exp(-eta[0]))

    def variance(self, eta: Array) -> Array:
        inverse = np.exp(-eta[0])
        first = _moment(inverse)
        with np.errstate(invalid="ignore"):
            return np.where(inverse < 0.5, np.exp(2 * eta[1]) * (_moment(2 * inverse) - first**2), np.inf)

    def sample(self, generator: np.random.Generator, eta: Array, n: int) -> Array:
        return np.exp(eta[1] + generator.logistic(size=n) * np.exp(-eta[0]))


def _moment(r: Array) -> Array:
    """E (Y/scale)^(r shape) = pi r / sin(pi r), infinite from r = 1 on."""
    inside = np.where(r < 1, r, 0.5)
    return np.where(r < 1, 1 / np.sinc(inside), np.inf)
