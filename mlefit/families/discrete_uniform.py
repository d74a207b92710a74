"""The integers from `lower` to `upper`, all alike; nll = log(upper - lower + 1) between them, else infinite."""

from __future__ import annotations

import numpy as np

from mlefit.families.base import Derivatives, Family, Parameter, Rows, stack, symmetric
from mlefit.families.links import Array, identity
from mlefit.families.support import Support
from mlefit.families.uniform import log_part


class DiscreteUniform(Family):
    """Equal probabilities on lower, lower + 1 ... upper (Johnson, Kemp and Kotz 2005, section 6.10.1).

    The estimates are the extremes; the log-likelihood falls from them with a slope, so there is no information
    matrix.
    """

    name = "discrete-uniform"
    summary = "equally likely integers, such as a die"
    aliases = ("duniform", "randint")
    parameters = (
        Parameter("lower", identity, "smallest possible value"),
        Parameter("upper", identity, "largest possible value"),
    )
    support = Support(integer=True)
    discrete = True
    irregular = frozenset({"lower", "upper"})
    irregular_note = "the likelihood has no smooth maximum at the extremes, so there are no standard errors"

    def nll(self, y: Array, eta: Array) -> Array:
        inside = (y >= eta[0]) & (y <= eta[1])
        return np.where(inside, np.log(_values(eta)), np.inf)

    def gradient(self, y: Array, eta: Array) -> Array:
        slope = 1 / _values(eta) + np.zeros(np.shape(y))
        return stack(-slope, slope)

    def hessian(self, y: Array, eta: Array) -> Array:
        curve = -1 / _values(eta) ** 2 + np.zeros(np.shape(y))
        return symmetric(curve, -curve, curve)

    def start(self, rows: Rows) -> Array:
        return np.stack([rows.minimum(rows.y), rows.maximum(rows.y)])

    def bend(self, name: str, y: Array, eta: Array) -> tuple[Array, Array, Array]:
        """Each end is as near to the values as it can be, whatever the other: any slope will do for the distance.

        The ends are whole numbers only where every cell of the predictor has a coefficient of its own.
        """
        near, never = np.ones(y.shape), np.full(y.shape, np.inf)
        return (y, near, never) if name == "lower" else (y, never, near)

    def log_cdf(self, y: Array, eta: Array) -> Array:
        above = np.clip(_values(eta) - (np.floor(y) - eta[0] + 1), 0.0, _values(eta))
        below = _values(eta) - above
        with np.errstate(divide="ignore"):
            return np.where(below < above, np.log(below / _values(eta)), np.log1p(-above / _values(eta)))

    def log_sf(self, y: Array, eta: Array) -> Array:
        below = np.clip(np.floor(y) - eta[0] + 1, 0.0, _values(eta))
        above = _values(eta) - below
        with np.errstate(divide="ignore"):
            return np.where(above < below, np.log(above / _values(eta)), np.log1p(-below / _values(eta)))

    def log_sf_derivatives(self, y: Array, eta: Array) -> Derivatives:
        return log_part(np.floor(y), np.inf, eta[0] - 1, eta[1])

    def log_cdf_derivatives(self, y: Array, eta: Array) -> Derivatives:
        return log_part(-np.inf, np.floor(y), eta[0] - 1, eta[1])

    def log_interval_derivatives(self, left: Array, right: Array, eta: Array) -> Derivatives:
        return log_part(np.floor(left), np.floor(right), eta[0] - 1, eta[1])

    def quantile(self, q: Array, eta: Array) -> Array:
        # A probability k/(number of values), rounded, must give the k-th value and not the one after.
        rank = np.ceil(np.asarray(q) * _values(eta) * (1 - 4 * np.finfo(float).eps))
        return eta[0] + np.clip(rank, 1.0, _values(eta)) - 1

    def mean(self, eta: Array) -> Array:
        return (eta[0] + eta[1]) / 2

    def variance(self, eta: Array) -> Array:
        return (_values(eta) ** 2 - 1) / 12

    def sample(self, generator: np.random.Generator, eta: Array, n: int) -> Array:
        return generator.integers(eta[0].astype(np.int64), eta[1].astype(np.int64), n, endpoint=True).astype(float)


def _values(eta: Array) -> Array:
    """How many values there are."""
    return np.asarray(eta[1] - eta[0] + 1)
