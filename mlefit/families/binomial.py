"""Successes in `trials`; p = expit(eta); nll = -log C(trials, y) - y log(p) - (trials - y) log(1 - p).

Written as Stirling corrections of the three factorials and the half deviances of successes and failures, none of
which cancels for large counts.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mlefit.families.base import Derivatives, ExponentialFamily, Parameter, Rows, stack
from mlefit.families.deviance import deviance
from mlefit.families.integers import smallest
from mlefit.families.links import BOUND, Array, expit, logit, softplus
from mlefit.families.stirling import log_factorial_excess
from mlefit.families.support import counts


class Binomial(ExponentialFamily):
    """Sum of `trials` Bernoulli outcomes (Johnson, Kemp and Kotz 2005, chapter 3); p-hat is the overall proportion.

    `y` is (2, n): successes and trials. Mean, variance, quantiles and samples refer to `trials`, () or (n,), one
    unless `given` says more; a sample is (2, n) again.
    """

    name = "binomial"
    summary = "successes in a known number of trials"
    aliases = ("binom",)
    parameters = (Parameter("p", logit, "probability of success in one trial", closed=(0.0, 1.0)),)
    support = counts
    discrete = True
    columns = ("y", "trials")
    _centre_size = 1

    def __init__(self, trials: Array | float = 1.0) -> None:
        self.trials = np.asarray(trials, dtype=float)

    def given(self, *others: Array) -> Binomial:
        return Binomial(*others)

    def inside(self, y: Array) -> NDArray[np.bool_]:
        return possible(y)

    def centre(self, rows: Rows) -> Array:
        """The log odds of the overall proportion; zero where there are only successes or only failures."""
        with np.errstate(divide="ignore"):
            odds = np.log(rows.sum(rows.y[0])) - np.log(rows.sum(rows.y[1] - rows.y[0]))
        return np.where(np.isfinite(odds), odds, 0.0)[None]

    def statistics(self, y: Array, centre: Array) -> Array:
        return stack(1.0, y[0], y[1] - y[0], self.nll(y, centre))

    def total(self, sums: Array, centre: Array, eta: Array) -> Derivatives:
        _, successes, failures, central = sums
        p, q = expit(eta[0]), expit(-eta[0])
        d = eta[0] - centre[0]
        near = np.abs(d) < 1
        small = np.where(near, d, 0.0)
        plus = np.where(near, np.log1p(expit(centre[0]) * np.expm1(small)), softplus(eta[0]) - softplus(centre[0]))
        minus = np.where(near, np.log1p(expit(-centre[0]) * np.expm1(-small)), softplus(-eta[0]) - softplus(-centre[0]))
        nll = central + failures * plus + successes * minus
        return nll, (failures * p - successes * q)[None], ((successes + failures) * p * q)[None, None]

    def start_from(self, sums: Array, centre: Array) -> Array:
        with np.errstate(divide="ignore"):
            return np.clip(np.log(sums[1]) - np.log(sums[2]), -BOUND, BOUND)[None]

    def nll(self, y: Array, eta: Array) -> Array:
        successes, trials = y
        failures = trials - successes
        p, q = expit(eta[0]), expit(-eta[0])
        excess = failures * p - successes * q  # trials p - successes
        return (
            log_choose_excess(successes, failures)
            + deviance(successes, trials * p, excess)
            + deviance(failures, trials * q, -excess)
        )

    def gradient(self, y: Array, eta: Array) -> Array:
        return ((y[1] - y[0]) * expit(eta[0]) - y[0] * expit(-eta[0]))[None]

    def hessian(self, y: Array, eta: Array) -> Array:
        return (y[1] * expit(eta[0]) * expit(-eta[0]))[None, None]

    def derivatives(self, y: Array, eta: Array) -> Derivatives:
        return self.nll(y, eta), self.gradient(y, eta), self.hessian(y, eta)

    def log_cdf(self, y: Array, eta: Array) -> Array:
        from mlefit.families.incomplete import log_beta_cdf

        successes, failures, low, high = _clipped(y)
        inside = log_beta_cdf(failures, successes + 1, expit(-eta[0]), expit(eta[0]))
        return np.where(low, -np.inf, np.where(high, 0.0, inside))

    def log_sf(self, y: Array, eta: Array) -> Array:
        from mlefit.families.incomplete import log_beta_cdf

        successes, failures, low, high = _clipped(y)
        inside = log_beta_cdf(successes + 1, failures, expit(eta[0]), expit(-eta[0]))
        return np.where(low, 0.0, np.where(high, -np.inf, inside))

    def drift(self, y: Array, eta: Array) -> dict[int, tuple[Array, list[Array]]]:
        """dP(Y > y)/dp = (trials - y)/(1 - p) P(Y = y) (Johnson, Kemp and Kotz 2005, equation 3.39)."""
        speed = np.where((y[0] >= 0) & (y[0] < y[1]), y[1] - y[0], 0.0) * expit(eta[0])
        return {0: (speed, [speed * expit(-eta[0])])}

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
        return self.trials * expit(eta[0])

    def variance(self, eta: Array) -> Array:
        return self.trials * expit(eta[0]) * expit(-eta[0])

    def sample(self, generator: np.random.Generator, eta: Array, n: int) -> Array:
        return stack(generator.binomial(self.trials.astype(np.int64), expit(eta[0]), n).astype(float), self.trials)


def possible(y: Array) -> NDArray[np.bool_]:
    """Rows (successes, trials) with a positive whole number of trials and 0 to as many successes, (n,)."""
    return counts.contains(y[0]) & counts.contains(y[1]) & (y[1] > 0) & (y[0] <= y[1])


def log_choose_excess(successes: Array, failures: Array) -> Array:
    """-log C(n, y) - [y log(y/n) + (n - y) log(1 - y/n)], what Stirling's formula leaves of it."""
    return log_factorial_excess(successes) + log_factorial_excess(failures) - log_factorial_excess(successes + failures)


def _clipped(y: Array) -> tuple[Array, Array, NDArray[np.bool_], NDArray[np.bool_]]:
    """Whole successes and failures where both tails exist, and where y lies below or at and above all of them."""
    low, high = y[0] < 0, y[0] >= y[1]
    successes = np.floor(np.where(low | high, 0.0, y[0]))
    return successes, np.where(high, 1.0, y[1] - successes), low, high
