"""A folder that cannot be locked says why."""

import errno
import fcntl
import os
from pathlib import Path
from typing import TextIO

import pytest

from smt_features import lock
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


def test_a_lock_that_cannot_be_written_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    monkeypatch.setattr(lock, "_acquire", lambda *_: os.fdopen(writer, "w"))

    with pytest.raises(UserError, match=r"Cannot write to .* Choose"), locked(tmp_path):
        pytest.fail("not locked")
