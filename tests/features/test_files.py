"""A file appears whole or not at all."""

from pathlib import Path

import pytest

from smt_features.files import published
from smt_schemas import UserError


@pytest.mark.parametrize("name", [".", "folder"])
def test_a_folder_is_no_file(name: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()

    with pytest.raises(UserError, match="is a folder. Give a file"), published(tmp_path / name):
        pytest.fail("published")
