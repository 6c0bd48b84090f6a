"""The synthetic world: categories, brands and ads, with the skew of the Taobao log.

Sizes grow with the square root of the rows and stop at the sizes of the full log (26 million
rows). Ranks stand for values inside the generator: category 0 is the most frequent one, and
the brands and the ads of a category are contiguous, most frequent first.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]

MAX_ADS = 846_811
MAX_CATEGORIES = 6_769
MAX_CAMPAIGNS = 423_436
MAX_CUSTOMERS = 255_875
MAX_BRANDS = 461_497
MAX_CATEGORY_ID = 12_977
MAX_BRAND_ID = 461_529
TOP_CATEGORY_ID = 6261
"""The category of one impression in nine of the real log."""

NULL_BRAND_SHARE = 0.32
PRICES = 50


@dataclass(frozen=True, eq=False)
class World:
    """What can be shown and browsed.

    Attributes
    ----------
    category_ids
        Id of each category rank, int32 of shape (categories,).
    category_cdf
        Cumulative shares of the category ranks, float64 of shape (categories,).
    ad_start, brand_start
        First ad and first brand of each category rank, int32 of shape (categories + 1,).
    brand_ids
        Id of each brand, int32 of shape (brands,).
    ad_ids, ad_campaign, ad_customer, ad_price
        What the log writes for each ad, int32 of shape (ads,).
    ad_brand
        Index into ``brand_ids`` of each ad, -1 for no brand, int32 of shape (ads,).
    """

    category_ids: Ints
    category_cdf: Floats
    ad_start: Ints
    brand_start: Ints
    brand_ids: Ints
    ad_ids: Ints
    ad_campaign: Ints
    ad_customer: Ints
    ad_price: Ints
    ad_brand: Ints

    def draw_categories(self, rng: np.random.Generator, size: int) -> Ints:
        """Draw category ranks by their share, int32 of shape (size,)."""
        ranks = np.searchsorted(self.category_cdf, rng.random(size), side="right")
        return ranks.astype(np.int32)

    def draw_ads(self, rng: np.random.Generator, categories: Ints) -> Ints:
        """Draw an ad of each of the given category ranks."""
        return _draw_within(rng, self.ad_start, categories)

    def draw_brands(self, rng: np.random.Generator, categories: Ints) -> Ints:
        """Draw a brand of each of the given category ranks."""
        return _draw_within(rng, self.brand_start, categories)


def build_world(rows: int, rng: np.random.Generator) -> World:
    """Build the world for a log of ``rows`` rows; a pure function of its arguments."""
    ads = min(MAX_ADS, 2000 + int(200 * rows**0.5))
    categories = min(MAX_CATEGORIES, ads // 3)
    rank = np.arange(categories, dtype=np.float64)
    # Fitted to the real rows: 11.5% for the first category, about 1,000 seen in 8,050 rows.
    share: Floats = (rank + 1.0) ** -0.9 * np.exp(-rank / 800)
    share /= share.sum()
    ad_start = _starts(share, ads)
    brand_start = _starts(share, min(MAX_BRANDS, ads))
    ad_category = np.repeat(np.arange(categories, dtype=np.int32), np.diff(ad_start))
    ads = len(ad_category)

    # Neighbouring ads form campaigns, neighbouring campaigns customers, so both stay functional.
    campaign = _groups(rng, ads, MAX_CAMPAIGNS / MAX_ADS)
    customer = _groups(rng, int(campaign[-1]) + 1, MAX_CUSTOMERS / MAX_CAMPAIGNS)[campaign]
    first_ad = np.unique(campaign, return_index=True)[1]
    brand = _draw_within(rng, brand_start, ad_category[first_ad])
    brand[rng.random(len(brand)) < NULL_BRAND_SHARE] = -1

    return World(
        category_ids=_category_ids(rng, categories),
        category_cdf=np.cumsum(share),
        ad_start=ad_start,
        brand_start=brand_start,
        brand_ids=_ids(rng, int(brand_start[-1]), MAX_BRAND_ID),
        ad_ids=_ids(rng, ads, MAX_ADS),
        ad_campaign=_ids(rng, int(campaign[-1]) + 1, MAX_CAMPAIGNS)[campaign],
        ad_customer=_ids(rng, int(customer[-1]) + 1, MAX_CUSTOMERS)[customer],
        ad_price=rng.integers(0, PRICES, ads, dtype=np.int32),
        ad_brand=brand[campaign],
    )


def _starts(share: Floats, total: int) -> Ints:
    counts = 1 + ((total - len(share)) * share).astype(np.int64)
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)


def _groups(rng: np.random.Generator, size: int, share: float) -> Ints:
    """Assign contiguous members to groups of random sizes; ``share`` is groups per member."""
    begins = rng.random(size) < share
    begins[0] = True
    return (np.cumsum(begins) - 1).astype(np.int32)


def _draw_within(rng: np.random.Generator, start: Ints, categories: Ints) -> Ints:
    # The cube makes the first members of a category the frequent ones.
    position = rng.random(len(categories)) ** 3
    low, high = start[categories], start[categories + 1]
    return low + (position * (high - low)).astype(np.int32)


def _ids(rng: np.random.Generator, size: int, largest: int) -> Ints:
    """Return distinct ids from 1 upwards in random order."""
    return rng.permutation(max(size, largest)).astype(np.int32)[:size] + np.int32(1)


def _category_ids(rng: np.random.Generator, size: int) -> Ints:
    ids = _ids(rng, MAX_CATEGORY_ID, MAX_CATEGORY_ID)
    others = ids[ids != TOP_CATEGORY_ID][: size - 1]
    return np.concatenate([[TOP_CATEGORY_ID], others]).astype(np.int32)
