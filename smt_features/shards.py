"""Writes a split's sorted rows as shards."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from smt_features.example_blocks import encode_blocks
from smt_features.files import published, sha256
from smt_features.journal import Journal
from smt_features.layout import layout
from smt_features.manifest import PrepareOptions, Shard, SplitRecord
from smt_features.parallel import ordered_map
from smt_features.parquet import Encodings, choose_encodings, to_table, write_parquet
from smt_features.shuffle import RowStore
from smt_features.tfrecord import write_records
from smt_schemas import DatasetSchema

Progress = Callable[[int], None]
"""Called with the number of rows that were just written."""


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
        # Chosen on the first row group of the dataset, then the same for all.
        self._encodings: Encodings | None = None

    def write(self, split: str, store: RowStore) -> SplitRecord:
        """Write one split and return its record."""
        options = self._options
        total = -(-store.rows // options.rows_per_shard)
        labels = {column.name: 0 for column in self._schema.labels}

        def write_shard(numbered: tuple[int, list[pa.Table]]) -> dict[str, Shard]:
            number, tables = numbered
            stem = f"{split}/part-{number:05}-of-{total:05}"
            return {fmt: self._write_shard(f"{stem}.{fmt}", tables) for fmt in options.formats}

        def shards() -> Iterator[tuple[int, list[pa.Table]]]:
            for number, groups in enumerate(self._shards(store)):
                for name in labels:
                    labels[name] += sum(int(group[name].sum()) for group in groups)
                tables = [to_table(group) for group in groups]
                if self._encodings is None:
                    self._encodings = choose_encodings(tables[0])
                yield number, tables

        written: dict[str, list[Shard]] = {fmt: [] for fmt in options.formats}
        for shard in ordered_map(write_shard, shards()):
            for fmt, record in shard.items():
                written[fmt].append(record)
            self._progress(record.rows)
        return SplitRecord(rows=store.rows, label_counts=labels, shards=written)  # type: ignore[arg-type]

    def _shards(self, store: RowStore) -> Iterator[list[pl.DataFrame]]:
        """Cut the sorted rows into shards, and those into row groups."""
        wanted = self._options.rows_per_shard
        held: list[_Piece] = []
        missing = wanted
        for frame, order in store.sorted_slices():
            start = 0
            while start < len(order):
                taken = order[start : start + missing]
                held.append(_Piece(frame, taken))
                start += len(taken)
                missing -= len(taken)
                if not missing:
                    yield self._row_groups(held)
                    held, missing = [], wanted
        if held:
            yield self._row_groups(held)

    def _row_groups(self, pieces: list["_Piece"]) -> list[pl.DataFrame]:
        """Cut a shard into row groups, each with a user's rows side by side.

        A row group is a random sample of the split and readers permute it, so the order inside
        it is free; this one makes Parquet shards a tenth smaller.
        """
        if len(pieces) > 1:
            whole = pl.concat([piece.frame[piece.order] for piece in pieces], rechunk=True)
            pieces = [_Piece(whole, np.arange(whole.height))]
        (frame, order), size = pieces[0], self._options.rows_per_group
        groups = [order[start : start + size] for start in range(0, len(order), size)]
        user = self._schema.user_column
        if user is not None and self._options.shuffle:
            ids = frame[user].to_numpy()
            groups = [group[np.argsort(ids[group], kind="stable")] for group in groups]
        return [frame[group] for group in groups]

    def _write_shard(self, name: str, tables: list[pa.Table]) -> Shard:
        if finished := self._journal.finished(name):
            return finished
        path = self._directory / name
        with published(path) as temporary:
            if name.endswith(".parquet"):
                assert self._encodings is not None
                write_parquet(temporary, tables, self._encodings)
            else:
                columns = layout(self._schema, keys=self._options.keys)
                size_ = self._options.rows_per_example
                records = (list(encode_blocks(table, columns, size_)) for table in tables)
                write_records(temporary, records, self._options.tfrecord_compression)
            digest = sha256(temporary)
            size = temporary.stat().st_size
        rows = sum(table.num_rows for table in tables)
        shard = Shard(name=name, rows=rows, bytes=size, sha256=digest)
        self._journal.add(shard)
        return shard


class _Piece(NamedTuple):
    """Some rows of a frame, in order."""

    frame: pl.DataFrame
    order: npt.NDArray[np.int64]
