"""What is asked of fits beyond estimates, errors and limits: tests, derived numbers, quantiles, the bootstrap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from mlefit.families.expression import Formula
from mlefit.inference import derived
from mlefit.inference.bootstrap import Plan, bootstrap, with_limits
from mlefit.inference.fit import Fit
from mlefit.inference.hypotheses import null_tests
from mlefit.sample import Sample


@dataclass(frozen=True)
class Wanted:
    """Questions put to every fit.

    Attributes:
        nulls: hypotheses, each the values of some parameters.
        formulas: of the parameters, by name.
        quantiles: probabilities.
        bootstrap: how, where limits are the bootstrap's.
    """

    nulls: Sequence[Mapping[str, float]] = ()
    formulas: Mapping[str, Formula] = field(default_factory=dict)
    quantiles: Sequence[float] = ()
    bootstrap: Plan | None = None


def answered(fits: Sequence[Fit], samples: Sequence[Sample] | None, wanted: Wanted, *, importance: bool) -> list[Fit]:
    """The fits with the answers; those that have no maximum come back as they are.

    Args:
        fits: to be asked.
        samples: the rows of each, one group; needed for the bootstrap alone.
        wanted: the questions.
        importance: how rows were weighted.

    Raises:
        UsageError, DataError: as the parts.
    """
    found = []
    for i, fit in enumerate(fits):
        if not fit.converged:
            found.append(fit)
            continue
        tests = tuple(null_tests(fit, null, robust=importance) for null in wanted.nulls)
        fit = derived.with_formulas(fit, wanted.formulas)
        fit = derived.with_quantiles(fit, wanted.quantiles)
        if wanted.bootstrap is not None:
            assert samples is not None, "a bootstrap needs the rows"
            replicates = bootstrap(fit, samples[i], wanted.bootstrap, importance=importance)
            fit = derived.with_bootstrap_limits(with_limits(fit, replicates), replicates, wanted.formulas)
        found.append(replace(fit, tests=tests))
    return derived.with_profile_limits(found, wanted.formulas)
