"""`mlefit compare`: which family, or which saved model, fits best."""

from __future__ import annotations

from typing import Annotated

import typer

from mlefit.cli import options as o
from mlefit.report.document import Document

HELP = """\
Fits every family to the same rows and ranks them, with Akaike weights, goodness of fit whose p-values take into
account that parameters were estimated, likelihood-ratio tests of nested families and Vuong's test of the others. A
family that has no maximum keeps its line and says why. [bold]--dist all[/] takes every family whose support holds the
data.

Given saved models (made by --save) before DATA, compares those by their NLL on its rows instead.
"""

EXAMPLES = """\
[bold]Examples[/]\n
mlefit compare sample_data/groundbeef.csv --dist gamma,weibull,lognormal\n
mlefit compare sample_data/groundbeef.csv --dist continuous --rank bic --plot groundbeef.png\n
mlefit compare sample_data/old_faithful.csv --column waiting --dist all --folds 5 --seed 1\n
mlefit regress sample_data/diabetes.csv "progression ~ bmi + bp" --save line.mle\n
mlefit train sample_data/diabetes.csv --loss mse --target progression --save network.mle\n
mlefit compare line.mle network.mle sample_data/diabetes.csv
"""


def command(
    data: Annotated[
        list[str] | None,
        typer.Argument(metavar="[MODEL]... [DATA]", help="Saved models, if any; then a file, a glob, or -.",
                       show_default=False),
    ] = None,
    dist: Annotated[
        list[str] | None,
        typer.Option("--dist", "-d", metavar="A,B|all|continuous|discrete", help="Families.", show_default="all"),
    ] = None,
    column: o.Columns = None,
    by: o.By = None,
    weights: o.Weights = None,
    weight_kind: Annotated[
        str, typer.Option(metavar="frequency|importance", help="What a weight means, as in `mlefit estimate`.")
    ] = "frequency",
    trials: o.Trials = None,
    rank: Annotated[
        str | None,
        typer.Option(metavar="aic|aicc|bic|nll|held-out", help="Order of the table; AIC, or held-out NLL with --folds.",
                     show_default=False),
    ] = None,
    folds: Annotated[int, typer.Option(metavar="K", help="Cross-validate in so many folds; 0: not.")] = 0,
    replicates: Annotated[
        int | None,
        typer.Option(metavar="N", show_default=False,
                     help="Bootstrap samples behind the p-values of fit; 0: none. By default 99, fewer for long data."),
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Of folds and bootstrap.")] = 0,
    where: o.Where = None,
    no_header: o.NoHeader = False,
    delimiter: o.Delimiter = None,
    encoding: o.Encoding = "utf-8",
    missing: o.Missing = "drop",
    plugin: o.Plugin = None,
    plot: o.Plot = None,
    format: o.Format = "table",
    quiet: o.Quiet = False,
) -> Document:
    from mlefit.cli import comparing as c

    models, path = c.parted(data or ())
    request = o.source(path, where, no_header, delimiter, encoding, missing)
    o.plugins(plugin)
    if models:
        c.only_families(dist, column, by, rank, folds, plot)
        return c.models_document(models, request, weights)
    from mlefit.comparing import with_rows
    from mlefit.inference.compare import RANKS, Plan, Rank
    from mlefit.inference.fit import Options

    order: Rank = o.chosen(rank or ("held-out" if folds else "aic"), RANKS, "--rank")
    plan = Plan(order, folds, replicates, seed)
    kind = o.chosen(weight_kind, ("frequency", "importance"), "--weight-kind")
    roles = o.roles(column, by, weights, trials)
    found = with_rows(o.names(dist) or ["all"], request, roles, plan, Options(interval="none", weight_kind=kind))
    if plot:
        from mlefit.report.comparison_plots import comparison_plot

        comparison_plot(found, plot)
    return c.families_document([pair[0] for pair in found], many=bool(by) or len(roles.y) > 1)
