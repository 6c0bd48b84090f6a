"""Tensors of a batch hold the values of its arrays, and lie where kernels expect them."""

import gc
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from smt_model.batching import FreshRows, FusedBatch, TableBatch
from smt_model.staging import ALIGNMENT, as_tensors


@pytest.fixture
def batch() -> FusedBatch:
    """Arrays of sizes that leave gaps, one of them read-only, one in another order, one empty."""
    weights = np.ones(3, np.float32)
    weights.setflags(write=False)
    positions = np.arange(6, dtype=np.int32).reshape(2, 3).T
    pairs = np.array([[0, 1]], np.int32)
    return FusedBatch(
        tables=(
            TableBatch(np.array([7], np.int32), positions, weights),
            TableBatch(np.empty(0, np.int32), positions, weights, (pairs,)),
        ),
        labels=np.array([[0, 1], [1, 0], [1, 1]], np.float32),
        numerics=(np.full((3, 5), 0.25, np.float32),),
        fresh=(
            FreshRows(
                np.array([9], np.int32), np.ones((1, 2), np.float32), np.array([-1], np.int32)
            ),
        ),
    )


def test_tensors_have_the_types_shapes_and_values_of_the_arrays(batch: FusedBatch) -> None:
    tensors = as_tensors(batch)
    tf.nest.assert_same_structure(batch, tensors)
    for array, tensor in arrays_and_tensors(batch, tensors):
        assert tensor.dtype == array.dtype
        np.testing.assert_array_equal(tensor.numpy(), array, strict=True)


def test_tensors_begin_where_kernels_expect_them(batch: FusedBatch) -> None:
    for array, tensor in arrays_and_tensors(batch, as_tensors(batch)):
        assert array.size == 0 or np.asarray(tensor).ctypes.data % ALIGNMENT == 0


def test_a_tensor_keeps_its_values_when_all_else_changes_or_goes(batch: FusedBatch) -> None:
    labels = as_tensors(batch).labels
    batch.labels[...] = -1
    gc.collect()
    later = [as_tensors(batch) for _ in range(20)]  # would take the memory that had been freed
    np.testing.assert_array_equal(labels, [[0, 1], [1, 0], [1, 1]])
    np.testing.assert_array_equal(later[-1].labels, np.full((3, 2), -1))


def test_a_batch_without_optional_arrays_gives_none() -> None:
    bare = FusedBatch(tables=(), labels=np.zeros((1, 1), np.float32))
    tensors = as_tensors(bare)
    assert (tensors.tables, tensors.numerics, tensors.fresh) == ((), (), ())


def arrays_and_tensors(batch: FusedBatch, tensors: FusedBatch) -> Any:
    return zip(tf.nest.flatten(batch), tf.nest.flatten(tensors), strict=True)
