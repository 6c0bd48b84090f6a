"""Rows on their way through a ``tf.data`` pipeline: taken in an order, joined and cut."""

from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from smt_features.layout import ShardColumn


class Lists(NamedTuple):
    """A list column.

    Attributes
    ----------
    values
        Tensors of [entries]: the ids and the counts, or one int64 that holds both, see `packed`.
    splits
        int64 [rows + 1], where the entries of each row begin and end.
    """

    values: tuple[Any, ...]
    splits: Any


class Rows(NamedTuple):
    """Rows on their way: few tensors, because each costs time at every operation.

    Attributes
    ----------
    singles
        Name of a dtype to the columns of that dtype, [rows, columns].
    lists
        List column to its `Lists`.
    """

    singles: dict[str, Any]
    lists: dict[str, Lists]


class Columns(NamedTuple):
    """The columns of a dataset as `Rows` holds them."""

    singles: dict[str, list[ShardColumn]]
    lists: list[ShardColumn]

    @classmethod
    def of(cls, columns: list[ShardColumn]) -> "Columns":
        """Sort the columns of a shard."""
        singles: dict[str, list[ShardColumn]] = {}
        for column in columns:
            if column.counts is None:
                singles.setdefault(np.dtype(column.dtype).name, []).append(column)
        return cls(singles, [column for column in columns if column.counts is not None])

    def no_rows(self, *, are_packed: bool) -> Rows:
        """Return no rows; where lists `are_packed`, those of int32 ids are."""
        lists = {}
        for column in self.lists:
            dtypes = (tf.int64,) if are_packed and column.is_paired else (column.dtype, tf.int32)
            values = tuple(tf.zeros([0], dtype) for dtype in dtypes)
            lists[column.name] = Lists(values, tf.zeros([1], tf.int64))
        return Rows({d: tf.zeros([0, len(c)], d) for d, c in self.singles.items()}, lists)


def packed(ids: Any, counts: Any) -> Any:
    """Return ids and counts, below 2^31 both, as one tensor; all are int64 [entries]."""
    return ids | tf.bitwise.left_shift(counts, tf.constant(32, tf.int64))


def take(rows: Rows, order: Any) -> Rows:
    """Return some rows, in the order given."""

    def gathered(values: Any, splits: Any) -> Any:
        lists = tf.RaggedTensor.from_row_splits(values, splits, validate=False)
        return tf.gather(lists, order)

    def take_lists(lists: Lists) -> Lists:
        parts = [gathered(values, lists.splits) for values in lists.values]
        return Lists(tuple(part.values for part in parts), parts[0].row_splits)

    return Rows(
        {dtype: tf.gather(matrix, order) for dtype, matrix in rows.singles.items()},
        {name: take_lists(lists) for name, lists in rows.lists.items()},
    )


def cut(rows: Rows, start: Any, stop: Any) -> Rows:
    """Return consecutive rows; without ``stop`` all from ``start`` on."""

    def cut_lists(lists: Lists) -> Lists:
        splits = lists.splits[start : None if stop is None else stop + 1]
        entries = slice(splits[0], splits[-1])
        return Lists(tuple(values[entries] for values in lists.values), splits - splits[0])

    return Rows(
        {dtype: matrix[start:stop] for dtype, matrix in rows.singles.items()},
        {name: cut_lists(lists) for name, lists in rows.lists.items()},
    )


def concat(first: Rows, second: Rows) -> Rows:
    """Return the rows of both."""

    def concat_lists(left: Lists, right: Lists) -> Lists:
        splits = tf.concat([left.splits, left.splits[-1] + right.splits[1:]], 0)
        pairs = zip(left.values, right.values, strict=True)
        return Lists(tuple(tf.concat(pair, 0) for pair in pairs), splits)

    return Rows(
        {
            dtype: tf.concat([first.singles[dtype], second.singles[dtype]], 0)
            for dtype in first.singles
        },
        {name: concat_lists(first.lists[name], second.lists[name]) for name in first.lists},
    )


def batch_of(columns: Columns, rows: Rows) -> dict[str, Any]:
    """Return a batch as it is delivered: a tensor for each column."""
    batch: dict[str, Any] = {}
    for dtype, members in columns.singles.items():
        parts = tf.unstack(tf.transpose(rows.singles[dtype]), num=len(members))
        batch.update(zip((column.name for column in members), parts, strict=True))
    for column in columns.lists:
        values, splits = rows.lists[column.name]
        if len(values) == 1:
            shift = tf.constant(32, tf.int64)
            values = (values[0], tf.bitwise.right_shift(values[0], shift))
        dtypes = (column.dtype, tf.int32)
        for name, part, dtype in zip(column.names, values, dtypes, strict=True):
            batch[name] = tf.RaggedTensor.from_row_splits(
                tf.cast(part, dtype), splits, validate=False
            )
    return batch


def rebatch(groups: Any, cuts: Any, none: Rows, columns: Columns) -> Any:
    """Cut row groups into batches; one may span row groups.

    Parameters
    ----------
    groups
        Dataset of the rows of each turn.
    cuts
        Where batches begin and end in them, see `Turn`: a dataset of int64 [batches + 1].
    none
        No rows.
    columns
        What rows hold.
    """

    def join(rest: Rows, group: tuple[Rows, Any]) -> tuple[Rows, tuple[Rows, Any]]:
        rows, cuts = group
        held = concat(rest, rows)
        return cut(held, cuts[-1], None), (held, cuts)

    # A function within the datasets of turns would be made ready for each turn anew.
    def steps(held: Rows, cuts: Any) -> Any:
        return each(held, (cuts[:-1], cuts[1:]))

    held = tf.data.Dataset.zip(groups, cuts).scan(none, join).flat_map(steps)
    return held.map(lambda held, bounds: batch_of(columns, cut(held, *bounds)))


def each(whole: Any, items: Any) -> Any:
    """Return a dataset of each of some items, with the same whole before it."""
    wholes = tf.data.Dataset.from_tensors(whole).repeat()
    return tf.data.Dataset.zip(wholes, tf.data.Dataset.from_tensor_slices(items))
