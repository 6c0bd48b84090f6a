"""Reads raw files into encoded rows, ready to be written as shards."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from smt_features.manifest import PrepareOptions
from smt_features.pipeline import Encoded, encode_units
from smt_features.rejected import Rejected
from smt_features.shuffle import RowStore
from smt_features.statistics.builder import StatisticsBuilder
from smt_features.units import Unit
from smt_features.vocabulary import Vocabularies
from smt_schemas import DatasetSchema

Progress = Callable[[str, int, int], None]
"""Called with the stage, what is done and the total.

Stages: ``count`` (vocabularies) and ``read`` in bytes, ``write`` in rows.
"""


@dataclass(frozen=True)
class PrepareJob:
    """What to prepare.

    Attributes
    ----------
    directory
        Folder of the raw files.
    output
        Folder of the dataset.
    schema
        What the log looks like.
    options
        What the shards hold and how.
    seed
        Seed of the hash and of the shuffle.
    max_bad_rows, max_bad_fraction
        Publish when no more rows than the larger of the two are rejected.
    overwrite
        Replace a dataset that was made from other sources or options.
    statistics
        Also count values, for ``statistics.json``.
    """

    directory: Path
    output: Path
    schema: DatasetSchema
    options: PrepareOptions = field(default_factory=PrepareOptions)
    seed: int = 0
    max_bad_rows: int = 0
    max_bad_fraction: float = 0.0
    overwrite: bool = False
    statistics: bool = True


@dataclass
class Rows:
    """The rows of a run, or of a part of it.

    Attributes
    ----------
    stores
        The encoded rows, by split.
    rejected
        The rejected rows. Lines count from 1 at the first line of the source that was read.
    statistics
        The statistics of the good rows, or None when the job does not want them.
    vocabularies
        The vocabularies that the rows are encoded with.
    read
        Rows read, by source name.
    """

    stores: dict[str, RowStore]
    rejected: Rejected
    statistics: StatisticsBuilder | None
    vocabularies: Vocabularies
    read: Counter[str] = field(default_factory=Counter)

    @property
    def total(self) -> int:
        """Rows read."""
        return sum(self.read.values())


def read_rows(
    job: PrepareJob, units: list[Unit], vocabularies: Vocabularies, work: Path, progress: Progress
) -> Rows:
    """Read, validate and encode units; rows beyond what memory should hold go to ``work``."""
    stores = {split: RowStore(work / split) for split in job.schema.splits}
    statistics = StatisticsBuilder(job.schema, job.seed) if job.statistics else None
    rows = Rows(stores, Rejected(work), statistics, vocabularies)
    total = sum(unit.source.size for unit in units)
    finished: dict[str, int] = {}
    blocks = encode_units(
        units,
        job.schema,
        seed=job.seed,
        keys=job.options.keys,
        shuffle=job.options.shuffle,
        count=statistics,
        vocabularies=vocabularies,
    )
    for block in blocks:
        rows.stores[block.source.split].add(block.frame)
        if rows.statistics and block.tally:
            rows.statistics.add_tally(block.source.split, block.tally)
        rows.rejected.add(_numbered(block, rows, job.schema), block.rejected)
        rows.read[block.source.name] += block.rows
        finished[block.source.name] = block.position
        progress("read", sum(finished.values()), total)
    return rows


def _numbered(block: Encoded, rows: Rows, schema: DatasetSchema) -> pl.DataFrame:
    """Return a block's violations with line numbers: only the order of blocks tells them."""
    has_header = schema.csv.header and block.source.kind != "parquet"
    first = rows.read[block.source.name] + 1 + has_header
    return block.violations.with_columns(pl.col("line") + first)
