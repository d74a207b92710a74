"""Proportions; nll = log B(alpha, beta) - (alpha - 1) log(y) - (beta - 1) log(1 - y).

All is written about a centre c, with n = alpha + beta, m = alpha/n, d = y - c, v = d/c, w = -d/(1 - c) and
D(v) = v - log(1 + v), so that with the Stirling excess e(a) = lgamma(a) - a log(a) + a

    nll = e(alpha) + e(beta) - e(n) + n KL(m, c) + alpha D(v) + beta D(w) - n d (m - c)/(c (1 - c)) + log(y (1 - y)),

KL the divergence between Bernoulli variables: terms that stay small for any alpha and beta, where those of the
plain formula cancel.
"""

from __future__ import annotations

import numpy as np

from mlefit.families.base import Derivatives, ExponentialFamily, Parameter, Rows, stack, symmetric
from mlefit.families.incomplete import log_beta_cdf, log_beta_sf
from mlefit.families.links import Array, expit, log
from mlefit.families.stirling import digamma_excess, log_gamma_excess, trigamma_excess
from mlefit.families.support import unit


class Beta(ExponentialFamily):
    """Density y^(alpha - 1) (1 - y)^(beta - 1) / B(alpha, beta) (Johnson, Kotz and Balakrishnan 1995, chapter 25)."""

    name = "beta"
    summary = "proportions strictly between 0 and 1"
    parameters = (Parameter("alpha", log, "pull towards 1"), Parameter("beta", log, "pull towards 0"))
    support = unit
    _centre_size = 1

    def centre(self, rows: Rows) -> Array:
        return rows.mean(rows.y)[None]

    def statistics(self, y: Array, centre: Array) -> Array:
        return _statistics(y, centre[0], 1 - centre[0])

    def total(self, sums: Array, centre: Array, eta: Array) -> Derivatives:
        c = centre[0]
        return _total(sums, c, 1 - c, eta)

    def derivatives(self, y: Array, eta: Array) -> Derivatives:
        """About the mean of the distribution itself, where the divergence is nothing."""
        low, high = expit(eta[0] - eta[1]), expit(eta[1] - eta[0])
        return _total(_statistics(y, low, high), low, high, eta)

    def start_from(self, sums: Array, centre: Array) -> Array:
        """From the geometric means G of y and H of 1 - y: alpha = 1/2 + G/(2 (1 - G - H)), beta alike (Johnson, Kotz
        and Balakrishnan 1995, section 25.4)."""
        c = centre[0]
        ones, first, below, above, _ = sums
        log_low, log_high = (first / c - below) / ones, (-first / (1 - c) - above) / ones
        rest = np.maximum(-c * np.expm1(log_low) - (1 - c) * np.expm1(log_high), 1e-300)
        alpha = 0.5 + c * np.exp(log_low) / (2 * rest)
        beta = 0.5 + (1 - c) * np.exp(log_high) / (2 * rest)
        return log.forward(np.stack([alpha, beta]))

    def log_cdf(self, y: Array, eta: Array) -> Array:
        return log_beta_cdf(np.exp(eta[0]), np.exp(eta[1]), y)

    def log_sf(self, y: Array, eta: Array) -> Array:
        return log_beta_sf(np.exp(eta[0]), np.exp(eta[1]), y)

    def quantile(self, q: Array, eta: Array) -> Array:
        from scipy.special import betaincinv

        return np.asarray(betaincinv(np.exp(eta[0]), np.exp(eta[1]), q))

    def mean(self, eta: Array) -> Array:
        return expit(eta[0] - eta[1])

    def variance(self, eta: Array) -> Array:
        return expit(eta[0] - eta[1]) * expit(eta[1] - eta[0]) / (1 + np.exp(eta[0]) + np.exp(eta[1]))

    def sample(self, generator: np.random.Generator, eta: Array, n: int) -> Array:
        return generator.beta(np.exp(eta[0]), np.exp(eta[1]), n)


def _statistics(y: Array, low: Array, high: Array) -> Array:
    """1, d, D(v), D(w) and log(y (1 - y)) about the centre `low` = 1 - `high`."""
    deviation = np.where(y < 0.5, y - low, high - (1 - y))
    log_y, log_rest = np.log(y), np.log1p(-y)
    below = _excess(deviation / low, log_y - np.log(low))
    above = _excess(-deviation / high, log_rest - np.log(high))
    return stack(1.0, deviation, below, above, log_y + log_rest)


def _excess(v: Array, log_ratio: Array) -> Array:
    """v - log(1 + v); far from 0 the logarithm is better taken directly, since 1 + v has lost digits."""
    return v - np.where(np.abs(v) < 0.5, np.log1p(v), log_ratio)


def _total(sums: Array, low: Array, high: Array, eta: Array) -> Derivatives:
    ones, first, below, above, logs = sums
    a, b = np.exp(eta[0]), np.exp(eta[1])
    n = a + b
    p, q = expit(eta[0] - eta[1]), expit(eta[1] - eta[0])
    shift = np.where(p < 0.5, p - low, high - q)  # of the distribution's mean from the centre
    log_p, log_q = np.log(p) - np.log(low), np.log(q) - np.log(high)
    divergence = p * _excess(-shift / p, -log_p) + q * _excess(shift / q, -log_q)
    slope = n * shift / (low * high)
    value = ones * n * divergence + a * below + b * above - first * slope
    nll = ones * (log_gamma_excess(a) + log_gamma_excess(b) - log_gamma_excess(n)) + value + logs
    digamma_n, trigamma_n = digamma_excess(n), trigamma_excess(n)
    log_p = shift / low - _excess(shift / low, log_p)
    log_q = -shift / high - _excess(-shift / high, log_q)
    to_a = a * (ones * (digamma_excess(a) - digamma_n + log_p) + below - first / low)
    to_b = b * (ones * (digamma_excess(b) - digamma_n + log_q) + above + first / high)
    joint = ones * a * (b * trigamma_n + q)
    corner_a = ones * (a * a * (trigamma_excess(a) - trigamma_n) + a * q)
    corner_b = ones * (b * b * (trigamma_excess(b) - trigamma_n) + b * p)
    return nll, stack(to_a, to_b), symmetric(to_a + corner_a, -joint, to_b + corner_b)
