"""What is asked of a feature whose keys own their vectors."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from smt_model.ev.bloom import CountingBloomFilter
from smt_model.ev.key_table import KeyTable
from smt_model.ev.rows import RowAllocator

Filter = Literal["counter", "cbf"]
Elimination = Literal["gstep", "l2"]


class EvOptions(BaseModel):
    """Admission and elimination of a feature's keys.

    Attributes
    ----------
    filter
        Admit a key when it came `filter_freq` times: counted exactly (``counter``) or in fixed
        memory by a counting Bloom filter (``cbf``). None admits each key at once.
    adaptive
        Keys that are not admitted share the rows of buckets, key modulo `hash_buckets`, instead
        of having no vector; a key that is admitted begins with the vector that it shared.
    expected_keys, false_positive_rate
        Size of the Bloom filter: at so many keys, at most this share is admitted early.
    elimination
        What drops keys when a checkpoint is saved: ``gstep``, those that did not come for more
        than `steps_to_live` steps; ``l2``, those with ``½ Σ w²`` below `l2_threshold`.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    filter: Filter | None = None
    filter_freq: PositiveInt = 3
    adaptive: bool = False
    expected_keys: PositiveInt = 1_000_000
    false_positive_rate: float = Field(default=0.01, gt=0, lt=1)
    elimination: Elimination | None = None
    steps_to_live: PositiveInt = 4000
    l2_threshold: float = Field(default=0.03, gt=0)

    def key_table(self, allocator: RowAllocator) -> KeyTable:
        """Return an empty table of keys."""
        if self.filter is None:
            return KeyTable(allocator)
        bloom = None
        if self.filter == "cbf":
            bloom = CountingBloomFilter(
                self.expected_keys, self.false_positive_rate, self.filter_freq
            )
        return KeyTable(allocator, self.filter_freq, bloom)
