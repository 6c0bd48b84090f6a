"""Real processes of a cluster on this machine."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

PROGRAM = "from smt_cli.main import run; run()"
EVERY_STEP = f"import smt_model.trainer; smt_model.trainer.LOG_STEPS = 1; {PROGRAM}"
SECONDS = 120
"""Longer than anything takes on a busy machine."""


class Process:
    """One process, whose output goes to files."""

    def __init__(self, folder: Path, name: str, command: list[str], environment: Any) -> None:
        self.name = name
        self._out, self._err = folder / f"{name}.out", folder / f"{name}.err"
        with self._out.open("w") as out, self._err.open("w") as err:
            self._process = subprocess.Popen(
                command, stdout=out, stderr=err, env={**os.environ, **environment}
            )

    @property
    def out(self) -> str:
        return self._out.read_text()

    @property
    def err(self) -> str:
        return self._err.read_text()

    @property
    def runs(self) -> bool:
        return self._process.poll() is None

    def wait(self) -> int:
        """Return the exit code."""
        return self._process.wait(SECONDS)

    def waits_for(self, words: str) -> None:
        """Wait until the process says something."""
        deadline = time.monotonic() + SECONDS
        while words not in self.err:
            assert self.runs, f"{self.name} ended: {self.err}"
            assert time.monotonic() < deadline, f"{self.name} never said {words!r}: {self.err}"
            time.sleep(0.05)

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def end(self) -> None:
        if self.runs:
            self._process.kill()
            self._process.wait()


class Job:
    """A cluster on loopback: numbers of processes by role."""

    def __init__(self, folder: Path, roles: dict[str, int]) -> None:
        self._folder = folder
        ports = iter(free_ports(sum(roles.values())))
        self.addresses = {
            role: [f"127.0.0.1:{next(ports)}" for _ in range(count)]
            for role, count in roles.items()
        }
        self.processes: dict[str, Process] = {}
        self._prefixes: dict[str, list[str]] = {}

    def place(self, name: str, prefix: list[str], host: str) -> None:
        """Run a process behind a command, on a host of its own."""
        self._prefixes[name] = prefix
        role, index = name[:-1], int(name[-1])
        port = self.addresses[role][index].rpartition(":")[2]
        self.addresses[role][index] = f"{host}:{port}"

    def start(self, *names: str, options: list[Any], every_step: bool = False) -> None:
        """Start some processes (``worker0``), or all, as `smt train` with options.

        With ``every_step`` they report each step's loss.
        """
        smt = [sys.executable, "-c", EVERY_STEP if every_step else PROGRAM]
        everyone = [f"{role}{i}" for role, of in self.addresses.items() for i in range(len(of))]
        for name in names or everyone:
            task = {"type": name[:-1], "index": int(name[-1])}
            config = json.dumps({"cluster": self.addresses, "task": task})
            command = [*self._prefixes.get(name, []), *smt, "train", *map(str, options)]
            old = self.processes.get(name)
            assert old is None or not old.runs
            environment = {"TF_CONFIG": config, "COLUMNS": "100"}
            self.processes[name] = Process(self._folder, name, command, environment)

    def __getitem__(self, name: str) -> Process:
        return self.processes[name]

    def wait(self) -> dict[str, int]:
        """Return the exit codes of all processes."""
        return {name: process.wait() for name, process in self.processes.items()}

    @property
    def said(self) -> str:
        """What all processes said, for the message of an assertion."""
        return "\n".join(f"{name}: {p.out}{p.err}" for name, p in self.processes.items())


def free_ports(count: int) -> list[int]:
    """Return ports that are free now."""
    sockets = [socket.create_server(("", 0)) for _ in range(count)]
    ports = [opened.getsockname()[1] for opened in sockets]
    for opened in sockets:
        opened.close()
    return ports


@pytest.fixture
def ports() -> Callable[[int], list[int]]:
    """Return a function that finds so many free ports."""
    return free_ports


@pytest.fixture
def job(tmp_path: Path) -> Iterator[Callable[..., Job]]:
    """Return a function that describes a cluster, whose processes end with the test."""
    jobs: list[Job] = []

    def make(**roles: int) -> Job:
        folder = tmp_path / f"job{len(jobs)}"
        folder.mkdir()
        jobs.append(Job(folder, roles))
        return jobs[-1]

    yield make
    for made in jobs:
        for process in made.processes.values():
            process.end()


@pytest.fixture
def losses() -> Callable[[Path], list[float]]:
    """Return a function that returns the losses that a run reported."""

    def read(run: Path) -> list[float]:
        lines = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
        return [line["loss"] for line in lines if "loss" in line]

    return read
