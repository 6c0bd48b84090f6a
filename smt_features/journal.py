"""Remembers finished shards, so that a run that was killed does not redo them."""

import json
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from pydantic import ValidationError

from smt_features.files import sha256
from smt_features.identity import RunIdentity
from smt_features.manifest import Shard

NAME = ".journal"


class Journal:
    """The finished shards of an unfinished run.

    Parameters
    ----------
    directory
        Folder of the dataset.
    identity
        What decides the shards' bytes; records of a run with another identity do not count.
    """

    def __init__(self, directory: Path, identity: RunIdentity) -> None:
        self._directory = directory
        self._path = directory / NAME
        self._finished = self._read(identity)
        self._file = self._path.open("w", encoding="utf-8")
        self._append(identity.model_dump_json())
        for shard in self._finished.values():
            self._append(shard.model_dump_json())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def finished(self, name: str) -> Shard | None:
        """Return the record of a shard that is there as it was written, or None."""
        shard = self._finished.get(name)
        path = self._directory / name
        if shard is None or not path.is_file() or path.stat().st_size != shard.bytes:
            return None
        return shard if sha256(path) == shard.sha256 else None

    def add(self, shard: Shard) -> None:
        """Record a shard that was just published."""
        self._append(shard.model_dump_json())

    def remove(self) -> None:
        """Forget the run: its manifest is written."""
        self._path.unlink(missing_ok=True)

    def _append(self, line: str) -> None:
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def _read(self, identity: RunIdentity) -> dict[str, Shard]:
        texts = _texts(self._path)
        if not texts or _identity(texts[0]) != identity:
            return {}
        shards = [shard for text in texts[1:] if (shard := _shard(text)) is not None]
        return {shard.name: shard for shard in shards}


def unfinished_run(directory: Path) -> RunIdentity | None:
    """Return what the unfinished run in a folder was making, or None when there is none."""
    texts = _texts(directory / NAME)
    return _identity(texts[0]) if texts else None


def _texts(path: Path) -> list[str]:
    if not path.is_file():
        return []
    # A line that was cut off by the kill, and whatever is no record, counts as not written.
    lines = path.read_text("utf-8", errors="replace").splitlines()
    return [text for line in lines if (text := _parse(line)) is not None]


def _parse(line: str) -> str | None:
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, str) else None


def _shard(text: str) -> Shard | None:
    try:
        return Shard.model_validate_json(text)
    except ValidationError:
        return None


def _identity(text: str) -> RunIdentity | None:
    try:
        return RunIdentity.model_validate_json(text)
    except ValidationError:
        return None
