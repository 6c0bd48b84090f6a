"""The global shuffle: every row once, the same order however much memory is used."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smt_features import Dataset
from smt_features.shuffle import KEY, RowStore, row_keys

ROWS = 5000


def frames_of(keys: np.ndarray, height: int) -> list[pl.DataFrame]:
    frame = pl.DataFrame({"value": np.arange(len(keys)), KEY: keys.astype(np.uint64)})
    return [frame[start : start + height] for start in range(0, len(keys), height)]


def values_of(store: RowStore) -> list[int]:
    return [int(v) for frame, order in store.sorted_slices() for v in frame["value"].gather(order)]


def keys(rows: int, seed: int = 0, **place: int) -> np.ndarray:
    where = {"source": 0, "block": 0} | place
    return row_keys(seed=seed, split="train", rows=rows, shuffle=True, **where)


@pytest.mark.parametrize(
    ("run_rows", "height"),
    [(1, 333), (7, 5000), (400, 1), (1000, 333), (4999, 100), (5000, 5000), (10**6, 333)],
)
def test_spilled_rows_come_in_the_order_of_rows_in_memory(
    run_rows: int, height: int, tmp_path: Path
) -> None:
    sort_keys = keys(ROWS)
    store = RowStore(tmp_path, run_rows=run_rows)

    for frame in frames_of(sort_keys, height):
        store.add(frame)

    assert store.rows == ROWS
    assert values_of(store) == np.argsort(sort_keys, kind="stable").tolist()


@given(
    sort_keys=st.lists(st.integers(0, 5) | st.integers(0, 2**64 - 2), min_size=1, max_size=60),
    height=st.integers(1, 20),
    run_rows=st.integers(4, 70),
)
def test_no_row_is_lost_or_doubled(
    sort_keys: list[int],
    height: int,
    run_rows: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    order = np.array(sort_keys, np.uint64)
    store = RowStore(tmp_path_factory.mktemp("runs"), run_rows=run_rows)

    for frame in frames_of(order, height):
        store.add(frame)

    assert values_of(store) == np.argsort(order, kind="stable").tolist()


def test_runs_without_rows_are_passed_over(tmp_path: Path) -> None:
    # As of blocks whose rows are all rejected, behind the rows that were spilled.
    sort_keys = keys(4)
    full, empty = RowStore(tmp_path / "1", run_rows=2), RowStore(tmp_path / "2")
    full.add(*frames_of(sort_keys, 4))
    empty.add(frames_of(sort_keys, 4)[0].clear())

    merged = RowStore.of_runs(full.spill_all() + empty.spill_all())

    assert values_of(merged) == np.argsort(sort_keys).tolist()


def test_an_empty_store_has_no_rows(tmp_path: Path) -> None:
    store = RowStore(tmp_path / "work")

    assert (store.rows, values_of(store)) == (0, [])
    assert not (tmp_path / "work").exists()


def test_keys_depend_on_the_place_and_the_seed_alone() -> None:
    first = keys(100).tolist()

    assert keys(100).tolist() == first
    assert keys(200)[:100].tolist() == first
    others = [keys(100, seed=1), keys(100, source=1), keys(100, block=1)]
    assert all(other.tolist() != first for other in others)


def test_keys_of_a_seed_do_not_change() -> None:
    # NumPy's own: PCG64(SeedSequence([7, int.from_bytes(b"train", "big"), 1, 2])).random_raw(3).
    found = row_keys(seed=7, split="train", source=1, block=2, rows=3, shuffle=True)

    assert found.tolist() == [17600266195927931789, 10587080135736275387, 3595100067948836317]


def test_without_shuffle_keys_follow_the_files() -> None:
    places = [(0, 0), (0, 1), (0, 4096), (1, 0), (1, 1)]
    parts = [
        row_keys(seed=5, split="train", source=source, block=block, rows=1000, shuffle=False)
        for source, block in places
    ]

    joined = np.concatenate(parts).astype(np.float64)

    assert (np.diff(joined) > 0).all()


@pytest.fixture
def numbered(tmp_path: Path, log_lines: Callable[..., list[str]]) -> Path:
    """Return a folder with a split in three files, whose customers count the rows."""
    folder = tmp_path / "raw"
    folder.mkdir()
    count = 0
    for file in range(3):
        lines = []
        for line in log_lines(300, seed=file):
            cells = line.split(",")
            cells[-1] = str(count % 50)
            cells[6] = str(count)
            lines.append(",".join(cells) + "\n")
            count += 1
        (folder / f"taobao_train_data-{file}.csv").write_text("".join(lines))
    return folder


@pytest.mark.usefixtures("small_blocks")
def test_no_shuffle_keeps_the_order_across_files_and_blocks(
    numbered: Path, prepared: Callable[..., Dataset]
) -> None:
    dataset = prepared(numbered, shuffle=False, keys=True, rows_per_shard=250)
    frame = dataset["train"].to_polars().collect()

    plain = prepared(
        [line for path in sorted(numbered.glob("*.csv")) for line in path.read_text().splitlines()],
        folder="one",
        shuffle=False,
        keys=True,
    )

    assert frame.equals(plain["train"].to_polars().collect())
    assert frame.height == 900


def test_each_seed_has_an_order_of_its_own_and_every_row_once(
    numbered: Path, prepared: Callable[..., Dataset]
) -> None:
    orders = [
        prepared(numbered, folder=f"seed{seed}", seed=seed, keys=True)["train"]
        .to_polars()
        .collect()
        for seed in (1, 2)
    ]
    straight = prepared(numbered, folder="straight", seed=1, shuffle=False, keys=True)["train"]
    rows = [frame["customer_key"].to_list() for frame in orders]

    assert len(set(rows[0])) == len(rows[0]) == 900
    assert sorted(rows[0]) == sorted(straight.to_polars().collect()["customer_key"].to_list())
    clicks = [frame["price"].to_list() for frame in orders]
    assert clicks[0] != clicks[1]


def test_the_shuffle_is_global(numbered: Path, prepared: Callable[..., Dataset]) -> None:
    dataset = prepared(numbered, rows_per_shard=90, rows_per_group=90, keys=True)
    straight = prepared(numbered, folder="straight", shuffle=False, keys=True)["train"]
    place = {
        key: row for row, key in enumerate(straight.to_polars().collect()["customer_key"].to_list())
    }
    shards = dataset["train"].to_polars().collect()["customer_key"].to_list()

    for start in range(0, 900, 90):
        files = {place[key] // 300 for key in shards[start : start + 90]}
        assert files == {0, 1, 2}
