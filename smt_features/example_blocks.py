"""Turns encoded rows into Examples and back: one Example per block of rows.

A block holds each column as one list, of floats for a numeric feature. A tag list adds
``<name>_length``, the number of entries of each row. With one row a block the lengths say nothing
and are left out, so that ``tf.io.parse_example`` reads the classic layout.
"""

from collections.abc import Iterator, Mapping
from typing import Literal

import numpy as np
import pyarrow as pa

from smt_features.arrow_arrays import numpy_array
from smt_features.batch import Array, Bags
from smt_features.example import ExampleError, Int64s, Numbers, encode_example
from smt_features.layout import LENGTH, ShardColumn
from smt_features.manifest import FeatureSpec


def encode_blocks(
    table: pa.Table, columns: list[ShardColumn], rows_per_example: int
) -> Iterator[bytes]:
    """Yield the Examples of a row group."""
    flat = {name: _flatten(table.column(name)) for name in table.column_names}
    for start in range(0, table.num_rows, rows_per_example):
        stop = min(start + rows_per_example, table.num_rows)
        features: dict[str, Array] = {}
        for column in columns:
            for name in column.names:
                values, offsets = flat[name]
                if offsets is None:
                    features[name] = values[start:stop]
                else:
                    features[name] = values[offsets[start] : offsets[stop]]
            offsets = flat[column.name][1]
            if offsets is not None and rows_per_example > 1:
                features[column.name + LENGTH] = np.diff(offsets[start : stop + 1])
        yield encode_example(features)


def decode_block(
    features: Mapping[str, Numbers], columns: list[ShardColumn], rows_per_example: int
) -> dict[str, Array | Bags]:
    """Return the rows of a decoded Example.

    Raises
    ------
    ExampleError
        When a feature is missing or the features do not fit together.
    """
    expected = {name for column in columns for name in column.names}
    if rows_per_example > 1:
        expected |= {column.name + LENGTH for column in columns if column.counts}
    if expected != features.keys():
        raise ExampleError(f"its features are {sorted(features)}, not {sorted(expected)}")
    first = columns[0]
    per_row = first.name + LENGTH if first.counts else first.name
    rows = 1 if rows_per_example == 1 else len(features[per_row])
    batch: dict[str, Array | Bags] = {}
    for column in columns:
        values = features[column.name].astype(column.dtype)
        stored = np.float32 if column.dtype is np.float32 else np.int64
        if len(values) and features[column.name].dtype != stored:
            raise ExampleError(f"{column.name!r} is not a list of {stored.__name__}")
        if column.counts is None:
            if len(values) != rows:
                raise ExampleError(f"{column.name!r} has {len(values)} values for {rows} rows")
            batch[column.name] = values
            continue
        counts = features[column.counts].astype(np.int32)
        whole = np.array([len(values)]) if rows_per_example == 1 else None
        lengths = features[column.name + LENGTH] if whole is None else whole
        fits = len(lengths) == rows and (lengths >= 0).all() and lengths.sum() == len(values)
        if not fits or len(counts) != len(values):
            raise ExampleError(f"the lengths of {column.name!r} do not add up")
        batch[column.name] = Bags(values, counts, np.concatenate([[0], np.cumsum(lengths)]))
    return batch


def feature_spec(columns: list[ShardColumn], rows_per_example: int) -> dict[str, FeatureSpec]:
    """Return how ``tf.io.parse_example`` reads the Examples."""
    spec = {}
    for column in columns:
        single = rows_per_example == 1 and column.counts is None
        dtype: Literal["int64", "float32"] = "float32" if column.dtype is np.float32 else "int64"
        for name in column.names:
            spec[name] = FeatureSpec(kind="fixed" if single else "varlen", dtype=dtype)
        if column.counts and rows_per_example > 1:
            spec[column.name + LENGTH] = FeatureSpec(kind="varlen")
    return spec


def _flatten(column: pa.ChunkedArray) -> tuple[Array, Int64s | None]:
    array = column.combine_chunks()
    if not pa.types.is_list(array.type):
        return numpy_array(array), None
    return numpy_array(array.values), numpy_array(array.offsets).astype(np.int64)
