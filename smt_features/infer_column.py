"""Guesses the settings of a column from what its cells have in common."""

import re
from dataclasses import dataclass

from smt_features.infer_facts import MAX_VALUES, Facts
from smt_schemas import Column

EMBEDDING_DIM = 16
MAX_BUCKETS = 10_000_000
_ROOMY = 10
"""Buckets for each distinct value."""

_UNIQUE_ROWS = 100
"""In so many rows a value that differs in each is no coincidence."""

_OF_USER = re.compile(r"(^|_)(user|uid|visitor|member|customer_?id|age|gender|sex)", re.IGNORECASE)

Settings = dict[str, "str | int | float | bool | list[str] | list[int]"]


@dataclass(frozen=True)
class Guess:
    """The settings of a column, and why, in lines; no settings where the schema leaves it out."""

    settings: Settings
    comments: list[str]

    @property
    def is_feature(self) -> bool:
        """Whether the model embeds the column."""
        return "hash_buckets" in self.settings


def guess_column(facts: Facts, taken: set[str], stored: Column) -> Guess:
    """Return the settings of a column.

    Parameters
    ----------
    facts
        What its cells have in common.
    taken
        Separators that cannot stand between entries of a list.
    stored
        How the file holds it: with a separator where it is a list, of type float where it holds
        floats. Both are in Parquet files alone, which `smt prepare` refuses with other settings.
    """
    if stored.is_list or stored.type == "float":
        return _stored(facts, stored.separator)
    if facts.texts.is_empty():
        return Guess({"name": facts.name, "role": "ignore"}, ["No cell has a value."])
    is_binary = facts.texts.is_in(["0", "1"]).all()
    if separator := facts.separator(taken):
        return _list(facts, separator)
    if is_binary and not facts.empty and not facts.null_tokens:
        return _label(facts)
    if facts.is_of("float") and not facts.is_of("digits"):
        return _numeric(facts)
    if facts.is_unique and facts.rows >= _UNIQUE_ROWS:
        comment = "Another value in every row: the row's id, or a time? As a feature it teaches "
        return Guess({"name": facts.name, "role": "ignore"}, [comment + "nothing."])
    return _single(facts)


def _stored(facts: Facts, separator: str | None) -> Guess:
    """Return the settings of a column of lists or floats, if `smt prepare` accepts all of it."""
    if facts.texts.is_empty():
        why = "no cell has a value"
    elif separator and facts.entries_are_whole(separator):
        return _list(facts, separator)
    elif separator:
        why = "an entry of a list is missing or empty"
    elif facts.is_of("float"):
        return _numeric(facts)
    else:
        why = "not all numbers are finite as float32"
    return Guess({}, [f"Left out is {facts.name}: {why}."])


def _label(facts: Facts) -> Guess:
    settings: Settings = {"name": facts.name, "role": "label", "type": "int", "required": True}
    settings |= {"allowed": [0, 1], "task": facts.name.lower()}
    return Guess(
        settings,
        [
            "A candidate for a label: only 0 and 1. If it is a feature: role user or item, no",
            "allowed and task, but hash_buckets and embedding_dim.",
        ],
    )


def _list(facts: Facts, separator: str) -> Guess:
    entries = facts.entries(separator)
    comments = [f"A list: {separator!r} stands between entries. {_seen(len(entries), 'entry')}"]
    settings = _feature(facts) | {"separator": separator}
    settings.pop("null_tokens", None)
    if facts.entries_are_int(separator):
        settings["type"] = "int"
    return Guess(settings | _size(len(entries)), [*comments, _ROLE])


def _numeric(facts: Facts) -> Guess:
    settings = _feature(facts) | {"type": "float", "encoding": "numeric"}
    comments = [f"A number, {_range(facts)}."]
    if facts.empty or facts.null_tokens:
        settings["null_value"] = 0.0
        comments.append("null_value stands for a missing one; should it be a typical one instead?")
    return Guess(settings, [*comments, _ROLE])


def _single(facts: Facts) -> Guess:
    settings = _feature(facts)
    comments = [_seen(len(facts.values), "value")]
    if facts.is_of("int"):
        settings["type"] = "int"
        comments = [f"An integer, {_range(facts)}. {comments[0]}"]
    elif facts.is_of("digits"):
        why = "Digits with a sign, a leading zero or more than 18 of them: a code, so text."
        comments = [why, *comments]
    return Guess(settings | _size(len(facts.values)), [*comments, _ROLE])


_ROLE = "No data shows the role: item, unless the name speaks of a user."


def _feature(facts: Facts) -> Settings:
    settings: Settings = {"name": facts.name}
    settings["role"] = "user" if _OF_USER.search(facts.name) else "item"
    if not facts.empty:
        settings["required"] = True
    if facts.null_tokens:
        settings["null_tokens"] = facts.null_tokens
    return settings


def _size(distinct: int) -> Settings:
    buckets = 10
    while buckets < min(_ROOMY * distinct, MAX_BUCKETS):
        buckets *= 10
    return {"hash_buckets": buckets, "embedding_dim": EMBEDDING_DIM}


def _seen(distinct: int, what: str) -> str:
    more = "or more " if distinct >= MAX_VALUES else ""
    plural = {"value": "values", "entry": "entries"}[what] if distinct > 1 else what
    return f"{distinct:,} {more}distinct {plural}."


def _range(facts: Facts) -> str:
    texts = facts.texts.sort().to_list()  # 0 and -0.0 are equal, but one must come first
    low, high = min(texts, key=float), max(texts, key=float)
    return f"{low} to {high}"
