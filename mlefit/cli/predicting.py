"""What `mlefit predict` must say beside its predictions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from mlefit.cli.console import message


class Tally:
    """Counts over all chunks what the user must be told: levels never seen in training, rows without a prediction."""

    def __init__(self) -> None:
        self.unseen: dict[str, Counter[str]] = {}
        self.missing = 0

    def __call__(self, unseen: Mapping[str, Mapping[str, int]], missing: int) -> None:
        self.missing += missing
        for column, counts in unseen.items():
            self.unseen.setdefault(column, Counter()).update(counts)

    def say(self) -> None:
        """One line each on standard error."""
        from mlefit.inference.learning import unseen_notes

        for note in unseen_notes(self.unseen, "the rows"):
            message(note)
        if self.missing:
            rows = "1 row misses" if self.missing == 1 else f"{self.missing} rows miss"
            message(f"{rows} a feature; the predictions there are empty")
