"""Which raw files belong to a split, and which folders are refused."""

from pathlib import Path

import pytest

from smt_features.sources import find_sources
from smt_schemas import UserError, taobao

FORMS: dict[str, tuple[list[str], list[tuple[str, str]]]] = {
    "plain": (["taobao_train_data"], [("taobao_train_data", "csv")]),
    "csv": (["taobao_train_data.csv"], [("taobao_train_data.csv", "csv")]),
    "gz": (["taobao_train_data.gz"], [("taobao_train_data.gz", "gzip")]),
    "csv.gz": (["taobao_train_data.csv.gz"], [("taobao_train_data.csv.gz", "gzip")]),
    "zst": (["taobao_train_data.zst"], [("taobao_train_data.zst", "zstd")]),
    "csv.zst": (["taobao_train_data.csv.zst"], [("taobao_train_data.csv.zst", "zstd")]),
    "parquet": (["taobao_train_data.parquet"], [("taobao_train_data.parquet", "parquet")]),
    "numbered": (
        ["taobao_train_data-2.csv", "taobao_train_data_1.gz", "taobao_train_data-10.parquet"],
        [
            ("taobao_train_data-10.parquet", "parquet"),
            ("taobao_train_data-2.csv", "csv"),
            ("taobao_train_data_1.gz", "gzip"),
        ],
    ),
    "numbered without an extension": (
        ["taobao_train_data-00001", "taobao_train_data-00002"],
        [("taobao_train_data-00001", "csv"), ("taobao_train_data-00002", "csv")],
    ),
    "folder": (
        [
            "taobao_train_data/b.csv",
            "taobao_train_data/a.gz",
            "taobao_train_data/.hidden",
            "taobao_train_data/_SUCCESS",
        ],
        [("taobao_train_data/a.gz", "gzip"), ("taobao_train_data/b.csv", "csv")],
    ),
    "others beside": (
        ["taobao_train_data", "taobao_train_data.bak", "taobao_train_database.csv", "notes.txt"],
        [("taobao_train_data", "csv")],
    ),
}


def touch(directory: Path, names: list[str]) -> None:
    for name in names:
        path = directory / name
        path.parent.mkdir(exist_ok=True)
        path.touch()


@pytest.mark.parametrize("case", FORMS)
def test_a_split_has_these_files(case: str, tmp_path: Path) -> None:
    names, expected = FORMS[case]
    touch(tmp_path, names)

    sources = find_sources(tmp_path, taobao())

    assert [(source.name, source.kind) for source in sources] == expected
    assert [source.ordinal for source in sources] == list(range(len(sources)))
    assert {source.split for source in sources} == {"train"}


def test_splits_come_in_the_order_of_the_schema(tmp_path: Path) -> None:
    touch(tmp_path, ["taobao_test_data.csv", "taobao_train_data.gz"])

    sources = find_sources(tmp_path, taobao())

    assert [(source.split, source.ordinal) for source in sources] == [("train", 0), ("test", 0)]


TWICE = {
    "two extensions": ["taobao_train_data", "taobao_train_data.csv"],
    "plain and compressed": ["taobao_train_data.csv", "taobao_train_data.csv.gz"],
    "whole and numbered": ["taobao_train_data", "taobao_train_data-1.csv"],
    "whole and folder": ["taobao_train_data.csv", "taobao_train_data/part.csv"],
    "numbered and folder": ["taobao_train_data-1.csv", "taobao_train_data/part.csv"],
}


@pytest.mark.parametrize("case", TWICE)
def test_a_split_in_two_forms_is_refused(case: str, tmp_path: Path) -> None:
    touch(tmp_path, TWICE[case])

    with pytest.raises(UserError, match="holds the split 'taobao_train_data' more than once") as e:
        find_sources(tmp_path, taobao())

    assert all(name in str(e.value) for name in TWICE[case])


def test_a_folder_without_known_files_is_refused(tmp_path: Path) -> None:
    touch(tmp_path, ["log.csv"])

    with pytest.raises(UserError, match="holds none of the files of schema 'taobao'") as refusal:
        find_sources(tmp_path, taobao())

    assert "taobao_train_data, taobao_test_data" in str(refusal.value)


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="none is not a folder"):
        find_sources(tmp_path / "none", taobao())


def test_an_unknown_file_in_a_folder_of_a_split_is_refused(tmp_path: Path) -> None:
    touch(tmp_path, ["taobao_train_data/a.csv", "taobao_train_data/b.xlsx"])

    with pytest.raises(UserError, match=r"b\.xlsx has no known extension"):
        find_sources(tmp_path, taobao())


def test_names_are_relative_to_the_folder(tmp_path: Path) -> None:
    touch(tmp_path, ["taobao_train_data/a.csv"])

    (source,) = find_sources(tmp_path, taobao())

    assert source.path == tmp_path / "taobao_train_data" / "a.csv"
    assert source.name == "taobao_train_data/a.csv"


def test_a_numbered_file_with_an_unknown_extension_is_refused(tmp_path: Path) -> None:
    touch(tmp_path, ["taobao_train_data-1.csv", "taobao_train_data-2.txt"])

    with pytest.raises(UserError, match="taobao_train_data-2.txt has no known extension"):
        find_sources(tmp_path, taobao())


def test_a_file_of_two_splits_is_refused(tmp_path: Path) -> None:
    touch(tmp_path, ["taobao_train_data-1.csv", "taobao_train_data-2.csv"])
    splits = {"train": "taobao_train_data", "test": "taobao_train_data-2"}
    schema = taobao().model_copy(update={"splits": splits})

    with pytest.raises(UserError, match=r"-2\.csv belongs to two splits by its name, 'train' and"):
        find_sources(tmp_path, schema)
