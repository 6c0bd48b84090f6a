"""The slots of a hash map: open addressing, for many keys at a time."""

import numpy as np
from numpy.typing import NDArray

from smt_model.ev.growing import zeros

Int32s = NDArray[np.int32]
Int64s = NDArray[np.int64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
"""2⁶⁴ over the golden ratio: Fibonacci hashing (Knuth, TAOCP volume 3, section 6.4)."""


class Slots:
    """Where the number of each key stands. The keys themselves are kept by the caller.

    A slot is an int32: the key's number plus one, or 0 while it is free, so that slots no key
    ever came to cost no memory.

    Parameters
    ----------
    bits
        There are ``2 ** bits`` slots.
    """

    def __init__(self, bits: int) -> None:
        self._numbers = zeros(1 << bits, np.int32)
        self._shift = np.uint64(64 - bits)

    def __len__(self) -> int:
        """Return how many slots there are."""
        return len(self._numbers)

    def find(self, wanted: Int64s, keys: Int64s) -> Int32s:
        """Return the number of each wanted key, -1 where there is none; ``keys`` by number."""
        found = np.full(len(wanted), -1, np.int32)
        searching, at = np.arange(len(wanted)), self._first(wanted)
        distance = 0
        while len(searching):
            numbers = self._numbers[at] - 1
            taken = numbers >= 0
            is_wanted = keys[numbers] == wanted[searching]
            hit = taken & is_wanted
            found[searching[hit]] = numbers[hit]
            on = taken & ~is_wanted
            distance += 1
            searching, at = searching[on], self._next(at[on], distance)
        return found

    def place(self, numbers: Int64s, keys: Int64s) -> None:
        """Place the numbers of distinct keys that have no slot yet; ``keys`` by number."""
        at = self._first(keys[numbers])
        distance = 0
        while len(numbers):
            free = self._numbers[at] == 0
            self._numbers[at[free]] = numbers[free] + 1  # one of those that want the same slot
            lost = self._numbers[at] != numbers + 1
            distance += 1
            numbers, at = numbers[lost], self._next(at[lost], distance)

    def _first(self, keys: Int64s) -> Int64s:
        spread = (keys.view(np.uint64) * _GOLDEN) >> self._shift
        return spread.view(np.int64)

    def _next(self, at: Int64s, distance: int) -> Int64s:
        # Triangular numbers: with a power of two they come to every slot, and keys that began
        # side by side part.
        return (at + distance) & (len(self._numbers) - 1)
