"""`mlefit families`: what can be fitted."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from mlefit.cli import options as o
from mlefit.cli.completion import families
from mlefit.families.base import Family
from mlefit.report.document import Document

HELP = """\
Every family with its parameters, the values it gives probability to, the losses of machine learning that it is, and \
the other names it answers to. Names after the command list those families alone.
"""

EXAMPLES = """\
[bold]Examples[/]\n
mlefit families\n
mlefit families gamma weibull\n
mlefit families --format csv
"""


def command(
    *,
    name: Annotated[
        list[str] | None,
        typer.Argument(metavar="[FAMILY]...", autocompletion=families, help="Only these.", show_default=False),
    ] = None,
    always: o.Always,
) -> Document:
    from mlefit.families import registry

    records = [record(family) for family in ([registry.get(n) for n in name] if name else registry.every())]
    rows = [{key: ", ".join(v) if isinstance(v, list) else v for key, v in r.items()} for r in records]

    def table() -> Any:
        from mlefit.report.catalogue import Catalogue

        return Catalogue(rows)

    return Document(records, rows, table)


def record(family: Family) -> dict[str, Any]:
    """One family as JSON has it."""
    return {
        "family": family.name,
        "parameters": list(family.names),
        "support": "labels" if family.labels else str(family.support),
        "losses": list(family.losses),
        "aliases": list(family.aliases),
        "columns": list(family.columns),
        "summary": family.summary,
    }
