"""`mlefit compare`: which family, or which saved model, fits best."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, get_args

import typer

from mlefit.cli import options as o
from mlefit.cli.distribution import Written, alone
from mlefit.cli.texts import names
from mlefit.report.document import Document

if TYPE_CHECKING:
    from mlefit.families.base import Family

HELP = """\
Fits every family to the same rows and ranks them, with differences and weights of AIC (of AICc or BIC where --rank says
so), goodness of fit whose p-values take into account that parameters were estimated, likelihood-ratio tests of nested
families (where the ratio has a known distribution: not between mixtures of fewer and more components) and Vuong's test
of the others. A family that has no maximum keeps its line and says why. [bold]--dist all[/] takes every family whose
support holds the data; [bold]--density[/] adds one of your own.

Censored and truncated rows compare by the same likelihoods. Their goodness of fit is that of the Kaplan-Meier estimate
where values are censored on one side only, and of Turnbull's where they are known between two ends; new rows behind its
p-values keep the censoring times and limits of the old, and are taken to have been looked at whatever their values.
Censored counts are shared out among the cells of chi-squared as the fit says. With --trials it is Pearson's. With --by
all groups of a family are fitted as one batch, then ranked, judged and tested each apart.

[bold]--format csv[/] has one row a family, its parameters in one cell (name=value name=value); `mlefit estimate` has
them one a row, with errors and limits.

Given saved models (made by --save) before DATA, compares those by their NLL on its rows instead.
"""

EXAMPLES = """\
[bold]Examples[/]\n
mlefit compare sample_data/groundbeef.csv --dist gamma,weibull,lognormal\n
mlefit compare sample_data/groundbeef.csv --dist continuous --rank bic --plot groundbeef.png\n
mlefit compare sample_data/old_faithful.csv --column waiting --dist all --folds 5 --seed 1\n
mlefit compare sample_data/groundbeef.csv --dist gamma,weibull --density "log(rate)-rate*y" --parameters "rate>0"\n
mlefit compare sample_data/lung.csv --column time --event "status = 2" --dist weibull,gamma,lognormal\n
mlefit regress sample_data/diabetes.csv "progression ~ bmi + bp" --save line.mle\n
mlefit train sample_data/diabetes.csv --loss mse --target progression --save network.mle\n
mlefit compare line.mle network.mle sample_data/diabetes.csv
"""


Rank = Literal["aic", "aicc", "bic", "nll", "held-out"]


def command(
    *,
    data: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[MODEL]... [DATA]", help="Saved models, if any; then a file, a glob, or -.", show_default=False
        ),
    ] = None,
    dist: Annotated[
        list[str] | None,
        o.option("--dist", "-d", metavar="FAMILY,...", help="Or all, continuous or discrete; by default all."),
    ] = None,
    written: Written,
    columns: o.Columns,
    incomplete: o.Incomplete,
    rank: Annotated[
        Rank | None,
        o.choice(
            "--rank",
            of=get_args(Rank),
            metavar="BY",
            show=False,
            help="Order of the table: {}; by default aic, or held-out with --folds.",
        ),
    ] = None,
    folds: Annotated[
        int, o.option("--folds", metavar="K", show=True, help="Cross-validate in so many folds; 0: not.")
    ] = 0,
    replicates: Annotated[
        int | None,
        o.option(
            "--replicates",
            metavar="N",
            help="Bootstrap samples behind the p-values of fit; 0: none. By default 99, fewer for long data.",
        ),
    ] = None,
    seed: Annotated[int, o.option("--seed", metavar="N", show=True, help="Of folds and bootstrap.")] = 0,
    reading: o.Reading,
    plot: o.Plot = None,
    always: o.Always,
) -> Document:
    from mlefit.cli import comparing as c

    models, path = c.parted(data or ())
    request = reading.request(path)
    if models:
        c.only_families(dist, columns, incomplete, rank, folds, plot)
        written.none("saved models")
        return c.models_document(models, request, columns.weights)
    from mlefit.comparing import with_rows
    from mlefit.inference.compare import Plan
    from mlefit.inference.fit import Options

    plan = Plan(rank or ("held-out" if folds else "aic"), folds, replicates, seed)
    roles = incomplete.added(columns.roles(request))
    options = Options(interval="none", weight_kind=columns.weight_kind)
    families: list[str | Family] = [*(names(dist) or ["all"])]
    own = written.own()
    if own is not None:
        families, roles = [*families, own], alone(own, roles, request)
    found = with_rows(families, request, roles, plan, options)
    if plot:
        from mlefit.report.comparison_plots import comparison_plot

        comparison_plot(found, plot)
    return c.families_document([pair[0] for pair in found], many=bool(roles.by) or len(roles.y) > 1)
