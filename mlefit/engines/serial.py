"""Parts one after another in this process, each small enough to stay in cache."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from mlefit.sample import CHUNK, Sample

Part = TypeVar("Part")


class Serial:
    """Applies a function to each chunk of a sample; chunks of a memory map are read as they are needed."""

    def map(
        self, function: Callable[[slice, Sample], Part], sample: Sample, problems: int = 1
    ) -> Iterator[Part]:
        """`function(groups, chunk)` for every chunk, in order; smaller chunks where each row meets many problems."""
        size = CHUNK if sample.groups > 1 else max(256, CHUNK // max(1, problems))
        for groups, part in sample.chunks(size):
            yield function(groups, part)
