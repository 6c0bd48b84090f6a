"""Finds text in Arrow tables that is not UTF-8: Parquet files hold it unchecked."""

import numpy as np
import pyarrow as pa

from smt_features.arrow_arrays import numpy_array
from smt_features.string_views import Int64s

_BYTES = {
    pa.string(): pa.binary(),
    pa.large_string(): pa.large_binary(),
    pa.string_view(): pa.binary_view(),
}
"""Types of text, and what each is as bytes."""


def undecodable_rows(data: pa.Table) -> list[int]:
    """Return the rows with text that is not UTF-8, also in lists and dictionaries, in order."""
    try:
        data.validate(full=True)
    except pa.ArrowInvalid:
        rows = [_rows_undecodable(column.combine_chunks()) for column in data.columns]
        found: list[int] = np.unique(np.concatenate(rows)).tolist()
        return found
    return []


def _rows_undecodable(array: pa.Array) -> Int64s:
    if pa.types.is_dictionary(array.type):
        bad = _rows_undecodable(array.dictionary)
        return np.flatnonzero(np.isin(array.indices.fill_null(-1).to_numpy(), bad))
    if pa.types.is_list(array.type) or pa.types.is_large_list(array.type):
        bad = _rows_undecodable(array.values)
        rows = np.searchsorted(numpy_array(array.offsets), bad, "right") - 1
        return rows[(rows >= 0) & (rows < len(array))]
    if array.type not in _BYTES:
        return np.empty(0, np.int64)
    texts = array.cast(_BYTES[array.type]).to_pylist()
    return np.array([row for row, text in enumerate(texts) if not _decodes(text)], np.int64)


def _decodes(text: bytes | None) -> bool:
    try:
        (text or b"").decode()
    except UnicodeDecodeError:
        return False
    return True
