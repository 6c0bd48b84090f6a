"""The predictions for a split, with what they are measured against."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Predictions(NamedTuple):
    """The predictions for a split.

    Attributes
    ----------
    labels
        Task name to int8 [N], in the order of the columns of `logits`.
    logits
        float32 [N, tasks].
    users
        The user of each row, int32 [N]; None when the schema has no user column.
    """

    labels: dict[str, NDArray[np.int8]]
    logits: NDArray[np.float32]
    users: NDArray[np.int32] | None
