"""`mlefit estimate`: the main job, a column in and a fit out."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from mlefit.cli import inferring as i
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
mlefit estimate sample_data/groundbeef.csv --dist gamma --interval bootstrap --seed 1 --derive mean=shape/rate\n
mlefit estimate sample_data/groundbeef.csv --dist weibull --null shape=2 --quantile 0.1\n
mlefit estimate sample_data/old_faithful.csv --column eruptions,waiting --format json\n
mlefit estimate sample_data/insect_sprays.csv --dist poisson --column count --by spray\n
mlefit estimate sample_data/lung.csv --column time --event "status = 2" --dist weibull\n
mlefit estimate sample_data/smoked_fish.csv --lower left --upper right --dist lognormal\n
mlefit estimate sample_data/danish_fire.csv --column loss --truncate-below 1 --dist lognormal\n
mlefit estimate sample_data/old_faithful.csv --column waiting --dist "mixture:normal*2"\n
mlefit estimate sample_data/old_faithful.csv --column waiting --density "log(rate) - rate*y" --parameters "rate>0"
"""


def command(
    data: o.Data = None,
    dist: o.Dist = "normal",
    density: o.DensityOf = None,
    parameters: o.ParametersOf = None,
    column: o.Columns = None,
    by: o.By = None,
    weights: o.Weights = None,
    weight_kind: Annotated[
        str, typer.Option(metavar="frequency|importance", help="What a weight means (see above).")
    ] = "frequency",
    trials: o.Trials = None,
    event: o.Event = None,
    lower: o.Lower = None,
    upper: o.Upper = None,
    truncate_below: o.Below = None,
    truncate_above: o.Above = None,
    fix: o.Fix = None,
    start: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", show_default=False, help="Start the solver there.")
    ] = None,
    level: i.Level = 0.95,
    interval: i.Interval = "wald",
    replicates: i.Replicates = 2000,
    seed: i.Seed = 0,
    bootstrap: i.Bootstrap = "nonparametric",
    bootstrap_limits: i.BootstrapLimits = "bca",
    null: i.Null = None,
    derive: i.Derive = None,
    quantile: i.Quantile = None,
    where: o.Where = None,
    no_header: o.NoHeader = False,
    delimiter: o.Delimiter = None,
    encoding: o.Encoding = "utf-8",
    missing: o.Missing = "drop",
    plugin: o.Plugin = None,
    save: i.Save = None,
    plot: o.Plot = None,
    format: o.Format = "table",
    quiet: o.Quiet = False,
) -> Document:
    """Parse, fit, render."""
    from mlefit.api import estimate
    from mlefit.inference.fit import Options

    options = Options(
        level,
        i.own(interval),
        o.chosen(weight_kind, ("frequency", "importance"), "--weight-kind"),
        o.pairs(start or (), "--start"),
    )
    request = o.source(data, where, no_header, delimiter, encoding, missing)
    roles = o.censored(o.roles(column, by, weights, trials), event, lower, upper, truncate_below, truncate_above)
    if density:
        family, roles = o.density(density, parameters, fix, roles)
    else:
        family = o.family(dist, plugin, fix)
    family = roles.censoring.wrap(family)
    wanted = i.wanted(interval, replicates, seed, bootstrap, bootstrap_limits, null, derive, quantile)
    fits = estimate(family, request, roles, options, o.progress(), wanted)
    if plot:
        from mlefit.api import samples
        from mlefit.report.plots import fit_plot

        fit_plot(fits, samples(family, fits, request, roles), plot)
    if save:
        i.save(fits, roles, save)
    document = o.fits_document(fits, many=bool(by) or len(roles.y) > 1)
    return replace(document, messages=[*document.messages, *o.unnormalised(fits)]) if density else document
