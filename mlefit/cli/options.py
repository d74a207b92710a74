"""Options that several commands share, each declared once, and the groups they come in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from os.path import isfile
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, get_args

import typer

from mlefit.cli import completion, console
from mlefit.cli.texts import chosen, names
from mlefit.errors import UsageError
from mlefit.report.document import FORMATS

if TYPE_CHECKING:
    from mlefit.api import Roles
    from mlefit.censoring import Censoring
    from mlefit.reading import Request

READING: Final = "Reading"
LIMITS: Final = "Errors, tests and limits"
WRITING: Final = "Writing"
INCOMPLETE: Final = "Censored and truncated rows"


def option(
    *declared: str, help: str, panel: str | None = None, metavar: str | None = None, show: bool = False,
    callback: Callable[..., Any] | None = None, parser: Callable[[str], Any] | None = None,
    complete: Callable[..., Any] | None = None,
) -> Any:  # fmt: skip
    """One typer option. What it takes decides what a shell offers; its default is not shown unless asked for."""
    if complete is None:
        complete = next((offer for kind, offer in completion.OFFERS.items() if kind in (metavar or "")), None)
    return typer.Option(
        *declared, metavar=metavar, help=help, rich_help_panel=panel, show_default=show, callback=callback,
        parser=parser, autocompletion=complete,
    )  # fmt: skip


def choice(*declared: str, of: Sequence[str], show: bool = True, **rest: Any) -> Any:
    """One typer option that takes one of several words, the first name declared being what errors call it.

    Many words stand in the help, where {} is, for they would squeeze it into a corner; few stand before it.
    """

    def one(value: str) -> Any:
        return chosen(value, of, declared[0])

    rest["help"] = rest["help"].format(f"{', '.join(of[:-1])} or {of[-1]}")
    rest.setdefault("metavar", "|".join(of))
    return option(*declared, show=show, parser=one, complete=completion.of(of), **rest)


Data = Annotated[
    str | None,
    typer.Argument(metavar="[DATA]", help="A file, a glob, or - for standard input (the default in a pipe).",
                   show_default=False),
]  # fmt: skip
Model = Annotated[str, typer.Argument(metavar="MODEL", help="A file made by --save.", show_default=False)]
Column = Annotated[
    list[str] | None,
    option("--column", "-c", metavar="COLUMN,...", panel=READING,
           help="What to fit: a column, or SQL such as \"ln(price)\"; not needed where there is one column only."),
]  # fmt: skip
By = Annotated[
    list[str] | None,
    option("--by", metavar="COLUMN,...", panel=READING, help="Fit each group apart, all in one batch."),
]
Weights = Annotated[str | None, option("--weights", metavar="COLUMN", panel=READING, help="Column of row weights.")]
Weighing = Literal["frequency", "importance"]
WeightKind = Annotated[
    Weighing,
    choice("--weight-kind", of=get_args(Weighing), metavar="KIND", panel=READING,
           help="What a weight means: {} (so many equal rows, or one that counts so much)."),
]  # fmt: skip
Trials = Annotated[
    str | None,
    option("--trials", metavar="N|COLUMN", panel=READING,
           help="Number of trials (binomial, beta-binomial): a number or a column."),
]  # fmt: skip
Level = Annotated[
    float, option("--level", metavar="P", panel=LIMITS, show=True, help="Confidence level of the limits.")
]
Plot = Annotated[str | None, option("--plot", metavar="FILE", panel=WRITING, help="Draw to a .png, .svg or .pdf file.")]
Save = Annotated[
    str | None,
    option("--save", metavar="MODEL", panel=WRITING,
           help="Write the model to a file, for predict, evaluate, compare and sample."),
]  # fmt: skip


@dataclass(frozen=True)
class Rows:
    """Which rows of a file, and how its text is read."""

    where: Annotated[
        str | None,
        option("--where", metavar="SQL", panel=READING,
               help="Keep the rows for which this holds, such as \"year > 2000\"."),
    ] = None  # fmt: skip
    no_header: Annotated[
        bool, option("--no-header", panel=READING, help="The first line is data; columns are 1, 2, 3 ...")
    ] = False
    delimiter: Annotated[
        str | None, option("--delimiter", metavar="CHAR", panel=READING, help="Found by itself unless given.")
    ] = None
    encoding: Annotated[
        str, option("--encoding", metavar="NAME", panel=READING, show=True, help="Text encoding, such as latin-1.")
    ] = "utf-8"

    def request(self, data: str | None) -> Request:
        """What to read: standard input where no DATA is given and something is piped in.

        The examples work anywhere: `sample_data/NAME.csv`, where there is no such file, is the one mlefit brings.

        Raises:
            UsageError: no DATA and nothing piped in.
        """
        from mlefit import samples
        from mlefit.reading import Request

        if data is None:
            if not console.piped():
                raise UsageError("no data: name a file, or pipe something in (see --help for an example)")
            data = "-"
        elif (bundled := samples.bundled(data)) is not None:
            console.message(f"there is no {data} here; reading the sample of that name that comes with mlefit")
            data = str(bundled)
        return Request(
            data, where=self.where, no_header=self.no_header, encoding=self.encoding, delimiter=self.delimiter
        )


Unless = Literal["drop", "error"]


@dataclass(frozen=True)
class Reading(Rows):
    """The same where rows that miss a value are of no use."""

    missing: Annotated[
        Unless,
        choice("--missing", of=get_args(Unless), panel=READING,
               help="Missing values (empty, NA, N/A, #N/A, <NA>, NaN, null, \\N or . in any case): drop, or refuse."),
    ] = "drop"  # fmt: skip

    def request(self, data: str | None) -> Request:
        return replace(super().request(data), missing=self.missing)


def named(texts: Sequence[str] | None, request: Request) -> list[str]:
    """Names of columns; one that the data have is that column, commas and all."""
    return names(texts, lambda: request.open().names)


@dataclass(frozen=True)
class Columns:
    """Which columns play which part."""

    column: Column = None
    by: By = None
    weights: Weights = None
    weight_kind: WeightKind = "frequency"
    trials: Trials = None

    def roles(self, request: Request) -> Roles:
        """The same of the columns that these data have."""
        from mlefit.api import Roles

        further = (self.trials,) if self.trials else ()
        return Roles(tuple(named(self.column, request)), tuple(named(self.by, request)), self.weights, further)


@dataclass(frozen=True)
class Incomplete:
    """What is known of rows whose value is not."""

    event: Annotated[
        str | None,
        option("--event", metavar="COLUMN|SQL", panel=INCOMPLETE,
               help="1 observed, 0 right-censored: beyond the value. Other codings as SQL: \"status = 2\"."),
    ] = None  # fmt: skip
    lower: Annotated[
        str | None,
        option("--lower", metavar="COLUMN", panel=INCOMPLETE,
               help="Lower ends of intervals, with --upper; empty is open, equal ends are an exact value."),
    ] = None  # fmt: skip
    upper: Annotated[
        str | None,
        option("--upper", metavar="COLUMN", panel=INCOMPLETE,
               help="Upper ends of intervals. Of counts both ends belong to them."),
    ] = None  # fmt: skip
    truncate_below: Annotated[
        str | None,
        option("--truncate-below", metavar="NUMBER|COLUMN", panel=INCOMPLETE,
               help="Values below this could not be seen (delayed entry); an empty cell is no limit."),
    ] = None  # fmt: skip
    truncate_above: Annotated[
        str | None,
        option("--truncate-above", metavar="NUMBER|COLUMN", panel=INCOMPLETE,
               help="Values above this could not be seen; an empty cell is no limit."),
    ] = None  # fmt: skip

    @property
    def censoring(self) -> Censoring:
        """Everything but the lower ends, which take the place of the response."""
        from mlefit.censoring import Censoring

        return Censoring(self.event, self.upper, self.truncate_below, self.truncate_above)

    def added(self, roles: Roles) -> Roles:
        """The roles of a column with these.

        Raises:
            UsageError: one end of intervals without the other, or ends and a column.
        """
        if (self.lower is None) != (self.upper is None):
            raise UsageError("intervals need both --lower and --upper; empty cells are open ends")
        if self.lower is not None and roles.y:
            raise UsageError("--lower and --upper take the place of --column; leave it out")
        return replace(roles, censoring=self.censoring, y=roles.y if self.lower is None else (self.lower,))


def _load(paths: list[str] | None) -> list[str] | None:
    if paths:
        from mlefit.families import registry

        for path in paths:
            try:
                registry.load_file(path)
            except UsageError as error:
                if not isfile(path):
                    raise
                console.message(str(error))  # it may not be needed; what needs it will say so
    return paths


def _format(value: str) -> str:
    console.settings.format = value
    return value


def _quiet(value: bool) -> bool:
    console.settings.quiet = value
    return value


@dataclass(frozen=True)
class Always:
    """Options of every command; each takes effect as it is read."""

    plugin: Annotated[
        list[str] | None,
        option("--plugin", metavar="FILE.py", panel=READING, callback=_load,
               help="Load families from a Python file (it runs: trust it)."),
    ] = None  # fmt: skip
    format: Annotated[
        str,
        choice(
            "--format",
            "-f",
            of=FORMATS,
            metavar="FORMAT",
            panel=WRITING,
            callback=_format,
            help="How to write the result: {}.",
        ),
    ] = "table"
    quiet: Annotated[bool, option("--quiet", "-q", panel=WRITING, callback=_quiet, help="No messages but errors.")] = (
        False
    )


CSV: Final = Always(format="csv")
