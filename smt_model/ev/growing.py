"""Arrays that grow by doubling."""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Scalar = TypeVar("Scalar", bound=np.generic)


def extended(array: NDArray[Scalar], length: int) -> NDArray[Scalar]:
    """Return an array of at least ``length``, twice as long as before when it was too short.

    What lies behind the old values is undefined, and costs memory only once it is written.
    """
    if length <= len(array):
        return array
    longer = np.empty(max(length, 2 * len(array)), array.dtype)
    longer[: len(array)] = array
    return longer
