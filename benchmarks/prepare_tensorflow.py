"""Parsing and hashing the CSV in TensorFlow's input pipeline, which every epoch does anew.

    python -m smt_bench.prepare_tensorflow CSV ROWS

Prints the seconds of one epoch, imports left out. No validation, no shuffle, nothing written.
"""

import sys
import time
from typing import Any

import tensorflow as tf

from smt_schemas import taobao

BATCH = 4096
COLUMNS = taobao().columns


def encode(lines: Any) -> dict[str, Any]:
    cells = tf.io.decode_csv(lines, [""] * len(COLUMNS), use_quote_delim=False)
    features = {}
    for column, cell in zip(COLUMNS, cells, strict=True):
        if column.role == "label":
            features[column.name] = tf.strings.to_number(cell, tf.int32)
        elif column.separator is None:
            features[column.name] = tf.strings.to_hash_bucket_fast(cell, column.buckets)
        else:
            entries = tf.strings.split(cell, column.separator)
            features[column.name] = tf.strings.to_hash_bucket_fast(entries, column.buckets)
    return features


def main() -> None:
    source, rows = sys.argv[1], int(sys.argv[2])
    dataset = (
        tf.data.TextLineDataset(source)
        .take(rows)
        .batch(BATCH)
        .map(encode, num_parallel_calls=tf.data.AUTOTUNE)
        .prefetch(tf.data.AUTOTUNE)
    )
    start = time.perf_counter()
    for _ in dataset:
        pass
    print(time.perf_counter() - start)


if __name__ == "__main__":
    main()
