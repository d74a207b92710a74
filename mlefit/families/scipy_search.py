"""Where a fit of a distribution of scipy begins: shapes on a grid, ties to values of the data, integers.

The likelihood of a distribution that ends, or bends, at a place that its parameters move need not have a zero gradient
at its maximum: the end then lies on an extreme of the data (Smith 1985, section 1), the kink on one of the values. So
each end and each kink is tried on the data too, and the better of the two ways is kept.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice, product
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mlefit import deadline
from mlefit.errors import DataError
from mlefit.families.base import Rows
from mlefit.families.irregular import FAR
from mlefit.families.lattice import Lattice, Point
from mlefit.families.links import Array
from mlefit.families.scipy_adapter import KINKS, LOWEST, RISING, ScipyFamily, Tie

SEARCHED: Final = 600  # rows that a search for a start sees
REFINED: Final = 3  # starts that it refines
SEVERAL: Final = 8  # the same, where the likelihood has no bound near the first ones
THOROUGH: Final = 20  # groups; with more of them each gets scipy's guess and no search
SHARE: Final = 0.2  # of the time that is left, for one of scipy's own guesses, and for the search
SPIKE: Final = 30.0
SPAN: Final = 1e3  # times the data's magnitude is where an integer at which the data are possible is looked for
HUGE: Final = 1e5  # an integer this many times the data's magnitude is on its way to infinity
NEAREST: Final = 40  # values around a kink that are tried
BEGINNINGS: Final = 6  # of a search over several integers
SHRUNK: Final = 4
INNER: Final = 1e-7  # of the nll, to which the other parameters are found for each integer
NEARBY: Final = 3.0  # of the nll; what is higher by more is not made up for by the other parameters
EQUAL: Final = 1e-10  # relative; likelihoods closer than this are equal
MOVED: Final = 1e-3  # of a score, or of the width of the data: a step aside


def suited(family: ScipyFamily, rows: Rows) -> ScipyFamily:
    """The family with its ties, near the estimate for rows of one group; of several for the first.

    Raises:
        DataError: the likelihood is unbounded.
    """
    y, weight = next(_groups(rows))
    if family.integers & set(family.names):
        return _whole(family, y, weight, mark(rows))
    return _Search(family, y, weight).best(mark(rows))


def again(family: ScipyFamily, rows: Rows) -> Array:
    """Scores (k, G) of other rows, such as replicates, near those that are known: their own values and integers."""
    assert family.near is not None
    eta = np.repeat(family.near[:, None], rows.total_weight.size, axis=1)
    if family.informative or family.integers & family.irregular:
        for g, (y, weight) in enumerate(_groups(rows)):
            if family.informative:
                eta[:, g] = _Search(family.tied(), y, weight).on_values(family, family.near, thorough=False)
            else:
                near = _whole(family.tied(), y, weight, None, family.near).near
                assert near is not None
                eta[:, g] = near
    return family.at_extremes(eta, rows.minimum(rows.y), rows.maximum(rows.y))


def starts(family: ScipyFamily, rows: Rows) -> list[Array]:
    """Scores (k, G) each to start from where nothing is known: for many groups, or rows known in part."""
    natural = family.tied()
    whole = bool(family.integers & set(family.names))
    groups = rows.total_weight.size
    found: list[list[Array]] = []
    for y, weight in _groups(rows):
        if whole:
            near = _whole(natural, y, weight).near
            assert near is not None
            found.append([near])
            continue
        search = _Search(natural, y, weight)
        try:
            each = search.free(thorough=groups <= THOROUGH)
        except DataError:  # a solver may end away from where the likelihood is unbounded; else the certificate says so
            each = search.free(thorough=False)
        with _quiet():
            found.append([family.forward(natural.inverse(eta[:, None]))[:, 0] for eta in each] if family.ties else each)
    most = max(len(f) for f in found)
    every = [np.stack([f[min(i, len(f) - 1)] for f in found], axis=1) for i in range(most)]
    return [family.at_extremes(eta, rows.minimum(rows.y), rows.maximum(rows.y)) for eta in every]


def mark(rows: Rows) -> tuple[float, float]:
    """What tells these rows from others: their weight and its sum of values."""
    return float(rows.total_weight.sum()), float(f"{rows.sum(rows.y).sum():.9g}")


def _groups(rows: Rows) -> Iterator[tuple[Array, Array]]:
    """Values and weights of each group."""
    groups = rows.total_weight.size
    codes = np.broadcast_to(rows.spread(np.arange(groups, dtype=float)), rows.y.shape)
    weight = np.ones(rows.y.shape) if rows.weight is None else rows.weight
    for g in range(groups):
        mine = (codes == g) & (weight > 0)
        yield rows.y[mine], weight[mine]


@contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


def simplex(
    total: Callable[[Array], float], start: Array, size: Array | float, tolerance: float = 1e-9, share: float = SHARE
) -> Array:
    """Where a search by a simplex (Nelder and Mead 1965) of such a first size ends, or is when time is up."""
    from scipy.optimize import minimize

    if not start.size:
        return start
    best, lowest = start, total(start)

    def bounded(x: Array) -> float:
        nonlocal best, lowest
        value = min(total(x), 1e300)
        if value < lowest:
            best, lowest = x.copy(), value
        return value

    corners = start + np.concatenate([np.zeros((1, start.size)), np.diag(np.broadcast_to(size, start.shape))])
    options = {"maxfev": 250 * start.size, "xatol": 1e-8, "fatol": tolerance, "initial_simplex": corners}
    try:
        with _quiet(), deadline.within(share * deadline.left()):
            minimize(bounded, start, method="Nelder-Mead", options=options)  # type: ignore[call-overload]
    except TimeoutError:
        pass
    return best


class _Search:
    """Of one group: `y` and `weight` are (n,)."""

    def __init__(self, family: ScipyFamily, y: Array, weight: Array) -> None:
        self.family, self.y, self.weight = family, y, weight
        self.low, self.high = float(y.min()), float(y.max())
        self.extremes = np.array([self.low]), np.array([self.high])
        self.width = max(self.high - self.low, 1e-300)
        step = max(1, y.size // SEARCHED)
        if step > 1:  # spread over all values, with the extremes
            order = np.argsort(y, kind="stable")
            some = np.unique(np.concatenate([order[::step], order[[0, -1]]]))
            self.some, self.times = y[some], weight[some] * (weight.sum() / weight[some].sum())
        else:
            self.some, self.times = y, weight
        # A density this high all over the data is scipy's own overflow.
        self.lowest = -np.inf if family.discrete else self.times.sum() * (float(np.log(self.width)) - SPIKE)

    def total(self, family: ScipyFamily, eta: Array, whole: bool = False) -> float:
        """nll at scores (k,); huge where it is none."""
        y, times = (self.y, self.weight) if whole else (self.some, self.times)
        value = float((times * family.nll(y, np.asarray(eta)[:, None])).sum())
        return value if np.isfinite(value) and value > self.lowest else 1e300

    # -- without ties --------------------------------------------------------------------------------------------

    def free(self, thorough: bool = True, more: Iterable[Array] = ()) -> list[Array]:
        """The best scores found (k,), best first; those at which the likelihood is unbounded, or none, left out.

        Raises:
            DataError: all are.
        """
        family = self.family
        ends = np.array([n in family.ends for n in family.names], dtype=bool)
        guesses = [*more, *self.guesses(own=not family.discrete)]
        if thorough and not family.discrete:
            guesses += self.fitted()
        tried = sorted(map(self.placed, guesses), key=lambda eta: self.total(family, eta))
        if not thorough:
            return tried[:2]
        sound: list[Array] = []
        doubtful: list[Array] = []
        reason = ""
        for i, eta in enumerate(tried):
            if i >= REFINED and (sound or i >= SEVERAL):
                break

            def part(values: Array, eta: Array = eta) -> float:
                return self.total(family, _with(eta, ~ends, values))

            size = self.size(family)
            refined = _with(eta, ~ends, simplex(part, eta[~ends], size[~ends]))
            for one in (refined, eta) if i == 0 else (refined,):
                said = family.unbounded(one[:, None], *self.extremes)[0]
                reason = reason or said
                if not said and self.total(family, one) < 1e300:
                    (doubtful if family.doubts(one[:, None])[0] else sound).append(one)
        sound = sound or doubtful
        if not sound:
            hint = " ".join(f"--fix {n}=..." for n in ("loc", "scale") if n in family.names)
            raise DataError(f"the likelihood of {family.name} is unbounded: {reason}; hold it: {hint}")
        return sorted(sound, key=lambda eta: self.total(family, eta))[:2]

    def size(self, family: ScipyFamily) -> Array:
        """First moves of the scores: a part of the width of the data for a location."""
        spread = float(np.std(self.some)) or self.width
        return np.array([0.1 * spread if n == "loc" else 0.2 for n in family.names])

    def placed(self, eta: Array) -> Array:
        """The scores with ends of the support that are known to be extremes."""
        return self.family.at_extremes(eta[:, None], *self.extremes)[:, 0]

    def guesses(self, own: bool = True) -> list[Array]:
        """Scores (k,) from scipy's own guess and from shapes on a small grid."""
        family, y = self.family, self.some
        distribution = family.distribution
        guesses: list[list[float]] = []
        spread = float(y.std()) or max(abs(float(y.mean())), 1e-8)
        with _quiet():
            if own:
                guesses += [list(theta) for theta in self.asked(lambda: distribution._fitstart(y))]
            moments = True
            several = (0.0, 1.0, -1.0, 2.0, -2.0, 4.0)
            alike = [[t if i % 2 == 0 else t / 2 for i in range(family.shapes)] for t in several]
            # Of shapes that are two ends the first is the lower.
            rising = [list(np.linspace(-t, t, family.shapes)) for t in (0.5, 2.0)] if family.shapes > 1 else []
            seen = set()
            for scores in [*alike, *rising]:
                shapes = [
                    family.held.get(p.name, float(p.link.inverse(np.array(t))))
                    for p, t in zip(family.every, scores, strict=False)
                ]
                if tuple(shapes) in seen:
                    continue
                seen.add(tuple(shapes))
                if family.discrete:
                    guesses.append([*shapes, 0.0])
                    continue
                found = []
                if moments:
                    found = self.asked(lambda s=shapes: distribution._fit_loc_scale_support(y, *s))  # type: ignore[misc]
                    moments = bool(found)
                loc, scale = found[0] if found else (float(y.mean()), spread)
                guesses.append([*shapes, float(loc), float(scale)])
                low, high = (float(v) for v in distribution._get_support(*shapes))
                if np.isfinite(low) and not np.isfinite(high):
                    for gap in (1e-3, 0.3):
                        guesses.append([*shapes, self.low - gap * spread - low * spread, spread])
                elif np.isfinite(high) and not np.isfinite(low):
                    guesses.append([*shapes, self.high + 0.1 * spread - high * spread, spread])
                elif np.isfinite(low) and np.isfinite(high) and high > low:
                    wide = self.width * 1.02 / (high - low) or spread
                    guesses.append([*shapes, self.low - 0.01 * wide * (high - low) - low * wide, wide])
                else:
                    guesses.append([*shapes, float(np.median(y)), spread])
            if family.discrete and family.shapes == 1:
                # The mean is most often a simple function of the only shape.
                mean = max(abs(float((self.times * y).sum() / self.times.sum()) - family.held.get("loc", 0.0)), 1e-8)
                guesses += [[mean, 0.0], [1 / mean, 0.0], [1 / (1 + mean), 0.0]]
        return [eta for eta in map(family.scores, guesses) if np.isfinite(eta).all()] or [np.zeros(family.size)]

    def asked(self, question: Callable[[], Any]) -> list[tuple[float, ...]]:
        """What scipy answers, in a part of the time; nothing where it does not, or fails."""
        try:
            with _quiet(), deadline.within(SHARE * deadline.left()):
                return [tuple(float(v) for v in question())]
        except Exception:  # whatever stops scipy need not stop this search
            return []

    def fitted(self) -> list[Array]:
        """Where scipy's own fit ends, with the parameters held that are."""
        held = {
            (f"f{p.name}" if p.name in ("loc", "scale") else f"fix_{p.name}"): self.family.held[p.name]
            for p in self.family.every
            if p.name in self.family.held
        }
        y = self.y if self.y.size < 10 * SEARCHED else self.some
        return [self.family.scores(theta) for theta in self.asked(lambda: self.family.distribution.fit(y, **held))]

    # -- with ties -----------------------------------------------------------------------------------------------

    def best(self, mark: tuple[float, float]) -> ScipyFamily:
        """The family with the ties that make the likelihood highest, near there."""
        family = self.family
        problem, sound = None, []
        try:
            sound = self.free()
        except DataError as error:
            problem = error
        if family.discrete:
            if problem:
                raise problem
            return family.tied(near=sound[0], mark=mark)
        value = self.total(family, sound[0], whole=True) if sound else np.inf
        best = family.tied(near=sound[0], mark=mark) if sound and not family.ends else None
        origins = [*sound, *self.guesses(own=False)]
        for ties in self.patterns():
            tied = family.tied(ties)
            eta = self.on_ends(tied, origins)
            if eta is None:
                continue
            reached = self.total(tied, eta, whole=True)
            if best is None or reached <= value + EQUAL * max(1.0, abs(value)):
                best, value = family.tied(ties, near=eta, mark=mark), min(value, reached)
        for ties in self.kinks() if sound and self.kinked(sound[0]) else ():
            tied = family.tied(ties)
            with _quiet():
                eta = tied.forward(family.inverse(sound[0][:, None]))[:, 0]
            eta = self.on_values(tied, eta)
            reached = self.total(tied, eta, whole=True)
            if not best or not best.ties or reached <= value + EQUAL * max(1.0, abs(value)):
                best, value = family.tied(ties, near=eta, mark=mark), min(value, reached)
        if best is None and problem:
            raise problem
        return best or family.tied(near=sound[0], mark=mark)

    def patterns(self) -> Iterator[tuple[Tie, ...]]:
        """Ends of the support that could lie on the extremes, with the parameters that would follow."""
        family = self.family
        ends = [self.ends(eta) for eta in self.guesses(own=False)[:3]]
        finite = np.isfinite(np.array(ends)).any(axis=0)
        known = {"lower": bool(finite[0]), "upper": bool(finite[1])}
        for chosen in (("lower",), ("upper",), ("lower", "upper")):
            if family.short in LOWEST and "loc" in family.names and "lower" not in chosen:
                continue
            if all(known[end] for end in chosen):
                slots = self.slots(chosen)
                if slots:
                    yield tuple(Tie(end, slot) for end, slot in zip(chosen, slots, strict=True))

    def ends(self, eta: Array) -> list[float]:
        """Of the standard support at scores (k,)."""
        theta = [np.asarray(v) for v in self.family._theta(eta)]
        return [float(self.family.point(end, theta)) for end in ("lower", "upper")]

    def slots(self, points: tuple[str | float, ...]) -> tuple[str, ...]:
        """The parameter that keeps each point on its value: loc, scale, or a shape that is the point itself."""
        family = self.family
        free = set(family.names)
        several = [self.ends(eta) for eta in self.guesses(own=False)[:3]]
        zero = {"lower": all(e[0] == 0 for e in several), "upper": all(e[1] == 0 for e in several)}
        own = {}
        for point in points:
            for j, p in enumerate(family.every[: family.shapes]):
                if p.name in free and point not in own and self.is_shape(point, j):
                    own[point] = p.name
        if len(points) == 2 and {"loc", "scale"} <= free:
            return ("loc", "scale")
        slots: list[str] = []
        for point in points:
            moves = not zero.get(str(point), point == 0)  # with the scale
            if "loc" in free and "loc" not in slots and not (point in own and point in points[1:]):
                slots.append("loc")
            elif "scale" in free and "loc" not in free and "scale" not in slots and moves:
                slots.append("scale")
            elif point in own:
                slots.append(own[point])
            else:
                return ()
        return tuple(slots)

    def is_shape(self, point: str | float, j: int) -> bool:
        """Whether a point is shape j itself."""
        if point == self.family.every[j].name:
            return True
        if point not in ("lower", "upper"):
            return False
        for eta in self.guesses(own=False)[:4]:
            theta = [np.asarray(v) for v in self.family._theta(eta)]
            if float(self.family.point(point, theta)) != float(theta[j]):
                return False
        return True

    def on_ends(self, tied: ScipyFamily, origins: list[Array]) -> Array | None:
        """The best scores (k,) of a family whose ends are tied, None where it has no sound maximum there."""
        slot = np.array([n in tied.irregular for n in tied.names], dtype=bool)
        tried = []
        for origin in origins:
            theta = self.family.inverse(origin[:, None])
            with _quiet():
                eta = tied.at_extremes(tied.forward(theta), *self.extremes)[:, 0]
            if np.isfinite(eta).all():
                tried.append(eta)
        tried = sorted((eta for eta in tried if self.total(tied, eta) < 1e300), key=lambda eta: self.total(tied, eta))
        if not tried:
            return None
        found = []
        for eta in tried[:2]:

            def part(values: Array, eta: Array = eta) -> float:
                return self.total(tied, _with(eta, ~slot, values))

            found.append(_with(eta, ~slot, simplex(part, eta[~slot], 0.2)))
        best = min(found, key=lambda eta: self.total(tied, eta))
        here = self.total(tied, best)
        shapes = [float(v) for v in tied._theta(best)[: tied.shapes]]
        for tie in tied.ties:  # infinite or zero at the very end, though finite as near to it as doubles come
            if not abs(tied.rise(str(tie.point), shapes)) < RISING:
                return None
        for j in np.flatnonzero(~slot):  # a density finite at its end for this shape alone is none
            for side in (-MOVED, MOVED):
                aside = best.copy()
                aside[j] += side
                if self.total(tied, aside) >= 1e300:
                    return None
        for tie in tied.ties:  # an end that would rather be farther out
            out = best.copy()
            out[tied.names.index(tie.slot)] += (1 if tie.point == "upper" else -1) * MOVED**2 * self.width
            if self.total(tied, out) < here - EQUAL * max(1.0, abs(here)):
                return None
        return None if tied.unbounded(best[:, None], *self.extremes)[0] else best

    def kinks(self) -> Iterator[tuple[Tie, ...]]:
        """Kinks of the density that could lie on values, with the parameters that would follow."""
        points = KINKS.get(self.family.short, ())
        if points and (slots := self.slots(points)):
            yield tuple(Tie(p, s) for p, s in zip(points, slots, strict=True))

    def on_values(self, tied: ScipyFamily, eta: Array, thorough: bool = True) -> Array:
        """The best scores (k,) of a family with kinks on values, near others of its own.

        Where not `thorough`, kinks and the other scores are moved in turn and no more, as replicates are by thousands.
        """
        slot = np.array([n in tied.irregular for n in tied.names], dtype=bool)
        places = [tied.names.index(tie.slot) for tie in tied.ties]
        values = np.unique(self.y)
        begun, best, lowest = eta, eta, np.inf
        for _ in range(20):
            for place in places:
                at = int(np.searchsorted(values, eta[place]))
                near = values[max(0, at - NEAREST) : at + NEAREST + 1]
                far = values[:: max(1, values.size // (2 * NEAREST))]
                eta = self.lowest_of(tied, [_at(eta, place, float(v)) for v in {*near.tolist(), *far.tolist()}])

            def part(values: Array, eta: Array = eta) -> float:
                return self.total(tied, _with(eta, ~slot, values), whole=True)

            eta = _with(eta, ~slot, simplex(part, eta[~slot], 0.02, 1e-11 if thorough else 1e-7))
            reached = self.total(tied, eta, whole=True)
            if not reached < lowest - (1e-12 if thorough else 1e-9) * abs(lowest):
                break
            best, lowest = eta, reached
        if not thorough and lowest < 1e300:
            return best
        aside = [best]
        for place in places:  # values next to it, the others fitted to each
            at = int(np.searchsorted(values, best[place]))
            aside += [_at(best, place, v) for v in values[max(0, at - 10) : at + 11].tolist()]
        reach = self.total(tied, best, whole=True) + NEARBY
        for eta in (e for e in aside if self.total(tied, e, whole=True) <= reach):

            def beside(values: Array, eta: Array = eta) -> float:
                return self.total(tied, _with(eta, ~slot, values), whole=True)

            eta = _with(eta, ~slot, simplex(beside, eta[~slot], 0.02, 1e-11))
            best = min(best, eta, key=lambda e: self.total(tied, e, whole=True))
        # Between two values, where the density has a pole or a zero at its kink rather than a peak.
        size = np.where(slot, 0.01 * self.width / np.sqrt(self.y.size), 0.02)
        for start in (best, begun):
            for _ in range(2):
                start = simplex(lambda e: self.total(tied, e, whole=True), start, size, 1e-12)
                size = size / 10
            best = min(best, start, key=lambda e: self.total(tied, e, whole=True))
        return best

    def lowest_of(self, tied: ScipyFamily, trials: list[Array]) -> Array:
        """The best of several scores (k,)."""
        value = (self.weight * tied.nll(self.y, np.stack(trials, axis=1)[..., None])).sum(axis=-1)
        return trials[int(np.argmin(np.where(np.isfinite(value), value, np.inf)))]

    def kinked(self, eta: Array) -> bool:
        """Whether the density has a kink at scores (k,): the generalised normal has none above the normal's shape."""
        theta = self.family._theta(eta)
        return self.family.short != "gennorm" or bool(theta[0] < 2)


def _with(eta: Array, free: NDArray[np.bool_], values: Array) -> Array:
    """The scores with the `free` ones set."""
    whole = eta.copy()
    whole[free] = values
    return whole


def _at(eta: Array, place: int, value: float) -> Array:
    moved = eta.copy()
    moved[place] = value
    return moved


# -- integers -----------------------------------------------------------------------------------------------------


def _whole(
    family: ScipyFamily, y: Array, weight: Array, mark: tuple[float, float] | None = None, known: Array | None = None
) -> ScipyFamily:
    """The family near its best integers, the others re-estimated at each; see `Lattice`.

    Where the likelihood never falls as an integer grows, it is put beyond all data.
    """
    names = [n for n in family.names if n in family.integers]
    places = [family.names.index(n) for n in names]
    if family.discrete:
        y, number = np.unique(y, return_inverse=True)
        weight = np.bincount(number, weights=weight).astype(float)
    size = max(1.0, float(np.abs(y).max()))
    found: dict[Point, Array] = {}

    def at(points: Sequence[Point]) -> list[float]:
        if family.discrete and family.size == len(names):
            return _alone(family, names, points, y, weight)
        values = []
        for point in points:
            held = dict(zip(names, map(float, point), strict=True))
            inner = ScipyFamily(family.short, {**family.fixed, **held}, shifted=family.shifted)
            value, scores = _inner(inner, y, weight, list(found.values())[-1:])
            values.append(value)
            if scores is not None:
                found[point] = scores
        return values

    lowest = [family.least.get(n, -np.inf) for n in names]
    spread = max(1.0, float(y.max() - y.min()))
    lattice = Lattice(at, lowest, [spread if n == "loc" else 1.0 for n in names], steepest=family.size == len(names))
    begins = [tuple(int(v) for v in known[places])] if known is not None else []
    ends: list[Point] = []
    plenty = deadline.left()
    gone = HUGE * size
    for begin in begins or _beginnings(family, names, y, weight, lattice):
        if ends and deadline.left() < plenty / 2:
            break
        ends.append(lattice.descend(begin, gone))
    if ends and len(names) > 1 and max(map(abs, far := lattice.best(ends))) > gone:
        # A valley that falls on to infinity may have its floor before.
        for begin in sorted(lattice.shrunk(far, gone), key=lattice.at)[:SHRUNK]:
            if deadline.left() < plenty / 4:
                break
            ends.append(lattice.descend(begin, gone, 0.25))
    point = lattice.best(ends) if ends else tuple(max(1, int(size)) for _ in names)
    level: list[str] = []
    whole = list(point)
    if (most := max(map(abs, point))) > HUGE * size:
        times = -(-int(2 * FAR * size) // most)
        beyond = tuple(v * times if abs(v) > HUGE * size else v for v in point)
        whole = list(beyond if np.isfinite(lattice.at(beyond)) else point)
        found.setdefault(beyond, found.get(point, np.zeros(0)))
        point = beyond
    elif np.isfinite(lattice.at(point)) and len(names) > 1 and lattice.level(point):
        level = names
    rest = [j for j in range(family.size) if j not in places]
    near = np.zeros(family.size)
    near[places] = whole
    near[rest] = found.get(point, np.zeros(len(rest)))
    ties: tuple[Tie, ...] = ()
    if not family.discrete and rest and mark and np.isfinite(lattice.at(point)):
        held = dict(zip(names, map(float, point), strict=True))
        inner = _Search(ScipyFamily(family.short, {**family.fixed, **held}), y, weight).best(mark)
        assert inner.near is not None
        ties, near[rest] = inner.ties, inner.near
    return family.tied(ties, near=near, level=level, mark=mark)


def _beginnings(family: ScipyFamily, names: list[str], y: Array, weight: Array, lattice: Lattice) -> list[Point]:
    """The best points, by rough estimates of the other parameters, of a grid of sizes that the data suggest."""
    if not family.discrete:  # upwards from the lowest, for the density is slow
        upwards = (max(1, int(family.least[names[0]])) + 2**j - 1 for j in range(12))
        return list(islice(((v,) for v in upwards if np.isfinite(lattice.at((v,)))), 1))
    low, high = int(np.floor(y.min())), int(np.ceil(y.max()))
    mean = round(float((weight * y).sum() / weight.sum()))
    sizes = {1, 2, 3, 5, 10, low, mean, high, high + 1, 2 * high, 4 * high, 16 * high}
    if len(names) == 1:
        sizes |= {high * 2**j for j in range(2, 10)} | {20, 50}
    each = [
        sorted({0, low - 1, low, 2 * low - mean - 1, low - high}) if n == "loc"
        else sorted(v for v in ({*sizes, 0, low} if family.least[n] < 1 else sizes) if v >= family.least[n])
        for n in names
    ]  # fmt: skip
    rough: dict[Point, float] = {}
    inner = family.size > len(names)
    for point in product(*each):
        held = {**family.held, **dict(zip(names, map(float, point), strict=True))}
        rough[point] = np.inf
        if not inner:
            continue
        for t in (0.0, 1.0, -1.0, 2.0, -2.0):
            shapes = [held.get(p.name, float(p.link.inverse(np.array(t)))) for p in family.every[: family.shapes]]
            with _quiet():
                value = -float((weight * family.distribution.logpmf(y - held["loc"], *shapes)).sum())
            if value < rough[point]:
                rough[point] = value
    if not inner:
        lattice.learn(rough)
        rough = {point: lattice.at(point) for point in rough}
    good = sorted((p for p in rough if np.isfinite(rough[p])), key=rough.__getitem__)
    if len(names) == 1:
        return sorted(good[:8], key=lattice.at)[:1]
    apart: list[Point] = []
    for p in good:
        if all(any(max(abs(a), 1) > 1.5 * max(abs(b), 1) or max(abs(b), 1) > 1.5 * max(abs(a), 1)
                   for a, b in zip(p, other, strict=True)) for other in apart):  # fmt: skip
            apart.append(p)
    return apart[: BEGINNINGS if inner else 4 * BEGINNINGS]


def _alone(family: ScipyFamily, names: list[str], points: Sequence[Point], y: Array, weight: Array) -> list[float]:
    """The nll of counts at several points of a family whose free parameters are all integers."""
    each: dict[str, Array | float] = {**family.held}
    each |= {name: np.array([[float(p[i])] for p in points]) for i, name in enumerate(names)}
    shapes = [each[p.name] for p in family.every[: family.shapes]]
    deadline.check()
    with _quiet():
        value = family.distribution.logpmf(y - each["loc"], *shapes)
        total = -(weight * np.broadcast_to(value, (len(points), y.size))).sum(axis=1)
    return np.where(np.isfinite(total) & (total >= 0), total, np.inf).tolist()


def _inner(family: ScipyFamily, y: Array, weight: Array, near: list[Array]) -> tuple[float, Array | None]:
    """The lowest nll with the integers held, and its scores (k,)."""
    search = _Search(family, y, weight)

    def total(eta: Array) -> float:
        value = float((search.times * family.nll(search.some, np.asarray(eta)[:, None])).sum())
        return value if np.isfinite(value) else np.inf

    if not family.size:
        return total(np.zeros(0)), np.zeros(0)
    warm = [eta for eta in near if eta.size == family.size and np.isfinite(total(eta))]
    guess = min(warm + search.guesses(own=False), key=total)
    if not np.isfinite(total(guess)):
        return np.inf, None
    best = simplex(total, guess, search.size(family), INNER, np.inf)  # less than the best would mislead
    return total(best), best
