"""Which strategy is meant, and what it goes without."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from smt_model.config import StrategyName, TrainConfig
from smt_model.distributed.cluster import Cluster
from smt_model.distributed.options import require_supported, strategy_of
from smt_model.distributed.run import train_in_cluster
from smt_model.run_directory import RunDirectory
from smt_schemas import UsageError, UserError


def cluster(**addresses: list[str]) -> Cluster:
    role = "worker" if "worker" in addresses else "chief"
    return Cluster.model_validate({"cluster": addresses, "task": {"type": role, "index": 0}})


@pytest.mark.parametrize(
    ("addresses", "forced", "expected"),
    [
        ({"worker": ["a:1", "b:1"]}, None, "multi-worker"),
        ({"chief": ["a:1"], "worker": ["b:1"]}, None, "multi-worker"),
        ({"worker": ["a:1"], "ps": ["b:1"]}, None, "parameter-server"),
        ({"worker": ["a:1"]}, None, "none"),
        ({"worker": ["a:1"], "evaluator": ["b:1"]}, None, "multi-worker"),
        ({"worker": ["a:1", "b:1"], "ps": ["c:1"]}, "multi-worker", "multi-worker"),
        ({"worker": ["a:1", "b:1"]}, "none", "none"),
    ],
)
def test_the_strategy_follows_from_the_roles_unless_it_is_given(
    addresses: dict[str, list[str]], forced: StrategyName | None, expected: str
) -> None:
    assert strategy_of(TrainConfig(strategy=forced), cluster(**addresses)) == expected


def test_parameter_servers_need_servers() -> None:
    with pytest.raises(UsageError, match=r"needs ps tasks, and TF_CONFIG lists none"):
        strategy_of(TrainConfig(strategy="parameter-server"), cluster(worker=["a:1"]))


@pytest.mark.parametrize(
    ("strategy", "options", "words"),
    [
        ("multi-worker", {"tf": True}, "--tf does not go with the multi-worker strategy"),
        ("parameter-server", {"ev": True}, "--ev does not go with the parameter-server"),
        ("multi-worker", {"adaptive_emb": True}, "--adaptive-emb does not go"),
        ("parameter-server", {"columns": {"brand": {"ev": True}}}, "embedding options of a column"),
        ("multi-worker", {"async_embedding": True}, "--async-embedding does not go"),
        ("multi-worker", {"workqueue": True}, "--workqueue does not go"),
    ],
)
def test_what_a_strategy_goes_without_is_refused(
    strategy: StrategyName, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(UsageError) as error:
        require_supported(TrainConfig(**options), strategy)
    assert words in str(error.value)


def test_the_queue_goes_with_parameter_servers() -> None:
    require_supported(TrainConfig(workqueue=True), "parameter-server")


@pytest.mark.parametrize("roles", [("worker",), ("ps",), ("worker", "evaluator")], ids=str)
def test_an_option_that_would_change_nothing_is_refused_before_processes_meet(
    tmp_path: Path, ports: Callable[[int], list[int]], roles: tuple[str, ...]
) -> None:
    addresses: dict[str, list[str]] = {}
    for role, port in zip(("worker", *roles), ports(len(roles) + 1), strict=True):
        addresses.setdefault(role, []).append(f"127.0.0.1:{port}")
    job = cluster(**addresses)
    config = TrainConfig(
        output_dir=str(tmp_path),
        startup_timeout=1,
        filter_freq=5,
        eval_steps=5,
        evaluate="evaluator" in roles,
    )
    with pytest.raises(UsageError) as error:
        train_in_cluster(config, job)
    assert "--filter-freq 5 would change nothing" in str(error.value)
    assert "--eval-steps 5 would change nothing" in str(error.value)

    run = tmp_path / "model_SimpleMultiTask"
    run.mkdir()
    RunDirectory(run).write_config(config)  # begun before such options were refused
    with pytest.raises(UserError, match=r"Waited 1 s for (worker 1|ps 0) "):
        train_in_cluster(config, job)


def test_a_wrong_tf_config_is_one_line_and_exit_2(tmp_path: Path) -> None:
    config = {"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 3}}
    result = subprocess.run(
        [sys.executable, "-c", "from smt_cli.main import run; run()", "train"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "TF_CONFIG": json.dumps(config)},
    )
    assert result.returncode == 2
    assert result.stderr == (
        "Error: TF_CONFIG: task.index: there is no worker 3; cluster.worker has 1\n"
    )
