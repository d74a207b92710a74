"""The page of `mlefit explain`, as a person reads it: text on the left, sums that come out at zero at the end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.constrain import Constrain
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from mlefit.report.tables import plain_table
from mlefit.report.text import cell, harmless, significant, total

WIDTH: Final = 96  # longer lines tire the eye; also what a pipe gets

LABELS: Final = {
    "use": "What for",
    "family": "Family",
    "parameters": "Parameters",
    "support": "Support",
    "where": "with",
    "likelihood": "Likelihood",
    "density": "Density",
    "log_likelihood": "Log-likelihood",
    "nll": "NLL of a row",
    "total": "NLL of all rows",
    "score": "Score, 0 at best",
    "closed_form": "Closed form?",
    "censored": "Censored rows",
    "loss": "As a loss",
    "dropped": "What it drops",
    "gradient": "Gradient at η",
    "why": "Why it matters",
    "constant_model": "Constant model",
    "source": "Source",
    "train": "Train with it",
}
FORMULAS: Final = ("likelihood", "density", "log_likelihood", "nll", "total", "train")


def page(record: Mapping[str, Any]) -> RenderableType:
    """The record of a family or loss as a page for a terminal."""
    head = Text(harmless(record["name"]), style="bold")
    if record["summary"]:
        head.append(f": {harmless(record['summary'])}", style="not bold")
    if record["aliases"]:
        head.append(f" (also {harmless(', '.join(record['aliases']))})", style="not bold dim")
    body = Table.grid(padding=(0, 2, 0, 0))
    body.add_column(style="cyan", no_wrap=True)
    body.add_column(overflow="fold")
    for key, label in LABELS.items():
        if record.get(key):
            body.add_row("The loss" if key == "loss" and record["kind"] == "loss" else label, _part(key, record))
    parts: list[RenderableType] = [head, Text(), body]
    if "example" in record:
        body.add_row("Worked example", Text(harmless(record["example"]["command"]), style="bold"))
        symbols = {p["name"]: p["symbol"] for p in record["parameters"]}
        parts += [Padding(part, (0, 0, 0, 2)) for part in _example(record["example"], record["name"], symbols)]
    return Constrain(Group(*parts), WIDTH)


def _part(key: str, record: Mapping[str, Any]) -> Text:
    value = record[key]
    if key == "parameters":
        return Text("\n").join(map(_parameter, value))
    if isinstance(value, list):
        return Text("\n".join(map(_lines, value)), style="bold")
    formula = key in FORMULAS or (key == "loss" and record["kind"] == "loss")
    return Text(_lines(value), style="bold" if formula else "")


def _lines(text: str) -> str:
    """As `harmless`, line by line."""
    return "\n".join(map(harmless, text.split("\n")))


def _parameter(parameter: Mapping[str, str]) -> Text:
    name, symbol, meaning = (harmless(parameter[key]) for key in ("name", "symbol", "meaning"))
    line = Text(f"{name}  " if symbol != name else "")
    line.append(harmless(parameter["from_score"]), style="bold")
    return line.append(f"  {meaning}" if meaning not in ("", name) else "")


def _example(example: Mapping[str, Any], name: str, symbols: Mapping[str, str]) -> Iterator[RenderableType]:
    """Some rows and all of them, the estimate, and what the certificate says of it."""
    if "likelihood" in example:
        yield Text(f"\n{example['likelihood']}", style="bold")
    rows, sums = example["rows"], example["total"]
    same = all(row["nll"] == row.get("loss") for row in rows)
    columns = [key for key in rows[0] if key != "gradient" and not (key == "loss" and same)]
    table = plain_table()
    for key in columns:
        table.add_column(key, justify="right", no_wrap=True)
    for title in _slopes(list(sums["gradient"])):
        table.add_column(Text(title), justify="right", overflow="fold")
    digits = 4 if len(sums["gradient"]) <= 5 else 2  # more columns than this leave no room for more
    for row in rows:
        slopes = (significant(v + 0.0, digits) for v in row["gradient"].values())
        table.add_row(*(Text(cell(row[key])) for key in columns), *slopes)
    count = f"all {example['n']}" if example["weight"] == example["n"] else f"all {example['weight']:g}"
    cells = [count if key == "row" else total(sums[key]) if key in sums else "" for key in columns]
    table.add_row(*cells, *(significant(v + 0.0, 2) for v in sums["gradient"].values()), style="bold")
    yield table
    estimates = []
    for parameter, value in example["estimates"].items():
        error, symbol = example["std_errors"][parameter], symbols.get(parameter, parameter)
        line = Text(f"{harmless(parameter if symbol == parameter else f'{parameter} {symbol}')} = ")
        line.append(significant(value), style="bold")
        estimates.append(line.append(f" ± {significant(error, 3)}" if error is not None else "", style="dim"))
    if "mean_loss" in example:
        estimates.append(Text(f"mean {name} = ").append(significant(example["mean_loss"]), style="bold"))
    yield Text("   ").join(estimates)
    yield Text(_verdict(example), style="dim")
    if "note" in example:
        yield Text(example["note"])


def _slopes(parameters: list[str]) -> list[str]:
    """The heads of the gradient's columns: by label where there are labels, else by number."""
    if len(parameters) == 1:
        return ["∂nll/∂η"]
    if parameters[0].startswith("p["):
        return [f"∂nll/∂η\n{harmless(name[2:-1])}" for name in parameters]
    return [f"∂nll/∂η{'₁₂₃₄₅₆₇₈₉'[i]}" for i in range(len(parameters))]


def _verdict(example: Mapping[str, Any]) -> str:
    found, steps = example["certificate"], example["iterations"]
    said = f"log-likelihood {total(example['log_likelihood'])}"
    if example["score_is_zero"] and found["converged"]:
        said += (
            f", the maximum: the gradients sum to 0, within {significant(found['gradient_norm'], 2)} standard errors"
        )
        said += ", and the information is positive definite" if found["hessian_positive"] else ""
        said += f"; Newton steps: {steps}"
    return "; ".join([said, *map(harmless, example["warnings"])])
