"""Holds a dataset's files against its manifest."""

from pathlib import Path

from smt_features.files import sha256
from smt_features.manifest import Manifest, Shard
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


def require_files(directory: Path, manifest: Manifest) -> None:
    """Check that every shard is there and has the size that the manifest states.

    Raises
    ------
    UserError
        Naming the shards that are missing or of another size.
    """
    problems = []
    for shard in shards_of(manifest):
        path = directory / shard.name
        if not path.is_file():
            problems.append(f"{path} is missing")
        elif (size := path.stat().st_size) != shard.bytes:
            problems.append(f"{path} has {size:,} bytes instead of {shard.bytes:,}")
    _require_none(problems)


def require_digests(directory: Path, manifest: Manifest) -> None:
    """Check the digest of every shard.

    Raises
    ------
    UserError
        Naming the shards whose bytes changed since they were written.
    """
    shards = shards_of(manifest)
    digests = ordered_map(lambda shard: sha256(directory / shard.name), shards)
    _require_none(
        [
            f"{directory / shard.name} was changed since it was written"
            for shard, digest in zip(shards, digests, strict=True)
            if digest != shard.sha256
        ]
    )


def _require_none(problems: list[str]) -> None:
    if problems:
        more = f"\n  and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        listed = "\n  ".join(problems[:_SHOWN])
        msg = f"The dataset is damaged:\n  {listed}{more}\nRun `smt prepare --overwrite`."
        raise UserError(msg)
