"""The stable sort is NumPy's, whatever way it takes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smt_features.stable_order import stable_order


def assert_ordered(keys: np.ndarray) -> None:
    """Check the order of keys against NumPy's."""
    order = stable_order(keys)

    assert order.dtype == np.int64
    np.testing.assert_array_equal(order, np.argsort(keys, kind="stable"))


@pytest.mark.parametrize(("dtype", "bits"), [("int64", 63), ("uint64", 64)])
@given(st.data())
def test_the_order_is_that_of_numpys_stable_sort(
    dtype: str, bits: int, data: st.DataObject
) -> None:
    # Few distinct keys, so that many are equal, and now and then too large to be packed.
    distinct = data.draw(st.lists(st.integers(0, 2**bits - 1), min_size=1, max_size=9))
    keys = np.array(data.draw(st.lists(st.sampled_from(distinct), max_size=300)), dtype)

    assert_ordered(keys)


@pytest.mark.parametrize("factor", [1, 1 << 40])
def test_many_rows_keep_their_places_among_equals(factor: int) -> None:
    assert_ordered(np.random.default_rng(0).integers(0, 1000, 1 << 16) * factor)
