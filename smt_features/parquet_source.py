"""Reads a raw log that is a Parquet file."""

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from smt_features.rowblock import RowBlock
from smt_features.sources import Source
from smt_schemas import DatasetSchema, UserError

BLOCK_ROWS = 1 << 15


@dataclass(frozen=True)
class Table:
    """Consecutive rows of a Parquet source; ``first_row`` counts from 1."""

    source: Source
    ordinal: int
    first_row: int
    data: pa.Table
    position: int


def read_tables(source: Source, schema: DatasetSchema) -> Iterator[Table]:
    """Yield a Parquet source in tables of the schema's columns.

    Raises
    ------
    UserError
        When the file is no Parquet file, or lacks a column, or has one that is neither
        integers nor text.
    """
    names = [column.name for column in schema.columns]
    row = 1
    try:
        with pq.ParquetFile(source.path) as file:
            _check(file.schema_arrow, names, source)
            batches = file.iter_batches(batch_size=BLOCK_ROWS, columns=names)
            for ordinal, batch in enumerate(batches):
                data = pa.Table.from_batches([batch]).select(names)
                position = source.size * (row + batch.num_rows - 1) // file.metadata.num_rows
                yield Table(source, ordinal, row, data, position)
                row += batch.num_rows
    except (pa.ArrowInvalid, OSError) as error:
        msg = f"Cannot read {source.path}: {error}. Is it a complete Parquet file?"
        raise UserError(msg) from error
    if row == 1:
        msg = f"{source.path} holds no rows. Remove it, or put the log there."
        raise UserError(msg)


def to_rows(table: Table) -> RowBlock:
    """Return a table's cells as text: integers in decimal, a null as the empty text."""
    cells = pl.DataFrame(table.data).select(pl.all().cast(pl.String).fill_null(""))
    return RowBlock(
        source=table.source,
        ordinal=table.ordinal,
        first_line=table.first_row,
        cells=cells,
        refused={},
        raw=lambda row: ",".join(cells.row(row)),
        position=table.position,
    )


def _check(arrow: pa.Schema, names: list[str], source: Source) -> None:
    missing = [name for name in names if arrow.get_field_index(name) < 0]
    if missing:
        msg = f"{source.path} has no column {', '.join(missing)}. Its columns: {arrow.names}."
        raise UserError(msg)
    for name in names:
        type_ = arrow.field(name).type
        value = type_.value_type if pa.types.is_dictionary(type_) else type_
        text = pa.types.is_string(value) or pa.types.is_large_string(value)
        if not (text or pa.types.is_string_view(value) or pa.types.is_integer(value)):
            msg = (
                f"{source.path}, column {name!r} is of type {type_}. Only integers and text "
                "can be hashed; convert the column first."
            )
            raise UserError(msg)
