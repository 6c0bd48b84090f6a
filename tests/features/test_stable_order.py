"""The stable sort is NumPy's, whatever way it takes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smt_features.stable_order import stable_order

LARGEST = {np.int64: 2**63 - 1, np.uint64: 2**64 - 1}


@pytest.mark.parametrize("dtype", LARGEST)
@given(st.data())
def test_the_order_is_that_of_numpys_stable_sort(dtype: type, data: st.DataObject) -> None:
    # Arrange: few distinct keys, so that many are equal, and now and then too large to be packed.
    largest = LARGEST[dtype]
    distinct = data.draw(st.lists(st.integers(0, largest), min_size=1, max_size=9))
    keys = np.array(data.draw(st.lists(st.sampled_from(distinct), max_size=300)), dtype)

    # Act
    order = stable_order(keys)

    # Assert
    assert order.dtype == np.int64
    np.testing.assert_array_equal(order, np.argsort(keys, kind="stable"))


@pytest.mark.parametrize("factor", [1, 1 << 40])
def test_many_rows_keep_their_places_among_equals(factor: int) -> None:
    keys = np.random.default_rng(0).integers(0, 1000, 1 << 16) * factor

    order = stable_order(keys)

    np.testing.assert_array_equal(order, np.argsort(keys, kind="stable"))
