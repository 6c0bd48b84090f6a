"""Models some of whose features are embedding variables."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from smt_features import Bags
from smt_model.config import OPTIMIZERS, OptimizerName, TrainConfig
from smt_model.ev.initial import first_vectors, stream_of
from smt_model.ev.options import EvOptions
from smt_model.model import MultiTaskModel
from smt_model.optimizer import Optimizer, make_optimizer
from smt_model.step import TrainStep
from smt_schemas import DatasetSchema

SEED = 5
ADMIT_ALL = EvOptions()


def with_keys(batch: dict[str, Any]) -> dict[str, Any]:
    """Add keys that are the ids: as if each bucket held one value."""
    keys = {}
    for name, values in batch.items():
        if isinstance(values, Bags):
            keys[name + "_key"] = values._replace(ids=values.ids.astype(np.int64))
        elif values.dtype == np.int32:
            keys[name + "_key"] = values.astype(np.int64)
    return batch | keys


def made(
    schema: DatasetSchema, optimizer: OptimizerName = "adagrad", **variables: EvOptions
) -> tuple[MultiTaskModel, Optimizer, TrainStep]:
    rule = make_optimizer(TrainConfig(optimizer=optimizer))
    model = MultiTaskModel(schema, SEED, slots=rule.initial, variables=variables, capacity=1000)
    rule.build(model.dense_variables)
    return model, rule, TrainStep(model, rule)


def trained(model: MultiTaskModel, step: TrainStep, batches: list[Any]) -> NDArray[np.float32]:
    return np.concatenate([step([model.fuser(batch, n)]) for n, batch in enumerate(batches)])


@pytest.fixture
def batches(schema: DatasetSchema, make_batch: Any) -> list[Any]:
    return [with_keys(make_batch(schema, 64, seed)) for seed in range(12)]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_without_collisions_a_variable_learns_what_a_table_learns(
    schema: DatasetSchema, batches: list[Any], optimizer: OptimizerName
) -> None:
    fixed, _, fixed_step = made(schema, optimizer)
    names = ["user", "tags", "brand"]
    grown, _, grown_step = made(schema, optimizer, **dict.fromkeys(names, ADMIT_ALL))
    table = fixed.fixed_tables[0]
    for column, start in zip(table.layout.features, table.layout.offsets, strict=False):
        keys = np.arange(column.buckets)
        vectors = first_vectors(keys, 4, stream_of(column.name, SEED))
        table.packed[start : start + column.buckets, :4].assign(vectors)

    expected = trained(fixed, fixed_step, batches)
    losses = trained(grown, grown_step, batches)

    np.testing.assert_allclose(losses, expected, rtol=1e-6)


def test_as_many_rows_as_keys_and_ids_that_collide_are_told_apart(
    schema: DatasetSchema, batches: list[Any]
) -> None:
    for batch in batches:
        batch["user"] = np.zeros_like(batch["user"])  # one bucket for all
    model, _, step = made(schema, user=ADMIT_ALL)
    trained(model, step, batches)
    (table,) = model.ev_tables
    distinct = np.unique(np.concatenate([batch["user_key"] for batch in batches]))
    assert sorted(table.keys["user"].keys.tolist()) == distinct.tolist()
    vectors = table.packed.sparse_read(table.keys["user"].rows)[:, :4].numpy()
    assert len(np.unique(vectors, axis=0)) == len(distinct)


def test_a_key_without_a_row_is_a_zero_vector_and_no_row_changes(
    schema: DatasetSchema, make_batch: Any
) -> None:
    model, _, step = made(schema, user=EvOptions(filter="counter", filter_freq=10_000))
    batch = with_keys(make_batch(schema, 8, 1))
    step([model.fuser(batch, 1)])
    (table,) = model.ev_tables
    assert (table.keys["user"].rows == -1).all()
    part = model.fuser(batch).tables[-1]
    assert len(part.rows) == 0
    vectors, *_ = table.read(part)
    pooled = table.pool(vectors, part, tf.constant(8, tf.int64))
    np.testing.assert_array_equal(pooled.numpy(), np.zeros((8, 4)))


def test_entries_without_a_row_count_in_the_mean_of_a_list(
    schema: DatasetSchema, make_batch: Any
) -> None:
    model, _, _ = made(schema, tags=EvOptions(filter="counter", filter_freq=3))
    batch = with_keys(make_batch(schema, 2, 1))
    batch["tags_key"] = Bags(np.array([8, 9]), np.array([3, 1], np.int32), np.array([0, 2, 2]))
    fused = model.fuser(batch, 1)
    assert fused.tables[-1].weights.tolist() == [0.75]  # key 8 of [8, 8, 8, 9]


def test_evaluation_neither_admits_nor_counts(schema: DatasetSchema, batches: list[Any]) -> None:
    model, _, step = made(schema, user=EvOptions(filter="counter", filter_freq=2))
    trained(model, step, batches[:3])
    keys = model.ev_tables[0].keys["user"]
    before = [values.copy() for values in (keys.keys, keys.rows, keys.counts, keys.last_steps)]
    predictions = [model.predict(model.fuser(batches[5])).numpy() for _ in range(2)]
    np.testing.assert_array_equal(predictions[0], predictions[1])
    after = [keys.keys, keys.rows, keys.counts, keys.last_steps]
    for old, new in zip(before, after, strict=True):
        np.testing.assert_array_equal(old, new)


def user_batch(schema: DatasetSchema, make_batch: Any, *keys: int) -> dict[str, Any]:
    batch = with_keys(make_batch(schema, len(keys), 1))
    return batch | {"user_key": np.array(keys)}


def test_a_key_lives_for_steps_to_live_steps_and_not_one_more(
    schema: DatasetSchema, make_batch: Any
) -> None:
    options = EvOptions(elimination="gstep", steps_to_live=10)
    model, _, step = made(schema, user=options)
    (table,) = model.ev_tables
    step([model.fuser(user_batch(schema, make_batch, 5, 6), 1)])
    step([model.fuser(user_batch(schema, make_batch, 6), 2)])
    table.eliminate(11)
    assert table.keys["user"].keys.tolist() == [5, 6]
    table.eliminate(12)
    assert table.keys["user"].keys.tolist() == [6]


def test_a_vector_of_just_the_threshold_stays_and_a_smaller_one_goes(
    schema: DatasetSchema, make_batch: Any
) -> None:
    model, _, step = made(schema, user=EvOptions(elimination="l2", l2_threshold=0.5))
    (table,) = model.ev_tables
    step([model.fuser(user_batch(schema, make_batch, 5, 6), 1)])
    keys = table.keys["user"]
    vectors = np.zeros((2, 4), np.float32)
    vectors[:, 0] = 1, np.nextafter(np.float32(1), np.float32(0))
    order = np.argsort(keys.keys)
    table.write(keys.rows[order], [vectors, np.full((2, 4), 9, np.float32)])
    table.eliminate(1)
    assert keys.keys.tolist() == [5]


def test_a_key_that_comes_back_has_its_first_vector_and_fresh_slots(
    schema: DatasetSchema, make_batch: Any
) -> None:
    model, _, step = made(schema, user=EvOptions(elimination="gstep", steps_to_live=1))
    (table,) = model.ev_tables
    for number in range(1, 4):
        step([model.fuser(user_batch(schema, make_batch, 7, 7), number)])
    table.eliminate(20)
    fused = model.fuser(user_batch(schema, make_batch, 7), 21)
    model.begin(fused)
    vector, accumulator = table.read(fused.tables[-1])
    first = first_vectors(np.array([7]), 4, stream_of("user", SEED))
    np.testing.assert_array_equal(vector.numpy(), first)
    np.testing.assert_array_equal(accumulator.numpy(), np.full((1, 4), 0.1, np.float32))
