"""Counts the values of raw files."""

from collections.abc import Callable
from pathlib import Path

from smt_features.parallel import ordered_map
from smt_features.pipeline import block_reads, good_rows, tally_block
from smt_features.reading import Progress
from smt_features.rowblock import RowBlock
from smt_features.sources import find_sources
from smt_features.statistics.builder import StatisticsBuilder
from smt_features.statistics.tally import Tally
from smt_features.units import Unit
from smt_schemas import DatasetSchema, UserError


def count_raw_files(
    path: Path, schema: DatasetSchema, progress: Progress
) -> tuple[StatisticsBuilder, int]:
    """Return the counts of the raw files in a folder, and the number of bad rows left out.

    Raises
    ------
    UserError
        When the files cannot be read, or no row of them is good.
    """
    sources = find_sources(path, schema)
    total = sum(source.size for source in sources)
    builder = StatisticsBuilder(schema)
    rejected = 0
    done: dict[str, int] = {}

    def count(read: Callable[[], RowBlock]) -> tuple[RowBlock, Tally]:
        block = read()
        return block, tally_block(block, *good_rows(block, schema), schema, builder)

    reads = (read for source in sources for read in block_reads(Unit(source), schema))
    for block, counted in ordered_map(count, reads):
        builder.add_tally(block.source.split, counted)
        rejected += block.cells.height - counted.rows
        done[block.source.name] = block.position
        progress("read", sum(done.values()), total)
    if not builder.splits:
        msg = (
            f"All {rejected:,} rows of {path} break the rules of schema {schema.name!r}. Are these "
            "the right files for it? `smt prepare` names the rules."
        )
        raise UserError(msg)
    return builder, rejected
