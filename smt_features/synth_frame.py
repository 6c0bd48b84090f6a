"""Synthetic rows as the 20 columns of the log."""

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from smt_features.arrow_arrays import arrow_array
from smt_features.synth_rows import Rows
from smt_features.synth_world import Ints, World

PIDS = pl.Series(["430548_1007", "430539_1007"])
Indices = npt.NDArray[np.int64] | Ints


def to_frame(
    world: World, rows: Rows, click: npt.NDArray[np.bool_], buy: npt.NDArray[np.bool_]
) -> pl.DataFrame:
    """Return the rows in file order of columns; a null is an empty cell."""
    profiles, user, ad = rows.profiles, rows.user, rows.ad
    tag_category, tag_brand = _tag_texts(world, rows)
    return pl.DataFrame(
        {
            "clk": click.astype(np.int8),
            "buy": buy.astype(np.int8),
            "pid": PIDS.gather(rows.pid),
            "adgroup_id": world.ad_ids[ad],
            "cate_id": world.category_ids[rows.category],
            "campaign_id": world.ad_campaign[ad],
            "customer": world.ad_customer[ad],
            "brand": _brand_texts(world, world.ad_brand[ad]),
            "user_id": rows.user_ids,
            "cms_segid": _nullable(profiles.segment[user]),
            "cms_group_id": _nullable(profiles.group[user]),
            "final_gender_code": _nullable(profiles.gender[user]),
            "age_level": _nullable(profiles.age[user]),
            "pvalue_level": _nullable(profiles.pvalue[user]),
            "shopping_level": _nullable(profiles.shopping[user]),
            "occupation": _nullable(profiles.occupation[user]),
            "new_user_class_level": _nullable(profiles.new_class[user]),
            "tag_category_list": tag_category,
            "tag_brand_list": tag_brand,
            "price": world.ad_price[ad],
        }
    )


def _nullable(values: Ints) -> pl.Series:
    return pl.Series(values).set(pl.Series(values < 0), None)


def _brand_texts(world: World, brand: Ints) -> pl.Series:
    ids = pl.Series(world.brand_ids[brand]).cast(pl.String)
    return ids.set(pl.Series(brand < 0), "NULL")


def _tag_texts(world: World, rows: Rows) -> tuple[pl.Series, pl.Series]:
    lists = rows.lists
    # The entries before each list: those before its first unit.
    offsets = np.concatenate([[0], np.cumsum(lists.length)])[lists.start]
    unit = np.repeat(np.arange(len(lists.length)), lists.length)
    return (
        _joined(world.category_ids[lists.category], unit, offsets, rows.tags),
        _joined(world.brand_ids[lists.brand], unit, offsets, rows.tags),
    )


def _joined(ids: Ints, unit: Indices, offsets: Indices, tags: Indices) -> pl.Series:
    """Join the entries of each list, and give each row the text of its list."""
    entries = pl.Series(ids).cast(pl.String).gather(unit)
    lists = pa.LargeListArray.from_arrays(arrow_array(offsets), entries.to_arrow())
    texts = pl.Series(pl.from_arrow(lists)).list.join("|")
    # A null index gathers a null.
    return texts.gather(pl.Series(tags).set(pl.Series(tags < 0), None))
