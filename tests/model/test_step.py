from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from smt_model.config import OPTIMIZERS, OptimizerName, TrainConfig
from smt_model.loss import Loss
from smt_model.model import MultiTaskModel
from smt_model.optimizer import Optimizer, make_optimizer
from smt_model.parts import parts
from smt_model.step import UNROLL, TrainStep
from smt_schemas import DatasetSchema


def made(
    schema: DatasetSchema,
    *,
    seed: int = 5,
    bf16: bool = False,
    l2: float = 0.0,
    optimizer: OptimizerName = "adagrad",
) -> tuple[MultiTaskModel, Optimizer, TrainStep]:
    rule = make_optimizer(TrainConfig(optimizer=optimizer), total_steps=20)
    model = MultiTaskModel(schema, seed, bf16=bf16, slots=rule.initial)
    rule.build(model.dense_variables, model.tables)
    return model, rule, TrainStep(model, rule, Loss(l2=l2))


def losses_of(
    schema: DatasetSchema, batches: list[Any], group: int = UNROLL, **options: Any
) -> NDArray[np.float32]:
    model, _, step = made(schema, **options)
    fused = [model.fuser(batch) for batch in batches]
    groups = [fused[i : i + group] for i in range(0, len(fused), group)]
    return np.concatenate([step(part) for part in groups])


@pytest.fixture
def batches(schema: DatasetSchema, make_batch: Any) -> list[Any]:
    return [make_batch(schema, 64, seed) for seed in range(20)]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_steps_in_one_call_equal_steps_one_by_one(
    schema: DatasetSchema, batches: list[Any], optimizer: OptimizerName
) -> None:
    together = losses_of(schema, batches, optimizer=optimizer)
    alone = losses_of(schema, batches, group=1, optimizer=optimizer)
    assert together.tobytes() == alone.tobytes()


def test_bf16_computes_in_bf16_and_keeps_float32_variables(
    schema: DatasetSchema, batches: list[Any]
) -> None:
    exact, rounded = losses_of(schema, batches), losses_of(schema, batches, bf16=True)
    assert rounded.dtype == np.float32
    assert not np.array_equal(exact, rounded)
    np.testing.assert_allclose(rounded, exact, rtol=0.03)
    model, optimizer, _ = made(schema, bf16=True)
    assert {part.variable.dtype for part in parts(model, optimizer)} == {tf.float32}
    hidden = tf.zeros([2, 12])
    assert model.towers[0](hidden).dtype == tf.float32


def test_an_empty_list_is_a_zero_vector(schema: DatasetSchema, make_batch: Any) -> None:
    model, _, _ = made(schema)
    batch = make_batch(schema, 4, 0)  # the first row's list is empty
    (part,) = model.fuser(batch).tables
    (table,) = model.tables
    pooled = table.pool(table.read(part)[0], part, tf.constant(4, tf.int64)).numpy()
    np.testing.assert_array_equal(pooled[0, 4:8], np.zeros(4))
    assert np.abs(pooled[0, :4]).min() > 0


def test_a_step_takes_batches_of_any_size(schema: DatasetSchema, make_batch: Any) -> None:
    model, _, step = made(schema)
    for rows in (1, 7, 64):
        batch = model.fuser(make_batch(schema, rows, rows))
        logits = model.predict(batch).numpy().astype(np.float64)
        expected = np.mean(np.logaddexp(0, logits) - batch.labels * logits, axis=0)
        ((_, *by_task),) = step([batch])
        np.testing.assert_allclose(by_task, expected, rtol=1e-5)


def test_initial_values_depend_on_seed_and_name_alone(make_schema: Any) -> None:
    def values(seed: int, **changes: Any) -> dict[str, NDArray[np.generic]]:
        model, optimizer, _ = made(make_schema(**changes), seed=seed)
        return {part.name: part.read() for part in parts(model, optimizer)}

    first, again, other = values(1), values(1), values(2)
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not np.array_equal(first["embedding/user"], other["embedding/user"])
    # Sharing a table with other features changes nothing.
    moved = values(1, tags={"embedding_dim": 8})
    assert np.array_equal(first["embedding/brand"], moved["embedding/brand"])


def test_initial_values_have_the_stated_distributions(make_schema: Any) -> None:
    schema = make_schema(user={"hash_buckets": 20_000})
    model, optimizer, _ = made(schema)
    values = {part.name: part.read() for part in parts(model, optimizer)}
    vectors = values["embedding/user"]
    # A normal cut at twice its deviation 1/2 has deviation 0.8796 · 1/2.
    assert np.abs(vectors).max() <= 1.0
    assert vectors.std() == pytest.approx(0.4398, rel=0.02)
    kernel = values["tower/ctr/0/kernel"]
    limit = np.sqrt(6 / (12 + 256))
    assert np.abs(kernel).max() <= limit
    assert kernel.std() == pytest.approx(limit / np.sqrt(3), rel=0.05)
    assert not values["tower/ctr/0/bias"].any()
    np.testing.assert_array_equal(values["embedding/user/accumulator"], np.float32(0.1))
