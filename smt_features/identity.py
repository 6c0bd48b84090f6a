"""What decides a dataset's bytes, and how to say what differs."""

import hashlib
import json
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from importlib.metadata import version

from smt_features.files import sha256
from smt_features.manifest import Manifest, PrepareOptions, SourceRecord
from smt_features.sources import Source
from smt_schemas import DatasetSchema, UserError

_WRITERS = ("numpy", "polars", "polars-hash", "pyarrow")
"""Libraries whose version may change a shard's bytes."""


class SourceDigests:
    """Digests raw files on a thread of their own, and notices when one changes meanwhile.

    Parameters
    ----------
    sources
        The files.
    executor
        Runs the digesting.
    """

    def __init__(self, sources: list[Source], executor: ThreadPoolExecutor) -> None:
        self._sources = sources
        self._before = [_state(source) for source in sources]
        self._digests: list[Future[str]] = [
            executor.submit(sha256, source.path) for source in sources
        ]

    def records(self, rows: Mapping[str, int]) -> list[SourceRecord]:
        """Return the record of each file; ``rows`` is by name.

        Raises
        ------
        UserError
            When a file vanished or changed since the digests were begun.
        """
        records = []
        for source, before, future in zip(self._sources, self._before, self._digests, strict=True):
            try:
                digest = future.result()
            except OSError as error:
                msg = f"Cannot read {source.path}: {error.strerror}."
                raise UserError(msg) from error
            if _state(source) != before:
                msg = f"{source.path} changed while it was read. Run `smt prepare` again."
                raise UserError(msg)
            records.append(
                SourceRecord(
                    name=source.name,
                    split=source.split,
                    bytes=before[0],
                    sha256=digest,
                    rows=rows.get(source.name, 0),
                )
            )
        return records


def differences(
    recorded: Manifest,
    schema: DatasetSchema,
    options: PrepareOptions,
    seed: int,
    sources: list[SourceRecord],
) -> list[str]:
    """Return what a dataset was made from that is not so now, in words of the command line."""
    pairs: list[tuple[str, object, object]] = [
        ("the schema", recorded.schema_digest, schema.digest),
        ("--seed", recorded.hash.seed, seed),
        ("the raw files", _contents(recorded.sources), _contents(sources)),
    ]
    pairs += [
        (f"--{name.replace('_', '-')}", getattr(recorded.options, name), value)
        for name, value in options.model_dump().items()
    ]
    return [name for name, before, now in pairs if before != now]


def run_identity(
    schema: DatasetSchema, options: PrepareOptions, seed: int, sources: list[SourceRecord]
) -> str:
    """Return a digest of everything that decides the shards' bytes."""
    parts = [
        schema.digest,
        options.model_dump(mode="json"),
        seed,
        _contents(sources),
        [version(library) for library in _WRITERS],
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _state(source: Source) -> tuple[int, int]:
    try:
        stat = source.path.stat()
    except OSError as error:
        msg = f"{source.path} vanished while it was read."
        raise UserError(msg) from error
    return stat.st_size, stat.st_mtime_ns


def _contents(sources: list[SourceRecord]) -> list[tuple[str, int, str]]:
    return [(source.name, source.bytes, source.sha256) for source in sources]
