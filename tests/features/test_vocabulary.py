"""A vocabulary: which texts are in it, their ids, and its file."""

from pathlib import Path

import polars as pl
import pytest

from smt_features import vocabulary_build
from smt_features.cell_rows import cell_rows
from smt_features.encoding import encode
from smt_features.layout import layout
from smt_features.parquet import to_table
from smt_features.sources import find_sources
from smt_features.value_totals import ValueTotals
from smt_features.vocabulary import Vocabularies, Vocabulary
from smt_features.vocabulary_build import build_vocabularies
from smt_schemas import DatasetSchema, UserError


def schema_of(min_count: int, buckets: int) -> DatasetSchema:
    size = {"hash_buckets": buckets, "embedding_dim": 1}
    vocab = {"encoding": "vocab", "min_count": min_count, "role": "user"} | size
    columns = [{"name": "word"} | vocab, {"name": "words", "separator": "|"} | vocab]
    return DatasetSchema.model_validate(
        {"name": "log", "splits": {"train": "log"}, "columns": columns}
    )


def built(lines: list[str], schema: DatasetSchema, folder: Path) -> Vocabularies:
    (folder / "log").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    sources = find_sources(folder, schema)
    return build_vocabularies(sources, schema, folder / "work", lambda *_: None)


# Counts of `word`: b 3, a 2, é 2, z 2, "" 2, c 1. Of `words`: x 5, y 4, w 1.
LINES = [
    *("b,x|x|x", "b,x|x|y", "b,y|y|y", "z,", "z,", "a,", "a,", "é,w", "é,", ",", ",", "c,"),
]


@pytest.mark.parametrize(
    ("min_count", "buckets", "words", "others"),
    [
        (1, 100, ["b", "", "a", "z", "é", "c"], 0),
        (2, 100, ["b", "", "a", "z", "é"], 1),
        (3, 100, ["b"], 9),
        (4, 100, [], 12),
        # The most frequent, and of equals the first by their bytes.
        (1, 4, ["b", "", "a"], 5),
        (1, 1, [], 12),
    ],
)
def test_vocabulary_holds_the_frequent_texts(
    min_count: int, buckets: int, words: list[str], others: int, tmp_path: Path
) -> None:
    vocabularies = built(LINES, schema_of(min_count, buckets), tmp_path)

    assert vocabularies["word"].frame["value"].to_list() == words
    assert vocabularies["word"].others == others


def test_entries_of_lists_are_counted(tmp_path: Path) -> None:
    frame = built(LINES, schema_of(2, 100), tmp_path)["words"].frame

    assert frame.rows() == [("x", 5), ("y", 4)]


def test_ids_are_ranks_and_0_is_everything_else(tmp_path: Path) -> None:
    schema = schema_of(2, 100)
    vocabularies = built(LINES, schema, tmp_path)
    cells = pl.DataFrame(
        {"word": ["b", "é", "", "c", "new"], "words": ["y|w|x|v|y", "", "x", "w", "q"]}
    )

    encoded = encode(
        cell_rows(cells, schema),
        schema,
        seed=0,
        keys=True,
        vocabularies=vocabularies,
    )

    table = to_table(encoded, layout(schema, keys=True))
    assert table["word"].to_pylist() == [1, 5, 2, 0, 0]
    assert table["words"].to_pylist() == [[2, 0, 1], [], [1], [0], [0]]
    assert table["words_count"].to_pylist() == [[2, 2, 1], [], [1], [1], [1]]


def test_counts_on_disk_give_the_same_vocabulary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [f"w{number * number % 97},e{number % 13}|e{number % 7}" for number in range(500)]
    expected = built(lines, schema_of(3, 20), tmp_path)
    monkeypatch.setattr(vocabulary_build, "ValueTotals", lambda path: ValueTotals(path, limit=5))

    found = built(lines, schema_of(3, 20), tmp_path)

    for name, vocabulary in expected.items():
        assert found[name].frame.equals(vocabulary.frame)
        assert found[name].others == vocabulary.others
    assert not (tmp_path / "work").exists()


def test_vocabulary_file_is_the_same_for_the_same_texts(tmp_path: Path) -> None:
    texts = ["a text of more than twelve bytes", "b", ""]
    frame = pl.DataFrame({"value": texts, "count": [3, 2, 2]})
    pieces = pl.concat([frame[:1], frame[1:]], rechunk=False)

    first = Vocabulary(frame, 4).write(tmp_path / "first", "word")
    second = Vocabulary(pieces, 4).write(tmp_path / "second", "word")

    assert first == second
    read = Vocabulary.read(tmp_path / "second", second)
    assert (read.frame.rows(), read.others) == (frame.rows(), 4)


def test_cells_cannot_be_encoded_without_the_vocabulary() -> None:
    schema = schema_of(1, 5)
    cells = pl.DataFrame({"word": ["a"], "words": [""]})

    with pytest.raises(UserError, match="'word' has encoding = \"vocab\""):
        encode(cell_rows(cells, schema), schema, seed=0, keys=False)
