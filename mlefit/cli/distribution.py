"""Which distribution to fit: a family by its name or a log density of one's own, parameters held where asked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Final

from mlefit.cli.options import option
from mlefit.cli.texts import names, pairs
from mlefit.errors import UsageError

if TYPE_CHECKING:
    from mlefit.api import Roles
    from mlefit.families.base import Family
    from mlefit.families.density import Density
    from mlefit.reading import Request

OWN: Final = "A density of one's own"
Dist = Annotated[
    str | None,
    option("--dist", "-d", metavar="FAMILY", help="Family, normal unless given; `mlefit families` lists them."),
]
Fix = Annotated[list[str] | None, option("--fix", metavar="NAME=VALUE,...", help="Hold a parameter at a value.")]


@dataclass(frozen=True)
class Written:
    """A log density, written down."""

    density: Annotated[
        str | None,
        option("--density", metavar="EXPRESSION", panel=OWN,
               help="A log density in place of --dist, such as \"log(rate) - rate*y\"."),
    ] = None  # fmt: skip
    parameters: Annotated[
        list[str] | None,
        option("--parameters", metavar="NAME>0,...", panel=OWN,
               help="Its parameters and their domains, such as \"rate>0\" or \"0<p<1\"."),
    ] = None  # fmt: skip
    support: Annotated[
        str | None,
        option("--support", metavar="CONDITION", panel=OWN,
               help="Its values: \"y>0\", \"0<=y<=1\", all, integers, \"integers y>=0\". By default the narrowest "
                    "over which it integrates, or sums, to one."),
    ] = None  # fmt: skip

    def own(self) -> Density | None:
        """The density; None where there is none.

        Raises:
            UsageError: it is no density, or something is said of one that is not there.
        """
        if self.density is None:
            for name, value in (("--parameters", self.parameters), ("--support", self.support)):
                if value:
                    raise UsageError(f"{name} belongs to a --density, and there is none")
            return None
        from mlefit.families.density import Density

        return Density(self.density, names(self.parameters), self.support)

    def instead_of(self, dist: str | None) -> Density | str:
        """The density, else the family of that name, which is normal unless given.

        Raises:
            UsageError: as `own`; both.
        """
        own = self.own()
        if own is not None and dist is not None:
            raise UsageError(f"--density stands in place of --dist {dist}; leave one of them out")
        return own or dist or "normal"

    def none(self, what: str) -> None:
        """Refuse a density where it has no meaning.

        Raises:
            UsageError: there is one.
        """
        if self.density is not None:
            raise UsageError(f"--density has no meaning for {what}, which bring their own")


@dataclass(frozen=True)
class Named:
    """A family's name."""

    dist: Dist = None


@dataclass(frozen=True)
class Distribution(Written, Named):
    """A family as the options describe it."""

    fix: Fix = None

    def of(self, roles: Roles, request: Request) -> tuple[Family, Roles]:
        """The family of what is known of the rows, and the roles with the columns that a density names.

        Raises:
            UsageError: no such family or parameter, no density, one beside a family, or one that names its column while
                --column does too.
        """
        family: Family
        chosen = self.instead_of(self.dist)
        if isinstance(chosen, str):
            from mlefit.families import registry

            family = registry.get(chosen)
        else:
            family, roles = chosen, with_columns(chosen, roles, request)
        held = pairs(self.fix, "--fix")
        return roles.censoring.wrap(family.pin(held) if held else family), roles


def alone(density: Density, roles: Roles, request: Request) -> Roles:
    """The same for a density among other families, which know one column only.

    Raises:
        UsageError: as `with_columns`; it names further columns.
    """
    if len(density.columns) > 1:
        named = " and ".join(repr(name) for name in density.columns)
        raise UsageError(f"the density names the columns {named}, and other families know but one")
    return replace(with_columns(density, roles, request), further=roles.further)


def with_columns(density: Density, roles: Roles, request: Request) -> Roles:
    """The roles with the columns that a density names.

    Raises:
        UsageError: it names the one that is fitted, while --column or --lower does too, or one that the data lack.
    """
    first = density.columns[0]
    if density.columns != ("y",) and request.path != "-":  # which can be read but once
        from mlefit.reading import columns

        density.check(tuple(columns(request)))
    if first != "y":
        if roles.y:
            raise UsageError(f"the density names its column {first!r}; leave --column out, or call it y")
        roles = replace(roles, y=(first,))
    return replace(roles, further=density.columns[1:])
