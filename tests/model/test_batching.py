from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from smt_features import Bags, Batch
from smt_model.batching import FusedBatch
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
    assert dtypes == ["int32", "int64", "float32", "float32"]


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
