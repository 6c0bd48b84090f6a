"""Reads one split of a dataset in batches."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import polars as pl

from smt_features.batch import Batch, concat, cut, rows_of, take
from smt_features.layout import column_names
from smt_features.manifest import Manifest, Shard, SplitRecord
from smt_features.order import RowGroup, batch_sizes, epoch_order, share_of
from smt_features.readers.shardfile import ShardFile
from smt_schemas import UserError


@dataclass(frozen=True)
class Split:
    """One split of a dataset."""

    name: str
    directory: Path
    manifest: Manifest

    @property
    def record(self) -> SplitRecord:
        """What the manifest says of the split."""
        return self.manifest.splits[self.name]

    @property
    def rows(self) -> int:
        """Number of rows."""
        return self.record.rows

    @property
    def label_counts(self) -> Mapping[str, int]:
        """Positive rows of each label."""
        return self.record.label_counts

    @property
    def shards(self) -> list[Shard]:
        """The shards that are read: Parquet where both formats exist."""
        return self.record.shards.get("parquet") or self.record.shards["tfrecord"]

    def steps(
        self, batch_size: int, *, drop_remainder: bool = False, worker: tuple[int, int] = (0, 1)
    ) -> int:
        """Return the number of batches of an epoch, the same for every worker."""
        return len(batch_sizes(self.rows, batch_size, worker, drop_remainder=drop_remainder))

    def batches(
        self,
        batch_size: int,
        *,
        seed: int = 0,
        epoch: int = 0,
        shuffle: bool = True,
        start: int = 0,
        drop_remainder: bool = False,
        worker: tuple[int, int] = (0, 1),
    ) -> Iterator[Batch]:
        """Yield the batches of an epoch.

        Parameters
        ----------
        batch_size
            Rows of a batch; the last one may have fewer.
        seed, epoch
            The order of the rows is a function of these two alone.
        shuffle
            Permute shards, row groups within a shard and rows within a row group; otherwise
            rows come in the order of the files.
        start
            First batch to yield; those before it are skipped without being read.
        drop_remainder
            Leave out a last batch with fewer rows.
        worker
            Index and number of workers: each reads its own part of the epoch, all rows are
            read once, and all workers make the same number of steps.

        Yields
        ------
        Batch
            Column name to NumPy array: labels int8, ids int32, keys int64; lists as `Bags`.

        Raises
        ------
        UserError
            When a shard is missing or damaged.
        """
        sizes = batch_sizes(self.rows, batch_size, worker, drop_remainder=drop_remainder)
        first, _ = share_of(self.rows, worker)
        files = [ShardFile(self.directory, self.manifest, shard) for shard in self.shards]
        order = epoch_order(
            [file.row_groups for file in files], seed=seed, epoch=epoch, shuffle=shuffle
        )
        groups = _read(files, order, first + sum(sizes[:start]))
        return _rebatch(groups, sizes[start:])

    def to_polars(self) -> pl.LazyFrame:
        """Return the split as a lazy Polars frame, in the order of the files.

        Raises
        ------
        UserError
            When the dataset has no Parquet shards.
        """
        if "parquet" not in self.record.shards:
            msg = f"{self.directory} has no Parquet shards. Prepare it with --format both."
            raise UserError(msg)
        paths = [self.directory / shard.name for shard in self.record.shards["parquet"]]
        names = column_names(self.manifest.dataset_schema, keys=self.manifest.options.keys)
        return pl.scan_parquet(paths).select(names)

    def to_tensorflow(self, batch_size: int, **order: Any) -> Any:
        """Return the batches of an epoch as a ``tf.data.Dataset``; see `readers.tensorflow`."""
        from smt_features.readers.tensorflow import to_tensorflow

        return to_tensorflow(self, batch_size, **order)


def _read(files: list[ShardFile], order: list[RowGroup], skipped: int) -> Iterator[Batch]:
    """Yield the row groups of an epoch after its first ``skipped`` rows."""
    for shard, turns in groupby(order, key=lambda group: group.shard):
        wanted: list[tuple[RowGroup, int]] = []
        for group in turns:
            if skipped < group.rows:
                wanted.append((group, skipped))
            skipped = max(skipped - group.rows, 0)
        if not wanted:
            continue
        batches = files[shard].read([group.index for group, _ in wanted])
        for (group, start), batch in zip(wanted, batches, strict=True):
            permutation = group.permutation()
            rows = batch if permutation is None else take(batch, permutation)
            yield cut(rows, start, group.rows)


def _rebatch(groups: Iterator[Batch], sizes: list[int]) -> Iterator[Batch]:
    """Yield batches of the given sizes; a batch may span row groups."""
    held: list[Batch] = []
    position = 0
    for size in sizes:
        parts: list[Batch] = []
        missing = size
        while missing:
            if not held:
                held, position = [next(groups)], 0
            taken = min(missing, rows_of(held[0]) - position)
            parts.append(cut(held[0], position, position + taken))
            position += taken
            missing -= taken
            if position == rows_of(held[0]):
                held = []
        yield concat(parts)
