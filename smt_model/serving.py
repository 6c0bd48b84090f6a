"""A trained model as TensorFlow Serving takes it: raw texts or hashed ids in, probabilities out."""

from collections.abc import Mapping
from typing import NamedTuple

import tensorflow as tf

from smt_model.embedding import part_name
from smt_model.hashing_graph import murmur3_32
from smt_model.layout import fused_tables
from smt_model.loading import TrainedModel
from smt_model.parts import parts
from smt_schemas import Column, UserError

RAW = "serving_default"
"""Signature that takes the cells of a log as text."""

HASHED = "hashed_ids"
"""Signature that takes buckets, as the shards hold them."""

COUNT = "_count"
"""Ending of the input with the counts of a list, named as in the shards."""


class Bag(NamedTuple):
    """The lists of a feature, row after row.

    Attributes
    ----------
    entries
        string [E], or int32 [E] once they are encoded.
    weights
        float32 [E], how often each entry counts in the mean of its row.
    owners
        int [E], the row that each belongs to.
    rows
        int32 [], N.
    """

    entries: tf.Tensor
    weights: tf.Tensor
    owners: tf.Tensor
    rows: tf.Tensor


class ServingModel(tf.Module):
    """Both signatures of a trained model, made of TensorFlow's own operations.

    Ids that a feature has no bucket for are refused by the lookup. Texts are not validated,
    only encoded as `smt prepare` encodes valid ones.

    Raises
    ------
    UserError
        When a feature has an encoding that the graph does not know.
    """

    def __init__(self, trained: TrainedModel) -> None:
        super().__init__(name="simple_multitask")
        self._features = _in_table_order(trained)
        self._tasks = list(trained.schema.tasks)
        self._seed = trained.hash_seed
        values = {part.name: part for part in parts(trained.model, None)}
        self._vectors = {
            column.name: tf.Variable(values[part_name(column.name)].read(), trainable=False)
            for column in self._features
        }
        self._towers = trained.model.towers

    def signatures(self) -> dict[str, tf.types.experimental.ConcreteFunction]:
        """Return the functions to save, by name.

        ``serving_default`` takes each feature as string [N]. ``hashed_ids`` takes each as
        int32 [N], and a list as int32 [N, L] with its counts, int32 [N, L]: entries of count
        0 are filling. Both return each task's probability, float32 [N].
        """
        texts = {c.name: tf.TensorSpec([None], tf.string, c.name) for c in self._features}
        ids: dict[str, tf.TensorSpec] = {}
        for column in self._features:
            shape = [None, None] if column.is_list else [None]
            names = [column.name, column.name + COUNT] if column.is_list else [column.name]
            ids |= {name: tf.TensorSpec(shape, tf.int32, name) for name in names}
        raw = tf.function(lambda **inputs: self._from_texts(inputs), autograph=False)
        hashed = tf.function(lambda **inputs: self._from_ids(inputs), autograph=False)
        return {
            RAW: raw.get_concrete_function(**texts),
            HASHED: hashed.get_concrete_function(**ids),
        }

    def _from_texts(self, texts: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        lists = {c.name: _split(texts[c.name], c) for c in self._features if c.is_list}
        cells = {c.name: texts[c.name] for c in self._features if not c.is_list}
        entries = cells | {name: bag.entries for name, bag in lists.items()}
        buckets = self._buckets(entries)
        bags = {name: bag._replace(entries=buckets[name]) for name, bag in lists.items()}
        return self._predict(buckets | bags)

    def _from_ids(self, inputs: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        ids = {c.name: inputs[c.name] for c in self._features if not c.is_list}
        bags = {c.name: _flat(inputs, c) for c in self._features if c.is_list}
        return self._predict(ids | bags)

    def _buckets(self, entries: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Return the bucket of each text, int32 [E], by feature."""
        hashed = [column for column in self._features if column.encoding == "hash"]
        buckets = {
            column.name: _integers(entries[column.name], column)
            for column in self._features
            if column.encoding == "identity"
        }
        if hashed:
            # All texts at once: one loop in the graph instead of one for each feature.
            texts = [entries[column.name] for column in hashed]
            every = tf.cast(murmur3_32(tf.concat(texts, 0), self._seed), tf.int64)
            parts = tf.split(every, [tf.size(text) for text in texts])
            for column, part in zip(hashed, parts, strict=True):
                buckets[column.name] = tf.cast(part % column.buckets, tf.int32)
        return buckets

    def _predict(self, ids: Mapping[str, "tf.Tensor | Bag"]) -> dict[str, tf.Tensor]:
        found = []
        for column in self._features:
            vectors, value = self._vectors[column.name], ids[column.name]
            is_bag = isinstance(value, Bag)
            found.append(_mean(vectors, value) if is_bag else tf.gather(vectors, value))
        inputs = tf.concat(found, axis=1)
        return {
            task: tf.sigmoid(tower(inputs))
            for task, tower in zip(self._tasks, self._towers, strict=True)
        }


def _in_table_order(trained: TrainedModel) -> list[Column]:
    """Return the features in the order in which the towers take their vectors."""
    for column in trained.schema.features:
        if column.encoding not in ("hash", "identity"):
            msg = f"Feature {column.name!r} has the encoding {column.encoding!r}, which cannot "
            raise UserError(msg + "be exported yet.")
    if trained.schema.numerics:
        msg = f"Numeric feature {trained.schema.numerics[0].name!r} cannot be exported yet."
        raise UserError(msg)
    if trained.model.embedding_variables:
        msg = "A model with embedding variables (--ev, --adaptive-emb) cannot be exported yet."
        raise UserError(msg)
    return [column for table in fused_tables(trained.schema.features) for column in table.features]


def _split(texts: tf.Tensor, column: Column) -> Bag:
    """Return the entries of the lists, as text."""
    # An empty text splits into one empty entry, but is a list without entries.
    filled = tf.where(tf.strings.length(texts) > 0)[:, 0]
    split = tf.strings.split(tf.gather(texts, filled), column.separator)
    rows = tf.gather(filled, split.value_rowids())
    return Bag(split.values, tf.ones(tf.shape(split.values)), rows, tf.size(texts))


def _flat(inputs: Mapping[str, tf.Tensor], column: Column) -> Bag:
    """Return the ids of lists that come as a matrix, with their counts as weights."""
    ids, counts = inputs[column.name], inputs[column.name + COUNT]
    rows, width = tf.unstack(tf.shape(ids))
    weights = tf.reshape(tf.cast(counts, tf.float32), [-1])
    return Bag(tf.reshape(ids, [-1]), weights, tf.repeat(tf.range(rows), width), rows)


def _integers(texts: tf.Tensor, column: Column) -> tf.Tensor:
    values = tf.strings.to_number(texts, tf.int64)
    inside = tf.reduce_all((values >= 0) & (values < column.buckets))
    message = f"{column.name} must be an integer from 0 to {column.buckets - 1}"
    with tf.control_dependencies([tf.debugging.Assert(inside, [message])]):
        return tf.cast(values, tf.int32)


def _mean(vectors: tf.Variable, bag: Bag) -> tf.Tensor:
    """Return the weighted mean of each row's vectors, float32 [N, dim]; zeros without entries."""
    weighted = tf.gather(vectors, bag.entries) * bag.weights[:, tf.newaxis]
    sums = tf.math.unsorted_segment_sum(weighted, bag.owners, bag.rows)
    totals = tf.math.unsorted_segment_sum(bag.weights, bag.owners, bag.rows)
    return tf.math.divide_no_nan(sums, totals[:, tf.newaxis])
