"""`mlefit regress`: parameters that depend on columns, through a formula."""

from __future__ import annotations

from mlefit.cli import distribution as d
from mlefit.cli import options as o
from mlefit.cli import regressing as r
from mlefit.cli.texts import names, pairs
from mlefit.report.document import Document

HELP = """\
A formula gives a parameter of the family as a linear function of columns, through a link: the mean of normal, poisson,
gamma, beta, negative-binomial and inverse-gaussian, the probability of bernoulli and binomial, the scale of weibull,
the log odds of labels (categorical), and of ordered ones (ordinal), the median of laplace (least absolute deviations),
the middle of uniform (the narrowest band), the shape of pareto; these with censored and truncated rows too.
[bold]--formula[/] "sigma ~ x" does the same for a further parameter; the others are constants. Of a density
of one's own ([bold]--density[/]) it is the parameter called
mu, mean, scale, rate or the like, else the first; of a mixture it is the weight of the first part, so that its parts
are the same everywhere and their shares depend on the columns.

Prints coefficients with standard errors, z, p and limits, the likelihood, and whether the point found is truly a
maximum: columns that depend on each other are refused by name, and so is separation (exit status 3).
"""

EXAMPLES = """\
[bold]Examples[/]\n
mlefit regress sample_data/cars.csv "dist ~ speed"\n
mlefit regress sample_data/insect_sprays.csv "count ~ C(spray)" --dist poisson --exponentiate\n
mlefit regress sample_data/motorcycle.csv "accel ~ bs(times, df=8)" --formula "sigma ~ times"\n
mlefit regress sample_data/cars.csv "dist ~ speed" --dist laplace --formula "scale ~ speed"\n
mlefit regress sample_data/lung.csv "time ~ age + C(sex)" --dist weibull --event "status = 2"\n
mlefit regress sample_data/tobin.csv "~ age + quant" --lower "nullif(durable, 0)" --upper durable\n
mlefit regress sample_data/lung.csv "time ~ age" --event "status = 2" --parameters "rate>0" --density "log(rate)-rate*y"
"""


def command(
    *,
    data: o.Data = None,
    formula: r.Formula = None,
    dist: d.Dist = None,
    written: d.Written,
    further: r.Further = None,
    link: r.Link = None,
    by: o.By = None,
    offset: r.Offset = None,
    exposure: r.Exposure = None,
    weights: o.Weights = None,
    weight_kind: o.WeightKind = "frequency",
    trials: o.Trials = None,
    levels: r.Levels = None,
    incomplete: o.Incomplete,
    fix: d.Fix = None,
    level: o.Level = 0.95,
    interval: r.Interval = "wald",
    robust: r.Robust = False,
    cluster: r.Cluster = None,
    exponentiate: r.Exponentiate = False,
    reading: o.Reading,
    save: o.Save = None,
    always: o.Always,
) -> Document:
    from mlefit.inference.regression import Options
    from mlefit.regressing import Plan, run

    data, formula = r.arguments(data, formula)
    request = reading.request(data)
    plan = Plan(
        formula, written.instead_of(dist), r.formulas(further), r.links(link), pairs(fix, "--fix"), offset, exposure,
        weights, trials, incomplete.lower, incomplete.censoring, tuple(o.named(by, request)),
        cluster, tuple(names(levels)),
    )  # fmt: skip
    options = Options(level, interval, weight_kind, "robust" if robust else "information", exponentiate)
    fits = run(plan, request, options)
    return r.finished(fits, plan, save)
