"""Gives out the rows of a table of vectors."""

import numpy as np
from numpy.typing import NDArray

from smt_schemas import UserError

Int32s = NDArray[np.int32]


class RowAllocator:
    """Gives out rows in order; rows that were given back are given out again, lowest first.

    Parameters
    ----------
    first, stop
        The rows that keys may own.
    """

    def __init__(self, first: int, stop: int) -> None:
        self._first, self._stop = first, stop
        self._next = first
        self._free = np.empty(0, np.int32)

    @property
    def used(self) -> int:
        """Rows that are given out."""
        return self._next - self._first - len(self._free)

    def take(self, count: int) -> Int32s:
        """Return rows that nobody has, int32 [count].

        Raises
        ------
        UserError
            When the table is full.
        """
        again, self._free = self._free[:count], self._free[count:]
        first, self._next = self._next, self._next + count - len(again)
        if self._next > self._stop:
            msg = (
                f"The table of vectors is full at {self._stop - self._first:,} keys. "
                "Raise --ev-capacity, or admit fewer keys with --ev-filter."
            )
            raise UserError(msg)
        return np.concatenate([again, np.arange(first, self._next, dtype=np.int32)])

    def give_back(self, rows: Int32s) -> None:
        """Take rows back."""
        self._free = np.sort(np.concatenate([self._free, rows]))
