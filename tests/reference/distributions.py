"""Every family's log-density, cdf and survival function in mpmath, written from the textbooks.

Nothing here is shared with mlefit: formulas are those of Johnson, Kotz and Balakrishnan (Continuous
Univariate Distributions, vols 1-2), Johnson, Kemp and Kotz (Univariate Discrete Distributions), Coles
(2001) for the extreme values, Azzalini (1985) for the skew-normal and Mardia and Jupp for von Mises.

`Family.log_density(*theta)` prepares the constants once and returns a function of `y` (and of `trials`
where the family has them). `cdf` and `sf` are each computed without subtracting from one where that loses.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mpmath import mp, mpf

Log = Callable[..., Any]


@dataclass(frozen=True)
class Family:
    """Names and kinds of the parameters; the kind says how the maximiser may move them."""

    parameters: tuple[str, ...]
    kinds: tuple[str, ...]  # loc, scale, rate, mean, positive, unit, real
    log_density: Callable[..., Log]
    cdf: Callable[..., Any]
    sf: Callable[..., Any]
    discrete: bool = False
    trials: bool = False
    support: str = "real"  # real, positive, unit, angle, or custom for the quantile's bracket


FAMILIES: dict[str, Family] = {}


def family(name: str, parameters: str, kinds: str, **options: Any) -> Callable[[type], type]:
    def add(cls: Any) -> type:
        FAMILIES[name] = Family(
            tuple(parameters.split()), tuple(kinds.split()), cls.log_density, cls.cdf, cls.sf, **options
        )
        return cls  # type: ignore[no-any-return]

    return add


def log1p(x: Any) -> Any:
    return mp.log1p(x)


def decay(t: Any) -> Any:
    """exp(-t), and zero where it is beyond any double by far (the exponential of 10^1000 would never end)."""
    return mp.exp(-t) if t < 10**7 else mpf(0)


def log_binomial(n: Any, k: Any) -> Any:
    return mp.loggamma(n + 1) - mp.loggamma(k + 1) - mp.loggamma(n - k + 1)


def phi_log(z: Any) -> Any:
    return -z * z / 2 - mp.log(2 * mp.pi) / 2


def lower_normal(z: Any) -> Any:
    if abs(z) > 5000:  # beyond any double; erfc would work at millions of digits
        return mpf(0) if z < 0 else mpf(1)
    return mp.erfc(-z / mp.sqrt(2)) / 2


def lower_gamma(a: Any, x: Any) -> Any:
    """P(a, x) = x^a exp(-x) 1F1(1; a + 1; x) / Gamma(a + 1) (DLMF 8.5.1), a series of positive terms."""
    if x > a + 50 * mp.sqrt(a) + 2000:
        return mpf(1)
    return mp.exp(a * mp.log(x) - x - mp.loggamma(a + 1)) * mp.hyp1f1(1, a + 1, x, maxterms=10**7)


def upper_gamma(a: Any, x: Any) -> Any:
    """Q(a, x), with digits to spare for the subtraction as far out as e^-500."""
    if x > a + 50 * mp.sqrt(a) + 2000:  # below e^-1000
        return mpf(0)
    with mp.workdps(mp.dps + 300):
        rest = 1 - lower_gamma(a, x)
        return rest if rest > mpf(10) ** -280 else mpf(0)


def summed(log_density: Callable[..., Log], upper: bool) -> Callable[..., Any]:
    """P(Y <= y) or P(Y > y) by adding the probabilities themselves."""

    def add(y: Any, *theta: Any, trials: Any = None) -> Any:
        f = log_density(*theta)
        density = (lambda k: mp.exp(f(mpf(k), trials))) if trials is not None else (lambda k: mp.exp(f(mpf(k))))
        if not upper:
            return mp.fsum(density(k) for k in range(int(y if trials is None else min(y, trials)) + 1))
        if trials is not None:
            return mp.fsum(density(k) for k in range(int(y) + 1, int(trials) + 1))
        total, k, last = mpf(0), int(y) + 1, mpf(0)
        while True:
            term = density(k)
            total += term
            if term < last and term < total * mpf(10) ** (-mp.dps - 5):
                return total
            last, k = term, k + 1

    return add


# ---- discrete -------------------------------------------------------------------------------------------


def bernoulli_log(p: Any) -> Log:
    return lambda y: mp.log(p) if y == 1 else log1p(-p)


@family("bernoulli", "p", "unit", discrete=True)
class Bernoulli:
    log_density = staticmethod(bernoulli_log)
    cdf = staticmethod(lambda y, p: mpf(0) if y < 0 else (1 - p if y < 1 else mpf(1)))
    sf = staticmethod(lambda y, p: mpf(1) if y < 0 else (p if y < 1 else mpf(0)))


def binomial_log(p: Any) -> Log:
    a, b = mp.log(p), log1p(-p)
    return lambda y, trials: log_binomial(trials, y) + y * a + (trials - y) * b


@family("binomial", "p", "unit", discrete=True, trials=True)
class Binomial:
    log_density = staticmethod(binomial_log)
    cdf = staticmethod(summed(binomial_log, upper=False))
    sf = staticmethod(summed(binomial_log, upper=True))


def geometric_log(p: Any) -> Log:
    a, b = mp.log(p), log1p(-p)
    return lambda y: a + y * b


@family("geometric", "p", "unit", discrete=True)
class Geometric:
    log_density = staticmethod(geometric_log)
    cdf = staticmethod(lambda y, p: -mp.expm1((y + 1) * log1p(-p)))
    sf = staticmethod(lambda y, p: mp.exp((y + 1) * log1p(-p)))


def poisson_log(mu: Any) -> Log:
    a = mp.log(mu)
    return lambda y: y * a - mu - mp.loggamma(y + 1)


@family("poisson", "mu", "mean", discrete=True)
class Poisson:
    log_density = staticmethod(poisson_log)
    cdf = staticmethod(summed(poisson_log, upper=False))
    sf = staticmethod(summed(poisson_log, upper=True))


def negative_binomial_log(mu: Any, size: Any) -> Log:
    a, b = mp.log(mu / (size + mu)), size * mp.log(size / (size + mu))
    c = b - mp.loggamma(size)
    return lambda y: mp.loggamma(y + size) - mp.loggamma(y + 1) + c + y * a


def negative_binomial_tail(y: Any, mu: Any, size: Any) -> Any:
    return mp.betainc(y + 1, size, 0, mu / (size + mu), regularized=True)


def negative_binomial_head(y: Any, mu: Any, size: Any) -> Any:
    return mp.betainc(size, y + 1, 0, size / (size + mu), regularized=True)


@family("negative-binomial", "mu size", "mean positive", discrete=True)
class NegativeBinomial:
    log_density = staticmethod(negative_binomial_log)
    cdf = staticmethod(negative_binomial_head)
    sf = staticmethod(negative_binomial_tail)


def zero_inflated(base: Callable[..., Log]) -> Callable[..., Log]:
    def log_density(*theta: Any) -> Log:
        *rest, pi = theta
        f = base(*rest)
        zero = mp.log(pi + (1 - pi) * mp.exp(f(mpf(0))))
        keep = log1p(-pi)
        return lambda y: zero if y == 0 else keep + f(y)

    return log_density


@family("zero-inflated-poisson", "mu pi", "mean unit", discrete=True)
class ZeroInflatedPoisson:
    log_density = staticmethod(zero_inflated(poisson_log))
    cdf = staticmethod(lambda y, mu, pi: pi + (1 - pi) * Poisson.cdf(y, mu))
    sf = staticmethod(lambda y, mu, pi: (1 - pi) * Poisson.sf(y, mu))


@family("zero-inflated-negative-binomial", "mu size pi", "mean positive unit", discrete=True)
class ZeroInflatedNegativeBinomial:
    log_density = staticmethod(zero_inflated(negative_binomial_log))
    cdf = staticmethod(lambda y, mu, size, pi: pi + (1 - pi) * negative_binomial_head(y, mu, size))
    sf = staticmethod(lambda y, mu, size, pi: (1 - pi) * negative_binomial_tail(y, mu, size))


def discrete_uniform_log(lower: Any, upper: Any) -> Log:
    c = -mp.log(upper - lower + 1)
    return lambda y: c


@family("discrete-uniform", "lower upper", "closed closed", discrete=True)
class DiscreteUniform:
    log_density = staticmethod(discrete_uniform_log)
    cdf = staticmethod(lambda y, lower, upper: (mp.floor(y) - lower + 1) / (upper - lower + 1))
    sf = staticmethod(lambda y, lower, upper: (upper - mp.floor(y)) / (upper - lower + 1))


def log_beta(a: Any, b: Any) -> Any:
    return mp.loggamma(a) + mp.loggamma(b) - mp.loggamma(a + b)


def beta_binomial_log(alpha: Any, beta: Any) -> Log:
    c = log_beta(alpha, beta)
    return lambda y, trials: log_binomial(trials, y) + log_beta(y + alpha, trials - y + beta) - c


@family("beta-binomial", "alpha beta", "positive positive", discrete=True, trials=True)
class BetaBinomial:
    log_density = staticmethod(beta_binomial_log)
    cdf = staticmethod(summed(beta_binomial_log, upper=False))
    sf = staticmethod(summed(beta_binomial_log, upper=True))


# ---- the real line --------------------------------------------------------------------------------------


def normal_log(mu: Any, sigma: Any) -> Log:
    c = -mp.log(sigma) - mp.log(2 * mp.pi) / 2
    return lambda y: c - ((y - mu) / sigma) ** 2 / 2


@family("normal", "mu sigma", "loc scale")
class Normal:
    log_density = staticmethod(normal_log)
    cdf = staticmethod(lambda y, mu, sigma: lower_normal((y - mu) / sigma))
    sf = staticmethod(lambda y, mu, sigma: lower_normal((mu - y) / sigma))


def student_log(df: Any, loc: Any, scale: Any) -> Log:
    c = mp.loggamma((df + 1) / 2) - mp.loggamma(df / 2) - mp.log(df * mp.pi) / 2 - mp.log(scale)
    return lambda y: c - (df + 1) / 2 * log1p(((y - loc) / scale) ** 2 / df)


def student_lower(t: Any, df: Any) -> Any:
    tail = mp.betainc(df / 2, mpf(1) / 2, 0, df / (df + t * t), regularized=True) / 2
    return tail if t < 0 else 1 - tail


@family("student-t", "df loc scale", "positive loc scale")
class StudentT:
    log_density = staticmethod(student_log)
    cdf = staticmethod(lambda y, df, loc, scale: student_lower((y - loc) / scale, df))
    sf = staticmethod(lambda y, df, loc, scale: student_lower((loc - y) / scale, df))


def cauchy_log(loc: Any, scale: Any) -> Log:
    c = -mp.log(mp.pi * scale)
    return lambda y: c - log1p(((y - loc) / scale) ** 2)


def cauchy_lower(z: Any) -> Any:
    return mp.atan(-1 / z) / mp.pi if z < 0 else mpf(1) / 2 + mp.atan(z) / mp.pi


@family("cauchy", "loc scale", "loc scale")
class Cauchy:
    log_density = staticmethod(cauchy_log)
    cdf = staticmethod(lambda y, loc, scale: cauchy_lower((y - loc) / scale))
    sf = staticmethod(lambda y, loc, scale: cauchy_lower((loc - y) / scale))


def laplace_log(loc: Any, scale: Any) -> Log:
    c = -mp.log(2 * scale)
    return lambda y: c - abs(y - loc) / scale


def laplace_lower(z: Any) -> Any:
    return mp.exp(z) / 2 if z < 0 else 1 - mp.exp(-z) / 2


@family("laplace", "loc scale", "closed closed")
class Laplace:
    log_density = staticmethod(laplace_log)
    cdf = staticmethod(lambda y, loc, scale: laplace_lower((y - loc) / scale))
    sf = staticmethod(lambda y, loc, scale: laplace_lower((loc - y) / scale))


def logistic_log(loc: Any, scale: Any) -> Log:
    c = -mp.log(scale)

    def f(y: Any) -> Any:
        z = abs((y - loc) / scale)
        return c - z - 2 * log1p(mp.exp(-z))

    return f


@family("logistic", "loc scale", "loc scale")
class Logistic:
    log_density = staticmethod(logistic_log)
    cdf = staticmethod(lambda y, loc, scale: 1 / (1 + mp.exp(-(y - loc) / scale)))
    sf = staticmethod(lambda y, loc, scale: 1 / (1 + mp.exp((y - loc) / scale)))


def gumbel_log(loc: Any, scale: Any) -> Log:
    c = -mp.log(scale)

    def f(y: Any) -> Any:
        z = (y - loc) / scale
        return c - z - mp.exp(-z)

    return f


@family("gumbel", "loc scale", "loc scale")
class Gumbel:
    log_density = staticmethod(gumbel_log)
    cdf = staticmethod(lambda y, loc, scale: decay(mp.exp(-(y - loc) / scale)))
    sf = staticmethod(lambda y, loc, scale: -mp.expm1(-min(mp.exp(-(y - loc) / scale), 10**7)))


def gev_log(loc: Any, scale: Any, shape: Any) -> Log:
    if shape == 0:
        return gumbel_log(loc, scale)
    c = -mp.log(scale)

    def f(y: Any) -> Any:
        w = shape * (y - loc) / scale
        if w <= -1:
            return -mp.inf
        log_t = -log1p(w) / shape
        return c + (shape + 1) * log_t - mp.exp(log_t)

    return f


def gev_t(y: Any, loc: Any, scale: Any, shape: Any) -> Any:
    z = (y - loc) / scale
    return mp.exp(-z) if shape == 0 else (1 + shape * z) ** (-1 / shape)


@family("gev", "loc scale shape", "loc scale real", support="gev")
class GEV:
    log_density = staticmethod(gev_log)
    cdf = staticmethod(lambda y, *theta: decay(gev_t(y, *theta)))
    sf = staticmethod(lambda y, *theta: -mp.expm1(-min(gev_t(y, *theta), 10**7)))


def skew_normal_log(loc: Any, scale: Any, shape: Any) -> Log:
    c = mp.log(2 / scale)

    def f(y: Any) -> Any:
        z = (y - loc) / scale
        return c + phi_log(z) + mp.log(lower_normal(shape * z))

    return f


def skew_normal_upper(z: Any, shape: Any) -> Any:
    """P(Z > z) by Owen (1956): exp(-z^2/2)/pi times the integral of exp(-z^2 x^2/2)/(1 + x^2) over (-shape, inf).

    The integrand is scaled to one at its highest, so that far tails keep their digits; below zero by the mirror image.
    """
    if z < 0:
        return 1 - skew_normal_upper(-z, -shape)
    if z < 1:  # x = tan(t): bounded, and smooth for a small z
        t = mp.quad(lambda t: mp.exp(-((z * mp.tan(t)) ** 2) / 2), mp.linspace(-mp.atan(shape), mp.pi / 2, 9))
        return mp.exp(-z * z / 2) / mp.pi * t
    top = max(-shape, mpf(0))
    reach = mp.sqrt(top**2 + 2 * mp.log(10) * (mp.dps + 10) / z**2)
    panel = min(1 / z, 1 / (z * z * top)) if top > 0 else 1 / z
    edges = [top + panel * k for k in (0, 1, 3, 6, 10, 16, 25, 40, 70, 120)]
    edges += [-panel * k for k in (1, 3, 6, 10, 16, 25)] if shape > 0 else []
    inside = sorted({-shape, reach, *(e for e in edges if -shape < e < reach)})
    area = mp.quad(lambda x: mp.exp(-(z**2) * (x**2 - top**2) / 2) / (1 + x**2), inside)
    return mp.exp(-(z**2) * (1 + top**2) / 2) / mp.pi * area


@family("skew-normal", "loc scale shape", "loc scale real")
class SkewNormal:
    log_density = staticmethod(skew_normal_log)
    cdf = staticmethod(lambda y, loc, scale, shape: skew_normal_upper((loc - y) / scale, -shape))
    sf = staticmethod(lambda y, loc, scale, shape: skew_normal_upper((y - loc) / scale, shape))


# ---- the positive half-line -----------------------------------------------------------------------------


def lognormal_log(mu: Any, sigma: Any) -> Log:
    f = normal_log(mu, sigma)

    def g(y: Any) -> Any:
        x = mp.log(y)
        return f(x) - x

    return g


@family("lognormal", "mu sigma", "log-loc log-scale", support="positive")
class Lognormal:
    log_density = staticmethod(lognormal_log)
    cdf = staticmethod(lambda y, mu, sigma: lower_normal((mp.log(y) - mu) / sigma))
    sf = staticmethod(lambda y, mu, sigma: lower_normal((mu - mp.log(y)) / sigma))


def exponential_log(rate: Any) -> Log:
    c = mp.log(rate)
    return lambda y: c - rate * y


@family("exponential", "rate", "rate", support="positive")
class Exponential:
    log_density = staticmethod(exponential_log)
    cdf = staticmethod(lambda y, rate: -mp.expm1(-min(rate * y, 10**7)))
    sf = staticmethod(lambda y, rate: decay(rate * y))


def gamma_log(shape: Any, rate: Any) -> Log:
    c = shape * mp.log(rate) - mp.loggamma(shape)
    return lambda y: c + (shape - 1) * mp.log(y) - rate * y


@family("gamma", "shape rate", "positive rate", support="positive")
class Gamma:
    log_density = staticmethod(gamma_log)
    cdf = staticmethod(lambda y, shape, rate: lower_gamma(shape, rate * y))
    sf = staticmethod(lambda y, shape, rate: upper_gamma(shape, rate * y))


def inverse_gamma_log(shape: Any, scale: Any) -> Log:
    c = shape * mp.log(scale) - mp.loggamma(shape)
    return lambda y: c - (shape + 1) * mp.log(y) - scale / y


@family("inverse-gamma", "shape scale", "positive scale", support="positive")
class InverseGamma:
    log_density = staticmethod(inverse_gamma_log)
    cdf = staticmethod(lambda y, shape, scale: upper_gamma(shape, scale / y))
    sf = staticmethod(lambda y, shape, scale: lower_gamma(shape, scale / y))


def weibull_log(shape: Any, scale: Any) -> Log:
    c = mp.log(shape / scale)

    def f(y: Any) -> Any:
        x = mp.log(y / scale)
        return c + (shape - 1) * x - mp.exp(shape * x)

    return f


@family("weibull", "shape scale", "positive scale", support="positive")
class Weibull:
    log_density = staticmethod(weibull_log)
    cdf = staticmethod(lambda y, shape, scale: -mp.expm1(-min((y / scale) ** shape, 10**7)))
    sf = staticmethod(lambda y, shape, scale: decay((y / scale) ** shape))


def loglogistic_log(shape: Any, scale: Any) -> Log:
    c = mp.log(shape / scale)

    def f(y: Any) -> Any:
        x = mp.log(y / scale)
        return c + (shape - 1) * x - 2 * log1p(mp.exp(shape * x))

    return f


@family("loglogistic", "shape scale", "positive scale", support="positive")
class Loglogistic:
    log_density = staticmethod(loglogistic_log)
    cdf = staticmethod(lambda y, shape, scale: 1 / (1 + (y / scale) ** -shape))
    sf = staticmethod(lambda y, shape, scale: 1 / (1 + (y / scale) ** shape))


def inverse_gaussian_log(mean: Any, shape: Any) -> Log:
    c = mp.log(shape / (2 * mp.pi)) / 2
    return lambda y: c - 3 * mp.log(y) / 2 - shape * (y - mean) ** 2 / (2 * mean**2 * y)


def inverse_gaussian_tails(y: Any, mean: Any, shape: Any, upper: bool) -> Any:
    with mp.workdps(mp.dps + 80):  # the two terms of the tail nearly cancel
        r = mp.sqrt(shape / y)
        second = mp.exp(2 * shape / mean) * lower_normal(-r * (y / mean + 1))
        first = lower_normal(r * (y / mean - 1) * (-1 if upper else 1))
        return first - second if upper else first + second


@family("inverse-gaussian", "mean shape", "mean scale", support="positive")
class InverseGaussian:
    log_density = staticmethod(inverse_gaussian_log)
    cdf = staticmethod(lambda y, mean, shape: inverse_gaussian_tails(y, mean, shape, upper=False))
    sf = staticmethod(lambda y, mean, shape: inverse_gaussian_tails(y, mean, shape, upper=True))


def rayleigh_log(scale: Any) -> Log:
    c = 2 * mp.log(scale)
    return lambda y: mp.log(y) - c - (y / scale) ** 2 / 2


@family("rayleigh", "scale", "scale", support="positive")
class Rayleigh:
    log_density = staticmethod(rayleigh_log)
    cdf = staticmethod(lambda y, scale: -mp.expm1(-min((y / scale) ** 2 / 2, 10**7)))
    sf = staticmethod(lambda y, scale: decay((y / scale) ** 2 / 2))


def half_normal_log(scale: Any) -> Log:
    c = mp.log(2 / mp.pi) / 2 - mp.log(scale)
    return lambda y: c - (y / scale) ** 2 / 2


@family("half-normal", "scale", "scale", support="positive")
class HalfNormal:
    log_density = staticmethod(half_normal_log)
    cdf = staticmethod(
        lambda y, scale: 1 - 2 * lower_normal(-y / scale) if y > scale else mp.erf(y / scale / mp.sqrt(2))
    )
    sf = staticmethod(lambda y, scale: 2 * lower_normal(-y / scale))


def maxwell_log(scale: Any) -> Log:
    c = mp.log(2 / mp.pi) / 2 - 3 * mp.log(scale)
    return lambda y: c + 2 * mp.log(y) - (y / scale) ** 2 / 2


@family("maxwell", "scale", "scale", support="positive")
class Maxwell:
    log_density = staticmethod(maxwell_log)
    cdf = staticmethod(lambda y, scale: lower_gamma(mpf(3) / 2, (y / scale) ** 2 / 2))
    sf = staticmethod(lambda y, scale: upper_gamma(mpf(3) / 2, (y / scale) ** 2 / 2))


def chi_squared_log(df: Any) -> Log:
    c = -df / 2 * mp.log(2) - mp.loggamma(df / 2)
    return lambda y: c + (df / 2 - 1) * mp.log(y) - y / 2


@family("chi-squared", "df", "mean", support="positive")
class ChiSquared:
    log_density = staticmethod(chi_squared_log)
    cdf = staticmethod(lambda y, df: lower_gamma(df / 2, y / 2))
    sf = staticmethod(lambda y, df: upper_gamma(df / 2, y / 2))


def pareto_log(scale: Any, shape: Any) -> Log:
    c = mp.log(shape) + shape * mp.log(scale)
    return lambda y: c - (shape + 1) * mp.log(y) if y >= scale else -mp.inf


@family("pareto", "scale shape", "closed closed", support="pareto")
class Pareto:
    log_density = staticmethod(pareto_log)
    cdf = staticmethod(lambda y, scale, shape: -mp.expm1(-shape * mp.log(y / scale)))
    sf = staticmethod(lambda y, scale, shape: (y / scale) ** -shape)


def lomax_log(shape: Any, scale: Any) -> Log:
    c = mp.log(shape / scale)
    return lambda y: c - (shape + 1) * log1p(y / scale)


@family("lomax", "shape scale", "positive scale", support="positive")
class Lomax:
    log_density = staticmethod(lomax_log)
    cdf = staticmethod(lambda y, shape, scale: -mp.expm1(-shape * log1p(y / scale)))
    sf = staticmethod(lambda y, shape, scale: (1 + y / scale) ** -shape)


def burr12_log(shape1: Any, shape2: Any, scale: Any) -> Log:
    """sf = (1 + (y/scale)^shape2)^(-shape1), as actuar's dburr (Klugman, Panjer and Willmot)."""
    c = mp.log(shape1 * shape2 / scale)

    def f(y: Any) -> Any:
        x = mp.log(y / scale)
        return c + (shape2 - 1) * x - (shape1 + 1) * log1p(mp.exp(shape2 * x))

    return f


@family("burr12", "shape1 shape2 scale", "positive positive scale", support="positive")
class Burr12:
    log_density = staticmethod(burr12_log)
    cdf = staticmethod(lambda y, shape1, shape2, scale: -mp.expm1(-shape1 * log1p((y / scale) ** shape2)))
    sf = staticmethod(lambda y, shape1, shape2, scale: (1 + (y / scale) ** shape2) ** -shape1)


def gompertz_hazard(y: Any, shape: Any, rate: Any) -> Any:
    return rate * y if shape == 0 else rate * mp.expm1(min(shape * y, 10**4)) / shape


def gompertz_log(shape: Any, rate: Any) -> Log:
    c = mp.log(rate)
    return lambda y: c + shape * y - gompertz_hazard(y, shape, rate)


@family("gompertz", "shape rate", "rate rate", support="positive")
class Gompertz:
    log_density = staticmethod(gompertz_log)
    cdf = staticmethod(lambda y, shape, rate: -mp.expm1(-min(gompertz_hazard(y, shape, rate), 10**7)))
    sf = staticmethod(lambda y, shape, rate: decay(gompertz_hazard(y, shape, rate)))


def generalized_pareto_log(scale: Any, shape: Any) -> Log:
    c = -mp.log(scale)

    def f(y: Any) -> Any:
        if shape == 0:
            return c - y / scale
        w = shape * y / scale
        return c - (1 / shape + 1) * log1p(w) if w > -1 else -mp.inf

    return f


def generalized_pareto_log_sf(y: Any, scale: Any, shape: Any) -> Any:
    return -y / scale if shape == 0 else -log1p(shape * y / scale) / shape


@family("generalized-pareto", "scale shape", "scale real", support="gpd")
class GeneralizedPareto:
    log_density = staticmethod(generalized_pareto_log)
    cdf = staticmethod(lambda y, scale, shape: -mp.expm1(generalized_pareto_log_sf(y, scale, shape)))
    sf = staticmethod(lambda y, scale, shape: mp.exp(generalized_pareto_log_sf(y, scale, shape)))


# ---- bounded --------------------------------------------------------------------------------------------


def beta_log(alpha: Any, beta: Any) -> Log:
    c = -log_beta(alpha, beta)
    return lambda y: c + (alpha - 1) * mp.log(y) + (beta - 1) * log1p(-y)


def beta_upper(y: Any, alpha: Any, beta: Any) -> Any:
    if y >= 1:
        return mpf(0)
    if y < mpf(10) ** -20:  # 1 - y has no digits left
        return 1 - mp.betainc(alpha, beta, 0, y, regularized=True)
    return mp.betainc(beta, alpha, 0, 1 - y, regularized=True)


@family("beta", "alpha beta", "positive positive", support="unit")
class Beta:
    log_density = staticmethod(beta_log)
    cdf = staticmethod(lambda y, alpha, beta: mp.betainc(alpha, beta, 0, y, regularized=True))
    sf = staticmethod(lambda y, alpha, beta: beta_upper(y, alpha, beta))


def kumaraswamy_log(a: Any, b: Any) -> Log:
    c = mp.log(a * b)

    def f(y: Any) -> Any:
        x = mp.log(y)
        return c + (a - 1) * x + (b - 1) * log1p(-mp.exp(a * x))

    return f


@family("kumaraswamy", "a b", "positive positive", support="unit")
class Kumaraswamy:
    log_density = staticmethod(kumaraswamy_log)
    cdf = staticmethod(lambda y, a, b: -mp.expm1(b * log1p(-(y**a))))
    sf = staticmethod(lambda y, a, b: mp.exp(b * mp.log(-mp.expm1(a * mp.log(y)))))


def uniform_log(lower: Any, upper: Any) -> Log:
    c = -mp.log(upper - lower)
    return lambda y: c


@family("uniform", "lower upper", "closed closed", support="uniform")
class Uniform:
    log_density = staticmethod(uniform_log)
    cdf = staticmethod(lambda y, lower, upper: (y - lower) / (upper - lower))
    sf = staticmethod(lambda y, lower, upper: (upper - y) / (upper - lower))


def von_mises_log(mu: Any, kappa: Any) -> Log:
    c = -mp.log(2 * mp.pi * mp.besseli(0, kappa))
    return lambda y: c + kappa * mp.cos(y - mu)


def von_mises_integral(a: Any, b: Any, mu: Any, kappa: Any) -> Any:
    """Scaled to one at the highest density between a and b, so that tails keep their digits."""
    turns = [mu + 2 * mp.pi * turn for turn in (-1, 0, 1)]
    top = mpf(1) if any(a <= mode <= b for mode in turns) else max(mp.cos(a - mu), mp.cos(b - mu))
    width = 1 / mp.sqrt(1 + kappa)
    near = [centre + sign * width * k for centre in (*turns, a, b) for sign in (-1, 1) for k in (0, 1, 2, 4, 8, 16, 32)]
    grid = mp.linspace(a, b, 9)
    edges = sorted({*grid, *(e for e in near if a < e < b)})
    area = mp.quad(lambda u: mp.exp(kappa * (mp.cos(u - mu) - top)), edges)
    return area * mp.exp(kappa * top) / (2 * mp.pi * mp.besseli(0, kappa))


@family("von-mises", "mu kappa", "angle positive", support="angle")
class VonMises:
    log_density = staticmethod(von_mises_log)
    cdf = staticmethod(lambda y, mu, kappa: von_mises_integral(-mp.pi, y, mu, kappa))
    sf = staticmethod(lambda y, mu, kappa: von_mises_integral(y, mp.pi, mu, kappa))
