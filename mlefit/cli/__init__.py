"""The command line: one file a command, loaded when it is asked for.

Each command parses, calls, and returns a document; `main` alone writes it, prints errors as one sentence, and
turns both into an exit status: 0 done, 1 data or fit failed, 2 wrong usage, 3 printed but not to be trusted.
"""

from __future__ import annotations

import codecs
import os
import re
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from importlib import import_module
from typing import Annotated, Any, Final

import typer
from typer.core import TyperCommand, TyperGroup

from mlefit import __version__
from mlefit.cli.console import message, output, progress, settings, unencodable
from mlefit.cli.groups import spread
from mlefit.errors import MlefitError, nearest
from mlefit.report.document import Document, write

COMMANDS: Final = {
    "estimate": "Fit a distribution to a column by maximum likelihood.",
    "compare": "Fit several families and rank them; or rank saved models.",
    "regress": "Fit a regression: parameters linear in columns.",
    "likelihood": "Show the likelihood as a function of the parameters.",
    "sample": "Draw random numbers from a family or a saved model.",
    "families": "List the families that can be fitted.",
    "explain": "Teach a family or a loss, from the density to the estimate.",
    "train": "Train a small network by maximum likelihood.",
    "predict": "Append a saved model's predictions to rows.",
    "evaluate": "Measure a saved model on rows with known outcomes.",
}
# Binary logarithm of the processor cycles for which the threads of numpy's OpenBLAS spin before they sleep. As it comes
# (26) they burn a fifth of the processor time of a short command; it is read when numpy is loaded, which is later.
DOZE: Final = "20"


class Exemplified(TyperCommand):
    """Prints its examples as they can be pasted: neither wrapped nor padded."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        from rich.console import Console

        examples, self.epilog = self.epilog or "", None
        super().format_help(ctx, formatter)
        self.epilog = examples
        console = Console(highlight=False)
        first, *commands = filter(None, examples.split("\n"))
        lines = [part for command in commands for part in _continued(command, console.width - 1)]
        console.print(f" {first}")
        console.print("\n".join(f" {line}" for line in lines), markup=False, soft_wrap=True)
        console.print()


class Commands(TyperGroup):
    """Loads `mlefit.cli.NAME` when the command NAME is asked for."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            return None
        if cmd_name != "train":  # a network's products follow each other closely; elsewhere threads wait in vain
            os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", DOZE)
        module = import_module(f"mlefit.cli.{cmd_name}")
        single = typer.Typer(add_completion=False, rich_markup_mode="rich")
        text = f"{COMMANDS[cmd_name]}\n\n{_reflowed(module.HELP)}"
        single.command(cmd_name, cls=Exemplified, help=text, epilog=module.EXAMPLES, no_args_is_help=False)(
            spread(module.command)
        )
        return typer.main.get_command(single)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name = args[0] if args else ""
        if name and not name.startswith("-") and name not in COMMANDS:
            hint = nearest(
                name, COMMANDS, f"choose one of {', '.join(COMMANDS)}", before="`mlefit ", after="`", cutoff=0.5
            )
            ctx.fail(f"there is no command called {name!r}; {hint}")
        return super().resolve_command(ctx, args)


def _reflowed(text: str) -> str:
    """Paragraphs of one line each, so that the terminal's width alone breaks them."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


def _continued(example: str, width: int) -> Iterator[str]:
    """A command, broken before options and continued by backslashes where it is longer than a line."""
    head, *options = example.split(" --")
    for i, option in enumerate(options):
        more = " \\" if i < len(options) - 1 else ""
        if len(f"{head} --{option}{more}") > width:
            yield f"{head} \\"
            head = f"    --{option}"
        else:
            head += f" --{option}"
    yield head


app = typer.Typer(
    name="mlefit",
    cls=Commands,
    invoke_without_command=True,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)


def _version(value: bool) -> None:
    if value:
        print(f"mlefit {__version__}")
        raise typer.Exit()


@app.callback(
    help="Fit probability models by maximum likelihood: CSV in, estimates and likelihood tables out.",
    epilog="Start with: mlefit estimate sample_data/coin.csv --dist bernoulli",
)
def root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """Options of every command. Without one there is no result, so the help goes to standard error."""
    if context.invoked_subcommand is None:
        with redirect_stdout(sys.stderr):
            print(context.get_help())
        raise typer.Exit(2)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit status. Nothing reaches standard output unless it succeeded."""
    try:
        with progress():
            result = app(args=None if arguments is None else list(arguments), standalone_mode=False, prog_name="mlefit")
        if isinstance(result, Document):
            for line in result.said(settings.format):
                message(line)
            write(result, settings.format, output())
            return result.status
        return int(result or 0)
    except MlefitError as error:
        message(str(error), always=True)
        return error.exit_code
    except BrokenPipeError:
        raise
    except KeyboardInterrupt:
        message("stopped", always=True)
        return 130
    except MemoryError:
        message("out of memory; try fewer columns, --where, or a machine with more memory", always=True)
        return 1
    except Exception as error:
        said = getattr(error, "format_message", None)
        if said is None:
            return _unexpected(error)
        context = getattr(error, "ctx", None)
        where = f" (see `{context.command_path} --help`)" if context is not None else ""
        sentence = said().rstrip(".")
        if hasattr(error, "option_name") and hasattr(error, "possibilities") and context is not None:
            from mlefit.cli.unknown import no_such_option

            sentence = no_such_option(error.option_name, context.command)
        extra = re.search(r"unexpected extra arguments?.*? \((\S+?)[ )]", sentence)
        if extra and os.path.isfile(extra[1]):
            sentence += "; many files are read as one where their glob is in quotes, such as '*.csv'"
        message(f"{sentence[:1].lower()}{sentence[1:]}{where}", always=True)
        return int(getattr(error, "exit_code", 2))


def _unexpected(error: Exception) -> int:
    if os.environ.get("MLEFIT_DEBUG"):
        raise error
    if isinstance(error, OSError):
        message(f"{error.strerror or error}: {error.filename or ''}".rstrip(": "), always=True)
        return 1
    kind = type(error).__name__
    message(f"a defect in mlefit ({kind}: {error}); please report it with the command you ran", always=True)
    return 1


def main() -> None:
    """The console script."""
    warnings.simplefilter("ignore")
    warnings.showwarning = lambda text, *rest: message(str(text))
    for said in ("plugin ", "the first line of "):
        warnings.filterwarnings("default", message=said)
    codecs.register_error("mlefit", unencodable)
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="mlefit")
    try:
        status = run()
        if sys.stdout is not None:
            sys.stdout.flush()
    except (BrokenPipeError, SystemExit) as error:
        # The reader has gone (`| head -1`): nothing is wrong, and Python must not complain at exit. Typer and rich
        # make an exit of it.
        if not isinstance(error, BrokenPipeError) and not isinstance(error.__context__, BrokenPipeError):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 0
    sys.exit(status)
