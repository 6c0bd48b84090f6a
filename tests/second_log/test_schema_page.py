"""What docs/schema.md shows is what the program does."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from smt_features import open_shards
from smt_schemas import DatasetSchema

PAGE = Path(__file__).resolve().parents[2] / "docs" / "schema.md"


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)


def tables() -> dict[str, list[str]]:
    """Return the cells of the page's tables of shards, by column."""
    found: dict[str, list[str]] = {}
    for table in re.findall(r"((?:^\| .*\|\n)+)", PAGE.read_text(), re.MULTILINE):
        rows = [
            [cell.strip() for cell in line.strip("|\n ").split("|")] for line in table.split("\n")
        ]
        header, _, *rest = [row for row in rows if len(row) > 1]
        if header[0] in ("clicked", "tags"):
            found |= {name: [row[i] for row in rest] for i, name in enumerate(header)}
    return found


def test_the_page_shows_what_prepare_makes(tmp_path: Path, smt: Callable[..., Any]) -> None:
    log = next(block for block in blocks("") if block.startswith("clicked\t"))
    parts = [block for block in blocks("toml") if not block.startswith("#")]
    # The list of recent shops is declared as the tags are.
    tags = next(block for block in parts if '"tags"' in block)
    by_name = {re.findall(r'name = "(\w+)"', block)[0]: block for block in parts}
    by_name["recent_shops"] = tags.replace('"tags"', '"recent_shops"').replace('"|"', '";"')
    order = ["visits", *log.splitlines()[0].split("\t"), "shop_seen"]
    (tmp_path / "visits.csv").write_text(log)
    (tmp_path / "visits.toml").write_text("\n".join(by_name[name] for name in order))

    run = smt("prepare", tmp_path, "--schema", tmp_path / "visits.toml", "--no-shuffle")

    assert run.code == 0, run.err
    assert run.out.splitlines()[:2] == [
        "   train             5 rows  clicked 40.000%  parquet: 1 shard, 1.7 kB",
        "5 rows read = 5 published + 0 rejected",
    ]
    frame = open_shards(tmp_path / "shards")["train"].to_polars().collect()
    shown = tables()
    assert set(shown) < set(frame.columns)
    for name, cells in shown.items():
        values = [round(v, 2) if isinstance(v, float) else v for v in frame[name].to_list()]
        assert cells == [str(value) for value in values], name


def test_every_key_is_on_the_page() -> None:
    text = PAGE.read_text()
    schema = DatasetSchema.model_json_schema()

    keys = {key for part in schema["$defs"].values() for key in part.get("properties", {})}
    keys |= set(schema["properties"])

    assert {key for key in keys if not re.search(rf"`[^`\n]*\b{key}\b[^`\n]*`", text)} == set()
