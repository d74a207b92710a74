"""What the steps of a regression share: the columns of every score, conditioned, and the objective over them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mlefit.engines.serial import Serial
from mlefit.errors import UsageError
from mlefit.families.base import Family
from mlefit.families.links import Array
from mlefit.inference.design import Design, design
from mlefit.inference.fit import Interval, WeightKind
from mlefit.inference.fit import Options as Constants
from mlefit.inference.formula import Encoded
from mlefit.objective import RowObjective
from mlefit.predictors.linear import Linear
from mlefit.sample import Sample

Errors = Literal["information", "robust", "cluster"]


@dataclass(frozen=True)
class Options:
    """How to fit and what to report.

    Attributes:
        level, interval: of the confidence limits.
        weight_kind: frequency, or importance (errors are then robust and n is the number of rows).
        errors: from the observed information, or a sandwich, by rows or by clusters.
        exponentiate: report exp(coefficient) too: odds, rate and hazard ratios.

    Raises:
        UsageError: a level outside (0, 1); profile limits with importance weights or errors from a sandwich.
    """

    level: float = 0.95
    interval: Interval = "wald"
    weight_kind: WeightKind = "frequency"
    errors: Errors = "information"
    exponentiate: bool = False

    def __post_init__(self) -> None:
        Constants(self.level, self.interval, self.weight_kind)  # what holds for them holds here
        if self.interval == "profile" and self.errors != "information":
            raise UsageError(
                "profile limits take the likelihood at its word, which errors from a sandwich do not; "
                "ask for wald limits, which follow from the robust standard errors"
            )


@dataclass(frozen=True, eq=False)
class Block:
    """The columns of one score.

    Attributes:
        parameter: the score's name.
        names: of the columns.
        x: (n, p).
        plain: a constant without a formula, reported on the parameter's own scale.
        encoded: what builds the columns from data, None where plain.
        base: (n,) known addition to the score, or None.
    """

    parameter: str
    names: tuple[str, ...]
    x: Array
    plain: bool = False
    encoded: Encoded | None = None
    base: Array | None = None

    @property
    def constant(self) -> bool:
        """Whether the score is the same for all rows, but for known additions."""
        return self.plain or (self.x.shape[1] == 1 and bool((self.x == 1).all()))


@dataclass(frozen=True, eq=False)
class Problem:
    """Everything the steps of a fit share. `back` is block-diagonal: coefficients are back @ theta."""

    family: Family
    blocks: tuple[Block, ...]
    designs: tuple[Design, ...]
    sample: Sample
    objective: RowObjective
    step: Array  # (p,) largest changes in one iteration

    @property
    def slices(self) -> tuple[slice, ...]:
        return self.objective.predictor.blocks  # type: ignore[attr-defined]

    @property
    def plain(self) -> NDArray[np.bool_]:
        """(p,) which coordinates are constants without a formula."""
        parts = zip(self.slices, self.blocks, strict=True)
        return np.concatenate([np.full(s.stop - s.start, b.plain) for s, b in parts])

    @property
    def irregular(self) -> NDArray[np.bool_]:
        """(p,) coordinates of scores whose maximum is no zero of the gradient."""
        return self._of(self.family.irregular)

    @property
    def uninformed(self) -> NDArray[np.bool_]:
        """(p,) those of them that have no standard errors."""
        return self._of(self.family.irregular - self.family.informative)

    def _of(self, names: frozenset[str]) -> NDArray[np.bool_]:
        result = np.zeros(self.slices[-1].stop if self.blocks else 0, dtype=bool)
        if self.family.size == len(self.family.parameters):
            for part, name in zip(self.slices, self.family.names, strict=True):
                result[part] = name in names
        return result

    @property
    def back(self) -> NDArray[np.longdouble]:
        size = self.slices[-1].stop
        result = np.zeros((size, size), np.longdouble)
        for part, matrix in zip(self.slices, self.designs, strict=True):
            result[part, part] = matrix.back
        return result


def spiked(problem: Problem, theta: Array) -> str:
    """Why the likelihood has no bound near coefficients (p,), "" where it has; of a spike in any of the rows."""
    family, sample = problem.family, problem.sample
    with np.errstate(all="ignore"):
        eta = problem.objective.predictor.scores(theta[None], sample)[:, 0]
        exact, centre = family.exact(sample.y), family.central(sample.y)
        if not exact.any():
            return ""
        low, high = (np.full(eta.shape[1], end) for end in (centre[exact].min(), centre[exact].max()))
        return next(filter(None, family.unbounded(eta, low, high)), "")


def score_names(family: Family) -> tuple[str, ...]:
    """What the scores are called: as the parameters, or for labels as those after the first."""
    return family.names if family.size == len(family.parameters) else family.names[1:]


def links_bounded(family: Family) -> tuple[bool, ...]:
    """For every score whether its link is one whose large values mean a boundary (log, logit ...)."""
    if family.size != len(family.parameters):
        return (True,) * family.size
    return tuple(bool(np.isfinite(p.link.step)) or p.name == "location" for p in family.parameters)


def constants(blocks: Sequence[Block]) -> frozenset[str]:
    """The parameters that are the same in every row."""
    same = (b.parameter for b in blocks if b.base is None and (b.plain or b.names == ("Intercept",)))
    return frozenset(same)


def make(family: Family, y: Array, weight: Array | None, blocks: Sequence[Block]) -> Problem:
    known: dict[int, Design] = {}
    designs = []
    for block in blocks:
        if id(block.x) not in known:  # the scores of a categorical share their columns
            several = len({id(b.x) for b in blocks if not b.plain}) > 1
            known[id(block.x)] = design(block.x, block.names, f" (of {block.parameter})" if several else "")
        designs.append(known[id(block.x)])
    base = None
    if any(block.base is not None for block in blocks):
        base = np.stack([np.zeros(y.shape[-1]) if b.base is None else b.base for b in blocks])
    sample = Sample(y, weight, x=tuple(d.z for d in designs), base=base)
    predictor = Linear([d.z.shape[1] for d in designs])
    steps = [np.full(d.z.shape[1], s) for d, s in zip(designs, family.step, strict=True)]
    return Problem(
        family, tuple(blocks), tuple(designs), sample, RowObjective(family, predictor, sample, Serial()),
        np.concatenate(steps) if steps else np.zeros(0),
    )  # fmt: skip


def term_names(problem: Problem) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    names: list[str] = []
    terms: list[tuple[str, str]] = []
    for block in problem.blocks:
        for name in block.names:
            names.append(block.parameter if block.plain else f"{block.parameter}[{name}]")
            terms.append((block.parameter, "" if block.plain else name))
    return tuple(names), tuple(terms)
