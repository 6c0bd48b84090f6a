"""A folder that cannot be locked says why."""

import errno
import fcntl
import os
import subprocess
import sys
from pathlib import Path
from typing import TextIO

import pytest

from smt_features.lock import locked
from smt_schemas import UserError


def test_a_file_system_without_locks_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(_file: TextIO, _operation: int) -> None:  # as NFS without its lock service
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", flock)

    with pytest.raises(UserError, match="without locks"), locked(tmp_path):
        pytest.fail("not locked")


def test_a_lock_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    script = f"""
import resource
from pathlib import Path
from smt_features.lock import locked
from smt_schemas import UserError
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # as on a full disk
try:
    with locked(Path({str(tmp_path / "out")!r})):
        print("locked")
except UserError as error:
    print(error)
"""

    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)

    assert "Cannot write to" in found.stdout, found.stderr
    assert found.stdout.endswith("Choose another --output.\n")


@pytest.mark.parametrize("exists", [True, False])
def test_a_folder_that_was_there_stays(exists: bool, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    if exists:
        folder.mkdir()

    with locked(folder):
        pass

    assert folder.exists() == exists
