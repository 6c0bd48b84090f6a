"""The Example codec: what goes in comes out, and TensorFlow agrees."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smt_features.example import (
    ExampleError,
    decode_example,
    decode_varints,
    encode_example,
    encode_varints,
)

INT64 = st.integers(-(2**63), 2**63 - 1)
FEATURES = st.dictionaries(st.text(max_size=10), st.lists(INT64, max_size=20), max_size=5)

# By hand from the protobuf documentation: seven bits a byte, least significant first.
VARINTS = [
    (0, b"\x00"),
    (1, b"\x01"),
    (127, b"\x7f"),
    (128, b"\x80\x01"),
    (150, b"\x96\x01"),
    (300, b"\xac\x02"),
    (2**31 - 1, b"\xff\xff\xff\xff\x07"),
    (2**63 - 1, b"\xff" * 8 + b"\x7f"),
    (-1, b"\xff" * 9 + b"\x01"),
    (-(2**63), b"\x80" * 9 + b"\x01"),
]


def arrays(features: dict[str, list[int]]) -> dict[str, np.ndarray]:
    return {name: np.array(values, np.int64) for name, values in features.items()}


def lists(features: dict[str, Any]) -> dict[str, list[int]]:
    return {name: values.tolist() for name, values in features.items()}


@pytest.mark.parametrize(("value", "data"), VARINTS)
def test_varints_are_those_of_protobuf(value: int, data: bytes) -> None:
    assert encode_varints(np.array([value], np.int64)) == data
    assert decode_varints(data).tolist() == [value]


@given(values=st.lists(INT64))
def test_varints_come_back(values: list[int]) -> None:
    assert decode_varints(encode_varints(np.array(values, np.int64))).tolist() == values


@given(features=FEATURES)
def test_examples_come_back(features: dict[str, list[int]]) -> None:
    assert lists(decode_example(encode_example(arrays(features)))) == features


def test_an_example_has_the_bytes_of_the_proto_definition() -> None:
    # Example{1: Features{1: entry{1: "a", 2: Feature{3: Int64List{1: packed 1, 300}}}}}
    data = b"\x0a\x0e\x0a\x0c\x0a\x01a\x12\x07\x1a\x05\x0a\x03\x01\xac\x02"

    assert encode_example({"a": np.array([1, 300])}) == data


def test_floats_are_a_float_list() -> None:
    # Example{1: Features{1: entry{1: "a", 2: Feature{2: FloatList{1: packed 1.0, -2.0}}}}}
    data = b"\x0a\x13\x0a\x11\x0a\x01a\x12\x0c\x12\x0a\x0a\x08\x00\x00\x80\x3f\x00\x00\x00\xc0"

    assert encode_example({"a": np.array([1, -2], np.float32)}) == data
    decoded = decode_example(data)["a"]
    np.testing.assert_array_equal(decoded, np.array([1, -2], np.float32), strict=True)


@given(values=st.lists(st.floats(width=32)))
def test_floats_come_back(values: list[float]) -> None:
    encoded = encode_example({"a": np.array(values, np.float32)})

    np.testing.assert_array_equal(decode_example(encoded)["a"], np.array(values, np.float32))


@pytest.mark.parametrize("seed", range(5))
def test_tensorflow_reads_and_writes_the_same_examples(seed: int) -> None:
    tf = pytest.importorskip("tensorflow", reason="the extra `train` is not installed")
    random = np.random.default_rng(seed)
    features: dict[str, Any] = {
        name: random.integers(-(2 ** int(bits)), 2 ** int(bits), int(length))
        for name, bits, length in zip("abc", [3, 31, 62], random.integers(0, 50, 3), strict=True)
    }
    floats = random.random(int(random.integers(0, 50)), np.float32)
    theirs = tf.train.Example(
        features=tf.train.Features(
            feature={
                name: tf.train.Feature(int64_list=tf.train.Int64List(value=values))
                for name, values in features.items()
            }
            | {"f": tf.train.Feature(float_list=tf.train.FloatList(value=floats))}
        )
    )
    features["f"] = floats

    parsed = tf.train.Example.FromString(encode_example(features))

    assert parsed == theirs
    assert lists(decode_example(theirs.SerializeToString())) == lists(features)


DAMAGED = {
    "cut off": b"\x0a\x05\x0a",
    "length cut off": b"\x0a\x80",
    "length too long": b"\x0a" + b"\xff" * 5 + b"\x01",
    "another message": b"\x12\x01a",
    "bytes list": b"\x0a\x0b\x0a\x09\x0a\x01a\x12\x04\x0a\x02\x0a\x00",
    "float cut off": b"\x0a\x0e\x0a\x0c\x0a\x01a\x12\x07\x12\x05\x0a\x03\x00\x00\x80",
    "unpacked float": b"\x0a\x0e\x0a\x0c\x0a\x01a\x12\x07\x12\x05\x0d\x00\x00\x80\x3f",
    "unpacked": b"\x0a\x0b\x0a\x09\x0a\x01a\x12\x04\x1a\x02\x08\x05",
    "varint cut off": b"\x0a\x0c\x0a\x0a\x0a\x01a\x12\x05\x1a\x03\x0a\x01\x80",
}


@pytest.mark.parametrize("case", DAMAGED)
def test_damage_is_refused(case: str) -> None:
    with pytest.raises(ExampleError):
        decode_example(DAMAGED[case])


@given(data=st.binary(max_size=60))
def test_random_bytes_are_refused_or_read(data: bytes) -> None:
    try:
        features = decode_example(data)
    except ExampleError:
        return
    assert all(values.dtype in (np.int64, np.float32) for values in features.values())


@given(features=FEATURES, position=st.integers(0, 10**6), flip=st.integers(1, 255))
def test_flipped_bytes_are_refused_or_read(
    features: dict[str, list[int]], position: int, flip: int
) -> None:
    data = bytearray(encode_example(arrays(features)))
    if data:
        data[position % len(data)] ^= flip
    try:
        found = decode_example(bytes(data))
    except ExampleError:
        return
    assert all(values.dtype in (np.int64, np.float32) for values in found.values())
