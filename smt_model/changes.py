"""What changed since the newest full checkpoint."""

from collections.abc import Iterable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from smt_model.batching import FusedBatch
from smt_model.embedding import part_name
from smt_model.model import MultiTaskModel
from smt_model.optimizer import Optimizer
from smt_model.parts import parts


class Changes:
    """The rows of buckets that steps updated. Keys know the step in which they came last.

    A row takes a byte, once it was updated; so does a counter of a Bloom filter.

    Parameters
    ----------
    model, optimizer
        Whose rows.

    Attributes
    ----------
    step
        Updates done at that checkpoint.
    parts
        All that a checkpoint keeps of fixed size, found once, as that takes a while.
    """

    def __init__(self, model: MultiTaskModel, optimizer: Optimizer) -> None:
        self.step = 0
        self.parts = [*parts(model, optimizer)]
        layouts = [table.layout for table in model.tables]
        # Rows that keys own lie behind these.
        self._tables = [np.zeros(layout.offsets[-1], bool) for layout in layouts]
        self._blocks = {
            part_name(block.name): table[start:stop]
            for table, layout in zip(self._tables, layouts, strict=True)
            for block, (start, stop) in zip(layout.blocks, pairwise(layout.offsets), strict=True)
        }
        self._blooms = [keys.bloom for keys in model.key_tables if keys.bloom is not None]

    def begin(self, step: int) -> None:
        """Count anew, from a full checkpoint after so many updates."""
        self.step = step
        for table in self._tables:
            table[:] = False
        for bloom in self._blooms:
            bloom.track()

    def add(self, batches: Iterable[FusedBatch]) -> None:
        """Take in the batches of some steps."""
        for batch in batches:
            for table, part in zip(self._tables, batch.tables, strict=True):
                rows = np.asarray(part.rows)
                table[rows[rows < len(table)]] = True

    def rows(self, block: str) -> NDArray[np.int32]:
        """Return the rows that changed of a block of buckets, in order, counted from its first."""
        return np.flatnonzero(self._blocks[block]).astype(np.int32)
