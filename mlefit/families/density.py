"""A family from a formula of its log density, such as `log(rate) - rate*y` with `rate>0`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise, product
from math import inf
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mlefit.errors import UsageError
from mlefit.families import bounds
from mlefit.families.base import Derivatives, Family, Parameter, Rows
from mlefit.families.expression import CONSTANTS, FUNCTIONS, Formula, Jet, parse
from mlefit.families.links import Array

NUMBER: Final = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
NAME: Final = r"[^\W\d]\w*"
PATTERN: Final = re.compile(
    rf"(?:(?P<low>{NUMBER})\s*<=?\s*)?(?P<name>{NAME})\s*(?:(?P<sign>[<>])=?\s*(?P<bound>{NUMBER}))?"
)
STARTS: Final = 3
TRIED: Final = 250


class Density(Family):
    """The family whose log density is a formula of parameters and columns.

    Args:
        expression: log density of one row; names that are no parameters are columns, `y` the one that is fitted.
        parameters: such as "rate>0", "0<p<1", "mu"; see `parameter`.

    Raises:
        UsageError: the formula or a parameter cannot be read, or a parameter does not occur in the formula.
    """

    name = "density"

    def __init__(self, expression: str, parameters: Sequence[str]) -> None:
        self.formula: Formula = parse(expression, "the density")
        self.parameters = tuple(parameter(text) for text in parameters)
        self.texts = tuple(parameters)
        if not self.parameters:
            raise UsageError('a density needs --parameters, such as --parameters "rate>0"')
        if len(set(self.names)) < len(self.names):
            raise UsageError(f"--parameters names one twice: {', '.join(self.names)}")
        for name in self.names:
            if name not in self.formula.names:
                raise UsageError(f"the parameter {name!r} does not occur in the density {expression.strip()!r}")
        columns = [n for n in self.formula.names if n not in self.names and n not in CONSTANTS]
        if not columns:
            raise UsageError(f"the density {expression.strip()!r} holds no column: call the one that is fitted y")
        # The column fitted comes first.
        self.columns = tuple(sorted(columns, key=lambda c: c != "y"))
        self.summary = f"log density {expression.strip()}"

    def _jet(self, y: Array, eta: Array, derivatives: bool) -> Jet:
        values = {}
        for j, p in enumerate(self.parameters):
            theta = p.link.inverse(eta[j])
            if derivatives:
                first, second = {j: p.link.derivative(eta[j])}, {(j, j): p.link.curvature(eta[j])}
                values[p.name] = Jet(theta, first, second)
            else:
                values[p.name] = Jet(theta)
        rows = y[None] if y.ndim == 1 else y
        for name, column in zip(self.columns, rows, strict=True):
            values[name] = Jet(column)
        with np.errstate(all="ignore"):
            return self.formula.evaluate(values)

    def nll(self, y: Array, eta: Array) -> Array:
        value = -self._jet(y, eta, False).value
        value = np.broadcast_to(value, np.broadcast_shapes(eta.shape[1:], y.shape[-1:]))
        return np.where(np.isnan(value), np.inf, value)

    def gradient(self, y: Array, eta: Array) -> Array:
        return self.derivatives(y, eta)[1]

    def hessian(self, y: Array, eta: Array) -> Array:
        return self.derivatives(y, eta)[2]

    def derivatives(self, y: Array, eta: Array) -> Derivatives:
        jet = self._jet(y, eta, True)
        shape = np.broadcast_shapes(eta.shape[1:], y.shape[-1:])
        k = self.size
        gradient, hessian = np.zeros((k, *shape)), np.zeros((k, k, *shape))
        for i, values in jet.first.items():
            gradient[i] = -values
        for (i, j), values in jet.second.items():
            hessian[i, j] = hessian[j, i] = -values
        value = np.broadcast_to(-jet.value, shape)
        return np.where(np.isnan(value), np.inf, value), gradient, hessian

    def inside(self, y: Array) -> NDArray[np.bool_]:
        """Any finite number: where the density ends only its parameters know."""
        return np.isfinite(y if y.ndim == 1 else y.sum(axis=0))

    def start(self, rows: Rows) -> Array:
        return self.starts(rows)[0]

    def starts(self, rows: Rows) -> list[Array]:
        """The best few of a grid of plausible values: zero, one, and the centre and scale of the data."""
        y = rows.y if rows.y.ndim == 1 else rows.y[0]
        mean, median = rows.mean(y), rows.quantile(y, 0.5)
        spread = np.sqrt(rows.variance(y))
        size = np.maximum(np.where(spread > 0, spread, np.abs(mean)), 1e-8)
        far = np.maximum(np.abs(mean), 1e-8)
        groups = mean.size
        choices = []
        for p in self.parameters:
            if p.link.name == "identity":
                guesses = [median, np.zeros(groups), mean, np.ones(groups)]
            elif p.link.name == "log":
                end = p.link.lower if np.isfinite(p.link.lower) else p.link.upper
                sign = 1.0 if np.isfinite(p.link.lower) else -1.0
                sizes = [np.ones(groups), size, 1 / far, far, np.full(groups, 4.0), np.full(groups, 0.25)]
                guesses = [end + sign * v for v in sizes]
            else:
                guesses = [np.full(groups, p.link.lower + t * (p.link.upper - p.link.lower)) for t in (0.5, 0.15, 0.85)]
            choices.append([p.link.forward(g) for g in guesses])
        found: list[tuple[Array, Array]] = []
        for number, combination in enumerate(product(*choices)):
            if number == TRIED:
                break
            eta = np.stack(combination)
            total = rows.sum(self.nll(rows.y, np.stack([rows.spread(score) for score in eta])))
            found.append((np.where(np.isfinite(total), total, np.inf), eta))
        totals = np.stack([total for total, _ in found])
        order = np.argsort(totals, axis=0, kind="stable")
        scores = np.stack([eta for _, eta in found])
        return [scores[order[i], :, np.arange(groups)].T for i in range(min(STARTS, len(found)))]

    def __repr__(self) -> str:
        return f"Density({self.formula.text!r}, {list(self.texts)!r})"


def parameter(text: str) -> Parameter:
    """A parameter from `name`, `name>0`, `name<b`, `a<name<b`; >= and <= mean the same as > and <.

    Raises:
        UsageError: it has no such form, or its name is a function's.
    """
    found = PATTERN.fullmatch(text.strip())
    low, sign, bound = (found["low"], found["sign"], found["bound"]) if found else (None, None, None)
    if found is None or (low is not None and sign == ">"):
        raise UsageError(f"--parameters takes name, name>0 or 0<name<1; {text.strip()!r} is none of these")
    name = found["name"]
    if name in FUNCTIONS or name == "y":
        raise UsageError(f"{name!r} cannot be a parameter: it is {'the column' if name == 'y' else 'a function'}")
    end = float(bound or 0)
    lower = float(low) if low is not None else end if sign == ">" else -inf
    upper = end if sign == "<" else inf
    if not lower < upper:
        raise UsageError(f"the parameter {text.strip()!r} has no values: {lower:g} is not below {upper:g}")
    return Parameter(name, bounds.link(lower, upper))


def mass(family: Family, eta: Array, y: Array) -> float | None:
    """The integral of the density at scores (k,) over all numbers; that over the positive ones, or the sum over the
    integers, where it is 1 and the data are such.

    None where it cannot be had: the density has several columns, or neither settles. `y` (n,) tells where to look.
    """
    if len(family.columns) > 1:
        return None
    import warnings

    from scipy.integrate import quad

    def density(values: Array) -> Array:
        with np.errstate(all="ignore"):
            found = np.exp(-family.nll(np.atleast_1d(np.asarray(values, dtype=float)), eta[:, None]))
        return np.where(np.isfinite(found), found, 0.0)

    low, middle, high = (float(v) for v in np.quantile(y, [0.0, 0.5, 1.0]))
    width = max(high - low, abs(middle), 1e-8)
    edges = sorted({-inf, low - width, low, middle, high, high + width, 0.0, inf})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        parts = [(a, *quad(lambda v: float(density(v)[0]), a, b, limit=200)) for a, b in pairwise(edges)]
    # A density of positive values seldom says that it ends at zero.
    found = [
        sum(part for a, part, _ in parts if a >= first)
        for first in ([-inf, 0.0] if low >= 0 else [-inf])
        if sum(error for a, _, error in parts if a >= first) < 1e-4
    ]
    if np.all(y == np.floor(y)):
        found.append(float(density(np.arange(0.0 if low >= 0 else np.floor(low) - 2000, np.ceil(high) + 2000)).sum()))
    near = [total for total in found if abs(total - 1) < 1e-4]
    return near[0] if near else found[0] if found else None
