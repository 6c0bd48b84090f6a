"""Derived features are what plain Python computes from the raw cells."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import mmh3
import polars as pl
import pytest

from smt_features import Dataset
from smt_features.derived import derive
from smt_features.lists import split_lists
from smt_schemas import DatasetSchema, taobao, taobao_plus

SPLITS = {"train": 6391, "test": 1659}


def small_schema(*derived: dict[str, Any]) -> DatasetSchema:
    size = {"hash_buckets": 4, "embedding_dim": 1}
    columns = [
        {"name": "item", "role": "item", "null_tokens": ["-"], **size},
        {"name": "user", "role": "user", **size},
        {"name": "tags", "role": "user", "separator": "|", **size},
    ]
    fields = {"name": "log", "splits": {"train": "log"}, "columns": columns}
    return DatasetSchema.model_validate(fields | {"derived": [d | size for d in derived]})


COUNT = {"name": "seen", "kind": "count", "value_column": "item", "list_column": "tags"}
LENGTH = {"name": "entries", "kind": "length", "list_column": "tags"}
CROSS = {"name": "both", "kind": "cross", "columns": ["item", "user"]}
CELLS = pl.DataFrame(
    {
        "item": ["a", "a", "b", "", "-", "a", "a"],
        "user": ["u", "", "u", "u", "u", "u", "v"],
        "tags": ["a|b|a", "a|b|a", "a|b|a", "", "-|-", "", "a|a|c|a|a|a"],
    }
)


@pytest.mark.parametrize(
    ("feature", "expected"),
    [
        # A missing item, empty or a null token, is in no list; the last bucket takes the rest.
        (COUNT, [2, 2, 1, 0, 0, 0, 3]),
        (LENGTH, [3, 3, 3, 0, 2, 0, 3]),
        (CROSS, ["a\x1fu", "a\x1f", "b\x1fu", "\x1fu", "-\x1fu", "a\x1fu", "a\x1fv"]),
    ],
)
def test_cells_are_those_expected(feature: dict[str, Any], expected: list[Any]) -> None:
    schema = small_schema(feature)

    (found,) = derive(CELLS, split_lists(CELLS, schema), schema)

    assert found.name == feature["name"]
    assert found.to_list() == expected


def test_no_rows_give_no_cells() -> None:
    schema = small_schema(COUNT, LENGTH, CROSS)
    cells = CELLS.clear()

    assert [len(found) for found in derive(cells, split_lists(cells, schema), schema)] == [0, 0, 0]


def test_derived_features_of_the_real_rows(
    real_rows: Path, prepared: Callable[..., Dataset]
) -> None:
    dataset = prepared(real_rows, schema=taobao_plus(), shuffle=False)

    names = [column.name for column in taobao().columns]
    for split, rows in SPLITS.items():
        expected = []
        for line in (real_rows / f"taobao_{split}_data").read_text().splitlines():
            cells = dict(zip(names, line.split(","), strict=True))
            categories, brands = (
                cells[name].split("|") if cells[name] else []
                for name in ("tag_category_list", "tag_brand_list")
            )
            of_category, of_brand = categories.count(cells["cate_id"]), brands.count(cells["brand"])
            expected.append((of_category, of_brand, len(categories), len(brands)))
        found = (
            dataset[split]
            .to_polars()
            .select("cate_id_in_tags", "brand_in_tags", "tag_category_entries", "tag_brand_entries")
        )
        assert found.collect().rows() == expected
        assert len(expected) == rows
        assert sum(row[0] > 0 for row in expected) > rows / 20


def test_cross_of_the_real_rows(real_rows: Path, prepared: Callable[..., Dataset]) -> None:
    fields = taobao().model_dump()
    cross = {"name": "user_cate", "kind": "cross", "columns": ["user_id", "cate_id"]}
    fields["derived"] = [cross | {"hash_buckets": 100_003, "embedding_dim": 4}]
    schema = DatasetSchema.model_validate(fields)

    dataset = prepared(real_rows, schema=schema, shuffle=False, seed=5, keys=True)

    found = dataset["test"].to_polars().select("user_cate", "user_cate_key").collect().rows()
    for line, (bucket, key) in zip(
        (real_rows / "taobao_test_data").read_text().splitlines(), found, strict=True
    ):
        cells = line.split(",")
        text = f"{cells[8]}\x1f{cells[4]}"
        assert bucket == mmh3.hash(text, 5, signed=False) % 100_003
        assert key == mmh3.hash64(text, 5, signed=False)[0] % 2**63


def test_plus_schema_is_the_taobao_schema_and_derived_features() -> None:
    plus = taobao_plus()

    assert plus.model_copy(update={"name": "taobao", "derived": []}) == taobao()
    assert [feature.kind for feature in plus.derived] == ["count", "count", "length", "length"]
