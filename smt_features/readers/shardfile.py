"""Reads the row groups of one shard as batches, whatever its format."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from smt_features.arrow_arrays import numpy_array
from smt_features.batch import Array, Bags, Batch, Ids, concat, cut, rows_of
from smt_features.example import ExampleError, decode_example
from smt_features.example_blocks import decode_block
from smt_features.layout import column_names, layout
from smt_features.manifest import Manifest, Shard
from smt_features.tfrecord import RecordError, read_records
from smt_schemas import UserError

_DAMAGE = (
    OSError,
    pa.ArrowInvalid,
    pa.ArrowTypeError,
    UnicodeDecodeError,
    RecordError,
    ExampleError,
)
"""What reading a damaged shard raises; column names that are not UTF-8 among it."""


class ShardFile:
    """One shard, read row group by row group.

    Parameters
    ----------
    directory
        Folder of the dataset.
    manifest
        Its manifest.
    shard
        The shard's record.
    """

    def __init__(self, directory: Path, manifest: Manifest, shard: Shard) -> None:
        self.path = directory / shard.name
        self._shard = shard
        self._options = manifest.options
        self._schema = manifest.dataset_schema
        self._columns = layout(self._schema, keys=self._options.keys)
        size = self._options.rows_per_group
        self.row_groups = [min(size, shard.rows - start) for start in range(0, shard.rows, size)]

    def read(self, indices: Sequence[int]) -> Iterator[Batch]:
        """Yield row groups, in the order asked for.

        Raises
        ------
        UserError
            When the shard is missing, damaged, or holds other columns or rows than the
            manifest says.
        """
        parquet = self._shard.name.endswith(".parquet")
        try:
            yield from self._read_parquet(indices) if parquet else self._read_tfrecord(indices)
        except _DAMAGE as error:
            msg = f"Cannot read the shard {self.path}: {error}. Check it with `smt verify`."
            raise UserError(msg) from error

    def _read_parquet(self, indices: Sequence[int]) -> Iterator[Batch]:
        with pq.ParquetFile(self.path, page_checksum_verification=True) as file:
            metadata = file.metadata
            found = [metadata.row_group(index).num_rows for index in range(file.num_row_groups)]
            self._require(found == self.row_groups, "its row groups have other sizes")
            names = column_names(self._schema, keys=self._options.keys)
            self._require(file.schema_arrow.names == names, "it has other columns")
            for index in indices:
                yield self._from_table(file.read_row_group(index, use_threads=False))

    def _from_table(self, table: pa.Table) -> Batch:
        batch: dict[str, Array | Bags] = {}
        for column in self._columns:
            array = table.column(column.name).combine_chunks()
            if column.counts is None:
                batch[column.name] = self._numbers(array).astype(column.dtype, copy=False)
                continue
            counts = table.column(column.counts).combine_chunks()
            self._require(array.null_count == counts.null_count == 0, "it has nulls")
            same = array.offsets.equals(counts.offsets)
            self._require(same, f"{column.counts!r} does not fit {column.name!r}")
            ids: Ids = self._numbers(array.values).astype(column.dtype, copy=False)
            splits = self._numbers(array.offsets).astype(np.int64)
            batch[column.name] = Bags(
                ids, self._numbers(counts.values).astype(np.int32, copy=False), splits
            )
        return batch

    def _numbers(self, array: pa.Array) -> Array:
        self._require(not array.null_count, "it has nulls")
        return numpy_array(array)

    def _read_tfrecord(self, indices: Sequence[int]) -> Iterator[Batch]:
        options = self._options
        blocks = [
            decode_block(decode_example(record), self._columns, options.rows_per_example)
            for record in read_records(self.path, options.tfrecord_compression)
        ]
        self._require(sum(map(rows_of, blocks)) == self._shard.rows, "it has other rows")
        whole = concat(blocks)
        for index in indices:
            start = index * options.rows_per_group
            yield cut(whole, start, start + self.row_groups[index])

    def _require(self, holds: bool, otherwise: str) -> None:
        if not holds:
            msg = (
                f"The shard {self.path} is not the one of the manifest: {otherwise}. "
                "Check it with `smt verify`."
            )
            raise UserError(msg)
