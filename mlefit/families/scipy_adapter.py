"""Any distribution of scipy.stats as a family, by scipy's own parameters: its shapes, loc and scale.

Derivatives are eighth-order central differences (Fornberg 1988, table 1) of the log density in the shapes and in the
standardised value u = (y - loc)/scale; those in loc and scale follow by the chain rule, so that neither the unit of
the data nor their distance from zero matters.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mlefit.errors import DataError, UsageError, nearest
from mlefit.families import bounds
from mlefit.families.base import Derivatives, Family, Parameter, Rows
from mlefit.families.irregular import FAR
from mlefit.families.links import BOUND, Array, identity, log
from mlefit.families.pinned import Pinned
from mlefit.families.support import Support

LIMIT: Final = 60.0  # seconds for a fit
TARDY: Final = 0.005  # seconds for one value: slow
PATIENCE: Final = 0.5  # seconds between two looks at the clock
FIRST: Final = 16
BLOCK: Final = 65_536
STEP: Final = 0.016
HIGHEST: Final = -700.0  # no nll of a density worth having is lower: scipy's own overflow far off
CENTRE: Final = -205 / 72
WEIGHTS: Final = tuple(
    (sign * s, sign * slope, curve)
    for s, slope, curve in ((1, 4 / 5, 8 / 5), (2, -1 / 5, -1 / 5), (3, 4 / 105, 8 / 315), (4, -1 / 280, -1 / 560))
    for sign in (1, -1)
)
FORWARD: Final = ((1, 4, -26 / 3), (2, -3, 19 / 2), (3, 4 / 3, -14 / 3), (4, -1 / 4, 11 / 12))
SEARCHED: Final = 600  # rows that the simplex search for a start sees
REFINED: Final = 3  # starts that it refines
CALLS: Final = 3000  # of the density, that scipy's own fit makes
SPIKE: Final = 30.0
FOUND: Final = 1e3  # times the data's magnitude is where an integer at which the data are possible is looked for
HUGE: Final = 1e5  # an integer this many times the data's magnitude is on its way to infinity
THOROUGH: Final = 20  # groups; with more of them each gets scipy's guess and no search
# The density is highest at an end of the support that moves with these parameters, so that their estimates are the
# extremes of the data.
LOWEST: Final = frozenset(
    (
        "expon", "halfnorm", "halfcauchy", "halflogistic", "halfgennorm", "lomax", "gompertz", "truncexpon", "uniform",
        "genhalflogistic", "genpareto",
    )
)  # fmt: skip
WIDEST: Final = frozenset({"uniform"})
# What a distribution becomes as a shape runs off to its upper, or its lower, end, loc and scale following.
LIMITS: Final = {
    ("binom", "n"): "poisson", ("nbinom", "n"): "poisson",
    ("betabinom", "a"): "binomial", ("betabinom", "b"): "binomial",
    ("t", "df"): "normal", ("chi2", "df"): "normal", ("gamma", "a"): "normal", ("erlang", "a"): "normal",
    ("nakagami", "nu"): "normal", ("rice", "b"): "normal", ("invgamma", "a"): "normal", ("johnsonsu", "b"): "normal",
    ("pareto", "b"): "exponential", ("lomax", "c"): "exponential", ("genlogistic", "c"): "gumbel",
    ("exponnorm", "K"): "exponential",
}  # fmt: skip
LIMITS_BELOW: Final = {
    ("lognorm", "s"): "normal", ("invgauss", "mu"): "normal", ("fatiguelife", "c"): "normal",
    ("exponnorm", "K"): "normal",
}  # fmt: skip
# A kink of the density lies at loc, and the estimate on one of the values.
KINKED: Final = frozenset({"laplace", "laplace_asymmetric", "dgamma", "dweibull"})
NEAREST: Final = 10  # values on either side of a mode that are tried too


class ScipyFamily(Family):
    """`scipy.stats.NAME` with some parameters held at the values of `fixed`.

    One integer parameter (a number of trials) is estimated by going through the integers; of several all but one must
    be held. A discrete distribution has loc 0.

    Raises:
        UsageError: scipy has no such distribution.
    """

    def __init__(self, name: str, fixed: Mapping[str, float] | None = None) -> None:
        from scipy import stats

        self.distribution: Any = _find(name)
        self.short = str(self.distribution.name)
        self.name = f"scipy:{self.short}"
        self.summary = f"scipy.stats.{self.short}"
        self.discrete = isinstance(self.distribution, stats.rv_discrete)
        self.fixed = dict(fixed or {})
        self._deadline = [float("inf")]
        self._block = [FIRST]  # values scipy is given at once, the fewer the slower it is
        shapes = list(self.distribution._shape_info())
        self.integers = frozenset(s.name for s in shapes if s.integrality)
        every = [
            Parameter(
                s.name,
                identity if s.integrality else bounds.link(*map(float, s.domain)),
                "shape",
                LIMITS.get((self.short, s.name), ""),
                LIMITS_BELOW.get((self.short, s.name), ""),
            )
            for s in shapes
        ]
        self.shapes = len(every)
        if not self.discrete:
            every += [Parameter("loc", identity, "location"), Parameter("scale", log, "scale")]
        self.every = tuple(every)
        self.support = self._values() if self.discrete else Support()
        self.parameters = tuple(p for p in every if p.name not in self.fixed)
        ends = {"loc"} if self.short in LOWEST else set()
        ends |= {"scale"} if self.short in WIDEST else set()
        self._ends = frozenset(ends - set(self.fixed))
        self._met: list[frozenset[str]] = [frozenset()]  # parameters that a start found tied to a value of the data

    @property
    def irregular(self) -> frozenset[str]:  # type: ignore[override]
        """Parameters tied to a value of the data; which ones the data may have to tell."""
        return self._ends | self._met[0]

    @property
    def irregular_note(self) -> str:  # type: ignore[override]
        """Why they have no standard errors."""
        names = sorted(self.irregular)
        if not names:
            return ""
        if self.irregular <= self.integers:
            return f"{names[0]} is an integer, found by going through them; standard errors are for this one"
        return (
            f"{' and '.join(names)}: an end or a kink of the density lies on a value of the data, "
            "where the likelihood has no zero gradient; hence no standard errors"
        )

    def _values(self) -> Support:
        """The integers that a discrete distribution can give, as far as they are the same for all parameters."""
        ends = []
        for score in (-1.0, 0.3, 1.0, 3.0):
            shapes = [self.fixed.get(p.name, float(p.link.inverse(np.array(score)))) for p in self.every]
            ends.append([float(end) for end in self.distribution._get_support(*shapes)])
        low, high = (end[0] if (end == end[0]).all() else np.nan for end in np.transpose(ends))
        if low == high:  # scipy knows no better, as of the sum of coins that each have a chance of their own
            return Support(integer=True)
        return Support(-np.inf if np.isnan(low) else low, np.inf if np.isnan(high) else high, integer=True)

    def pin(self, fixed: Mapping[str, float]) -> Family:
        if self.discrete and "loc" in fixed:
            raise UsageError(
                f"{self.name} has loc 0, as every discrete distribution of scipy has here; subtract the loc from the "
                "data instead"
            )
        Pinned(self, fixed)  # refuses unknown names and values outside their domain
        return ScipyFamily(self.short, {**self.fixed, **fixed})

    def _theta(self, eta: Array) -> list[Array]:
        """Every parameter, the fixed ones included."""
        free = iter(eta)
        return [
            np.asarray(self.fixed[p.name], dtype=float) if p.name in self.fixed else p.link.inverse(next(free))
            for p in self.every
        ]

    def _standard(self, u: Array, shapes: list[Array]) -> Array:
        """nll of the standardised value."""
        function = self.distribution.logpmf if self.discrete else self.distribution.logpdf
        shape = np.broadcast_shapes(np.shape(u), *map(np.shape, shapes))
        value = np.empty(shape)
        flat = [np.broadcast_to(v, shape).reshape(-1) for v in (u, *shapes)]
        done = 0
        while done < value.size:
            before = time.monotonic()
            if before > self._deadline[0]:
                raise DataError(f"{self.name} was not fitted within {LIMIT:g} seconds; scipy computes it slowly")
            part = slice(done, done + self._block[0])
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    value.reshape(-1)[part] = function(*(v[part] for v in flat))
                except (ArithmeticError, ValueError):  # scipy's own, at parameters that it does not foresee
                    value.reshape(-1)[part] = np.nan
            done += self._block[0]
            passed = time.monotonic() - before
            if passed > PATIENCE:
                self._block[0] = max(1, int(self._block[0] * PATIENCE / passed))
            elif done < value.size:
                self._block[0] = min(4 * self._block[0], BLOCK)
        value = -value
        return np.where(np.isnan(value) | (value < HIGHEST), np.inf, value)

    def _split(self, y: Array, eta: Array) -> tuple[Array, list[Array], Array]:
        """u, the shapes, and the scale."""
        theta = self._theta(eta)
        if self.discrete:
            return y, theta, np.ones(())
        with np.errstate(all="ignore"):
            return (y - theta[-2]) / theta[-1], theta[:-2], theta[-1]

    def nll(self, y: Array, eta: Array) -> Array:
        u, shapes, scale = self._split(y, eta)
        with np.errstate(divide="ignore"):
            return self._standard(u, shapes) + np.log(scale)

    def gradient(self, y: Array, eta: Array) -> Array:
        return self.derivatives(y, eta)[1]

    def hessian(self, y: Array, eta: Array) -> Array:
        return self.derivatives(y, eta)[2]

    def derivatives(self, y: Array, eta: Array) -> Derivatives:
        with np.errstate(all="ignore"):
            u, _, scale = self._split(y, eta)
            shape = np.broadcast_shapes(u.shape, eta.shape[1:], y.shape)
            u, scale = np.broadcast_to(u, shape), np.broadcast_to(scale, shape)
            smooth = [p.name not in self.integers and (p.name not in ("loc", "scale") or self.discrete)
                      for p in self.parameters]  # fmt: skip
            free = [j for j, known in enumerate(smooth) if known]
            moving = not self.discrete and any(n in ("loc", "scale") for n in self.names)
            value, first, second = self._stencils(u, eta, free, moving)
            place = {name: j for j, name in enumerate(self.names)}
            gradient, hessian = np.zeros((self.size, *shape)), np.zeros((self.size, self.size, *shape))
            for a, i in enumerate(free):
                gradient[i] = first[a]
                for b, j in enumerate(free[: a + 1]):
                    hessian[i, j] = hessian[j, i] = second[a][b]
            if moving:
                slope, curve = first[-1], second[-1][-1]
                to = {"loc": -1 / scale, "scale": -u}  # d u / d eta
                bend = {("loc", "loc"): 0.0 * u, ("scale", "loc"): 1 / scale, ("scale", "scale"): u}
                own: list[str] = [n for n in ("loc", "scale") if n in place]
                for n in own:
                    gradient[place[n]] = slope * to[n] + (1.0 if n == "scale" else 0.0)
                    for a, i in enumerate(free):
                        hessian[i, place[n]] = hessian[place[n], i] = second[-1][a] * to[n]
                    for m in own:
                        if (n, m) in bend:
                            entry = curve * to[n] * to[m] + slope * bend[n, m]
                            hessian[place[n], place[m]] = hessian[place[m], place[n]] = entry
            for n in self.irregular:  # held where they are, without information
                gradient[place[n]], hessian[place[n]], hessian[:, place[n]] = 0.0, 0.0, 0.0
            return value + np.log(scale), gradient, hessian

    def _stencils(
        self, u: Array, eta: Array, free: list[int], moving: bool
    ) -> tuple[Array, list[Array], list[list[Array]]]:
        """nll of u, and its first and second differences in the free shape scores and, last, in u itself."""

        def at(shift: dict[int, Array]) -> Array:
            moved = eta
            if any(j >= 0 for j in shift):
                moved = np.array(np.broadcast_to(eta, (eta.shape[0], *u.shape)))
                for j, by in shift.items():
                    if j >= 0:
                        moved[j] += by
            theta = self._theta(moved)
            return self._standard(u + shift.get(-1, 0.0), theta if self.discrete else theta[: self.shapes])

        value = np.broadcast_to(at({}), u.shape)
        steps: dict[int, Array] = {}
        for j in free:
            pilot = 1e-3 * np.ones(u.shape)
            bend = np.abs(at({j: pilot}) - 2 * value + at({j: -pilot})) / 1e-6
            known = np.isfinite(bend)
            typical = np.where(known, bend, 0.0).sum(axis=-1) / np.maximum(known.sum(axis=-1), 1)
            steps[j] = np.broadcast_to(STEP / np.sqrt(np.maximum(1.0, typical))[..., None], u.shape)
        ahead: Array | None = None
        if moving:
            steps[-1], ahead = self._room(u, eta)
        variables = [*free, *([-1] if moving else [])]
        first: list[Array] = []
        second: list[list[Array]] = []
        for a, j in enumerate(variables):
            slope, curve = _line(at, {j: steps[j]}, value, ahead if j == -1 else None)
            first.append(slope / steps[j])
            row = []
            for b in range(a):
                i = variables[b]
                _, both = _line(at, {i: steps[i], j: steps[j]}, value, ahead if j == -1 else None)
                cross = both - curve - second[b][b] * steps[i] ** 2
                row.append(cross / (2 * steps[i] * steps[j]))
            second.append([*row, curve / steps[j] ** 2])
        return value, first, second

    def _room(self, u: Array, eta: Array) -> tuple[Array, Array]:
        """Steps of u that stay inside the support, and which side to difference on: 0 for both, else +1 or -1."""
        middle = np.median(u, axis=-1, keepdims=True)
        size = np.median(np.abs(u - middle), axis=-1, keepdims=True)
        size = np.where((size > 0) & np.isfinite(size), size, np.maximum(np.abs(middle), 1.0))
        low, high = self.distribution._get_support(*self._theta(eta)[: self.shapes])
        below, above = u - low, np.asarray(high) - u
        room = np.minimum(below, above)
        edge = room <= 1e-10 * size
        side = np.where(edge, np.where(below <= above, 1.0, -1.0), 0.0)
        step = np.where(edge, STEP * size, np.minimum(STEP * size, room / 32))
        return np.broadcast_to(step, u.shape), np.broadcast_to(side, u.shape)

    # -- starts ---------------------------------------------------------------------------------------------

    def start(self, rows: Rows) -> Array:
        return self.starts(rows)[0]

    def starts(self, rows: Rows) -> list[Array]:
        """Scipy's guess and several of its kind with other shapes, the best refined by a simplex search."""
        whole = [p.name for p in self.parameters if p.name in self.integers]
        if len(whole) > 1:
            possible = max(1, int(rows.y.max()) + 1)
            hint = " ".join(f"--fix {name}={possible}" for name in whole[1:])
            raise UsageError(f"{' and '.join(whole)} of {self.name} are integers; hold all but one of them: {hint}")
        self._deadline[0] = time.monotonic() + LIMIT
        self._met[0] = frozenset()
        if whole:
            return [self._whole_starts(rows, whole[0])]
        groups = rows.total_weight.size
        codes = np.broadcast_to(rows.spread(np.arange(groups, dtype=float)), rows.y.shape)
        found: list[list[Array]] = [self._group_starts(rows.y[codes == g], groups <= THOROUGH) for g in range(groups)]
        if self.short == "triang" and "c" in self.names and (rows.minimum(rows.y) < rows.maximum(rows.y)).all():
            self._met[0] = frozenset(self.names)
            found = [[self._peaked(rows, codes == g, each[0])] for g, each in enumerate(found)]
        elif groups == 1 and found[0]:
            tied = self._tied(rows.y, found[0][0])
            found = found if tied is None else [[tied]]
        most = max(len(f) for f in found)
        return [np.stack([f[min(i, len(f) - 1)] for f in found], axis=1) for i in range(most)]

    def _whole_starts(self, rows: Rows, name: str) -> Array:
        """Scores (k, G) with the integer `name` at its best in each group, the others re-estimated for every integer.

        Steps double upwards from the smallest integer that the data allow, and the best is then closed in on from both
        sides; where the likelihood never falls the last one tried, beyond all data, is returned.
        """
        place = self.names.index(name)
        weight = rows.weight
        groups = rows.total_weight.size
        codes = np.broadcast_to(rows.spread(np.arange(groups, dtype=float)), rows.y.shape)
        result = np.empty((self.size, groups))
        for g in range(groups):
            mine = codes == g
            y, counts = np.unique(rows.y[mine], return_inverse=True)
            times = np.bincount(counts, weights=None if weight is None else weight[mine]).astype(float)
            tried: dict[int, tuple[float, Array]] = {}

            def at(
                value: int, y: Array = y, times: Array = times, tried: dict[int, tuple[float, Array]] = tried
            ) -> float:
                if value not in tried:
                    held = ScipyFamily(self.short, {**self.fixed, name: float(value)})
                    held._deadline = self._deadline
                    tried[value] = held._quickly(y, times)
                return tried[value][0]

            first, size = 1, max(1.0, float(np.abs(y).max()))
            if self.discrete:
                top = int(y.max())
                first = max(1, top if np.isinf(at(max(1, top - 1))) else 1)
                least = int(y.min())
                if np.isinf(at(first)) and np.isfinite(at(least)):
                    first = least
            best, step = first, 1
            while at(best + step) < at(best) - 1e-9 * max(1.0, abs(at(best))) or (
                np.isinf(at(best)) and (step < 8 or best < FOUND * size)
            ):
                best += step
                step *= 2
                if best > HUGE * size:
                    break
            else:
                while step > 1 or at(best + 1) < at(best) or (best > first and at(best - 1) < at(best)):
                    step = max(1, step // 2)
                    around = [v for v in (best - step, best, best + step) if v >= first]
                    best = min(around, key=at)
            if best > HUGE * size:
                best = int(4 * FAR * size)
                at(best)
            result[:, g] = np.insert(tried[best][1], place, best)
        self._met[0] = frozenset({name})
        return result

    def _quickly(self, y: Array, times: Array) -> tuple[float, Array]:
        """The lowest nll of values with their numbers, and its scores (k,), by simplex from scipy's guesses."""
        from scipy.optimize import minimize

        def total(eta: Array) -> float:
            value = float((times * self.nll(y, np.asarray(eta)[:, None])).sum())
            return value if np.isfinite(value) else np.inf

        many = np.repeat(y, np.minimum(np.round(times), 50).astype(int).clip(1))
        guess = min(self._guesses(many), key=total)
        if not self.size or not np.isfinite(total(guess)):
            return total(guess), guess
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            options = {"maxfev": 250 * self.size, "xatol": 1e-8, "fatol": 1e-10}

            def bounded(eta: Array) -> float:
                return min(total(eta), 1e300)

            found = minimize(bounded, guess, method="Nelder-Mead", options=options)  # type: ignore[call-overload]
        return float(found.fun), np.asarray(found.x)

    def _group_starts(self, y: Array, thorough: bool) -> list[Array]:
        some = y[:: max(1, y.size // SEARCHED)]
        some = np.unique(np.concatenate([some, [y.min(), y.max()]])) if some.size < y.size else y

        spread = max(float(y.max() - y.min()), 1e-300)
        # A density this high all over the data is scipy's own overflow.
        lowest = 0.0 if self.discrete else some.size * (float(np.log(spread)) - SPIKE)

        def total(eta: Array) -> float:
            value = float(self.nll(some, np.asarray(eta)[:, None]).sum())
            return value if np.isfinite(value) and value > lowest else 1e300

        held = np.array([n in self.irregular for n in self.names], dtype=bool)
        # scipy's own guesses take integrals of the density, which nothing can interrupt.
        before = time.monotonic()
        self._standard(np.array([0.5]), [np.asarray(v) for v in self._theta(np.zeros((self.size, 1)))[: self.shapes]])
        guesses = self._guesses(y, moments=time.monotonic() - before < TARDY)
        if thorough and not self.discrete:
            before = time.monotonic()
            total(guesses[0])
            if (time.monotonic() - before) * CALLS < LIMIT / 4:
                guesses += self._fitted(y if y.size < 10 * SEARCHED else some)
        tried = sorted((self._at_extremes(y, eta) for eta in guesses), key=total)
        if not thorough:
            return tried[:2]
        from scipy.optimize import minimize

        refined = []
        for eta in tried[:REFINED]:
            if (~held).any():
                with warnings.catch_warnings(), np.errstate(all="ignore"):
                    warnings.simplefilter("ignore")
                    options = {"maxfev": 250 * int((~held).sum()), "xatol": 1e-6, "fatol": 1e-8}
                    part = partial(_with, total, eta, ~held)
                    best = minimize(part, eta[~held], method="Nelder-Mead", options=options)  # type: ignore[call-overload]
                whole = eta.copy()
                whole[~held] = best.x
                refined.append(whole)
        refined = sorted([*refined, tried[0]], key=total)
        low, high = y.min(keepdims=True), y.max(keepdims=True)
        reasons = [self.unbounded(eta[:, None], low, high)[0] for eta in refined]
        sound = [eta for eta, reason in zip(refined, reasons, strict=True) if not reason]
        if not sound:
            hint = " and ".join(f"{n}=..." for n in ("loc", "scale") if n in self.names)
            raise DataError(f"the likelihood of {self.name} is unbounded: {reasons[0]}; hold it: --fix {hint}")
        return sound[:2]

    def _tied(self, y: Array, eta: Array) -> Array | None:
        """The scores with an end of the support moved onto the extreme value that it has all but met, or None."""
        names = set(self.names)
        if self.short in KINKED and "loc" in names:
            self._met[0] = frozenset({"loc"})
            return eta
        if self.discrete or not {"loc", "scale"} <= names or self._ends:
            return None
        place = {name: j for j, name in enumerate(self.names)}
        theta = [float(v) for v in self._theta(eta)]
        loc, scale = theta[-2:]
        width = max(float(y.max() - y.min()), 1e-300)
        moved, met = eta.copy(), set()
        for end, extreme in zip(self.distribution._get_support(*theta[:-2]), (y.min(), y.max()), strict=True):
            if np.isfinite(end) and abs(loc + float(end) * scale - extreme) < 1e-6 * width:
                if end == 0:
                    moved[place["loc"]] = extreme
                    met.add("loc")
                else:
                    moved[place["scale"]] = log.forward(np.array((extreme - loc) / float(end) * (1 + 1e-15)))
                    met |= {"loc", "scale"}
        before, after = (float(self.nll(y, scores[:, None]).sum()) for scores in (eta, moved))
        if not met or not after <= before + 1e-6 * max(1.0, abs(before)):
            return None
        self._met[0] = frozenset(met)
        return moved

    def _peaked(self, rows: Rows, mine: NDArray[np.bool_], eta: Array) -> Array:
        """The triangular distribution's scores with its mode on the best of the values, those of one group.

        For any ends the likelihood is highest with the mode on a value (van Dorp and Kotz 2002, The Statistician 51,
        63-79); with the mode there it is smooth in the ends. The two are found in turn, and modes near by tried last.
        """
        from scipy.optimize import minimize

        values, which = np.unique(rows.y[mine], return_inverse=True)
        weight = np.bincount(which, weights=None if rows.weight is None else rows.weight[mine]).astype(float)
        rest = [j for j, name in enumerate(self.names) if name != "c"]
        place = self.names.index("c")
        link = self.parameters[place].link
        width = max(float(values[-1] - values[0]), 1e-300)
        steps = np.array([0.02 * width if self.names[j] == "loc" else 0.02 for j in rest])
        simplex = np.concatenate([np.zeros((1, steps.size)), np.diag(steps)])

        def each(ends: Array) -> Array:
            """The nll with the mode on each of the values."""
            loc, scale = (float(v) for v in self._theta(np.insert(ends, place, 0.0))[-2:])
            with np.errstate(all="ignore"):
                up, down = np.log(values - loc), np.log(loc + scale - values)
                below = np.cumsum(weight * up) - np.cumsum(weight) * up
                above = (weight * down)[::-1].cumsum()[::-1] - weight[::-1].cumsum()[::-1] * down
                found = weight.sum() * np.log(scale / 2) - below - above
            return np.where(np.isfinite(found), found, 1e300)

        def fitted(ends: Array, mode: int) -> tuple[float, Array]:
            if not rest:
                return float(each(ends)[mode]), ends
            options = {"xatol": 1e-10, "fatol": 1e-12, "maxfev": 2000, "initial_simplex": ends + simplex}
            found = minimize(lambda e: float(each(e)[mode]), ends, method="Nelder-Mead", options=options)  # type: ignore[call-overload]
            return float(found.fun), np.asarray(found.x)

        ends, best = eta[rest], -1
        lowest = np.inf
        while best != (mode := int(np.argmin(each(ends)))):
            value, moved = fitted(ends, mode)
            if not value < lowest:
                break
            best, lowest, ends = mode, value, moved
        for mode in range(max(0, best - NEAREST), min(values.size, best + NEAREST + 1)):
            value, moved = fitted(ends, mode)
            if value < lowest:
                lowest, ends, best = value, moved, mode
        loc, scale = (float(v) for v in self._theta(np.insert(ends, place, 0.0))[-2:])
        return np.insert(ends, place, float(link.forward(np.array((values[best] - loc) / scale))))

    def _fitted(self, y: Array) -> list[Array]:
        """Where scipy's own fit ends, with the parameters held that are."""
        held = {(f"f{p.name}" if p.name in ("loc", "scale") else f"fix_{p.name}"): v for p in self.every
                if (v := self.fixed.get(p.name)) is not None}  # fmt: skip
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                return [self._scores([float(v) for v in self.distribution.fit(y, **held)])]
        except Exception:  # whatever stops scipy's fit need not stop this one
            return []

    def _at_extremes(self, y: Array, eta: Array) -> Array:
        """The scores with parameters that follow the extremes of the data set to these."""
        eta = eta.copy()
        place = {name: j for j, name in enumerate(self.names)}
        if "loc" in self.irregular:
            eta[place["loc"]] = y.min()
        if "scale" in self.irregular:
            low = self.fixed.get("loc", y.min())
            eta[place["scale"]] = log.forward(np.maximum(y.max() - low, 1e-300) * (1 + 1e-15))
        return eta

    def _guesses(self, y: Array, moments: bool = True) -> list[Array]:
        """Scores (k,) from scipy's own guess and from shapes on a small grid."""
        guesses: list[list[float]] = []
        spread = float(y.std()) or max(abs(float(y.mean())), 1e-8)
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            if not self.discrete and moments:
                try:
                    guesses.append([float(v) for v in self.distribution._fitstart(y)])
                except Exception:  # scipy's own guess fails for some distributions and data: the others remain
                    guesses = []
            for t in (0.0, 1.0, -1.0, 2.0, -2.0):
                own = enumerate(self.every[: self.shapes])
                shapes = [float(p.link.inverse(np.array(t if i % 2 == 0 else t / 2))) for i, p in own]
                if self.discrete:
                    guesses.append(shapes)
                    continue
                try:
                    if not moments:
                        raise ValueError("moments are integrals of a slow density")
                    loc, scale = self.distribution._fit_loc_scale_support(y, *shapes)
                except Exception:
                    loc, scale = float(y.mean()), spread
                guesses.append([*shapes, float(loc), float(scale)])
                low, high = (float(v) for v in self.distribution._get_support(*shapes))
                if np.isfinite(low) and not np.isfinite(high):
                    for gap in (1e-3, 0.3):
                        place = float(y.min()) - gap * spread
                        guesses.append([*shapes, place - low * spread, spread])
                elif np.isfinite(high) and not np.isfinite(low):
                    guesses.append([*shapes, float(y.max()) + 0.1 * spread - high * spread, spread])
                elif np.isfinite(low) and np.isfinite(high) and high > low:
                    wide = (float(y.max()) - float(y.min())) * 1.02 / (high - low) or spread
                    guesses.append([*shapes, float(y.min()) - 0.01 * wide * (high - low) - low * wide, wide])
                else:
                    guesses.append([*shapes, float(np.median(y)), spread])
            if self.discrete and self.shapes == 1:
                # The mean is most often a simple function of the only shape.
                mean = max(float(y.mean()), 1e-8)
                guesses += [[mean], [1 / mean], [1 / (1 + mean)]]
        return [eta for eta in map(self._scores, guesses) if np.isfinite(eta).all()] or [np.zeros(self.size)]

    def _scores(self, theta: list[float]) -> Array:
        scores = []
        for p, value in zip(self.every, theta, strict=True):
            if p.name not in self.fixed:
                inside = p.link.lower < value < p.link.upper and np.isfinite(value)
                score = float(p.link.forward(np.array(value))) if inside else 0.0
                scores.append(float(np.clip(score, -BOUND, BOUND)) if np.isfinite(p.link.step) else score)
        return np.array(scores)

    def unbounded(self, eta: Array, low: Array, high: Array) -> list[str]:
        """An end of the support that has met an extreme value where the density is infinite."""
        said = []
        for g in range(eta.shape[1]):
            theta = [float(v) for v in self._theta(eta[:, g])]
            said.append("")
            if self.discrete or self.irregular:
                continue
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                ends = self.distribution.support(*theta)
                near = 1e-5 * max(float(high[g] - low[g]), 1e-300)
                for end, extreme, inward in ((float(ends[0]), low[g], 1.0), (float(ends[1]), high[g], -1.0)):
                    if abs(extreme - end) < near:
                        at = [float(self.distribution.logpdf(end + inward * near * t, *theta)) for t in (1e-4, 1.0)]
                        if not at[0] < at[1] + 0.5:
                            said[g] = f"its support ends at the value {extreme:g}, where the density is infinite"
        return said

    # -- the distribution -----------------------------------------------------------------------------------

    def _call(self, method: Callable[..., Any], y: Array, eta: Array) -> Array:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return np.asarray(method(y, *self._theta(eta)), dtype=float)

    def log_cdf(self, y: Array, eta: Array) -> Array:
        return self._call(self.distribution.logcdf, y, eta)

    def log_sf(self, y: Array, eta: Array) -> Array:
        return self._call(self.distribution.logsf, y, eta)

    def quantile(self, q: Array, eta: Array) -> Array:
        return self._call(self.distribution.ppf, q, eta)

    def mean(self, eta: Array) -> Array:
        return self._moment("m", eta)

    def variance(self, eta: Array) -> Array:
        return self._moment("v", eta)

    def _moment(self, which: str, eta: Array) -> Array:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = self.distribution.stats(*self._theta(eta), moments=which)
        return np.broadcast_to(np.asarray(found, dtype=float), eta.shape[1:])

    def inside(self, y: Array) -> NDArray[np.bool_]:
        return self.support.contains(y)

    def __repr__(self) -> str:
        return f"ScipyFamily({self.short!r})" if not self.fixed else f"ScipyFamily({self.short!r}, {self.fixed!r})"


def _with(total: Callable[[Array], float], eta: Array, free: NDArray[np.bool_], values: Array) -> float:
    """The total at scores whose `free` ones are `values`."""
    whole = eta.copy()
    whole[free] = values
    return total(whole)


def _line(
    at: Callable[[dict[int, Array]], Array], steps: dict[int, Array], value: Array, side: Array | None
) -> tuple[Array, Array]:
    """First and second differences along a direction, times step and step squared.

    Where `side` is not zero, forward differences on that side of u.
    """
    first, second = np.zeros(value.shape), CENTRE * value
    for s, slope, curve in WEIGHTS:
        there = at({j: s * h for j, h in steps.items()})
        first, second = first + slope * there, second + curve * there
    if side is not None and (side != 0).any():
        edge = side != 0
        sign = np.where(edge, side, 1.0)
        one, two = -25 / 12 * value, 35 / 12 * value
        for s, slope, curve in FORWARD:
            there = at({j: s * sign * h for j, h in steps.items()})
            one, two = one + slope * there, two + curve * there
        first, second = np.where(edge, sign * one, first), np.where(edge, two, second)
    return first, second


def adapt(name: str) -> ScipyFamily:
    """The family `scipy:NAME`.

    Raises:
        UsageError: scipy has no such distribution.
    """
    return ScipyFamily(name)


def _find(name: str) -> Any:
    from scipy import stats

    generic = (stats.rv_continuous, stats.rv_discrete)
    every = {n: d for n in dir(stats) if isinstance(d := getattr(stats, n), generic)}
    key = name.strip().replace("-", "_")
    if key in every:
        return every[key]
    hint = nearest(key.lower(), every, "its documentation of scipy.stats lists them", before="scipy:")
    raise UsageError(f"scipy has no distribution called {name!r}; {hint}")
