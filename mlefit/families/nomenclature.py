"""What is said of a parameter that a family does not have: other books and programs call the same one otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType
from typing import Final

from mlefit.errors import nearest

# The first of these that the family has is meant.
MEANT: Final = MappingProxyType(
    {
        "a": ("lower",),
        "alpha": ("shape",),
        "b": ("upper", "scale"),
        "beta": ("rate", "scale"),
        "dof": ("df",),
        "k": ("shape", "size", "df"),
        "lambda": ("rate", "mu"),
        "location": ("loc", "mu"),
        "max": ("upper",),
        "mean": ("mu", "loc"),
        "meanlog": ("mu",),
        "min": ("lower",),
        "nu": ("df",),
        "prob": ("p",),
        "probability": ("p",),
        "sd": ("sigma",),
        "sdlog": ("sigma",),
        "std": ("sigma",),
        "stddev": ("sigma",),
        "stdev": ("sigma",),
        "theta": ("size",),
        "xi": ("shape",),
    }
)
# Of one family: another name (Meeker and Escobar 1998 write Weibull's as beta and eta), or how the one follows from
# the other.
OF_ONE: Final = MappingProxyType(
    {
        ("beta", "shape1"): "alpha",
        ("beta", "shape2"): "beta",
        ("beta-binomial", "shape1"): "alpha",
        ("beta-binomial", "shape2"): "beta",
        ("exponential", "mean"): "rate = 1/mean",
        ("exponential", "scale"): "rate = 1/scale",
        ("gamma", "mean"): "rate = shape/mean",
        ("gamma", "scale"): "rate = 1/scale",
        ("gamma", "theta"): "rate = 1/theta",
        ("inverse-gaussian", "lambda"): "shape",
        ("inverse-gaussian", "mu"): "mean",
        ("negative-binomial", "p"): "mu = size*(1 - p)/p",
        ("negative-binomial", "prob"): "mu = size*(1 - prob)/prob",
        ("normal", "var"): "sigma is its square root",
        ("normal", "variance"): "sigma is its square root",
        ("pareto", "min"): "scale",
        ("pareto", "xm"): "scale",
        ("pareto", "xmin"): "scale",
        ("weibull", "beta"): "shape",
        ("weibull", "eta"): "scale",
        ("weibull", "lambda"): "scale",
    }
)


def no_parameter(family: str, name: str, names: Sequence[str], what: str = "parameter", use: str = "") -> str:
    """The sentence about a parameter that a family does not have, with the one that is meant.

    Args:
        family: the family's name.
        name: what was asked for.
        names: those that it has.
        what: what kind it lacks, such as "free parameter".
        use: what for, such as " to test".
    """
    said = OF_ONE.get((family, name.lower()), "")
    meant = said if said in names else next((each for each in MEANT.get(name.lower(), ()) if each in names), "")
    if meant:
        advice = f"; did you mean {meant}?"
    elif said:
        advice = f"; {said}"
    else:
        near = nearest(name, names, "")
        advice = f"; {near}" if near else ""
    return f"{family} has no {what} {name!r}{use} (it has {', '.join(names)}){advice}"
