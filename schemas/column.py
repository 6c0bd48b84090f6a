"""One column of a log: what it may hold and how it becomes a feature."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, model_validator

Role = Literal["label", "user", "item", "ignore"]
"""What a column is for: a label, a feature of the user or of the item, or nothing."""

MAX_BUCKETS = 2**31 - 1
"""Ids are stored as int32."""


class Column(BaseModel):
    """A column of the log, in file order.

    Attributes
    ----------
    name
        Name in the schema, the shards and the model.
    role
        ``label``, ``user`` or ``item`` feature, or ``ignore``.
    type
        ``int`` cells must be decimal integers of at most 18 digits without leading zeros.
    required
        An empty cell is a violation; otherwise it is a missing value.
    null_tokens
        Texts that mean "missing". They count as null in statistics and hash as their text.
    allowed
        The only values a cell may have.
    minimum, maximum
        Inclusive range of an ``int`` column.
    hash_buckets
        Number of buckets, and so of embedding rows, of a feature.
    embedding_dim
        Width of a feature's embedding.
    encoding
        ``hash`` (MurmurHash3 of the text, modulo the buckets) or ``identity`` (the integer
        itself, which must lie below ``hash_buckets``).
    separator
        The ASCII character between the entries of a list column.
    task
        Name of the task that a label belongs to, such as ``ctr``.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    name: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$", max_length=64)
    role: Role
    type: Literal["int", "string"] = "string"
    required: bool = False
    null_tokens: list[str] = []
    allowed: list[int | str] | None = None
    minimum: int | None = None
    maximum: int | None = None
    hash_buckets: PositiveInt | None = Field(default=None, le=MAX_BUCKETS)
    embedding_dim: PositiveInt | None = Field(default=None, le=4096)
    encoding: Literal["hash", "identity"] = "hash"
    separator: str | None = Field(default=None, pattern=r"^[\x01-\x7f]$")
    task: str | None = Field(default=None, pattern=r"^[a-z][a-z0-9_]*$")

    @property
    def is_feature(self) -> bool:
        """Whether the model embeds this column."""
        return self.role in ("user", "item")

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
    def _role_and_settings_agree(self) -> Self:
        if problem := self._problem():
            msg = f"column {self.name!r}: {problem}"
            raise ValueError(msg)
        return self

    def _problem(self) -> str | None:
        low, high = self.minimum, self.maximum
        ranged = low is not None or high is not None
        wanted = int if self.type == "int" else str
        checks = [
            (self.is_feature and self.hash_buckets is None, "a feature needs hash_buckets"),
            (self.is_feature and self.embedding_dim is None, "a feature needs embedding_dim"),
            (not self.is_feature and self.hash_buckets is not None, "only features have buckets"),
            (not self.is_feature and self.is_list, "only features can be lists"),
            (self.role == "label" and self.task is None, "a label needs a task"),
            (self.role != "label" and self.task is not None, "only labels have a task"),
            (self.role == "label" and self.allowed != [0, 1], "a label has allowed = [0, 1]"),
            (self.role == "label" and self.type != "int", 'a label has type = "int"'),
            (self.role == "label" and not self.required, "a label has required = true"),
            (ranged and self.type != "int", 'minimum and maximum need type = "int"'),
            ("" in self.null_tokens, "an empty cell is a missing value without null_tokens"),
            (low is not None and high is not None and low > high, "minimum exceeds maximum"),
            (self.is_list and (ranged or self.allowed), "a list has no range or allowed values"),
            (self.is_list and self.null_tokens, "a list has no null tokens"),
            (
                any(type(value) is not wanted for value in self.allowed or []),
                f"allowed values must be of type {self.type}",
            ),
            (
                self.encoding == "identity" and (self.type != "int" or not self.required),
                'encoding = "identity" needs type = "int" and required = true',
            ),
            (self.encoding == "identity" and self.is_list, "a list cannot be identity encoded"),
            (
                self.encoding == "identity" and bool(self.null_tokens),
                'encoding = "identity" has no null tokens',
            ),
        ]
        return next((text for wrong, text in checks if wrong), None)
