"""The order of an epoch and how workers share it."""

from itertools import chain

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from smt_features.order import RowGroup, batch_sizes, epoch_order, share_of, splitmix64
from smt_schemas import UsageError

SHARDS = st.lists(st.lists(st.integers(1, 9), min_size=1, max_size=5), min_size=1, max_size=6)
SEEDS = st.integers(0, 2**32 - 1)


def rows_in_order(order: list[RowGroup]) -> list[tuple[int, int, int]]:
    """Return shard, row group and row of every row, in reading order."""
    result = []
    for group in order:
        permutation = group.permutation()
        rows = range(group.rows) if permutation is None else permutation.tolist()
        result += [(group.shard, group.index, row) for row in rows]
    return result


def rows_in_files(shards: list[list[int]]) -> list[tuple[int, int, int]]:
    return [
        (shard, index, row)
        for shard, groups in enumerate(shards)
        for index, rows in enumerate(groups)
        for row in range(rows)
    ]


@given(shards=SHARDS, seed=SEEDS, epoch=st.integers(0, 1000))
def test_every_row_comes_once_in_an_order_of_seed_and_epoch(
    shards: list[list[int]], seed: int, epoch: int
) -> None:
    order = epoch_order(shards, seed=seed, epoch=epoch, shuffle=True)

    rows = rows_in_order(order)
    assert sorted(rows) == rows_in_files(shards)
    again = epoch_order(shards, seed=seed, epoch=epoch, shuffle=True)
    assert rows_in_order(again) == rows


@given(shards=SHARDS, seed=SEEDS)
def test_without_shuffle_rows_come_as_in_the_files(shards: list[list[int]], seed: int) -> None:
    order = epoch_order(shards, seed=seed, epoch=3, shuffle=False)

    assert rows_in_order(order) == rows_in_files(shards)


def test_seeds_and_epochs_have_orders_of_their_own() -> None:
    shards = [[50, 50], [50]]
    orders = [
        tuple(rows_in_order(epoch_order(shards, seed=seed, epoch=epoch, shuffle=True)))
        for seed in range(3)
        for epoch in range(3)
    ]

    assert len(set(orders)) == 9


# https://rosettacode.org/wiki/Pseudo-random_numbers/Splitmix64
NUMBERS_OF_1234567 = [
    6457827717110365317,
    3203168211198807973,
    9817491932198370423,
    4593380528125082431,
    16408922859458223821,
]


def test_splitmix64_gives_the_published_numbers() -> None:
    assert splitmix64(1234567, np.arange(5)).tolist() == NUMBERS_OF_1234567
    assert splitmix64(1234567, np.array([3])).tolist() == NUMBERS_OF_1234567[3:4]


def number(seed: int, position: int) -> int:
    """Return a number of SplitMix64 by Python's integers."""
    z = (seed + (position + 1) * 0x9E3779B97F4A7C15) % 2**64
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
    return z ^ (z >> 31)


@given(seed=st.integers(0, 2**64 - 1), position=st.integers(0, 2**40))
def test_splitmix64_wraps_as_integers_of_64_bits_do(seed: int, position: int) -> None:
    assert splitmix64(seed, np.array([position])).tolist() == [number(seed, position)]


def test_the_order_is_the_one_that_the_format_describes() -> None:
    def order_of(count: int, seed: int) -> list[int]:
        return sorted(range(count), key=lambda position: number(seed, position))

    shards = [[3, 5, 4], [6], [2, 2]]
    epoch = number(11, 4)
    expected = [
        (shard, group, row)
        for shard in order_of(3, epoch)
        for group in order_of(len(shards[shard]), number(epoch, shard))
        for row in order_of(shards[shard][group], number(number(epoch, shard), group))
    ]

    assert rows_in_order(epoch_order(shards, seed=11, epoch=4, shuffle=True)) == expected


@given(rows=st.integers(1, 500), count=st.integers(1, 20))
def test_shares_are_disjoint_complete_and_even(rows: int, count: int) -> None:
    assume(rows >= count)

    shares = [share_of(rows, (index, count)) for index in range(count)]

    assert list(chain.from_iterable(range(*share) for share in shares)) == list(range(rows))
    assert max(end - first for first, end in shares) - rows // count <= 1


@given(
    rows=st.integers(1, 500),
    count=st.integers(1, 20),
    batch_size=st.integers(2, 70),
    drop_remainder=st.booleans(),
)
def test_workers_make_equal_steps_that_cover_their_shares(
    rows: int, count: int, batch_size: int, drop_remainder: bool
) -> None:
    assume(rows >= count)
    workers = [(index, count) for index in range(count)]

    sizes = [
        batch_sizes(rows, batch_size, worker, drop_remainder=drop_remainder) for worker in workers
    ]

    assert len({len(worker_sizes) for worker_sizes in sizes}) == 1
    for worker, worker_sizes in zip(workers, sizes, strict=True):
        first, end = share_of(rows, worker)
        assert all(1 <= size <= batch_size for size in worker_sizes)
        if drop_remainder:
            assert set(worker_sizes) <= {batch_size}
            assert end - first - sum(worker_sizes) <= batch_size
        else:
            assert sum(worker_sizes) == end - first


REFUSALS = {
    "no rows for a worker": (3, 5, (0, 4), "3 rows cannot be shared by 4 workers"),
    "worker does not exist": (9, 5, (2, 2), "worker 2 of 2 does not exist"),
    "negative worker": (9, 5, (-1, 2), "worker -1 of 2 does not exist"),
    "batch of none": (9, 0, (0, 1), "batch size 0 is not positive"),
    "single rows shared unequally": (3, 1, (0, 2), "cannot be shared equally by 2 workers"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_an_impossible_split_is_refused(case: str) -> None:
    rows, batch_size, worker, reason = REFUSALS[case]

    with pytest.raises(UsageError, match=reason):
        batch_sizes(rows, batch_size, worker)
