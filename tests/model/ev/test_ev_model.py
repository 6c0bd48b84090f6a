"""Models some of whose features are embedding variables."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from smt_features import Bags
from smt_model.assembly import Assembly, assemble, make_model
from smt_model.batching import FusedBatch
from smt_model.config import OPTIMIZERS, OptimizerName, TrainConfig
from smt_model.embedding import EmbeddingTable
from smt_model.ev.elimination import eliminate
from smt_model.ev.initial import first_vectors, stream_of
from smt_model.ev.options import EvOptions
from smt_model.layout import fused_tables
from smt_model.model import MultiTaskModel
from smt_schemas import DatasetSchema, UserError

SEED = 5
ADMIT_ALL = EvOptions(ev=True)
Step = Callable[[Sequence[FusedBatch]], NDArray[np.float32]]


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
) -> Assembly:
    columns = {
        name: options.model_dump(exclude_defaults=True) for name, options in variables.items()
    }
    config = TrainConfig(
        seed=SEED, optimizer=optimizer, columns=columns, ev_capacity=1000, save_steps=1
    )
    return assemble(config, schema, total_steps=100)


def trained(model: MultiTaskModel, step: Step, batches: list[Any]) -> NDArray[np.float32]:
    return np.concatenate([step([model.fuser(batch, n)]) for n, batch in enumerate(batches, 1)])


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
    (table,) = fixed.tables
    for block, start in zip(table.layout.blocks, table.layout.offsets, strict=False):
        keys = np.arange(block.rows)
        vectors = first_vectors(keys, 4, stream_of(block.name, SEED))
        table.packed[start : start + block.rows, :4].assign(vectors)

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
    distinct = np.unique(np.concatenate([batch["user_key"] for batch in batches]))
    keys = model.embedding_variables[0].tables["user"]
    assert sorted(keys.keys.tolist()) == distinct.tolist()
    vectors = model.tables[0].packed.sparse_read(keys.rows)[:, :4].numpy()
    assert len(np.unique(vectors, axis=0)) == len(distinct)


def test_a_key_without_a_row_is_a_zero_vector_and_no_row_changes(
    schema: DatasetSchema, make_batch: Any
) -> None:
    model, _, step = made(schema, user=EvOptions(ev=True, ev_filter="counter", filter_freq=10_000))
    batch = with_keys(make_batch(schema, 8, 1))
    step([model.fuser(batch, 1)])
    assert (model.embedding_variables[0].tables["user"].rows == -1).all()
    (table,), (part,) = model.tables, model.fuser(batch).tables
    vectors, *_ = table.read(part)
    pooled = table.pool(vectors, part, tf.constant(8, tf.int64)).numpy()
    np.testing.assert_array_equal(pooled[:, :4], np.zeros((8, 4)))  # the user's block
    assert pooled[:, 8:].all()


def test_entries_without_a_row_count_in_the_mean_of_a_list(
    schema: DatasetSchema, make_batch: Any
) -> None:
    model, _, _ = made(schema, tags=EvOptions(ev=True, ev_filter="counter", filter_freq=3))
    batch = with_keys(make_batch(schema, 2, 1))
    batch["tags_key"] = Bags(np.array([8, 9]), np.array([3, 1], np.int32), np.array([0, 2, 2]))
    fused = model.fuser(batch, 1)
    # After two users and two brands: key 8 of [8, 8, 8, 9].
    assert fused.tables[0].weights.tolist() == [1, 1, 1, 1, 0.75]


def test_evaluation_neither_admits_nor_counts(schema: DatasetSchema, batches: list[Any]) -> None:
    model, _, step = made(schema, user=EvOptions(ev=True, ev_filter="counter", filter_freq=2))
    trained(model, step, batches[:3])
    keys = model.embedding_variables[0].tables["user"]
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
    options = EvOptions(ev=True, ev_elimination="gstep", steps_to_live=10)
    model, _, step = made(schema, user=options)
    (table,), (variables,) = model.tables, model.embedding_variables
    step([model.fuser(user_batch(schema, make_batch, 5, 6), 1)])
    step([model.fuser(user_batch(schema, make_batch, 6), 2)])
    eliminate(variables, table, 11)
    assert variables.tables["user"].keys.tolist() == [5, 6]
    eliminate(variables, table, 12)
    assert variables.tables["user"].keys.tolist() == [6]


def test_a_vector_of_just_the_threshold_stays_and_a_smaller_one_goes(
    schema: DatasetSchema, make_batch: Any
) -> None:
    model, _, step = made(schema, user=EvOptions(ev=True, ev_elimination="l2", l2_threshold=0.5))
    (table,), (variables,) = model.tables, model.embedding_variables
    step([model.fuser(user_batch(schema, make_batch, 5, 6), 1)])
    keys = variables.tables["user"]
    packed = np.full((2, 8), 9, np.float32)
    packed[:, :4] = 0
    packed[:, 0] = 1, np.nextafter(np.float32(1), np.float32(0))
    first = keys.rows.min()
    table.packed[first : first + 2].assign(packed[np.argsort(keys.rows[np.argsort(keys.keys)])])
    eliminate(variables, table, 1)
    assert keys.keys.tolist() == [5]


def test_a_key_that_comes_back_has_its_first_vector_and_fresh_slots(
    schema: DatasetSchema, make_batch: Any
) -> None:
    model, _, step = made(schema, user=EvOptions(ev=True, ev_elimination="gstep", steps_to_live=1))
    (table,), (variables,) = model.tables, model.embedding_variables
    for number in range(1, 4):
        step([model.fuser(user_batch(schema, make_batch, 7, 7), number)])
    eliminate(variables, table, 20)
    fused = model.fuser(user_batch(schema, make_batch, 7), 21)
    model.begin(fused)
    row = fused.fresh[0].rows
    vector, accumulator = np.split(table.packed.sparse_read(row).numpy(), 2, axis=1)
    first = first_vectors(np.array([7]), 4, stream_of("user", SEED))
    np.testing.assert_array_equal(vector, first)
    np.testing.assert_array_equal(accumulator, np.full((1, 4), 0.1, np.float32))


def test_a_rare_key_shares_a_bucket_and_a_frequent_one_starts_from_there(
    schema: DatasetSchema, make_batch: Any
) -> None:
    options = EvOptions(adaptive_emb=True, adaptive_threshold=3)
    model, _, step = made(schema, user=options)
    (table,) = model.tables
    batch = user_batch(schema, make_batch, 57, 7)  # of 50 buckets, both share number 7
    for number in (1, 2):
        fused = model.fuser(batch, number)
        assert 7 in fused.tables[0].rows
        assert len(fused.fresh[0].rows) == 0
        step([fused])
    shared = table.packed.sparse_read([7])[:, :4].numpy()

    fused = model.fuser(user_batch(schema, make_batch, 57, 8), 3)

    (row,) = fused.fresh[0].rows
    assert row >= 120  # behind all buckets
    assert 7 not in fused.tables[0].rows
    model.begin(fused)
    np.testing.assert_array_equal(table.packed.sparse_read([row])[:, :4].numpy(), shared)


def test_a_table_that_no_machine_can_hold_is_refused(schema: DatasetSchema) -> None:
    (table,) = fused_tables(schema.features[:1])
    slots = {f"slot {number}": 0.0 for number in range(1 << 14)}

    with pytest.raises(UserError, match=r"GB, which this machine does not give\. Lower --ev-cap"):
        EmbeddingTable(replace(table, capacity=1 << 30), 0, slots)


def test_more_keys_than_an_int32_name_the_option_that_asks_for_them(schema: DatasetSchema) -> None:
    config = TrainConfig(ev=True, ev_capacity=3_000_000_000)

    with pytest.raises(UserError, match=r"table holds at most [0-9,]+\. Lower --ev-capacity"):
        make_model(config, schema)
