"""Turns the keys of a batch into rows of a table that grows with them."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from smt_features import Batch
from smt_model.batching import Entries, FreshRows, TableBatch, TableEntries, entries
from smt_model.ev.initial import first_vectors, stream_of
from smt_model.ev.key_table import Int64s, KeyTable
from smt_model.layout import EvLayout

KEY = "_key"
"""Ending of the columns of keys, which ``smt prepare --keys`` writes."""


class EvFuser:
    """Fuses the features of a table of embedding variables.

    Parameters
    ----------
    layout
        The table.
    tables
        The keys of each of its features.
    seed
        Decides, with feature and key, the first vector of a key.
    """

    def __init__(self, layout: EvLayout, tables: Mapping[str, KeyTable], seed: int) -> None:
        self._layout = layout
        self._tables = [tables[column.name] for column in layout.features]
        self._streams = [stream_of(column.name, seed) for column in layout.features]
        self._entries = TableEntries(layout.rows)

    def __call__(self, batch: Batch, step: int | None) -> tuple[TableBatch, FreshRows]:
        """Return the table's part of a batch; keys are counted when a step is given.

        An entry whose key owns no row is left out: it adds a zero vector to the mean.
        """
        owned, rows, fresh = [], [], [(np.empty(0, np.int32), self._no_vectors())]
        for found, table, stream in zip(
            entries(batch, self._layout.features, KEY), self._tables, self._streams, strict=True
        ):
            keys: Int64s = found.values  # type: ignore[assignment]
            if step is None:
                found_rows = table.look_up(keys)
            else:
                found_rows, new_keys, new_rows = table.count(keys, _occurrences(found), step)
                fresh.append((new_rows, first_vectors(new_keys, self._layout.dim, stream)))
            owns = found_rows >= 0
            rows.append(found_rows[owns])
            owned.append(_chosen(found, owns))
        numbers, vectors = zip(*fresh, strict=True)
        part = self._entries(rows, owned)
        return part, FreshRows(np.concatenate(numbers), np.concatenate(vectors))

    def _no_vectors(self) -> NDArray[np.float32]:
        return np.empty((0, self._layout.dim), np.float32)


def _occurrences(found: Entries) -> Int64s:
    return (
        np.ones(len(found.values), np.int64)
        if found.counts is None
        else found.counts.astype(np.int64)
    )


def _chosen(found: Entries, chosen: NDArray[np.bool_]) -> Entries:
    return found._replace(bags=found.bags[chosen], weights=found.weights[chosen])
