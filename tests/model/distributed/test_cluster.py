"""What is understood of TF_CONFIG, and how each mistake in it is named."""

import json
from typing import Any

import pytest

from smt_model.distributed.cluster import Cluster, Task
from smt_schemas import UsageError


def described(cluster: Any, role: str = "worker", index: int = 0, **more: Any) -> dict[str, str]:
    task = {"type": role, "index": index}
    return {"TF_CONFIG": json.dumps({"cluster": cluster, "task": task, **more})}


def test_kubeflow_s_variable_is_understood() -> None:
    addresses = {"chief": ["c:2222"], "worker": ["w0:2222", "w1:2222"], "ps": ["p0:2222"]}
    found = Cluster.of(described(addresses, "worker", 1, environment="cloud"))
    assert found is not None
    assert found.task == Task("worker", 1, "w1:2222")
    assert [task.address for task in found.trainers] == ["c:2222", "w0:2222", "w1:2222"]
    assert found.chief.text == "chief 0 (c:2222)"
    assert (found.task.host, found.task.port) == ("w1", 2222)


def test_without_a_chief_worker_0_is_the_chief() -> None:
    found = Cluster.of(described({"worker": ["a:1", "b:2"], "ps": ["[::1]:3"]}, "ps"))
    assert found is not None
    assert found.chief.text == "worker 0 (a:1)"
    assert (found.task.host, found.task.port) == ("::1", 3)


def test_an_evaluator_need_not_be_listed() -> None:
    found = Cluster.of(described({"worker": ["a:1"]}, "evaluator"))
    assert found is not None
    assert found.task.text == "evaluator 0"


@pytest.mark.parametrize("text", [None, "", "{}", '{"cluster": {}}', '{"environment": "cloud"}'])
def test_a_process_by_itself_has_no_cluster(text: str | None) -> None:
    assert Cluster.of({} if text is None else {"TF_CONFIG": text}) is None


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"TF_CONFIG": "{worker: 1}"}, "TF_CONFIG is not JSON: Expecting property name"),
        ({"TF_CONFIG": "[1]"}, "TF_CONFIG: Input should be"),
        (described({"worker": ["a:1"]}, "master"), "TF_CONFIG: task.type: Input should be 'chief'"),
        (described({"master": ["a:1"]}), "TF_CONFIG: cluster.master: there is no such role"),
        (described({"worker": ["a:1"]}, index=-1), "TF_CONFIG: task.index: "),
        (
            described({"worker": ["a:1"]}, index=1),
            "TF_CONFIG: task.index: there is no worker 1; cluster.worker has 1",
        ),
        (
            described({"worker": ["a:1"]}, "ps"),
            "TF_CONFIG: task.index: there is no ps 0; cluster.ps has 0",
        ),
        (
            described({"worker": ["a:1", "b:1"], "ps": ["b:1"]}),
            "TF_CONFIG: cluster.ps[0]: b:1 is cluster.worker[1] already",
        ),
        (described({"worker": ["a"]}), "TF_CONFIG: cluster.worker[0]: 'a' is not HOST:PORT"),
        (described({"worker": ["a:70000"]}), "'a:70000' is not HOST:PORT"),
        (described({"worker": "a:1"}), "TF_CONFIG: cluster.worker: "),
        (described({"chief": ["a:1", "b:1"]}, "chief"), "cluster.chief: there is one chief"),
        (described({"ps": ["a:1"]}, "ps"), "cluster: there is no chief and no worker"),
        ({"TF_CONFIG": '{"cluster": {"worker": ["a:1"]}}'}, "TF_CONFIG: task: Field required"),
    ],
)
def test_a_mistake_is_named_with_its_field(environment: dict[str, str], words: str) -> None:
    with pytest.raises(UsageError) as error:
        Cluster.of(environment)
    assert words in str(error.value)
