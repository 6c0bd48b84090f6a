"""Reads a text source as blocks of whole lines, so that memory stays bounded.

Block ``i`` ends with the last line end of the ``i``-th piece of ``BLOCK_BYTES`` of the decompressed
text. Blocks, and so everything derived from a block's number, are the same for a plain and for a
compressed file, and in a part of a file that is read alone.
"""

import codecs
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa

from smt_features.sources import Source
from smt_schemas import UserError

BLOCK_BYTES = 16 << 20
"""Text that one block aims at: larger ones leave the cache, smaller ones cost more calls.

It has at most 2^24 lines, as many as `shuffle.row_keys` can number.
"""

MAX_LINE_BYTES = 64 << 20
"""A longer line is no line of a log."""

_TAIL_BYTES = 1 << 16


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
        The blocks to yield, of a source of kind ``csv``; others are always read whole.
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
    with _open(source) as file:
        if source.kind == "csv":
            yield from _plain_lines(file, source, first, end)
        else:
            with pa.CompressedInputStream(pa.PythonFile(file), source.kind) as stream:
                yield from _stream_lines(stream, file, source)


def _plain_lines(
    file: io.FileIO, source: Source, first: int, end: int | None
) -> Iterator[tuple[int, bytes, int]]:
    """Read the lines of each piece at one go, as putting blocks together costs a copy of each."""
    size = os.fstat(file.fileno()).st_size
    pieces = -(-size // BLOCK_BYTES)
    begin = _last_line_end(file, source, 0, min(first * BLOCK_BYTES, size))
    for number in range(first, pieces if end is None else min(end, pieces)):
        stop = _last_line_end(file, source, begin, min((number + 1) * BLOCK_BYTES, size))
        if stop > begin:
            data = _read_range(file, source, begin, stop)
            if not data.endswith(b"\n"):
                raise _changed(source)
            yield number, data, stop
            begin = stop
    if begin < size and end is None:
        yield pieces, _read_range(file, source, begin, size) + b"\n", size


def _stream_lines(
    stream: pa.NativeFile, file: io.FileIO, source: Source
) -> Iterator[tuple[int, bytes, int]]:
    rest, number = b"", 0
    while chunk := _read(stream, source, BLOCK_BYTES):
        if cut := chunk.rfind(b"\n") + 1:
            yield number, b"".join((rest, memoryview(chunk)[:cut])), file.tell()
            rest = chunk[cut:]
        else:
            rest += chunk
            _refuse_long_line(source, len(rest))
        number += 1
    if rest:
        yield number, rest + b"\n", file.tell()


def _last_line_end(file: io.FileIO, source: Source, begin: int, limit: int) -> int:
    """Return the position behind the last line end of a range, or its begin if it has none."""
    stop = limit
    while stop > begin:
        start = max(stop - _TAIL_BYTES, begin)
        if cut := _read_range(file, source, start, stop).rfind(b"\n") + 1:
            return start + cut
        stop = start
        _refuse_long_line(source, limit - stop)
    return begin


def _refuse_long_line(source: Source, size: int) -> None:
    if size > MAX_LINE_BYTES:
        msg = (
            f"{source.path} has a line of more than {MAX_LINE_BYTES >> 20} MiB. "
            "It is not a log of this schema; look at its first lines."
        )
        raise UserError(msg)


def _read_range(file: io.FileIO, source: Source, begin: int, stop: int) -> bytes:
    file.seek(begin)
    data = _read(file, source, stop - begin)
    if len(data) < stop - begin:
        raise _changed(source)
    return data


def _changed(source: Source) -> UserError:
    return UserError(f"{source.path} changed while it was read. Run `smt prepare` again.")


def _read(file: "io.FileIO | pa.NativeFile", source: Source, wanted: int) -> bytes:
    parts: list[bytes] = []
    try:
        # A decompressor may return less than was asked for; blocks must not depend on that.
        while wanted and (part := file.read(wanted)):
            parts.append(part)
            wanted -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)
    except OSError as error:
        msg = f"Cannot read {source.path}: {error}. Is the file complete?"
        raise UserError(msg) from error


def _open(source: Source) -> io.FileIO:
    try:
        return source.path.open("rb", buffering=0)
    except OSError as error:
        msg = f"Cannot open {source.path}: {error.strerror}."
        raise UserError(msg) from error


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
