"""Over-dispersed successes in `trials`; nll = -log C(n, y) - log B(y + alpha, n - y + beta) + log B(alpha, beta).

With s = alpha + beta and d = (beta y - alpha (n - y))/(s + n), by how much s P exceeds alpha for the pooled
proportion P = (alpha + y)/(s + n), it is Stirling corrections and the half deviances of y, n - y, alpha and beta
from nP, n(1 - P), sP and s(1 - P): terms that cancel neither for large counts nor on the way to the binomial
distribution, s -> infinity.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mlefit.families.base import Derivatives, Family, Parameter, Rows, stack, symmetric
from mlefit.families.binomial import log_choose_excess, possible
from mlefit.families.deviance import deviance
from mlefit.families.integers import smallest
from mlefit.families.links import Array, log
from mlefit.families.stirling import digamma_excess_change, log_gamma_excess_change, trigamma_excess_change
from mlefit.families.support import counts
from mlefit.families.tails import log1mexp

BLOCK = 1 << 20  # probabilities held at once


class BetaBinomial(Family):
    """A binomial count whose p is beta distributed (Johnson, Kemp and Kotz 2005, section 6.2.2).

    `y` is (2, n): successes and trials. Mean, variance, quantiles and samples refer to `trials`, () or (n,), one
    unless `given` says more; a sample is (2, n) again.
    """

    name = "beta-binomial"
    summary = "successes in a known number of trials, more variable than binomial"
    aliases = ("betabinom",)
    parameters = (
        Parameter("alpha", log, "first shape; the mean of p is alpha/(alpha + beta)", limit="binomial"),
        Parameter("beta", log, "second shape; alpha + beta grows as over-dispersion fades", limit="binomial"),
    )
    support = counts
    discrete = True
    columns = ("y", "trials")

    def __init__(self, trials: Array | float = 1.0) -> None:
        self.trials = np.asarray(trials, dtype=float)

    def given(self, *others: Array) -> BetaBinomial:
        return BetaBinomial(*others)

    def inside(self, y: Array) -> NDArray[np.bool_]:
        return possible(y)

    def nll(self, y: Array, eta: Array) -> Array:
        a, b = np.exp(eta[0]), np.exp(eta[1])
        successes, trials = y
        failures, s = trials - successes, a + b
        d = (b * successes - a * failures) / (s + trials)
        p, q = (a + successes) / (s + trials), (b + failures) / (s + trials)
        excess = (
            log_choose_excess(successes, failures)
            - log_gamma_excess_change(a, successes)
            - log_gamma_excess_change(b, failures)
            + log_gamma_excess_change(s, trials)
        )
        data = deviance(successes, trials * p, -d) + deviance(failures, trials * q, d)
        return excess + data + deviance(a, s * p, d) + deviance(b, s * q, -d)

    def gradient(self, y: Array, eta: Array) -> Array:
        return self.derivatives(y, eta)[1]

    def hessian(self, y: Array, eta: Array) -> Array:
        return self.derivatives(y, eta)[2]

    def derivatives(self, y: Array, eta: Array) -> Derivatives:
        a, b = np.exp(eta[0]), np.exp(eta[1])
        successes, trials = y
        failures, s = trials - successes, a + b
        d = (b * successes - a * failures) / (s + trials)
        p, q = (a + successes) / (s + trials), (b + failures) / (s + trials)
        both = digamma_excess_change(s, trials) / s
        first = deviance(a, s * p, d) - d - digamma_excess_change(a, successes) + a * both
        second = deviance(b, s * q, -d) + d - digamma_excess_change(b, failures) + b * both
        curve = trigamma_excess_change(s, trials) - s * trials / (s + trials)
        share, rest = a / s, b / s
        return (
            self.nll(y, eta),
            stack(first, second),
            symmetric(
                first - trigamma_excess_change(a, successes) + a * successes / (a + successes) + share**2 * curve,
                share * rest * curve,
                second - trigamma_excess_change(b, failures) + b * failures / (b + failures) + rest**2 * curve,
            ),
        )

    def start(self, rows: Rows) -> Array:
        """By moments: Pearson's statistic about the overall proportion against its expectation."""
        successes, trials = rows.y
        p = np.clip(rows.sum(successes) / rows.sum(trials), 1e-6, 1 - 1e-6)
        each = rows.spread(p)
        pearson = rows.sum((successes - trials * each) ** 2 / (trials * each * (1 - each)))
        repeats = rows.sum(trials - 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            correlation = np.where(repeats > 0, (pearson - rows.total_weight) / repeats, 0.5)
        s = 1 / np.clip(correlation, 1e-6, 0.95) - 1
        return log.forward(np.stack([p * s, (1 - p) * s]))

    def certainties(self, eta: Array) -> list[str]:
        """All trials failed, or all succeeded."""
        return [
            f"{'no trial' if none else 'every trial'} is a success: the likelihood rises to 1 as the mean of p, "
            f"alpha/(alpha + beta), goes to {'0' if none else '1'}, whatever the variance of p; neither alpha nor beta "
            "is identified"
            for none in eta[0] < eta[1]
        ]

    def log_cdf(self, y: Array, eta: Array) -> Array:
        return np.where(y[0] < 0, -np.inf, self._smaller(y, eta, upper=False))

    def log_sf(self, y: Array, eta: Array) -> Array:
        return np.where(y[0] < 0, 0.0, self._smaller(y, eta, upper=True))

    def _smaller(self, y: Array, eta: Array, upper: bool) -> Array:
        """One tail, from the other where that is the smaller of the two."""
        tail, other = self._tail(y, eta, upper), self._tail(y, eta, not upper)
        return np.where(other < -1, log1mexp(other), tail)

    def _tail(self, y: Array, eta: Array, upper: bool) -> Array:
        """The sum of the probabilities of one side: there is no closed form, and no term is subtracted."""
        whole, trials = np.floor(np.maximum(y[0], 0.0)), y[1]
        lower, last = (whole + 1, trials) if upper else (np.zeros_like(whole), np.minimum(whole, trials))
        shape = np.broadcast_shapes(whole.shape, eta.shape[1:])
        total = np.full(shape, -np.inf)
        length = int(np.max(last - lower, initial=-1.0)) + 1
        block = max(1, BLOCK // max(1, total.size))
        with np.errstate(all="ignore"):
            for begin in range(0, length, block):
                steps = np.arange(begin, min(begin + block, length), dtype=float).reshape(-1, *([1] * len(shape)))
                at = lower + steps
                inside = at <= last
                terms = -self.nll(stack(np.where(inside, at, 0.0), trials), eta[:, None])
                part = np.where(inside, terms, -np.inf)
                largest = np.maximum(part.max(axis=0), total)
                scale = np.where(np.isfinite(largest), largest, 0.0)
                total = scale + np.log(np.exp(part - scale).sum(axis=0) + np.exp(total - scale))
        return np.minimum(total, 0.0)

    def quantile(self, q: Array, eta: Array) -> Array:
        return smallest(
            lambda y: self.log_cdf(stack(y, self.trials), eta),
            lambda y: self.log_sf(stack(y, self.trials), eta),
            q,
            self.mean(eta),
            np.sqrt(self.variance(eta)),
            self.trials,
        )

    def mean(self, eta: Array) -> Array:
        a, b = np.exp(eta[0]), np.exp(eta[1])
        return self.trials * (a / (a + b))

    def variance(self, eta: Array) -> Array:
        a, b = np.exp(eta[0]), np.exp(eta[1])
        s = a + b
        return self.trials * (a / s) * (b / s) * ((s + self.trials) / (s + 1))

    def sample(self, generator: np.random.Generator, eta: Array, n: int) -> Array:
        p = generator.beta(np.exp(eta[0]), np.exp(eta[1]), n)
        return stack(generator.binomial(self.trials.astype(np.int64), p).astype(float), self.trials)
