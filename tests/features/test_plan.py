"""The plan of an epoch: the rows that each reader reads and the batches that it cuts."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from smt_features.order import batch_sizes, epoch_order, share_of
from smt_features.plan import Turn, plan_epoch

SHARDS = st.lists(st.lists(st.integers(1, 9), min_size=1, max_size=5), min_size=1, max_size=6)


def batches_of(turns: list[Turn]) -> list[list[tuple[int, int, int]]]:
    """Carry a plan out: batches of (shard, row group, place in the row group's order)."""
    batches = []
    held: list[tuple[int, int, int]] = []
    for group, skip, cuts in turns:
        held += [(group.shard, group.index, place) for place in range(skip, group.rows)]
        batches += [held[start:stop] for start, stop in pairwise(cuts)]
        held = held[cuts[-1] :]
    return batches


@given(
    shards=SHARDS,
    batch_size=st.integers(2, 40),
    count=st.integers(1, 4),
    start=st.integers(0, 9),
    seed=st.integers(0, 99),
    shuffle=st.booleans(),
    drop_remainder=st.booleans(),
)
def test_a_plan_gives_the_rows_of_the_order_in_the_sizes_of_the_worker(
    shards: list[list[int]],
    batch_size: int,
    count: int,
    start: int,
    seed: int,
    shuffle: bool,
    drop_remainder: bool,
) -> None:
    rows = sum(map(sum, shards))
    count = min(count, rows)
    order = epoch_order(shards, seed=seed, epoch=1, shuffle=shuffle)
    in_order = [(group.shard, group.index, place) for group in order for place in range(group.rows)]

    for worker in [(index, count) for index in range(count)]:
        turns = plan_epoch(
            shards,
            batch_size,
            seed=seed,
            epoch=1,
            shuffle=shuffle,
            start=start,
            drop_remainder=drop_remainder,
            worker=worker,
        )

        expected, first = [], share_of(rows, worker)[0]
        for size in batch_sizes(rows, batch_size, worker, drop_remainder=drop_remainder):
            expected.append(in_order[first : first + size])
            first += size
        assert batches_of(turns) == expected[start:]


def test_a_plan_reads_nothing_before_its_first_batch_and_after_its_last() -> None:
    turns = plan_epoch([[10, 10, 10], [10]], 5, shuffle=False, start=3, worker=(0, 2))

    ((group, skip, cuts),) = turns
    assert (group.shard, group.index, skip, cuts.tolist()) == (0, 1, 5, [0, 5])
