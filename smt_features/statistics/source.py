"""Finds the statistics of a dataset, or computes those of raw files."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from smt_features.dataset import SHARDS
from smt_features.manifest import NAME as MANIFEST
from smt_features.manifest import Manifest
from smt_features.pipeline import encode_units
from smt_features.sources import find_sources
from smt_features.statistics.model import NAME, Statistics
from smt_features.statistics.builder import StatisticsBuilder
from smt_features.units import Unit
from smt_schemas import DatasetSchema, UserError


@dataclass(frozen=True)
class Found:
    """Statistics and where they come from.

    Attributes
    ----------
    statistics
        The statistics.
    path
        The ``statistics.json`` they were read from, or the folder of the raw files.
    rejected_rows
        Bad rows of the log, which the statistics leave out.
    """

    statistics: Statistics
    path: Path
    rejected_rows: int


def find_statistics(
    path: Path,
    schema: DatasetSchema,
    *,
    progress: Callable[[str, int, int], None] = lambda _stage, _done, _total: None,
) -> Found:
    """Return the statistics of a dataset, or else of the raw files in a folder.

    Parameters
    ----------
    path
        Folder of the shards, the data folder that holds it, or a folder of raw files.
    schema
        Of the raw files.
    progress
        Called with the stage, the bytes read and the bytes in all, while raw files are read.

    Raises
    ------
    UserError
        When there is neither a dataset nor a raw file, or the statistics are missing, damaged
        or of another dataset.
    """
    for directory in (path, path / SHARDS):
        if (directory / MANIFEST).is_file():
            return _of_dataset(directory)
    return _of_raw_files(path, schema, progress)


def _of_dataset(directory: Path) -> Found:
    manifest = Manifest.read(directory)
    statistics = Statistics.read(directory)
    rows = {name: split.rows for name, split in manifest.splits.items()}
    counted = {name: split.rows for name, split in statistics.splits.items()}
    if (statistics.schema_digest, statistics.hash, counted) != (
        manifest.schema_digest,
        manifest.hash,
        rows,
    ):
        msg = (
            f"{directory / NAME} belongs to another dataset than {MANIFEST} beside it. "
            "Run `smt prepare --overwrite` to write both anew."
        )
        raise UserError(msg)
    return Found(statistics, directory / NAME, manifest.rejected_rows)


def _of_raw_files(
    path: Path, schema: DatasetSchema, progress: Callable[[str, int, int], None]
) -> Found:
    sources = find_sources(path, schema)
    total = sum(source.size for source in sources)
    units = (Unit(source) for source in sources)
    builder = StatisticsBuilder(schema)
    rejected = 0
    read: dict[str, int] = {}
    for block in encode_units(units, schema, seed=0, keys=False, shuffle=False, count=True):
        assert block.tally is not None
        if block.tally.rows:
            builder.add_tally(block.source.split, block.tally)
        rejected += block.rejected
        read[block.source.name] = block.position
        progress("read", sum(read.values()), total)
    return Found(builder.finish(), path, rejected)
