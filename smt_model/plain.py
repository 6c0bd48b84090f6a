"""The plain reference path of ``--tf``: what the fast path must equal."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from smt_model.batching import FusedBatch, TableBatch
from smt_model.embedding import EmbeddingTable
from smt_model.loss import Loss, cross_entropy
from smt_model.model import MultiTaskModel
from smt_model.optimizer import Optimizer


class PlainStep:
    """A step as TensorFlow's guides write it: one tape over everything, one step a call.

    Every entry of a batch is looked up by itself and summed by segment, the tape gives
    ``tf.IndexedSlices``, and a variable and its slots are gathered and scattered each by itself.

    Parameters
    ----------
    model
        With a table for each feature, and no slots in them.
    optimizer
        Whose slots were built for the tables' variables, too.
    loss
        To what end.
    """

    def __init__(self, model: MultiTaskModel, optimizer: Optimizer, loss: Loss) -> None:
        self._model = model
        self._optimizer = optimizer
        self._loss = loss
        self._one = tf.function(self._step, [model.signature], autograph=False)

    def __call__(self, batches: Sequence[FusedBatch]) -> NDArray[np.float32]:
        """Train on the batches in turn; see `TrainStep`."""
        return np.stack([self._one(batch).numpy() for batch in batches])

    def _step(self, batch: FusedBatch) -> tf.Tensor:
        model, optimizer = self._model, self._optimizer
        variables = [table.packed for table in model.tables]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([*variables, *model.dense_variables])
            examples = tf.shape(batch.labels)[0]
            pooled = [
                _lookup(variable, part, examples)
                for variable, part in zip(variables, batch.tables, strict=True)
            ]
            logits = model.tower_logits(tf.concat([*pooled, *batch.numerics], axis=1))
            by_task = cross_entropy(logits, batch.labels, tf.cast(examples, tf.float32))
            total = self._loss.weighted(by_task) + self._loss.penalty(model.kernels)
        sparse, dense = tape.gradient(total, [variables, model.dense_variables])
        rate = optimizer.advance()
        for variable, gradient in zip(model.dense_variables, dense, strict=True):
            optimizer.apply(variable, gradient, rate)
        for table, gradient in zip(model.tables, sparse, strict=True):
            _update(optimizer, table, gradient, rate)
        return tf.concat([[total], by_task], axis=0)


def _lookup(variable: tf.Variable, part: TableBatch, examples: tf.Tensor) -> tf.Tensor:
    """Return the mean vector of each example, float32 [examples, dim]."""
    entries, positions = tf.unstack(part.positions, axis=1)
    vectors = tf.nn.embedding_lookup(variable, tf.gather(part.rows, positions))
    weighted = vectors * part.weights[:, tf.newaxis]
    return tf.math.unsorted_segment_sum(weighted, entries, examples)


def _update(
    optimizer: Optimizer, table: EmbeddingTable, gradient: tf.IndexedSlices, rate: tf.Tensor
) -> None:
    kept = [table.packed, *(slots[table.packed.ref()] for slots in optimizer.slots.values())]
    rows, index = tf.unique(gradient.indices)
    summed = tf.math.unsorted_segment_sum(gradient.values, index, tf.size(rows))
    values, *slots = [variable.sparse_read(rows) for variable in kept]
    for variable, new in zip(
        kept, optimizer.update(table, values, slots, summed, rate), strict=True
    ):
        variable.scatter_update(tf.IndexedSlices(new, rows))
