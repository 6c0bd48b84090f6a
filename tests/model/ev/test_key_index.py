import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smt_model.ev import key_index, slots
from smt_model.ev.key_index import KeyIndex

KEYS = st.integers(0, 2**63 - 1) | st.integers(0, 20)


def int64(keys: list[int]) -> np.ndarray:
    return np.array(keys, np.int64)


@given(st.lists(st.lists(KEYS, max_size=40), max_size=20), st.integers(1, 30), st.integers(0, 30))
def test_numbers_are_those_of_a_dict_while_keys_move_to_more_slots(
    batches: list[list[int]], moved_at_a_time: int, few: int
) -> None:
    expected = dict[int, int]()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(key_index, "_LEAST_BITS", 1)
        patch.setattr(key_index, "_MOVED_AT_A_TIME", moved_at_a_time)
        patch.setattr(slots, "_FEW", few)
        patch.setattr(slots, "_LAST", few)
        index = KeyIndex()
        for batch in batches:
            found = index.find(int64(batch))
            assert found.tolist() == [expected.get(key, -1) for key in batch]
            new = [key for key in dict.fromkeys(batch) if key not in expected]
            index.add(int64(new))
            expected |= {key: len(expected) + i for i, key in enumerate(new)}
    assert index.keys.tolist() == list(expected)
    assert index.find(int64(list(expected))).tolist() == list(expected.values())


def test_keys_that_want_the_same_slot_are_all_found() -> None:
    # The golden ratio's inverse modulo 2**64: multiples of it come to slots 0, 1, 2 … at the
    # top bits only for small factors, so all of these begin at slot 0.
    inverse = pow(0x9E3779B97F4A7C15, -1, 2**64)
    keys = np.array([inverse * i % 2**64 for i in range(1, 400)], np.uint64).view(np.int64)
    index = KeyIndex(keys)
    assert index.find(keys).tolist() == list(range(399))


def test_an_index_of_keys_costs_at_most_19_bytes_a_key() -> None:
    rng = np.random.default_rng(0)
    index = KeyIndex()
    for _ in range(300):
        index.add(rng.integers(0, 2**63, 1000))
    assert 8 + 4 * len(index._slots) / len(index) <= 19
