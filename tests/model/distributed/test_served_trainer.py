"""A worker and two servers in one process: what their updates come to, for every rule."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from smt_features import open_shards
from smt_model.checkpoint import Pending
from smt_model.config import OPTIMIZERS, OptimizerName, TrainConfig
from smt_model.distributed.cluster import Cluster
from smt_model.distributed.served_trainer import ServedTrainer
from smt_model.run_directory import RunDirectory
from smt_model.tensors import read_tensors
from smt_model.trainer import Trainer

STEPS = 30


def trained(trainer: Trainer) -> np.ndarray:
    with trainer.batches(STEPS) as batches:
        ready = iter(batches)
        found = []
        while trainer.step < STEPS:
            found.append(trainer.advance(ready))
    trainer.save(Pending(), None)
    return np.concatenate(found)


def tensors(run: RunDirectory) -> dict[str, Any]:
    (file,) = run.newest_checkpoint().glob("*.safetensors")
    return dict(read_tensors(file))


@pytest.fixture
def servers(ports: Callable[[int], list[int]]) -> tuple[Cluster, str]:
    """Three TensorFlow servers in this process; the target is the worker's."""
    worker, *ps = [f"127.0.0.1:{port}" for port in ports(3)]
    addresses = {"worker": [worker], "ps": ps}
    cluster = Cluster.model_validate({"cluster": addresses, "task": {"type": "worker", "index": 0}})
    started = [
        tf.distribute.Server(addresses, job_name=task.role, task_index=task.index)
        for task in cluster.tasks
    ]
    return cluster, started[0].target


@pytest.mark.parametrize(
    "optimizer",
    [
        pytest.param(name, marks=[] if name in ("adagrad", "adamasync") else pytest.mark.slow)
        for name in OPTIMIZERS
    ],
)
def test_servers_update_as_one_process_does(
    dataset: Path, tmp_path: Path, servers: tuple[Cluster, str], optimizer: OptimizerName
) -> None:
    with_decay = optimizer == "adagraddecay"
    config = TrainConfig(
        data_location=str(dataset),
        batch_size=64,
        steps=STEPS,
        optimizer=optimizer,
        learning_rate=0.01,
        accumulator_decay_steps=7 if with_decay else 100_000,
        dense_layer_partitioner=1,
    )
    data = open_shards(dataset)
    runs = [RunDirectory(tmp_path / name) for name in ("one", "served")]
    one = Trainer(config, data, runs[0])
    served = ServedTrainer(config, data, runs[1], None, *servers)
    served.begin(None)
    np.testing.assert_allclose(trained(served), trained(one), atol=1e-5)
    found, wanted = map(tensors, reversed(runs))
    assert found.keys() == wanted.keys()
    for name, values in wanted.items():
        np.testing.assert_allclose(found[name], values, atol=1e-4, err_msg=name)
