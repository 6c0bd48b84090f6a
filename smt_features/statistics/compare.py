"""Compares the values of two datasets, or of two days' raw files."""

from pathlib import Path

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
    if directory := dataset_in(path):
        manifest = Manifest.read(directory)
        builder = read_counts(directory, manifest.dataset_schema, manifest.hash.seed)
        counted = {name: split.rows for name, split in builder.splits.items()}
        require_same_rows(directory / COUNTS_NAME, counted, manifest)
        return builder, manifest.dataset_schema
    log = schema or taobao()
    return count_raw_files(path, log, progress)[0], log


def _names(schema: DatasetSchema) -> set[str]:
    return {column.name for column in schema.columns}
