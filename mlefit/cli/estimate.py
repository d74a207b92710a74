"""`mlefit estimate`: the main job, a column in and a fit out."""

from __future__ import annotations

from typing import Annotated, Any

from mlefit.cli import options as o
from mlefit.cli.console import message
from mlefit.cli.distribution import Distribution
from mlefit.cli.inferring import Inference
from mlefit.cli.texts import pairs
from mlefit.errors import UsageError
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
mlefit estimate sample_data/groundbeef.csv --dist gamma --interval profile --plot gamma.png\n
mlefit estimate sample_data/groundbeef.csv --dist gamma --interval bootstrap --seed 1 --derive mean=shape/rate\n
mlefit estimate sample_data/groundbeef.csv --dist weibull --null shape=2 --quantile 0.1\n
mlefit estimate sample_data/old_faithful.csv --column eruptions,waiting --format json\n
mlefit estimate sample_data/insect_sprays.csv --dist poisson --column count --by spray\n
mlefit estimate sample_data/menarche.csv --dist binomial --column menarche --trials total\n
mlefit estimate sample_data/lung.csv --column time --event "status = 2" --dist weibull\n
mlefit estimate sample_data/smoked_fish.csv --lower left --upper right --dist lognormal\n
mlefit estimate sample_data/danish_fire.csv --column loss --truncate-below 1 --dist lognormal\n
mlefit estimate sample_data/old_faithful.csv --column waiting --dist "mixture:normal*2"\n
mlefit estimate sample_data/old_faithful.csv --column waiting --density "log(rate) - rate*y" --parameters "rate>0"
"""


def command(
    *,
    data: o.Data = None,
    distribution: Distribution,
    columns: o.Columns,
    incomplete: o.Incomplete,
    start: Annotated[
        list[str] | None, o.option("--start", metavar="NAME=VALUE,...", help="Start the solver there as well.")
    ] = None,
    inference: Inference,
    reading: o.Reading,
    save: o.Save = None,
    plot: o.Plot = None,
    always: o.Always,
) -> Document:
    """Parse, fit, render."""
    from mlefit.api import estimate
    from mlefit.inference.fit import Options

    options = Options(inference.level, inference.of_the_fit, columns.weight_kind, pairs(start, "--start"))
    request = reading.request(data)
    family, roles = distribution.of(incomplete.added(columns.roles(request)), request)
    fits = estimate(family, request, roles, options, inference.wanted())
    if plot:
        from mlefit.api import samples
        from mlefit.report.plots import fit_plot

        fit_plot(fits, samples(family, request, roles), plot)
    if save:
        from mlefit.modelling import constant_model

        if len(fits) > 1:
            raise UsageError(f"--save writes one model, not {len(fits)} fits; choose one with --where or --column")
        constant_model(fits[0], "".join(roles.further[:1]), roles.censoring.known()).save(save)
        message(f"model saved to {save}")

    def table() -> Any:
        from mlefit.report.tables import fits_table

        return fits_table(fits)

    status = 0 if all(fit.converged for fit in fits) else 3
    many = bool(roles.by) or len(roles.y) > 1
    return Document.of(fits, table, many=many, status=status)
