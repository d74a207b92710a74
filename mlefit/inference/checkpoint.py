"""A training run written down between two epochs, and taken up again with the very same bits."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mlefit.errors import DataError, UsageError
from mlefit.inference import container
from mlefit.inference.learning import Prepared
from mlefit.inference.training import Epoch, Settings, State


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A run as it was saved.

    Attributes:
        state: weights, optimiser, random generator and history.
        settings: resolved.
        request: what the run was asked (loss, target, features ...), as JSON.
        fingerprint: of the data it was trained on.
    """

    state: State
    settings: Settings
    request: Mapping[str, Any]
    fingerprint: str

    def resumed(self, prepared: Prepared, epochs: int | None = None) -> tuple[Prepared, State]:
        """The run to go on with, on the same data; `epochs` may be raised.

        Raises:
            DataError: the data are not those of the checkpoint.
        """
        if fingerprint(prepared) != self.fingerprint:
            raise DataError(
                "the data are not those that the checkpoint was trained on; resume with the same file, filter and "
                "validation, or start anew without --resume"
            )
        settings = self.settings if epochs is None else replace(self.settings, epochs=epochs)
        if epochs is not None and epochs > (self.settings.epochs or 0) and self.state.stopped == "epochs":
            self.state.stopped = ""
        return replace(prepared, settings=settings), self.state


def save(path: str | Path, state: State, prepared: Prepared, request: Mapping[str, Any]) -> None:
    """Write a state down, atomically.

    Raises:
        DataError: the file cannot be written.
    """
    header = {
        "request": dict(request),
        "settings": prepared.settings.to_dict(),
        "fingerprint": fingerprint(prepared),
        "generator": state.generator.bit_generator.state,
        "history": [list(asdict(epoch).values()) for epoch in state.history],
        "best_value": state.best_value if math.isfinite(state.best_value) else None,
        "best_epoch": state.best_epoch,
        "count": state.count,
        # Ctrl-C ends a run, not what can be made of it.
        "stopped": "" if state.stopped == "interrupted" else state.stopped,
    }
    memory = {f"optimizer.{name}": values for name, values in state.optimizer.items()}
    container.save(path, "checkpoint", header, {"theta": state.theta, "best": state.best, **memory})


def load(path: str | Path) -> Checkpoint:
    """A checkpoint that `save` wrote.

    Raises:
        DataError: there is no such file; it is something else, damaged, or from a newer version.
    """
    header, arrays = container.load(path, "checkpoint")
    try:
        generator = np.random.default_rng()
        generator.bit_generator.state = header["generator"]
        value = header["best_value"]
        state = State(
            arrays["theta"], arrays["best"], math.inf if value is None else float(value), int(header["best_epoch"]),
            generator, [Epoch(*line) for line in header["history"]],
            {name.partition(".")[2]: a for name, a in arrays.items() if name.startswith("optimizer.")},
            int(header["count"]), str(header["stopped"]),
        )  # fmt: skip
        settings = Settings.from_dict(header["settings"])
        return Checkpoint(state, settings, dict(header["request"]), str(header["fingerprint"]))
    except (KeyError, TypeError, ValueError, UsageError) as error:
        raise DataError(f"{path} does not hold together as a checkpoint ({error}); start anew") from error


def fingerprint(prepared: Prepared) -> str:
    """SHA-256 of the encoded rows, targets and weights."""
    digest = hashlib.sha256()
    for rows in (prepared.problem.train, prepared.problem.validation):
        if rows is not None:
            for array in (rows.x, rows.y, rows.weight):
                if array is not None:
                    digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
