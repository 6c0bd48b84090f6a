"""The same model on TensorFlow 1.15.5 in graph mode, as DeepRec's script builds it.

    python3.7 benchmarks/baseline_tensorflow1.py --train LOG … --test LOG … [--steps 500]

Reads the raw CSV with TensorFlow's own operations, hashes with its feature columns, and prints
one line of JSON. Unlike DeepRec's script it splits the tag lists, as the model asks for.
Runs on Python 3.7, which has no other package of this project; options and output are those of
script.py.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import time
from typing import Any

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import numpy as np
import tensorflow as tf

LABELS = ["clk", "buy"]
BUCKETS = {
    "pid": 10,
    "adgroup_id": 100000,
    "cate_id": 10000,
    "campaign_id": 100000,
    "customer": 100000,
    "brand": 100000,
    "user_id": 100000,
    "cms_segid": 100,
    "cms_group_id": 100,
    "final_gender_code": 10,
    "age_level": 10,
    "pvalue_level": 10,
    "shopping_level": 10,
    "occupation": 10,
    "new_user_class_level": 10,
    "tag_category_list": 100000,
    "tag_brand_list": 100000,
    "price": 50,
}
LISTS = ["tag_category_list", "tag_brand_list"]
HIDDEN = [256, 196, 128, 64]
PARSE_CALLS = 28
"""As in DeepRec's script."""
WARM_UP_SHARE = 8
"""As in script.py."""


def main() -> None:
    arguments = options()
    tf.compat.v1.logging.set_verbosity(tf.compat.v1.logging.ERROR)
    tf.compat.v1.set_random_seed(arguments.seed)
    lines = tf.data.TextLineDataset(arguments.train).shuffle(10000, seed=arguments.seed).repeat()
    with tf.compat.v1.variable_scope("model"):
        loss = loss_of(*model(batches(lines, arguments.batch_size)))
    update = optimizer(arguments).minimize(loss)
    with tf.compat.v1.Session() as session:
        session.run(tf.compat.v1.global_variables_initializer())
        ticks: list[float] = []
        while len(ticks) < arguments.steps:
            session.run([loss, update])
            ticks.append(time.time())
        print(json.dumps(figures(ticks)))
        if arguments.predictions:
            lines = tf.data.TextLineDataset(arguments.test)
            with tf.compat.v1.variable_scope("model", reuse=True):
                found = tf.stack(model(batches(lines, arguments.batch_size)))
            np.save(arguments.predictions, predictions(session, found))


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Steps a second of TensorFlow 1.15.5.")
    parser.add_argument("--train", nargs="+", required=True, help="raw CSV")
    parser.add_argument("--test", nargs="+", required=True, help="raw CSV")
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--batch-size", type=int, default=512)
    parser.add_argument("--initial-accumulator", type=float, default=0.1)
    parser.add_argument("--seed", type=int, default=2021)
    parser.add_argument("--predictions")
    parser.add_argument("--optimizer", choices=["adagrad", "adam"], default="adagrad")
    parser.add_argument("--learning-rate", type=float, default=0.1)
    return parser.parse_args()


def optimizer(arguments: argparse.Namespace) -> Any:
    if arguments.optimizer == "adam":
        return tf.compat.v1.train.AdamOptimizer(arguments.learning_rate)
    return tf.compat.v1.train.AdagradOptimizer(
        arguments.learning_rate, initial_accumulator_value=arguments.initial_accumulator
    )


def figures(ticks: list[float]) -> dict[str, float]:
    """Return what is told of a run from the times at which its steps ended."""
    counted = ticks[max(len(ticks) // WARM_UP_SHARE, 1) - 1 :]
    return {
        "rate": (len(counted) - 1) / (counted[-1] - counted[0]),
        "first_step_at": ticks[0],
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def predictions(session: Any, found: Any) -> Any:
    """Return the labels and logits of all batches, float32 [2, N, tasks]."""
    parts = []
    while True:
        try:
            parts.append(session.run(found))
        except tf.errors.OutOfRangeError:
            return np.concatenate(parts, axis=1)


def batches(lines: Any, batch_size: int) -> tuple[dict[str, Any], Any]:
    def parse(lines: Any) -> tuple[dict[str, Any], Any]:
        defaults: list[Any] = [[0]] * len(LABELS) + [[" "]] * len(BUCKETS)
        cells = tf.io.decode_csv(lines, defaults)
        features = dict(zip(BUCKETS, cells[len(LABELS) :]))  # noqa: B905 - Python 3.7
        for name in LISTS:
            features[name] = tf.compat.v1.string_split(features[name], "|")
        return features, tf.cast(tf.stack(cells[: len(LABELS)], axis=1), tf.float32)

    data = lines.batch(batch_size).map(parse, num_parallel_calls=PARSE_CALLS).prefetch(2)
    batch: tuple[dict[str, Any], Any] = tf.compat.v1.data.make_one_shot_iterator(data).get_next()
    return batch


def model(batch: tuple[dict[str, Any], Any]) -> tuple[Any, Any]:
    """Return labels and logits, both [B, tasks]."""
    features, labels = batch
    columns = [
        tf.feature_column.embedding_column(
            tf.feature_column.categorical_column_with_hash_bucket(name, buckets), 16
        )
        for name, buckets in BUCKETS.items()
    ]
    inputs = tf.compat.v1.feature_column.input_layer(features, columns)
    logits = []
    for task in LABELS:
        hidden = inputs
        for number, units in enumerate(HIDDEN):
            hidden = tf.compat.v1.layers.dense(
                hidden, units, activation=tf.nn.relu, name=f"{task}_{number}"
            )
        logits.append(tf.compat.v1.layers.dense(hidden, 1, name=f"{task}_logit"))
    return labels, tf.concat(logits, 1)


def loss_of(labels: Any, logits: Any) -> Any:
    entropy = tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits)
    return tf.reduce_mean(entropy)


if __name__ == "__main__":
    main()
