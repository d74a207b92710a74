"""Options of `mlefit estimate` for tests, derived numbers and the bootstrap."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from mlefit.cli import options as o
from mlefit.errors import UsageError

if TYPE_CHECKING:
    from mlefit.api import Roles
    from mlefit.inference.fit import Fit
    from mlefit.inference.wanted import Wanted

INFERENCE: Final = "Tests and limits"
INTERVALS: Final = ("wald", "profile", "bootstrap", "none")

Interval = Annotated[
    str,
    typer.Option(metavar="|".join(INTERVALS), rich_help_panel=INFERENCE, help="Kind of confidence limits."),
]
Level = Annotated[float, typer.Option(metavar="P", rich_help_panel=INFERENCE, help="Confidence level of the limits.")]
Replicates = Annotated[int, typer.Option(metavar="N", rich_help_panel=INFERENCE, help="Of the bootstrap.")]
Seed = Annotated[
    int, typer.Option(metavar="N", rich_help_panel=INFERENCE, help="Of the bootstrap: same seed, same limits.")
]
Bootstrap = Annotated[
    str,
    typer.Option(metavar="nonparametric|parametric", rich_help_panel=INFERENCE,
                 help="Rows drawn again, or new rows drawn from the fit."),
]  # fmt: skip
BootstrapLimits = Annotated[
    str,
    typer.Option(metavar="bca|percentile", rich_help_panel=INFERENCE,
                 help="Bias-corrected and accelerated, or plain percentiles."),
]  # fmt: skip
Null = Annotated[
    list[str] | None,
    typer.Option("--null", metavar="NAME=VALUE[,...]", rich_help_panel=INFERENCE, show_default=False,
                 help="Test these values together: Wald, score and likelihood ratio. May be repeated."),
]  # fmt: skip
Derive = Annotated[
    list[str] | None,
    typer.Option("--derive", metavar="NAME=FORMULA", rich_help_panel=INFERENCE, show_default=False,
                 help="A number that follows from the parameters, such as mean=shape/rate; delta method."),
]  # fmt: skip
Quantile = Annotated[
    list[str] | None,
    typer.Option("--quantile", metavar="P[,P]", rich_help_panel=INFERENCE, show_default=False,
                 help="Quantiles of the fitted distribution, such as 0.1 for the B10 life."),
]  # fmt: skip


Save = Annotated[
    str | None,
    typer.Option("--save", metavar="MODEL", rich_help_panel=o.OUTPUT, show_default=False,
                 help="Write the fit to a file, for predict, evaluate, compare and sample."),
]  # fmt: skip


def save(fits: Sequence[Fit], roles: Roles, path: str) -> None:
    """Write the one fit there is as a constant model.

    Raises:
        UsageError: several fits, or one without a maximum.
    """
    from mlefit.modelling import constant_model

    if len(fits) > 1:
        raise UsageError(f"--save writes one model, not {len(fits)} fits; choose one with --where or --column")
    constant_model(fits[0], roles.further[0] if roles.further else "").save(path)
    o.message(f"model saved to {path}")


def own(interval: str) -> Any:
    """The limits that the fit itself makes: those of the bootstrap come after it.

    Raises:
        UsageError: an unknown kind.
    """
    chosen = o.chosen(interval, INTERVALS, "--interval")
    return "none" if chosen == "bootstrap" else chosen


def wanted(
    interval: str,
    replicates: int,
    seed: int,
    kind: str,
    limits: str,
    null: Sequence[str] | None,
    derive: Sequence[str] | None,
    quantile: Sequence[str] | None,
) -> Wanted | None:
    """What the options ask of every fit; None for nothing.

    Raises:
        UsageError: texts that are not what their option takes.
    """
    if interval != "bootstrap" and not (null or derive or quantile):
        return None
    from mlefit.inference.bootstrap import Plan
    from mlefit.inference.derived import formulas
    from mlefit.inference.wanted import Wanted

    plan = None
    if interval == "bootstrap":
        chosen = o.chosen(kind, ("nonparametric", "parametric"), "--bootstrap")
        plan = Plan(replicates, seed, chosen, o.chosen(limits, ("bca", "percentile"), "--bootstrap-limits"))
    nulls = [o.pairs([text], "--null") for text in null or ()]
    return Wanted(nulls, formulas(named(derive or ())), probabilities(quantile or ()), plan)


def named(texts: Sequence[str]) -> dict[str, str]:
    """`name=formula` texts.

    Raises:
        UsageError: not of that form.
    """
    found = {}
    for text in texts:
        name, equals, formula = text.partition("=")
        if not equals or not name.strip() or not formula.strip():
            raise UsageError(f"--derive takes name=formula, such as --derive mean=shape/rate; {text!r} is not that")
        found[name.strip()] = formula
    return found


def probabilities(texts: Sequence[str]) -> list[float]:
    """Numbers given as repeated options or comma-separated.

    Raises:
        UsageError: not numbers.
    """
    try:
        return [float(text) for text in o.names(texts)]
    except ValueError:
        raise UsageError(f"--quantile takes probabilities such as 0.1; {','.join(texts)!r} is not that") from None
