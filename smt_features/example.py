"""Encodes and decodes ``tf.train.Example`` messages of numbers, without TensorFlow.

The messages are small and fixed (tensorflow/core/example/example.proto and feature.proto), so
they are written here in vectorised form rather than value by value through a protobuf library::

    Example   { Features features = 1; }
    Features  { map<string, Feature> feature = 1; }   // an entry: key = 1, value = 2
    Feature   { FloatList float_list = 2; Int64List int64_list = 3; }   // one of the two
    FloatList { repeated float value = 1 [packed = true]; }
    Int64List { repeated int64 value = 1 [packed = true]; }
"""

from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt

Int64s = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.int64 | np.float32]

_BYTES_FIELD_1, _BYTES_FIELD_2, _BYTES_FIELD_3 = 0x0A, 0x12, 0x1A
_MAX_VARINT = 10


class ExampleError(ValueError):
    """The bytes are not an Example of numbers."""


def encode_example(features: Mapping[str, npt.NDArray[np.integer | np.float32]]) -> bytes:
    """Return an Example that holds each array, in the order given.

    Floats become a float list, integers an int64 list.
    """
    entries = []
    for name, values in features.items():
        if values.dtype == np.float32:
            kind, packed = _BYTES_FIELD_2, values.astype("<f4").tobytes()
        else:
            kind, packed = _BYTES_FIELD_3, encode_varints(values.astype(np.int64))
        feature = _field(kind, _field(_BYTES_FIELD_1, packed))
        entry = _field(_BYTES_FIELD_1, name.encode()) + _field(_BYTES_FIELD_2, feature)
        entries.append(_field(_BYTES_FIELD_1, entry))
    return _field(_BYTES_FIELD_1, b"".join(entries))


def decode_example(data: bytes) -> dict[str, Numbers]:
    """Return the lists of an Example, int64 or float32.

    Raises
    ------
    ExampleError
        When the bytes are not an Example, or a feature is a list of something else.
    """
    features: dict[str, Numbers] = {}
    for tag, message in _fields(data):
        if tag != _BYTES_FIELD_1:
            raise ExampleError(f"unknown field {tag:#x} in an Example")
        for tag_, entry in _fields(message):
            if tag_ != _BYTES_FIELD_1:
                raise ExampleError(f"unknown field {tag_:#x} in Features")
            parts = dict(_fields(entry))
            name = parts.get(_BYTES_FIELD_1, b"").decode("utf-8", "replace")
            features[name] = _numbers(name, parts.get(_BYTES_FIELD_2, b""))
    return features


def encode_varints(values: Int64s) -> bytes:
    """Return integers as protobuf varints, seven bits a byte, least significant first."""
    unsigned = values.view(np.uint64)
    width = max(-(-int(unsigned.max(initial=0)).bit_length() // 7), 1)
    # Byte by byte of all integers: a table of all bytes at once would take five times as long.
    table = np.empty((len(values), width), np.uint8)
    is_kept = np.ones((len(values), width), np.bool_)
    for position in range(width):
        part = (unsigned >> np.uint64(7 * position)).astype(np.uint8)
        if position + 1 < width:
            goes_on = unsigned >= np.uint64(1 << 7 * (position + 1))
            part = part & np.uint8(0x7F) | goes_on.view(np.uint8) << np.uint8(7)
            is_kept[:, position + 1] = goes_on
        table[:, position] = part
    return table[is_kept].tobytes()


def decode_varints(data: bytes) -> Int64s:
    """Return the integers of packed varints.

    Raises
    ------
    ExampleError
        When the bytes end within a varint, or one is too long.
    """
    buffer = np.frombuffer(data, np.uint8)
    if not len(buffer):
        return np.zeros(0, np.int64)
    ends = np.flatnonzero(buffer < 0x80)
    if not len(ends) or ends[-1] != len(buffer) - 1:
        raise ExampleError("the packed integers are cut off")
    if len(ends) == len(buffer):  # all below 128, as most columns are
        return buffer.astype(np.int64)
    starts = np.concatenate([[0], ends[:-1] + 1])
    widths = ends - starts + 1
    if widths.max() > _MAX_VARINT:
        raise ExampleError("a varint has more than ten bytes")
    values = np.zeros(len(ends), np.uint64)
    for position in range(int(widths.max())):
        here = np.flatnonzero(widths > position)
        part = buffer[starts[here] + position].astype(np.uint64) & np.uint64(0x7F)
        values[here] |= part << np.uint64(7 * position)
    return values.view(np.int64)


def _numbers(name: str, feature: bytes) -> Numbers:
    parts = list(_fields(feature))
    if not parts:
        return np.zeros(0, np.int64)
    if len(parts) != 1 or parts[0][0] not in (_BYTES_FIELD_2, _BYTES_FIELD_3):
        raise ExampleError(f"feature {name!r} is neither an int64 list nor a float list")
    kind, message = parts[0]
    packed = b""
    for tag, data in _fields(message):
        if tag != _BYTES_FIELD_1:
            raise ExampleError(f"feature {name!r} is not packed")
        packed += data
    if kind == _BYTES_FIELD_3:
        return decode_varints(packed)
    if len(packed) % 4:
        raise ExampleError(f"the floats of feature {name!r} are cut off")
    return np.frombuffer(packed, "<f4")


def _field(tag: int, data: bytes) -> bytes:
    return bytes([tag]) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    """Return one integer as `encode_varints` does; for one, NumPy takes ten times as long."""
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield tag and content of the length-delimited fields of a message."""
    position = 0
    while position < len(data):
        tag = data[position]
        length, position = _length(data, position + 1)
        if position + length > len(data):
            raise ExampleError("a field is cut off")
        yield tag, data[position : position + length]
        position += length


def _length(data: bytes, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 35, 7):
        if position >= len(data):
            raise ExampleError("a length is cut off")
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise ExampleError("a length is too long")
