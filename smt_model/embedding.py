"""An embedding table shared by several features."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import tensorflow as tf

from smt_model.batching import FreshRows, TableBatch
from smt_model.initial import truncated_normal
from smt_model.layout import TableLayout
from smt_schemas import UserError


class EmbeddingTable(tf.Module):
    """The vectors of all features of one width, and beside each its optimizer slots.

    A row is ``[vector | slot | slot …]``: one gather brings all that a step reads of it and
    one scatter writes it back, so that a row costs its cache misses once. (A table for each
    slot, with TensorFlow's sparse Adagrad kernel, takes three times as long.)

    Parameters
    ----------
    layout
        Features and row offsets.
    seed
        A feature's initial vectors depend on it and on the feature's name only, not on
        which features share the table.
    slots
        Slot name to initial value.
    packed
        Where the rows lie if not in this process; whoever made it asks for `initialise`.
    """

    def __init__(
        self,
        layout: TableLayout,
        seed: int,
        slots: Mapping[str, float],
        packed: tf.Variable | None = None,
    ) -> None:
        super().__init__(name="embedding")
        self.layout = layout
        self._seed = seed
        self._slots = tuple(slots.values())
        self.packed: tf.Variable = packed
        if packed is None:
            self.packed = _variable(layout.rows, layout.dim * (1 + len(slots)))
            self.initialise()

    def initialise(self) -> None:
        """Give all buckets their first vectors, and their slots the initial values."""
        layout = self.layout
        for block, (start, stop) in zip(layout.blocks, pairwise(layout.offsets), strict=True):
            size = (block.rows, layout.dim)
            first = truncated_normal(size, part_name(block.name), self._seed, block.deviation)
            # Not by a slice: assigning to one copies the whole variable.
            self.assign(tf.range(start, stop), self._begun(first))

    def read(self, batch: TableBatch) -> list[tf.Tensor]:
        """Return the vectors of a batch's rows and their slots, float32 [U, dim] each."""
        # Never a read of the whole variable: once rows were updated, that copies the table.
        return tf.split(self.packed.sparse_read(batch.rows), 1 + len(self._slots), axis=1)  # type: ignore[no-any-return]

    def begin(self, fresh: FreshRows) -> None:
        """Give fresh rows their first vectors, and their slots the initial values."""
        shared = self.packed.sparse_read(tf.maximum(fresh.shared, 0))[:, : self.layout.dim]
        vectors = tf.where(fresh.shared[:, None] >= 0, shared, fresh.vectors)
        self.assign(fresh.rows, self._begun(vectors))

    def write(self, batch: TableBatch, blocks: Sequence[tf.Tensor]) -> None:
        """Replace the vectors of a batch's rows and their slots."""
        self.assign(batch.rows, tf.concat(blocks, axis=1))

    def pool(self, vectors: tf.Tensor, batch: TableBatch, examples: tf.Tensor) -> tf.Tensor:
        """Return the weighted means side by side, float32 [examples, bags · dim].

        A list without entries gives zeros.
        """
        if self.layout.products:
            vectors = tf.concat([vectors, _products(vectors, *batch.pairs)], axis=0)
        shape = tf.stack([examples * self.layout.bags, tf.shape(vectors, out_type=tf.int64)[0]])
        pooled = tf.raw_ops.SparseTensorDenseMatMul(
            a_indices=batch.positions, a_values=batch.weights, a_shape=shape, b=vectors
        )
        return tf.reshape(pooled, [-1, self.layout.width])

    def assign(self, rows: tf.Tensor, packed: tf.Tensor) -> None:
        """Replace whole rows, float32 [N, dim · (1 + slots)]."""
        self.packed.scatter_update(tf.IndexedSlices(packed, rows))

    def _begun(self, vectors: tf.Tensor) -> tf.Tensor:
        filled = [tf.fill(tf.shape(vectors), value) for value in self._slots]
        return tf.concat([vectors, *filled], axis=1)


def _products(vectors: tf.Tensor, pairs: tf.Tensor) -> tf.Tensor:
    """Return the products of pairs of vectors, component by component, float32 [P, dim]."""
    first, second = (_selected(vectors, numbers) for numbers in tf.unstack(pairs, axis=1))
    return first * second


def _selected(vectors: tf.Tensor, numbers: tf.Tensor) -> tf.Tensor:
    # A gather whose gradient is dense, as that of `pool` is, to which it is added.
    lines = tf.stack([tf.range(tf.size(numbers)), numbers], axis=1)
    return tf.raw_ops.SparseTensorDenseMatMul(
        a_indices=lines,
        a_values=tf.ones(tf.shape(numbers)),
        a_shape=tf.cast(tf.stack([tf.size(numbers), tf.shape(vectors)[0]]), tf.int64),
        b=vectors,
    )


def _variable(rows: int, width: int) -> tf.Variable:
    # Rows that keys can own get memory when they are written, page by page. And no second
    # reference to the tensor: the first sparse access would copy it.
    try:
        values = tf.raw_ops.Empty(shape=[rows, width], dtype=tf.float32)
    except tf.errors.ResourceExhaustedError as error:
        msg = (
            f"A table of {rows:,} rows of {width:,} numbers, vectors and optimizer slots, takes "
            f"{rows * width * 4 / 1e9:,.1f} GB, which this machine does not give. Lower "
            "--ev-capacity, or hash_buckets or embedding_dim in the schema."
        )
        raise UserError(msg) from error
    return tf.Variable(values, trainable=False, name="packed")


def part_name(feature: str) -> str:
    """Return the name under which a feature's vectors are initialised and saved."""
    return f"embedding/{feature}"
