"""Measurements with a mass at zero: exactly 0 with probability pi, else a draw from a continuous family; z = logit(pi).

nll = log(1 + exp(-z)) at zero, log(1 + exp(z)) - log f(y) elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mlefit.errors import UsageError
from mlefit.families.base import Derivatives, Family, Parameter, Rows
from mlefit.families.links import Array, expit, logit, softplus
from mlefit.families.reweighted import Reweighted
from mlefit.families.support import Support
from mlefit.families.tails import log1mexp
from mlefit.families.zero_inflated import ZeroOrElse, columns, count, limits


class Semicontinuous(ZeroOrElse):
    """A mass at zero beside a density (Aitchison 1955, Journal of the American Statistical Association 50, 901-908).

    A density gives no probability to zero itself, so every zero is of the mass: zero-inflated and hurdle are the same.
    Scores are those of `base` and then that of pi, whose estimate is the share of zeros.

    Args:
        base: regular and continuous, its support touching zero or around it.
        prefix: what the family was asked for as, `hurdle` or `zero-inflated`.

    Raises:
        UsageError: `base` is none such.
    """

    lumped = True

    def __init__(self, base: Family, prefix: str = "hurdle", others: Sequence[Array] = ()) -> None:
        self._check(base, prefix)
        self.base = base.given(*others) if others else base
        self.prefix = prefix
        self.others = others
        self.name = f"{prefix}:{base.name}"
        self.summary = f"a mass at zero beside {base.name}"
        self.columns = base.columns
        low, high = base.support.lower, base.support.upper
        self.support = Support(low, high, low != 0 and base.support.lower_open, high != 0 and base.support.upper_open)
        middle = low + 1 if high == np.inf else high - 1 if low == -np.inf else (low + high) / 2
        self._ordinary = 0.5 if base.support.contains(np.array(0.5)) else middle
        pi = Parameter("pi", logit, "probability of zero", limit_below=base.name, closed=(0.0, 1.0))
        self.parameters = (*limits(base, prefix), pi)
        self.remainder = base.remainder
        self.cliffs = base.cliffs
        self.summits = base.summits

    @staticmethod
    def _check(base: Family, prefix: str) -> None:
        name = f"{prefix}:{base.name}"
        if "pi" in base.names:
            raise UsageError(
                f"{name} would have two parameters called pi, the share of zeros apart; give {prefix} a family "
                f"without one, such as {prefix}:gamma"
            )
        if base.name.startswith("scipy:"):
            raise UsageError(f"{prefix} takes no family of scipy, whose support moves; take one of mlefit's own")
        if base.name == "von-mises":
            raise UsageError(f"{prefix} needs measurements on a line; on the circle zero is a direction like any other")
        if base.irregular or not base.support.lower <= 0 <= base.support.upper:
            raise UsageError(
                f"{prefix} needs a regular family of counts or of measurements from zero on, which {base.name} is not"
            )

    def given(self, *others: Array) -> Family:
        return Semicontinuous(self.base, self.prefix, others)

    def around(self, base: Family) -> Family:
        return Semicontinuous(base, self.prefix, self.others)

    def inside(self, y: Array) -> NDArray[np.bool_]:
        return self.base.inside(self._filled(y))

    def _filled(self, y: Array) -> Array:
        """Rows like these with an ordinary value in place of zeros, at which the density may have no value."""
        filled = np.where(count(y, self) == 0, self._ordinary, count(y, self))
        return filled if len(self.columns) == 1 else np.concatenate([filled[None], y[1:]])

    # -- the likelihood ---------------------------------------------------------------------------------------

    def nll(self, y: Array, eta: Array) -> Array:
        z = eta[-1]
        elsewhere = softplus(z) + self.base.nll(self._filled(y), eta[:-1])
        return np.where(count(y, self) == 0, softplus(-z), elsewhere)

    def gradient(self, y: Array, eta: Array) -> Array:
        return self.derivatives(y, eta)[1]

    def hessian(self, y: Array, eta: Array) -> Array:
        return self.derivatives(y, eta)[2]

    def derivatives(self, y: Array, eta: Array) -> Derivatives:
        base, slope, curve = self.base.derivatives(self._filled(y), eta[:-1])
        z, zero = eta[-1], count(y, self) == 0
        p, q = expit(z), expit(-z)
        nll = np.where(zero, softplus(-z), softplus(z) + base)
        gradient = np.empty((self.size, *nll.shape))
        gradient[:-1] = np.where(zero, 0.0, slope)
        gradient[-1] = np.where(zero, -q, p)
        hessian = np.zeros((self.size, self.size, *nll.shape))
        hessian[:-1, :-1] = np.where(zero, 0.0, curve)
        hessian[-1, -1] = p * q
        return nll, gradient, hessian

    def start(self, rows: Rows) -> Array:
        return self.starts(rows)[0]

    def starts(self, rows: Rows) -> list[Array]:
        """pi in closed form; the base's own starts on the other values."""
        apart = np.where(count(rows.y, self) == 0, 0.0, 1.0)
        share = rows.mean(apart)
        score = -logit.forward(share)[None]
        return [np.concatenate([eta, score]) for eta in self.base.starts(_Elsewhere(rows, apart, share, self))]

    # -- the distribution -------------------------------------------------------------------------------------

    def log_cdf(self, y: Array, eta: Array) -> Array:
        below, above = self._tails(y, eta)
        with np.errstate(all="ignore"):
            return np.where(above < -1, log1mexp(np.minimum(above, 0.0)), below)

    def log_sf(self, y: Array, eta: Array) -> Array:
        below, above = self._tails(y, eta)
        with np.errstate(all="ignore"):
            return np.where(below < -1, log1mexp(np.minimum(below, 0.0)), above)

    def _tails(self, y: Array, eta: Array) -> tuple[Array, Array]:
        """log P(Y <= y) and log P(Y > y), each from its own tail of the base."""
        value, z = count(y, self), eta[-1]
        some, none = self._parted(value)
        inner = self._moved(y, some | none)
        with np.errstate(all="ignore"):
            below = np.where(some, -np.inf, np.where(none, 0.0, self.base.log_cdf(inner, eta[:-1]))) - softplus(z)
            above = np.where(some, 0.0, np.where(none, -np.inf, self.base.log_sf(inner, eta[:-1]))) - softplus(z)
            mass = -softplus(-z)
            return (
                np.where(value >= 0, np.logaddexp(mass, below), below),
                np.where(value >= 0, above, np.logaddexp(mass, above)),
            )

    def _parted(self, value: Array) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Which values lie before all of the density, and which beyond it."""
        return np.asarray(value <= self.support.lower), np.asarray(value >= self.support.upper)

    def _moved(self, y: Array, outside: NDArray[np.bool_]) -> Array:
        """The rows with an ordinary value where the density has none."""
        value = np.where(outside, self._ordinary, count(y, self))
        return value if len(self.columns) == 1 else np.concatenate([value[None], y[1:]])

    def log_sf_derivatives(self, y: Array, eta: Array) -> Derivatives:
        some, none = self._parted(count(y, self))
        found = self.base.log_sf_derivatives(self._moved(y, some | none), eta[:-1])
        return self._tail(found, none, some, count(y, self) < 0, self.log_sf(y, eta), eta)

    def log_cdf_derivatives(self, y: Array, eta: Array) -> Derivatives:
        some, none = self._parted(count(y, self))
        found = self.base.log_cdf_derivatives(self._moved(y, some | none), eta[:-1])
        return self._tail(found, some, none, count(y, self) >= 0, self.log_cdf(y, eta), eta)

    def _tail(
        self,
        found: Derivatives,
        empty: NDArray[np.bool_],
        whole: NDArray[np.bool_],
        massive: NDArray[np.bool_],
        value: Array,
        eta: Array,
    ) -> Derivatives:
        """Derivatives of the log of a tail from those of the base, where it is not `empty` or `whole`.

        `massive` where the mass at zero is in it, `value` is the log of the tail.
        """
        z, p, q = eta[-1], expit(eta[-1]), expit(-eta[-1])
        with np.errstate(all="ignore"):
            own = np.where(massive, np.exp(np.where(whole, 0.0, found[0]) - softplus(z) - value), 1.0)
            own = np.where(empty & massive, 0.0, own)
            share = np.where(massive, np.exp(-softplus(-z) - value), 0.0)
            slope = np.where(empty | whole, 0.0, found[1])
            curve = np.where(empty | whole, 0.0, found[2])
            gradient = np.empty((self.size, *value.shape))
            gradient[:-1] = own * slope
            gradient[-1] = share - p
            hessian = np.empty((self.size, self.size, *value.shape))
            hessian[:-1, :-1] = own * (curve + share * (slope[:, None] * slope[None]))
            hessian[-1, :-1] = hessian[:-1, -1] = -share * own * slope
            hessian[-1, -1] = share * own - p * q
        return value, gradient, hessian

    def quantile(self, q: Array, eta: Array) -> Array:
        pi, rest = expit(eta[-1]), expit(-eta[-1])
        with np.errstate(all="ignore"):
            zero = columns(np.zeros(1), self.others)
            low = np.exp(self.log_cdf(zero, eta)) - pi
            low = np.where(self.support.lower == 0, 0.0, low)
            share = np.where(q <= low, q / rest, 1 - (1 - q) / rest)
            y = self.base.quantile(np.clip(share, 0.0, 1.0), eta[:-1])
            return np.where((q > low) & (q <= low + pi), 0.0, y)

    def __repr__(self) -> str:
        return f"Semicontinuous({self.base!r})"


class _Elsewhere(Reweighted):
    """Rows without weight where y is zero, and there the mean of the other values of their group."""

    def __init__(self, rows: Rows, apart: Array, share: Array, family: Semicontinuous) -> None:
        # A group of zeros alone says nothing of the base: any finite start will do.
        super().__init__(rows, np.where(rows.spread(share) > 0, apart, 1.0))
        values = count(rows.y, family)
        with np.errstate(all="ignore"):
            mean = np.where(share > 0, rows.mean(values) / share, family._ordinary)
        filled = np.where(apart > 0, values, rows.spread(mean))
        self._y = filled if len(family.columns) == 1 else np.concatenate([filled[None], rows.y[1:]])

    @property
    def y(self) -> Array:
        return self._y
