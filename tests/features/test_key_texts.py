"""Side files with the text of each key."""

from collections.abc import Callable
from typing import Any

import mmh3
import polars as pl
import pytest
from pydantic import ValidationError

from smt_features import Dataset, value_totals, vocabulary_build
from smt_features.manifest import PrepareOptions
from smt_schemas import DatasetSchema

Prepared = Callable[..., Dataset]
SIZE = {"hash_buckets": 3, "embedding_dim": 2}


@pytest.fixture
def schema() -> DatasetSchema:
    columns: list[dict[str, Any]] = [
        {"name": "user", "role": "user", **SIZE},
        {"name": "kind", "role": "item", "allowed": ["a", "b"], **SIZE},
        {"name": "tags", "role": "user", "separator": "|", **SIZE},
        {"name": "slot", "role": "item", "type": "int", "required": True, **SIZE},
    ]
    columns[3] |= {"encoding": "identity"}
    cross = {"name": "pair", "kind": "cross", "columns": ["user", "kind"], **SIZE}
    return DatasetSchema.model_validate(
        {
            "name": "log",
            "splits": {"train": "train", "test": "test"},
            "columns": columns,
            "derived": [cross],
        }
    )


TRAIN = ["u1,a,x|x|y,0", "u1,b,,1", ",a,y,2", "bad,c,z,0"]


def key(text: str, seed: int) -> int:
    return mmh3.hash64(text, seed, signed=False)[0] % 2**63


def pairs(dataset: Dataset, feature: str) -> list[tuple[int, str]]:
    frame = pl.read_parquet(dataset.directory / "key_texts" / f"{feature}.parquet")
    assert frame.schema == {"key": pl.Int64, "text": pl.String}
    return frame.rows()


def test_each_text_of_a_good_row_stands_there_once_under_its_key(
    prepared: Prepared, schema: DatasetSchema
) -> None:
    train, test = TRAIN, ["größe,a,,1", "größe,a,w,1"]
    options = {"keys": True, "key_texts": True, "max_bad_rows": 1, "seed": 7}

    dataset = prepared(train, test, schema=schema, **options)

    expected = {
        "user": ["u1", "", "größe"],
        "kind": ["a", "b"],
        "tags": ["x", "y", "w"],
        "pair": ["u1\x1fa", "u1\x1fb", "\x1fa", "größe\x1fa"],
    }
    for feature, texts in expected.items():
        assert pairs(dataset, feature) == sorted((key(text, 7), text) for text in texts)
    records = dataset.manifest.key_texts
    assert records is not None
    assert {name: record.texts for name, record in records.items()} == {
        name: len(texts) for name, texts in expected.items()
    }


def test_what_memory_does_not_hold_waits_on_disk(
    prepared: Prepared, schema: DatasetSchema, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [f"u{row % 700},a,t{row % 90},0" for row in range(2000)]
    options = {"keys": True, "key_texts": True}
    held = prepared(lines, lines[:3], schema=schema, folder="held", **options)
    monkeypatch.setattr(value_totals, "MERGE_ROWS", 1)
    totals = value_totals.ValueTotals
    monkeypatch.setattr(vocabulary_build, "ValueTotals", lambda path: totals(path, limit=20))

    spilled = prepared(lines, lines[:3], schema=schema, folder="spilled", **options)

    for feature in ("user", "tags"):
        assert sorted(pairs(spilled, feature)) == pairs(held, feature)
    assert not (spilled.directory / ".key_texts").exists()


def test_without_the_option_nothing_is_written(prepared: Prepared, schema: DatasetSchema) -> None:
    dataset = prepared(TRAIN[:3], ["u1,a,w,1"], schema=schema, keys=True)

    assert dataset.manifest.key_texts is None
    assert "key_texts" not in (dataset.directory / "manifest.json").read_text()
    assert not (dataset.directory / "key_texts").exists()


def test_texts_without_keys_are_refused() -> None:
    with pytest.raises(ValidationError, match="key_texts needs keys"):
        PrepareOptions(key_texts=True)
