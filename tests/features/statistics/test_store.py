"""The counts that `prepare` leaves in a dataset, and comparing datasets by them."""

import random
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from smt_features import Dataset
from smt_features.statistics.compare import compare
from smt_features.statistics.files import COUNTS_NAME, STATISTICS_NAME
from smt_features.statistics.finish import finish
from smt_features.statistics.source import find_statistics
from smt_features.statistics.store import read_counts
from smt_schemas import DatasetSchema, UserError, taobao

TAGS = {"column": pl.lit("tag_brand_list")}


@pytest.fixture
def dataset(prepared: Callable[..., Dataset], log_lines: Callable[..., list[str]]) -> Dataset:
    """Return a dataset of two splits."""
    return prepared(log_lines(300), log_lines(90, seed=2))


def test_counts_give_the_statistics_that_were_written(dataset: Dataset) -> None:
    builder = read_counts(dataset.directory, dataset.schema, 0)

    assert finish(builder).to_json() == (dataset.directory / STATISTICS_NAME).read_text(
        encoding="utf-8"
    )


def test_shards_are_compared_as_their_raw_files_are(
    dataset: Dataset, tmp_path: Path, log_lines: Callable[..., list[str]]
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "taobao_train_data").write_text("\n".join(log_lines(200, seed=9)) + "\n")
    raw = tmp_path / "raw"
    raw.mkdir()
    source = tmp_path / "data" / "taobao_train_data"
    (raw / source.name).write_bytes(source.read_bytes())

    by_counts = compare(dataset.directory, other)
    by_rows = compare(raw, other)

    assert [drift.reference for drift in by_counts.drift] == [f"{dataset.directory} train"]
    assert by_counts.drift[0].columns == by_rows.drift[0].columns


def test_a_dataset_has_not_drifted_from_itself(dataset: Dataset) -> None:
    comparison = compare(dataset.directory, dataset.directory)

    assert [drift.drifted for drift in comparison.drift] == [[], []]


def test_datasets_without_a_common_split_are_refused(
    dataset: Dataset, tmp_path: Path, log_lines: Callable[..., list[str]]
) -> None:
    schema = taobao().model_copy(update={"splits": {"monday": "taobao_train_data"}})
    raw = tmp_path / "raw"
    raw.mkdir()
    (raw / "taobao_train_data").write_text("\n".join(log_lines(20)) + "\n")

    with pytest.raises(UserError, match="no split in common: train, test and monday"):
        compare(dataset.directory, raw, schema)


def test_datasets_of_other_columns_are_refused(
    dataset: Dataset, tmp_path: Path, log_schema: Callable[..., DatasetSchema]
) -> None:
    (tmp_path / "log").write_text("a,b\n")

    with pytest.raises(UserError, match="different columns: a, adgroup_id"):
        compare(dataset.directory, tmp_path, log_schema("a", "user_id"))


def test_a_dataset_without_counts_says_what_to_do(dataset: Dataset) -> None:
    (dataset.directory / COUNTS_NAME).unlink()

    assert find_statistics(dataset.directory).statistics.splits["train"].rows == 300
    with pytest.raises(UserError, match=r"has no value_counts\.parquet.*smt prepare"):
        compare(dataset.directory, dataset.directory)


def test_counts_of_another_dataset_are_refused(
    dataset: Dataset, prepared: Callable[..., Dataset], log_lines: Callable[..., list[str]]
) -> None:
    other = prepared(log_lines(10), log_lines(9), folder="other")
    (dataset.directory / COUNTS_NAME).write_bytes((other.directory / COUNTS_NAME).read_bytes())

    with pytest.raises(UserError, match=r"value_counts\.parquet belongs to another dataset"):
        compare(dataset.directory, other.directory)


def test_damaged_bytes_are_refused(dataset: Dataset) -> None:
    path = dataset.directory / COUNTS_NAME
    content = path.read_bytes()

    for damaged in (b"", b"PAR1", content[: len(content) // 2]):
        path.write_bytes(damaged)
        with pytest.raises(UserError, match=r"Cannot read .*value_counts\.parquet"):
            read_counts(dataset.directory, dataset.schema, 0)


def test_flipped_bits_end_in_a_message_or_are_harmless(dataset: Dataset) -> None:
    path = dataset.directory / COUNTS_NAME
    content = path.read_bytes()
    draw = random.Random(0)
    refused = 0

    for _ in range(40):  # Polars panics at some of them
        damaged = bytearray(content)
        for _ in range(3):
            damaged[draw.randrange(len(damaged))] ^= 1 << draw.randrange(8)
        path.write_bytes(damaged)
        try:
            read_counts(dataset.directory, dataset.schema, 0)
        except UserError as error:
            refused += str(path) in str(error)

    assert refused > 20


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"split": pl.lit("no")}, "split 'no' is unknown"),
        ({"column": pl.lit("no")}, "there is no 'rows' of 'no'"),
        ({"kind": pl.lit("positive no")}, "there is no 'positive no' of ''"),
        ({"kind": pl.lit("distinct"), "column": pl.lit("clk")}, "no 'distinct' of 'clk'"),
        ({"kind": pl.lit("bucket"), "column": pl.lit("clk")}, "no 'bucket' of 'clk'"),
        ({"count": pl.lit(-1, pl.Int64)}, "a count is negative"),
        ({"count": pl.lit("1")}, "its columns are others"),
        ({"value": pl.lit(None, pl.String)}, "its columns are others"),
        (TAGS | {"kind": pl.lit("length"), "value": pl.lit("999999999")}, "length of tag_brand"),
        (TAGS | {"kind": pl.lit("register"), "value": pl.lit("x")}, "a register of tag_brand"),
        (TAGS | {"kind": pl.lit("least"), "value": pl.lit("-1")}, "a least of tag_brand"),
        (TAGS | {"kind": pl.lit("bucket"), "value": pl.lit("100000")}, "bucket of tag_brand"),
        (
            {"column": pl.lit(""), "kind": pl.lit("combination"), "value": pl.lit("012")},
            "a combination of labels is none",
        ),
    ],
)
def test_counts_that_prepare_never_writes_are_refused(
    dataset: Dataset, change: dict[str, pl.Expr], problem: str
) -> None:
    path = dataset.directory / COUNTS_NAME
    pl.read_parquet(path).with_columns(**change).write_parquet(path)

    with pytest.raises(UserError, match=problem):
        read_counts(dataset.directory, dataset.schema, 0)
