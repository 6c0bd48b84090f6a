"""The options of embedding variables, for a run or for one feature."""

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, model_validator

from smt_model.ev.bloom import CountingBloomFilter
from smt_model.ev.dynamic import DynamicKeyTable
from smt_model.ev.key_table import KeyTable
from smt_model.ev.rows import RowAllocator
from smt_model.multihash import MultiHash, Operation
from smt_schemas import Column

Filter = Literal["counter", "cbf"]
Elimination = Literal["gstep", "l2"]
KINDS = ("ev", "adaptive_emb", "multihash")
"""What decides whose vectors are kept; without all of these, each bucket has its own."""


class EvOptions(BaseModel):
    """Which keys own a vector, from when on, and for how long; or how buckets share vectors.

    Attributes
    ----------
    ev
        Each key owns a vector: no buckets, no collisions.
    adaptive_emb, adaptive_threshold
        Keys that came so often own a vector. The others share the rows of buckets, key modulo
        `hash_buckets`; a key that moves begins with the vector that it shared.
    ev_filter, filter_freq
        A key is admitted when it came so often, and is a zero vector until then: ``counter``
        counts exactly, ``cbf`` in the fixed memory of a counting Bloom filter.
    cbf_expected_keys, cbf_false_positive_rate
        Size of that filter: at so many keys of a feature, at most this share comes early.
    ev_elimination, steps_to_live, l2_threshold
        What drops keys with the checkpoint of every `save_steps`: ``gstep``, that they did not
        come for more than so many steps; ``l2``, that ``½ Σ w²`` is below the threshold.
    dynamic_ev, dynamic_ev_block_size, dynamic_ev_blocks, dynamic_ev_growth
        With `ev`, the vector of a key grows: it has one block when it is admitted, and another
        each time it has come `dynamic_ev_growth` times as often, up to `dynamic_ev_blocks` of
        `dynamic_ev_block_size` components. Behind them its vector is zero.
    multihash, multihash_divisor, multihash_operation
        A bucket has no vector of its own but two others: that of its quotient and that of its
        remainder (`MultiHash`).
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    ev: bool = False
    adaptive_emb: bool = False
    adaptive_threshold: PositiveInt = 3
    ev_filter: Filter | None = None
    filter_freq: PositiveInt = 3
    cbf_expected_keys: PositiveInt = 1_000_000
    cbf_false_positive_rate: float = Field(default=0.01, gt=0, lt=1)
    ev_elimination: Elimination | None = None
    steps_to_live: PositiveInt = 4000
    l2_threshold: PositiveFloat = 0.03
    dynamic_ev: bool = False
    dynamic_ev_block_size: PositiveInt = 4
    dynamic_ev_blocks: int = Field(default=4, ge=2)
    dynamic_ev_growth: int = Field(default=10, ge=2)
    multihash: bool = False
    multihash_divisor: PositiveInt = 10
    multihash_operation: Operation = "add"

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if self.ev and self.adaptive_emb:
            msg = "ev gives each key a vector and adaptive-emb only frequent ones; choose one"
            raise ValueError(msg)
        if self.multihash and self.owns_vectors:
            msg = "multihash shares the vectors of buckets, and ev and adaptive-emb those of keys"
            raise ValueError(msg)
        if self.adaptive_emb and self.ev_filter == "counter":
            msg = "adaptive-emb counts keys itself, up to adaptive-threshold: no ev-filter counter"
            raise ValueError(msg)
        if self.dynamic_ev and not self.ev:
            msg = "dynamic-ev is about the vectors of keys, and needs ev"
            raise ValueError(msg)
        for name in ("ev_filter", "ev_elimination"):
            if getattr(self, name) and not self.owns_vectors:
                msg = f"{name.replace('_', '-')} is about keys, and needs ev or adaptive-emb"
                raise ValueError(msg)
        return self

    @property
    def owns_vectors(self) -> bool:
        """Whether keys own vectors."""
        return self.ev or self.adaptive_emb

    def changed(self, values: Mapping[str, Any]) -> "EvOptions":
        """Return these options with other values for some, checked like all options.

        A feature whose keys own no vectors is not asked to admit or to drop any, and one that is
        given a kind of vectors has no other kind.
        """
        mine = {name: getattr(self, name) for name in EvOptions.model_fields}
        if any(values.get(name) for name in KINDS):
            mine |= dict.fromkeys(KINDS, False)
        owning = {name: values.get(name, mine[name]) for name in ("ev", "adaptive_emb")}
        if not any(owning.values()):
            mine |= {"ev_filter": None, "ev_elimination": None}
        if not owning["ev"]:
            mine["dynamic_ev"] = False
        if owning["adaptive_emb"] and mine["ev_filter"] == "counter":
            mine["ev_filter"] = None
        return EvOptions.model_validate(mine | dict(values))

    def multihash_of(self, column: Column) -> MultiHash | None:
        """Return how the buckets of a feature share vectors; None when that saves no rows.

        Raises
        ------
        ValueError
            When its vectors cannot be halved.
        """
        made = MultiHash(self.multihash_divisor, self.multihash_operation)
        if sum(made.rows(column.buckets)) >= column.buckets:
            return None
        if made.operation == "concat" and column.dim % 2:
            msg = f"multihash-operation concat halves the vector; embedding_dim {column.dim} is odd"
            raise ValueError(msg)
        return made

    def key_table(self, allocator: RowAllocator) -> KeyTable:
        """Return an empty table of keys."""
        admitted_at = self.filter_freq if self.ev_filter else 1
        if self.adaptive_emb:
            admitted_at = self.adaptive_threshold
        bloom = None
        if self.ev_filter == "cbf":
            bloom = CountingBloomFilter(
                self.cbf_expected_keys, self.cbf_false_positive_rate, admitted_at
            )
        if self.dynamic_ev:
            steps = range(1, self.dynamic_ev_blocks)
            grows_at = [admitted_at * self.dynamic_ev_growth**step for step in steps]
            return DynamicKeyTable(allocator, admitted_at, bloom, grows_at)
        return KeyTable(allocator, admitted_at, bloom)
