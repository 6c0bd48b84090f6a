"""Exact counts of texts in bounded memory: beyond a limit they wait on disk, in partitions."""

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import polars_hash  # noqa: F401  (registers the `nchash` namespace)

from smt_features.files import writing

VALUE, COUNT = "value", "count"
MERGE_ROWS = 1 << 16
PARTITIONS = 64

_PARTITION = "partition"


class ValueTotals:
    """The counts of one column's texts.

    Parameters
    ----------
    directory
        Where counts wait; created when it is needed.
    limit
        Texts that are held in memory.
    """

    def __init__(self, directory: Path, limit: int = 1 << 22) -> None:
        self._directory = directory
        self._limit = limit
        self._merged = pl.DataFrame(schema={VALUE: pl.String, COUNT: pl.Int64})
        self._pending: list[pl.DataFrame] = []
        self._pending_rows = 0
        self._spills = 0

    def add(self, counts: pl.DataFrame) -> None:
        """Add ``value`` (String) and ``count`` (Int64)."""
        self._pending.append(counts)
        self._pending_rows += counts.height
        if self._pending_rows >= max(self._merged.height, MERGE_ROWS):
            self._merge()
        if self._merged.height > self._limit:
            self._spill()

    def totals(self) -> Iterator[pl.DataFrame]:
        """Yield the total of every text, a part of the texts at a time, in no order."""
        self._merge()
        if not self._spills:
            yield self._merged
            return
        self._spill()
        for partition in range(PARTITIONS):
            parts = [pl.read_parquet(path, glob=False) for path in self._paths(partition)]
            if parts:
                yield _summed(parts)

    def _merge(self) -> None:
        self._merged = _summed([self._merged, *self._pending])
        self._pending, self._pending_rows = [], 0

    def _spill(self) -> None:
        # All counts of a text go to the same partition.
        hashed = pl.col(VALUE).nchash.murmur32(seed=0)  # type: ignore[attr-defined]
        numbered = self._merged.with_columns((hashed % PARTITIONS).alias(_PARTITION))
        for (partition,), part in numbered.group_by(_PARTITION):
            with writing(self._directory / f"{partition}-{self._spills}.parquet") as path:
                part.drop(_PARTITION).write_parquet(path, compression="lz4")
        self._spills += 1
        self._merged = self._merged.clear()

    def _paths(self, partition: int) -> list[Path]:
        paths = (self._directory / f"{partition}-{spill}.parquet" for spill in range(self._spills))
        return [path for path in paths if path.is_file()]


def _summed(parts: list[pl.DataFrame]) -> pl.DataFrame:
    return pl.concat(parts).group_by(VALUE).agg(pl.col(COUNT).sum())
