"""Small tables that wait to be counted together: a call costs as much as thousands of rows."""

import polars as pl
import pyarrow as pa

from smt_features.parquet import OLDEST

ENOUGH_ROWS = 1 << 16
"""Rows that are worth a call for each column."""


class Waiting:
    """Rows of blocks that are to be counted."""

    def __init__(self) -> None:
        self._tables: list[pa.Table] = []
        self._rows = 0

    @property
    def is_enough(self) -> bool:
        """Whether the rows should be counted now."""
        return self._rows >= ENOUGH_ROWS

    def add(self, rows: pa.Table) -> None:
        """Let rows wait; they should be a copy, see `detached`."""
        self._tables.append(rows)
        self._rows += rows.num_rows

    def take(self) -> pl.DataFrame | None:
        """Return the rows that waited, or None if there are none."""
        tables, self._tables, self._rows = self._tables, [], 0
        return pl.DataFrame(pa.concat_tables(tables)) if tables else None


def detached(rows: pl.DataFrame) -> pa.Table:
    """Return a copy of rows: a view of strings would keep the whole block in memory."""
    return rows.to_arrow(compat_level=OLDEST)
