"""Drops keys that are no longer worth their memory, when a checkpoint is saved."""

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from smt_model.embedding import EmbeddingTable
from smt_model.ev.variables import EmbeddingVariables
from smt_model.parts import PIECE


def eliminate(variables: EmbeddingVariables, table: EmbeddingTable, step: int) -> None:
    """Drop keys as each feature's options say, with their vectors and slots.

    Parameters
    ----------
    variables, table
        The keys and the table of their vectors.
    step
        Updates done.
    """
    for name, keys in variables.tables.items():
        options = variables.options[name]
        if options.ev_elimination == "gstep":
            keys.keep(step - keys.last_steps <= options.steps_to_live)
        elif options.ev_elimination == "l2":
            sums = np.zeros(len(keys.keys), np.float32)
            for rows in keys.block_rows:
                owned = rows >= 0
                sums[owned] += half_squares(table, rows[owned])
            keys.keep((keys.rows < 0) | (sums >= options.l2_threshold))


def half_squares(table: EmbeddingTable, rows: NDArray[np.int32]) -> NDArray[np.float32]:
    """Return ``½ Σ w²`` of the vectors of some rows, float32."""
    pieces = np.array_split(rows, len(rows) // PIECE + 1)
    vectors = (table.packed.sparse_read(piece)[:, : table.layout.dim] for piece in pieces)
    return np.concatenate([tf.reduce_sum(tf.square(v), axis=1).numpy() / 2 for v in vectors])
