"""Regressions of groups of rows; one that cannot be fitted is a result too, with the reason, beside the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mlefit.errors import DataError
from mlefit.inference.certificate import Certificate
from mlefit.inference.linear_model import Options, make
from mlefit.inference.regression import Case, Regression, fit_regressions, within


@dataclass(frozen=True)
class Refused:
    """A group that cannot be fitted: its rows, the sum of their weights, and why."""

    group: Mapping[str, Any]
    n: int
    weight: float
    dropped: int
    error: DataError


def fit_groups(
    cases: Sequence[Case | Refused], options: Options | None = None, *, formula: str = "", column: str = "y"
) -> list[Regression]:
    """Every group's regression, in order; those that cannot be fitted have no numbers and are not converged.

    Raises:
        DataError: no group can be fitted; what is said of the first.
    """

    def fitted(some: list[Case]) -> list[Regression]:
        return fit_regressions(some, options, formula=formula, column=column)

    every = list(cases)
    try:
        found = _all(every, fitted)
    except DataError:  # which groups it is of: those that make no problem, else those that have no solution
        for tried in (lambda case: make(case.family, case.y, case.weight, case.blocks), lambda case: fitted([case])):
            every = [_tried(case, tried) for case in every]
            try:
                found = _all(every, fitted)
                break
            except DataError:
                continue
        else:
            raise
    if not found:
        first = next(case for case in every if isinstance(case, Refused))
        if isinstance(first.error.__cause__, DataError):
            raise first.error
        with within(first.group):
            raise first.error
    done = iter(found)
    return [_unfitted(case, found[0]) if isinstance(case, Refused) else next(done) for case in every]


def _all(cases: Sequence[Case | Refused], fitted: Any) -> list[Regression]:
    able = [case for case in cases if isinstance(case, Case)]
    return fitted(able) if able else []


def _tried(case: Case | Refused, step: Any) -> Case | Refused:
    """The case, or why a step with it fails."""
    if isinstance(case, Refused):
        return case
    try:
        step(case)
    except DataError as error:
        n = int(case.y.shape[-1])
        total = float(n if case.weight is None else case.weight.sum())
        return Refused(case.group or {}, n, total, case.dropped, error)
    return case


def _unfitted(case: Refused, like: Regression) -> Regression:
    """The result of a group without a fit, its parameters those of another group."""
    none = float("nan")
    empty = np.full(like.coefficients.size, none)
    cause = case.error.__cause__  # without the group's name before it, which stands beside it
    sentence = str(cause if isinstance(cause, DataError) else case.error)
    return replace(
        like, group=case.group, n=case.n, weight=case.weight, dropped=case.dropped, coefficients=empty, lower=empty,
        upper=empty, covariance=np.full_like(like.covariance, none), log_likelihood=none, null_log_likelihood=none,
        deviance=none, null_deviance=none, iterations=0, certificate=Certificate(None, False, None, (), sentence),
        converged=False, warnings=(sentence,), constant=np.full_like(like.constant, none),
        effective_n=float(case.n),
    )  # fmt: skip
