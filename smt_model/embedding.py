"""An embedding table shared by several features."""

import tensorflow as tf

from smt_model.batching import TableBatch
from smt_model.initial import truncated_normal
from smt_model.layout import TableLayout


class EmbeddingTable(tf.Module):
    """The vectors of all features of one width.

    Parameters
    ----------
    layout
        Features and row offsets.
    seed
        A feature's initial vectors depend on it and on the feature's name only, not on
        which features share the table.
    """

    def __init__(self, layout: TableLayout, seed: int) -> None:
        super().__init__(name="embedding")
        self.layout = layout
        parts = [
            truncated_normal((column.buckets, layout.dim), part_name(column.name), seed)
            for column in layout.features
        ]
        self.vectors = tf.Variable(tf.concat(parts, axis=0), trainable=False, name="vectors")

    def lookup(self, batch: TableBatch) -> tf.Tensor:
        """Return the distinct vectors of a batch, float32 [U, dim]."""
        # Never a read of the whole variable: after a sparse update that would copy it.
        return self.vectors.sparse_read(batch.rows)

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


def part_name(feature: str) -> str:
    """Return the name under which a feature's vectors are initialised and saved."""
    return f"embedding/{feature}"
