"""`mlefit sample`: random numbers from a family or a saved model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from mlefit.cli import options as o
from mlefit.cli.console import message, output
from mlefit.cli.distribution import Written
from mlefit.cli.texts import pairs
from mlefit.errors import UsageError

HELP = """\
Draws from a family at the parameters given, or one value a row from the distribution that a saved model gives the
rows of DATA. Same seed, same numbers; any number of rows is streamed.
"""

EXAMPLES = """\
[bold]Examples[/]\n
mlefit sample --dist gamma --params shape=2,rate=1 -n 1000 --seed 1\n
mlefit sample --dist binomial --params p=0.3 --trials 10 -n 5\n
mlefit sample --density "log(rate) - rate*y" --parameters "rate>0" --params rate=2 -n 5\n
mlefit sample --dist weibull --params shape=2,scale=80 -n 1000 | mlefit estimate --dist weibull\n
mlefit train sample_data/diabetes.csv --loss mse --target progression --save diabetes.mle\n
mlefit sample diabetes.mle sample_data/diabetes.csv --seed 1
"""


def command(
    *,
    model: Annotated[
        str | None, typer.Argument(metavar="[MODEL]", help="A file made by --save.", show_default=False)
    ] = None,
    data: o.Data = None,
    dist: Annotated[
        str | None, o.option("--dist", "-d", metavar="FAMILY", help="In place of MODEL; `mlefit families` lists them.")
    ] = None,
    written: Written,
    params: Annotated[
        list[str] | None, o.option("--params", "-p", metavar="NAME=VALUE,...", help="All its parameters.")
    ] = None,
    n: Annotated[int, o.option("-n", metavar="N", show=True, help="Draws from a family or a constant model.")] = 1,
    trials: Annotated[float | None, o.option("--trials", metavar="N", help="Number of trials (binomial ...).")] = None,
    seed: Annotated[int | None, o.option("--seed", metavar="N", help="New numbers each time without.")] = None,
    rows: o.Rows,
    always: o.Always = o.CSV,
) -> int:
    import secrets

    from mlefit.report.streams import write_chunks
    from mlefit.sampling import at, constant_scores, draws, draws_of

    family_wanted = dist or written.own()
    if (model is None) == (family_wanted is None) or (dist and written.density):
        raise UsageError("name a family with --dist or --density and --params, or a saved MODEL, one of them")
    chosen = secrets.randbits(32) if seed is None else seed
    if chosen < 0:
        raise UsageError(f"a seed is 0 or more; {chosen} is not")
    if family_wanted is not None:
        family, eta = at(family_wanted, pairs(params, "--params"))
        chunks = draws(family, eta, n, chosen, trials)
    else:
        from mlefit.inference.model import load
        from mlefit.predicting import checked

        found = load(model or "")
        if params:
            raise UsageError("--params is for --dist; a saved model brings its own")
        if data is None and not found.features:
            chunks = draws(found.family, constant_scores(found), n, chosen, trials, name=found.target.name)
        else:
            request = checked(found, rows.request(data))
            chunks = draws_of(found, request, chosen)
    write_chunks(_counted(chunks), always.format, output())
    return 0


def _counted(chunks: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The same; then says how many draws are infinite, as of a hazard that dies out, and so have no number."""
    import numpy as np

    lost = 0
    for chunk in chunks:
        lost += sum(int(np.isinf(v).sum()) for v in chunk.values() if v.dtype.kind == "f")
        yield chunk
    if lost:
        message(f"{lost} draw{'s are' if lost > 1 else ' is'} infinite, where part of the probability lies: left empty")
