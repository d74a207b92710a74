"""A distribution family: the negative log-likelihood of an observation as a function of its scores.

A family knows nothing of files, predictors or solvers. It is written once, per observation, on unconstrained
scores `eta`, and everything else in mlefit composes from that.

Shapes: `y` is (n,), or (d, n) for a family of several columns (`columns`, such as successes and trials).
`eta` is (k, ...) with one row a score, and whatever follows broadcasts against the n observations: (k, 1) for
a constant model, (k, n) for a network, (k, P, 1) for P models of the same data at once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from mlefit.errors import LackingError, UsageError
from mlefit.families.links import Array, Link
from mlefit.families.support import Support, real

Index = NDArray[np.intp]
Codes = NDArray[np.integer[Any]]
Derivatives = tuple[Array, Array, Array]

# How a doubt ends that leaves nothing to believe in; see `Family.doubts`.
NO_DISTRIBUTION: Final = "neither its estimates nor its log-likelihood are those of a distribution"


@dataclass(frozen=True)
class Parameter:
    """A named parameter and the link that frees it of constraints.

    `limit` says what becomes of the family when the score runs off to plus infinity, for the families in which
    that is a proper member of the closure (negative binomial to Poisson); `limit_below` the same for minus
    infinity. `closed` are those ends of the link's open domain at which the family is still a distribution, as a coin
    that always shows 0 is: there the parameter can be held.
    """

    name: str
    link: Link
    meaning: str = ""
    limit: str = ""
    limit_below: str = ""
    closed: tuple[float, ...] = ()

    def allows(self, value: float) -> bool:
        """Whether the parameter can have this value, which need not be one that the likelihood can be climbed from."""
        return self.link.lower < value < self.link.upper or value in self.closed

    @property
    def domain(self) -> str:
        """The values it can have, such as `0 <= p <= 1`, `sigma > 0`."""
        low, high = self.link.lower, self.link.upper
        if low == -np.inf and high == np.inf:
            return f"any number for {self.name}"
        below, above = ("<=" if end in self.closed else "<" for end in (low, high))
        if high == np.inf:
            return f"{self.name} {below.replace('<', '>')} {low:g}"
        return f"{'' if low == -np.inf else f'{low:g} {below} '}{self.name} {above} {high:g}"


@dataclass(frozen=True)
class Remainder:
    """A parameter that is what others leave of a total, such as the last weight of a mixture.

    Attributes:
        parameter: whose it is; not among the family's `parameters`, which are free.
        others: the parameters that leave it, all of them among the family's.
        total: 1, less what is held.
    """

    parameter: Parameter
    others: tuple[str, ...]
    total: float = 1.0

    @property
    def name(self) -> str:
        return self.parameter.name


class Rows(Protocol):
    """Weighted observations in groups, as a family's `start` sees them.

    Every reduction takes one value per row, shape (n,) or (..., n), and returns one per group, (G,) or (..., G).
    """

    @property
    def y(self) -> Array: ...
    @property
    def weight(self) -> Array | None:
        """(n,), or None for all ones."""
        ...

    @property
    def total_weight(self) -> Array:
        """Sum of the weights of each group, (G,)."""
        ...

    def sum(self, values: Array) -> Array: ...
    def mean(self, values: Array) -> Array: ...
    def variance(self, values: Array) -> Array:
        """Weighted mean squared deviation about the group mean (divisor: the weight)."""
        ...

    def minimum(self, values: Array) -> Array: ...
    def maximum(self, values: Array) -> Array: ...
    def quantile(self, values: Array, q: float) -> Array:
        """Weighted quantile; q = 0.5 is the median, the midpoint where a whole interval qualifies."""
        ...

    def spread(self, group_values: Array) -> Array:
        """One value per group, (G,), to one per row, (n,)."""
        ...


class Family(ABC):
    """A parametric family of distributions. Instances are immutable."""

    name: str
    summary: str = ""
    aliases: tuple[str, ...] = ()
    parameters: tuple[Parameter, ...]
    support: Support = real
    discrete: bool = False
    # Names of the machine-learning losses this family's NLL is, best known first.
    losses: tuple[str, ...] = ()
    columns: tuple[str, ...] = ("y",)
    censored: bool = False  # True: rows may be intervals, so that a likelihood of 1 can be out of reach
    remainder: Remainder | None = None  # what belongs to the distribution and follows from the parameters
    truncated: bool = False  # True: the density is renormalised row by row, which may leave it without a maximum
    lumped: bool = False  # True: a density, and at zero a probability beside it
    labels: bool = False  # True: y holds codes of labels, given to `bind`
    # Largest values of data between which the scores stay inside their bounds, and squares are numbers.
    sizes: tuple[float, float] = (1e-100, 1e100)
    adaptive: bool = False  # True: which parameters are irregular depends on the data; see `suited`
    near: Array | None = None  # (k,) scores near the estimate, where they are known already
    following: bool = False  # True: a parameter may follow from several scores, although there are as many
    patience: float = np.inf  # seconds that a fit may take
    roughness: float = 0.0  # standard errors within which its derivatives can tell the maximum
    # Parameters whose estimate is not a zero of the gradient (an endpoint, a kink). `start` gives them exactly,
    # whatever the others are, and solvers leave them there.
    irregular: frozenset[str] = frozenset()
    # How far beside a kink or an end, relative to the spread of the data, `beside` tells the slope on that side of it;
    # 0 for the next double, None where it does not.
    aside: float | None = None
    # Irregular parameters (centre, width) between whose ends all values are equally likely: each lies within
    # centre - width/2 and centre + width/2, and the nll rises with the width alone.
    band: tuple[str, str] | None = None
    # Parameter -> value below which the likelihood is unbounded (nll is inf there): a fit that ends at this
    # cliff has not found a maximum, for there is none.
    cliffs: Mapping[str, float] = MappingProxyType({})
    # Parameters that move kinks of the nll, which lie where `corners` are zero: the maximum may be on one, or between.
    kinked: frozenset[str] = frozenset()
    # Irregular or kinked parameters that the rows inform about no less than about regular ones, such as a median.
    informative: frozenset[str] = frozenset()
    # Parameter -> what happens as it grows without end while the likelihood does too.
    summits: Mapping[str, str] = MappingProxyType({})
    # Parameter -> the value it is held at.
    fixed: Mapping[str, float] = MappingProxyType({})
    # One sentence for the table when `irregular` is not empty.
    irregular_note: str = ""
    # How `start` finds an estimate that the solver then has nothing to add to.
    start_method: str = "closed form"

    # -- the likelihood -------------------------------------------------------------------------------------

    @abstractmethod
    def nll(self, y: Array, eta: Array) -> Array:
        """Negative log-likelihood of each observation, every constant included; inf outside the support."""

    def parts(self, y: Array, eta: Array) -> Array:
        """Of a density that is a sum the log of every summand, weights included, (m, ...); of others nothing, m = 0."""
        return np.zeros((0, *y.shape[-1:]))

    def gradient(self, y: Array, eta: Array) -> Array:
        """d nll / d eta, shape (k, ...); by differences of `nll` unless the family writes it."""
        from mlefit.families.numeric import gradient

        return gradient(self.nll, y, eta)

    def hessian(self, y: Array, eta: Array) -> Array:
        """d2 nll / d eta2, shape (k, k, ...); by differences of `gradient` unless the family writes it."""
        from mlefit.families.numeric import hessian

        return hessian(self, y, eta)

    def derivatives(self, y: Array, eta: Array) -> Derivatives:
        """`nll`, `gradient` and `hessian` together; worth writing where they share costly terms."""
        return self.nll(y, eta), self.gradient(y, eta), self.hessian(y, eta)

    def beside(self, y: Array, eta: Array) -> Derivatives:
        """`derivatives` with the curvature that the nll has beside its kinks, where these give Fisher information."""
        return self.derivatives(y, eta)

    def inside(self, y: Array) -> NDArray[np.bool_]:
        """Which rows the family can give probability to, (n,)."""
        return self.support.contains(y if y.ndim == 1 else y[0])

    def exact(self, y: Array) -> NDArray[np.bool_]:
        """Which rows have a value that is known, not one between two ends, (n,)."""
        return np.ones(y.shape[-1], dtype=bool)

    def kinds(self, y: Array) -> Codes | None:
        """Codes (n,) of rows that are computed alike, for rows of several kinds to be sorted by; None for one kind."""
        return None

    def central(self, y: Array) -> Array:
        """One finite value a row, (n,), to tell the location and the scale of the data."""
        return y if y.ndim == 1 else y[0]

    # -- scores and parameters -------------------------------------------------------------------------------

    @property
    def size(self) -> int:
        """The number k of scores."""
        return len(self.parameters)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the parameters, in the order of `parameters`."""
        return tuple(p.name for p in self.parameters)

    @property
    def step(self) -> Array:
        """The largest change of each score in one solver step, (k,)."""
        return np.array([p.link.step for p in self.parameters])

    def forward(self, theta: Array) -> Array:
        """Parameters (K, ...) to scores (k, ...)."""
        result = np.empty(np.shape(theta))
        for j, p in enumerate(self.parameters):
            result[j] = p.link.forward(theta[j])
        return result

    def inverse(self, eta: Array) -> Array:
        """Scores (k, ...) to parameters (K, ...)."""
        result = np.empty(np.shape(eta))
        for j, p in enumerate(self.parameters):
            result[j] = p.link.inverse(eta[j])
        return result

    def jacobian(self, eta: Array) -> Array:
        """d theta / d eta, shape (K, k, ...)."""
        result = np.zeros((len(self.parameters), self.size, *eta.shape[1:]))
        for j, p in enumerate(self.parameters):
            result[j, j] = p.link.derivative(eta[j])
        return result

    def along(self, names: Iterable[str]) -> Family:
        """The same distributions on scores among which each of the named parameters has its own, through its link.

        The family itself where they have already. The named parameters of the result, the remainder may be one of them,
        are meant to be held: nll is infinite where they cannot all have their values.
        """
        return self

    def translated(self, eta: Array, seen: Family) -> Array:
        """Scores (k, ...) as those of the same distribution of `seen`, which is this family along other names."""
        if seen is self:
            return eta.copy()
        told = self.told(self.inverse(eta))
        return seen.forward(np.stack([told[name] for name in seen.names]))

    def told(self, theta: Array) -> dict[str, Array]:
        """All parameters (K, ...) by name, and after the last of those that leave it the remainder."""
        found = dict(zip(self.names, theta, strict=True))
        left = self.remainder
        if left is None:
            return found
        value = np.asarray(left.total - sum((found[name] for name in left.others), np.zeros(np.shape(theta)[1:])))
        place = 1 + max((self.names.index(name) for name in left.others), default=-1)
        pairs = list(found.items())
        return dict([*pairs[:place], (left.name, value), *pairs[place:]])

    def completed(self, values: Mapping[str, float]) -> dict[str, float]:
        """Values of parameters by name, the remainder given with the others or in place of one of them.

        Raises:
            UsageError: it is given, and the total is not as it should be.
        """
        found, left = dict(values), self.remainder
        if left is None or left.name not in found:
            return found
        own = found.pop(left.name)
        rest = left.total - own
        absent = [name for name in left.others if name not in found]
        if len(absent) == 1:
            found[absent[0]] = rest - sum(found[name] for name in left.others if name in found)
        elif not absent and abs(sum(found[name] for name in left.others) - rest) > 1e-9:
            total = own + sum(found[name] for name in left.others)
            raise UsageError(f"{', '.join((*left.others, left.name))} add up to {total:g}, not to {left.total:g}")
        return found

    # -- fitting ----------------------------------------------------------------------------------------------

    def bind(self, levels: Sequence[str]) -> Family:
        """The family for data with these labels (only families with `labels` use them)."""
        return self

    def given(self, *others: Array) -> Family:
        """The family with the columns after the first known, for `mean`, `variance`, `quantile` and `sample`."""
        return self

    def suited(self, rows: Rows) -> Family:
        """The family, `adaptive` no more, as these rows call for it, or of several groups the first.

        Raises:
            DataError: the likelihood is unbounded.
        """
        return self

    def start(self, rows: Rows) -> Array:
        """Scores to start from, (k, G): the estimate itself where a closed form exists.

        The default suits a family that gives nothing but its `nll`: all scores at zero, or at the data's own
        centre and spread for parameters called loc, mu, scale, sigma or rate.
        """
        mean = rows.mean(rows.y if rows.y.ndim == 1 else rows.y[0])
        spread = np.sqrt(rows.variance(rows.y if rows.y.ndim == 1 else rows.y[0]))
        size = np.maximum(np.where(spread > 0, spread, np.abs(mean)), 1e-8)
        by_name = {"loc": mean, "mu": mean, "mean": mean, "scale": size, "sigma": size, "rate": 1 / size}
        eta = np.zeros((self.size, mean.size))
        for j, p in enumerate(self.parameters):
            guess = by_name.get(p.name)
            if guess is not None:
                inside = (guess > p.link.lower) & (guess < p.link.upper)
                eta[j] = p.link.forward(np.where(inside, guess, p.link.inverse(np.zeros(1))))
        return eta

    def starts(self, rows: Rows) -> list[Array]:
        """Every start worth trying, the best one first; more than one where there can be several modes."""
        return [self.start(rows)]

    def again(self, rows: Rows, eta: Array) -> Array:
        """A start (k, G) where scores are known that suit rows much like these: no need to look everywhere."""
        return self.start(rows)

    def unbounded(self, eta: Array, low: Array, high: Array) -> Sequence[str]:
        """Why the likelihood has no bound near scores (k, G), "" where it has; one sentence a group.

        `low` and `high` (G,) are the extremes of the values that are known. For families that can put a spike of
        infinite density on a single value, which the total alone does not show.
        """
        return [""] * eta.shape[1]

    def certainties(self, eta: Array) -> Sequence[str]:
        """What makes a likelihood come to 1 near scores (k, G) that run off, "" where it is not known; one a group.

        For families in which no parameter alone is the cause.
        """
        return [""] * eta.shape[1]

    def cautions(self, eta: Array) -> Sequence[str]:
        """What to look at in the estimates (k, G), which are sound for all that, "" where nothing; one a group."""
        return [""] * eta.shape[1]

    def ordered(self, eta: Array) -> Array:
        """The same distribution (k, G) with parts that are alike, such as components of a mixture, in a fixed order."""
        return eta

    def emptied(self, eta: Array) -> Array:
        """The scores (k, G) with parts that are as good as absent, such as a component of no weight, left out."""
        return eta

    def doubts(self, eta: Array) -> Sequence[str]:
        """What a user must know of the family at its estimates (k, G), "" where nothing; one sentence a group."""
        return [""] * eta.shape[1]

    def corners(self, y: Array, eta: Array) -> Array:
        """The numbers of which the nll takes magnitudes, (m, ...): it has a kink where one of them is zero."""
        return np.zeros((0, *y.shape[-1:]))

    def softened(self, width: Array, side: int = 0) -> Family:
        """The same with hyperbolas in place of its kinks, so wide as `width` (m,) says, and no parameter kinked.

        With a `side`, 1 or -1, all numbers of less than the width are taken to be zero, and the derivatives are those
        on that side of the kink; products of the gradient are kept as they are.
        """
        return self

    def bend(self, name: str, y: Array, eta: Array) -> tuple[Array, Array, Array]:
        """How the nll of a row depends on an irregular score where it is linear on both sides of one number.

        So its best linear predictor, given the other scores, is a linear programme. Of a discrete family, whose ends
        are whole numbers and found cell by cell, the slopes need only be positive on the side where the nll rises.

        Args:
            name: the parameter.
            y: as in `nll`.
            eta: scores (k, n), of which that of the parameter itself does not matter.

        Returns:
            the number, (n,), and what the nll rises by per unit below it and above it; infinite where a row is
            impossible.

        Raises:
            LackingError: the nll is of another form; the sentence is for whoever asked for such a predictor.
        """
        raise LackingError(
            f"{name} of {self.name} has its estimate at an end or a kink of the likelihood, where no way to a "
            f"regression is known; hold {name} by --fix"
        )

    def pin(self, fixed: Mapping[str, float]) -> Family:
        """This family with some parameters held at given values.

        Raises:
            UsageError: an unknown parameter, or a value outside its domain.
        """
        from mlefit.families.pinned import Pinned

        return Pinned(self.along(fixed), fixed)

    # -- the distribution -------------------------------------------------------------------------------------

    def log_cdf(self, y: Array, eta: Array) -> Array:
        """log P(Y <= y)."""
        raise LackingError(f"{self.name} has no distribution function")

    def log_sf(self, y: Array, eta: Array) -> Array:
        """log P(Y > y)."""
        raise LackingError(f"{self.name} has no survival function")

    def log_sf_derivatives(self, y: Array, eta: Array) -> Derivatives:
        """`log_sf`, its gradient (k, ...) and its Hessian (k, k, ...) in eta, for censored and truncated rows.

        The value and the derivatives keep their relative precision where the survival function is nearly one. By
        differences of the smaller tail unless the family writes them; see `drift` for a shorter way.
        """
        from mlefit.families.tail_derivatives import log_sf_derivatives

        return log_sf_derivatives(self, y, eta)

    def log_cdf_derivatives(self, y: Array, eta: Array) -> Derivatives:
        """The same of `log_cdf`."""
        from mlefit.families.tail_derivatives import log_cdf_derivatives

        return log_cdf_derivatives(self, y, eta)

    def log_interval(self, left: Array, right: Array, eta: Array) -> Array:
        """log P(left < Y <= right), from the tail that is the smaller; otherwise where values lie on no line."""
        from mlefit.families.interval import difference

        return difference(self, left, right, eta)

    def log_interval_derivatives(self, left: Array, right: Array, eta: Array) -> Derivatives:
        """log P(left < Y <= right), gradient and Hessian; from `log_sf_derivatives` of both ends unless written."""
        from mlefit.families.interval import join

        return join(self.log_sf_derivatives(left, eta), self.log_sf_derivatives(right, eta))

    def drift(self, y: Array, eta: Array) -> Mapping[int, tuple[Array, Sequence[Array | float]]]:
        """c_j with d log_sf / d eta_j = c_j exp(-nll - log_sf), and the k derivatives of c_j in eta, by score j.

        For a continuous family c_j is the speed at which a quantile at y moves with the score: 1 for a location,
        y for log(scale). Scores for which it is not elementary are left out: they are differenced.
        """
        return {}

    def quantile(self, q: Array, eta: Array) -> Array:
        """The smallest y with P(Y <= y) >= q."""
        raise LackingError(f"{self.name} has no quantile function")

    def mean(self, eta: Array) -> Array:
        """The mean, infinite or NaN where there is none."""
        raise LackingError(f"{self.name} has no mean")

    def variance(self, eta: Array) -> Array:
        """The variance, infinite or NaN where there is none."""
        raise LackingError(f"{self.name} has no variance")

    def sample(self, generator: np.random.Generator, eta: Array, n: int) -> Array:
        """n draws; `eta` is (k, 1) or (k, n). By inversion unless the family knows better."""
        return self.quantile(generator.random(n), eta)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class JointFamily(Family):
    """A family that writes its NLL, gradient and Hessian together, in `derivatives`."""

    @abstractmethod
    def derivatives(self, y: Array, eta: Array) -> Derivatives: ...

    def nll(self, y: Array, eta: Array) -> Array:
        return self.derivatives(y, eta)[0]

    def gradient(self, y: Array, eta: Array) -> Array:
        return self.derivatives(y, eta)[1]

    def hessian(self, y: Array, eta: Array) -> Array:
        return self.derivatives(y, eta)[2]


class ExponentialFamily(JointFamily):
    """A family whose NLL is linear in statistics of the data, so that one pass over the rows is enough.

    With T = `statistics(y, centre)`, the NLL of any weighted set of rows is `total` of the weighted sum of T.
    T[0] is 1, so its sum is the weight. The `centre`, one column a group, is subtracted before squaring: sums
    about it keep their digits when the data have an offset.
    """

    def centre(self, rows: Rows) -> Array:
        """Values near the middle of each group to take deviations from, (c, G)."""
        return np.zeros((0, rows.total_weight.size))

    @abstractmethod
    def statistics(self, y: Array, centre: Array) -> Array:
        """T, shape (m, n); `centre` is (c, n) or (c, 1)."""

    def summed(self, rows: Rows, centre: Array) -> Array:
        """Weighted sums of T by group, (m, G); `centre` is (c, G)."""
        spread = np.stack([rows.spread(c) for c in centre]) if len(centre) else centre[:, :1]
        return rows.sum(self.statistics(rows.y, spread))

    @abstractmethod
    def total(self, sums: Array, centre: Array, eta: Array) -> Derivatives:
        """NLL (...), gradient (k, ...) and Hessian (k, k, ...) of summed statistics (m, ...)."""

    @abstractmethod
    def start_from(self, sums: Array, centre: Array) -> Array:
        """As `start`, from summed statistics (m, G) and their centre (c, G)."""

    def pin(self, fixed: Mapping[str, float]) -> Family:
        from mlefit.families.pinned import PinnedExponential

        return PinnedExponential(self, fixed)

    def margin(self, index: int, sums: Array) -> tuple[ExponentialFamily, Array, float]:
        """The profile likelihood of parameter `index` as that of a family of one score.

        Only for a family whose parameters are not its scores, such as the categorical. Returns the family, its
        summed statistics (m, G), and the constant that takes its parameter to this one.
        """
        raise NotImplementedError(f"the parameters of {self.name} are its scores")

    def start(self, rows: Rows) -> Array:
        centre = self.centre(rows)
        return self.start_from(self.summed(rows, centre), centre)

    def derivatives(self, y: Array, eta: Array) -> Derivatives:
        """One observation is a sum of one; families that would lose digits so write the three themselves."""
        centre = np.zeros((self._centre_size, 1))
        return self.total(self.statistics(y, centre), centre, eta)

    _centre_size: ClassVar[int] = 0


class TermFamily(JointFamily):
    """A family whose NLL and derivatives are linear in a few terms of a row, with coefficients made of eta alone.

    Where eta is the same for many rows, their terms are summed first and assembled once: no row's gradient or Hessian
    is ever made. (An exponential family is one whose terms do not even depend on eta.)
    """

    @abstractmethod
    def terms(self, y: Array, eta: Array) -> Sequence[Array]:
        """Arrays of the shape (...) of `nll`; the first is infinite outside the support."""

    @abstractmethod
    def assemble(self, ones: Array | float, terms: Sequence[Array], eta: Array) -> Derivatives:
        """NLL, gradient and Hessian from terms, or from sums of them; `ones` is 1 or the sum of the weights."""

    def derivatives(self, y: Array, eta: Array) -> Derivatives:
        return self.assemble(1.0, self.terms(y, eta), eta)


def stack(*parts: Array | float) -> Array:
    """Per-score arrays of broadcastable shapes as one (k, ...) array."""
    result = np.empty((len(parts), *np.broadcast(*parts).shape), np.result_type(*parts))
    for j, part in enumerate(parts):
        result[j] = part
    return result


def symmetric(*lower: Array | float) -> Array:
    """A (k, k, ...) array from its lower triangle, row by row: h00, h10, h11, h20 ..."""
    size = int((np.sqrt(8 * len(lower) + 1) - 1) / 2)
    result = np.empty((size, size, *np.broadcast(*lower).shape))
    entries = iter(lower)
    for i in range(size):
        for j in range(i):
            result[i, j] = result[j, i] = next(entries)
        result[i, i] = next(entries)
    return result
