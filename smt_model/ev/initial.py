"""The first vector of a key: a function of seed, feature and key, not of when it arrives."""

import hashlib
from functools import cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from smt_model.ev.mixing import mixed

_LEVELS = 1 << 16


def first_vectors(keys: NDArray[np.int64], dim: int, stream: int) -> NDArray[np.float32]:
    """Return the first vectors of keys, float32 [keys, dim].

    Normal with deviation 1/√dim, cut at twice that, as the vectors of a static table: 16 bits
    of the key's pseudo-random bits pick one of 65,536 quantiles.

    Parameters
    ----------
    stream
        A number for the seed and the feature.
    """
    bits = mixed(keys, stream, -(-dim // 4)).view(np.uint16)
    return _quantiles()[bits[:, :dim]] * np.float32(dim**-0.5)


@cache
def _quantiles() -> NDArray[np.float32]:
    normal = NormalDist()
    low, high = normal.cdf(-2), normal.cdf(2)
    levels = (np.arange(_LEVELS) + 0.5) / _LEVELS * (high - low) + low
    return np.array([normal.inv_cdf(level) for level in levels.tolist()], np.float32)


def stream_of(feature: str, seed: int) -> int:
    """Return the stream of a feature; streams of other features and seeds are far away."""
    digest = hashlib.sha256(f"{seed} {feature}".encode()).digest()
    return int.from_bytes(digest[:8], "little")
