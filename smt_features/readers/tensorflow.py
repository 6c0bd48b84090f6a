"""Reads a split as a ``tf.data.Dataset``. The only module here that imports TensorFlow.

Row groups flow through one pipeline: read, put in the order of the epoch, cut into batches.
TFRecord shards take it in C++ alone. Parquet shards, which TensorFlow cannot read, are read by
pyarrow, with a call of Python for each row group.
"""

from collections.abc import Iterable, Iterator
from functools import partial
from itertools import groupby
from typing import Any, NamedTuple, Unpack

import numpy as np
import tensorflow as tf

from smt_features.batch import Bags
from smt_features.layout import LENGTH, ShardColumn, layout
from smt_features.manifest import Manifest
from smt_features.order import GAMMA, LAST_SHIFT, MIX
from smt_features.plan import Order, Turn
from smt_features.split import Split


class Rows(NamedTuple):
    """Rows on their way: few tensors, because each costs time at every operation.

    Attributes
    ----------
    singles
        Name of a dtype to the columns of that dtype, [rows, columns].
    lists
        List column to its `Bags`, of tensors.
    """

    singles: dict[str, Any]
    lists: dict[str, Bags]


class Columns(NamedTuple):
    """The columns of a dataset as `Rows` holds them."""

    singles: dict[str, list[ShardColumn]]
    lists: list[ShardColumn]

    @classmethod
    def of(cls, split: Split) -> "Columns":
        """Return the columns of a split."""
        columns = layout(split.manifest.dataset_schema, keys=split.manifest.options.keys)
        singles: dict[str, list[ShardColumn]] = {}
        for column in columns:
            if column.counts is None:
                singles.setdefault(np.dtype(column.dtype).name, []).append(column)
        return cls(singles, [column for column in columns if column.counts is not None])


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
    columns = Columns.of(split)
    turns = split.plan(batch_size, **order)
    if not turns:
        return to_tensorflow(split, batch_size).take(0)  # resumed at the end of an epoch
    read = _from_parquet if "parquet" in split.record.shards else _from_tfrecord
    batches = _rebatch(read(split, columns, turns), turns, columns)
    steps = sum(len(turn.cuts) - 1 for turn in turns)
    return (
        batches.apply(tf.data.experimental.assert_cardinality(steps))
        .prefetch(2)
        .with_options(_options())
    )


def _options() -> Any:
    """Switch automatic tuning off: on one or two cores a pipeline is a fifth faster so."""
    options = tf.data.Options()
    options.autotune.enabled = False
    return options


def _from_parquet(split: Split, columns: Columns, turns: list[Turn]) -> Any:
    entries, splits = tf.TensorSpec([None], tf.int32), tf.TensorSpec([None], tf.int64)
    signature = Rows(
        {dtype: tf.TensorSpec([None, len(c)], dtype) for dtype, c in columns.singles.items()},
        {c.name: Bags(tf.TensorSpec([None], c.dtype), entries, splits) for c in columns.lists},
    )

    def row_groups() -> Iterator[Rows]:
        for group in split.row_groups(turns):
            yield Rows(
                {
                    dtype: np.stack([group[column.name] for column in members], axis=1)
                    for dtype, members in columns.singles.items()
                },
                {name: values for name, values in group.items() if isinstance(values, Bags)},
            )

    return tf.data.Dataset.from_generator(row_groups, output_signature=signature)


def _from_tfrecord(split: Split, columns: Columns, turns: list[Turn]) -> Any:
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


def _load(manifest: Manifest, columns: Columns, path: Any, rows: Any) -> Rows:
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
    lists = {}
    for column in columns.lists:
        splits = features[column.name].row_splits
        if manifest.options.rows_per_example > 1:
            splits = tf.concat([[0], tf.cumsum(features[column.name + LENGTH].flat_values)], 0)
        ids = tf.cast(features[column.name].flat_values, column.dtype)
        counts = tf.cast(features[column.counts].flat_values, tf.int32)
        lists[column.name] = Bags(ids, counts, splits)
    singles = {
        dtype: [tf.cast(features[column.name].flat_values, dtype) for column in members]
        for dtype, members in columns.singles.items()
    }
    with tf.control_dependencies([_require_whole(path, rows, singles, lists)]):
        # The other way round is a copy value by value.
        matrices = {dtype: tf.transpose(tf.stack(parts)) for dtype, parts in singles.items()}
    return Rows(matrices, lists)


def _require_whole(
    path: Any, rows: Any, singles: dict[str, list[Any]], lists: dict[str, Bags]
) -> Any:
    """Check that every column has as many values as the shard's record says."""
    found = [tf.size(values, tf.int64) for parts in singles.values() for values in parts]
    expected = [rows] * len(found)
    holds = []
    for ids, counts, splits in lists.values():
        found += [tf.size(splits, tf.int64), tf.size(ids, tf.int64), tf.size(counts, tf.int64)]
        expected += [rows + 1, splits[-1], splits[-1]]
        holds.append(tf.reduce_all(splits[1:] >= splits[:-1]))
    whole = tf.reduce_all([*holds, tf.reduce_all(tf.equal(tf.stack(found), tf.stack(expected)))])
    damaged = ["The shard", path, "is not the one of the manifest. Check it with `smt verify`."]
    return tf.debugging.Assert(whole, damaged)


def _rebatch(groups: Any, turns: list[Turn], columns: Columns) -> Any:
    """Cut row groups into batches; one may span row groups."""

    def join(rest: Rows, group: tuple[Rows, Any]) -> tuple[Rows, tuple[Rows, Any]]:
        rows, cuts = group
        held = _concat(rest, rows)
        return _cut(held, cuts[-1], None), (held, cuts)

    def batches(held: Rows, cuts: Any) -> Any:
        steps = tf.data.Dataset.from_tensor_slices((cuts[:-1], cuts[1:]))
        return steps.map(lambda start, stop: _batch(columns, _cut(held, start, stop)))

    cuts = tf.data.Dataset.from_tensor_slices(_ragged([turn.cuts for turn in turns]))
    none, no_row = tf.zeros([0], tf.int32), tf.zeros([1], tf.int64)
    nothing = Rows(
        {dtype: tf.zeros([0, len(c)], dtype) for dtype, c in columns.singles.items()},
        {c.name: Bags(tf.zeros([0], c.dtype), none, no_row) for c in columns.lists},
    )
    return tf.data.Dataset.zip(groups, cuts).scan(nothing, join).flat_map(batches)


def _take(rows: Rows, order: Any) -> Rows:
    """Return some rows, in the order given."""

    def take(bags: Bags) -> Bags:
        splits = bags.row_splits
        entries = tf.ragged.range(tf.gather(splits, order), tf.gather(splits, order + 1))
        ids, counts = (tf.gather(values, entries.values) for values in (bags.ids, bags.counts))
        return Bags(ids, counts, entries.row_splits)

    return Rows(
        {dtype: tf.gather(matrix, order) for dtype, matrix in rows.singles.items()},
        {name: take(bags) for name, bags in rows.lists.items()},
    )


def _cut(rows: Rows, start: Any, stop: Any) -> Rows:
    """Return consecutive rows; without ``stop`` all from ``start`` on."""

    def cut(bags: Bags) -> Bags:
        splits = bags.row_splits[start : None if stop is None else stop + 1]
        entries = slice(splits[0], splits[-1])
        return Bags(bags.ids[entries], bags.counts[entries], splits - splits[0])

    return Rows(
        {dtype: matrix[start:stop] for dtype, matrix in rows.singles.items()},
        {name: cut(bags) for name, bags in rows.lists.items()},
    )


def _concat(first: Rows, second: Rows) -> Rows:
    """Return the rows of both."""

    def concat(left: Bags, right: Bags) -> Bags:
        splits = tf.concat([left.row_splits, left.row_splits[-1] + right.row_splits[1:]], 0)
        ids, counts = (tf.concat(parts, 0) for parts in zip(left[:2], right[:2], strict=True))
        return Bags(ids, counts, splits)

    return Rows(
        {
            dtype: tf.concat([first.singles[dtype], second.singles[dtype]], 0)
            for dtype in first.singles
        },
        {name: concat(first.lists[name], second.lists[name]) for name in first.lists},
    )


def _batch(columns: Columns, rows: Rows) -> dict[str, Any]:
    """Return a batch as it is delivered: a tensor for each column."""
    batch: dict[str, Any] = {}
    for dtype, members in columns.singles.items():
        parts = tf.unstack(tf.transpose(rows.singles[dtype]), num=len(members))
        batch.update(zip((column.name for column in members), parts, strict=True))
    for column in columns.lists:
        bags = rows.lists[column.name]
        batch[column.name] = _lists(bags.ids, bags)
        batch[str(column.counts)] = _lists(bags.counts, bags)
    return batch


def _lists(values: Any, bags: Bags) -> Any:
    return tf.RaggedTensor.from_row_splits(values, bags.row_splits, validate=False)


def _ragged(parts: Iterable[np.ndarray]) -> Any:
    """Return arrays of different lengths as one tensor."""
    parts = list(parts)
    lengths = [len(part) for part in parts]
    return tf.RaggedTensor.from_row_lengths(np.concatenate(parts), lengths)
