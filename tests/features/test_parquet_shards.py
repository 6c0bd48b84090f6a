"""Parquet shards are ordinary Parquet: plain readers see what the design promises."""

from collections.abc import Callable

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from smt_features import Dataset
from smt_schemas import taobao

LISTS = ("tag_category_list", "tag_brand_list")


@pytest.fixture
def dataset(log_lines: Callable[..., list[str]], prepared: Callable[..., Dataset]) -> Dataset:
    return prepared(log_lines(500), keys=True, rows_per_shard=200, rows_per_group=64)


def files(dataset: Dataset) -> list[pq.ParquetFile]:
    shards = dataset.manifest.splits["train"].shards["parquet"]
    return [pq.ParquetFile(dataset.directory / shard.name) for shard in shards]


def expected_types() -> dict[str, pa.DataType]:
    int32_list = pa.list_(pa.field("element", pa.int32(), nullable=False))
    int64_list = pa.list_(pa.field("element", pa.int64(), nullable=False))
    types: dict[str, pa.DataType] = {"clk": pa.int8(), "buy": pa.int8()}
    for column in taobao().features:
        name, is_list = column.name, column.name in LISTS
        types[name] = int32_list if is_list else pa.int32()
        if is_list:
            types[f"{name}_count"] = int32_list
        types[f"{name}_key"] = int64_list if is_list else pa.int64()
        if is_list:
            types[f"{name}_key_count"] = int32_list
    return types


def test_columns_have_the_names_order_and_types_of_the_design(dataset: Dataset) -> None:
    for file in files(dataset):
        schema = file.schema_arrow
        assert dict(zip(schema.names, schema.types, strict=True)) == expected_types()
        assert schema.names == list(expected_types())


def test_nothing_is_null(dataset: Dataset) -> None:
    for file in files(dataset):
        assert not any(field.nullable for field in file.schema_arrow)
        assert all(column.null_count == 0 for column in file.read().columns)


def test_row_groups_are_bounded_and_compressed_with_zstd(dataset: Dataset) -> None:
    groups = [
        [file.metadata.row_group(index) for index in range(file.num_row_groups)]
        for file in files(dataset)
    ]

    rows = [[group.num_rows for group in shard] for shard in groups]
    assert rows == [[64, 64, 64, 8], [64, 64, 64, 8], [64, 36]]
    compressions = {
        group.column(index).compression
        for shard in groups
        for group in shard
        for index in range(group.num_columns)
    }
    assert compressions == {"ZSTD"}


def test_shards_are_named_by_split_number_and_total(dataset: Dataset) -> None:
    names = [shard.name for shard in dataset.manifest.splits["train"].shards["parquet"]]

    assert names == [f"train/part-0000{number}-of-00003.parquet" for number in range(3)]


def test_polars_and_pyarrow_read_the_same_without_us(dataset: Dataset) -> None:
    folder = dataset.directory / "train"

    from_polars = pl.read_parquet(folder / "*.parquet")
    from_arrow = pl.DataFrame(pq.read_table(folder))

    assert from_polars.height == 500
    assert from_polars.equals(from_arrow)


def test_ids_are_below_their_buckets(dataset: Dataset) -> None:
    frame = pl.read_parquet(dataset.directory / "train" / "*.parquet")

    for column in taobao().features:
        ids = frame[column.name]
        flat = ids.explode().drop_nulls() if column.is_list else ids
        low, high = flat.min(), flat.max()
        assert isinstance(low, int)
        assert isinstance(high, int)
        assert 0 <= low <= high < column.buckets


def test_like_users_stand_together_within_a_row_group(dataset: Dataset) -> None:
    ten = ["final_gender_code", "age_level", "pvalue_level", "shopping_level", "occupation"]
    names = [*ten, "new_user_class_level", "cms_segid", "cms_group_id", "user_id"]
    for file in files(dataset):
        for index in range(file.num_row_groups):
            users = pl.DataFrame(file.read_row_group(index, columns=names)).select(names).rows()
            assert users == sorted(users)
