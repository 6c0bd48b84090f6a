"""What a checkpoint keeps of fixed size, by name, and where it lies in the variables."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise, starmap

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from smt_model.embedding import EmbeddingTable, part_name
from smt_model.model import MultiTaskModel
from smt_model.optimizer import Optimizer

PIECE = 1 << 16
"""Rows that are read at a time."""


@dataclass(frozen=True)
class Part:
    """A block of rows and, of an embedding table, of columns.

    Attributes
    ----------
    name
        The name of the block in a checkpoint.
    variable
        Where it lies.
    rows, columns
        Which part of the variable; no `columns` means whole rows.
    block
        The block of buckets whose rows these are, or whose slots: steps update some of them. None
        for what each step updates as a whole.
    """

    name: str
    variable: tf.Variable
    rows: slice
    columns: slice | None = None
    block: str | None = None

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """Shape of the values."""
        length = self.rows.stop - self.rows.start
        if self.columns is None:
            return (length, *self.variable.shape.as_list()[1:])
        return length, self.columns.stop - self.columns.start

    @cached_property
    def dtype(self) -> np.dtype[np.generic]:
        """Type of the values."""
        dtype: np.dtype[np.generic] = np.dtype(self.variable.dtype.as_numpy_dtype)
        return dtype

    def pieces(self) -> Iterator[NDArray[np.generic]]:
        """Yield the values, some rows of a table at a time."""
        if self.block is None:
            yield _whole(self.variable)
            return
        for start in range(self.rows.start, self.rows.stop, PIECE):
            # By row numbers: reading the variable as a whole would copy an entire table.
            numbers = np.arange(start, min(start + PIECE, self.rows.stop), dtype=np.int32)
            rows = self.variable.sparse_read(numbers).numpy()
            yield rows if self.columns is None else rows[:, self.columns]

    def read(self) -> NDArray[np.generic]:
        """Return the values."""
        return np.concatenate(list(self.pieces()))

    def write(self, values: NDArray[np.generic]) -> None:
        """Replace the values."""
        # Row by row, as a slice would copy an entire table.
        for start in range(0, len(values), PIECE):
            rows = values[start : start + PIECE]
            numbers = tf.range(len(rows)) + (self.rows.start + start)
            if self.columns is not None:
                kept = self.variable.sparse_read(numbers).numpy()
                kept[:, self.columns] = rows
                rows = kept
            self.variable.scatter_update(tf.IndexedSlices(rows, numbers))


class TableRows:
    """Rows of a table, read a piece at a time.

    The rows of all arrays are asked for before one is read. Arrays that lie side by side in the
    table, or one after the other here, are then served by the piece that was read last: a delta
    asks TensorFlow once.

    Parameters
    ----------
    variable
        The table.
    """

    def __init__(self, variable: tf.Variable) -> None:
        self._variable = variable
        self._rows = np.empty(0, np.int32)
        self._asked: list[NDArray[np.int32]] = []
        self._count = 0
        self._start = -1
        self._piece = np.empty((0, 0), np.float32)

    def ask(self, rows: NDArray[np.int32]) -> range:
        """Ask for more rows, and return where they stand among all."""
        first, self._count = self._count, self._count + len(rows)
        self._asked.append(rows)
        return range(first, self._count)

    def pieces(self, places: range) -> Iterator[NDArray[np.float32]]:
        """Yield rows, float32 [at most `PIECE`, width of the table] each."""
        for start in range(places.start - places.start % PIECE, places.stop, PIECE):
            piece = self._read(start)
            yield piece[max(0, places.start - start) : places.stop - start]

    def _read(self, start: int) -> NDArray[np.float32]:
        if self._asked:
            self._rows = np.concatenate([self._rows, *self._asked])
            self._asked, self._start = [], -1
        if start != self._start:
            # `sparse_read` asks for two more operations, and `numpy` copies.
            self._piece = np.asarray(
                tf.raw_ops.ResourceGather(
                    resource=self._variable.handle,
                    indices=self._rows[start : start + PIECE],
                    dtype=self._variable.dtype,
                )
            )
            self._start = start
        return self._piece


@dataclass(frozen=True)
class TablePart:
    """An array of a checkpoint that has a line for some rows of a table.

    Attributes
    ----------
    name
        The name of the array.
    rows, places
        Rows that were asked for, and which of these.
    columns
        Which columns of the table.
    """

    name: str
    rows: TableRows
    places: range
    columns: slice

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of the array."""
        return len(self.places), self.columns.stop - self.columns.start

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Type of the array."""
        return np.dtype(np.float32)

    def pieces(self) -> Iterator[NDArray[np.generic]]:
        """Yield the array, some lines at a time."""
        return (piece[:, self.columns] for piece in self.rows.pieces(self.places))


def parts(model: MultiTaskModel, optimizer: Optimizer | None) -> Iterator[Part]:
    """Yield all parts of a model but those of keys: of each feature, kernel and bias.

    Parameters
    ----------
    model
        Whose values are meant.
    optimizer
        The one whose slots lie in the model's tables, or, in the plain path, beside them; its
        slots follow each value, named after it, and so does its count of updates. None when
        only the model's values are meant.
    """
    slots = list(optimizer.initial) if optimizer else []
    for table in model.tables:
        dim = table.layout.dim
        bounds = pairwise(table.layout.offsets)
        for block, rows in zip(table.layout.blocks, starmap(slice, bounds), strict=True):
            yield from _count(part_name(block.name), optimizer, table)
            if rows.start == rows.stop:  # no buckets: each key owns a row
                continue
            first = part_name(block.name)
            for position, name in enumerate(names(first, slots)):
                apart = _apart(optimizer, table, slots[position - 1]) if position else None
                if apart is not None:
                    yield Part(name, apart, rows, block=first)
                else:
                    columns = slice(position * dim, (position + 1) * dim)
                    yield Part(name, table.packed, rows, columns, first)
    for variable in model.dense_variables:
        name = variable.name.removesuffix(":0")
        kept = [optimizer.slots[slot][variable.ref()] for slot in slots] if optimizer else []
        for part, block in zip(names(name, slots), [variable, *kept], strict=True):
            yield Part(part, block, slice(0, variable.shape[0]))
        yield from _count(name, optimizer, variable.ref())


def _whole(variable: tf.Variable) -> NDArray[np.generic]:
    if not isinstance(variable, tf.Variable):  # it lies on parameter servers
        return variable.numpy()  # type: ignore[no-any-return]
    # `numpy` of a variable asks for two more operations and copies, which counts in a delta.
    return np.asarray(tf.raw_ops.ReadVariableOp(resource=variable.handle, dtype=variable.dtype))


def _apart(optimizer: Optimizer | None, table: EmbeddingTable, slot: str) -> tf.Variable | None:
    return optimizer.slots[slot].get(table.packed.ref()) if optimizer else None


def _count(name: str, optimizer: Optimizer | None, counted: object) -> Iterator[Part]:
    # A table's count stands with each of its features, as they may share tables otherwise.
    if optimizer and counted in optimizer.counts:
        yield Part(f"{name}/updates", optimizer.counts[counted], slice(0, 1))


def names(name: str, slots: list[str]) -> list[str]:
    """Return the name of a block and those of its slots."""
    return [name, *(f"{name}/{slot}" for slot in slots)]
