"""Parts one after another in this process, each small enough to stay in cache; large work on every core.

numpy lets go of the interpreter while it computes, so threads share the chunks; their results come back in the
order of the chunks, and sums of them are the same however many cores there are.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import cache
from typing import Final, TypeVar

import numpy as np

from mlefit.sample import CHUNK, Sample

Part = TypeVar("Part")

# Rows times problems below which threads cost more than they save.
LARGE: Final = 16 * CHUNK
BLOCK: Final = 24 << 20  # bytes


class Serial:
    """Applies a function to each chunk of a sample; chunks of a memory map are read as they are needed."""

    def map(self, function: Callable[[slice, Sample], Part], sample: Sample, problems: int = 1) -> Iterator[Part]:
        """`function(groups, chunk)` for every chunk, in order; smaller chunks where each row meets many problems."""
        several = 1 if sample.groups > 1 else max(1, problems)
        parts = sample.chunks(max(256, CHUNK // several))
        _keep_freed_memory()
        if sample.n * several < LARGE:
            for groups, part in parts:
                yield function(groups, part)
            return
        from concurrent.futures import ThreadPoolExecutor

        ignored = np.geterr()

        def task(chunk: tuple[slice, Sample]) -> Part:
            with np.errstate(**ignored):  # threads do not inherit it
                return function(*chunk)

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            yield from pool.map(task, parts)


@cache
def _keep_freed_memory() -> None:
    """Have the C library keep what the temporaries of a chunk free, for the next chunk.

    A large block given back teaches it that (mallopt(3), M_MMAP_THRESHOLD): taking the same pages from the system again
    for every temporary costs more than the maths, up to four times as much.
    """
    np.empty(BLOCK, dtype=np.uint8)
