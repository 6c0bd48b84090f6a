"""A trained model as TensorFlow Serving takes it: raw texts or hashed ids in, probabilities out."""

from collections.abc import Mapping

import tensorflow as tf

from smt_model.embedding import part_name
from smt_model.encoding_graph import Bag, GraphEncoder
from smt_model.loading import TrainedModel
from smt_model.parts import parts
from smt_schemas import Column, UserError

RAW = "serving_default"
"""Signature that takes the cells of a log as text."""

HASHED = "hashed_ids"
"""Signature that takes ids, as the shards hold them."""

COUNT = "_count"
"""Ending of the input with the counts of a list, named as in the shards."""


class ServingModel(tf.Module):
    """Both signatures of a trained model, made of TensorFlow's own operations.

    Ids that a feature has no bucket for are refused by the lookup. Texts are not validated,
    only encoded as `smt prepare` encodes valid ones.

    Raises
    ------
    UserError
        When the vocabularies of the model cannot be read, or it has embedding variables.
    """

    def __init__(self, trained: TrainedModel) -> None:
        super().__init__(name="simple_multitask")
        schema = trained.schema
        if trained.model.embedding_variables:
            msg = "A model with embedding variables (--ev, --adaptive-emb) cannot be exported yet."
            raise UserError(msg)
        self._encoder = GraphEncoder(schema, trained.hash_seed, trained.vocabularies)
        # In the order in which the towers take the vectors.
        layouts = [table.layout for table in trained.model.tables]
        self._features = [feature.column for layout in layouts for feature in layout.features]
        self._numerics = [column.name for column in schema.numerics]
        self._tasks = list(schema.tasks)
        values = {part.name: part for part in parts(trained.model, None)}
        self._vectors = {
            column.name: tf.Variable(values[part_name(column.name)].read(), trainable=False)
            for column in self._features
        }
        self._towers = trained.model.towers

    def signatures(self) -> dict[str, tf.types.experimental.ConcreteFunction]:
        """Return the functions to save, by name.

        ``serving_default`` takes each column as string [N]. ``hashed_ids`` takes each feature,
        derived ones too, as int32 [N], a list as int32 [N, L] with its counts, int32 [N, L]
        (entries of count 0 are filling), and a numeric feature as float32 [N]. Both return each
        task's probability, float32 [N].
        """
        texts = {name: tf.TensorSpec([None], tf.string, name) for name in self._encoder.columns}
        ids: dict[str, tf.TensorSpec] = {}
        for column in self._features:
            shape = [None, None] if column.is_list else [None]
            names = [column.name, column.name + COUNT] if column.is_list else [column.name]
            ids |= {name: tf.TensorSpec(shape, tf.int32, name) for name in names}
        ids |= {name: tf.TensorSpec([None], tf.float32, name) for name in self._numerics}
        raw = tf.function(lambda **inputs: self._predict(self._encoder(inputs)), autograph=False)
        hashed = tf.function(lambda **inputs: self._from_ids(inputs), autograph=False)
        return {
            RAW: raw.get_concrete_function(**texts),
            HASHED: hashed.get_concrete_function(**ids),
        }

    def _from_ids(self, inputs: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        bags = {c.name: _flat(inputs, c) for c in self._features if c.is_list}
        return self._predict({**inputs, **bags})

    def _predict(self, values: Mapping[str, "tf.Tensor | Bag"]) -> dict[str, tf.Tensor]:
        found = []
        for column in self._features:
            vectors, value = self._vectors[column.name], values[column.name]
            is_bag = isinstance(value, Bag)
            found.append(_mean(vectors, value) if is_bag else tf.gather(vectors, value))
        found += [tf.expand_dims(values[name], 1) for name in self._numerics]
        inputs = tf.concat(found, axis=1)
        return {
            task: tf.sigmoid(tower(inputs))
            for task, tower in zip(self._tasks, self._towers, strict=True)
        }


def _flat(inputs: Mapping[str, tf.Tensor], column: Column) -> Bag:
    """Return the ids of lists that come as a matrix, with their counts as weights."""
    ids, counts = inputs[column.name], inputs[column.name + COUNT]
    rows, width = tf.unstack(tf.shape(ids))
    weights = tf.reshape(tf.cast(counts, tf.float32), [-1])
    return Bag(tf.reshape(ids, [-1]), weights, tf.repeat(tf.range(rows), width), rows)


def _mean(vectors: tf.Variable, bag: Bag) -> tf.Tensor:
    """Return the weighted mean of each row's vectors, float32 [N, dim]; zeros without entries."""
    weighted = tf.gather(vectors, bag.entries) * bag.weights[:, tf.newaxis]
    sums = tf.math.unsorted_segment_sum(weighted, bag.owners, bag.rows)
    totals = tf.math.unsorted_segment_sum(bag.weights, bag.owners, bag.rows)
    return tf.math.divide_no_nan(sums, totals[:, tf.newaxis])
