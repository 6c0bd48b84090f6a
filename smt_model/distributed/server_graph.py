"""What lies and happens on one parameter server, as operations of a TensorFlow graph.

Every worker builds the same graph, so that equal names mean the same variables, and runs it in a
session of its own: between-graph replication, as DeepRec's script has it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import tensorflow as tf

from smt_model.config import TrainConfig
from smt_model.optimizer import make_optimizer

RUNNING, ENDED = 0, 1


@dataclass(frozen=True)
class Held:
    """A slice of a variable that a server holds.

    Attributes
    ----------
    number
        The variable's number among the variables.
    shape
        Of the slice.
    """

    number: int
    shape: tuple[int, ...]


class ServerGraph:
    """The variables of one server, and their update.

    Parameters
    ----------
    index
        Of the server.
    config, total_steps
        Decide the update rule.
    dense, tables
        The slices that it holds, of dense variables and of tables with their slots.
    dims
        Width of a vector of each of these tables.

    Attributes
    ----------
    device
        Where it is.
    optimizer
        The server's own: each update reaches every server, so each counts the steps by itself.
    dense, packed
        The variables, in the order of the slices.
    flat
        The values of all dense ones, one after the other, float32 [values].
    ending
        `RUNNING`, and `ENDED` when the server is no longer needed.
    """

    def __init__(
        self,
        index: int,
        config: TrainConfig,
        total_steps: int,
        dense: Sequence[Held],
        tables: Sequence[Held],
        dims: Sequence[int],
    ) -> None:
        self.device = f"/job:ps/task:{index}"
        self._dims = dims
        self._shapes = [held.shape for held in dense]
        with tf.device(self.device):
            self.ending = ending_of(index)
            self.optimizer = make_optimizer(config, total_steps)
            self.dense = [
                tf.Variable(tf.zeros(held.shape), name=f"dense_{held.number}") for held in dense
            ]
            self.optimizer.build(self.dense, range(len(tables)))
            self.packed = [
                tf.Variable(
                    tf.raw_ops.Empty(shape=held.shape, dtype=tf.float32),
                    name=f"table_{held.number}",
                )
                for held in tables
            ]
            self._lock = tf.CriticalSection(shared_name=f"update_{index}")
            values = [tf.reshape(variable.read_value(), [-1]) for variable in self.dense]
            self.flat = tf.concat([tf.zeros([0]), *values], axis=0)

    def vectors(self, table: int, rows: tf.Tensor) -> tf.Tensor:
        """Return the vectors of some rows of a slice of a table, without their slots."""
        with tf.device(self.device):
            return self.packed[table].sparse_read(rows)[:, : self._dims[table]]

    def load(self, flat: tf.Tensor) -> tf.Operation:
        """Return what replaces the values of all dense variables."""
        with tf.device(self.device):
            values = self._parts(flat)
            return tf.group(
                [held.assign(value) for held, value in zip(self.dense, values, strict=True)]
            )

    def update(
        self, flat: tf.Tensor, rows: Sequence[tf.Tensor], gradients: Sequence[tf.Tensor]
    ) -> tf.Tensor:
        """Return the updates done, int64, after one with these gradients.

        One update at a time: rows and their slots are read and written, which two workers must
        not do at once.

        Parameters
        ----------
        flat
            Gradients of the dense variables, laid out as `flat`.
        rows, gradients
            int32 [U] and float32 [U, dim] of each table slice.
        """
        apply = tf.function(self._apply, autograph=False)
        with tf.device(self.device), tf.control_dependencies([flat, *rows, *gradients]):
            return self._lock.execute(lambda: apply(flat, list(rows), list(gradients)))

    def _apply(
        self, flat: tf.Tensor, rows: list[tf.Tensor], gradients: list[tf.Tensor]
    ) -> tf.Tensor:
        optimizer = self.optimizer
        rate = optimizer.advance()
        for variable, gradient in zip(self.dense, self._parts(flat), strict=True):
            optimizer.apply(variable, gradient, rate)
        for number, (packed, found, gradient) in enumerate(
            zip(self.packed, rows, gradients, strict=True)
        ):
            blocks = 1 + len(optimizer.initial)
            values, *slots = tf.split(packed.sparse_read(found), blocks, axis=1)
            new = optimizer.update(number, values, slots, gradient, rate)
            packed.scatter_update(tf.IndexedSlices(tf.concat(new, axis=1), found))
        return optimizer.step.read_value()

    def _parts(self, flat: tf.Tensor) -> list[tf.Tensor]:
        sizes = [tf.TensorShape(shape).num_elements() for shape in self._shapes]
        parts = tf.split(flat, sizes) if sizes else []
        return [tf.reshape(p, shape) for p, shape in zip(parts, self._shapes, strict=True)]


def ending_of(index: int) -> tf.Variable:
    """Return the variable that tells a server whether it is still needed."""
    with tf.device(f"/job:ps/task:{index}"):
        return tf.Variable(RUNNING, dtype=tf.int64, name=f"ending_{index}", trainable=False)
