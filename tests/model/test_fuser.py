from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from smt_features import Bags, Batch
from smt_features.batch import cut
from smt_model.assembly import assemble
from smt_model.batching import FusedBatch
from smt_model.config import TrainConfig
from smt_model.fuser import Fuser
from smt_model.layout import MAX_ROWS, TableLayout, fused_tables
from smt_schemas import DatasetSchema, UserError


def test_features_of_one_width_share_a_table(schema: DatasetSchema) -> None:
    (table,) = fused_tables(schema.features)
    assert [feature.name for feature in table.features] == ["user", "tags", "brand"]
    assert table.offsets == (0, 50, 90, 120)
    assert table.width == 12


def test_each_width_has_its_table(make_schema: Any) -> None:
    first, second = fused_tables(make_schema(tags={"embedding_dim": 8}).features)
    assert [feature.name for feature in first.features] == ["user", "brand"]
    assert (first.offsets, first.dim) == ((0, 50, 80), 4)
    assert [feature.name for feature in second.features] == ["tags"]
    assert (second.offsets, second.dim) == ((0, 40), 8)


def test_more_rows_than_an_int32_are_refused(make_schema: Any) -> None:
    with pytest.raises(UserError, match="Lower hash_buckets"):
        fused_tables(make_schema(user={"hash_buckets": MAX_ROWS}).features)


def test_a_batch_computed_by_hand(schema: DatasetSchema) -> None:
    batch: Batch = {
        "clk": np.array([1, 0], np.int8),
        "buy": np.array([0, 0], np.int8),
        "user": np.array([7, 7], np.int32),
        "brand": np.array([2, 3], np.int32),
        "tags": Bags(np.array([5, 6], np.int32), np.array([3, 1], np.int32), np.array([0, 0, 2])),
    }
    fused = Fuser(fused_tables(schema.features), ["clk", "buy"])(batch)
    assert fused.labels.tolist() == [[1, 0], [0, 0]]
    (table,) = fused.tables
    entries = {
        (bag, int(table.rows[position])): weight
        for (bag, position), weight in zip(
            table.positions.tolist(), table.weights.tolist(), strict=True
        )
    }
    # Bag = example · 3 + feature; the row = offset (0, 50, 90) + id.
    assert entries == {(0, 7): 1, (3, 7): 1, (2, 92): 1, (5, 93): 1, (4, 55): 0.75, (4, 56): 0.25}
    assert sorted(table.rows.tolist()) == [7, 55, 56, 92, 93]


def test_every_entry_of_random_batches_has_its_weight(
    schema: DatasetSchema, make_batch: Any
) -> None:
    layouts = fused_tables(schema.features)
    fuser = Fuser(layouts, ["clk", "buy"])
    for seed in range(5):
        batch = make_batch(schema, 20, seed)
        matrix = dense(fuser(batch), layouts[0], 20)
        np.testing.assert_allclose(matrix, expected(batch, layouts[0], 20), rtol=1e-6)


def test_dtypes_are_those_of_the_signature(schema: DatasetSchema, make_batch: Any) -> None:
    fused = Fuser(fused_tables(schema.features), ["clk", "buy"])(make_batch(schema, 3, 0))
    rows, positions, weights, pairs = fused.tables[0]
    assert pairs == fused.numerics == ()
    dtypes = [array.dtype.name for array in (rows, positions, weights, fused.labels)]
    assert dtypes == ["int32", "int32", "float32", "float32"]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"multihash": True, "multihash_operation": "add", "multihash_divisor": 7},
        {"multihash": True, "multihash_operation": "mul", "multihash_divisor": 7},
        {"multihash": True, "multihash_operation": "concat", "multihash_divisor": 7},
        {"ev": True, "ev_filter": "counter", "filter_freq": 3},
        {"ev": True, "dynamic_ev": True, "dynamic_ev_blocks": 2, "dynamic_ev_block_size": 2},
    ],
    ids=lambda options: " ".join(map(str, options.values())) or "static",
)
def test_batches_cut_from_many_rows_are_those_of_each_alone(
    options: dict[str, Any], make_schema: Any, make_batch: Any
) -> None:
    user = {} if "dynamic_ev" in options else {"embedding_dim": 8}  # else two tables
    schema = make_schema(user=user)
    rows = with_keys(make_batch(schema, 60, 0))
    ranges = [(0, 16), (16, 32), (40, 40), (41, 60)]  # some rows are in no batch
    config = TrainConfig(**options)
    together, apart = (assemble(config, schema, total_steps=9).model for _ in range(2))
    made = together.fuser.cut(rows, ranges, step=3)

    for step, limits in enumerate(ranges, 3):
        one, other = next(made), apart.fuser(cut(rows, *limits), step)

        # Keys of the batches that follow are not counted yet.
        for mine, theirs in zip(together.key_tables, apart.key_tables, strict=True):
            assert mine.counts.tolist() == theirs.counts.tolist()
            assert mine.last_steps.tolist() == theirs.last_steps.tolist()
        tf.nest.assert_same_structure(one, other)
        for left, right in zip(tf.nest.flatten(one), tf.nest.flatten(other), strict=True):
            assert left.dtype == right.dtype
            np.testing.assert_array_equal(left, right)


def test_numeric_features_are_cut_like_labels(make_schema: Any, make_batch: Any) -> None:
    no_table = {"hash_buckets": None, "embedding_dim": None}
    schema = make_schema(
        brand={"type": "float", "encoding": "numeric", "required": True, **no_table}
    )
    rows = make_batch(schema, 9, 0)
    fuser = Fuser(fused_tables(schema.features), ["clk", "buy"], ["brand"])

    first, second = fuser.cut(rows, [(0, 4), (4, 9)])

    assert first.numerics[0].tolist() == rows["brand"][:4, np.newaxis].tolist()
    assert second.numerics[0].tolist() == rows["brand"][4:, np.newaxis].tolist()
    assert second.labels.tolist() == np.stack([rows["clk"], rows["buy"]], axis=1)[4:].tolist()


def with_keys(batch: dict[str, Any]) -> dict[str, Any]:
    """Add keys that are the ids."""
    keys: dict[str, Any] = {}
    for name in ("user", "brand"):
        keys[name + "_key"] = batch[name].astype(np.int64)
    tags = batch["tags"]
    return batch | keys | {"tags_key": tags._replace(ids=tags.ids.astype(np.int64))}


def dense(fused: FusedBatch, layout: TableLayout, examples: int) -> NDArray[np.float64]:
    rows, positions, weights, _ = fused.tables[0]
    assert len(np.unique(rows)) == len(rows)
    matrix = np.zeros((examples * len(layout.features), layout.rows))
    np.add.at(matrix, (positions[:, 0], rows[positions[:, 1]]), weights)
    return matrix


def expected(batch: dict[str, Any], layout: TableLayout, examples: int) -> NDArray[np.float64]:
    matrix = np.zeros((examples, len(layout.features), layout.rows))
    for feature, name in enumerate(layout.starts):
        offset = layout.offsets[feature]
        for example in range(examples):
            bags = batch[name]
            if not isinstance(bags, Bags):
                matrix[example, feature, offset + bags[example]] = 1
                continue
            entries = slice(bags.row_splits[example], bags.row_splits[example + 1])
            counts = bags.counts[entries]
            matrix[example, feature, offset + bags.ids[entries]] = counts / max(counts.sum(), 1)
    return matrix.reshape(-1, layout.rows)
