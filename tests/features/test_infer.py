"""A guessed schema loads, says what the file holds, and `smt prepare` accepts the file with it."""

import gzip
import random
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from smt_features import infer_facts, open_shards
from smt_features.infer import infer_schema
from smt_features.prepare import prepare
from smt_features.reading import PrepareJob
from smt_schemas import DatasetSchema, UserError


def guessed(path: Path, rows: int = 1_000_000) -> DatasetSchema:
    return DatasetSchema.from_text(infer_schema(path, rows), "guess")


def settings_of(schema: DatasetSchema) -> dict[str, dict[str, Any]]:
    """Return what was guessed of each column, buckets and widths left out."""
    sizes = {"name", "hash_buckets", "embedding_dim"}
    return {
        column.name: column.model_dump(exclude_defaults=True, exclude=sizes)
        for column in schema.columns
    }


def accepted_rows(path: Path, schema: DatasetSchema, output: Path) -> int:
    """Prepare the file, without allowing for a bad row, and return the rows published."""
    prepare(PrepareJob(path.parent, output, schema, statistics=False))
    return open_shards(output)["train"].rows


def shop_lines(rows: int) -> list[str]:
    chance = random.Random(4)
    header = ["visit", "clicked", "user_id", "shops", "tags", "age", "price", "brand", "empty"]
    lines = ["\t".join(header)]
    for number in range(rows):
        cells = [
            f"v{number}",
            str(chance.randrange(2)),
            f"u{chance.randrange(30)}",
            "|".join(f"s{chance.randrange(9)}" for _ in range(chance.randrange(4))),
            ";".join(str(chance.randrange(40)) for _ in range(chance.randrange(3))),
            chance.choice(["", "31", "31.5"]),
            f"{chance.random():.3f}",
            chance.choice(["NULL", "7", "12"]),
            "",
        ]
        lines.append("\t".join(cells))
    return lines


def test_settings_are_those_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "visits.csv.gz"
    path.write_bytes(gzip.compress("\n".join(shop_lines(300)).encode()))

    schema = guessed(path)

    assert (schema.csv.separator, schema.csv.header) == ("\t", True)
    assert (schema.splits, schema.user_column) == ({"train": "visits"}, "user_id")
    label = {"role": "label", "type": "int", "required": True, "allowed": [0, 1]}
    number = {"type": "float", "encoding": "numeric"}
    assert settings_of(schema) == {
        "visit": {"role": "ignore"},
        "clicked": label | {"task": "clicked"},
        "user_id": {"role": "user", "required": True},
        "shops": {"role": "item", "separator": "|"},
        "tags": {"role": "item", "separator": ";", "type": "int"},
        "age": {"role": "user", "null_value": 0.0} | number,
        "price": {"role": "item", "required": True} | number,
        "brand": {"role": "item", "required": True, "type": "int", "null_tokens": ["NULL"]},
        "empty": {"role": "ignore"},
    }
    assert accepted_rows(path, schema, tmp_path / "out") == 300


def test_every_column_has_a_comment_and_buckets_have_room(tmp_path: Path) -> None:
    path = tmp_path / "visits"
    path.write_text("\n".join(shop_lines(300)))

    text = infer_schema(path, 1000)

    before = text.split("[[columns]]")[:-1]
    assert all(part.rstrip().rsplit("\n", 1)[-1].startswith("# ") for part in before)
    assert "visits: all 300 rows." in text
    assert "A candidate for a label: only 0 and 1." in text
    buckets = {column.name: column.hash_buckets for column in guessed(path).columns}
    assert (buckets["user_id"], buckets["tags"], buckets["brand"]) == (1000, 1000, 100)


def test_real_rows_are_accepted(real_rows: Path, tmp_path: Path) -> None:
    path = tmp_path / "taobao_train_data"
    shutil.copy(real_rows / "taobao_train_data", path)

    schema = guessed(path)

    assert (schema.csv.separator, schema.csv.header, len(schema.columns)) == (",", False, 20)
    assert list(schema.tasks.values()) == ["column_1", "column_2"]
    lists = [column.name for column in schema.columns if column.separator == "|"]
    assert lists == ["column_18", "column_19"]
    assert accepted_rows(path, schema, tmp_path / "out") == 6391


def test_parquet_file_is_accepted(tmp_path: Path) -> None:
    path = tmp_path / "visits.parquet"
    frame = pl.DataFrame(
        {
            "clicked": [0, 1, 0, 1],
            "shop": ["a", "b|c", None, "a"],
            "tags": [["x|y"], [], None, ["z", "x|y"]],
            "only": [[1], [2], [3], [1]],
            "price": [0.5, None, 2.0, 1e-9],
        }
    )
    frame.write_parquet(path)

    schema = guessed(path)

    found = settings_of(schema)
    assert found["tags"] == {"role": "item", "separator": "\x1f"}
    assert found["only"] == {"role": "item", "separator": "\x1f", "type": "int", "required": True}
    assert (found["price"]["type"], found["price"]["null_value"]) == ("float", 0.0)
    assert accepted_rows(path, schema, tmp_path / "out") == 4


def test_lines_of_another_form_are_told(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("user,shop\n" + "u,s\nw,t\n" * 20 + "u\nu,s,t\n")

    assert "all 40 rows, but 2 lines of another form" in infer_schema(path, 1000)


def test_only_the_first_rows_are_read(small_blocks: None, tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("user,shop\n" + "u1,s\n" * 5000 + "u1,9\n" * 100)

    assert "log.csv: the first " in infer_schema(path, 1000)
    assert "log.csv: all 5,100 rows." in infer_schema(path, 10_000)


@pytest.mark.parametrize(
    ("text", "header", "names"),
    [
        ("user,price\nu,1\nv,2\n", True, ["user", "price"]),
        ("u,1\nv,2\n", False, ["column_1", "column_2"]),
        ("user,shop\nu,s\nv,t\n", True, ["user", "shop"]),
        ("u,s\nu,t\n", False, ["column_1", "column_2"]),
        ("user,user\nu,s\n", False, ["column_1", "column_2"]),
        ("user,shop\n", False, ["column_1", "column_2"]),
        ('"a,b",c\n"d,e",f\n"d,e",c\n', False, ["column_1", "column_2"]),
        ("one\ntwo words\none\n", False, ["column_1"]),
    ],
)
def test_header_is_told_from_data(
    text: str, header: bool, names: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "log"
    path.write_text(text)

    schema = guessed(path)

    assert (schema.csv.header, [column.name for column in schema.columns]) == (header, names)


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("log", b"user id,price\nu,1\nv,2\n", r"line 1: column 1 is called 'user id'"),
        ("log", b"clicked\n1\n0\n", "no column that could be a feature"),
        ("log", b"", "holds no rows"),
        ("log", b"\n" * 1500 + b"1,2\n", "its first 1,000 lines are blank"),
        ("log", b'"a"\rb\n', "no column that could be a feature"),
        ("log.gz", b"nothing", "Cannot read"),
        ("log.parquet", b"nothing", "Cannot read"),
        ("log", b"user,user_key\nu,1\nu,2\n", "column name used twice: user_key"),
    ],
)
def test_file_without_a_schema_is_refused(
    name: str, data: bytes, message: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(data)

    with pytest.raises(UserError, match=message):
        infer_schema(path, 1000)


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="none is not a file"):
        infer_schema(tmp_path / "none", 1000)


def test_numbers_that_no_float32_holds_make_no_numeric_column(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("1.5,1.5\n1e100,1e30\n2.5,2.5\n")

    large, small = guessed(path).columns

    assert (large.encoding, small.encoding) == ("hash", "numeric")


def test_ids_and_codes_of_digits_are_text_not_numbers(tmp_path: Path) -> None:
    path = tmp_path / "visits.csv"
    cells = (
        f"{10**18 + row},{17 * 10**17 + row % 9},0{row % 7},+4915{row % 5}" for row in range(150)
    )
    path.write_text("row,user_id,zip,phone\n" + "".join(f"{line}\n" for line in cells))

    schema = guessed(path)

    text = {"role": "item", "required": True}
    assert settings_of(schema) == {
        "row": {"role": "ignore"},
        "user_id": {"role": "user", "required": True},
        "zip": text,
        "phone": text,
    }
    assert schema.user_column == "user_id"
    assert accepted_rows(path, schema, tmp_path / "out") == 150


def test_cells_beyond_the_remembered_ones_count_as_well(
    small_blocks: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(infer_facts, "MAX_VALUES", 1_000)
    path = tmp_path / "visits.csv"
    lines = ["visit,user_id,numbers,words"]
    for row in range(3_000):
        user = min(row, 2_990)
        word = "text" if row == 2_999 else row
        lines.append(f"v{row},u{user},{row}|{row},{row}|{word}")
    path.write_text("\n".join(lines))

    schema = guessed(path)

    entries = {"role": "item", "required": True, "separator": "|"}
    assert settings_of(schema) == {
        "visit": {"role": "ignore"},
        "user_id": {"role": "user", "required": True},
        "numbers": entries | {"type": "int"},
        "words": entries,
    }
    assert accepted_rows(path, schema, tmp_path / "out") == 3_000


@pytest.mark.parametrize(
    ("cells", "why"),
    [
        (pl.Series([None, None, None], dtype=pl.Float64), "no cell has a value"),
        (pl.Series([float("nan")] * 3), "no cell has a value"),
        (pl.Series([1.5, float("inf"), 2.0]), "not all numbers are finite as float32"),
        (pl.Series([1.5, 1e300, None]), "not all numbers are finite as float32"),
        (pl.Series([None, None, None], dtype=pl.List(pl.Int64)), "no cell has a value"),
        (pl.Series([[], [], []], dtype=pl.List(pl.String)), "no cell has a value"),
        (pl.Series([["a"], ["b", None], []]), "an entry of a list is missing or empty"),
        (pl.Series([["a"], [""], []]), "an entry of a list is missing or empty"),
    ],
)
def test_parquet_column_that_prepare_would_refuse_is_left_out(
    cells: pl.Series, why: str, tmp_path: Path
) -> None:
    path = tmp_path / "visits.parquet"
    pl.DataFrame({"shop": ["a", "b", "a"], "odd": cells}).write_parquet(path)

    text = infer_schema(path, 1000)

    schema = DatasetSchema.from_text(text, "guess")
    assert [column.name for column in schema.columns] == ["shop"]
    assert f"# Left out is odd: {why}." in text
    assert accepted_rows(path, schema, tmp_path / "out") == 3


CELL = st.text("019.-e|;,a NUL+", max_size=5) | st.sampled_from(["NULL", "nan", "0", "1", "1e9"])


@settings(max_examples=60)
@given(data=st.data(), width=st.integers(2, 4), separator=st.sampled_from([",", "\t", "|"]))
def test_file_is_accepted_with_its_guess(
    data: st.DataObject, width: int, separator: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    line = st.lists(CELL, min_size=width, max_size=width).map(separator.join)
    lines = data.draw(st.lists(line, min_size=1, max_size=30))
    path = tmp_path_factory.mktemp("guess") / "log.csv"
    path.write_text("".join(f"{line}\n" for line in lines))
    try:
        schema = guessed(path)
    except UserError:  # no feature, or a header with names that no column can have
        reject()

    output = path.parent / "out"
    widths = [line.count(schema.csv.separator) + 1 for line in lines]
    refused = sum(found != len(schema.columns) for found in widths)
    job = PrepareJob(path.parent, output, schema, max_bad_rows=refused, statistics=False)

    prepare(job)

    expected = len(lines) - refused - schema.csv.header
    assert open_shards(output)["train"].rows == expected


def test_parquet_columns_of_other_types_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "visits.parquet"
    frame = pl.DataFrame({"shop": ["a", "b", "a"], "new": [True, False, True]})
    frame.with_columns(when=pl.datetime(2026, 11, 27)).write_parquet(path)

    text = infer_schema(path, 1000)

    schema = DatasetSchema.from_text(text, "guess")
    assert [column.name for column in schema.columns] == ["shop"]
    assert "# Left out is new: values of type bool cannot be read. Convert them." in text
    assert "# Left out is when: values of type timestamp[us] cannot be read." in text
    assert accepted_rows(path, schema, tmp_path / "out") == 3


def test_file_of_another_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / "visits.ndjson").write_text('{"shop": "a"}\n')

    with pytest.raises(UserError, match=r"\.ndjson is not read \(\.csv, \.gz"):
        infer_schema(tmp_path / "visits.ndjson", 1000)
