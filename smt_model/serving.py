"""A trained model as TensorFlow Serving takes it: raw texts or hashed ids in, probabilities out."""

from collections.abc import Mapping

import tensorflow as tf

from smt_model.encoding_graph import Bag, GraphEncoder
from smt_model.fuser import KEY
from smt_model.loading import TrainedModel
from smt_model.serving_tables import FrozenKeys, serving_tables
from smt_schemas import Column

RAW = "serving_default"
"""Signature that takes the cells of a log as text."""

HASHED = "hashed_ids"
"""Signature that takes ids and keys, as the shards hold them."""

COUNT = "_count"
"""Ending of the input with the counts of a list, named as in the shards."""


class ServingModel(tf.Module):
    """Both signatures of a trained model, made of TensorFlow's own operations.

    Ids that a feature has no bucket for are refused by the lookup; keys that own no vector have
    that which they have in training. Texts are not validated, only encoded as `smt prepare`
    encodes valid ones.

    Raises
    ------
    UserError
        When the vocabularies of the model cannot be read.
    """

    def __init__(self, trained: TrainedModel) -> None:
        super().__init__(name="simple_multitask")
        schema = trained.schema
        self._lookups = serving_tables(trained.model)
        self._keyed = {name for name, t in self._lookups.items() if isinstance(t, FrozenKeys)}
        self._encoder = GraphEncoder(schema, trained.hash_seed, trained.vocabularies, self._keyed)
        # In the order in which the towers take the vectors.
        layouts = [table.layout for table in trained.model.tables]
        self._features = [feature.column for layout in layouts for feature in layout.features]
        self._numerics = [column.name for column in schema.numerics]
        self._tasks = list(schema.tasks)
        self._towers = trained.model.towers

    def signatures(self) -> dict[str, tf.types.experimental.ConcreteFunction]:
        """Return the functions to save, by name.

        ``serving_default`` takes each column as string [N]. ``hashed_ids`` takes each feature,
        derived ones too, as int32 [N], a list as int32 [N, L] with its counts, int32 [N, L]
        (entries of count 0 are filling), and a numeric feature as float32 [N]; a feature whose
        keys own vectors as ``<name>_key``, int64 instead of int32. Both return each task's
        probability, float32 [N].
        """
        texts = {name: tf.TensorSpec([None], tf.string, name) for name in self._encoder.columns}
        ids: dict[str, tf.TensorSpec] = {}
        for column in self._features:
            shape = [None, None] if column.is_list else [None]
            name, dtype = self._input(column), self._id_type(column)
            ids[name] = tf.TensorSpec(shape, dtype, name)
            if column.is_list:
                ids[name + COUNT] = tf.TensorSpec(shape, tf.int32, name + COUNT)
        ids |= {name: tf.TensorSpec([None], tf.float32, name) for name in self._numerics}
        raw = tf.function(lambda **inputs: self._predict(self._encoder(inputs)), autograph=False)
        hashed = tf.function(lambda **inputs: self._from_ids(inputs), autograph=False)
        return {
            RAW: raw.get_concrete_function(**texts),
            HASHED: hashed.get_concrete_function(**ids),
        }

    def _input(self, column: Column) -> str:
        return column.name + KEY if column.name in self._keyed else column.name

    def _id_type(self, column: Column) -> tf.DType:
        return tf.int64 if column.name in self._keyed else tf.int32

    def _from_ids(self, inputs: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        numbers = {name: inputs[name] for name in self._numerics}
        given = {c.name: _given(inputs, self._input(c), c) for c in self._features}
        return self._predict({**numbers, **given})

    def _predict(self, values: Mapping[str, "tf.Tensor | Bag"]) -> dict[str, tf.Tensor]:
        found = []
        for column in self._features:
            lookup, value = self._lookups[column.name], values[column.name]
            is_bag = isinstance(value, Bag)
            found.append(_mean(lookup(value.entries), value) if is_bag else lookup(value))
        found += [tf.expand_dims(values[name], 1) for name in self._numerics]
        inputs = tf.concat(found, axis=1)
        return {
            task: tf.sigmoid(tower(inputs))
            for task, tower in zip(self._tasks, self._towers, strict=True)
        }


def _given(inputs: Mapping[str, tf.Tensor], name: str, column: Column) -> "tf.Tensor | Bag":
    """Return the ids of a feature; of a list, which comes as a matrix, with counts as weights."""
    ids = inputs[name]
    if not column.is_list:
        return ids
    rows, width = tf.unstack(tf.shape(ids))
    weights = tf.reshape(tf.cast(inputs[name + COUNT], tf.float32), [-1])
    return Bag(tf.reshape(ids, [-1]), weights, tf.repeat(tf.range(rows), width), rows)


def _mean(vectors: tf.Tensor, bag: Bag) -> tf.Tensor:
    """Return the weighted mean of each row's vectors, float32 [N, dim]; zeros without entries."""
    weighted = vectors * bag.weights[:, tf.newaxis]
    sums = tf.math.unsorted_segment_sum(weighted, bag.owners, bag.rows)
    totals = tf.math.unsorted_segment_sum(bag.weights, bag.owners, bag.rows)
    return tf.math.divide_no_nan(sums, totals[:, tf.newaxis])
