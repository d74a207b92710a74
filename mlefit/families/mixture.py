"""Finite mixtures: with weights w_c and densities f_c, nll = -log(sum of w_c f_c); w is the softmax of its scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mlefit.errors import UsageError
from mlefit.families.base import Derivatives, Family, Parameter, Rows
from mlefit.families.imputed import Copies
from mlefit.families.interval import with_columns
from mlefit.families.links import BOUND, Array, logit
from mlefit.families.reweighted import Reweighted
from mlefit.families.support import Support

RANDOM: Final = 8  # starts from random centres, beside the one from quantiles
SEED: Final = 20
SHORT: Final = 15  # rounds of EM for every start
LONG: Final = 40  # more for the best
KEPT: Final = 3
POINT: Final = 1e-5  # standard deviation, relative to the range of the data, of a component on a single value


class Mixture(Family):
    """A mixture of m families (McLachlan and Peel 2000, section 1.4).

    Scores are log(w_c / w_m) for the first m - 1 weights, then those of each component; parameters are weight_1 to
    weight_(m-1), then each component's with its number. Components of one family are ordered by their means.

    Raises:
        UsageError: fewer than two components, or components that cannot be mixed.
    """

    def __init__(self, components: Sequence[Family]) -> None:
        names = [c.name for c in components]
        title = f"mixture:{names[0]}*{len(names)}" if len(set(names)) == 1 else "mixture:" + "+".join(names)
        if len(components) < 2:
            raise UsageError(f"a mixture needs two components or more, such as mixture:{names[0]}*2")
        for c in components:
            if c.irregular or c.labels or c.size != len(c.parameters):
                raise UsageError(f"{c.name} cannot be mixed: its likelihood is not regular")
            if c.lumped:
                raise UsageError(
                    f"{c.name} cannot be mixed: every part would have a mass at zero of its own; put the mixture "
                    "behind one of them, such as hurdle:mixture:gamma*2"
                )
            if c.discrete != components[0].discrete or c.columns != components[0].columns:
                raise UsageError(f"{names[0]} and {c.name} cannot be mixed: their data are of different kinds")
        self.components = tuple(components)
        self.name = title
        self.summary = f"{len(names)} sub-populations, each {' or '.join(dict.fromkeys(names))}"
        self.discrete = components[0].discrete
        self.columns = components[0].columns
        low, high = min(c.support.lower for c in components), max(c.support.upper for c in components)
        self.support = Support(
            low,
            high,
            all(c.support.lower_open for c in components if c.support.lower == low),
            all(c.support.upper_open for c in components if c.support.upper == high),
            self.discrete,
        )
        count = len(components)
        weights = [Parameter(f"weight_{i + 1}", logit, f"share of component {i + 1}") for i in range(count - 1)]
        own = [
            Parameter(f"{p.name}_{i + 1}", p.link, p.meaning, _limit(i, p.limit), _limit(i, p.limit_below))
            for i, c in enumerate(components)
            for p in c.parameters
        ]
        self.parameters = (*weights, *own)
        self.joint = frozenset(p.name for p in weights) if count > 2 else frozenset()
        ends = np.cumsum([count - 1, *(c.size for c in components)])
        self._parts = [slice(a, b) for a, b in pairwise(ends.tolist())]

    # -- scores -------------------------------------------------------------------------------------------------

    def _log_weights(self, eta: Array) -> Array:
        """(m, ...)."""
        scores = np.concatenate([eta[: len(self.components) - 1], np.zeros((1, *eta.shape[1:]))])
        top = scores.max(axis=0)
        return np.asarray(scores - (top + np.log(np.exp(scores - top).sum(axis=0))))

    def forward(self, theta: Array) -> Array:
        first = len(self.components) - 1
        last = np.maximum(1 - theta[:first].sum(axis=0), 1e-300)
        with np.errstate(divide="ignore"):
            scores = np.clip(np.log(theta[:first]) - np.log(last), -BOUND, BOUND)
        return np.concatenate([scores, super().forward(theta)[first:]])

    def inverse(self, eta: Array) -> Array:
        first = len(self.components) - 1
        return np.concatenate([np.exp(self._log_weights(eta))[:first], super().inverse(eta)[first:]])

    def jacobian(self, eta: Array) -> Array:
        result = super().jacobian(eta)
        first = len(self.components) - 1
        w = np.exp(self._log_weights(eta))[:first]
        for i in range(first):
            for j in range(first):
                result[i, j] = w[i] * ((i == j) - w[j])
        return result

    # -- the likelihood -----------------------------------------------------------------------------------------

    def _logs(self, y: Array, eta: Array, values: Sequence[Array]) -> Array:
        """log(w_c f_c), (m, ..., n), from the components' nll; -inf where a component cannot have the value."""
        weights = self._log_weights(eta)
        shape = np.broadcast_shapes(eta.shape[1:], y.shape[-1:])
        logs = np.empty((len(values), *shape))
        for c, (component, value) in enumerate(zip(self.components, values, strict=True)):
            logs[c] = np.where(component.inside(y), weights[c] - value, -np.inf)
        return np.where(np.isnan(logs), -np.inf, logs)

    def nll(self, y: Array, eta: Array) -> Array:
        with np.errstate(all="ignore"):
            values = [c.nll(y, eta[p]) for c, p in zip(self.components, self._parts, strict=True)]
            return -_log_sum(self._logs(y, eta, values))

    def gradient(self, y: Array, eta: Array) -> Array:
        return self.derivatives(y, eta)[1]

    def hessian(self, y: Array, eta: Array) -> Array:
        return self.derivatives(y, eta)[2]

    def derivatives(self, y: Array, eta: Array) -> Derivatives:
        with np.errstate(all="ignore"):
            found = [c.derivatives(y, eta[p]) for c, p in zip(self.components, self._parts, strict=True)]
            logs = self._logs(y, eta, [f[0] for f in found])
            total = _log_sum(logs)
            share = np.exp(logs - total)  # posterior probabilities of the components
            w = np.exp(self._log_weights(eta))
            first, shape = len(self.components) - 1, total.shape
            gradient, hessian = np.zeros((self.size, *shape)), np.zeros((self.size, self.size, *shape))
            for i in range(first):
                gradient[i] = w[i] - share[i]
                for j in range(first):
                    hessian[i, j] = share[i] * share[j] - w[i] * w[j] + ((w[i] - share[i]) if i == j else 0.0)
            pulls = []
            for c, (part, (_, slope, curve)) in enumerate(zip(self._parts, found, strict=True)):
                none = share[c] == 0
                slope, curve = np.where(none, 0.0, slope), np.where(none, 0.0, curve)
                pull = share[c] * slope
                gradient[part] = pull
                hessian[part, part] = share[c] * curve - pull[:, None] * slope[None]
                pulls.append(pull)
            for a, pull in zip(self._parts, pulls, strict=True):
                for b, other in zip(self._parts, pulls, strict=True):
                    hessian[a, b] += pull[:, None] * other[None]
            for c, (part, pull) in enumerate(zip(self._parts, pulls, strict=True)):
                for i in range(first):
                    cross = pull * ((i == c) - share[i])
                    hessian[i, part] = hessian[part, i] = cross
            return -total, gradient, hessian

    def inside(self, y: Array) -> NDArray[np.bool_]:
        return np.asarray(np.any([c.inside(y) for c in self.components], axis=0))

    def pin(self, fixed: Mapping[str, float]) -> Family:
        for name in fixed:
            if name in self.joint:
                raise UsageError(f"{name} cannot be fixed: with more than two components the weights hang together")
        return super().pin(fixed)

    def given(self, *others: Array) -> Family:
        return Mixture([c.given(*others) for c in self.components])

    # -- starts -------------------------------------------------------------------------------------------------

    def start(self, rows: Rows) -> Array:
        return self.starts(rows)[0]

    def starts(self, rows: Rows) -> list[Array]:
        """EM from quantiles and from random centres, seeded; the best few, each (k, G)."""
        with np.errstate(all="ignore"):
            found = [self._em(rows, shares, SHORT) for shares in self._partitions(rows)]
            values = np.stack([self._total(rows, eta) for eta in found])
            order = np.argsort(values, axis=0, kind="stable")
            groups = np.arange(values.shape[1])
            scores = np.stack(found)
            best = [scores[order[i], :, groups].T for i in range(min(KEPT, len(found)))]
            return [self.ordered(self._em(rows, self._shares(rows, eta), LONG)) for eta in best]

    def _partitions(self, rows: Rows) -> list[Array]:
        """First posterior probabilities, each (m, n): parts of the range, then nearness to random centres."""
        y = rows.y if rows.y.ndim == 1 else rows.y[0]
        n, count = y.size, len(self.components)
        cuts = [rows.spread(rows.quantile(y, i / count)) for i in range(1, count)]
        place = np.sum([y > cut for cut in cuts], axis=0)
        found = [_softened(np.broadcast_to(place, y.shape), count)]
        generator = np.random.default_rng(SEED)
        if self.support.lower >= 0 and not self.discrete:
            y = np.log(np.maximum(y, 1e-300))
        low, high = rows.quantile(y, 0.01), rows.quantile(y, 0.99)
        for _ in range(RANDOM):
            at = np.sort(generator.random(count))
            centres = np.stack([np.broadcast_to(rows.spread(low + a * (high - low)), (n,)) for a in at])
            found.append(_softened(np.argmin(np.abs(y - centres), axis=0), count))
        return found

    def _em(self, rows: Rows, shares: Array, rounds: int) -> Array:
        """Rounds of EM whose M step is each component's own start; scores (k, G). The best point passed is kept."""
        best: Array | None = None
        lowest = np.full(rows.total_weight.size, np.inf)
        done = np.zeros(lowest.size, dtype=bool)  # a group stops on its own, whatever the others do
        for _ in range(rounds):
            eta = self._maximised(rows, shares)
            value = self._total(rows, eta)
            better = (value < lowest) & ~done
            best = eta if best is None else np.where(better, eta, best)
            done |= ~better | (lowest - value < 1e-8 * np.abs(value))
            lowest = np.where(better, value, lowest)
            if done.all():
                break
            shares = self._shares(rows, eta)
        assert best is not None, "there is at least one round"
        return np.where(np.isfinite(best), best, 0.0)

    def _maximised(self, rows: Rows, shares: Array) -> Array:
        parts = []
        weight = np.stack([rows.sum(np.broadcast_to(s, rows.y.shape[-1:])) for s in shares])
        parts.append(np.clip(np.log(weight[:-1]) - np.log(weight[-1]), -BOUND, BOUND))
        for component, share in zip(self.components, shares, strict=True):
            inside = component.inside(rows.y)
            known: Rows = rows if inside.all() else Copies(rows, _moved_inside(component, rows.y, inside))
            # A trace of every row keeps each component alive and off a single value.
            parts.append(component.start(Reweighted(known, np.where(inside, share + 1e-6, 0.0))))
        return np.concatenate(parts)

    def _shares(self, rows: Rows, eta: Array) -> Array:
        scores = np.stack([rows.spread(score) for score in eta])
        values = [c.nll(rows.y, scores[p]) for c, p in zip(self.components, self._parts, strict=True)]
        logs = self._logs(rows.y, scores, values)
        return np.nan_to_num(np.exp(logs - _log_sum(logs)))

    def _total(self, rows: Rows, eta: Array) -> Array:
        """nll of each group, inf where a component sits on a single value."""
        total = rows.sum(self.nll(rows.y, np.stack([rows.spread(score) for score in eta])))
        y = rows.y if rows.y.ndim == 1 else rows.y[0]
        pointed = np.array([bool(s) for s in self.unbounded(eta, rows.minimum(y), rows.maximum(y))])
        return np.where(np.isfinite(total) & ~pointed, total, np.inf)

    def ordered(self, eta: Array) -> Array:
        """The same mixture with the components of each family in the order of their means."""
        means = np.stack([self._key(c, eta[p]) for c, p in zip(self.components, self._parts, strict=True)])
        weights = np.concatenate([eta[: len(self.components) - 1], np.zeros((1, eta.shape[1]))])
        place = np.tile(np.arange(len(self.components))[:, None], (1, eta.shape[1]))
        for name in dict.fromkeys(c.name for c in self.components):
            own = np.array([i for i, c in enumerate(self.components) if c.name == name])
            place[own] = own[np.argsort(means[own], axis=0, kind="stable")]
        moved = np.take_along_axis(weights, place, axis=0)
        parts = [np.clip(moved[:-1] - moved[-1], -BOUND, BOUND)]
        groups = np.arange(eta.shape[1])
        for i, part in enumerate(self._parts):
            size = part.stop - part.start
            source = np.array([self._parts[c].start for c in place[i]])
            parts.append(np.stack([eta[source + j, groups] for j in range(size)]))
        return np.concatenate(parts)

    def _key(self, component: Family, eta: Array) -> Array:
        try:
            mean = np.broadcast_to(component.mean(eta), eta.shape[1:])
        except NotImplementedError:
            mean = np.full(eta.shape[1:], np.nan)
        return np.where(np.isfinite(mean), mean, component.inverse(eta)[0])

    def unbounded(self, eta: Array, low: Array, high: Array) -> list[str]:
        """A component that has shrunk to a single value, where the density is infinite."""
        said = [""] * eta.shape[1]
        if self.discrete:
            return said
        for c, (component, part) in enumerate(zip(self.components, self._parts, strict=True)):
            spread = _spread(component, eta[part])
            for g in np.flatnonzero(spread <= POINT * (high - low)):
                said[int(g)] = f"component {c + 1} has shrunk to a single value"
        return said

    # -- the distribution ---------------------------------------------------------------------------------------

    def _mixed(self, tail: Callable[[Family], Callable[[Array, Array], Array]], y: Array, eta: Array) -> Array:
        with np.errstate(all="ignore"):
            weights = self._log_weights(eta)
            parts = [tail(c)(y, eta[p]) for c, p in zip(self.components, self._parts, strict=True)]
            return _log_sum(np.stack(np.broadcast_arrays(*(w + t for w, t in zip(weights, parts, strict=True)))))

    def log_cdf(self, y: Array, eta: Array) -> Array:
        return self._mixed(lambda c: c.log_cdf, y, eta)

    def log_sf(self, y: Array, eta: Array) -> Array:
        return self._mixed(lambda c: c.log_sf, y, eta)

    def quantile(self, q: Array, eta: Array) -> Array:
        """Between the smallest and the largest of the components' quantiles, by bisection."""
        each = [c.quantile(q, eta[p]) for c, p in zip(self.components, self._parts, strict=True)]
        parts = np.stack(np.broadcast_arrays(*each))
        low, high = parts.min(axis=0), parts.max(axis=0)
        q = np.broadcast_to(q, low.shape)
        if self.discrete:
            low = low - 1
            while np.any(high - low > 1):
                middle = np.floor((low + high) / 2)
                enough = np.exp(self.log_cdf(middle, eta)) >= q * (1 - 1e-14)
                low, high = np.where(enough, low, middle), np.where(enough, middle, high)
            return np.asarray(high)
        for _ in range(200):
            middle = low + (high - low) / 2
            if np.all((middle <= low) | (middle >= high) | ~np.isfinite(middle)):
                break
            lower = np.where(q < 0.5, np.exp(self.log_cdf(middle, eta)) < q, np.exp(self.log_sf(middle, eta)) > 1 - q)
            low, high = np.where(lower, middle, low), np.where(lower, high, middle)
        return np.asarray(high)

    def mean(self, eta: Array) -> Array:
        w = np.exp(self._log_weights(eta))
        means = (c.mean(eta[p]) for c, p in zip(self.components, self._parts, strict=True))
        return np.asarray(sum((v * m for v, m in zip(w, means, strict=True)), np.zeros(eta.shape[1:])))

    def variance(self, eta: Array) -> Array:
        w, mean = np.exp(self._log_weights(eta)), self.mean(eta)
        total = np.zeros(eta.shape[1:])
        for v, c, p in zip(w, self.components, self._parts, strict=True):
            total = total + v * (c.variance(eta[p]) + (c.mean(eta[p]) - mean) ** 2)
        return total

    def sample(self, generator: np.random.Generator, eta: Array, n: int) -> Array:
        w = np.cumsum(np.exp(self._log_weights(eta)), axis=0)
        chosen = (generator.random(n) > np.broadcast_to(w, (len(w), n))[:-1]).sum(axis=0)
        draws = [c.sample(generator, eta[p], n) for c, p in zip(self.components, self._parts, strict=True)]
        result = draws[0]
        for c, draw in enumerate(draws):
            result = np.where(chosen == c, draw, result)
        return np.asarray(result)

    def __repr__(self) -> str:
        return f"Mixture({list(self.components)!r})"


def _limit(component: int, limit: str) -> str:
    """What the mixture becomes where one of its components becomes `limit`."""
    return f"a mixture with {limit.removeprefix('a ')} as component {component + 1}" if limit else ""


def _spread(component: Family, eta: Array) -> Array:
    """The standard deviation of a component at scores (k, G), or the quartiles' distance where it is infinite."""
    spread = np.full(eta.shape[1:], np.nan)
    with np.errstate(all="ignore"):
        with suppress(NotImplementedError):
            spread = np.sqrt(np.broadcast_to(component.variance(eta), eta.shape[1:]))
        if np.isfinite(spread).all():
            return spread
        try:
            first, third = (component.quantile(np.array([q]), eta) for q in (0.25, 0.75))
        except NotImplementedError:
            return spread
        return np.where(np.isfinite(spread), spread, third - first)


def _log_sum(logs: Array) -> Array:
    """log of the sum of exp along the first axis; -inf where all are."""
    top = logs.max(axis=0)
    safe = np.where(np.isfinite(top), top, 0.0)
    return np.asarray(np.where(top == np.inf, np.inf, safe + np.log(np.exp(logs - safe).sum(axis=0))))


def _softened(place: NDArray[np.intp], count: int) -> Array:
    """Posterior probabilities (m, n) that are nearly those of a partition."""
    return np.where(place == np.arange(count)[:, None], 0.95, 0.05 / (count - 1))


def _moved_inside(family: Family, y: Array, inside: NDArray[np.bool_]) -> Array:
    """Values a family cannot have replaced by one that it can; they carry no weight."""
    first = y if y.ndim == 1 else y[0]
    known = first[inside][0] if inside.any() else max(family.support.lower, 0.0) + 1.0
    moved = np.where(inside, first, known)
    return moved if y.ndim == 1 else with_columns(moved, y[1:])
