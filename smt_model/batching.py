"""A batch as a step takes it: no id work is left to the step."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class TableBatch(NamedTuple):
    """What a batch looks up in one table: a sparse matrix of weights [B·bags, U + P].

    Attributes
    ----------
    rows
        int32 [U], the distinct rows of the table.
    positions
        int32 [E, 2], a line for each entry: ``example · bags + bag``, and the position of its
        row in `rows`, or behind those of its product in `pairs`.
    weights
        float32 [E], ``count / Σ count`` in a list, 1 elsewhere.
    pairs
        Of a table with products one array, int32 [P, 2], the distinct products of two rows: the
        positions of these in `rows`. Else empty.
    """

    rows: NDArray[np.int32]
    positions: NDArray[np.int32]
    weights: NDArray[np.float32]
    pairs: tuple[NDArray[np.int32], ...] = ()


class FreshRows(NamedTuple):
    """Rows that keys own from this batch on.

    Attributes
    ----------
    rows
        int32 [N].
    vectors
        float32 [N, dim], what they begin with.
    shared
        int32 [N], a row whose vector they begin with instead; -1 for none.
    """

    rows: NDArray[np.int32]
    vectors: NDArray[np.float32]
    shared: NDArray[np.int32]


class FusedBatch(NamedTuple):
    """A batch as a step takes it.

    Attributes
    ----------
    tables
        A part for each table.
    labels
        float32 [B, tasks].
    numerics
        One array, float32 [B, numeric features]; empty for a model without.
    fresh
        Fresh rows of each table; empty for a model without embedding variables.
    """

    tables: tuple[TableBatch, ...]
    labels: NDArray[np.float32]
    numerics: tuple[NDArray[np.float32], ...] = ()
    fresh: tuple[FreshRows, ...] = ()
