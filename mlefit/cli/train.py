"""`mlefit train`: a small network whose outputs are the parameters of each row's distribution."""

from __future__ import annotations

from contextlib import nullcontext

from mlefit.cli import options as o
from mlefit.cli import training as t
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
    data: o.Data = None,
    loss: t.Loss = None,
    target: t.Target = None,
    features: t.Features = None,
    hidden: t.Hidden = "32,32",
    activation: t.Activation = "relu",
    optimizer: t.Optimizer = None,
    learning_rate: t.LearningRate = None,
    schedule: t.Schedule = "constant",
    momentum: t.Momentum = 0.9,
    nesterov: t.Nesterov = True,
    epochs: t.Epochs = None,
    batch_size: t.BatchSize = None,
    weight_decay: t.WeightDecay = None,
    patience: t.Patience = None,
    precision: t.Precision = None,
    seed: t.Seed = 0,
    validation: t.Validation = None,
    weights: o.Weights = None,
    trials: o.Trials = None,
    where: o.Where = None,
    no_header: o.NoHeader = False,
    delimiter: o.Delimiter = None,
    encoding: o.Encoding = "utf-8",
    missing: o.Missing = "drop",
    plugin: o.Plugin = None,
    save: t.Save = None,
    checkpoint: t.Checkpoint = None,
    checkpoint_every: t.CheckpointEvery = 5,
    resume: t.Resume = None,
    history: t.History = None,
    plot: o.Plot = None,
    format: o.Format = "table",
    quiet: o.Quiet = False,
) -> Document:
    from mlefit.inference.training import Settings

    o.plugins(plugin)
    t.check_outputs(plot, save, history, checkpoint)
    share, held = t.validation(validation)
    settings = Settings(
        t.widths(hidden), activation, optimizer, learning_rate, schedule, epochs, batch_size, weight_decay, momentum,
        nesterov, share, patience, precision, seed,
    )  # fmt: skip
    plan, request = t.plan(data, loss, target, features, weights, trials, held, resume, lambda path: o.source(
        path, where, no_header, delimiter, encoding, missing))  # fmt: skip
    run = t.opened(request, plan, settings, resume)
    for note in run.notes:
        o.message(note)
    with t.bar(run) if o.progress_wanted() else nullcontext() as watch:
        model = run.train(watch, checkpoint, checkpoint_every)
    return t.finished(model, run, save, history, plot)
