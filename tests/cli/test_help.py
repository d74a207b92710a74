"""Examples in the help: whole on any terminal, and pasted as they stand."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

import pytest

from mlefit.cli import COMMANDS


@pytest.mark.parametrize("width", [60, 80, 200])
@pytest.mark.parametrize("command", COMMANDS)
def test_examples_can_be_pasted(mlefit: Callable, monkeypatch: pytest.MonkeyPatch, command: str, width: int) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    shown = mlefit(command, "--help").out.split("Examples\n")[1]
    pasted = [" ".join(line.split()) for line in shown.replace("\\\n", "").splitlines() if line.strip()]
    assert pasted == [line for line in import_module(f"mlefit.cli.{command}").EXAMPLES.splitlines()[2:] if line]
    if width >= 80:
        assert max(map(len, shown.splitlines())) <= width
        assert "\\" not in shown or width < 200


def test_a_glob_that_the_shell_expanded_is_told(mlefit: Callable, table: Callable) -> None:
    first, second = (str(table("y", "1", "2", name=f"{name}.csv")) for name in "ab")
    ran = mlefit("estimate", first, second)
    assert (ran.status, ran.out) == (2, "")
    assert "where their glob is in quotes" in ran.err
    assert "quotes" not in mlefit("estimate", first, "other").err
