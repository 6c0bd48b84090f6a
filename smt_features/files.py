"""Writes files so that a reader sees all of one or nothing."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from smt_schemas import UserError

TEMPORARY = ".tmp"
"""Ending of a file that is still being written."""


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """Make the folder of a file that is to be written, and yield its path.

    Raises
    ------
    UserError
        When the folder cannot be written or the disk is full.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield path
    except OSError as error:
        why = error.strerror or error
        msg = f"Cannot write {path}: {why}. Free some space or choose another folder."
        raise UserError(msg) from error


@contextmanager
def published(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; on success flush it to disk and rename it.

    Raises
    ------
    UserError
        When the path is a folder's, the folder cannot be written or the disk is full; nothing is
        published then.
    """
    if not path.name or path.is_dir():
        msg = f"{path} is a folder. Give a file."
        raise UserError(msg)
    temporary = path.with_name(path.name + TEMPORARY)
    with writing(path):
        try:
            yield temporary
            flush(temporary)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def flush(path: Path) -> None:
    """Wait until a file's bytes are on the disk."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def sha256(path: Path, piece: int = 1 << 18) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal.

    Parameters
    ----------
    path
        The file.
    piece
        Bytes that are digested at a time, without the interpreter.
    """
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        buffer = memoryview(bytearray(min(piece, os.fstat(file.fileno()).st_size + 1)))
        while size := file.readinto(buffer):
            digest.update(buffer[:size])
    return digest.hexdigest()
