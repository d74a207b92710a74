"""Likelihoods of rows of every kind written again with scipy's distributions, and their direct maximisation.

Nothing of mlefit is used where scipy has the distribution, so that agreement means something. Parameters come as
(P, 1) arrays, rows as (n,), results are (P, n).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats
from scipy.optimize import minimize
from scipy.special import ndtr, owens_t

STEP = 0.02  # of the differences, in units of the spread of a score


# -- distributions ------------------------------------------------------------------------------------------------


class Scipy:
    """A frozen distribution of scipy."""

    def __init__(self, law):
        self.law = law
        self.log_cdf, self.log_sf = law.logcdf, law.logsf

    def log_density(self, y):
        return self.law.logpmf(y) if hasattr(self.law, "logpmf") else self.law.logpdf(y)


class Inflated:
    """Counts with extra zeros."""

    def __init__(self, law, pi):
        self.law, self.pi = law, pi

    def log_density(self, y):
        return np.log(np.where(y == 0, self.pi, 0.0) + (1 - self.pi) * self.law.pmf(y))

    def log_sf(self, y):
        return np.where(y < 0, 0.0, np.log1p(-self.pi) + self.law.logsf(y))

    def log_cdf(self, y):
        return np.where(y < 0, -np.inf, np.log(self.pi + (1 - self.pi) * self.law.cdf(y)))


class Lumped:
    """A mass at zero beside a density of positive numbers."""

    def __init__(self, law, pi):
        self.law, self.pi = law, pi

    def log_density(self, y):
        return np.where(y == 0, np.log(self.pi), np.log1p(-self.pi) + self.law.logpdf(np.where(y == 0, 1.0, y)))

    def log_sf(self, y):
        return np.where(y < 0, 0.0, np.log1p(-self.pi) + self.law.logsf(y))

    def log_cdf(self, y):
        return np.where(y < 0, -np.inf, np.log(self.pi + (1 - self.pi) * self.law.cdf(y)))


class Kumaraswamy:
    """Kumaraswamy (1980): P(Y > y) = (1 - y^a)^b."""

    def __init__(self, a, b):
        self.a, self.b = a, b

    def log_density(self, y):
        return np.log(self.a * self.b) + (self.a - 1) * np.log(y) + (self.b - 1) * np.log1p(-(y**self.a))

    def log_sf(self, y):
        return self.b * np.log1p(-(np.clip(y, 0, 1) ** self.a))

    def log_cdf(self, y):
        return np.log(-np.expm1(self.log_sf(y)))


class Gompertz:
    """Hazard rate exp(shape y), for a shape of either sign; with a negative one some never fail."""

    def __init__(self, shape, rate):
        self.shape, self.rate = shape, rate

    def log_sf(self, y):
        return -self.rate / self.shape * np.expm1(self.shape * np.maximum(y, 0.0))

    def log_density(self, y):
        return np.log(self.rate) + self.shape * y + self.log_sf(y)

    def log_cdf(self, y):
        return np.log(-np.expm1(self.log_sf(y)))


class SkewNormal:
    """By Owen's T function (Azzalini 1985)."""

    def __init__(self, loc, scale, shape):
        self.law, self.loc, self.scale, self.shape = stats.skewnorm(shape, loc, scale), loc, scale, shape
        self.log_density = self.law.logpdf

    def log_cdf(self, y):
        z = (y - self.loc) / self.scale
        return np.log(ndtr(z) - 2 * owens_t(z, self.shape))

    def log_sf(self, y):
        z = (y - self.loc) / self.scale
        return np.log(ndtr(-z) + 2 * owens_t(z, self.shape))


class VonMises:
    """Angles between -pi and pi, where the distribution function begins."""

    def __init__(self, mu, kappa):
        self.law = stats.vonmises(kappa, mu)
        self.log_density = self.law.logpdf

    def log_cdf(self, y):
        return np.log(self.law.cdf(y) - self.law.cdf(-np.pi))

    def log_sf(self, y):
        return np.log(self.law.cdf(np.pi) - self.law.cdf(y))


class BetaBinomial:
    """By adding the probabilities of 0, 1 ... (scipy's distribution function is a loop over rows)."""

    def __init__(self, alpha, beta, trials):
        counts = np.arange(trials.max() + 1)[:, None, None]
        with np.errstate(all="ignore"):
            self.log_mass = stats.betabinom.logpmf(counts, trials, alpha, beta)
        self.cumulated = np.cumsum(np.exp(self.log_mass), axis=0)
        self.rest = np.cumsum(np.exp(self.log_mass[::-1]), axis=0)[::-1]

    def _at(self, table, y):
        place = np.clip(y, 0, len(table) - 1).astype(int)
        return np.take_along_axis(table, np.broadcast_to(place, table.shape[1:])[None], axis=0)[0]

    def log_density(self, y):
        return self._at(self.log_mass, y)

    def log_cdf(self, y):
        return np.log(np.where(y < 0, 0.0, self._at(self.cumulated, y)))

    def log_sf(self, y):
        return np.log(np.where(y < 0, 1.0, np.where(y >= len(self.rest) - 1, 0.0, self._at(self.rest, y + 1))))


class Labels:
    """Codes of labels with probabilities (K, P, 1)."""

    def __init__(self, *p):
        self.p = np.stack(p)

    def log_density(self, y):
        return np.log(np.take_along_axis(self.p, y.astype(int)[None, None, :], axis=0)[0])


class Own:
    """A family's word for its own distribution, where nobody else has it."""

    def __init__(self, family, theta, others):
        self.family, self.others = family, others
        self.eta = family.forward(np.stack(theta))

    def _columns(self, y):
        return np.stack([np.broadcast_to(y, self.others[0].shape), *self.others]) if len(self.others) else y

    def log_density(self, y):
        return -self.family.nll(self._columns(y), self.eta)

    def log_cdf(self, y):
        return self.family.log_cdf(self._columns(y), self.eta)

    def log_sf(self, y):
        return self.family.log_sf(self._columns(y), self.eta)


def _negative_binomial(mu, size):
    return stats.nbinom(size, size / (size + mu))


LAWS: dict[str, Callable] = {
    "bernoulli": lambda p: Scipy(stats.bernoulli(p)),
    "binomial": lambda p, trials: Scipy(stats.binom(trials, p)),
    "geometric": lambda p: Scipy(stats.geom(p, loc=-1)),
    "poisson": lambda mu: Scipy(stats.poisson(mu)),
    "negative-binomial": lambda mu, size: Scipy(_negative_binomial(mu, size)),
    "zero-inflated-poisson": lambda mu, pi: Inflated(stats.poisson(mu), pi),
    "zero-inflated-negative-binomial": lambda mu, size, pi: Inflated(_negative_binomial(mu, size), pi),
    "hurdle:gamma": lambda shape, rate, pi: Lumped(stats.gamma(shape, scale=1 / rate), pi),
    "zero-inflated:weibull": lambda shape, scale, pi: Lumped(stats.weibull_min(shape, scale=scale), pi),
    "categorical": Labels,
    "discrete-uniform": lambda lower, upper: Scipy(stats.randint(lower, upper + 1)),
    "normal": lambda mu, sigma: Scipy(stats.norm(mu, sigma)),
    "student-t": lambda df, loc, scale: Scipy(stats.t(df, loc, scale)),
    "cauchy": lambda loc, scale: Scipy(stats.cauchy(loc, scale)),
    "laplace": lambda loc, scale: Scipy(stats.laplace(loc, scale)),
    "logistic": lambda loc, scale: Scipy(stats.logistic(loc, scale)),
    "gumbel": lambda loc, scale: Scipy(stats.gumbel_r(loc, scale)),
    "gev": lambda loc, scale, shape: Scipy(stats.genextreme(-shape, loc, scale)),
    "generalized-pareto": lambda scale, shape: Scipy(stats.genpareto(shape, scale=scale)),
    "skew-normal": SkewNormal,
    "exponential": lambda rate: Scipy(stats.expon(scale=1 / rate)),
    "gompertz": Gompertz,
    "beta-binomial": BetaBinomial,
    "gamma": lambda shape, rate: Scipy(stats.gamma(shape, scale=1 / rate)),
    "inverse-gamma": lambda shape, scale: Scipy(stats.invgamma(shape, scale=scale)),
    "weibull": lambda shape, scale: Scipy(stats.weibull_min(shape, scale=scale)),
    "lognormal": lambda mu, sigma: Scipy(stats.lognorm(sigma, scale=np.exp(mu))),
    "loglogistic": lambda shape, scale: Scipy(stats.fisk(shape, scale=scale)),
    "inverse-gaussian": lambda mean, shape: Scipy(stats.invgauss(mean / shape, scale=shape)),
    "beta": lambda alpha, beta: Scipy(stats.beta(alpha, beta)),
    "kumaraswamy": Kumaraswamy,
    "uniform": lambda lower, upper: Scipy(stats.uniform(lower, upper - lower)),
    "rayleigh": lambda scale: Scipy(stats.rayleigh(scale=scale)),
    "half-normal": lambda scale: Scipy(stats.halfnorm(scale=scale)),
    "maxwell": lambda scale: Scipy(stats.maxwell(scale=scale)),
    "chi-squared": lambda df: Scipy(stats.chi2(df)),
    "pareto": lambda scale, shape: Scipy(stats.pareto(shape, scale=scale)),
    "lomax": lambda shape, scale: Scipy(stats.lomax(shape, scale=scale)),
    "burr12": lambda shape1, shape2, scale: Scipy(stats.burr12(shape2, shape1, scale=scale)),
    "von-mises": VonMises,
}


def law(family, theta, others):
    """The distribution with parameters theta (K, P, 1); `others` (d, n) are the family's columns after its first."""
    known = LAWS.get(family.name)
    return Own(family, theta, others) if known is None else known(*theta, *others)


# -- rows of every kind --------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Rows:
    """What is known of n rows: a value, or two ends; limits outside which a row could not be seen; weight, group.

    A discrete value lies between its ends and limits with both included, but beyond an open lower end: Y > lower.
    """

    discrete: bool
    y: np.ndarray
    others: np.ndarray
    weight: np.ndarray | None = None
    upper: np.ndarray | None = None
    below: np.ndarray | None = None
    above: np.ndarray | None = None

    def take(self, keep):
        columns = (self.y, self.others, self.weight, self.upper, self.below, self.above)
        return Rows(self.discrete, *(None if values is None else values[..., keep] for values in columns))

    def nll(self, distribution):
        """Of every row, (P, n), unweighted."""
        with np.errstate(all="ignore"):
            left, right = np.full(self.y.size, -np.inf), np.full(self.y.size, np.inf)
            if self.below is not None:
                left, right = self.below, self.above
                if self.discrete:
                    left, right = np.ceil(left) - 1, np.floor(right)
            if self.upper is None:
                value = -distribution.log_density(self.y)
            else:
                low, high = self.y, self.upper
                exact = low == high
                if self.discrete:
                    low, high = np.where(high < np.inf, np.ceil(low) - 1, np.floor(low)), np.floor(high)
                inner = between(distribution, np.maximum(low, left), np.minimum(high, right))
                some = self.y[np.argmax(exact)]  # in the support, where the value itself is not known
                value = -np.where(exact, distribution.log_density(np.where(exact, self.y, some)), inner)
            if self.below is not None:
                value = value + between(distribution, left, right)
            return value


def between(distribution, left, right):
    """log P(left < Y <= right), from the smaller tail."""
    below, above = distribution.log_cdf(right), distribution.log_sf(left)
    down = below + np.log(-np.expm1(distribution.log_cdf(left) - below))
    up = above + np.log(-np.expm1(distribution.log_sf(right) - above))
    inner = np.where(below < above, down, up)
    return np.where(left == -np.inf, np.where(right == np.inf, 0.0, below), np.where(right == np.inf, above, inner))


# -- maximisation --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Problem:
    """The NLL of weighted rows as a function of free scores, and its differences.

    `rows_nll` takes scores (P, k) to (P, n).
    """

    rows_nll: Callable
    weight: np.ndarray

    def value(self, eta):
        """Of scores (P, k): (P,)."""
        total = (self.rows_nll(np.atleast_2d(eta)) * self.weight).sum(axis=-1)
        return np.where(np.isfinite(total), total, 1e10)

    def about(self, at, free):
        """The problem in the scores of the mask `free` alone, as differences from `at` (k,) in units of their spread.

        The spread of a score, the others held, is where the NLL has risen by a half; it is found by halving steps.
        """
        scale = np.full(at.size, STEP)
        for j in np.flatnonzero(free):
            for _ in range(3):
                moves = np.zeros((3, at.size))
                moves[:2, j] = [-scale[j], scale[j]]
                low, high, middle = self.value(at + moves)
                rise = (low + high - 2 * middle) / scale[j] ** 2
                if rise > 0 and np.isfinite(rise):
                    scale[j] = STEP / np.sqrt(rise)
        scale /= STEP

        def inner(change):
            eta = np.tile(at, (len(change), 1))
            eta[:, free] += change * scale[free]
            return self.rows_nll(eta)

        return replace(self, rows_nll=inner), scale[free]

    def gradient(self, eta, step=STEP):
        """Central differences of order 4, (k,)."""
        return (self.slopes(eta, step) * self.weight).sum(axis=-1)

    def slopes(self, eta, step=STEP):
        """The same of every row, unweighted, (k, n)."""
        k = eta.size
        moves = step * np.concatenate([m * np.eye(k) for m in (-2, -1, 1, 2)])
        values = self.rows_nll(eta + moves).reshape(4, k, -1)
        return (values[0] - 8 * values[1] + 8 * values[2] - values[3]) / (12 * step)

    def hessian(self, eta, step=STEP):
        """Second differences at two widths, extrapolated, (k, k)."""
        k = eta.size
        signs = np.array([(1, 1), (1, -1), (-1, 1), (-1, -1)])
        pairs = [(i, j) for i in range(k) for j in range(i + 1)]
        result = np.zeros((k, k))
        widths = step, 2 * step
        moves = []
        for i, j in pairs:
            for width in widths:
                for s, t in signs:
                    moves.append(width / 2 * (s * np.eye(k)[i] + t * np.eye(k)[j]))
        values = self.value(eta + np.array(moves)).reshape(len(pairs), 2, 4)
        for (i, j), (near, far) in zip(pairs, values, strict=True):
            first, second = ((v[0] - v[1] - v[2] + v[3]) / w**2 for v, w in zip((near, far), widths, strict=True))
            result[i, j] = result[j, i] = (4 * first - second) / 3
        return result

    def minimise(self, start):
        """The lowest value that BFGS reaches from `start`, and where."""

        def function(eta):
            k = eta.size
            step = 1e-3
            moves = step * np.concatenate([np.zeros((1, k)), *(m * np.eye(k) for m in (-2, -1, 1, 2))])
            values = self.value(eta + moves)
            sides = values[1:].reshape(4, k)
            return values[0], (sides[0] - 8 * sides[1] + 8 * sides[2] - sides[3]) / (12 * step)

        found = minimize(function, start, jac=True, method="BFGS", options={"gtol": 1e-5})
        return float(found.fun), found.x
