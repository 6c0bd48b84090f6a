"""Keeps two runs from writing one folder."""

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from smt_schemas import UserError

NAME = ".lock"


@contextmanager
def locked(directory: Path, option: str = "--output") -> Iterator[None]:
    """Hold a folder for this process; the folder is made when it is missing.

    Errors propose to choose another folder with `option`.

    The system releases the lock when the process ends, however it ends, so a stale one never
    blocks.

    Raises
    ------
    UserError
        When another process holds it, or the folder cannot be written.
    """
    path = directory / NAME
    made = not directory.exists()
    with _acquire(directory, path, option) as file:
        try:
            _sign(file, directory, option)
            yield
        finally:
            path.unlink(missing_ok=True)
            if made:
                with suppress(OSError):  # a run that failed early leaves no empty folder behind
                    directory.rmdir()


def _acquire(directory: Path, path: Path, option: str) -> TextIO:
    try:
        directory.mkdir(parents=True, exist_ok=True)
        file = path.open("a+", encoding="utf-8")
    except OSError as error:
        msg = f"Cannot write to {directory}: {error.strerror}. Choose another {option}."
        raise UserError(msg) from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        is_current = _inode(path) == os.fstat(file.fileno()).st_ino
    except BlockingIOError:
        is_current = False
    except OSError as error:
        file.close()
        msg = (
            f"{directory} lies on a file system without locks ({error.strerror}), so nothing keeps "
            f"two runs apart. Choose another {option}."
        )
        raise UserError(msg) from error
    if not is_current:  # held, or removed by its holder since it was opened
        file.seek(0)
        holder = file.read().strip() or "another process"
        file.close()
        msg = f"{directory} is being written by {holder}. Wait for it, or choose another {option}."
        raise UserError(msg)
    return file


def _sign(file: TextIO, directory: Path, option: str) -> None:
    try:
        # Not by the file's buffer: what could not be written would be tried again on closing.
        os.ftruncate(file.fileno(), 0)
        os.write(file.fileno(), f"process {os.getpid()} on {socket.gethostname()}".encode())
    except OSError as error:
        msg = f"Cannot write to {directory}: {error.strerror}. Choose another {option}."
        raise UserError(msg) from error


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except FileNotFoundError:  # its holder removed it
        return None
