"""Polars and DuckDB: two plain queries on the shards, no model.

Run `python examples/sql_query.py DATA [--run RUN]`.

DuckDB reads the Parquet files by their names, with nothing of this project. The first query is
a report; the second scores the test split by the click rates of its ads and user segments.
"""

import duckdb
import polars as pl
from common import arguments, report

BY_PRICE = """
    SELECT price, count(*) AS rows, round(avg(clk), 4) AS clicked
    FROM read_parquet($train) GROUP BY price ORDER BY rows DESC, price LIMIT 5
"""
SCORES = """
    WITH train AS (SELECT * FROM read_parquet($train)),
    test AS (SELECT * FROM read_parquet($test, filename = true, file_row_number = true)),
    prior AS (SELECT avg(clk) AS rate FROM train),
    ads AS (SELECT adgroup_id, sum(clk) AS clicks, count(*) AS rows FROM train GROUP BY ALL),
    segments AS (SELECT cms_segid, sum(clk) AS clicks, count(*) AS rows FROM train GROUP BY ALL)
    SELECT (coalesce(ads.clicks, 0) + 50 * rate) / (coalesce(ads.rows, 0) + 50)
         * (coalesce(segments.clicks, 0) + 50 * rate) / (coalesce(segments.rows, 0) + 50) AS score
    FROM test CROSS JOIN prior LEFT JOIN ads USING (adgroup_id) LEFT JOIN segments USING (cms_segid)
    ORDER BY filename, file_row_number
"""


def main() -> None:
    data, args = arguments(__doc__)
    files = {
        split: [str(data.directory / shard.name) for shard in data[split].shards]
        for split in ("train", "test")
    }
    print("DuckDB, by price bucket:")
    print(duckdb.sql(BY_PRICE, params={"train": files["train"]}).pl())
    groups = data["train"].to_polars().group_by("cms_group_id")
    counted = groups.agg(rows=pl.len(), clicked=pl.col("clk").mean().round(4))
    print("Polars, by user segment:")
    print(counted.sort("rows", "cms_group_id", descending=[True, False]).head(5).collect())
    scores = duckdb.sql(SCORES, params=files).fetchnumpy()["score"]
    report("DuckDB", {"ctr": scores}, data, args.run)


if __name__ == "__main__":
    main()
