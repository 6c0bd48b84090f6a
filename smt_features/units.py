"""Divides the raw files into units of work, which parts of a prepare run share."""

from dataclasses import dataclass

from smt_features.blocks import BLOCK_BYTES
from smt_features.sources import Source


@dataclass(frozen=True)
class Unit:
    """Blocks ``first`` to ``end`` of a source; without an end, to the end of the file."""

    source: Source
    first: int = 0
    end: int | None = None


def divide(sources: list[Source], parts: int) -> list[list[Unit]]:
    """Return the units of each part: consecutive, and of about equally many bytes.

    Plain CSV files are cut between blocks. A compressed or Parquet file is read as a whole, by
    the part that its first byte falls to.
    """
    total = sum(source.size for source in sources)
    shares: list[list[Unit]] = [[] for _ in range(parts)]
    before = 0
    for source in sources:
        size = source.size
        blocks = max(-(-size // BLOCK_BYTES), 1) if source.kind == "csv" else 1
        starts = [before + block * BLOCK_BYTES for block in range(blocks)]
        # An empty file at the end begins where nothing is left to share.
        owners = [min(start * parts // max(total, 1), parts - 1) for start in starts]
        before += size
        for part in sorted(set(owners)):
            first = owners.index(part)
            end = first + owners.count(part)
            shares[part].append(Unit(source, first, end if end < blocks else None))
    return shares
