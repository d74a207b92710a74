"""Texts of families made of others or of a formula: zero-inflated:, hurdle:, mixture:, scipy: and density:.

Each gives what a text in `families/` holds. f stands for the density of the family inside, g for its gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import inf
from typing import TYPE_CHECKING, Any, Final

from mlefit.families.base import Family

if TYPE_CHECKING:
    from mlefit.families.density import Density
    from mlefit.families.hurdle import Hurdle
    from mlefit.families.mixture import Mixture
    from mlefit.families.scipy_adapter import ScipyFamily
    from mlefit.families.semicontinuous import Semicontinuous
    from mlefit.families.zero_inflated import ZeroInflated

Text = Mapping[str, Any]
Texts = Callable[[str], Text | None]

SUBSCRIPTS: Final = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
# Samples for values of each kind: counts, shares of one, numbers above zero, of any sign, zero among others.
COUNTS: Final = {"sample": "toxocara.csv", "column": "number"}
SHARES: Final = {"sample": "petrol.csv", "column": "yield_fraction"}
POSITIVE: Final = {"sample": "groundbeef.csv", "column": "serving"}
SIGNED: Final = {"sample": "newcomb.csv", "column": "deviation"}
SPENT: Final = {"sample": "tobin.csv", "column": "durable"}
GROUPS: Final = {"sample": "old_faithful.csv", "column": "waiting"}


def composed(family: Family, texts: Texts) -> Text | None:
    """The text of a family made of others; None where it is none.

    Args:
        family: to be explained.
        texts: the text of a family by name, None where there is none.
    """
    if ":" not in family.name:
        return None
    from mlefit.families.density import Density
    from mlefit.families.hurdle import Hurdle
    from mlefit.families.mixture import Mixture
    from mlefit.families.scipy_adapter import ScipyFamily
    from mlefit.families.semicontinuous import Semicontinuous
    from mlefit.families.zero_inflated import ZeroInflated

    if isinstance(family, Semicontinuous):
        return _semicontinuous(family, texts)
    if isinstance(family, ZeroInflated):
        return _zero_inflated(family, texts)
    if isinstance(family, Hurdle):
        return _hurdle(family, texts)
    if isinstance(family, Mixture):
        return _mixture(family, texts)
    if isinstance(family, Density):
        return _density(family)
    return _scipy(family) if isinstance(family, ScipyFamily) else None


def _part(j: int) -> str:
    return str(j + 1).translate(SUBSCRIPTS)


def _slope(j: int) -> str:
    return f"∂nll/∂η{_part(j)} = "


def _cases(left: str, zero: str, above: str, elsewhere: str = ">") -> str:
    """A formula with one right side at zero and another above, or elsewhere."""
    width = max(len(zero), len(above))
    return f"{left}{zero:<{width}}   for y = 0\n{left}{above:<{width}}   for y {elsewhere} 0"


def _inside(base: Family, texts: Texts) -> tuple[dict[str, str], list[str]]:
    """Symbols of the family inside, and the lines that say what f and g are."""
    said = texts(base.name)
    symbols = {name: name for name in base.names} | dict(said["symbols"] if said else {})
    if said is None:
        return symbols, [f"f(y): the density of {base.name}"]
    density = str(said["density"]).replace("P(Y = y)", "f(y)")
    # The second line of a long formula is indented to its first.
    return symbols, [density, *said.get("where", ())]


def _example(base: Family, texts: Texts) -> dict[str, Any]:
    """Counts of trials have a sample of their own."""
    said = texts(base.name)
    if said is None or len(base.columns) == 1:
        return dict(COUNTS)
    return {key: value for key, value in said["example"].items() if key != "note"}


def _zero_inflated(family: ZeroInflated, texts: Texts) -> Text:
    base = family.base
    symbols, where = _inside(base, texts)
    last, names = f"η{_part(base.size)}", ", ".join(symbols[name] for name in base.names)
    return {
        "use": f"Counts with more zeros than {base.name} allows: with chance ω (called pi) the count is 0 by rule, "
        f"otherwise it is a count of {base.name} and may still be 0.",
        "symbols": symbols | {"pi": "ω"},
        "where": [*where, "q = ω + (1 − ω) f(0)", f"gⱼ(y) = ∂nll/∂ηⱼ of {base.name} alone"],
        "density": _cases("P(Y = y) = ", "q", "(1 − ω) f(y)"),
        "log_likelihood": f"ℓ({names}, ω) = n₀ log q + (n − n₀) log(1 − ω)\n"
        "          + Σ₊ log f(yᵢ)\n          (n₀ rows are zero, Σ₊ is over the others)",
        "nll": _cases("", "−log q", "−log(1 − ω) − log f(y)"),
        "score": [
            f"∂ℓ/∂θ = n₀ (1 − ω) (∂f(0)/∂θ)/q + Σ₊ ∂log f(yᵢ)/∂θ\n        for θ = {names}",
            "∂ℓ/∂ω = n₀ (1 − f(0))/q − (n − n₀)/(1 − ω)",
        ],
        "gradient": [
            *(_cases(_slope(j), f"g{_part(j)}(0) (1 − ω) f(0)/q", f"g{_part(j)}(y)") for j in range(base.size)),
            _cases(_slope(base.size), "ω − ω/q", "ω"),
        ],
        "closed_form": f"No: zeros by rule and zeros of {base.name} are never told apart, only their shares are. A few "
        "rounds of expectation and maximisation, begun with many extra zeros and with few, lead to where Newton's "
        "method takes over; the better end is kept.",
        "loss": "A mixture loss, the log of a sum of two chances: a zero row's pull is shared between "
        f"{last} and the scores of {base.name}.",
        "dropped": "What no parameter is in, such as log y! of the counts above 0; f(0) is in q and stays.",
        "source": "Lambert (1992) Technometrics 34:1; Johnson, Kemp and Kotz (2005), section 8.2.3",
        "example": _example(base, texts),
    }


def _hurdle(family: Hurdle, texts: Texts) -> Text:
    base = family.base
    symbols, where = _inside(base, texts)
    names = ", ".join(symbols[name] for name in base.names)
    return {
        "use": f"Zeros and counts above zero, each with a model of its own: with chance ω (called pi) the count is "
        f"0, otherwise it is a count of {base.name} given that it is not 0. Zeros may be fewer or more than "
        f"{base.name} has.",
        "symbols": symbols | {"pi": "ω"},
        "where": [*where, f"gⱼ(y) = ∂nll/∂ηⱼ of {base.name} alone"],
        "density": _cases("P(Y = y) = ", "ω", "(1 − ω) f(y)/(1 − f(0))"),
        "log_likelihood": f"ℓ({names}, ω) = n₀ log ω + (n − n₀) log(1 − ω)\n"
        "          + Σ₊ (log f(yᵢ) − log(1 − f(0)))\n          (n₀ rows are zero, Σ₊ is over the others)",
        "nll": _cases("", "−log ω", "−log(1 − ω) − log f(y) + log(1 − f(0))"),
        "score": [
            f"∂ℓ/∂θ = Σ₊ (∂log f(yᵢ)/∂θ + (∂f(0)/∂θ)/(1 − f(0)))\n        for θ = {names}",
            "∂ℓ/∂ω = n₀/ω − (n − n₀)/(1 − ω)",
        ],
        "gradient": [
            *(_cases(_slope(j), "0", f"g{_part(j)}(y) + g{_part(j)}(0) f(0)/(1 − f(0))") for j in range(base.size)),
            _cases(_slope(base.size), "ω − 1", "ω"),
        ],
        "closed_form": f"Half: ω̂ = n₀/n, the share of zeros, whatever the rest. The rest ({names}) is estimated "
        "from the counts above 0 alone; 1 − f(0) keeps their likelihood from a solution in symbols, and Newton's "
        "method finds it.",
        "loss": f"Two losses that do not meet: bce for zero or not, and the truncated {base.name} for how many.",
        "dropped": "What no parameter is in, such as log y! of the counts above 0; log(1 − f(0)) stays.",
        "source": "Mullahy (1986) Journal of Econometrics 33:341; Cragg (1971) Econometrica 39:829",
        "example": _example(base, texts),
    }


def _semicontinuous(family: Semicontinuous, texts: Texts) -> Text:
    base = family.base
    symbols, where = _inside(base, texts)
    names = ", ".join(symbols[name] for name in base.names)
    sign = ">" if base.support.lower == 0 else "≠"
    found: dict[str, Any] = {
        "use": "Measurements of which some are exactly 0, such as rain, claims or costs: with chance ω (called pi) "
        f"the value is 0, otherwise it is drawn from {base.name}. A density gives no chance to 0 itself, so every zero "
        "is one apart: zero-inflated and hurdle are the same model.",
        "symbols": symbols | {"pi": "ω"},
        "where": [*where, f"gⱼ(y) = ∂nll/∂ηⱼ of {base.name} alone"],
        "density": "P(Y = 0) = ω\nthe density elsewhere is (1 − ω) f(y)",
        "log_likelihood": f"ℓ({names}, ω) = n₀ log ω + (n − n₀) log(1 − ω)\n"
        "          + Σ₊ log f(yᵢ)\n          (n₀ rows are zero, Σ₊ is over the others)",
        "nll": _cases("", "−log ω", "−log(1 − ω) − log f(y)", sign),
        "score": [
            f"∂ℓ/∂θ = Σ₊ ∂log f(yᵢ)/∂θ   for θ = {names}",
            "∂ℓ/∂ω = n₀/ω − (n − n₀)/(1 − ω)",
        ],
        "gradient": [
            *(_cases(_slope(j), "0", f"g{_part(j)}(y)", sign) for j in range(base.size)),
            _cases(_slope(base.size), "ω − 1", "ω", sign),
        ],
        "closed_form": f"ω̂ = n₀/n, the share of zeros, whatever the rest. The rest ({names}) is estimated from the "
        f"other values alone, as for {base.name}: in closed form where that has one.",
        "loss": f"Two losses that do not meet: bce for zero or not, and that of {base.name} for how much.",
        "dropped": f"What no parameter is in, as for {base.name}.",
        "source": "Aitchison (1955) JASA 50:901; Duan, Manning, Morris and Newhouse (1983) JBES 1:115",
    }
    return found if base.support.upper < inf or len(base.columns) > 1 else found | {"example": dict(SPENT)}


def _mixture(family: Mixture, texts: Texts) -> Text:
    parts = family.components
    count = len(parts)
    symbols = {f"weight_{c + 1}": f"w{_part(c)}" for c in range(count - 1)}
    shares = {name: f"{symbol} = exp(η{symbol[1:]})/(1 + Σ exp(ηⱼ))" for name, symbol in symbols.items()}
    for c, part in enumerate(parts):
        own, _ = _inside(part, texts)
        symbols |= {f"{name}_{c + 1}": f"{own[name]}{_part(c)}" for name in part.names}
    kinds = list(dict.fromkeys(part.name for part in parts))
    what = f"each {kinds[0]}" if len(kinds) == 1 else f"{', '.join(kinds[:-1])} and {kinds[-1]}"
    where = []
    for kind in kinds:
        among = [_part(c) for c, part in enumerate(parts) if part.name == kind]
        said = texts(kind)
        each = ", ".join(f"f{c}" for c in among)
        where.append(f"{each}: densities of {kind}" if len(among) > 1 else f"{each}: the density of {kind}")
        if said and "\n" not in str(said["density"]):
            where.append("    " + str(said["density"]).replace("P(Y = y)", "f(y)"))
    where += [
        f"w{_part(count - 1)} = 1 − the sum of the other shares",
        "rⱼ(y) = wⱼ fⱼ(y)/f(y), the chance that a row is of part j",
        "g: ∂nll/∂η of a part alone",
    ]
    terms = [f"w{_part(c)} f{_part(c)}(y)" for c in range(count)]
    total = " + ".join(terms) if count <= 3 else f"{terms[0]} + ... + {terms[-1]}"
    gradient = [f"{_slope(c)}w{_part(c)} − r{_part(c)}(y)" for c in range(count - 1)]
    at = count - 1
    for c, part in enumerate(parts):
        gradient += [f"{_slope(at + j)}r{_part(c)}(y) g   by {symbols[f'{name}_{c + 1}']}"
                     for j, name in enumerate(part.names)]  # fmt: skip
        at += part.size
    support = parts[0].support
    sample = COUNTS if family.discrete else SHARES if support.upper == 1 else GROUPS
    last = _part(count - 1)
    return {
        "use": f"Rows of {count} sorts, {what}, where nobody has written down which row is of which. The shares and "
        "the parameters of every sort are estimated at once.",
        "symbols": symbols,
        "from_score": shares if count > 2 else {},  # of two, the one share is plainly logistic
        "where": where,
        "density": f"f(y) = {total}",
        "log_likelihood": "ℓ = Σ log f(yᵢ)   (a sum of logs of sums: it does not part)",
        "nll": "−log f(y)",
        "score": [
            f"∂ℓ/∂wⱼ = Σ (rⱼ(yᵢ)/wⱼ − r{last}(yᵢ)/w{last})",
            "∂ℓ/∂θ = Σ rⱼ(yᵢ) ∂log fⱼ(yᵢ)/∂θ   for θ of part j",
        ],
        "gradient": gradient,
        "closed_form": "No: the equations are those of each part alone with rows weighted by rⱼ, which holds every "
        "parameter. Expectation and maximisation from several partitions of the rows lead to where Newton's method "
        "takes over, and the highest of the maxima found is kept. Parts of one family are numbered by their means. A "
        "part may not shrink onto a single value, where the likelihood has no bound.",
        "loss": "A mixture density network minimises it: several answers to one question, each with a chance.",
        "dropped": "Nothing: constants of the parts stand inside the sum.",
        "source": "McLachlan and Peel (2000), section 1.4; Dempster, Laird and Rubin (1977) JRSS B 39:1",
        "example": dict(sample),
    }


def _scipy(family: ScipyFamily) -> Text:
    law = f"scipy.stats.{family.short}"
    shapes = [p.name for p in family.every[: family.shapes]]
    listed = f"; {', '.join(shapes)}" if shapes else ""
    value = "y − loc" if family.shifted else "y"
    names = ", ".join(family.names)
    found: dict[str, Any] = {
        "use": f"{_title(family)} It takes any distribution of scipy.stats by its name, with the parameters that scipy "
        f"gives it; the documentation of {law} has the formula of "
        + ("its probabilities." if family.discrete else "its standard density f₀."),
        "symbols": {name: name for name in family.names},
        "log_likelihood": f"ℓ({names}) = Σ log f(yᵢ)",
        "score": ["∂ℓ/∂θ = Σ ∂log f(yᵢ)/∂θ   for every parameter θ"],
        "gradient": [_slope(j) + _scipy_slope(family, name, listed) for j, name in enumerate(family.names)],
        "loss": f"A network trained with --loss {family.name} minimises it; a family of mlefit's own is faster.",
        "dropped": f"Nothing: {law} gives every constant.",
        "source": f"{law}; parameters and density are defined there",
    }
    if family.discrete:
        found |= {
            "where": [f"f(k{listed}): {law}.pmf"] if family.shifted else [f"f(y{listed}): {law}.pmf"],
            "density": f"P(Y = y) = f({value}{listed})",
            "nll": f"−log f({value}{listed})",
        }
    else:
        found |= {
            "where": ["z = (y − loc)/scale", f"f₀(z{listed}): {law}.pdf", f"h(z) = −∂log f₀(z{listed})/∂z"],
            "density": f"f(y) = f₀(z{listed})/scale",
            "nll": f"log scale − log f₀(z{listed})",
        }
    closed = (
        "None is used. A simplex search refines scipy's own guess and others of its kind, and Newton's method goes on "
        f"from there; log {'f' if family.discrete else 'f₀'} is differentiated by finite differences."
    )
    if whole := sorted(family.integers & set(family.names)):
        what = "is an integer and is" if len(whole) == 1 else "are integers and are"
        closed += (
            f" {' and '.join(whole)} {what} found by going through them, the others estimated anew at each, until no "
            "neighbour is better."
        )
    if family.discrete:
        closed += (
            " loc is estimated too, over the integers: the values less loc have the distribution."
            if family.shifted
            else " loc is 0, as it is for scipy.stats.fit: counts begin where the distribution does. --fix loc=2 holds "
            f"another, and --dist {family.name}+loc estimates it over the integers."
        )
    if not family.discrete:
        closed += (
            " Where the density is highest at its end, the estimate of that end is the smallest or the largest value, "
            "and the parameters follow from it and the others. Where loc is free, the likelihood may rise without "
            "bound as the density's end nears the smallest value; mlefit says so, and --fix loc=0 holds it."
        )
    found["closed_form"] = closed
    sample = _scipy_sample(family)
    return found | ({"example": sample} if sample else {})


def _scipy_slope(family: ScipyFamily, name: str, listed: str) -> str:
    if name in family.integers:
        return "0, for it is not a score that moves but an integer"
    if family.discrete:
        return f"−∂log f({'y − loc' if family.shifted else 'y'}{listed})/∂{name} · ∂{name}/∂η"
    if name == "loc":
        return "−h(z)/scale"
    return "1 − z h(z)" if name == "scale" else f"−∂log f₀(z{listed})/∂{name} · ∂{name}/∂η"


def _density(family: Density) -> Text:
    names, rest = ", ".join(family.names), family.columns[1:]
    beside = f" It depends on {' and '.join(rest)} of the same row too." if rest else ""
    return {
        "use": f"A density of one's own, written as its logarithm; {family.columns[0]} is the column that is fitted."
        + beside,
        "symbols": {name: name for name in family.names},
        "density": f"log f({family.columns[0]}) = {family.formula.text.strip()}",
        "log_likelihood": f"ℓ({names}) = Σ log f({family.columns[0]}ᵢ)",
        "nll": f"−log f({family.columns[0]})",
        "score": ["∂ℓ/∂θ = Σ ∂log f/∂θ   for every parameter θ"],
        "gradient": [
            f"{_slope(j) if family.size > 1 else '∂nll/∂η = '}−∂log f/∂{name} · ∂{name}/∂η"
            for j, name in enumerate(family.names)
        ],
        "closed_form": "None is looked for: Newton's method on the scores, with the exact first and second derivatives "
        "of the formula. Whether the density integrates to one is checked by quadrature at the estimate, and said "
        "where it does not.",
        "loss": "Its NLL, as that of any family; terms without a parameter may be left out for the estimate, but not "
        "for a comparison.",
        "dropped": "What you leave out of the formula.",
        "source": "The formula itself",
    }


def _title(family: ScipyFamily) -> str:
    """The first line of scipy's own description, such as "A gamma continuous random variable."."""
    lines = (family.distribution.__doc__ or "").strip().splitlines()
    return lines[0].strip().rstrip(".") + "." if lines else f"The distribution {family.short} of scipy."


def _scipy_sample(family: ScipyFamily) -> dict[str, Any] | None:
    """A sample that lies in the standard support, loc and scale held where that has an end; None where none does."""
    low, high = float(family.distribution.a), float(family.distribution.b)
    if family.discrete:
        return dict(COUNTS) if low == 0 and high == inf else None
    samples: dict[tuple[float, float], dict[str, Any]] = {
        (-inf, inf): dict(SIGNED),
        (0.0, inf): {**POSITIVE, "fix": {"loc": 0.0}},
        (0.0, 1.0): {**SHARES, "fix": {"loc": 0.0, "scale": 1.0}},
    }
    sample = samples.get((low, high))
    return sample if sample and set(family.names) - set(sample.get("fix", {})) else None
