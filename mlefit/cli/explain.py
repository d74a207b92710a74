"""`mlefit explain`: why a likelihood or a loss is what it is, with numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from mlefit.cli import options as o
from mlefit.cli.completion import losses
from mlefit.report.document import Document

HELP = """\
For a family: the density, the log-likelihood, the NLL, the score equations, the closed form or why there is none, and \
the loss it is in machine learning. For a loss: the way from the likelihood to the loss, what was dropped, and the \
gradient that a network receives. Each with an example worked on sample data when you ask. Families made of others \
(zero-inflated:NAME, hurdle:NAME, mixture:NAME*2, scipy:NAME, "density:FORMULA; PARAMETERS") are put together from
theirs.
"""

EXAMPLES = """\
[bold]Examples[/]\n
mlefit explain bernoulli\n
mlefit explain gamma --format json\n
mlefit explain bce\n
mlefit explain zero-inflated:poisson\n
mlefit explain cross-entropy
"""


def command(
    *,
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", autocompletion=losses, help="A family or a loss; `mlefit families` lists them."),
    ],
    always: o.Always,
) -> Document:
    from mlefit.explain.page import explain

    record = explain(name)

    def table() -> Any:
        from mlefit.report.pages import page

        return page(record)

    return Document(record, [{"part": part, "text": text} for part, text in _flat(record)], table)


def _flat(value: Any, path: str = "") -> list[tuple[str, Any]]:
    """Every single value with its path, such as example.rows.1.nll."""
    if isinstance(value, Mapping):
        items = [(str(key), item) for key, item in value.items()]
    elif isinstance(value, list):
        items = [(str(i), item) for i, item in enumerate(value, 1)]
    else:
        return [(path, " ".join(value.split()) if isinstance(value, str) else value)]
    return [pair for key, item in items for pair in _flat(item, f"{path}.{key}" if path else key)]
