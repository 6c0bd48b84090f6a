"""The two forms of counts outside a builder."""

import numpy as np
import polars as pl
import pyarrow as pa
from polars.testing import assert_frame_equal

from smt_features.statistics.kind_counts import KindCounts


def test_the_table_for_parquet_says_what_the_frame_says() -> None:
    counts = KindCounts("train", "brand", "value", pl.Series(["7", "é|\n"]), np.array([2, 5]))

    frame, table = counts.to_frame(), counts.to_arrow()

    assert frame.rows() == [
        ("train", "brand", "value", "7", 2),
        ("train", "brand", "value", "é|\n", 5),
    ]
    plain = pa.table([column.to_pylist() for column in table.columns], names=table.column_names)
    assert_frame_equal(pl.DataFrame(plain), frame)
