"""Steps of `mlefit compare`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlefit.errors import DataError, UsageError
from mlefit.report.document import Document

if TYPE_CHECKING:
    from mlefit.cli.options import Columns, Incomplete
    from mlefit.inference.compare import Comparison
    from mlefit.reading import Request


def parted(paths: Sequence[str]) -> tuple[list[str], str | None]:
    """Saved models, told by their first bytes, and the data after them; None for standard input.

    Raises:
        UsageError: two files of data.
        DataError: a model that is not there.
    """
    models = [path for path in paths if is_model(path)]
    others = [path for path in paths if path not in models]
    for path in others[:-1]:
        if not Path(path).exists():
            raise DataError(f"there is no file {path}")
    if len(others) > 1:
        raise UsageError(
            f"compare takes one source of data; {others[0]!r} and {others[1]!r} are two (a glob in quotes takes many)"
        )
    return models, others[0] if others else None


def is_model(path: str) -> bool:
    """Whether a path is a file that --save made."""
    from mlefit.inference.container import MAGIC

    try:
        with open(path, "rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


def only_families(dist: Any, columns: Columns, incomplete: Incomplete, rank: Any, folds: int, plot: Any) -> None:
    """Refuse options that have no meaning for saved models.

    Raises:
        UsageError: one of them is given.
    """
    given = {
        "--dist": dist, "--column": columns.column, "--by": columns.by, "--trials": columns.trials,
        "--event": incomplete.event, "--lower": incomplete.lower, "--upper": incomplete.upper,
        "--truncate-below": incomplete.truncate_below, "--truncate-above": incomplete.truncate_above,
        "--rank": rank, "--folds": folds, "--plot": plot,
    }  # fmt: skip
    for name, value in given.items():
        if value:
            raise UsageError(f"{name} is for comparing families; saved models bring theirs, and rank by NLL")


def families_document(comparisons: Sequence[Comparison], *, many: bool) -> Document:
    """Comparisons as one object, or an array; status 3 where no family at all has a maximum."""

    def table() -> Any:
        from mlefit.report.comparisons import comparisons_table

        return comparisons_table(comparisons)

    status = 3 if any(one.entries[0].fit is None for one in comparisons) else 0
    return Document.of(comparisons, table, many=many, status=status)


def models_document(paths: Sequence[str], request: Request, weights: str | None) -> Document:
    """Saved models on the rows of a source."""
    from mlefit.comparing import compare_models
    from mlefit.inference.model import load

    found = compare_models({path: load(path) for path in paths}, request, weights)

    def table() -> Any:
        from mlefit.report.comparisons import models_table

        return models_table(found)

    return Document(found.to_dict(), found.rows(), table, remarks=found.remarks())
