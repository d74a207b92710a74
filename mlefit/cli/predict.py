"""`mlefit predict`: a saved model's distribution for every row, in bounded memory."""

from __future__ import annotations

from typing import Annotated

from mlefit.cli import options as o
from mlefit.cli.console import output

HELP = """\
Keeps the input's columns and appends the parameters of each row's distribution by name ([bold]p[/], [bold]mu[/],
[bold]sigma[/], [bold]p\\[setosa][/] ...), and the most probable class or the mean. Further columns of the input do no
harm; rows that miss a feature, or have a value that the model knows nothing of, keep their place with empty
predictions. Any number of rows is streamed.
"""

EXAMPLES = """\
[bold]Examples[/]\n
mlefit train --loss cross-entropy --save iris.mle\n
mlefit predict iris.mle sample_data/iris.csv\n
mlefit predict iris.mle sample_data/iris.csv --only --format ndjson\n
mlefit regress sample_data/cars.csv "dist ~ speed" --save cars.mle\n
mlefit predict cars.mle sample_data/cars.csv --interval 0.9\n
mlefit sample iris.mle sample_data/iris.csv --seed 1 | mlefit predict iris.mle
"""


def command(
    *,
    model: o.Model,
    data: o.Data = None,
    quantile: Annotated[
        list[str] | None, o.option("--quantile", metavar="P,...", help="Quantiles to append, such as 0.05,0.95.")
    ] = None,
    interval: Annotated[
        float | None,
        o.option("--interval", metavar="P", help="Ends of the central interval of this probability."),
    ] = None,
    rows: o.Rows,
    only: Annotated[
        bool, o.option("--only", panel=o.WRITING, help="Predictions alone, without the input's columns.")
    ] = False,
    always: o.Always = o.CSV,
) -> int:
    from mlefit.cli.predicting import Tally
    from mlefit.cli.texts import probabilities
    from mlefit.inference.model import load
    from mlefit.predicting import checked, predictions
    from mlefit.report.streams import write_chunks

    found = load(model)
    request = checked(found, rows.request(data))
    tally, levels = Tally(), probabilities(quantile, "0.05,0.95")
    chunks = predictions(found, request, quantiles=levels, interval=interval, keep=not only, told=tally)
    write_chunks(chunks, always.format, output())
    tally.say()
    return 0
