"""A worked example: what each row of a sample adds to the likelihood and to its gradient, at the estimate."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

from mlefit.families.base import Family
from mlefit.families.links import Array
from mlefit.inference.fit import fit_sample
from mlefit.sample import Sample
from mlefit.samples import sample_data

SHOWN: Final = 5  # rows shown one by one: all of a tiny sample, else three spread over it

# Each loss as it is usually written, from y (n,), the parameters (K, 1) and the NLL of each row (n,).
LOSSES: Final[dict[str, Callable[[Array, Array, Array], Array]]] = {
    "bce": lambda y, theta, nll: nll,
    "cross-entropy": lambda y, theta, nll: nll,
    "mse": lambda y, theta, nll: (y - theta[0]) ** 2,
    "gaussian-nll": lambda y, theta, nll: np.log(theta[1]) + ((y - theta[0]) / theta[1]) ** 2 / 2,
    "mae": lambda y, theta, nll: np.abs(y - theta[0]),
    "poisson": lambda y, theta, nll: theta[0] - y * np.log(theta[0]),
}


def work(family: Family, name: str, text: Mapping[str, Any]) -> dict[str, Any]:
    """The example of a family or loss called `name`, as plain values.

    Args:
        family: not bound to labels yet.
        name: the loss whose own value is shown beside the NLL, where it has one.
        text: the `[example]` table: sample, column, and where needed trials, weights, above (rows kept), minus and fix.
    """
    y, shown, weight = _values(text)
    if family.labels:
        levels = sorted(set(shown))
        family = family.bind(levels)
        y = np.array([levels.index(v) for v in shown], dtype=float)
    name_of_command = family.name
    if "fix" in text:
        family = family.pin(text["fix"])
    fit = fit_sample(family, Sample(y, weight), column=_column(text))[0]
    eta = fit.eta[:, None]
    n = y.shape[-1]
    nll = np.broadcast_to(family.nll(y, eta), (n,))
    gradient = np.broadcast_to(family.gradient(y, eta), (family.size, n))
    scores = [p.name for p in family.parameters]
    if family.labels:  # its first score is held at zero; the gradients of all add up to nothing
        gradient = np.concatenate([-gradient.sum(axis=0, keepdims=True), gradient])
    loss = LOSSES[name](y, fit.theta[:, None], nll) if name in LOSSES else None
    times = np.ones(n) if weight is None else weight
    rows = []
    for i in range(n) if n <= SHOWN else (0, n // 2, n - 1):
        row: dict[str, Any] = {"row": i + 1, "y": shown[i] if family.labels else float(y[..., i].flat[0])}
        if y.ndim == 2:
            row["trials"] = float(y[1, i])
        if weight is not None:
            row["weight"] = float(weight[i])
        if loss is not None:
            row["loss"] = float(loss[i])
        row["nll"] = float(nll[i])
        row["gradient"] = dict(zip(scores, gradient[:, i].tolist(), strict=True))
        rows.append(row)
    total: dict[str, Any] = {"nll": float((times * nll).sum())}
    if loss is not None:
        total = {"loss": float((times * loss).sum()), **total}
    slope, size = (gradient * times).sum(axis=1), np.abs(gradient * times).sum(axis=1)
    total["gradient"] = dict(zip(scores, slope.tolist(), strict=True))
    result: dict[str, Any] = {
        "command": _command(name_of_command, text),
        "sample": text["sample"],
        "column": _column(text),
    }
    result |= {key: text[key] for key in ("trials", "weights", "likelihood") if key in text}
    result |= {"n": n, "weight": float(times.sum()), "rows": rows, "total": total}
    if loss is not None:
        result["mean_loss"] = total["loss"] / result["weight"]
    record = fit.to_dict()
    result |= {
        "estimates": {k: v["estimate"] for k, v in record["parameters"].items()},
        "std_errors": {k: v["std_error"] for k, v in record["parameters"].items()},
        "log_likelihood": record["log_likelihood"],
        "score_is_zero": bool(np.all(np.abs(slope) <= 1e-8 * size)),
        "certificate": {**record["certificate"], "converged": fit.converged},
        "iterations": fit.iterations,
        "warnings": record["warnings"],
    }
    return result | ({"note": text["note"]} if "note" in text else {})


def _values(text: Mapping[str, Any]) -> tuple[Array, list[str], Array | None]:
    """y (n,) or (2, n) as numbers (zeros for labels), y as it stands in the file, and weights."""
    with sample_data(text["sample"]).open(encoding="utf-8", newline="") as file:
        table = [row for row in csv.DictReader(file) if row[text["column"]]]
    if "above" in text:
        table = [row for row in table if float(row[text["column"]]) > text["above"]]
    shown = [row[text["column"]] for row in table]

    def column(name: str) -> Array:
        return np.array([float(row[name]) for row in table])

    weight = column(text["weights"]) if "weights" in text else None
    try:
        y = column(text["column"]) - text.get("minus", 0)
    except ValueError:
        y = np.zeros(len(table))
    if "trials" in text:
        y = np.stack([y, column(text["trials"])])
    if weight is not None:
        kept = weight > 0
        y, weight, shown = y[..., kept], weight[kept], [v for v, k in zip(shown, kept, strict=True) if k]
    return y, shown, weight


def _column(text: Mapping[str, Any]) -> str:
    return f"{text['column']} - {text['minus']}" if "minus" in text else str(text["column"])


def _command(family: str, text: Mapping[str, Any]) -> str:
    """The command that gives the same fit."""
    column = _column(text)
    parts = [f"mlefit estimate sample_data/{text['sample']} --dist {family}"]
    parts.append("--column " + (f'"{column}"' if " " in column else column))
    parts += [f"--{key} {text[key]}" for key in ("trials", "weights") if key in text]
    parts += [f"--fix {name}={value:g}" for name, value in text.get("fix", {}).items()]
    if "above" in text:
        parts.append(f'--where "{text["column"]} > {text["above"]}"')
    return " ".join(parts)
