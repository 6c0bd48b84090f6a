"""The statistics of a dataset: what its log holds and what hashing did to it.

``smt prepare`` writes them to ``statistics.json``; ``smt inspect-stats`` shows them.
"""

from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveInt,
    ValidationError,
)

from smt_features.files import published
from smt_features.manifest import Hash
from smt_schemas import UsageError, UserError, describe

NAME = "statistics.json"
FORMAT: Literal["smt-statistics"] = "smt-statistics"
VERSION: Literal[1] = 1
MAX_BYTES = 64 << 20
"""A larger file holds no statistics of ours."""

T = TypeVar("T")
Share = Annotated[float, Field(ge=0, le=1)]


class Model(BaseModel):
    """Base of the statistics' parts: nothing unknown, nothing converted, no NaN."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class TopValue(Model):
    """A frequent value; ``share`` is that of the rows (a list: of the entries)."""

    value: str
    count: PositiveInt
    share: Share


class HashStatistics(Model):
    """What hashing did to a feature.

    All texts take part that were hashed: the empty text of a missing cell and null tokens
    included. Rows are entries in a list column. The expected numbers are those of a uniform
    hash of as many values k into B buckets: ``B(1 - (1 - 1/B)^k)`` buckets used, and each
    value, and so each row, collides with probability ``1 - (1 - 1/B)^(k - 1)``.

    Attributes
    ----------
    encoding
        ``identity`` cannot collide; the expected numbers are then the measured ones.
    buckets, buckets_used
        Buckets there are, and buckets that at least one value falls into.
    values
        Distinct texts that were hashed.
    colliding_values, colliding_rows
        Values that share their bucket with another value, and the rows that hold them.
    """

    encoding: Literal["hash", "identity"]
    buckets: PositiveInt
    values: NonNegativeInt
    rows: NonNegativeInt
    buckets_used: NonNegativeInt
    colliding_values: NonNegativeInt
    colliding_rows: NonNegativeInt
    expected_buckets_used: NonNegativeFloat
    expected_colliding_values: NonNegativeFloat
    expected_colliding_rows: NonNegativeFloat


class ListStatistics(Model):
    """Lengths of the lists that are not empty; all numbers are 0 when there is none.

    A quantile is the smallest length that at least this share of the lists do not exceed.

    Attributes
    ----------
    entries
        Entries of all lists.
    distinct_mean
        Distinct entries of a list, on average.
    at_maximum
        Share of the lists that are as long as the longest: where lists are cut off, many.
    """

    entries: NonNegativeInt
    minimum: NonNegativeInt
    p25: NonNegativeInt
    p50: NonNegativeInt
    p75: NonNegativeInt
    p95: NonNegativeInt
    maximum: NonNegativeInt
    mean: NonNegativeFloat
    distinct_mean: NonNegativeFloat
    at_maximum: Share


class LabelStatistics(Model):
    """Rows whose label is 1, and their share."""

    task: str
    positives: NonNegativeInt
    rate: Share


class ColumnStatistics(Model):
    """One column of one split.

    Attributes
    ----------
    rows, nulls
        Rows, and rows whose cell is empty or a null token.
    null_share
        ``nulls / rows``.
    distinct
        Distinct values, nulls left out; of the entries in a list column.
    top
        The most frequent values, most frequent first, equals in the order of their text.
    hashing
        Of a feature.
    lists
        Of a list column.
    label
        Of a label.
    """

    name: str
    role: Literal["label", "user", "item", "ignore"]
    rows: NonNegativeInt
    nulls: NonNegativeInt
    null_share: Share
    distinct: NonNegativeInt
    top: list[TopValue]
    hashing: HashStatistics | None = None
    lists: ListStatistics | None = None
    label: LabelStatistics | None = None


class SplitStatistics(Model):
    """The rows of a split and its columns, in file order."""

    rows: NonNegativeInt
    columns: list[ColumnStatistics]

    def by_name(self) -> dict[str, ColumnStatistics]:
        """Return the columns by name."""
        return {column.name: column for column in self.columns}


class Statistics(Model):
    """Statistics of a dataset, by split."""

    format: Literal["smt-statistics"] = FORMAT
    version: Literal[1] = VERSION
    schema_digest: str = Field(pattern="^[0-9a-f]{64}$")
    hash: Hash
    splits: dict[str, SplitStatistics]

    def select(self, *, split: str | None = None, column: str | None = None) -> Self:
        """Return the statistics of one split, of one column, or of both; None means all.

        Raises
        ------
        UsageError
            When there is no such split or column.
        """
        splits = _picked(self.splits, split, "split")
        if column is not None:
            splits = {
                name: part.model_copy(
                    update={"columns": list(_picked(part.by_name(), column, "column").values())}
                )
                for name, part in splits.items()
            }
        return self.model_copy(update={"splits": splits})

    def to_json(self) -> str:
        """Return the JSON that `read` takes: the same statistics give the same bytes."""
        return self.model_dump_json(indent=2, exclude_none=True) + "\n"

    def write(self, directory: Path) -> None:
        """Write ``statistics.json`` into a folder."""
        with published(directory / NAME) as temporary:
            temporary.write_text(self.to_json(), encoding="utf-8")

    @classmethod
    def read(cls, directory: Path) -> Self:
        """Read the statistics of a dataset.

        Raises
        ------
        UserError
            When the folder has none, or the file holds something else.
        """
        path = directory / NAME
        remedy = "Run `smt prepare --overwrite` to write it anew."
        if not path.is_file():
            msg = f"{directory} has no {NAME}. {remedy}"
            raise UserError(msg)
        try:
            if path.stat().st_size > MAX_BYTES:
                msg = f"{path} is larger than {MAX_BYTES >> 20} MiB, so it holds no statistics."
                raise UserError(f"{msg} {remedy}")
            return cls.model_validate_json(path.read_bytes())
        except OSError as error:
            msg = f"Cannot read {path}: {error.strerror}."
            raise UserError(msg) from error
        except ValidationError as error:
            msg = f"{path} holds no valid statistics:\n{describe(error)}\n{remedy}"
            raise UserError(msg) from error


def _picked(items: dict[str, T], name: str | None, kind: str) -> dict[str, T]:
    if name is None:
        return items
    if name not in items:
        msg = f"There is no {kind} {name!r}. There are: {', '.join(items)}."
        raise UsageError(msg)
    return {name: items[name]}
