"""Synthetic rows of some users: tag lists and impressions."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from smt_features.synth_users import INTERESTS, Profiles, UserBlock, draw_profiles
from smt_features.synth_world import Ints, World

MAX_TAGS = 50
NEW_LIST = 0.5
"""How often a user's tag lists are drawn anew between two rows."""

AD_FROM_TAGS = 0.24
UNIT_LENGTHS = np.array([1, 2, 3, 5, 9])
UNIT_SHARES = np.array([0.04, 0.20, 0.62, 0.08, 0.06])


@dataclass(frozen=True, eq=False)
class TagLists:
    """Non-empty tag lists as units: short stretches of one category and one brand.

    Attributes
    ----------
    start
        First unit of each list, int64 of shape (lists + 1,).
    category, brand, length
        Category rank, brand and number of entries of each unit, int32 of shape (units,).
    """

    start: npt.NDArray[np.int64]
    category: Ints
    brand: Ints
    length: Ints


@dataclass(frozen=True, eq=False)
class Rows:
    """Impressions, without their labels.

    Attributes
    ----------
    user_ids
        int64 of shape (rows,).
    profiles, user
        Profiles of the users, and the profile of each row.
    lists, tags
        Tag lists, and the list of each row, -1 for none.
    category, ad, pid
        Category rank, ad and place of each row, int32 of shape (rows,).
    in_tags
        Whether the ad's category stands in the tag list, bool of shape (rows,).
    """

    user_ids: npt.NDArray[np.int64]
    profiles: Profiles
    user: npt.NDArray[np.int64]
    lists: TagLists
    tags: npt.NDArray[np.int64]
    category: Ints
    ad: Ints
    pid: Ints
    in_tags: npt.NDArray[np.bool_]


def draw_rows(rng: np.random.Generator, world: World, block: UserBlock) -> Rows:
    """Draw the rows of a block of users."""
    profiles = draw_profiles(rng, world, len(block.ids))
    user = np.repeat(np.arange(len(block.ids)), block.rows)
    rows = len(user)

    changes = (rng.random(rows) < NEW_LIST) | (np.diff(user, prepend=-1) > 0)
    owner = user[changes]
    filled = rng.random(len(owner)) >= profiles.empty_tags[owner]
    lists = _draw_lists(rng, world, profiles.interests[owner[filled]])
    number = np.where(filled, np.cumsum(filled) - 1, -1)
    tags = number[np.cumsum(changes) - 1]

    category = world.draw_categories(rng, rows)
    follows = (tags >= 0) & (rng.random(rows) < AD_FROM_TAGS)
    low, high = lists.start[tags[follows]], lists.start[tags[follows] + 1]
    chosen = low + (rng.random(len(low)) * (high - low)).astype(np.int64)
    category[follows] = lists.category[chosen]
    pid = profiles.pid[user] ^ (rng.random(rows) < 0.01)
    return Rows(
        user_ids=block.ids[user],
        profiles=profiles,
        user=user,
        lists=lists,
        tags=tags,
        category=category,
        ad=world.draw_ads(rng, category),
        pid=pid.astype(np.int32),
        in_tags=_in_tags(lists, tags, category),
    )


def _draw_lists(rng: np.random.Generator, world: World, interests: Ints) -> TagLists:
    count = len(interests)
    entries = np.clip(rng.lognormal(np.log(30.5), 1.15, count), 1, MAX_TAGS).astype(np.int64)
    unit = rng.choice(UNIT_LENGTHS, count, p=UNIT_SHARES)
    units = -(-entries // unit)
    start = np.concatenate([[0], np.cumsum(units)])
    owner = np.repeat(np.arange(count), units)
    length = unit[owner]
    length[start[1:] - 1] = entries - (units - 1) * unit  # the last unit is cut at the end

    # A brand goes on for some units and a category for some brands.
    begins = rng.random(len(owner)) < rng.beta(1.0, 2.0, count)[owner]
    begins[start[:-1]] = True
    turns = begins & (rng.random(len(owner)) < 0.9)
    turns[start[:-1]] = True
    category = _run_categories(rng, world, interests, owner[turns])[np.cumsum(turns) - 1]
    brand = world.draw_brands(rng, category[begins])[np.cumsum(begins) - 1]
    return TagLists(start, category, brand, length.astype(np.int32))


def _run_categories(
    rng: np.random.Generator, world: World, interests: Ints, owner: npt.NDArray[np.int64]
) -> Ints:
    """Draw the category of each run: an interest of the user, or any."""
    runs = len(owner)
    of_user = interests[owner, rng.integers(0, INTERESTS, runs)]
    return np.where(rng.random(runs) < 0.5, of_user, world.draw_categories(rng, runs))


def _in_tags(lists: TagLists, tags: npt.NDArray[np.int64], category: Ints) -> npt.NDArray[np.bool_]:
    rows = np.flatnonzero(tags >= 0)
    low = lists.start[tags[rows]]
    counts = lists.start[tags[rows] + 1] - low
    ends = np.cumsum(counts)
    units = np.arange(int(counts.sum())) + np.repeat(low - (ends - counts), counts)
    found = lists.category[units] == np.repeat(category[rows], counts)
    result = np.zeros(len(tags), dtype=np.bool_)
    if len(rows):
        result[rows] = np.add.reduceat(found, ends - counts) > 0
    return result
