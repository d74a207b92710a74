"""The page that explains one family or loss: its text, what the family declares, and a worked example.

Texts are `families/NAME.toml` and `losses/NAME.toml` beside this file. Formulas are in Unicode, with the symbols that
the text gives the parameters; prose is reflowed. A family made of others gets its text from theirs (`composed`), one
without a text, such as a plugin's, a page from what it declares.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from inspect import cleandoc
from pathlib import Path
from typing import Any, Final

from mlefit.errors import MlefitError, UsageError, nearest
from mlefit.explain.composed import composed
from mlefit.explain.example import work
from mlefit.families import registry
from mlefit.families.base import Family

HERE: Final = Path(__file__).parent
LINKS: Final = {
    "identity": "{0} = {1}",
    "log": "{0} = exp({1})",
    "logit": "{0} = 1/(1 + exp(−{1}))",
}
PROSE: Final = ("use", "closed_form", "censored", "dropped", "constant_model", "why")
BETWEEN: Final = "between c and d −log(F(d) − F(c)), F being the distribution function"
FROM_TO: Final = "from c to d, both of them counted, −log(F(d) − F(c − 1)), F being the distribution function"
SOFTMAX: Final = "pⱼ = exp(ηⱼ)/Σₖ exp(ηₖ)"
SUBSCRIPTS: Final = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def explain(name: str) -> dict[str, Any]:
    """The page of a family or loss as plain values, ready for JSON; keys in reading order.

    Raises:
        UsageError: neither a family nor a loss; the nearest name is suggested.
    """
    key = registry.canonical(name)
    for loss, page in losses().items():
        if key == loss or key in page["aliases"]:
            return _loss_page(loss, page)
    try:
        family = registry.get(name if ":" in name else key)
    except UsageError:
        aliases = [registry.canonical(a) for family in registry.every() for a in family.aliases]
        known = [*losses(), *registry.names(), *aliases]
        hint = nearest(key, known, f"choose {', '.join(losses())} or one of `mlefit families`")
        raise UsageError(f"there is no family or loss called {name!r}; {hint}") from None
    return _family_page(family)


@cache
def losses() -> Mapping[str, Mapping[str, Any]]:
    """The texts of the losses that are not families' names, by name."""
    return {path.stem: _read(path) for path in sorted((HERE / "losses").glob("*.toml"))}


def text(family: str) -> Mapping[str, Any] | None:
    """The text of a built-in family, None where there is none."""
    path = HERE / "families" / f"{family}.toml"
    return _read(path) if family in registry.BUILT_IN and path.is_file() else None


def _read(path: Path) -> Mapping[str, Any]:
    """A text with its formulas' outer newlines off and its prose on one line."""
    page = tomllib.loads(path.read_text(encoding="utf-8"))
    for key, value in page.items():
        if key in PROSE or (key == "loss" and "family" not in page):
            page[key] = " ".join(value.split())
        elif isinstance(value, str):
            page[key] = value.strip("\n")
        elif isinstance(value, list):
            page[key] = [item.strip("\n") for item in value]
    if "likelihood" in page.get("example", {}):
        page["example"]["likelihood"] = page["example"]["likelihood"].strip("\n")
    return page


def _parameters(
    family: Family, symbols: Mapping[str, str], from_score: Mapping[str, str] | None = None
) -> list[dict[str, str]]:
    """Every parameter with its symbol, its link and how it comes from its score, or from all as `from_score` says."""
    found = []
    for i, p in enumerate(family.parameters):
        symbol, score = symbols.get(p.name, p.name), "η"
        if len(family.parameters) > 1:
            score += str(i + 1).translate(SUBSCRIPTS)
        link, how = p.link.name, LINKS.get(p.link.name, p.link.name + "({0}) = {1}").format(symbol, score)
        if family.labels:
            link, how = "softmax", SOFTMAX
        if from_score and p.name in from_score:
            link, how = "softmax", from_score[p.name]
        found.append({"name": p.name, "symbol": symbol, "meaning": p.meaning, "link": link, "from_score": how})
    return found


def _family_page(family: Family) -> dict[str, Any]:
    page = text(family.name) or composed(family, text)
    if page is None:
        return _declared(family)
    formulas = ("where", "density", "log_likelihood", "nll", "score", "gradient")
    return {
        "name": family.name,
        "kind": "family",
        "summary": family.summary,
        "aliases": list(family.aliases),
        "losses": list(family.losses),
        "use": page["use"],
        "parameters": _parameters(family, page["symbols"], page.get("from_score")),
        "support": "labels" if family.labels else str(family.support),
        **{key: page[key] for key in formulas if key in page},
        "closed_form": page["closed_form"],
        **_censored(family, page),
        **{key: page[key] for key in ("loss", "dropped", "source")},
        **_worked(family, page),
    }


def _censored(family: Family, page: Mapping[str, Any]) -> dict[str, str]:
    """What a row known in part costs and how the maximum is then found, of families that have a text of their own."""
    if ":" in family.name or family.labels or family.name == "bernoulli":
        return {}
    between = FROM_TO if family.discrete else BETWEEN
    found = page.get("censored", "Newton's method finds the maximum.")
    return {"censored": f"A row known to lie above c costs −log(1 − F(c)), {between}. {found}"}


def _worked(family: Family, page: Mapping[str, Any]) -> dict[str, Any]:
    """The example, where there is one; a family made of others may have no maximum on its sample."""
    if "example" not in page:
        return {}
    try:
        example = work(family, family.name, page["example"])
    except MlefitError:
        if ":" not in family.name:
            raise
        return {}
    return {"example": example} if example["certificate"]["converged"] or ":" not in family.name else {}


def _loss_page(name: str, page: Mapping[str, Any]) -> dict[str, Any]:
    family = registry.get(page["family"])
    formulas = ("likelihood", "nll", "total", "loss")
    return {
        "name": name,
        "kind": "loss",
        "summary": page["title"],
        "aliases": page["aliases"],
        "family": f"{family.name}: {family.summary}",
        "use": page["use"],
        "parameters": _parameters(family, page["symbols"]),
        **{key: page[key] for key in formulas if key in page},
        **{key: page[key] for key in ("dropped", "gradient", "why", "constant_model", "source")},
        "train": f"mlefit train --loss {name}",
        "example": work(family, name, page["example"]),
    }


def _declared(family: Family) -> dict[str, Any]:
    """The page of a family that brings no text."""
    kind = type(family)
    written = kind.gradient is not Family.gradient or kind.derivatives is not Family.derivatives
    how = "written by the family" if written else "by central differences of its nll"
    said = cleandoc(kind.__doc__).split("\n\n")[0] if kind.__doc__ and kind.__doc__ != Family.__doc__ else ""
    return {
        "name": family.name,
        "kind": "family",
        "summary": family.summary,
        "aliases": list(family.aliases),
        "losses": list(family.losses),
        "use": " ".join(said.split()),
        "parameters": _parameters(family, {}),
        "support": str(family.support),
        "score": [f"the gradient of its nll, {how}"],
        "closed_form": "None declared: Newton's method on the scores.",
        "loss": f"A network trained with --loss {family.name} minimises this family's NLL.",
    }
