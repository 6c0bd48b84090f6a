"""The pods of a manifest as processes, each in a network of its own on this machine.

Each pod is a network namespace with the name that its DNS would give it in ``/etc/hosts``, so that
what is tested is the container's command with its variables as Kubernetes would set them.
"""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from smt_features import Dataset
from smt_model.k8s.options import manifest_options
from smt_model.k8s.render import render

LAUNCH = Path(__file__).resolve().parents[2] / "distribute_k8s" / "launch.py"
NETWORK = "10.199.77"
BRIDGE = "smt-test"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        os.geteuid() != 0 or shutil.which("ip") is None,
        reason="network namespaces need root and the command ip (Debian: iproute2)",
    ),
]


class Pod(NamedTuple):
    """A pod: where it is, its host names, and what its container runs."""

    namespace: str
    address: str
    host: str
    variables: dict[str, str]
    arguments: list[str]


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


def pods_of(jobset: Any) -> list[Pod]:
    """Return the pods that the JobSet controller would make, with their labels and indices."""
    name = jobset["metadata"]["name"]
    subdomain = jobset["spec"]["network"]["subdomain"]
    pods: list[Pod] = []
    for job in jobset["spec"]["replicatedJobs"]:
        spec = job["template"]["spec"]
        [container] = spec["template"]["spec"]["containers"]
        known = {
            "metadata.labels['jobset.sigs.k8s.io/jobset-name']": name,
            "metadata.labels['jobset.sigs.k8s.io/replicatedjob-name']": job["name"],
            "requests.cpu": container["resources"]["requests"]["cpu"],
        }
        for index in range(spec["completions"]):
            number = len(pods) + 1
            pods.append(
                Pod(
                    f"{BRIDGE}-{number}",
                    f"{NETWORK}.{number}",
                    f"{name}-{job['name']}-0-{index}.{subdomain}",
                    {entry["name"]: value(entry, known) for entry in container["env"]}
                    | {"JOB_COMPLETION_INDEX": str(index)},
                    container["args"],
                )
            )
    return pods


def value(entry: Any, known: dict[str, str]) -> str:
    """Return what a variable of a container gets."""
    if "value" in entry:
        return str(entry["value"])
    [source] = entry["valueFrom"].values()
    return known[source.get("fieldPath") or source["resource"]]


@pytest.fixture
def networked() -> Iterator[Callable[[list[Pod]], None]]:
    """Return a function that makes the pods' networks; they are gone afterwards."""
    made: list[Pod] = []

    def connect(pods: list[Pod]) -> None:
        ip("link", "add", BRIDGE, "type", "bridge")
        ip("link", "set", BRIDGE, "up")
        for pod in pods:
            made.append(pod)
            ip("netns", "add", pod.namespace)
            outer = f"smt-v{len(made)}"
            ip("link", "add", outer, "type", "veth", "peer", "eth0", "netns", pod.namespace)
            ip("link", "set", outer, "master", BRIDGE, "up")
            inside = ("netns", "exec", pod.namespace, "ip")
            ip(*inside, "addr", "add", f"{pod.address}/24", "dev", "eth0")
            ip(*inside, "link", "set", "eth0", "up")
            ip(*inside, "link", "set", "lo", "up")
            hosts = Path("/etc/netns", pod.namespace, "hosts")
            hosts.parent.mkdir(parents=True)
            lines = [f"{other.address} {other.host}\n" for other in pods]
            hosts.write_text("127.0.0.1 localhost\n" + "".join(lines))

    yield connect
    for pod in made:
        subprocess.run(["ip", "netns", "del", pod.namespace], check=False)
        shutil.rmtree(Path("/etc/netns", pod.namespace), ignore_errors=True)
    subprocess.run(["ip", "link", "del", BRIDGE], check=False)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[Pod], subprocess.Popen[str]]]:
    """Return a function that starts a pod's container; what still runs at the end is killed."""
    started: list[subprocess.Popen[str]] = []

    def run(pod: Pod) -> subprocess.Popen[str]:
        arguments = [word.replace("/pvc", str(tmp_path)) for word in pod.arguments]
        process = subprocess.Popen(
            ["ip", "netns", "exec", pod.namespace, sys.executable, LAUNCH, *arguments],
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], **pod.variables, "MEM_USAGE_STRATEGY": "close"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


def finish(processes: list[subprocess.Popen[str]]) -> tuple[list[int], list[str]]:
    """Return exit codes and outputs."""
    outputs = [process.communicate(timeout=120)[0] for process in processes]
    return [process.returncode for process in processes], outputs


@pytest.fixture
def job(
    networked: Callable[[list[Pod]], None],
    prepared: Callable[..., Dataset],
    log_lines: Callable[..., list[str]],
) -> Callable[..., list[Pod]]:
    """Return a function that makes the pods of a small job: two that train, and one server."""

    def make(kind: str, *arguments: str) -> list[Pod]:
        prepared(log_lines(2000), log_lines(500, 1))
        options = manifest_options(
            kind=kind, workers=2, ps=1, arguments=("--batch-size", "64", *arguments)
        )
        pods = pods_of(yaml.safe_load(render(options)))
        networked(pods)
        return pods

    return make


@pytest.mark.parametrize("kind", ["jobset-ps", "jobset-multi-worker"])
def test_the_pods_of_a_jobset_train_a_model(
    kind: str,
    job: Callable[..., list[Pod]],
    start: Callable[[Pod], subprocess.Popen[str]],
) -> None:
    pods = job(kind, "--epochs", "1")

    codes, outputs = finish([start(pod) for pod in pods])

    assert codes == [0] * len(pods), "\n".join(outputs)
    assert "AUC" in outputs[0]


@pytest.mark.parametrize(
    ("kind", "victim"),
    [
        ("jobset-multi-worker", "trainer-worker-0-1"),
        ("jobset-ps", "trainer-ps-0-0"),
        ("jobset-ps", "trainer-chief-0-0"),
    ],
)
def test_when_a_pod_is_lost_the_job_ends_and_pods_that_replace_all_go_on(
    kind: str,
    victim: str,
    job: Callable[..., list[Pod]],
    start: Callable[[Pod], subprocess.Popen[str]],
    tmp_path: Path,
) -> None:
    pods = job(kind, "--steps", "300", "--save-steps", "50")
    processes = [start(pod) for pod in pods]
    kill_after_a_checkpoint(victim, pods, processes, tmp_path)
    codes, outputs = finish(processes)
    assert codes[0] != 0, "\n".join(outputs)  # the chief's: a worker may have done its part

    codes, outputs = finish([start(pod) for pod in pods])

    assert codes == [0] * len(pods), "\n".join(outputs)
    assert re.search(r"Going on at step [1-9]", outputs[0]), outputs[0]


def test_a_worker_of_parameter_servers_is_replaced_by_itself(
    job: Callable[..., list[Pod]],
    start: Callable[[Pod], subprocess.Popen[str]],
    tmp_path: Path,
) -> None:
    pods = job("jobset-ps", "--steps", "300", "--save-steps", "50")
    processes = [start(pod) for pod in pods]
    lost = kill_after_a_checkpoint("trainer-worker-0-0", pods, processes, tmp_path)
    processes[lost].wait()

    processes[lost] = start(pods[lost])

    codes, outputs = finish(processes)
    assert codes == [0] * len(pods), "\n".join(outputs)


def kill_after_a_checkpoint(
    victim: str, pods: list[Pod], processes: list[subprocess.Popen[str]], folder: Path
) -> int:
    """Kill the process of a pod once the run can be gone on with; return its number."""
    number = [pod.host.partition(".")[0] for pod in pods].index(victim)
    deadline = time.monotonic() + 60
    while not list((folder / "result" / "trainer" / "checkpoints").glob("step-*")):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    processes[number].kill()
    return number
