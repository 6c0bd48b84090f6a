import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from smt_bench.result import Report
from smt_bench.train_cluster import steady_rate, tf_configs


def test_the_rate_is_that_after_the_first_report(tmp_path: Path) -> None:
    # 100 steps at 50 a second and 50 at 100 a second: 150 steps in 2.5 seconds.
    lines = [(100, 3.0), (200, 50.0), (250, 100.0)]
    path = tmp_path / "metrics.jsonl"
    found = [{"step": step, "steps_per_second": rate} for step, rate in lines]
    path.write_text("".join(json.dumps(line) + "\n" for line in [*found, {"step": 250}]))

    assert steady_rate(path) == pytest.approx(60)


def test_every_process_knows_the_cluster_and_its_place() -> None:
    configs = tf_configs(workers=2, servers=1)

    assert [config["task"] for config in configs] == [
        {"type": "worker", "index": 0},
        {"type": "worker", "index": 1},
        {"type": "ps", "index": 0},
    ]
    (cluster,) = {json.dumps(config["cluster"]) for config in configs}
    addresses = [address for found in json.loads(cluster).values() for address in found]
    assert len(set(addresses)) == 3
    assert tf_configs(workers=1, servers=0) == [{}]


@pytest.mark.slow
def test_clusters_are_compared_with_one_process(smt: Callable[..., Any]) -> None:
    outcome = smt(
        *("bench", "distributed", "--rows", "5000", "--steps", "400", "--batch-size", "128"),
        *("--runs", "1", "--only", "1 process BF16", "--only", "2 + 1 BF16", "--json"),
    )

    one, two = (row.figures for row in Report.model_validate_json(outcome.out).rows)
    assert one["times 1 process"].runs == [1]
    assert two["times 1 process"].median == two["steps/s"].median / one["steps/s"].median
    assert two["click AUC"].median == pytest.approx(one["click AUC"].median, abs=0.1)
    assert two["memory MiB"].median > 2 * one["memory MiB"].median


@pytest.mark.slow
def test_a_cluster_that_fails_says_why(smt: Callable[..., Any]) -> None:
    outcome = smt(
        *("bench", "distributed", "--rows", "2000", "--runs", "1", "--json"),
        *("--initial-accumulator", "-1", "--only", "1 + 1 FP32"),
    )

    (row,) = Report.model_validate_json(outcome.out).rows
    assert row.failed
    assert "initial-accumulator" in row.failed
