"""The same model in Keras 3, trained by `fit`: an Embedding for each feature.

    python -m smt_bench.baseline_keras DATA [--batch-size 512] [--steps 500]

Batches come from the same shards, as a `tf.data.Dataset`. Lists are padded to the longest of the
batch; padding has weight 0. Thread pools are TensorFlow's defaults, as a user of Keras has them.
"""

import json
import os
from typing import Any

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import numpy as np
import tensorflow as tf

from smt_bench.script import Pace, parser, write_predictions
from smt_features import open_shards
from smt_schemas import DatasetSchema

HIDDEN = (256, 196, 128, 64)


class Ticks(keras.callbacks.Callback):
    """Ticks after each batch."""

    def __init__(self, pace: Pace) -> None:
        super().__init__()
        self._pace = pace

    def on_train_batch_end(self, batch: int, logs: object = None) -> None:
        """Count a batch; Keras counts from 0."""
        self._pace.tick(batch + 1)


def main() -> None:
    arguments = parser("Steps a second of Keras.").parse_args()
    keras.utils.set_random_seed(arguments.seed)
    dataset = open_shards(arguments.data)
    model = made(dataset.schema)
    model.compile(
        keras.optimizers.Adagrad(0.1, initial_accumulator_value=arguments.initial_accumulator),
        keras.losses.BinaryCrossentropy(from_logits=True),
    )

    def ready(rows: tf.data.Dataset) -> tf.data.Dataset:
        return rows.map(lambda batch: inputs(batch, dataset.schema)).prefetch(tf.data.AUTOTUNE)

    rows = dataset["train"].to_tensorflow(arguments.batch_size, seed=arguments.seed)
    pace = Pace(arguments.steps)
    model.fit(
        ready(rows.repeat()),
        steps_per_epoch=arguments.steps,
        shuffle=False,
        verbose=0,
        callbacks=[Ticks(pace)],
    )
    print(json.dumps(pace.figures))
    if arguments.predictions:
        test = ready(dataset["test"].to_tensorflow(arguments.batch_size, shuffle=False))
        labels = np.concatenate([labels.numpy() for _, labels in test])
        write_predictions(arguments.predictions, labels, model.predict(test, verbose=0))


def made(schema: DatasetSchema) -> Any:
    given, vectors = {}, []
    for column in schema.features:
        shape = [None] if column.is_list else []
        ids = given[column.name] = keras.Input(shape, name=column.name, dtype="int32")
        first = keras.initializers.TruncatedNormal(stddev=column.dim**-0.5)
        found = keras.layers.Embedding(column.buckets, column.dim, first)(ids)
        if column.is_list:
            name = f"{column.name}_weight"
            weights = given[name] = keras.Input(shape, name=name)
            found = keras.ops.sum(found * keras.ops.expand_dims(weights, -1), axis=1)
        vectors.append(found)
    merged, logits = keras.layers.Concatenate()(vectors), []
    for _ in schema.tasks:
        hidden = merged
        for units in HIDDEN:
            hidden = keras.layers.Dense(units, activation="relu")(hidden)
        logits.append(keras.layers.Dense(1)(hidden))
    return keras.Model(given, keras.layers.Concatenate()(logits))


def inputs(batch: dict[str, Any], schema: DatasetSchema) -> tuple[dict[str, Any], Any]:
    found = {}
    for column in schema.features:
        found[column.name] = batch[column.name]
        if column.is_list:
            counts = tf.cast(batch[f"{column.name}_count"].to_tensor(), tf.float32)
            total = tf.reduce_sum(counts, axis=1, keepdims=True)
            found[column.name] = batch[column.name].to_tensor()
            found[f"{column.name}_weight"] = tf.math.divide_no_nan(counts, total)
    labels = tf.stack([batch[name] for name in schema.tasks.values()], axis=1)
    return found, tf.cast(labels, tf.float32)


if __name__ == "__main__":
    main()
