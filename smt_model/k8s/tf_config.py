"""TF_CONFIG, from what Kubernetes tells a pod about its job.

TF_CONFIG is TensorFlow's description of a cluster: the address of each task of each role, and
which task this process is. Its format: ``tf.distribute.cluster_resolver.TFConfigClusterResolver``.
"""

import json
import re
from collections.abc import Mapping

from smt_schemas import UserError

PORT = 2222
"""Where each task listens: the port of a TFJob's container."""

ROLES = ("chief", "worker", "ps", "evaluator")
"""TensorFlow's roles."""

_REPLICAS = re.compile(r"([a-z]+)=([1-9][0-9]{0,4})")


def tf_config(environment: Mapping[str, str]) -> str | None:
    """Return the value of TF_CONFIG for this pod, or None outside of a cluster.

    A TFJob has TF_CONFIG set already. The other manifests set ``SMT_REPLICAS``
    (``chief=1,worker=2``: the tasks of each role) and ``SMT_SERVICE``, and Kubernetes sets
    ``JOB_COMPLETION_INDEX``. In a JobSet, a task of a role is the pod of that index in the
    replicated job that is called like the role; in an Indexed Job, the pods have the roles of
    ``SMT_REPLICAS`` in their order.

    Host names are ``<jobset>-<role>-0-<index>.<service>`` (JobSet's API, field ``network``) and
    ``<job>-<index>.<service>`` ("Job with Pod-to-Pod Communication", Kubernetes documentation).

    Raises
    ------
    UserError
        When a variable is missing or wrong; the text names it.
    """
    if "TF_CONFIG" in environment:
        return environment["TF_CONFIG"]
    if "SMT_REPLICAS" not in environment:
        return None
    tasks = _tasks(environment["SMT_REPLICAS"])
    index = _index(environment)
    if "JOBSET_NAME" in environment:
        jobset = environment["JOBSET_NAME"]
        hosts = [f"{jobset}-{role}-0-{number}" for role, number in tasks]
        mine = (_variable(environment, "REPLICATED_JOB_NAME"), index)
    else:
        job = _variable(environment, "SMT_JOB")
        hosts = [f"{job}-{number}" for number in range(len(tasks))]
        mine = tasks[index] if index < len(tasks) else ("pod", index)
    if mine not in tasks:
        msg = (
            f"SMT_REPLICAS={environment['SMT_REPLICAS']} has no {mine[0]} with index {mine[1]}, "
            "which this pod is: it must say how many pods of each role the job has."
        )
        raise UserError(msg)
    cluster: dict[str, list[str]] = {role: [] for role, _ in tasks}
    for (role, _), host in zip(tasks, hosts, strict=True):
        cluster[role].append(f"{host}.{_variable(environment, 'SMT_SERVICE')}:{PORT}")
    return json.dumps({"cluster": cluster, "task": {"type": mine[0], "index": mine[1]}})


def _tasks(text: str) -> list[tuple[str, int]]:
    """Return role and number of each task that SMT_REPLICAS asks for."""
    matches = [_REPLICAS.fullmatch(part) for part in text.split(",")]
    replicas = {match[1]: int(match[2]) for match in matches if match}
    if len(replicas) != len(matches) or not replicas.keys() <= set(ROLES):
        msg = (
            f"SMT_REPLICAS={text} is not understood: give each role once with its number, as in "
            f"chief=1,worker=10,ps=4 (roles: {', '.join(ROLES)})."
        )
        raise UserError(msg)
    return [(role, number) for role, count in replicas.items() for number in range(count)]


def _index(environment: Mapping[str, str]) -> int:
    text = _variable(environment, "JOB_COMPLETION_INDEX")
    if not re.fullmatch(r"[0-9]{1,5}", text):
        msg = f"JOB_COMPLETION_INDEX={text} is not an index of a pod."
        raise UserError(msg)
    return int(text)


def _variable(environment: Mapping[str, str], name: str) -> str:
    if not environment.get(name):
        msg = f"{name} is not set, and SMT_REPLICAS is: compare with what smt k8s render writes."
        raise UserError(msg)
    return environment[name]
