"""How far a fitted distribution lies from the data, and whether chance alone explains it.

The parameters were estimated from the same rows, so tables of these statistics for a known distribution do not apply:
p-values come from samples drawn from the fit and fitted again, all as one batch (Stephens 1986, section 4.4;
Stute, Gonzalez Manteiga and Presedo Quindimil 1993), censored and truncated as `mechanism` says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np

from mlefit.errors import UsageError
from mlefit.families.base import Family
from mlefit.families.links import Array
from mlefit.inference import edf
from mlefit.inference.bootstrap import refit, simulated
from mlefit.inference.cells import cells, chi_squared, pearson
from mlefit.inference.fit import Fit
from mlefit.inference.mechanism import Mechanism
from mlefit.inference.result import number
from mlefit.sample import Sample

CHI: Final = "chi_squared"
FEW: Final = "there are not two cells that expect 5 rows each"
Basis = Literal["", "kaplan-meier", "turnbull", "expected"]
LOST: Final = 0.1  # share of replicates that may fail before no p-value is given


@dataclass(frozen=True)
class Goodness:
    """Statistics of fit, larger the worse.

    Attributes:
        statistics: by name: the three of `edf.NAMES` for measurements, `CHI` for counts; empty where there are none.
        p_values: by name; empty without replicates.
        replicates: samples behind the p-values.
        cells: of the chi-squared statistic.
        basis: what stands in the place of the empirical distribution function where rows are known in part: the
            product-limit estimate, Turnbull's, or censored counts shared out as the fit says ("expected").
        lacking: why there are no statistics, or no p-values although they were asked for.
    """

    statistics: Mapping[str, float]
    p_values: Mapping[str, float]
    replicates: int = 0
    cells: int = 0
    basis: Basis = ""
    lacking: str = ""

    def to_dict(self) -> dict[str, Any] | None:
        """As in the JSON contract; None without statistics."""
        if not self.statistics:
            return None
        found: dict[str, Any] = {
            name: {"statistic": number(value), "p_value": self.p_values.get(name)}
            for name, value in self.statistics.items()
        }
        if self.cells:
            found[CHI]["cells"] = self.cells
        return {**found, **({"basis": self.basis} if self.basis else {}), "replicates": self.replicates}


def goodness(fit: Fit, sample: Sample, replicates: int = 0, generator: np.random.Generator | None = None) -> Goodness:
    """How well `fit` fits its own rows, one group; what is `lacking` is said."""
    family = fit.family
    judged = _Judge.of(family, sample)
    if isinstance(judged, str):
        return Goodness({}, {}, lacking=judged)
    try:
        observed, edges = judged.statistics(sample, fit.eta[None], None)
    except NotImplementedError as error:
        return Goodness({}, {}, lacking=str(error))
    if not observed.shape[0]:
        return Goodness({}, {}, lacking=FEW)
    names = judged.names
    values = dict(zip(names, observed[:, 0].tolist(), strict=True))
    number_of_cells = edges.size + 1 if edges is not None else 0
    p_values: dict[str, float] = {}
    if replicates:
        generator = generator or np.random.default_rng(0)
        try:
            drawn = [
                judged.statistics(part, refit(family, part, fit.eta).theta, edges)[0]
                for part in simulated(family, fit.eta, sample, replicates, generator)
            ]
        except UsageError as error:
            return Goodness(values, {}, 0, number_of_cells, judged.basis, str(error))
        # A statistic that is infinite (an end of the support among the values) says nothing.
        # Adding one keeps the test at its level (Davison and Hinkley 1997, equation 4.11). A replicate that could
        # not be fitted counts as no better than the data; where many could not, nothing is known.
        statistics = np.concatenate(drawn, axis=1)
        lost = dict(zip(names, (~np.isfinite(statistics)).sum(axis=1).tolist(), strict=True))
        larger = (~(statistics < observed * (1 - 1e-12))).sum(axis=1)
        p_values = {
            name: float((1 + count) / (replicates + 1))
            for name, count in zip(names, larger, strict=True)
            if np.isfinite(values[name]) and lost[name] <= LOST * replicates
        }
    return Goodness(values, p_values, replicates, number_of_cells, judged.basis)


@dataclass(frozen=True)
class _Judge:
    """The statistics that suit the rows of a family, and what they stand on."""

    family: Family
    kind: Literal["edf", "residuals", "intervals", "cells", "rows"]
    basis: Basis

    @staticmethod
    def of(family: Family, sample: Sample) -> _Judge | str:
        """For rows like these, or why they have no statistics of fit."""
        if family.labels:
            return "labels have no distribution function"
        known = Mechanism.of(family, sample.y)
        if known.side and not known.event.any():
            return "every value is censored"
        hidden = family.censored and not known.event.all()
        if family.discrete:
            own = known.others.size > 0 and not _same(known.others)
            if own and not family.censored and not family.truncated:
                return _Judge(family, "rows", "")
            return _Judge(family, "cells", "expected" if hidden else "")
        if not known.side:
            return _Judge(family, "intervals", "turnbull")
        basis: Basis = "kaplan-meier" if hidden else ""
        if family.lumped:
            return _Judge(family, "intervals", basis)
        return _Judge(family, "edf" if sample.y.ndim == 1 else "residuals", basis)

    @property
    def names(self) -> tuple[str, ...]:
        return (CHI,) if self.family.discrete else edf.NAMES

    def statistics(self, sample: Sample, eta: Array, edges: Array | None) -> tuple[Array, Array | None]:
        """Statistics (S, G) of each group at its scores (G, k), and the edges of the cells, if there are any."""
        if self.kind == "edf":
            return edf.edf(self.family, sample, eta), None
        if self.kind == "residuals":
            return edf.residual_edf(self.family, sample, eta), None
        if self.kind == "intervals":
            return edf.interval_edf(self.family, sample, eta), None
        if self.kind == "rows":
            return pearson(self.family, sample, eta), None
        edges = cells(self.family, sample, eta[0]) if edges is None else edges
        return chi_squared(self.family, sample, eta, edges), edges


def _same(rows: Array) -> bool:
    """Whether all columns of (d, n) are alike."""
    return bool((rows == rows[:, :1]).all())
