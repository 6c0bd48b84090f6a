"""Reads a split as a ``tf.data.Dataset``. The only module here that imports TensorFlow.

Row groups flow through one pipeline: read, put in the order of the epoch, cut into batches.
TFRecord shards take it in C++ alone. Parquet shards, which TensorFlow cannot read, are read by
pyarrow, with a call of Python for each row group.
"""

from collections.abc import Iterable, Mapping
from functools import partial
from itertools import groupby
from typing import Any, Unpack

import numpy as np
import tensorflow as tf

from smt_features.batch import Bags
from smt_features.layout import LENGTH, ShardColumn, layout
from smt_features.manifest import Manifest
from smt_features.order import GAMMA, LAST_SHIFT, MIX
from smt_features.plan import Order, Turn
from smt_features.split import Split

Rows = Mapping[str, Any]
"""`smt_features.Batch` of tensors: column name to a tensor [rows], or to `Bags` of tensors."""


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
    columns = layout(split.manifest.dataset_schema, keys=split.manifest.options.keys)
    turns = split.plan(batch_size, **order)
    if not turns:
        return to_tensorflow(split, batch_size).take(0)  # resumed at the end of an epoch
    read = _from_parquet if "parquet" in split.record.shards else _from_tfrecord
    batches = _rebatch(read(split, columns, turns), turns, columns)
    steps = sum(len(turn.cuts) - 1 for turn in turns)
    return (
        batches.map(partial(_with_ragged_lists, columns))
        .apply(tf.data.experimental.assert_cardinality(steps))
        .prefetch(tf.data.AUTOTUNE)
    )


def _from_parquet(split: Split, columns: list[ShardColumn], turns: list[Turn]) -> Any:
    signature: dict[str, Any] = {}
    for column in columns:
        values = tf.TensorSpec([None], column.dtype)
        if column.counts is not None:
            values = Bags(values, tf.TensorSpec([None], tf.int32), tf.TensorSpec([None], tf.int64))
        signature[column.name] = values
    return tf.data.Dataset.from_generator(
        partial(split.row_groups, turns), output_signature=signature
    )


def _from_tfrecord(split: Split, columns: list[ShardColumn], turns: list[Turn]) -> Any:
    visits = [list(visit) for _, visit in groupby(turns, key=lambda turn: turn.group.shard)]
    shards = [split.shards[visit[0].group.shard] for visit in visits]
    dataset = tf.data.Dataset.from_tensor_slices(
        (
            tf.constant([str(split.directory / shard.name) for shard in shards], tf.string),
            tf.constant([shard.rows for shard in shards], tf.int64),
            _ragged([_numbers(visit, split.manifest) for visit in visits]),
        )
    )
    shuffled = any(turn.group.seed is not None for turn in turns)
    load = partial(_load, split.manifest, columns)
    loaded = dataset.map(lambda path, rows, groups: (load(path, rows), groups)).prefetch(1)
    return loaded.flat_map(
        lambda shard, groups: tf.data.Dataset.from_tensor_slices(groups).map(
            lambda group: _take(shard, _order(shuffled, *tf.unstack(group, num=4)))
        )
    )


def _numbers(visit: list[Turn], manifest: Manifest) -> np.ndarray:
    """Return what the graph needs to know of row groups: int64 [turns, 4], see `_order`."""
    size = manifest.options.rows_per_group
    numbers = [(group.index * size, group.rows, skip) for group, skip, _ in visit]
    seeds = [turn.group.seed or 0 for turn in visit]
    return np.column_stack([numbers, np.array(seeds, np.uint64).view(np.int64)])


def _order(shuffled: bool, begin: Any, rows: Any, skip: Any, seed: Any) -> Any:
    """Return the rows of a row group of a shard, in the order of the epoch; int64.

    Its rows start at ``begin``; the first ``skip`` in its order are left out.
    """
    order = tf.range(rows)
    if shuffled:
        numbers = _splitmix64(tf.bitcast(seed, tf.uint64), order)
        # Signed integers sort faster: with the highest bit flipped they have the same order.
        signed = tf.bitcast(numbers ^ tf.constant(1 << 63, tf.uint64), tf.int64)
        order = tf.cast(tf.argsort(signed), tf.int64)
    return begin + order[skip:]


def _splitmix64(seed: Any, positions: Any) -> Any:
    """Do the work of `smt_features.order.splitmix64` in the graph."""

    def shifted(state: Any, bits: int) -> Any:
        return state ^ tf.bitwise.right_shift(state, tf.constant(bits, tf.uint64))

    state = seed + tf.cast(positions + 1, tf.uint64) * tf.constant(GAMMA, tf.uint64)
    for shift, factor in MIX:
        state = shifted(state, shift) * tf.constant(factor, tf.uint64)
    return shifted(state, LAST_SHIFT)


def _load(manifest: Manifest, columns: list[ShardColumn], path: Any, rows: Any) -> Rows:
    """Read a whole TFRecord shard: its Examples in one step."""
    compression = {"gzip": "GZIP", "none": ""}[manifest.options.tfrecord_compression]
    assert manifest.feature_spec is not None
    spec = {
        name: tf.io.RaggedFeature(tf.as_dtype(feature.dtype), row_splits_dtype=tf.int64)
        for name, feature in manifest.feature_spec.items()
    }
    # Every Example has a row or more. One Example too many would make a row too many.
    records = tf.data.TFRecordDataset(path, compression).batch(rows + 1).get_single_element()
    features = tf.io.parse_example(records, spec)
    loaded: dict[str, Any] = {}
    for column in columns:
        values = tf.cast(features[column.name].flat_values, column.dtype)
        if column.counts is None:
            _require(path, tf.size(values, tf.int64) == rows)
            loaded[column.name] = values
            continue
        counts = tf.cast(features[column.counts].flat_values, tf.int32)
        splits = features[column.name].row_splits
        if manifest.options.rows_per_example > 1:
            lengths = features[column.name + LENGTH].flat_values
            _require(path, tf.reduce_all(lengths >= 0))
            splits = tf.concat([[0], tf.cumsum(lengths)], 0)
        _require(path, tf.size(splits, tf.int64) == rows + 1)
        _require(path, splits[-1] == tf.size(values, tf.int64))
        _require(path, tf.size(counts) == tf.size(values))
        loaded[column.name] = Bags(values, counts, splits)
    return loaded


def _require(path: Any, holds: Any) -> None:
    damaged = ["The shard", path, "is not the one of the manifest. Check it with `smt verify`."]
    tf.debugging.Assert(holds, damaged)


def _rebatch(groups: Any, turns: list[Turn], columns: list[ShardColumn]) -> Any:
    """Cut row groups into batches; one may span row groups."""

    def join(rest: Rows, group: tuple[Rows, Any]) -> tuple[Rows, tuple[Rows, Any]]:
        rows, cuts = group
        held = _concat(rest, rows)
        return _cut(held, cuts[-1], None), (held, cuts)

    def batches(held: Rows, cuts: Any) -> Any:
        steps = tf.data.Dataset.from_tensor_slices((cuts[:-1], cuts[1:]))
        return steps.map(lambda start, stop: _cut(held, start, stop))

    cuts = tf.data.Dataset.from_tensor_slices(_ragged([turn.cuts for turn in turns]))
    nothing: dict[str, Any] = {}
    for column in columns:
        values = tf.zeros([0], column.dtype)
        empty = Bags(values, tf.zeros([0], tf.int32), tf.zeros([1], tf.int64))
        nothing[column.name] = values if column.counts is None else empty
    return tf.data.Dataset.zip(groups, cuts).scan(nothing, join).flat_map(batches)


def _take(rows: Rows, order: Any) -> Rows:
    """Return some rows, in the order given."""

    def take_bags(bags: Bags) -> Bags:
        splits = bags.row_splits
        entries = tf.ragged.range(tf.gather(splits, order), tf.gather(splits, order + 1))
        ids, counts = (tf.gather(values, entries.values) for values in (bags.ids, bags.counts))
        return Bags(ids, counts, entries.row_splits)

    return {
        name: take_bags(values) if isinstance(values, Bags) else tf.gather(values, order)
        for name, values in rows.items()
    }


def _cut(rows: Rows, start: Any, stop: Any) -> Rows:
    """Return consecutive rows; without ``stop`` all from ``start`` on."""

    def cut_bags(bags: Bags) -> Bags:
        splits = bags.row_splits[start : None if stop is None else stop + 1]
        entries = slice(splits[0], splits[-1])
        return Bags(bags.ids[entries], bags.counts[entries], splits - splits[0])

    return {
        name: cut_bags(values) if isinstance(values, Bags) else values[start:stop]
        for name, values in rows.items()
    }


def _concat(first: Rows, second: Rows) -> Rows:
    """Return the rows of both."""

    def concat(left: Any, right: Any) -> Any:
        if not isinstance(left, Bags):
            return tf.concat([left, right], 0)
        splits = tf.concat([left.row_splits, left.row_splits[-1] + right.row_splits[1:]], 0)
        ids, counts = concat(left.ids, right.ids), concat(left.counts, right.counts)
        return Bags(ids, counts, splits)

    return {name: concat(first[name], second[name]) for name in first}


def _with_ragged_lists(columns: list[ShardColumn], rows: Rows) -> Rows:
    tensors: dict[str, Any] = {}
    for column in columns:
        values = rows[column.name]
        if column.counts is None:
            tensors[column.name] = values
        else:
            tensors[column.name] = _lists(values.ids, values)
            tensors[column.counts] = _lists(values.counts, values)
    return tensors


def _lists(values: Any, bags: Bags) -> Any:
    return tf.RaggedTensor.from_row_splits(values, bags.row_splits, validate=False)


def _ragged(parts: Iterable[np.ndarray]) -> Any:
    """Return arrays of different lengths as one tensor."""
    parts = list(parts)
    lengths = [len(part) for part in parts]
    return tf.RaggedTensor.from_row_lengths(np.concatenate(parts), lengths)
