"""One file for a JSON header and arrays: models and checkpoints. Safe to read from a stranger.

    8 bytes   magic
    8 bytes   length of the header, little-endian
    header    JSON in UTF-8; its "arrays" lists name, dtype and shape of each array
    arrays    one after another, C order, little-endian
    32 bytes  SHA-256 of all before

Nothing in it is ever executed. The digest shows damage, not malice; sizes are checked before anything is made.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mlefit.errors import DataError

MAGIC: Final = b"\x89mlefit\n"
VERSION: Final = 1
DIGEST: Final = 32
DTYPES: Final = ("<f4", "<f8")

Arrays = Mapping[str, NDArray[np.floating[Any]]]


def save(path: str | Path, kind: str, header: Mapping[str, Any], arrays: Arrays) -> None:
    """Write atomically: whoever reads `path` finds the old file or the new one, never a part.

    Raises:
        DataError: the file cannot be written.
    """
    stored = [(name, np.ascontiguousarray(a, a.dtype.newbyteorder("<"))) for name, a in arrays.items()]
    described = [{"name": name, "dtype": a.dtype.str, "shape": list(a.shape)} for name, a in stored]
    text = json.dumps(
        {"version": VERSION, "contents": kind, **header, "arrays": described}, ensure_ascii=False, allow_nan=False
    ).encode()
    body = b"".join([MAGIC, len(text).to_bytes(8, "little"), text, *(a.tobytes() for _, a in stored)])
    file = Path(path)
    temporary = ""
    try:
        with tempfile.NamedTemporaryFile(dir=file.parent, prefix=f".{file.name}.", delete=False) as handle:
            temporary = handle.name
            handle.write(body + hashlib.sha256(body).digest())
            handle.flush()
            os.fsync(handle.fileno())
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)
        os.replace(temporary, file)
    except OSError as error:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        raise DataError(f"{path} cannot be written: {error.strerror or error}") from error


def load(path: str | Path, kind: str) -> tuple[dict[str, Any], dict[str, NDArray[np.floating[Any]]]]:
    """The header and the arrays of a file that `save` wrote.

    Raises:
        DataError: there is no such file; it is something else, damaged, or from a newer version.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error
    if not data.startswith(MAGIC):
        raise DataError(f"{path} is not a {kind} saved by mlefit")
    damaged = DataError(f"{path} is damaged (truncated or altered); make it again, or take another copy")
    if len(data) < len(MAGIC) + 8 + DIGEST or hashlib.sha256(data[:-DIGEST]).digest() != data[-DIGEST:]:
        raise damaged
    begin = len(MAGIC) + 8
    end = begin + int.from_bytes(data[len(MAGIC) : begin], "little")
    try:
        header = json.loads(data[begin:end])
        version, contents = header["version"], header["contents"]
        if isinstance(version, int) and version > VERSION:
            raise DataError(
                f"{path} was written by a newer mlefit (file version {version}; this one reads up to {VERSION}); "
                "upgrade mlefit"
            )
        if contents != kind:
            raise DataError(f"{path} is a {contents}, not a {kind}")
        arrays = _arrays(header.pop("arrays"), memoryview(data)[end:-DIGEST])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise damaged from error
    return header, arrays


def _arrays(described: Any, data: memoryview) -> dict[str, NDArray[np.floating[Any]]]:
    arrays: dict[str, NDArray[np.floating[Any]]] = {}
    begin = 0
    for entry in described:
        dtype, shape = entry["dtype"], tuple(entry["shape"])
        if dtype not in DTYPES or not all(isinstance(s, int) and s >= 0 for s in shape):
            raise ValueError("not an array of numbers")
        count = math.prod(shape)
        end = begin + count * np.dtype(dtype).itemsize
        if end > len(data):
            raise ValueError("arrays longer than the file")
        values = np.frombuffer(data[begin:end], dtype).reshape(shape)
        arrays[str(entry["name"])] = values.astype(values.dtype.newbyteorder("="))
        begin = end
    if begin != len(data):
        raise ValueError("arrays shorter than the file")
    return arrays
