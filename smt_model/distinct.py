"""The distinct row numbers of a batch."""

import numpy as np
from numpy.typing import NDArray

_SLOTS_PER_ENTRY = 4
"""So many, at least, leave few numbers that want the same slot."""


class Distinct:
    """Finds distinct numbers without sorting; keeps a scratch of the size of a batch."""

    def __init__(self) -> None:
        self._last_entry = np.empty(1, np.int32)

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
        slots = 1 << (_SLOTS_PER_ENTRY * len(numbers)).bit_length()
        if slots > len(self._last_entry):
            self._last_entry = np.empty(slots, np.int32)
        mask = np.int32(len(self._last_entry) - 1)
        entries = np.arange(len(numbers), dtype=np.int32)
        last, left, shift = np.empty_like(entries), entries, 0
        while len(left):
            # Of the numbers that want a slot, one gets it, with its last entry; the others try
            # with other bits.
            at = (numbers[left] >> shift) & mask
            self._last_entry[at] = left
            last[left] = found = self._last_entry[at]
            left = left[numbers[found] != numbers[left]]
            shift += 1
        chosen = last == entries
        return numbers[chosen], (np.cumsum(chosen) - 1)[last]
