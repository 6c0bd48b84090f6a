"""A table of vectors that belong to keys."""

from collections.abc import Mapping

import tensorflow as tf

from smt_model.batching import FreshRows
from smt_model.embedding import VectorTable
from smt_model.ev.fuser import EvFuser
from smt_model.ev.options import EvOptions
from smt_model.ev.rows import RowAllocator
from smt_model.layout import EvLayout


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
        allocator = RowAllocator(layout.rows)
        self.keys = {
            column.name: options[column.name].key_table(allocator) for column in layout.features
        }
        self.fuser = EvFuser(layout, self.keys, seed)

    def begin(self, fresh: FreshRows) -> None:
        """Give rows their first vectors, and their slots the initial values."""
        slots = [tf.fill(tf.shape(fresh.vectors), value) for value in self._initial_slots]
        self.write(fresh.rows, [fresh.vectors, *slots])
