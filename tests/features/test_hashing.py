"""Buckets and keys are MurmurHash3, bit for bit."""

import mmh3
import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from smt_features.hashing import bucket, key
from smt_schemas import Column

LARGEST = 2**31 - 1
SEEDS = st.integers(0, 2**32 - 1)

# Text, seed, MurmurHash3 x86 32-bit, first half of MurmurHash3 x64 128-bit: mmh3 5.3.1.
GOLDEN = [
    ("", 0, 0, 0),
    ("0", 0, 3530670207, 3083240331115144064),
    ("NULL", 0, 3461262191, 9964092180316141920),
    ("430548_1007", 0, 397501887, 16743262758980789189),
    ("581738", 0, 3153965785, 17214764501787504187),
    ("a|b", 0, 2374288016, 17380965404452498603),
    ("größe", 0, 3822294591, 10869734581006549521),
    ("0", 1, 2992457707, 3894390131083956718),
    ("581738", 4294967295, 602768840, 5730439523508322198),
    ("0123456789abcdef0123456789abcdef", 42, 3441053380, 16742973387075282334),
]


def feature(buckets: int) -> Column:
    return Column(name="x", role="user", hash_buckets=buckets, embedding_dim=1)


def buckets_of(texts: list[str], buckets: int, seed: int) -> list[int]:
    frame = pl.DataFrame({"x": texts}, schema={"x": pl.String})
    result = frame.select(bucket(pl.col("x"), feature(buckets), seed))
    assert result.dtypes == [pl.Int32]
    return result.to_series().to_list()


def keys_of(texts: list[str], seed: int) -> list[int]:
    frame = pl.DataFrame({"x": texts}, schema={"x": pl.String})
    result = frame.select(key(pl.col("x"), seed))
    assert result.dtypes == [pl.Int64]
    return result.to_series().to_list()


@pytest.mark.parametrize(("text", "seed", "hash32", "hash64"), GOLDEN)
def test_golden_vectors(text: str, seed: int, hash32: int, hash64: int) -> None:
    assert mmh3.hash(text, seed, signed=False) == hash32
    assert mmh3.hash64(text, seed, signed=False)[0] == hash64
    assert buckets_of([text], 100_000, seed) == [hash32 % 100_000]
    assert buckets_of([text], LARGEST, seed) == [hash32 % LARGEST]
    assert keys_of([text], seed) == [hash64 % 2**63]


@given(texts=st.lists(st.text(max_size=40)), buckets=st.integers(1, LARGEST), seed=SEEDS)
@example(texts=["\0", "\N{GRINNING FACE}", "x" * 1000], buckets=LARGEST, seed=2**32 - 1)
def test_buckets_equal_mmh3(texts: list[str], buckets: int, seed: int) -> None:
    expected = [mmh3.hash(text, seed, signed=False) % buckets for text in texts]

    assert buckets_of(texts, buckets, seed) == expected


@given(texts=st.lists(st.text(max_size=40)), seed=SEEDS)
def test_keys_equal_mmh3(texts: list[str], seed: int) -> None:
    expected = [mmh3.hash64(text, seed, signed=False)[0] & (2**63 - 1) for text in texts]

    assert keys_of(texts, seed) == expected


def test_identity_is_the_integer_itself() -> None:
    column = feature(50).model_copy(
        update={"encoding": "identity", "type": "int", "required": True}
    )
    frame = pl.DataFrame({"x": ["0", "7", "49"]})

    result = frame.select(bucket(pl.col("x"), column, 0)).to_series()

    assert result.to_list() == [0, 7, 49]
    assert result.dtype == pl.Int32
