"""One training step, and several of them in one call."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from smt_model.batching import FusedBatch
from smt_model.model import MultiTaskModel
from smt_model.optimizer import Optimizer

UNROLL = 5
"""Steps in one call of the graph; more did not pay."""


class TrainStep:
    """Forward, backward and update.

    Parameters
    ----------
    model, optimizer
        What is trained, and how.
    l2
        Factor of ``½ Σ kernel²`` in the loss.
    """

    def __init__(self, model: MultiTaskModel, optimizer: Optimizer, l2: float = 0.0) -> None:
        self._model = model
        self._optimizer = optimizer
        self._l2 = l2
        spec = model.signature
        self._one = tf.function(lambda batch: self._steps((batch,)), [spec], autograph=False)
        self._many = tf.function(
            lambda *batches: self._steps(batches), [spec] * UNROLL, autograph=False
        )

    def __call__(self, batches: Sequence[FusedBatch]) -> NDArray[np.float32]:
        """Train on the batches in turn.

        Returns
        -------
        ndarray
            float32 [steps, 1 + tasks]: the loss of each step before its update, and its
            cross-entropy by task.
        """
        if len(batches) == UNROLL:
            losses = self._many(*batches).numpy()
        else:
            losses = np.concatenate([self._one(batch).numpy() for batch in batches])
        return losses  # type: ignore[no-any-return]

    @property
    def traces(self) -> int:
        """How often a graph was built."""
        return sum(f.experimental_get_tracing_count() for f in (self._one, self._many))

    def _steps(self, batches: Sequence[FusedBatch]) -> tf.Tensor:
        return tf.stack([self._step(batch) for batch in batches])

    def _step(self, batch: FusedBatch) -> tf.Tensor:
        model = self._model
        model.begin(batch)
        rows = model.read(batch)
        vectors = [found for found, *_ in rows]
        dense = model.dense_variables
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(vectors)
            tape.watch(dense)
            by_task = cross_entropy(model.logits(vectors, batch), batch.labels)
            loss = tf.reduce_mean(by_task)
            if self._l2:
                loss += self._l2 * tf.add_n([tf.nn.l2_loss(kernel) for kernel in model.kernels])
        sparse_gradients, dense_gradients = tape.gradient(loss, [vectors, dense])
        self._optimizer.advance()
        for variable, gradient in zip(dense, dense_gradients, strict=True):
            self._optimizer.apply(variable, gradient)
        for table, part, (values, *slots), gradient in zip(
            model.tables, batch.tables, rows, sparse_gradients, strict=True
        ):
            table.write(part, self._optimizer.update(values, slots, gradient))
        return tf.concat([[loss], by_task], axis=0)


def cross_entropy(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """Return the mean sigmoid cross-entropy of each task, float32 [tasks]."""
    return tf.reduce_mean(
        tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits), axis=0
    )
