"""Reads a raw log that is a Parquet file."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from smt_features.arrow_text import undecodable_rows
from smt_features.rowblock import RowBlock
from smt_features.sources import Source
from smt_schemas import Column, DatasetSchema, UserError

BLOCK_ROWS = 1 << 15


@dataclass(frozen=True)
class Table:
    """Consecutive rows of a Parquet source."""

    source: Source
    ordinal: int
    data: pa.Table
    position: int


def read_tables(source: Source, schema: DatasetSchema) -> Iterator[Table]:
    """Yield a Parquet source in tables of the schema's columns.

    Raises
    ------
    UserError
        When the file is no Parquet file, or lacks a column, or has one that is neither
        integers nor text, nor floats where the schema declares them.
    """
    names = [column.name for column in schema.columns]
    rows = 0
    try:
        with pq.ParquetFile(source.path) as file:
            _check(file.schema_arrow, schema, source)
            batches = file.iter_batches(batch_size=BLOCK_ROWS, columns=names)
            for ordinal, batch in enumerate(batches):
                data = pa.Table.from_batches([batch]).select(names)
                rows += batch.num_rows
                position = source.size * rows // file.metadata.num_rows
                yield Table(source, ordinal, data, position)
    except (pa.ArrowInvalid, OSError) as error:
        msg = f"Cannot read {source.path}: {error}. Is it a complete Parquet file?"
        raise UserError(msg) from error
    if not rows:
        msg = f"{source.path} holds no rows. Remove it, or put the log there."
        raise UserError(msg)


def to_rows(table: Table, schema: DatasetSchema) -> RowBlock:
    """Return a table's cells as text: numbers in decimal, a null as the empty text.

    Rows with text that is not UTF-8, and with a list whose entries contain its separator, are
    refused; their cells are empty where nothing can be shown of them.
    """
    undecodable = undecodable_rows(table.data)
    frame = pl.DataFrame(_without(table.data, undecodable))
    if undecodable:
        frame = _with_empty(frame, undecodable, table.data.num_rows)
    refused = dict.fromkeys(undecodable, "utf8")
    cells = []
    for column in schema.columns:
        series = frame[column.name]
        if isinstance(series.dtype, pl.List):
            series, torn = _joined(series, column.separator or "")
            refused |= dict.fromkeys(torn, "separator")
        cells.append(series.cast(pl.String).fill_null(""))
    whole = pl.DataFrame(cells)
    return RowBlock(
        source=table.source,
        ordinal=table.ordinal,
        cells=whole,
        refused=dict(sorted(refused.items())),
        raw=lambda rows: [",".join(whole.row(row)) for row in rows],
        position=table.position,
    )


def _joined(lists: pl.Series, separator: str) -> tuple[pl.Series, list[int]]:
    """Return lists as text, and the rows where an entry contains the separator."""
    entries = lists.list.eval(pl.element().cast(pl.String).fill_null(""))
    contains = entries.list.eval(pl.element().str.contains(separator, literal=True)).list.any()
    joined = entries.list.join(separator).fill_null("")
    # A list of one empty entry would read as an empty list; two empty entries are as wrong.
    joined = joined.set((joined == "") & (entries.list.len() > 0).fill_null(False), separator)
    return joined, contains.fill_null(False).arg_true().to_list()


def _without(data: pa.Table, rows: list[int]) -> pa.Table:
    bounds = [-1, *rows, data.num_rows]
    return pa.concat_tables(
        data.slice(before + 1, after - before - 1) for before, after in pairwise(bounds)
    )


def _with_empty(frame: pl.DataFrame, rows: list[int], height: int) -> pl.DataFrame:
    """Return the frame with rows of nulls where some are missing."""
    missing = np.zeros(height, np.bool_)
    missing[rows] = True
    places = pl.Series(np.cumsum(~missing) - 1).set(pl.Series(missing), None)
    return frame.select(pl.all().gather(places))


def _check(arrow: pa.Schema, schema: DatasetSchema, source: Source) -> None:
    names = [column.name for column in schema.columns]
    missing = [name for name in names if arrow.get_field_index(name) < 0]
    if missing:
        msg = f"{source.path} has no column {', '.join(missing)}. Its columns: {arrow.names}."
        raise UserError(msg)
    for column in schema.columns:
        type_ = arrow.field(column.name).type
        if not is_readable(type_, column):
            msg = (
                f"{source.path}, column {column.name!r} is of type {type_}. Only integers and "
                "text can be hashed, and lists of them where the schema declares a list; floats "
                'need type = "float" in the schema. Otherwise convert the column first.'
            )
            raise UserError(msg)


def is_readable(type_: pa.DataType, column: Column) -> bool:
    """Return whether cells of an Arrow type can be read as those of a column."""
    if column.is_list and (pa.types.is_list(type_) or pa.types.is_large_list(type_)):
        type_ = type_.value_type
    if pa.types.is_dictionary(type_):
        type_ = type_.value_type
    if column.type == "float" and pa.types.is_floating(type_):
        return True
    tests = (
        pa.types.is_string,
        pa.types.is_large_string,
        pa.types.is_string_view,
        pa.types.is_integer,
    )
    return any(test(type_) for test in tests)
