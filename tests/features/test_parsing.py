"""Any bytes become rows: one a line, each with the cells that stand there or the broken rule."""

import codecs
import csv
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

Row = list[str] | str
Read = Callable[..., list[Row]]

PIECES = [
    *(b",", b",", b",", b";", b'"', b'""', b"\n", b"\n", b"\r", b"\r\n", b"\0", b"\xff", b"\xc3"),
    *(codecs.BOM_UTF8, b"a", b"1", b" ", b"#", b"|", b"'", b"\\", b"\t", "é".encode(), b"NULL"),
]


def expected(data: bytes, columns: int, separator: str) -> list[Row]:
    """Return what the lines hold, by Python's own means."""
    lines = data.removeprefix(codecs.BOM_UTF8).split(b"\n")
    if not lines[-1]:
        lines.pop()
    return [cells_of(line.removesuffix(b"\r"), columns, separator) for line in lines]


def cells_of(line: bytes, columns: int, separator: str) -> Row:
    try:
        text = line.decode()
        if '"' in text:
            cells = next(csv.reader([text], delimiter=separator, strict=True))
        else:
            cells = text.split(separator)
    except UnicodeDecodeError:
        return "utf8"
    except csv.Error:
        return "quote"
    return cells if len(cells) == columns else "fields"


@settings(max_examples=600)
@given(
    pieces=st.lists(st.sampled_from(PIECES), min_size=1, max_size=40),
    columns=st.integers(1, 4),
    separator=st.sampled_from([",", ";", "\t"]),
    block_bytes=st.sampled_from([1, 7, 64, 1 << 20]),
)
@example(pieces=[b"\n"], columns=1, separator=",", block_bytes=64)
@example(pieces=[b"\r\n", b"\r", b"\r\n"], columns=1, separator=",", block_bytes=64)
@example(pieces=[b"a\n", codecs.BOM_UTF8, b"b\n"], columns=1, separator=",", block_bytes=1)
@example(pieces=[b"\r", b","], columns=2, separator=",", block_bytes=64)
@example(pieces=[codecs.BOM_UTF8] * 2 + [b"a"], columns=1, separator=",", block_bytes=64)
def test_every_line_is_a_row_or_a_refusal(
    pieces: list[bytes], columns: int, separator: str, block_bytes: int, read_rows: Read
) -> None:
    data = b"".join(pieces)
    assume(data != codecs.BOM_UTF8)

    rows = read_rows(data, columns, block_bytes=block_bytes, separator=separator)

    assert rows == expected(data, columns, separator)


@settings(max_examples=300)
@given(
    lines=st.lists(
        st.lists(st.sampled_from(["", "a", "12", "é"]), min_size=3, max_size=3)
        | st.lists(st.sampled_from(["", "a"]), min_size=1, max_size=5),
        min_size=1,
        max_size=8,
    ),
    end=st.sampled_from(["\n", "\r\n"]),
)
@example(lines=[["a", "b"], ["a", "b", "c", "d"]], end="\n")
@example(lines=[["a", "b", "c", ""], ["a", "b"]], end="\r\n")
def test_surplus_and_missing_cells_do_not_make_up_for_each_other(
    lines: list[list[str]], end: str, read_rows: Read
) -> None:
    data = "".join(",".join(cells) + end for cells in lines)

    rows = read_rows(data.encode())

    assert rows == [cells if len(cells) == 3 else "fields" for cells in lines]


@given(data=st.binary(min_size=1, max_size=200))
def test_random_bytes_are_rows_or_refusals(data: bytes, read_rows: Read) -> None:
    assert read_rows(data, 2) == expected(data, 2, ",")


CASES: dict[str, tuple[bytes, list[Row]]] = {
    "plain": (b"a,b,c\n", [["a", "b", "c"]]),
    "empty cells": (b",,\n", [["", "", ""]]),
    "spaces are kept": (b" a , b,c \n", [[" a ", " b", "c "]]),
    "no line end at the end": (b"a,b,c\nd,e,f", [["a", "b", "c"], ["d", "e", "f"]]),
    "windows line ends": (b"a,b,c\r\nd,e,f\r\n", [["a", "b", "c"], ["d", "e", "f"]]),
    "mixed line ends": (b"a,b,c\r\nd,e,f\n", [["a", "b", "c"], ["d", "e", "f"]]),
    "byte order mark": (codecs.BOM_UTF8 + b"a,b,c\n", [["a", "b", "c"]]),
    "quote inside": (b'a"b,c,d"\n', [['a"b', "c", 'd"']]),
    "quotes": (b'"a,1",b,"c""d"\n', [["a,1", "b", 'c"d']]),
    "empty quotes": (b'"","",""\n', [["", "", ""]]),
    "NUL": (b"a\0,b,c\n", [["a\0", "b", "c"]]),
    "comment signs are text": (b"#a,b,c\n", [["#a", "b", "c"]]),
    "null is text": (b"null,NULL,NA\n", [["null", "NULL", "NA"]]),
    "too few": (b"a,b\nd,e,f\n", ["fields", ["d", "e", "f"]]),
    "too many": (b"a,b,c,d\nd,e,f\n", ["fields", ["d", "e", "f"]]),
    "too many, all empty": (b",,,\nd,e,f\n", ["fields", ["d", "e", "f"]]),
    "blank line": (b"a,b,c\n\nd,e,f\n", [["a", "b", "c"], "fields", ["d", "e", "f"]]),
    "blank lines at the end": (b"a,b,c\n\n\n", [["a", "b", "c"], "fields", "fields"]),
    "latin-1": (b"a,b,\xe9\nd,e,f\n", ["utf8", ["d", "e", "f"]]),
    "surrogate": (b"a,b,\xed\xa0\x80\n", ["utf8"]),
    "overlong": (b"a,b,\xc0\xaf\n", ["utf8"]),
    "open quote": (b'"a,b,c\nd,e,f\n', ["quote", ["d", "e", "f"]]),
    "text after a quote": (b'"a"x,b,c\nd,e,f\n', ["quote", ["d", "e", "f"]]),
    "quoted line end": (b'"a\nb"\n', ["quote", "fields"]),
    "too few with quotes": (b'"a",b\n', ["fields"]),
}


@pytest.mark.parametrize("case", CASES)
def test_line(case: str, read_rows: Read) -> None:
    data, rows = CASES[case]

    assert read_rows(data) == rows


@pytest.mark.parametrize("length", [100_000, 3_000_000])
def test_a_very_long_line_is_a_row(length: int, read_rows: Read) -> None:
    data = b"a,b,c\n" + b"x" * length + b",y,z\nd,e,f\n"

    rows = read_rows(data, block_bytes=1 << 16)

    assert rows == [
        ["a", "b", "c"],
        ["x" * length, "y", "z"],
        ["d", "e", "f"],
    ]


@pytest.mark.parametrize("name", ["row", "line", "order", "value", "rule", "column", "len"])
def test_columns_may_have_any_name(
    name: str, prepared: Callable[..., Any], log_schema: Callable[..., Any]
) -> None:
    schema = log_schema(name, "other")

    frame = prepared(['"a",b', "c,d"], schema=schema, shuffle=False)["train"].to_polars().collect()

    assert (frame.columns, frame.height) == ([name, "other"], 2)
