"""A fitted regression: coefficients, their errors and limits, the likelihood, and how far to trust them. Frozen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import nan
from typing import TYPE_CHECKING, Any

import numpy as np

from mlefit.families.links import Array
from mlefit.inference.result import Record, Result, number, parameter
from mlefit.inference.scorer import LinearScorer

if TYPE_CHECKING:
    from rich.console import RenderableType


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Regression(Result):
    """A fitted regression: what every `Result` has, and the following. Shapes: K coefficients and plain parameters.

    Attributes:
        family: as modelled, with its links and fixed parameters.
        formula: as given; `formulas` the right side for every parameter that has one.
        column: the response.
        names: mu[Intercept], mu[x] ... and sigma for a parameter without a formula; the order of all that is (K,).
        terms: parameter and column of each name; the column is "" for a plain parameter.
        coefficients: (K,); plain parameters on their own scale; infinite where there is separation.
        null_log_likelihood: of the model of constants (and the offset).
        deviance, null_deviance: as of generalized linear models, NaN where there is none.
        errors: how the covariance was made, with the number of clusters and the factor used.
        exponentiate: whether the coefficients' exponentials are shown too.
        scorer: what predicts rows.
        constant: native scores of the model of constants.
    """

    formula: str
    formulas: Mapping[str, str]
    names: tuple[str, ...]
    terms: tuple[tuple[str, str], ...]
    coefficients: Array
    null_log_likelihood: float
    deviance: float
    null_deviance: float
    errors: Mapping[str, Any]
    exponentiate: bool
    scorer: LinearScorer
    constant: Array

    @property
    def estimates(self) -> dict[str, float]:
        """Every coefficient and plain parameter, those held last."""
        return dict(zip(self.names, self.coefficients.tolist(), strict=True)) | self.held

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
        record: dict[str, Any] = {"family": self.family.name, "formula": self.formula, "column": self.column}
        if self.group is not None:
            record["group"] = dict(self.group)
        record["formulas"] = dict(self.formulas)
        record["links"] = {p.name: p.link.name for p in self.family.parameters}
        record |= self._data()
        record["interval"] = {"level": self.level, "method": self.interval_method}
        record["errors"] = dict(self.errors)
        record |= self._likelihood()
        for name in ("null_log_likelihood", "deviance", "null_deviance"):
            record[name] = number(getattr(self, name))
        return record | self._evidence()

    def parameters(self) -> dict[str, Record]:
        """Of every coefficient: estimate, standard error, z, p and limits, and their exponentials where asked for.

        Held parameters come last, `fixed`.
        """
        errors, z, p = np.sqrt(np.diag(self.covariance)).tolist(), self.z.tolist(), self.p.tolist()
        found: dict[str, Record] = {}
        for j, (name, value, error) in enumerate(zip(self.names, self.coefficients.tolist(), errors, strict=True)):
            lower, upper = float(self.lower[j]), float(self.upper[j])
            found[name] = parameter(value, error, lower, upper, z=z[j], p=p[j])
            if self.exponentiate and self.terms[j][1]:
                with np.errstate(over="ignore"):
                    ratios = np.exp([value, lower, upper]).tolist()
                found[name] |= dict(zip(("ratio", "ratio_lower", "ratio_upper"), map(number, ratios), strict=True))
        return found | self._held(z=nan, p=nan)

    def __rich__(self) -> RenderableType:
        from mlefit.report.regressions import regression_table

        return regression_table(self)
