"""A log in Parquet gives what the same log in CSV gives."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from smt_features import Dataset
from smt_schemas import UserError, taobao

NAMES = [column.name for column in taobao().columns]
LISTS = ["tag_category_list", "tag_brand_list"]
NUMBERS = [name for name in NAMES if name not in ("pid", "brand", *LISTS)]


@pytest.fixture
def lines(log_lines: Callable[..., list[str]]) -> list[str]:
    return log_lines(300)


@pytest.fixture
def table(lines: list[str]) -> pl.DataFrame:
    """Return the lines as a database would hold them: typed, with nulls."""
    rows = [line.split(",") for line in lines]
    frame = pl.DataFrame(rows, schema=dict.fromkeys(NAMES, pl.String), orient="row")
    lists = [
        pl.when(pl.col(name) == "").then(None).otherwise(pl.col(name).str.split("|")).alias(name)
        for name in LISTS
    ]
    return frame.with_columns(pl.col(NUMBERS).cast(pl.Int64, strict=False), *lists)


def folder_of(frame: pl.DataFrame, tmp_path: Path, **options: Any) -> Path:
    folder = tmp_path / "parquet"
    folder.mkdir()
    pq.write_table(frame.to_arrow(), folder / "taobao_train_data.parquet", **options)
    return folder


CASTS: dict[str, Callable[[pl.DataFrame], pl.DataFrame]] = {
    "typed": lambda frame: frame,
    "other column order": lambda frame: frame.select(reversed(NAMES)),
    "more columns": lambda frame: frame.with_columns(extra=pl.lit(1.5)),
    "small integers": lambda frame: frame.with_columns(
        pl.col("clk", "buy", "price").cast(pl.UInt8)
    ),
    "dictionaries": lambda frame: frame.with_columns(pl.col("pid", "brand").cast(pl.Categorical)),
    "lists of integers": lambda frame: frame.with_columns(pl.col(LISTS).cast(pl.List(pl.Int32))),
    "joined lists": lambda frame: frame.with_columns(pl.col(LISTS).list.join("|")),
}


@pytest.mark.parametrize("case", CASTS)
def test_ids_are_those_of_the_csv(
    case: str,
    lines: list[str],
    table: pl.DataFrame,
    tmp_path: Path,
    prepared: Callable[..., Dataset],
) -> None:
    csv = prepared(lines, folder="csv", keys=True, shuffle=False)
    folder = folder_of(CASTS[case](table), tmp_path, row_group_size=70)

    dataset = prepared(folder, keys=True, shuffle=False)

    assert dataset["train"].to_polars().collect().equals(csv["train"].to_polars().collect())


def test_bad_rows_are_rejected_by_row(
    table: pl.DataFrame, tmp_path: Path, prepared: Callable[..., Dataset]
) -> None:
    bad = table.with_columns(
        price=pl.when(pl.int_range(pl.len()) == 7).then(77).otherwise("price"),
        user_id=pl.when(pl.int_range(pl.len()) == 200).then(None).otherwise("user_id"),
    )

    dataset = prepared(folder_of(bad, tmp_path), max_bad_rows=2)

    rejected = pl.read_parquet(dataset.directory / "rejected.parquet")
    assert rejected.select("file", "line", "column", "rule", "value").rows() == [
        ("taobao_train_data.parquet", 8, "price", "range", "77"),
        ("taobao_train_data.parquet", 201, "user_id", "required", ""),
    ]
    assert dataset["train"].rows == 298


def test_an_empty_entry_in_a_list_is_a_violation(
    table: pl.DataFrame, tmp_path: Path, prepared: Callable[..., Dataset]
) -> None:
    lists = [["1", "", "2"], ["1", None], *table["tag_brand_list"][2:].to_list()]
    bad = table.with_columns(tag_brand_list=pl.Series(lists, dtype=pl.List(pl.String)))

    dataset = prepared(folder_of(bad, tmp_path), max_bad_rows=2)

    rejected = pl.read_parquet(dataset.directory / "rejected.parquet")
    assert rejected.select("line", "rule", "value").rows() == [
        (1, "entry", "1||2"),
        (2, "entry", "1|"),
    ]


REFUSED: dict[str, tuple[Callable[[pl.DataFrame], pl.DataFrame], str]] = {
    "missing column": (lambda frame: frame.drop("brand"), "has no column brand"),
    "float": (
        lambda frame: frame.with_columns(pl.col("price").cast(pl.Float64)),
        "column 'price' is of type double",
    ),
    "list where one value is declared": (
        lambda frame: frame.with_columns(pl.concat_list("pid").alias("pid")),
        "column 'pid' is of type",
    ),
    "no rows": (lambda frame: frame.clear(), "holds no rows"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_table_that_does_not_fit_is_refused(
    case: str, table: pl.DataFrame, tmp_path: Path, prepared: Callable[..., Dataset]
) -> None:
    change, reason = REFUSED[case]
    folder = folder_of(change(table), tmp_path)

    with pytest.raises(UserError) as refusal:
        prepared(folder)

    assert reason in str(refusal.value)
    assert "taobao_train_data.parquet" in str(refusal.value)


@pytest.mark.parametrize("share", [0, 0.5, 0.99])
def test_a_truncated_file_is_refused(
    share: float, table: pl.DataFrame, tmp_path: Path, prepared: Callable[..., Dataset]
) -> None:
    folder = folder_of(table, tmp_path)
    path = folder / "taobao_train_data.parquet"
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])

    with pytest.raises(UserError, match=r"Cannot read .*taobao_train_data\.parquet"):
        prepared(folder)


def test_a_list_of_one_missing_entry_is_a_violation(
    table: pl.DataFrame, tmp_path: Path, prepared: Callable[..., Dataset]
) -> None:
    lists = [[None], [""], *table["tag_brand_list"][2:].to_list()]
    bad = table.with_columns(tag_brand_list=pl.Series(lists, dtype=pl.List(pl.String)))

    dataset = prepared(folder_of(bad, tmp_path), max_bad_rows=2)

    assert dataset.manifest.rejected_rows == 2


def test_large_integers_are_decimal_text(
    prepared: Callable[..., Dataset], log_schema: Callable[..., Any], tmp_path: Path
) -> None:
    folder = tmp_path / "big"
    folder.mkdir()
    values = pa.array([0, 2**63, 2**64 - 1], pa.uint64())
    pq.write_table(pa.table({"user": values}), folder / "log.parquet")

    dataset = prepared(folder, schema=log_schema("user"), shuffle=False)
    csv = prepared(
        ["0", str(2**63), str(2**64 - 1)],
        folder="csv",
        schema=log_schema("user"),
        shuffle=False,
    )

    assert dataset["train"].to_polars().collect().equals(csv["train"].to_polars().collect())


def texts(values: list[bytes]) -> pa.Array:
    """Return bytes as text, which Arrow does not check."""
    return pa.Array.from_buffers(pa.string(), len(values), pa.array(values, pa.binary()).buffers())


def in_place_of(name: str, values: list[bytes]) -> pa.Array:
    if name == "pid":
        return texts(values)
    if name == "brand":
        places = pa.array(range(len(values)), pa.int32())
        return pa.DictionaryArray.from_arrays(places, texts(values))
    offsets = pa.array(range(len(values) + 1), pa.int32())
    return pa.ListArray.from_arrays(offsets, texts(values))


@pytest.mark.parametrize("name", ["pid", "brand", "tag_brand_list"])
def test_rows_with_text_that_is_not_utf8_are_rejected_and_no_others(
    name: str, table: pl.DataFrame, tmp_path: Path, prepared: Callable[..., Dataset]
) -> None:
    values = [text.encode() for text in table["pid"]]
    if name != "pid":
        values = [str(number).encode() for number in range(len(table))]
    values[2], values[7] = b"\xff\xfe", b"\xed\xa0\x80"
    arrow = table.with_columns(tag_category_list=None, tag_brand_list=None).to_arrow()
    empty = pa.array([[]] * len(table), pa.list_(pa.string()))
    for column in LISTS:
        arrow = arrow.set_column(arrow.column_names.index(column), column, empty)
    if name in LISTS:  # the rules want lists of one length
        name, other = LISTS
        arrow = arrow.set_column(
            arrow.column_names.index(other),
            other,
            in_place_of(other, [b"1"] * len(table)),
        )
    changed = arrow.set_column(arrow.column_names.index(name), name, in_place_of(name, values))
    folder = tmp_path / "parquet"
    folder.mkdir()
    pq.write_table(changed, folder / "taobao_train_data.parquet")

    dataset = prepared(folder, max_bad_rows=2)

    rejected = pl.read_parquet(dataset.directory / "rejected.parquet")
    assert rejected.select("line", "rule").rows() == [(3, "utf8"), (8, "utf8")]
    assert dataset["train"].rows == len(table) - 2


def test_a_row_whose_entry_contains_the_separator_is_rejected(
    table: pl.DataFrame, tmp_path: Path, prepared: Callable[..., Dataset]
) -> None:
    lists = [["1|2"], *table["tag_brand_list"][1:].to_list()]
    folder = folder_of(table.with_columns(tag_brand_list=pl.Series(lists)), tmp_path)

    dataset = prepared(folder, max_bad_rows=1)

    rejected = pl.read_parquet(dataset.directory / "rejected.parquet")
    assert rejected.select("line", "rule").rows() == [(1, "separator")]
