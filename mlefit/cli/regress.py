"""`mlefit regress`: parameters that depend on columns, through a formula."""

from __future__ import annotations

from mlefit.cli import options as o
from mlefit.cli import regressing as r
from mlefit.report.document import Document

HELP = """\
A formula gives a parameter of the family as a linear function of columns, through a link: the mean of normal, poisson,
gamma, beta, negative-binomial and inverse-gaussian, the probability of bernoulli and binomial, the scale of weibull,
the log odds of labels (categorical), and of ordered ones (ordinal). [bold]--formula[/] "sigma ~ x" does the same for a
further parameter; the others are constants.

Prints coefficients with standard errors, z, p and limits, the likelihood, and whether the point found is truly a
maximum: columns that depend on each other are refused by name, and so is separation (exit status 3).
"""

EXAMPLES = """\
[bold]Examples[/]\n
mlefit regress sample_data/cars.csv "dist ~ speed"\n
mlefit regress sample_data/insect_sprays.csv "count ~ C(spray)" --dist poisson --exponentiate\n
mlefit regress sample_data/motorcycle.csv "accel ~ bs(times, df=8)" --formula "sigma ~ times"\n
mlefit regress sample_data/lung.csv "time ~ age + C(sex)" --dist weibull --event "status = 2"
"""


def command(
    data: r.Data = None,
    formula: r.Formula = None,
    dist: o.Dist = "normal",
    further: r.Further = None,
    link: r.Link = None,
    by: o.By = None,
    offset: r.Offset = None,
    exposure: r.Exposure = None,
    weights: o.Weights = None,
    weight_kind: r.WeightKind = "frequency",
    trials: o.Trials = None,
    levels: r.Levels = None,
    event: o.Event = None,
    lower: o.Lower = None,
    upper: o.Upper = None,
    truncate_below: o.Below = None,
    truncate_above: o.Above = None,
    fix: o.Fix = None,
    level: o.Level = 0.95,
    interval: r.Interval = "wald",
    robust: r.Robust = False,
    cluster: r.Cluster = None,
    exponentiate: r.Exponentiate = False,
    where: o.Where = None,
    no_header: o.NoHeader = False,
    delimiter: o.Delimiter = None,
    encoding: o.Encoding = "utf-8",
    missing: o.Missing = "drop",
    plugin: o.Plugin = None,
    save: r.Save = None,
    format: o.Format = "table",
    quiet: o.Quiet = False,
) -> Document:
    from mlefit.censoring import Censoring
    from mlefit.regressing import Plan, run

    o.plugins(plugin)
    data, formula = r.arguments(data, formula)
    plan = Plan(
        formula, dist, r.formulas(further), r.links(link), o.pairs(fix or (), "--fix"), offset, exposure, weights,
        trials, lower, Censoring(event, upper, truncate_below, truncate_above), tuple(o.names(by)), cluster,
        tuple(o.names(levels)),
    )  # fmt: skip
    fits = run(
        plan,
        o.source(data, where, no_header, delimiter, encoding, missing),
        r.options(level, interval, weight_kind, robust, exponentiate),
    )
    return r.finished(fits, plan, save)
