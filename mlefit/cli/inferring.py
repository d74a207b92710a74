"""What `mlefit estimate` is asked beside the estimates: limits, tests, derived numbers and the bootstrap."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal, get_args

from mlefit.cli.options import LIMITS, Level, choice, option
from mlefit.cli.texts import assigned, pairs, probabilities
from mlefit.errors import UsageError

if TYPE_CHECKING:
    from mlefit.inference.wanted import Wanted


Interval = Literal["wald", "profile", "bootstrap", "none"]
Bootstrap = Literal["nonparametric", "parametric"]
BootstrapLimits = Literal["bca", "percentile"]


@dataclass(frozen=True)
class Inference:
    """Limits of every parameter, and what else to work out from a fit."""

    level: Level = 0.95
    interval: Annotated[
        Interval,
        choice("--interval", of=get_args(Interval), metavar="KIND", panel=LIMITS,
               help="Kind of confidence limits: {}. The bootstrap makes the standard errors, too."),
    ] = "wald"  # fmt: skip
    replicates: Annotated[
        int, option("--replicates", metavar="N", panel=LIMITS, show=True, help="Of the bootstrap.")
    ] = 2000
    seed: Annotated[
        int,
        option("--seed", metavar="N", panel=LIMITS, show=True, help="Of the bootstrap: same seed, same limits."),
    ] = 0
    bootstrap: Annotated[
        Bootstrap,
        choice("--bootstrap", of=get_args(Bootstrap), metavar="KIND", panel=LIMITS,
               help="Rows drawn again, or new rows drawn from the fit: {}."),
    ] = "nonparametric"  # fmt: skip
    bootstrap_limits: Annotated[
        BootstrapLimits,
        choice("--bootstrap-limits", of=get_args(BootstrapLimits), panel=LIMITS,
               help="Bias-corrected and accelerated, or plain percentiles."),
    ] = "bca"  # fmt: skip
    null: Annotated[
        list[str] | None,
        option("--null", metavar="NAME=VALUE,...", panel=LIMITS,
               help="Test these values together: Wald, score and likelihood ratio. May be repeated."),
    ] = None  # fmt: skip
    derive: Annotated[
        list[str] | None,
        option("--derive", metavar="NAME=FORMULA", panel=LIMITS,
               help="A number that follows from the parameters, such as mean=shape/rate; limits of the same kind."),
    ] = None  # fmt: skip
    quantile: Annotated[
        list[str] | None,
        option("--quantile", metavar="P,...", panel=LIMITS,
               help="Quantiles of the fitted distribution, such as 0.1 for the B10 life."),
    ] = None  # fmt: skip

    @property
    def of_the_fit(self) -> Literal["wald", "profile", "none"]:
        """The limits that the fit itself makes: those of the bootstrap come after it."""
        return "none" if self.interval == "bootstrap" else self.interval

    def wanted(self) -> Wanted | None:
        """What is asked of every fit; None for nothing.

        Raises:
            UsageError: texts that are not what their option takes.
        """
        usual = Inference()
        for name in ("replicates", "bootstrap", "bootstrap_limits"):
            if self.interval != "bootstrap" and getattr(self, name) != getattr(usual, name):
                raise UsageError(f"--{name.replace('_', '-')} is of the bootstrap: add --interval bootstrap")
        if self.interval != "bootstrap" and not (self.null or self.derive or self.quantile):
            return None
        from mlefit.inference.bootstrap import Plan
        from mlefit.inference.derived import formulas
        from mlefit.inference.wanted import Wanted

        plan = None
        if self.interval == "bootstrap":
            plan = Plan(self.replicates, self.seed, self.bootstrap, self.bootstrap_limits)
        nulls = [pairs([text], "--null") for text in self.null or ()]
        derived = formulas(assigned(self.derive, "--derive", "name=formula", "mean=shape/rate"))
        return Wanted(nulls, derived, probabilities(self.quantile, "0.1"), plan)
