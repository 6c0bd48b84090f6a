"""Guesses the schema of a raw file from its rows: what ``smt schema infer`` writes."""

from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from smt_features.blocks import read_blocks
from smt_features.infer_column import Guess, guess_column
from smt_features.infer_facts import Facts
from smt_features.infer_format import TextFormat, guess_format, require_names
from smt_features.infer_text import schema_text
from smt_features.parquet_source import is_readable
from smt_features.pipeline import row_blocks
from smt_features.sources import Source, kind_of, suffix_of
from smt_schemas import Column, CsvFormat, DatasetSchema, UserError

LIST_SEPARATOR = "\x1f"
"""Joins the entries of a list that is one in the Parquet file: hardly any entry contains it."""


def infer_schema(path: Path, rows: int) -> str:
    """Return a TOML schema, with a comment on every guess, of a file: CSV or Parquet.

    Parameters
    ----------
    path
        The file.
    rows
        Rows to look at; more are, until the end of a block.

    Raises
    ------
    UserError
        When the file cannot be read, or a name in its header can be none of a column.
    """
    if not path.is_file():
        msg = f"{path} is not a file. Give a raw log file."
        raise UserError(msg)
    source = Source("train", 0, path, path.name, kind_of(path))
    left_out: list[Guess] = []
    if source.kind == "parquet":
        text = TextFormat(CsvFormat(), [])
        columns, left_out = _parquet_columns(path)
    else:
        text = guess_format(next(read_blocks(source)).data, path)
        columns = [Column(name=name, role="ignore") for name in text.names]
    # Not validated: it serves to read the cells, whatever the columns are called.
    reading = DatasetSchema.model_construct(name="sample", splits={}, csv=text.csv, columns=columns)
    facts = {column.name: Facts(column.name) for column in columns}
    seen = _look(source, reading, facts, rows)
    taken = {text.csv.separator}
    guesses = [guess_column(facts[column.name], taken, column) for column in columns] + left_out
    if not any(guess.is_feature for guess in guesses):
        msg = f"{path} has no column that could be a feature; are these the right files?"
        raise UserError(msg)
    stem = path.name.removesuffix(suffix_of(path))
    written = schema_text(path.name, stem, text.csv, guesses, seen)
    DatasetSchema.from_text(written, f"What could be guessed of {path}")
    return written


def _look(source: Source, reading: DatasetSchema, facts: dict[str, Facts], rows: int) -> str:
    """Collect facts from the first rows, and return in words which those were."""
    read = refused = 0
    which = "all"
    for block in row_blocks(source, reading):
        if read + refused >= rows:
            which = "the first"
            break
        kept = ~pl.int_range(block.cells.height, eager=True).is_in(list(block.refused))
        for name, cells in block.cells.filter(kept).to_dict().items():
            facts[name].add(cells)
        read += int(kept.sum())
        refused += len(block.refused)
    left_out = f", but {refused:,} lines of another form that `smt prepare` rejects"
    return f"{which} {read:,} rows{left_out if refused else ''}"


def _parquet_columns(path: Path) -> tuple[list[Column], list[Guess]]:
    """Return the columns that can be read, and what is written of the others."""
    try:
        schema = pq.read_schema(path)
    except (pa.ArrowInvalid, OSError) as error:
        msg = f"Cannot read {path}: {error}. Is it a complete Parquet file?"
        raise UserError(msg) from error
    require_names(schema.names, str(path))
    columns, left_out = [], []
    for field in schema:
        column = _parquet_column(field)
        if is_readable(field.type, column):
            columns.append(column)
        else:
            why = f"values of type {field.type} cannot be read. Convert them."
            left_out.append(Guess({}, [f"Left out is {field.name}: {why}"]))
    return columns, left_out


def _parquet_column(field: pa.Field) -> Column:
    if pa.types.is_floating(field.type):
        return Column(name=field.name, role="ignore", type="float")
    if pa.types.is_list(field.type) or pa.types.is_large_list(field.type):
        return Column(
            name=field.name,
            role="item",
            separator=LIST_SEPARATOR,
            hash_buckets=1,
            embedding_dim=1,
        )
    return Column(name=field.name, role="ignore")
