"""A variable whose rows lie in slices on parameter servers."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from smt_model.distributed.slices import Slice

Array = NDArray[np.generic]


class Piece(NamedTuple):
    """A slice, and the variable that holds it in the graph."""

    slice: Slice
    variable: tf.Variable


class ServedVariable:
    """Reads and writes rows as a ``tf.Variable`` does, from and to the servers.

    It is as much of a variable as `EmbeddingTable` and `smt_model.parts.Part` need.

    Attributes
    ----------
    shape, dtype
        Of the whole.
    """

    def __init__(self, shape: Sequence[int], dtype: tf.DType = tf.float32) -> None:
        self.shape = tf.TensorShape(shape)
        self.dtype = dtype
        self._read: Callable[[Array], Array] | None = None
        self._write: Callable[[Array, Array], object] | None = None

    def ref(self) -> object:
        """Return what stands for the variable as a key."""
        return self

    def connect(self, session: tf.compat.v1.Session, pieces: Sequence[Piece], own: str) -> None:
        """Add the operations to the session's graph.

        Parameters
        ----------
        session
            The session that will run them.
        pieces
            Where the rows are. Slices of the same rows are copies.
        own
            Device of this process.
        """
        rows = tf.compat.v1.placeholder(tf.int32, [None])
        values = tf.compat.v1.placeholder(self.dtype, [None, *self.shape[1:]])
        if len({piece.slice.start for piece in pieces}) < len(pieces):
            read = pieces[0].variable.sparse_read(rows)
            writes = [_scattered(piece.variable, rows, values) for piece in pieces]
        else:
            local, positions = located(rows, [piece.slice for piece in pieces], own)
            with tf.device(own):
                parts = [tf.gather(values, position) for position in positions]
            found = [p.variable.sparse_read(own) for p, own in zip(pieces, local, strict=True)]
            with tf.device(own):
                read = tf.dynamic_stitch(positions, found)
            writes = [
                _scattered(p.variable, *changed)
                for p, *changed in zip(pieces, local, parts, strict=True)
            ]
        self._read = lambda numbers: session.run(read, {rows: numbers})
        self._write = lambda numbers, new: session.run(writes, {rows: numbers, values: new})

    def sparse_read(self, rows: tf.Tensor) -> tf.Tensor:
        """Return some rows."""
        assert self._read is not None, "not connected"
        return tf.constant(self._read(np.asarray(rows)))

    def numpy(self) -> Array:
        """Return all rows."""
        values: Array = self.sparse_read(np.arange(self.shape[0], dtype=np.int32)).numpy()
        return values

    def scatter_update(self, new: tf.IndexedSlices) -> None:
        """Replace some rows."""
        assert self._write is not None, "not connected"
        self._write(np.asarray(new.indices), np.asarray(new.values))


def located(
    rows: tf.Tensor, slices: Sequence[Slice], own: str
) -> tuple[list[tf.Tensor], list[tf.Tensor]]:
    """Return, for each slice, which of its rows are asked for and where they stand in ``rows``."""
    with tf.device(own):
        everything = tf.range(tf.size(rows))
        if len(slices) == 1:
            return [rows], [everything]
        starts = tf.constant([part.start for part in slices], tf.int32)
        numbers = tf.searchsorted(starts, rows, side="right") - 1
        return (
            tf.dynamic_partition(rows - tf.gather(starts, numbers), numbers, len(slices)),
            tf.dynamic_partition(everything, numbers, len(slices)),
        )


def _scattered(variable: tf.Variable, rows: tf.Tensor, values: tf.Tensor) -> tf.Operation:
    return tf.raw_ops.ResourceScatterUpdate(resource=variable.handle, indices=rows, updates=values)
