"""Formulas from the command line: parsed, never run as code, and differentiated exactly.

Python's own parser makes the tree; a short list of its nodes is allowed, everything else is refused with its place in
the text. A tree is evaluated on jets, values with their first and second derivatives in the scores (forward
accumulation; Griewank and Walther 2008, chapter 13), each array as long as the data.
"""

from __future__ import annotations

import ast
import keyword
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import e, inf, pi
from typing import Any, Final

import numpy as np

from mlefit.errors import UsageError, nearest
from mlefit.families import special
from mlefit.families.links import Array

LONGEST: Final = 10_000
DEEPEST: Final = 150  # levels of the tree, far above any density and below Python's own limit
CONSTANTS: Final = {"pi": pi, "e": e}
Three = tuple[Array, Array, Array]  # f, f' and f''


@dataclass(frozen=True, eq=False)
class Jet:
    """A value with its first derivatives, by score, and second ones, by pair of scores i >= j; absent ones are zero."""

    value: Array
    first: Mapping[int, Array] = field(default_factory=dict)
    second: Mapping[tuple[int, int], Array] = field(default_factory=dict)


def _tanh(u: Array) -> Three:
    t = np.tanh(u)
    return t, 1 - t * t, -2 * t * (1 - t * t)


def _erf(u: Array) -> Three:
    slope = 2 / np.sqrt(pi) * np.exp(-u * u)
    return np.asarray(special.erf(u)), slope, -2 * u * slope


def _lgamma(u: Array) -> Three:
    return np.asarray(special.gammaln(u)), np.asarray(special.digamma(u)), np.asarray(special.polygamma(1, u))


def _digamma(u: Array) -> Three:
    return np.asarray(special.digamma(u)), np.asarray(special.polygamma(1, u)), np.asarray(special.polygamma(2, u))


def _sqrt(u: Array) -> Three:
    root = np.sqrt(u)
    return root, 0.5 / root, -0.25 / (root * u)


FUNCTIONS: Final[dict[str, Callable[[Array], Three]]] = {
    "exp": lambda u: (np.exp(u),) * 3,
    "log": lambda u: (np.log(u), 1 / u, -1 / (u * u)),
    "log1p": lambda u: (np.log1p(u), 1 / (1 + u), -1 / (1 + u) ** 2),
    "expm1": lambda u: (np.expm1(u), np.exp(u), np.exp(u)),
    "sqrt": _sqrt,
    "abs": lambda u: (np.abs(u), np.sign(u), np.zeros_like(u)),
    "lgamma": _lgamma,
    "digamma": _digamma,
    "sin": lambda u: (np.sin(u), np.cos(u), -np.sin(u)),
    "cos": lambda u: (np.cos(u), -np.sin(u), -np.cos(u)),
    "tanh": _tanh,
    "sinh": lambda u: (np.sinh(u), np.cosh(u), np.sinh(u)),
    "cosh": lambda u: (np.cosh(u), np.sinh(u), np.cosh(u)),
    "atan": lambda u: (np.arctan(u), 1 / (1 + u * u), -2 * u / (1 + u * u) ** 2),
    "erf": _erf,
}

# The same without derivatives, for what depends on no score.
VALUES: Final[dict[str, Callable[[Array], Array]]] = {
    "exp": np.exp, "log": np.log, "log1p": np.log1p, "expm1": np.expm1, "sqrt": np.sqrt, "abs": np.abs,
    "lgamma": lambda u: np.asarray(special.gammaln(u)), "digamma": lambda u: np.asarray(special.digamma(u)),
    "sin": np.sin, "cos": np.cos, "tanh": np.tanh, "sinh": np.sinh, "cosh": np.cosh, "atan": np.arctan,
    "erf": lambda u: np.asarray(special.erf(u)),
}  # fmt: skip


# An abs of the tree and the jet of its argument, to the jet of what it stands for.
Absolute = Callable[[ast.Call, Jet], Jet]


@dataclass(frozen=True)
class Formula:
    """A parsed formula.

    Attributes:
        text: as it was written.
        names: the names in it that are neither functions nor constants, in order of appearance.
    """

    text: str
    names: tuple[str, ...]
    tree: ast.expr = field(repr=False)
    places: Mapping[str, int] = field(repr=False)

    def evaluate(self, values: Mapping[str, Jet], absolute: Absolute | None = None) -> Jet:
        """The formula's value and derivatives for jets of all its names, which may hide constants.

        `absolute` takes the place of abs, if given.
        """
        return _evaluate(self.tree, values, absolute)

    def bent(self) -> list[tuple[ast.Call, frozenset[str]]]:
        """Every abs in the formula, and the names in its argument."""
        return [
            (node, frozenset(n.id for n in ast.walk(node.args[0]) if isinstance(n, ast.Name)) - FUNCTIONS.keys())
            for node in ast.walk(self.tree)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "abs"
        ]


def parse(text: str, what: str = "the expression") -> Formula:
    """Parse a formula.

    Raises:
        UsageError: the text is no formula, or uses what is not allowed; the message says at which character.
    """
    if len(text) > LONGEST:
        raise UsageError(f"{what} is {len(text)} characters long; {LONGEST} is the most")
    shift = len(text) - len(text.lstrip())
    # Words that are Python's, such as lambda, are names like any other here: a letter of its own marks them.
    plain = re.sub(r"\b[a-z]+\b", lambda m: "ǃ" + m[0][1:] if keyword.iskeyword(m[0]) else m[0], text)
    keywords = {"ǃ" + word[1:]: word for word in keyword.kwlist}
    # A name with a label, such as p[Adelie], is one name: a word of the same length stands for it.
    for i, name in enumerate(dict.fromkeys(re.findall(r"\b[^\W\d]\w*\[[^\[\]]*\]", text))):
        word = f"_{i}".rjust(len(name), "_")
        plain, keywords = plain.replace(name, word), keywords | {word: name}
    try:
        tree = ast.parse(plain.strip().replace("\n", " "), mode="eval").body
        places: dict[str, int] = {}
        _check(tree, text, what, keywords, shift, places, 0)
    except SyntaxError as error:
        raise UsageError(_at(what, text, (error.offset or 1) - 1 + shift, "cannot be read")) from None
    except (ValueError, RecursionError, MemoryError):
        raise UsageError(f"{what} cannot be read: it nests too deeply or holds what is no text") from None
    return Formula(text, tuple(places), _Roots().visit(tree), places)


class _Roots(ast.NodeTransformer):
    """The root of a square is the magnitude, whose kink is known for one."""

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        squared = isinstance(node.func, ast.Name) and node.func.id == "sqrt" and _is_power(node.args[0], 2.0)
        return _magnitude(node.args[0].left) if squared and isinstance(node.args[0], ast.BinOp) else node

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        self.generic_visit(node)
        squared = _is_power(node, 0.5) and _is_power(node.left, 2.0)
        return _magnitude(node.left.left) if squared and isinstance(node.left, ast.BinOp) else node


def _is_power(node: ast.expr, exponent: float) -> bool:
    power = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow) and isinstance(node.right, ast.Constant)
    return power and node.right.value == exponent  # type: ignore[attr-defined]


def _magnitude(node: ast.expr) -> ast.Call:
    return ast.Call(func=ast.Name(id="abs", ctx=ast.Load()), args=[node], keywords=[])


def unknown(formula: Formula, name: str, known: list[str], what: str) -> UsageError:
    """The error for a name of the formula that nothing is known of."""
    hint = nearest(name, [*known, *FUNCTIONS, *CONSTANTS], f"known are {', '.join(known)}")
    return UsageError(f"{_at(what, formula.text, formula.places[name], f'names {name!r}, which is not known')}; {hint}")


def _at(what: str, text: str, place: int, problem: str) -> str:
    """A sentence that points at a character of the text, counted from one."""
    near = text[place : place + 12].strip()
    return f"{what} {problem}, at character {place + 1}" + (f" ({near!r})" if near else " (its end)")


def _check(
    node: ast.AST, text: str, what: str, keywords: Mapping[str, str], shift: int, places: dict[str, int], depth: int
) -> None:
    """Refuse all but arithmetic; note the place of each name, and give keywords their letter back."""

    def refuse(problem: str) -> UsageError:
        column = len(text.strip().encode()[: getattr(node, "col_offset", 0)].decode(errors="ignore"))
        return UsageError(_at(what, text, column + shift, problem))

    if depth > DEEPEST:
        raise refuse("nests too deeply")
    if isinstance(node, ast.Constant):
        if isinstance(node.value, bool) or not isinstance(node.value, int | float):
            raise refuse("may hold numbers only")
        try:
            node.value = float(node.value)
        except OverflowError:
            node.value = inf
        if node.value == inf:
            raise refuse("holds a number that is too large")
    elif isinstance(node, ast.Name):
        node.id = keywords.get(node.id, node.id)
        if node.id in FUNCTIONS:
            raise refuse(f"uses the function {node.id} without its brackets")
        found = re.search(rf"\b{re.escape(node.id)}(?!\w)", text)
        places.setdefault(node.id, found.start() if found else 0)
    elif isinstance(node, ast.BinOp):
        if isinstance(node.op, ast.BitXor):
            raise UsageError(_at(what, text, text.find("^"), "uses ^, which is written ** here"))
        if not isinstance(node.op, ast.Add | ast.Sub | ast.Mult | ast.Div | ast.Pow):
            raise refuse("uses an operator other than + - * / **")
        _check(node.left, text, what, keywords, shift, places, depth + 1)
        _check(node.right, text, what, keywords, shift, places, depth + 1)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.UAdd | ast.USub):
        _check(node.operand, text, what, keywords, shift, places, depth + 1)
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        name = node.func.id
        if name not in FUNCTIONS:
            hint = nearest(name, FUNCTIONS, f"there are {', '.join(FUNCTIONS)}", cutoff=0.5)
            raise refuse(f"uses the unknown function {name}; {hint}")
        if len(node.args) != 1 or node.keywords or isinstance(node.args[0], ast.Starred):
            raise refuse(f"gives {name} something other than one argument")
        _check(node.args[0], text, what, keywords, shift, places, depth + 1)
    else:
        raise refuse("may hold only numbers, names, + - * / **, brackets and functions")


def _evaluate(node: ast.expr, values: Mapping[str, Jet], absolute: Absolute | None = None) -> Jet:
    match node:
        case ast.Constant(value=number):
            return Jet(np.asarray(number, dtype=float))
        case ast.Name(id=name):
            return values[name] if name in values else Jet(np.asarray(CONSTANTS[name]))
        case ast.UnaryOp(op=op, operand=operand):
            jet = _evaluate(operand, values, absolute)
            return jet if isinstance(op, ast.UAdd) else _scaled(jet, -1.0)
        case ast.Call(func=ast.Name(id=name), args=[argument]):
            jet = _evaluate(argument, values, absolute)
            if absolute and name == "abs":
                return absolute(node, jet)
            return chain(FUNCTIONS[name](jet.value), jet) if jet.first else Jet(VALUES[name](jet.value))
        case ast.BinOp(left=left, op=op, right=right):
            return _binary(op, _evaluate(left, values, absolute), _evaluate(right, values, absolute))
    raise AssertionError("the parser lets nothing else through")


def _binary(op: ast.operator, a: Jet, b: Jet) -> Jet:
    match op:
        case ast.Add():
            return _sum(a, b)
        case ast.Sub():
            return _sum(a, _scaled(b, -1.0))
        case ast.Mult():
            return _product(a, b)
        case ast.Div():
            if not b.first:
                return _scaled(a, 1 / b.value) if a.first else Jet(a.value / b.value)
            inverse = 1 / b.value
            return _product(a, chain((inverse, -(inverse**2), 2 * inverse**3), b))
    if not a.first and not b.first:
        return Jet(a.value**b.value)
    if not b.first:
        power = b.value
        fall = np.where(power == 0, 0.0, power * a.value ** np.where(power == 0, 1.0, power - 1))
        bend = power * (power - 1)
        curve = np.where(bend == 0, 0.0, bend * a.value ** np.where(bend == 0, 1.0, power - 2))
        return chain((a.value**power, fall, curve), a)
    exponent = _product(b, chain(FUNCTIONS["log"](a.value), a))
    power = a.value**b.value
    return chain((power, power, power), exponent)


def _scaled(a: Jet, by: Any) -> Jet:
    return Jet(by * a.value, {i: by * v for i, v in a.first.items()}, {k: by * v for k, v in a.second.items()})


def _merged(a: Mapping[Any, Array], b: Mapping[Any, Array]) -> dict[Any, Array]:
    merged = dict(a)
    for key, values in b.items():
        merged[key] = merged[key] + values if key in merged else values
    return merged


def _sum(a: Jet, b: Jet) -> Jet:
    return Jet(a.value + b.value, _merged(a.first, b.first), _merged(a.second, b.second))


def _product(a: Jet, b: Jet) -> Jet:
    left, right = _scaled(a, b.value), _scaled(b, a.value)
    cross: dict[tuple[int, int], Array] = {}
    for i, u in a.first.items():
        for j, v in b.first.items():
            key = (max(i, j), min(i, j))
            term = u * v if i != j else 2 * u * v
            cross[key] = cross[key] + term if key in cross else term
    return Jet(left.value, _merged(left.first, right.first), _merged(_merged(left.second, right.second), cross))


def chain(outer: Three, u: Jet) -> Jet:
    """A function of a jet, from its value and derivatives there."""
    value, slope, curve = outer
    second = {k: slope * v for k, v in u.second.items()}
    pairs = {(i, j): curve * u.first[i] * u.first[j] for i in u.first for j in u.first if j <= i}
    return Jet(value, {i: slope * v for i, v in u.first.items()}, _merged(second, pairs))
