"""Finite mixtures: with weights w_c and densities f_c, nll = -log(sum of w_c f_c); w is the softmax of its scores."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice, pairwise, permutations, product
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mlefit.errors import UsageError
from mlefit.families.base import Derivatives, Family, Parameter, Remainder, Rows
from mlefit.families.imputed import Copies
from mlefit.families.interval import with_columns
from mlefit.families.links import BOUND, Array, expit, logit, softplus
from mlefit.families.pinned import Pinned
from mlefit.families.repeated import Repeated
from mlefit.families.reweighted import Reweighted
from mlefit.families.support import Support
from mlefit.families.tail_derivatives import complement
from mlefit.families.tails import log1mexp

FEWEST: Final = 8  # starts from random bumps, beside the one from quantiles
MOST: Final = 120
ROWS: Final = 40_000  # rows times starts from which there are not the most of them
BLOCK: Final = 2**18  # rows times starts worked on at once
NARROWEST: Final = 0.02  # widths of the bumps, relative to the range of most of the data
WIDEST: Final = 0.4
SEED: Final = 20
SHORT: Final = 15  # rounds of EM
LONG: Final = 40
TRACE: Final = 1e-6  # of every row in each component, which keeps it alive and off a single value
NEAR: Final = 16.0  # times the variance that this trace leaves a component
KEPT: Final = 6
FOLLOWED: Final = 9_000  # rows times starts that are followed to their ends, or KEPT starts if that is more
SPIKES: Final = 2  # starts that are bound for a spike, so far as can be told
ALIKE: Final = 1e-3  # nll of starts that are taken for the same
ORDERS: Final = 120  # of components that a held value tells apart
UNEVEN: Final = 8.0  # times as wide as another, a component that makes one look twice
EMPTY: Final = 1e-6  # a weight that may as well be 0
POINT: Final = 1e-5  # standard deviation, relative to the range of the data, of a component on a single value


class Mixture(Family):
    """A mixture of m families (McLachlan and Peel 2000, section 1.4).

    Parameters are weight_1 to weight_(m-1), then each component's with its number; the last weight is the remainder.
    Scores are log(w_c / w_m) for the weights, as of labels (Aitchison 1982, section 2.1), then those of each component.
    Components of one family are ordered by their means.

    Args:
        components: m families.
        own: weights, by place, that have scores of their own, logit(w_c): what they leave is shared among the others
            by the softmax of theirs.
        left: the place of the weight that is the remainder, the last by default.

    Raises:
        UsageError: fewer than two components, or components that cannot be mixed.
    """

    def __init__(self, components: Sequence[Family], own: frozenset[int] = frozenset(), left: int = -1) -> None:
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
        self.own, self.left = own, left % count
        every = [Parameter(f"weight_{i + 1}", logit, f"share of component {i + 1}") for i in range(count)]
        weights = [p for i, p in enumerate(every) if i != self.left]
        parts = [
            Parameter(f"{p.name}_{i + 1}", p.link, p.meaning, _limit(i, p.limit), _limit(i, p.limit_below))
            for i, c in enumerate(components)
            for p in c.parameters
        ]
        self.parameters = (*weights, *parts)
        self.remainder = Remainder(every[self.left], tuple(p.name for p in weights))
        self._weights = Weights(count, self.left, own)
        ends = np.cumsum([count - 1, *(c.size for c in components)])
        self._parts = [slice(a, b) for a, b in pairwise(ends.tolist())]

    # -- scores -------------------------------------------------------------------------------------------------

    def _log_weights(self, eta: Array) -> Array:
        """(m, ...)."""
        return self._weights.logs(eta[: len(self.components) - 1])

    def forward(self, theta: Array) -> Array:
        first = len(self.components) - 1
        return np.concatenate([self._weights.scores(theta[:first]), super().forward(theta)[first:]])

    def inverse(self, eta: Array) -> Array:
        w = np.delete(np.exp(self._log_weights(eta)), self.left, axis=0)
        return np.concatenate([w, super().inverse(eta)[len(w) :]])

    def jacobian(self, eta: Array) -> Array:
        result = super().jacobian(eta)
        first = len(self.components) - 1
        logs, slope, _ = self._weights.derivatives(eta[:first])
        result[:first, :first] = np.delete(np.exp(logs)[:, None] * slope, self.left, axis=0)
        return result

    def along(self, names: Iterable[str]) -> Family:
        asked = set(names)
        chosen = {i for i in range(len(self.components)) if f"weight_{i + 1}" in asked} | self.own
        if len(self.components) == 2 and self.left not in chosen:  # one weight has a score of its own already
            return self
        if chosen == self.own:
            return self
        rest = [i for i in range(len(self.components)) if i not in chosen]
        if not rest:
            raise UsageError(f"the weights of {self.name} sum to 1, so the last follows from the others; leave one out")
        return Mixture(self.components, frozenset(chosen), rest[-1])

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

    def parts(self, y: Array, eta: Array) -> Array:
        with np.errstate(all="ignore"):
            return self._logs(y, eta, [c.nll(y, eta[p]) for c, p in zip(self.components, self._parts, strict=True)])

    def gradient(self, y: Array, eta: Array) -> Array:
        return self.derivatives(y, eta)[1]

    def hessian(self, y: Array, eta: Array) -> Array:
        return self.derivatives(y, eta)[2]

    def derivatives(self, y: Array, eta: Array) -> Derivatives:
        with np.errstate(all="ignore"):
            found = [c.derivatives(y, eta[p]) for c, p in zip(self.components, self._parts, strict=True)]
            return self._combined(eta, self._logs(y, eta, [f[0] for f in found]), found)

    def _combined(self, eta: Array, logs: Array, found: Sequence[Derivatives]) -> Derivatives:
        """-log of the sum of exp(logs), (m, ...), with derivatives, from those of the components' part in -logs."""
        with np.errstate(all="ignore"):
            total = _log_sum(logs)
            share = np.exp(logs - total)  # posterior probabilities of the components
            first, shape = len(self.components) - 1, total.shape
            _, rise, bend = self._weights.derivatives(eta[:first])
            gradient, hessian = np.zeros((self.size, *shape)), np.zeros((self.size, self.size, *shape))
            mean = np.zeros((first, *shape))  # of the slopes of the log weights, over the components
            for c in range(len(self.components)):
                mean += share[c] * rise[c]
                hessian[:first, :first] -= share[c] * (rise[c][:, None] * rise[c][None] + bend[c])
            gradient[:first] = -mean
            hessian[:first, :first] += mean[:, None] * mean[None]
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
                    hessian[i, part] = hessian[part, i] = pull * (rise[c, i] - mean[i])
            return -total, gradient, hessian

    def inside(self, y: Array) -> NDArray[np.bool_]:
        return np.asarray(np.any([c.inside(y) for c in self.components], axis=0))

    def pin(self, fixed: Mapping[str, float]) -> Family:
        return PinnedMixture(self.along(fixed), fixed)

    def given(self, *others: Array) -> Family:
        return Mixture([c.given(*others) for c in self.components], self.own, self.left)

    # -- starts -------------------------------------------------------------------------------------------------

    def start(self, rows: Rows) -> Array:
        return self.starts(rows)[0]

    def starts(self, rows: Rows) -> list[Array]:
        """EM from quantiles and from random bumps, seeded; the best few that differ, each (k, G).

        More of them for fewer rows, where a likelihood has more maxima and spikes. What is bound for a spike comes
        last. A group's starts do not depend on the other groups: how many it has follows from its own rows.
        """
        with np.errstate(all="ignore"):
            size = _sizes(rows)
            kept = np.clip(FOLLOWED // size, KEPT, MOST)
            asked = 1 + np.clip(ROWS // size, FEWEST, MOST)
            shares = self._partitions(rows, int(asked.max()))
            found = self._improved(rows, shares, SHORT)
            known = np.arange(len(found))[:, None] < asked
            best = self._best(rows, found, known, 2 * kept)
            found = self._improved(rows, [self._shares(rows, eta) for eta in best], LONG)
            known = np.ones((len(found), size.size), dtype=bool)
            return [self.ordered(eta) for eta in self._best(rows, found, known, kept)]

    def _improved(self, rows: Rows, shares: Sequence[Array], rounds: int) -> list[Array]:
        """EM from each of several posterior probabilities (m, n), as many at once as memory is for; scores (k, G)."""
        count = rows.total_weight.size
        found: list[Array] = []
        step = max(1, BLOCK // rows.y.shape[-1])
        for begin in range(0, len(shares), step):
            part = shares[begin : begin + step]
            eta = self._em(Repeated(rows, len(part)), np.concatenate(part, axis=-1), rounds)
            found += [eta[:, i * count : (i + 1) * count] for i in range(len(part))]
        return found

    def _best(
        self, rows: Rows, found: Sequence[Array], known: NDArray[np.bool_], kept: NDArray[np.intp]
    ) -> list[Array]:
        """Of starts, each (k, G), those of a group that are `known` (S, G) and best: `kept` (G,), and spikes."""
        values = np.where(known, np.stack([self._total(rows, eta) for eta in found]), np.inf)
        narrow = np.stack([self._narrow(rows, eta) for eta in found])
        wide, spiked = np.where(narrow, np.inf, values), np.where(narrow, values, np.inf)
        places = [*_apart(wide, kept), *_apart(spiked, np.full_like(kept, SPIKES))]
        places = places or [np.zeros(kept.size, dtype=np.intp)]
        # A group that has fewer than another takes its best again.
        best = np.argmin(np.where(np.isfinite(wide).any(axis=0), wide, values), axis=0)
        scores = np.stack(found)
        return [scores[np.where(place < 0, best, place), :, np.arange(place.size)].T for place in places]

    def _narrow(self, rows: Rows, eta: Array) -> NDArray[np.bool_]:
        """Where a component is as narrow as the trace of every row lets it be, and so is bound for a spike, (G,)."""
        if self.discrete:
            return np.zeros(eta.shape[1], dtype=bool)
        weights = np.exp(self._log_weights(eta))
        whole = TRACE * rows.variance(rows.y if rows.y.ndim == 1 else rows.y[0])
        spreads = [_spread(c, eta[p]) for c, p in zip(self.components, self._parts, strict=True)]
        return np.asarray(np.any([s**2 * w < NEAR * whole for s, w in zip(spreads, weights, strict=True)], axis=0))

    def again(self, rows: Rows, eta: Array) -> Array:
        with np.errstate(all="ignore"):
            return self._em(rows, self._shares(rows, eta), SHORT)

    def _partitions(self, rows: Rows, most: int) -> list[Array]:
        """`most` first posterior probabilities, each (m, n).

        Parts of the range; then nearness to random values, every other time with widths of their own, so that narrow
        components are found within wide ones.
        """
        y = rows.y if rows.y.ndim == 1 else rows.y[0]
        n, count = y.size, len(self.components)
        cuts = [rows.spread(rows.quantile(y, i / count)) for i in range(1, count)]
        place = np.sum([y > cut for cut in cuts], axis=0)
        found = [_softened(np.broadcast_to(place, y.shape), count)]
        generator = np.random.default_rng(SEED)
        if self.support.lower >= 0 and not self.discrete:
            y = np.log(np.maximum(y, 1e-300))
        low, high = rows.quantile(y, 0.01), rows.quantile(y, 0.99)
        low, wide = np.broadcast_to(rows.spread(low), (n,)), np.broadcast_to(rows.spread(high - low), (n,))
        for number in range(most - 1):
            at = np.sort(generator.random(count))[:, None]
            if number % 4:
                width = WIDEST * np.exp(generator.uniform(np.log(NARROWEST / WIDEST), 0.0, count))[:, None]
                distance = (y - low - at * wide) / (width * np.where(wide > 0, wide, 1.0))
                logs = np.log(generator.dirichlet(np.full(count, 2.0)))[:, None] - distance**2 / 2 - np.log(width)
                found.append(np.exp(logs - _log_sum(logs)))
            else:
                found.append(_softened(np.argmin(np.abs(y - low - at * wide), axis=0), count))
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
        parts.append(self._weights.scores_of(np.log(weight / weight.sum(axis=0))))
        for component, share in zip(self.components, shares, strict=True):
            inside = component.inside(rows.y)
            known: Rows = rows if inside.all() else Copies(rows, _moved_inside(component, rows.y, inside))
            parts.append(component.start(Reweighted(known, np.where(inside, share + TRACE, 0.0))))
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
        place = np.tile(np.arange(len(self.components))[:, None], (1, eta.shape[1]))
        for own in self._alike():
            place[own] = own[np.argsort(means[own], axis=0, kind="stable")]
        return self._placed(eta, place)

    def emptied(self, eta: Array) -> Array:
        """The same mixture with weights of hardly anything at 0, their components first among those of their family.

        So that the last weight, which the others are measured by, is not among them.
        """
        weights = np.exp(self._log_weights(eta))
        place = np.tile(np.arange(len(self.components))[:, None], (1, eta.shape[1]))
        for own in self._alike():
            place[own] = own[np.argsort(weights[own] >= EMPTY, axis=0, kind="stable")]
        found = self._placed(eta, place)
        first = len(self.components) - 1
        gone = np.delete(np.take_along_axis(weights, place, axis=0) < EMPTY, self.left, axis=0)
        found[:first] = np.where(gone, -BOUND, found[:first])
        return found

    def arranged(self, eta: Array) -> list[Array]:
        """The same mixture, (k, G), with the components of each family in every order; at most `ORDERS` of them."""
        found = []
        for orders in islice(product(*(permutations(own.tolist()) for own in self._alike())), ORDERS):
            place = np.arange(len(self.components))
            for own, order in zip(self._alike(), orders, strict=True):
                place[own] = order
            found.append(self._placed(eta, np.tile(place[:, None], (1, eta.shape[1]))))
        return found

    def _alike(self) -> list[NDArray[np.intp]]:
        """The places of the components of each family."""
        names = [c.name for c in self.components]
        return [np.array([i for i, n in enumerate(names) if n == name]) for name in dict.fromkeys(names)]

    def _placed(self, eta: Array, place: NDArray[np.intp]) -> Array:
        """The scores (k, G) with component place[c, g] of each group in place c."""
        groups = np.arange(eta.shape[1])
        logs = np.take_along_axis(self._log_weights(eta), place, axis=0)
        parts = [self._weights.scores_of(logs)]
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

    def cautions(self, eta: Array) -> list[str]:
        """A component far narrower than another, which may stand for close values alone.

        Such maxima are often spurious (McLachlan and Peel 2000, section 3.10); Hathaway (1985) bounds the ratio.
        """
        said = [""] * eta.shape[1]
        if self.discrete:
            return said
        spreads = np.array([_spread(c, eta[p]) for c, p in zip(self.components, self._parts, strict=True)])
        with np.errstate(all="ignore"):
            ratio = np.where(np.isfinite(spreads), spreads, 0.0).max(axis=0) / spreads
        for g in np.flatnonzero((ratio > UNEVEN).any(axis=0)):
            narrow, wide = int(np.argmax(ratio[:, g])), int(np.argmin(ratio[:, g]))
            said[int(g)] = (
                f"component {narrow + 1} is {ratio[narrow, g]:.3g} times as narrow as component {wide + 1}: see "
                "whether it stands for more than close or rounded values, near which the likelihood has no bound"
            )
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

    def log_sf_derivatives(self, y: Array, eta: Array) -> Derivatives:
        return self._tail(y, eta, above=True)

    def log_cdf_derivatives(self, y: Array, eta: Array) -> Derivatives:
        return self._tail(y, eta, above=False)

    def _tail(self, y: Array, eta: Array, *, above: bool) -> Derivatives:
        """The log of a tail with derivatives, from the smaller tail, whose own keep their digits."""
        value, gradient, hessian = self._mixed_tail(y, eta, above=above)
        large = value > -0.5
        if large.any():
            other = complement(*self._mixed_tail(y, eta, above=not above))
            value, gradient, hessian = (
                np.where(large, theirs, own) for theirs, own in zip(other, (value, gradient, hessian), strict=True)
            )
        return value, gradient, hessian

    def _mixed_tail(self, y: Array, eta: Array, *, above: bool) -> Derivatives:
        with np.errstate(all="ignore"):
            found = []
            for component, part in zip(self.components, self._parts, strict=True):
                tail = component.log_sf_derivatives if above else component.log_cdf_derivatives
                value, slope, curve = tail(y, eta[part])
                found.append((-value, -slope, -curve))
            shape = np.broadcast_shapes(eta.shape[1:], y.shape[-1:])
            weights = self._log_weights(eta)
            logs = np.stack([np.broadcast_to(w - f[0], shape) for w, f in zip(weights, found, strict=True)])
            value, gradient, hessian = self._combined(eta, np.where(np.isnan(logs), -np.inf, logs), found)
            return -value, -gradient, -hessian

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


@dataclass(frozen=True)
class Weights:
    """The weights of m components as functions of m - 1 scores; see `Mixture`."""

    count: int
    left: int
    own: frozenset[int]

    @property
    def places(self) -> list[int]:
        """The component of each score."""
        return [i for i in range(self.count) if i != self.left]

    def _parts(self, scores: Array) -> tuple[Array, Array, Array]:
        """Logarithms of the weights that have scores of their own, of what these leave, and of the others' shares.

        Shapes (m, ...), (...) and (m, ...); 0 where a component is not of the kind.
        """
        alone, shares = np.zeros((2, self.count, *scores.shape[1:]))
        rest = np.full_like(shares, -np.inf)
        rest[self.left] = 0.0
        taken: list[Array] = []
        for score, i in zip(scores, self.places, strict=True):
            if i in self.own:
                alone[i] = -softplus(-score)
                taken.append(score)
            else:
                rest[i] = score
        top = rest.max(axis=0)
        shares = rest - (top + np.log(np.exp(rest - top).sum(axis=0)))
        shares[sorted(self.own)] = 0.0
        if len(taken) < 2:
            return alone, -softplus(taken[0]) if taken else np.zeros(scores.shape[1:]), shares
        with np.errstate(all="ignore"):
            left = 1 - sum((expit(score) for score in taken), np.zeros(scores.shape[1:]))
            return alone, np.log(np.where(left > 0, left, np.nan)), shares

    def logs(self, scores: Array) -> Array:
        """Logarithms of the weights, (m, ...); NaN where the weights with scores of their own add up to 1 or more."""
        alone, rest, shares = self._parts(scores)
        own = np.array([i in self.own for i in range(self.count)]).reshape(-1, *[1] * (scores.ndim - 1))
        return np.where(own, alone + 0 * rest, shares + rest)

    def scores(self, theta: Array) -> Array:
        """Scores (m - 1, ...) of weights (m - 1, ...), the remainder left out."""
        every = np.zeros((self.count, *np.shape(theta)[1:]))
        every[self.places] = theta
        every[self.left] = np.maximum(1 - theta.sum(axis=0), 1e-300)
        with np.errstate(divide="ignore"):
            return self.scores_of(np.log(every))

    def scores_of(self, logs: Array) -> Array:
        """Scores (m - 1, ...) of the logarithms of all weights (m, ...)."""
        with np.errstate(all="ignore"):
            found = [logs[i] - (log1mexp(logs[i]) if i in self.own else logs[self.left]) for i in self.places]
        return np.clip(np.stack(found), -BOUND, BOUND)

    def derivatives(self, scores: Array) -> Derivatives:
        """`logs`, and its first (m, m - 1, ...) and second (m, m - 1, m - 1, ...) derivatives in the scores."""
        logs, (_, log_rest, shares) = self.logs(scores), self._parts(scores)
        first = np.zeros((self.count, self.count - 1, *scores.shape[1:]))
        second = np.zeros((self.count, self.count - 1, *first.shape[1:]))
        group = [i for i in range(self.count) if i not in self.own]
        for i, a in enumerate(self.places):
            if a not in self.own:
                p = np.exp(shares[a])
                for c in group:
                    first[c, i] = (a == c) - p
                    for j, b in enumerate(self.places):
                        if b not in self.own:
                            second[c, i, j] = p * (np.exp(shares[b]) - (a == b))
                continue
            odds = np.exp(logs[a] - log_rest)
            q = expit(-scores[i])
            first[a, i], second[a, i, i] = q, -np.exp(logs[a]) * q
            for c in group:
                first[c, i] = -odds * q
                for j, b in enumerate(self.places):
                    if b in self.own:
                        other = np.exp(logs[b] - log_rest) * expit(-scores[j])
                        second[c, i, j] = -odds * q * ((a == b) * (1 - 2 * expit(scores[i])) + other)
        return logs, first, second


class PinnedMixture(Pinned):
    """A mixture with some parameters held. What is held tells components of one family apart, so they have no order."""

    base: Mixture

    def starts(self, rows: Rows) -> list[Array]:
        """Those of the mixture with components of one family in every order: any may be the one that a value fits."""
        found = [eta for start in self.base.starts(rows) for eta in self.base.arranged(start)]
        with np.errstate(all="ignore"):
            values = [self.base._total(rows, self.full(eta[self.free])) for eta in found]
            best = np.argsort(np.stack(values), axis=0, kind="stable")[:KEPT]
            scores = np.stack(found)[:, self.free]
        return [scores[order, :, np.arange(order.size)].T for order in best]

    def start(self, rows: Rows) -> Array:
        return self.starts(rows)[0]


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


def _sizes(rows: Rows) -> NDArray[np.intp]:
    """The number of rows of each group, (G,)."""
    count = rows.total_weight.size
    if count == 1:
        return np.array([rows.y.shape[-1]])
    return np.bincount(rows.spread(np.arange(count, dtype=float)).astype(np.intp), minlength=count)


def _apart(values: Array, most: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    """Which of S starts with nll (S, G) to go on with: the lowest of each group that differ, at most `most` (G,).

    One place a group in each, -1 where it has no more.
    """
    order = np.argsort(values, axis=0, kind="stable")
    ranked = np.take_along_axis(values, order, axis=0)
    new = np.isfinite(ranked)
    new[1:] &= ranked[1:] - ranked[:-1] > ALIKE
    new &= np.cumsum(new, axis=0) <= most
    first = np.argsort(~new, axis=0, kind="stable")  # those that differ, then the others
    places = np.where(np.take_along_axis(new, first, axis=0), np.take_along_axis(order, first, axis=0), -1)
    return list(places[: int(new.sum(axis=0).max(initial=0))])


def _softened(place: NDArray[np.intp], count: int) -> Array:
    """Posterior probabilities (m, n) that are nearly those of a partition."""
    return np.where(place == np.arange(count)[:, None], 0.95, 0.05 / (count - 1))


def _moved_inside(family: Family, y: Array, inside: NDArray[np.bool_]) -> Array:
    """Values a family cannot have replaced by one that it can; they carry no weight."""
    first = y if y.ndim == 1 else y[0]
    known = first[inside][0] if inside.any() else max(family.support.lower, 0.0) + 1.0
    moved = np.where(inside, first, known)
    return moved if y.ndim == 1 else with_columns(moved, y[1:])
