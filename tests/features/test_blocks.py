"""Files are read the same whatever their compression, and damage is noticed."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from smt_features import blocks
from smt_features.sources import Source
from smt_schemas import UserError

Read = Callable[..., list[list[str] | str]]

LINES = b"".join(b"%d,%x,%o\n" % (n, n * 7919, n) for n in range(3000))


def zstd(data: bytes) -> bytes:
    compressed: bytes = pa.compress(data, "zstd", asbytes=True)
    return compressed


COMPRESS = {"gzip": gzip.compress, "zstd": zstd}


@pytest.mark.parametrize("kind", COMPRESS)
@pytest.mark.parametrize("block_bytes", [1000, 1 << 20])
def test_compressed_files_have_the_rows_of_plain_ones(
    kind: str, block_bytes: int, read_rows: Read
) -> None:
    plain = read_rows(LINES, block_bytes=block_bytes)

    compressed = read_rows(COMPRESS[kind](LINES), kind=kind, block_bytes=block_bytes)

    assert len(plain) == 3000
    assert compressed == plain


def test_files_of_several_gzip_members_are_read_whole(read_rows: Read) -> None:
    half = LINES.index(b"\n", len(LINES) // 2) + 1
    data = gzip.compress(LINES[:half]) + gzip.compress(LINES[half:])

    assert read_rows(data, kind="gzip") == read_rows(LINES)


def test_files_of_several_zstd_frames_are_read_whole(read_rows: Read) -> None:
    half = LINES.index(b"\n", len(LINES) // 2) + 1

    assert read_rows(zstd(LINES[:half]) + zstd(LINES[half:]), kind="zstd") == read_rows(LINES)


@pytest.mark.parametrize("kind", COMPRESS)
@pytest.mark.parametrize("share", [0.01, 0.5, 0.999])
def test_a_truncated_file_is_refused(kind: str, share: float, read_rows: Read) -> None:
    data = COMPRESS[kind](LINES)

    with pytest.raises(UserError, match=r"Cannot read .*log: .*Is the file complete\?"):
        read_rows(data[: int(len(data) * share)], kind=kind)


@pytest.mark.parametrize("kind", COMPRESS)
def test_every_truncation_is_refused(kind: str, read_rows: Read) -> None:
    data = COMPRESS[kind](b"a,b,c\n" * 20)

    for length in range(len(data)):
        with pytest.raises(UserError):
            read_rows(data[:length], kind=kind)


@pytest.mark.parametrize("kind", COMPRESS)
def test_a_file_that_is_not_compressed_is_refused(kind: str, read_rows: Read) -> None:
    with pytest.raises(UserError, match="Cannot read"):
        read_rows(LINES, kind=kind)


@pytest.mark.parametrize("data", [b"", gzip.compress(b"")], ids=["none", "compressed"])
def test_an_empty_file_is_refused(data: bytes, read_rows: Read) -> None:
    with pytest.raises(UserError, match="holds no rows"):
        read_rows(data, kind="gzip" if data else "csv")


def test_a_line_beyond_the_limit_is_refused(
    read_rows: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "MAX_LINE_BYTES", 1 << 20)

    with pytest.raises(UserError, match="a line of more than 1 MiB"):
        read_rows(b"x" * (2 << 20), block_bytes=1 << 16)


def test_a_file_that_cannot_be_opened_is_refused(tmp_path: Path, read_rows: Read) -> None:
    with pytest.raises(UserError, match="Cannot open"):
        list(blocks.read_blocks(Source("train", 0, tmp_path / "none", "none", "csv")))


@pytest.mark.parametrize("block_bytes", [1, 5, 1 << 20])
@pytest.mark.parametrize("start", [b"c0,c1,c2\n", b"\xef\xbb\xbfc0,c1,c2\r\n", b'"c0","c1",c2\n'])
def test_a_header_is_checked_and_left_out(start: bytes, block_bytes: int, read_rows: Read) -> None:
    rows = read_rows(start + b"a,b,c\n", block_bytes=block_bytes, header=True)

    assert rows == [["a", "b", "c"]]


@pytest.mark.parametrize("first", [b"c0,c2,c1", b"a,b,c", b"c0,c1", b"", b"\xff"])
def test_another_header_is_refused(first: bytes, read_rows: Read) -> None:
    with pytest.raises(UserError, match="line 1: the header is"):
        read_rows(first + b"\na,b,c\n", header=True)


def test_a_file_with_only_a_header_is_refused(
    prepared: Callable[..., Any], log_schema: Callable[..., Any]
) -> None:
    schema = log_schema("a", "b", csv={"header": True})

    with pytest.raises(UserError, match="holds no rows"):
        prepared(["a,b"], schema=schema)


def test_a_header_where_the_schema_has_none_is_a_bad_row(
    prepared: Callable[..., Any], log_lines: Callable[..., list[str]]
) -> None:
    names = ",".join(f"c{number}" for number in range(20))

    with pytest.raises(UserError, match="taobao_train_data:1: clk 'c0' is not an integer"):
        prepared([names, *log_lines(2)])
