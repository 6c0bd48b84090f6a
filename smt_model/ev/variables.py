"""The embedding variables of one table: features whose keys own their vectors."""

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from smt_model.batching import FreshRows
from smt_model.entries import Entries
from smt_model.ev.beginnings import Beginnings
from smt_model.ev.dynamic import DynamicKeyTable
from smt_model.ev.initial import first_vectors, stream_of
from smt_model.ev.key_table import Int32s, Int64s
from smt_model.ev.options import EvOptions
from smt_model.ev.rows import RowAllocator
from smt_model.layout import TableLayout


class EmbeddingVariables:
    """Turns keys into rows.

    Parameters
    ----------
    layout
        The table.
    options
        Of each feature that is an embedding variable; others are of no concern here.
    seed
        Decides, with feature and key, the first vector of a key.

    Attributes
    ----------
    tables
        The keys of each feature.
    no_rows
        Fresh rows, but none.
    beginnings
        Vectors with which new keys of a feature begin instead of their own, by feature.
    """

    def __init__(self, layout: TableLayout, options: Mapping[str, EvOptions], seed: int) -> None:
        allocator = RowAllocator(layout.offsets[-1], layout.rows)
        names = [feature.name for feature in layout.features]
        self.options = {name: options[name] for name in names if name in options}
        self.tables = {name: option.key_table(allocator) for name, option in self.options.items()}
        self._streams = {name: stream_of(name, seed) for name in self.tables}
        self._starts = layout.starts
        self._buckets = {feature.name: feature.column.buckets for feature in layout.features}
        self._dim = layout.dim
        self.beginnings: Mapping[str, Beginnings] = {}
        self._vector_dims = {feature.name: feature.column.dim for feature in layout.features}
        nothing = np.empty(0, np.int32)
        self.no_rows = FreshRows(nothing, np.empty((0, layout.dim), np.float32), nothing)

    def rows_of(self, name: str, entries: Entries, step: int | None) -> tuple[Entries, FreshRows]:
        """Replace the keys of a feature's entries by rows; entries without a row are left out.

        Such an entry adds a zero vector to the mean: the weights of the others stay.

        Parameters
        ----------
        name
            The feature.
        entries
            Its entries, with keys as values.
        step
            The update, counted from 1, for which keys are counted and admitted; None only
            looks them up.
        """
        keys: Int64s = entries.values.astype(np.int64, copy=False)
        if step is None:
            rows, fresh = self.tables[name].look_up(keys), self.no_rows
        else:
            rows, fresh = self._counted(name, keys, entries.counts, step)
        if self.options[name].adaptive_emb:
            return entries._replace(
                values=np.where(rows < 0, self._shared(name, keys), rows)
            ), fresh
        owned = rows >= 0
        if owned.all():
            return entries._replace(values=rows), fresh
        values, bags, weights, counts = rows, *entries[1:]
        return Entries(values[owned], bags[owned], weights[owned], counts[owned]), fresh

    def _counted(
        self, name: str, keys: Int64s, counts: Int64s, step: int
    ) -> tuple[Int32s, FreshRows]:
        rows, new_keys, new_rows = self.tables[name].count(keys, counts, step)
        if not len(new_keys):
            return rows, self.no_rows
        if self.options[name].adaptive_emb:
            vectors = np.zeros((len(new_rows), self._dim), np.float32)
            return rows, FreshRows(new_rows, vectors, self._shared(name, new_keys))
        vectors = self._first_vectors(name, new_keys)[:, : self._dim]
        return rows, FreshRows(new_rows, vectors, np.full(len(new_rows), -1, np.int32))

    def further_blocks(
        self, name: str, entries: Entries, step: int | None
    ) -> Iterator[tuple[Entries, FreshRows]]:
        """Yield, as `rows_of`, what comes behind the first block of a feature that has several."""
        table = self.tables[name]
        if not isinstance(table, DynamicKeyTable):
            return
        numbers = table.find(entries.values.astype(np.int64, copy=False))
        fresh = [self.no_rows] * (len(table.block_rows) - 1)
        if step is not None:
            grown = table.grow(numbers)
            fresh = [self._begun(name, block, *new) for block, new in enumerate(grown, 1)]
        for block, (rows, begun) in enumerate(
            zip(table.look_up_further(numbers), fresh, strict=True), 1
        ):
            owned = rows >= 0
            _, bags, weights, counts = entries
            found = Entries(rows[owned], bags[owned] + block, weights[owned], counts[owned])
            yield found, begun

    def _begun(self, name: str, block: int, keys: Int64s, rows: Int32s) -> FreshRows:
        columns = slice(block * self._dim, (block + 1) * self._dim)
        vectors = self._first_vectors(name, keys)[:, columns]
        return FreshRows(rows, vectors, np.full(len(rows), -1, np.int32))

    def _first_vectors(self, name: str, keys: Int64s) -> NDArray[np.float32]:
        vectors = first_vectors(keys, self._vector_dims[name], self._streams[name])
        if name in self.beginnings:
            self.beginnings[name].fill(keys, vectors)
        return vectors

    def _shared(self, name: str, keys: Int64s) -> NDArray[np.int32]:
        return (self._starts[name] + keys % self._buckets[name]).astype(np.int32)
