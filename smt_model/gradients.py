"""Gradients of the towers, of a batch at once or in micro-batches; and their clipping."""

from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf

from smt_model.loss import Loss, cross_entropy
from smt_model.model import MultiTaskModel


class TowerGradients(NamedTuple):
    """Cross-entropies float32 [tasks]; gradients of the inputs and of the dense variables."""

    by_task: tf.Tensor
    inputs: tf.Tensor
    dense: list[tf.Tensor]


def tower_gradients(
    model: MultiTaskModel,
    loss: Loss,
    inputs: tf.Tensor,
    labels: tf.Tensor,
    micro_batches: int,
    rows: float | None = None,
) -> TowerGradients:
    """Return the gradients of `Loss.weighted`.

    Parameters
    ----------
    model, loss
        Whose towers, and of what.
    inputs, labels
        float32 [B, width], the pooled embeddings, and [B, tasks].
    micro_batches
        Into how many parts of about equal size to cut the batch. They are worked on one after
        the other and their gradients added up, so that only the activations of one are in
        memory: the sums are those of the whole batch, but for rounding.
    rows
        What the sums are divided by; None for the rows of the batch, which gives means.
    """
    divisor = tf.cast(tf.shape(labels)[0], tf.float32) if rows is None else tf.constant(rows)
    if micro_batches == 1:
        return _part(model, loss, inputs, labels, divisor)
    return _accumulated(model, loss, inputs, labels, micro_batches, divisor)


def clip(gradients: Sequence[tf.Tensor], norm: float) -> list[tf.Tensor]:
    """Scale all gradients by one factor, so that their common L2 norm is at most `norm`.

    Those of embeddings are of distinct rows, so the norm is that of the whole gradient.
    Pascanu, Mikolov and Bengio 2013, algorithm 1.
    """
    return tf.clip_by_global_norm(gradients, norm)[0]  # type: ignore[no-any-return]


def _part(
    model: MultiTaskModel, loss: Loss, inputs: tf.Tensor, labels: tf.Tensor, rows: tf.Tensor
) -> TowerGradients:
    dense = model.dense_variables
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch([inputs, *dense])
        by_task = cross_entropy(model.tower_logits(inputs), labels, rows)
        total = loss.weighted(by_task)
    of_inputs, *of_dense = tape.gradient(total, [inputs, *dense])
    return TowerGradients(by_task, of_inputs, of_dense)


def _accumulated(
    model: MultiTaskModel,
    loss: Loss,
    inputs: tf.Tensor,
    labels: tf.Tensor,
    parts: int,
    rows: tf.Tensor,
) -> TowerGradients:
    size = tf.shape(labels)[0]
    width = inputs.shape[1]

    def goes_on(part: tf.Tensor, *_: tf.Tensor) -> tf.Tensor:
        return part < parts

    def add(
        part: tf.Tensor, by_task: tf.Tensor, of_inputs: tf.TensorArray, dense: list[tf.Tensor]
    ) -> tuple[tf.Tensor, tf.Tensor, tf.TensorArray, list[tf.Tensor]]:
        cut = slice(part * size // parts, (part + 1) * size // parts)
        found = _part(model, loss, inputs[cut], labels[cut], rows)
        sums = [total + more for total, more in zip(dense, found.dense, strict=True)]
        return part + 1, by_task + found.by_task, of_inputs.write(part, found.inputs), sums

    start = (
        tf.constant(0),
        tf.zeros(labels.shape[1]),
        tf.TensorArray(tf.float32, parts, infer_shape=False, element_shape=[None, width]),
        [tf.zeros(variable.shape) for variable in model.dense_variables],
    )
    _, by_task, of_inputs, dense = tf.while_loop(goes_on, add, start, parallel_iterations=1)
    return TowerGradients(by_task, of_inputs.concat(), dense)
