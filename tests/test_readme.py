"""The README keeps its word: every command on it runs, and prints what it says.

A ```console block shows commands after `$ ` and what they print, both streams together; a ```sh block is commands
alone. Each runs in a folder of its own with the sample data. `# exit status 3` behind a command is what it must end
with. `python tests/test_readme.py` writes the outputs, the table of families and the pictures anew.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mlefit.cli import COMMANDS

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)
FAMILIES = re.compile(r"(?<=<!-- families -->\n).*?(?=<!-- /families -->)", re.S)
NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?:e[-+]?\d+)?(?![\w.])")


@dataclass(frozen=True)
class Block:
    """A code block of the README: its language, its text, and where it begins."""

    language: str
    text: str
    line: int

    def commands(self) -> list[tuple[str, str]]:
        """Each command with the output shown under it."""
        if self.language == "sh":
            return [(line, "") for line in self.text.splitlines() if line and not line.startswith("#")]
        parts = re.split(r"^\$ (.*)\n", self.text, flags=re.M)[1:]
        return list(zip(parts[::2], parts[1::2], strict=True))


def blocks(*languages: str) -> list[Block]:
    text = README.read_text(encoding="utf-8")
    return [
        Block(found[1], found[2], text.count("\n", 0, found.start()) + 1)
        for found in BLOCK.finditer(text)
        if found[1] in languages
    ]


SHELL = [block for block in blocks("sh", "console") if "pip install" not in block.text]
PYTHON = blocks("python")
FILES = {block.text.split("\n")[0][2:]: block.text for block in PYTHON if re.match(r"# \w+\.py\n", block.text)}


def prepare(folder: Path) -> dict[str, str]:
    """Sample data, the README's files and a `mlefit` on the path; the environment to run in."""
    shutil.copytree(ROOT / "sample_data", folder / "sample_data")
    for name, text in FILES.items():
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "bin").mkdir()
    program = folder / "bin" / "mlefit"
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m mlefit "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    path = os.pathsep.join(filter(None, [str(ROOT), str(folder), os.environ.get("PYTHONPATH", "")]))
    kept = {k: v for k, v in os.environ.items() if k not in ("FORCE_COLOR", "TERM", "COLUMNS")}
    return kept | {
        "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": path,
        "PYTHONDONTWRITEBYTECODE": "1",
        "COLUMNS": "100",
    }


@pytest.fixture
def place(tmp_path: Path) -> tuple[Path, dict[str, str]]:
    return tmp_path, prepare(tmp_path)


def run(command: str | Sequence[str], folder: Path, environment: dict[str, str]) -> tuple[int, str]:
    """Exit status, and both streams together."""
    arguments = ["bash", "-c", command] if isinstance(command, str) else command
    done = subprocess.run(
        arguments, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout.decode()


def expected_status(command: str) -> int:
    found = re.search(r"# exit status (\d)", command)
    return int(found[1]) if found else 0


def numbers(text: str) -> list[float]:
    return [float(value) for value in NUMBER.findall(text.replace("−", "-"))]


def words(text: str) -> str:
    """All but the numbers, the bars and the spacing, which a last digit can move."""
    return " ".join(NUMBER.sub("#", re.sub("[█-▏]", "", text)).split())


# -- what the page says --------------------------------------------------------------------------------------------


def test_opens_with_the_two_commands() -> None:
    assert README.read_text(encoding="utf-8").startswith(
        "```sh\npip install . && mlefit estimate sample_data/coin.csv --dist bernoulli\n"
        "pip install '.[test]' && pytest\n```\n"
    )


@pytest.mark.parametrize("block", SHELL, ids=lambda block: f"line{block.line}")
def test_commands_run_and_print_what_is_shown(block: Block, place: Any) -> None:
    for command, shown in block.commands():
        status, out = run(command, *place)
        assert status == expected_status(command), f"{command}\n{out}"
        assert "Traceback" not in out
        if block.language == "console":
            assert words(out) == words(shown), command
            # Residuals of rounding differ between machines; what is said of the data does not.
            assert numbers(out) == pytest.approx(numbers(shown), rel=1e-4, abs=1e-6), command


@pytest.mark.parametrize("block", PYTHON, ids=lambda block: f"line{block.line}")
def test_python_runs_and_prints_what_is_shown(block: Block, place: Any) -> None:
    status, out = run([sys.executable, "-W", "error", "-c", block.text], *place)
    assert status == 0, out
    shown = re.findall(r"^\s*print\(.*\)  # (.*)$", block.text, flags=re.M)
    assert out.splitlines() == shown


@pytest.mark.parametrize("block", blocks("toml"), ids=lambda block: f"line{block.line}")
def test_the_entry_point_is_in_the_group_that_is_read(block: Block) -> None:
    from mlefit.families.registry import GROUP

    assert GROUP in tomllib.loads(block.text)["project"]["entry-points"]


def test_the_plugin_is_short() -> None:
    assert len(FILES["lindley.py"].strip().splitlines()) <= 16  # with the file's name and two blank lines
    assert len([line for line in FILES["lindley.py"].splitlines()[1:] if line]) < 15


def families_table() -> str:
    from mlefit.cli.families import record
    from mlefit.families import registry

    lines = ["| family | parameters | values | for |", "|---|---|---|---|"]
    for name in registry.BUILT_IN:
        found = record(registry.get(name))
        trials = " (`--trials`)" if "trials" in found["columns"] else ""
        parameters = ", ".join(found["parameters"])
        lines.append(f"| {name}{trials} | {parameters} | {found['support']} | {found['summary']} |")
    return "\n".join(lines) + "\n"


def test_the_table_of_families_is_the_registry() -> None:
    found = FAMILIES.search(README.read_text(encoding="utf-8"))
    assert found is not None
    assert found[0] == families_table(), "python tests/test_readme.py writes it anew"


def test_every_picture_is_there_and_small() -> None:
    names = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", README.read_text(encoding="utf-8"))
    assert set(names) == {f"docs/{path.name}" for path in (ROOT / "docs").iterdir() if path.suffix in (".png", ".svg")}
    for name in names:
        assert 1_000 < (ROOT / name).stat().st_size < 60_000, name


def test_links_within_the_project_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)]+)\)", README.read_text(encoding="utf-8")):
        if "://" not in target and not target.startswith("#"):
            assert (ROOT / target).exists(), target


# -- what the commands say of themselves -----------------------------------------------------------------------------


def examples(name: str) -> list[str]:
    """The commands under Examples in a command's help."""
    from importlib import import_module

    text = import_module(f"mlefit.cli.{name}").EXAMPLES
    lines = [re.sub(r"\[/?\w*\]", "", line.strip()).replace("\\[", "[") for line in text.splitlines()]
    return [line.removesuffix("\\n").strip() for line in lines if "mlefit " in line]


def click_command(name: str) -> Any:
    import typer

    from mlefit.cli import app

    return typer.main.get_command(app).get_command(None, name)  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", COMMANDS)
def test_examples_of_the_help_run(name: str, place: Any) -> None:
    assert any(f"mlefit {name}" in line for line in examples(name))
    for line in examples(name):
        # Samples that come with mlefit stand in for files that are not there, but for mlefit alone.
        assert all(part.split()[0] == "mlefit" for part in line.split(" | ")), line
        assert "<" not in line
        status, out = run(line, *place)
        assert status == 0, f"{line}\n{out}"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_says_what_it_does(name: str) -> None:
    command = click_command(name)
    assert command.help
    silent = [p.name for p in command.params if not getattr(p, "help", None) and p.name != "help"]
    assert not silent, f"mlefit {name} has options without help: {silent}"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_on_the_page(name: str) -> None:
    lines = [command for block in SHELL for command, _ in block.commands()]
    assert any(re.search(rf"\bmlefit {name}\b", line) for line in lines), f"no block of the README runs mlefit {name}"


# -- writing the page anew -------------------------------------------------------------------------------------------


def _rewritten(found: re.Match[str], pictures: set[str]) -> str:
    import tempfile

    block = Block(found[1], found[2], 0)
    if block.language not in ("sh", "console") or "pip install" in block.text:
        return found[0]
    with tempfile.TemporaryDirectory() as folder:
        environment = prepare(Path(folder))
        text = ""
        for command, _ in block.commands():
            status, out = run(command, Path(folder), environment)
            if status != expected_status(command):
                raise SystemExit(f"exit status {status}: {command}\n{out}")
            text += f"$ {command}\n" + re.sub(r"[ \t]+$", "", out, flags=re.M)
        for name in pictures:
            drawn = Path(folder) / Path(name).name
            if drawn.exists():
                _small(drawn, ROOT / name)
    return f"```console\n{text}```" if block.language == "console" else found[0]


def _small(drawn: Path, target: Path) -> None:
    """A picture in 48 colours, which is a third of the bytes."""
    from PIL import Image

    target.parent.mkdir(exist_ok=True)
    Image.open(drawn).convert("RGB").quantize(48, dither=Image.Dither.NONE).save(target, optimize=True)


def refresh() -> None:
    """Run everything on the page and write what it prints and draws."""
    text = README.read_text(encoding="utf-8")
    pictures = set(re.findall(r"!\[[^\]]+\]\(([^)]+)\)", text))
    text = BLOCK.sub(lambda found: _rewritten(found, pictures), text)
    text = FAMILIES.sub(lambda _: families_table(), text)
    README.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    refresh()
