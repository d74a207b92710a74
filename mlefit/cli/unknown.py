"""What is said of an option that a command does not have: the one that does what it says, or is spelt alike."""

from __future__ import annotations

from collections.abc import Collection
from types import MappingProxyType
from typing import Any, Final

from mlefit.errors import nearest

# What other tools call the options of this one. The first that the command has is meant.
MEANT: Final = MappingProxyType(
    {
        "--alpha": ("--level 0.95",),
        "--batch": ("--batch-size",),
        "--bs": ("--batch-size",),
        "--ci": ("--level",),
        "--col": ("--column", "--target"),
        "--column": ("--target",),
        "--confidence": ("--level",),
        "--conf": ("--level",),
        "--conf-level": ("--level",),
        "--censor": ("--event",),
        "--censored": ("--event",),
        "--censoring": ("--event",),
        "--status": ("--event",),
        "--count": ("-n",),
        "--size": ("-n",),
        "--csv": ("--format csv",),
        "--distribution": ("--dist",),
        "--entry": ("--truncate-below",),
        "--family": ("--dist",),
        "--model": ("--dist",),
        "--filter": ("--where",),
        "--query": ("--where",),
        "--subset": ("--where",),
        "--freq": ("--weights",),
        "--frequency": ("--weights",),
        "--group": ("--by",),
        "--groupby": ("--by",),
        "--group-by": ("--by",),
        "--strata": ("--by",),
        "--inputs": ("--features",),
        "--predictors": ("--features",),
        "--x": ("--features",),
        "--json": ("--format json",),
        "--label": ("--target",),
        "--labels": ("--target",),
        "--response": ("--target", "--column"),
        "--y": ("--target", "--column"),
        "--layers": ("--hidden",),
        "--units": ("--hidden",),
        "--left": ("--lower",),
        "--right": ("--upper",),
        "--lr": ("--learning-rate",),
        "--method": ("--interval",),
        "--na": ("--missing",),
        "--nboot": ("--replicates",),
        "--percentile": ("--quantile",),
        "--percentiles": ("--quantile",),
        "--quantiles": ("--quantile",),
        "--random-state": ("--seed",),
        "--sep": ("--delimiter",),
        "--separator": ("--delimiter",),
        "--silent": ("--quiet",),
        "--val": ("--validation",),
        "--validation-split": ("--validation",),
        "--variable": ("--column",),
        "--var": ("--column",),
        "--wd": ("--weight-decay",),
        "--weight": ("--weights",),
    }
)
RESPONSE: Final = 'the column to model stands first in the formula, "y ~ x"'
QUANTILES: Final = (
    "`mlefit estimate --quantile 0.1` gives those of a distribution, `mlefit predict MODEL --quantile 0.1` those of "
    "each row by a model that --save has written"
)
# What is not done by an option, and how it is.
OTHERWISE: Final = MappingProxyType(
    {
        "--output": "results go to standard output: > FILE writes them to a file",
        "--out": "results go to standard output: > FILE writes them to a file",
        "-o": "results go to standard output: > FILE writes them to a file",
        "--column": RESPONSE,
        "--target": RESPONSE,
        "--response": RESPONSE,
        "--y": RESPONSE,
        "--plot": "estimate, compare, likelihood and train draw; `mlefit predict` gives values to draw elsewhere",
        "--quantile": QUANTILES,
        "--quantiles": QUANTILES,
        "--verbose": "all that is known is printed; -q prints less",
        "--device": "networks are trained on the processor",
    }
)


def no_such_option(name: str, command: Any) -> str:
    """The sentence about an option, such as --lr, that this command of typer does not have."""
    known = {each for parameter in command.params for each in (*parameter.opts, *parameter.secondary_opts)}
    return f"there is no option {name}; {_advice(name, known)}".removesuffix("; ")


def _advice(name: str, known: Collection[str]) -> str:
    meant = next((each for each in MEANT.get(name, ()) if each.split()[0] in known), None)
    if meant is not None:
        return f"did you mean {meant}?"
    if name in OTHERWISE and (OTHERWISE[name] is not RESPONSE or "--formula" in known):
        return OTHERWISE[name]
    return nearest(name, sorted(each for each in known if each.startswith("--")), "") if name.startswith("--") else ""
