"""The gradients of a batch, and the update that they make."""

from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf

from smt_model.batching import FusedBatch, TableBatch
from smt_model.gradients import clip, tower_gradients
from smt_model.loss import Loss
from smt_model.model import MultiTaskModel
from smt_model.optimizer import Optimizer


class BatchGradients(NamedTuple):
    """Cross-entropies float32 [tasks]; gradients of each table's vectors, of dense variables."""

    by_task: tf.Tensor
    sparse: list[tf.Tensor]
    dense: list[tf.Tensor]


def batch_gradients(
    model: MultiTaskModel,
    loss: Loss,
    vectors: list[tf.Tensor],
    batch: FusedBatch,
    micro_batches: int,
    rows: float | None = None,
) -> BatchGradients:
    """Return the gradients of `Loss.weighted`.

    Parameters
    ----------
    model, loss, micro_batches, rows
        As for `tower_gradients`.
    vectors, batch
        The vectors of the batch's rows of each table, and the batch.
    """
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(vectors)
        inputs = model.inputs(vectors, batch)
    by_task, back, dense = tower_gradients(model, loss, inputs, batch.labels, micro_batches, rows)
    return BatchGradients(by_task, tape.gradient(inputs, vectors, back), dense)


def add_penalty(model: MultiTaskModel, loss: Loss, found: BatchGradients) -> tf.Tensor:
    """Return the whole loss; add the gradients of its penalty to those found."""
    total = loss.weighted(found.by_task)
    if loss.l2:
        total += loss.penalty(model.kernels)
        for position, kernel in enumerate(model.kernels):  # they are the first of `dense`
            found.dense[position] += loss.l2 * kernel
    return total


def update(
    model: MultiTaskModel,
    optimizer: Optimizer,
    parts: Sequence[TableBatch],
    rows: list[list[tf.Tensor]],
    found: BatchGradients,
    clip_norm: float,
) -> None:
    """Update all that gradients were found of.

    Parameters
    ----------
    model, optimizer
        What is updated, and how.
    parts, rows
        The distinct rows of each table, and their vectors and slots (`MultiTaskModel.read`).
    found
        The gradients.
    clip_norm
        Bound of their common L2 norm; 0 for none.
    """
    _, sparse, dense = found
    if clip_norm:
        clipped = clip([*sparse, *dense], clip_norm)
        sparse, dense = clipped[: len(sparse)], clipped[len(sparse) :]
    rate = optimizer.advance()
    for variable, gradient in zip(model.dense_variables, dense, strict=True):
        optimizer.apply(variable, gradient, rate)
    for table, part, (values, *slots), gradient in zip(
        model.tables, parts, rows, sparse, strict=True
    ):
        table.write(part, optimizer.update(table, values, slots, gradient, rate))
