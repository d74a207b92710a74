"""A family from a formula of its log density, such as `log(rate) - rate*y` with `rate>0`.

All else follows from the density by quadrature: tails and intervals with exact derivatives (the formula's own, under
the integral), quantiles, moments, and whether it is a density at all.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from itertools import product
from math import inf
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mlefit.errors import UsageError
from mlefit.families import domains, panels
from mlefit.families.base import NO_DISTRIBUTION, Derivatives, Family, Rows
from mlefit.families.domains import parameter
from mlefit.families.expression import CONSTANTS, Absolute, Formula, Jet, chain, parse, unknown
from mlefit.families.interval import join
from mlefit.families.links import Array
from mlefit.families.support import Support, counts, nonnegative, positive, real, unit
from mlefit.families.tail_derivatives import complement

STARTS: Final = 3
TRIED: Final = 250
BATCH: Final = 256  # models whose panels are made together
MANY: Final = 128  # rows from which on it is worth looking whether they repeat each other
REMEMBERED: Final = 8  # sets of panels kept, each of so many models at most
LOOSE: Final = 1e-6  # how far from one the integral of a density may be
TINY: Final = 1e-90
ASKED: Final = 256  # models at most whose integrals are looked at after a fit
# Scores of parameters, and values of further columns, at which the support is found that makes a density of a formula.
PROBES: Final = (0.4, -0.7, 1.1)
SEEN: Final = (0.8, -0.3, 1.7)
SUPPORTS: Final = (unit, positive, real, Support(1.0, integer=True), counts, Support(0.0, 1.0, integer=True),
                   Support(integer=True))  # fmt: skip
Models = tuple[Array, Array]  # scores (k, M) and further columns (d, M)


class Density(Family):
    """The family whose log density is a formula of parameters and columns.

    Args:
        expression: log density of one row; names that are no parameters are columns, `y` the one that is fitted.
        parameters: such as "rate>0", "0<p<1", "mu"; see `domains.parameter`.
        support: such as "y>0" or "integers y>=0"; see `domains.support`. By default the narrowest of the usual ones
            over which the density integrates, or sums, to one whatever its parameters are.
        name: what tables call it.

    Raises:
        UsageError: the formula, a parameter or the support cannot be read, or a parameter is not in the formula.
    """

    def __init__(
        self, expression: str, parameters: Sequence[str], support: str | None = None, *, name: str = "density"
    ) -> None:
        if not expression.strip():
            raise UsageError('the density is empty; write its logarithm, such as "log(rate) - rate*y"')
        self.name = name
        self.formula: Formula = parse(expression, "the density")
        self.parameters = tuple(parameter(text) for text in parameters)
        self.texts = tuple(text.strip() for text in parameters)
        if not self.parameters:
            raise UsageError('a density needs --parameters, such as --parameters "rate>0"')
        if len(set(self.names)) < len(self.names):
            raise UsageError(f"--parameters names one twice: {', '.join(self.names)}")
        for each in self.names:
            if each not in self.formula.names:
                raise UsageError(f"the parameter {each!r} does not occur in the density {expression.strip()!r}")
        columns = [n for n in self.formula.names if n not in self.names and n not in CONSTANTS]
        if not columns:
            raise UsageError(f"the density {expression.strip()!r} holds no column: call the one that is fitted y")
        # The column fitted comes first.
        self.columns = tuple(sorted(columns, key=lambda c: c != "y"))
        self._every = self.columns
        self._known: tuple[Array, ...] = ()
        self._kept: list[tuple[bytes, panels.Panels]] = []
        self._absolute: Absolute | None = None
        self.support = domains.support(support, self.columns[0]) if support else self._found()
        self.discrete = self.support.integer
        bent = [(node, names) for node, names in self.formula.bent() if names & set(self.names)]
        # A kink that moves with a score adds to the curvature of an integral over it, but not to that of a tail beside.
        self.bent = bool(bent)
        self._bends = [(node, names) for node, names in bent if names & set(columns)]
        self.kinked = frozenset(name for _, names in self._bends for name in names & set(self.names))
        self.informative = self.kinked
        self.summary = f"log density {expression.strip()}"

    @property
    def text(self) -> str:
        """The name by which `registry.get` makes this density again."""
        return f"density:{self.formula.text.strip()}; {' & '.join(self.texts)}; {domains.written(self.support)}"

    def check(self, known: Sequence[str]) -> None:
        """Refuse a formula that names a column which the data lack.

        Raises:
            UsageError: it does; the nearest name is suggested.
        """
        for name in self.columns:
            if name not in known and name != "y":
                raise unknown(self.formula, name, [*self.names, *known], "the density")

    def given(self, *others: Array) -> Family:
        """The density of the first column, the further ones being known, each (n,) or (1,)."""
        found = copy(self)
        found.columns, found._known, found._kept = self.columns[:1], tuple(np.atleast_1d(o) for o in others), []
        return found

    # -- the likelihood -------------------------------------------------------------------------------------

    def _jet(
        self, columns: Sequence[Array], eta: Array, derivatives: bool, absolute: Absolute | None = None
    ) -> Jet:
        values = {}
        for j, p in enumerate(self.parameters):
            theta = p.link.inverse(eta[j])
            if derivatives:
                first, second = {j: p.link.derivative(eta[j])}, {(j, j): p.link.curvature(eta[j])}
                values[p.name] = Jet(theta, first, second)
            else:
                values[p.name] = Jet(theta)
        for name, column in zip(self._every, columns, strict=True):
            values[name] = Jet(column)
        with np.errstate(all="ignore"):
            return self.formula.evaluate(values, absolute)

    def _columns(self, y: Array) -> list[Array]:
        return [*(y[None] if y.ndim == 1 else y), *self._known]

    def nll(self, y: Array, eta: Array) -> Array:
        columns = self._columns(y)
        return self._valued(columns, -self._jet(columns, eta, False, self._absolute).value, eta)

    def gradient(self, y: Array, eta: Array) -> Array:
        return self.derivatives(y, eta)[1]

    def hessian(self, y: Array, eta: Array) -> Array:
        return self.derivatives(y, eta)[2]

    def derivatives(self, y: Array, eta: Array) -> Derivatives:
        """On a kink the mean of both sides.

        A likelihood with kinks has no curvature to measure information by; for the parameters that move them, the
        Hessian holds products of the gradient, whose mean is the Fisher information (Berndt, Hall, Hall and Hausman
        1974; van der Vaart 1998, theorem 7.2). Beside those that do not move them it is the curvature.
        """
        if not self.kinked or self._absolute or not (self.corners(y, eta) == 0).any():
            return self._informed(self._derivatives(y, eta))
        none = np.zeros(len(self._bends))
        _, *above = self.softened(none, 1).derivatives(y, eta)
        _, *below = self.softened(none, -1).derivatives(y, eta)
        gradient, hessian = ((a + b) / 2 for a, b in zip(above, below, strict=True))
        return self.nll(y, eta), gradient, hessian

    def _informed(self, found: Derivatives) -> Derivatives:
        value, gradient, hessian = found
        moving = [j for j, name in enumerate(self.names) if name in self.kinked]
        for i, j in product(moving, moving):
            hessian[i, j] = gradient[i] * gradient[j]
        return value, gradient, hessian

    def _derivatives(self, y: Array, eta: Array) -> Derivatives:
        columns = self._columns(y)
        jet = self._jet(columns, eta, True, self._absolute)
        value = self._valued(columns, -jet.value, eta)
        k = self.size
        gradient, hessian = np.zeros((k, *value.shape)), np.zeros((k, k, *value.shape))
        for i, values in jet.first.items():
            gradient[i] = -values
        for (i, j), values in jet.second.items():
            hessian[i, j] = hessian[j, i] = -values
        return value, gradient, hessian

    def corners(self, y: Array, eta: Array) -> Array:
        found: dict[int, Array] = {}

        def noted(node: ast.Call, u: Jet) -> Jet:
            found[id(node)] = u.value
            return Jet(np.abs(u.value))

        columns = self._columns(y)
        self._jet(columns, eta, False, noted)
        shape = np.broadcast_shapes(eta.shape[1:], *(c.shape for c in columns))
        return np.stack([np.broadcast_to(found[id(node)], shape) for node, _ in self._bends])

    def softened(self, width: Array, side: int = 0) -> Density:
        soft = copy(self)
        soft._absolute = _hyperbola(dict(zip([id(node) for node, _ in self._bends], width, strict=True)), side)
        if not side:
            soft.kinked = soft.informative = frozenset()
        return soft

    def _valued(self, columns: Sequence[Array], nll: Array, eta: Array) -> Array:
        """The NLL at full shape, infinite where there is no density."""
        value = np.broadcast_to(nll, np.broadcast_shapes(eta.shape[1:], *(c.shape for c in columns)))
        bad = np.isnan(value)
        if self.support != real:
            bad = bad | ~self.support.contains(columns[0])
        return np.where(bad, np.inf, value)

    def inside(self, y: Array) -> NDArray[np.bool_]:
        """Values in the support, with further columns that are finite."""
        known = np.isfinite(y if y.ndim == 1 else y.sum(axis=0))
        return np.asarray(known & self.support.contains(y if y.ndim == 1 else y[0]))

    # -- fitting --------------------------------------------------------------------------------------------

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

    def doubts(self, eta: Array) -> list[str]:
        """Of each group, that the formula is no density: nothing else it says could then be compared or believed."""
        if len(self.columns) > 1:
            return [""] * eta.shape[1]
        total = np.ones(eta.shape[1])
        total[:ASKED] = self.mass(eta[:, :ASKED])
        said = [""] * total.size
        for g in np.flatnonzero((np.abs(total - 1) > LOOSE) & (eta == eta).all(axis=0)).tolist():
            near = self.mass(eta[:, g : g + 1] + 0.1 * np.eye(self.size))
            verb, amount = "sums" if self.discrete else "integrates", f"{total[g]:.6g}"
            said[g] = (
                f"the density {verb} to {'something infinite' if total[g] == inf else amount}, not to 1, over its "
                f"support ({self.support}; --support sets it): "
            ) + (
                "a constant is missing, so its log-likelihood cannot be compared with that of other families"
                if np.isfinite(total[g]) and (np.abs(near / total[g] - 1) < LOOSE).all()
                else NO_DISTRIBUTION
            )
        return said

    def mass(self, eta: Array) -> Array:
        """The integral of the density, or its sum over the integers, at scores (k, ...), (...).

        Infinite where it diverges; NaN for counts whose tail is too long to be summed.
        """
        models, shape = self._models(eta)
        with np.errstate(all="ignore"):
            parts = [np.exp(p.log_total()) for p, _ in self._batches(models)]
        return np.concatenate(parts).reshape(shape)

    def _found(self) -> Support:
        """The narrowest support over which this is a density at a few parameters."""
        probes = np.array([[PROBES[(i + j) % 3] for i in range(3)] for j in range(self.size)])
        others = np.array([SEEN] * (len(self.columns) - 1)).reshape(-1, 3)
        totals = []
        for candidate in SUPPORTS:
            self.support, self._kept = candidate, []
            with np.errstate(all="ignore"):
                found = np.exp(self._cut((probes, others)).log_total())
            totals.append(found)
            if (np.abs(found - 1) < LOOSE).any() and ((np.abs(found - 1) < LOOSE) | (found == 0)).all():
                return self._closed(candidate, probes, others)
        self._kept = []
        # None makes it one: the numbers, or the positive ones, whichever has a finite integral.
        return positive if not np.isfinite(totals[2]).all() and np.isfinite(totals[1]).all() else real

    def _closed(self, found: Support, probes: Array, others: Array) -> Support:
        """A support with those of its ends at which the density is finite."""
        self._kept = []
        if found.integer or found == real:
            return found
        closed = [
            bool(np.isfinite(self._jet([np.full(3, end), *others], probes, False).value).all())
            for end in (found.lower, found.upper)
        ]
        if found == positive:
            return nonnegative if closed[0] else positive
        return Support(0.0, 1.0, not closed[0], not closed[1])

    # -- the distribution -----------------------------------------------------------------------------------

    def log_cdf(self, y: Array, eta: Array) -> Array:
        return self._tail(y, eta, upper=False)

    def log_sf(self, y: Array, eta: Array) -> Array:
        return self._tail(y, eta, upper=True)

    def log_cdf_derivatives(self, y: Array, eta: Array) -> Derivatives:
        return self._tail_derivatives(y, eta, upper=False)

    def log_sf_derivatives(self, y: Array, eta: Array) -> Derivatives:
        return self._tail_derivatives(y, eta, upper=True)

    def log_interval(self, left: Array, right: Array, eta: Array) -> Array:
        """log P(left < Y <= right), as precise however narrow the interval is."""
        return self._between(left, right, eta, False)[0]

    def log_interval_derivatives(self, left: Array, right: Array, eta: Array) -> Derivatives:
        return self._between(left, right, eta, True)

    def quantile(self, q: Array, eta: Array) -> Array:
        """Of the density made to integrate to one."""
        q = np.asarray(q, dtype=float)
        rows, models, model, shape = self._rows(np.atleast_1d(q), eta)
        result = np.empty(model.size)
        reach = panels.REACH + float(-np.log(np.clip(np.minimum(rows, 1 - rows), 1e-300, 1.0)).max(initial=0.0))
        for p, part in self._batches(models, everywhere=True, reach=reach):
            here = _of(model, part)
            result[here] = p.quantile(np.clip(rows[here], 1e-300, 1 - 1e-16), model[here] - part.start)
            result[here] = np.where(p.open[model[here] - part.start], np.nan, result[here])
        result = np.where(rows <= 0, self.support.lower, np.where(rows >= 1, self.support.upper, result))
        result = np.where((rows < 0) | (rows > 1), np.nan, result).reshape(shape)
        return result if q.ndim or eta.ndim > 1 else result[()]

    def mean(self, eta: Array) -> Array:
        return self._moment(eta, 1)

    def variance(self, eta: Array) -> Array:
        return self._moment(eta, 2)

    def _moment(self, eta: Array, power: int) -> Array:
        models, shape = self._models(eta)
        found = []
        one_sided = self.support.lower > -inf or self.support.upper < inf
        lost = inf if self.support.lower > -inf or power == 2 else -inf if one_sided else np.nan
        for p, _ in self._batches(models, powers=power):
            with np.errstate(all="ignore"):
                middle = panels.Chart.of(self.support).outward(p.centre)
                value = middle + p.moment(middle, 1)
                if power == 2:
                    value = p.moment(value, 2)
            found.append(np.where(p.open, np.where(np.isfinite(value) | one_sided, lost, np.nan), value))
        return np.concatenate(found).reshape(shape)

    def _tail(self, y: Array, eta: Array, *, upper: bool) -> Array:
        rows, models, model, shape = self._rows(y, eta)

        def value(p: panels.Panels, part: slice, y: Array, model: panels.Index) -> Derivatives:
            return _joined(p, model, *p.tails(y[0], model), upper, 0)

        return self._each(value, rows[None], models, model, shape, 0)[0]

    def _tail_derivatives(self, y: Array, eta: Array, *, upper: bool) -> Derivatives:
        rows, models, model, shape = self._rows(y, eta)

        def terms(p: panels.Panels, part: slice, y: Array, model: panels.Index) -> Derivatives:
            return _joined(p, model, *p.tails(y[0], model, self._moments(models, part)), upper, self.size)

        return self._each(terms, rows[None], models, model, shape, self.size)

    def _between(self, left: Array, right: Array, eta: Array, derivatives: bool) -> Derivatives:
        low, models, model, shape = self._rows(left, eta)
        ends = np.stack([low, self._rows(right, eta)[0]])
        k = self.size if derivatives else 0

        def terms(p: panels.Panels, part: slice, y: Array, model: panels.Index) -> Derivatives:
            moments = self._moments(models, part) if derivatives else None
            if derivatives and (self.bent or p.broken.any()):
                large, small = (_joined(p, model, *p.tails(end, model, moments), True, k) for end in y)
                return join(large, small)
            return _terms(p.between(y[0], y[1], model, moments), k)

        return self._each(terms, ends, models, model, shape, k)

    def _each(
        self,
        function: Callable[[panels.Panels, slice, Array, panels.Index], Derivatives],
        y: Array,
        models: Models,
        model: panels.Index,
        shape: tuple[int, ...],
        k: int,
    ) -> Derivatives:
        """A function of rows y (d, N), batch by batch of their models; rows that are equal are computed once."""
        again: panels.Index | None = None
        if y.shape[1] >= MANY and np.unique(y[0, :MANY]).size < MANY / 2:
            (model_, *y_), again = np.unique(np.stack([model, *y]), axis=1, return_inverse=True)
            y, model = np.stack(y_), model_.astype(np.intp)
        found = np.empty(model.size), np.empty((k, model.size)), np.empty((k, k, model.size))
        for p, part in self._batches(models, y, model):
            here = _of(model, part)
            for whole, some in zip(found, function(p, part, y[:, here], model[here] - part.start), strict=True):
                whole[..., here] = some
        every = (whole if again is None else whole[..., again.ravel()] for whole in found)
        value, gradient, hessian = (whole.reshape(*whole.shape[:-1], *shape) for whole in every)
        return value, gradient, hessian

    # -- models ---------------------------------------------------------------------------------------------

    def _models(self, eta: Array) -> tuple[Models, tuple[int, ...]]:
        """Scores (k, ...) as models, and their shape."""
        shape = np.broadcast_shapes(eta.shape[1:], *(c.shape for c in self._known))
        flat = np.broadcast_to(eta.reshape(self.size, *eta.shape[1:]), (self.size, *shape)).reshape(self.size, -1)
        others = [np.broadcast_to(c, shape).ravel() for c in self._known]
        return (flat, np.stack(others) if others else np.zeros((0, flat.shape[1]))), shape

    def _rows(self, y: Array, eta: Array) -> tuple[Array, Models, panels.Index, tuple[int, ...]]:
        """Values (N,), the models, the model of each value in rising order, and the shape of a result.

        Neighbouring rows of the same scores and further columns are of one model.
        """
        eta = np.asarray(eta, dtype=float)
        eta = eta[:, None] if eta.ndim == 1 else eta
        columns = self._columns(np.asarray(y, dtype=float))
        shape = np.broadcast_shapes(eta.shape[1:], *(c.shape for c in columns))
        rows = np.broadcast_to(columns[0], shape).ravel()
        if eta.shape[-1] == 1 and len(columns) == 1:
            flat = eta.reshape(self.size, -1)
            model = np.broadcast_to(np.arange(flat.shape[1]).reshape(eta.shape[1:]), shape).ravel()
            return rows, (flat, np.zeros((0, flat.shape[1]))), model, shape
        parts = [*np.broadcast_to(eta, (self.size, *shape)).reshape(self.size, -1)]
        parts += [np.broadcast_to(c, shape).ravel() for c in columns[1:]]
        new = np.ones(rows.size, dtype=bool)
        for part in parts:
            new[1:] &= part[1:] == part[:-1]
        new = ~new
        new[:1] = True
        chosen = np.stack([part[new] for part in parts])
        return rows, (chosen[: self.size], chosen[self.size :]), np.cumsum(new) - 1, shape

    def _batches(
        self, models: Models, y: Array | None = None, model: panels.Index | None = None, **options: Any
    ) -> Iterator[tuple[panels.Panels, slice]]:
        """Panels of a few models at a time, that reach to all y (d, N) of each."""
        eta, others = models
        low = high = None
        if y is not None and model is not None and model.size:
            begin = np.searchsorted(model, np.arange(eta.shape[1]))
            low, high = np.minimum.reduceat(y.min(axis=0), begin), np.maximum.reduceat(y.max(axis=0), begin)
        for start in range(0, eta.shape[1], BATCH):
            part = slice(start, start + BATCH)
            ends = () if low is None or high is None else (low[part], high[part])
            yield self._cut((eta[:, part], others[:, part]), *ends, **options), part

    def _cut(
        self, models: Models, low: Array | None = None, high: Array | None = None, everywhere: bool = False,
        **options: Any,
    ) -> panels.Panels:  # fmt: skip
        eta, others = models
        count = eta.shape[1]
        none = np.full(count, inf)
        low, high = (none, -none) if low is None or high is None else (low, high)
        if everywhere:
            low, high = -none, none

        def log_density(y: Array, some: panels.Index) -> Array:
            value = self._jet([y, *(c[some, None] for c in others)], eta[:, some, None], False).value
            return np.broadcast_to(value, y.shape)

        if count > REMEMBERED or options or everywhere:
            return panels.cut(log_density, self.support, low, high, **options)
        key = eta.tobytes() + others.tobytes()
        for place, (other, kept) in enumerate(self._kept):
            if other == key:
                if kept.covers(low, high):
                    return kept
                low, high = np.minimum(low, kept.low), np.maximum(high, kept.high)
                del self._kept[place]
                break
        found = panels.cut(log_density, self.support, low, high, **options)
        self._kept = [*self._kept[-REMEMBERED + 1 :], (key, found)]
        return found

    def _moments(self, models: Models, part: slice) -> panels.Moments:
        """Derivatives of the density in the scores over the density: g and H + g g', below the diagonal."""
        eta, others = models[0][:, part], models[1][:, part]

        def moments(y: Array, some: panels.Index) -> list[Array]:
            jet = self._jet([y, *(c[some, None] for c in others)], eta[:, some, None], True)
            zero = np.zeros((1, 1))
            first = [jet.first.get(i, zero) for i in range(self.size)]
            with np.errstate(all="ignore"):
                return first + [
                    jet.second.get((i, j), zero) + first[i] * first[j] for i in range(self.size) for j in range(i + 1)
                ]

        return moments

    def __repr__(self) -> str:
        return f"Density({self.formula.text!r}, {list(self.texts)!r})"


def _hyperbola(widths: Mapping[int, float], side: int) -> Absolute:
    """What stands for abs, by the widths of its kinks; see `Family.softened`."""

    def absolute(node: ast.Call, u: Jet) -> Jet:
        width = widths.get(id(node), 0.0)
        size = np.abs(u.value) if side else np.hypot(u.value, width)
        on = size <= width if side else size == 0
        # A power of nothing has no derivatives in its exponent that could be computed.
        size = np.where(on, TINY, size)
        slope = np.where(on, float(side), np.sign(u.value) if side else u.value / size)
        curve = np.zeros_like(slope) if side else np.where(on, 0.0, (width / size) ** 2 / size)
        return chain((size, slope, curve), u) if u.first else Jet(size)

    return absolute


def _of(model: panels.Index, part: slice) -> slice:
    """The rows, in rising order, of a range of models."""
    return slice(*np.searchsorted(model, [part.start, part.stop]).tolist())


def _terms(sums: Array, k: int) -> Derivatives:
    """A log probability (N,), its gradient (k, N) and Hessian (k, k, N) from integrals (1 + Q, N)."""
    gradient = sums[1 : 1 + k]
    hessian = np.empty((k, k, sums.shape[1]))
    at = 1 + k
    for i in range(k):
        for j in range(i + 1):
            hessian[i, j] = hessian[j, i] = sums[at] - gradient[i] * gradient[j]
            at += 1
    return sums[0], gradient, hessian


def _joined(p: panels.Panels, model: panels.Index, below: Array, above: Array, upper: bool, k: int) -> Derivatives:
    """One tail: as summed, or from the other one where that is smaller and the total is one."""
    total = p.log_total()
    with np.errstate(all="ignore"):
        normal = (np.abs(np.expm1(total)) < panels.NORMAL)[model]
    own, other = (above, below) if upper else (below, above)
    turned = normal & (other[0] < own[0])
    found = _terms(own, k)
    # An end of the density that moves with a parameter adds to the derivatives of a tail that holds it: those of the
    # other tail have them.
    holding, free = p.broken[1 if upper else 0][model], ~p.broken[0 if upper else 1][model]
    through = np.where(holding == free, holding, turned) & normal
    if turned.any() or through.any():
        value, *change = complement(*_terms(other, k))
        gradient, hessian = (np.where(through, b, a) for a, b in zip(found[1:], change, strict=True))
        found = np.where(turned, value, found[0]), gradient, hessian
    lost = ~np.isfinite(total)[model] & ~np.isneginf(total)[model]
    return (np.where(lost, np.nan, found[0]), found[1], found[2]) if lost.any() else found
