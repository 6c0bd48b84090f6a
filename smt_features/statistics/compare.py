"""Compares the values of two datasets, or of two days' raw files."""

from pathlib import Path
from typing import NamedTuple

from smt_features.manifest import Manifest
from smt_features.reading import Progress
from smt_features.statistics.builder import StatisticsBuilder
from smt_features.statistics.counting import count_raw_files
from smt_features.statistics.drift import compare_splits
from smt_features.statistics.drift_model import Comparison, Drift
from smt_features.statistics.files import COUNTS_NAME
from smt_features.statistics.source import dataset_in, require_same_rows
from smt_features.statistics.store import read_counts
from smt_schemas import DatasetSchema, UserError, taobao


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
        When one of them has no statistics, they have no split in common, or different columns.
    """
    log = schema or _schema_of(reference) or _schema_of(current) or taobao()
    sides = [_side(path, log, progress) for path in (reference, current)]
    thresholds = (schema or sides[0].schema).drift
    before, now = (side.builder.splits for side in sides)
    common = [split for split in before if split in now]
    if not common:
        msg = (
            f"{reference} and {current} have no split in common: "
            f"{', '.join(before) or 'none'} and {', '.join(now) or 'none'}."
        )
        raise UserError(msg)
    if strange := _names(sides[0].schema) ^ _names(sides[1].schema):
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
        reference_rejected_rows=sides[0].rejected_rows,
        current_rejected_rows=sides[1].rejected_rows,
    )


class _Side(NamedTuple):
    builder: StatisticsBuilder
    schema: DatasetSchema
    rejected_rows: int


def _schema_of(path: Path) -> DatasetSchema | None:
    directory = dataset_in(path)
    return Manifest.read(directory).dataset_schema if directory else None


def _side(path: Path, log: DatasetSchema, progress: Progress) -> _Side:
    if directory := dataset_in(path):
        manifest = Manifest.read(directory)
        builder = read_counts(directory, manifest.dataset_schema, manifest.hash.seed)
        counted = {name: split.rows for name, split in builder.splits.items()}
        require_same_rows(directory / COUNTS_NAME, counted, manifest)
        return _Side(builder, manifest.dataset_schema, manifest.rejected_rows)
    builder, rejected = count_raw_files(path, log, progress)
    return _Side(builder, log, rejected)


def _names(schema: DatasetSchema) -> set[str]:
    return {column.name for column in schema.columns}
