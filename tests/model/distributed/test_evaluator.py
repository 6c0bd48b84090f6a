"""A process that evaluates what the others save."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from smt_model.distributed.evaluator import METRICS
from smt_model.evaluation import evaluate_run


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
