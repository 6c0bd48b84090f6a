"""A hash map from 64-bit keys to numbers, for many keys at a time."""

import numpy as np

from smt_model.ev.growing import extended
from smt_model.ev.slots import Int32s, Int64s, Slots

MAX_LOAD = 0.75
"""Share of the slots that may be taken before there are twice as many."""

_LEAST_BITS = 10
_MOVED_AT_A_TIME = 1 << 16


class KeyIndex:
    """Numbers keys 0, 1, 2 … in the order in which they are added.

    A key costs 8 bytes, and at most 11 for its slots. When those become too few, the keys
    move to twice as many slots some at a time, so that no call takes long.

    Parameters
    ----------
    keys
        Distinct keys to begin with, int64.
    """

    def __init__(self, keys: Int64s | None = None) -> None:
        self._keys = np.empty(1, np.int64)
        self._count = 0
        self._slots = Slots(_LEAST_BITS)
        # While keys move: the slots they come from, and which are still to move.
        self._former: Slots | None = None
        self._to_move = range(0)
        if keys is not None:
            self.add(keys)

    def __len__(self) -> int:
        """Return how many keys there are."""
        return self._count

    @property
    def keys(self) -> Int64s:
        """The keys, by number."""
        return self._keys[: self._count]

    def find(self, keys: Int64s) -> Int32s:
        """Return the number of each key, int32; -1 where it is unknown."""
        found = self._slots.find(keys, self._keys)
        if self._former is not None:
            missing = np.flatnonzero(found < 0)
            found[missing] = self._former.find(keys[missing], self._keys)
        return found

    def add(self, keys: Int64s) -> None:
        """Give numbers to distinct keys that are unknown so far."""
        first, self._count = self._count, self._count + len(keys)
        self._keys = extended(self._keys, self._count)
        self._keys[first : self._count] = keys
        if self._count > MAX_LOAD * len(self._slots):
            self._enlarge(first)
        self._slots.place(np.arange(first, self._count), self._keys)
        if self._former is not None:
            self._move(_MOVED_AT_A_TIME)

    def _enlarge(self, placed: int) -> None:
        self._move(placed)
        bits = _LEAST_BITS
        while self._count > MAX_LOAD * (1 << bits):
            bits += 1
        self._former, self._to_move = self._slots, range(placed)
        self._slots = Slots(bits)

    def _move(self, keys: int) -> None:
        moving, self._to_move = self._to_move[:keys], self._to_move[keys:]
        self._slots.place(np.arange(moving.start, moving.stop), self._keys)
        if not self._to_move:
            self._former = None
