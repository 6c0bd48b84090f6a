"""Encodes the cells of a log in a graph, as `smt_features.encoding` does outside of one."""

from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

import tensorflow as tf

from smt_features.vocabulary import OUT_OF_VOCABULARY, Vocabularies
from smt_model.hashing_graph import murmur3_32
from smt_model.key_graph import key_of
from smt_schemas import CROSS_SEPARATOR, Column, Count, Cross, DatasetSchema, derived_sources


class Bag(NamedTuple):
    """The lists of a feature, row after row.

    Attributes
    ----------
    entries
        string [E], or int32 or int64 [E] once they are encoded.
    weights
        float32 [E], how often each entry counts in the mean of its row.
    owners
        int [E], the row that each belongs to.
    rows
        int32 [], N.
    """

    entries: tf.Tensor
    weights: tf.Tensor
    owners: tf.Tensor
    rows: tf.Tensor


Texts = Mapping[str, tf.Tensor]


class GraphEncoder(tf.Module):
    """Turns texts into what a model looks up. They are not validated.

    Parameters
    ----------
    schema
        What becomes of each column.
    seed
        Seed of the hash.
    vocabularies
        Those of the schema's vocab columns.
    keyed
        Hashed features that are looked up by key instead of bucket.

    Attributes
    ----------
    columns
        Names of the columns that it takes, in file order.
    """

    def __init__(
        self,
        schema: DatasetSchema,
        seed: int,
        vocabularies: Vocabularies,
        keyed: Collection[str] = (),
    ) -> None:
        super().__init__(name="encoder")
        self._schema = schema
        self._seed = seed
        self._keyed = frozenset(keyed)
        self._columns = {column.name: column for column in schema.columns}
        sources = {name for feature in schema.derived for name in derived_sources(feature)}
        self.columns = [
            name
            for name, column in self._columns.items()
            if column.is_feature or column.is_numeric or name in sources
        ]
        self._ranks = {name: _rank_table(vocabularies, name) for name in vocabularies}

    def __call__(self, texts: Texts) -> dict[str, "tf.Tensor | Bag"]:
        """Encode rows.

        Parameters
        ----------
        texts
            string [N] for each of `columns`.

        Returns
        -------
        dict
            The ids of each feature, int32 [N], or its keys, int64 [N]; of a list, a `Bag`.
            Numeric features, float32 [N].
        """
        columns = [column for column in self._schema.columns if column.is_feature]
        lists = {c.name: _split(texts[c.name], c) for c in columns if c.is_list}
        entries = {c.name: lists[c.name].entries if c.is_list else texts[c.name] for c in columns}
        ids = {}
        for feature in self._schema.derived:
            if isinstance(feature, Cross):
                cells = [texts[name] for name in feature.columns]
                entries[feature.name] = tf.strings.join(cells, CROSS_SEPARATOR)
            else:
                bag = lists[feature.list_column]
                value = self._columns[feature.value_column] if isinstance(feature, Count) else None
                found = _length(bag) if value is None else _occurrences(texts, value, bag)
                ids[feature.name] = tf.minimum(found, feature.hash_buckets - 1)
        ids |= self._ids(entries)
        bags = {name: bag._replace(entries=ids[name]) for name, bag in lists.items()}
        numbers = {c.name: _number(texts[c.name], c) for c in self._schema.numerics}
        return {**ids, **bags, **numbers}

    def _ids(self, entries: Texts) -> dict[str, tf.Tensor]:
        """Return the id or key of each text, int32 or int64 [E], by feature."""
        ids = {}
        hashed: dict[str, tf.Tensor] = {}
        keyed: dict[str, tf.Tensor] = {}
        buckets = {}
        for column in self._schema.features:
            name = column.name
            if name not in entries:
                continue
            if name in self._keyed:
                keyed[name] = entries[name]
            elif column.encoding == "hash":
                hashed[name], buckets[name] = entries[name], column.buckets
            elif column.encoding == "vocab":
                ids[name] = self._ranks[name].lookup(entries[name])
            else:
                ids[name] = _integer(entries[name], column)
        found = _of_all(hashed, lambda texts: tf.cast(murmur3_32(texts, self._seed), tf.int64))
        ids |= {name: tf.cast(part % buckets[name], tf.int32) for name, part in found.items()}
        return ids | _of_all(keyed, lambda texts: key_of(texts, self._seed))


def _of_all(texts: Texts, encode: Callable[[tf.Tensor], tf.Tensor]) -> dict[str, tf.Tensor]:
    """Encode the texts of several features at once: one loop in the graph instead of many."""
    if not texts:
        return {}
    encoded = encode(tf.concat(list(texts.values()), 0))
    parts = tf.split(encoded, [tf.size(text) for text in texts.values()])
    return dict(zip(texts, parts, strict=True))


def _rank_table(vocabularies: Vocabularies, name: str) -> tf.lookup.StaticHashTable:
    texts = tf.constant(vocabularies[name].frame["value"].to_list(), tf.string)
    ranks = tf.range(1, tf.size(texts) + 1)
    values = tf.lookup.KeyValueTensorInitializer(texts, ranks)
    return tf.lookup.StaticHashTable(values, OUT_OF_VOCABULARY)


def _split(texts: tf.Tensor, column: Column) -> Bag:
    """Return the entries of the lists, as text."""
    # An empty text splits into one empty entry, but is a list without entries.
    filled = tf.where(tf.strings.length(texts) > 0)[:, 0]
    split = tf.strings.split(tf.gather(texts, filled), column.separator)
    rows = tf.gather(filled, split.value_rowids())
    return Bag(split.values, tf.ones(tf.shape(split.values)), rows, tf.size(texts))


def _length(bag: Bag) -> tf.Tensor:
    ones = tf.ones(tf.shape(bag.owners), tf.int32)
    return tf.math.unsorted_segment_sum(ones, bag.owners, bag.rows)


def _occurrences(texts: Texts, column: Column, bag: Bag) -> tf.Tensor:
    """Return how many entries equal the row's cell, int32 [N]; 0 where it is missing."""
    cells = texts[column.name]
    equal = tf.cast(bag.entries == tf.gather(cells, bag.owners), tf.int32)
    found = tf.math.unsorted_segment_sum(equal, bag.owners, bag.rows)
    return tf.where(_is_missing(cells, column), 0, found)


def _is_missing(texts: tf.Tensor, column: Column) -> tf.Tensor:
    return tf.reduce_any([texts == token for token in ["", *column.null_tokens]], axis=0)


def _integer(texts: tf.Tensor, column: Column) -> tf.Tensor:
    values = tf.strings.to_number(texts, tf.int64)
    inside = tf.reduce_all((values >= 0) & (values < column.buckets))
    message = f"{column.name} must be an integer from 0 to {column.buckets - 1}"
    with tf.control_dependencies([tf.debugging.Assert(inside, [message])]):
        return tf.cast(values, tf.int32)


def _number(texts: tf.Tensor, column: Column) -> tf.Tensor:
    missing = _is_missing(texts, column)
    values = tf.strings.to_number(tf.where(missing, "0", texts), tf.float64)
    # A column without a null value has no missing cells in a valid log.
    null = tf.constant(column.null_value or 0.0, tf.float64)
    return tf.cast(tf.where(missing, null, values), tf.float32)
