"""Writes the statistics of a dataset into its folder, and the counts that they came from.

``value_counts.parquet`` lets two datasets be compared exactly, without their raw files.
"""

from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from smt_features.files import published
from smt_features.parquet import OLDEST
from smt_features.statistics.builder import StatisticsBuilder
from smt_features.statistics.model import NAME, Statistics
from smt_features.statistics.sketch import COUNT, MAX_TRACKED, REGISTERS, STATE, VALUE
from smt_features.statistics.split_counts import COUNTS
from smt_schemas import DatasetSchema, UserError

COUNTS_NAME = "value_counts.parquet"

MAX_BYTES = 1 << 30
"""A larger file holds no counts of ours."""

_KINDS = {"rows", "combination", "value", "sample", "length", "distinct", *STATE}


@dataclass(frozen=True)
class Publication:
    """Statistics and counts, ready to be written."""

    statistics: Statistics
    counts: pa.Table

    @classmethod
    def of(cls, builder: StatisticsBuilder) -> "Publication":
        """Compute what is to be written."""
        counts = builder.to_frame(final=True).to_arrow(compat_level=OLDEST)
        return cls(builder.finish(), counts)

    def write(self, directory: Path) -> None:
        """Write ``statistics.json`` and ``value_counts.parquet``."""
        with published(directory / COUNTS_NAME) as temporary:
            pq.write_table(
                self.counts,
                temporary,
                compression="zstd",
                use_dictionary=["split", "column", "kind", "count"],
                column_encoding={"value": "DELTA_BYTE_ARRAY"},
                write_statistics=False,
            )
        self.statistics.write(directory)


def remove(directory: Path) -> None:
    """Remove the statistics of a dataset that is to be replaced."""
    for name in (NAME, COUNTS_NAME):
        (directory / name).unlink(missing_ok=True)


def read_counts(directory: Path, schema: DatasetSchema, hash_seed: int) -> StatisticsBuilder:
    """Return the counts of a dataset.

    Raises
    ------
    UserError
        When the folder has none, or the file holds something else.
    """
    path = directory / COUNTS_NAME
    remedy = "Run `smt prepare --overwrite` to write it anew."
    try:
        if path.stat().st_size > MAX_BYTES:
            msg = f"{path} is larger than {MAX_BYTES >> 20} MiB, so it holds no counts. {remedy}"
            raise UserError(msg)
        frame = pl.read_parquet(path)
    except FileNotFoundError as error:
        msg = f"{directory} has no {COUNTS_NAME}. {remedy}"
        raise UserError(msg) from error
    except (OSError, pl.exceptions.ComputeError) as error:
        msg = f"Cannot read {path}: {error}. {remedy}"
        raise UserError(msg) from error
    if problem := _problem(frame, schema):
        msg = f"{path} holds no valid counts: {problem}. {remedy}"
        raise UserError(msg)
    builder = StatisticsBuilder(schema, hash_seed)
    builder.add_frame(frame)
    return builder


def _problem(frame: pl.DataFrame, schema: DatasetSchema) -> str | None:
    if dict(frame.schema) != COUNTS or frame.null_count().sum_horizontal().item():
        return "its columns are others"
    kinds = _KINDS | {f"positive {label.name}" for label in schema.labels}
    names = {"", *(column.name for column in schema.columns)}
    known = {"split": schema.splits, "column": names, "kind": kinds}
    for column, texts in known.items():
        if strange := set(frame[column].unique()) - set(texts):
            return f"{column} {min(strange)!r} is unknown"
    if frame.filter(pl.col(COUNT) < 0).height:
        return "a count is negative"
    # These are used as positions.
    sizes = {"register": REGISTERS, "length": frame.height} | dict.fromkeys(STATE[1:], MAX_TRACKED)
    for kind, size in sizes.items():
        places = frame.filter(pl.col("kind") == kind)[VALUE].cast(pl.Int64, strict=False)
        if places.null_count() or not places.is_between(0, size - 1).all():
            return f"a {kind} is out of range"
    return None
