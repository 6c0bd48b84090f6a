"""Every published number is what plain Python with mmh3 computes from the raw text."""

import random
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import mmh3
import pyarrow.parquet as pq
import pytest

from smt_features import Dataset
from smt_schemas import Column, DatasetSchema, taobao


def bucket_of(column: Column, seed: int, text: str) -> int:
    hashed: int = mmh3.hash(text, seed, signed=False)
    return hashed % column.buckets


def key_of(seed: int, text: str) -> int:
    hashed: int = mmh3.hash64(text, seed, signed=False)[0]
    return hashed % 2**63


def encoded_by_hand(
    text: str, column: Column, seed: int, *, keys: bool
) -> dict[str, int | list[int]]:
    """Return the columns of the shards that come from one cell."""
    name = column.name
    if column.role == "ignore":
        return {}
    if column.role == "label" or column.encoding == "identity":
        return {name: int(text)}
    hashes: dict[str, Callable[[str], int]] = {name: partial(bucket_of, column, seed)}
    if keys:
        hashes[f"{name}_key"] = partial(key_of, seed)
    if column.separator is None:
        return {target: hash_(text) for target, hash_ in hashes.items()}
    result: dict[str, int | list[int]] = {}
    for target, hash_ in hashes.items():
        counts: dict[int, int] = {}
        for entry in text.split(column.separator) if text else []:
            counts[hash_(entry)] = counts.get(hash_(entry), 0) + 1
        result[target] = list(counts)
        result[f"{target}_count"] = list(counts.values())
    return result


def rows_by_hand(
    lines: list[str], schema: DatasetSchema, seed: int, *, keys: bool
) -> list[dict[str, int | list[int]]]:
    rows = []
    for line in lines:
        row: dict[str, int | list[int]] = {}
        for column, text in zip(schema.columns, line.split(","), strict=True):
            row |= encoded_by_hand(text, column, seed, keys=keys)
        rows.append(row)
    return rows


def published(dataset: Dataset, split: str) -> list[dict[str, Any]]:
    shards = dataset.manifest.splits[split].shards["parquet"]
    tables = [pq.read_table(dataset.directory / shard.name) for shard in shards]
    return [row for table in tables for row in table.to_pylist()]


@pytest.mark.parametrize(("seed", "keys"), [(0, False), (0, True), (77, True)])
def test_ids_keys_and_counts_equal_mmh3(
    seed: int, keys: bool, log_lines: Callable[..., list[str]], prepared: Callable[..., Dataset]
) -> None:
    lines = log_lines(400, seed=1)

    dataset = prepared(lines, seed=seed, keys=keys, shuffle=False, rows_per_shard=150)

    assert published(dataset, "train") == rows_by_hand(lines, taobao(), seed, keys=keys)


def mixed_line(chance: random.Random) -> str:
    texts = ["a", "", "NULL", "größe", "\N{GRINNING FACE}", " x ", "0", "long" * 50]

    def entries(separator: str, values: list[str]) -> str:
        return separator.join(chance.choices(values, k=chance.randrange(5)))

    cells = [
        str(chance.randrange(2)),
        "u" + chance.choice(texts),
        chance.choice(["a", "b", "-", ""]),
        str(chance.randrange(1, 50)),
        chance.choice(["", "-5", "0", "120"]),
        chance.choice(["", "5", "7"]),
        chance.choice(["", str(-(10**17)), str(10**18 - 1)]),
        chance.choice(["", "NA", "-12"]),
        "t;" * chance.randrange(3) + entries(";", ["x", "é"]) + ";end",
        entries("|", ["1", "-2", "30", "0"]),
        entries(".", ["1", "-2", "30", "0"]),
        "ignored",
    ]
    cells[8] = cells[8].replace(";;", ";").strip(";")
    return ",".join(cells)


def test_every_kind_of_column_is_encoded(
    mixed_schema: DatasetSchema, prepared: Callable[..., Dataset]
) -> None:
    chance = random.Random(5)
    lines = [mixed_line(chance) for _ in range(300)]

    dataset = prepared(lines, schema=mixed_schema, seed=3, keys=True, shuffle=False)

    assert published(dataset, "train") == rows_by_hand(lines, mixed_schema, 3, keys=True)


def test_ids_of_the_real_rows_equal_mmh3(real_rows: Path, prepared: Callable[..., Dataset]) -> None:
    dataset = prepared(real_rows, keys=True, shuffle=False)

    for split, rows in (("train", 6391), ("test", 1659)):
        lines = (real_rows / f"taobao_{split}_data").read_text().splitlines()
        assert len(lines) == rows
        assert published(dataset, split) == rows_by_hand(lines, taobao(), 0, keys=True)
