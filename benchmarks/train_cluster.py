"""Trains with workers and parameter servers on this machine and prints the rate and the metrics.

    python -m smt_bench.train_cluster DATA --workers 2 --servers 1 [--steps 500] [--bf16]

Every process is an `smt train` with a `TF_CONFIG` of its own, and talks to the others by GRPC over
loopback. Without servers there is one process and no `TF_CONFIG`. The rate is that of all workers
together, in the chief's metrics.jsonl, without the steps up to the first report.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any


def main() -> None:
    parser = argparse.ArgumentParser(description="Steps a second of a cluster.")
    parser.add_argument("data", help="shards folder, or the data folder")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--servers", type=int, default=0)
    arguments, options = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as folder:
        run, output = Path(folder) / "run", Path(folder) / "output"
        command = [sys.executable, "-P", "-m", "smt_cli", "train", "--json", *options]
        command += ["--data-location", arguments.data, "--checkpoint", str(run)]
        configs = tf_configs(arguments.workers, arguments.servers)
        with output.open("w") as chief, (Path(folder) / "others").open("w") as others:
            processes = [
                subprocess.Popen(
                    command,
                    stdout=chief if index == 0 else others,
                    env=os.environ | ({"TF_CONFIG": json.dumps(config)} if config else {}),
                )
                for index, config in enumerate(configs)
            ]
            peak_mib = wait_for(processes)
        found = json.loads(output.read_text())
        rate = steady_rate(run / "metrics.jsonl")
    metrics = {
        "accuracy": found["accuracy"],
        "auc": found["auc"],
        "click_auc": found["tasks"]["ctr"]["auc"],
    }
    print(json.dumps({"rate": rate, "peak_mib": peak_mib, **metrics}))


def tf_configs(workers: int, servers: int) -> list[dict[str, Any]]:
    """Return the TF_CONFIG of each process, that of the first worker, the chief, first."""
    if not servers:
        return [{}]
    ports = iter(free_ports(workers + servers))
    cluster = {
        role: [f"127.0.0.1:{next(ports)}" for _ in range(number)]
        for role, number in (("worker", workers), ("ps", servers))
    }
    return [
        {"cluster": cluster, "task": {"type": role, "index": index}}
        for role, addresses in cluster.items()
        for index in range(len(addresses))
    ]


def free_ports(number: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [opened.getsockname()[1] for opened in sockets]
    for opened in sockets:
        opened.close()
    return ports


def wait_for(processes: "list[subprocess.Popen[bytes]]") -> float:
    """Wait until all have ended, and return the MiB of their peaks together.

    When one fails, the others are killed and this process exits, too.
    """
    peak = 0
    for _ in processes:
        pid, status, usage = os.wait4(-1, 0)
        peak += usage.ru_maxrss
        if status:
            for process in processes:
                if process.pid != pid:
                    process.kill()
            sys.exit(os.waitstatus_to_exitcode(status))
    return peak / 1024


def steady_rate(metrics: Path) -> float:
    """Return steps a second from a run's reports, but for the first."""
    lines = map(json.loads, metrics.read_text().splitlines())
    reports = [line for line in lines if "steps_per_second" in line]
    steps = [after["step"] - before["step"] for before, after in pairwise(reports)]
    seconds = [
        count / report["steps_per_second"] for count, report in zip(steps, reports[1:], strict=True)
    ]
    return float(sum(steps) / sum(seconds))


if __name__ == "__main__":
    main()
