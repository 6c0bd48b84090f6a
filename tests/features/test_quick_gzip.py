"""GZIP files of compressed and stored blocks."""

import gzip
import io
import random

from hypothesis import given
from hypothesis import strategies as st

from smt_features.quick_gzip import CHUNK, QuickGzip

RANDOM = random.Random(0).randbytes(CHUNK * 40)
EVEN = b"\x01\x02" * (CHUNK * 20)


def packed(parts: list[bytes]) -> bytes:
    file = io.BytesIO()
    packer = QuickGzip(file)
    for part in parts:
        packer.write(part)
    packer.close()
    return file.getvalue()


@given(
    st.lists(
        st.binary(max_size=2_000)
        | st.integers(0, len(RANDOM)).map(lambda size: RANDOM[:size])
        | st.integers(0, len(EVEN)).map(lambda size: EVEN[:size]),
        max_size=5,
    )
)
def test_gzip_reads_what_was_written(parts: list[bytes]) -> None:
    assert gzip.decompress(packed(parts)) == b"".join(parts)


def test_what_halves_is_compressed_and_the_rest_costs_next_to_nothing() -> None:
    assert len(packed([EVEN])) < len(EVEN) / 50
    assert len(RANDOM) < len(packed([RANDOM])) < len(RANDOM) * 1.001
    assert len(packed([EVEN, RANDOM])) < len(RANDOM) * 1.01


def test_the_bytes_depend_on_the_data_alone() -> None:
    assert packed([EVEN]) == packed([EVEN])
    assert packed([])[:10] == bytes([0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 4, 255])  # no time, no name
