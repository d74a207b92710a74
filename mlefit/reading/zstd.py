"""Whether a zstd file is whole: DuckDB takes the end of the file for the end of the data, wherever it comes.

Only the headers of frames and blocks are read, as RFC 8878, sections 3.1.1 and 3.1.2, lays them out.
"""

from __future__ import annotations

import os
from typing import IO, Final

MAGIC: Final = 0xFD2FB528
_SKIPPABLE: Final = 0x184D2A50  # with any last four bits
_DICTIONARY: Final = (0, 1, 2, 4)  # bytes of its number, by the descriptor's last two bits
_CONTENT: Final = (0, 2, 4, 8)  # bytes of the frame's size, by its first two


def whole(path: str) -> bool:
    """Whether the last frame of a file ends where the file does.

    Raises:
        OSError: it cannot be read.
    """
    size = os.stat(path).st_size
    with open(path, "rb") as stream:
        while stream.tell() < size:
            if not _past_frame(stream, size):
                return False
        return stream.tell() == size


def _number(stream: IO[bytes], width: int) -> int:
    """A number of so many bytes, the lowest first; -1 past the end."""
    taken = stream.read(width)
    return int.from_bytes(taken, "little") if len(taken) == width else -1


def _past_frame(stream: IO[bytes], size: int) -> bool:
    """Go to the next frame; False where this one is cut off between its headers."""
    magic = _number(stream, 4)
    if magic & ~0xF == _SKIPPABLE:
        length = _number(stream, 4)
        stream.seek(max(length, 0), os.SEEK_CUR)
        return length >= 0
    if magic != MAGIC:
        stream.seek(size)  # what is no frame is for the reader to refuse
        return magic >= 0
    descriptor = _number(stream, 1)
    if descriptor < 0:
        return False
    single = descriptor >> 5 & 1
    content = _CONTENT[descriptor >> 6] or single
    stream.seek((1 - single) + _DICTIONARY[descriptor & 3] + content, os.SEEK_CUR)
    last = 0
    while not last:
        header = _number(stream, 3)
        if header < 0:
            return False
        last, kind = header & 1, header >> 1 & 3
        stream.seek(1 if kind == 1 else header >> 3, os.SEEK_CUR)  # kind 1 repeats a single byte
    stream.seek(4 if descriptor >> 2 & 1 else 0, os.SEEK_CUR)
    return True
