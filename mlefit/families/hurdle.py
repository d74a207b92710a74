"""Counts behind a hurdle: 0 with probability pi, else a draw from a family of counts given that it is not zero.

nll = log(1 + exp(-z)) at zero, log(1 + exp(z)) - log f(y) + log(1 - f(0)) above, z = logit(pi).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mlefit.families.base import Derivatives, Family, Parameter, Rows
from mlefit.families.links import Array, expit, logit, softplus
from mlefit.families.reweighted import Reweighted
from mlefit.families.tails import log1mexp
from mlefit.families.zero_inflated import ZeroOrElse, check_counts, columns, count, limits, quantile

DRAWS: Final = 8


class Hurdle(ZeroOrElse):
    """Zeros and counts above zero, each with a model of its own (Mullahy 1986, Journal of Econometrics 33, 341-365).

    Scores are those of `base` and then that of pi, whose estimate is the share of zeros.

    Raises:
        UsageError: `base` is not a regular family of counts from 0.
    """

    discrete = True

    def __init__(self, base: Family, others: Sequence[Array] = ()) -> None:
        check_counts(base, "hurdle")
        self.base = base.given(*others) if others else base
        self.others = others
        self.name = f"hurdle:{base.name}"
        self.summary = f"zeros apart from {base.name} counts above zero"
        self.columns = base.columns
        self.support = base.support
        self.remainder = base.remainder
        self.parameters = (*limits(base, "hurdle"), Parameter("pi", logit, "probability of zero", closed=(0.0, 1.0)))

    def given(self, *others: Array) -> Family:
        return Hurdle(self.base, others)

    def around(self, base: Family) -> Family:
        return Hurdle(base, self.others)

    def inside(self, y: Array) -> NDArray[np.bool_]:
        return self.base.inside(y)

    def _at_zero(self, y: Array) -> Array:
        """Rows like these with a count of zero."""
        if len(self.columns) == 1:
            return np.zeros(1)
        return np.concatenate([np.zeros_like(y[:1]), y[1:]])

    def nll(self, y: Array, eta: Array) -> Array:
        above = self.base.nll(y, eta[:-1]) + log1mexp(-self.base.nll(self._at_zero(y), eta[:-1]))
        return np.where(count(y, self) == 0, softplus(-eta[-1]), softplus(eta[-1]) + above)

    def gradient(self, y: Array, eta: Array) -> Array:
        return self.derivatives(y, eta)[1]

    def hessian(self, y: Array, eta: Array) -> Array:
        return self.derivatives(y, eta)[2]

    def derivatives(self, y: Array, eta: Array) -> Derivatives:
        base, slope, curve = self.base.derivatives(y, eta[:-1])
        zero, zero_slope, zero_curve = self.base.derivatives(self._at_zero(y), eta[:-1])
        z = eta[-1]
        p, q = expit(z), expit(-z)
        apart = count(y, self) == 0
        odds = 1 / np.expm1(zero)  # f(0) / (1 - f(0))
        nll = np.where(apart, softplus(-z), softplus(z) + base + log1mexp(-zero))
        k = self.size
        gradient = np.empty((k, *nll.shape))
        gradient[:-1] = np.where(apart, 0.0, slope + odds * zero_slope)
        gradient[-1] = np.where(apart, -q, p)
        hessian = np.zeros((k, k, *nll.shape))
        outer = zero_slope[:, None] * zero_slope[None]
        hessian[:-1, :-1] = np.where(apart, 0.0, curve + odds * (zero_curve - (1 + odds) * outer))
        hessian[-1, -1] = p * q
        return nll, gradient, hessian

    def start(self, rows: Rows) -> Array:
        """pi in closed form; the base's own start on the counts above zero."""
        above = np.where(count(rows.y, self) == 0, 0.0, 1.0)
        share = rows.mean(above)
        # A group of zeros alone says nothing of the base: any finite start will do.
        base = self.base.start(Reweighted(rows, np.where(rows.spread(share) > 0, above, 1.0)))
        return np.concatenate([base, -logit.forward(share)[None]])

    def log_cdf(self, y: Array, eta: Array) -> Array:
        first = -self.base.nll(self._at_zero(y), eta[:-1])
        with np.errstate(all="ignore"):
            body = self.base.log_cdf(y, eta[:-1])
            body = body + log1mexp(np.minimum(first - body, 0.0)) - log1mexp(first)
            direct = np.logaddexp(-softplus(-eta[-1]), body - softplus(eta[-1]))
            upper = self.log_sf(y, eta)
            result = np.where(upper < -1, log1mexp(np.minimum(upper, 0.0)), direct)
        y = count(y, self)
        return np.where(y < 0, -np.inf, np.where(y < 1, -softplus(-eta[-1]), result))

    def log_sf(self, y: Array, eta: Array) -> Array:
        first = -self.base.nll(self._at_zero(y), eta[:-1])
        with np.errstate(all="ignore"):
            body = self.base.log_sf(y, eta[:-1]) - log1mexp(first) - softplus(eta[-1])
        y = count(y, self)
        return np.where(y < 0, 0.0, np.where(y < 1, -softplus(eta[-1]), body))

    def quantile(self, q: Array, eta: Array) -> Array:
        return quantile(self, q, eta)

    def _above(self, eta: Array) -> Array:
        """P(Y > 0) over the same of the base."""
        return expit(-eta[-1]) / -np.expm1(-self.base.nll(columns(np.zeros(1), self.others), eta[:-1]))

    def mean(self, eta: Array) -> Array:
        return self._above(eta) * self.base.mean(eta[:-1])

    def variance(self, eta: Array) -> Array:
        mean = self.base.mean(eta[:-1])
        second = self.base.variance(eta[:-1]) + mean**2
        return self._above(eta) * second - (self._above(eta) * mean) ** 2

    def sample(self, generator: np.random.Generator, eta: Array, n: int) -> Array:
        """The base's own draws where they are not zero; what a few rounds leave, by inversion."""
        y = self.base.sample(generator, eta[:-1], n)
        values = count(y, self)
        for _ in range(DRAWS):
            if values.all():
                break
            again = count(self.base.sample(generator, eta[:-1], n), self)
            values = np.where(values == 0, again, values)
        if not values.all():
            pi = expit(eta[-1])
            inverted = self.quantile(pi + expit(-eta[-1]) * generator.random(n), eta)
            values = np.where(values == 0, np.maximum(inverted, 1.0), values)
        values = np.where(generator.random(n) < expit(eta[-1]), 0.0, values)
        return columns(values, self.others if y.ndim > 1 else ())

    def __repr__(self) -> str:
        return f"Hurdle({self.base!r})"
