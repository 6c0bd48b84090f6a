"""The files of a dataset that hold its statistics; to know their names imports no models."""

from pathlib import Path

STATISTICS_NAME = "statistics.json"
COUNTS_NAME = "value_counts.parquet"


def remove(directory: Path) -> None:
    """Remove the statistics of a dataset that is to be replaced."""
    for name in (STATISTICS_NAME, COUNTS_NAME):
        (directory / name).unlink(missing_ok=True)
