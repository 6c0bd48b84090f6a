"""Keras 3: the functional model of two tasks, trained by `fit` on a tf.data.Dataset.

Run `python examples/keras_two_tasks.py DATA [--run RUN]`.
"""

import keras
import tensorflow as tf
from common import LABELS, arguments, report
from keras import layers, ops

from smt_schemas import DatasetSchema

WIDTH = 16
UNITS = (256, 196, 128, 64)


def build(schema: DatasetSchema) -> keras.Model:
    """Return the model: an embedding for each feature, a tower for each task."""
    inputs, vectors = {}, []
    for feature in schema.features:
        initial = keras.initializers.TruncatedNormal(stddev=WIDTH**-0.5)
        embed = layers.Embedding(feature.buckets, WIDTH, embeddings_initializer=initial)
        shape = (None,) if feature.is_list else ()
        ids = inputs[feature.name] = keras.Input(shape, dtype="int32", name=feature.name)
        if feature.is_list:
            name = f"{feature.name}_count"
            counts = inputs[name] = keras.Input(shape, dtype="float32", name=name)
            vectors.append(layers.Lambda(mean)([embed(ids), counts]))
        else:
            vectors.append(embed(ids))
    joined = layers.Concatenate()(vectors)
    outputs = {}
    for task in LABELS:
        hidden = joined
        for units in UNITS:
            hidden = layers.Dense(units, "relu")(hidden)
        outputs[task] = layers.Dense(1, name=task)(hidden)
    return keras.Model(inputs, outputs)


def mean(entries: tuple) -> object:
    """Return the mean of a padded list's vectors, weighted by counts; padding has count 0."""
    vectors, counts = entries
    total = ops.maximum(ops.sum(counts, 1, keepdims=True), 1)
    return ops.sum(vectors * (counts / total)[..., None], 1)


def examples_of(batch: dict) -> tuple[dict, dict]:
    """Return features and labels; Keras wants lists padded to one length."""
    dense = {
        name: values.to_tensor() if isinstance(values, tf.RaggedTensor) else values
        for name, values in batch.items()
        if name not in LABELS.values()
    }
    return dense, {task: batch[label][:, None] for task, label in LABELS.items()}


def main() -> None:
    data, args = arguments(__doc__)
    keras.utils.set_random_seed(args.seed)
    model = build(data.schema)
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(2e-3), dict.fromkeys(LABELS, loss))
    for epoch in range(args.epochs):
        batches = data["train"].to_tensorflow(args.batch_size, seed=args.seed, epoch=epoch)
        model.fit(batches.map(examples_of), shuffle=False, verbose=0)
    test = data["test"].to_tensorflow(4096, shuffle=False).map(examples_of)
    scores = model.predict(test, verbose=0)
    report("Keras", {task: scores[task][:, 0] for task in LABELS}, data, args.run)


if __name__ == "__main__":
    main()
