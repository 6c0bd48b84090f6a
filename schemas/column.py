"""One column of a log: what it may hold and how it becomes a feature."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, PositiveInt, model_validator

from smt_schemas.settings import column_problem, is_none

Role = Literal["label", "user", "item", "ignore"]
"""What a column is for: a label, a feature of the user or of the item, or nothing."""

Encoding = Literal["hash", "identity", "vocab", "numeric"]
"""How a feature's cell becomes a number."""

MAX_BUCKETS = 2**31 - 1
"""Ids are stored as int32."""

NAME = r"^[A-Za-z][A-Za-z0-9_]*$"
"""What a column may be called."""

MAX_NAME = 64

EmbeddingOptions = dict[str, bool | int | float | str]
"""Options of `smt train` for the embedding of one feature; training checks names and values."""


class Column(BaseModel):
    """A column of the log, in file order.

    Attributes
    ----------
    name
        Name in the schema, the shards and the model.
    role
        ``label``, ``user`` or ``item`` feature, or ``ignore``.
    type
        ``int`` cells must be decimal integers of at most 18 digits without leading zeros,
        ``float`` cells finite decimal numbers.
    required
        An empty cell is a violation; otherwise it is a missing value.
    null_tokens
        Texts that mean "missing". They count as null in statistics and hash as their text.
    null_value
        What stands for a missing value of a numeric feature.
    allowed
        The only values a cell may have.
    minimum, maximum
        Inclusive range of an ``int`` or ``float`` column.
    hash_buckets
        Number of buckets, and so of embedding rows, of a feature.
    embedding_dim
        Width of a feature's embedding.
    encoding
        ``hash`` (MurmurHash3 of the text, modulo the buckets), ``identity`` (the integer
        itself, which must lie below ``hash_buckets``), ``vocab`` (the text's rank among those
        of the train split, 0 for all others) or ``numeric`` (the number, as float32).
    min_count
        How often a text must stand in the train split to be in the vocabulary.
    embedding_options
        Other values of options of `smt train` for the embedding of a hashed feature.
    separator
        The ASCII character between the entries of a list column.
    task
        Name of the task that a label belongs to, such as ``ctr``.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    # What later versions added is left out of the digest where it is not set.
    name: str = Field(pattern=NAME, max_length=MAX_NAME)
    role: Role
    type: Literal["int", "float", "string"] = "string"
    required: bool = False
    null_tokens: list[str] = []
    null_value: FiniteFloat | None = Field(default=None, exclude_if=is_none)
    allowed: list[int | str] | None = None
    minimum: int | FiniteFloat | None = None
    maximum: int | FiniteFloat | None = None
    hash_buckets: PositiveInt | None = Field(default=None, le=MAX_BUCKETS)
    embedding_dim: PositiveInt | None = Field(default=None, le=4096)
    encoding: Encoding = "hash"
    min_count: PositiveInt | None = Field(default=None, exclude_if=is_none)
    embedding_options: EmbeddingOptions | None = Field(default=None, exclude_if=is_none)
    separator: str | None = Field(default=None, pattern=r"^[\x01-\x7f]$")
    task: str | None = Field(default=None, pattern=r"^[a-z][a-z0-9_]*$")

    @property
    def is_feature(self) -> bool:
        """Whether the model embeds this column."""
        return self.role in ("user", "item") and not self.is_numeric

    @property
    def is_numeric(self) -> bool:
        """Whether this column is a number that the model takes as it is."""
        return self.encoding == "numeric"

    @property
    def is_list(self) -> bool:
        """Whether a cell holds several entries."""
        return self.separator is not None

    @property
    def buckets(self) -> int:
        """Buckets of a feature column."""
        assert self.hash_buckets is not None, f"{self.name} is not a feature"
        return self.hash_buckets

    @property
    def dim(self) -> int:
        """Embedding width of a feature column."""
        assert self.embedding_dim is not None, f"{self.name} is not a feature"
        return self.embedding_dim

    @model_validator(mode="after")
    def _settings_agree(self) -> Self:
        if problem := column_problem(self):
            msg = f"column {self.name!r}: {problem}"
            raise ValueError(msg)
        return self
