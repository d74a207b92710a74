"""Any distribution of scipy.stats as a family, by scipy's own parameters: its shapes, loc and scale.

Derivatives are eighth-order central differences (Fornberg 1988, table 1) of the log density in the shapes and in the
standardised value u = (y - loc)/scale; those in loc and scale follow by the chain rule, so that neither the unit of
the data nor their distance from zero matters.

Where an end or a kink of the density is tied to a value of the data, the score of loc or of scale is that value, and
the parameter follows from it and the others: what is left is smooth.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mlefit import deadline
from mlefit.errors import UsageError, nearest
from mlefit.families import bounds
from mlefit.families.base import NO_DISTRIBUTION, Derivatives, Family, Parameter, Rows
from mlefit.families.links import BOUND, Array, Link, identity, log
from mlefit.families.pinned import Pinned
from mlefit.families.support import Support

LIMIT: Final = 60.0  # seconds for a fit
PATIENCE: Final = 0.5  # seconds between two looks at the clock
FIRST: Final = 16
BLOCK: Final = 65_536
STEP: Final = 0.016
HIGHEST: Final = -700.0  # no nll of a density worth having is lower: scipy's own overflow far off
CERTAIN: Final = -1e-6  # and none of a probability is lower than 0, rounding aside
EXCESS: Final = 1.001  # an integral of a density above this is no matter of rounding
ASKED: Final = 20  # estimates whose density is integrated
ASKING: Final = 1.0  # seconds for that, less as the time for the fit runs out
CENTRE: Final = -205 / 72
WEIGHTS: Final = tuple(
    (sign * s, sign * slope, curve)
    for s, slope, curve in ((1, 4 / 5, 8 / 5), (2, -1 / 5, -1 / 5), (3, 4 / 105, 8 / 315), (4, -1 / 280, -1 / 560))
    for sign in (1, -1)
)
FORWARD: Final = ((1, 4, -26 / 3), (2, -3, 19 / 2), (3, 4 / 3, -14 / 3), (4, -1 / 4, 11 / 12))
ENDS: Final = ("lower", "upper")
ROOM: Final = 32.0  # steps that an end of the support is to be away
NARROWER: Final = 12  # times that a step is quartered
INSIDE: Final = 8 * float(np.finfo(float).eps)  # relative; some densities are said to be 0 at their very end
CLOSE: Final = 1e-20  # to an end at 0, in the standard unit
RISING: Final = 0.5  # of the log density on a stretch of a factor of 1e4: more is on its way to infinity
SLIP: Final = 1e-9  # of the scale; a value this near to an end that is tied to it is the end
ASIDE: Final = 1e-6  # of the data's spread; beside an end or a kink, where differences reach to one side of it
KINK: Final = 1e-5  # of the scale, over which the value at a kink is differenced
SMALL: Final = 1e-4  # of a score, over which parameters are differenced
STILL: Final = 1e-14  # relative, a change of a parameter over that which is none
# The density is highest at an end of the support that moves with these parameters, so that their estimates are the
# extremes of the data, whatever the others are.
LOWEST: Final = frozenset(
    (
        "expon", "halfnorm", "halfcauchy", "halflogistic", "halfgennorm", "lomax", "gompertz", "truncexpon", "uniform",
        "genhalflogistic", "genpareto",
    )
)  # fmt: skip
WIDEST: Final = frozenset({"uniform"})
# What a distribution becomes as a shape runs off to its upper, or its lower, end, loc and scale following.
LIMITS: Final = {
    ("hypergeom", "M"): "binomial", ("binom", "n"): "poisson", ("nbinom", "n"): "poisson",
    ("betabinom", "a"): "binomial", ("betabinom", "b"): "binomial",
    ("t", "df"): "normal", ("chi2", "df"): "normal", ("gamma", "a"): "normal", ("erlang", "a"): "normal",
    ("nakagami", "nu"): "normal", ("rice", "b"): "normal", ("invgamma", "a"): "normal", ("johnsonsu", "b"): "normal",
    ("pareto", "b"): "exponential", ("lomax", "c"): "exponential", ("genlogistic", "c"): "gumbel",
    ("exponnorm", "K"): "exponential", ("loguniform", "a"): "uniform", ("reciprocal", "a"): "uniform",
}  # fmt: skip
LIMITS_BELOW: Final = {
    ("lognorm", "s"): "normal", ("invgauss", "mu"): "normal", ("fatiguelife", "c"): "normal",
    ("exponnorm", "K"): "normal",
}  # fmt: skip

# Parameters of which one says what the others say already: the same distribution has any value of it.
REDUNDANT: Final[Mapping[str, tuple[str, ...]]] = {
    "genexpon": ("a", "b", "c", "scale"), "dpareto_lognorm": ("u", "scale"), "loguniform": ("a", "b", "scale"),
    "reciprocal": ("a", "b", "scale"),
}  # fmt: skip

# Where the standard density has a kink: at a number, or at a shape.
KINKS: Final[Mapping[str, tuple[str | float, ...]]] = {
    "laplace": (0.0,), "laplace_asymmetric": (0.0,), "dgamma": (0.0,), "dweibull": (0.0,), "gennorm": (0.0,),
    "skewcauchy": (0.0,), "loglaplace": (1.0,), "triang": ("c",), "trapezoid": ("c", "d"),
}  # fmt: skip
# Those whose kink is at loc, a hyperplane of a regression's coefficients, the density there neither 0 nor infinite.
AT_LOC: Final = frozenset({"laplace", "laplace_asymmetric", "gennorm", "skewcauchy"})


@dataclass(frozen=True)
class Tie:
    """A point of the standard density that lies on a value of the data, and the parameter that keeps it there.

    `point` is "lower" or "upper" for an end of the support, a number, or the name of the shape that is the point.
    """

    point: str | float
    slot: str


@dataclass(frozen=True)
class Followed(Link):
    """The link of a parameter that follows from a value of the data: its domain, for scores that are in its unit."""

    native: Link
    name = "value"

    def __post_init__(self) -> None:
        object.__setattr__(self, "lower", self.native.lower)
        object.__setattr__(self, "upper", self.native.upper)

    def forward(self, theta: Array) -> Array:
        return self.native.forward(theta)

    def inverse(self, eta: Array) -> Array:
        return self.native.inverse(eta)

    def derivative(self, eta: Array) -> Array:
        return self.native.derivative(eta)

    def curvature(self, eta: Array) -> Array:
        return self.native.curvature(eta)


class ScipyFamily(Family):
    """`scipy.stats.NAME` with some parameters held at the values of `fixed`.

    Args:
        name: scipy's.
        fixed: parameters that are held. The loc of a discrete distribution is held at 0 unless `shifted`.
        shifted: of a discrete distribution, its loc is a parameter too, an integer.
        ties: points of the density that lie on values of the data; `suited` finds them.
        near: (k,) scores near the estimate, which were found with the ties.
        level: integers that the data do not tell from others.
        mark: what tells the rows that `near` was found for.

    Raises:
        UsageError: scipy has no such distribution.
    """

    patience = LIMIT
    roughness = 1e-3  # they are differences of a density that scipy gives to ten digits here and there

    def __init__(
        self,
        name: str,
        fixed: Mapping[str, float] | None = None,
        *,
        shifted: bool = False,
        ties: Sequence[Tie] = (),
        near: Array | None = None,
        level: Collection[str] = (),
        mark: tuple[float, float] | None = None,
    ) -> None:
        from scipy import stats

        self.distribution: Any = _find(name)
        self.short = str(self.distribution.name)
        self.discrete = isinstance(self.distribution, stats.rv_discrete)
        if shifted and not self.discrete:
            raise UsageError(f"scipy:{self.short} has loc as it is; +loc is for discrete distributions")
        self.shifted = shifted
        self.name = f"scipy:{self.short}" + ("+loc" if shifted else "")
        self.summary = f"scipy.stats.{self.short}"
        self.fixed = dict(fixed or {})
        self.ties, self.near, self._level, self._mark = tuple(ties), near, frozenset(level), mark
        self._block = [FIRST]  # values scipy is given at once, the fewer the slower it is
        shapes = list(self.distribution._shape_info())
        self.integers = frozenset([*(s.name for s in shapes if s.integrality), *(["loc"] if self.discrete else [])])
        every = [
            Parameter(
                s.name,
                identity if s.integrality else bounds.link(*map(_end, s.domain)),
                "shape",
                LIMITS.get((self.short, s.name), ""),
                LIMITS_BELOW.get((self.short, s.name), ""),
            )
            for s in shapes
        ]
        self.least = {s.name: float(s.domain[0]) for s in shapes if s.integrality}
        self.shapes = len(every)
        every += [Parameter("loc", identity, "location")]
        if not self.discrete:
            every += [Parameter("scale", log, "scale")]
        self.every = tuple(every)
        self.held = dict(self.fixed) if shifted or not self.discrete else {"loc": 0.0, **self.fixed}
        slots = {tie.slot for tie in self.ties}
        self.parameters = tuple(
            Parameter(p.name, Followed(p.link), p.meaning) if p.name in slots else p
            for p in every
            if p.name not in self.held
        )
        self.support = self._values() if self.discrete else Support()
        ends = {"loc"} if self.short in LOWEST else set()
        ends |= {"scale"} if self.short in WIDEST else set()
        self.adaptive = near is None and bool(self.names)
        self.following = bool(self.ties)
        self.aside = ASIDE if self.short in AT_LOC else None
        whole = (self.integers - self._level) & set(self.names)
        self.ends = frozenset(ends - set(self.fixed))
        kinks = {"loc"} & set(self.names) if self.short in KINKS else set()
        known = self.ends if near is not None else self.ends | kinks
        self.irregular = frozenset(slots or known) | whole
        tied = {tie.slot for tie in self.ties if tie.point not in ENDS}
        self.informative = frozenset(tied or kinks & self.irregular)
        self.irregular_note = self._note(whole)

    def _note(self, whole: Collection[str]) -> str:
        """Why irregular parameters have no standard errors."""
        said = []
        if whole:
            one = len(whole) == 1
            said.append(
                f"{' and '.join(sorted(whole))} {'is an integer' if one else 'are integers'}, found by going through "
                f"them; standard errors are for {'this one' if one else 'these'}"
            )
        names = sorted(self.irregular - set(whole) - self.informative)
        if names:
            said.append(
                f"{' and '.join(names)}: an end of the density lies on a value of the data, the smallest or "
                "the largest, where the likelihood has no zero gradient; "
                + (
                    "hence no standard errors"
                    if not self.ties or len(names) == self.size
                    else "standard errors are for this end, which varies far less than the rest"
                )
            )
        if self.informative:
            said.append(
                f"{' and '.join(sorted(self.informative))}: a kink of the density was found by search over the values "
                "and between them; standard errors are from the Fisher information (products of the gradient)"
            )
        return "; ".join(said)

    def _values(self) -> Support:
        """The integers that a discrete distribution can give, as far as they are the same for all parameters."""
        if "loc" not in self.held:
            return Support(integer=True)
        ends = []
        for score in (-1.0, 0.3, 1.0, 3.0):
            shapes = [self.held.get(p.name, float(p.link.inverse(np.array(score)))) for p in self.every[: self.shapes]]
            ends.append([float(end) for end in self.distribution._get_support(*shapes)])
        low, high = (end[0] if (end == end[0]).all() else np.nan for end in np.transpose(ends))
        if low == high:  # scipy knows no better, as of the sum of coins that each have a chance of their own
            return Support(integer=True)
        low, high = low + self.held["loc"], high + self.held["loc"]
        return Support(-np.inf if np.isnan(low) else low, np.inf if np.isnan(high) else high, integer=True)

    def pin(self, fixed: Mapping[str, float]) -> Family:
        given = {name: v for name, v in fixed.items() if not (name == "loc" and self.discrete and not self.shifted)}
        Pinned(ScipyFamily(self.short, self.fixed, shifted=self.shifted), given)  # refuses unknown names and values
        for name, value in fixed.items():
            if name in self.integers and value != round(value):
                raise UsageError(f"{name} of {self.name} is an integer; {name}={value:g} is none")
        return ScipyFamily(self.short, {**self.fixed, **fixed}, shifted=self.shifted)

    def tied(
        self,
        ties: Sequence[Tie] = (),
        near: Array | None = None,
        level: Collection[str] = (),
        mark: tuple[float, float] | None = None,
    ) -> ScipyFamily:
        """The same with points of its density on values of the data, and what else `suited` finds."""
        return ScipyFamily(self.short, self.fixed, shifted=self.shifted, ties=ties, near=near, level=level, mark=mark)

    # -- scores and parameters -----------------------------------------------------------------------------------

    def _theta(self, eta: Array) -> list[Array]:
        """Every parameter, the fixed ones included; with ties they follow from what is tied."""
        free = iter(eta)
        theta = [
            np.asarray(self.held[p.name], dtype=float) if p.name in self.held else p.link.inverse(next(free))
            for p in self.every
        ]
        if not self.ties:
            return theta
        place = {p.name: j for j, p in enumerate(self.every)}
        score = dict(zip(self.names, eta, strict=True))
        for tie in self.ties:
            if tie.slot in place and tie.slot not in ("loc", "scale"):
                theta[place[tie.slot]] = np.ones(())  # filled in below; no other point depends on it
        linear = [tie for tie in self.ties if tie.slot in ("loc", "scale")]
        points = [self.point(tie.point, theta) for tie in linear]
        values = [score[tie.slot] for tie in linear]
        loc, scale = place["loc"], place["scale"]
        with np.errstate(all="ignore"):
            if len(linear) == 2:
                theta[scale] = (values[1] - values[0]) / (points[1] - points[0])
                theta[loc] = values[0] - points[0] * theta[scale]
            elif linear and linear[0].slot == "loc":
                theta[loc] = values[0] - points[0] * theta[scale]
            elif linear:
                theta[scale] = (values[0] - theta[loc]) / points[0]
            for tie in self.ties:
                if tie not in linear:
                    theta[place[tie.slot]] = (score[tie.slot] - theta[loc]) / theta[scale]
        return theta

    def point(self, point: str | float, theta: list[Array]) -> Array:
        """A point of the standard density: an end of the support, a number, or a shape."""
        if isinstance(point, float):
            return np.asarray(point)
        if point in ENDS:
            ends = self.distribution._get_support(*theta[: self.shapes])
            return np.asarray(ends[point == "upper"], dtype=float)
        return theta[[p.name for p in self.every].index(point)]

    def forward(self, theta: Array) -> Array:
        eta = super().forward(theta)
        if self.ties:
            place = {name: j for j, name in enumerate(self.names)}
            free = iter(np.asarray(theta, dtype=float))
            whole = [np.asarray(self.held[p.name]) if p.name in self.held else next(free) for p in self.every]
            for tie in self.ties:
                eta[place[tie.slot]] = whole[-2] + self.point(tie.point, whole) * whole[-1]
        return eta

    def inverse(self, eta: Array) -> Array:
        if not self.ties:
            return super().inverse(eta)
        found = zip(self.every, self._theta(np.asarray(eta)), strict=True)
        return np.stack([np.broadcast_to(v, np.shape(eta)[1:]) for p, v in found if p.name not in self.held])

    def jacobian(self, eta: Array) -> Array:
        result = super().jacobian(eta)
        if not self.ties:
            return result
        eta = np.asarray(eta, dtype=float)
        for j, name in enumerate(self.names):
            size = np.abs(self.inverse(eta)).max(axis=0) if name in self.irregular else np.ones(eta.shape[1:])
            step = SMALL * np.where(size > 0, size, 1.0)
            result[:, j] = 0.0
            for s, slope, _ in WEIGHTS:
                moved = eta.copy()
                moved[j] += s * step
                result[:, j] += slope * self.inverse(moved)
            result[:, j] /= step
            # What does not move at all, such as the middle of two values, comes out as rounding error.
            own = self.inverse(eta)
            result[:, j] = np.where(np.abs(result[:, j]) * step <= STILL * np.abs(own), 0.0, result[:, j])
        return result

    # -- the likelihood ------------------------------------------------------------------------------------------

    def _standard(self, u: Array, shapes: list[Array]) -> Array:
        """nll of the standardised value."""
        function = self.distribution.logpmf if self.discrete else self.distribution.logpdf
        shape = np.broadcast_shapes(np.shape(u), *map(np.shape, shapes))
        value = np.empty(shape)
        flat = [np.broadcast_to(v, shape).reshape(-1) for v in (u, *shapes)]
        done = 0
        while done < value.size:
            deadline.check()
            before = time.monotonic()
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
        return np.where(np.isnan(value) | (value < (CERTAIN if self.discrete else HIGHEST)), np.inf, value)

    def _split(self, y: Array, eta: Array) -> tuple[Array, list[Array], Array]:
        """u, the shapes, and the scale."""
        theta = self._theta(eta)
        if self.discrete:
            return y - theta[-1], theta[:-1], np.ones(())
        with np.errstate(all="ignore"):
            u, shapes, scale = (y - theta[-2]) / theta[-1], theta[:-2], theta[-1]
            ends = [tie.point for tie in self.ties if tie.point in ENDS]
            if ends:
                slip = SLIP + 32 * np.finfo(float).eps * (np.abs(y) + np.abs(theta[-2])) / scale
                low, high = self.distribution._get_support(*shapes)
                if "lower" in ends:
                    u = np.where((u < low + slip) & (u > low - slip), low + INSIDE * np.abs(low), u)
                if "upper" in ends:
                    u = np.where((u > high - slip) & (u < high + slip), high - INSIDE * np.abs(high), u)
            return u, shapes, scale

    def nll(self, y: Array, eta: Array) -> Array:
        u, shapes, scale = self._split(y, eta)
        with np.errstate(all="ignore"):
            value = self._standard(u, shapes) + np.log(scale)
        return np.where(np.isnan(value), np.inf, value)

    def gradient(self, y: Array, eta: Array) -> Array:
        return self.derivatives(y, eta)[1]

    def hessian(self, y: Array, eta: Array) -> Array:
        return self.derivatives(y, eta)[2]

    def derivatives(self, y: Array, eta: Array) -> Derivatives:
        with np.errstate(all="ignore"):
            if self.ties:
                return self._tied_derivatives(y, eta)
            value, gradient, hessian = self.beside(y, eta)
            place = {name: j for j, name in enumerate(self.names)}
            for n in self.irregular - self.informative:  # held where they are, without information
                gradient[place[n]], hessian[place[n]], hessian[:, place[n]] = 0.0, 0.0, 0.0
            for n in self.informative:
                hessian[place[n]] = hessian[:, place[n]] = gradient[place[n]] * gradient
            return value, gradient, hessian

    def beside(self, y: Array, eta: Array) -> Derivatives:
        """The derivatives as if nothing were irregular; of integers none."""
        with np.errstate(all="ignore"):
            u, _, scale = self._split(y, eta)
            shape = np.broadcast_shapes(u.shape, eta.shape[1:], y.shape)
            u, scale = np.broadcast_to(u, shape), np.broadcast_to(scale, shape)
            smooth = [p.name not in self.integers and p.name not in ("loc", "scale")
                      for p in self.parameters]  # fmt: skip
            free = [j for j, known in enumerate(smooth) if known]
            moving = not self.discrete and any(n in ("loc", "scale") for n in self.names)
            value, first, second = self._differences(u, eta, free, moving)
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
            return value + np.log(scale), gradient, hessian

    def _tied_derivatives(self, y: Array, eta: Array) -> Derivatives:
        """nll and its differences in the scores that no value of the data is in the place of.

        None of these is a location, so that steps of them need no unit. A kink has no curvature to measure information
        by; products of gradients have it for their mean (Berndt, Hall, Hall and Hausman 1974; van der Vaart 1998,
        theorem 7.2).
        """
        shape = np.broadcast_shapes(eta.shape[1:], y.shape)
        free = [j for j, name in enumerate(self.names) if name not in self.irregular]

        def at(shift: dict[int, Array]) -> Array:
            moved = np.array(np.broadcast_to(eta, (eta.shape[0], *shape)))
            for j, by in shift.items():
                moved[j] += by
            return self.nll(y, moved)

        value = np.broadcast_to(at({}), shape)
        first, second = _stencils(at, value, free, {j: self._length(at, value, j) for j in free})
        gradient, hessian = np.zeros((self.size, *shape)), np.zeros((self.size, self.size, *shape))
        for a, i in enumerate(free):
            gradient[i] = first[a]
            for b, j in enumerate(free[: a + 1]):
                hessian[i, j] = hessian[j, i] = second[a][b]
        slopes = gradient.copy()
        kinks = [j for j, name in enumerate(self.names) if name in self.informative]
        for j in kinks:
            by = KINK * np.broadcast_to(self._theta(eta)[-1], shape)
            slope = (at({j: by}) - at({j: -by})) / (2 * by)
            slopes[j] = np.where(np.isfinite(slope), slope, 0.0)
        for j in kinks:
            hessian[j] = hessian[:, j] = slopes[j] * slopes
        return value, gradient, hessian

    def _length(self, at: Callable[[dict[int, Array]], Array], value: Array, j: int) -> Array:
        """The step of score j for each row: shorter where the likelihood bends more, or where an end is near."""
        pilot = 1e-3 * np.ones(value.shape)
        bend = np.abs(at({j: pilot}) - 2 * value + at({j: -pilot})) / 1e-6
        known = np.isfinite(bend)
        typical = np.where(known, bend, 0.0).sum(axis=-1) / np.maximum(known.sum(axis=-1), 1)
        step = STEP / np.sqrt(np.maximum(1.0, typical))[..., None] * np.ones(value.shape)
        for _ in range(NARROWER):
            crossed = np.isfinite(value) & ~np.isfinite(at({j: ROOM * step}) + at({j: -ROOM * step}))
            if not crossed.any():
                break
            step = np.where(crossed, step / 4, step)
        return step

    def _differences(
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
            return self._standard(u + shift.get(-1, 0.0), self._theta(moved)[: self.shapes])

        value = np.broadcast_to(at({}), u.shape)
        steps = {j: self._length(at, value, j) for j in free}
        ahead: Array | None = None
        if moving:
            steps[-1], ahead = self._room(u, eta)
        return value, *_stencils(at, value, [*free, *([-1] if moving else [])], steps, ahead)

    def _room(self, u: Array, eta: Array) -> tuple[Array, Array]:
        """Steps of u that cross no end or kink, and which side to difference on: 0 for both, else +1 or -1."""
        middle = np.median(u, axis=-1, keepdims=True)
        size = np.median(np.abs(u - middle), axis=-1, keepdims=True)
        size = np.where((size > 0) & np.isfinite(size), size, np.maximum(np.abs(middle), 1.0))
        size = np.maximum(size, np.abs(u - middle))  # far out a density changes slowly
        low, high = self.distribution._get_support(*self._theta(eta)[: self.shapes])
        below, above = u - low, np.asarray(high) - u
        room = np.minimum(below, above)
        for kink in KINKS.get(self.short, ()):
            if isinstance(kink, float):
                room = np.minimum(room, np.abs(u - kink))
        edge = room <= 1e-10 * size
        side = np.where(edge, np.where(below <= above, 1.0, -1.0), 0.0)
        step = np.where(edge, STEP * size, np.minimum(STEP * size, room / 32))
        return np.broadcast_to(step, u.shape), np.broadcast_to(side, u.shape)

    # -- starts ---------------------------------------------------------------------------------------------

    def suited(self, rows: Rows) -> Family:
        """The family with the ties that these rows call for, near their estimate; of several groups those of the first.

        Of parameters that cannot be told apart the last is held at 1.

        Raises:
            DataError: the likelihood is unbounded.
        """
        from mlefit.families.scipy_search import suited

        if self._redundant():
            return self.pin({self._redundant()[-1]: 1.0}).suited(rows)
        return suited(self, rows)

    def _redundant(self) -> tuple[str, ...]:
        """Parameters of which one says what the others say, where all are free."""
        every = REDUNDANT.get(self.short, ())
        return every if set(every) <= set(self.names) else ()

    def start(self, rows: Rows) -> Array:
        """Scores (k, G): near the estimate where it is known, with values and integers of each group's own."""
        from mlefit.families import scipy_search

        if self.near is None:
            return self.starts(rows)[0]
        if self._mark == scipy_search.mark(rows):
            return self.near[:, None]
        return scipy_search.again(self, rows)

    def starts(self, rows: Rows) -> list[Array]:
        """Scipy's guess and several of its kind, the best refined by a search, where nothing is known yet."""
        from mlefit.families import scipy_search

        if self.near is None:
            return scipy_search.starts(self, rows)
        known = self.start(rows)
        return [known] if self._mark == scipy_search.mark(rows) else [known, *scipy_search.starts(self, rows)]

    def at_extremes(self, eta: Array, low: Array, high: Array) -> Array:
        """Scores (k, G) with those that are ends of the support set to the extremes (G,) of each group."""
        eta = eta.copy()
        place = {name: j for j, name in enumerate(self.names)}
        if self.ties:
            for tie in self.ties:
                if tie.point in ENDS:
                    eta[place[tie.slot]] = high if tie.point == "upper" else low
            return eta
        if self.discrete:
            return eta
        if "loc" in self.ends:
            eta[place["loc"]] = low
        if "scale" in self.ends:
            width = np.maximum(high - self.held.get("loc", low), 1e-300)
            eta[place["scale"]] = log.forward(width * (1 + 1e-15))
        return eta

    def scores(self, theta: Sequence[float]) -> Array:
        """Scores (k,) of every parameter, moved inside its domain where it is not."""
        scores = []
        for p, value in zip(self.every, theta, strict=True):
            if p.name not in self.held:
                inside = p.link.lower < value < p.link.upper and np.isfinite(value)
                score = float(p.link.forward(np.array(value))) if inside else 0.0
                scores.append(float(np.clip(score, -BOUND, BOUND)) if np.isfinite(p.link.step) else score)
        return np.array(scores)

    def rise(self, point: str, shapes: Sequence[float]) -> float:
        """By how much the log density changes on the last stretch to an end of the support: 0 where it is finite there.

        Infinite where it jumps to infinity; a power of the distance changes by its exponent times log 1e4.
        """
        ends = self.distribution._get_support(*shapes)
        end, inward = float(ends[point == "upper"]), 1 if point == "lower" else -1
        away = max(INSIDE * abs(end), CLOSE)
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            at, before = (float(self.distribution.logpdf(end + inward * away * t, *shapes)) for t in (1.0, 1e4))
        if at == np.inf:
            return np.inf
        return at - before if np.isfinite(before) and not np.isnan(at) else 0.0

    def unbounded(self, eta: Array, low: Array, high: Array) -> list[str]:
        """An end of the support that has met an extreme value where the density is infinite."""
        said = []
        for g in range(eta.shape[1]):
            theta = [float(v) for v in self._theta(eta[:, g])]
            said.append("")
            if self.discrete or (self.ends and not self.ties):
                continue
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                near = 1e-5 * max(float(high[g] - low[g]), 1e-300)
                loc, scale = theta[-2:]
                known = [tie.point for tie in self.ties]
                standard = self.distribution._get_support(*theta[:-2])
                for name, end, extreme in zip(ENDS, map(float, standard), (low[g], high[g]), strict=True):
                    close = abs(extreme - loc - end * scale) < near
                    if name not in known and close and self.rise(name, theta[:-2]) > RISING:
                        said[g] = f"its support ends at the value {extreme:g}, where the density is infinite"
        return said

    def doubts(self, eta: Array) -> list[str]:
        """That scipy's density is none, as at parameters where its formula has lost all digits to rounding."""
        said = [""] * eta.shape[1]
        for g in range(min(eta.shape[1], ASKED) if not self.discrete else 0):
            try:
                with deadline.within(min(ASKING, ASKING / LIMIT * deadline.left())):
                    total = self.mass(eta[:, g])
            except TimeoutError:
                break
            if EXCESS < total < np.inf:
                said[g] = (
                    f"scipy's density of {self.short} integrates to {total:.4g} at these parameters, not to 1: "
                    f"{NO_DISTRIBUTION}"
                )
        return said

    def mass(self, eta: Array) -> float:
        """The integral of a continuous density at scores (k,); infinite where it is not known."""
        from mlefit.families import panels

        shapes = [np.asarray(v, dtype=float) for v in self._theta(eta)[:-2]]
        low, high = (float(end) for end in self.distribution._get_support(*shapes))
        if not (np.isfinite(shapes).all() and low < high):
            return np.inf
        none = np.array([np.inf])

        def log_density(u: Array, _: panels.Index) -> Array:
            return -self._standard(u, shapes)

        with np.errstate(all="ignore"):
            return float(np.exp(panels.cut(log_density, Support(low, high), none, -none).log_total()[0]))

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
        return f"ScipyFamily({self.short!r}{f', {self.fixed!r}' if self.fixed else ''})"


def _stencils(
    at: Callable[[dict[int, Array]], Array],
    value: Array,
    variables: list[int],
    steps: dict[int, Array],
    ahead: Array | None = None,
) -> tuple[list[Array], list[list[Array]]]:
    """First and second differences of `at`, which is `value` at no shift, in the variables; -1 is u.

    Where `ahead` is not zero, those in u are forward differences on that side of it.
    """
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
    return first, second


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
    """The family `scipy:NAME`, or with `NAME+loc` a discrete distribution whose loc is estimated too.

    Raises:
        UsageError: scipy has no such distribution.
    """
    name, plus, shift = name.partition("+")
    if plus and shift.strip() != "loc":
        raise UsageError(f"scipy:{name} takes +loc, which makes its loc a parameter; {plus + shift!r} is not known")
    family = ScipyFamily(name, shifted=bool(plus))
    try:
        family.nll(np.zeros(1), np.zeros((family.size, 1)))
    except TypeError:
        raise UsageError(
            f"{family.name} has a list of numbers for a parameter, as many as you like, which cannot be estimated"
        ) from None
    return family


def _end(value: float) -> float:
    """An end of a shape's domain, which scipy moves to the next double where it is open."""
    return float(f"{value:.12g}") if abs(value) > 1e-300 else 0.0


@cache
def _find(name: str) -> Any:
    from scipy import stats

    generic = (stats.rv_continuous, stats.rv_discrete)
    every = {n: d for n in dir(stats) if isinstance(d := getattr(stats, n), generic)}
    key = name.strip().replace("-", "_")
    if key in every:
        return every[key]
    hint = nearest(key.lower(), every, "its documentation of scipy.stats lists them", before="scipy:")
    raise UsageError(f"scipy has no distribution called {name!r}; {hint}")
