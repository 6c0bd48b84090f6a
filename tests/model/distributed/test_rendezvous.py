"""Processes that wait for each other."""

import socket
import threading

import pytest

from smt_model.distributed.cluster import Cluster
from smt_model.distributed.rendezvous import absent, meet
from smt_schemas import UsageError, UserError


def cluster_of(ports: list[int], index: int) -> Cluster:
    addresses = [f"127.0.0.1:{port}" for port in ports]
    task = {"type": "worker", "index": index}
    return Cluster.model_validate({"cluster": {"worker": addresses}, "task": task})


def two_ports() -> list[int]:
    with socket.create_server(("", 0)) as one, socket.create_server(("", 0)) as other:
        return [one.getsockname()[1], other.getsockname()[1]]


def test_both_go_on_when_both_are_there_and_the_ports_are_free_again() -> None:
    ports = two_ports()
    clusters = [cluster_of(ports, index) for index in (0, 1)]
    ended = []

    def arrive(index: int) -> None:
        meet(clusters[index], [clusters[index].trainers[1 - index]], 20)
        with socket.create_server(("", ports[index])):  # as TensorFlow's server does
            ended.append(index)
            while len(ended) < 2:
                done.wait(0.01)

    done = threading.Event()
    threads = [threading.Thread(target=arrive, args=[index]) for index in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(ended) == [0, 1]


def test_a_process_that_never_appears_is_named() -> None:
    cluster = cluster_of(two_ports(), 0)
    with pytest.raises(UserError, match=r"Waited 0.5 s for worker 1 \(127.0.0.1:\d+\): nothing"):
        meet(cluster, [cluster.trainers[1]], 0.5)


def test_a_port_that_another_program_has_is_named_with_its_field() -> None:
    with socket.create_server(("", 0)) as taken:
        port = taken.getsockname()[1]
        cluster = cluster_of([port, 1], 0)
        with pytest.raises(UsageError) as error:
            meet(cluster, [], 1)
    assert f"TF_CONFIG: cluster.worker[0]: port {port} of this machine" in str(error.value)
    assert "another program has it" in str(error.value)


def test_only_those_that_do_not_listen_are_absent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as there:
        cluster = cluster_of([there.getsockname()[1], *two_ports()[:1]], 0)
        assert absent(cluster.trainers) == [cluster.trainers[1]]
