"""The distinct row numbers of a batch."""

import threading

import numpy as np
from numpy.typing import NDArray

_SLOTS_PER_ENTRY = 4
"""So many, at least, leave few numbers that want the same slot."""

SMALL_TABLE = 1 << 20
"""Rows up to which `DistinctRows` is the faster one; beyond, its scratch is too large to cache."""


class Distinct:
    """Finds distinct numbers without sorting; keeps a scratch of the size of a batch.

    Each thread has its own: an evaluation on the way makes its batches while those of the training
    are made ahead.
    """

    def __init__(self) -> None:
        self._scratch = threading.local()

    def __call__(self, numbers: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Return the distinct numbers, in the order of their last entries, and where each stands.

        Parameters
        ----------
        numbers
            int32 [E], not negative.

        Returns
        -------
        tuple of ndarray
            int32 [U] and int64 [E]: ``distinct[where]`` is `numbers`.
        """
        count = len(numbers)
        last_entry = self._last_entry(count)
        mask = np.int32(len(last_entry) - 1)
        entries = np.arange(count)
        # Of the numbers that want a slot, one gets it, with its last entry. Places are of type
        # intp all along: NumPy converts those of any other type each time.
        at = (numbers & mask).astype(np.intp)
        last_entry[at] = entries
        last = last_entry.take(at)
        left, shift = np.flatnonzero(numbers.take(last) != numbers), 1
        while len(left):  # the others try with other bits
            wanted = numbers[left]
            at = ((wanted >> shift) & mask).astype(np.intp)
            last_entry[at] = left
            last[left] = found = last_entry[at]
            left = left[numbers[found] != wanted]
            shift += 1
        chosen = np.flatnonzero(last == entries)
        places = np.empty(count, np.intp)
        places[chosen] = np.arange(len(chosen))
        return numbers.take(chosen), places.take(last)

    def _last_entry(self, entries: int) -> NDArray[np.intp]:
        slots = 1 << (_SLOTS_PER_ENTRY * entries).bit_length()
        kept: NDArray[np.intp] | None = getattr(self._scratch, "last_entry", None)
        if kept is None or slots > len(kept):
            kept = self._scratch.last_entry = np.empty(slots, np.intp)
        return kept


class DistinctRows:
    """Finds distinct rows of a small table in less time than `Distinct`.

    It keeps four bytes a row in each thread that calls it.

    Parameters
    ----------
    rows
        Rows of the table.
    """

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._scratch = threading.local()

    def __call__(self, numbers: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Return the distinct numbers and where each stands, as `Distinct`, but int32 both."""
        place: NDArray[np.int32] | None = getattr(self._scratch, "place", None)
        if place is None:
            place = self._scratch.place = np.empty(self._rows, np.int32)
        at = numbers.astype(np.intp)
        entries = np.arange(len(numbers), dtype=np.int32)
        place[at] = entries
        last = np.flatnonzero(place.take(at) == entries)
        place[at.take(last)] = entries[: len(last)]
        return numbers.take(last), place.take(at)
