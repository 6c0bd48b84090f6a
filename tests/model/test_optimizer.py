from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from smt_model.batching import TableBatch
from smt_model.config import OPTIMIZERS, OptimizerName
from smt_model.embedding import EmbeddingTable
from smt_model.layout import fused_tables
from smt_model.optimizer import Optimizer, make_optimizer
from smt_schemas import DatasetSchema

STEPS = 8


def made(name: OptimizerName, rules: Any) -> Optimizer:
    return make_optimizer(rules.options(name), STEPS)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_dense_variable_follows_the_rule(name: OptimizerName, rules: Any) -> None:
    rng = np.random.default_rng(1)
    optimizer = made(name, rules)
    expected = rng.normal(size=(5, 3)).astype(np.float32).astype(np.float64)
    slots = [np.full(expected.shape, value) for value in rules.initial[name]]
    variable = tf.Variable(expected, dtype=tf.float32)
    optimizer.build([variable], [])
    for step in range(1, STEPS):
        gradient = rng.normal(size=expected.shape).astype(np.float32)
        optimizer.apply(variable, tf.constant(gradient), optimizer.advance())
        expected, slots = rules.update(name, expected, slots, gradient.astype(np.float64), step)
    np.testing.assert_allclose(variable.numpy(), expected, rtol=1e-6, atol=1e-6)
    for found, wanted in zip(optimizer.slots.values(), slots, strict=True):
        np.testing.assert_allclose(found[variable.ref()].numpy(), wanted, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_rows_follow_the_rule_and_others_stay_bit_for_bit(
    name: OptimizerName, rules: Any, schema: DatasetSchema
) -> None:
    rng = np.random.default_rng(2)
    optimizer = made(name, rules)
    (layout,) = fused_tables(schema.features)
    table = EmbeddingTable(layout, 3, optimizer.initial)
    optimizer.build([], [table])
    before = table.packed.numpy()
    touched = np.zeros(layout.rows, bool)
    width = layout.dim
    expected = before.astype(np.float64)
    blocks = [slice(i * width, (i + 1) * width) for i in range(1 + len(optimizer.initial))]
    for step in range(1, STEPS):
        rows = rng.choice(layout.rows // 2, 9, replace=False).astype(np.int32)
        gradient = rng.normal(size=(9, width)).astype(np.float32)
        batch = TableBatch(rows, np.zeros((0, 2), np.int32), np.zeros(0, np.float32))
        rate = optimizer.advance()
        values, *slots = table.read(batch)
        table.write(batch, optimizer.update(table, values, slots, tf.constant(gradient), rate))
        was = [expected[rows][:, block] for block in blocks]
        new, new_slots = rules.update(name, was[0], was[1:], gradient.astype(np.float64), step)
        expected[rows] = np.concatenate([new, *new_slots], axis=1)
        touched[rows] = True
    after = table.packed.numpy()
    np.testing.assert_allclose(after, expected, rtol=1e-6, atol=1e-6)
    assert 0 < touched.sum() < layout.rows
    assert after[~touched].tobytes() == before[~touched].tobytes()


def test_adamasync_corrects_the_bias_by_each_variables_own_updates(rules: Any) -> None:
    # The first update of Adam moves by the learning rate, whatever the gradient.
    moved = {}
    names: tuple[OptimizerName, OptimizerName] = ("adam", "adamasync")
    for name in names:
        optimizer = made(name, rules)
        often, late = tf.Variable([1.0]), tf.Variable([1.0])
        optimizer.build([often, late], [])
        for _ in range(5):
            optimizer.apply(often, tf.constant([0.3]), optimizer.advance())
        optimizer.apply(late, tf.constant([0.3]), optimizer.advance())
        moved[name] = 1 - float(late[0])
    assert moved["adamasync"] == pytest.approx(0.05, rel=1e-6)
    sixth = 0.05 * np.sqrt(1 - 0.999**6) / (1 - 0.9**6) * 0.1 / np.sqrt(0.001)
    assert moved["adam"] == pytest.approx(sixth, rel=1e-5)


def test_adagraddecay_shrinks_once_however_many_decays_a_row_missed(rules: Any) -> None:
    optimizer = made("adagraddecay", rules)  # every 3 steps, by 0.6, to 0.1 at least
    often, late = tf.Variable([1.0]), tf.Variable([1.0])
    optimizer.build([often, late], [])
    accumulators = optimizer.slots["accumulator"]
    for variable in (often, late):
        accumulators[variable.ref()].assign([10.0])
    for step in range(1, 10):
        rate = optimizer.advance()
        for variable in (often, late) if step == 9 else (often,):
            optimizer.apply(variable, tf.constant([0.0]), rate)
    assert float(accumulators[often.ref()][0]) == pytest.approx(10 * 0.6**3)
    assert float(accumulators[late.ref()][0]) == pytest.approx(10 * 0.6)
