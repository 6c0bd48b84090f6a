"""Reads TFRecord shards in C++ alone: their row groups, in the order of an epoch, as batches."""

from functools import cache, partial
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from smt_features.layout import LENGTH, ShardColumn, layout
from smt_features.order import GAMMA, LAST_SHIFT, MIX
from smt_features.plan import Turn
from smt_features.readers.tensorflow_rows import Columns, Lists, Rows, each, packed, rebatch, take
from smt_features.split import Split

_BUFFER = 1 << 20
"""Bytes of a file that are read at a time."""


class Form(NamedTuple):
    """All of a dataset that the graph of its pipeline depends on."""

    columns: tuple[ShardColumn, ...]
    compression: str
    rows_per_example: int
    rows_per_group: int
    shuffled: bool

    def examples(self, rows: Any) -> Any:
        """Return the Examples that hold the first rows of a shard; none spans two row groups."""
        per_group = -(-self.rows_per_group // self.rows_per_example)
        rest = rows % self.rows_per_group
        return rows // self.rows_per_group * per_group + -(-rest // self.rows_per_example)


def record_batches(split: Split, turns: list[Turn]) -> Any:
    """Return the batches of some turns, of TFRecord shards."""
    options = split.manifest.options
    visits = [list(visit) for _, visit in groupby(turns, key=lambda turn: turn.group.shard)]
    shards = [split.shards[visit[0].group.shard] for visit in visits]
    form = Form(
        columns=tuple(layout(split.manifest.dataset_schema, keys=options.keys)),
        compression={"gzip": "GZIP", "none": ""}[options.tfrecord_compression],
        rows_per_example=options.rows_per_example,
        rows_per_group=options.rows_per_group,
        shuffled=any(turn.group.seed is not None for turn in turns),
    )
    return _pipeline(form)(
        tf.constant([str(split.directory / shard.name) for shard in shards], tf.string),
        tf.constant([shard.rows for shard in shards], tf.int64),
        ragged([_numbers(visit, form) for visit in visits]),
        ragged([turn.cuts for turn in turns]),
    )


def ragged(parts: list[np.ndarray]) -> Any:
    """Return arrays of different lengths as one tensor."""
    return tf.RaggedTensor.from_row_lengths(np.concatenate(parts), [len(part) for part in parts])


@cache
def _pipeline(form: Form) -> Any:
    """Return the function that makes a dataset: its graph is made once, not for each epoch."""
    columns = Columns.of(list(form.columns))

    def make(paths: Any, rows: Any, groups: Any, cuts: Any) -> Any:
        shards = tf.data.Dataset.from_tensor_slices((paths, rows, groups))
        read = shards.map(partial(_read, form)).prefetch(1)
        turns = read.flat_map(lambda path, records, groups: each((path, records), groups))
        turns = turns.map(partial(_row_group, form, columns))
        cuts = tf.data.Dataset.from_tensor_slices(cuts)
        return rebatch(turns, cuts, columns.no_rows(are_packed=True), columns).prefetch(2)

    signature = [
        tf.TensorSpec([None], tf.string),
        tf.TensorSpec([None], tf.int64),
        tf.RaggedTensorSpec([None, None, 4], tf.int64, ragged_rank=1),
        tf.RaggedTensorSpec([None, None], tf.int64),
    ]
    return tf.function(make, signature, autograph=False)


def _numbers(visit: list[Turn], form: Form) -> np.ndarray:
    """Return what the graph needs to know of row groups: int64 [turns, 4], see `_row_group`."""
    size = form.rows_per_group
    numbers = [(group.index * size, group.rows, skip) for group, skip, _ in visit]
    seeds = [turn.group.seed or 0 for turn in visit]
    return np.column_stack([numbers, np.array(seeds, np.uint64).view(np.int64)])


def _read(form: Form, path: Any, rows: Any, groups: Any) -> tuple[Any, Any, Any]:
    """Read the Examples of a shard."""
    examples = form.examples(rows)
    records = tf.data.TFRecordDataset(path, form.compression, _BUFFER)
    # One Example too many would be one in the batch.
    records = records.batch(examples + 1).get_single_element()
    with tf.control_dependencies([_require(path, tf.equal(tf.size(records, tf.int64), examples))]):
        return path, tf.identity(records), groups


def _row_group(form: Form, columns: Columns, shard: tuple[Any, Any], group: Any) -> Rows:
    """Return the rows of a row group of a shard, in the order of the epoch.

    ``group`` has, int64, its first row in the shard, its rows, how many of them are left out at the
    beginning of its order, and the order's seed.
    """
    path, records = shard
    begin, rows, skip, seed = tf.unstack(group, num=4)
    first = form.examples(begin)
    own = records[first : first + -(-rows // form.rows_per_example)]
    order = tf.range(rows)
    if form.shuffled:
        numbers = _splitmix64(tf.bitcast(seed, tf.uint64), order)
        # Signed integers sort faster: with the highest bit flipped they have the same order.
        signed = tf.bitcast(numbers ^ tf.constant(1 << 63, tf.uint64), tf.int64)
        order = tf.argsort(signed)
    return take(_parse(form, columns, path, own, rows), order[skip:])


def _splitmix64(seed: Any, positions: Any) -> Any:
    """Do the work of `smt_features.order.splitmix64` in the graph."""

    def shifted(state: Any, bits: int) -> Any:
        return state ^ tf.bitwise.right_shift(state, tf.constant(bits, tf.uint64))

    state = seed + tf.cast(positions + 1, tf.uint64) * tf.constant(GAMMA, tf.uint64)
    for shift, factor in MIX:
        state = shifted(state, shift) * tf.constant(factor, tf.uint64)
    return shifted(state, LAST_SHIFT)


def _parse(form: Form, columns: Columns, path: Any, records: Any, rows: Any) -> Rows:
    """Return the rows of the Examples of a row group."""
    features = _features(form, columns, records, rows)
    singles = {
        dtype: [features[column.name] for column in members]
        for dtype, members in columns.singles.items()
    }
    lists, holds = {}, []
    for column in columns.lists:
        lengths = features[column.name + LENGTH]
        splits = tf.concat([[0], tf.cumsum(lengths)], 0)
        ids, counts = (features[name] for name in column.names)
        holds += [tf.equal(tf.size(values, tf.int64), splits[-1]) for values in (ids, counts)]
        holds += [tf.equal(tf.size(lengths, tf.int64), rows), tf.reduce_all(lengths >= 0)]
        values = (packed(ids, counts),) if column.is_paired else (ids, tf.cast(counts, tf.int32))
        lists[column.name] = Lists(values, splits)
    holds += [
        tf.equal(tf.size(values, tf.int64), rows) for parts in singles.values() for values in parts
    ]
    with tf.control_dependencies([_require(path, tf.reduce_all(tf.stack(holds)))]):
        return Rows(
            # The other way round is a copy value by value.
            {d: tf.transpose(tf.cast(tf.stack(parts), d)) for d, parts in singles.items()},
            # Nothing is taken from lists before they are checked.
            {name: Lists(values, tf.identity(splits)) for name, (values, splits) in lists.items()},
        )


def _features(form: Form, columns: Columns, records: Any, rows: Any) -> dict[str, Any]:
    """Return the values of each feature of some Examples, [values], int64 or float32."""
    names = [column.name for members in columns.singles.values() for column in members]
    numerics = {column.name for column in form.columns if column.dtype is np.float32}
    dtypes = {name: tf.float32 if name in numerics else tf.int64 for name in names}
    entries = [name for column in columns.lists for name in column.names]
    lists = {name: tf.io.RaggedFeature(tf.int64, row_splits_dtype=tf.int64) for name in entries}
    if form.rows_per_example == 1:
        spec = {name: tf.io.FixedLenFeature([1], dtype) for name, dtype in dtypes.items()} | lists
        found = tf.io.parse_example(records, spec)
        lengths = {c.name + LENGTH: found[c.name].row_lengths() for c in columns.lists}
        return {name: _flat(values) for name, values in found.items()} | lengths
    dtypes |= {column.name + LENGTH: tf.int64 for column in columns.lists}

    def parsed(features: dict[str, Any]) -> dict[str, Any]:
        found = tf.io.parse_example(records, features | lists)
        return {name: _flat(values) for name, values in found.items()}

    # As fixed shapes TensorFlow parses twice as fast; the last Example may have fewer rows.
    shape = [form.rows_per_example]
    values: dict[str, Any] = tf.cond(
        tf.equal(rows % form.rows_per_example, 0),
        lambda: parsed({n: tf.io.FixedLenFeature(shape, dtype) for n, dtype in dtypes.items()}),
        lambda: parsed(
            {
                n: tf.io.RaggedFeature(dtype, row_splits_dtype=tf.int64)
                for n, dtype in dtypes.items()
            }
        ),
    )
    return values


def _flat(values: Any) -> Any:
    return values.flat_values if isinstance(values, tf.RaggedTensor) else tf.reshape(values, [-1])


def _require(path: Any, holds: Any) -> Any:
    """Check that a shard has what its record says."""
    damaged = ["The shard", path, "is not the one of the manifest. Check it with `smt verify`."]
    return tf.debugging.Assert(holds, damaged)
