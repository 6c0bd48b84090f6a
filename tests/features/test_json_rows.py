"""JSON lines as cells: every line is a row or a reason."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smt_features.blocks import Block
from smt_features.json_rows import parse_json
from smt_features.sources import Source
from smt_schemas import DatasetSchema

SOURCE = Source("predict", 0, Path("log.jsonl"), "log.jsonl", "csv")
GOOD = {"user": "u", "tags": "a|b", "brand": "b"}

MakeSchema = Callable[..., DatasetSchema]


@pytest.fixture(scope="module")
def log() -> DatasetSchema:
    size = {"hash_buckets": 50, "embedding_dim": 4}
    columns: list[dict[str, Any]] = [
        {"name": "user", "role": "user", **size},
        {"name": "tags", "role": "user", "separator": "|", **size},
        {"name": "brand", "role": "item", **size},
    ]
    parts = {"name": "log", "splits": {"train": "log"}, "columns": columns}
    return DatasetSchema.model_validate(parts)


def rows(log: DatasetSchema, *lines: bytes) -> list[tuple[str, ...] | str]:
    """Return for each line its cells or why it is refused."""
    data = b"".join(line + b"\n" for line in lines)
    block = parse_json(Block(SOURCE, 0, data, len(data)), log, frozenset({"clk"}))
    return [block.refused.get(i, cells) for i, cells in enumerate(block.cells.iter_rows())]


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        (b'"\\ud83d": 1', "\\ud83d: no column of schema 'log'"),
        (b'"\xed\xa0\x80": 1', "\\ud800: no column"),
        (b'"user": "v"', "user: there more than once"),
        (b'"clk": {"a": 1, "a": 2}', "a: there more than once"),
    ],
)
def test_names_that_are_no_text_or_come_twice_refuse_their_line(
    more: bytes, reason: str, log: DatasetSchema
) -> None:
    (found,) = rows(log, json.dumps(GOOD).encode()[:-1] + b", " + more + b"}")

    assert isinstance(found, str)
    assert found.startswith(reason)
    found.encode()


@pytest.mark.parametrize(
    ("changed", "cells"),
    [
        ({}, ("u", "a|b", "b")),
        ({"user": 7, "brand": None}, ("7", "a|b", "")),
        ({"user": -(10**17), "brand": 1.5}, ("-100000000000000000", "a|b", "1.5")),
        ({"tags": ["a", 7, "a"]}, ("u", "a|7|a", "b")),
        ({"tags": []}, ("u", "", "b")),
        ({"tags": None}, ("u", "", "b")),
        ({"clk": 1}, ("u", "a|b", "b")),
        ({"brand": 'größe "東京", \n'}, ("u", "a|b", 'größe "東京", \n')),
    ],
)
def test_values_are_read_as_the_text_of_a_csv_cell(
    changed: dict[str, Any], cells: tuple[str, ...], log: DatasetSchema
) -> None:
    assert rows(log, json.dumps(GOOD | changed).encode()) == [cells]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"3", "not a JSON object"),
        (b'{"user": NaN, "tags": "", "brand": ""}', "NaN is no number"),
        (b'{"user": "u", "tags": ""}', "brand: missing"),
        (b'{"user": "u", "tags": "", "brand": "", "brnad": ""}', "brnad: no column"),
        (b'{"user": true, "tags": "", "brand": ""}', "user: neither text nor a number, but true"),
        (b'{"user": ["u"], "tags": "", "brand": ""}', "user: neither"),
        (b'{"user": "u", "tags": ["a|b"], "brand": ""}', "tags: an entry"),
        (b'{"user": "u", "tags": [["a"]], "brand": ""}', "tags: an entry"),
        (b'{"user": "\\ud800", "tags": "", "brand": ""}', "not valid Unicode"),
    ],
)
def test_a_bad_line_is_refused_and_its_neighbours_are_read(
    line: bytes, words: str, log: DatasetSchema
) -> None:
    good = json.dumps(GOOD).encode()
    first, refused, last = rows(log, good, line, good + b"\r")
    assert first == last == ("u", "a|b", "b")
    assert words in refused


def test_a_list_of_empty_entries_does_not_become_an_empty_list(log: DatasetSchema) -> None:
    # The schema's rules refuse an empty entry; an empty list is fine.
    lines = [json.dumps(GOOD | {"tags": tags}).encode() for tags in ([""], [None], ["", ""])]
    assert [cells[1] for cells in rows(log, *lines)] == ["|", "|", "|"]


@given(st.lists(st.tuples(*[st.text(st.characters(exclude_categories=["Cs"]))] * 3)))
def test_any_text_comes_back(log: DatasetSchema, texts: list[tuple[str, str, str]]) -> None:
    lines = [json.dumps(dict(zip(GOOD, cells, strict=True))).encode() for cells in texts]
    assert rows(log, *lines) == texts
