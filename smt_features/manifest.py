"""The manifest: what a dataset is made of and what made it. Written last, read first."""

import hashlib
import json
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveInt,
    ValidationError,
    model_validator,
)

from smt_features.files import published
from smt_schemas import DatasetSchema, UserError, describe

NAME = "manifest.json"
SHARDS = "shards"
"""Folder below the data folder that `prepare` writes unless told otherwise."""
FORMAT: Literal["smt-shards"] = "smt-shards"
VERSION: Literal[1] = 1
MAX_BYTES = 256 << 20
"""A larger file is no manifest."""


def _is_relative(name: str) -> str:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        msg = f"{name!r} is not a path inside the dataset"
        raise ValueError(msg)
    return name


def _is_below(name: str) -> str:
    if "\\" in name or ":" in name:
        msg = f"{name!r} is not a path inside the dataset"
        raise ValueError(msg)
    return _is_relative(name)


Format = Literal["parquet", "tfrecord"]
"""How a shard is stored."""

Inside = Annotated[str, AfterValidator(_is_below)]
"""A file name that cannot lead out of the dataset's folder."""

Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Model(BaseModel):
    """Base of the manifest's parts: nothing unknown, nothing converted."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Shard(Model):
    """One shard file.

    Attributes
    ----------
    name
        Path below the dataset's folder.
    rows
        Rows that it holds.
    bytes, sha256
        Its size, and the SHA-256 of its bytes in hexadecimal.
    """

    name: Inside
    rows: NonNegativeInt
    bytes: NonNegativeInt
    sha256: Sha256


class VocabularyRecord(Model):
    """One vocabulary file.

    Attributes
    ----------
    name
        Its path inside the dataset.
    values
        Texts with an id of their own, from 1.
    others
        How often other texts stand in the train split.
    out_of_vocabulary
        The id of other texts.
    bytes, sha256
        Size and digest of the file.
    """

    name: Inside
    values: NonNegativeInt
    others: NonNegativeInt
    out_of_vocabulary: Literal[0] = 0
    bytes: NonNegativeInt
    sha256: Sha256


class KeyTextsRecord(Model):
    """The file of a feature's keys and their texts.

    Attributes
    ----------
    name
        Its path inside the dataset.
    texts
        How many it holds.
    bytes, sha256
        Size and digest of the file.
    """

    name: Inside
    texts: NonNegativeInt
    bytes: NonNegativeInt
    sha256: Sha256


class SourceRecord(Model):
    """One raw file that was read.

    Attributes
    ----------
    name
        Path below the data folder. A raw file may have any name; nothing is opened by this one.
    split
        The split that its rows went to.
    bytes, sha256
        Its size, and the SHA-256 of its bytes in hexadecimal.
    rows
        Its rows, rejected ones included.
    """

    name: Annotated[str, AfterValidator(_is_relative)]
    split: str
    bytes: NonNegativeInt
    sha256: Sha256
    rows: NonNegativeInt


class SplitRecord(Model):
    """One split.

    Attributes
    ----------
    rows
        Rows that were published.
    label_counts
        Rows in which each label is 1.
    shards
        Its shards in order, by format; each format holds all rows.
    """

    rows: NonNegativeInt
    label_counts: dict[str, NonNegativeInt]
    shards: dict[Format, list[Shard]]


class Hash(Model):
    """The hash that made the buckets.

    Attributes
    ----------
    name
        MurmurHash3 x86 32-bit, of the UTF-8 bytes of a cell's text, modulo the buckets.
    seed
        Its seed.
    """

    name: Literal["murmur3_x86_32"] = "murmur3_x86_32"
    seed: NonNegativeInt = Field(default=0, lt=2**32)


class PrepareOptions(Model):
    """The options of ``smt prepare`` that decide what the shards hold.

    Attributes
    ----------
    format
        ``parquet``, ``tfrecord`` or ``both``.
    shuffle
        Whether rows are shuffled across the split.
    keys
        Whether hashed features also have a 63-bit key.
    key_texts
        Whether side files hold the text of each key. What later versions added is left out
        where it is not asked for, so that a dataset keeps its bytes.
    rows_per_shard
        Rows of a shard; the last one of a split may have fewer.
    rows_per_group
        Rows of a row group, within which rows of one user stand together.
    rows_per_example
        Rows of an Example in TFRecord shards.
    tfrecord_compression
        ``gzip`` or ``none``.
    """

    format: Literal["parquet", "tfrecord", "both"] = "parquet"
    shuffle: bool = True
    keys: bool = False
    key_texts: bool = Field(default=False, exclude_if=lambda value: not value)
    rows_per_shard: PositiveInt = 1 << 18
    rows_per_group: PositiveInt = 1 << 16
    rows_per_example: PositiveInt = 1 << 12
    tfrecord_compression: Literal["gzip", "none"] = "gzip"

    @model_validator(mode="after")
    def _texts_have_keys(self) -> Self:
        if self.key_texts and not self.keys:
            msg = "key_texts needs keys"
            raise ValueError(msg)
        return self

    @property
    def formats(self) -> list[Format]:
        """The formats to write."""
        return ["parquet", "tfrecord"] if self.format == "both" else [self.format]


class FeatureSpec(Model):
    """How ``tf.io.parse_example`` reads a feature.

    Attributes
    ----------
    kind
        ``fixed``, one value, or ``varlen``.
    dtype
        Of the values.
    """

    kind: Literal["fixed", "varlen"]
    dtype: Literal["int64", "float32"] = "int64"


class Manifest(Model):
    """What a dataset is made of. Holds no time, no path outside the dataset, no machine.

    Attributes
    ----------
    format, version
        What tells a reader that it can read the dataset.
    dataset_schema, schema_digest
        The schema, ``schema`` in the file, and its `DatasetSchema.digest`.
    hash, options
        What decides the bytes of the shards, besides the schema and the sources.
    sources
        The raw files, in the order they were read.
    splits
        Splits with rows, by name.
    rejected_rows
        Rows that broke a rule and were left out.
    vocabularies, key_texts
        Files beside the shards, by column; None where there are none.
    feature_spec
        How ``tf.io.parse_example`` reads classic TFRecord shards, by column; otherwise None.
    """

    format: Literal["smt-shards"] = FORMAT
    version: Literal[1] = VERSION
    dataset_schema: DatasetSchema = Field(alias="schema")
    schema_digest: Sha256
    hash: Hash
    options: PrepareOptions
    sources: list[SourceRecord]
    splits: dict[str, SplitRecord]
    rejected_rows: NonNegativeInt
    vocabularies: dict[str, VocabularyRecord] | None = None
    key_texts: dict[str, KeyTextsRecord] | None = None
    feature_spec: dict[str, FeatureSpec] | None = None

    @property
    def digest(self) -> str:
        """SHA-256 of the manifest's text but its last field, the digest; names the dataset."""
        return hashlib.sha256(self._body().encode()).hexdigest()

    def to_json(self) -> str:
        """Return the manifest's text, the same for the same dataset."""
        return self._body() + _seal(self._body())

    def _body(self) -> str:
        fields = self.model_dump(mode="json", by_alias=True, exclude_none=True)
        return json.dumps(fields, indent=1).removesuffix("\n}")

    def write(self, directory: Path) -> None:
        """Publish the manifest, and with it the dataset."""
        with published(directory / NAME) as path:
            path.write_text(self.to_json(), encoding="utf-8")

    @classmethod
    def read(cls, directory: Path) -> "Manifest":
        """Read and check a dataset's manifest.

        Raises
        ------
        UserError
            When it is missing, is no manifest of this format and version, or contradicts itself.
        """
        path = directory / NAME
        manifest = cls.parse(_text(path), path)
        if manifest.dataset_schema.digest != manifest.schema_digest:
            msg = f"{path} is damaged: the schema's digest is wrong. Run `smt prepare --overwrite`."
            raise UserError(msg)
        for name, split in manifest.splits.items():
            for shards in split.shards.values():
                if sum(shard.rows for shard in shards) != split.rows:
                    msg = f"{path} is damaged: the shards of {name!r} do not add up to its rows."
                    raise UserError(msg)
        return manifest

    @classmethod
    def parse(cls, text: str, path: Path) -> "Manifest":
        """Parse a manifest's text; ``path`` is what a message names."""
        try:
            fields = json.loads(text)
        except (ValueError, RecursionError) as error:
            msg = f"{path} is damaged: {error}. Run `smt prepare --overwrite`."
            raise UserError(msg) from error
        if not isinstance(fields, dict) or fields.get("format") != FORMAT:
            msg = f"{path} is not the manifest of a dataset. Run `smt prepare` to make one."
            raise UserError(msg)
        if fields.get("version") != VERSION:
            msg = (
                f"{path} has format version {fields.get('version')}; this program reads "
                f"version {VERSION}. Run `smt prepare --overwrite`."
            )
            raise UserError(msg)
        body = text[: -len(_seal(""))]
        if text != body + _seal(body):
            msg = f"{path} was changed since it was written. Run `smt prepare --overwrite`."
            raise UserError(msg)
        try:
            return cls.model_validate_json(body + "\n}")
        except ValidationError as error:
            msg = f"{path} is damaged:\n{describe(error)}\nRun `smt prepare --overwrite`."
            raise UserError(msg) from error


def _seal(body: str) -> str:
    """Return the end of the manifest with this body: the body's digest."""
    return f',\n "digest": "{hashlib.sha256(body.encode()).hexdigest()}"\n}}\n'


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_BYTES:
            msg = f"{path} is larger than any manifest."
            raise UserError(msg)
        return path.read_bytes().decode()
    except FileNotFoundError as error:
        msg = f"{path.parent} is not a dataset: it has no {NAME}. Run `smt prepare` first."
        raise UserError(msg) from error
    except (OSError, UnicodeDecodeError) as error:
        msg = f"Cannot read {path}: {error}."
        raise UserError(msg) from error
