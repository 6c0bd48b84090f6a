"""A uniform sample of rows that does not depend on the order in which they come."""

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from smt_features.parquet import OLDEST

SAMPLE_ROWS = 1 << 14
"""Rows of a sample; a share p of it has a standard error of sqrt(p(1 - p) / 16,384)."""

PLACE = "__place"
"""Column that holds a row's random number, int64."""


class RowSample:
    """The rows with the smallest random numbers among all that were added.

    The numbers belong to the rows, so the samples of parts give the sample of the whole.
    """

    def __init__(self) -> None:
        self._tables: list[pa.Table] = []
        self._rows = 0
        self._limit = np.iinfo(np.int64).max

    def add(self, cells: pl.DataFrame, places: npt.NDArray[np.uint64]) -> None:
        """Add rows with their random numbers."""
        numbers = (places >> np.uint64(1)).astype(np.int64)
        self.add_frame(cells.with_columns(pl.Series(PLACE, numbers)))

    def add_frame(self, rows: pl.DataFrame) -> None:
        """Add rows that have their random numbers in ``PLACE``."""
        chosen = rows.filter(pl.col(PLACE) < self._limit)
        # A copy: a view of strings would keep the whole block in memory.
        self._tables.append(chosen.to_arrow(compat_level=OLDEST))
        self._rows += chosen.height
        if self._rows > 2 * SAMPLE_ROWS:
            self._shrink()

    def frame(self) -> pl.DataFrame:
        """Return the sample, sorted by ``PLACE``."""
        if self._tables:
            self._shrink()
            return pl.DataFrame(self._tables[0])
        return pl.DataFrame(schema={PLACE: pl.Int64})

    def _shrink(self) -> None:
        rows = pl.DataFrame(pa.concat_tables(self._tables)).sort(PLACE).head(SAMPLE_ROWS)
        self._tables = [rows.to_arrow(compat_level=OLDEST)]
        self._rows = rows.height
        if rows.height == SAMPLE_ROWS:
            self._limit = rows[PLACE][-1]
