"""Reads a split as a ``tf.data.Dataset``. The only module here that imports TensorFlow."""

from collections.abc import Iterator
from typing import Any

import tensorflow as tf

from smt_features.batch import Bags
from smt_features.layout import layout
from smt_features.split import Split


def to_tensorflow(split: Split, batch_size: int, **order: Any) -> Any:
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
    """
    columns = layout(split.manifest.dataset_schema, keys=split.manifest.options.keys)
    signature: dict[str, Any] = {}
    for column in columns:
        if column.counts is None:
            signature[column.name] = tf.TensorSpec([None], column.dtype)
        else:
            signature[column.name] = tf.RaggedTensorSpec([None, None], column.dtype)
            signature[column.counts] = tf.RaggedTensorSpec([None, None], tf.int32)

    def batches() -> Iterator[dict[str, Any]]:
        for batch in split.batches(batch_size, **order):
            tensors: dict[str, Any] = {}
            for column in columns:
                values = batch[column.name]
                if isinstance(values, Bags):
                    assert column.counts is not None
                    tensors[column.name] = _ragged(values.ids, values.row_splits)
                    tensors[column.counts] = _ragged(values.counts, values.row_splits)
                else:
                    tensors[column.name] = values
            yield tensors

    return tf.data.Dataset.from_generator(batches, output_signature=signature)


def _ragged(values: Any, row_splits: Any) -> Any:
    return tf.RaggedTensor.from_row_splits(values, row_splits, validate=False)
