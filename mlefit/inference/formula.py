"""Formulas to design matrices, and back again for new rows.

The `formulaic` library reads the formula and builds the columns. It evaluates what stands between the operators as
Python, so every such piece is checked here first: names of columns, numbers, arithmetic and a short list of
functions, nothing else. What was learnt on the way (levels, means, knots) is kept as JSON.
"""

from __future__ import annotations

import ast
import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from mlefit.errors import DataError, UsageError, nearest
from mlefit.inference.encoding import Codes, Columns

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]

TRANSFORMS: Final = (
    "C", "I", "Q", "bs", "cc", "center", "cr", "cs", "exp", "log", "log10", "log2", "poly", "scale", "standardize",
)  # fmt: skip
# Those of numpy, with or without `np.` before them.
NUMPY: Final = (
    "abs", "arctan", "cbrt", "ceil", "cos", "exp", "expm1", "floor", "log", "log10", "log1p", "log2", "maximum",
    "minimum", "sign", "sin", "sqrt", "square", "tan", "tanh",
)  # fmt: skip
CONTRASTS: Final = ("treatment", "Treatment", "sum", "Sum", "helmert", "Helmert", "diff", "Diff", "poly", "Poly")
_NODES: Final = (
    ast.Expression, ast.BinOp, ast.UnaryOp, ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow, ast.USub, ast.UAdd, ast.Load,
    ast.Compare, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq, ast.List, ast.Tuple, ast.keyword, ast.Constant,
)  # fmt: skip
LONGEST: Final = 10_000
HIGHEST: Final = 20  # power
WIDEST: Final = 2000  # columns
CELLS: Final = 400_000_000  # numbers in a design matrix


@dataclass(frozen=True)
class Terms:
    """One side of a formula that passed: its text, the columns it reads, and those used as factors alone."""

    text: str
    names: tuple[str, ...]
    factors: frozenset[str]


@dataclass(frozen=True, eq=False)
class Built:
    """The design of n rows.

    Attributes:
        x: (n, p), NaN where there is none.
        missing: (n,) which rows miss a value.
        strange: (n,) which of the others have a level never seen, or a value at which a term is not defined.
        undefined: counts of rows at which a term is not defined, by term.
    """

    x: Array
    missing: NDArray[np.bool_]
    strange: NDArray[np.bool_]
    undefined: dict[str, int]


@dataclass(frozen=True)
class Encoded:
    """What turns columns into a design matrix: the formula and what was learnt.

    Attributes:
        terms: the formula.
        columns: names of the design's columns.
        levels: labels of every text column, in the order of learning.
        state: of transforms such as center and bs, JSON.
        categories: of every factor, by its text in the formula.
    """

    terms: Terms
    columns: tuple[str, ...]
    levels: Mapping[str, tuple[str, ...]]
    state: Mapping[str, Any]
    categories: Mapping[str, tuple[Any, ...]]

    def matrix(self, columns: Columns, n: int) -> Built:
        """The design matrix of n rows.

        Raises:
            DataError: a column that was text in fitting is a number here, or the other way round.
        """
        missing, strange = np.zeros(n, dtype=bool), np.zeros(n, dtype=bool)
        values: dict[str, Any] = {}
        for name in self.terms.names:
            column = columns[name]
            if isinstance(column, Codes) != (name in self.levels):
                kind = "text" if name in self.levels else "numeric"
                raise DataError(f"column {name!r} was {kind} when the model was fitted and is not so here")
            if isinstance(column, Codes):
                place = column.among(self.levels[name])
                missing |= place == -1
                strange |= place == -2
                values[name] = Codes(np.maximum(place, 0), self.levels[name])
            else:
                missing |= ~np.isfinite(column)
                values[name] = column
        keep = ~(missing | strange)
        x = np.full((n, len(self.columns)), np.nan)
        if keep.any():
            chosen = {name: column[keep] for name, column in values.items()}
            x[keep] = _build(self.terms, chosen, int(keep.sum()), self.state, self.categories)[0]
        undefined: dict[str, int] = {}
        bad = ~np.isfinite(x) & keep[:, None]
        for j in np.flatnonzero(bad.any(axis=0)).tolist():
            term = re.sub(r"\[[^\[\]]*\]$", "", self.columns[j])  # a basis has a column a function
            undefined[term] = max(undefined.get(term, 0), int(bad[:, j].sum()))
        return Built(x, missing, (strange | bad.any(axis=1)) & ~missing, undefined)

    def to_dict(self) -> dict[str, Any]:
        return {
            "formula": self.terms.text,
            "names": list(self.terms.names),
            "factors": sorted(self.terms.factors),
            "columns": list(self.columns),
            "levels": {name: list(levels) for name, levels in self.levels.items()},
            "state": _plain(self.state),
            "categories": {name: list(values) for name, values in self.categories.items()},
        }

    @staticmethod
    def from_dict(record: Mapping[str, Any]) -> Encoded:
        terms = parse(str(record["formula"]), tuple(map(str, record["names"])))
        return Encoded(
            terms,
            tuple(map(str, record["columns"])),
            {str(k): tuple(map(str, v)) for k, v in record["levels"].items()},
            _revived(record["state"]),
            {str(k): tuple(v) for k, v in record["categories"].items()},
        )


def sides(text: str) -> tuple[str, str]:
    """The response, "" where there is none, and the predictors of `y ~ x`.

    Raises:
        UsageError: no tilde, or more than one.
    """
    parts = text.split("~")
    if len(text) > LONGEST:
        raise UsageError(f"a formula of {len(text)} characters is more than mlefit reads ({LONGEST})")
    if len(parts) != 2:
        raise UsageError(f'a formula is written like "y ~ x1 + x2", with one tilde; {text!r} is not')
    return parts[0].strip(), parts[1].strip() or "1"


def parse(text: str, available: tuple[str, ...]) -> Terms:
    """The right side of a formula, checked.

    Args:
        text: such as "x1 + C(group) + x1:x2".
        available: the columns of the data.

    Raises:
        UsageError: not a formula, an unknown column (the nearest is suggested), or something that a formula may not
            hold.
    """
    from formulaic import Formula, SimpleFormula

    if "." in text.replace(" ", "").split("+"):
        raise UsageError("a dot for every column is not supported; name the columns, such as x1 + x2")
    if "__" in text or any(c in text for c in "\n;\\"):
        raise UsageError(f"the formula {text!r} may hold columns, numbers, operators and functions only")
    for power in (part.strip() for part in text.replace("^", "**").split("**")[1:]):
        digits = power[: len(power) - len(power.lstrip("0123456789"))]
        if digits and int(digits[:9]) > HIGHEST:
            raise UsageError(f"the power {digits} in {text!r} is above {HIGHEST}")
    if (alone := _lone_power(text)) is not None:
        raise UsageError(
            f"{alone[0]} in the formula {text!r} means {alone[1]} and its interactions with itself, which is "
            f"{alone[1]} alone; for the power write I({alone[1]}**{alone[2]}) or poly({alone[1]}, {alone[2]})"
        )
    try:
        formula = Formula(text)
    except Exception as error:
        said = str(error).split("\n")[0].split(". ")[0].strip().rstrip(".")
        raise UsageError(f"the formula {text!r} cannot be read: {said}") from None
    if not isinstance(formula, SimpleFormula):
        raise UsageError(f"the formula {text!r} has several parts; give one formula a parameter with --formula")
    names: dict[str, None] = {}
    outside: set[str] = set()
    for term in formula:
        for factor in term.factors:
            method = factor.eval_method.value
            if method == "lookup":
                names[_known(factor.expr, available, text)] = None
                outside.add(factor.expr)
            elif method == "python":
                for name, inside in _checked(factor.expr, available, text):
                    names[name] = None
                    if not inside:
                        outside.add(name)
    return Terms(text, tuple(names), frozenset(set(names) - outside))


def _lone_power(text: str) -> tuple[str, str, str] | None:
    """The first power of a single column outside all brackets: as written, the column and the exponent."""
    for found in re.finditer(r"(?<![\w.`])([A-Za-z_]\w*)\s*(?:\^|\*\*)\s*([2-9])(?!\w)", text):
        before = text[: found.start()]
        if all(before.count(a) == before.count(b) for a, b in ("()", "{}")) and before.count("`") % 2 == 0:
            return found[0], found[1], found[2]
    return None


def learn(terms: Terms, columns: Columns, n: int) -> tuple[Array, Encoded]:
    """The design matrix (n, p) of complete rows, and what rebuilds it for others.

    Raises:
        DataError: a transform that the values do not allow (the logarithm of a negative number).
    """
    _affordable(terms, columns, n)
    matrix, names, state, categories = _build(terms, columns, n, None, None)
    levels = {name: c.levels for name in terms.names if isinstance(c := columns[name], Codes)}
    if not np.isfinite(matrix).all():
        row, column = map(int, np.argwhere(~np.isfinite(matrix))[0])
        raise DataError(
            f"the term {names[column]!r} is not a finite number in row {row + 1} of the rows used; filter such rows "
            "out with --where"
        )
    return matrix, Encoded(terms, names, levels, state, categories)


def _affordable(terms: Terms, columns: Columns, n: int) -> None:
    """Refuse what would fill the memory before it is made: factors of thousands of levels and their products."""
    from formulaic import Formula

    width = 0
    for term in Formula(terms.text):
        product = 1
        for factor in term.factors:
            for name in terms.names:
                column = columns[name]
                if isinstance(column, Codes) and re.search(rf"(?<!\w){re.escape(name)}(?!\w)", factor.expr):
                    product *= max(1, len(column.levels))
        width += product
        if width > WIDEST or width * n > CELLS:
            raise DataError(
                f"the formula {terms.text!r} makes about {width} columns of {n} rows (see {str(term)!r}), more than "
                f"can be fitted; a factor should have few levels"
            )


def _build(
    terms: Terms,
    columns: Columns,
    n: int,
    state: Mapping[str, Any] | None,
    categories: Mapping[str, tuple[Any, ...]] | None,
) -> tuple[Array, tuple[str, ...], dict[str, Any], dict[str, tuple[Any, ...]]]:
    import warnings

    from formulaic import Formula, ModelSpec

    context = {name: getattr(np, name) for name in NUMPY if name not in TRANSFORMS} | {"bs": _spline()}
    spec = ModelSpec(
        formula=Formula(terms.text), materializer="pandas", na_action="ignore", output="numpy",
        transform_state={k: dict(v) for k, v in (state or {}).items()},
        encoder_state={} if categories is None else _factors(categories),
    )  # fmt: skip
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = spec.get_model_matrix(_frame(terms, columns, n), context=context)
    except MemoryError:
        raise
    except Exception as error:
        said = str(error).split("\n")[-1].strip().rstrip(".") or type(error).__name__
        raise DataError(f"the formula {terms.text!r} cannot be computed from the data: {said}") from error
    made = found.model_spec
    matrix = np.asarray(found, dtype=float).reshape(n, -1)
    found_categories = {
        name: tuple(s["categories"]) for name, (_, s) in made.encoder_state.items() if "categories" in s
    }
    return matrix, tuple(made.column_names), dict(made.transform_state), found_categories


def _spline() -> Any:
    """The library's bs(), NaN beyond its range unless told what to be there: one row costs no other its value."""
    from functools import wraps

    from formulaic.transforms import basis_spline

    @wraps(basis_spline)
    def bs(*args: Any, extrapolation: str = "na", **rest: Any) -> Any:
        return basis_spline(*args, extrapolation=extrapolation, **rest)

    return bs


def _frame(terms: Terms, columns: Columns, n: int) -> pd.DataFrame:
    import pandas as pd

    values: dict[str, Any] = {}
    for name in terms.names:
        column = columns[name]
        values[name] = (
            pd.Categorical.from_codes(column.codes.astype(int), categories=pd.Index(column.levels))
            if isinstance(column, Codes)
            else column
        )
    return pd.DataFrame(values, index=pd.RangeIndex(n))


def _factors(categories: Mapping[str, tuple[Any, ...]]) -> dict[str, Any]:
    from formulaic.parser.types import Factor

    return {name: (Factor.Kind.CATEGORICAL, {"categories": list(values)}) for name, values in categories.items()}


def _known(name: str, available: tuple[str, ...], text: str) -> str:
    if name in available:
        return name
    near = difflib.get_close_matches(name, available, 1) or [c for c in available if c.lower() == name.lower()]
    hint = f"did you mean {near[0]!r}?" if near else f"the columns are {', '.join(map(repr, available[:30]))}"
    raise UsageError(f"there is no column {name!r}, used in the formula {text!r}; {hint}")


def _checked(piece: str, available: tuple[str, ...], text: str) -> Iterator[tuple[str, bool]]:
    """The columns of a piece of Python, each with whether it stands directly in C(...).

    Raises:
        UsageError: anything but columns, numbers, arithmetic and known functions.
    """
    from formulaic.utils.code import sanitize_variable_name, sanitize_variable_names

    quoted: dict[str, str] = {}  # columns in backticks, by what the library calls them within Python
    for column in dict.fromkeys(re.findall(r"`([^`]*)`", piece)):
        inner = sanitize_variable_name(_known(column, available, text), {}, reserved_names=())
        if inner != column and (inner in available or inner in quoted):
            raise UsageError(
                f"{piece!r} in the formula {text!r}: inside a function `{column}` reads like "
                f"`{quoted.get(inner, inner)}`; rename one of the two columns"
            )
        quoted[inner] = column
    try:
        tree = ast.parse(sanitize_variable_names(piece, {}, {}), mode="eval")
    except (SyntaxError, ValueError, IndexError, RecursionError, MemoryError):
        raise UsageError(f"{piece!r} in the formula {text!r} cannot be read") from None
    for name, inside in _walk(tree.body, False, piece, (*quoted, *available), text):
        yield quoted.get(name, name), inside


def _walk(node: ast.AST, inside: bool, piece: str, available: tuple[str, ...], text: str) -> Iterator[tuple[str, bool]]:
    if isinstance(node, ast.Name):
        yield _known(node.id, available, text), inside
        return
    if isinstance(node, ast.Call):
        name = _function(node.func, text)
        if any(isinstance(a, ast.Starred) for a in node.args) or any(k.arg is None for k in node.keywords):
            raise UsageError(f"{piece!r} in the formula {text!r} may not hold a star")
        if name == "Q":
            if len(node.args) != 1 or not isinstance(node.args[0], ast.Constant) or node.keywords:
                raise UsageError(f"Q() in the formula {text!r} takes a column's name in quotes")
            yield _known(str(node.args[0].value), available, text), inside
            return
        if name.startswith("contr") and any(not _literal(a) for a in (*node.args, *(k.value for k in node.keywords))):
            raise UsageError(f"{piece!r}: contrasts take numbers and labels only")
        for i, argument in enumerate(node.args):
            yield from _walk(argument, name == "C" and i == 0, piece, available, text)
        for keyword in node.keywords:
            yield from _walk(keyword.value, False, piece, available, text)
        return
    if isinstance(node, ast.BitXor) or (isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitXor)):
        raise UsageError(f"{piece!r} in the formula {text!r}: a power is written **, as in I(x**2)")
    if not isinstance(node, _NODES):
        raise UsageError(
            f"{piece!r} in the formula {text!r} may hold columns, numbers, arithmetic and functions such as log, sqrt, "
            "C, poly, bs, center and scale only"
        )
    if isinstance(node, ast.Constant) and not isinstance(node.value, (int, float, str)):
        raise UsageError(f"{piece!r} in the formula {text!r} may hold numbers and labels only")
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
        power = node.right.operand if isinstance(node.right, ast.UnaryOp) else node.right
        value = power.value if isinstance(power, ast.Constant) else 0
        if _literal(node.left) or not isinstance(value, (int, float)) or abs(value) > HIGHEST:
            raise UsageError(f"{piece!r} in the formula {text!r}: a power is a column to a number up to {HIGHEST}")
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult) and any(map(_wordy, (node.left, node.right))):
        raise UsageError(f"{piece!r} in the formula {text!r} multiplies what is not a number")
    for child in ast.iter_child_nodes(node):
        yield from _walk(child, False, piece, available, text)


def _literal(node: ast.AST) -> bool:
    """Whether nothing but constants stands there."""
    return not any(isinstance(n, (ast.Name, ast.Call, ast.Attribute)) for n in ast.walk(node))


def _wordy(node: ast.AST) -> bool:
    """A label or a list, whose product with a number would be a copy of it."""
    return isinstance(node, (ast.List, ast.Tuple)) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def _function(node: ast.AST, text: str) -> str:
    if isinstance(node, ast.Name):
        if node.id in TRANSFORMS or node.id in NUMPY:
            return node.id
        if node.id in CONTRASTS:
            return f"contr.{node.id}"
        name = node.id
    elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        if node.value.id == "np" and node.attr in NUMPY:
            return node.attr
        if node.value.id == "contr" and node.attr in CONTRASTS:
            return f"contr.{node.attr}"
        name = f"{node.value.id}.{node.attr}"
    else:
        name = "this"
    if name == "offset":
        raise UsageError(
            f"write an offset as --offset COLUMN (any SQL expression will do), not in the formula {text!r}"
        )
    if name in ("factor", "as.factor", "category"):
        raise UsageError(f"a formula may not call {name}(), as in {text!r}; a column of labels is C(...) here")
    known = sorted({*TRANSFORMS, *NUMPY})
    hint = nearest(name, known, f"there are {', '.join(known)}", after="()")
    raise UsageError(f"a formula may not call {name}(), as in {text!r}; {hint}")


def _plain(value: Any) -> Any:
    """Nested state as JSON; keys that are numbers are marked, since JSON has only text."""
    if isinstance(value, Mapping):
        return {("#" + str(k) if isinstance(k, (int, np.integer)) else str(k)): _plain(v) for k, v in value.items()}
    if isinstance(value, np.ndarray):
        return {"array": value.tolist()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return value.item() if isinstance(value, np.generic) else value


def _revived(value: Any) -> Any:
    if isinstance(value, Mapping):
        if set(value) == {"array"}:
            return np.asarray(value["array"], dtype=float)
        return {(int(k[1:]) if k.startswith("#") else k): _revived(v) for k, v in value.items()}
    return [_revived(v) for v in value] if isinstance(value, list) else value
