"""Measures what several processes cost on this machine, and projects it to many machines.

    python benchmarks/scaling.py DATA [--steps 1000]

Each run is real processes of `smt train` on loopback. As root they get a network namespace of
their own, so that the bytes counted on its loopback device are theirs alone. The assumptions of
the projection are in docs/distributed.md.
"""

import argparse
import heapq
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

BATCH, DIM, FLOAT = 512, 16, 4
UNITS = (288, 256, 196, 128, 64, 1)
DENSE = 2 * FLOAT * sum((inputs + 1) * units for inputs, units in pairwise(UNITS))
"""Bytes of the two towers."""
NETWORK = 10e9 / 8
"""Bytes a second in each direction that a machine is assumed to have: 10 Gbit/s."""
ROUND_TRIP = 2e-4
"""Seconds that are assumed between two machines."""
CORES = len(os.sched_getaffinity(0))
MOST = 100
Processes = list[tuple[str, "subprocess.Popen[bytes]"]]


@dataclass(frozen=True)
class Snapshot:
    """A moment of a run: its step, the time, bytes sent so far, processor seconds by role."""

    step: int
    seconds: float
    wire: int
    cpu: dict[str, float]


@dataclass(frozen=True)
class Measured:
    """Steps a second; and for each step, processor seconds by role, and bytes sent."""

    rate: float
    cpu: dict[str, float]
    wire: float


def measure(data: Path, steps: int, batch: int, **roles: int) -> Measured:
    """Train with so many processes of each role; the first steps are not counted."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        processes = start(data, steps, batch, roles, run)
        first, last = (snapshot(processes, run, at) for at in (steps // 5, steps - 100))
        codes = [process.wait() for _, process in processes]
        if any(codes):
            sys.exit(f"processes ended with {codes}")
    done = last.step - first.step
    return Measured(
        rate=done / (last.seconds - first.seconds),
        cpu={role: (last.cpu[role] - first.cpu[role]) / done for role in first.cpu},
        wire=(last.wire - first.wire) / done,
    )


def start(data: Path, steps: int, batch: int, roles: dict[str, int], run: Path) -> Processes:
    sockets = {role: [socket.create_server(("", 0)) for _ in range(n)] for role, n in roles.items()}
    cluster = {
        role: [f"127.0.0.1:{opened.getsockname()[1]}" for opened in of_role]
        for role, of_role in sockets.items()
    }
    for of_role in sockets.values():
        for opened in of_role:
            opened.close()
    smt = [sys.executable, "-c", "from smt_cli.main import run; run()", "train"]
    options = ["--data-location", data, "--checkpoint", run, "--batch-size", batch]
    options += ["--steps", steps, "--no-eval"]
    return [
        (
            role,
            subprocess.Popen(
                [*smt, *map(str, options)],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=os.environ
                | {
                    "TF_CONFIG": json.dumps(
                        {"cluster": cluster, "task": {"type": role, "index": index}}
                    )
                },
            ),
        )
        for role, count in roles.items()
        for index in range(count)
    ]


def snapshot(processes: Processes, run: Path, step: int) -> Snapshot:
    """Wait for a report at a step or later."""
    while True:
        if any(process.poll() for _, process in processes):
            sys.exit("a process failed")
        log = run / "metrics.jsonl"
        reports = log.read_text().splitlines() if log.exists() else []
        if reports and (reached := json.loads(reports[-1])["step"]) >= step:
            break
        time.sleep(0.02)
    cpu: dict[str, float] = {}
    for role, process in processes:
        fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
        ticks = int(fields[11]) + int(fields[12])
        cpu[role] = cpu.get(role, 0) + ticks / os.sysconf("SC_CLK_TCK")
    wire = int(Path("/sys/class/net/lo/statistics/tx_bytes").read_text())
    return Snapshot(reached, time.perf_counter(), wire, cpu)


def rows_of_a_batch(data: Path) -> float:
    """Return the mean number of distinct rows that a batch looks up."""
    from smt_features import open_shards
    from smt_model.batching import Fuser
    from smt_model.layout import fused_tables

    dataset = open_shards(data)
    fuser = Fuser(fused_tables(dataset.schema.features), list(dataset.schema.tasks.values()))
    sizes = [
        len(fuser(batch).tables[0].rows)
        for _, batch in zip(range(50), dataset["train"].batches(BATCH, seed=1), strict=False)
    ]
    return sum(sizes) / len(sizes)


def served_rate(workers: int, servers: int, think: float, service: float, wire: float) -> float:
    """Simulate workers of parameter servers; return the steps a second of all.

    A worker works for ``think`` seconds by itself, its bytes pass its own network, and then each
    server is busy with its part of the step, one worker after the other, all servers at once.
    """
    alone = think + ROUND_TRIP * 2 + wire / NETWORK
    part = max(service, wire / NETWORK) / servers
    ready = [(alone * number / workers, number) for number in range(workers)]
    heapq.heapify(ready)
    free, steps, now = 0.0, 0, 0.0
    while steps < 200 * workers:
        now, worker = heapq.heappop(ready)
        free = max(free, now) + part
        heapq.heappush(ready, (free + alone, worker))
        steps += 1
    return steps / now


def together_rate(workers: int, think: float, merge: float, rows: float) -> float:
    """Return the steps a second of synchronous workers, each step counted once.

    A ring passes 2 (n - 1) / n of the dense gradients through each worker, and the rows and
    gradients of all the others; to merge those takes time for each other worker.
    """
    others = workers - 1
    wire = 2 * others / workers * DENSE + others * rows * (DIM + 1) * FLOAT
    return 1 / (think + others * merge + 2 * others * ROUND_TRIP + wire / NETWORK)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--steps", type=int, default=1000)
    options = parser.parse_args()
    if os.geteuid() == 0 and shutil.which("unshare") and "SMT_UNSHARED" not in os.environ:
        inside = f"ip link set lo up; exec {sys.executable} {' '.join(sys.argv)}"
        os.environ["SMT_UNSHARED"] = "1"
        os.execvp("unshare", ["unshare", "--net", "sh", "-c", inside])

    rows = rows_of_a_batch(options.data)
    pull, push = DENSE + rows * (DIM + 1) * FLOAT, DENSE + rows * (DIM + 1) * FLOAT
    print(f"a batch of {BATCH} looks up {rows:,.0f} rows; the towers are {DENSE / 1e6:.2f} MB")
    alone = measure(options.data, options.steps, BATCH, worker=1)
    served = measure(options.data, options.steps, BATCH, worker=1, ps=1)
    pair = measure(options.data, options.steps, BATCH, worker=2)
    four = measure(options.data, options.steps, BATCH, worker=2, ps=2)

    print("\nprocesses         steps/s  CPU ms a step           MB on the wire a step")
    floor = {"1 worker, 1 ps": pull + push, "2 workers, 2 ps": pull + push}
    floor["2 workers"] = 2 * (DENSE + rows * (DIM + 1) * FLOAT)
    for name, found in (
        ("1", alone),
        ("1 worker, 1 ps", served),
        ("2 workers", pair),
        ("2 workers, 2 ps", four),
    ):
        cpu = " ".join(f"{role} {seconds * 1e3:.1f}" for role, seconds in found.cpu.items())
        least = f" (at least {floor[name] / 1e6:.2f})" if name in floor else ""
        print(f"{name:<17} {found.rate:>7.1f}  {cpu:<22}  {found.wire / 1e6:.2f}{least}")

    # On one machine, the processor is what all processes share.
    predicted = min(2 / (1 / served.rate), CORES / (served.cpu["worker"] + served.cpu["ps"]))
    print(
        f"\n2 workers, 2 ps: {predicted:.1f} steps/s predicted from 1 and 1, {four.rate:.1f} seen"
    )
    merge = max(pair.cpu["worker"] / 2 - alone.cpu["worker"], 0) / CORES
    predicted = min(1 / (1 / alone.rate + merge), CORES / pair.cpu["worker"])
    print(f"2 workers: {predicted:.1f} steps/s predicted from 1, {pair.rate:.1f} seen")

    # A machine for each process: its cores do what one process's share of a step takes.
    think = 1 / alone.rate + (served.cpu["worker"] - alone.cpu["worker"]) / CORES
    service = served.cpu["ps"] / CORES
    print(
        f"\nprojected, a machine with {CORES} such cores for each process; steps/s of all workers"
    )
    print("workers  " + "".join(f"{n:>4} ps " for n in (1, 4, 16, 100)) + "  synchronous")
    for workers in (1, 2, 4, 10, 20, 50, MOST):
        rates = [
            served_rate(workers, servers, think, service, pull + push)
            for servers in (1, 4, 16, 100)
        ]
        together = workers * together_rate(workers, 1 / alone.rate, merge, rows)
        print(
            f"{workers:>7}  " + "".join(f"{rate:>7,.0f} " for rate in rates) + f"{together:>12,.0f}"
        )


if __name__ == "__main__":
    main()
