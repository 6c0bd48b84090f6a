"""Holds a dataset's files against its manifest."""

from pathlib import Path

from smt_features.files import sha256
from smt_features.manifest import KeyTextsRecord, Manifest, Shard, VocabularyRecord
from smt_features.parallel import ordered_map
from smt_schemas import UserError

_SHOWN = 5


def shards_of(manifest: Manifest) -> list[Shard]:
    """Return every shard of a dataset."""
    return [
        shard
        for split in manifest.splits.values()
        for shards in split.shards.values()
        for shard in shards
    ]


def files_of(manifest: Manifest) -> list[Shard | VocabularyRecord | KeyTextsRecord]:
    """Return every file that a dataset is made of: shards, vocabularies, texts of keys."""
    vocabularies, texts = manifest.vocabularies or {}, manifest.key_texts or {}
    return [*shards_of(manifest), *vocabularies.values(), *texts.values()]


def require_files(directory: Path, manifest: Manifest) -> None:
    """Check that every file is there and has the size that the manifest states.

    Raises
    ------
    UserError
        Naming the files that are missing or of another size.
    """
    problems = []
    for file in files_of(manifest):
        path = directory / file.name
        if not path.is_file():
            problems.append(f"{path} is missing")
        elif (size := path.stat().st_size) != file.bytes:
            problems.append(f"{path} has {size:,} bytes instead of {file.bytes:,}")
    _require_none(problems)


def require_digests(directory: Path, manifest: Manifest) -> None:
    """Check the digest of every file.

    Raises
    ------
    UserError
        Naming the files that cannot be read, or whose bytes changed since they were written.
    """

    def problem(file: Shard | VocabularyRecord | KeyTextsRecord) -> str:
        path = directory / file.name
        try:
            is_whole = sha256(path) == file.sha256
        except OSError as error:
            return f"{path} cannot be read: {error.strerror}"
        return "" if is_whole else f"{path} was changed since it was written"

    _require_none([found for found in ordered_map(problem, files_of(manifest)) if found])


def _require_none(problems: list[str]) -> None:
    if problems:
        more = f"\n  and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        listed = "\n  ".join(problems[:_SHOWN])
        msg = f"The dataset is damaged:\n  {listed}{more}\nRun `smt prepare --overwrite`."
        raise UserError(msg)
