"""Writes and reads TFRecord files, without TensorFlow.

Framing (tensorflow/core/lib/io/record_writer.h), little-endian::

    uint64 length, uint32 masked crc32c of the length, data, uint32 masked crc32c of the data

The whole file may be GZIP-compressed.
"""

import gzip
import struct
import zlib
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import IO, Literal, cast

import polars as pl
import polars_hash  # noqa: F401  (registers the `nchash` namespace)

from smt_features.quick_gzip import QuickGzip

Compression = Literal["gzip", "none"]

MAX_RECORD_BYTES = 1 << 30
"""A longer record is damage, not data."""


class RecordError(ValueError):
    """The file is not a whole, undamaged TFRecord file."""


def write_records(path: Path, records: Iterable[list[bytes]], compression: Compression) -> None:
    """Write batches of records to one file. The bytes depend on the records alone."""
    with path.open("wb") as file:
        if compression == "none":
            _write_framed(file, records)
        else:
            with closing(QuickGzip(file)) as packed:
                _write_framed(packed, records)


def read_records(path: Path, compression: Compression) -> Iterator[bytes]:
    """Yield the records of a file, each checked against its checksum.

    Raises
    ------
    RecordError
        When the file is cut off or damaged.
    """
    with path.open("rb") as raw:
        file = cast("IO[bytes]", gzip.GzipFile(fileobj=raw)) if compression == "gzip" else raw
        try:
            while header := file.read(12):
                yield _read_record(file, header)
        except (gzip.BadGzipFile, EOFError, zlib.error, RecordError) as error:
            raise RecordError(f"{path} is damaged: {error}") from error


def masked_crc32c(records: list[bytes]) -> list[int]:
    """Return TFRecord's masked CRC-32C of each record."""
    frame = pl.DataFrame({"data": pl.Series(records, dtype=pl.Binary)})
    crc = frame.select(pl.col("data").nchash.crc32c()).to_series()  # type: ignore[attr-defined]
    return [((value >> 15 | value << 17) + 0xA282EAD8) & 0xFFFFFFFF for value in crc]


def _write_framed(file: IO[bytes] | QuickGzip, records: Iterable[list[bytes]]) -> None:
    for batch in records:
        lengths = [struct.pack("<Q", len(record)) for record in batch]
        framed = zip(lengths, masked_crc32c(lengths), batch, masked_crc32c(batch), strict=True)
        for length, length_crc, record, crc in framed:
            file.write(b"".join([length, _u32(length_crc), record, _u32(crc)]))


def _read_record(file: IO[bytes], header: bytes) -> bytes:
    if len(header) < 12:
        raise RecordError("it ends within a record")
    length, crc = struct.unpack("<QI", header)
    if masked_crc32c([header[:8]])[0] != crc or length > MAX_RECORD_BYTES:
        raise RecordError("the length of a record fails its checksum")
    data = file.read(length + 4)
    if len(data) < length + 4:
        raise RecordError("it ends within a record")
    if masked_crc32c([data[:-4]])[0] != struct.unpack("<I", data[-4:])[0]:
        raise RecordError("a record fails its checksum")
    return data[:-4]


def _u32(value: int) -> bytes:
    return struct.pack("<I", value)
