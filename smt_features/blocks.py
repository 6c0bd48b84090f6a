"""Reads a text source as blocks of whole lines, so that memory stays bounded.

Block ``i`` ends with the last line end of the ``i``-th piece of ``BLOCK_BYTES`` of the decompressed
text. Blocks, and so everything derived from a block's number, are the same for a plain and for a
compressed file, and in a part of a file that is read alone.
"""

import codecs
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pyarrow as pa

from smt_features.sources import Source
from smt_schemas import UserError

BLOCK_BYTES = 16 << 20
"""Text that one block aims at: larger ones leave the cache, smaller ones cost more calls."""

MAX_LINE_BYTES = 64 << 20
"""A longer line is no line of a log."""


@dataclass(frozen=True)
class Block:
    """Consecutive whole lines of a source.

    Attributes
    ----------
    source
        The file they come from.
    ordinal
        Number of the block in its source, from 0.
    data
        The bytes, ending with a line end.
    position
        Bytes of the file that were read so far, for showing progress.
    """

    source: Source
    ordinal: int
    data: bytes
    position: int


def read_blocks(
    source: Source, *, first: int = 0, end: int | None = None, header: bytes | None = None
) -> Iterator[Block]:
    """Yield a text source in blocks.

    Parameters
    ----------
    source
        A source of kind ``csv``, ``gzip`` or ``zstd``.
    first, end
        The blocks to yield; a compressed source is always read from its beginning.
    header
        The header line that must come first, or None when the file has none.

    Raises
    ------
    UserError
        When the file cannot be read or decompressed, holds no rows, has another header, or has a
        line longer than ``MAX_LINE_BYTES``.
    """
    is_first, is_empty = first == 0, first == 0
    for ordinal, data, position in _whole_lines(source, first, end):
        if is_first:
            is_first = False
            data = data.removeprefix(codecs.BOM_UTF8)
            if header is not None:
                data = _without_header(data, header, source)
        if data:
            yield Block(source, ordinal, data, position)
            is_empty = False
    if is_empty:
        msg = f"{source.path} holds no rows. Remove it, or put the log there."
        raise UserError(msg)


def _whole_lines(source: Source, first: int, end: int | None) -> Iterator[tuple[int, bytes, int]]:
    """Yield the number of each piece, the lines that end in it, and the bytes read so far."""
    with _open(source) as (file, raw):
        rest = _line_begun_before(first, raw, source) if first else b""
        number = first
        while (end is None or number < end) and (chunk := _read(file, source)):
            cut = chunk.rfind(b"\n") + 1
            number += 1
            if not cut:
                rest += chunk
                if len(rest) > MAX_LINE_BYTES:
                    msg = (
                        f"{source.path} has a line of more than {MAX_LINE_BYTES >> 20} MiB. "
                        "It is not a log of this schema; look at its first lines."
                    )
                    raise UserError(msg)
                continue
            yield number - 1, b"".join((rest, memoryview(chunk)[:cut])), raw.tell()
            rest = chunk[cut:]
        if rest and end is None:
            yield number, rest + b"\n", raw.tell()


def _line_begun_before(first: int, file: io.FileIO, source: Source) -> bytes:
    """Return the beginning of the line that piece ``first`` goes on with, and seek there."""
    begun = b""
    for piece in range(first - 1, -1, -1):
        file.seek(piece * BLOCK_BYTES)
        chunk = _read(file, source)[:BLOCK_BYTES]
        cut = chunk.rfind(b"\n") + 1
        begun = chunk[cut:] + begun
        if cut or len(begun) > MAX_LINE_BYTES:
            break
    file.seek(first * BLOCK_BYTES)
    return begun


def _read(file: "io.FileIO | pa.NativeFile", source: Source) -> bytes:
    parts: list[bytes] = []
    wanted = BLOCK_BYTES
    try:
        # A decompressor may return less than was asked for; blocks must not depend on that.
        while wanted and (part := file.read(wanted)):
            parts.append(part)
            wanted -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)
    except OSError as error:
        msg = f"Cannot read {source.path}: {error}. Is the file complete?"
        raise UserError(msg) from error


@contextmanager
def _open(source: Source) -> Iterator[tuple["io.FileIO | pa.NativeFile", io.FileIO]]:
    """Yield the stream of text, and the file below it."""
    try:
        file = source.path.open("rb", buffering=0)
    except OSError as error:
        msg = f"Cannot open {source.path}: {error.strerror}."
        raise UserError(msg) from error
    with file:
        if source.kind == "csv":
            yield file, file
        else:
            with pa.CompressedInputStream(pa.PythonFile(file), source.kind) as stream:
                yield stream, file


def _without_header(data: bytes, header: bytes, source: Source) -> bytes:
    first, _, rest = data.partition(b"\n")
    # Names have no quotes in them, so those there are stand around names.
    if first.rstrip(b"\r").replace(b'"', b"") != header:
        shown = first[:200].decode("utf-8", "backslashreplace")
        msg = (
            f"{source.path}, line 1: the header is {shown!r}, but the schema's columns are "
            f"{header.decode()!r}. Correct the schema, or set csv.header = false."
        )
        raise UserError(msg)
    return rest
