"""The known click and buy probabilities of synthetic rows, and the best AUC they allow."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from smt_features.synth_rows import Rows, draw_rows
from smt_features.synth_users import UserBlock
from smt_features.synth_world import PRICES, Floats, World

CLICK_RATE = 0.054
BUY_RATE_OF_CLICKS = 0.0085
LOGIT_STD = 1.05
"""Spread of the click logit: it sets the best AUC, about 0.75."""

HEAD_CATEGORIES = 30
HEAD_BRANDS = 1

# Effects by value; the last entry is that of a missing value (index -1). Values that MurmurHash3
# puts into one bucket of taobao.toml (pid: both; "3" and empty in the columns of 10 buckets; most
# prices) have about the same effect, because no model of the shards could tell them apart.
GENDER = np.array([0, -0.4, 0.25, 0.0])
AGE = np.array([0, 0.9, 0.4, 0.1, -0.2, -0.6, -0.6, 0.3])
PVALUE = np.array([0, -0.5, 0.3, 0.0, 0.0])
SHOPPING = np.array([0, 0.7, 0.5, -0.05, -0.05])
OCCUPATION = np.array([0, 0.6, 0.0])
NEW_CLASS = np.array([0, 0.6, 0.2, -0.2, -0.5, -0.2])
PID = np.array([-0.04, 0.06])
PRICE = 0.1 * np.cos(np.arange(PRICES) / PRICES * 2 * np.pi)
NULL_BRAND = -0.3
IN_TAGS = 0.4
BUY_IN_TAGS = 0.9


@dataclass(frozen=True, eq=False)
class ClickModel:
    """A logistic model of the click on values that a model of hashed ids can learn.

    It is additive in profile columns, place, price, head categories and brands of the ad and
    the mean effect of the tag categories, plus two interactions: whether the ad's category
    stands in the tag list, and the user's gender with the ad's category.

    Attributes
    ----------
    category, tag, gender_category
        Effects of category ranks, zero outside the head, float64 of shape (categories,).
    brand
        Effects of brands; the last entry is that of "no brand", float64 of shape (brands + 1,).
    scale, bias, buy_bias
        Set by calibration.
    """

    category: Floats
    tag: Floats
    gender_category: Floats
    brand: Floats
    scale: float = 1.0
    bias: float = 0.0
    buy_bias: float = 0.0

    def probabilities(self, world: World, rows: Rows) -> tuple[Floats, Floats]:
        """Return P(click) and P(buy and click) of each row, float64 of shape (rows,)."""
        raw = self._effects(world, rows)
        click = _sigmoid(self.scale * raw + self.bias)
        return click, click * _sigmoid(_buy_effects(rows) + self.buy_bias)

    def _effects(self, world: World, rows: Rows) -> Floats:
        gender_sign = np.where(rows.profiles.gender[rows.user] == 1, -1.0, 1.0)
        total: Floats = (
            _profile_effects(rows)[rows.user]
            + PID[rows.pid]
            + PRICE[world.ad_price[rows.ad]]
            + self.category[rows.category]
            + self.brand[world.ad_brand[rows.ad]]
            + self.gender_category[rows.category] * gender_sign
            + self._tag_effects(rows)[rows.tags]
            + IN_TAGS * rows.in_tags
        )
        return total

    def _tag_effects(self, rows: Rows) -> Floats:
        """Mean effect over the entries of each list; the last entry is that of no list."""
        lists = rows.lists
        if not len(lists.length):
            return np.zeros(1)
        first = lists.start[:-1]
        sums = np.add.reduceat(self.tag[lists.category] * lists.length, first)
        return np.append(sums / np.add.reduceat(lists.length, first), 0.0)


def calibrated(world: World, rng: np.random.Generator) -> ClickModel:
    """Draw the effects and set spread and rates on a sample of rows of the same world."""
    model = ClickModel(
        category=_head(rng, world, 0.7),
        tag=_head(rng, world, 1.0),
        gender_category=_head(rng, world, 0.15),
        brand=_brand_effects(rng, world),
    )
    users = 10_000
    rows = draw_rows(rng, world, UserBlock(np.arange(users), np.full(users, 3)))
    raw = model._effects(world, rows)
    scale = float(LOGIT_STD / raw.std())
    bias = _bias(scale * raw, np.ones(len(raw)), CLICK_RATE)
    click = _sigmoid(scale * raw + bias)
    buy_bias = _bias(_buy_effects(rows), click / click.mean(), BUY_RATE_OF_CLICKS)
    return ClickModel(
        model.category, model.tag, model.gender_category, model.brand, scale, bias, buy_bias
    )


class AucCounter:
    """The AUC of known probabilities, in bounded memory: they are counted in 2^20 bins."""

    BINS = 1 << 20

    def __init__(self) -> None:
        self._counts = np.zeros((2, self.BINS), dtype=np.int64)

    def add(self, probability: Floats, label: npt.NDArray[np.bool_]) -> None:
        """Count rows: float64 and bool of shape (rows,)."""
        position = (probability * self.BINS).astype(np.int64)
        for value in (0, 1):
            self._counts[value] += np.bincount(position[label == value], minlength=self.BINS)

    def auc(self) -> float | None:
        """Return the AUC, a tie counting half; None when only one class was seen."""
        negatives, positives = self._counts
        pairs = int(negatives.sum()) * int(positives.sum())
        if pairs == 0:
            return None
        below = np.cumsum(negatives) - negatives
        return float(((below + 0.5 * negatives) * positives).sum() / pairs)


def _profile_effects(rows: Rows) -> Floats:
    profiles = rows.profiles
    total: Floats = (
        GENDER[profiles.gender]
        + AGE[profiles.age]
        + PVALUE[profiles.pvalue]
        + SHOPPING[profiles.shopping]
        + OCCUPATION[profiles.occupation]
        + NEW_CLASS[profiles.new_class]
    )
    return total


def _buy_effects(rows: Rows) -> Floats:
    shopping: Floats = 2 * SHOPPING[rows.profiles.shopping]
    return shopping[rows.user] + BUY_IN_TAGS * rows.in_tags


def _head(rng: np.random.Generator, world: World, spread: float) -> Floats:
    effects = np.zeros(len(world.category_ids))
    head = min(HEAD_CATEGORIES, len(effects))
    effects[:head] = rng.normal(0, spread, head)
    return effects


def _brand_effects(rng: np.random.Generator, world: World) -> Floats:
    """Effects of the first brands of the head categories, and of "no brand"."""
    effects = np.zeros(len(world.brand_ids) + 1)
    for category in range(min(HEAD_CATEGORIES, len(world.category_ids))):
        low, high = world.brand_start[category : category + 2]
        head = min(HEAD_BRANDS, high - low)
        effects[low : low + head] = rng.normal(0, 0.4, head)
    effects[-1] = NULL_BRAND
    return effects


def _sigmoid(logit: Floats) -> Floats:
    result: Floats = 1 / (1 + np.exp(-logit))
    return result


def _bias(logit: Floats, weight: Floats, rate: float) -> float:
    """Find the bias with which the weighted mean probability is ``rate``, by bisection."""
    low, high = -20.0, 20.0
    for _ in range(50):
        middle = (low + high) / 2
        if np.mean(weight * _sigmoid(logit + middle)) > rate:
            high = middle
        else:
            low = middle
    return low
