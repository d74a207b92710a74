"""What a saved regression keeps: formulas, coefficients and links, enough to score new rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from mlefit.families import registry
from mlefit.families.base import Family
from mlefit.families.reparameterised import linear, modelled, native
from mlefit.inference.container import Arrays
from mlefit.inference.encoding import Codes, Columns, unseen
from mlefit.inference.formula import Encoded
from mlefit.inference.model import Scored

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LinearScorer:
    """Linear predictors of the modelled scores, given as native scores of the family at the root.

    Attributes:
        family: as modelled; its rows plain (neither censored nor truncated).
        encoded: what builds each score's columns; None for a constant.
        coefficients: of each score, (p_j,).
        main: which score offset and exposure add to.
        offset, exposure: columns, or "".
        recipe: how `family` was made, as JSON.
    """

    family: Family
    encoded: tuple[Encoded | None, ...] = ()
    coefficients: tuple[Array, ...] = ()
    main: tuple[int, ...] = ()
    offset: str = ""
    exposure: str = ""
    recipe: Mapping[str, Any] | None = None
    kind: ClassVar[str] = "linear"

    @staticmethod
    def bare(family: Family) -> LinearScorer:
        """For designs that were given as arrays: it cannot score new rows."""
        return LinearScorer(family)

    def fitted(self, coefficients: Sequence[Array]) -> LinearScorer:
        """With coefficients."""
        return replace(self, coefficients=tuple(coefficients))

    @property
    def features(self) -> tuple[str, ...]:
        """The columns it reads."""
        names: dict[str, None] = {}
        for encoded in self.encoded:
            names |= dict.fromkeys(encoded.terms.names if encoded else ())
        return tuple(names | dict.fromkeys(name for name in (self.offset, self.exposure) if name))

    @property
    def labelled(self) -> tuple[str, ...]:
        """Those of them that are read as labels."""
        return tuple({name: None for encoded in self.encoded if encoded for name in encoded.levels})

    @property
    def parameters_count(self) -> int:
        return sum(c.size for c in self.coefficients)

    def scores(self, columns: Columns, n: int) -> Scored:
        """Columns of length n to native scores.

        Raises:
            DataError: a column is of another kind than in fitting.
        """
        zeta = np.empty((len(self.coefficients), n))
        missing, strange = np.zeros(n, dtype=bool), np.zeros(n, dtype=bool)
        undefined: dict[str, int] = {}
        built: dict[int, Array] = {}
        for j, (encoded, beta) in enumerate(zip(self.encoded, self.coefficients, strict=True)):
            if encoded is None:
                zeta[j] = beta[0]
                continue
            if id(encoded) not in built:
                found = encoded.matrix(columns, n)
                built[id(encoded)] = found.x
                missing |= found.missing
                strange |= found.strange
                undefined |= found.undefined
            x = built[id(encoded)]
            chosen = (
                [i for i, name in enumerate(encoded.columns) if name != "Intercept"] if self.dropped(j) else slice(None)
            )
            zeta[j] = x[:, chosen] @ beta
        known = self._known(columns, n)
        zeta[list(self.main)] += known
        missing |= np.isnan(known)
        empty = missing | ~np.isfinite(zeta).all(axis=0)
        with np.errstate(all="ignore"):
            eta = native(self.family, np.where(empty, 0.0, zeta))
        levels = {name: levels for encoded in self.encoded if encoded for name, levels in encoded.levels.items()}
        return Scored(eta, empty, unseen(columns, levels, ~missing), undefined, int((strange & ~missing).sum()))

    def constants(self, eta: Array, columns: Columns, n: int) -> Array:
        """Native scores (k, n) of a model of constants (k,), whose rows have the same offset and exposure."""
        with np.errstate(all="ignore"):
            zeta = np.repeat(linear(self.family, eta[:, None]), n, axis=1)
            zeta[list(self.main)] += self._known(columns, n)
            return native(self.family, zeta)

    def _known(self, columns: Columns, n: int) -> Array:
        """Offset and exposure as they are added, (n,)."""
        total = np.zeros(n)
        for name in (self.offset, self.exposure):
            if name:
                column = columns[name]
                values = np.full(n, np.nan) if isinstance(column, Codes) else np.asarray(column, dtype=float)
                with np.errstate(all="ignore"):
                    total += np.log(values) if name == self.exposure else values
        return total

    def dropped(self, j: int) -> bool:
        """Whether the intercept of a score was left out, since the cuts of ordered labels stand for it."""
        return j == 0 and self.family.name.startswith("ordinal")

    def record(self) -> dict[str, Any]:
        distinct = list({id(e): e for e in self.encoded if e is not None}.values())
        places = [None if e is None else next(i for i, d in enumerate(distinct) if d is e) for e in self.encoded]
        return {
            **(self.recipe or {}),
            "main": list(self.main),
            "offset": self.offset,
            "exposure": self.exposure,
            "formulas": [e.to_dict() for e in distinct],
            "places": places,
        }

    def arrays(self) -> dict[str, NDArray[np.floating[Any]]]:
        return {f"coefficients{j}": values for j, values in enumerate(self.coefficients)}

    @staticmethod
    def load(record: Mapping[str, Any], arrays: Arrays) -> LinearScorer:
        family = registry.get(str(record["family"]))
        if family.labels:
            family = family.bind([str(level) for level in record["levels"]])
        family = modelled(family, {str(k): str(v) for k, v in record["links"].items()})
        if record["fixed"]:
            family = family.pin({str(k): float(v) for k, v in record["fixed"].items()})
        distinct = [Encoded.from_dict(r) for r in record["formulas"]]
        encoded = tuple(None if place is None else distinct[int(place)] for place in record["places"])
        coefficients = tuple(np.asarray(arrays[f"coefficients{j}"], dtype=float) for j in range(len(encoded)))
        if family.size != len(encoded):
            raise ValueError("sizes disagree")
        recipe = {name: record[name] for name in ("family", "levels", "links", "fixed")}
        return LinearScorer(
            family, encoded, coefficients, tuple(int(v) for v in record["main"]), str(record["offset"]),
            str(record["exposure"]), recipe,
        )  # fmt: skip
