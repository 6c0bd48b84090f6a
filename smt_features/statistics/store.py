"""Writes the statistics of a dataset into its folder, and the counts that they came from.

``value_counts.parquet`` lets two datasets be compared exactly, without their raw files.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from smt_features.files import published
from smt_features.statistics.builder import StatisticsBuilder
from smt_features.statistics.files import COUNTS_NAME
from smt_features.statistics.finish import finish
from smt_features.statistics.kind_counts import COUNTS, KindCounts
from smt_features.statistics.kinds import has_buckets, rated_columns
from smt_features.statistics.model import Statistics
from smt_features.statistics.sketch import COUNT, MAX_TRACKED, REGISTERS, STATE, VALUE
from smt_features.statistics.value_counts import NO_IDS
from smt_schemas import DatasetSchema, UserError

MAX_BYTES = 1 << 30
"""A larger file holds no counts of ours."""


@dataclass(frozen=True)
class Publication:
    """What is to be written: the statistics, and the bytes of the counts' file."""

    statistics: Statistics
    counts: bytes

    @classmethod
    def of(cls, builder: StatisticsBuilder) -> "Publication":
        """Compute what is to be written."""
        file = io.BytesIO()
        with pq.ParquetWriter(
            file,
            KindCounts("", "", "", pl.Series(dtype=pl.String), NO_IDS).to_arrow().schema,
            compression="zstd",
            use_dictionary=["split", "column", "kind"],
            column_encoding={VALUE: "DELTA_BYTE_ARRAY"},
            write_statistics=False,
            store_schema=False,
        ) as writer:

            def write(counted: Iterator[KindCounts]) -> None:
                if tables := [part.to_arrow() for part in counted if len(part.counts)]:
                    writer.write_table(pa.concat_tables(tables).unify_dictionaries())

            statistics = finish(builder, write)
        return cls(statistics, file.getvalue())

    def write(self, directory: Path) -> None:
        """Write ``statistics.json`` and ``value_counts.parquet``."""
        with published(directory / COUNTS_NAME) as temporary:
            temporary.write_bytes(self.counts)
        self.statistics.write(directory)


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
        frame = pl.read_parquet(path, glob=False)
    except FileNotFoundError as error:
        msg = f"{directory} has no {COUNTS_NAME}. {remedy}"
        raise UserError(msg) from error
    except (OSError, pl.exceptions.ComputeError, pl.exceptions.PanicException) as error:
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
    if strange := set(frame["split"].unique()) - set(schema.splits):
        return f"split {min(strange)!r} is unknown"
    if frame.filter(pl.col(COUNT) < 0).height:
        return "a count is negative"
    sizes = _sizes(schema, frame.height)
    for (column, kind), part in frame.group_by("column", "kind", maintain_order=True):
        place = (str(column), str(kind))
        if place not in sizes:
            return f"there is no {kind!r} of {column!r}"
        if size := sizes[place]:
            positions = part[VALUE].cast(pl.Int64, strict=False)
            if positions.null_count() or not positions.is_between(0, size - 1).all():
                return f"a {kind} of {column} is out of range"
        if kind == "combination":
            digits = f"^[01]{{{len(schema.labels)}}}$"
            if not part[VALUE].str.contains(digits).all():
                return "a combination of labels is none"
    heights = frame.filter(pl.col("kind") == "sample").group_by("split", "column").len()
    if (heights.group_by("split").agg(pl.col("len").n_unique())["len"] > 1).any():
        return "the columns of a sample differ in length"
    return None


def _sizes(schema: DatasetSchema, height: int) -> dict[tuple[str, str], int]:
    """Return what is counted of which column, and how many positions there are; 0 means texts."""
    rated = {column.name for column in rated_columns(schema)}
    sizes = {("", "rows"): 0, ("", "combination"): 0}
    for column in schema.columns:
        tracked = min(column.buckets, MAX_TRACKED) if has_buckets(column) else 0
        kinds = {"value": 0, "sample": 0, STATE[0]: REGISTERS}
        if tracked:
            kinds |= dict.fromkeys(STATE[1:], tracked)
        if column.is_list:
            kinds |= {"length": height, "distinct": 0}
        elif column.name in rated:
            kinds |= {f"positive {label.name}": 0 for label in schema.labels}
        sizes |= {(column.name, kind): size for kind, size in kinds.items()}
    return sizes
