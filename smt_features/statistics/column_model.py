"""The statistics of one column as a document."""

from typing import Literal, Self

from pydantic import NonNegativeFloat, NonNegativeInt, PositiveInt, model_validator

from smt_features.statistics.drift_model import Model, Share


class LabelRate(Model):
    """Share of some rows whose label is 1.

    Attributes
    ----------
    positives
        Rows whose label is 1.
    rate
        Their share of the rows.
    low, high
        Its 95% interval (Wilson 1927): with n rows, rate p and z = 1.959964, ``(p + z²/2n ±
        z √(p(1 - p)/n + z²/4n²)) / (1 + z²/n)``.
    """

    positives: NonNegativeInt
    rate: Share
    low: Share
    high: Share


class TopValue(Model):
    """A frequent value.

    Attributes
    ----------
    value
        Its text; in a list column, that of an entry.
    count
        Rows (a list: entries) that hold it.
    share
        Of the rows (a list: of the entries).
    rates
        By label, of the rows with this value; empty for labels and lists.
    """

    value: str
    count: PositiveInt
    share: Share
    rates: dict[str, LabelRate]


class Coverage(Model):
    """What the most frequent values hold together.

    Attributes
    ----------
    values
        How many of them.
    share
        Their rows, of the rows that are not null (a list: of the entries).
    """

    values: PositiveInt
    share: Share


class Fill(Model):
    """Buckets by the number of values in them.

    Attributes
    ----------
    values
        Distinct values in each of these buckets.
    buckets
        Buckets that hold so many.
    expected
        Buckets that would under a uniform hash.
    """

    values: NonNegativeInt
    buckets: NonNegativeInt
    expected: NonNegativeFloat


class BucketLoad(Model):
    """One bucket.

    Attributes
    ----------
    values
        Distinct values that fall into it.
    rows
        Rows (a list: entries) that hold them.
    """

    values: NonNegativeInt
    rows: NonNegativeInt


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
    values, rows
        Distinct texts that were hashed, and the rows that hold them.
    colliding_values, colliding_rows
        Values that share their bucket with another value, and the rows that hold them.
    alone_values, alone_rows
        Values that have their bucket for themselves, and the rows that hold them.
    expected_buckets_used, expected_colliding_values, expected_colliding_rows
        What a uniform hash would give.
    fill
        Buckets by the number of their values; the last item stands for that many or more.
    loads
        Every bucket, where there are at most 128.
    """

    encoding: Literal["hash", "identity"]
    buckets: PositiveInt
    values: NonNegativeInt
    rows: NonNegativeInt
    buckets_used: NonNegativeInt
    colliding_values: NonNegativeInt
    colliding_rows: NonNegativeInt
    alone_values: NonNegativeInt
    alone_rows: NonNegativeInt
    expected_buckets_used: NonNegativeFloat
    expected_colliding_values: NonNegativeFloat
    expected_colliding_rows: NonNegativeFloat
    fill: list[Fill]
    loads: list[BucketLoad]


class Recommendation(Model):
    """What to change so that fewer than 1% of the rows share a bucket.

    Attributes
    ----------
    action
        ``keep`` what there is; ``identity`` or ``vocab`` where the column is small; ``hash``
        into more buckets; ``vocab``, too, where no table is large enough for that.
    buckets, parameters
        Buckets after the change, and embedding parameters they cost.
    current_parameters
        What the present buckets cost.
    colliding_share
        Share of the rows that would still collide.
    is_measured
        Whether that was counted with this log's values and hash; else it is what a uniform hash
        would give.
    hash_buckets
        Buckets that hashing needs for it; None when they would be more than an id can name.
    values
        Distinct texts, which is what one embedding row for each of them would cost.
    """

    action: Literal["keep", "identity", "vocab", "hash"]
    buckets: PositiveInt
    parameters: PositiveInt
    current_parameters: PositiveInt
    colliding_share: Share
    is_measured: bool
    hash_buckets: PositiveInt | None
    values: NonNegativeInt


class ListStatistics(Model):
    """Lengths of the lists that are not empty; all numbers are 0 when there is none.

    A quantile is the smallest length that at least this share of the lists do not exceed.

    Attributes
    ----------
    entries
        Entries of all lists.
    minimum, p25, p50, p75, p95, maximum, mean
        Quantiles and mean of the lengths, in entries.
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
    """How often a label is 1.

    Attributes
    ----------
    task
        The task that the label is of.
    positives, rate, low, high
        As in `LabelRate`, of all rows of the split.
    """

    task: str
    positives: NonNegativeInt
    rate: Share
    low: Share
    high: Share


class ColumnStatistics(Model):
    """One column of one split.

    Attributes
    ----------
    name, role
        As in the schema.
    rows, nulls
        Rows, and rows whose cell is empty or a null token.
    null_share
        ``nulls / rows``.
    distinct, distinct_error
        Distinct values, nulls left out; of the entries in a list column. Exact when the error
        is 0, otherwise estimated by HyperLogLog with this relative standard error.
    singletons
        Values that occur once.
    entropy_bits
        Shannon entropy of the values, ``-Σ p log2 p``, nulls left out.
    sampled_rows
        0 when all rows were counted. Otherwise ``top``, ``coverage``, ``singletons`` and
        ``entropy_bits`` are of a uniform sample of so many rows.
    top
        The most frequent values, most frequent first, equals in the order of their text.
    coverage
        What the most frequent values hold together.
    hashing, recommendation
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
    distinct_error: NonNegativeFloat = 0.0
    singletons: NonNegativeInt
    entropy_bits: NonNegativeFloat
    sampled_rows: NonNegativeInt = 0
    top: list[TopValue]
    coverage: list[Coverage]
    hashing: HashStatistics | None = None
    recommendation: Recommendation | None = None
    lists: ListStatistics | None = None
    label: LabelStatistics | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if (self.hashing is None) != (self.recommendation is None):
            msg = "hashing and recommendation come together"
            raise ValueError(msg)
        if len({tuple(value.rates) for value in self.top}) > 1:
            msg = "the values of top have rates of different labels"
            raise ValueError(msg)
        return self
