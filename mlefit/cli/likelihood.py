"""`mlefit likelihood`: the likelihood as a function of the parameters, as drawn on the blackboard."""

from __future__ import annotations

from typing import Annotated

import typer

from mlefit.cli import options as o
from mlefit.errors import UsageError
from mlefit.report.document import Document

HELP = """\
The data stay fixed and the parameters move. For one parameter: a table over a grid with L, log L, NLL, the relative
likelihood L / L max and a bar; for two: a heat map. Parameters not drawn are held at their estimates, or re-maximised
with [bold]--profile[/].
"""

EXAMPLES = """\
[bold]Examples[/]\n
mlefit likelihood sample_data/coin.csv --dist bernoulli\n
mlefit likelihood sample_data/coin.csv --dist bernoulli --at p=0.2 --at p=0.5\n
mlefit likelihood sample_data/three.csv --dist normal --grid mu=-2:2:0.5 --grid sigma=0.4:2:0.2\n
mlefit likelihood sample_data/groundbeef.csv --dist gamma --over shape --profile --plot shape.svg
"""


def command(
    data: o.Data = None,
    dist: o.Dist = "normal",
    column: o.Columns = None,
    weights: o.Weights = None,
    trials: o.Trials = None,
    fix: o.Fix = None,
    density: o.DensityOf = None,
    parameters: o.ParametersOf = None,
    event: o.Event = None,
    lower: o.Lower = None,
    upper: o.Upper = None,
    truncate_below: o.Below = None,
    truncate_above: o.Above = None,
    over: Annotated[
        str | None,
        typer.Option(metavar="NAME[,NAME]", show_default=False, help="Parameters to move; one or two are drawn."),
    ] = None,
    grid: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=FROM:TO:STEP", show_default=False, help="Values of a parameter, ends included."),
    ] = None,
    at: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE[,...]", show_default=False, help="A single point; may be repeated."),
    ] = None,
    profile: Annotated[
        bool, typer.Option("--profile", help="Re-maximise the other parameters at every point.")
    ] = False,
    level: o.Level = 0.95,
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
    from mlefit.api import estimate
    from mlefit.inference import surface as s
    from mlefit.inference.fit import Options

    request = o.source(data, where, no_header, delimiter, encoding, missing)
    options = Options(level, "profile" if plot else "none")
    roles = o.censored(o.roles(column, (), weights, trials), event, lower, upper, truncate_below, truncate_above)
    if density:
        family, roles = o.density(density, parameters, fix, roles)
    else:
        family = o.family(dist, plugin, fix)
    family = roles.censoring.wrap(family)
    axes = dict(s.parse_axis(text) for text in grid or ())
    points = [o.pairs([text], "--at") for text in at or ()]
    names = o.names([over]) if over else list(axes)
    if len(roles.y) > 1:
        raise UsageError(f"the likelihood is drawn for one column at a time, not {len(roles.y)}")
    if points and names:
        raise UsageError("--at gives single points, --grid and --over a curve or surface; use the one or the other")
    if stray := [name for name in axes if name not in names]:
        raise UsageError(f"--grid gives values of {stray[0]}, which --over leaves out")
    fit = estimate(family, request, roles, options, o.progress())[0]
    drawn = s.at(fit, points, profile=profile) if points else s.surface(fit, s.axes(fit, names, axes), profile=profile)
    if plot:
        from mlefit.report.plots import surface_plot

        surface_plot(drawn, plot)
    return o.surface_document(drawn)
