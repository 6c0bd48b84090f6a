"""Synthetic users: how many rows each has, and the profile columns, which depend on the user."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from smt_features.synth_world import Ints, World

MAX_USERS = 1_061_768
MAX_USER_ID = 1_141_729
ROWS_PER_USER = 24.5
CHUNK_ROWS = 131_072
INTERESTS = 3

MISSING_PROFILE = 0.043
OTHER_PID = 0.39
# Shares of the sample's users. A group is a gender (1 to 6 female) and an age level; each of
# the segments 1 to 96 belongs to one group.
GROUPS = np.array([24, 138, 242, 172, 109, 10, 7, 36, 86, 98, 70, 6]) / 998
SEGMENT_START = np.array([1, 4, 11, 24, 36, 47, 51, 53, 59, 71, 83, 94, 97])
NO_SEGMENT = 0.56
SHOPPING = {3: 0.889, 2: 0.085, 1: 0.026}
PVALUE = {2: 0.62, 1: 0.30, 3: 0.08}
NEW_CLASS = {2: 0.456, 3: 0.239, 4: 0.20, 1: 0.105}


@dataclass(frozen=True, eq=False)
class UserBlock:
    """Some whole users of a split, in file order: ids and row counts, int64 of shape (users,)."""

    ids: npt.NDArray[np.int64]
    rows: npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Profiles:
    """Columns that depend on the user alone, int32 of shape (users,); -1 is a missing value."""

    segment: Ints
    group: Ints
    gender: Ints
    age: Ints
    pvalue: Ints
    shopping: Ints
    occupation: Ints
    new_class: Ints
    pid: Ints
    interests: Ints
    empty_tags: npt.NDArray[np.float64]


def allot_users(rng: np.random.Generator, split_rows: dict[str, int]) -> dict[str, list[UserBlock]]:
    """Give every split its own users and every user a number of rows.

    Users are sorted by the text of their id, as in the real log. Row counts are skewed
    (log-normal) and add up to the split's rows.
    """
    total = sum(split_rows.values())
    users = min(MAX_USERS, int(total / ROWS_PER_USER) + 2 * len(split_rows))
    pool = rng.permutation(MAX_USER_ID)[:users] + 1
    blocks = {}
    taken = 0
    for name, rows in split_rows.items():
        count = max(1, int(users * rows / total))
        blocks[name] = list(_blocks(rng, pool[taken : taken + count], rows))
        taken += count
    return blocks


def _blocks(rng: np.random.Generator, ids: npt.NDArray[np.int64], rows: int) -> Iterator[UserBlock]:
    ids = pl.Series(ids).cast(pl.String).sort().cast(pl.Int64).to_numpy()
    ends = np.cumsum(rng.lognormal(sigma=1.1, size=len(ids)))
    ends = np.round(ends / ends[-1] * rows).astype(np.int64)
    counts = np.diff(ends, prepend=0)
    cuts = np.flatnonzero(np.diff((ends - 1) // CHUNK_ROWS)) + 1
    for part, part_rows in zip(np.split(ids, cuts), np.split(counts, cuts), strict=True):
        present = part_rows > 0
        yield UserBlock(part[present], part_rows[present])


def draw_profiles(rng: np.random.Generator, world: World, size: int) -> Profiles:
    """Draw the profiles of ``size`` users."""
    group = rng.choice(len(GROUPS), size, p=GROUPS / GROUPS.sum()).astype(np.int32)
    width = np.diff(SEGMENT_START)[group]
    segment = SEGMENT_START[group] + (rng.random(size) ** 1.5 * width).astype(np.int32)
    segment[rng.random(size) < NO_SEGMENT] = 0
    pvalue = _choose(rng, PVALUE, size)
    pvalue[(segment == 0) & (rng.random(size) < 0.89)] = -1
    new_class = _choose(rng, NEW_CLASS, size)
    new_class[rng.random(size) < np.where(pvalue < 0, 0.27, 0.13)] = -1
    columns = {
        "segment": segment.astype(np.int32),
        "group": group + np.int32(1),
        "gender": np.where(group < 6, 2, 1).astype(np.int32),
        "age": group % 6 + np.int32(1),
        "pvalue": pvalue,
        "shopping": _choose(rng, SHOPPING, size),
        "occupation": (rng.random(size) < 0.047).astype(np.int32),
        "new_class": new_class,
    }
    unknown = rng.random(size) < MISSING_PROFILE
    for values in columns.values():
        values[unknown] = -1
    return Profiles(
        **columns,
        pid=(rng.random(size) < OTHER_PID).astype(np.int32),
        interests=world.draw_categories(rng, size * INTERESTS).reshape(size, INTERESTS),
        empty_tags=rng.beta(0.8, 1.1, size),
    )


def _choose(rng: np.random.Generator, shares: dict[int, float], size: int) -> Ints:
    weights = np.array(list(shares.values()))
    return rng.choice(list(shares), size, p=weights / weights.sum()).astype(np.int32)
