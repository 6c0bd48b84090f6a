"""LightGBM: gradient boosting on clicks, with features that Polars derives from the shards.

Run `python examples/lightgbm_ctr.py DATA [--run RUN]`.

Trees cannot use 100,000 buckets as they stand, so an id of many buckets becomes its smoothed click
rate in the train split; for a row of the train split itself that of the other folds, because the
label would leak into it otherwise. The user is left out: users of the test split may be new.
"""

import lightgbm
import numpy as np
import polars as pl
from common import arguments, report

from smt_schemas import DatasetSchema

FEW = 100
PRIOR_ROWS = 50
FOLDS = 5


def features(frame: pl.DataFrame, train: pl.DataFrame, schema: DatasetSchema) -> pl.DataFrame:
    """Return a column for each feature; ``frame`` is the train split itself or another."""
    columns: list[pl.Series] = []
    for feature in schema.features:
        ids = frame[feature.name]
        if feature.is_list:
            columns.append(ids.list.len())
        elif feature.buckets <= FEW:
            columns.append(ids)
        elif feature.name != schema.user_column:
            columns.append(click_rates(frame, train, feature.name))
    return pl.DataFrame(columns)


def click_rates(frame: pl.DataFrame, train: pl.DataFrame, name: str) -> pl.Series:
    """Return for each row the smoothed click rate of its id."""
    clicks, rows = pl.col("clk").cast(pl.Float64).sum(), pl.len().cast(pl.Float64)
    if frame is train:
        fold = pl.int_range(pl.len()) % FOLDS
        found = frame.select(
            clicks=clicks.over(name) - clicks.over(name, fold),
            rows=rows.over(name) - rows.over(name, fold),
        )
    else:
        counts = train.group_by(name).agg(clicks=clicks, rows=rows)
        found = frame.select(name).join(counts, on=name, how="left", maintain_order="left")
    prior = train["clk"].mean()
    rate = (pl.col("clicks").fill_null(0) + PRIOR_ROWS * prior) / (
        pl.col("rows").fill_null(0) + PRIOR_ROWS
    )
    return found.select(rate.alias(name)).to_series()


def main() -> None:
    data, args = arguments(__doc__)
    train, test = (data[split].to_polars().collect() for split in ("train", "test"))
    table = features(train, train, data.schema)
    few = [f.name for f in data.schema.features if not f.is_list and f.buckets <= FEW]
    rows = lightgbm.Dataset(
        table.to_numpy(),
        label=train["clk"].to_numpy(),
        feature_name=table.columns,
        categorical_feature=few,
    )
    options = {"objective": "binary", "learning_rate": 0.1, "num_leaves": 31, "seed": args.seed}
    options |= {"verbosity": -1, "deterministic": True, "force_row_wise": True}
    model = lightgbm.train(options, rows, num_boost_round=100)
    scores = model.predict(features(test, train, data.schema).to_numpy())
    report("LightGBM", {"ctr": np.asarray(scores)}, data, args.run)


if __name__ == "__main__":
    main()
