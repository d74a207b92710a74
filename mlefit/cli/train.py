"""`mlefit train`: a small network whose outputs are the parameters of each row's distribution."""

from __future__ import annotations

from contextlib import nullcontext

from mlefit.cli import options as o
from mlefit.cli import training as t
from mlefit.cli.console import message, progress_wanted
from mlefit.report.document import Document

HELP = """\
A network of the columns gives the parameters of every row's distribution, and its weights minimise the negative
log-likelihood of the target. Losses: [bold]bce[/] (two labels), [bold]cross-entropy[/] (several), [bold]mse[/],
[bold]gaussian-nll[/] (mean and spread), [bold]mae[/], [bold]poisson[/], or the name of any family. The result is
compared with the constant model, which is what `mlefit estimate` would give.

Without DATA it trains on a bundled sample of the loss. Training stops when the validation NLL gets no better, and the
best weights are kept; so are they after Ctrl-C.
"""

EXAMPLES = """\
[bold]Examples[/]\n
mlefit train --loss bce\n
mlefit train sample_data/iris.csv --loss cross-entropy --target species --save iris.mle\n
mlefit train sample_data/motorcycle.csv --loss gaussian-nll --target accel --plot curve.png\n
mlefit train sample_data/solder.csv --loss poisson --target skips --hidden none
"""


def command(
    *,
    data: o.Data = None,
    loss: t.Loss = None,
    target: t.Target = None,
    features: t.Features = None,
    network: t.Network,
    weights: o.Weights = None,
    trials: o.Trials = None,
    reading: o.Reading,
    save: o.Save = None,
    checkpoints: t.Checkpoints,
    history: t.History = None,
    plot: o.Plot = None,
    always: o.Always,
) -> Document:
    t.check_outputs(plot, save, history, checkpoints.checkpoint)
    settings, resume = network.settings, checkpoints.resume
    plan, request = t.plan(data, loss, target, features, weights, trials, network.held, resume, reading.request)
    run = t.opened(request, plan, settings, resume)
    for note in run.notes:
        message(note)
    with t.bar(run) if progress_wanted() else nullcontext() as watch:
        model = run.train(watch, checkpoints.checkpoint, checkpoints.checkpoint_every)
    return t.finished(model, run, save, history, plot)
