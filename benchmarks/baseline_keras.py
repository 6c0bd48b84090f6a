"""The same model in Keras 3, trained by `fit`: an Embedding for each feature.

    python benchmarks/baseline_keras.py DATA [--batch-size 512] [--seconds 3]

Batches come from the same shards, as a `tf.data.Dataset`. Lists are padded to the longest of the
batch; padding has weight 0. Thread pools are TensorFlow's defaults, as a user of Keras has them.
"""

import argparse
import os
from typing import Any

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import tensorflow as tf
from pace import Pace

from smt_features import open_shards
from smt_schemas import DatasetSchema

HIDDEN = (256, 196, 128, 64)


class Until(keras.callbacks.Callback):
    """Ticks after each batch and stops `fit` when it has gone on for long enough."""

    def __init__(self, pace: Pace) -> None:
        super().__init__()
        self._pace = pace

    def on_train_batch_end(self, batch: int, logs: object = None) -> None:
        """Count a batch; Keras counts from 0."""
        self._pace.tick(batch + 1)
        if not self._pace.goes_on:
            self.model.stop_training = True


def main() -> None:
    parser = argparse.ArgumentParser(description="Steps a second of Keras.")
    parser.add_argument("data", help="shards folder, or the data folder")
    parser.add_argument("--batch-size", type=int, default=512)
    parser.add_argument("--seconds", type=float, default=3.0)
    arguments = parser.parse_args()
    split = open_shards(arguments.data)["train"]
    schema = split.manifest.dataset_schema
    model = made(schema)
    model.compile(
        keras.optimizers.Adagrad(0.1, initial_accumulator_value=0.1),
        keras.losses.BinaryCrossentropy(from_logits=True),
    )
    data = split.to_tensorflow(arguments.batch_size, seed=2021).repeat()
    data = data.map(lambda batch: inputs(batch, schema)).prefetch(tf.data.AUTOTUNE)
    pace = Pace(arguments.seconds)
    until = Until(pace)
    model.fit(data, steps_per_epoch=10**6, shuffle=False, verbose=0, callbacks=[until])
    print(pace.line())


def made(schema: DatasetSchema) -> Any:
    given, vectors = {}, []
    for column in schema.features:
        shape = [None] if column.is_list else []
        ids = given[column.name] = keras.Input(shape, name=column.name, dtype="int32")
        found = keras.layers.Embedding(column.buckets, column.dim)(ids)
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
