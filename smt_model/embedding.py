"""Embedding tables shared by several features."""

from collections.abc import Mapping, Sequence

import tensorflow as tf

from smt_model.batching import TableBatch
from smt_model.initial import truncated_normal
from smt_model.layout import EvLayout, TableLayout


class VectorTable(tf.Module):
    """The vectors of features of one width, and beside each its optimizer slots.

    A row is ``[vector | slot | slot …]``: one gather brings all that a step reads of it and
    one scatter writes it back, so that a row costs its cache misses once. (A table for each
    slot, with TensorFlow's sparse Adagrad kernel, takes three times as long.)

    Parameters
    ----------
    layout
        Features and rows.
    packed
        What the rows begin with.
    slots
        Number of slots.
    """

    def __init__(self, layout: TableLayout | EvLayout, packed: tf.Tensor, slots: int) -> None:
        super().__init__(name="embedding")
        self.layout = layout
        self._blocks = 1 + slots
        self.packed = tf.Variable(packed, trainable=False, name="packed")

    def read(self, batch: TableBatch) -> list[tf.Tensor]:
        """Return the vectors of a batch's rows and their slots, float32 [U, dim] each."""
        # Never a read of the whole variable: once rows were updated, that copies the table.
        return tf.split(self.packed.sparse_read(batch.rows), self._blocks, axis=1)  # type: ignore[no-any-return]

    def write(self, rows: tf.Tensor, blocks: Sequence[tf.Tensor]) -> None:
        """Replace the vectors of distinct rows and their slots."""
        tf.raw_ops.ResourceScatterUpdate(
            resource=self.packed.handle, indices=rows, updates=tf.concat(blocks, axis=1)
        )

    def pool(self, vectors: tf.Tensor, batch: TableBatch, examples: tf.Tensor) -> tf.Tensor:
        """Return the weighted means side by side, float32 [examples, features · dim].

        A list without entries gives zeros.
        """
        features = len(self.layout.features)
        shape = tf.stack([examples * features, tf.shape(vectors, out_type=tf.int64)[0]])
        pooled = tf.raw_ops.SparseTensorDenseMatMul(
            a_indices=batch.positions, a_values=batch.weights, a_shape=shape, b=vectors
        )
        return tf.reshape(pooled, [-1, self.layout.width])


class EmbeddingTable(VectorTable):
    """A table of a fixed size: the vectors of all features of one width.

    Parameters
    ----------
    layout
        Features and row offsets.
    seed
        A feature's initial vectors depend on it and on the feature's name only, not on
        which features share the table.
    slots
        Slot name to initial value.
    """

    layout: TableLayout

    def __init__(self, layout: TableLayout, seed: int, slots: Mapping[str, float]) -> None:
        packed = tf.zeros([layout.rows, layout.dim * (1 + len(slots))])
        super().__init__(layout, packed, len(slots))
        for column, start in zip(layout.features, layout.offsets, strict=False):
            shape = (column.buckets, layout.dim)
            vectors = truncated_normal(shape, part_name(column.name), seed)
            filled = [tf.fill(shape, value) for value in slots.values()]
            self.packed[start : start + column.buckets].assign(tf.concat([vectors, *filled], 1))


def part_name(feature: str) -> str:
    """Return the name under which a feature's vectors are initialised and saved."""
    return f"embedding/{feature}"
