"""What the examples share: arguments, the AUC, and the line that shows it next to `smt train`'s."""

import argparse
import json
import subprocess
import sys

import numpy as np
import polars as pl
from numpy.typing import ArrayLike

from smt_features import Dataset, open_shards

LABELS = {"ctr": "clk", "cvr": "buy"}
"""Task to label column."""


def arguments(description: str | None) -> tuple[Dataset, argparse.Namespace]:
    """Parse the command line; return the dataset and the other arguments."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("data", help="shards folder, or the data folder that holds it")
    parser.add_argument("--run", help="a run of `smt train` on the same data, to compare with")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--batch-size", type=int, default=1024)
    parser.add_argument("--seed", type=int, default=1)
    found = parser.parse_args()
    return open_shards(found.data), found


def auc(labels: ArrayLike, scores: ArrayLike) -> float | None:
    """Return the exact area under the ROC curve (Mann-Whitney U); None with one class only."""
    positive = np.asarray(labels) > 0
    positives, negatives = int(positive.sum()), int((~positive).sum())
    if not positives or not negatives:
        return None
    ranks = pl.Series(np.asarray(scores)).rank("average").to_numpy()
    above = ranks[positive].sum() - positives * (positives + 1) / 2
    return float(above / (positives * negatives))


def report(name: str, scores: dict[str, ArrayLike], data: Dataset, run: str | None) -> None:
    """Print the AUC of each task on the test split, which was scored in file order."""
    frame = data["test"].to_polars().select(LABELS.values()).collect()
    theirs = _metrics_of(run, data) if run else {}
    for task, values in scores.items():
        mine = auc(frame[LABELS[task]], values)
        ours = f"  smt {_number(theirs[task]['auc'])}" if run else ""
        print(f"{task} AUC: {name} {_number(mine)}{ours}")


def _metrics_of(run: str, data: Dataset) -> dict[str, dict[str, float | None]]:
    command = [sys.executable, "-m", "smt_cli", "evaluate", run, "--json"]
    command += ["--data-location", str(data.directory)]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    tasks: dict[str, dict[str, float | None]] = json.loads(output)["tasks"]
    return tasks


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.4f}"
