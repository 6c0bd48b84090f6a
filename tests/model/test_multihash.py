"""Quotient-remainder tables against NumPy: forward, backward, and as whole runs."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from smt_features import Bags
from smt_model.assembly import Assembly, assemble
from smt_model.config import TrainConfig
from smt_model.evaluation import evaluate_run
from smt_model.export import export_run
from smt_model.multihash import MultiHash, Operation
from smt_model.parts import parts
from smt_model.predict import Predicted, predict_run
from smt_model.run_directory import RunDirectory
from smt_model.tensors import read_tensors
from smt_model.training import train
from smt_schemas import DatasetSchema, UsageError

OPERATIONS: tuple[Operation, ...] = ("add", "mul", "concat")
Vectors = dict[str, NDArray[np.float64]]


@given(st.integers(1, 3000), st.integers(1, 3000))
def test_every_bucket_has_a_pair_of_its_own_within_the_tables(buckets: int, divisor: int) -> None:
    multihash = MultiHash(divisor, "add")
    quotients, remainders = multihash.split(np.arange(buckets, dtype=np.int32))
    assert len(set(zip(quotients.tolist(), remainders.tolist(), strict=True))) == buckets
    rows = multihash.rows(buckets)
    assert 0 <= quotients.min() <= quotients.max() < rows[0]
    assert 0 <= remainders.min() <= remainders.max() < rows[1]
    assert rows == (int(np.ceil(buckets / divisor)), divisor)


def made(schema: DatasetSchema, operation: Operation, **options: Any) -> Assembly:
    options = {"multihash": True, "multihash_divisor": 7} | options
    config = TrainConfig(multihash_operation=operation, **options)
    return assemble(config, schema, total_steps=20)


def values_of(assembly: Assembly) -> Vectors:
    found = parts(assembly.model, assembly.optimizer)
    return {part.name: part.read().astype(np.float64) for part in found}


def vector(values: Vectors, operation: Operation, feature: str, bucket: int) -> Any:
    first = values[f"embedding/{feature}/quotient"][bucket // 7]
    second = values[f"embedding/{feature}/remainder"][bucket % 7]
    match operation:
        case "add":
            return first + second
        case "mul":
            return first * second
        case "concat":
            return np.concatenate([first, second])


def mean(values: Vectors, operation: Operation, feature: str, ids: Any, counts: Any) -> Any:
    total = np.zeros(4)
    for bucket, count in zip(ids, counts, strict=True):
        total += count * vector(values, operation, feature, bucket)
    return total / max(sum(counts), 1)


def expected_inputs(values: Vectors, operation: Operation, batch: dict[str, Any]) -> Any:
    rows = []
    for example in range(len(batch["user"])):
        tags = batch["tags"]
        entries = slice(*tags.row_splits[example : example + 2])
        rows.append(
            [
                vector(values, operation, "user", batch["user"][example]),
                mean(values, operation, "tags", tags.ids[entries], tags.counts[entries]),
                vector(values, operation, "brand", batch["brand"][example]),
            ]
        )
    return np.array(rows).reshape(len(rows), -1)


@pytest.mark.parametrize("fusion", [True, False])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_lookups_equal_numpy(
    operation: Operation, fusion: bool, schema: DatasetSchema, make_batch: Any
) -> None:
    assembly = made(schema, operation, emb_fusion=fusion)
    batch = make_batch(schema, 32, 3)
    fused = assembly.model.fuser(batch)
    vectors = [found for found, *_ in assembly.model.read(fused)]
    inputs = assembly.model.inputs(vectors, fused).numpy()
    expected = expected_inputs(values_of(assembly), operation, batch)
    np.testing.assert_allclose(inputs, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_gradients_equal_numpy(
    operation: Operation, schema: DatasetSchema, make_batch: Any
) -> None:
    # With plain gradient descent at rate 1, an update is the gradient.
    assembly = made(schema, operation, optimizer="gradientdescent", learning_rate=1.0)
    model, before = assembly.model, values_of(assembly)
    batch = make_batch(schema, 16, 4)
    fused = model.fuser(batch)
    inputs = tf.constant(expected_inputs(before, operation, batch), tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        logits = model.tower_logits(inputs)
        loss = tf.reduce_mean(
            tf.nn.sigmoid_cross_entropy_with_logits(labels=fused.labels, logits=logits)
        )
    back = tape.gradient(loss, inputs).numpy().astype(np.float64)

    assembly.step([fused])

    after = values_of(assembly)
    for position, feature in enumerate(("user", "tags", "brand")):
        gradient = back[:, 4 * position : 4 * position + 4]
        for name, expected in of_rows(before, operation, batch, feature, gradient).items():
            np.testing.assert_allclose(before[name] - after[name], expected, rtol=1e-3, atol=1e-7)
            assert expected.any()


def of_rows(
    values: Vectors, operation: Operation, batch: dict[str, Any], feature: str, back: Any
) -> Vectors:
    """Return the gradients of both tables of a feature, given that of its vectors."""
    names = [f"embedding/{feature}/{kind}" for kind in ("quotient", "remainder")]
    gradients = {name: np.zeros_like(values[name]) for name in names}
    for example, gradient in enumerate(back):
        for bucket, weight in entries_of(batch[feature], example):
            rows = bucket // 7, bucket % 7
            first, second = (values[name][row] for name, row in zip(names, rows, strict=True))
            match operation:
                case "add":
                    factors = gradient, gradient
                case "mul":
                    factors = gradient * second, gradient * first
                case "concat":
                    factors = gradient[:2], gradient[2:]
            for name, row, factor in zip(names, rows, factors, strict=True):
                gradients[name][row] += weight * factor
    return gradients


def entries_of(values: Any, example: int) -> list[tuple[int, float]]:
    if not isinstance(values, Bags):
        return [(int(values[example]), 1.0)]
    entries = slice(*values.row_splits[example : example + 2])
    counts = values.counts[entries]
    weights = (counts / max(counts.sum(), 1)).tolist()
    return list(zip(values.ids[entries].tolist(), weights, strict=True))


@pytest.mark.parametrize("operation", OPERATIONS)
def test_separate_tables_learn_the_same(
    operation: Operation, schema: DatasetSchema, make_batch: Any
) -> None:
    runs = [made(schema, operation, emb_fusion=fusion) for fusion in (True, False)]
    losses = [
        np.concatenate([run.step([run.model.fuser(make_batch(schema, 32, i))]) for i in range(20)])
        for run in runs
    ]
    np.testing.assert_allclose(losses[1], losses[0], rtol=0, atol=1e-5)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_combined_vectors_begin_as_those_of_buckets_do(
    operation: Operation, make_schema: Any
) -> None:
    schema = make_schema(user={"hash_buckets": 40_000})
    values = values_of(made(schema, operation, multihash_divisor=200))
    first, second = values["embedding/user/quotient"], values["embedding/user/remainder"]
    joined = {"add": first + second, "mul": first * second}.get(operation, first)
    # Truncation at twice the deviation leaves 0.8796 of it, once for each factor.
    factor = 0.8796**2 if operation == "mul" else 0.8796
    assert joined.std() == pytest.approx(factor / 2, rel=0.1)


def config(data: Path, run: Path, **options: Any) -> TrainConfig:
    fields = {"steps": 40, "batch_size": 64, "multihash": True, "multihash_divisor": 5} | options
    return TrainConfig(data_location=str(data), checkpoint=str(run), **fields)


def tensors(run: Path) -> dict[str, bytes]:
    path = RunDirectory(run).newest_checkpoint() / "tensors-00000-of-00001.safetensors"
    return {name: array.tobytes() for name, array in read_tensors(path).items()}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_run_that_is_gone_on_with_equals_one_that_never_stopped(
    operation: Operation, dataset: Path, tmp_path: Path
) -> None:
    options: dict[str, Any] = {"multihash_operation": operation, "bf16": True, "optimizer": "adam"}
    train(config(dataset, tmp_path / "whole", **options))
    train(config(dataset, tmp_path / "parts", **options, steps=23))

    _, result = train(config(dataset, tmp_path / "parts", **options))

    assert tensors(tmp_path / "parts") == tensors(tmp_path / "whole")
    assert evaluate_run(tmp_path / "whole", None, "test") == result
    predicted = predict_run(tmp_path / "whole", dataset / "b", tmp_path / "out.parquet")
    assert predicted == Predicted(rows=300, errors=0)


def test_an_export_serves_what_is_predicted_and_writes_whole_vectors(
    dataset: Path, tmp_path: Path
) -> None:
    kinds = {"user": "add", "tags": "mul", "brand": "concat"}
    columns = {name: {"multihash_operation": kind} for name, kind in kinds.items()}
    options = {"columns": columns, "multihash_divisor": 7, "evaluate": False}
    run, _ = train(config(dataset, tmp_path / "run", **options))
    predict_run(run.path, dataset / "b", tmp_path / "predicted.parquet")
    expected = pl.read_parquet(tmp_path / "predicted.parquet")

    export_run(run.path, tmp_path / "1", embeddings=True)

    signatures = tf.saved_model.load(str(tmp_path / "1")).signatures
    cells = [line.split(",") for line in (dataset / "b").read_text().splitlines()]
    texts = dict(zip(("user", "tags", "brand"), list(zip(*cells, strict=True))[2:], strict=True))
    inputs = {name: tf.constant(values) for name, values in texts.items()}
    found = signatures["serving_default"](**inputs)
    np.testing.assert_allclose(found["ctr"], expected["ctr"], rtol=0, atol=1e-6)
    (file,) = run.newest_checkpoint().glob("*.safetensors")
    values = {name: array.astype(np.float64) for name, array in read_tensors(file).items()}
    for name, kind in kinds.items():
        frame = pl.read_parquet(tmp_path / "1" / "embeddings" / f"{name}.parquet")
        vectors = [vector(values, kind, name, bucket) for bucket in frame["bucket"]]  # type: ignore[arg-type]
        assert len(vectors) == {"user": 50, "tags": 40, "brand": 30}[name]
        np.testing.assert_allclose(frame["vector"].to_numpy(), vectors, rtol=1e-6)
    ids = {"user": [50], "brand": [0], "tags": [[0]], "tags_count": [[1]]}
    beyond = {name: tf.constant(value, tf.int32) for name, value in ids.items()}
    with pytest.raises(tf.errors.InvalidArgumentError, match="is not in"):
        signatures["hashed_ids"](**beyond)


def test_a_feature_can_be_left_out_or_have_options_of_its_own(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    columns = {
        "brand": {"multihash": False},
        "tags": {"multihash_operation": "concat", "multihash_divisor": 8},
    }
    run, _ = train(config(dataset, tmp_path / "run", columns=columns))
    (file,) = run.newest_checkpoint().glob("*.safetensors")
    shapes = {name: array.shape for name, array in read_tensors(file).items()}
    # user: 10 + 5 rows for 50 buckets; tags: 5 + 8 for 40.
    said = "Multi-hash, on bucket ids: 28 rows for the 90 buckets of 2 features"
    assert said in capsys.readouterr().err
    assert shapes["embedding/brand"] == (30, 4)
    assert shapes["embedding/tags/quotient"] == (5, 2)
    assert shapes["embedding/tags/remainder"] == (8, 2)
    assert shapes["embedding/user/quotient"] == (10, 4)
    assert shapes["embedding/user/remainder/accumulator"] == (5, 4)


def test_a_table_that_would_not_become_smaller_stays(schema: DatasetSchema) -> None:
    assembly = made(
        schema, "add", multihash_divisor=25
    )  # user: 2 + 25; tags: 2 + 25; brand: 2 + 25
    assert set(assembly.model.tables[0].layout.starts) == {"user", "tags", "brand"}
    names = values_of(made(schema, "add", multihash_divisor=29))
    assert {"embedding/user/quotient", "embedding/tags/quotient", "embedding/brand"} <= set(names)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"multihash": True, "ev": True}, "multihash shares the vectors of buckets"),
        ({"multihash": True, "tf": True}, "goes without --multihash"),
        ({"multihash": True, "multihash_operation": "div"}, "--multihash-operation"),
        ({"multihash": True, "multihash_divisor": 0}, "--multihash-divisor"),
    ],
)
def test_combinations_without_sense_are_refused(options: dict[str, Any], reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        TrainConfig.from_options(**options)


def test_what_saves_nothing_or_cannot_be_halved_is_refused(
    schema: DatasetSchema, make_schema: Any
) -> None:
    with pytest.raises(UsageError, match="saves no row of any feature"):
        made(schema, "add", multihash_divisor=1000)
    with pytest.raises(UsageError, match=r"columns\.brand: multihash saves none of its 30 rows"):
        made(schema, "add", multihash_divisor=29, columns={"brand": {"multihash": True}})
    with pytest.raises(UsageError, match=r"columns\.user: .* embedding_dim 3 is odd"):
        made(make_schema(user={"embedding_dim": 3}), "concat")
