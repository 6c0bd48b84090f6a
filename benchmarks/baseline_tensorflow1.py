"""The same model on TensorFlow 1.15.5 in graph mode, as DeepRec's script builds it.

    python3.7 benchmarks/baseline_tensorflow1.py LOG [--batch-size 512] [--optimizer adagrad]

Reads the raw CSV with TensorFlow's own operations, hashes with its feature columns, and prints
one line of JSON. Unlike DeepRec's script it splits the tag lists, as the model asks for.
Runs on Python 3.7, which has no other package of this project.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from typing import Any

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

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
WARM_UP = 50
"""Steps that are not counted, as in pace.py."""


def main() -> None:
    parser = argparse.ArgumentParser(description="Steps a second of TensorFlow 1.15.5.")
    parser.add_argument("log", help="raw CSV")
    parser.add_argument("--batch-size", type=int, default=512)
    parser.add_argument("--optimizer", choices=["adagrad", "adam"], default="adagrad")
    parser.add_argument("--learning-rate", type=float, default=0.1)
    parser.add_argument("--seconds", type=float, default=3.0)
    arguments = parser.parse_args()
    tf.compat.v1.logging.set_verbosity(tf.compat.v1.logging.ERROR)
    features, labels = batches(arguments.log, arguments.batch_size)
    loss = loss_of(features, labels)
    rule = {
        "adagrad": tf.compat.v1.train.AdagradOptimizer,
        "adam": tf.compat.v1.train.AdamOptimizer,
    }[arguments.optimizer](arguments.learning_rate)
    update = rule.minimize(loss)
    with tf.compat.v1.Session() as session:
        session.run(
            [
                tf.compat.v1.global_variables_initializer(),
                tf.compat.v1.tables_initializer(),
            ]
        )
        session.run([loss, update])
        first = time.time()
        ticks = [first]
        while len(ticks) <= WARM_UP or ticks[-1] < ticks[WARM_UP] + arguments.seconds:
            session.run([loss, update])
            ticks.append(time.time())
    rate = (len(ticks) - 1 - WARM_UP) / (ticks[-1] - ticks[WARM_UP])
    print(json.dumps({"rate": rate, "first_step_at": first}))


def batches(log: str, batch_size: int) -> tuple[dict[str, Any], Any]:
    def parse(lines: Any) -> tuple[dict[str, Any], Any]:
        defaults: list[Any] = [[0]] * len(LABELS) + [[" "]] * len(BUCKETS)
        cells = tf.io.decode_csv(lines, defaults)
        features = dict(zip(BUCKETS, cells[len(LABELS) :]))  # noqa: B905 - Python 3.7
        for name in LISTS:
            features[name] = tf.compat.v1.string_split(features[name], "|")
        return features, tf.cast(tf.stack(cells[: len(LABELS)], axis=1), tf.float32)

    data = tf.data.TextLineDataset(log).shuffle(10000, seed=2021).repeat()
    data = data.batch(batch_size).map(parse, num_parallel_calls=PARSE_CALLS).prefetch(2)
    batch: tuple[dict[str, Any], Any] = tf.compat.v1.data.make_one_shot_iterator(data).get_next()
    return batch


def loss_of(features: dict[str, Any], labels: Any) -> Any:
    columns = [
        tf.feature_column.embedding_column(
            tf.feature_column.categorical_column_with_hash_bucket(name, buckets), 16
        )
        for name, buckets in BUCKETS.items()
    ]
    inputs = tf.compat.v1.feature_column.input_layer(features, columns)
    logits = []
    for _ in LABELS:
        hidden = inputs
        for units in HIDDEN:
            hidden = tf.compat.v1.layers.dense(hidden, units, activation=tf.nn.relu)
        logits.append(tf.compat.v1.layers.dense(hidden, 1))
    entropy = tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=tf.concat(logits, 1))
    return tf.reduce_mean(entropy)


if __name__ == "__main__":
    main()
