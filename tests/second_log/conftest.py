"""A log that has little in common with the Taobao one, and what it should become.

It is tab-separated with a header, has two lists with different separators, numbers with and
without missing values, a vocabulary of single values and one of list entries, and features that
are derived.
"""

import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import mmh3
import numpy as np
import pytest

from smt_schemas import DatasetSchema

HEADER = [
    *("visit", "clicked", "visitor", "shop", "tags", "recent_shops", "age", "price", "slot"),
    "weight",
]

SCHEMA = Path(__file__).with_name("shops.toml")

Row = dict[str, str]


class SecondLog(NamedTuple):
    """Raw files, their schema and their cells."""

    directory: Path
    schema: DatasetSchema
    train: list[Row]
    test: list[Row]


@pytest.fixture
def second_log(tmp_path: Path) -> SecondLog:
    """Return a folder with 900 rows to train on, in two files, and 200 to test on."""
    directory = tmp_path / "raw"
    directory.mkdir()
    train, test = second_rows(900, 1), second_rows(200, 2)
    files = {"visits-1.csv": train[:500], "visits-2.csv": train[500:], "later_visits": test}
    for name, rows in files.items():
        text = "".join(f"{line}\n" for line in second_lines(rows))
        (directory / name).write_text(text, encoding="utf-8")
    return SecondLog(directory, DatasetSchema.from_toml(SCHEMA), train, test)


@pytest.fixture
def by_hand() -> Callable[..., list[dict[str, Any]]]:
    """Return a function that encodes rows value by value: rows, rows to train on, seed."""
    return second_encoded


def second_rows(rows: int, seed: int) -> list[Row]:
    """Return the cells of good rows."""
    chance = random.Random(seed)
    # Frequent and rare ones, some equally frequent.
    shops = [f"shop-{number}" for number in range(30)] + ["", "none", "größe"]
    weights = [40 // (1 + number // 2) for number in range(len(shops))]
    tags = [f"t{number}" for number in range(25)]

    def shop() -> str:
        return chance.choices(shops, weights)[0]

    def recent() -> list[str]:
        drawn = [shop() for _ in range(chance.randrange(6))]
        return [name for name in drawn if name]

    def tag_list() -> str:
        drawn = chance.choices(tags, range(25, 0, -1), k=chance.randrange(8))
        return "|".join(sorted(drawn))

    return [
        {
            "visit": f"v{number}",
            "clicked": str(int(chance.random() < 0.2)),
            "visitor": f"user {chance.randrange(40)}",
            "shop": shop(),
            "tags": tag_list(),
            "recent_shops": ";".join(recent()),
            "age": chance.choice(["", "?", "0", "120", "35", "35.5", "1e2", "7.0"]),
            "price": chance.choice(["0", "-0.0", ".5", "5.", "+1", "19.99", "1E-3", "1e3"]),
            "slot": str(chance.randrange(5)),
            "weight": chance.choice(["", "1.5", "-2e-9"]),
        }
        for number in range(rows)
    ]


def second_lines(rows: list[Row]) -> list[str]:
    """Return the lines of the file, the header among them."""
    return ["\t".join(HEADER), *("\t".join(row[name] for name in HEADER) for row in rows)]


def vocabulary_by_hand(texts: list[str], min_count: int, buckets: int) -> dict[str, int]:
    """Return the id of each text of a vocabulary."""
    counts = Counter(texts)
    frequent = [text for text, count in counts.items() if count >= min_count]
    frequent.sort(key=lambda text: (-counts[text], text.encode()))
    return {text: rank for rank, text in enumerate(frequent[: buckets - 1], 1)}


def entries_of(cell: str, separator: str) -> list[str]:
    """Return the entries of a list."""
    return cell.split(separator) if cell else []


def second_encoded(rows: list[Row], train: list[Row], seed: int = 0) -> list[dict[str, Any]]:
    """Return what the shards hold for some rows, computed value by value."""
    shop_ids = vocabulary_by_hand([row["shop"] for row in train], 8, 12)
    every_tag = [tag for row in train for tag in entries_of(row["tags"], "|")]
    tag_ids = vocabulary_by_hand(every_tag, 20, 10)

    def hashed(text: str) -> int:
        value: int = mmh3.hash(text, seed, signed=False)
        return value % 50

    encoded = []
    for row in rows:
        tags = Counter(tag_ids.get(tag, 0) for tag in entries_of(row["tags"], "|"))
        recent = entries_of(row["recent_shops"], ";")
        shops = Counter(map(hashed, recent))
        seen = 0 if row["shop"] == "none" else recent.count(row["shop"])
        age = -1.5 if row["age"] in ("", "?") else float(row["age"])
        encoded.append(
            {
                "clicked": int(row["clicked"]),
                "visitor": hashed(row["visitor"]),
                "shop": shop_ids.get(row["shop"], 0),
                "tags": list(tags),
                "tags_count": list(tags.values()),
                "recent_shops": list(shops),
                "recent_shops_count": list(shops.values()),
                "slot": int(row["slot"]),
                "shop_seen": min(seen, 2),
                "tag_entries": min(len(entries_of(row["tags"], "|")), 4),
                "visitor_shop": hashed(f"{row['visitor']}\x1f{row['shop']}"),
                "age": float(np.float32(age)),
                "price": float(np.float32(float(row["price"]))),
            }
        )
    return encoded
