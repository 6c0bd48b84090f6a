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
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
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
SERVERS = (1, 4, 16, 100)
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


def measure(data: Path, steps: int, roles: dict[str, int]) -> Measured:
    """Train with so many processes of each role."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        processes = launched(train_command(data, steps, run), roles)
        found = steady(processes, run, steps)
        codes = [process.wait() for _, process in processes]
        if any(codes):
            sys.exit(f"processes ended with {codes}")
    return found


def steady(processes: Processes, run: Path, steps: int) -> Measured:
    """Measure a run; the first steps are not counted."""
    first, last = (snapshot(processes, run, at) for at in (steps // 5, steps - 100))
    done = last.step - first.step
    return Measured(
        rate=done / (last.seconds - first.seconds),
        cpu={role: (last.cpu[role] - first.cpu[role]) / done for role in first.cpu},
        wire=(last.wire - first.wire) / done,
    )


def train_command(data: Path, steps: int, run: Path, *options: object) -> list[object]:
    smt = [sys.executable, "-c", "from smt_cli.main import run; run()", "train", *options]
    smt += ["--data-location", data, "--checkpoint", run, "--batch-size", BATCH]
    return [*smt, "--steps", steps, "--no-eval"]


def launched(command: Sequence[object], roles: dict[str, int]) -> Processes:
    """Start so many processes of each role, all with one command."""
    sockets = {role: [socket.create_server(("", 0)) for _ in range(n)] for role, n in roles.items()}
    cluster = {
        role: [f"127.0.0.1:{opened.getsockname()[1]}" for opened in of_role]
        for role, of_role in sockets.items()
    }
    for of_role in sockets.values():
        for opened in of_role:
            opened.close()
    tasks = [{"type": role, "index": index} for role, n in roles.items() for index in range(n)]
    return [
        (
            str(task["type"]),
            subprocess.Popen(
                [str(word) for word in command],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=os.environ | {"TF_CONFIG": json.dumps({"cluster": cluster, "task": task})},
            ),
        )
        for task in tasks
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
    return Snapshot(reached, time.perf_counter(), sent(), cpu)


def sent() -> int:
    """Return the bytes that the loopback device of this network namespace has sent."""
    (line,) = [line for line in Path("/proc/net/dev").read_text().splitlines() if "lo:" in line]
    return int(line.split()[9])


def rows_of_a_batch(data: Path) -> float:
    """Return the mean number of distinct rows that a batch looks up."""
    from smt_features import open_shards
    from smt_model.fuser import Fuser
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


def together_rate(workers: int, think: float, merge: float, sparse: float) -> float:
    """Return the steps a second of synchronous workers, each step counted once.

    A ring passes 2 (n - 1) / n of the dense gradients through each worker, and the rows and
    gradients of all the others; to merge those takes time for each other worker.
    """
    others = workers - 1
    wire = 2 * others / workers * DENSE + others * sparse
    return 1 / (think + others * merge + 2 * others * ROUND_TRIP + wire / NETWORK)


def in_own_network() -> None:
    """Start again in a network namespace, as root; the bytes on its loopback are of this alone."""
    if os.geteuid() == 0 and shutil.which("unshare") and "SMT_UNSHARED" not in os.environ:
        inside = f"ip link set lo up; exec {shlex.join([sys.executable, *sys.argv])}"
        os.environ["SMT_UNSHARED"] = "1"
        os.execvp("unshare", ["unshare", "--net", "sh", "-c", inside])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--steps", type=int, default=1000)
    options = parser.parse_args()
    in_own_network()

    rows = rows_of_a_batch(options.data)
    sparse = rows * (DIM + 1) * FLOAT
    print(f"a batch of {BATCH} looks up {rows:,.0f} rows; the towers are {DENSE / 1e6:.2f} MB")
    runs = {
        "1 process": {"worker": 1},
        "1 worker, 1 ps": {"worker": 1, "ps": 1},
        "2 workers, 2 ps": {"worker": 2, "ps": 2},
        "2 workers": {"worker": 2},
        "4 workers": {"worker": 4},
    }
    found = {name: measure(options.data, options.steps, roles) for name, roles in runs.items()}
    floor = {name: 2 * (DENSE + sparse) for name in runs if "ps" in name}
    floor |= {f"{n} workers": 2 * (n - 1) * DENSE + n * (n - 1) * sparse for n in (2, 4)}
    show(found, floor)
    alone, served, pair = (found[name] for name in ("1 process", "1 worker, 1 ps", "2 workers"))
    merge = max(pair.cpu["worker"] / 2 - alone.cpu["worker"], 0)
    check(found, alone.cpu["worker"], merge)

    # A machine for each process: its cores do what one process's share of a step takes.
    think = 1 / alone.rate + max(served.cpu["worker"] - alone.cpu["worker"], 0) / CORES
    service, wire = served.cpu["ps"] / CORES, floor["1 worker, 1 ps"]
    print(
        f"\nprojected: a machine with {CORES} such cores for each process; batches a second of all"
    )
    print("workers  " + "".join(f"{servers:>4} ps " for servers in SERVERS) + "  synchronous")
    for workers in (1, 2, 4, 10, 20, 50, 100):
        rates = [served_rate(workers, servers, think, service, wire) for servers in SERVERS]
        together = workers * together_rate(workers, 1 / alone.rate, merge / CORES, sparse)
        print(
            f"{workers:>7}  " + "".join(f"{rate:>7,.0f} " for rate in rates) + f"{together:>12,.0f}"
        )


def show(found: dict[str, Measured], floor: dict[str, float]) -> None:
    print("\nprocesses         steps/s  CPU ms a step           MB sent a step")
    for name, run in found.items():
        cpu = " ".join(f"{role} {seconds * 1e3:.1f}" for role, seconds in run.cpu.items())
        least = f" (at least {floor[name] / 1e6:.2f})" if name in floor else ""
        print(f"{name:<17} {run.rate:>7.1f}  {cpu:<22}  {run.wire / 1e6:.2f}{least}")


def check(found: dict[str, Measured], alone: float, merge: float) -> None:
    """Compare runs with what the others predict, on one machine whose cores all share."""
    served = found["1 worker, 1 ps"]
    predicted = {
        "2 workers, 2 ps": min(2 * served.rate, CORES / sum(served.cpu.values())),
        "4 workers": CORES / (4 * alone + 4 * 3 * merge),
    }
    print()
    for name, rate in predicted.items():
        print(f"{name}: {rate:.1f} steps/s predicted, {found[name].rate:.1f} seen")


if __name__ == "__main__":
    main()
