"""TFRecord files: the standard framing, and no damage goes unnoticed."""

import gzip
import random
import struct
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smt_features.tfrecord import RecordError, masked_crc32c, read_records, write_records

RECORDS = [[b"", b"a"], [b"hello" * 9], [bytes(range(256))]]
FLAT = [record for batch in RECORDS for record in batch]
Compression = Literal["gzip", "none"]


def masked(crc: int) -> int:
    """Mask as TensorFlow does, in tensorflow/core/lib/hash/crc32c.h."""
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def crc32c(data: bytes) -> int:
    """Compute CRC-32C bit by bit, from its reversed polynomial."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


# The check value of the CRC catalogue, and RFC 3720 B.4: 32 zeros, 32 ones, ascending bytes.
CHECKS = [
    (b"123456789", 0xE3069283),
    (b"\x00" * 32, 0x8A9136AA),
    (b"\xff" * 32, 0x62A8AB43),
    (bytes(range(32)), 0x46DD794E),
]


@pytest.mark.parametrize(("data", "crc"), CHECKS)
def test_checksums_are_those_of_the_standard(data: bytes, crc: int) -> None:
    assert masked_crc32c([data]) == [masked(crc)]


@given(records=st.lists(st.binary(max_size=40), max_size=5))
def test_checksums_equal_a_bitwise_computation(records: list[bytes]) -> None:
    assert masked_crc32c(records) == [masked(crc32c(record)) for record in records]


def test_the_framing_is_the_standard_one(tmp_path: Path) -> None:
    path = tmp_path / "records"

    write_records(path, [[b"abc"]], "none")

    length = struct.pack("<Q", 3)
    checks = [struct.pack("<I", masked(crc32c(part))) for part in (length, b"abc")]
    assert path.read_bytes() == length + checks[0] + b"abc" + checks[1]


@pytest.mark.parametrize("compression", ["gzip", "none"])
def test_records_come_back(compression: Compression, tmp_path: Path) -> None:
    path = tmp_path / "records"

    write_records(path, RECORDS, compression)

    assert list(read_records(path, compression)) == FLAT


def test_gzip_files_hold_no_time_and_no_name(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_records(tmp_path / name, RECORDS, "gzip")

    data = (tmp_path / "one").read_bytes()
    assert data == (tmp_path / "two").read_bytes()
    assert data[3:8] == b"\0" * 5
    write_records(tmp_path / "plain", RECORDS, "none")
    assert gzip.decompress(data) == (tmp_path / "plain").read_bytes()


def test_tensorflow_reads_the_records(tmp_path: Path) -> None:
    tf = pytest.importorskip("tensorflow", reason="the extra `train` is not installed")
    write_records(tmp_path / "gzip", RECORDS, "gzip")
    write_records(tmp_path / "none", RECORDS, "none")

    for name, compression in (("gzip", "GZIP"), ("none", "")):
        records = tf.data.TFRecordDataset(str(tmp_path / name), compression)
        assert list(records.as_numpy_iterator()) == FLAT


def test_records_of_tensorflow_are_read(tmp_path: Path) -> None:
    tf = pytest.importorskip("tensorflow", reason="the extra `train` is not installed")
    path = tmp_path / "records"
    with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
        for record in FLAT:
            writer.write(record)

    assert list(read_records(path, "gzip")) == FLAT


def test_every_truncation_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "records"
    write_records(path, RECORDS, "none")
    data = path.read_bytes()
    ends = [0]
    for record in FLAT:
        ends.append(ends[-1] + len(record) + 16)

    for length in range(len(data)):
        path.write_bytes(data[:length])
        if length in ends:  # whole records; the manifest knows their number
            assert list(read_records(path, "none")) == FLAT[: ends.index(length)]
        else:
            with pytest.raises(RecordError, match="is damaged"):
                list(read_records(path, "none"))


def test_every_truncation_of_a_gzip_file_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "records"
    write_records(path, RECORDS, "gzip")
    data = path.read_bytes()

    for length in range(1, len(data)):
        path.write_bytes(data[:length])
        with pytest.raises(RecordError, match="is damaged"):
            list(read_records(path, "gzip"))


def test_every_flipped_byte_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "records"
    write_records(path, RECORDS, "none")
    data = path.read_bytes()
    chance = random.Random(0)

    for position in range(len(data)):
        flipped = bytearray(data)
        flipped[position] ^= chance.randrange(1, 256)
        path.write_bytes(flipped)
        with pytest.raises(RecordError, match="is damaged"):
            list(read_records(path, "none"))


def test_a_flipped_byte_of_a_gzip_file_is_noticed_or_changes_no_record(tmp_path: Path) -> None:
    path = tmp_path / "records"
    write_records(path, RECORDS, "gzip")
    data = path.read_bytes()

    for position in range(len(data)):
        for flip in (1, 8, 128):
            flipped = bytearray(data)
            flipped[position] ^= flip
            path.write_bytes(flipped)
            try:
                records = list(read_records(path, "gzip"))
            except RecordError:
                continue
            # Some bits of the header mean nothing, and some codes are never used.
            assert records == FLAT
