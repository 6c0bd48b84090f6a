"""Finds the statistics of a dataset, or computes those of raw files, and compares two."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from smt_features.dataset import SHARDS
from smt_features.manifest import NAME as MANIFEST
from smt_features.manifest import Manifest
from smt_features.parallel import ordered_map
from smt_features.pipeline import block_reads, good_rows, tally_block
from smt_features.rowblock import RowBlock
from smt_features.sources import find_sources
from smt_features.statistics.builder import StatisticsBuilder
from smt_features.statistics.drift import compare_splits
from smt_features.statistics.drift_model import Comparison, Drift
from smt_features.statistics.files import COUNTS_NAME, STATISTICS_NAME
from smt_features.statistics.finish import finish
from smt_features.statistics.model import Statistics
from smt_features.statistics.store import read_counts
from smt_features.statistics.tally import Tally
from smt_features.units import Unit
from smt_schemas import DatasetSchema, UserError, taobao

Progress = Callable[[str, int, int], None]
"""Called with the stage, the bytes read and the bytes in all, while raw files are read."""


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
    schema: DatasetSchema | None = None,
    *,
    progress: Progress = lambda _stage, _done, _total: None,
) -> Found:
    """Return the statistics of a dataset, or else of the raw files in a folder.

    Parameters
    ----------
    path
        Folder of the shards, the data folder that holds it, or a folder of raw files.
    schema
        Of raw files, the Taobao log's unless given; of a dataset only its drift thresholds
        count, and only when given.
    progress
        Called while raw files are read.

    Raises
    ------
    UserError
        When there is neither a dataset nor a raw file, or the statistics are missing, damaged
        or of another dataset.
    """
    if directory := _dataset_in(path):
        found = _of_dataset(directory)
        if schema is None:
            return found
        drift = [part.judged(schema.drift) for part in found.statistics.drift]
        judged = found.statistics.model_copy(update={"drift": drift})
        return Found(judged, found.path, found.rejected_rows)
    builder, rejected = _count_raw_files(path, schema or taobao(), progress)
    return Found(finish(builder), path, rejected)


def compare(
    reference: Path,
    current: Path,
    schema: DatasetSchema | None = None,
    *,
    progress: Progress = lambda _stage, _done, _total: None,
) -> Comparison:
    """Return how far the splits of one dataset have moved from those of another.

    Datasets are compared by the counts that `prepare` left in them, raw files are read. Splits
    of the same name are compared.

    Parameters
    ----------
    reference, current
        As ``path`` of `find_statistics`.
    schema
        As in `find_statistics`.

    Raises
    ------
    UserError
        When one of them has no statistics, or they have no split or other columns in common.
    """
    sides = [_builder(path, schema, progress) for path in (reference, current)]
    thresholds = (schema or sides[0][1]).drift
    before, now = (builder.splits for builder, _ in sides)
    common = [split for split in before if split in now]
    if not common:
        msg = (
            f"{reference} and {current} have no split in common: "
            f"{', '.join(before) or 'none'} and {', '.join(now) or 'none'}."
        )
        raise UserError(msg)
    if strange := _names(sides[0][1]) ^ _names(sides[1][1]):
        msg = f"{reference} and {current} have different columns: {', '.join(sorted(strange))}."
        raise UserError(msg)
    return Comparison(
        reference=str(reference),
        current=str(current),
        drift=[
            Drift(
                reference=f"{reference} {split}",
                current=f"{current} {split}",
                columns=compare_splits(before[split], now[split], thresholds),
            )
            for split in common
        ],
    )


def _builder(
    path: Path, schema: DatasetSchema | None, progress: Progress
) -> tuple[StatisticsBuilder, DatasetSchema]:
    if directory := _dataset_in(path):
        manifest = Manifest.read(directory)
        builder = read_counts(directory, manifest.dataset_schema, manifest.hash.seed)
        counted = {name: split.rows for name, split in builder.splits.items()}
        _require_same_rows(directory / COUNTS_NAME, counted, manifest)
        return builder, manifest.dataset_schema
    log = schema or taobao()
    return _count_raw_files(path, log, progress)[0], log


def _names(schema: DatasetSchema) -> set[str]:
    return {column.name for column in schema.columns}


def _dataset_in(path: Path) -> Path | None:
    return next((d for d in (path, path / SHARDS) if (d / MANIFEST).is_file()), None)


def _of_dataset(directory: Path) -> Found:
    manifest = Manifest.read(directory)
    statistics = Statistics.read(directory)
    counted = {name: split.rows for name, split in statistics.splits.items()}
    if (statistics.schema_digest, statistics.hash) != (manifest.schema_digest, manifest.hash):
        counted = {}
    _require_same_rows(directory / STATISTICS_NAME, counted, manifest)
    return Found(statistics, directory / STATISTICS_NAME, manifest.rejected_rows)


def _require_same_rows(path: Path, counted: dict[str, int], manifest: Manifest) -> None:
    if counted != {name: split.rows for name, split in manifest.splits.items()}:
        msg = (
            f"{path} belongs to another dataset than {MANIFEST} beside it. "
            "Run `smt prepare --overwrite` to write both anew."
        )
        raise UserError(msg)


def _count_raw_files(
    path: Path, schema: DatasetSchema, progress: Progress
) -> tuple[StatisticsBuilder, int]:
    """Return the counts of the raw files in a folder, and the number of bad rows left out."""
    sources = find_sources(path, schema)
    total = sum(source.size for source in sources)
    builder = StatisticsBuilder(schema)
    rejected = 0
    done: dict[str, int] = {}

    def count(read: Callable[[], RowBlock]) -> tuple[RowBlock, Tally]:
        block = read()
        return block, tally_block(block, *good_rows(block, schema), schema, builder)

    reads = (read for source in sources for read in block_reads(Unit(source), schema))
    for block, counted in ordered_map(count, reads):
        builder.add_tally(block.source.split, counted)
        rejected += block.cells.height - counted.rows
        done[block.source.name] = block.position
        progress("read", sum(done.values()), total)
    return builder, rejected
