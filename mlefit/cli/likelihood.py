"""`mlefit likelihood`: the likelihood as a function of the parameters, as drawn on the blackboard."""

from __future__ import annotations

from typing import Annotated, Any

from mlefit.cli import options as o
from mlefit.cli.distribution import Distribution
from mlefit.cli.texts import names, once, pairs
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
    *,
    data: o.Data = None,
    distribution: Distribution,
    column: o.Column = None,
    weights: o.Weights = None,
    trials: o.Trials = None,
    incomplete: o.Incomplete,
    over: Annotated[
        str | None, o.option("--over", metavar="NAME,...", help="Parameters to move; one or two are drawn.")
    ] = None,
    grid: Annotated[
        list[str] | None,
        o.option("--grid", metavar="NAME=FROM:TO:STEP", help="Values of a parameter, ends included."),
    ] = None,
    at: Annotated[
        list[str] | None, o.option("--at", metavar="NAME=VALUE,...", help="A single point; may be repeated.")
    ] = None,
    profile: Annotated[bool, o.option("--profile", help="Re-maximise the other parameters at every point.")] = False,
    level: o.Level = 0.95,
    reading: o.Reading,
    plot: o.Plot = None,
    always: o.Always,
) -> Document:
    from mlefit.api import estimate
    from mlefit.inference import surface as s
    from mlefit.inference.fit import Options

    request = reading.request(data)
    options = Options(level, "profile" if plot else "none")
    roles = incomplete.added(o.Columns(column, weights=weights, trials=trials).roles(request))
    family, roles = distribution.of(roles, request)
    axes: dict[str, Any] = {}
    for name, values in map(s.parse_axis, grid or ()):
        once(axes, name, "--grid")[name] = values
    points = [pairs([text], "--at") for text in at or ()]
    moved = names([over]) if over else list(axes)
    if len(roles.y) > 1:
        raise UsageError(f"the likelihood is drawn for one column at a time, not {len(roles.y)}")
    if points and moved:
        raise UsageError("--at gives single points, --grid and --over a curve or surface; use the one or the other")
    if stray := [name for name in axes if name not in moved]:
        raise UsageError(f"--grid gives values of {stray[0]}, which --over leaves out")
    fit = estimate(family, request, roles, options)[0]
    if points:
        drawn = s.at(fit, points, profile=profile)
    else:
        drawn = s.surface(fit, s.axes(fit, moved, axes, profile=profile), profile=profile)
    if plot:
        from mlefit.report.plots import surface_plot

        surface_plot(drawn, plot)

    def table() -> Any:
        from mlefit.report.surfaces import surface_table

        return surface_table(drawn)

    trusted = fit.converged and not drawn.doubt
    said = tuple(filter(None, (drawn.doubt, *(() if fit.converged else fit.warnings))))
    return Document(drawn.to_dict(), drawn.rows(), table, said, 0 if trusted else 3, fit.remarks())
