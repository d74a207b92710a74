"""What every fit knows and tells alike: numbers by parameter, likelihood and criteria, the evidence of a maximum."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import floor, isfinite, log, log10, nan
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from mlefit.families.base import Family
from mlefit.families.links import Array
from mlefit.inference.certificate import Certificate

if TYPE_CHECKING:
    import pandas as pd

Record = dict[str, Any]

SHOWN: Final = 8  # parameters in a result's repr


def number(value: float) -> float | None:
    """A float for JSON: None for NaN and infinities."""
    return float(value) if isfinite(value) else None


def with_error(estimate: float, error: float) -> str:
    """An estimate and in brackets its standard error to two digits, both to the same place: 4.01 (0.34)."""
    if not (isfinite(error) and error > 0 and isfinite(estimate)):
        return f"{estimate:.4g}"
    decimals = 1 - floor(log10(error))
    if decimals <= 6 and max(abs(estimate), error) < 1e7:
        shown = max(decimals, 0)
        return f"{round(estimate, decimals):.{shown}f} ({round(error, decimals):.{shown}f})"
    digits = max(2, 2 + floor(log10(abs(estimate))) - floor(log10(error))) if estimate else 2
    return f"{estimate:.{min(digits, 15)}g} ({error:.2g})"


def parameter(estimate: float, std_error: float, lower: float, upper: float, **between: float) -> Record:
    """The numbers of one parameter, in the order and by the names of the JSON contract."""
    values = {"estimate": estimate, "std_error": std_error, **between, "ci_lower": lower, "ci_upper": upper}
    return {name: number(value) for name, value in values.items()}


def dropped_remark(count: int) -> list[str]:
    """What to say of rows left out for missing values; nothing where there are none."""
    return [f"{count} row{'s' * (count != 1)} dropped for missing values"] if count else []


def outside(by: Sequence[str], stray: int, absent: Mapping[tuple[str, ...], int], most: int = 5) -> tuple[str, ...]:
    """What to say of rows that no group's fit is of.

    Args:
        by: the columns that name groups.
        stray: rows without a label.
        absent: rows of groups whose every row misses a value, by the labels of the group.
        most: groups named.
    """
    said = []
    if stray:
        rows = "1 row has" if stray == 1 else f"{stray} rows have"
        said.append(f"{rows} no value of {' or '.join(map(repr, by))} and so belong{'s' * (stray == 1)} to no group")
    if absent:
        groups = [", ".join(f"{name} = {label}" for name, label in zip(by, key, strict=True)) for key in absent]
        more = f" and {len(groups) - most} more" if len(groups) > most else ""
        count = sum(absent.values())
        missing = "only row misses a value" if count == 1 else f"{count} rows all miss a value"
        whose = "its" if len(groups) == 1 else "their"
        said.append(f"no fit of {'; '.join(groups[:most])}{more}: {whose} {missing}")
    return tuple(said)


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Result:
    """A fit of any kind. Shapes: K parameters.

    Attributes:
        family: the family fitted, its fixed parameters pinned.
        column: the name of the data.
        group: value of every `by` column, or None.
        n: rows used.
        dropped: rows left out for missing values.
        weight: sum of the weights.
        covariance: (K, K) of the parameters; NaN where there is no standard error.
        lower, upper: (K,) confidence limits; NaN where there are none.
        log_likelihood: with every constant; NaN where it is unbounded.
        level, interval_method: of the limits.
        solver, iterations: how the estimate was found.
        certificate: the evidence that it is a maximum.
        converged: whether it is one.
        warnings: sentences for the user.
        effective_n: what n means in AICc and BIC: the weight, or n for importance weights.
        censored: rows whose value is not known; None where all were taken for known, or rows were not counted apart.
    """

    family: Family
    column: str
    group: Mapping[str, Any] | None
    n: int
    dropped: int
    weight: float
    covariance: Array
    lower: Array
    upper: Array
    log_likelihood: float
    level: float
    interval_method: str
    solver: str
    iterations: int
    certificate: Certificate
    converged: bool
    warnings: tuple[str, ...]
    effective_n: float
    censored: int | None = None

    def __repr__(self) -> str:
        """Fit(gamma of serving, n=254: shape=4.01 (0.34), rate=0.0544 (0.0049), log-likelihood -1253.6)."""
        of = "" if self.column in ("", "y") else f" of {self.column}"
        labels = "".join(f", {name}={value}" for name, value in (self.group or {}).items())
        pairs = list(zip(self.estimates.items(), self.std_errors.values(), strict=True))
        told = [f"{name}={with_error(value, error)}" for (name, value), error in pairs[:SHOWN]]
        told += [f"{len(pairs) - SHOWN} more"] if len(pairs) > SHOWN else []
        told += [f"log-likelihood {self.log_likelihood:.1f}"] if isfinite(self.log_likelihood) else []
        told += [] if self.converged else ["not converged"]
        return f"{type(self).__name__}({self.family.name}{of}{labels}, n={self.n}: {', '.join(told)})"

    @property
    def estimates(self) -> dict[str, float]:
        """Every parameter's estimate, those held last."""
        raise NotImplementedError

    @property
    def held(self) -> dict[str, float]:
        """The parameters that were held at a value, and what follows from those alone."""
        left = self.family.remainder
        return dict(self.family.fixed) | ({left.name: left.total} if left is not None and not left.others else {})

    @property
    def parameters_count(self) -> int:
        """Free parameters."""
        raise NotImplementedError

    def to_dict(self) -> dict[str, Any]:
        """The result as in the JSON contract: plain values, None for what does not exist."""
        raise NotImplementedError

    @property
    def std_errors(self) -> dict[str, float]:
        """Every parameter's standard error; NaN where none exists."""
        free = zip(self.estimates, np.sqrt(np.diag(self.covariance)).tolist(), strict=False)
        return dict(free) | dict.fromkeys(self.held, nan)

    @property
    def nll(self) -> float:
        """Negative log-likelihood."""
        return -self.log_likelihood

    @property
    def aic(self) -> float:
        """Akaike's criterion, 2k - 2 log L (Akaike 1974)."""
        return 2 * self.parameters_count - 2 * self.log_likelihood

    @property
    def aicc(self) -> float:
        """AIC with the small-sample term 2k(k+1)/(n-k-1) (Hurvich and Tsai 1989); NaN for n <= k + 1."""
        k, n = self.parameters_count, self.effective_n
        return self.aic + 2 * k * (k + 1) / (n - k - 1) if n > k + 1 else float("nan")

    @property
    def bic(self) -> float:
        """Schwarz's criterion, k log n - 2 log L (Schwarz 1978)."""
        return self.parameters_count * log(self.effective_n) - 2 * self.log_likelihood

    def parameters(self) -> dict[str, Record]:
        """Estimate, standard error and limits of every parameter; those held come last, `fixed`."""
        raise NotImplementedError

    def _held(self, **between: float) -> dict[str, Record]:
        return {name: parameter(v, nan, nan, nan, **between) | {"fixed": True} for name, v in self.held.items()}

    def rows(self) -> list[dict[str, Any]]:
        """The tidy rows of csv and `to_frame`, held parameters last; None for what does not exist."""
        found = self.parameters().items()
        return [self._row(name, {k: v for k, v in record.items() if k != "fixed"}) for name, record in found]

    def facts(self) -> dict[str, Any]:
        """What belongs beside the rows in a paper: the rows used, the likelihood and the criteria."""
        labels = self.group or {}
        counts = {"n": self.n} | ({"weight": self.weight} if self.weight != self.n else {})
        criteria = {name: number(getattr(self, name)) for name in ("log_likelihood", "aic", "aicc", "bic")}
        level = {} if self.interval_method == "none" else {"limits": self.interval_method, "level": self.level}
        return {**labels, "column": self.column, "family": self.family.name, **counts, **criteria, **level}

    def remarks(self) -> list[str]:
        """Sentences that belong beside the rows: what was dropped, and whatever keeps the fit from being trusted."""
        return [*dropped_remark(self.dropped), *(self.warnings or (() if self.converged else ("not converged",)))]

    def _row(self, name: str, record: Record) -> dict[str, Any]:
        labels = self.group or {}
        return {**labels, "column": self.column, "family": self.family.name, "parameter": name, **record}

    def to_frame(self) -> pd.DataFrame:
        """One row a parameter: group columns, column, family, parameter, estimate, std_error ... limits."""
        import pandas as pd

        return pd.DataFrame(self.rows())

    # Pieces of `to_dict`, in the order of the contract.

    def _data(self) -> dict[str, Any]:
        """The rows, the parameters estimated from them, and those held."""
        hidden = {} if self.censored is None else {"censored": self.censored}
        record: dict[str, Any] = {"n": self.n, **hidden, "dropped": self.dropped, "weight": self.weight}
        record["parameters"] = self.parameters()
        fixed = self.family.fixed
        return record | ({"fixed": dict(fixed)} if fixed else {})

    def _covariance(self) -> Array:
        """Of the parameters that are not held, in the order in which they are told."""
        return self.covariance

    def _likelihood(self) -> dict[str, Any]:
        return {
            "log_likelihood": number(self.log_likelihood),
            "nll": number(self.nll),
            "nll_per_observation": number(self.nll / self.weight),
        }

    def _evidence(self) -> dict[str, Any]:
        """Criteria, covariance, and how far to trust them all."""
        return {
            "aic": number(self.aic),
            "aicc": number(self.aicc),
            "bic": number(self.bic),
            "covariance": [[number(v) for v in row] for row in self._covariance().tolist()],
            "solver": self.solver,
            "iterations": self.iterations,
            "converged": self.converged,
            "certificate": self.certificate.to_dict(),
            "warnings": list(self.warnings),
        }
