"""What decides a dataset's bytes, and how to say what differs."""

from importlib.metadata import version

from pydantic import BaseModel, ConfigDict

from smt_features.blocks import BLOCK_BYTES
from smt_features.manifest import Manifest, PrepareOptions, SourceRecord
from smt_schemas import DatasetSchema

_WRITERS = ("numpy", "polars", "polars-hash", "pyarrow")
"""Libraries whose version may change a shard's bytes."""


class RunIdentity(BaseModel):
    """Everything that decides the shards' bytes.

    Attributes
    ----------
    schema_digest, seed, options
        What the shards hold and how.
    sources
        Name, bytes and SHA-256 of each raw file.
    libraries
        Versions of the libraries that encode and write.
    block_bytes
        Text of a block: where a row stands in its block decides its place in the shards. Versions
        that do not say had 8 MiB.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    schema_digest: str
    seed: int
    options: PrepareOptions
    sources: list[tuple[str, int, str]]
    libraries: dict[str, str]
    block_bytes: int = 8 << 20

    def changes(self, now: "RunIdentity") -> list[str]:
        """Return what is not so now, in words of the command line."""
        pairs: list[tuple[str, object, object]] = [
            ("the schema", self.schema_digest, now.schema_digest),
            ("--seed", self.seed, now.seed),
            ("the raw files", self.sources, now.sources),
            ("the installed libraries", self.libraries, now.libraries),
            ("the size of a block", self.block_bytes, now.block_bytes),
        ]
        pairs += [
            (f"--{name.replace('_', '-')}", getattr(self.options, name), getattr(now.options, name))
            for name in PrepareOptions.model_fields
        ]
        return [name for name, before, after in pairs if before != after]


def run_identity(
    schema: DatasetSchema, options: PrepareOptions, seed: int, sources: list[SourceRecord]
) -> RunIdentity:
    """Return the identity of a run of this program."""
    return RunIdentity(
        schema_digest=schema.digest,
        seed=seed,
        options=options,
        sources=[(source.name, source.bytes, source.sha256) for source in sources],
        libraries={library: version(library) for library in _WRITERS},
        block_bytes=BLOCK_BYTES,
    )


def identity_of(manifest: Manifest) -> RunIdentity:
    """Return the identity of the run that made a dataset, as if with the libraries of today."""
    schema, seed = manifest.dataset_schema, manifest.hash.seed
    return run_identity(schema, manifest.options, seed, manifest.sources)
