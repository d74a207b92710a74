"""Tables of trained models and of evaluations, and the bar that a training run shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from mlefit.report.tables import plain_table
from mlefit.report.text import harmless, significant

if TYPE_CHECKING:
    from mlefit.inference.evaluation import Evaluation
    from mlefit.inference.model import Model
    from mlefit.inference.training import Epoch

PARTS = ("train", "validation")
MEASURES = {"accuracy": "accuracy", "brier": "Brier score", "rmse": "RMSE", "crps": "CRPS"}
STOPPED = {
    "early": "stopped early: no better validation NLL for {patience} epochs; the best weights are kept",
    "epochs": "ran through all its epochs; the best weights are kept",
    "converged": "converged",
    "interrupted": "interrupted; the best weights so far are kept",
}


def training_table(model: Model) -> RenderableType:
    """What was trained, and its NLL beside the constant model's, on training and validation rows."""
    record = model.record
    heading = Text()
    heading.append(str(record.get("loss", model.loss)), style="bold")
    heading.append(f", the negative log-likelihood of the {model.family.name} family, of {harmless(model.target.name)}")
    settings = record.get("settings", {})
    layers = [len(model.features), *settings.get("hidden", ()), model.family.size]
    shape = "–".join(map(str, layers[1:-1])) or "none (linear)"
    details = Text(
        f"{len(model.features)} feature{'s' * (len(model.features) != 1)}, hidden layers {shape}, "
        f"{record.get('parameters_count')} parameters, {settings.get('optimizer', '')}", style="dim",
    )  # fmt: skip
    table = plain_table()
    table.add_column("")
    parts = [name for name in PARTS if name in record]
    for name in parts:
        table.add_column("training" if name == "train" else name, justify="right")
    constant = record["constant"]
    _row(table, "rows", [str(record[p]["n"]) for p in parts])
    _row(table, "NLL per row", [significant(record[p]["nll_per_observation"]) for p in parts], bold=True)
    _row(table, "constant model", [significant(constant[p]["nll_per_observation"]) for p in parts])
    _row(table, "gain, nats per row", [significant(record[p].get("gain_nats"), 4) for p in parts])
    _row(table, "gain, bits per row", [significant(record[p].get("gain_bits"), 4) for p in parts])
    for key, label in MEASURES.items():
        if any(key in record[p] for p in parts):
            _row(table, label, [significant(record[p].get(key), 4) for p in parts])
    lines: list[RenderableType] = [heading, details, Padding(table, (0, 0, 0, 1))]
    for name in ("sigma", "scale"):
        if name in record:
            formula = (
                "NLL = (n/2) log(2 pi sigma^2) + SSE/(2 sigma^2)"
                if name == "sigma"
                else "NLL = n log(2 scale) + SAE/scale"
            )
            lines.append(Text(f"{name} = {significant(record[name])}, the same for all rows: {formula}"))
    said = STOPPED.get(str(record.get("stopped")), "").format(patience=settings.get("patience"))
    lines.append(Text(f"{record.get('epochs')} epochs, best {record.get('best_epoch')}; {said}", style="dim"))
    return Group(*lines)


def _row(table: Any, label: str, cells: list[str], *, bold: bool = False) -> None:
    table.add_row(label, *(Text(c, style="bold" if bold else "") for c in cells))


def training_rows(model: Model) -> list[dict[str, Any]]:
    """A flat row for training and validation each, for csv."""
    record = model.record
    head = {k: record[k] for k in ("loss", "family", "parameters_count", "epochs", "best_epoch")}
    shared = {k: record[k] for k in ("sigma", "scale") if k in record}
    return [
        {
            **head,
            "rows": p,
            **record[p],
            "constant_nll_per_observation": record["constant"][p]["nll_per_observation"],
            **shared,
        }
        for p in PARTS
        if p in record
    ]


def evaluation_table(model: Model, found: Evaluation) -> RenderableType:
    """Held-out NLL against the constant model, then scores, then calibration."""
    heading = Text()
    heading.append(model.loss, style="bold")
    heading.append(f" model of {harmless(model.target.name)} on {found.n} rows")
    if found.dropped:
        heading.append(f", {found.dropped} missing dropped")
    if found.refused:
        heading.append(f", {found.refused} left out")
    table = plain_table()
    table.add_column("")
    table.add_column("value", justify="right")
    _row(table, "NLL per row", [significant(found.nll)], bold=True)
    _row(table, "constant model", [significant(found.constant_nll)])
    _row(table, "gain, nats per row", [significant(found.gain, 4)])
    _row(table, "gain, bits per row", [significant(found.gain / 0.6931471805599453, 4)])
    for key, label in MEASURES.items():
        if key in found.scores:
            _row(table, label, [significant(found.scores[key], 4)])
    lines: list[RenderableType] = [heading, Padding(table, (0, 0, 0, 1))]
    if found.calibration:
        below = plain_table(title="calibration")
        if found.labels:
            for name in ("predicted probability", "cases", "mean predicted", "observed"):
                below.add_column(name, justify="right")
            for b in found.calibration:
                below.add_row(
                    f"{b.low:.1f} to {b.high:.1f}", str(b.n), significant(b.predicted, 3), significant(b.observed, 3)
                )
        else:
            for name in ("central interval", "rows inside"):
                below.add_column(name, justify="right")
            for b in found.calibration:
                below.add_row(f"{100 * b.predicted:g} %", f"{100 * b.observed:.1f} %")
        lines.append(Padding(below, (0, 0, 0, 1)))
    return Group(*lines)


@contextmanager
def training_bar(total: int) -> Iterator[Callable[[Epoch], None]]:
    """A bar on standard error: epoch, training and validation NLL per row, rate and time left."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("epoch"),
        MofNCompleteColumn(),
        BarColumn(24),
        TextColumn("{task.fields[values]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("epoch", total=total, values="")

        def watch(epoch: Epoch) -> None:
            values = f"train {epoch.train:.5g}"
            if epoch.validation is not None:
                values += f"  validation {epoch.validation:.5g}"
            if epoch.rate:
                values += f"  rate {epoch.rate:.2g}"
            bar.update(task, completed=epoch.epoch, values=values)

        yield watch
