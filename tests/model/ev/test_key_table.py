import numpy as np
import pytest

from smt_model.ev.bloom import CountingBloomFilter
from smt_model.ev.key_table import KeyTable, Lookup
from smt_model.ev.rows import RowAllocator
from smt_schemas import UserError

A, B, C = 2**62 + 5, 7, 0


def count(
    table: KeyTable, keys: list[int], step: int = 1, counts: list[int] | None = None
) -> Lookup:
    times = np.ones(len(keys), np.int64) if counts is None else np.array(counts)
    return table.count(np.array(keys, np.int64), times, step)


def look_up(table: KeyTable, *keys: int) -> list[int]:
    rows: list[int] = table.look_up(np.array(keys, np.int64)).tolist()
    return rows


def test_without_a_filter_each_key_owns_a_row_at_once() -> None:
    table = KeyTable(RowAllocator(0, 10))
    found = count(table, [A, B, A])
    assert sorted(set(found.rows.tolist())) == [0, 1]
    assert found.rows[0] == found.rows[2] != found.rows[1]
    assert dict(zip(found.new_keys.tolist(), found.new_rows.tolist(), strict=True)) == {
        A: found.rows[0],
        B: found.rows[1],
    }
    assert count(table, [A]).new_keys.tolist() == []


def test_the_third_occurrence_is_admitted_and_the_second_is_not() -> None:
    table = KeyTable(RowAllocator(0, 10), filter_freq=3)
    assert count(table, [A]).rows.tolist() == [-1]
    assert count(table, [A, B]).rows.tolist() == [-1, -1]
    assert count(table, [A, B]).rows.tolist() == [0, -1]


def test_repetitions_in_a_batch_and_in_a_list_count() -> None:
    table = KeyTable(RowAllocator(0, 10), filter_freq=3)
    assert count(table, [A, A, A, B]).rows.tolist() == [0, 0, 0, -1]
    assert count(table, [C], counts=[3]).rows.tolist() == [1]


def test_looking_up_changes_nothing() -> None:
    table = KeyTable(RowAllocator(0, 10), filter_freq=2)
    count(table, [A, A, B], step=4)
    for _ in range(3):
        assert look_up(table, A, B, C) == [0, -1, -1]
    assert table.keys.tolist() == [B, A]
    assert table.counts.tolist() == [1, 2]
    assert table.last_steps.tolist() == [4, 4]


def test_a_dropped_key_gives_its_row_back_and_starts_afresh() -> None:
    allocator = RowAllocator(0, 10)
    table = KeyTable(allocator, filter_freq=2)
    count(table, [A, A, B, B, C], step=1)
    row_of_b = look_up(table, B)[0]
    table.keep(table.keys != B)
    assert look_up(table, B) == [-1]
    assert allocator.used == 1
    assert count(table, [B]).rows.tolist() == [-1]
    assert count(table, [B]).rows.tolist() == [row_of_b]
    assert table.counts[table.keys == B].tolist() == [2]


def test_tables_that_share_an_allocator_own_different_rows() -> None:
    allocator = RowAllocator(0, 10)
    first, second = KeyTable(allocator), KeyTable(allocator)
    assert count(first, [A]).rows != count(second, [A]).rows


def test_a_full_table_is_refused_with_the_remedy() -> None:
    table = KeyTable(RowAllocator(0, 2))
    with pytest.raises(UserError, match="full at 2 keys.*--ev-capacity"):
        count(table, [A, B, C])


def test_restored_keys_go_on_counting() -> None:
    table = KeyTable(RowAllocator(0, 10), filter_freq=3)
    count(table, [A, A, B, A], step=6)
    other = KeyTable(RowAllocator(0, 10), filter_freq=2)  # another threshold
    rows = other.restore(table.keys, table.counts, table.last_steps, table.rows >= 0)
    assert look_up(other, A, B) == [rows[0], -1]
    assert count(other, [B]).rows.tolist() != [-1]


def test_a_count_stays_at_the_largest_and_admits() -> None:
    table = KeyTable(RowAllocator(0, 10), filter_freq=2**31 - 1)
    assert count(table, [A, B], counts=[2**31 - 3, 1]).rows.tolist() == [-1, -1]
    assert count(table, [A, A, A]).rows.tolist() == [0, 0, 0]
    assert table.counts.tolist() == [1, 2**31 - 1]


def test_a_bloom_filter_admits_never_late_and_knows_no_other_keys() -> None:
    bloom = CountingBloomFilter(100, 0.001, limit=3)
    table = KeyTable(RowAllocator(0, 1000), filter_freq=3, bloom=bloom)
    keys = list(range(100, 150))
    assert set(count(table, keys).rows.tolist()) == {-1}
    assert len(table.keys) == 0
    assert set(count(table, keys).rows.tolist()) == {-1}
    assert -1 not in count(table, keys).rows.tolist()
    assert table.counts.tolist() == [3] * 50
