import json
from typing import Any

import pytest

from smt_model.distributed.cluster import Cluster
from smt_model.k8s.tf_config import tf_config
from smt_schemas import UserError

JOBSET = {
    "JOBSET_NAME": "trainer",
    "REPLICATED_JOB_NAME": "worker",
    "JOB_COMPLETION_INDEX": "1",
    "SMT_SERVICE": "net",
    "SMT_REPLICAS": "chief=1,ps=2,worker=3",
}
INDEXED = {
    "SMT_JOB": "trainer",
    "JOB_COMPLETION_INDEX": "1",
    "SMT_SERVICE": "net",
    "SMT_REPLICAS": "worker=2",
}


def config(environment: dict[str, str]) -> Any:
    text = tf_config(environment)
    assert text is not None
    return json.loads(text)


def test_a_tfjobs_own_is_left_alone() -> None:
    text = '{"cluster": {}, "environment": "cloud"}'
    assert tf_config({"TF_CONFIG": text, **JOBSET}) == text


def test_there_is_none_outside_of_a_cluster() -> None:
    assert tf_config({"HOME": "/root", "JOB_COMPLETION_INDEX": "0"}) is None


def test_a_jobset_has_a_replicated_job_for_each_role() -> None:
    assert config(JOBSET) == {
        "cluster": {
            "chief": ["trainer-chief-0-0.net:2222"],
            "ps": ["trainer-ps-0-0.net:2222", "trainer-ps-0-1.net:2222"],
            "worker": [f"trainer-worker-0-{index}.net:2222" for index in range(3)],
        },
        "task": {"type": "worker", "index": 1},
    }


def test_an_indexed_job_has_a_host_for_each_index() -> None:
    assert config(INDEXED) == {
        "cluster": {"worker": ["trainer-0.net:2222", "trainer-1.net:2222"]},
        "task": {"type": "worker", "index": 1},
    }


@pytest.mark.parametrize(
    ("index", "task"),
    [("0", ("chief", 0)), ("1", ("worker", 0)), ("2", ("worker", 1)), ("3", ("ps", 0))],
)
def test_the_pods_of_an_indexed_job_have_the_roles_in_order(
    index: str, task: tuple[str, int]
) -> None:
    found = config(
        INDEXED | {"SMT_REPLICAS": "chief=1,worker=2,ps=1", "JOB_COMPLETION_INDEX": index}
    )
    role, number = task
    assert found["task"] == {"type": role, "index": number}
    assert found["cluster"][role][number] == f"trainer-{index}.net:2222"


def test_smt_train_understands_it() -> None:
    text = tf_config(JOBSET | {"REPLICATED_JOB_NAME": "ps", "JOB_COMPLETION_INDEX": "0"})
    assert text is not None

    cluster = Cluster.of({"TF_CONFIG": text})

    assert cluster is not None
    assert cluster.task.text == "ps 0 (trainer-ps-0-0.net:2222)"
    assert cluster.chief.text == "chief 0 (trainer-chief-0-0.net:2222)"
    assert len(cluster.trainers) == 4


WRONG = {
    "not a list": (JOBSET, {"SMT_REPLICAS": "many"}, "SMT_REPLICAS=many"),
    "empty": (JOBSET, {"SMT_REPLICAS": ""}, "SMT_REPLICAS= is"),
    "no such role": (JOBSET, {"SMT_REPLICAS": "boss=1"}, "roles: chief, worker, ps, evaluator"),
    "twice the same": (JOBSET, {"SMT_REPLICAS": "ps=1,ps=2"}, "each role once"),
    "none of a role": (JOBSET, {"SMT_REPLICAS": "ps=0"}, "SMT_REPLICAS=ps=0"),
    "a role that it lacks": (JOBSET, {"REPLICATED_JOB_NAME": "other"}, "has no other with index 1"),
    "an index too high": (JOBSET, {"JOB_COMPLETION_INDEX": "3"}, "has no worker with index 3"),
    "an index too high, Job": (INDEXED, {"JOB_COMPLETION_INDEX": "2"}, "has no pod with index 2"),
    "a negative index": (INDEXED, {"JOB_COMPLETION_INDEX": "-1"}, "JOB_COMPLETION_INDEX=-1"),
    "no index": (JOBSET, {"JOB_COMPLETION_INDEX": ""}, "JOB_COMPLETION_INDEX is not set"),
    "no service": (INDEXED, {"SMT_SERVICE": ""}, "SMT_SERVICE is not set"),
    "no job": (INDEXED, {"SMT_JOB": ""}, "SMT_JOB is not set"),
    "no role": (JOBSET, {"REPLICATED_JOB_NAME": ""}, "REPLICATED_JOB_NAME is not set"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_variable_is_named(case: str) -> None:
    environment, changes, message = WRONG[case]

    with pytest.raises(UserError) as caught:
        tf_config(environment | changes)

    assert message in str(caught.value)
