"""Labels; p = softmax(0, eta1 ... eta(K-1)); nll = log(1 + sum exp(eta)) - eta[y]. As a loss: cross-entropy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mlefit.errors import UsageError, nearest
from mlefit.families.base import Derivatives, ExponentialFamily, Parameter, Rows, stack
from mlefit.families.bernoulli import Bernoulli
from mlefit.families.links import BOUND, Array, logit
from mlefit.families.support import Support

STEP = logit.step


class Categorical(ExponentialFamily):
    """K labels with probabilities p that sum to one; p-hat is the share of each label.

    `y` holds codes 0 ... K - 1 of `levels`. The scores are the log odds of each level against the first that is
    not held fixed: one fewer than there are free levels, while every free level is a parameter, so `forward`,
    `inverse` and `jacobian` are written here. A level that does not occur is a score at its bound.

    The sums of statistics take memory in proportion to K, the Hessian to K^2: the shares of thousands of levels
    are quickly had by `start_from`, solving and standard errors are for up to a few hundred.

    Args:
        levels: the labels; without them nothing but the names can be asked.
        fixed: probabilities held, by parameter name; the other levels share what is left.

    Raises:
        UsageError: an unknown parameter, or probabilities that cannot sum to one.
    """

    name = "categorical"
    summary = "one of several labels"
    aliases = ("multinomial", "multinoulli")
    discrete = True
    labels = True
    losses = ("cross-entropy", "sparse-cross-entropy")

    def __init__(self, levels: Sequence[str] = (), fixed: Mapping[str, float] | None = None) -> None:
        self.levels = tuple(levels)
        self.fixed = dict(fixed or {})
        every = [f"p[{level}]" for level in levels] or ["p[level]"]
        self._check(every)
        self.held = np.array([self.fixed.get(name, np.nan) for name in every])
        self.free = np.isnan(self.held)
        self._codes = np.arange(1.0, len(every))[:, None]
        self.mass = max(0.0, 1 - float(self.held[~self.free].sum())) if self.fixed else 1.0
        self.parameters = tuple(
            Parameter(name, logit, "probability of the label")
            for name, free in zip(every, self.free, strict=True)
            if free
        )
        self.support = Support(0.0, len(every) - 1.0, integer=True)

    def _check(self, every: Sequence[str]) -> None:
        for name, value in self.fixed.items():
            # Before the labels are known, any could be meant.
            if name not in every and (self.levels or not (name.startswith("p[") and name.endswith("]"))):
                hint = nearest(name, every, f"it has {', '.join(every[:8])}")
                raise UsageError(f"{self.name} has no parameter {name!r}; {hint}")
            if not 0 <= value <= 1:
                raise UsageError(f"{name}={value:g} is not a probability (0 to 1)")
        total = sum(self.fixed.values())
        if total > 1 + 1e-12:
            raise UsageError(f"the fixed probabilities sum to {total:g}, more than 1")
        if self.levels and len(self.fixed) == len(every) and total < 1 - 1e-12:
            raise UsageError(f"all probabilities are fixed and sum to {total:g}, not 1")

    def bind(self, levels: Sequence[str]) -> Categorical:
        return Categorical(levels, self.fixed)

    def pin(self, fixed: Mapping[str, float]) -> Categorical:
        return Categorical(self.levels, {**self.fixed, **fixed})

    def margin(self, index: int, sums: Array) -> tuple[ExponentialFamily, Array, float]:
        """One label against the rest: given that a label is another one, the others' shares do not depend on it."""
        counts = sums[1:][self.free]
        return Bernoulli(), np.stack([counts.sum(axis=0), counts[index]]), self.mass

    # -- scores and parameters -------------------------------------------------------------------------------

    @property
    def size(self) -> int:
        return max(0, int(self.free.sum()) - 1)

    @property
    def step(self) -> Array:
        return np.full(self.size, STEP)

    def forward(self, theta: Array) -> Array:
        theta = np.asarray(theta, dtype=float)
        with np.errstate(divide="ignore", invalid="ignore"):
            logs = np.log(theta / theta.sum(axis=0)) if len(theta) else theta
            # A reference that does not occur is given the smallest probability that scores can say.
            first = np.maximum(logs[:1], -BOUND)
            return np.nan_to_num(np.clip(logs[1:] - first, -BOUND, BOUND), nan=0.0)

    def inverse(self, eta: Array) -> Array:
        return self.mass * self._softmax(eta)[1]

    def jacobian(self, eta: Array) -> Array:
        _, p, q = self._softmax(eta)
        result = -p[:, None] * p[None, 1:]
        for j in range(self.size):
            result[j + 1, j] = p[j + 1] * q[j + 1]
        return self.mass * result

    def _softmax(self, eta: Array) -> tuple[Array, Array, Array]:
        """log p, p and 1 - p of the free levels among themselves, each with its full relative precision."""
        eta = np.asarray(eta, dtype=float)
        if not self.free.any():
            nothing = np.zeros((0, *eta.shape[1:]))
            return nothing, nothing, nothing
        score = np.concatenate([np.zeros((1, *eta.shape[1:])), eta])
        score = score - score.max(axis=0)
        odds = np.exp(score)
        total = odds.sum(axis=0)
        # What the others hold, added up without the level itself: 1 - p would lose the digits of a small rest.
        others = np.zeros_like(odds)
        others[1:] = np.cumsum(odds[:-1], axis=0)
        others[:-1] += np.cumsum(odds[:0:-1], axis=0)[::-1]
        q = others / total
        logs = np.where(q < 0.5, np.log1p(-np.minimum(q, 0.5)), score - np.log(total))
        return logs, odds / total, q

    # -- the likelihood -------------------------------------------------------------------------------------

    def _indicators(self, y: Array, eta: Array) -> Array:
        """1 where row i has level j, (K, n), with as many axes as `eta`."""
        codes = np.arange(self.free.size, dtype=float).reshape(-1, *([1] * (eta.ndim - 1)))
        return (np.asarray(y) == codes).astype(float)

    def _logs(self, logs: Array) -> Array:
        """log p of every level, held ones included, from those of the free ones among themselves."""
        result = np.empty((self.free.size, *logs.shape[1:]))
        with np.errstate(divide="ignore"):
            result[self.free] = logs + np.log(self.mass)
            result[~self.free] = np.log(self.held[~self.free]).reshape(-1, *([1] * (logs.ndim - 1)))
        return result

    def _value(self, counts: Array, logs: Array) -> Array:
        every = self._logs(logs)
        return -np.where(counts > 0, counts * np.where(counts > 0, every, 0.0), 0.0).sum(axis=0)

    def _slope(self, weight: Array | float, counts: Array, p: Array, q: Array) -> Array:
        free = counts[self.free]
        if not self.free.all():
            weight = free.sum(axis=0)
        return (weight - free[1:]) * p[1:] - free[1:] * q[1:]

    def _terms(self, weight: Array | float, counts: Array, eta: Array) -> Derivatives:
        """The three for counts (K, ...) of the levels that sum to `weight`."""
        logs, p, q = self._softmax(eta)
        hessian = -p[1:, None] * p[None, 1:]
        for j in range(self.size):
            hessian[j, j] = p[j + 1] * q[j + 1]
        if not self.free.all():
            weight = counts[self.free].sum(axis=0)
        return self._value(counts, logs), self._slope(weight, counts, p, q), weight * hessian

    def nll(self, y: Array, eta: Array) -> Array:
        return self._value(self._indicators(y, eta), self._softmax(eta)[0])

    def gradient(self, y: Array, eta: Array) -> Array:
        if not self.fixed and eta.ndim == 2:
            return self._plain_gradient(y, eta)
        _, p, q = self._softmax(eta)
        return self._slope(1.0, self._indicators(y, eta), p, q)

    def _plain_gradient(self, y: Array, eta: Array) -> Array:
        """p - y to full absolute precision, in few passes: what a network's mini-batches wait for."""
        largest = np.maximum.reduce(eta, axis=0, initial=0.0)
        p = eta - largest
        np.exp(p, p)
        p /= np.add.reduce(p, axis=0) + np.exp(-largest)
        return p - (np.asarray(y) == self._codes)

    def derivatives(self, y: Array, eta: Array) -> Derivatives:
        return self._terms(1.0, self._indicators(y, eta), eta)

    def statistics(self, y: Array, centre: Array) -> Array:
        return stack(1.0, *self._indicators(y, y[None]))

    def summed(self, rows: Rows, centre: Array) -> Array:
        """Counted rather than added up from `statistics`, which would take K numbers a row."""
        groups, levels = rows.total_weight.size, self.free.size
        group = rows.spread(np.arange(groups, dtype=float)).astype(np.intp)
        index = group * levels + rows.y.astype(np.intp)
        counts = np.bincount(index, weights=rows.weight, minlength=groups * levels).reshape(groups, levels)
        return np.vstack([counts.sum(axis=1), counts.T]).astype(float)

    def total(self, sums: Array, centre: Array, eta: Array) -> Derivatives:
        return self._terms(sums[0], sums[1:], eta)

    def start_from(self, sums: Array, centre: Array) -> Array:
        return self.forward(sums[1:][self.free])

    # -- the distribution -------------------------------------------------------------------------------------

    def sample(self, generator: np.random.Generator, eta: Array, n: int) -> Array:
        """Codes of levels, (n,)."""
        steps = np.cumsum(np.exp(self._logs(self._softmax(eta)[0])), axis=0)
        u = generator.random(n) * steps[-1]
        if steps.shape[-1] == 1:
            return np.searchsorted(steps[:, 0], u, side="right").astype(float)
        return (steps <= u).sum(axis=0).astype(float)

    def __repr__(self) -> str:
        held = f", fixed={self.fixed}" if self.fixed else ""
        return f"Categorical({len(self.levels)} levels{held})"
