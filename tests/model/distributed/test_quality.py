"""What asynchronous workers learn, on a million rows."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from smt_features.manifest import PrepareOptions
from smt_features.prepare import prepare
from smt_features.reading import PrepareJob
from smt_features.synth import synthesize
from smt_model.config import TrainConfig
from smt_model.evaluation import evaluate_run
from smt_model.training import train
from smt_schemas import taobao

pytestmark = pytest.mark.slow


def test_two_workers_and_two_servers_reach_the_auc_of_one_process(
    tmp_path: Path, job: Callable[..., Any]
) -> None:
    raw, data = tmp_path / "raw", tmp_path / "shards"
    synthesize(raw, 1_000_000)
    prepare(PrepareJob(raw, data, taobao(), PrepareOptions()))
    whole: dict[str, Any] = {"data_location": str(data), "epochs": 1}
    one, _ = train(TrainConfig(checkpoint=str(tmp_path / "one"), **whole))
    options = ["--data-location", data, "--epochs", 1, "--checkpoint", tmp_path / "served"]

    served = job(worker=2, ps=2)
    served.start(options=options)

    assert set(served.wait().values()) == {0}, served.said
    expected, found = (
        evaluate_run(path, None, "test").tasks["ctr"].auc
        for path in (one.path, tmp_path / "served")
    )
    assert found == pytest.approx(expected, abs=0.003)
