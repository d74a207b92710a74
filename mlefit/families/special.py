"""scipy.special, loaded when a function of it is first called: that takes longer than most fits do."""

from __future__ import annotations

from typing import Any


def __getattr__(name: str) -> Any:
    import scipy.special

    function = globals()[name] = getattr(scipy.special, name)
    return function
