"""Gives out the rows of a table of vectors."""

import numpy as np
from numpy.typing import NDArray

from smt_schemas import UserError

Int32s = NDArray[np.int32]


class RowAllocator:
    """Gives out rows from 0 on; rows that were given back are given out again, lowest first.

    Parameters
    ----------
    capacity
        Rows of the table.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._next = 0
        self._free = np.empty(0, np.int32)

    @property
    def used(self) -> int:
        """Rows that are given out."""
        return self._next - len(self._free)

    def take(self, count: int) -> Int32s:
        """Return rows that nobody has, int32 [count].

        Raises
        ------
        UserError
            When the table is full.
        """
        again, self._free = self._free[:count], self._free[count:]
        first, self._next = self._next, self._next + count - len(again)
        if self._next > self._capacity:
            msg = (
                f"The table of vectors is full at {self._capacity:,} keys. Raise --ev-capacity, "
                "or admit fewer keys with --ev-filter."
            )
            raise UserError(msg)
        return np.concatenate([again, np.arange(first, self._next, dtype=np.int32)])

    def give_back(self, rows: Int32s) -> None:
        """Take rows back."""
        self._free = np.sort(np.concatenate([self._free, rows]))
