"""Finds the statistics of a dataset, or computes those of raw files."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from smt_features.manifest import NAME as MANIFEST
from smt_features.manifest import SHARDS, Manifest
from smt_features.statistics.files import STATISTICS_NAME
from smt_features.statistics.model import Statistics
from smt_schemas import DatasetSchema, UserError, taobao

if TYPE_CHECKING:
    from smt_features.reading import Progress


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
    progress: "Progress" = lambda _stage, _done, _total: None,
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
    if directory := dataset_in(path):
        found = _of_dataset(directory)
        if schema is None:
            return found
        drift = [part.judged(schema.drift) for part in found.statistics.drift]
        judged = found.statistics.model_copy(update={"drift": drift})
        return Found(judged, found.path, found.rejected_rows)
    # To import what counts takes as long as all the rest: shards do without it.
    from smt_features.statistics.counting import count_raw_files
    from smt_features.statistics.finish import finish

    builder, rejected = count_raw_files(path, schema or taobao(), progress)
    return Found(finish(builder), path, rejected)


def dataset_in(path: Path) -> Path | None:
    """Return the folder of the dataset that is there, or in the folder for shards below."""
    return next((d for d in (path, path / SHARDS) if (d / MANIFEST).is_file()), None)


def _of_dataset(directory: Path) -> Found:
    manifest = Manifest.read(directory)
    statistics = Statistics.read(directory)
    counted = {name: split.rows for name, split in statistics.splits.items()}
    if (statistics.schema_digest, statistics.hash) != (manifest.schema_digest, manifest.hash):
        counted = {}
    require_same_rows(directory / STATISTICS_NAME, counted, manifest)
    return Found(statistics, directory / STATISTICS_NAME, manifest.rejected_rows)


def require_same_rows(path: Path, counted: dict[str, int], manifest: Manifest) -> None:
    """Require that a file of statistics counted the rows of the dataset beside it.

    Raises
    ------
    UserError
        When it counted others.
    """
    if counted != {name: split.rows for name, split in manifest.splits.items()}:
        msg = (
            f"{path} belongs to another dataset than {MANIFEST} beside it. "
            "Run `smt prepare --overwrite` to write both anew."
        )
        raise UserError(msg)
