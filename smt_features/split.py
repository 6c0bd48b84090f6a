"""Reads one split of a dataset in batches."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, groupby, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Unpack

import polars as pl

from smt_features.batch import Batch, concat, cut, rows_of, take
from smt_features.layout import column_names
from smt_features.manifest import Manifest, Shard, SplitRecord
from smt_features.order import batch_sizes, epoch_order
from smt_features.plan import Order, Turn, plan_epoch
from smt_features.readers.shardfile import ShardFile
from smt_schemas import UserError

if TYPE_CHECKING:
    from smt_features.readers.torch import ShardBatches


class Stretch(NamedTuple):
    """Consecutive rows of an epoch, in which batches lie.

    Attributes
    ----------
    rows
        The rows, of one row group for the most part.
    cuts
        Where batches begin and end. Rows after the last cut come again in the next stretch.
    """

    rows: Batch
    cuts: list[int]

    @property
    def ranges(self) -> list[tuple[int, int]]:
        """First row and end of each batch."""
        return list(pairwise(self.cuts))

    def batches(self) -> Iterator[Batch]:
        """Yield the batches, without copying values."""
        return (cut(self.rows, start, stop) for start, stop in self.ranges)


@dataclass(frozen=True)
class Split:
    """One split of a dataset.

    Attributes
    ----------
    name
        Such as ``train``.
    directory
        The dataset's folder.
    manifest
        The dataset's manifest.
    """

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
        self,
        batch_size: int,
        *,
        drop_remainder: bool = False,
        worker: tuple[int, int] = (0, 1),
        shard: int | None = None,
    ) -> int:
        """Return the number of batches of an epoch, or of a shard, the same for every worker."""
        rows = self.rows if shard is None else self.shards[shard].rows
        return len(batch_sizes(rows, batch_size, worker, drop_remainder=drop_remainder))

    def batches(self, batch_size: int, **order: Unpack[Order]) -> Iterator[Batch]:
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
        shard
            Position of a shard: its rows are read as if the split had no others. None for all.

        Yields
        ------
        Batch
            Column name to NumPy array: labels int8, ids int32, keys int64; lists as `Bags`.

        Raises
        ------
        UserError
            When a shard is missing or damaged.
        """
        stretches = self.stretches(batch_size, **order)
        return chain.from_iterable(stretch.batches() for stretch in stretches)

    def stretches(self, batch_size: int, **order: Unpack[Order]) -> Iterator[Stretch]:
        """Yield the row groups of an epoch and the bounds of its batches; else as `batches`."""
        turns = self.plan(batch_size, **order)
        return _stretches(self.row_groups(turns), turns)

    def shard_order(self, *, seed: int = 0, epoch: int = 0, shuffle: bool = True) -> list[int]:
        """Return the positions of the shards in the order of an epoch."""
        # Which shard comes when does not depend on the row groups in them.
        shards = [[shard.rows] for shard in self.shards]
        order = epoch_order(shards, seed=seed, epoch=epoch, shuffle=shuffle)
        return [group.shard for group in order]

    def plan(self, batch_size: int, **order: Unpack[Order]) -> list[Turn]:
        """Return the row groups that `batches` reads, and how it cuts them into batches."""
        groups = [file.row_groups for file in self._files]
        return plan_epoch(groups, batch_size, **order)

    def row_groups(self, turns: list[Turn]) -> Iterator[Batch]:
        """Yield the rows of each turn, in its order, with the dtypes of `batches`.

        Raises
        ------
        UserError
            When a shard is missing or damaged.
        """
        files = self._files
        for shard, group in groupby(turns, key=lambda turn: turn.group.shard):
            members = list(group)
            batches = files[shard].read([turn.group.index for turn in members])
            for turn, batch in zip(members, batches, strict=True):
                permutation = turn.group.permutation()
                rows = batch if permutation is None else take(batch, permutation)
                yield cut(rows, turn.skip, turn.group.rows)

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
        return pl.scan_parquet(paths, glob=False).select(names)

    def to_tensorflow(self, batch_size: int, **order: Unpack[Order]) -> Any:
        """Return the batches of an epoch as a ``tf.data.Dataset``; see `readers.tensorflow`."""
        from smt_features.readers.tensorflow import to_tensorflow

        return to_tensorflow(self, batch_size, **order)

    def to_torch(self, batch_size: int, **order: Unpack[Order]) -> "ShardBatches":
        """Return the batches of an epoch as a PyTorch dataset; see `readers.torch`."""
        from smt_features.readers.torch import ShardBatches

        return ShardBatches(self, batch_size, **order)

    @property
    def _files(self) -> list[ShardFile]:
        return [ShardFile(self.directory, self.manifest, shard) for shard in self.shards]


def _stretches(row_groups: Iterator[Batch], turns: list[Turn]) -> Iterator[Stretch]:
    """Yield row groups, each with what the one before it left."""
    rest: list[Batch] = []
    for rows, turn in zip(row_groups, turns, strict=True):
        held = concat([*rest, rows])
        cuts = turn.cuts.tolist()
        yield Stretch(held, cuts)
        end = rows_of(held)
        rest = [cut(held, cuts[-1], end)] if cuts[-1] < end else []
