"""What the tests of commands share: running one in this process, and the real program in a pipe."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mlefit.cli import run
from mlefit.families import registry


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Both cores for the whole suite; one process, and what it prints, for a part of it."""
    whole = not config.invocation_params.args or set(config.invocation_params.args) <= {"-q", "-v", "--no-header"}
    return 2 if whole else 0


@dataclass(frozen=True)
class Ran:
    """What a command did: exit status, standard output, standard error."""

    status: int
    out: str
    err: str


@pytest.fixture
def mlefit(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Run a command line in this process."""

    def call(*arguments: object) -> Ran:
        capsys.readouterr()
        status = run([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return Ran(status, out, err)

    return call


@pytest.fixture
def program() -> Callable[..., Ran]:
    """Run the real program, with bytes on its standard input."""

    def call(*arguments: object, stdin: bytes | None = b"", **options: Any) -> Ran:
        done = subprocess.run(
            [sys.executable, "-m", "mlefit", *map(str, arguments)],
            input=stdin,
            capture_output=True,
            check=False,
            **options,
        )
        return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())

    return call


@pytest.fixture
def table(tmp_path: Path) -> Callable[..., Path]:
    """Write a file of these lines or bytes and give its path."""

    def write(*lines: str | bytes, name: str = "data.csv") -> Path:
        path = tmp_path / name
        if lines and isinstance(lines[0], bytes):
            path.write_bytes(b"".join(line for line in lines if isinstance(line, bytes)))
        else:
            path.write_text("".join(f"{line}\n" for line in lines if isinstance(line, str)), encoding="utf-8")
        return path

    return write


@pytest.fixture
def registered() -> Iterator[None]:
    """What a test registers is gone after it."""
    before = dict(registry._registered)
    yield
    registry._registered.clear()
    registry._registered.update(before)


@pytest.fixture
def plugin(tmp_path: Path) -> Callable[[str], str]:
    """Write a plugin file and give its path."""

    def write(text: str, name: str = "plugin.py") -> str:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write
