"""Makes the vocabularies of a log, in a pass over its train split before it is encoded."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl

from smt_features.derived import derive
from smt_features.lists import SplitLists
from smt_features.parallel import ordered_map
from smt_features.pipeline import block_reads, good_rows
from smt_features.rowblock import RowBlock
from smt_features.sources import Source
from smt_features.units import Unit
from smt_features.value_totals import COUNT, VALUE, ValueTotals
from smt_features.vocabulary import NO_VOCABULARIES, Vocabularies, Vocabulary
from smt_schemas import TRAIN, Column, DatasetSchema, UserError

Progress = Callable[[str, int, int], None]


def build_vocabularies(
    sources: list[Source], schema: DatasetSchema, work: Path, progress: Progress
) -> Vocabularies:
    """Count the texts of the good rows of the train split and return the frequent ones.

    Parameters
    ----------
    sources
        All raw files.
    schema
        Says which columns need a vocabulary; without one, no file is read.
    work
        Folder for counts that memory should not hold.
    progress
        Called with the stage ``count``, the bytes read and the bytes in all.

    Raises
    ------
    UserError
        When there is no file of the train split, or one cannot be read.
    """
    columns = schema.vocab_columns
    if not columns:
        return NO_VOCABULARIES
    units = [Unit(source) for source in sources if source.split == TRAIN]
    if not units:
        msg = (
            f"The vocabulary of {columns[0].name!r} is made from the split {TRAIN!r}, of which "
            f"there is no file. Put {schema.splits[TRAIN]} beside the others."
        )
        raise UserError(msg)
    try:
        totals = count_values(units, schema, columns, work, progress)
        return {column.name: _frequent(totals[column.name], column) for column in columns}
    finally:
        shutil.rmtree(work, ignore_errors=True)


def count_values(
    units: list[Unit],
    schema: DatasetSchema,
    columns: list[Column],
    work: Path,
    progress: Progress,
) -> dict[str, ValueTotals]:
    """Count the texts of some features, derived ones included, in the good rows of raw files.

    ``work`` takes counts that memory should not hold; it is the caller's to remove.

    Raises
    ------
    UserError
        When a file cannot be read.
    """
    totals = {column.name: ValueTotals(work / column.name) for column in columns}
    derives = not totals.keys() <= {column.name for column in schema.columns}

    def count(read: Callable[[], RowBlock]) -> tuple[RowBlock, dict[str, pl.DataFrame]]:
        block = read()
        rows, _ = good_rows(block, schema)
        cells = rows.cells
        if derives:
            cells = cells.with_columns(derive(cells, rows.lists, schema))
        return block, {c.name: _counts(cells, rows.lists, c) for c in columns}

    total, done = sum(unit.source.size for unit in units), {}
    reads = (read for unit in units for read in block_reads(unit, schema))
    for block, counts in ordered_map(count, reads):
        for name, part in counts.items():
            totals[name].add(part)
        done[block.source.name] = block.position
        progress("count", sum(done.values()), total)
    return totals


def _counts(cells: pl.DataFrame, lists: dict[str, SplitLists], column: Column) -> pl.DataFrame:
    """Return how often each text stands in some rows; in a list, each entry."""
    if not column.is_list:
        counts = cells[column.name].alias(VALUE).value_counts(name=COUNT)
        return counts.with_columns(pl.col(COUNT).cast(pl.Int64))
    positions, runs = lists[column.name]
    rows = np.bincount(positions.to_numpy(), minlength=len(runs.lengths)).astype(np.int64)
    weights = np.repeat(rows, runs.lengths) * runs.counts
    weighted = pl.DataFrame({VALUE: runs.entries, COUNT: weights})
    return weighted.group_by(VALUE).agg(pl.col(COUNT).sum())


def _frequent(totals: ValueTotals, column: Column) -> Vocabulary:
    assert column.min_count is not None
    size = column.buckets - 1
    best = pl.DataFrame(schema={VALUE: pl.String, COUNT: pl.Int64})
    total = 0
    for part in totals.totals():
        total += int(part[COUNT].sum())
        candidates = pl.concat([best, part.filter(pl.col(COUNT) >= column.min_count)])
        best = candidates.sort(COUNT, VALUE, descending=[True, False]).head(size)
    return Vocabulary(best, total - int(best[COUNT].sum()))
