"""A stranger's family: whatever its methods do, the tool says in one sentence which of them did what on which line."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from functools import wraps
from typing import Any, Final

import numpy as np

from mlefit.errors import DataError, MlefitError
from mlefit.families.base import ExponentialFamily, Family, TermFamily

RETURNS: Final = {
    "nll": "the negative log-likelihood of every row, an array of the shape of y + eta[0]",
    "gradient": "d nll / d eta, an array (k, n)",
    "hessian": "d2 nll / d eta2, an array (k, k, n)",
}
ORDERS: Final = {"nll": 0, "gradient": 1, "hessian": 2}


def guard(family: Family) -> Family:
    """The same instance, its methods checked: `nll` and what a class from outside mlefit has written."""
    kind = type(family)
    written = {
        name
        for each in kind.__mro__
        if not each.__module__.startswith("mlefit.")
        for name, value in vars(each).items()
        if callable(value) and not name.startswith("_") and not isinstance(value, type)
    }
    known = {name for each in (Family, ExponentialFamily, TermFamily) for name in vars(each)}
    methods = {name: _checked(name, getattr(kind, name)) for name in sorted(written & known | {"nll"})}
    same = {"__module__": kind.__module__, "__qualname__": kind.__qualname__, "__slots__": ()}
    object.__setattr__(family, "__class__", type(kind.__name__, (kind,), {"__doc__": kind.__doc__, **methods, **same}))
    return family


def _checked(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def call(self: Family, *arguments: Any, **named: Any) -> Any:
        try:
            with redirect_stdout(sys.stderr):  # what it prints must not be taken for a result
                value = method(self, *arguments, **named)
            return value if name not in ORDERS else _sound(self, name, value, *arguments)
        except (MlefitError, NotImplementedError, MemoryError):
            raise
        except (Exception, SystemExit) as error:
            file = method.__code__.co_filename
            raise DataError(
                f"plugin {file}: {name} of the family {self.name!r} failed{_line(error, file)} "
                f"({type(error).__name__}: {error}){_returns(self, name)}"
            ) from error

    return call


def _sound(family: Family, name: str, value: Any, y: Any, eta: Any) -> Any:
    """`value`, if it is an array of numbers of the right shape; derivatives that are the same for all rows have one."""
    value = np.asarray(value)
    if value.dtype.kind not in "fiub":
        raise TypeError(f"it gave {value.dtype.name} values, not numbers")
    rows = np.broadcast_shapes(np.shape(y)[-1:], np.shape(eta)[1:])
    order = ORDERS[name]
    wanted = np.shape(eta)[:1] * order + rows
    if value.shape != wanted and not (order and value.shape[:order] == wanted[:order] and _spreads(value, wanted)):
        raise ValueError(f"it gave an array of shape {value.shape} for y of {np.shape(y)} and eta of {np.shape(eta)}")
    return value


def _spreads(value: Any, wanted: tuple[int, ...]) -> bool:
    return value.ndim == len(wanted) and all(a in (1, b) for a, b in zip(value.shape, wanted, strict=True))


def _line(error: BaseException, file: str) -> str:
    """Where in its own file it failed."""
    found, trace = "", error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == file:
            found = f" on line {trace.tb_lineno}"
        trace = trace.tb_next
    return found


def _returns(family: Family, name: str) -> str:
    return f"; {name}(y, eta) is to return {RETURNS[name]}" if name in RETURNS else ""
