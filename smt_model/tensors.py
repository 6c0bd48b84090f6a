"""Named arrays in one file, in the safetensors format (no code of that package is needed).

Eight bytes with the length of the header (little-endian), the header in JSON
(``{name: {"dtype": "F32", "shape": [..], "data_offsets": [begin, end]}}``, padded with
spaces to a multiple of eight), then the arrays' bytes, little-endian and in C order.
https://github.com/huggingface/safetensors#format
"""

import hashlib
import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

_DTYPES: dict[str, np.dtype[Any]] = {
    "F32": np.dtype("<f4"),
    "U8": np.dtype("u1"),
    "U16": np.dtype("<u2"),
    "U32": np.dtype("<u4"),
    "I32": np.dtype("<i4"),
    "I64": np.dtype("<i8"),
}
_NAMES = {dtype: name for name, dtype in _DTYPES.items()}
_MAX_HEADER = 100_000_000
"""Bytes, the limit of the format."""

_FIRST, _HELD = 1 << 20, 1 << 22
"""Bytes that are written and digested together: fewer at first, so that both begin early."""

_DIGESTER = ThreadPoolExecutor(1)
"""One for all files of this process, as to start a thread takes a fiftieth of a small file's time.
A process that was forked after a first file has no such thread, and must not write."""


class Shape(NamedTuple):
    """Name, dtype and shape of an array that will be written."""

    name: str
    dtype: np.dtype[np.generic]
    shape: tuple[int, ...]

    @property
    def bytes(self) -> int:
        """Size of the array."""
        return self.dtype.itemsize * math.prod(self.shape)


def write_tensors(
    path: Path, shapes: Iterable[Shape], arrays: Iterable[Iterable[NDArray[np.generic]]]
) -> str:
    """Write arrays piece by piece, so that only some 8 MB are in memory, or two pieces.

    To sync the file is left to the caller. What is written is digested beside, and on its way to
    the disk meanwhile.

    Parameters
    ----------
    path
        File to make.
    shapes
        What will come.
    arrays
        The arrays, in the order of `shapes`, each as consecutive rows.

    Returns
    -------
    str
        SHA-256 of the file, in hexadecimal.
    """
    shapes = list(shapes)
    digest = hashlib.sha256()
    with path.open("wb") as file:
        digested = _DIGESTER.submit(_digest, digest, [])
        for pieces in _batches(_pieces(shapes, arrays)):
            digested.result()  # so that two batches are in memory, and no more
            digested = _DIGESTER.submit(_digest, digest, pieces)
            file.writelines(pieces)
            file.flush()
            if hasattr(os, "posix_fadvise"):
                # Linux starts to write what it is told that nobody needs, and waits for nothing.
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        digested.result()
    return digest.hexdigest()


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_tensors(path: Path) -> Mapping[str, NDArray[np.generic]]:
    """Return the arrays of a file, mapped from disk and read-only.

    Raises
    ------
    ValueError
        When its header does not describe it.
    """
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 0 < length <= _MAX_HEADER:
            msg = f"{path.name} has no header"
            raise ValueError(msg)
        header = file.read(length)
    data = np.memmap(path, np.uint8, "r", 8 + length)
    try:
        return {name: _view(data, entry) for name, entry in json.loads(header).items()}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        msg = f"{path.name} has a header that does not fit it"
        raise ValueError(msg) from error


def _digest(digest: "hashlib._Hash", pieces: list[memoryview]) -> None:
    for piece in pieces:
        digest.update(piece)


def _view(data: NDArray[np.uint8], entry: Mapping[str, Any]) -> NDArray[np.generic]:
    begin, end = entry["data_offsets"]
    # A slice beyond the data would be silently shorter, and then not have the shape.
    return data[begin:end].view(_DTYPES[entry["dtype"]]).reshape(entry["shape"])


def _pieces(
    shapes: list[Shape], arrays: Iterable[Iterable[NDArray[np.generic]]]
) -> Iterable[memoryview]:
    header = _header(shapes)
    yield memoryview(len(header).to_bytes(8, "little"))
    yield memoryview(header)
    for shape, array in zip(shapes, arrays, strict=True):
        written = 0
        for piece in array:
            assert (piece.dtype, piece.shape[1:]) == (shape.dtype, shape.shape[1:]), shape.name
            yield np.ascontiguousarray(piece).reshape(-1).data
            written += piece.nbytes
        assert written == shape.bytes, shape.name


def _batches(pieces: Iterable[memoryview]) -> Iterator[list[memoryview]]:
    """Yield consecutive pieces together, ``_FIRST`` bytes and then more, up to ``_HELD``."""
    held: list[memoryview] = []
    size, enough = 0, _FIRST
    for piece in pieces:
        held.append(piece)
        size += piece.nbytes
        if size >= enough:
            yield held
            held, size, enough = [], 0, min(2 * enough, _HELD)
    yield held


def _header(shapes: list[Shape]) -> bytes:
    entries, begin = {}, 0
    for shape in shapes:
        end = begin + shape.bytes
        entries[shape.name] = {
            "dtype": _NAMES[shape.dtype],
            "shape": shape.shape,
            "data_offsets": (begin, end),
        }
        begin = end
    text = json.dumps(entries, separators=(",", ":")).encode()
    return text + b" " * (-len(text) % 8)
