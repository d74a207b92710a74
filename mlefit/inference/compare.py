"""Several families on the same rows: ranked, judged by goodness of fit, and tested against each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import erfc, log, sqrt
from typing import Any, Final, Literal

import numpy as np

from mlefit.errors import DataError, MlefitError, UsageError
from mlefit.families.base import Family
from mlefit.families.links import Array
from mlefit.inference.bootstrap import refit
from mlefit.inference.fit import Fit, Options, fit_sample
from mlefit.inference.goodness import Goodness, goodness
from mlefit.inference.nesting import contains, nesting, p_value, untested
from mlefit.inference.result import dropped_remark, number
from mlefit.progress import steps
from mlefit.sample import Sample

Rank = Literal["aic", "aicc", "bic", "nll", "held-out"]
CRITERIA: Final = ("log_likelihood", "aic", "aicc", "bic", "delta_aic", "akaike_weight")
RANKS: Final = ("aic", "aicc", "bic", "nll", "held-out")

# Without a number of replicates: at most so many, and fewer where the rows are many; none below the least that can
# tell a p-value of 0.05.
REPLICATES: Final = 99
SIMULATED: Final = 100_000
INCOMPLETE: Final = 50_000  # censored or truncated rows, which take longer to fit
LEAST: Final = 19


@dataclass(frozen=True)
class Plan:
    """How to compare.

    Attributes:
        rank: the criterion that orders the table.
        folds: parts of the cross-validation behind the held-out NLL; 0 for none.
        replicates: bootstrap samples behind the p-values of the goodness of fit; None for as many as are quick.
        seed: of the folds and the bootstrap.
    """

    rank: Rank = "aic"
    folds: int = 0
    replicates: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.rank not in RANKS:
            raise UsageError(f"there is no ranking by {self.rank!r}; choose one of {', '.join(RANKS)}")
        if self.rank == "held-out" and not self.folds:
            raise UsageError("ranking by held-out NLL needs --folds, such as --folds 5")
        if self.folds < 0 or self.folds == 1:
            raise UsageError(f"cross-validation needs at least 2 folds; {self.folds} are not that")
        if self.replicates is not None and self.replicates < 0:
            raise UsageError(f"a number of replicates is 0 or more; {self.replicates} is not")
        if self.seed < 0:
            raise UsageError(f"a seed is 0 or more; {self.seed} is not")

    def samples(self, n: int, incomplete: bool = False) -> int:
        """Replicates for n rows."""
        if self.replicates is not None:
            return self.replicates
        count = min(REPLICATES, (INCOMPLETE if incomplete else SIMULATED) // max(n, 1))
        return count if count >= LEAST else 0


@dataclass(frozen=True, eq=False)
class Entry:
    """One family's line: its fit with all that was found of it, or why there is none.

    Attributes:
        family: its name.
        fit: None where there is no maximum.
        error: why, "" where there is one.
        goodness: None for a family that failed; without statistics where there are none for such rows.
        held_out: NLL per unit of weight of rows left out of the fit; NaN without folds.
        delta: AIC less the best one's.
        weight: Akaike's.
        warnings: of the fit and of the comparison.
    """

    family: str
    fit: Fit | None
    error: str = ""
    goodness: Goodness | None = None
    held_out: float = float("nan")
    delta: float = float("nan")
    weight: float = float("nan")

    def criterion(self, rank: Rank) -> float:
        """What it is ranked by; infinite where it does not exist."""
        if self.fit is None:
            return float("inf")
        value = self.held_out if rank == "held-out" else getattr(self.fit, rank)
        return float(value) if np.isfinite(value) else float("inf")

    def to_dict(self) -> dict[str, Any]:
        """As in the JSON contract: a fit with more keys, or the family and its error."""
        if self.fit is None:
            return {"family": self.family, "error": self.error}
        found = self.fit.to_dict() | {"delta_aic": number(self.delta), "akaike_weight": number(self.weight)}
        if np.isfinite(self.held_out):
            found["held_out_nll_per_observation"] = self.held_out
        found["goodness"] = None if self.goodness is None else self.goodness.to_dict()
        return found


@dataclass(frozen=True)
class Test:
    """One family against another on the same rows.

    Attributes:
        kind: "likelihood-ratio" or "vuong".
        first, second: the smaller and the larger family; for Vuong's the better and the other.
        statistic: twice the difference of the log-likelihoods; Vuong's z.
        p_value: chance of one as large under the smaller family, or if both were equally near the truth; NaN where
            the two densities agree in every row.
        detail: what else to say, as JSON.
    """

    __test__ = False

    kind: str
    first: str
    second: str
    statistic: float
    p_value: float
    detail: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """As in the JSON contract."""
        return {
            "test": self.kind,
            "first": self.first,
            "second": self.second,
            "statistic": number(self.statistic),
            "p_value": number(self.p_value),
            **self.detail,
        }


@dataclass(frozen=True, eq=False)
class Comparison:
    """Families compared on one column or group.

    Attributes:
        column, group: what they were fitted to.
        n: rows.
        dropped: rows left out for missing values.
        entries: best first, failures last.
        tests: likelihood-ratio tests of nested pairs, then Vuong's of the best against the rest.
        rank: the criterion behind the order.
        notes: sentences for the user.
        censored: rows whose value is not known; None where all were taken for known.
    """

    column: str
    group: Mapping[str, Any] | None
    n: int
    dropped: int
    entries: tuple[Entry, ...]
    tests: tuple[Test, ...]
    rank: Rank
    notes: tuple[str, ...]
    censored: int | None = None

    @property
    def weight(self) -> float:
        """Sum of the weights; the number of rows where there are none."""
        return next((entry.fit.weight for entry in self.entries if entry.fit is not None), float(self.n))

    @property
    def best(self) -> Fit:
        """The fit that ranks first.

        Raises:
            DataError: no family has a maximum.
        """
        if not self.entries or self.entries[0].fit is None:
            raise DataError(f"no family could be fitted to {self.column}")
        return self.entries[0].fit

    def to_dict(self) -> dict[str, Any]:
        """As in the JSON contract."""
        head: dict[str, Any] = {"column": self.column}
        if self.group is not None:
            head["group"] = dict(self.group)
        return {
            **head,
            "n": self.n,
            **({} if self.censored is None else {"censored": self.censored}),
            "dropped": self.dropped,
            "rank": self.rank,
            "models": [entry.to_dict() for entry in self.entries],
            "tests": [test.to_dict() for test in self.tests],
            "warnings": list(self.notes),
        }

    def rows(self) -> list[dict[str, Any]]:
        """A flat row a family, for csv."""
        found = []
        for place, entry in enumerate(self.entries, 1):
            row: dict[str, Any] = {**(self.group or {}), "column": self.column, "rank": place, "family": entry.family}
            if entry.fit is not None:
                record = entry.to_dict()
                row |= {"parameters": entry.fit.estimates}
                row |= {key: record[key] for key in CRITERIA}
                if "held_out_nll_per_observation" in record:
                    row["held_out_nll_per_observation"] = record["held_out_nll_per_observation"]
                for name, value in (entry.goodness.statistics if entry.goodness else {}).items():
                    row[name] = number(value)
                for name, value in (entry.goodness.p_values if entry.goodness else {}).items():
                    row[f"{name}_p_value"] = value
            found.append({**row, "error": entry.error or None})
        return found

    def facts(self) -> dict[str, Any]:
        """What belongs beside the rows in a paper."""
        return {**(self.group or {}), "column": self.column, "n": self.n, "dropped": self.dropped}

    def remarks(self) -> list[str]:
        """Sentences that belong beside the rows."""
        return [*dropped_remark(self.dropped), *self.notes]

    def to_frame(self) -> Any:
        """The rows as a DataFrame."""
        import pandas as pd

        return pd.DataFrame(self.rows())

    def __rich__(self) -> Any:
        from mlefit.report.comparisons import comparison_table

        return comparison_table(self)


def compare_sample(
    families: Sequence[Family],
    sample: Sample,
    plan: Plan | None = None,
    options: Options | None = None,
    *,
    column: str = "y",
    groups: Sequence[Mapping[str, Any]] | None = None,
    dropped: Sequence[int] | int = 0,
    refused: Mapping[str, Mapping[int, str]] | None = None,
) -> list[Comparison]:
    """Compare families on every group of a sample.

    Args:
        families: bound and of the sample's columns; all of them censored and truncated alike, or none.
        sample: rows sorted by group.
        plan: how.
        options: how to fit.
        column, groups, dropped: as `fit_sample`.
        refused: by family, the groups it cannot be fitted to and why (values outside its support).
    """
    plan, options = plan or Plan(), options or Options(interval="none")
    drops = [dropped] * sample.groups if isinstance(dropped, int) else list(dropped)
    found: list[dict[str, Entry]] = [{} for _ in range(sample.groups)]
    given, sample = sample, _sorted(families[0], sample) if families else sample
    for family in families:
        why = (refused or {}).get(family.name, {})
        kept = np.array([g for g in range(sample.groups) if g not in why], dtype=np.intp)
        for g, reason in why.items():
            found[g][family.name] = Entry(family.name, None, reason)
        part = sample if kept.size == sample.groups else sample.take(kept)
        try:
            if kept.size:
                names = None if groups is None else [groups[g] for g in kept]
                counts = [drops[g] for g in kept]
                fits = fit_sample(family, part, options, column=column, groups=names, dropped=counts)
                for g, fit in zip(kept.tolist(), fits, strict=True):
                    found[g][family.name] = _entry(fit)
        except (MlefitError, NotImplementedError) as error:
            for g in kept.tolist():
                found[g][family.name] = Entry(family.name, None, str(error))
    order = list(dict.fromkeys(family.name for family in families))
    result = []
    for g in range(sample.groups):
        rows, unsorted = (s if s.groups == 1 else s.take(np.array([g])) for s in (sample, given))
        entries = [found[g][name] for name in order]
        group = None if groups is None else groups[g]
        result.append(_compared(entries, rows, unsorted, plan, options, column, group, drops[g]))
    return result


def _sorted(family: Family, sample: Sample) -> Sample:
    """The rows in the order of their values or kinds, by which every family would sort them anew."""
    if sample.y.ndim > 1:
        kinds = family.kinds(sample.y)
        return sample if kinds is None else sample.arranged(kinds)
    order = np.argsort(sample.y, kind="stable") if sample.groups == 1 else np.lexsort((sample.y, sample.codes))
    return Sample(sample.y[order], None if sample.weight is None else sample.weight[order], sample.offsets)


def _entry(fit: Fit) -> Entry:
    doubt = fit.family.doubts(fit.eta[:, None])[0]
    if fit.converged and np.isfinite(fit.log_likelihood) and not doubt:
        return Entry(fit.family.name, fit)
    return Entry(fit.family.name, None, doubt or fit.certificate.problem or "no maximum of the likelihood was found")


def _compared(
    entries: list[Entry],
    rows: Sample,
    unsorted: Sample,
    plan: Plan,
    options: Options,
    column: str,
    group: Mapping[str, Any] | None,
    dropped: int,
) -> Comparison:
    fitted = [entry for entry in entries if entry.fit is not None]
    if fitted:
        aic = np.array([entry.fit.aic for entry in fitted if entry.fit is not None])
        delta = aic - aic.min()
        weight = np.exp(-delta / 2) / np.exp(-delta / 2).sum()
        fitted = [replace(e, delta=float(d), weight=float(w)) for e, d, w in zip(fitted, delta, weight, strict=True)]
    judged = []
    incomplete = any(entry.fit and (entry.fit.family.censored or entry.fit.family.truncated) for entry in fitted)
    replicates = plan.samples(rows.n, incomplete) if options.weight_kind == "frequency" else 0
    for entry in steps(fitted, "goodness of fit", len(fitted), "families"):
        assert entry.fit is not None
        # A generator of its own for each family: its p-values do not depend on what else is compared.
        generator = np.random.default_rng(plan.seed)
        found = goodness(entry.fit, rows, replicates, generator)
        parted = plan.folds and (group is None or rows.n >= plan.folds)
        held = held_out(entry.fit, unsorted, plan.folds, plan.seed) if parted else float("nan")
        judged.append(replace(entry, goodness=found, held_out=held))
    judged.sort(key=lambda entry: (entry.criterion(plan.rank), entry.family))
    notes = []
    kinds = {entry.fit.family.discrete for entry in judged if entry.fit is not None}
    if len(kinds) == 2:
        notes.append(
            "probabilities of counts and densities of measurements stand side by side: their likelihoods compare only "
            "if the values are rounded to whole numbers (--dist discrete or --dist continuous keeps them apart)"
        )
    lumped = {entry.fit.family.lumped for entry in judged if entry.fit is not None}
    if len(lumped) == 2 and kinds == {False}:
        notes.append(
            "a probability at zero and densities at zero stand side by side: likelihoods with a mass at zero compare "
            "only with each other where there are zeros"
        )
    reasons: dict[str, list[str]] = {}
    lacking: dict[str, list[str]] = {}
    for entry in judged:
        if entry.goodness and entry.goodness.lacking:
            kind = lacking if entry.goodness.statistics else reasons
            kind.setdefault(entry.goodness.lacking, []).append(entry.family)
    for reason, names in reasons.items():
        whose = f" of {', '.join(names)}" if len(names) < len(judged) else ""
        notes.append(f"no goodness of fit{whose}: {reason}")
    notes += [f"no p-values of the goodness of fit of {', '.join(names)}: {why}" for why, names in lacking.items()]
    if group is not None and rows.n < plan.folds:
        notes.append(f"no held-out NLL: {rows.n} rows cannot be parted into {plan.folds} folds")
    some = any(entry.goodness and entry.goodness.statistics for entry in judged)
    if some and plan.replicates is None and not replicates and options.weight_kind == "frequency":
        notes.append(f"no p-values of the goodness of fit for {rows.n} rows; --replicates 99 computes them")
    failed = [entry for entry in entries if entry.fit is None]
    fits = [entry.fit for entry in judged if entry.fit is not None]
    tests = pairwise_tests(fits, rows)
    without: dict[str, list[str]] = {}
    for pair in [(a.family.name, b.family.name) for one in fits[1:] for a, b in ((fits[0], one), (one, fits[0]))]:
        if why := untested(*pair):
            without.setdefault(why, []).append(" in ".join(pair))
    notes += [f"no likelihood-ratio test of {', '.join(pairs)}: {why}" for why, pairs in without.items()]
    every = (*judged, *failed)
    hidden = [fit.censored for fit in fits if fit.censored is not None]
    return Comparison(column, group, rows.n, dropped, every, tests, plan.rank, tuple(notes), max(hidden, default=None))


def held_out(fit: Fit, rows: Sample, folds: int, seed: int) -> float:
    """NLL per unit of weight of each fold under the fit of the others; the folds are groups of one batch.

    Raises:
        DataError: fewer rows than folds.
    """
    if rows.n < folds:
        raise DataError(f"{rows.n} rows cannot be parted into {folds} folds")
    fold = np.random.default_rng(seed).permutation(rows.n) % folds
    group, row = np.nonzero(fold[None, :] != np.arange(folds)[:, None])
    weight = None if rows.weight is None else rows.weight[row]
    offsets = np.concatenate([[0], np.cumsum(np.bincount(group, minlength=folds))]).astype(np.intp)
    family = fit.family
    eta = refit(family, Sample(rows.y[..., row], weight, offsets), fit.eta).theta
    with np.errstate(all="ignore"):
        nll = np.broadcast_to(family.nll(rows.y, np.ascontiguousarray(eta[fold].T)), (rows.n,))
    return float(np.average(nll, weights=rows.weight))


def pairwise_tests(fits: Sequence[Fit], rows: Sample) -> tuple[Test, ...]:
    """Likelihood-ratio tests of every nested pair; Vuong's of the first fit against those it is not nested with."""
    found: list[Test] = []
    for larger in fits:
        for smaller in fits:
            how = nesting(smaller.family.name, larger.family.name)
            if how is None:
                continue
            statistic = max(0.0, 2 * (larger.log_likelihood - smaller.log_likelihood))
            detail = {"df": 1, "boundary": how.boundary, "constraint": how.constraint}
            found.append(
                Test("likelihood-ratio", smaller.family.name, larger.family.name, statistic,
                     p_value(statistic, how.boundary), detail)
            )  # fmt: skip
    if fits:
        best = fits[0]
        base = pointwise(best, rows)
        for other in fits[1:]:
            one, two = best.family.name, other.family.name
            if other.family.discrete != best.family.discrete or contains(one, two) or contains(two, one):
                continue
            found.append(vuong(best, other, base, pointwise(other, rows), rows.weight))
    return tuple(found)


def pointwise(fit: Fit, rows: Sample) -> Array:
    """Log-likelihood of each row, (n,)."""
    with np.errstate(all="ignore"):
        return np.broadcast_to(-fit.family.nll(rows.y, fit.eta[:, None]), (rows.n,))


def vuong(first: Fit, second: Fit, one: Array, two: Array, weight: Array | None) -> Test:
    """Vuong's (1989, theorem 5.1) test of two families that are not nested: z > 0 favours the first.

    `one` and `two` are the log-likelihoods of the rows, (n,). `z_bic` subtracts Schwarz's penalty from the log
    likelihood ratio (ibid., equation 5.9), `p_value_bic` is its p-value.
    """
    z, p = vuong_z(one, two, weight)
    extra = first.parameters_count - second.parameters_count
    shift = extra / 2 * log(first.effective_n)
    corrected, p_corrected = vuong_z(one, two, weight, shift)
    detail = {"z_bic": number(corrected), "p_value_bic": number(p_corrected)}
    return Test("vuong", first.family.name, second.family.name, z, p, detail)


def vuong_z(one: Array, two: Array, weight: Array | None, penalty: float = 0.0) -> tuple[float, float]:
    """Vuong's z and its two-sided p-value; NaN where the rows' log-likelihoods do not differ."""
    gap = one - two
    share = np.ones(gap.size) if weight is None else weight
    total = float(share.sum())
    mean = float(gap @ share) / total
    spread = sqrt(max(0.0, float(((gap - mean) ** 2) @ share) / total))
    if not np.isfinite(spread) or spread <= 1e-9 * max(1.0, abs(float(np.abs(one).max()))):
        return float("nan"), float("nan")
    z = (mean * total - penalty) / (sqrt(total) * spread)
    return z, erfc(abs(z) / sqrt(2))
