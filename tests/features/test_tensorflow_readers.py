"""TensorFlow reads datasets: through `to_tensorflow`, and TFRecord shards on its own."""

from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from smt_features import Bags, Batch, Dataset

tf = pytest.importorskip("tensorflow", reason="the extra `train` is not installed")

LISTS = ("tag_category_list", "tag_brand_list")


def parsed_by_tensorflow(dataset: Dataset, shard: Path) -> list[dict[str, Any]]:
    """Return the Examples of a shard, read with the manifest's feature_spec alone."""
    kinds = {"fixed": tf.io.FixedLenFeature([], tf.int64), "varlen": tf.io.VarLenFeature(tf.int64)}
    assert dataset.manifest.feature_spec is not None
    spec = {name: kinds[feature.kind] for name, feature in dataset.manifest.feature_spec.items()}
    compression = {"gzip": "GZIP", "none": ""}[dataset.manifest.options.tfrecord_compression]
    examples = []
    for records in tf.data.TFRecordDataset(str(shard), compression).batch(1):
        features = tf.io.parse_example(records, spec)
        examples.append(
            {
                name: tf.sparse.to_dense(value)[0].numpy().tolist()
                if isinstance(value, tf.sparse.SparseTensor)
                else value[0].numpy().item()
                for name, value in features.items()
            }
        )
    return examples


def joined(examples: list[dict[str, Any]], name: str) -> list[int]:
    return list(chain.from_iterable(example[name] for example in examples))


@pytest.mark.parametrize("compression", ["gzip", "none"])
def test_classic_examples_are_rows(
    compression: str, prepared: Callable[..., Dataset], log_lines: Callable[..., list[str]]
) -> None:
    dataset = prepared(
        log_lines(60),
        format="both",
        keys=True,
        rows_per_example=1,
        tfrecord_compression=compression,
    )
    (shard,) = dataset.manifest.splits["train"].shards["tfrecord"]

    examples = parsed_by_tensorflow(dataset, dataset.directory / shard.name)

    assert examples == dataset["train"].to_polars().collect().to_dicts()


@pytest.mark.parametrize(
    ("rows_per_example", "sizes"),
    [(7, [7, 7, 7, 4, 7, 7, 7, 4, 7, 3]), (25, [25, 25, 10]), (4096, [25, 25, 10])],
)
def test_block_examples_hold_columns(
    rows_per_example: int,
    sizes: list[int],
    prepared: Callable[..., Dataset],
    log_lines: Callable[..., list[str]],
) -> None:
    dataset = prepared(
        log_lines(60), format="both", rows_per_example=rows_per_example, rows_per_group=25
    )
    (shard,) = dataset.manifest.splits["train"].shards["tfrecord"]

    examples = parsed_by_tensorflow(dataset, dataset.directory / shard.name)

    frame = dataset["train"].to_polars().collect()
    assert [len(example["clk"]) for example in examples] == sizes
    for column in frame:
        values = (column.explode() if column.name.startswith("tag_") else column).drop_nulls()
        assert joined(examples, column.name) == values.to_list()
    for name in LISTS:
        assert joined(examples, f"{name}_length") == frame[name].list.len().to_list()


ORDERS: dict[str, dict[str, Any]] = {
    "shuffled": {"seed": 4, "epoch": 2},
    "as in the files, no remainder": {"shuffle": False, "drop_remainder": True},
    "a worker, resumed": {"seed": 4, "start": 1, "worker": (1, 2)},
    "resumed at the end": {"start": 7},
}


def assert_same(tensors: list[Any], batches: list[Batch]) -> None:
    assert len(tensors) == len(batches)
    for tensor, batch in zip(tensors, batches, strict=True):
        for name, values in batch.items():
            if isinstance(values, Bags):
                counts = tensor[name + "_count"]
                np.testing.assert_array_equal(tensor[name].values.numpy(), values.ids)
                np.testing.assert_array_equal(counts.values.numpy(), values.counts)
                np.testing.assert_array_equal(tensor[name].row_splits.numpy(), values.row_splits)
                np.testing.assert_array_equal(counts.row_splits.numpy(), values.row_splits)
            else:
                np.testing.assert_array_equal(tensor[name].numpy(), values)
                assert tensor[name].dtype == values.dtype


@pytest.mark.parametrize(
    "options",
    [
        {"format": "parquet"},
        {"format": "tfrecord"},
        {"format": "tfrecord", "rows_per_example": 7, "tfrecord_compression": "none"},
        {"format": "tfrecord", "rows_per_example": 10},  # a row group's Examples are even
        {"format": "tfrecord", "rows_per_example": 1},
    ],
    ids=str,
)
def test_tensors_equal_the_batches(
    options: dict[str, Any],
    prepared: Callable[..., Dataset],
    log_lines: Callable[..., list[str]],
) -> None:
    split = prepared(log_lines(100), keys=True, rows_per_shard=70, rows_per_group=30, **options)[
        "train"
    ]

    for order in ORDERS.values():
        dataset, batches = split.to_tensorflow(16, **order), list(split.batches(16, **order))
        assert dataset.cardinality() == len(batches)
        assert_same(list(dataset), batches)


def test_a_batch_may_span_many_row_groups(
    prepared: Callable[..., Dataset], log_lines: Callable[..., list[str]]
) -> None:
    split = prepared(log_lines(100), format="tfrecord", rows_per_shard=40, rows_per_group=9)[
        "train"
    ]

    assert_same(list(split.to_tensorflow(64, seed=1)), list(split.batches(64, seed=1)))


def test_tfrecord_takes_no_way_through_python(
    prepared: Callable[..., Dataset], log_lines: Callable[..., list[str]]
) -> None:
    split = prepared(log_lines(100), format="tfrecord")["train"]
    parquet = prepared(log_lines(100), folder="parquet")["train"]

    def graph_of(dataset: Any) -> str:
        # TensorFlow has no public name for a dataset's serialised graph.
        return str(dataset._as_serialized_graph().numpy())

    assert "PyFunc" not in graph_of(split.to_tensorflow(16))
    assert "PyFunc" in graph_of(parquet.to_tensorflow(16))


DAMAGE: dict[str, tuple[Callable[[Path, Path], object], str]] = {
    "missing": (lambda shard, _: shard.unlink(), "part-00000"),
    "another one": (lambda shard, other: shard.write_bytes(other.read_bytes()), "smt verify"),
    "cut off": (lambda shard, _: shard.write_bytes(shard.read_bytes()[:-40]), "truncated record"),
    "empty": (lambda shard, _: shard.write_bytes(b""), "Dataset was empty"),
}


@pytest.mark.parametrize("rows_per_example", [1, 16])
@pytest.mark.parametrize("case", DAMAGE)
def test_a_damaged_shard_loses_no_row_in_silence(
    case: str,
    rows_per_example: int,
    prepared: Callable[..., Dataset],
    log_lines: Callable[..., list[str]],
) -> None:
    damage, reason = DAMAGE[case]
    options = {"format": "tfrecord", "rows_per_example": rows_per_example}
    split = prepared(log_lines(60), **options)["train"]
    other = prepared(log_lines(55), folder="other", **options)["train"]
    damage(split.directory / split.shards[0].name, other.directory / other.shards[0].name)

    with pytest.raises(tf.errors.OpError, match=reason):
        list(split.to_tensorflow(16))
