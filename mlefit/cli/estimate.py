"""`mlefit estimate`: the main job, a column in and a fit out."""

from __future__ import annotations

from typing import Annotated

import typer

from mlefit.cli import options as o
from mlefit.report.document import Document

HELP = """\
Prints the estimates with standard errors and confidence limits, the log-likelihood with every constant, AIC, AICc
and BIC, and whether the point found is truly a maximum (exit status 3 when it is not).

Weights: with [bold]frequency[/] a row of weight 3 is that row three times: n in AICc and BIC is the sum of the
weights. With [bold]importance[/] (survey or inverse-probability weights) n is the number of rows, standard errors are
the robust sandwich, and AIC compares models under the same weights only.
"""

EXAMPLES = """\
[bold]Examples[/]\n
mlefit estimate sample_data/coin.csv --dist bernoulli\n
mlefit estimate sample_data/groundbeef.csv --dist gamma --interval profile\n
mlefit estimate sample_data/old_faithful.csv --column eruptions,waiting --format json\n
mlefit estimate sample_data/insect_sprays.csv --dist poisson --column count --by spray
"""


def command(
    data: o.Data = None,
    dist: o.Dist = "normal",
    column: o.Columns = None,
    by: o.By = None,
    weights: o.Weights = None,
    weight_kind: Annotated[
        str, typer.Option(metavar="frequency|importance", help="What a weight means (see above).")
    ] = "frequency",
    trials: o.Trials = None,
    fix: o.Fix = None,
    start: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", show_default=False, help="Start the solver there.")
    ] = None,
    level: o.Level = 0.95,
    interval: Annotated[str, typer.Option(metavar="wald|profile|none", help="Kind of confidence limits.")] = "wald",
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
    """Parse, fit, render."""
    from mlefit.api import estimate
    from mlefit.inference.fit import Options

    options = Options(
        level,
        o.chosen(interval, ("wald", "profile", "none"), "--interval"),
        o.chosen(weight_kind, ("frequency", "importance"), "--weight-kind"),
        o.pairs(start or (), "--start"),
    )
    request = o.source(data, where, no_header, delimiter, encoding, missing)
    roles = o.roles(column, by, weights, trials)
    family = o.family(dist, plugin, fix)
    fits = estimate(family, request, roles, options, o.progress())
    if plot:
        from mlefit.api import samples
        from mlefit.report.plots import fit_plot

        fit_plot(fits, samples(family, fits, request, roles), plot)
    return o.fits_document(fits, many=bool(by) or len(roles.y) > 1)
