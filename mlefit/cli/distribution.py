"""Which distribution to fit: a family by its name or a log density of one's own, parameters held where asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

from mlefit.cli.options import option
from mlefit.cli.texts import names, pairs

if TYPE_CHECKING:
    from mlefit.api import Roles
    from mlefit.families.base import Family
    from mlefit.inference.fit import Fit


Dist = Annotated[
    str, option("--dist", "-d", metavar="FAMILY", show=True, help="Family; `mlefit families` lists them.")
]
Fix = Annotated[list[str] | None, option("--fix", metavar="NAME=VALUE,...", help="Hold a parameter at a value.")]


@dataclass(frozen=True)
class Distribution:
    """A family as the options describe it."""

    dist: Dist = "normal"
    density: Annotated[
        str | None,
        option("--density", metavar="EXPRESSION",
               help="A log density of your own in place of --dist, such as \"log(rate) - rate*y\"."),
    ] = None  # fmt: skip
    parameters: Annotated[
        list[str] | None,
        option("--parameters", metavar="NAME>0,...",
               help="Its parameters and their domains, such as \"rate>0\" or \"0<p<1\"."),
    ] = None  # fmt: skip
    fix: Fix = None

    def of(self, roles: Roles) -> tuple[Family, Roles]:
        """The family of what is known of the rows, and the roles with the columns that a density names.

        Raises:
            UsageError: no such family or parameter, no density, or one that names its column while --column does too.
        """
        family: Family
        if self.density:
            family, roles = self._written(self.density, roles)
        else:
            from mlefit.families import registry

            family = registry.get(self.dist)
        held = pairs(self.fix, "--fix")
        return roles.censoring.wrap(family.pin(held) if held else family), roles

    def _written(self, density: str, roles: Roles) -> tuple[Family, Roles]:
        from mlefit.errors import UsageError
        from mlefit.families.density import Density

        family = Density(density, names(self.parameters))
        if family.columns[0] != "y":
            if roles.y:
                raise UsageError(
                    f"the density names its column {family.columns[0]!r}; leave --column out, or call it y"
                )
            roles = replace(roles, y=family.columns[:1])
        return family, replace(roles, further=family.columns[1:])

    def notes(self, fits: Sequence[Fit]) -> list[str]:
        """A sentence for each fit of a density that does not integrate to one."""
        if not self.density:
            return []
        from mlefit.families.density import mass
        from mlefit.objective import RowObjective

        said = []
        for fit in fits:
            y = fit.objective.sample.y if isinstance(fit.objective, RowObjective) else None
            total = mass(fit.family, fit.eta, y) if y is not None and y.ndim == 1 else None
            if total is not None and abs(total - 1) > 1e-4:
                said.append(
                    f"the density of {fit.column} integrates to {total:.6g}, not 1: its log-likelihood cannot be "
                    "compared with that of other families"
                )
        return said
