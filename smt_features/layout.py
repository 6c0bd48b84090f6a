"""The columns of a shard."""

from typing import NamedTuple

import numpy as np

from smt_schemas import DatasetSchema

LENGTH = "_length"
"""Ending of the Example feature that holds the entries per row of a list column."""


class ShardColumn(NamedTuple):
    """A label, a feature's ids or keys, or a numeric feature.

    Attributes
    ----------
    name
        Name in the shards and in batches.
    dtype
        int8 for labels, int32 for ids, int64 for keys, float32 for numeric features.
    counts
        A list's companion column of counts; None for a single value.
    """

    name: str
    dtype: type[np.integer | np.float32]
    counts: str | None = None

    @property
    def is_paired(self) -> bool:
        """Whether ids and counts are one column of pairs until they are written."""
        return self.counts is not None and self.dtype is np.int32

    @property
    def names(self) -> list[str]:
        """Its columns in a Parquet shard."""
        return [self.name] if self.counts is None else [self.name, self.counts]


def layout(schema: DatasetSchema, *, keys: bool) -> list[ShardColumn]:
    """Return the columns of a shard, in order; ``keys`` adds those of hashed features."""
    columns = [ShardColumn(column.name, np.int8) for column in schema.labels]
    for column in schema.features:
        name = column.name
        columns.append(ShardColumn(name, np.int32, f"{name}_count" if column.is_list else None))
        if keys and column.encoding == "hash":
            counts = f"{name}_key_count" if column.is_list else None
            columns.append(ShardColumn(f"{name}_key", np.int64, counts))
    return columns + [ShardColumn(column.name, np.float32) for column in schema.numerics]


def column_names(schema: DatasetSchema, *, keys: bool) -> list[str]:
    """Return the names of a Parquet shard's columns, in order."""
    return [name for column in layout(schema, keys=keys) for name in column.names]


def encoded_names(schema: DatasetSchema, *, keys: bool) -> list[str]:
    """Return the names of the columns of encoded rows, where ids and counts are pairs."""
    return [
        name
        for column in layout(schema, keys=keys)
        for name in ([column.name] if column.is_paired else column.names)
    ]
