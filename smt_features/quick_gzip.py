"""Writes GZIP files that are quick to read: bytes that hardly shrink are stored as they are.

Random ids shrink by a quarter, and to inflate them takes ten times as long as to copy them. So
each chunk is looked at: what halves is compressed, the rest is stored. Any GZIP reader takes the
result (RFC 1952 with blocks of RFC 1951).
"""

import struct
import zlib
from collections.abc import Iterator
from itertools import groupby
from typing import IO

CHUNK = 1 << 12
"""Bytes that are compressed or stored together."""

_SAMPLE = 1 << 9
"""Bytes of a chunk that tell whether it shrinks."""

_MAX_STORED = (1 << 16) - 1
"""Bytes of a stored block at most."""

# Higher levels take four times as long to save a tenth of the bytes.
_LEVEL = 1

# DEFLATE, no name, no time, fastest level, no system: the bytes depend on the data alone.
_HEADER = struct.pack("<BBBBIBB", 0x1F, 0x8B, 8, 0, 0, 4, 255)
_LAST_BLOCK = b"\x03\x00"  # of fixed codes, and empty


class QuickGzip:
    """Writes a GZIP file of one member.

    Parameters
    ----------
    file
        Where to; to close it is left to the caller.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._crc = self._size = 0
        self._rest = b""
        file.write(_HEADER)

    def write(self, data: bytes) -> None:
        """Write bytes; some wait until their chunk is full."""
        self._crc = zlib.crc32(data, self._crc)
        self._size += len(data)
        data = self._rest + data
        whole = len(data) - len(data) % CHUNK
        self._put(data[:whole])
        self._rest = data[whole:]

    def close(self) -> None:
        """Write what waits, and the end of the file."""
        self._put(self._rest)
        self._file.write(_LAST_BLOCK + struct.pack("<II", self._crc, self._size & 0xFFFFFFFF))

    def _put(self, data: bytes) -> None:
        chunks = (data[start : start + CHUNK] for start in range(0, len(data), CHUNK))
        for shrinks, group in groupby(chunks, _shrinks):
            part = b"".join(group)
            self._file.writelines([_deflated(part)] if shrinks else _stored(part))


def _shrinks(chunk: bytes) -> bool:
    sample = chunk[:_SAMPLE]
    return 2 * len(_deflated(sample)) < len(sample)


def _deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(_LEVEL, wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH)  # ends with a whole byte


def _stored(data: bytes) -> Iterator[bytes]:
    for start in range(0, len(data), _MAX_STORED):
        block = data[start : start + _MAX_STORED]
        yield struct.pack("<BHH", 0, len(block), len(block) ^ 0xFFFF)
        yield block
