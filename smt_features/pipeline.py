"""Source to encoded rows: reads, validates and encodes block by block."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import polars as pl

from smt_features.blocks import read_blocks
from smt_features.cell_rows import CellRows, cell_rows
from smt_features.encoding import encode
from smt_features.parallel import ordered_map
from smt_features.parquet_source import read_tables, to_rows
from smt_features.parsing import count_fields, parse
from smt_features.rejected import SCHEMA
from smt_features.rowblock import RowBlock
from smt_features.shuffle import KEY, row_keys
from smt_features.sources import Source
from smt_features.statistics.builder import StatisticsBuilder
from smt_features.statistics.tally import Tally, tally
from smt_features.units import Unit
from smt_features.validation import bad_rows, violations
from smt_features.vocabulary import NO_VOCABULARIES, Vocabularies
from smt_schemas import DatasetSchema


@dataclass(frozen=True)
class Encoded:
    """What became of a block's rows.

    Attributes
    ----------
    source
        Where they come from.
    rows
        Rows read: ``frame.height + rejected``.
    rejected
        Rows rejected.
    violations
        Why, with the columns of ``rejected.SCHEMA``; lines count from 0 at the block's first.
    tally
        Counts of the good rows' values, when they were asked for.
    frame
        The good rows, encoded, with their sort key.
    position
        Bytes of the file that were read so far, for showing progress.
    """

    source: Source
    rows: int
    rejected: int
    violations: pl.DataFrame
    tally: Tally | None
    frame: pl.DataFrame
    position: int


def encode_units(
    units: Iterable[Unit],
    schema: DatasetSchema,
    *,
    seed: int,
    keys: bool,
    shuffle: bool,
    count: StatisticsBuilder | None,
    vocabularies: Vocabularies = NO_VOCABULARIES,
) -> Iterator[Encoded]:
    """Yield the blocks of all units, in order, validated and encoded on all cores.

    With ``count`` the values of each block are tallied, for the caller to add to it.
    """

    def work(read: Callable[[], RowBlock]) -> Encoded:
        block = read()
        rows, bad = good_rows(block, schema)
        keys_of_rows = row_keys(
            seed=seed,
            split=block.source.split,
            source=block.source.ordinal,
            block=block.ordinal,
            rows=block.cells.height,
            shuffle=shuffle,
        )
        frame = encode(rows, schema, seed=seed, keys=keys, vocabularies=vocabularies)
        return Encoded(
            source=block.source,
            rows=block.cells.height,
            rejected=block.cells.height - rows.cells.height,
            violations=_violations(block, bad, schema),
            tally=tally_block(block, rows, bad, schema, count) if count else None,
            frame=frame.with_columns(pl.Series(KEY, keys_of_rows).filter(~bad)),
            position=block.position,
        )

    reads = (read for unit in units for read in block_reads(unit, schema))
    return ordered_map(work, reads, waiting=1)


def row_blocks(source: Source, schema: DatasetSchema) -> Iterator[RowBlock]:
    """Yield the rows of a source as cells, unvalidated."""
    return (read() for read in block_reads(Unit(source), schema))


def block_reads(unit: Unit, schema: DatasetSchema) -> Iterator[Callable[[], RowBlock]]:
    """Yield, for each block of a unit, a function that parses it; it may run in any thread."""
    if unit.source.kind == "parquet":
        for table in read_tables(unit.source, schema):
            yield partial(to_rows, table, schema)
        return
    names = [column.name for column in schema.columns]
    header = schema.csv.separator.join(names).encode() if schema.csv.header else None
    for block in read_blocks(unit.source, first=unit.first, end=unit.end, header=header):
        yield partial(parse, block, names, schema.csv)


def good_rows(block: RowBlock, schema: DatasetSchema) -> tuple[CellRows, pl.Series]:
    """Validate the rows of a block.

    Returns
    -------
    CellRows
        The rows that obey the schema.
    polars.Series
        Boolean for each row of the block, whether it was left out.
    """
    rows = cell_rows(block.cells, schema)
    bad = bad_rows(rows, schema)
    if block.refused:
        bad = bad.scatter(list(block.refused), True)
    return (cell_rows(block.cells.filter(~bad), schema) if bad.any() else rows), bad


def tally_block(
    block: RowBlock,
    rows: CellRows,
    bad: pl.Series,
    schema: DatasetSchema,
    builder: StatisticsBuilder,
) -> Tally:
    """Count the values of a block's good rows, for a builder to add.

    ``rows`` and ``bad`` are what `good_rows` returned.
    """
    # The same numbers whatever the seed and the order of the shards.
    numbers = row_keys(
        seed=0,
        split=block.source.split,
        source=block.source.ordinal,
        block=block.ordinal,
        rows=block.cells.height,
        shuffle=True,
    )
    places = (numbers >> np.uint64(1)).astype(np.int64)[~bad.to_numpy()]
    limit = builder.sample_limit(block.source.split)
    return tally(rows, schema, places, limit)


def _violations(block: RowBlock, bad: pl.Series, schema: DatasetSchema) -> pl.DataFrame:
    if not bad.any():
        return pl.DataFrame(schema=SCHEMA)
    positions = bad.arg_true()
    lines = dict(zip(positions, block.raw(positions.to_list()), strict=True))
    whole = pl.DataFrame(
        {
            "row": list(block.refused),
            "rule": list(block.refused.values()),
            "value": [
                str(count_fields(lines[row], schema.csv)) if rule == "fields" else None
                for row, rule in block.refused.items()
            ],
        },
        schema={"row": pl.UInt32, "rule": pl.String, "value": pl.String},
    )
    in_cells = violations(block.cells[positions], schema)
    in_cells = in_cells.with_columns(positions.gather(in_cells["row"]).alias("row"))
    in_cells = in_cells.join(whole, on="row", how="anti", maintain_order="left")
    raw = pl.DataFrame(
        {"row": positions, "raw": list(lines.values())},
        schema={"row": pl.UInt32, "raw": pl.String},
    )
    return (
        pl.concat([whole, in_cells], how="diagonal")
        .sort("row", maintain_order=True)
        .join(raw, on="row", how="left", maintain_order="left")
        .select(
            file=pl.lit(block.source.name),
            line=pl.col("row").cast(pl.Int64),
            column="column",
            rule="rule",
            value="value",
            raw="raw",
        )
    )
