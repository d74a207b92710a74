"""mlefit: fit probability models by maximum likelihood.

Everything public is imported when it is first used, so that the command line starts fast.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from mlefit.api import fit
    from mlefit.comparing import compare
    from mlefit.errors import DataError, MlefitError, UsageError
    from mlefit.estimators import NLLClassifier, NLLRegressor
    from mlefit.families.base import ExponentialFamily, Family, Parameter
    from mlefit.families.registry import register
    from mlefit.inference.model import Model, load
    from mlefit.modelling import train
    from mlefit.regressing import regress
    from mlefit.samples import sample_data

__version__: Final = "0.1.0"

_HOME: Final = {
    "DataError": "mlefit.errors",
    "ExponentialFamily": "mlefit.families.base",
    "Family": "mlefit.families.base",
    "MlefitError": "mlefit.errors",
    "Model": "mlefit.inference.model",
    "NLLClassifier": "mlefit.estimators",
    "NLLRegressor": "mlefit.estimators",
    "Parameter": "mlefit.families.base",
    "UsageError": "mlefit.errors",
    "compare": "mlefit.comparing",
    "fit": "mlefit.api",
    "load": "mlefit.inference.model",
    "register": "mlefit.families.registry",
    "regress": "mlefit.regressing",
    "sample_data": "mlefit.samples",
    "train": "mlefit.modelling",
}

__all__ = [
    "DataError", "ExponentialFamily", "Family", "MlefitError", "Model", "NLLClassifier", "NLLRegressor",
    "Parameter", "UsageError", "compare", "fit", "load", "register", "regress", "sample_data", "train",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'mlefit' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})
