"""A uniform sample of rows that does not depend on the order in which they come."""

import numpy as np
import polars as pl
import pyarrow as pa

from smt_features.statistics.waiting import detached
from smt_features.string_views import Int64s

SAMPLE_ROWS = 1 << 13
"""Rows of a sample; a share p of it has a standard error of sqrt(p(1 - p) / 8,192)."""

PLACE = "__place"
"""Column that holds a row's random number, int64."""


NO_LIMIT = 1 << 63
"""Limit that all rows are below."""


def rows_below(cells: pl.DataFrame, places: Int64s, limit: int) -> pa.Table:
    """Return the rows whose random number is below a limit, with it in ``PLACE``.

    Of more than a sample has, those with the smallest numbers.
    """
    is_below = places < limit
    if np.count_nonzero(is_below) > SAMPLE_ROWS:
        is_below = places < np.partition(places, SAMPLE_ROWS)[SAMPLE_ROWS]
    rows = cells.filter(pl.Series(is_below))
    return detached(rows.with_columns(pl.Series(PLACE, places[is_below])))


class RowSample:
    """The rows with the smallest random numbers among all that were added.

    The numbers belong to the rows, so the samples of parts give the sample of the whole.

    Attributes
    ----------
    limit
        Rows whose number is not below it need not be added any more. It only falls, so a
        thread may look at it while another adds rows.
    """

    def __init__(self) -> None:
        self.limit = NO_LIMIT
        self._tables: list[pa.Table] = []
        self._rows = 0
        self._is_settled = False

    def add(self, rows: pa.Table) -> None:
        """Add rows that have their random numbers in ``PLACE``."""
        self._tables.append(rows)
        self._rows += rows.num_rows
        self._is_settled = False
        if self._rows > 4 * SAMPLE_ROWS:
            self._shrink()

    def frame(self) -> pl.DataFrame:
        """Return the sample, sorted by ``PLACE``."""
        if self._tables:
            self.settle()
            return pl.DataFrame(self._tables[0])
        return pl.DataFrame(schema={PLACE: pl.Int64})

    def settle(self) -> None:
        """Draw the sample, so that threads may ask for it."""
        if self._tables and not self._is_settled:
            self._shrink()

    def _shrink(self) -> None:
        rows = pl.DataFrame(pa.concat_tables(self._tables)).sort(PLACE).head(SAMPLE_ROWS)
        self._tables = [detached(rows)]
        self._rows = rows.height
        self._is_settled = True
        if rows.height == SAMPLE_ROWS:
            self.limit = rows[PLACE][-1]
