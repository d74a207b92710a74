"""Which families are special cases of which, and what their likelihood ratio is distributed as."""

from __future__ import annotations

from dataclasses import dataclass
from math import erfc, sqrt
from typing import Final


@dataclass(frozen=True)
class Nesting:
    """A smaller family as a larger one under a constraint.

    Attributes:
        constraint: what makes the larger one the smaller, in the larger one's parameters.
        boundary: the constraint lies on the edge of the parameter space, where the estimate sits half of the time.
    """

    constraint: str
    boundary: bool = False


# (smaller, larger). Constraints of more than one parameter on the boundary are left out: their weights of chi-squared
# distributions depend on the data (Self and Liang 1987, cases 7 to 9).
NESTED: Final[dict[tuple[str, str], Nesting]] = {
    ("exponential", "gamma"): Nesting("shape = 1"),
    ("exponential", "weibull"): Nesting("shape = 1"),
    ("exponential", "gompertz"): Nesting("shape = 0"),
    ("exponential", "generalized-pareto"): Nesting("shape = 0"),
    ("exponential", "lomax"): Nesting("shape = infinity", boundary=True),
    ("chi-squared", "gamma"): Nesting("rate = 1/2"),
    ("rayleigh", "weibull"): Nesting("shape = 2"),
    ("loglogistic", "burr12"): Nesting("shape1 = 1"),
    ("lomax", "burr12"): Nesting("shape2 = 1"),
    ("weibull", "burr12"): Nesting("shape1 = infinity", boundary=True),
    ("normal", "student-t"): Nesting("df = infinity", boundary=True),
    ("cauchy", "student-t"): Nesting("df = 1"),
    ("normal", "skew-normal"): Nesting("shape = 0"),
    ("gumbel", "gev"): Nesting("shape = 0"),
    ("geometric", "negative-binomial"): Nesting("size = 1"),
    ("poisson", "negative-binomial"): Nesting("size = infinity", boundary=True),
    ("poisson", "zero-inflated-poisson"): Nesting("pi = 0", boundary=True),
    ("negative-binomial", "zero-inflated-negative-binomial"): Nesting("pi = 0", boundary=True),
    ("zero-inflated-poisson", "zero-inflated-negative-binomial"): Nesting("size = infinity", boundary=True),
    ("binomial", "beta-binomial"): Nesting("alpha + beta = infinity", boundary=True),
}


def nesting(smaller: str, larger: str) -> Nesting | None:
    """How one family lies in another, None where it does not or the test has no simple distribution."""
    if larger == f"zero-inflated:{smaller}":
        return Nesting("pi = 0", boundary=True)
    return NESTED.get((smaller, larger))


def contains(larger: str, smaller: str) -> bool:
    """Whether a family is a special case of another, directly or through families between them."""
    return nesting(smaller, larger) is not None or any(
        above != larger and contains(larger, above) for below, above in NESTED if below == smaller
    )


def p_value(statistic: float, boundary: bool, df: int = 1) -> float:
    """P(likelihood ratio >= `statistic`) under the smaller family.

    On the boundary half of the probability lies at zero: an even mixture of 0 and chi-squared with one degree of
    freedom (Chernoff 1954; Self and Liang 1987, case 5).
    """
    statistic = max(statistic, 0.0)
    if df != 1:
        from scipy.special import chdtrc

        return float(chdtrc(df, statistic))
    tail = erfc(sqrt(statistic / 2))
    if not boundary:
        return tail
    return tail / 2 if statistic > 0 else 1.0
