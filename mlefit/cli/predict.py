"""`mlefit predict`: a saved model's distribution for every row, in bounded memory."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from mlefit.cli import options as o

HELP = """\
Keeps the input's columns and appends the parameters of each row's distribution by name ([bold]p[/], [bold]mu[/],
[bold]sigma[/], [bold]p\\[setosa][/] ...), and the most probable class or the mean. Further columns of the input do no
harm; rows that miss a feature keep their place with empty predictions. Any number of rows is streamed.
"""

EXAMPLES = """\
[bold]Examples[/]\n
mlefit train --loss cross-entropy --save iris.mle\n
mlefit predict iris.mle sample_data/iris.csv\n
mlefit predict iris.mle sample_data/iris.csv --only --format ndjson\n
cat sample_data/iris.csv | mlefit predict iris.mle
"""

Model = Annotated[str, typer.Argument(metavar="MODEL", help="A file made by --save.", show_default=False)]


def command(
    model: Model,
    data: o.Data = None,
    only: Annotated[
        bool, typer.Option("--only", rich_help_panel=o.OUTPUT, help="Predictions alone, without the input's columns.")
    ] = False,
    quantile: Annotated[
        list[str] | None,
        typer.Option(metavar="P,P", show_default=False, help="Quantiles to append, such as 0.05,0.95."),
    ] = None,
    interval: Annotated[
        float | None,
        typer.Option(metavar="P", show_default=False, help="Ends of the central interval of this probability."),
    ] = None,
    where: o.Where = None,
    no_header: o.NoHeader = False,
    delimiter: o.Delimiter = None,
    encoding: o.Encoding = "utf-8",
    plugin: o.Plugin = None,
    format: o.Format = "csv",
    quiet: o.Quiet = False,
) -> int:
    from mlefit.cli.predicting import Tally, levels
    from mlefit.inference.model import load
    from mlefit.modelling import checked, predictions
    from mlefit.report.streams import write_chunks

    o.plugins(plugin)
    found = load(model)
    request = checked(found, o.source(data, where, no_header, delimiter, encoding, "drop"))
    tally = Tally()
    chunks = predictions(found, request, quantiles=levels(quantile), interval=interval, keep=not only, unseen=tally)
    write_chunks(chunks, format, sys.stdout)
    tally.say()
    return 0
