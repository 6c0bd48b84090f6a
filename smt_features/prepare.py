"""Raw logs to a published dataset: the whole of ``smt prepare``."""

import shutil
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from smt_features.example_blocks import feature_spec
from smt_features.files import TEMPORARY, sha256
from smt_features.layout import layout
from smt_features.manifest import NAME as MANIFEST
from smt_features.manifest import (
    FeatureSpec,
    Hash,
    Manifest,
    PrepareOptions,
    SourceRecord,
    SplitRecord,
)
from smt_features.pipeline import encode_sources
from smt_features.rejected import NAME as REJECTED
from smt_features.rejected import Rejected
from smt_features.shards import ShardWriter
from smt_features.shuffle import RowStore
from smt_features.sources import Source, find_sources
from smt_features.verify import shards_of
from smt_schemas import DatasetSchema, UserError

WORK = ".work"
"""Folder below the output that holds spilled rows while `prepare` runs."""

Progress = Callable[[str, int, int], None]
"""Called with the stage (``read`` or ``write``), what is done and the total, in rows or bytes."""


@dataclass(frozen=True)
class Tolerance:
    """How many rejected rows a run may have and still publish."""

    rows: int = 0
    fraction: float = 0.0

    def allows(self, rejected: int, read: int) -> bool:
        """Whether so many of the rows read may be rejected."""
        return rejected <= max(self.rows, int(self.fraction * read))


@dataclass(frozen=True)
class Prepared:
    """What ``prepare`` did.

    Attributes
    ----------
    manifest
        The manifest of the dataset.
    directory
        The dataset's folder.
    rejected
        The rejected rows.
    was_current
        The dataset was there already, from the same sources and options.
    """

    manifest: Manifest
    directory: Path
    rejected: Rejected
    was_current: bool = False

    @property
    def rows_read(self) -> int:
        """Rows of the raw files: published and rejected."""
        published = sum(split.rows for split in self.manifest.splits.values())
        return published + self.manifest.rejected_rows


@dataclass
class _Rows:
    """The rows of a run as they are read."""

    stores: dict[str, RowStore]
    rejected: Rejected = field(default_factory=lambda: Rejected(0, []))
    read: Counter[str] = field(default_factory=Counter)

    @property
    def total(self) -> int:
        return sum(self.read.values())


def prepare(
    directory: Path,
    output: Path,
    schema: DatasetSchema,
    *,
    options: PrepareOptions,
    seed: int = 0,
    tolerance: Tolerance = Tolerance(),
    overwrite: bool = False,
    progress: Progress = lambda _stage, _done, _total: None,
) -> Prepared:
    """Validate, encode, shuffle and write the raw logs of a folder.

    Parameters
    ----------
    directory
        Folder of the raw files.
    output
        Folder of the dataset.
    schema
        What the log looks like.
    options
        What the shards hold and how.
    seed
        Seed of the hash and of the shuffle.
    tolerance
        Rejected rows to accept.
    overwrite
        Replace a dataset that was made from other sources or options.

    Raises
    ------
    UserError
        When the files cannot be read or written, more rows are bad than ``tolerance`` allows
        (nothing is published then, but ``rejected.parquet`` is written), or ``output`` holds
        another dataset.
    """
    sources = find_sources(directory, schema)
    with ThreadPoolExecutor(1) as executor:
        digests = executor.map(lambda source: sha256(source.path), sources)
        recorded = _recorded(output)
        if recorded and not overwrite:
            records = _source_records(sources, list(digests), Counter())
            _require_same(recorded, schema, options, seed, records, output)
            return Prepared(recorded, output, Rejected(0, []), was_current=True)
        _make_folder(output)
        try:
            rows = _read(sources, output, schema, options, seed, progress)
            _require_good(rows, tolerance, output)
            (output / MANIFEST).unlink(missing_ok=True)
            splits = _write(rows, output, schema, options, progress)
        finally:
            shutil.rmtree(output / WORK, ignore_errors=True)
        manifest = Manifest(
            schema=schema,
            schema_digest=schema.digest,
            hash=Hash(seed=seed),
            options=options,
            sources=_source_records(sources, list(digests), rows.read),
            splits=splits,
            rejected_rows=rows.rejected.rows,
            feature_spec=_feature_spec(schema, options),
        )
    _remove_strays(output, manifest)
    manifest.write(output)
    return Prepared(manifest, output, rows.rejected)


def _read(
    sources: list[Source],
    output: Path,
    schema: DatasetSchema,
    options: PrepareOptions,
    seed: int,
    progress: Progress,
) -> _Rows:
    rows = _Rows({split: RowStore(output / WORK / split) for split in schema.splits})
    total = sum(source.size for source in sources)
    finished: dict[str, int] = {}
    blocks = encode_sources(sources, schema, seed=seed, keys=options.keys, shuffle=options.shuffle)
    for block in blocks:
        rows.stores[block.source.split].add(block.frame)
        rows.rejected.add(block.violations, block.rejected)
        rows.read[block.source.name] += block.rows
        finished[block.source.name] = block.position
        progress("read", sum(finished.values()), total)
    return rows


def _write(
    rows: _Rows, output: Path, schema: DatasetSchema, options: PrepareOptions, progress: Progress
) -> dict[str, SplitRecord]:
    total = sum(store.rows for store in rows.stores.values())
    written = 0

    def advance(count: int) -> None:
        nonlocal written
        written += count
        progress("write", written, total)

    writer = ShardWriter(output, schema, options, advance)
    if rows.rejected.rows:
        rows.rejected.write(output)
    return {split: writer.write(split, store) for split, store in rows.stores.items() if store.rows}


def _require_good(rows: _Rows, tolerance: Tolerance, output: Path) -> None:
    rejected = rows.rejected
    if rejected.rows == 0 or tolerance.allows(rejected.rows, rows.total):
        if rows.total == rejected.rows:
            msg = "The raw files hold no valid row; nothing was published."
            raise UserError(msg)
        return
    path = rejected.write(output)
    msg = (
        f"{rejected.rows:,} of {rows.total:,} rows are bad; nothing was published.\n"
        f"{rejected.summary()}\n"
        f"All of them are in {path}. Correct the files, or accept bad rows with "
        "--max-bad-rows N or --max-bad-fraction F."
    )
    raise UserError(msg)


def _recorded(output: Path) -> Manifest | None:
    return Manifest.read(output) if (output / MANIFEST).exists() else None


def _require_same(
    recorded: Manifest,
    schema: DatasetSchema,
    options: PrepareOptions,
    seed: int,
    sources: list[SourceRecord],
    output: Path,
) -> None:
    changed = [
        name
        for name, before, now in [
            ("the schema", recorded.schema_digest, schema.digest),
            ("the seed", recorded.hash.seed, seed),
            *(
                (f"--{name.replace('_', '-')}", getattr(recorded.options, name), value)
                for name, value in options.model_dump().items()
            ),
            ("the raw files", _identity(recorded.sources), _identity(sources)),
        ]
        if before != now
    ]
    if changed:
        msg = (
            f"{output} holds a dataset that was made differently; changed: {', '.join(changed)}. "
            "Replace it with --overwrite, or choose another --output."
        )
        raise UserError(msg)


def _identity(sources: list[SourceRecord]) -> list[tuple[str, int, str]]:
    return [(source.name, source.bytes, source.sha256) for source in sources]


def _source_records(
    sources: list[Source], digests: list[str], rows: Counter[str]
) -> list[SourceRecord]:
    return [
        SourceRecord(
            name=source.name,
            split=source.split,
            bytes=source.size,
            sha256=digest,
            rows=rows[source.name],
        )
        for source, digest in zip(sources, digests, strict=True)
    ]


def _make_folder(output: Path) -> None:
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        msg = f"Cannot make the folder {output}: {error.strerror}. Choose another --output."
        raise UserError(msg) from error


def _feature_spec(schema: DatasetSchema, options: PrepareOptions) -> dict[str, FeatureSpec] | None:
    if "tfrecord" not in options.formats:
        return None
    return feature_spec(layout(schema, keys=options.keys), options.rows_per_example)


def _remove_strays(output: Path, manifest: Manifest) -> None:
    """Remove shards of an earlier dataset, so that the folder holds what the manifest says."""
    kept = {shard.name for shard in shards_of(manifest)}
    for split in manifest.dataset_schema.splits:
        for path in (output / split).glob("part-*"):
            if path.relative_to(output).as_posix() not in kept or path.suffix == TEMPORARY:
                path.unlink()
    if not manifest.rejected_rows:
        (output / REJECTED).unlink(missing_ok=True)
