"""The options of `mlefit train`, and the steps of the command."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

from mlefit.cli import console
from mlefit.cli.options import WRITING, choice, named, option
from mlefit.cli.texts import names
from mlefit.errors import DataError, UsageError
from mlefit.report.document import Document

if TYPE_CHECKING:
    from mlefit.inference.model import Model
    from mlefit.inference.training import Epoch, Settings
    from mlefit.modelling import Plan, Run
    from mlefit.reading import Request

NETWORK: Final = "Network"
TRAINING: Final = "Training"


Loss = Annotated[
    str | None,
    option("--loss", "--dist", "-l", metavar="LOSS|FAMILY", panel=NETWORK,
           help="A loss, or a family whose NLL to minimise."),
]  # fmt: skip
Target = Annotated[str | None, option("--target", "-t", metavar="COLUMN", panel=NETWORK, help="The column to predict.")]
Features = Annotated[
    list[str] | None,
    option("--features", metavar="COLUMN,...", panel=NETWORK,
           help="Columns to predict it from; none for none. By default every other column."),
]  # fmt: skip
History = Annotated[
    str | None, option("--history", metavar="FILE.csv", panel=WRITING, help="Write the NLL of every epoch.")
]


@dataclass(frozen=True)
class Network:
    """The network and the way it is trained; what is None is chosen from the data."""

    hidden: Annotated[
        str,
        option("--hidden", metavar="N,...|none", panel=NETWORK, show=True,
               help="Widths of the hidden layers; none: linear model."),
    ] = "32,32"  # fmt: skip
    activation: Annotated[
        str, choice("--activation", of=("relu", "tanh", "gelu", "silu", "sigmoid"), metavar="NAME", panel=NETWORK,
                    help="Of hidden layers: {}.")
    ] = "relu"  # fmt: skip
    optimizer: Annotated[
        str | None,
        choice("--optimizer", of=("adam", "rmsprop", "sgd", "lbfgs"), metavar="NAME", panel=TRAINING, show=False,
               help="One of {}; by default adam, and lbfgs (full batch) for the linear model."),
    ] = None  # fmt: skip
    learning_rate: Annotated[
        float | None,
        option("--learning-rate", metavar="R", panel=TRAINING, help="By default what suits the optimizer."),
    ] = None
    schedule: Annotated[
        str, choice("--schedule", of=("constant", "cosine"), panel=TRAINING, help="Of the learning rate.")
    ] = "constant"
    momentum: Annotated[float, option("--momentum", metavar="M", panel=TRAINING, show=True, help="Of sgd.")] = 0.9
    nesterov: Annotated[
        bool, option("--nesterov/--no-nesterov", panel=TRAINING, show=True, help="Nesterov's momentum (sgd).")
    ] = True
    epochs: Annotated[
        int | None,
        option("--epochs", metavar="N", panel=TRAINING,
               help="At most so many passes over the rows (iterations of lbfgs); by default about 20,000 steps."),
    ] = None  # fmt: skip
    batch_size: Annotated[
        int | None, option("--batch-size", metavar="N", panel=TRAINING, help="Rows a step; by default 32 or 128.")
    ] = None
    weight_decay: Annotated[
        float | None,
        option("--weight-decay", metavar="D", panel=TRAINING,
               help="Pull of the weights towards zero; by default 50/rows, at most 0.5, and 0 with lbfgs."),
    ] = None  # fmt: skip
    patience: Annotated[
        int | None,
        option("--patience", metavar="N", panel=TRAINING,
               help="Stop after so many epochs without a better validation NLL; 0: never."),
    ] = None  # fmt: skip
    precision: Annotated[
        str | None,
        choice("--precision", of=("float32", "float64"), panel=TRAINING, show=False,
               help="Of the network's arithmetic; by default float32, float64 with lbfgs."),
    ] = None  # fmt: skip
    seed: Annotated[int, option("--seed", metavar="N", panel=TRAINING, show=True, help="Same seed, same bits.")] = 0
    validation: Annotated[
        str | None,
        option("--validation", metavar="SHARE|FILE|SQL", panel=TRAINING,
               help="Rows to watch: a share, a file, or a condition such as \"split = 'test'\". "
               "By default 0.2, and 0 for the linear model."),
    ] = None  # fmt: skip

    @property
    def held(self) -> str | None:
        """The file or the condition of the rows to watch, where they are no share."""
        return None if self._share is not None else self.validation

    @property
    def _share(self) -> float | None:
        try:
            return None if self.validation is None else float(self.validation)
        except ValueError:
            return None

    @property
    def settings(self) -> Settings:
        """As training takes them.

        Raises:
            UsageError: a value that makes no sense.
        """
        from mlefit.inference.training import Settings

        return Settings(**{**vars(self), "hidden": widths(self.hidden), "validation": self._share})


@dataclass(frozen=True)
class Checkpoints:
    """The run written down as it goes, and taken up again."""

    checkpoint: Annotated[
        str | None, option("--checkpoint", metavar="FILE", panel=TRAINING, help="Write the run down as it goes.")
    ] = None
    checkpoint_every: Annotated[
        int, option("--checkpoint-every", metavar="N", panel=TRAINING, show=True, help="Epochs between checkpoints.")
    ] = 5
    resume: Annotated[
        str | None,
        option("--resume", metavar="FILE", panel=TRAINING,
               help="Go on from a checkpoint with its own settings, on the same DATA; --epochs may be raised."),
    ] = None  # fmt: skip


def check_outputs(plot: str | None, *paths: str | None) -> None:
    """Refuse before the work what could not be written after it.

    Raises:
        UsageError: a plot of an unknown kind.
        DataError: a folder that does not exist.
    """
    for path in paths:
        if path is not None and not Path(path).resolve().parent.is_dir():
            raise DataError(f"there is no folder {Path(path).parent} to write {Path(path).name} to")
    if plot is not None:
        from mlefit.report.figure import check_path

        check_path(plot)


def widths(text: str) -> tuple[int, ...]:
    """`16,16` or `none`.

    Raises:
        UsageError: neither.
    """
    if text.strip().lower() in ("none", "0", ""):
        return ()
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise UsageError(f"--hidden takes widths such as 16,16, or none; {text!r} is neither") from None


def plan(
    data: str | None,
    loss: str | None,
    target: str | None,
    features: list[str] | None,
    weights: str | None,
    trials: str | None,
    held: str | None,
    resume: str | None,
    source: Callable[[str | None], Request],
) -> tuple[Plan, Request]:
    """What to train on what: the user's data, or where there are none the bundled sample of the loss.

    Raises:
        UsageError: no loss, or no data though a target was named.
    """
    from mlefit.families import losses
    from mlefit.modelling import Plan, sample_plan

    if loss is None and resume is None:
        raise UsageError("say what to minimise: --loss bce, cross-entropy, mse, gaussian-nll, mae, poisson or a family")
    if resume is None:
        losses.get(loss or "")
    request = None if data is None and nothing_piped() else source(data)
    listed = named(features, request) if request else names(features)
    chosen = None if features is None else tuple(n for n in listed if n.lower() != "none")
    if request is None:
        if resume is not None or loss is None:
            raise UsageError("no data: --resume needs the same data as the run that it goes on with")
        sample = sample_plan(loss)
        if target not in (None, sample[0].target):
            raise UsageError("no data: name a file, or pipe something in (without --target the bundled sample is used)")
        console.message(f"no data given: training on the bundled sample {sample[1].name}, target {sample[0].target}")
        plan = Plan(loss, sample[0].target, chosen, weights, trials or sample[0].trials, held)
        return plan, source(str(sample[1]))
    return Plan(loss or "", target or "", chosen, weights, trials, held), request


def nothing_piped() -> bool:
    """Whether standard input is a terminal, closed or empty."""
    if not console.piped():
        return True
    from mlefit.reading import open_source

    try:
        open_source("-")
    except DataError as error:
        return "empty" in str(error) or "no standard input" in str(error)
    return False


def opened(request: Request, plan: Plan, settings: Settings, resume: str | None) -> Run:
    """The run before its first step."""
    from mlefit.inference import checkpoint
    from mlefit.modelling import Run

    if resume is None:
        return Run.open(request, plan, settings)
    found = checkpoint.load(resume)
    for name in ("loss", "target"):
        given, stored = getattr(plan, name), found.request[name]
        if given and given != stored:
            raise UsageError(f"the checkpoint {resume} was made with --{name} {stored}, not {given}")
    console.message(f"resuming {resume} after epoch {len(found.state.history) - 1}, with the settings of that run")
    return Run.open(request, plan, settings, found)


def bar(run: Run) -> AbstractContextManager[Callable[[Epoch], None]]:
    """A progress bar on standard error."""
    from mlefit.report.models import training_bar

    return training_bar(run.prepared.settings.epochs or 0)


def finished(model: Model, run: Run, save: str | None, history: str | None, plot: str | None) -> Document:
    """Files that were asked for, and the table."""
    if save:
        model.save(save)
        console.message(f"model saved to {save}")
    if history:
        write_history(model, history)
    if plot:
        from mlefit.report.learning import learning_plot

        learning_plot(model, run.prepared, plot)
    if model.record["stopped"] == "interrupted":
        console.message(
            f"stopped by Ctrl-C after epoch {model.record['epochs']}; the best weights so far are kept", always=True
        )

    def table() -> Any:
        from mlefit.report.models import training_table

        return training_table(model)

    from mlefit.report.models import training_rows

    return Document(model.to_dict(), training_rows(model), table)


def write_history(model: Model, path: str) -> None:
    """A csv line an epoch."""
    from dataclasses import asdict

    from mlefit.report.document import text

    rows = [asdict(epoch) for epoch in model.history]
    try:
        Path(path).write_text(text(Document(rows, rows, lambda: ""), "csv"), encoding="utf-8")
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror or error}") from error
