"""A process that evaluates what the others save."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from smt_model.config import TrainConfig
from smt_model.distributed.cluster import Cluster
from smt_model.distributed.evaluator import METRICS, evaluate_as_saved
from smt_model.evaluation import evaluate_run
from smt_model.run_directory import RunDirectory
from smt_model.training import train


def test_an_evaluator_evaluates_in_the_chief_s_place(
    dataset: Path, tmp_path: Path, job: Callable[..., Any]
) -> None:
    run = tmp_path / "run"
    group = job(chief=1, evaluator=1)
    group.start(
        options=[
            *("--data-location", dataset, "--checkpoint", run, "--batch-size", 32),
            *("--steps", 400, "--save-steps", 100),
        ]
    )
    assert group.wait() == {"chief0": 0, "evaluator0": 0}, group.said
    lines = [json.loads(line) for line in (run / METRICS).read_text().splitlines()]
    assert lines[-1]["step"] == 400
    assert lines[-1] == evaluate_run(run, None, "test").model_dump()
    assert "split" not in (run / "metrics.jsonl").read_text()
    assert "AUC" in group["evaluator0"].out
    assert "AUC" not in group["chief0"].out


def test_a_checkpoint_that_the_chief_is_deleting_is_passed_over(
    dataset: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    ports: Callable[[int], list[int]],
) -> None:
    config = TrainConfig(
        data_location=str(dataset),
        checkpoint=str(tmp_path / "run"),
        steps=10,
        batch_size=64,
        save_steps=5,
        keep_checkpoint_max=2,
    )
    run, result = train(config)
    both = run.checkpoints()
    (both[0] / "state.json").unlink()
    seen = iter([both[:1]])  # as it was a moment ago
    monkeypatch.setattr(RunDirectory, "checkpoints", lambda _: next(seen, both))
    chief = f"127.0.0.1:{ports(1)[0]}"
    own = {"type": "evaluator", "index": 0}
    told = json.dumps({"cluster": {"chief": [chief]}, "task": own})
    cluster = Cluster.of({"TF_CONFIG": told})
    assert cluster

    assert evaluate_as_saved(config, cluster, run) == result
