"""The hashes in the graph are MurmurHash3, bit for bit."""

import mmh3
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import example, given
from hypothesis import strategies as st

from smt_model.hashing_graph import murmur3_32
from smt_model.key_graph import key_of

# Text, seed, MurmurHash3 x86 32-bit, first half of MurmurHash3 x64 128-bit: mmh3 5.3.1.
GOLDEN = [
    (b"", 0, 0, 0),
    (b"", 1, 1364076727, 5048724184180415669),
    (b"\0", 0, 1364076727, 5048724184180415669),
    (b"0", 0, 3530670207, 3083240331115144064),
    (b"NULL", 0, 3461262191, 9964092180316141920),
    (b"430548_1007", 0, 397501887, 16743262758980789189),
    ("größe".encode(), 0, 3822294591, 10869734581006549521),
    (b"581738", 4294967295, 602768840, 5730439523508322198),
    (b"0123456789abcdef0123456789abcdef", 42, 3441053380, 16742973387075282334),
]
SPECS = [tf.TensorSpec([None], tf.string), tf.TensorSpec([], tf.uint32)]

graph = tf.function(murmur3_32, SPECS, autograph=False)
key_graph = tf.function(key_of, SPECS, autograph=False)


def hashed(texts: list[bytes], seed: int = 0) -> list[int]:
    result = graph(tf.constant(texts, tf.string, [len(texts)]), tf.constant(seed, tf.uint32))
    assert result.dtype == tf.uint32
    return [int(value) for value in result.numpy()]


def keys(texts: list[bytes], seed: int = 0) -> list[int]:
    result = key_graph(tf.constant(texts, tf.string, [len(texts)]), tf.constant(seed, tf.uint32))
    assert result.dtype == tf.int64
    return [int(value) for value in result.numpy()]


def expected_key(text: bytes, seed: int = 0) -> int:
    return mmh3.hash64(text, seed, signed=False)[0] % 2**63


@pytest.mark.parametrize(("text", "seed", "hash32", "hash64"), GOLDEN)
def test_golden_vectors(text: bytes, seed: int, hash32: int, hash64: int) -> None:
    assert hashed([text], seed) == [hash32]
    assert keys([text], seed) == [hash64 % 2**63]


@given(st.lists(st.binary(max_size=70), max_size=20), st.integers(0, 2**32 - 1))
@example([], 0)
@example([b"", b"\0" * 3, b"\0" * 4, b"\0" * 16, b"\0" * 17, b"\xff" * 15], 7)
def test_any_bytes_of_any_length_beside_any_others(texts: list[bytes], seed: int) -> None:
    assert hashed(texts, seed) == [mmh3.hash(text, seed, signed=False) for text in texts]
    assert keys(texts, seed) == [expected_key(text, seed) for text in texts]


def test_a_very_long_text_is_exact() -> None:
    long = np.random.default_rng(0).bytes(1_000_003)
    assert hashed([long, b"1"]) == [mmh3.hash(text, signed=False) for text in (long, b"1")]
    assert keys([long, b"1"]) == [expected_key(text) for text in (long, b"1")]
