"""The encoding of `smt prepare` with pandas and mmh3, as one would write it in a notebook.

    python -m smt_bench.prepare_pandas CSV ROWS OUTPUT

Prints the seconds of the work, imports left out. No validation, no shuffle, no digests.
"""

import sys
import time
from collections import Counter

import mmh3
import pandas as pd

from smt_schemas import taobao


def bucket(text: str, buckets: int) -> int:
    return mmh3.hash(text, 0, signed=False) % buckets


def encode(frame: pd.DataFrame) -> pd.DataFrame:
    columns: dict[str, object] = {}
    for column in taobao().columns:
        cells, name = frame[column.name], column.name
        if column.role == "label":
            columns[name] = cells.astype("int8")
        elif column.separator is None:
            columns[name] = [bucket(cell, column.buckets) for cell in cells]
        else:
            merged = [
                Counter(bucket(entry, column.buckets) for entry in cell.split(column.separator))
                if cell
                else Counter[int]()
                for cell in cells
            ]
            columns[name] = [list(counts) for counts in merged]
            columns[f"{name}_count"] = [list(counts.values()) for counts in merged]
    return pd.DataFrame(columns)


def main() -> None:
    source, rows, output = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    start = time.perf_counter()
    names = [column.name for column in taobao().columns]
    frame = pd.read_csv(source, names=names, dtype=str, keep_default_na=False, nrows=rows)
    encode(frame).to_parquet(output, compression="zstd")
    print(time.perf_counter() - start)


if __name__ == "__main__":
    main()
