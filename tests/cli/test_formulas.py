"""Every formula printed by `mlefit explain` is read back and compared with the references, to 20 digits."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Any

import pytest

mpmath = pytest.importorskip("mpmath")

from mpmath import mp, mpf  # noqa: E402
from notation import Scope, formula  # noqa: E402

from mlefit.explain.page import losses, text  # noqa: E402
from mlefit.families import registry  # noqa: E402

REFERENCE = Path(__file__).parents[1] / "reference"
sys.path.insert(0, str(REFERENCE))
from distributions import FAMILIES  # noqa: E402

POINTS = 5
SYMBOLIC = {"categorical"}  # its formulas are indexed by label; test_explain checks them by number

# The table of this one holds quantiles that take minutes to compute; its density needs none of them.
CHOSEN = {"skew-normal": [((1, 2, 3), ("-0.5", "1.2", "4")), ((-5, "0.5", -8), ("-5.5", "-4.9"))]}


def points(name: str) -> list[tuple[list[Any], list[dict[str, Any]]]]:
    """Up to three parameter settings of the reference table, each with a few rows of data."""
    if name in CHOSEN:
        return [([mpf(t) for t in theta], [{"y": mpf(y)} for y in ys]) for theta, ys in CHOSEN[name]]
    with (REFERENCE / "points" / f"{name}.csv").open(encoding="utf-8") as file:
        table = list(csv.DictReader(line for line in file if not line.startswith("#")))
    names = FAMILIES[name].parameters
    settings: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for row in table:
        theta = tuple(row[p] for p in names)
        if name in ("gev", "generalized-pareto") and mpf(theta[-1]) == 0:
            continue  # the limit is stated in words
        if name == "laplace" and row["y"] == row["loc"]:
            continue  # the kink
        data = {"y": mpf(row["y"])} | ({"m": mpf(row["trials"])} if FAMILIES[name].trials else {})
        settings.setdefault(theta, []).append(data)
    chosen = []
    for theta, rows in list(settings.items())[:3]:
        rows.sort(key=lambda r: r["y"])
        chosen.append(([mpf(t) for t in theta], rows[:: max(1, len(rows) // POINTS)]))
    return chosen


def log_density(name: str, theta: list[Any], row: dict[str, Any]) -> Any:
    f = FAMILIES[name].log_density(*theta)
    return f(row["y"], row["m"]) if FAMILIES[name].trials else f(row["y"])


def close(a: Any, b: Any) -> bool:
    return bool(abs(a - b) <= mpf(10) ** -20 * max(abs(a), abs(b), 1))


def cases() -> list[tuple[str, str, dict[str, Any]]]:
    """(page, family, text) of everything with formulas to read."""
    pages = [(n, n, text(n)) for n in registry.BUILT_IN if n not in SYMBOLIC]
    pages += [(n, p["family"], p) for n, p in losses().items() if p["family"] not in SYMBOLIC]
    return [page for page in pages if page[2] is not None and page[1] in FAMILIES]


@pytest.mark.parametrize(("page", "name", "said"), cases(), ids=[c[0] for c in cases()])
def test_formulas(page: str, name: str, said: dict[str, Any]) -> None:
    mp.dps = 60
    family, parameters = registry.get(name), FAMILIES[name].parameters
    assert family.names == parameters
    symbols = [said["symbols"][p] for p in parameters]
    where = [formula(w) for w in said.get("where", ())]
    definitions = {w.name: (lambda s, w=w: w(s)) for w in where}
    for theta, rows in points(name):
        values = dict(zip(symbols, theta, strict=True))
        values |= {"n": mpf(len(rows)), "n₀": mpf(sum(r["y"] == 0 for r in rows))}
        scope = Scope(values, rows, definitions)
        reference = [log_density(name, theta, row) for row in rows]

        def slope(j: int, row: dict[str, Any], theta: list[Any] = theta) -> Any:
            def moved(t: Any) -> Any:
                return log_density(name, [*theta[:j], t, *theta[j + 1 :]], row)

            size = theta[j] if theta[j] else mpf(1)
            return mp.diff(lambda u: moved(theta[j] + u * size), 0, h=mpf(10) ** -25) / size

        for key in ("density", "likelihood"):
            if key in said:
                f = formula(said[key])
                for row, expected in zip(rows, reference, strict=True):
                    assert close(mp.log(f(scope.at(row))), expected), (key, row)
        nll = formula(said["nll"])
        for row, expected in zip(rows, reference, strict=True):
            assert close(nll(scope.at(row)), -expected), ("nll", row)
        if "log_likelihood" in said:
            assert close(formula(said["log_likelihood"])(scope), mp.fsum(reference))
        if "total" in said:
            body, definition = said["total"].split(",   ")
            sse = formula(definition)
            scope_with = Scope(values, rows, definitions | {sse.name: lambda s, f=sse: f(s)})
            assert close(formula(body)(scope_with), -mp.fsum(reference))
        for line in said.get("score", ()):
            f = formula(line)
            j = symbols.index(f.name.removeprefix("∂ℓ/∂"))
            slopes = [slope(j, row) for row in rows]
            assert abs(f(scope) - mp.fsum(slopes)) <= mpf(10) ** -15 * mp.fsum(map(abs, slopes)), line
        for line in said.get("gradient", ()):
            f = formula(line)
            digit = f.name.removeprefix("∂nll/∂η")
            j = "₁₂₃".index(digit) if digit else 0
            link = {"identity": mpf(1), "log": theta[j], "logit": theta[j] * (1 - theta[j])}
            for row in rows:
                expected = -slope(j, row) * link[family.parameters[j].link.name]
                assert abs(f(scope.at(row)) - expected) <= mpf(10) ** -15 * max(1, abs(expected)), (line, row)


def test_every_regular_parameter_has_its_score_equation() -> None:
    for _, name, said in cases():
        if "log_likelihood" in said:
            irregular = registry.get(name).irregular
            if name == "laplace":
                irregular = frozenset()  # its kink has a sign change
            left = {formula(line).name.removeprefix("∂ℓ/∂") for line in said.get("score", ())}
            wanted = {s for p, s in said["symbols"].items() if p not in irregular}
            assert left == wanted, name


def test_every_regular_parameter_has_its_gradient() -> None:
    for _, name, said in cases():
        family = registry.get(name)
        if "log_likelihood" in said and (name == "laplace" or not family.irregular):
            assert len(said.get("gradient", ())) == family.size, name


def test_a_wrong_formula_is_caught() -> None:
    scope = Scope({"a": mpf(2), "y": mpf(3)}, [{"y": mpf(1)}, {"y": mpf(4)}])
    assert formula("f(y) = a y² − log a/2 = 18 − (log 2)/2")(scope) == 18 - mp.log(2) / 2
    assert formula("a Σ yᵢ − 2 Σ |yᵢ − 2|/a")(scope) == 7
    with pytest.raises(AssertionError, match="differ"):
        formula("f(y) = a y² = a y")(scope)
    with pytest.raises(AssertionError):
        formula("a y ? 2")
