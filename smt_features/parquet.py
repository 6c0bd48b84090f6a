"""Writes and reads Parquet shards.

Nothing in a shard needs this package: int8 labels, int32 ids, ``list<int32>`` tag lists with
their counts, float32 numbers, no nulls, zstd.
"""

import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from smt_features.arrow_arrays import arrow_array, numpy_array
from smt_features.layout import ShardColumn
from smt_features.pairs import unpair
from smt_features.parallel import ordered_map

COMPRESSION = "zstd"
COMPRESSION_LEVEL = 1
_ELEMENT = "element"
_SAMPLE_ROWS = 16_384
_INTEGERS = ("RLE_DICTIONARY", "PLAIN", "DELTA_BINARY_PACKED")
_FLOATS = ("RLE_DICTIONARY", "PLAIN")

OLDEST = pl.CompatLevel.oldest()
"""Arrow types that every library knows: large strings and lists rather than views."""

Encodings = Mapping[str, str]
"""Column name to Parquet encoding."""


def to_table(frame: pl.DataFrame, columns: Sequence[ShardColumn]) -> pa.Table:
    """Return encoded rows as Arrow, with 32-bit list offsets and no column nullable."""
    arrays: dict[str, pa.Array] = {}
    for column in columns:
        array = _arrow(frame[column.name])
        if column.counts is None:
            arrays[column.name] = array
        elif column.is_paired:
            ids, counts = unpair(numpy_array(array.values))
            arrays[column.name] = _lists(array.offsets, arrow_array(ids))
            arrays[column.counts] = _lists(array.offsets, arrow_array(counts))
        else:
            for name in column.names:
                lists = _arrow(frame[name])
                arrays[name] = _lists(lists.offsets, lists.values)
    fields = [pa.field(name, array.type, nullable=False) for name, array in arrays.items()]
    return pa.Table.from_arrays(list(arrays.values()), schema=pa.schema(fields))


def _arrow(series: pl.Series) -> pa.Array:
    return series.rechunk().to_arrow(compat_level=OLDEST)


def _lists(offsets: pa.Array, values: pa.Array) -> pa.ListArray:
    """Return lists with 32-bit offsets and entries that are not nullable."""
    # Not Table.cast: it imports Arrow's compute functions, which takes a tenth of a second.
    narrow = arrow_array(numpy_array(offsets).astype(np.int32))
    list_type = pa.list_(pa.field(_ELEMENT, values.type, nullable=False))
    return pa.ListArray.from_arrays(narrow, values, type=list_type)


def choose_encodings(table: pa.Table) -> dict[str, str]:
    """Return for each column the encoding that makes a sample of it smallest.

    The candidates are those that every reader knows: dictionary (few distinct ids), delta
    (sorted ids, and ids over nearly the whole range) and plain, which zstd compresses best
    where whole lists repeat.
    """
    sample = table.slice(0, _SAMPLE_ROWS)

    def best(name: str) -> str:
        column = sample.select([name])
        candidates = _FLOATS if pa.types.is_floating(column.schema.types[0]) else _INTEGERS
        return min(candidates, key=lambda encoding: _size(column, {name: encoding}))

    names = table.column_names
    return dict(zip(names, ordered_map(best, names), strict=True))


def write_parquet(path: Path, row_groups: Iterable[pa.Table], encodings: Encodings) -> None:
    """Write a shard, one row group a table."""
    writer: pq.ParquetWriter | None = None
    try:
        for table in row_groups:
            if writer is None:
                writer = _writer(path, table.schema, encodings)
            writer.write_table(table, row_group_size=max(table.num_rows, 1))
    finally:
        if writer is not None:
            writer.close()


def _writer(
    target: "Path | io.BytesIO", schema: pa.Schema, encodings: Encodings
) -> pq.ParquetWriter:
    dictionary = [
        _leaf(schema, name) for name, kind in encodings.items() if kind == "RLE_DICTIONARY"
    ]
    others = {
        _leaf(schema, name): kind for name, kind in encodings.items() if kind != "RLE_DICTIONARY"
    }
    return pq.ParquetWriter(
        target,
        schema,
        compression=COMPRESSION,
        compression_level=COMPRESSION_LEVEL,
        use_dictionary=dictionary or False,
        column_encoding=others or None,
        write_statistics=False,
        write_page_checksum=True,
        store_schema=False,
    )


def _leaf(schema: pa.Schema, name: str) -> str:
    return f"{name}.list.{_ELEMENT}" if pa.types.is_list(schema.field(name).type) else name


def _size(table: pa.Table, encodings: Encodings) -> int:
    buffer = io.BytesIO()
    with _writer(buffer, table.schema, encodings) as writer:
        writer.write_table(table)
    return buffer.tell()


def read_row_group(file: pq.ParquetFile, index: int, columns: Sequence[str]) -> pa.Table:
    """Read one row group of a shard."""
    return file.read_row_group(index, columns=list(columns), use_threads=False)
