"""A log of another shape: from the raw files through every command to every reader."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from smt_features import Bags, Dataset, blocks, open_shards, units
from smt_features.manifest import PrepareOptions
from smt_features.parts import merge_parts, prepare_part
from smt_features.prepare import prepare
from smt_features.reading import PrepareJob
from smt_features.verify import require_digests
from smt_schemas import UserError

ByHand = Callable[..., list[dict[str, Any]]]


def silent(_stage: str, _done: int, _total: int) -> None:
    """Show no progress."""


def job_of(log: Any, output: Path, **options: Any) -> PrepareJob:
    return PrepareJob(log.directory, output, log.schema, PrepareOptions(**options), seed=7)


def rows_in(dataset: Dataset, split: str) -> list[dict[str, Any]]:
    shards = dataset.manifest.splits[split].shards["parquet"]
    tables = [pq.read_table(dataset.directory / shard.name) for shard in shards]
    return [row for table in tables for row in table.to_pylist()]


def contents(directory: Path) -> dict[str, bytes]:
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


def test_every_value_is_the_one_computed_by_hand(
    second_log: Any, by_hand: ByHand, tmp_path: Path
) -> None:
    prepare(job_of(second_log, tmp_path / "out", shuffle=False, keys=True))

    dataset = open_shards(tmp_path / "out", verify=True)
    for split, rows in (("train", second_log.train), ("test", second_log.test)):
        expected = by_hand(rows, second_log.train, 7)
        found = [{name: row[name] for name in expected[0]} for row in rows_in(dataset, split)]
        assert found == expected
    assert {"visitor_key", "recent_shops_key", "visitor_shop_key"} < rows_in(dataset, "test")[
        0
    ].keys()
    assert not {"shop_key", "tags_key", "shop_seen_key"} & rows_in(dataset, "test")[0].keys()


@pytest.mark.parametrize("rows_per_example", [1, 64])
def test_both_formats_hold_the_same_batches(
    rows_per_example: int, second_log: Any, tmp_path: Path
) -> None:
    for form in ("parquet", "tfrecord"):
        options = {"format": form, "rows_per_example": rows_per_example}
        prepare(job_of(second_log, tmp_path / form, **options))

    first, second = (
        list(open_shards(tmp_path / form)["train"].batches(256, seed=1))
        for form in ("parquet", "tfrecord")
    )
    for one, other in zip(first, second, strict=True):
        assert list(one) == list(other)
        for name, values in one.items():
            assert type(values) is type(other[name])
            np.testing.assert_equal(other[name], values, strict=not isinstance(values, Bags))
        assert one["age"].dtype == one["price"].dtype == np.float32  # type: ignore[union-attr]


@pytest.mark.parametrize(("parts", "threads_first"), [(2, True), (5, False)])
def test_merged_parts_are_byte_identical_to_a_single_run(
    parts: int,
    threads_first: bool,
    second_log: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in (blocks, units):
        monkeypatch.setattr(module, "BLOCK_BYTES", 4096)
    prepare(job_of(second_log, tmp_path / "single", rows_per_shard=150))
    job = job_of(second_log, tmp_path / "merged", rows_per_shard=150)

    for part in range(1, parts + 1) if threads_first else range(parts, 0, -1):
        prepare_part(job, part, parts, silent)
    merge_parts(job, parts, silent)

    assert contents(tmp_path / "merged") == contents(tmp_path / "single")


def test_vocabulary_is_a_file_of_the_dataset(second_log: Any, tmp_path: Path) -> None:
    prepare(job_of(second_log, tmp_path / "out"))

    dataset = open_shards(tmp_path / "out")
    assert dataset.manifest.vocabularies is not None
    record = dataset.manifest.vocabularies["shop"]
    table = pq.read_table(dataset.directory / record.name)
    shops = [row["shop"] for row in second_log.train]
    counts = [shops.count(value) for value in table["value"].to_pylist()]
    assert table["count"].to_pylist() == counts
    assert counts == sorted(counts, reverse=True)
    assert (record.values, record.others) == (11, len(shops) - sum(counts))
    assert record.out_of_vocabulary == 0


def test_changed_vocabulary_is_noticed(second_log: Any, tmp_path: Path) -> None:
    prepare(job_of(second_log, tmp_path / "out"))
    dataset = open_shards(tmp_path / "out")
    path = dataset.directory / "vocabulary" / "shop.parquet"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)

    with pytest.raises(UserError, match=r"shop\.parquet was changed since"):
        require_digests(dataset.directory, dataset.manifest)
    with pytest.raises(UserError, match=r"shop\.parquet was changed since"):
        _ = dataset.vocabularies


def test_missing_vocabulary_is_noticed(second_log: Any, tmp_path: Path) -> None:
    prepare(job_of(second_log, tmp_path / "out"))
    (tmp_path / "out" / "vocabulary" / "tags.parquet").unlink()

    with pytest.raises(UserError, match=r"tags\.parquet is missing"):
        open_shards(tmp_path / "out")


def test_rejected_rows_do_not_count_for_the_vocabulary(
    second_log: Any, by_hand: ByHand, tmp_path: Path
) -> None:
    bad = second_log.train[0] | {"shop": "shop-29", "slot": "5"}
    with (second_log.directory / "visits-2.csv").open("a") as file:
        file.writelines("\t".join(bad.values()) + "\n" for _ in range(50))
    job = job_of(second_log, tmp_path / "out", shuffle=False)

    prepare(PrepareJob(**{**vars(job), "max_bad_rows": 50}))

    expected = by_hand(second_log.train, second_log.train, 7)
    assert rows_in(open_shards(tmp_path / "out"), "train") == expected


def test_vocabulary_needs_rows_to_train_on(second_log: Any, tmp_path: Path) -> None:
    for path in second_log.directory.glob("visits*"):
        path.unlink()

    with pytest.raises(UserError, match="of 'shop' is made from the split 'train'"):
        prepare(job_of(second_log, tmp_path / "out"))


def test_vocabularies_of_an_earlier_dataset_are_removed(second_log: Any, tmp_path: Path) -> None:
    prepare(job_of(second_log, tmp_path / "out"))
    hashed = [
        column.model_copy(update={"encoding": "hash", "min_count": None})
        if column.encoding == "vocab"
        else column
        for column in second_log.schema.columns
    ]
    schema = second_log.schema.model_copy(update={"columns": hashed})

    prepare(PrepareJob(second_log.directory, tmp_path / "out", schema, overwrite=True))

    assert not (tmp_path / "out" / "vocabulary").exists()


@pytest.mark.parametrize(
    ("cell", "rule"),
    [
        ({"price": ""}, "empty, but required"),
        ({"price": "nan"}, "not a finite number"),
        ({"price": "1e39"}, "outside the range"),
        ({"age": "-1"}, "outside the range"),
        ({"age": "120.5"}, "outside the range"),
        ({"weight": "1,5"}, "not a finite number"),
    ],
)
def test_bad_number_is_refused(
    cell: dict[str, str], rule: str, second_log: Any, tmp_path: Path
) -> None:
    bad = second_log.train[0] | cell
    with (second_log.directory / "visits-1.csv").open("a") as file:
        file.write("\t".join(bad.values()) + "\n")

    with pytest.raises(UserError, match=rf"{next(iter(cell))}: {rule}"):
        prepare(job_of(second_log, tmp_path / "out"))
