"""Reads the formulas of the explain pages as a mathematician does and evaluates them in mpmath.

`log y` applies to the next factor, neighbours multiply, a sum sign takes the rest of its term, `yᵢ` is the row at
hand. A formula may have cases ("... for y = 0"), and a remark set off by three blanks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mpmath import mp, mpf

Value = Callable[["Scope"], Any]

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "log": mp.log, "exp": mp.exp, "sin": mp.sin, "cos": mp.cos, "tanh": mp.tanh, "sign": mp.sign, "√": mp.sqrt,
    "Γ": mp.gamma, "ψ": mp.digamma, "B": mp.beta, "C": mp.binomial, "Φ": mp.ncdf, "φ": mp.npdf,
    "I₀": lambda x: mp.besseli(0, x), "I₁": lambda x: mp.besseli(1, x),
}  # fmt: skip
TOKEN = re.compile(r"\d+|[A-Za-z]+[₀-₉]?|Σ₊|[^\W\d_](?:[₀-₉])?|[½²³·/+−^(),!|√Σ]|\s+")


@dataclass
class Scope:
    """Values of the symbols, the rows to sum over, and definitions that may depend on the row."""

    values: Mapping[str, Any]
    rows: Sequence[Mapping[str, Any]] = ()
    definitions: Mapping[str, Value] = field(default_factory=dict)

    def at(self, row: Mapping[str, Any]) -> Scope:
        return Scope({**self.values, **row}, self.rows, self.definitions)

    def __getitem__(self, name: str) -> Any:
        if name in self.definitions:
            return self.definitions[name](self)
        return mp.pi if name == "π" else self.values[name]


@dataclass(frozen=True)
class Formula:
    """What stands left of the first equals sign, and every expression right of it, with its condition."""

    name: str
    cases: tuple[tuple[str, tuple[Value, ...]], ...]

    def __call__(self, scope: Scope) -> Any:
        """The value; all expressions that the formula equates must agree."""
        for condition, expressions in self.cases:
            if _holds(condition, scope):
                values = [expression(scope) for expression in expressions]
                assert all(mp.almosteq(values[0], v, 1e-20) for v in values), f"{self.name}: {values} differ"
                return values[0]
        raise AssertionError(f"{self.name}: no case applies")


def formula(text: str) -> Formula:
    name, cases, pending = "", [], ""
    for line in text.split("\n"):
        body, remark = re.match(r"(.*?)(?:\s{3,}(?!·)((?:for|if|where|\().*))?$", line).groups()  # type: ignore[union-attr]
        pending += " " + body
        if remark is not None and re.fullmatch(r"for y (=|>) 0", remark):
            cases.append((remark, pending))
            pending = ""
    if pending.strip():
        cases.append(("", pending))
    parsed = []
    for condition, body in cases:
        sides = _split(body)
        if len(sides) > 1:
            name, sides = sides[0].strip(), sides[1:]
        parsed.append((condition, tuple(_Parser(side).whole() for side in sides)))
    return Formula(name, tuple(parsed))


def _holds(condition: str, scope: Scope) -> bool:
    return {"": True, "for y = 0": scope.values.get("y") == 0, "for y > 0": scope.values.get("y", 0) > 0}[condition]


def _split(text: str) -> list[str]:
    """At the equals signs outside all parentheses."""
    parts, depth = [""], 0
    for c in text:
        depth += (c == "(") - (c == ")")
        if c == "=" and depth == 0:
            parts.append("")
        else:
            parts[-1] += c
    return parts


class _Parser:
    def __init__(self, text: str) -> None:
        text = text.replace("ᵢ", "")
        self.tokens = [t for t in TOKEN.findall(text) if t.strip()]
        assert "".join(self.tokens) == re.sub(r"\s", "", text), f"cannot read {text!r}"
        self.inside_bars = 0

    def whole(self) -> Value:
        value = self.sum()
        assert not self.tokens, f"left over: {self.tokens}"
        return value

    def peek(self) -> str:
        return self.tokens[0] if self.tokens else ""

    def take(self, expected: str = "") -> str:
        token = self.tokens.pop(0)
        assert expected in ("", token), f"{expected} expected, {token} found"
        return token

    def sum(self) -> Value:
        sign = self.take() if self.peek() in ("−", "+") else "+"
        total = _signed(sign, self.product())
        while self.peek() in ("−", "+"):
            sign = self.take()
            total = _add(total, _signed(sign, self.product()))
        return total

    def product(self) -> Value:
        value = self.factor()
        while self.starts_factor() or self.peek() in ("·", "/"):
            operator = self.take() if self.peek() in ("·", "/") else "·"
            value = _times(value, self.factor(), operator)
        return value

    def starts_factor(self) -> bool:
        token = self.peek()
        if token == "|":
            return not self.inside_bars
        return bool(token) and (token in "(½√" or token[0] == "Σ" or token[0].isalnum()) and token not in "²³"

    def factor(self) -> Value:
        if self.peek() in ("Σ", "Σ₊"):
            positive, inner = self.take() == "Σ₊", self.product()
            return lambda s: mp.fsum(inner(s.at(r)) for r in s.rows if not positive or r["y"] > 0)
        value = self.atom()
        while self.peek() in ("!", "²", "³", "^"):
            match self.take():
                case "!":
                    value = _apply(mp.factorial, value)
                case "²":
                    value = _power(value, lambda s: mpf(2))
                case "³":
                    value = _power(value, lambda s: mpf(3))
                case _:
                    value = _power(value, self.atom())
        return value

    def atom(self) -> Value:
        token = self.take()
        if token == "(":
            return self.closed()
        if token == "|":
            self.inside_bars += 1
            value = self.sum()
            self.take("|")
            self.inside_bars -= 1
            return _apply(abs, value)
        if token == "½":
            return lambda s: mpf(1) / 2
        if token.isdecimal():
            return lambda s: mpf(token)
        if token in FUNCTIONS:
            if self.peek() != "(":
                return _apply(FUNCTIONS[token], self.factor())
            self.take("(")
            arguments = [self.sum()]
            while self.peek() == ",":
                self.take()
                arguments.append(self.sum())
            self.take(")")
            return _apply(FUNCTIONS[token], *arguments)
        assert token[0].isalpha(), f"{token} is no symbol"
        return lambda s: s[token]

    def closed(self) -> Value:
        bars, self.inside_bars = self.inside_bars, 0
        value = self.sum()
        self.take(")")
        self.inside_bars = bars
        return value


def _signed(sign: str, value: Value) -> Value:
    return value if sign == "+" else lambda s: -value(s)


def _add(a: Value, b: Value) -> Value:
    return lambda s: a(s) + b(s)


def _times(a: Value, b: Value, operator: str) -> Value:
    return (lambda s: a(s) * b(s)) if operator == "·" else (lambda s: a(s) / b(s))


def _power(a: Value, b: Value) -> Value:
    return lambda s: a(s) ** b(s)


def _apply(function: Callable[..., Any], *arguments: Value) -> Value:
    return lambda s: function(*(a(s) for a in arguments))
