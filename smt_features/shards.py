"""Writes the sorted rows of a dataset as shards."""

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from smt_features.arrow_arrays import numpy_array
from smt_features.cutting import Piece, cluster_columns, cut_row_groups, cut_shards
from smt_features.example_blocks import encode_blocks
from smt_features.files import published, sha256
from smt_features.journal import Journal
from smt_features.layout import layout
from smt_features.manifest import Format, PrepareOptions, Shard, SplitRecord
from smt_features.parallel import ordered_map
from smt_features.parquet import Encodings, choose_encodings, to_table, write_parquet
from smt_features.shuffle import RowStore
from smt_features.tfrecord import write_records
from smt_schemas import DatasetSchema

Progress = Callable[[int], None]
"""Called with the number of rows that were just written."""


class _Task(NamedTuple):
    """A shard to write."""

    split: str
    stem: str
    pieces: list[Piece]


class _Written(NamedTuple):
    """A shard that was written, in each format."""

    split: str
    label_counts: dict[str, int]
    shards: dict[Format, Shard]


class ShardWriter:
    """Writes the splits of one dataset.

    Parameters
    ----------
    directory
        Folder of the dataset.
    schema, options
        What the shards hold and how.
    journal
        Shards that an earlier, unfinished run has written are taken over.
    progress
        Called as rows are written.
    """

    def __init__(
        self,
        directory: Path,
        schema: DatasetSchema,
        options: PrepareOptions,
        journal: Journal,
        progress: Progress,
    ) -> None:
        self._directory = directory
        self._journal = journal
        self._schema = schema
        self._options = options
        self._progress = progress
        self._columns = layout(schema, keys=options.keys)
        self._cluster_by = cluster_columns(schema) if options.shuffle else []
        self._encodings: Encodings = {}

    def write(self, stores: dict[str, RowStore]) -> dict[str, SplitRecord]:
        """Write all splits that have rows, and return their records."""
        formats = self._options.formats
        stores = {split: store for split, store in stores.items() if store.rows}
        labels: dict[str, Counter[str]] = {split: Counter() for split in stores}
        shards: dict[str, dict[Format, list[Shard]]] = {
            split: {fmt: [] for fmt in formats} for split in stores
        }
        for written in ordered_map(self._write, self._tasks(stores)):
            labels[written.split].update(written.label_counts)
            for fmt, shard in written.shards.items():
                shards[written.split][fmt].append(shard)
            self._progress(shard.rows)
        return {
            split: SplitRecord(
                rows=store.rows, label_counts=dict(labels[split]), shards=shards[split]
            )
            for split, store in stores.items()
        }

    def _tasks(self, stores: dict[str, RowStore]) -> Iterator[_Task]:
        size = self._options.rows_per_shard
        for split, store in stores.items():
            total = -(-store.rows // size)
            for number, pieces in enumerate(cut_shards(store, size, self._cluster_by)):
                if not self._encodings:
                    # Chosen on the first row group of the dataset, then the same for all.
                    self._encodings = choose_encodings(next(self._tables(pieces)))
                yield _Task(split, f"{split}/part-{number:05}-of-{total:05}", pieces)

    def _tables(self, pieces: list[Piece]) -> Iterator[pa.Table]:
        size = self._options.rows_per_group
        return (to_table(group, self._columns) for group in cut_row_groups(pieces, size))

    def _write(self, task: _Task) -> _Written:
        tables = list(self._tables(task.pieces))
        counts = {
            column.name: sum(
                int(numpy_array(table[column.name].combine_chunks()).sum()) for table in tables
            )
            for column in self._schema.labels
        }
        shards = {
            fmt: self._write_shard(f"{task.stem}.{fmt}", fmt, tables)
            for fmt in self._options.formats
        }
        return _Written(task.split, counts, shards)

    def _write_shard(self, name: str, fmt: Format, tables: list[pa.Table]) -> Shard:
        if finished := self._journal.finished(name):
            return finished
        with published(self._directory / name) as temporary:
            if fmt == "parquet":
                write_parquet(temporary, tables, self._encodings)
            else:
                rows = self._options.rows_per_example
                records = (list(encode_blocks(table, self._columns, rows)) for table in tables)
                write_records(temporary, records, self._options.tfrecord_compression)
            shard = Shard(
                name=name,
                rows=sum(table.num_rows for table in tables),
                bytes=temporary.stat().st_size,
                sha256=sha256(temporary),
            )
        self._journal.add(shard)
        return shard
