"""A variable in slices, read and written as a whole."""

from collections.abc import Iterator

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from smt_model.distributed.served_variable import Piece, ServedVariable
from smt_model.distributed.slices import Slice

DEVICE = "/job:localhost/task:0"


@pytest.fixture(scope="module")
def sliced() -> Iterator[ServedVariable]:
    """Eleven rows of three values in slices of 4, 1 and 6."""
    with tf.Graph().as_default():
        session = tf.compat.v1.Session()
        bounds = [(0, 4), (4, 5), (5, 11)]
        pieces = [
            Piece(Slice(server, start, stop), tf.Variable(tf.zeros([stop - start, 3])))
            for server, (start, stop) in enumerate(bounds)
        ]
        served = ServedVariable([11, 3])
        served.connect(session, pieces, DEVICE)
        session.run(tf.compat.v1.global_variables_initializer())
    yield served
    session.close()


@given(st.lists(st.integers(0, 10), unique=True, max_size=11), st.integers(0, 1000))
def test_rows_come_back_as_they_were_written(
    sliced: ServedVariable, rows: list[int], seed: int
) -> None:
    numbers = np.array(rows, np.int32)
    everything = np.arange(11, dtype=np.int32)
    expected = sliced.sparse_read(tf.constant(everything)).numpy()
    expected[numbers] = np.random.default_rng(seed).random((len(rows), 3), np.float32)
    sliced.scatter_update(tf.IndexedSlices(expected[numbers], numbers))
    np.testing.assert_array_equal(sliced.sparse_read(tf.constant(everything)), expected)
    np.testing.assert_array_equal(sliced.sparse_read(tf.constant(numbers)), expected[numbers])
    np.testing.assert_array_equal(sliced.numpy(), expected)
