"""A table of vectors that belong to keys."""

from collections.abc import Mapping

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from smt_model.batching import FreshRows
from smt_model.embedding import VectorTable
from smt_model.ev.fuser import EvFuser
from smt_model.ev.key_table import Int32s
from smt_model.ev.options import EvOptions
from smt_model.ev.rows import RowAllocator
from smt_model.layout import EvLayout

_PIECE = 1 << 16
"""Rows that are read at a time."""


class EvTable(VectorTable):
    """The embedding variables of all features of one width.

    The variable is as long as the capacity from the start, but the system gives it memory page
    by page as rows are written: it never has to be copied to grow.

    Parameters
    ----------
    layout
        Features and capacity.
    options
        Of each feature.
    seed
        Decides, with feature and key, the first vector of a key.
    slots
        Slot name to initial value.

    Attributes
    ----------
    keys
        The keys of each feature.
    fuser
        Makes the table's part of a batch.
    """

    def __init__(
        self,
        layout: EvLayout,
        options: Mapping[str, EvOptions],
        seed: int,
        slots: Mapping[str, float],
    ) -> None:
        shape = [layout.rows, layout.dim * (1 + len(slots))]
        super().__init__(layout, tf.raw_ops.Empty(shape=shape, dtype=tf.float32), len(slots))
        self._initial_slots = list(slots.values())
        self._options = options
        allocator = RowAllocator(layout.rows)
        self.keys = {
            column.name: options[column.name].key_table(allocator) for column in layout.features
        }
        self.fuser = EvFuser(layout, self.keys, seed)

    def begin(self, fresh: FreshRows) -> None:
        """Give rows their first vectors, and their slots the initial values."""
        slots = [tf.fill(tf.shape(fresh.vectors), value) for value in self._initial_slots]
        self.write(fresh.rows, [fresh.vectors, *slots])

    def eliminate(self, step: int) -> None:
        """Drop keys as each feature's options say, with their vectors and slots.

        Parameters
        ----------
        step
            Updates done.
        """
        for name, keys in self.keys.items():
            options = self._options[name]
            if options.elimination == "gstep":
                keys.keep(step - keys.last_steps <= options.steps_to_live)
            elif options.elimination == "l2":
                keys.keep((keys.rows < 0) | (self._half_squares(keys.rows) >= options.l2_threshold))

    def _half_squares(self, rows: Int32s) -> NDArray[np.float32]:
        """Return ``½ Σ w²`` of each row's vector; rows of -1 give anything."""
        pieces = np.array_split(np.maximum(rows, 0), len(rows) // _PIECE + 1)
        vectors = (self.packed.sparse_read(piece)[:, : self.layout.dim] for piece in pieces)
        return np.concatenate([tf.reduce_sum(tf.square(v), axis=1).numpy() / 2 for v in vectors])
