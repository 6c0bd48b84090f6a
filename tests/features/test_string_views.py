"""Texts are read as numbers without being copied."""

import re
from itertools import pairwise

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from smt_features.string_views import changes, decimals, total_bytes, words_of

ALMOST = st.text(alphabet="0123456789/:;+- \0é", max_size=14)
NUMBERS = st.integers(0, 10**9).map(str)
TEXTS = st.lists(ALMOST | NUMBERS | st.text(max_size=14))


@given(TEXTS)
def test_only_canonical_decimals_of_at_most_8_digits_are_numbers(texts: list[str]) -> None:
    numbers = decimals(words_of(pl.Series(texts, dtype=pl.String)))

    expected = [int(t) if re.fullmatch(r"(?a:0|[1-9]\d{0,7})", t) else -1 for t in texts]
    assert numbers.tolist() == expected


@given(TEXTS, st.integers(0, 3))
def test_words_hold_the_first_bytes_of_each_text(texts: list[str], start: int) -> None:
    lengths, words = words_of(pl.Series(texts, dtype=pl.String).slice(start))

    encoded = [text.encode() for text in texts[start:]]
    assert total_bytes(pl.Series(texts, dtype=pl.String).slice(start)) == sum(map(len, encoded))
    assert lengths.tolist() == [len(text) for text in encoded]
    assert words.tolist() == [
        int.from_bytes(text[: 8 if len(text) <= 12 else 4], "little") for text in encoded
    ]


@given(st.lists(st.sampled_from(["", "a", "a\0", "b" * 12, "b" * 13, "b" * 12 + "c"])))
def test_a_change_is_a_text_that_differs_from_the_one_before(texts: list[str]) -> None:
    found = changes(pl.Series(texts, dtype=pl.String))

    expected = [True, *(before != text for before, text in pairwise(texts))]
    assert found.tolist() == expected[: len(texts)]
