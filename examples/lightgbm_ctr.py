"""LightGBM: gradient boosting on clicks, with features that Polars derives from the shards.

    python examples/lightgbm_ctr.py DATA [--run RUN]

Trees cannot use 100,000 buckets as they stand, so an id of many buckets becomes its click rate
in the train split, smoothed, without the row itself (otherwise the label leaks into it).
"""

import lightgbm
import numpy as np
import polars as pl
from common import arguments, report

from smt_schemas import DatasetSchema

FEW = 100
PRIOR_ROWS = 50


def features(frame: pl.LazyFrame, train: pl.LazyFrame, schema: DatasetSchema) -> pl.DataFrame:
    """Return a column for each feature; ``frame`` is the train split itself or another."""
    columns: list[pl.Expr] = []
    prior = pl.lit(train.select(pl.col("clk").mean()).collect().item())
    own = frame is train
    for feature in schema.features:
        ids = pl.col(feature.name)
        if feature.is_list:
            entries = pl.col(f"{feature.name}_count").list.sum()
            columns += [ids.list.len().alias(feature.name), entries.alias(f"{feature.name}_sum")]
        elif feature.buckets <= FEW:
            columns.append(ids)
        else:
            rates = train.group_by(feature.name).agg(
                clicks=pl.col("clk").cast(pl.Int32).sum(), rows=pl.len().cast(pl.Int32)
            )
            frame = frame.join(rates, on=feature.name, how="left", maintain_order="left")
            rows = pl.col("rows").fill_null(0) - int(own)
            clicks = pl.col("clicks").fill_null(0) - pl.col("clk") * int(own)
            rate = (clicks + PRIOR_ROWS * prior) / (rows + PRIOR_ROWS)
            frame = frame.with_columns(rate.alias(f"{feature.name}_rate")).drop("clicks", "rows")
            columns.append(pl.col(f"{feature.name}_rate"))
    return frame.select(columns).collect()


def main() -> None:
    data, args = arguments(__doc__)
    train, test = data["train"].to_polars(), data["test"].to_polars()
    table = features(train, train, data.schema)
    few = [f.name for f in data.schema.features if not f.is_list and f.buckets <= FEW]
    rows = lightgbm.Dataset(
        table.to_numpy(),
        label=train.select("clk").collect()["clk"].to_numpy(),
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
