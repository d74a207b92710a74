"""A fitted regression: coefficients, their errors and limits, the likelihood, and how far to trust them. Frozen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from mlefit.families.base import Family
from mlefit.families.links import Array
from mlefit.inference.certificate import Certificate
from mlefit.inference.criteria import Criteria
from mlefit.inference.fit import number
from mlefit.inference.scorer import LinearScorer

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console, ConsoleOptions, RenderResult


@dataclass(frozen=True, eq=False)
class Regression(Criteria):
    """A fitted regression. Shapes: K coefficients and plain parameters, in the order of `names`.

    Attributes:
        family: as modelled, with its links and fixed parameters.
        formula: as given; `formulas` the right side for every parameter that has one.
        column: the response.
        names: mu[Intercept], mu[x] ... and sigma for a parameter without a formula.
        terms: parameter and column of each name; the column is "" for a plain parameter.
        coefficients: (K,); plain parameters on their own scale; infinite where there is separation.
        covariance: (K, K); NaN where there is no standard error.
        lower, upper: (K,) confidence limits.
        null_log_likelihood: of the model of constants (and the offset).
        deviance, null_deviance: as of generalized linear models, NaN where there is none.
        errors: how the covariance was made, with the number of clusters and the factor used.
    """

    family: Family
    formula: str
    formulas: Mapping[str, str]
    column: str
    group: Mapping[str, Any] | None
    n: int
    dropped: int
    weight: float
    names: tuple[str, ...]
    terms: tuple[tuple[str, str], ...]
    coefficients: Array
    covariance: Array
    lower: Array
    upper: Array
    log_likelihood: float
    null_log_likelihood: float
    deviance: float
    null_deviance: float
    level: float
    interval_method: str
    errors: Mapping[str, Any]
    exponentiate: bool
    solver: str
    iterations: int
    certificate: Certificate
    converged: bool
    warnings: tuple[str, ...]
    effective_n: float
    scorer: LinearScorer = field(repr=False)
    constant: Array = field(repr=False)  # native scores of the model of constants

    @property
    def estimates(self) -> dict[str, float]:
        """Every coefficient and plain parameter."""
        return dict(zip(self.names, self.coefficients.tolist(), strict=True))

    @property
    def std_errors(self) -> dict[str, float]:
        """Their standard errors; NaN where none exists."""
        return dict(zip(self.names, np.sqrt(np.diag(self.covariance)).tolist(), strict=True))

    @property
    def z(self) -> Array:
        """Estimate over standard error, (K,); NaN for plain parameters, of which zero is no question."""
        with np.errstate(all="ignore"):
            values = self.coefficients / np.sqrt(np.diag(self.covariance))
        return np.where([bool(column) for _, column in self.terms], values, np.nan)

    @property
    def p(self) -> Array:
        """Two-sided p-values of `z` under the normal distribution, (K,)."""
        from math import erfc, sqrt

        return np.array([erfc(abs(v) / sqrt(2)) if np.isfinite(v) else np.nan for v in self.z])

    @property
    def parameters_count(self) -> int:
        """Free parameters."""
        return len(self.names)

    def to_dict(self) -> dict[str, Any]:
        """As in the JSON contract: the object of `estimate`, its parameters keyed by name."""
        result: dict[str, Any] = {"family": self.family.name, "formula": self.formula, "column": self.column}
        if self.group is not None:
            result["group"] = dict(self.group)
        result |= {
            "formulas": dict(self.formulas),
            "links": {p.name: p.link.name for p in self.family.parameters},
            "n": self.n,
            "dropped": self.dropped,
            "weight": self.weight,
            "parameters": {row.pop("parameter"): row for row in self._rows()},
        }
        fixed = getattr(self.family, "fixed", None)
        if fixed:
            result["fixed"] = dict(fixed)
        return result | {
            "interval": {"level": self.level, "method": self.interval_method},
            "errors": dict(self.errors),
            "log_likelihood": number(self.log_likelihood),
            "nll": number(self.nll),
            "nll_per_observation": number(self.nll / self.weight),
            "null_log_likelihood": number(self.null_log_likelihood),
            "deviance": number(self.deviance),
            "null_deviance": number(self.null_deviance),
            "aic": number(self.aic),
            "aicc": number(self.aicc),
            "bic": number(self.bic),
            "covariance": [[number(v) for v in row] for row in self.covariance],
            "solver": self.solver,
            "iterations": self.iterations,
            "converged": self.converged,
            "certificate": self.certificate.to_dict(),
            "warnings": list(self.warnings),
        }

    def _rows(self) -> list[dict[str, Any]]:
        errors = np.sqrt(np.diag(self.covariance))
        rows = []
        for j, (name, (_, column)) in enumerate(zip(self.names, self.terms, strict=True)):
            row: dict[str, Any] = {
                "parameter": name,
                "estimate": number(self.coefficients[j]),
                "std_error": number(errors[j]),
                "z": number(self.z[j]),
                "p": number(self.p[j]),
                "ci_lower": number(self.lower[j]),
                "ci_upper": number(self.upper[j]),
            }
            if self.exponentiate and column:
                with np.errstate(over="ignore"):
                    row |= {
                        "ratio": number(np.exp(self.coefficients[j])),
                        "ratio_lower": number(np.exp(self.lower[j])),
                        "ratio_upper": number(np.exp(self.upper[j])),
                    }
            rows.append(row)
        return rows

    def rows(self) -> list[dict[str, Any]]:
        """The tidy rows of csv and `to_frame`; None for what does not exist."""
        head = {**(self.group or {}), "column": self.column, "family": self.family.name}
        return [{**head, **row} for row in self._rows()]

    def to_frame(self) -> pd.DataFrame:
        """One row a coefficient: group columns, column, family, parameter, estimate, std_error, z, p, limits."""
        import pandas as pd

        return pd.DataFrame(self.rows())

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from mlefit.report.regressions import regression_table

        yield regression_table(self)
