"""Options that several commands share, and how their texts become values."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from mlefit.errors import UsageError
from mlefit.report.document import FORMATS
from mlefit.report.text import harmless

if TYPE_CHECKING:
    from mlefit.api import Progress, Roles
    from mlefit.families.base import Family
    from mlefit.inference.fit import Fit
    from mlefit.inference.surface import Surface
    from mlefit.reading import Request
    from mlefit.report.document import Document


@dataclass
class Settings:
    """How this run of the program speaks: set by the options below, read by `main`."""

    format: str = "table"
    quiet: bool = False


settings: Final = Settings()


def message(text: str, *, always: bool = False) -> None:
    """One line on standard error; -q silences all but errors."""
    if (always or not settings.quiet) and sys.stderr is not None:
        print(f"mlefit: {harmless(text)}", file=sys.stderr)


def progress_wanted() -> bool:
    """Whether standard error is a terminal whose owner has not asked for quiet."""
    return not settings.quiet and sys.stderr is not None and sys.stderr.isatty()


def _format(value: str) -> str:
    if value not in FORMATS:
        from difflib import get_close_matches

        near = get_close_matches(value, FORMATS, 1)
        hint = f"did you mean {near[0]}?" if near else f"choose one of {', '.join(FORMATS)}"
        raise UsageError(f"there is no format called {value!r}; {hint}")
    settings.format = value
    return value


def _quiet(value: bool) -> bool:
    settings.quiet = value
    return value


def pairs(texts: Sequence[str], option: str) -> dict[str, float]:
    """`name=number` texts, also several in one separated by commas.

    Raises:
        UsageError: not of that form.
    """
    found: dict[str, float] = {}
    for text in (part for item in texts for part in split(item)):
        name, equals, value = text.rpartition("=")
        try:
            found[name.strip()] = float(value)
        except ValueError:
            equals = ""
        if not equals or not name.strip():
            raise UsageError(f"{option} takes name=number, such as {option} sigma=1; {text!r} is not that")
    return found


def split(text: str) -> list[str]:
    """Comma-separated names, not split inside brackets, parentheses or quotes."""
    parts, depth, quote, current = [], 0, "", ""
    for c in text:
        if quote:
            quote = "" if c == quote else quote
        elif c in "'\"":
            quote = c
        elif c in "([":
            depth += 1
        elif c in ")]":
            depth -= 1
        if c == "," and depth == 0 and not quote:
            parts.append(current.strip())
            current = ""
        else:
            current += c
    return [part for part in [*parts, current.strip()] if part]


def names(texts: Sequence[str] | None) -> list[str]:
    """Names given as repeated options, comma-separated lists, or both."""
    return [part for item in texts or () for part in split(item)]


INPUT: Final = "Reading"
OUTPUT: Final = "Writing"

Data = Annotated[
    str | None,
    typer.Argument(metavar="[DATA]", help="A file, a glob, or - for standard input (the default in a pipe).",
                   show_default=False),
]  # fmt: skip
Columns = Annotated[
    list[str] | None,
    typer.Option("--column", "-c", metavar="NAME", show_default=False, rich_help_panel=INPUT,
                 help="Column or SQL expression such as \"ln(price)\"; not needed for a file of one column."),
]  # fmt: skip
Where = Annotated[
    str | None,
    typer.Option(metavar="SQL", rich_help_panel=INPUT, show_default=False,
                 help="Keep the rows for which this holds, such as \"year > 2000\"."),
]  # fmt: skip
Weights = Annotated[
    str | None,
    typer.Option(metavar="COLUMN", rich_help_panel=INPUT, show_default=False, help="Column of row weights."),
]  # fmt: skip
By = Annotated[
    list[str] | None,
    typer.Option("--by", metavar="COLUMN[,COLUMN]", rich_help_panel=INPUT, show_default=False,
                 help="Fit each group apart, all in one batch."),
]  # fmt: skip
Trials = Annotated[
    str | None,
    typer.Option(metavar="N|COLUMN", rich_help_panel=INPUT, show_default=False,
                 help="Number of trials (binomial, beta-binomial): a number or a column."),
]  # fmt: skip
NoHeader = Annotated[
    bool, typer.Option("--no-header", rich_help_panel=INPUT, help="The first line is data; columns are 1, 2, 3 ...")
]
Delimiter = Annotated[
    str | None,
    typer.Option(metavar="CHAR", rich_help_panel=INPUT, show_default=False, help="Found by itself unless given."),
]  # fmt: skip
Encoding = Annotated[str, typer.Option(metavar="NAME", rich_help_panel=INPUT, help="Text encoding, such as latin-1.")]
Missing = Annotated[
    str,
    typer.Option(metavar="drop|error", rich_help_panel=INPUT,
                 help="Missing values (empty, NA, NaN, null): drop and count, or refuse."),
]  # fmt: skip
Plugin = Annotated[
    list[str] | None,
    typer.Option(metavar="FILE.py", rich_help_panel=INPUT, show_default=False,
                 help="Load families from a Python file (it runs: trust it)."),
]  # fmt: skip
Format = Annotated[
    str,
    typer.Option("--format", "-f", callback=_format, rich_help_panel=OUTPUT, metavar="|".join(FORMATS),
                 help="How to write the result."),
]  # fmt: skip
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", callback=_quiet, rich_help_panel=OUTPUT, help="No messages but errors.")
]
Plot = Annotated[
    str | None,
    typer.Option(metavar="FILE", rich_help_panel=OUTPUT, show_default=False, help="Draw to a .png, .svg or .pdf file."),
]  # fmt: skip
Level = Annotated[float, typer.Option(metavar="P", help="Confidence level of the limits.")]


def chosen(value: str, choices: Sequence[str], option: str) -> Any:
    """`value` if it is one of `choices`.

    Raises:
        UsageError: it is not; the nearest is suggested.
    """
    if value in choices:
        return value
    from difflib import get_close_matches

    near = get_close_matches(value, choices, 1)
    hint = f"did you mean {near[0]}?" if near else f"choose one of {', '.join(choices)}"
    raise UsageError(f"{option} {value!r} is not known; {hint}")


SHAPE: Final = "Censored and truncated rows"
Event = Annotated[
    str | None,
    typer.Option(metavar="COLUMN|SQL", rich_help_panel=SHAPE, show_default=False,
                 help="1 observed, 0 right-censored: beyond the value. Other codings as SQL: \"status = 2\"."),
]  # fmt: skip
Lower = Annotated[
    str | None,
    typer.Option(metavar="COLUMN", rich_help_panel=SHAPE, show_default=False,
                 help="Lower ends of intervals, with --upper; empty is open, equal ends are an exact value."),
]  # fmt: skip
Upper = Annotated[
    str | None,
    typer.Option(metavar="COLUMN", rich_help_panel=SHAPE, show_default=False, help="Upper ends of intervals."),
]  # fmt: skip
Below = Annotated[
    str | None,
    typer.Option("--truncate-below", metavar="NUMBER|COLUMN", rich_help_panel=SHAPE, show_default=False,
                 help="Values below this could not be seen (delayed entry)."),
]  # fmt: skip
Above = Annotated[
    str | None,
    typer.Option("--truncate-above", metavar="NUMBER|COLUMN", rich_help_panel=SHAPE, show_default=False,
                 help="Values above this could not be seen."),
]  # fmt: skip
DensityOf = Annotated[
    str | None,
    typer.Option("--density", metavar="EXPRESSION", show_default=False,
                 help="A log density of your own in place of --dist, such as \"log(rate) - rate*y\"."),
]  # fmt: skip
ParametersOf = Annotated[
    list[str] | None,
    typer.Option("--parameters", metavar="NAME>0,...", show_default=False,
                 help="Its parameters and their domains, such as \"rate>0\" or \"0<p<1\"."),
]  # fmt: skip
Dist = Annotated[str, typer.Option("--dist", "-d", metavar="NAME", help="Family; `mlefit families` lists them.")]
Fix = Annotated[
    list[str] | None,
    typer.Option("--fix", metavar="NAME=VALUE", show_default=False, help="Hold a parameter at a value."),
]


def source(
    data: str | None,
    where: str | None,
    no_header: bool,
    delimiter: str | None,
    encoding: str,
    missing: str,
) -> Request:
    """What to read: standard input where no DATA is given and something is piped in.

    Raises:
        UsageError: no DATA and nothing piped in.
    """
    from mlefit.reading import Request

    if data is None:
        if not piped():
            raise UsageError("no data: name a file, or pipe something in (see --help for an example)")
        data = "-"
    return Request(
        data, where=where, no_header=no_header, encoding=encoding, delimiter=delimiter,
        missing=chosen(missing, ("drop", "error"), "--missing"),
    )  # fmt: skip


def piped() -> bool:
    """Whether standard input is a file or a pipe rather than a terminal or nothing."""
    try:
        return sys.stdin is not None and not sys.stdin.isatty()
    except ValueError:  # closed
        return False


def roles(column: Sequence[str] | None, by: Sequence[str] | None, weights: str | None, trials: str | None) -> Roles:
    """Which columns play which part."""
    from mlefit.api import Roles

    return Roles(tuple(names(column)), tuple(names(by)), weights, (trials,) if trials else ())


def censored(
    roles: Roles, event: str | None, lower: str | None, upper: str | None, below: str | None, above: str | None
) -> Roles:
    """The roles with what is known of the rows besides their values.

    Raises:
        UsageError: one end of intervals without the other, or ends and a column.
    """
    from dataclasses import replace

    from mlefit.censoring import Censoring

    if (lower is None) != (upper is None):
        raise UsageError("intervals need both --lower and --upper; empty cells are open ends")
    if lower is not None and roles.y:
        raise UsageError("--lower and --upper take the place of --column; leave it out")
    found = replace(roles, censoring=Censoring(event, upper, below, above))
    return found if lower is None else replace(found, y=(lower,))


def density(expression: str, parameters: Sequence[str] | None, fix: Sequence[str] | None, roles: Roles) -> Any:
    """The family of a log density, parameters held where asked, and the roles with the columns it names.

    Raises:
        UsageError: it is no density, or it names its column while --column does too.
    """
    from dataclasses import replace

    from mlefit.families.density import Density

    family = Density(expression, names(parameters))
    if family.columns[0] != "y":
        if roles.y:
            raise UsageError(f"the density names its column {family.columns[0]!r}; leave --column out, or call it y")
        roles = replace(roles, y=family.columns[:1])
    held = pairs(fix or (), "--fix")
    return (family.pin(held) if held else family), replace(roles, further=family.columns[1:])


def unnormalised(fits: Sequence[Fit]) -> list[str]:
    """A sentence for each fitted density that does not integrate to one."""
    from mlefit.families.density import mass
    from mlefit.objective import RowObjective

    said = []
    for fit in fits:
        y = fit.objective.sample.y if isinstance(fit.objective, RowObjective) else None
        total = mass(fit.family, fit.eta, y) if y is not None and y.ndim == 1 else None
        if total is not None and abs(total - 1) > 1e-4:
            said.append(
                f"the density of {fit.column} integrates to {total:.6g}, not 1: its log-likelihood cannot be compared "
                "with that of other families"
            )
    return said


def plugins(paths: Sequence[str] | None) -> None:
    """Load the families of plugin files."""
    from mlefit.families import registry

    for path in paths or ():
        registry.load_file(path)


def family(dist: str, plugins: Sequence[str] | None, fix: Sequence[str] | None = None) -> Family:
    """The family by name, after the plugin files are loaded, with parameters held."""
    from mlefit.families import registry

    for path in plugins or ():
        registry.load_file(path)
    found = registry.get(dist)
    held = pairs(fix or (), "--fix")
    return found.pin(held) if held else found


def fits_document(fits: Sequence[Fit], *, many: bool = False) -> Document:
    """Fits as a document: one object, or an array with --by or several columns; status 3 if one has no maximum."""
    from mlefit.report.document import Document

    def table() -> Any:
        from mlefit.report.tables import fits_table

        return fits_table(fits)

    records = [fit.to_dict() for fit in fits]
    return Document(
        records if many or len(fits) > 1 else records[0],
        [row for fit in fits for row in fit.rows()],
        table,
        status=0 if all(fit.converged for fit in fits) else 3,
    )


def surface_document(surface: Surface) -> Any:
    """A likelihood curve, surface or set of points as a document; status 3 if its maximum is not to be trusted."""
    from mlefit.inference.fit import number
    from mlefit.report.document import Document

    def table() -> Any:
        from mlefit.report.surfaces import surface_table

        return surface_table(surface)

    fit, rows = surface.fit, surface.rows()
    record = {
        "family": fit.family.name,
        "column": fit.column,
        "n": fit.n,
        "dropped": fit.dropped,
        "maximum": {
            "parameters": {name: number(value) for name, value in fit.estimates.items()},
            "log_likelihood": number(fit.log_likelihood),
        },
        "profile": surface.profile,
        "points": rows,
    }
    return Document(record, rows, table, () if fit.converged else fit.warnings, 0 if fit.converged else 3)


def progress() -> Progress | None:
    """A bar on standard error while a long source is read, where standard error is a terminal."""
    if not progress_wanted():
        return None
    from mlefit.report.progress import reading_bar

    return reading_bar
