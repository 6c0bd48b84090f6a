"""Numeric features reach TensorFlow as float32, from either format."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from smt_features import open_shards
from smt_features.manifest import PrepareOptions
from smt_features.prepare import prepare
from smt_features.reading import PrepareJob


@pytest.mark.parametrize("fmt", ["parquet", "tfrecord"])
def test_tensors_equal_the_batches(fmt: Any, second_log: Any, tmp_path: Path) -> None:
    pytest.importorskip("tensorflow", reason="the extra `train` is not installed")
    options = PrepareOptions(format=fmt)
    prepare(PrepareJob(second_log.directory, tmp_path / "out", second_log.schema, options))
    split = open_shards(tmp_path / "out")["test"]

    tensors = list(split.to_tensorflow(64, seed=1))

    for tensor, batch in zip(tensors, split.batches(64, seed=1), strict=True):
        for name in ("age", "price", "shop", "shop_seen"):
            assert tensor[name].dtype == batch[name].dtype  # type: ignore[union-attr]
            np.testing.assert_array_equal(tensor[name].numpy(), batch[name])


def test_feature_spec_parses_the_classic_layout(second_log: Any, tmp_path: Path) -> None:
    tf = pytest.importorskip("tensorflow", reason="the extra `train` is not installed")
    options = PrepareOptions(format="tfrecord", rows_per_example=1, shuffle=False)
    prepare(PrepareJob(second_log.directory, tmp_path / "out", second_log.schema, options))
    dataset = open_shards(tmp_path / "out")
    assert dataset.manifest.feature_spec is not None
    spec = {
        name: tf.io.FixedLenFeature([], feature.dtype)
        if feature.kind == "fixed"
        else tf.io.VarLenFeature(feature.dtype)
        for name, feature in dataset.manifest.feature_spec.items()
    }
    (shard,) = dataset.manifest.splits["test"].shards["tfrecord"]
    records = tf.data.TFRecordDataset(str(dataset.directory / shard.name), "GZIP")

    parsed = tf.io.parse_example(list(records), spec)

    ages = [-1.5 if row["age"] in ("", "?") else float(row["age"]) for row in second_log.test]
    assert parsed["age"].numpy().tolist() == ages
    assert parsed["slot"].numpy().tolist() == [int(row["slot"]) for row in second_log.test]
