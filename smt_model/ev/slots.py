"""The slots of a hash map: open addressing, for many keys at a time."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from smt_model.ev.growing import zeros

Int32s = NDArray[np.int32]
Int64s = NDArray[np.int64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
"""2⁶⁴ over the golden ratio: Fibonacci hashing (Knuth, TAOCP volume 3, section 6.4)."""

_AT_A_TIME, _FEW = 8, 1 << 9
"""Slots that are looked at together for each key that is searched, once there are so few: an
operation on as many numbers takes little longer than its call."""

_LAST = 1 << 7
"""So many keys, the last of those to be placed, are placed one by one."""


class Slots:
    """Where the number of each key stands. The keys themselves are kept by the caller.

    A slot is an int32: the key's number plus one, or 0 while it is free, so that slots no key
    ever came to cost no memory. Where a key's first slot is taken it tries those behind it at the
    triangular numbers 1, 3, 6 …: with a power of two it comes to every slot, and keys that began
    side by side part.

    Parameters
    ----------
    bits
        There are ``2 ** bits`` slots.
    """

    def __init__(self, bits: int) -> None:
        self._numbers = zeros(1 << bits, np.int32)
        self._mask = (1 << bits) - 1
        self._shift = np.uint64(64 - bits)

    def __len__(self) -> int:
        """Return how many slots there are."""
        return len(self._numbers)

    def find(self, wanted: Int64s, keys: Int64s) -> Int32s:
        """Return the number of each wanted key, -1 where there is none; ``keys`` by number."""
        first = self._first(wanted)
        found = self._numbers.take(first) - 1
        # A free slot gives -1, which is taken for the last of the keys: it stays in either case.
        is_other = keys.take(found) != wanted
        if not is_other.any():
            return found
        searching, distance = np.flatnonzero(is_other & (found >= 0)), 0
        found[is_other] = -1
        while len(searching):
            further = _AT_A_TIME if len(searching) <= _FEW else 1
            at = first.take(searching) + _distances(distance, further)
            numbers = self._numbers.take(at & self._mask) - 1
            is_wanted = keys.take(numbers) == wanted.take(searching)
            found[searching] = hit = np.where(is_wanted, numbers, -1).max(axis=0)
            searching = searching[(hit < 0) & (numbers.min(axis=0) >= 0)]
            distance += further
        return found

    def place(self, numbers: Int64s, keys: Int64s) -> None:
        """Place the numbers of distinct keys that have no slot yet; ``keys`` by number."""
        at, distance = self._first(keys[numbers]), 0
        while len(numbers) > _LAST:
            free = self._numbers[at] == 0
            self._numbers[at[free]] = numbers[free] + 1  # one of those that want the same slot
            lost = self._numbers[at] != numbers + 1
            distance += 1
            numbers, at = numbers[lost], (at[lost] + distance) & self._mask
        # A few want taken slots again and again: a loop of Python is through with them sooner.
        taken = self._numbers.data
        for number, first in zip(numbers.tolist(), at.tolist(), strict=True):
            slot, tried = first, distance
            while taken[slot]:
                tried += 1
                slot = (slot + tried) & self._mask
            taken[slot] = number + 1

    def _first(self, keys: Int64s) -> Int64s:
        spread = (keys.view(np.uint64) * _GOLDEN) >> self._shift
        return spread.view(np.int64)


@lru_cache(maxsize=64)
def _distances(tried: int, slots: int) -> Int64s:
    """Return how far the next slots are from a key's first one, int64 [slots, 1]."""
    steps = np.arange(tried + 1, tried + slots + 1)[:, np.newaxis]
    distances = steps * (steps + 1) // 2
    distances.setflags(write=False)
    return distances
