"""Batches: every row once, the same from every format, resumable at any step."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from smt_features import Bags, Batch, Dataset, Split
from smt_schemas import UserError

ROWS = 300
LISTS = ("tag_category_list", "tag_brand_list")


@pytest.fixture(scope="module")
def dataset(
    tmp_path_factory: pytest.TempPathFactory,
    log_lines: Callable[..., list[str]],
    prepared_in: Callable[..., Dataset],
) -> Dataset:
    folder = tmp_path_factory.mktemp("dataset")
    return prepared_in(
        folder, log_lines(ROWS), format="both", keys=True, rows_per_shard=110, rows_per_group=48
    )


@pytest.fixture(scope="module")
def split(dataset: Dataset) -> Split:
    return dataset["train"]


def rows_of(batches: Any) -> list[tuple[Any, ...]]:
    """Return the rows of batches as tuples: single values, and lists of ids and counts."""
    rows: list[tuple[Any, ...]] = []
    for batch in batches:
        columns = [_cells(values) for values in batch.values()]
        rows += zip(*columns, strict=True)
    return rows


def _cells(values: Any) -> list[Any]:
    if not isinstance(values, Bags):
        cells: list[Any] = values.tolist()
        return cells
    ids, counts, splits = (part.tolist() for part in values)
    return [(tuple(ids[start:stop]), tuple(counts[start:stop])) for start, stop in pairwise(splits)]


def rows_of_frame(frame: pl.DataFrame) -> list[tuple[Any, ...]]:
    names = [name for name in frame.columns if not name.endswith("_count")]
    return [
        tuple(
            (tuple(row[name]), tuple(row[f"{name}_count"])) if f"{name}_count" in row else row[name]
            for name in names
        )
        for row in frame.iter_rows(named=True)
    ]


def assert_equal(left: Batch, right: Batch) -> None:
    assert left.keys() == right.keys()
    for name in left:
        for mine, theirs in zip(_arrays(left[name]), _arrays(right[name]), strict=True):
            assert mine.dtype == theirs.dtype
            np.testing.assert_array_equal(mine, theirs)


def _arrays(values: Any) -> list[np.ndarray]:
    return list(values) if isinstance(values, Bags) else [values]


def test_batches_have_the_types_of_the_design(split: Split) -> None:
    batch = next(iter(split.batches(32)))

    for name, values in batch.items():
        expected = "int8" if name in ("clk", "buy") else "int32"
        if name.endswith("_key"):
            expected = "int64"
        if isinstance(values, Bags):
            dtypes = [str(part.dtype) for part in values]
            assert dtypes == [expected, "int32", "int64"]
            assert values.row_splits[0] == 0
            assert len(values.row_splits) == 33
            assert values.row_splits[-1] == len(values.ids) == len(values.counts)
        else:
            assert (str(values.dtype), values.shape) == (expected, (32,))


def test_lists_are_bags(split: Split) -> None:
    batch = next(iter(split.batches(32)))

    bags = {name for name, values in batch.items() if isinstance(values, Bags)}

    assert bags == {name + ending for name in LISTS for ending in ("", "_key")}


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("batch_size", [1, 48, 77, 300, 1000])
def test_every_row_comes_once_an_epoch(split: Split, batch_size: int, shuffle: bool) -> None:
    rows = rows_of(split.batches(batch_size, seed=1, shuffle=shuffle))

    expected = rows_of_frame(split.to_polars().collect())
    assert (sorted(rows) if shuffle else rows) == (sorted(expected) if shuffle else expected)


def test_the_order_is_that_of_seed_and_epoch(split: Split) -> None:
    first = rows_of(split.batches(64, seed=1, epoch=2))

    assert rows_of(split.batches(50, seed=1, epoch=2)) == first
    assert rows_of(split.batches(64, seed=1, epoch=3)) != first
    assert rows_of(split.batches(64, seed=2, epoch=2)) != first


@pytest.mark.parametrize("start", [0, 1, 3, 5])
@pytest.mark.parametrize("worker", [(0, 1), (1, 3)])
def test_an_epoch_resumes_at_any_step(split: Split, start: int, worker: tuple[int, int]) -> None:
    whole = list(split.batches(20, seed=5, epoch=1, worker=worker))

    resumed = list(split.batches(20, seed=5, epoch=1, worker=worker, start=start))

    assert len(resumed) == len(whole) - start
    for left, right in zip(resumed, whole[start:], strict=True):
        assert_equal(left, right)


@pytest.mark.parametrize("count", [2, 3, 7])
@pytest.mark.parametrize("batch_size", [8, 64])
def test_workers_share_the_epoch_of_one(split: Split, count: int, batch_size: int) -> None:
    parts = [
        list(split.batches(batch_size, seed=3, worker=(index, count))) for index in range(count)
    ]

    assert [len(part) for part in parts] == [split.steps(batch_size, worker=(0, count))] * count
    together = [row for part in parts for row in rows_of(part)]
    assert together == rows_of(split.batches(batch_size, seed=3))


def test_a_remainder_is_dropped_when_asked(split: Split) -> None:
    batches = list(split.batches(64, drop_remainder=True))

    assert [len(rows_of([batch])) for batch in batches] == [64] * 4
    assert split.steps(64, drop_remainder=True) == 4
    assert split.steps(64) == 5


@pytest.mark.parametrize(
    ("rows_per_example", "compression"), [(1, "gzip"), (50, "none"), (50, "gzip"), (4096, "gzip")]
)
def test_every_format_gives_the_same_batches(
    rows_per_example: int,
    compression: str,
    dataset: Dataset,
    log_lines: Callable[..., list[str]],
    prepared: Callable[..., Dataset],
) -> None:
    records = prepared(
        log_lines(ROWS),
        folder="records",
        format="tfrecord",
        keys=True,
        rows_per_shard=110,
        rows_per_group=48,
        rows_per_example=rows_per_example,
        tfrecord_compression=compression,
    )

    for order in ({"shuffle": False}, {"seed": 9, "epoch": 1}):
        pairs = zip(
            records["train"].batches(77, **order),
            dataset["train"].batches(77, **order),
            strict=True,
        )
        for left, right in pairs:
            assert_equal(left, right)


def test_polars_reads_the_columns_in_order(split: Split) -> None:
    frame = split.to_polars().collect()

    assert frame.height == split.rows == ROWS
    assert frame["clk"].sum() == split.label_counts["clk"] > 0
    assert frame.columns[:4] == ["clk", "buy", "pid", "pid_key"]


def test_polars_needs_parquet(
    prepared: Callable[..., Dataset], log_lines: Callable[..., list[str]]
) -> None:
    dataset = prepared(log_lines(5), format="tfrecord")

    with pytest.raises(UserError, match="has no Parquet shards"):
        dataset["train"].to_polars()


@pytest.mark.parametrize("fmt", ["parquet", "tfrecord"])
def test_a_shard_that_vanishes_is_named(
    fmt: str, prepared: Callable[..., Dataset], log_lines: Callable[..., list[str]]
) -> None:
    dataset = prepared(log_lines(5), format=fmt)
    shard = dataset["train"].shards[0]
    (dataset.directory / shard.name).unlink()

    with pytest.raises(UserError, match=rf"{shard.name}.*smt verify"):
        list(dataset["train"].batches(2))


@pytest.mark.parametrize("fmt", ["parquet", "tfrecord"])
def test_the_shard_of_another_dataset_is_refused(
    fmt: str, prepared: Callable[..., Dataset], log_lines: Callable[..., list[str]]
) -> None:
    dataset = prepared(log_lines(50), format=fmt)
    other = prepared(log_lines(60), folder="other", format=fmt)
    name = dataset["train"].shards[0].name
    (dataset.directory / name).write_bytes((other.directory / name).read_bytes())

    with pytest.raises(UserError, match=r"is not the one of the manifest.*smt verify"):
        list(dataset["train"].batches(10))


@pytest.mark.parametrize(
    ("name", "type_", "words"),
    [
        ("price", None, "is not the one of the manifest: it has nulls"),
        ("tag_brand_list", None, "is not the one of the manifest: it has nulls"),
        ("price", pa.string(), "is not the one of the manifest|Cannot read the shard"),
    ],
)
def test_a_shard_with_a_null_or_another_type_is_refused(
    name: str,
    type_: pa.DataType | None,
    words: str,
    prepared: Callable[..., Dataset],
    log_lines: Callable[..., list[str]],
) -> None:
    dataset = prepared(log_lines(5))
    path = dataset.directory / dataset["train"].shards[0].name
    table = pq.read_table(path)
    place = table.column_names.index(name)
    values = [None, *table[name][1:].to_pylist()]
    column = pa.array(values, table.schema.types[place])
    pq.write_table(table.set_column(place, name, column.cast(type_ or column.type)), path)

    with pytest.raises(UserError, match=words):
        list(dataset["train"].batches(2))


def test_a_shard_with_damaged_column_names_is_refused(
    prepared: Callable[..., Dataset], log_lines: Callable[..., list[str]]
) -> None:
    dataset = prepared(log_lines(5))
    path = dataset.directory / dataset["train"].shards[0].name
    path.write_bytes(path.read_bytes().replace(b"price", b"pric\xff"))

    with pytest.raises(UserError, match=r"Cannot read the shard .*smt verify"):
        list(dataset["train"].batches(2))


@pytest.mark.parametrize("fmt", ["parquet", "tfrecord"])
def test_a_flipped_byte_in_a_shard_never_ends_in_a_traceback(
    fmt: str, prepared: Callable[..., Dataset], log_lines: Callable[..., list[str]]
) -> None:
    dataset = prepared(log_lines(40), format=fmt)
    path = dataset.directory / dataset["train"].shards[0].name
    data = path.read_bytes()
    refused = 0

    for position in range(0, len(data), len(data) // 150):
        flipped = bytearray(data)
        flipped[position] ^= 0x10
        path.write_bytes(flipped)
        try:
            list(dataset["train"].batches(16))
        except UserError:
            refused += 1

    # Without `verify`, not all damage is noticed.
    assert refused > 10
