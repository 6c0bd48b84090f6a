from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from smt_model.batching import TableBatch
from smt_model.config import OPTIMIZERS, OptimizerName, TrainConfig
from smt_model.embedding import EmbeddingTable
from smt_model.layout import fused_tables
from smt_model.optimizer import Optimizer, make_optimizer
from smt_schemas import DatasetSchema

Float64s = NDArray[np.float64]
Rule = Callable[[Float64s, list[Float64s], Float64s, int], tuple[Float64s, list[Float64s]]]

RATE, ACCUMULATOR = 0.05, 0.1


def adagrad(
    w: Float64s, slots: list[Float64s], g: Float64s, step: int
) -> tuple[Float64s, list[Float64s]]:
    a = slots[0] + g * g
    return w - RATE * g / np.sqrt(a), [a]


def adam(
    w: Float64s, slots: list[Float64s], g: Float64s, step: int
) -> tuple[Float64s, list[Float64s]]:
    m = 0.9 * slots[0] + 0.1 * g
    v = 0.999 * slots[1] + 0.001 * g * g
    rate = RATE * np.sqrt(1 - 0.999**step) / (1 - 0.9**step)
    return w - rate * m / (np.sqrt(v) + 1e-8), [m, v]


def gradient_descent(
    w: Float64s, slots: list[Float64s], g: Float64s, step: int
) -> tuple[Float64s, list[Float64s]]:
    return w - RATE * g, []


RULES: dict[OptimizerName, tuple[Rule, list[float]]] = {
    "adagrad": (adagrad, [ACCUMULATOR]),
    "adam": (adam, [0.0, 0.0]),
    "gradientdescent": (gradient_descent, []),
}


def made(name: OptimizerName) -> Optimizer:
    return make_optimizer(
        TrainConfig(optimizer=name, learning_rate=RATE, initial_accumulator=ACCUMULATOR)
    )


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_dense_variable_follows_the_rule(name: OptimizerName) -> None:
    rng = np.random.default_rng(1)
    optimizer, (rule, initial) = made(name), RULES[name]
    expected = rng.normal(size=(5, 3)).astype(np.float32).astype(np.float64)
    slots = [np.full(expected.shape, value) for value in initial]
    variable = tf.Variable(expected, dtype=tf.float32)
    optimizer.build([variable])
    for step in range(1, 8):
        gradient = rng.normal(size=expected.shape).astype(np.float32)
        optimizer.advance()
        optimizer.apply(variable, tf.constant(gradient))
        expected, slots = rule(expected, slots, gradient.astype(np.float64), step)
    np.testing.assert_allclose(variable.numpy(), expected, rtol=1e-6, atol=1e-6)
    for found, wanted in zip(optimizer.slots.values(), slots, strict=True):
        np.testing.assert_allclose(found[variable.ref()].numpy(), wanted, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_rows_follow_the_rule_and_others_stay_bit_for_bit(
    name: OptimizerName, schema: DatasetSchema
) -> None:
    rng = np.random.default_rng(2)
    optimizer, (rule, initial) = made(name), RULES[name]
    (layout,) = fused_tables(schema.features)
    table = EmbeddingTable(layout, 3, optimizer.initial)
    before = table.packed.numpy()
    touched = np.zeros(layout.rows, bool)
    width = layout.dim
    expected = before.astype(np.float64)
    blocks = [slice(i * width, (i + 1) * width) for i in range(1 + len(initial))]
    for step in range(1, 8):
        rows = rng.choice(layout.rows // 2, 9, replace=False).astype(np.int32)
        gradient = rng.normal(size=(9, width)).astype(np.float32)
        batch = TableBatch(rows, np.zeros((0, 2), np.int64), np.zeros(0, np.float32))
        optimizer.advance()
        values, *slots = table.read(batch)
        table.write(batch, optimizer.update(values, slots, tf.constant(gradient)))
        was = [expected[rows][:, block] for block in blocks]
        new, new_slots = rule(was[0], was[1:], gradient.astype(np.float64), step)
        expected[rows] = np.concatenate([new, *new_slots], axis=1)
        touched[rows] = True
    after = table.packed.numpy()
    np.testing.assert_allclose(after, expected, rtol=1e-6, atol=1e-6)
    assert 0 < touched.sum() < layout.rows
    assert after[~touched].tobytes() == before[~touched].tobytes()
