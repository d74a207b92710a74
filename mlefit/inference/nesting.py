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
    ("binomial", "beta-binomial"): Nesting("alpha + beta = infinity", boundary=True),
}


# What a wrapper around a family says of zeros, and the family alone under it.
WRAPPED: Final = {
    "zero-inflated": Nesting("pi = 0", boundary=True),
    "hurdle": Nesting("pi = probability of 0 without the hurdle"),
}


def nesting(smaller: str, larger: str) -> Nesting | None:
    """How one family lies in another, None where it does not or the test has no simple distribution."""
    wrapper, inner = _unwrapped(larger)
    own, core = _unwrapped(smaller)
    if wrapper and wrapper == own:
        return nesting(core, inner)
    if wrapper and _spelt(smaller) == inner:
        return WRAPPED[wrapper]
    return NESTED.get((smaller, larger))


def contains(larger: str, smaller: str) -> bool:
    """Whether a family is a special case of another, directly or through families between them."""
    if nesting(smaller, larger) is not None:
        return True
    wrapper, inner = _unwrapped(larger)
    if wrapper:
        own, core = _unwrapped(smaller)
        return contains(inner, core if own == wrapper else smaller)
    parts = _components(larger)
    if len(parts) > 1:
        return _spelt(smaller) != _spelt(larger) and _covered(_components(smaller), parts)
    return any(above != larger and contains(larger, above) for below, above in NESTED if below == smaller)


def untested(smaller: str, larger: str) -> str:
    """Why a family that lies in another has no test against it; "" where it has one, or does not lie in it."""
    if not contains(larger, smaller) or nesting(smaller, larger) is not None:
        return ""
    few, many = (len(_components(_unwrapped(name)[1] or name)) for name in (smaller, larger))
    if few < many:  # McLachlan and Peel (2000, section 6.4)
        return (
            "with fewer components some parameters of the larger mixture mean nothing, and the likelihood ratio has no "
            "known distribution; go by AIC or BIC"
        )
    return "they are more than one constraint apart"


def _spelt(name: str) -> str:
    """zero-inflated:poisson for zero-inflated-poisson."""
    prefix = "zero-inflated-"
    return f"zero-inflated:{name[len(prefix) :]}" if name.startswith(prefix) else name


def _unwrapped(name: str) -> tuple[str, str]:
    """The wrapper around a family and what is in it, both "" where there is none."""
    wrapper, _, inner = _spelt(name).partition(":")
    return (wrapper, inner) if wrapper in WRAPPED else ("", "")


def _components(name: str) -> list[str]:
    """Of a mixture; of any other family itself."""
    if not name.startswith("mixture:"):
        return [name]
    text = name.removeprefix("mixture:")
    base, star, count = text.rpartition("*")
    return [base] * int(count) if star and count.isdigit() else text.split("+")


def _covered(few: list[str], many: list[str]) -> bool:
    """Whether each of the few is, or lies in, one of the many of its own."""
    left = list(many)
    for one in sorted(few, key=lambda name: name not in many):
        match = one if one in left else next((other for other in left if contains(other, one)), None)
        if match is None:
            return False
        left.remove(match)
    return True


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
