"""Counts with extra zeros: 0 with probability pi, else a draw from a family of counts; z = logit(pi).

nll = log(1 + exp(z)) - log(exp(z) + f(0)) at zero, log(1 + exp(z)) - log f(y) above.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from mlefit.errors import UsageError
from mlefit.families.base import Derivatives, Family, Parameter, Rows, stack
from mlefit.families.integers import smallest
from mlefit.families.links import Array, expit, logit, softplus
from mlefit.families.negative_binomial import NegativeBinomial
from mlefit.families.poisson import Poisson
from mlefit.families.reweighted import Reweighted
from mlefit.families.tails import log1mexp

if TYPE_CHECKING:
    from mlefit.families.hurdle import Hurdle

ROUNDS: Final = 25  # of expectation and maximisation before Newton takes over


class ZeroOrElse(Family):
    """0 with the probability pi of the last score, else a draw from `base`."""

    base: Family

    # -- scores and parameters: the base may have parameters made of several scores ---------------------------

    @property
    def size(self) -> int:
        return self.base.size + 1

    @property
    def step(self) -> Array:
        return np.append(self.base.step, logit.step)

    def along(self, names: Iterable[str]) -> Family:
        moved = self.base.along([name for name in names if name != "pi"])
        return self if moved is self.base else self.around(moved)

    @abstractmethod
    def around(self, base: Family) -> Family:
        """The same of another base."""

    def forward(self, theta: Array) -> Array:
        return np.concatenate([self.base.forward(theta[:-1]), logit.forward(theta[-1:])])

    def inverse(self, eta: Array) -> Array:
        return np.concatenate([self.base.inverse(eta[:-1]), logit.inverse(eta[-1:])])

    def jacobian(self, eta: Array) -> Array:
        result = np.zeros((len(self.parameters), self.size, *eta.shape[1:]))
        result[:-1, :-1] = self.base.jacobian(eta[:-1])
        result[-1, -1] = logit.derivative(eta[-1])
        return result

    def unbounded(self, eta: Array, low: Array, high: Array) -> Sequence[str]:
        return self.base.unbounded(eta[:-1], low, high)

    def cautions(self, eta: Array) -> Sequence[str]:
        return self.base.cautions(eta[:-1])

    def ordered(self, eta: Array) -> Array:
        return np.concatenate([self.base.ordered(eta[:-1]), eta[-1:]])

    def doubts(self, eta: Array) -> Sequence[str]:
        return self.base.doubts(eta[:-1])

    # -- the distribution -------------------------------------------------------------------------------------

    def mean(self, eta: Array) -> Array:
        return expit(-eta[-1]) * self.base.mean(eta[:-1])

    def variance(self, eta: Array) -> Array:
        mean = self.base.mean(eta[:-1])
        return expit(-eta[-1]) * (self.base.variance(eta[:-1]) + expit(eta[-1]) * mean**2)

    def sample(self, generator: np.random.Generator, eta: Array, n: int) -> Array:
        zero = generator.random(n) < expit(eta[-1])
        y = self.base.sample(generator, eta[:-1], n)
        if y.ndim == 1:
            return np.where(zero, 0.0, y)
        y[0] = np.where(zero, 0.0, y[0])
        return y


class ZeroInflated(ZeroOrElse):
    """A family of counts, mixed with a point mass at zero (Johnson, Kemp and Kotz 2005, section 8.2.3).

    Scores are those of `base` and then that of pi. A base of several columns has its counts in the first.

    Raises:
        UsageError: `base` is not a regular family of counts from 0.
    """

    aliases: tuple[str, ...] = ()
    discrete = True
    start_method = "em"

    def __init__(self, base: Family, others: Sequence[Array] = ()) -> None:
        check_counts(base, "zero-inflated")
        self.base = base.given(*others) if others else base
        self.others = others
        self.name = f"zero-inflated:{base.name}"
        self.summary = f"{base.name} with extra zeros"
        self.columns = base.columns
        self.support = base.support
        self.remainder = base.remainder
        self.parameters = (
            *limits(base, "zero-inflated"),
            Parameter("pi", logit, "probability of an extra zero", limit_below=base.name, closed=(0.0, 1.0)),
        )

    def given(self, *others: Array) -> Family:
        return ZeroInflated(self.base, others)

    def around(self, base: Family) -> Family:
        return ZeroInflated(base, self.others)

    def inside(self, y: Array) -> NDArray[np.bool_]:
        return self.base.inside(y)

    def nll(self, y: Array, eta: Array) -> Array:
        nll, z = self.base.nll(y, eta[:-1]), eta[-1]
        return softplus(z) + np.where(count(y, self) == 0, -np.logaddexp(z, -nll), nll)

    def gradient(self, y: Array, eta: Array) -> Array:
        return self.derivatives(y, eta)[1]

    def hessian(self, y: Array, eta: Array) -> Array:
        return self.derivatives(y, eta)[2]

    def derivatives(self, y: Array, eta: Array) -> Derivatives:
        base, slope, curve = self.base.derivatives(y, eta[:-1])
        z = eta[-1]
        p, q = expit(z), expit(-z)
        zero = count(y, self) == 0
        # The posterior probabilities that a zero is an extra one, or one of the family's own.
        extra, own = np.where(zero, expit(z + base), 0.0), np.where(zero, expit(-z - base), 1.0)
        nll = softplus(z) + np.where(zero, -np.logaddexp(z, -base), base)
        k = self.size
        gradient = np.empty((k, *nll.shape))
        gradient[:-1] = own * slope
        gradient[-1] = p - extra
        hessian = np.empty((k, k, *nll.shape))
        hessian[:-1, :-1] = own * (curve - extra * (slope[:, None] * slope[None]))
        hessian[-1, :-1] = hessian[:-1, -1] = -extra * own * slope
        hessian[-1, -1] = p * q - extra * own
        return nll, gradient, hessian

    def start(self, rows: Rows) -> Array:
        return self.starts(rows)[0]

    def starts(self, rows: Rows) -> list[Array]:
        """A few rounds of EM, the base's own `start` as its M step, from many extra zeros and from few."""
        y = count(rows.y, self)
        zeros = rows.mean(np.where(y == 0, 1.0, 0.0))
        return [self._em(rows, y, share * zeros) for share in (0.9, 0.1)]

    def _em(self, rows: Rows, y: Array, pi: Array) -> Array:
        with np.errstate(all="ignore"):
            z = logit.forward(pi)
            own = np.where(y == 0, 1 - rows.spread(pi / np.maximum(rows.mean(np.where(y == 0, 1.0, 0.0)), 1e-300)), 1.0)
            for _ in range(ROUNDS):
                eta = self.base.start(Reweighted(rows, own))
                scores = np.stack([rows.spread(score) for score in eta])
                odds = rows.spread(z) + self.base.nll(rows.y, scores)
                extra = np.where(y == 0, expit(odds), 0.0)
                own = np.where(y == 0, expit(-odds), 1.0)
                z = logit.forward(rows.mean(extra))
        return np.concatenate([eta, z[None]])

    def log_cdf(self, y: Array, eta: Array) -> Array:
        direct = np.logaddexp(-softplus(-eta[-1]), self.base.log_cdf(y, eta[:-1]) - softplus(eta[-1]))
        upper = self.log_sf(y, eta)
        return np.where(count(y, self) < 0, -np.inf, np.where(upper < -1, log1mexp(upper), direct))

    def log_sf(self, y: Array, eta: Array) -> Array:
        return np.where(count(y, self) < 0, 0.0, self.base.log_sf(y, eta[:-1]) - softplus(eta[-1]))

    def quantile(self, q: Array, eta: Array) -> Array:
        return quantile(self, q, eta)

    def __repr__(self) -> str:
        return f"ZeroInflated({self.base!r})"


class ZeroInflatedPoisson(ZeroInflated):
    """Poisson counts with extra zeros (Lambert 1992, Technometrics 34, 1-14)."""

    def __init__(self) -> None:
        super().__init__(Poisson())
        self.name = "zero-inflated-poisson"
        self.aliases = ("zip", "zipois")


class ZeroInflatedNegativeBinomial(ZeroInflated):
    """Negative-binomial counts with extra zeros."""

    def __init__(self) -> None:
        super().__init__(NegativeBinomial())
        self.name = "zero-inflated-negative-binomial"
        self.aliases = ("zinb", "zinbinom")


def check_counts(base: Family, prefix: str) -> None:
    """Refuse anything but a regular family of counts with probability at zero, whose zeros are not yet apart."""
    if "pi" in base.names:
        raise UsageError(
            f"{prefix}:{base.name} would have two parameters called pi, the share of zeros apart; give {prefix} a "
            f"family without one, such as {prefix}:poisson"
        )
    if base.name.startswith("scipy:"):
        raise UsageError(f"{prefix} takes no family of scipy, whose support may move; take one of mlefit's own")
    if not base.discrete or base.labels or base.irregular or base.support.lower != 0:
        raise UsageError(f"{prefix} needs a regular family of counts 0, 1, 2 ..., which {base.name} is not")


def limits(base: Family, prefix: str) -> list[Parameter]:
    """The base's parameters; a base that runs off to another family takes the extra zeros with it."""
    return [
        replace(p, limit=p.limit and f"{prefix}:{p.limit}", limit_below=p.limit_below and f"{prefix}:{p.limit_below}")
        for p in base.parameters
    ]


def count(y: Array, family: Family) -> Array:
    """The counts themselves, the first of several columns."""
    return y if len(family.columns) == 1 else y[0]


def columns(y: Array, others: Sequence[Array]) -> Array:
    """Counts with the other columns that their family asks for."""
    return stack(y, *others) if others else y


def quantile(family: ZeroInflated | Hurdle, q: Array, eta: Array) -> Array:
    """The smallest y with P(Y <= y) >= q, by search on the tails."""
    return smallest(
        lambda y: family.log_cdf(columns(y, family.others), eta),
        lambda y: family.log_sf(columns(y, family.others), eta),
        q,
        family.mean(eta),
        np.sqrt(family.variance(eta)),
        family.base.quantile(np.ones(1), eta[:-1]),
    )
