import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smt_model.ev.bloom import CountingBloomFilter, sizes


def test_sizes_follow_the_formula() -> None:
    # n = 1000, p = 0.01: 9.585 counters a key, 6.64 hashes.
    assert sizes(1000, 0.01) == (9586, 7)


@given(st.lists(st.dictionaries(st.integers(0, 60), st.integers(1, 3), min_size=1), max_size=12))
def test_an_estimate_is_never_below_the_true_count(batches: list[dict[int, int]]) -> None:
    bloom = CountingBloomFilter(20, 0.1, limit=1000)  # three times as many keys as expected
    true: dict[int, int] = {}
    for batch in batches:
        for key, count in batch.items():
            true[key] = true.get(key, 0) + count
        keys, counts = np.array(list(batch)), np.array(list(batch.values()))
        assert (bloom.add(keys, counts) >= [true[key] for key in batch]).all()


@pytest.mark.parametrize("rate", [0.1, 0.01])
def test_at_most_the_stated_share_of_new_keys_is_overestimated(rate: float) -> None:
    rng = np.random.default_rng(3)
    bloom = CountingBloomFilter(20_000, rate, limit=255)
    ones = np.ones(20_000, np.int64)
    bloom.add(rng.integers(0, 2**62, 20_000), ones)
    early = 0
    for key in rng.integers(2**62, 2**63, 2000):
        probe = CountingBloomFilter(20_000, rate, limit=255)
        probe.counters[:] = bloom.counters
        early += int(probe.add(np.array([key]), np.ones(1, np.int64))[0] > 1)
    assert early / 2000 <= rate + 3 * math.sqrt(rate / 2000)


def test_counting_stops_at_the_limit_and_memory_is_fixed() -> None:
    bloom = CountingBloomFilter(100, 0.01, limit=3)
    before = bloom.nbytes
    for _ in range(400):
        estimate = bloom.add(np.array([5]), np.array([1]))
    assert estimate.tolist() == [3]
    assert bloom.nbytes == before == math.ceil(100 * 9.585058)
