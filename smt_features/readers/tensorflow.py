"""Reads a split as a ``tf.data.Dataset``; only here and in its two helpers TensorFlow is imported.

Row groups flow through one pipeline: read, put in the order of the epoch, cut into batches.
TFRecord shards take it in C++ alone (`tensorflow_records`). Parquet shards, which TensorFlow
cannot read, are read by pyarrow, with a call of Python for each row group.
"""

from collections.abc import Iterator
from typing import Any, Unpack

import numpy as np
import tensorflow as tf

from smt_features.batch import Bags
from smt_features.layout import layout
from smt_features.plan import Order, Turn
from smt_features.readers.tensorflow_records import ragged, record_batches
from smt_features.readers.tensorflow_rows import Columns, Lists, Rows, rebatch
from smt_features.split import Split


def to_tensorflow(split: Split, batch_size: int, **order: Unpack[Order]) -> Any:
    """Return the batches of an epoch as a ``tf.data.Dataset``.

    Parameters
    ----------
    split
        What to read.
    batch_size
        Rows of a batch.
    order
        Seed, epoch and the other arguments of `Split.batches`, which gives the same batches.

    Returns
    -------
    tf.data.Dataset
        Dicts of column name to tensor: labels int8 [rows], ids int32 [rows]. A list column is a
        ``tf.RaggedTensor`` of its ids, and under its count column's name one of its counts.
        The dataset knows the number of its batches.
        Iterating raises a ``tf.errors.OpError`` when a shard is missing or damaged;
        ``smt verify`` says which one and how.
    """
    turns = split.plan(batch_size, **order)
    if not turns:
        return to_tensorflow(split, batch_size).take(0)  # resumed at the end of an epoch
    read = _parquet_batches if "parquet" in split.record.shards else record_batches
    steps = sum(len(turn.cuts) - 1 for turn in turns)
    counted = read(split, turns).apply(tf.data.experimental.assert_cardinality(steps))
    return counted.with_options(_options())


def _options() -> Any:
    """Switch automatic tuning off, and rewriting the graph: here they cost more than they bring."""
    options = tf.data.Options()
    options.autotune.enabled = False
    options.experimental_optimization.apply_default_optimizations = False
    return options


def _parquet_batches(split: Split, turns: list[Turn]) -> Any:
    columns = Columns.of(layout(split.manifest.dataset_schema, keys=split.manifest.options.keys))
    entries, splits = tf.TensorSpec([None], tf.int32), tf.TensorSpec([None], tf.int64)
    signature = Rows(
        {dtype: tf.TensorSpec([None, len(c)], dtype) for dtype, c in columns.singles.items()},
        {c.name: Lists((tf.TensorSpec([None], c.dtype), entries), splits) for c in columns.lists},
    )

    def row_groups() -> Iterator[Rows]:
        for group in split.row_groups(turns):
            yield Rows(
                {
                    dtype: np.stack([group[column.name] for column in members], axis=1)
                    for dtype, members in columns.singles.items()
                },
                {
                    name: Lists((values.ids, values.counts), values.row_splits)
                    for name, values in group.items()
                    if isinstance(values, Bags)
                },
            )

    groups = tf.data.Dataset.from_generator(row_groups, output_signature=signature)
    cuts = tf.data.Dataset.from_tensor_slices(ragged([turn.cuts for turn in turns]))
    return rebatch(groups, cuts, columns.no_rows(are_packed=False), columns).prefetch(2)
