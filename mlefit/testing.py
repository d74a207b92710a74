"""The contract of a family, as checks: for mlefit's own families and for those of plugin authors.

`check_family(MyFamily())` in a test is all that is needed. What a family does not give (no `quantile`, say) is not
checked; what it gives must be right.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mlefit.families.base import ExponentialFamily, Family, Parameter
from mlefit.families.links import Array
from mlefit.families.support import Support
from mlefit.sample import Sample

# Central differences of order 8 for a first derivative (Fornberg 1988, table 1).
STENCIL: Final = tuple(
    (s * k, s * c) for k, c in enumerate((4 / 5, -1 / 5, 4 / 105, -1 / 280), start=1) for s in (-1, 1)
)
STEPS: Final = (0.02, 0.005)  # two widths; their disagreement bounds the error of the differences
LEVELS: Final = (1e-12, 1e-9, 1e-6, 1e-3, 0.05, 0.25, 0.5, 0.75, 0.95, 0.999, 1 - 1e-6, 1 - 1e-9, 1 - 1e-12)
ALPHA: Final = 1e-9  # the chance that a right sampler fails, were the generator not fixed
MOST: Final = 2_000_000  # terms of a sum over a discrete support


@dataclass(frozen=True, eq=False)
class _Case:
    """A family with the scores (k, C) and the rows, (n,) or (d, n), that it is checked on."""

    family: Family
    y: Array
    eta: Array

    def columns(self) -> list[Array]:
        """Each set of scores as (k, 1)."""
        return [self.eta[:, i : i + 1] for i in range(self.eta.shape[1])]

    @property
    def n(self) -> int:
        return int(self.y.shape[-1])

    @property
    def regular(self) -> NDArray[np.bool_]:
        """Which scores belong to regular parameters, (k,)."""
        return _regular(self.family)


def check_family(
    family: Family,
    y: Array | None = None,
    eta: Array | None = None,
    *,
    move: Array | None = None,
    seed: int = 1,
    quick: bool = False,
) -> None:
    """Check every promise a family makes.

    Args:
        family: an instance. One with nothing but `name`, `parameters` and `nll` is complete.
        y: (n,) or (d, n) rows in the support; chosen, and then drawn from the family, unless given.
        eta: (k, C) sets of scores to check at; chosen about the family's own `start` unless given.
        move: (k, C) where to check, as differences from the family's `start`; drawn unless given.
        seed: of the generator that draws rows and scores.
        quick: leave out the integrals of the density and the large samples, which take most of the time.

    Raises:
        AssertionError: a promise is broken; the sentence says which, where, and by how much.
    """
    _check_declaration(family)
    if family.labels:
        family = family.bind(("a", "b", "c"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        case = _case(family, y, eta, move, np.random.default_rng(seed))
        for check in CHECKS:
            if not (quick and check in LONG):
                check(case)


# -- what is checked --------------------------------------------------------------------------------------------


def _check_declaration(family: Family) -> None:
    assert isinstance(family, Family), f"{family!r} is not an instance of mlefit.Family"
    name = getattr(family, "name", None)
    assert isinstance(name, str), f"{family!r} has no name"
    assert name, f"{family!r} has no name"
    parameters = getattr(family, "parameters", None)
    assert isinstance(parameters, tuple), f"{name}: parameters must be a tuple"
    assert parameters, f"{name}: there must be a parameter"
    assert all(isinstance(p, Parameter) for p in parameters), f"{name}: parameters must be of type mlefit.Parameter"
    assert len(set(family.names)) == len(parameters), f"{name}: two parameters have the same name"
    unknown = set(family.irregular) - set(family.names)
    assert not unknown, f"{name}: irregular names {sorted(unknown)}, which are not parameters"
    assert not family.irregular or family.irregular_note, f"{name}: irregular parameters need an irregular_note"
    assert isinstance(family.support, Support), f"{name}: support must be of type Support"


def _check_scores(case: _Case) -> None:
    """`inverse` undoes `forward`; `jacobian` is the derivative of `inverse`."""
    family, eta = case.family, case.eta
    theta = family.inverse(eta)
    back = family.forward(theta)
    assert back.shape == eta.shape, f"{family.name}: forward gives shape {back.shape} for scores {eta.shape}"
    _close(family, "forward(inverse(eta))", back, eta, 1e-9)
    jacobian = family.jacobian(eta)
    assert jacobian.shape == (theta.shape[0], *eta.shape), f"{family.name}: jacobian has shape {jacobian.shape}"
    for j in range(family.size):
        slope, error = _difference(family.inverse, eta, j)
        _close(family, f"jacobian, column {j}", jacobian[:, j], slope, 1e-8, 10 * error)
    assert family.step.shape == (family.size,), f"{family.name}: step must be ({family.size},)"
    assert np.all(family.step > 0), f"{family.name}: step must be positive"


def _check_shapes(case: _Case) -> None:
    """Results broadcast over whatever follows the first axis of `eta`, and agree whatever that is."""
    family, y, size = case.family, case.y, case.family.size
    batch = case.eta[:, :, None]
    with np.errstate(all="ignore"):
        together = [np.asarray(t) for t in family.derivatives(y, batch)]
        for i, eta in enumerate(case.columns()):
            rows = np.repeat(eta, case.n, axis=1)
            single, full = family.derivatives(y, eta), family.derivatives(y, rows)
            for name, lead, one, every, all_ in zip(
                ("nll", "gradient", "hessian"), ((), (size,), (size, size)), single, full, together, strict=True
            ):
                shape = (*lead, case.n)
                label = f"{name} for eta of shape"
                # Differences of differences agree to fewer digits: their steps follow the rows.
                digits = 1e-6 if name == "hessian" and _differenced(family) else 1e-9  # relative and absolute
                expected = _broadcast(family, f"{label} (k, 1)", one, shape)
                whole = _broadcast(family, f"{label} (k, P, 1)", all_, (*lead, batch.shape[1], case.n))
                wide = _broadcast(family, f"{label} (k, n)", every, shape)
                _close(family, f"{label} (k, n)", wide, expected, digits, digits)
                _close(family, f"{label} (k, P, 1)", whole[..., i, :], expected, digits, digits)
            for name, separate, joint in (
                ("nll", family.nll(y, eta), single[0]),
                ("gradient", family.gradient(y, eta), single[1]),
                ("hessian", family.hessian(y, eta), single[2]),
            ):
                target = np.broadcast_to(joint, np.broadcast_shapes(np.shape(joint), np.shape(separate)))
                _close(family, f"{name} beside derivatives", np.broadcast_to(separate, target.shape), target, 1e-9)


def _differenced(family: Family) -> bool:
    """Whether both derivatives are left to differences of the NLL."""
    return type(family).gradient is Family.gradient and type(family).hessian is Family.hessian


def _check_values(case: _Case) -> None:
    """The NLL is a number or plus infinity, never NaN."""
    family = case.family
    for eta in case.columns():
        with np.errstate(all="ignore"):
            nll = np.broadcast_to(family.nll(case.y, eta), (case.n,))
        assert not np.isnan(nll).any(), f"{family.name}: nll is NaN at {_at(family, case, eta, np.isnan(nll))}"
        assert np.isfinite(nll).any(), f"{family.name}: nll is finite nowhere at {_point(family, eta)}"


def _check_ends(case: _Case) -> None:
    """Beyond ends of the support that depend on the scores the NLL is infinite."""
    family = case.family
    if case.y.ndim > 1 or family.discrete:
        return
    for eta in case.columns():
        with np.errstate(all="ignore"):
            ends = _try(family.quantile, np.array([0.0, 1.0]), eta)
            if ends is None:
                continue
            ends = np.where(family.quantile(np.array([0.0, 1.0]), eta + 0.1) != ends, ends, np.nan)
        gap = 1e-3 * (1 + np.abs(np.where(np.isfinite(ends), ends, 0.0)))
        beyond = ends + np.array([-1, 1]) * gap
        beyond = beyond[np.isfinite(beyond) & family.support.contains(beyond)]
        if beyond.size:
            with np.errstate(all="ignore"):
                nll = np.broadcast_to(family.nll(beyond, eta), beyond.shape)
            assert np.all(nll == np.inf), (
                f"{family.name}: nll at y = {beyond}, beyond the ends {ends}, is {nll}, not inf; {_point(family, eta)}"
            )


def _check_derivatives(case: _Case) -> None:
    """Gradient and Hessian against central differences, regular parameters only."""
    family, y = case.family, case.y
    regular = np.flatnonzero(case.regular)
    for eta in case.columns():
        with np.errstate(all="ignore"):
            nll, gradient, hessian = (np.asarray(t) for t in family.derivatives(y, eta))
            finite = np.isfinite(np.broadcast_to(nll, (case.n,)))
            gradient = np.broadcast_to(gradient, (family.size, case.n))
            hessian = np.broadcast_to(hessian, (family.size, family.size, case.n))
            symmetric = np.abs(hessian - np.swapaxes(hessian, 0, 1)) <= 1e-9 * (1 + np.abs(hessian))
            assert symmetric[..., finite].all(), f"{family.name}: the hessian is not symmetric, {_point(family, eta)}"
            scale = 1 + np.abs(nll)
            for j in regular:
                slope, error = _difference(lambda e: np.broadcast_to(family.nll(y, e), (case.n,)), eta, int(j))
                reached = finite & np.isfinite(error)
                usable = reached & (error <= 1e-5 * scale)
                assert usable.sum() * 2 >= reached.sum(), (
                    f"{family.name}: nll is not smooth in {_score(family, int(j))}, {_point(family, eta)}"
                )
                label = f"gradient, {_score(family, int(j))} at {_point(family, eta)}"
                slack = 10 * error + 1e-9 * scale
                _close(family, label, gradient[j][usable], slope[usable], 1e-8, slack[usable])
                if _differenced(family):
                    continue
                bend, error = _difference(
                    lambda e: np.broadcast_to(family.gradient(y, e), (family.size, case.n)), eta, int(j)
                )
                wide = 1 + np.abs(hessian[:, j]) + np.abs(gradient)
                for i in regular:
                    good = finite & (error[i] <= 1e-5 * wide[i])
                    label = f"hessian, {_score(family, int(i))} and {_score(family, int(j))} at {_point(family, eta)}"
                    slack = 10 * error[i] + 1e-9 * wide[i]
                    _close(family, label, hessian[i, j][good], bend[i][good], 1e-8, slack[good])


def _check_probability(case: _Case) -> None:
    """exp(-nll) sums or integrates to one, between quantiles where there are quantiles."""
    family = case.family
    for eta in case.columns():
        if family.discrete:
            _check_sum(case, eta)
        elif case.y.ndim == 1:
            _check_integral(case, eta)


def _check_sum(case: _Case, eta: Array) -> None:
    family = case.family
    known = _given(case)
    low, high = family.support.lower, family.support.upper
    ends = _try(known.quantile, np.array([1e-13, 1 - 1e-13]), eta)
    if ends is not None:
        low, high = float(ends[0]), float(ends[1])
    if not np.isfinite(high - low) or high - low > MOST:
        return
    values = np.arange(low, high + 1)
    with np.errstate(all="ignore"):
        mass = np.exp(-np.broadcast_to(family.nll(_rows(case, values), eta), values.shape))
    total = float(mass.sum())
    assert abs(total - 1) < 1e-9, (
        f"{family.name}: the probabilities of {low:g} to {high:g} sum to {total:.12g}, not 1, {_point(family, eta)}"
    )
    mean, variance = _try(known.mean, eta), _try(known.variance, eta)
    first = float((mass * values).sum())
    spread = float((mass * (values - first) ** 2).sum())
    edge = float(mass[-1] * (values[-1] - first) ** 2 * len(values) ** 0.5)
    if edge < 1e-7 * (spread + 1e-300):
        if mean is not None:
            _close(family, f"mean at {_point(family, eta)}", mean, first, 1e-7)
        if variance is not None:
            _close(family, f"variance at {_point(family, eta)}", variance, spread, 1e-6)


def _check_integral(case: _Case, eta: Array) -> None:
    family = case.family
    levels = np.array(LEVELS)
    ends = _try(family.quantile, levels, eta)
    if ends is None:
        return
    ends = np.broadcast_to(ends, levels.shape)
    assert np.all(np.diff(ends) >= 0), f"{family.name}: quantiles decrease, {_point(family, eta)}"

    def density(v: Array) -> Array:
        with np.errstate(all="ignore"):
            found = np.exp(-np.broadcast_to(family.nll(v, eta), v.shape))
            return np.where(v == 0, 0.0, found) if family.lumped else found

    # Probability at zero beside the density counts for no integral of it.
    jump = _jump(family, eta)
    moments = np.zeros((levels.size - 1, 3))
    middle = float(ends[levels == 0.5][0])
    for i, (low, high) in enumerate(pairwise(ends)):
        if high - low <= 1e-7 * max(abs(low), abs(high)):
            continue  # too near each other for their difference to have digits
        mass, error = _panel(density, float(low), float(high), middle)
        moments[i] = mass
        expected = levels[i + 1] - levels[i] - max(0.0, min(levels[i + 1], jump[1]) - max(levels[i], jump[0]))
        # A quantile is known to rounding: so much probability lies within that of the ends.
        loose = 1e-14 * (density(np.array([low, high])) * np.abs([low, high])).sum() + 3e-16
        assert abs(mass[0] - expected) <= 1e-8 * expected + 10 * error + 100 * loose, (
            f"{family.name}: the density integrates to {mass[0]:.12g} between the quantiles of {levels[i]:g} and "
            f"{levels[i + 1]:g}, y = {low:g} to {high:g}, not to {expected:.12g}; {_point(family, eta)}"
        )
    first = middle + float(moments[:, 1].sum()) - (jump[1] - jump[0]) * middle
    spread = float(moments[:, 2].sum()) + (jump[1] - jump[0]) * middle**2 - (first - middle) ** 2
    edge = max(moments[0, 2], moments[-1, 2], moments[1, 2] * 1e-3, moments[-2, 2] * 1e-3)  # what may lie beyond
    if np.isfinite(spread) and edge < 1e-5 * spread and not _periodic(case, eta):
        mean, variance = _try(family.mean, eta), _try(family.variance, eta)
        if mean is not None:
            _close(family, f"mean at {_point(family, eta)}", mean, first, 1e-8, 1e-6 * spread**0.5 + edge / spread**0.5)
        if variance is not None:
            _close(family, f"variance at {_point(family, eta)}", variance, spread, 2e-5)


def _jump(family: Family, eta: Array) -> tuple[float, float]:
    """The distribution function before and at zero, where a probability stands beside a density; else the same."""
    if not family.lumped:
        return 0.0, 0.0
    zero = np.zeros(1)
    upto = float(np.exp(family.log_cdf(zero, eta)).item())
    return upto - float(np.exp(-family.nll(zero, eta)).item()), upto


def _periodic(case: _Case, eta: Array) -> bool:
    """Whether the density repeats itself, as on the circle, where mean and variance mean something else."""
    with np.errstate(all="ignore"):
        ends = np.asarray(case.family.quantile(np.array([0.0, 1.0]), eta), dtype=float)
        if not np.isfinite(ends).all():
            return False
        once, again = case.family.nll(case.y, eta), case.family.nll(case.y + (ends[1] - ends[0]), eta)
    return bool(np.allclose(once, again))


def _check_cdf(case: _Case) -> None:
    """log_cdf and log_sf are the logarithms of numbers that sum to one, and agree with density and quantile."""
    family = case.family
    known = _given(case)
    for eta in case.columns():
        tails = _tails(case, eta)
        if tails is None:
            continue
        for name, tail in zip(("log_cdf", "log_sf"), tails, strict=True):
            assert not np.isnan(tail).any(), f"{family.name}: {name} is NaN at {_at(family, case, eta, np.isnan(tail))}"
            assert np.all(tail <= 1e-15), f"{family.name}: {name} is above 0 at {_at(family, case, eta, tail > 1e-15)}"
        both = np.logaddexp(*tails)
        assert np.all(np.abs(both) < 1e-9), (
            f"{family.name}: cdf and survival function sum to {np.exp(both[np.argmax(np.abs(both))])}, not 1, at "
            f"{_at(family, case, eta, np.abs(both) >= 1e-9)}"
        )
        levels = np.array([1e-9, 1e-3, 0.2, 0.5, 0.77, 0.99])
        y = _try(known.quantile, levels, eta)
        if y is None:
            continue
        y = np.broadcast_to(y, levels.shape)
        log_p = np.broadcast_to(family.log_cdf(_rows(case, y), eta), levels.shape)
        if family.discrete:
            assert np.all(log_p >= np.log(levels) - 1e-9), (
                f"{family.name}: the quantiles {y} of {levels} are too small, {_point(family, eta)}"
            )
            below = np.broadcast_to(family.log_cdf(_rows(case, y - 1), eta), levels.shape)
            small = (y - 1 < family.support.lower) | (below < np.log(levels) + 1e-9)
            assert small.all(), f"{family.name}: the quantiles {y} of {levels} are too large, {_point(family, eta)}"
        else:
            # Some of the probability may lie at infinity (Gompertz's survivors), or in one place.
            here = np.isfinite(y) & ((y != 0) | (not family.lumped))
            y, log_p, levels = y[here], log_p[here], levels[here]
            with np.errstate(all="ignore"):
                density = np.exp(-np.broadcast_to(family.nll(y, eta), levels.shape))
            loose = 1e-14 * np.abs(y) * density / levels  # the quantile's own rounding
            _close(family, f"log_cdf(quantile(q)) at {_point(family, eta)}", log_p, np.log(levels), 1e-9, loose + 1e-9)


def _check_cdf_density(case: _Case) -> None:
    """The cdf rises by the probability between two values."""
    for eta in case.columns():
        if _tails(case, eta) is not None:
            _check_rise(case, eta)


def _check_rise(case: _Case, eta: Array) -> None:
    family = case.family
    if family.discrete:
        first = np.unique(case.y if case.y.ndim == 1 else case.y[0])[:50]
        for v in (first, first - 1):
            assert not np.isnan(family.log_cdf(_rows(case, v), eta)).any(), f"{family.name}: log_cdf is NaN at {v}"
        upper, lower = (np.exp(family.log_cdf(_rows(case, v), eta)) for v in (first, first - 1))
        with np.errstate(all="ignore"):
            mass = np.exp(-np.broadcast_to(family.nll(_rows(case, first), eta), first.shape))
        _close(family, f"cdf(y) - cdf(y - 1) at {_point(family, eta)}", upper - lower, mass, 1e-8, 1e-12)
        return
    if case.y.ndim > 1:
        return
    points = np.quantile(np.unique(case.y), [0.05, 0.3, 0.5, 0.7, 0.95])
    median = _try(family.quantile, np.array([0.5]), eta)
    if median is not None:  # where a density with a kink has it
        points = np.union1d(points, median)

    def density(v: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.exp(-np.broadcast_to(family.nll(v, eta), v.shape))

    p = np.exp(np.broadcast_to(family.log_cdf(points, eta), points.shape))
    before, upto = _jump(family, eta)
    p = np.where(points >= 0, p - (upto - before), p)
    for (low, high), rise in zip(pairwise(points), np.diff(p), strict=True):
        if high - low > 1e-7 * max(abs(low), abs(high)):
            mass, error = _panel(density, float(low), float(high), float(low))
            assert abs(mass[0] - rise) <= 1e-8 * abs(rise) + 10 * error + 1e-12, (
                f"{family.name}: the cdf rises by {rise:.12g} from y = {low:g} to {high:g}, where the density "
                f"integrates to {mass[0]:.12g}; {_point(family, eta)}"
            )


def _check_sample(case: _Case) -> None:
    """Draws lie in the support and follow the cdf; without a cdf, their mean is the mean."""
    family, n = case.family, 4000
    known = _given(case)
    for eta in case.columns():
        draw = _try(known.sample, np.random.default_rng(7), eta, n)
        if draw is None:
            continue
        draw = np.asarray(draw)
        assert draw.shape[-1] == n, f"{family.name}: sample(generator, eta, {n}) has shape {draw.shape}"
        values = draw if draw.ndim == 1 else draw[0]
        rows = _rows(case, values)
        again = np.asarray(known.sample(np.random.default_rng(7), eta, n))
        assert np.array_equal(draw, again), f"{family.name}: sample draws from another generator than the one given"
        ends = family.support
        inside = (values >= ends.lower) & (values <= ends.upper)
        assert inside.all(), f"{family.name}: sample gives {values[~inside][0]}, outside {ends}, {_point(family, eta)}"
        log_p = _try(family.log_cdf, rows, eta)
        if log_p is not None:
            p = np.exp(np.broadcast_to(log_p, (n,)))
            limit = np.sqrt(-np.log(ALPHA / 2) / (2 * n))  # Massart 1990
            unique, first = np.unique(values, return_index=True)
            empirical = np.searchsorted(np.sort(values), unique, side="right") / n
            gap = np.abs(empirical - p[first])
            if not family.discrete:
                before = np.abs(np.searchsorted(np.sort(values), unique, side="left") / n - p[first])
                gap = np.maximum(gap, np.where((unique == 0) & family.lumped, 0.0, before))
            assert gap.max() < limit, (
                f"{family.name}: {n} draws are {gap.max():.3f} away from the cdf at y = {unique[gap.argmax()]:g} "
                f"(at most {limit:.3f} is chance); {_point(family, eta)}"
            )
        mean, variance = _try(known.mean, eta), _try(known.variance, eta)
        if log_p is None and mean is not None and variance is not None and np.all(np.isfinite(variance)):
            error = 7 * np.sqrt(variance / n)
            _close(family, f"mean of {n} draws at {_point(family, eta)}", values.mean(), mean, 0.0, error)


def _check_start(case: _Case) -> None:
    """Starts are finite, one gives every row a likelihood; they respect weights and treat groups apart."""
    family, y, n = case.family, case.y, case.n
    rows, served = Sample.of(y), False
    with np.errstate(all="ignore"):
        starts = [family.start(rows), *family.starts(rows)]
        for eta in starts:
            assert np.shape(eta) == (family.size, 1), f"{family.name}: start has shape {np.shape(eta)}, not (k, 1)"
            assert np.isfinite(eta).all(), f"{family.name}: start is {np.ravel(eta)}"
            nll = np.broadcast_to(family.nll(y, eta), (n,))
            bad = ~np.isfinite(nll)
            served = served or not bad.any()
        assert served, f"{family.name}: nll is finite at no start; it is {nll[bad][0]} at {_at(family, case, eta, bad)}"
        weighted = family.start(Sample.of(y, 3 * np.ones(n)))
        repeated = family.start(Sample.of(np.repeat(y, 3, axis=-1)))
        _close(family, "start with weights of 3 beside every row three times", weighted, repeated, 1e-7, 1e-7)
        half = n // 2
        codes = (np.arange(n) >= half).astype(np.intp)
        grouped = family.start(Sample.of(y, None, codes))
        assert np.shape(grouped) == (family.size, 2), f"{family.name}: start of two groups has shape {grouped.shape}"
        for g, part in enumerate((y[..., :half], y[..., half:])):
            alone = family.start(Sample.of(part))[:, 0]
            _close(family, f"start of group {g} beside that of its rows alone", grouped[:, g], alone, 1e-7, 1e-7)


def _check_statistics(case: _Case) -> None:
    """An exponential family's `total` of summed statistics is the sum of its rows' NLL."""
    family = case.family
    if not isinstance(family, ExponentialFamily):
        return
    weight = np.asarray(0.5 + np.arange(case.n) % 3, dtype=np.float64)
    for sample in (Sample.of(case.y), Sample.of(case.y, weight)):
        w = np.ones(case.n) if sample.weight is None else sample.weight
        with np.errstate(all="ignore"):
            centre = family.centre(sample)
            sums = family.summed(sample, centre)
            _close(family, "the first statistic's sum beside the weight", sums[0], sample.total_weight, 1e-12)
            _close(family, "start_from beside start", family.start_from(sums, centre), family.start(sample), 1e-9)
            for eta in case.columns():
                terms = [np.asarray(t) for t in family.derivatives(case.y, eta)]
                if not np.isfinite(terms[0]).all():
                    continue
                for name, total, part in zip(
                    ("nll", "gradient", "hessian"), family.total(sums, centre, eta), terms, strict=True
                ):
                    every = np.broadcast_to(part, (*part.shape[:-1], case.n)) * w
                    slack = 1e-9 * np.abs(every).sum(axis=-1) + 1e-9
                    label = f"{name} from statistics beside the rows' sum at {_point(family, eta)}"
                    _close(family, label, np.asarray(total)[..., 0], every.sum(axis=-1), 1e-9, slack)


def _check_bend(case: _Case) -> None:
    """Where a family says how its NLL bends in an irregular score, it is linear on both sides of that, as said."""
    family, y = case.family, case.y
    for j, name in enumerate(family.names):
        for eta in case.columns() if name in family.irregular else []:
            rows = np.repeat(eta, case.n, axis=1)
            try:
                knot, *slopes = (np.broadcast_to(v, (case.n,)) for v in family.bend(name, y, rows))
            except NotImplementedError:
                break
            rows[j] = knot
            level = family.nll(y, rows)
            for side, slope, where in zip((-1, 1), slopes, ("below", "above"), strict=True):
                assert (slope >= 0).all(), f"{family.name}: bend of {name} falls {where} the number it gives"
                for step in (0.25, 1.0):
                    moved = rows.copy()
                    moved[j] += side * step
                    with np.errstate(all="ignore"):
                        rise = family.nll(y, moved) - level
                    wall = np.isinf(slope)
                    what = f"nll of {name} {where} the number that bend gives"
                    assert (rise[wall] == np.inf).all(), f"{family.name}: {what} is finite, and said not to be"
                    if family.discrete:  # whole numbers, of which each cell has its own: the side is all that matters
                        assert (rise[~wall] > 0).all(), f"{family.name}: {what} does not rise"
                        continue
                    _close(family, what, rise[~wall], (slope * step)[~wall], 1e-9, 1e-12 * np.abs(level[~wall]))


CHECKS: Final[tuple[Callable[[_Case], None], ...]] = (
    _check_scores, _check_shapes, _check_values, _check_ends, _check_derivatives, _check_probability,
    _check_cdf, _check_cdf_density, _check_sample, _check_start, _check_statistics,
    _check_bend,
)  # fmt: skip
LONG: Final = (_check_probability, _check_cdf_density, _check_sample)


# -- where it is checked ----------------------------------------------------------------------------------------


def _case(
    family: Family, y: Array | None, eta: Array | None, move: Array | None, generator: np.random.Generator
) -> _Case:
    """Rows and scores: about the start on a few rows of the support, then rows drawn there."""
    rows = _first(family) if y is None else np.asarray(y, dtype=float)
    if eta is None:
        with np.errstate(all="ignore"):
            start = np.asarray(family.start(Sample.of(rows)), dtype=float)
        assert start.shape == (family.size, 1), f"{family.name}: start has shape {start.shape}, not ({family.size}, 1)"
        assert np.isfinite(start).all(), f"{family.name}: start is {start.ravel()}"
        if not family.irregular:
            start = np.clip(start, -3.0, 3.0)
        if move is None:
            move = generator.uniform(-0.6, 0.6, (family.size, 2))
        move = _shortened(family, rows, start, np.asarray(move) * _regular(family)[:, None])
        eta = np.concatenate([start, start + move], axis=1)
    case = _Case(family, rows, np.asarray(eta, dtype=float))
    if y is not None:
        return case
    drawn = _try(_given(case).sample, generator, case.eta[:, :1], 60)
    if drawn is None:
        return case
    drawn = np.asarray(drawn, dtype=float)
    drawn = _rows(case, drawn if drawn.ndim == 1 else drawn[0])
    inside = family.inside(drawn)
    return _Case(family, np.concatenate([rows, drawn[..., inside]], axis=-1), case.eta)


def _shortened(family: Family, rows: Array, start: Array, move: Array) -> Array:
    """Moves away from the start, (k, C), halved until most rows keep their likelihood."""
    move = move.copy()
    for i in range(move.shape[1]):
        for _ in range(10):
            with np.errstate(all="ignore"):
                if np.mean(np.isfinite(family.nll(rows, start + move[:, i : i + 1]))) >= 0.6:
                    break
            move[:, i] /= 2
    return move


def _first(family: Family) -> Array:
    """A few rows in the support."""
    low, high = family.support.lower, family.support.upper
    if family.support.integer:
        values = np.array([0.0, 1, 1, 2, 3, 0, 5, 1, 2, 4, 0, 9])
        values = values + low if np.isfinite(low) else values
        values = np.where(values > high, low + values % (high - low + 1), values)
    elif np.isfinite(low) and np.isfinite(high):
        values = low + (high - low) * np.array([0.08, 0.2, 0.35, 0.41, 0.5, 0.63, 0.77, 0.9])
    elif np.isfinite(low):
        values = low + np.array([0.11, 0.4, 0.6, 0.9, 1.1, 1.3, 1.8, 2.5, 4.2])
    elif np.isfinite(high):
        values = high - np.array([0.11, 0.4, 0.6, 0.9, 1.1, 1.3, 1.8, 2.5, 4.2])
    else:
        values = np.array([-1.9, -0.8, -0.3, 0.05, 0.2, 0.5, 0.9, 1.7, 2.4])
    return values if len(family.columns) == 1 else np.stack([values, *[np.full_like(values, 12.0)] * _others(family)])


def _others(family: Family) -> int:
    return len(family.columns) - 1


def _rows(case: _Case, values: Array) -> Array:
    """Rows with these values in the first column, and the first row's in the others."""
    if case.y.ndim == 1:
        return values
    return np.stack([values, *(np.full_like(values, other[0]) for other in case.y[1:])])


def _given(case: _Case) -> Family:
    """The family with the other columns of the first row known."""
    return case.family if case.y.ndim == 1 else case.family.given(*(other[0] for other in case.y[1:]))


def _regular(family: Family) -> NDArray[np.bool_]:
    if family.size != len(family.parameters):
        return np.ones(family.size, dtype=bool)
    return np.array([n not in family.irregular for n in family.names], dtype=bool)


def _tails(case: _Case, eta: Array) -> tuple[Array, Array] | None:
    log_cdf = _try(case.family.log_cdf, case.y, eta)
    log_sf = _try(case.family.log_sf, case.y, eta)
    if log_cdf is None or log_sf is None:
        return None
    return np.broadcast_to(log_cdf, (case.n,)), np.broadcast_to(log_sf, (case.n,))


# -- how it is measured -----------------------------------------------------------------------------------------


def _try(method: Callable[..., Array], *arguments: object) -> Array | None:
    """What a method gives, None where the family has none."""
    try:
        return np.asarray(method(*arguments), dtype=float)
    except NotImplementedError:
        return None


def _difference(function: Callable[[Array], Array], eta: Array, j: int) -> tuple[Array, Array]:
    """The derivative of a function of the scores along score j, and a bound on its error."""
    with np.errstate(all="ignore"):
        wide, narrow = (_stencil(function, eta, j, h) for h in STEPS)
        return narrow, np.nan_to_num(np.abs(wide - narrow), nan=np.inf)


def _stencil(function: Callable[[Array], Array], eta: Array, j: int, h: float) -> Array:
    total: Array = np.zeros(())
    for shift, coefficient in STENCIL:
        moved = eta.copy()
        moved[j] += shift * h
        total = total + coefficient * np.asarray(function(moved))
    return total / h


def _panel(density: Callable[[Array], Array], low: float, high: float, origin: float) -> tuple[Array, float]:
    """Integrals of the density over an interval times 1, y - origin and its square; and the first one's error.

    In the logarithm of the distance from 0 where the interval spans many orders of magnitude.
    """
    from scipy.integrate import quad_vec

    sign = -1.0 if high <= 0 else 1.0
    near, far = sorted((abs(low), abs(high)))
    if low * high > 0 and far > 50 * near:

        def integrand(t: float) -> Array:
            y = sign * np.exp(t)
            return _moments(float(density(np.array([y]))[0]) * abs(y), y - origin)

        value, error = quad_vec(integrand, np.log(near), np.log(far), epsabs=1e-18, epsrel=1e-11, limit=400)
    else:

        def integrand(t: float) -> Array:
            return _moments(float(density(np.array([t]))[0]), t - origin)

        value, error = quad_vec(integrand, low, high, epsabs=1e-18, epsrel=1e-11, limit=400)
    return value, min(float(error), 1e-9 * float(value[0]) + 1e-15)


def _moments(density: float, deviation: float) -> Array:
    return np.array([density, density * deviation, density * deviation**2])


def _broadcast(family: Family, label: str, value: Array, shape: tuple[int, ...]) -> Array:
    try:
        return np.broadcast_to(value, shape)
    except ValueError:
        raise AssertionError(
            f"{family.name}: {label} has shape {np.shape(value)}, which does not broadcast to {shape}"
        ) from None


def _close(
    family: Family,
    label: str,
    got: Array | float,
    expected: Array | float,
    relative: float,
    absolute: Array | float = 0.0,
) -> None:
    """Equal to a tolerance, infinities and NaNs included."""
    got, expected = np.asarray(got, dtype=float), np.asarray(expected, dtype=float)
    if expected.size == 0:
        return
    with np.errstate(invalid="ignore"):
        slack = np.maximum(relative * np.abs(expected), np.maximum(absolute, 1e-12))
        good = (np.abs(got - expected) <= slack) | (got == expected) | (np.isnan(got) & np.isnan(expected))
    if not good.all():
        worst = np.argmax(~good)
        a, b = (np.ravel(np.broadcast_to(v, good.shape))[worst] for v in (got, expected))
        raise AssertionError(f"{family.name}: {label} is {a:.15g}, not {b:.15g}")


def _score(family: Family, j: int) -> str:
    return f"score of {family.names[j]}" if family.size == len(family.parameters) else f"score {j}"


def _point(family: Family, eta: Array) -> str:
    """Scores as parameters, for a message."""
    return ", ".join(f"{n}={float(v):.6g}" for n, v in zip(family.names, np.ravel(family.inverse(eta)), strict=True))


def _at(family: Family, case: _Case, eta: Array, rows: NDArray[np.bool_]) -> str:
    return f"y = {case.y[..., rows][..., 0]}, {_point(family, eta)}"
