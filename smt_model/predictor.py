"""Probabilities of encoded rows."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from smt_features import Batch
from smt_features.batch import cut, rows_of
from smt_model.metrics import sigmoid
from smt_model.model import MultiTaskModel

BATCH = 4096
"""Rows that the model takes at once."""


class Predictor:
    """Predicts with a model; labels are not needed, and are ignored where there are some."""

    def __init__(self, model: MultiTaskModel) -> None:
        self._model = model
        self._logits = tf.function(model.predict, [model.signature], autograph=False)

    def __call__(self, batch: Batch) -> NDArray[np.float32]:
        """Return each task's probability, float32 [rows, tasks], for any number of rows."""
        pieces = [np.empty((0, len(self._model.towers)), np.float32)]
        for start, stop in pairwise(_cuts(rows_of(batch))):
            unlabelled = dict.fromkeys(
                self._model.schema.tasks.values(), np.zeros(stop - start, np.int8)
            )
            fused = self._model.fuser({**cut(batch, start, stop), **unlabelled})
            pieces.append(sigmoid(self._logits(fused).numpy()).astype(np.float32))
        return np.concatenate(pieces)


def _cuts(rows: int) -> Iterator[int]:
    yield from range(0, rows, BATCH)
    yield rows
