"""What training minimises."""

from collections.abc import Sequence
from dataclasses import dataclass

import tensorflow as tf


@dataclass(frozen=True)
class Loss:
    """``Σ weight · cross-entropy / tasks + l2 · ½ Σ kernel²``.

    Attributes
    ----------
    weights
        A factor for each task; without them the first term is the mean over the tasks.
    l2
        Factor of the second term.
    """

    weights: tuple[float, ...] | None = None
    l2: float = 0.0

    def weighted(self, by_task: tf.Tensor) -> tf.Tensor:
        """Return the first term, given each task's cross-entropy, float32 [tasks]."""
        weights = tf.constant(self.weights or (1.0,))
        return tf.reduce_mean(by_task * weights)

    def penalty(self, kernels: Sequence[tf.Variable]) -> tf.Tensor:
        """Return the second term. Its gradient is ``l2 · kernel``."""
        return self.l2 * tf.add_n([tf.nn.l2_loss(kernel) for kernel in kernels])


def cross_entropy(logits: tf.Tensor, labels: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
    """Return each task's sigmoid cross-entropy, summed over the given rows, divided by `rows`.

    Parameters
    ----------
    logits, labels
        float32 [B, tasks].
    rows
        float32, rows of the whole batch: B, or more when it is cut into micro-batches.

    Returns
    -------
    tensor
        float32 [tasks].
    """
    losses = tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits)
    return tf.reduce_sum(losses, axis=0) / rows
