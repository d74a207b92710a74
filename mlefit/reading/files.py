"""Files, globs, named pipes and standard input, as files that can be read more than once."""

from __future__ import annotations

import atexit
import functools
import os
import stat
import sys
import tempfile
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from mlefit.errors import DataError
from mlefit.progress import steps


@dataclass(frozen=True)
class File:
    """One file of a source: the name to show, the path to read, its compression ("none", "gzip", "zstd")."""

    name: str
    path: str
    compression: str = "none"


def files_of(path: str) -> tuple[File, ...]:
    """What a path, a glob or "-" (standard input) names, in order.

    Raises:
        DataError: there is nothing there that can be read.
    """
    if path == "-":
        return (_standard_input(),)
    if "\0" in path or not path:
        raise DataError(f"there is no file {path!r}")
    import glob

    names = [path]
    if not os.path.lexists(path) and glob.has_magic(path):
        names = sorted(name for name in glob.glob(path, recursive=True) if not os.path.isdir(name))
        if not names:
            raise DataError(f"no file matches {path!r}")
    return tuple(_checked(name) for name in names)


def mark(file: File) -> tuple[int, ...]:
    """What changes when the file does."""
    status = os.stat(file.path)
    return (status.st_mtime_ns, status.st_size, status.st_ino)


def _checked(name: str) -> File:
    try:
        mode = os.stat(name).st_mode
        if stat.S_ISDIR(mode):
            raise DataError(f"{name} is a directory; name a file in it, or a glob such as '{name}/*.csv'")
        if not stat.S_ISREG(mode):
            return _pipe(name)
        with open(name, "rb"):
            pass
    except DataError:
        raise
    except FileNotFoundError:
        raise DataError(f"there is no file {name!r}") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DataError(f"{name} cannot be read: {reason.lower()}") from None
    return File(name, os.path.abspath(name))


@functools.lru_cache(maxsize=8)
def _pipe(name: str) -> File:
    """A named pipe or /dev/stdin, which can be read only once."""
    with open(name, "rb") as stream:
        return _spooled(name, stream)


@functools.cache
def _standard_input() -> File:
    try:
        descriptor = sys.stdin.fileno()
        mode = os.fstat(descriptor).st_mode
    except (AttributeError, OSError, ValueError):
        raise DataError("there is no standard input to read") from None
    if stat.S_ISDIR(mode):
        raise DataError("standard input is a directory")
    here = f"/proc/self/fd/{descriptor}"
    if stat.S_ISREG(mode) and os.lseek(descriptor, 0, os.SEEK_CUR) == 0 and os.access(here, os.R_OK):
        return File("standard input", here)
    with os.fdopen(os.dup(descriptor), "rb") as stream:
        return _spooled("standard input", stream)


class _Nameless:
    """A file without a name, there as long as this object."""

    def __init__(self) -> None:
        file = tempfile.TemporaryFile()  # noqa: SIM115
        self.descriptor = file.fileno()
        weakref.finalize(self, file.close)


_spools: dict[str, object] = {}


def _spooled(name: str, stream: IO[bytes]) -> File:
    path, handle = temporary()
    _spools[path] = handle
    try:
        with open(path, "wb") as spool:
            blocks = iter(lambda: stream.read(1 << 20), b"")
            for block in steps(blocks, f"reading {name}", unit="MB", size=lambda block: len(block) / 1e6):
                spool.write(block)
    except OSError as error:
        raise DataError(f"{name} cannot be read: {(error.strerror or str(error)).lower()}") from None
    return File(name, path)


def temporary() -> tuple[str, object]:
    """Path of an empty temporary file, and the object that keeps it. It is gone when the process is."""
    if os.path.isdir("/proc/self/fd"):
        # Nameless from the start: even a killed process leaves nothing behind.
        nameless = _Nameless()
        return f"/proc/self/fd/{nameless.descriptor}", nameless
    descriptor, path = tempfile.mkstemp(prefix="mlefit-")
    os.close(descriptor)
    atexit.register(lambda: Path(path).unlink(missing_ok=True))
    return path, None
