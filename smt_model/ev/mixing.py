"""Pseudo-random bits of a key."""

import numpy as np
from numpy.typing import NDArray

_GAMMA = 0x9E3779B97F4A7C15
_WORD = (1 << 64) - 1


def mixed(keys: NDArray[np.int64], stream: int) -> NDArray[np.uint64]:
    """Return 64 bits for each key, uint64, another sequence for each stream.

    The finaliser of SplitMix64 (Steele, Lea and Flood, 2014; public domain code by Vigna).
    """
    bits = keys.view(np.uint64) + np.uint64(stream * _GAMMA & _WORD)
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))
