"""A family on other scores than its own: the mean of a gamma, a probit instead of a logit.

The new scores z go to the native ones through a smooth map, and the likelihood follows by the chain rule; it is not
written again. With J = d eta / d z: gradient J' g, Hessian J' H J + sum of g_i d2 eta_i / d z2.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mlefit.errors import UsageError
from mlefit.families.base import Derivatives, Family, Parameter, Rows
from mlefit.families.links import LINKS, Array, Link, expit, identity, log, logit, softplus
from mlefit.families.pinned import Pinned
from mlefit.families.semicontinuous import Semicontinuous
from mlefit.families.wrapped import Wrapped

# A native score with its derivatives: its value, slopes by new score, curvatures by pairs (a, b) of them, a <= b.
Score = tuple[Array, Mapping[int, Array | float], Mapping[tuple[int, int], Array | float]]


@dataclass(frozen=True)
class Form:
    """Other parameters for a family.

    Attributes:
        parameters: the new ones.
        scores: new scores (k, ...) to the k native ones with their derivatives.
        back: native scores (k, ...) to new ones.
        title: what the form is called.
        irregular, note, band: as of `Family`, where the family has irregular parameters.
    """

    parameters: tuple[Parameter, ...]
    scores: Callable[[Array], Sequence[Score]]
    back: Callable[[Array], Array]
    title: str = ""
    irregular: frozenset[str] = frozenset()
    note: str = ""
    band: tuple[str, str] | None = None


class Reparameterised(Family):
    """`family` in another form. Shapes as in `Family`."""

    def __init__(self, family: Family, form: Form) -> None:
        self.base = family
        self.form = form
        self.name = family.name
        self.summary = family.summary
        self.aliases = family.aliases
        self.discrete = family.discrete
        self.lumped = family.lumped
        self.support = family.support
        self.columns = family.columns
        self.labels = family.labels
        self.parameters = form.parameters
        self.irregular = form.irregular
        # A new score stands for the native one in its place.
        moved = dict(zip(family.names, form.parameters, strict=True)) if family.kinked else {}
        self.kinked = frozenset(moved[name].name for name in family.kinked)
        self.informative = (family.informative & form.irregular) | self.kinked
        self.irregular_note = form.note
        self.band = form.band

    def native(self, zeta: Array) -> Array:
        """New scores to native ones, (k, ...)."""
        values = [score[0] for score in self.form.scores(np.asarray(zeta))]
        return np.stack(np.broadcast_arrays(*values))

    def _chain(self, zeta: Array, terms: Callable[[Array], Derivatives]) -> Derivatives:
        scores = self.form.scores(np.asarray(zeta))
        eta = np.stack(np.broadcast_arrays(*(score[0] for score in scores)))
        value, gradient, hessian = terms(eta)
        shape = np.broadcast_shapes(gradient.shape[1:], eta.shape[1:])
        first = np.zeros((self.size, *shape))
        second = np.zeros((self.size, self.size, *shape))
        for i, (_, slopes, curves) in enumerate(scores):
            for a, slope in slopes.items():
                first[a] += gradient[i] * slope
                for j, (_, others, _) in enumerate(scores):
                    for b, other in others.items():
                        if b <= a:
                            second[a, b] += hessian[i, j] * slope * other
            for (a, b), curve in curves.items():
                second[b, a] += gradient[i] * curve
        for a in range(self.size):
            for b in range(a):
                second[b, a] = second[a, b]
        return value, first, second

    def nll(self, y: Array, eta: Array) -> Array:
        value = self.base.nll(y, self.native(eta))
        return np.where(np.isnan(value), np.inf, value)

    def gradient(self, y: Array, eta: Array) -> Array:
        scores = self.form.scores(np.asarray(eta))
        native = np.stack(np.broadcast_arrays(*(score[0] for score in scores)))
        gradient = self.base.gradient(y, native)
        result = np.zeros((self.size, *np.broadcast_shapes(gradient.shape[1:], native.shape[1:])), gradient.dtype)
        for i, (_, slopes, _) in enumerate(scores):
            for a, slope in slopes.items():
                result[a] += gradient[i] * slope
        return result

    def hessian(self, y: Array, eta: Array) -> Array:
        return self.derivatives(y, eta)[2]

    def derivatives(self, y: Array, eta: Array) -> Derivatives:
        return self._chain(eta, lambda native: self.base.derivatives(y, native))

    def beside(self, y: Array, eta: Array) -> Derivatives:
        return self._chain(eta, lambda native: self.base.beside(y, native))

    def start(self, rows: Rows) -> Array:
        return self.form.back(self.base.start(rows))

    def starts(self, rows: Rows) -> list[Array]:
        return [self.form.back(eta) for eta in self.base.starts(rows)]

    def corners(self, y: Array, eta: Array) -> Array:
        return self.base.corners(y, self.native(eta))

    def softened(self, width: Array, side: int = 0) -> Family:
        return Reparameterised(self.base.softened(width, side), self.form)

    def bend(self, name: str, y: Array, eta: Array) -> tuple[Array, Array, Array]:
        return self.base.bend(name, y, self.native(eta))

    def unbounded(self, eta: Array, low: Array, high: Array) -> Sequence[str]:
        return self.base.unbounded(self.native(eta), low, high)

    def cautions(self, eta: Array) -> Sequence[str]:
        return self.base.cautions(self.native(eta))

    def exact(self, y: Array) -> NDArray[np.bool_]:
        return self.base.exact(y)

    def doubts(self, eta: Array) -> Sequence[str]:
        return self.base.doubts(self.native(eta))

    def inside(self, y: Array) -> NDArray[np.bool_]:
        return self.base.inside(y)

    def central(self, y: Array) -> Array:
        return self.base.central(y)

    def bind(self, levels: Sequence[str]) -> Family:
        return Reparameterised(self.base.bind(levels), self.form)

    def given(self, *others: Array) -> Family:
        return Reparameterised(self.base.given(*others), self.form)

    def log_cdf(self, y: Array, eta: Array) -> Array:
        return self.base.log_cdf(y, self.native(eta))

    def log_sf(self, y: Array, eta: Array) -> Array:
        return self.base.log_sf(y, self.native(eta))

    def log_cdf_derivatives(self, y: Array, eta: Array) -> Derivatives:
        return self._chain(eta, lambda native: self.base.log_cdf_derivatives(y, native))

    def log_sf_derivatives(self, y: Array, eta: Array) -> Derivatives:
        return self._chain(eta, lambda native: self.base.log_sf_derivatives(y, native))

    def quantile(self, q: Array, eta: Array) -> Array:
        return self.base.quantile(q, self.native(eta))

    def mean(self, eta: Array) -> Array:
        return self.base.mean(self.native(eta))

    def variance(self, eta: Array) -> Array:
        return self.base.variance(self.native(eta))

    def sample(self, generator: np.random.Generator, eta: Array, n: int) -> Array:
        return self.base.sample(generator, self.native(eta), n)

    def __repr__(self) -> str:
        return f"Reparameterised({self.base!r}, {self.form.title or ', '.join(self.names)})"


# -- the mean, where the native parameters are others -------------------------------------------------------------


def _gamma(z: Array) -> list[Score]:
    return [(z[1], {1: 1.0}, {}), (z[1] - z[0], {0: -1.0, 1: 1.0}, {})]


def _mean_and_width(z: Array) -> list[Score]:
    half = np.exp(z[1]) / 2
    return [(z[0] - half, {0: 1.0, 1: -half}, {(1, 1): -half}), (z[0] + half, {0: 1.0, 1: half}, {(1, 1): half})]


def _mean_and_precision(z: Array) -> list[Score]:
    p, q = expit(z[0]), expit(-z[0])
    return [
        (z[1] - softplus(-z[0]), {0: q, 1: 1.0}, {(0, 0): -p * q}),
        (z[1] - softplus(z[0]), {0: -p, 1: 1.0}, {(0, 0): -p * q}),
    ]


_PRECISE: Final = Form(
    (Parameter("mean", logit, "mean"), Parameter("precision", log, "alpha + beta")),
    _mean_and_precision,
    lambda eta: np.stack([eta[0] - eta[1], np.logaddexp(eta[0], eta[1])]),
    "mean and precision (Ferrari and Cribari-Neto 2004)",
)

FORMS: Final[dict[str, Form]] = {
    "gamma": Form(
        (Parameter("mean", log, "mean, shape/rate"), Parameter("shape", log, "shape")),
        _gamma,
        lambda eta: np.stack([eta[0] - eta[1], eta[0]]),
        "mean and shape (McCullagh and Nelder 1989, chapter 8)",
    ),
    "exponential": Form(
        (Parameter("mean", log, "mean, 1/rate"),),
        lambda z: [(-z[0], {0: -1.0}, {})],
        lambda eta: -eta,
        "mean",
    ),
    "uniform": Form(
        (Parameter("mean", identity, "halfway between lower and upper"), Parameter("width", log, "upper - lower")),
        _mean_and_width,
        lambda eta: np.stack([eta[0] + (eta[1] - eta[0]) / 2, log.forward(eta[1] - eta[0])]),
        "mean and width (Chebyshev's line: Appa and Smith 1973)",
        irregular=frozenset({"mean", "width"}),
        note="the mean is the middle of the narrowest band that holds every row; the likelihood ends there, hence no "
        "standard errors",
        band=("mean", "width"),
    ),
    "beta": _PRECISE,
    "beta-binomial": _PRECISE,
}


def relinked(family: Family, links: Mapping[str, Link]) -> Family:
    """`family` with other links on some parameters."""
    chosen = [links.get(p.name, p.link) for p in family.parameters]
    natives = [p.link for p in family.parameters]
    if all(a is b for a, b in zip(chosen, natives, strict=True)):
        return family

    def scores(z: Array) -> list[Score]:
        result: list[Score] = []
        for j, (link, native) in enumerate(zip(chosen, natives, strict=True)):
            if link is native:
                result.append((z[j], {j: 1.0}, {}))
            else:
                value, slope, curve = link.through(native, z[j])
                result.append((value, {j: slope}, {(j, j): curve}))
        return result

    def back(eta: Array) -> Array:
        return np.stack([link.forward(native.inverse(e)) for link, native, e in zip(chosen, natives, eta, strict=True)])

    parameters = tuple(
        Parameter(p.name, link, p.meaning, p.limit if link is p.link else "", p.limit_below if link is p.link else "")
        for p, link in zip(family.parameters, chosen, strict=True)
    )
    title = ", ".join(f"{p.name} by {p.link.name}" for p in parameters)
    form = Form(parameters, scores, back, title, family.irregular, family.irregular_note, family.band)
    return Reparameterised(family, form)


def _form(family: Family) -> Form | None:
    """The form in which the field models a family, None for its own; with a mass at zero that of the density beside."""
    if not isinstance(family, Semicontinuous):
        return FORMS.get(family.name)
    inner = _form(family.base)
    if inner is None:
        return None
    last = family.size - 1
    return Form(
        (*inner.parameters, family.parameters[-1]),
        lambda z: [*inner.scores(z[:-1]), (z[last], {last: 1.0}, {})],
        lambda eta: np.concatenate([inner.back(eta[:-1]), eta[-1:]]),
        inner.title,
    )


def modelled(family: Family, links: Mapping[str, str] | None = None) -> Family:
    """What a regression models: the mean where the field models the mean, each parameter through the link asked for.

    Raises:
        UsageError: an unknown link or parameter, or a link that does not reach the parameter's domain.
    """
    form = _form(family)
    shown = Reparameterised(family, form) if form is not None and not isinstance(family, Pinned) else family
    chosen: dict[str, Link] = {}
    for name, text in (links or {}).items():
        if name not in shown.names or shown.size != len(shown.parameters):
            known = ", ".join(shown.names) if shown.size == len(shown.parameters) else "none whose link can be chosen"
            raise UsageError(f"--link: {family.name} has no parameter {name!r} (it has {known})")
        if shown.along([name]) is not shown and shown.remainder is not None:
            raise UsageError(
                f"--link: {name} has no link of its own: with three components or more the weights are modelled by the "
                f"logarithms of their ratios to {shown.remainder.name}"
            )
        if text not in LINKS:
            raise UsageError(f"there is no link called {text!r}; choose one of {', '.join(LINKS)}")
        link, native = LINKS[text], shown.parameters[shown.names.index(name)].link
        suited = {
            "probability": ("logit", "probit", "cloglog", "log", "identity"),
            "positive": ("log", "identity", "inverse"),
            "any": ("identity", "inverse", "log"),
        }
        kind = "probability" if native.upper == 1 else "positive" if native.lower == 0 else "any"
        if text not in suited[kind]:
            raise UsageError(f"--link {name}={text} does not suit {name}; choose one of {', '.join(suited[kind])}")
        if name in shown.irregular and link is not native:
            raise UsageError(
                f"--link {name}={text}: {name} of {family.name} has its estimate at an end or a kink of the "
                f"likelihood, which is found with the link {native.name} alone; leave --link {name} out"
            )
        chosen[name] = link
    return relinked(shown, chosen)


def native(family: Family, zeta: Array) -> Array:
    """Scores of a family however wrapped to those of the family at its root."""
    if isinstance(family, Reparameterised):
        return native(family.base, family.native(zeta))
    if isinstance(family, Pinned):
        return native(family.base, family.full(zeta))
    if isinstance(family, Wrapped):
        return native(family.base, zeta)
    return np.asarray(zeta)


def native_rows(family: Family) -> Family:
    """The rows of a family, known in part or not, by the scores of the family at its root."""
    if isinstance(family, Wrapped):
        return family.around(native_rows(family.base))
    return native_rows(family.base) if isinstance(family, (Reparameterised, Pinned)) else family


def linear(family: Family, eta: Array) -> Array:
    """The inverse of `native`: scores of a family however wrapped from those of the family at its root."""
    if isinstance(family, Reparameterised):
        return family.form.back(linear(family.base, eta))
    if isinstance(family, Pinned):
        return linear(family.base, eta)[family.free]
    if isinstance(family, Wrapped):
        return linear(family.base, eta)
    return np.asarray(eta)


def root(family: Family) -> Family:
    """The family that wrappers of rows, scores and fixed parameters go back to."""
    while isinstance(family, (Reparameterised, Pinned, Wrapped)):
        family = family.base
    return family
