"""What `mlefit predict` must say beside its predictions."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from mlefit.cli.console import message

if TYPE_CHECKING:
    from mlefit.inference.model import Scored


class Tally:
    """Counts over all chunks what the user must be told: strange values, rows without a prediction."""

    def __init__(self) -> None:
        self.unseen: dict[str, Counter[str]] = {}
        self.undefined: Counter[str] = Counter()
        self.missing = self.refused = 0

    def __call__(self, scored: Scored) -> None:
        self.missing += int(scored.missing.sum()) - scored.refused
        self.refused += scored.refused
        self.undefined.update(scored.undefined)
        for column, counts in scored.unseen.items():
            self.unseen.setdefault(column, Counter()).update(counts)

    def say(self) -> None:
        """One line each on standard error."""
        from mlefit.inference.prediction import strange_notes

        refused = "the predictions there are empty" if self.refused else None
        for note in strange_notes(self.unseen, self.undefined, refused):
            message(note)
        if self.missing:
            rows = "1 row misses" if self.missing == 1 else f"{self.missing} rows miss"
            message(f"{rows} a feature; the predictions there are empty")
