"""The options of `mlefit regress`, and the steps of the command."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, get_args

import typer

from mlefit.cli.console import message
from mlefit.cli.options import LIMITS, choice, option
from mlefit.cli.texts import assigned, names, once
from mlefit.errors import UsageError
from mlefit.report.document import Document

if TYPE_CHECKING:
    from mlefit.inference.regression import Regression
    from mlefit.regressing import Plan

MODEL: Final = "Model"
SHOWN: Final = 12  # labels in a message


Formula = Annotated[
    str | None, typer.Argument(metavar="FORMULA", help='Such as "y ~ x1 + C(group) + x1:x2".', show_default=False)
]
Further = Annotated[
    list[str] | None,
    option(
        "--formula", metavar='"NAME ~ x"', panel=MODEL, help='A formula for a further parameter, such as "sigma ~ x".'
    ),
]
Link = Annotated[
    list[str] | None,
    option("--link", metavar="NAME=LINK,...", panel=MODEL,
           help="Of a parameter, such as p=probit: logit, probit, cloglog, log, identity, inverse."),
]  # fmt: skip
Offset = Annotated[str | None, option("--offset", metavar="COLUMN", panel=MODEL, help="Added to the linear predictor.")]
Exposure = Annotated[
    str | None, option("--exposure", metavar="COLUMN", panel=MODEL, help="Its logarithm is added: counts per exposure.")
]
Levels = Annotated[
    list[str] | None,
    option("--levels", metavar="LABEL,...", panel=MODEL, help="Order of the response's labels (ordinal)."),
]
Kind = Literal["wald", "profile", "none"]
Interval = Annotated[Kind, choice("--interval", of=get_args(Kind), panel=LIMITS, help="Kind of confidence limits.")]
Robust = Annotated[bool, option("--robust", panel=LIMITS, help="Errors from the sandwich, right if only the mean is.")]
Cluster = Annotated[
    str | None,
    option("--cluster", metavar="COLUMN", panel=LIMITS,
           help="Errors from the sandwich over clusters, times G/(G-1) for G clusters."),
]  # fmt: skip
Exponentiate = Annotated[
    bool, option("--exponentiate", panel=LIMITS, help="Show exp(coefficient) too: odds and rate ratios.")
]


def arguments(data: str | None, formula: str | None) -> tuple[str | None, str]:
    """DATA and FORMULA; a single argument is the formula of piped data.

    Raises:
        UsageError: no formula.
    """
    if formula is None and data is not None and "~" in data:
        return None, data
    if formula is None:
        raise UsageError('write a formula after the data, such as "y ~ x1 + x2" (see --help for examples)')
    return data, formula


def formulas(texts: Sequence[str] | None) -> dict[str, str]:
    """`sigma ~ x` by parameter.

    Raises:
        UsageError: not of that form, or a parameter given twice.
    """
    found: dict[str, str] = {}
    for text in texts or ():
        name, tilde, right = text.partition("~")
        if not tilde or not name.strip():
            raise UsageError(f'--formula takes "parameter ~ terms", such as "sigma ~ x"; {text!r} is not that')
        once(found, name.strip(), "--formula")[name.strip()] = right.strip()
    return found


def links(texts: Sequence[str] | None) -> dict[str, str]:
    """`p=probit` by parameter.

    Raises:
        UsageError: not of that form.
    """
    found = assigned(names(texts), "--link", "parameter=link", "p=probit")
    return {name: link.strip().lower() for name, link in found.items()}


def finished(fits: list[Regression], plan: Plan, save: str | None) -> Document:
    """The model that was asked for, and the table; status 3 if one fit has no maximum."""
    if save:
        if len(fits) > 1 or plan.by:
            raise UsageError("--save keeps one model; leave --by out, or choose a group with --where")
        from mlefit.regressing import model_of

        model_of(fits[0], plan).save(save)
        message(f"model saved to {save}")

    def table() -> Any:
        from mlefit.report.regressions import regressions_table

        return regressions_table(fits)

    levels = (fits[0].scorer.recipe or {}).get("levels", ())
    if len(levels) == 2 and not fits[0].family.labels:
        message(f"p is the probability that {fits[0].column} is {levels[1]} (1), not {levels[0]} (0)")
    if fits[0].family.name.startswith("ordinal") and not plan.levels:
        message(
            f"the labels of {fits[0].column} are taken in the order {' < '.join(levels[:SHOWN])}"
            + (" < ..." if len(levels) > SHOWN else "")
            + "; --levels gives another"
        )
    status = 0 if all(fit.converged for fit in fits) else 3
    return Document.of(fits, table, many=bool(plan.by), status=status)
